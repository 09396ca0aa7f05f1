//! `pause-all --direct` where the supervisor is dead or hangs, and more is broken than it.

use std::process::{Command, Output};

use diesel::connection::SimpleConnection;
use rustix::process::Signal;
use sandbox::{CampaignSpec, Operation};

use crate::helper::{Config, World, in_parallel};
use crate::postgres::Server;

const ID: i64 = 995_001;
const PRESS: [&str; 4] = ["pause-all", "--direct", "--reason", "wrong page"];

/// A world with one campaign that runs as promised.
fn guarding(config: Config) -> World {
    let mut world = World::configured(config);
    world.add_guarded(ID);
    world
}

/// Stops the guard between two of its writes: a lock that it keeps is another trouble.
fn freeze(world: &mut World) {
    world.wait_for("the guard to be frozen between two writes", |world| {
        world.guard.signal(Signal::STOP);
        let written = world.database.connect().batch_execute("BEGIN IMMEDIATE; ROLLBACK");
        written.map_err(|error| {
            world.guard.signal(Signal::CONT);
            error.to_string()
        })
    });
}

/// It was paused by the command itself, which says all of this.
#[track_caller]
fn assert_pauses(world: &World, pressed: &Output, words: &[&str]) {
    let told = String::from_utf8([&pressed.stdout[..], &pressed.stderr].concat()).unwrap();
    assert!(!world.sandbox.is_running(ID), "{told}");
    assert_eq!(pressed.status.code(), Some(0), "{told}");
    for words in ["Paused now: 1 of 1"].iter().chain(words) {
        assert!(told.contains(words), "{words} is missing: {told}");
    }
}

#[test]
fn the_panic_button_works_while_another_program_keeps_the_database_locked() {
    let mut world = guarding(Config::default());
    world.guard.kill();
    world.database.lock();
    let pressed = world.guard.command(&PRESS);
    assert_pauses(
        &world,
        &pressed,
        &["No hold could be stored", "keeps the database locked", "not every pause is in the journal"],
    );
    world.database.unlock();
    let again = world.guard.command(&PRESS);
    assert_pauses(&world, &again, &["All campaigns are on hold"]);
}

#[test]
fn the_panic_button_pauses_campaigns_of_which_nothing_stored_can_be_read() {
    let mut world = guarding(Config::default());
    world.guard.kill();
    world.database.execute("DROP TABLE journal_steps");
    let pressed = world.guard.command(&PRESS);
    assert_pauses(&world, &pressed, &["what is stored of 1 campaigns could not be read", "All campaigns are on hold"]);
}

/// Runs the panic button in a mount namespace of its own, in which `mount` was done to the folder, named `$FOLDER`.
fn press_with(world: &World, mount: &str) -> Option<Output> {
    let folder = world.guard.config_file().parent().unwrap().to_owned();
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--map-root-user"]);
    if !unshare.args(["true"]).status().is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "this machine lets nobody mount");
        eprintln!("*** SKIPPED: this machine lets nobody mount ***");
        return None;
    }
    let button = world.guard.program(&PRESS);
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-ec"]).arg(format!("{mount}; exec \"$@\"")).arg("sh");
    command.arg(button.get_program()).args(button.get_args()).env("FOLDER", folder);
    for (name, value) in button.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Some(command.output().unwrap())
}

#[test]
fn the_panic_button_works_on_a_read_only_file_system_and_on_a_full_disk() {
    let read_only = r#"mount --bind "$FOLDER" "$FOLDER"; mount -o remount,bind,ro "$FOLDER""#;
    let full = r#"cp -a "$FOLDER" "$FOLDER.copy"; mount -t tmpfs -o size=4m none "$FOLDER"; cp -a "$FOLDER.copy/." "$FOLDER";
        dd if=/dev/zero of="$FOLDER/filling" bs=64k 2>/dev/null || true; dd if=/dev/zero of="$FOLDER/rest" bs=1 2>/dev/null || true"#;
    let kill: fn(&mut World) = |world| world.guard.kill();
    let stop: fn(&mut World) = |world| world.guard.stop();
    in_parallel([(read_only, kill), (read_only, stop), (full, kill), (full, stop)], |(mount, end)| {
        let mut world = guarding(Config::default());
        end(&mut world);
        let Some(pressed) = press_with(&world, mount) else { return };
        assert_pauses(&world, &pressed, &["No hold could be stored"]);
    });
}

