//! A database that the program must not change is refused and left as it is.

use std::error::Error;

use diesel::connection::SimpleConnection;

use super::*;

/// Returns the names of all migrations, in order.
fn all_migrations() -> Vec<String> {
    let folders = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite")).unwrap();
    let mut names: Vec<_> = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Returns the errors with which reading the schema and migrating refuse a database. Checks that its files are
/// unchanged.
pub(super) async fn refused_untouched(database: &TestDatabase) -> [StoreError; 2] {
    let store = Store::connect(&database.url);
    let before = database.files();
    let refused = [store.schema().await.map(drop).unwrap_err(), store.migrate().await.map(drop).unwrap_err()];
    assert!(database.files() == before, "a file was changed or created");
    refused
}

#[tokio::test]
async fn reading_a_missing_database_does_not_create_it() {
    let database = TestDatabase::sqlite();
    let store = Store::connect(&database.url);
    assert_eq!(store.schema().await.unwrap(), SchemaState::Missing);
    assert!(store.campaigns().await.is_err());
    assert!(database.files().is_empty(), "a file was created");
}

#[test]
fn an_empty_database_gets_its_tables_once() {
    on_every_database(async |database| {
        let store = Store::connect(&database.url);
        assert!(matches!(store.schema().await.unwrap(), SchemaState::Missing | SchemaState::Empty));
        assert_eq!(store.migrate().await.unwrap(), all_migrations());
        assert_eq!(store.schema().await.unwrap(), SchemaState::UpToDate);
        assert_eq!(store.migrate().await.unwrap(), Vec::<String>::new());
        if database.url.sqlite_path().is_some() {
            assert_eq!(database.read("SELECT journal_mode FROM pragma_journal_mode"), "wal");
        }
    });
}

#[test]
fn an_upgrade_creates_neither_tables_nor_a_file() {
    on_every_database(async |database| {
        let store = Store::connect(&database.url);
        let refused = store.upgrade().await.unwrap_err();
        let is_expected = match database.url.sqlite_path() {
            Some(_) => matches!(refused, StoreError::NoDatabase { .. }),
            None => matches!(refused, StoreError::NoTables { .. }),
        };
        assert!(is_expected && refused.to_string().contains("traffic-generator migrate"), "{refused:?}");
        assert!(database.files().is_empty(), "a file was created");
        assert!(matches!(store.schema().await.unwrap(), SchemaState::Missing | SchemaState::Empty));
        if database.url.sqlite_path().is_some() {
            assert!(matches!(store.lock().await.unwrap_err(), StoreError::NoDatabase { .. }));
            assert!(database.files().is_empty(), "a lock file was created");
        }
    });
}

#[tokio::test]
async fn a_database_that_is_up_to_date_is_not_written_and_a_restored_file_gets_its_log_again() {
    let database = TestDatabase::sqlite();
    drop(database.store().await);
    let path = database.file();
    let mut writer = super::super::sqlite::open(&path, super::super::sqlite::OpenMode::ReadWrite).unwrap();
    writer.batch_execute("BEGIN IMMEDIATE").unwrap();
    let store = Store::connect(&database.url);
    assert_eq!(store.upgrade().await.unwrap(), Vec::<String>::new());
    assert_eq!(store.migrate().await.unwrap(), Vec::<String>::new());
    drop(writer);
    database.execute("PRAGMA journal_mode = DELETE");
    store.upgrade().await.unwrap();
    assert_eq!(database.read("SELECT journal_mode FROM pragma_journal_mode"), "wal");

    let Some(database) = TestDatabase::postgres() else { return };
    drop(database.store().await);
    let name = database.read("current_database()");
    database.execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    let store = Store::connect(&database.url);
    assert_eq!(store.migrate().await.unwrap(), Vec::<String>::new());
}

#[test]
fn two_migrations_at_the_same_time_apply_each_migration_once() {
    on_every_database(async |database| {
        let (one, other) = (Store::connect(&database.url), Store::connect(&database.url));
        let (one, other) = tokio::join!(one.migrate(), other.migrate());
        assert_eq!([one.unwrap(), other.unwrap()].concat(), all_migrations());
    });
}

#[tokio::test]
async fn reading_the_schema_changes_no_file() {
    let database = TestDatabase::sqlite();
    drop(database.store().await);
    let store = Store::connect(&database.url);
    let before = database.files();
    assert_eq!(store.schema().await.unwrap(), SchemaState::UpToDate);
    assert!(database.files() == before, "a file was changed or created");
}

#[tokio::test]
async fn the_schema_of_a_database_in_use_includes_changes_that_are_still_in_its_log() {
    let database = TestDatabase::sqlite();
    let user = database.store().await;
    user.campaigns().await.unwrap();
    database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231235959')");
    assert_eq!(
        Store::connect(&database.url).schema().await.unwrap(),
        SchemaState::Newer(vec!["99991231235959".to_owned()])
    );
}

#[test]
fn another_programs_database_is_refused_and_not_changed() {
    on_every_database(async |database| {
        database.execute("CREATE TABLE campaigns (id INTEGER); INSERT INTO campaigns VALUES (7)");
        let store = Store::connect(&database.url);
        let before = database.files();
        assert_eq!(store.schema().await.unwrap(), SchemaState::Foreign(vec!["campaigns".to_owned()]));
        let refused = store.migrate().await.unwrap_err();
        assert!(matches!(&refused, StoreError::Foreign { tables, .. } if tables == &["campaigns"]), "{refused:?}");
        assert!(refused.to_string().contains(&database.url.to_string()), "{refused}");
        assert!(database.files() == before, "a file was changed or created");
        assert_eq!(database.read("SELECT id FROM campaigns"), "7");
    });
}

#[test]
fn another_diesel_programs_database_is_refused() {
    on_every_database(async |database| {
        database.execute(
            "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP); \
             INSERT INTO __diesel_schema_migrations (version) VALUES ('00000000000000')",
        );
        let store = Store::connect(&database.url);
        assert!(matches!(store.migrate().await.unwrap_err(), StoreError::Foreign { .. }));
    });
}

#[test]
fn a_newer_database_is_refused_and_not_changed() {
    on_every_database(async |database| {
        drop(database.store().await);
        database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231235959')");
        let store = Store::connect(&database.url);
        let (files, tables) = (database.files(), database.description());
        let refused = store.migrate().await.unwrap_err();
        assert!(
            matches!(&refused, StoreError::Newer { versions, .. } if versions == &["99991231235959"]),
            "{refused:?}"
        );
        assert!(refused.to_string().contains("install that version"), "{refused}");
        assert!(database.files() == files, "a file was changed or created");
        assert_eq!(database.description(), tables);
    });
}

#[tokio::test]
async fn a_file_that_is_not_a_database_is_refused_and_not_changed() {
    let texts = ["a diary, not a database", "S", "SQLite format 3 it is not, though it begins like one"];
    for text in texts {
        let database = TestDatabase::sqlite();
        std::fs::write(database.file(), text).unwrap();
        for refused in refused_untouched(&database).await {
            assert!(matches!(refused, StoreError::NotADatabase { .. }), "{refused:?}");
            assert!(refused.to_string().contains("test.db is not a SQLite database"), "{refused}");
        }
    }
}

#[tokio::test]
async fn a_broken_database_is_an_error_with_its_cause() {
    let database = TestDatabase::sqlite();
    std::fs::write(database.file(), [b"SQLite format 3\0".as_slice(), &[0xff; 4_000]].concat()).unwrap();
    for refused in refused_untouched(&database).await {
        assert!(matches!(refused, StoreError::ReadSchema { .. }), "{refused:?}");
        assert!(refused.source().is_some());
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_an_error_with_its_cause() {
    let folder = tempfile::tempdir().unwrap();
    let host = folder.path().display().to_string().replace('/', "%2F");
    let store = Store::connect(&format!("postgres://guard:secret@{host}/name").parse().unwrap());
    for refused in [store.schema().await.map(drop).unwrap_err(), store.campaigns().await.map(drop).unwrap_err()] {
        let causes = std::iter::successors(refused.source(), |error| (*error).source());
        let cause = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        assert!(cause.contains("No such file or directory"), "{cause}");
        assert!(!format!("{refused} {refused:?} {cause} {store:?}").contains("secret"));
    }
}

#[tokio::test]
async fn connections_that_the_server_closed_are_replaced() {
    let Some(database) = TestDatabase::postgres() else { return };
    let store = database.store().await;
    assert_eq!(store.campaigns().await.unwrap(), []);
    database.read(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    assert_eq!(store.campaigns().await.unwrap(), []);
}

#[test]
fn a_url_names_a_file_or_a_server() {
    let cases = [
        ("sqlite://traffic-generator.db", Some("traffic-generator.db")),
        ("sqlite:///var/lib/a b#c%20/generator.db", Some("/var/lib/a b#c%20/generator.db")),
        ("postgres://guard:secret@host/name", None),
        ("postgresql://guard:secret@host/name", None),
    ];
    for (text, path) in cases {
        let url: DatabaseUrl = text.parse().unwrap();
        assert_eq!(url.sqlite_path(), path.map(std::path::Path::new), "{text}");
        assert!(!format!("{url} {url:?}").contains("secret"), "{url:?}");
    }
}

#[test]
fn the_error_about_a_bad_url_shows_only_its_scheme() {
    let cases = [
        ("", "write it as sqlite://"),
        ("traffic-generator.db", "write it as sqlite://"),
        ("guard:secret@host://", "write it as sqlite://"),
        ("mysql://guard:secret@host/name", "`mysql://` is unknown"),
        ("sqlite://", "sqlite:// must be followed by the path"),
        ("sqlite:///var/lib/", "sqlite:// must be followed by the path"),
        ("sqlite://:memory:", "sqlite:// needs a file"),
        ("sqlite://secret.db?mode=rwc", "sqlite:// takes only the path of a file"),
        ("postgres://", "postgres:// must be followed by"),
        ("postgres://guard:secret@host/name?secret=1", "postgres:// must be followed by"),
        ("postgres://guard:secret@host/name?sslmode=secret", "postgres:// sets sslmode to an unknown word"),
        ("postgres://guard:secret@host/name?sslmode=allow", "postgres:// sets sslmode=allow, which trusts"),
        ("postgres://guard:secret@host/name?sslmode=prefer", "postgres:// sets sslmode=prefer, which trusts"),
        ("postgres://guard:secret@host/name?sslmode=require", "postgres:// sets sslmode=require, which trusts"),
        ("postgres://guard:secret@host/name?sslmode=verify-ca", "postgres:// sets sslmode=verify-ca, which trusts"),
        ("postgres://guard:secret@host/name?sslrootcert=", "postgres:// must be followed by"),
        ("postgres://guard:secret@host/name?secret", "postgres:// must be followed by"),
    ];
    for (text, named) in cases {
        let problem = text.parse::<DatabaseUrl>().unwrap_err().to_string();
        assert!(problem.starts_with(named) && !problem.contains("secret"), "{text}: {problem}");
    }
}

#[tokio::test]
async fn special_characters_in_a_path_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("50% of #1 & co.db");
    let url: DatabaseUrl = format!("sqlite://{}", path.display()).parse().unwrap();
    Store::connect(&url).migrate().await.unwrap();
    assert!(path.exists());
}

#[tokio::test]
async fn a_database_file_that_was_replaced_is_not_written_to() {
    let database = TestDatabase::sqlite();
    let store = database.store().await;
    store.campaigns().await.unwrap();
    let path = database.url.sqlite_path().unwrap();
    let moved = path.with_extension("moved");
    std::fs::rename(path, &moved).unwrap();
    for (what, prepare) in [("gone", None), ("another file", Some(&moved))] {
        if let Some(other) = prepare {
            std::fs::copy(other, path).unwrap();
        }
        let error = store.set_generator_enabled(CAMPAIGN, true, None, noon()).await.unwrap_err();
        let Some(Fault::Shared(fault)) = error.source().unwrap().downcast_ref() else { panic!("{what}: {error:?}") };
        assert!(matches!(**fault, Fault::Replaced), "{what}: {error:?}");
    }
}

#[test]
fn one_unreadable_row_does_not_make_other_rows_unreadable() {
    on_every_store(async |database, store| {
        // Only SQLite stores invalid UTF-8 as text.
        let (name, mode) = match database.url.sqlite_path() {
            Some(_) => ("CAST(x'c328' AS TEXT)", "CAST(x'ff' AS TEXT)"),
            None => ("'\u{fffd}('", "'?'"),
        };
        database.execute(&format!(
            "INSERT INTO campaigns (id, name, trafficstar_id, mode) VALUES \
             (1, {name}, 11, {mode}), (2, 'two', 12, NULL), (3, 'three', 13, NULL);
             INSERT INTO promises VALUES (2, 12, 'nonsense', '2026-11-22 12:00:00', NULL, false, '2026-11-22 12:00:00'), \
             (3, 13, 'idle', '2026-11-22 12:00:00', NULL, false, '2026-11-22 12:00:00');"
        ));
        let names: Vec<String> = store.campaigns().await.unwrap().into_iter().map(|row| row.name).collect();
        assert_eq!(names, ["\u{fffd}(", "two", "three"]);
        let ids = [1, 2, 3].map(CampaignId).to_vec();
        assert_eq!(store.tick_readings(ids, Vec::new(), noon().date_naive(), noon()).await.unwrap().len(), 3);
        let promises = store.stored_promises().await.unwrap();
        let bad = promises[&CampaignId(2)].as_ref().unwrap_err();
        assert_eq!((bad.table, bad.row, bad.column), ("promises", 2, "phase"));
        assert_eq!(promises[&CampaignId(3)].as_ref().unwrap().promise.phase, Phase::Idle);
    });
}
