//! Many clients that share one dump, and a process that may open few files.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};

use sandbox::CampaignSpec;

use crate::helper::{Text, World, assert_says, behind, gather};

const ID: i64 = 995_013;

/// The number of clients: a few less than the socket has places for.
const CLIENTS: usize = 60;

fn resident_bytes(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
fn many_clients_that_do_not_read_their_answers_share_one_dump() {
    let mut world = World::new();
    world.database.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
         INSERT INTO campaigns (name, trafficstar_id) SELECT hex(zeroblob(90)), 2000000 + i FROM n",
    );
    world.wait_for("all campaigns in the dump", |world| match world.guard.state()["campaigns"].as_array() {
        Some(campaigns) if campaigns.len() == 3_000 => Ok(()),
        other => Err(format!("{:?}", other.map(Vec::len))),
    });
    let dump_bytes = world.guard.get("/v1/state").text.len();
    let before = resident_bytes(world.guard.pid());
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| world.guard.open("/v1/state")).collect();
    for client in &mut clients {
        client.read_exact(&mut [0]).expect("the answer has begun");
    }
    let grown = resident_bytes(world.guard.pid()).saturating_sub(before);
    assert!(grown < dump_bytes * CLIENTS / 3, "{grown} bytes more for {CLIENTS} clients of {dump_bytes} bytes");
    let mut whole = String::new();
    clients[0].read_to_string(&mut whole).unwrap();
    assert!(whole.len() > dump_bytes, "the answer is complete");
}

/// Starts `run` with other limits than the test's own.
fn limited(world: &World, limits: &str) -> Child {
    let script = format!("{limits} && exec \"$0\" \"$@\"");
    let mut shell = behind(&world.guard.program(&["run"]), "sh", &["-c", &script]);
    shell.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn the_program_raises_its_limit_of_open_files_to_the_maximum() {
    let mut world = World::new();
    world.guard.stop();
    let mut child = limited(&world, "ulimit -Sn 64 && ulimit -Hn 400");
    world.wait_for("the limit raised", |_| {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let numbers: Vec<&str> = files.split_whitespace().skip(3).take(2).collect();
        if numbers == ["400", "400"] { Ok(()) } else { Err(files.to_owned()) }
    });
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_low_limit_of_open_files_is_logged_at_the_start_and_once_a_minute_when_it_is_reached() {
    let mut world = World::new();
    world.add(CampaignSpec::running(ID), 20_000);
    world.guard.stop();
    let mut child = limited(&world, "ulimit -n 40");
    let gathered = Text::default();
    gather(child.stderr.take().unwrap(), &gathered);
    let log = || gathered.lock().unwrap().clone();
    world.wait_for_an_answer();
    assert_says(&log(), &["this process may open 40 files at once"]);
    let message = "no client can connect";
    let mut clients = Vec::new();
    world.wait_for("the line about clients", |world| {
        clients.push(UnixStream::connect(world.guard.socket()).unwrap());
        if log().contains(message) { Ok(()) } else { Err(log()) }
    });
    // Five ticks take more than three seconds.
    let before = world.sandbox.requests().len();
    world.wait_for("five ticks", |world| match world.sandbox.requests().len() - before {
        5.. => Ok(()),
        requests => Err(format!("{requests} requests")),
    });
    assert_eq!(log().matches(message).count(), 1, "{}", log());
    child.kill().unwrap();
    child.wait().unwrap();
}
