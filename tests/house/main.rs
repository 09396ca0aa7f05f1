//! The house's rules: who may import whom (the map in `src/lib.rs`), and no clock in `domain`.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that unwraps says which line failed")]
#![allow(missing_docs, reason = "the names of tests are sentences")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A room, and the rooms that it may import. `error_chain`, `clock`, `operator` and `tls` know nobody and serve everybody.
const MAY_IMPORT: [(&str, &[&str]); 19] = [
    ("domain", &[]),
    // Right before a request leaves, and nowhere earlier, it has to be known that this process leads.
    ("trafficstar", &["domain", "error_chain", "reign", "tls"]),
    ("reign.rs", &["clock", "domain"]),
    ("store", &["domain"]),
    ("metrics", &["domain"]),
    ("board.rs", &["domain", "metrics"]),
    ("config", &["domain"]),
    ("control/mod.rs", &["domain"]),
    ("control/campaigns.rs", &["domain"]),
    ("control/operate.rs", &["domain"]),
    ("control/urls.rs", &["domain"]),
    ("control/values.rs", &["domain"]),
    ("control/client.rs", &["control", "domain", "tls"]),
    ("control/client", &["control", "domain", "tls"]),
    ("control/orders.rs", &["domain"]),
    ("control/server", &["board", "clock", "control", "domain", "metrics", "operator"]),
    ("telemetry.rs", &["config"]),
    ("actors", &["board", "clock", "control", "domain", "error_chain", "store", "trafficstar"]),
    ("cli", &["clock", "config", "control", "daemon", "domain", "error_chain", "operator", "store", "telemetry"]),
];

/// A library that one room alone may use.
const ONLY_IN: [(&str, &[&str]); 12] = [
    ("actix", &["actors", "daemon.rs", "daemon"]),
    ("diesel", &["store"]),
    ("reqwest", &["trafficstar", "control/client.rs", "control/client"]),
    ("ratatui", &["cli/top"]),
    ("axum", &["control/server"]),
    ("clap", &["cli"]),
    ("hyper", &["control/server"]),
    ("nix", &["operator.rs"]),
    ("prometheus_client", &["metrics"]),
    ("rustls", &["store/postgres.rs", "store/postgres", "tls.rs"]),
    ("tokio_postgres", &["store/postgres.rs", "store/postgres"]),
    ("utoipa", &["control", "domain"]),
];

fn sources(room: &Path) -> Vec<PathBuf> {
    if room.is_file() {
        return vec![room.to_path_buf()];
    }
    let entries = fs::read_dir(room).expect("the room is there").map(|entry| entry.unwrap().path());
    entries.flat_map(|path| sources(&path)).filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The file without what only its tests use.
fn text(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
}

fn is_test(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "tests") || file.to_string_lossy().ends_with("tests.rs")
}

/// The first words behind each `prefix` in a text: `crate::store::Store` imports `store`.
fn behind<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let word = |rest: &'a str| rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next();
    text.split(prefix).skip(1).filter_map(word).filter(|word| !word.is_empty()).collect()
}

#[test]
fn each_room_imports_only_the_rooms_that_it_may() {
    for (room, allowed) in MAY_IMPORT {
        let own_name = room.split(['/', '.']).next().unwrap();
        for file in sources(&source_folder().join(room)).iter().filter(|file| !is_test(file)) {
            let text = text(file);
            assert!(!text.contains("crate::{"), "{}: name the room, so that this test sees it", file.display());
            for imported in behind(&text, "crate::") {
                assert!(
                    imported == own_name || allowed.contains(&imported),
                    "{} imports crate::{imported}; {room} may import {allowed:?} alone",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn each_library_stays_in_its_room() {
    for file in sources(&source_folder()).iter().filter(|file| !is_test(file)) {
        let inside = file.strip_prefix(source_folder()).unwrap();
        for (library, rooms) in ONLY_IN {
            let used =
                text(file).contains(&format!("use {library}::")) || text(file).contains(&format!(" {library}::"));
            let allowed = rooms.iter().any(|room| inside.starts_with(room));
            assert!(allowed || !used, "{} uses {library}, which belongs to {rooms:?}", file.display());
        }
    }
}

#[test]
fn the_domain_reads_no_clock_and_knows_few_libraries() {
    for file in sources(&source_folder().join("domain")).iter().filter(|file| !is_test(file)) {
        let text = text(file);
        for word in ["::now()", "Instant", "SystemTime", "Local", "tracing", "tokio"] {
            assert!(!text.contains(word), "{} has {word}", file.display());
        }
        for library in text.lines().filter_map(|line| line.strip_prefix("use ")) {
            let library = library.split("::").next().unwrap();
            assert!(
                // utoipa as serde: what its derive adds describes a type, and decides nothing.
                ["std", "serde", "thiserror", "chrono", "utoipa", "super", "crate", "self"].contains(&library),
                "{} uses {library}",
                file.display()
            );
        }
    }
}

#[test]
fn actors_never_read_the_board() {
    for file in sources(&source_folder().join("actors")) {
        for reading in ["board.dump(", "board.campaign(", "board.listen("] {
            assert!(!text(&file).contains(reading), "{} reads the board: {reading}", file.display());
        }
    }
}

#[test]
fn no_library_of_another_language_encrypts_or_talks_to_postgresql() {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    for library in ["openssl", "openssl-sys", "native-tls", "pq-sys", "aws-lc-sys"] {
        assert!(!lock.contains(&format!("name = \"{library}\"\n")), "Cargo.lock has {library}");
    }
}
