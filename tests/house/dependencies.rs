//! The workspace: each library is used, the tests from outside know the program from
//! outside, and some libraries are unwanted.

use std::collections::BTreeSet;

use crate::assert_none;
use crate::source::{Source, everything, read};

/// What is there, and no name of another library.
const UNNAMED: [(&str, &str); 2] = [
    // Brings SQLite itself, for diesel.
    ("Cargo.toml", "libsqlite3_sys"),
    // Not a library to these rules, but the program itself.
    ("tests/fuzz/Cargo.toml", "traffic_generator"),
];

/// The names of a table of libraries, as code writes them.
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
        // The root's tests of its own modules are in `src`, too; what only they use is in the other table.
        let program = program.filter(|source| !folder.is_empty() || !source.is_test());
        let named = program.flat_map(Source::used).filter_map(|used| used.in_library()?.first());
        let named: BTreeSet<&String> = named.collect();
        let listed = UNNAMED.iter().filter(|(of, _)| of == manifest).map(|(_, library)| (*library).to_owned());
        let unused = libraries(manifest, "dependencies").into_iter().filter(|library| !named.contains(library));
        assert_eq!(unused.collect::<BTreeSet<_>>(), listed.collect(), "{manifest}: used nowhere, and what may be");
        let words: BTreeSet<&str> =
            own().flat_map(|source| &source.with_tests).map(|token| token.text.as_str()).collect();
        let unused = libraries(manifest, "dev-dependencies").into_iter().filter(|name| !words.contains(name.as_str()));
        assert_none(unused, &format!("{manifest}: used by no test"));
    }
}

/// What the program misnames, they must not misname, too.
#[test]
fn the_tests_from_outside_and_the_sandbox_share_no_code_with_the_program() {
    for folder in ["tests/it/", "tests/sandbox/"] {
        for source in everything().iter().filter(|source| source.file.starts_with(folder)) {
            let names = source.with_tests.iter().find(|token| token.text == "traffic_generator");
            assert!(names.is_none(), "{} uses the program's code", source.file);
        }
    }
    assert!(!libraries("tests/sandbox/Cargo.toml", "dependencies").contains("traffic_generator"));
}

/// The same seed is the same run: no runtime, no clock, no order that a hash decides.
#[test]
fn the_simulations_model_is_deterministic() {
    for source in everything().iter().filter(|source| source.file.starts_with("tests/simulation/model/")) {
        for word in ["actix", "spawn", "Instant", "SystemTime", "HashMap", "HashSet", "RandomState", "sleep"] {
            let line = source.with_tests.iter().find(|token| token.text == word).map(|token| token.line);
            assert_eq!(line, None, "{} has {word}", source.file);
        }
    }
}

#[test]
fn no_library_of_another_language_encrypts_or_talks_to_postgresql() {
    let lock = read("Cargo.lock");
    for library in ["openssl", "openssl-sys", "native-tls", "pq-sys", "aws-lc-sys"] {
        assert!(!lock.contains(&format!("name = \"{library}\"\n")), "Cargo.lock has {library}");
    }
}
