//! A log whose reader has stopped reading: a hung log shipper, a terminal with Ctrl-S.

use std::io::Write as _;

use crate::helper::{Config, World};

const ID: i64 = 995_064;

/// What a pipe takes before whoever writes has to wait.
const FULL: u64 = 65_536;

#[test]
fn a_log_that_is_not_read_stops_no_tick_no_pause_no_order_and_no_shutdown() {
    let mut world = World::configured(Config::default().set("log", "filter", "trace"));
    world.add_guarded(ID);
    world.guard.stop();
    let (unread, mut log) = std::io::pipe().unwrap();
    world.guard.start_unread(&log);
    // The guard alone would need a minute to fill the pipe. The thread is blocked from then on, until the test ends.
    let filling = std::thread::spawn(move || log.write_all(&[b'.'; 2 * FULL as usize]));
    world.wait_for("a full pipe", |_| match rustix::io::ioctl_fionread(&unread).unwrap() {
        FULL.. => Ok(()),
        bytes => Err(bytes.to_string()),
    });
    world.database.execute("UPDATE urls SET click_limit = clicks");
    world.wait_for("the pause", |world| if world.sandbox.is_running(ID) { Err(String::new()) } else { Ok(()) });
    let held = world.guard.command(&["pause-all", "--reason", "a test"]);
    assert!(held.status.success(), "{held:?}");
    let (status, _) = world.health();
    assert_eq!(status, 200);
    assert_eq!(rustix::io::ioctl_fionread(&unread).unwrap(), FULL, "nobody has read it");
    world.guard.stop();
    drop(unread);
    filling.join().unwrap().unwrap_err();
}

#[test]
fn who_gives_a_command_is_in_the_log_whatever_its_filter() {
    let mut world = World::configured(Config::default().set("log", "filter", "off"));
    assert!(world.guard.command(&["log-filter", "off"]).status.success());
    assert!(world.guard.command(&["pause-all", "--reason", "a test"]).status.success());
    world.wait_for("both in the log", |world| {
        let log = world.guard.log();
        let audited = |path: &str| log.lines().any(|line| line.contains("audit") && line.contains(path));
        if audited("/v1/log-filter") && audited("/v1/hold") { Ok(()) } else { Err(log) }
    });
}
