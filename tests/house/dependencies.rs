//! The libraries: each one in a `Cargo.toml` is used, the integration tests and the sandbox use none of the program's
//! code, and some libraries stay out.

use std::collections::BTreeSet;

use crate::assert_none;
use crate::source::{Source, everything, read};

/// Differences between the libraries in a manifest and the names in the code.
const UNNAMED: [(&str, &str); 2] = [
    // Not named in the code: it makes diesel build SQLite from source.
    ("Cargo.toml", "libsqlite3_sys"),
    // The program itself. The rules count its name as a path inside the program, not as a library.
    ("tests/fuzz/Cargo.toml", "traffic_generator"),
];

/// Returns the names in one of the manifest's tables of libraries, as code writes them.
fn libraries(manifest: &str, table: &str) -> BTreeSet<String> {
    let parsed: toml::Table = read(manifest).parse().unwrap();
    let libraries = parsed.get(table).and_then(toml::Value::as_table).into_iter().flatten();
    libraries.map(|(name, _)| name.replace('-', "_")).collect()
}

#[test]
fn every_library_is_used() {
    for folder in ["", "tests/fuzz/", "tests/sandbox/"] {
        let manifest = &format!("{folder}Cargo.toml");
        let own = || {
            everything().iter().filter(move |source| {
                let members = ["tests/fuzz/", "tests/sandbox/"];
                source.file.strip_prefix(folder).is_some_and(|file| !members.iter().any(|at| file.starts_with(at)))
            })
        };
        let folders = ["src/", "fuzz_targets/"].map(|name| format!("{folder}{name}"));
        let program = own().filter(|source| folders.iter().any(|at| source.file.starts_with(at)));
        // `src` of the root has unit tests, too. Libraries that only these use belong to the other table.
        let program = program.filter(|source| !folder.is_empty() || !source.is_test());
        let named = program.flat_map(Source::used).filter_map(|used| used.in_library()?.first());
        let named: BTreeSet<&String> = named.collect();
        let listed = UNNAMED.iter().filter(|(of, _)| of == manifest).map(|(_, library)| (*library).to_owned());
        let unused = libraries(manifest, "dependencies").into_iter().filter(|library| !named.contains(library));
        assert_eq!(
            unused.collect::<BTreeSet<_>>(),
            listed.collect(),
            "libraries of {manifest} that no code uses: left, what was found; right, the exceptions UNNAMED in \
             tests/house/dependencies.rs. Delete an unused library from [dependencies]; if only tests use it, move it \
             to [dev-dependencies]"
        );
        let words: BTreeSet<&str> =
            own().flat_map(|source| &source.with_tests).map(|token| token.text.as_str()).collect();
        let unused = libraries(manifest, "dev-dependencies").into_iter().filter(|name| !words.contains(name.as_str()));
        assert_none(unused, &format!("{manifest}: no test uses these: delete them from [dev-dependencies]"));
    }
}

/// With shared code, a name that the program writes wrong would be wrong in the tests as well, and no test would fail.
#[test]
fn the_tests_from_outside_and_the_sandbox_share_no_code_with_the_program() {
    for folder in ["tests/it/", "tests/sandbox/"] {
        for source in everything().iter().filter(|source| source.file.starts_with(folder)) {
            let names = source.with_tests.iter().find(|token| token.text == "traffic_generator");
            assert!(
                names.is_none(),
                "{} uses the program's code: write names and values out, or move the test to tests/actors",
                source.file
            );
        }
    }
    assert!(!libraries("tests/sandbox/Cargo.toml", "dependencies").contains("traffic_generator"));
}

/// The same seed gives the same run: no runtime, no clock, and no order that depends on a hash.
#[test]
fn the_simulations_model_is_deterministic() {
    for source in everything().iter().filter(|source| source.file.starts_with("tests/simulation/model/")) {
        for (word, instead) in [
            ("actix", "call the pure types directly"),
            ("spawn", "add an entry to the agenda"),
            ("Instant", "use the model's clock"),
            ("SystemTime", "use the model's clock"),
            ("HashMap", "use a BTreeMap"),
            ("HashSet", "use a BTreeSet"),
            ("RandomState", "use a BTreeMap"),
            ("sleep", "add an entry to the agenda"),
        ] {
            let line = source.with_tests.iter().find(|token| token.text == word).map(|token| token.line);
            assert_eq!(line, None, "{} has {word}, so runs of one seed would differ: {instead}", source.file);
        }
    }
}

#[test]
fn encryption_and_the_postgresql_client_are_rust_code() {
    let lock = read("Cargo.lock");
    for library in ["openssl", "openssl-sys", "native-tls", "pq-sys", "aws-lc-sys"] {
        assert!(
            !lock.contains(&format!("name = \"{library}\"\n")),
            "Cargo.lock has {library}: switch off the feature that brings it; use rustls with ring, and tokio-postgres"
        );
    }
}
