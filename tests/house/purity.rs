//! Who reads the time, waits, reads the environment, or ends the process: these files and no others.

use std::collections::BTreeSet;

use crate::source::{Source, is_below, program, room};

/// What one file does that others must not, and why.
type Allowed = &'static [(&'static str, &'static str)];

/// The wall clock. Whoever decides is handed the time; these date what they see or print.
const WALL_CLOCK: Allowed = &[
    ("src/clock.rs", "hands the time to everybody else"),
    ("src/telemetry.rs", "a log line's time is the machine's"),
    ("src/trafficstar/http.rs", "answers are dated by the wall clock, whatever the actors' clock says"),
];

/// A clock that only measures spans.
const STOPWATCH: Allowed = &[
    ("src/actors/trafficstar.rs", "the budget counts on a clock that nobody sets, and how long a request took"),
    ("src/control/server/connections.rs", "for how long a client is silent"),
    ("src/leadership.rs", "when to look at the lease again"),
    ("src/store/write_turns.rs", "for how long the failure of one write says something of the others"),
];

/// Waiting for a time instead of a condition.
const SLEEPS: Allowed = &[
    ("src/cli/progress.rs", "looks again how far an order has come"),
    ("src/cli/top/connection.rs", "tries again"),
    ("src/cli/wait.rs", "asks again"),
    ("src/cli/watch.rs", "asks again for a supervisor that is away"),
    ("src/control/client/campaigns.rs", "asks again"),
    ("src/control/client/admin.rs", "asks again whether it has stopped"),
    ("src/control/server/connections.rs", "lets silent clients go; accepts again after an error"),
    ("src/control/server/socket.rs", "looks whether its file is still there"),
    ("src/daemon.rs", "watches whether the actors live"),
    ("src/daemon/announce.rs", "looks whether there is something to tell"),
    ("src/daemon/check/visit.rs", "bounds its look at the account"),
    ("src/daemon/direct.rs", "waits for the lease of a dead leader, and for no database that takes nothing"),
    ("src/daemon/election.rs", "renews the lease"),
    ("src/daemon/retention.rs", "makes room between deletions"),
    ("src/daemon/roles.rs", "waits for its turn to lead"),
    ("src/leadership.rs", "looks whether it still leads"),
    ("src/store/postgres.rs", "bounds an operation of the database"),
];

const ENVIRONMENT: Allowed = &[
    ("src/cli/failure.rs", "whether arguments that cannot be parsed ask for JSON"),
    ("src/config/mod.rs", "the keys' variables, read once"),
    ("src/telemetry.rs", "NO_COLOR, TERM"),
];

const ENDS_THE_PROCESS: Allowed = &[
    ("src/cli/mod.rs", "nobody reads stderr, where an error's text could not be written"),
    ("src/daemon/signals.rs", "a second signal ends the program at once"),
];

/// Each rule with how what it is about may be named.
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

/// Every name of a library that the file uses, such as `tokio::time::sleep`.
fn names(source: &Source) -> BTreeSet<String> {
    source.used().iter().filter_map(|used| Some(used.in_library()?.join("::"))).collect()
}

#[test]
fn each_of_these_is_done_where_the_table_says_so_and_nowhere_else() {
    for (what, allowed, items) in RULES {
        let does =
            program().filter(|source| names(source).iter().any(|name| items.iter().any(|item| is_below(name, item))));
        let found: BTreeSet<&str> = does.map(|source| source.file.as_str()).collect();
        let listed = allowed.iter().map(|(file, _)| *file);
        assert_eq!(found, BTreeSet::from_iter(listed), "{what}: the code on the left, the table on the right");
    }
}

/// A room that decides, or says in words, and does nothing: the libraries that it may use.
const PURE: [(&str, &[&str]); 7] = [
    // utoipa as serde: what its derive adds describes a type, and decides nothing.
    ("domain", &["chrono", "serde", "std", "thiserror", "utoipa"]),
    ("trafficstar::batch", &["chrono", "std"]),
    ("trafficstar::budget", &["chrono", "std"]),
    ("trafficstar::circuit", &["chrono", "std"]),
    ("trafficstar::wire", &["chrono", "secrecy", "serde_json", "std", "thiserror"]),
    ("cli::render", &["chrono", "humantime", "std"]),
    ("error_chain", &["std"]),
];

/// What of the standard library is no pure computation.
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
fn pure_rooms_use_few_libraries_and_touch_nothing() {
    for (room_name, libraries) in PURE {
        let mut needed = BTreeSet::new();
        for source in room(room_name) {
            for name in names(source) {
                let library = name.split("::").next().unwrap_or_default().to_owned();
                let effect = EFFECTS.iter().find(|effect| is_below(&name, effect));
                assert!(effect.is_none(), "{} uses {name}: {room_name} decides and never acts", source.file);
                assert!(libraries.contains(&library.as_str()), "{} uses {name}: not in {room_name}", source.file);
                needed.insert(library);
            }
            assert!(!source.tokens.iter().any(|token| token.text == "async"), "{} waits", source.file);
        }
        assert_eq!(needed, libraries.iter().map(ToString::to_string).collect(), "{room_name}: a library too many");
    }
}
