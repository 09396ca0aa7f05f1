//! Operating the supervisor itself: a control socket that no client spoils for another, and its own orders.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use sandbox::CampaignSpec;

use crate::helper::{World, ask, say};

/// So many clients that none of the server's places is left.
const MANY: usize = 100;

fn status_works(world: &World) {
    let status = world.guard.command(&["status"]);
    assert!(status.status.success(), "{status:?}");
}

#[test]
fn one_client_delays_no_other() {
    let mut world = World::new();
    let socket = world.guard.socket();
    for row in 0..3_000 {
        world.database.tracker.add_campaign(&format!("campaign {row}"), 10_000 + row, false).unwrap();
    }
    world.wait_for("a dump larger than a socket's buffers", |world| {
        let campaigns = world.guard.state()["campaigns"].as_array().unwrap().len();
        if campaigns == 3_000 { Ok(()) } else { Err(format!("{campaigns} campaigns")) }
    });
    let begun = "GET /v1/state HTTP/1.1\r\nHost: localhost\r\n";
    let never_reads = say(&socket, &format!("{begun}\r\n"));
    let half_a_head = say(&socket, begun);
    status_works(&world);
    let silent: Vec<UnixStream> = (0..MANY).map(|_| say(&socket, "")).collect();
    let kept_alive: Vec<UnixStream> =
        (0..MANY).map(|_| say(&socket, "GET /v1/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")).collect();
    status_works(&world);
    drop((never_reads, half_a_head, silent, kept_alive));
}

#[test]
fn each_command_leaves_a_line_in_the_audit_log_and_reading_leaves_none() {
    let mut world = World::new();
    world.add(CampaignSpec::running(501), 20_000);
    let id = world.database.row_id(501);
    let socket = world.guard.socket();
    assert_eq!(ask(&socket, "GET", "/v1/state", "").status, 200);
    let changed = ask(&socket, "PATCH", &format!("/v1/campaigns/{id}"), r#"{"generator_enabled": false}"#);
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(ask(&socket, "PATCH", "/v1/campaigns/77", r#"{"generator_enabled": true}"#).status, 404);
    let command = world.guard.command(&["enable", "78"]);
    assert_eq!(command.status.code(), Some(1), "{command:?}");
    let (uid, pid) = (rustix::process::getuid().as_raw(), std::process::id());
    let by_us = format!("uid=\"{uid}\" pid=\"{pid}\" method=PATCH");
    let lines = world.wait_for("three lines of the audit log", |world| {
        let log = world.guard.log();
        let lines: Vec<String> = log.lines().filter(|line| line.contains("method=")).map(str::to_owned).collect();
        if lines.len() >= 3 { Ok(lines) } else { Err(log) }
    });
    let expected = [
        format!("{by_us} path=\"/v1/campaigns/{id}\" status=\"200\""),
        format!("{by_us} path=\"/v1/campaigns/77\" status=\"404\""),
        "path=\"/v1/campaigns/78\" status=\"404\"".to_owned(),
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(&expected) {
        assert!(line.contains(expected.as_str()), "{line} does not have {expected}");
    }
    assert!(!lines[2].contains(&format!("pid=\"{pid}\"")), "it is the command's process: {}", lines[2]);
}

#[test]
fn a_client_that_leaves_before_the_answer_is_in_the_audit_log_too() {
    let mut world = World::new();
    let body = "{\"generator_enabled\"";
    let request = format!("PATCH /v1/campaigns/5 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{body}");
    drop(say(&world.guard.socket(), &request));
    world.wait_for("its line", |world| {
        let log = world.guard.log();
        if log.contains("path=\"/v1/campaigns/5\"") { Ok(()) } else { Err(log) }
    });
}

#[test]
fn a_live_socket_is_never_taken_over_and_a_stale_one_is_replaced() {
    let mut world = World::new();
    let socket = world.guard.socket();
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "{mode:o}");
    let second = world.guard.command(&["run"]);
    let message = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{message}");
    assert!(message.contains("a supervisor answers on"), "{message}");
    status_works(&world);
    world.guard.kill();
    assert!(socket.exists(), "a killed supervisor leaves its socket's file");
    world.start();
    status_works(&world);
    world.guard.stop();
    assert!(!socket.exists(), "a supervisor that is stopped takes its socket with it");
    std::fs::write(&socket, "not a socket").unwrap();
    let refused = world.guard.command(&["run"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is no socket"), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "not a socket");
}

#[test]
fn a_request_that_is_too_large_is_refused_with_413() {
    let world = World::new();
    let socket = world.guard.socket();
    let large = " ".repeat(64 * 1024 + 1);
    let refused = ask(&socket, "PATCH", "/v1/campaigns/1", &large);
    assert_eq!((refused.status, refused.content_type.as_str()), (413, "application/problem+json"), "{refused:?}");
    let chunk = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let head = "PATCH /v1/campaigns/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut answer = String::new();
    say(&socket, &format!("{head}{chunk}")).read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}