#[test]
fn the_panic_button_works_on_a_postgres_that_is_read_only() {
    let Some(server) = Server::start(None) else { return };
    let mut world = guarding(Config::default().set("database", "url", server.url("postgres")));
    world.guard.kill();
    world.database.execute("ALTER DATABASE postgres SET default_transaction_read_only = on");
    let pressed = world.guard.command(&PRESS);
    assert_pauses(&world, &pressed, &["No hold could be stored", "paused without leading"]);
}

#[test]
fn the_panic_button_leaves_nothing_to_whoever_holds_the_lock_and_shows_no_life() {
    let mut world = guarding(Config::default());
    world.guard.kill();
    // The socket's file and the number of the dead one are still there.
    let lock = std::fs::File::options().write(true).open(world.guard.config_file().with_file_name("guard.db.lock"));
    let lock = lock.unwrap();
    lock.lock().unwrap();
    let pressed = world.guard.command(&PRESS);
    assert_pauses(&world, &pressed, &["All campaigns are on hold", "shows no life"]);
    let run = world.guard.command(&["run"]);
    assert_eq!(run.status.code(), Some(1), "only pauses may do without the lock: {run:?}");
    drop(lock);
}

#[test]
fn the_panic_button_leaves_nothing_to_a_frozen_supervisor_which_keeps_to_the_order_when_it_goes_on() {
    let mut world = guarding(Config::default());
    freeze(&mut world);
    let pressed = world.guard.command(&PRESS);
    world.guard.signal(Signal::CONT);
    assert_pauses(&world, &pressed, &["All campaigns are on hold", "shows no life"]);
    world.wait_until(ID, "the hold", |campaign| campaign.text("/ordered/hold/reason") == "wrong page");
    world.let_ticks_pass(2);
    assert!(!world.sandbox.is_running(ID));
}

#[test]
fn the_panic_button_waits_no_longer_than_it_takes_to_know_that_nobody_leads() {
    let Some(server) = Server::start(None) else { return };
    let mut world = guarding(Config::default().set("database", "url", server.url("postgres")));
    world.guard.kill();
    // As if the server's clock had been set back.
    world.database.execute("UPDATE leadership SET ends_at = ends_at + INTERVAL '1 hour'");
    let pressed = world.guard.command(&PRESS);
    assert_pauses(&world, &pressed, &["All campaigns are on hold", "sent no heartbeat", "paused without leading"]);
}

/// TrafficStars may limit how many ids a request names. Those whose entry cannot be stored all leave in one moment.
#[test]
fn many_campaigns_are_paused_by_requests_of_a_hundred_at_the_most() {
    let ids = 995_001..=995_130;
    let mut world = World::configured(Config::default().set("trafficstar", "timeout", "60s"));
    for id in ids.clone() {
        world.sandbox.add_campaign(CampaignSpec::running(id));
        world.database.add_campaign(id, 0);
    }
    world.guard.kill();
    world.database.lock();
    let pressed = world.guard.command(&PRESS);
    assert!(ids.clone().all(|id| !world.sandbox.is_running(id)), "{pressed:?}");
    let requests = world.sandbox.requests();
    let pauses = requests.iter().filter(|request| request.operation == Operation::Pause);
    let named: Vec<usize> = pauses.map(|request| request.campaign_ids.len()).collect();
    assert!(named.iter().sum::<usize>() >= 130 && named.iter().all(|named| *named <= 100), "{named:?}");
}
