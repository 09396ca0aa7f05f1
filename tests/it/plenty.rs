//! What many clients and few files cost.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};

use sandbox::CampaignSpec;

use crate::helper::{Text, World, assert_says, behind, gather};

const ID: i64 = 995_013;

/// As many as the socket has places for, but a few.
const CLIENTS: usize = 60;

fn resident_bytes(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
fn many_clients_that_read_nothing_of_a_dump_share_one() {
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
        client.read_exact(&mut [0]).expect("its answer has begun");
    }
    let grown = resident_bytes(world.guard.pid()).saturating_sub(before);
    assert!(grown < dump_bytes * CLIENTS / 3, "{grown} bytes more for {CLIENTS} clients of {dump_bytes} bytes");
    let mut whole = String::new();
    clients[0].read_to_string(&mut whole).unwrap();
    assert!(whole.len() > dump_bytes, "the answer that was begun comes to its end");
}

/// A command of the program that runs under other limits than the test's own.
fn limited(world: &World, limits: &str) -> Child {
    let script = format!("{limits} && exec \"$0\" \"$@\"");
    let mut shell = behind(&world.guard.program(&["run"]), "sh", &["-c", &script]);
    shell.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn it_takes_as_many_open_files_as_it_may_have() {
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
fn files_that_run_out_are_told_at_the_start_and_once_a_minute() {
    let mut world = World::new();
    world.add(CampaignSpec::running(ID), 20_000);
    world.guard.stop();
    let mut child = limited(&world, "ulimit -n 40");
    let gathered = Text::default();
    gather(child.stderr.take().unwrap(), &gathered);
    let log = || gathered.lock().unwrap().clone();
    world.wait_for_an_answer();
    assert_says(&log(), &["this process may open 40 files at once"]);
    let told = "no client can be let in";
    let mut clients = Vec::new();
    world.wait_for("the word that no client can be let in", |world| {
        clients.push(UnixStream::connect(world.guard.socket()).unwrap());
        if log().contains(told) { Ok(()) } else { Err(log()) }
    });
    // More than three seconds' ticks.
    let before = world.sandbox.requests().len();
    world.wait_for("five ticks", |world| match world.sandbox.requests().len() - before {
        5.. => Ok(()),
        requests => Err(format!("{requests} requests")),
    });
    assert_eq!(log().matches(told).count(), 1, "{}", log());
    child.kill().unwrap();
    child.wait().unwrap();
}
