//! `pause-all --direct` where the supervisor is dead or hangs, and more is broken than it.

use std::process::Command;

use diesel::connection::SimpleConnection;
use rustix::process::Signal;
use sandbox::{CampaignSpec, Operation};

use crate::helper::{Config, Done, World, assert_says, behind, in_parallel};
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
fn assert_pauses(world: &World, pressed: &Done, words: &[&str]) {
    let told = pressed.told();
    assert!(!world.sandbox.is_running(ID), "{told}");
    assert_eq!(pressed.code, 0, "{told}");
    assert_says(&told, &["Paused now: 1 of 1"]);
    assert_says(&told, words);
}

#[test]
fn the_panic_button_works_while_another_program_keeps_the_database_locked() {
    let mut world = guarding(Config::default());
    world.guard.kill();
    world.database.lock();
    let said = ["No hold could be stored", "keeps the database locked", "not every pause is in the journal"];
    assert_pauses(&world, &world.run(&PRESS), &said);
    world.database.unlock();
    let nobody = "No supervisor is running: what somebody starts now is NOT paused again";
    assert_pauses(&world, &world.run(&PRESS), &["All campaigns are on hold", nobody]);
}

#[test]
fn the_panic_button_pauses_campaigns_of_which_nothing_stored_can_be_read() {
    let mut world = guarding(Config::default());
    world.guard.kill();
    world.database.execute("DROP TABLE journal_steps");
    assert_pauses(
        &world,
        &world.run(&PRESS),
        &["what is stored of 1 campaigns could not be read", "All campaigns are on hold"],
    );
}

/// Runs the panic button in a mount namespace of its own, in which `mount` was done to the folder, named `$FOLDER`.
fn press_with(world: &World, mount: &str) -> Option<Done> {
    let folder = world.guard.config_file().parent().unwrap().to_owned();
    let mut unshare = Command::new("unshare");
    if !unshare.args(["--mount", "--map-root-user", "true"]).status().is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "this machine lets nobody mount");
        eprintln!("*** SKIPPED: this machine lets nobody mount ***");
        return None;
    }
    let button = world.guard.program(&PRESS);
    let script = format!("{mount}; exec \"$@\"");
    let mut command = behind(&button, "unshare", &["--mount", "--map-root-user", "sh", "-ec", &script, "sh"]);
    Some(Done::of(command.env("FOLDER", folder)))
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
    assert_pauses(&world, &world.run(&PRESS), &["No hold could be stored", "paused without leading"]);
}

#[test]
fn the_panic_button_leaves_nothing_to_whoever_holds_the_lock_and_shows_no_life() {
    let mut world = guarding(Config::default());
    world.guard.kill();
    // The socket's file and the number of the dead one are still there.
    let lock = std::fs::File::options().write(true).open(world.guard.config_file().with_file_name("guard.db.lock"));
    let lock = lock.unwrap();
    lock.lock().unwrap();
    assert_pauses(&world, &world.run(&PRESS), &["All campaigns are on hold", "shows no life"]);
    let run = world.run(&["run"]);
    assert_eq!(run.code, 1, "only pauses may do without the lock: {run:?}");
    drop(lock);
}

#[test]
fn the_panic_button_leaves_nothing_to_a_frozen_supervisor_which_keeps_to_the_order_when_it_goes_on() {
    let mut world = guarding(Config::default());
    freeze(&mut world);
    let pressed = world.run(&PRESS);
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
    let said = ["All campaigns are on hold", "sent no heartbeat", "paused without leading"];
    assert_pauses(&world, &world.run(&PRESS), &said);
}

/// TrafficStars may limit how many ids a request names. Those whose entry cannot be stored all leave in one moment.
#[test]
fn many_campaigns_are_paused_by_requests_of_a_hundred_at_the_most() {
    let ids = 995_001..=995_130;
    let mut world = World::configured(Config::default().set("trafficstar", "timeout", "60s"));
    ids.clone().for_each(|id| world.add_disabled(CampaignSpec::running(id), 0));
    world.guard.kill();
    world.database.lock();
    let pressed = world.run(&PRESS);
    assert!(ids.clone().all(|id| !world.sandbox.is_running(id)), "{pressed:?}");
    let requests = world.sandbox.requests();
    let pauses = requests.iter().filter(|request| request.operation == Operation::Pause);
    let named: Vec<usize> = pauses.map(|request| request.campaign_ids.len()).collect();
    assert!(named.iter().sum::<usize>() >= 130 && named.iter().all(|named| *named <= 100), "{named:?}");
}
