//! The end of the guard. The first signal ends it in order, and within a time limit if something hangs. A second signal
//! ends it at once.
//!
//! Tests start in the order of their names. This module's name has to come early, because a test here takes half a
//! minute.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use sandbox::{CampaignSpec, Fault, FaultKind, Operation};

use crate::helper::{Config, PAUSE, World, Write, in_parallel};

const ID: i64 = 995_224;
const OTHER: i64 = 995_225;
/// The guard waits this long for requests in flight, and then needs a little more time to store its records.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(30);
const AND_GONE_WITHIN: Duration = Duration::from_secs(45);
const HANGS: Duration = Duration::from_secs(300);

fn config() -> Config {
    Config::default().generator("cooldown", "10m").set("trafficstar", "timeout", "2m")
}

/// Starts a world with a campaign whose pause has arrived at TrafficStars and is not answered for the time `hangs`.
fn while_a_pause_hangs(hangs: Duration) -> World {
    let mut world = World::configured(config());
    world.sandbox.inject(Fault::always(FaultKind::DelayBeforeAnswer(hangs)).on(Operation::Pause));
    world.add(CampaignSpec::running(ID), 1_000);
    world.wait_for_writes(ID, &[Write::Pause]);
    world
}

/// Sends a signal and waits for an orderly end: with exit status 0, and without a socket. Returns the time that it
/// took.
#[track_caller]
fn end(world: &mut World, signal: Signal) -> Duration {
    let begun = Instant::now();
    world.guard.signal(signal);
    world.guard.wait_for_end();
    assert!(!world.guard.socket().exists(), "the socket is still there");
    begun.elapsed()
}

#[test]
fn either_signal_ends_the_guard_in_order_and_it_begins_nothing_new() {
    in_parallel([Signal::TERM, Signal::INT], |signal| {
        let mut world = while_a_pause_hangs(Duration::from_secs(3));
        world.sandbox.add_campaign(CampaignSpec::running(OTHER));
        world.database.add_campaign(OTHER, 1_000);
        world.guard.signal(signal);
        world.wait_for_log("stopping: nothing new is begun");
        // There is time for some ticks before the pause is answered.
        world.database.enable(OTHER);
        let forced = world.run(&["process", "2", "--force", "pause"]);
        assert_ne!(forced.code, 0, "{forced:?}");
        world.guard.wait_for_end();
        assert_eq!((world.writes(ID), world.writes(OTHER)), (PAUSE.to_vec(), Vec::new()));
        assert_eq!(world.database.journal(ID)[0].step, "accepted");
        assert!(!world.guard.socket().exists(), "the socket is still there");
    });
}

#[test]
fn an_action_that_hangs_is_given_up_after_half_a_minute_and_settled_by_the_next_start() {
    type Hang = fn() -> World;
    let remote: Hang = || while_a_pause_hangs(HANGS);
    let database: Hang = || {
        let mut world = while_a_pause_hangs(Duration::from_secs(3));
        world.database.lock();
        world
    };
    in_parallel([("the remote", remote), ("the database", database)], |(name, hang)| {
        let mut world = hang();
        let took = end(&mut world, Signal::TERM);
        assert!(took >= GIVEN_UP_AFTER - Duration::from_secs(1), "{name}: the guard gave up after only {took:?}");
        assert!(took <= AND_GONE_WITHIN, "{name}: {took:?}");
        if name == "the database" {
            world.database.unlock();
        }
        assert_eq!(world.database.journal(ID)[0].step, "requested", "{name}");
        world.sandbox.clear_faults();
        world.start();
        let paused = "pause by tick: confirmed, idle → cooling-down".to_owned();
        world.wait_for("the pause to be confirmed, and not to be repeated", |world| {
            let (journal, writes) = (world.outcome(ID).journal, world.writes(ID));
            let is_so = journal == [paused.clone()] && writes == PAUSE;
            if is_so { Ok(()) } else { Err(format!("{name}: {journal:?}, {writes:?}")) }
        });
    });
}

#[test]
fn everything_is_stored_before_the_end_if_the_database_is_free_again_in_time() {
    let mut world = while_a_pause_hangs(Duration::from_secs(2));
    world.database.lock();
    world.guard.signal(Signal::TERM);
    world.wait_for_log("the program stops, and this record is not stored yet");
    world.database.unlock();
    world.guard.wait_for_end();
    assert_eq!(world.database.journal(ID)[0].step, "accepted");
}

#[test]
fn a_second_signal_ends_the_guard_at_once_with_the_exit_status_of_that_signal() {
    in_parallel([(Signal::TERM, 143), (Signal::INT, 130)], |(signal, status)| {
        let mut world = while_a_pause_hangs(HANGS);
        world.guard.signal(Signal::TERM);
        world.wait_for_log("stopping: nothing new is begun");
        let begun = Instant::now();
        world.guard.signal(signal);
        let ended = world.guard.end();
        assert_eq!(ended.code(), Some(status), "{ended}");
        assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());
        // Nothing is lost: the next start continues as after a crash.
        world.sandbox.clear_faults();
        world.start();
        world.wait_for_writes(ID, &PAUSE);
    });
}
