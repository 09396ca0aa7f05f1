//! The panic button: `pause-all --direct` while the supervisor is dead or hangs, and the database or the disk fails as
//! well.

use std::process::Command;

use diesel::connection::SimpleConnection;
use rustix::process::Signal;
use sandbox::{CampaignSpec, Operation};

use crate::helper::{Config, Done, World, assert_says, behind, in_parallel};
use crate::postgres::Server;

const ID: i64 = 995_001;
const PAUSE_ALL: [&str; 4] = ["pause-all", "--direct", "--reason", "wrong page"];

/// Starts a world with one campaign that runs as promised.
fn guarding(config: Config) -> World {
    let mut world = World::configured(config);
    world.add_guarded(ID);
    world
}

/// Freezes the guard between two of its writes, so that it does not keep a lock on the database.
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

/// Asserts that the command itself has paused the campaign, and has printed all these words.
#[track_caller]
fn assert_pauses(world: &World, done: &Done, words: &[&str]) {
    let printed = done.output();
    assert!(!world.sandbox.is_running(ID), "{printed}");
    assert_eq!(done.code, 0, "{printed}");
    assert_says(&printed, &["Paused now: 1 of 1"]);
    assert_says(&printed, words);
}

#[test]
fn the_panic_button_works_while_another_program_keeps_the_database_locked() {
    let mut world = guarding(Config::default());
    world.guard.kill();
    world.database.lock();
    let said = ["The hold could not be stored", "keeps the database locked", "not every pause is in the journal"];
    assert_pauses(&world, &world.run(&PAUSE_ALL), &said);
    world.database.unlock();
    let no_supervisor = "No supervisor is running: a campaign that is started now is NOT paused again";
    assert_pauses(&world, &world.run(&PAUSE_ALL), &["All campaigns are on hold", no_supervisor]);
}

#[test]
fn the_panic_button_pauses_campaigns_whose_stored_state_cannot_be_read() {
    let mut world = guarding(Config::default());
    world.guard.kill();
    world.database.execute("DROP TABLE journal_steps");
    assert_pauses(
        &world,
        &world.run(&PAUSE_ALL),
        &["the stored state of 1 campaign could not be read", "All campaigns are on hold"],
    );
}

/// Runs the panic button in a mount namespace of its own. The script `mount` changes the guard's folder there, which it
/// finds in `$FOLDER`.
fn press_with(world: &World, mount: &str) -> Option<Done> {
    let folder = world.guard.config_file().parent().unwrap().to_owned();
    let mut unshare = Command::new("unshare");
    if !unshare.args(["--mount", "--map-root-user", "true"]).status().is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "this machine does not allow mounts");
        eprintln!("*** SKIPPED: this machine does not allow mounts ***");
        return None;
    }
    let button = world.guard.program(&PAUSE_ALL);
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
        let Some(done) = press_with(&world, mount) else { return };
        assert_pauses(&world, &done, &["The hold could not be stored"]);
    });
}

#[test]
fn the_panic_button_works_on_a_read_only_postgres() {
    let Some(server) = Server::start(None) else { return };
    let mut world = guarding(Config::default().set("database", "url", server.url("postgres")));
    world.guard.kill();
    world.database.execute("ALTER DATABASE postgres SET default_transaction_read_only = on");
    assert_pauses(&world, &world.run(&PAUSE_ALL), &["The hold could not be stored", "paused without leadership"]);
}

#[test]
fn the_panic_button_itself_pauses_if_the_holder_of_the_lock_does_not_answer() {
    let mut world = guarding(Config::default());
    world.guard.kill();
    // The dead supervisor's socket and its process id are still there.
    let lock = std::fs::File::options().write(true).open(world.guard.config_file().with_file_name("guard.db.lock"));
    let lock = lock.unwrap();
    lock.lock().unwrap();
    assert_pauses(&world, &world.run(&PAUSE_ALL), &["All campaigns are on hold", "no working supervisor answers"]);
    let run = world.run(&["run"]);
    assert_eq!(run.code, 1, "only pauses are sent without the lock: {run:?}");
    drop(lock);
}

#[test]
fn the_panic_button_itself_pauses_beside_a_frozen_supervisor_which_keeps_the_order_later() {
    let mut world = guarding(Config::default());
    freeze(&mut world);
    let done = world.run(&PAUSE_ALL);
    world.guard.signal(Signal::CONT);
    assert_pauses(&world, &done, &["All campaigns are on hold", "no working supervisor answers"]);
    world.wait_until(ID, "the hold", |campaign| campaign.text("/ordered/hold/reason") == "wrong page");
    world.let_ticks_pass(2);
    assert!(!world.sandbox.is_running(ID));
}

#[test]
fn the_panic_button_waits_only_until_it_knows_that_there_is_no_leader() {
    let Some(server) = Server::start(None) else { return };
    let mut world = guarding(Config::default().set("database", "url", server.url("postgres")));
    world.guard.kill();
    // The same happens when the database server's clock is set back.
    world.database.execute("UPDATE leadership SET ends_at = ends_at + INTERVAL '1 hour'");
    let said = ["All campaigns are on hold", "sent no heartbeat", "paused without leadership"];
    assert_pauses(&world, &world.run(&PAUSE_ALL), &said);
}

/// TrafficStars may limit the number of ids in a request. The pauses whose entries cannot be stored are all sent at
/// once.
#[test]
fn many_campaigns_are_paused_by_requests_of_at_most_a_hundred() {
    let ids = 995_001..=995_130;
    let mut world = World::configured(Config::default().set("trafficstar", "timeout", "60s"));
    ids.clone().for_each(|id| world.add_disabled(CampaignSpec::running(id), 0));
    world.guard.kill();
    world.database.lock();
    let done = world.run(&PAUSE_ALL);
    assert!(ids.clone().all(|id| !world.sandbox.is_running(id)), "{done:?}");
    let requests = world.sandbox.requests();
    let pauses = requests.iter().filter(|request| request.operation == Operation::Pause);
    let named: Vec<usize> = pauses.map(|request| request.campaign_ids.len()).collect();
    assert!(named.iter().sum::<usize>() >= 130 && named.iter().all(|named| *named <= 100), "{named:?}");
}
