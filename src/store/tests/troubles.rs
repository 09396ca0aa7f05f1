//! A database that is locked, full, read-only or unreachable: the error says what to do, and the store works again by
//! itself once the cause is gone.

use diesel::connection::SimpleConnection;
use futures_util::future::Either;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::super::pools::Pools;
use super::super::sqlite::OpenMode;
use super::super::url::Target;
use super::super::{postgres, sqlite};
use super::server::Server;
use super::*;

/// Returns the error with all its causes, as operators read it.
fn in_words(error: &StoreError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn fault(error: &StoreError) -> &Fault {
    let fault = std::error::Error::source(error).unwrap().downcast_ref().unwrap();
    if let Fault::Shared(fault) = fault { fault } else { fault }
}

async fn save(store: &Store) -> Result<Option<JournalId>, StoreError> {
    store.save(record(Phase::Idle, new_entry(pause(Step::Confirmed))), noon()).await
}

/// Keeps the database locked from `locked` until `end`.
fn lock_meanwhile(database: &TestDatabase, locked: &std::sync::Barrier, end: &std::sync::Barrier) {
    let meanwhile = || {
        locked.wait();
        end.wait();
    };
    match &database.url.target {
        Target::Sqlite(path) => {
            let mut connection = sqlite::open(path, OpenMode::ReadWrite).unwrap();
            connection.batch_execute("BEGIN IMMEDIATE").unwrap();
            meanwhile();
        }
        Target::Postgres(server) => {
            let mut connection = postgres::open(server).unwrap();
            connection.batch_execute("SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE journal").unwrap();
            meanwhile();
        }
    }
}

#[test]
fn a_database_that_another_program_has_locked_works_again_once_it_is_unlocked() {
    on_every_store(async |database, store| {
        let (locked, end) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
        let refused = std::thread::scope(|threads| {
            threads.spawn(|| lock_meanwhile(&database, &locked, &end));
            locked.wait();
            let work = || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(save(&store))
            };
            let refused = threads.spawn(work).join().unwrap().unwrap_err();
            end.wait();
            refused
        });
        assert!(matches!(fault(&refused), Fault::Locked(_)), "{refused:?}");
        assert!(in_words(&refused).contains("let it end its transaction"), "{}", in_words(&refused));
        assert_eq!(database.read("SELECT count(*) FROM journal"), "0");
        assert!(save(&store).await.unwrap().is_some());
    });
}

/// The number of waiting writes. It is more than the number of tokio's blocking threads.
const CROWD: usize = 1_000;

#[test]
fn many_waiting_writes_do_not_delay_a_read() {
    with_one_campaign(async |database, store| {
        let (locked, end) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
        std::thread::scope(|threads| {
            threads.spawn(|| lock_meanwhile(&database, &locked, &end));
            locked.wait();
            let work = || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(read_beside_a_crowd(&store));
            };
            let outcome = threads.spawn(work).join();
            end.wait();
            outcome.unwrap();
        });
        assert!(save(&store).await.unwrap().is_some(), "writes work again afterwards");
    });
}

/// Reads while many writes wait. The first of the writes gives up after two seconds.
async fn read_beside_a_crowd(store: &Store) {
    let mut crowd: FuturesUnordered<_> = (0..CROWD).map(|_| save(store)).collect();
    assert!(crowd.next().now_or_never().is_none());
    tokio::task::yield_now().await;
    let read = std::pin::pin!(store.tick_readings(vec![CAMPAIGN], Vec::new(), noon().date_naive(), noon()));
    match futures_util::future::select(read, crowd.next()).await {
        Either::Left((read, _)) => assert!(read.unwrap().contains_key(&CAMPAIGN)),
        Either::Right((given_up, _)) => panic!("the read waited for the writes: {given_up:?}"),
    }
    while let Some(refused) = crowd.next().await {
        assert!(refused.is_err());
    }
}

