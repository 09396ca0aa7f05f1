//! Operating the supervisor itself: the control socket and its many clients, the audit log, `reload`, `log-filter`,
//! `shutdown`, `status`, `dump`, `man`, `completions`, and exit statuses.

use std::collections::BTreeSet;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use sandbox::{CampaignSpec, Interference};
use serde_json::json;

use crate::helper::{Config, Done, World, ask, assert_says, say};

/// The number of clients: more than the server has places for.
const MANY: usize = 100;

#[test]
fn one_client_delays_no_other() {
    let mut world = World::new();
    let socket = world.guard.socket();
    for row in 0..1_000 {
        world.database.add_row(&format!("campaign {row}"), 10_000 + row, false);
    }
    world.wait_for("a dump larger than a socket's buffers", |world| {
        let campaigns = world.guard.state()["campaigns"].as_array().unwrap().len();
        if campaigns == 1_000 { Ok(()) } else { Err(format!("{campaigns} campaigns")) }
    });
    let begun = "GET /v1/state HTTP/1.1\r\nHost: localhost\r\n";
    let never_reads = say(&socket, &format!("{begun}\r\n"));
    let half_a_head = say(&socket, begun);
    world.done(&["status"]);
    let silent: Vec<UnixStream> = (0..MANY).map(|_| say(&socket, "")).collect();
    let kept_alive: Vec<UnixStream> =
        (0..MANY).map(|_| say(&socket, "GET /v1/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")).collect();
    world.done(&["status"]);
    drop((never_reads, half_a_head, silent, kept_alive));
}

