//! What is not ours is refused, and left as it is.

use std::error::Error;

use super::*;

/// The names of all migrations, in their order.
fn all_migrations() -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[tokio::test]
async fn looking_at_a_database_that_is_not_there_makes_none() {
    let database = TestDatabase::sqlite();
    let store = Store::connect(&database.url);
    assert_eq!(store.schema().await.unwrap(), SchemaState::Missing);
    assert!(store.campaigns().await.is_err());
    assert!(database.files().is_empty(), "a file was made");
}

#[tokio::test]
async fn an_empty_database_gets_its_tables_once() {
    on_every_database(async |database| {
        let store = Store::connect(&database.url);
        assert!(matches!(store.schema().await.unwrap(), SchemaState::Missing | SchemaState::Empty));
        assert_eq!(store.migrate().await.unwrap(), all_migrations());
        assert_eq!(store.schema().await.unwrap(), SchemaState::UpToDate);
        assert_eq!(store.migrate().await.unwrap(), Vec::<String>::new());
        if database.url.sqlite_path().is_some() {
            assert_eq!(database.read("SELECT journal_mode FROM pragma_journal_mode"), "wal");
        }
    })
    .await;
}

#[tokio::test]
async fn two_that_migrate_at_once_do_it_once() {
    on_every_database(async |database| {
        let (one, other) = (Store::connect(&database.url), Store::connect(&database.url));
        let (one, other) = tokio::join!(one.migrate(), other.migrate());
        assert_eq!([one.unwrap(), other.unwrap()].concat(), all_migrations());
    })
    .await;
}

#[tokio::test]
async fn looking_changes_nothing() {
    let database = TestDatabase::sqlite();
    drop(database.store().await);
    let store = Store::connect(&database.url);
    let before = database.files();
    assert_eq!(store.schema().await.unwrap(), SchemaState::UpToDate);
    assert!(database.files() == before, "a file was changed or made");
}

#[tokio::test]
async fn a_database_in_use_is_seen_with_what_is_still_in_its_log() {
    let database = TestDatabase::sqlite();
    let user = database.store().await;
    user.campaigns().await.unwrap();
    database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231235959')");
    assert_eq!(
        Store::connect(&database.url).schema().await.unwrap(),
        SchemaState::Newer(vec!["99991231235959".to_owned()])
    );
}

#[tokio::test]
async fn another_programs_database_is_refused_and_not_touched() {
    on_every_database(async |database| {
        database.execute("CREATE TABLE campaigns (id INTEGER); INSERT INTO campaigns VALUES (7)");
        let store = Store::connect(&database.url);
        let before = database.files();
        assert_eq!(store.schema().await.unwrap(), SchemaState::Foreign(vec!["campaigns".to_owned()]));
        let refused = store.migrate().await.unwrap_err();
        assert!(matches!(&refused, StoreError::Foreign { tables, .. } if tables == &["campaigns"]), "{refused:?}");
        assert!(refused.to_string().contains(&database.url.to_string()), "{refused}");
        assert!(database.files() == before, "a file was changed or made");
        assert_eq!(database.read("SELECT id FROM campaigns"), "7");
    })
    .await;
}

#[tokio::test]
async fn another_diesel_programs_database_is_refused() {
    on_every_database(async |database| {
        database.execute(
            "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP); \
             INSERT INTO __diesel_schema_migrations (version) VALUES ('00000000000000')",
        );
        let store = Store::connect(&database.url);
        assert!(matches!(store.migrate().await.unwrap_err(), StoreError::Foreign { .. }));
    })
    .await;
}

#[tokio::test]
async fn a_newer_database_is_refused_and_not_touched() {
    on_every_database(async |database| {
        drop(database.store().await);
        database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231235959')");
        let store = Store::connect(&database.url);
        let before = database.files();
        let refused = store.migrate().await.unwrap_err();
        assert!(
            matches!(&refused, StoreError::Newer { versions, .. } if versions == &["99991231235959"]),
            "{refused:?}"
        );
        assert!(database.files() == before, "a file was changed or made");
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_not_touched() {
    let texts = ["a diary, not a database", "S", "SQLite format 3 it is not, though it begins like one"];
    for text in texts {
        let database = TestDatabase::sqlite();
        std::fs::write(database.file(), text).unwrap();
        let store = Store::connect(&database.url);
        let before = database.files();
        for refused in [store.schema().await.map(drop).unwrap_err(), store.migrate().await.map(drop).unwrap_err()] {
            assert!(matches!(refused, StoreError::NotADatabase { .. }), "{refused:?}");
            assert!(refused.to_string().contains("test.db is not a SQLite database"), "{refused}");
        }
        assert!(database.files() == before, "a file was changed or made");
    }
}

#[tokio::test]
async fn a_broken_database_is_an_error_with_its_cause() {
    let database = TestDatabase::sqlite();
    std::fs::write(database.file(), [b"SQLite format 3\0".as_slice(), &[0xff; 4_000]].concat()).unwrap();
    let store = Store::connect(&database.url);
    let before = database.files();
    for refused in [store.schema().await.map(drop).unwrap_err(), store.migrate().await.map(drop).unwrap_err()] {
        assert!(matches!(refused, StoreError::ReadSchema { .. }), "{refused:?}");
        assert!(refused.source().is_some());
    }
    assert!(database.files() == before, "a file was changed or made");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_with_its_cause() {
    let folder = tempfile::tempdir().unwrap();
    let host = folder.path().display().to_string().replace('/', "%2F");
    let store = Store::connect(&format!("postgres://guard:secret@{host}/name").parse().unwrap());
    for refused in [store.schema().await.map(drop).unwrap_err(), store.campaigns().await.map(drop).unwrap_err()] {
        let cause = refused.source().unwrap().to_string();
        assert!(cause.contains("No such file or directory"), "{cause}");
        assert!(!format!("{refused} {refused:?} {cause} {store:?}").contains("secret"));
    }
}

#[tokio::test]
async fn connections_that_the_server_ended_are_replaced() {
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
fn a_bad_url_is_named_by_its_scheme_alone() {
    let cases = [
        ("", "write it as sqlite://"),
        ("traffic-generator.db", "write it as sqlite://"),
        ("guard:secret@host://", "write it as sqlite://"),
        ("mysql://guard:secret@host/name", "`mysql://` is not known"),
        ("sqlite://", "sqlite:// needs the path"),
        ("sqlite:///var/lib/", "sqlite:// needs the path"),
        ("sqlite://:memory:", "sqlite:// needs a file"),
        ("sqlite://secret.db?mode=rwc", "sqlite:// takes the path of a file"),
        ("postgres://", "postgres:// must be followed by"),
        ("postgres://guard:secret@host/name?secret=1", "postgres:// must be followed by"),
        ("postgres://guard:secret@host/name?sslmode=verify-full", "postgres:// must be followed by"),
        ("postgres://guard:secret@host/name?sslmode=require", "postgres:// asks for an encrypted connection"),
    ];
    for (text, named) in cases {
        let problem = text.parse::<DatabaseUrl>().unwrap_err().to_string();
        assert!(problem.starts_with(named) && !problem.contains("secret"), "{text}: {problem}");
    }
}

#[tokio::test]
async fn odd_characters_in_a_path_are_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("50% of #1 & co.db");
    let url: DatabaseUrl = format!("sqlite://{}", path.display()).parse().unwrap();
    Store::connect(&url).migrate().await.unwrap();
    assert!(path.exists());
}