/// Sets a pragma on the connection with which the store writes to SQLite.
async fn set_on_writer(store: &Store, pragma: &'static str) {
    let Pools::Sqlite(pools) = store.pools.clone() else { panic!("this is not SQLite") };
    let set = move || pools.writer().unwrap().run(|connection| Ok(connection.batch_execute(pragma)?)).unwrap();
    tokio::task::spawn_blocking(set).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_reported_and_writes_work_again_once_there_is_space() {
    let database = TestDatabase::sqlite();
    let store = database.store().await;
    database.execute(ONE_CAMPAIGN);
    set_on_writer(&store, "PRAGMA max_page_count = 1").await;
    let long = Action { reason: "r".repeat(1_000_000), ..pause(Step::Confirmed) };
    let full = store.save(record(Phase::ActiveGuarded, new_entry(long.clone())), noon()).await.unwrap_err();
    assert!(matches!(fault(&full), Fault::Full(_)), "{full:?}");
    assert!(in_words(&full).contains("free some space on it"), "{}", in_words(&full));
    assert_eq!(
        store.stored_campaign(CAMPAIGN).await.unwrap().unwrap().promise,
        None,
        "only a part of the record was stored"
    );
    set_on_writer(&store, "PRAGMA max_page_count = 1000000").await;
    assert!(store.save(record(Phase::ActiveGuarded, new_entry(long)), noon()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_log_that_grew_during_a_long_read_is_cut_after_the_read() {
    const KEPT_BYTES: u64 = 64 << 20;
    let database = TestDatabase::sqlite();
    let store = database.store().await;
    database.execute(ONE_CAMPAIGN);
    let long = Action { reason: "r".repeat(1 << 20), ..pause(Step::Confirmed) };
    let save = || store.save(record(Phase::Idle, new_entry(long.clone())), noon());
    let mut reader = sqlite::open(database.url.sqlite_path().unwrap(), OpenMode::ReadWrite).unwrap();
    reader.batch_execute("BEGIN; SELECT count(*) FROM journal").unwrap();
    for _ in 0..66 {
        save().await.unwrap();
    }
    let grown = store.log_bytes().await;
    assert!(grown > KEPT_BYTES, "{grown}");
    reader.batch_execute("ROLLBACK").unwrap();
    for _ in 0..3 {
        save().await.unwrap();
    }
    let kept = store.log_bytes().await;
    assert!(kept <= KEPT_BYTES, "{kept}");
}

/// Makes every commit of a change of `campaigns` or `urls` fail, although the statements succeed. The same happens when
/// a disk is full.
fn break_commits(database: &TestDatabase) {
    let at_the_end = "CREATE TABLE never (parent BIGINT REFERENCES campaigns (id) DEFERRABLE INITIALLY DEFERRED);";
    let triggers = ["campaigns", "urls"].into_iter().flat_map(|table| {
        let body = match database.url.target {
            Target::Sqlite(_) => "BEGIN INSERT INTO never VALUES (-1); END",
            Target::Postgres(_) => "FOR EACH ROW EXECUTE FUNCTION never_ends()",
        };
        ["INSERT", "UPDATE", "DELETE"]
            .map(|what| format!("CREATE TRIGGER {table}_{what} AFTER {what} ON {table} {body};"))
    });
    let function = match database.url.target {
        Target::Sqlite(_) => "",
        Target::Postgres(_) => {
            "CREATE FUNCTION never_ends() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN INSERT INTO never VALUES (-1); RETURN NULL; END $$;"
        }
    };
    database.execute(&format!("{at_the_end} {function} {}", triggers.collect::<String>()));
}

#[test]
fn a_change_whose_commit_fails_is_never_reported_as_stored() {
    with_one_campaign(async |database, store| {
        database.execute(&url(1, 100, 0, "active"));
        break_commits(&database);
        let named = CampaignColumns { name: Some("x".to_owned()), ..CampaignColumns::default() };
        let new = CampaignColumns { trafficstar_id: Some(2), ..named.clone() };
        let clicks = UrlColumns { clicks: Some(9), ..UrlColumns::default() };
        let new_url = UrlColumns {
            name: Some("u".to_owned()),
            target_url: Some("https://example.com".to_owned()),
            click_limit: Some(9),
            ..UrlColumns::default()
        };
        let url = crate::domain::ids::UrlId(1);
        let attempts = [
            ("add campaign", store.add_campaign(new, None, noon()).await.map(drop)),
            ("change campaign", store.change_campaign(CAMPAIGN, named, noon()).await.map(drop)),
            ("switch generator", store.set_generator_enabled(CAMPAIGN, false, None, noon()).await.map(drop)),
            ("add url", store.add_url(CAMPAIGN, new_url, noon()).await.map(drop)),
            ("change url", store.change_url(url, clicks, noon()).await.map(drop)),
            ("remove url", store.remove_url(url).await.map(drop)),
            ("remove campaign", store.remove_campaign(CAMPAIGN).await.map(drop)),
        ];
        for (what, outcome) in attempts {
            assert!(outcome.is_err(), "{what}: it was reported as stored");
        }
        let row = &store.campaigns().await.unwrap()[..];
        assert!(matches!(row, [row] if row.name == "one" && row.generator_enabled), "{row:?}");
        assert_eq!(database.read("SELECT clicks FROM urls"), "0");
    });
}

#[test]
fn a_read_only_database_is_written_again_once_it_is_writable() {
    with_one_campaign(async |database, store| {
        save(&store).await.unwrap();
        let name = database.url.to_string();
        let name = name.rsplit('/').next().unwrap();
        let by_admin = |sql: &str| {
            TestDatabase::at(&server::shared_server("postgres").unwrap()).execute(&sql.replace("NAME", name));
        };
        match database.url.target {
            // A file that was read-only when it was opened stays read-only for that connection only; so does this
            // setting.
            Target::Sqlite(_) => set_on_writer(&store, "PRAGMA query_only = ON").await,
            Target::Postgres(_) => {
                by_admin("ALTER DATABASE NAME SET default_transaction_read_only = on");
                by_admin(
                    "DO $$ BEGIN PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'NAME'; END $$",
                );
            }
        }
        let refused = save(&store).await.unwrap_err();
        assert!(matches!(fault(&refused), Fault::ReadOnly(_)), "{refused:?}");
        assert!(in_words(&refused).contains("the right to write it"), "{}", in_words(&refused));
        assert_eq!(store.campaigns().await.unwrap().len(), 1, "it can still be read");
        if matches!(database.url.target, Target::Postgres(_)) {
            by_admin("ALTER DATABASE NAME RESET default_transaction_read_only");
            save(&store).await.unwrap_err();
        }
        assert!(save(&store).await.unwrap().is_some());
    });
}

#[tokio::test]
async fn a_server_that_stopped_or_hung_is_used_again_once_it_is_back() {
    type Step = fn(&mut Server);
    let troubles: [(&str, Step, Step); 2] =
        [("stopped", Server::stop, Server::start_again), ("frozen", Server::freeze, Server::thaw)];
    let Some(mut server) = Server::start(None) else { return };
    let url: DatabaseUrl = server.url("postgres").parse().unwrap();
    let store = Store::connect(&url);
    store.migrate().await.unwrap();
    for (what, begin, end) in troubles {
        save(&store).await.unwrap();
        begin(&mut server);
        let (read, written) = tokio::join!(store.campaigns(), save(&store));
        for error in [read.unwrap_err(), written.unwrap_err()] {
            assert!(matches!(fault(&error), Fault::Pool(_) | Fault::Lost(_)), "{what}: {error:?}");
            let words = in_words(&error);
            assert!(words.contains("the program keeps trying"), "{what}: {words}");
        }
        end(&mut server);
        let again = async || {
            while save(&store).await.is_err() {}
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), again()).await.unwrap();
    }
}

#[tokio::test]
async fn the_error_about_a_server_that_does_not_listen_says_what_to_do() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let store = Store::connect(&format!("postgres://guard@127.0.0.1:{port}/guard").parse().unwrap());
    let refused = store.schema().await.unwrap_err();
    assert!(in_words(&refused).contains("check that the server runs and listens there"), "{}", in_words(&refused));
}

#[tokio::test]
async fn a_damaged_database_is_refused_and_not_changed() {
    let database = TestDatabase::sqlite();
    let store = database.store().await;
    database.execute(ONE_CAMPAIGN);
    drop(store);
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'campaigns'";
    let page: usize = database.read(root).parse().unwrap();
    let mut bytes = std::fs::read(database.file()).unwrap();
    bytes[(page - 1) * 4_096..page * 4_096].fill(0xa5);
    std::fs::write(database.file(), bytes).unwrap();
    for refused in super::refusals::refused_untouched(&database).await {
        assert!(in_words(&refused).contains("restore the last backup"), "{}", in_words(&refused));
    }
}