/// The supervisor reads the rows again and again, so such a read may come at any moment of this.
#[test]
fn a_campaign_can_be_disabled_at_any_moment_after_it_was_added() {
    let mut world = World::new();
    let socket = world.guard.socket();
    for remote in 501..621 {
        world.add(CampaignSpec::running(remote), 20_000);
        let path = format!("/v1/campaigns/{}", world.database.row_id(remote));
        let answer = ask(&socket, "PATCH", &path, r#"{"generator_enabled": false, "leave_running": true}"#);
        // 409: the supervisor is enabling the campaign at that moment.
        assert!(matches!(answer.status, 200 | 409), "{answer:?}");
    }
}

#[test]
fn each_command_is_in_the_audit_log_and_reads_are_not() {
    let mut world = World::new();
    world.add(CampaignSpec::running(501), 20_000);
    let id = world.database.row_id(501);
    let socket = world.guard.socket();
    world.wait_for_state(501, "active-guarded");
    assert_eq!(ask(&socket, "GET", "/v1/state", "").status, 200);
    let changed =
        ask(&socket, "PATCH", &format!("/v1/campaigns/{id}"), r#"{"generator_enabled": false, "leave_running": true}"#);
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(ask(&socket, "PATCH", "/v1/campaigns/77", r#"{"generator_enabled": true}"#).status, 404);
    let command = world.run(&["enable", "78"]);
    assert_eq!(command.code, 1, "{command:?}");
    let (uid, pid) = (rustix::process::getuid().as_raw(), std::process::id());
    let by_us = format!("INFO audit uid={uid} pid={pid} method=PATCH");
    let lines = world.wait_for("three lines of the audit log", |world| {
        let log = world.guard.log();
        let lines: Vec<String> = log.lines().filter(|line| line.contains("method=")).map(str::to_owned).collect();
        if lines.len() >= 3 { Ok(lines) } else { Err(log) }
    });
    let expected = [
        format!("{by_us} path=\"/v1/campaigns/{id}\" status=200"),
        format!("{by_us} path=\"/v1/campaigns/77\" status=404"),
        "path=\"/v1/campaigns/78\" status=404".to_owned(),
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(&expected) {
        assert!(line.contains(expected.as_str()), "{line} does not have {expected}");
    }
    assert!(!lines[2].contains(&format!("pid={pid} ")), "the line names the command's process: {}", lines[2]);
}

#[test]
fn a_client_that_disconnects_before_the_answer_is_in_the_audit_log_too() {
    let mut world = World::new();
    let body = "{\"generator_enabled\"";
    let request = format!("PATCH /v1/campaigns/5 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{body}");
    drop(say(&world.guard.socket(), &request));
    world.wait_for_log("path=\"/v1/campaigns/5\"");
}

#[test]
fn a_live_socket_is_never_taken_over_and_a_stale_one_is_replaced() {
    let mut world = World::new();
    let socket = world.guard.socket();
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "{mode:o}");
    let same_database = world.run(&["run"]);
    world.guard.run_on_another_database(&["migrate"]).succeeded();
    let same_socket = world.guard.run_on_another_database(&["run"]);
    for (second, reason) in [(same_database, "guards the database"), (same_socket, "a supervisor answers on")] {
        assert_eq!(second.code, 1, "{second:?}");
        assert_says(&second.stderr, &[reason]);
        world.done(&["status"]);
    }
    world.guard.kill();
    assert!(socket.exists(), "a killed supervisor leaves its socket's file");
    world.start();
    world.done(&["status"]);
    world.guard.stop();
    assert!(!socket.exists(), "a supervisor that is stopped removes its socket");
    std::fs::write(&socket, "not a socket").unwrap();
    let refused = world.run(&["run"]);
    assert!(refused.stderr.contains("is not a socket"), "{refused:?}");
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
    let head =
        "PATCH /v1/campaigns/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut answer = String::new();
    say(&socket, &format!("{head}{chunk}")).read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[test]
fn a_reload_applies_what_it_can_and_names_the_keys_that_need_a_restart() {
    let config = Config::default().generator("activate_clicks", 50_000);
    let mut world = World::configured(config);
    world.add(CampaignSpec::paused(601), 20_000);
    world.wait_for_state(601, "idle");
    world.let_ticks_pass(2);
    assert_eq!(world.campaign(601).state(), "idle", "20,000 clicks are not enough");
    world.configure("generator", "activate_clicks", 15_000);
    world.configure("trafficstar", "timeout", "11s");
    assert_eq!(
        world.done(&["reload"]),
        "In force from each campaign's next tick on: generator.activate_clicks.\nIn force only after a restart: trafficstar.timeout.\n"
    );
    world.wait_for_state(601, "active-guarded");
    // Every reload names the keys that need a restart, until the restart.
    let again = world.json(&["reload"]);
    assert_eq!((&again["applied"], &again["needs_restart"]), (&json!([]), &json!(["trafficstar.timeout"])), "{again}");
}

#[test]
fn sighup_reloads_the_config_and_does_not_end_the_program() {
    let mut world = World::new();
    world.add_guarded(602);
    world.configure("generator", "mode", "observe");
    world.guard.signal(Signal::HUP);
    world.wait_until(602, "observe mode", |campaign| campaign.text("/ordered/mode") == "observe");
    std::fs::write(world.guard.config_file(), "nonsense").unwrap();
    world.guard.signal(Signal::HUP);
    world.wait_for_log("the config is not reloaded");
    world.let_ticks_pass(2);
    assert_eq!(world.campaign(602).text("/ordered/mode"), "observe");
}

/// A full disk, or an editor that writes in place, may leave only the beginning of a file.
#[test]
fn a_config_file_that_was_cut_off_loosens_no_rule_until_an_operator_accepts_it() {
    let config = Config::default().generator("mode", "observe");
    let mut world = World::configured(config.clone());
    world.add(CampaignSpec::paused(604), 50_000);
    world.wait_until(604, "observe mode", |campaign| campaign.text("/ordered/mode") == "observe");
    let observes = |world: &mut World| {
        world.let_ticks_pass(2);
        assert_eq!(world.campaign(604).text("/ordered/mode"), "observe");
        assert_eq!(world.writes(604), []);
    };
    std::fs::write(world.guard.config_file(), "").unwrap();
    world.guard.signal(Signal::HUP);
    world.wait_for_log("the file gives no key");
    observes(&mut world);

    world.guard.write_config();
    let whole = std::fs::read_to_string(world.guard.config_file()).unwrap();
    let cut: Vec<&str> = whole.lines().filter(|line| !line.starts_with("mode =")).collect();
    std::fs::write(world.guard.config_file(), cut.join("\n")).unwrap();
    world.refused(&["reload"], 1, &["generator.mode", "reload --accept"]);
    world.guard.signal(Signal::HUP);
    world.wait_for_log("generator.mode: no longer in the config");
    observes(&mut world);

    assert_says(&world.done(&["reload", "--accept"]), &["generator.mode"]);
    world.wait_for_state(604, "active-guarded");
}

#[test]
fn a_broken_config_changes_nothing_and_every_problem_is_reported() {
    let mut world = World::new();
    world.add_guarded(603);
    let broken = "[generator]\nmode = \"observe\"\ntick = \"soon\"\n[log]\nfliter = \"info\"\n";
    std::fs::write(world.guard.config_file(), broken).unwrap();
    let socket = world.guard.socket();
    let refused = ask(&socket, "POST", "/v1/reload", "");
    assert_eq!((refused.status, refused.content_type.as_str()), (422, "application/problem+json"), "{refused:?}");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert_eq!(detail.split("; ").filter(|problem| problem.contains("config.toml:")).count(), 2, "{detail}");
    for (line, words) in detail.split("; ").zip(["config.toml:3: generator.tick", "config.toml:5: `log.fliter`"]) {
        assert!(line.contains(words), "{line}");
    }
    world.refused(&["reload", "--socket", socket.to_str().unwrap()], 1, &[&detail]);
    world.let_ticks_pass(2);
    let campaign = world.campaign(603);
    assert_eq!((campaign.state().as_str(), campaign.text("/ordered/mode").as_str()), ("active-guarded", "act"));
}

#[test]
fn the_log_filter_changes_at_once_and_a_reload_restores_the_configs() {
    let mut world = World::new();
    world.add(CampaignSpec::paused(604), 9_000);
    // Each tick logs this line, at debug.
    let lines = |world: &World| world.guard.log().matches("reads are planned").count();
    let expect_lines = |world: &mut World| {
        let before = lines(world);
        world.wait_for("a line of a tick", |world| if lines(world) > before { Ok(()) } else { Err(String::new()) });
    };
    let expect_no_line = |world: &mut World| {
        world.let_ticks_pass(1);
        let before = lines(world);
        world.let_ticks_pass(2);
        assert_eq!(lines(world), before, "{}", world.guard.log());
    };
    expect_lines(&mut world);
    let said = world.done(&["log-filter", "error"]);
    assert_eq!(said, "The log filter is error until a reload or a restart.\n");
    expect_no_line(&mut world);
    assert_eq!(world.json(&["log-filter", "debug"]), json!({"filter": "debug"}));
    expect_lines(&mut world);

    for bad in ["debgu", "", "a=b=c", "audit=off", "info, audit[{uid}]=off"] {
        let refused = ask(&world.guard.socket(), "PUT", "/v1/log-filter", &json!({"filter": bad}).to_string());
        assert_eq!((refused.status, &refused.json()["field"]), (422, &json!("filter")), "{bad}: {refused:?}");
    }
    world.refused(&["log-filter", "debgu"], 1, &["for the level write \"debug\""]);

    world.done(&["log-filter", "off"]);
    expect_no_line(&mut world);
    let reloaded = world.json(&["reload"]);
    assert_eq!(reloaded["applied"], json!(["log.filter"]));
    expect_lines(&mut world);
}

#[test]
fn shutdown_returns_when_the_supervisor_has_stopped_and_another_can_start() {
    let mut world = World::new();
    world.add_guarded(604);
    let pid = world.guard.state()["pid"].clone();
    let stopped = world.done(&["shutdown"]);
    let left = "1 campaign runs, and no supervisor guards it until one is started (";
    assert_says(&stopped, &[&format!("The supervisor (process {pid}) has stopped.\n"), left]);
    assert!(!world.guard.socket().exists());
    world.refused(&["shutdown"], 3, &[]);
    world.guard.wait_for_end();
    world.start();
    let answer = ask(&world.guard.socket(), "POST", "/v1/shutdown", "");
    assert_eq!((answer.status, answer.json()), (202, json!({"pid": answer.json()["pid"]})));
    world.guard.wait_for_end();
    assert!(!world.guard.socket().exists());
}

#[test]
fn completions_and_manual_pages_are_made_from_the_commands() {
    let world = World::new();
    for shell in ["elvish", "powershell"] {
        assert_says(&world.done(&["completions", shell]), &["traffic-generator", "log-filter", "disable"]);
    }
    assert_says(&world.done(&["man"]), &[".TH traffic-generator 1", "log\\-filter", "\\-\\-socket"]);
    let of_disable = [".TH traffic-generator-disable 1", "\\-\\-pause", "\\-\\-json", ".SH EXAMPLES"];
    assert_says(&world.done(&["man", "disable"]), &of_disable);
    world.refused(&["man", "dance"], 2, &[]);

    let folder = tempfile::tempdir().unwrap();
    let printed = world.done(&["man", "--all", folder.path().to_str().unwrap()]);
    let pages: BTreeSet<String> =
        folder.path().read_dir().unwrap().map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    assert!(printed.starts_with(&format!("{} pages were written", pages.len())), "{printed}");
    for page in ["traffic-generator.1", "traffic-generator-run.1", "traffic-generator-campaign-add.1"] {
        assert!(pages.contains(page), "{page} is not among {pages:?}");
    }
    world.refused(&["man", "--all", "/nowhere"], 1, &["the page /nowhere/traffic-generator.1 cannot be written"]);
}

#[test]
fn a_misspelt_command_is_a_usage_error_with_a_suggestion() {
    let world = World::new();
    for (misspelt, meant) in [
        (&["stauts"][..], "'status'"),
        (&["reloud"], "'reload'"),
        (&["shutdwon"], "'shutdown'"),
        (&["status", "--jsno"], "'--json'"),
    ] {
        world.refused(misspelt, 2, &[meant]);
    }
}

#[test]
fn many_readers_of_events_do_not_block_orders() {
    let mut world = World::new();
    world.add_guarded(605);
    let begun = "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let readers: Vec<UnixStream> = (0..80).map(|_| say(&world.guard.socket(), begun)).collect();
    world.done(&["pause-all", "--reason", "too much spend"]);
    assert!(!world.sandbox.is_running(605));
    assert_eq!(world.health().0, 200);
    drop(readers);
}

#[test]
fn pause_all_does_not_wait_for_the_directory_of_users() {
    let mut world = World::new();
    world.add_guarded(606);
    world.guard.stop();
    world.guard.has_hung_directory = true;
    world.start();
    // These are more commands than requests to the directory may wait at once.
    for _ in 0..6 {
        world.done(&["hold", "1", "--reason", "x"]);
    }
    world.done(&["pause-all", "--reason", "too much spend"]);
    assert!(!world.sandbox.is_running(606));
    world.guard.stop();
    world.sandbox.interfere(606, Interference::Start).unwrap();
    world.done(&["pause-all", "--direct", "--reason", "too much spend"]);
    assert!(!world.sandbox.is_running(606));
}

#[test]
fn status_and_dump_show_what_the_supervisor_knows() {
    let mut world = World::new();
    world.add_guarded(995_701);
    let said = [
        "● guarding 1 campaign · 1 running",
        "runs",
        "/ 10.00",
        "20,000",
        "pauses at 5,000",
        "no campaign needs attention",
    ];
    assert_says(&world.done(&["status"]), &said);
    assert_says(&world.done(&["status", "--wide"]), &["PROMISE", "active-guarded for"]);
    assert_says(&world.done(&["status", "--attention"]), &["No campaign needs attention."]);
    let list = world.json(&["status", "1"]);
    assert_eq!((list.as_array().unwrap().len(), list[0]["trafficstar_id"].as_i64()), (1, Some(995_701)));
    let dump = world.json(&["dump"]);
    assert_eq!((dump["version"].as_i64(), dump["campaigns"][0]["id"].as_i64()), (Some(1), Some(1)));
    let campaign = world.json(&["dump", "1"]);
    assert_eq!((&campaign["state"], &campaign["verdict"]), (&json!("active-guarded"), &json!("running")));
    let limits = json!({
        "spend": "10.00", "high_spend": "observe", "activate_clicks": 15_000, "pause_clicks": 5_000, "cooldown_seconds": 2,
    });
    assert_eq!(campaign["limits"], limits);
}

#[test]
fn with_json_a_failure_is_an_object_on_stdout_and_its_message_is_on_stderr() {
    let mut world = World::new();
    world.database.add_row("shoes", 1001, false);
    let long = format!("/{}", "s".repeat(120));
    for (arguments, code, status, title, detail) in [
        (&["explain", "99"][..], 1, 404, "unknown campaign", "there is no campaign 99"),
        (&["hold", "shose"], 1, 404, "unknown campaign", "did you mean shoes (1)?"),
        (&["url", "remove", "99"], 1, 404, "unknown URL", "there is no URL 99"),
        (&["log-filter", "debgu"], 1, 422, "bad input", "for the level write"),
        (&["status", "--socket", "/nowhere/a.sock"], 3, 503, "no supervisor", "nothing listens on /nowhere/a.sock"),
        (&["status", "--socket", &long], 1, 500, "failed", "107 at most"),
        (&["stauts"], 2, 400, "bad usage", "'status'"),
        (&["url", "set", "1", "--clicks", "-1"], 2, 400, "bad usage", "`-1` is not a count"),
        (&["run"], 2, 400, "bad usage", "`run` prints no result that could be JSON"),
        (&["top"], 2, 400, "bad usage", "`top` prints no result that could be JSON"),
        (&["man", "run"], 2, 400, "bad usage", "`man` prints no result that could be JSON"),
    ] {
        let done = world.run(&[arguments, &["--json"]].concat());
        let problem: serde_json::Value =
            serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {done:?}"));
        let found = (done.code, &problem["type"], &problem["status"], &problem["title"]);
        assert_eq!(found, (code, &json!("about:blank"), &json!(status), &json!(title)), "{arguments:?}: {problem}");
        assert_says(problem["detail"].as_str().unwrap(), &[detail]);
        assert!(done.stderr.starts_with("error: "), "{done:?}");
    }
    std::fs::write(world.guard.config_file(), "tikc = 1").unwrap();
    let checked = world.run(&["check", "--offline", "--json"]);
    let result: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
    assert!(checked.code == 1 && result["problems"].is_array(), "the result of `check` says why: {checked:?}");
}

#[test]
fn each_kind_of_failure_has_its_exit_status() {
    let mut world = World::new();
    for (arguments, code) in [
        (&["status", "99"][..], 1),
        (&["dump", "99"], 1),
        (&["explain", "99"], 1),
        (&["enable", "99"], 1),
        (&["status", "shoes"], 1),
        (&["status", "-1"], 2),
        (&["disable"], 2),
        (&["dump", "--socket", "/nowhere/control.sock"], 3),
    ] {
        let Done { code: ended, stdout, stderr } = world.run(arguments);
        assert_eq!((ended, stdout.as_str()), (code, ""), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("error: "), "{arguments:?}: {stderr}");
    }
    let socket = world.guard.socket().display().to_string();
    world.guard.stop();
    let absent =
        format!("error: the supervisor is not running (nothing listens on {socket}). NOTHING IS GUARDED. Start it: ");
    let gone = world.run(&["status", "--socket", &socket]);
    assert!(gone.code == 3 && gone.stderr.starts_with(&absent) && !gone.stderr.contains("localhost"), "{gone:?}");
    let direct = "so nothing was paused. To pause without a supervisor, give the same command with --direct";
    world.refused(&["pause-all", "--reason", "wrong page"], 3, &[direct]);
    let long = format!("/{}", "s".repeat(120));
    let said = "has 121 bytes: the path of a socket can have 107 at most";
    world.refused(&["status", "--socket", &long], 1, &[said]);
}

#[test]
fn check_names_all_problems_and_works_while_a_supervisor_runs() {
    let mut world = World::new();
    assert!(world.done(&["check", "--offline"]).ends_with("\nAll is well.\n"));
    assert_eq!(world.done(&["migrate"]), "The database's schema is up to date.\n");
    world.guard.stop();
    let file = world.guard.config_file();
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, config.replace("[generator]", "[generator]\ntikc = \"1m\"\nmode = \"watch\"")).unwrap();
    let checked = world.run(&["check"]);
    assert_eq!((checked.code, checked.stdout.lines().count()), (1, 2), "{checked:?}");
    assert_says(&checked.stdout, &["did you mean `tick`?", "`watch` is not one of"]);
}
