//! The files that read the time, sleep, read the environment or end the process: those in these tables and no others.

use std::collections::BTreeSet;

use crate::source::{Source, is_below, program, room};

/// The files that may do something, each with the reason.
type Allowed = &'static [(&'static str, &'static str)];

/// The wall clock. Code that decides gets the time as an argument; these files date what they see or print.
const WALL_CLOCK: Allowed = &[
    ("src/clock.rs", "passes the time to all other files"),
    ("src/telemetry.rs", "log lines have the machine's time"),
    ("src/trafficstar/http.rs", "answers are dated by the wall clock, also where the actors' clock differs"),
];

/// Clocks that only measure how long something takes.
const STOPWATCH: Allowed = &[
    ("src/actors/progress.rs", "how long an actor's work has lasted"),
    ("src/actors/trafficstar.rs", "the request budget needs a clock that is never set back; measures each request"),
    ("src/control/server/connections.rs", "for how long a client is silent"),
    ("src/leadership.rs", "when to read the lease again"),
    ("src/store/write_turns.rs", "how long the failure of one write counts for the others"),
];

/// Waiting for a time instead of a condition.
const SLEEPS: Allowed = &[
    ("src/cli/progress.rs", "asks again whether an order is done"),
    ("src/cli/top/connection.rs", "tries again"),
    ("src/cli/wait.rs", "asks again"),
    ("src/cli/watch.rs", "asks again while the supervisor does not answer"),
    ("src/control/client/campaigns.rs", "asks again"),
    ("src/control/client/admin.rs", "asks again whether the daemon has stopped"),
    ("src/control/server/connections.rs", "closes silent connections; accepts again after an error"),
    ("src/control/server/socket.rs", "looks whether the socket's file still exists"),
    ("src/daemon.rs", "looks whether the actors are alive"),
    ("src/daemon/alerting.rs", "looks whether there is an occasion for an alert"),
    ("src/daemon/announce.rs", "looks whether there is something to report"),
    ("src/daemon/check/visit.rs", "limits the time of its look at the account"),
    ("src/daemon/direct.rs", "waits for the lease of a dead leader; gives up on a database that does not answer"),
    ("src/daemon/election.rs", "renews the lease"),
    ("src/daemon/retention.rs", "pauses between deletions"),
    ("src/daemon/roles.rs", "tries again to take the lease"),
    ("src/daemon/watchdog.rs", "looks whether the actors make progress"),
    ("src/leadership.rs", "looks whether this process still leads"),
    ("src/store/postgres.rs", "limits the time of a database operation"),
];

const ENVIRONMENT: Allowed = &[
    ("src/alerts/command.rs", "gives PATH, HOME and LANG to the command of a receiver"),
    ("src/cli/failure.rs", "whether arguments that cannot be parsed request JSON"),
    ("src/config/mod.rs", "the keys' variables, read once"),
    ("src/daemon/service_manager.rs", "NOTIFY_SOCKET"),
    ("src/telemetry.rs", "NO_COLOR, TERM"),
    ("src/telemetry/journal.rs", "JOURNAL_STREAM"),
];

const ENDS_THE_PROCESS: Allowed = &[
    ("src/cli/mod.rs", "stderr is closed, so that the error's text could not be written"),
    ("src/daemon/signals.rs", "a second signal ends the program at once"),
];

/// Each rule: what it is about, the files that may do it, and the items that do it.
const RULES: [(&str, Allowed, &[&str]); 5] = [
    (
        "reads the wall clock",
        WALL_CLOCK,
        &["chrono::Utc::now", "chrono::Local", "std::time::SystemTime", "rustix::time::clock_gettime"],
    ),
    ("measures time", STOPWATCH, &["std::time::Instant", "tokio::time::Instant"]),
    (
        "sleeps",
        SLEEPS,
        &["std::thread::sleep", "tokio::time::sleep", "tokio::time::sleep_until", "tokio::time::interval"],
    ),
    ("reads the environment", ENVIRONMENT, &["std::env"]),
    ("ends the process", ENDS_THE_PROCESS, &["std::process::exit", "std::process::abort"]),
];

/// Returns what to write instead where a rule of `RULES` fails.
fn instead(what: &str) -> &'static str {
    match what {
        "reads the wall clock" => "Take `now` as an argument, or call src/clock.rs",
        "measures time" => "Take `now` as an argument; the actors measure requests",
        "sleeps" => "Wait for the event itself, or for the actor's next tick",
        "reads the environment" => "Add a key to src/config, and pass its value in",
        _ => "Return an error: src/cli/mod.rs and src/daemon/signals.rs end the process",
    }
}

/// Returns every name of a library that the file uses, such as `tokio::time::sleep`.
fn names(source: &Source) -> BTreeSet<String> {
    source.used().iter().filter_map(|used| Some(used.in_library()?.join("::"))).collect()
}

#[test]
fn only_the_files_of_the_tables_read_clocks_sleep_read_the_environment_or_exit() {
    for (what, allowed, items) in RULES {
        let does =
            program().filter(|source| names(source).iter().any(|name| items.iter().any(|item| is_below(name, item))));
        let found: BTreeSet<&str> = does.map(|source| source.file.as_str()).collect();
        let listed = allowed.iter().map(|(file, _)| *file);
        assert_eq!(
            found,
            BTreeSet::from_iter(listed),
            "files of which each {what}: left, the code; right, the table in tests/house/purity.rs. {}; a new line in \
             the table needs a reason",
            instead(what)
        );
    }
}

/// The rooms that compute and have no effects, with the libraries that each may use.
const PURE: [(&str, &[&str]); 7] = [
    // utoipa, like serde: its derive describes a type, and decides nothing.
    ("domain", &["chrono", "serde", "std", "thiserror", "utoipa"]),
    ("trafficstar::batch", &["chrono", "std"]),
    ("trafficstar::budget", &["chrono", "std"]),
    ("trafficstar::circuit", &["chrono", "std"]),
    ("trafficstar::wire", &["chrono", "secrecy", "serde_json", "std", "thiserror"]),
    ("cli::render", &["chrono", "humantime", "std"]),
    ("error_chain", &["std"]),
];

/// The parts of the standard library that have effects.
const EFFECTS: [&str; 12] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::mpsc",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

#[test]
fn pure_rooms_use_only_their_libraries_and_have_no_effects() {
    for (room_name, libraries) in PURE {
        let mut needed = BTreeSet::new();
        for source in room(room_name) {
            for name in names(source) {
                let library = name.split("::").next().unwrap_or_default().to_owned();
                let effect = EFFECTS.iter().find(|effect| is_below(&name, effect));
                assert!(
                    effect.is_none(),
                    "{} uses {name}: {room_name} computes and has no effects: read the clock, files and the \
                     environment in the room that calls it, and pass the value in",
                    source.file
                );
                assert!(
                    libraries.contains(&library.as_str()),
                    "{} uses {name}: {room_name} may use {libraries:?} alone: move the code to the room that calls it",
                    source.file
                );
                needed.insert(library);
            }
            assert!(
                !source.tokens.iter().any(|token| token.text == "async"),
                "{} has `async`: {room_name} waits for nothing: move the waiting to the room that calls it",
                source.file
            );
        }
        assert_eq!(
            needed,
            libraries.iter().map(ToString::to_string).collect(),
            "left, the libraries of {room_name}; right, PURE in tests/house/purity.rs: delete what it does not use"
        );
    }
}
