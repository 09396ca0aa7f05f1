//! Databases of earlier versions, kept as SQL: after the migrations their data is complete and readable.

use super::databases::frozen;
use super::*;
use crate::domain::journal::JournalQuery;

/// The last migration of each release that added one.
const RELEASES: [&str; 3] = ["000001", "000002", "000004"];

/// Runs a test on each kind of database, as each release left it.
fn on_every_release(rule: impl AsyncFn(TestDatabase, &'static str)) {
    for release in RELEASES {
        on_every_database(async |database| {
            database.execute(&frozen(&database, release));
            rule(database, release).await;
        });
    }
}

/// Returns every row of a database, table by table, with the named columns.
fn rows(database: &TestDatabase, columns: &[(String, Vec<String>)]) -> Vec<String> {
    let of_table = |(table, columns): &(String, Vec<String>)| {
        let quoted: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
        let row = match database.url.sqlite_path() {
            Some(_) => format!("json_array({})", quoted.join(", ")),
            None => format!("CAST(json_build_array({}) AS TEXT)", quoted.join(", ")),
        };
        let all = match database.url.sqlite_path() {
            Some(_) => "group_concat(line, '; ')",
            None => "string_agg(line, '; ')",
        };
        let lines = format!("SELECT {row} AS line FROM {table} ORDER BY 1");
        format!("{table}: {}", database.read(&format!("SELECT COALESCE({all}, '') FROM ({lines}) AS lines")))
    };
    columns.iter().map(of_table).collect()
}

#[test]
fn the_schema_of_every_release_is_brought_up_to_date_and_no_row_is_lost() {
    on_every_release(async |database, release| {
        let columns = database.columns();
        let before = rows(&database, &columns);
        assert!(before.iter().any(|table| table.contains("shoes")), "{before:#?}");

        let store = Store::connect(&database.url);
        assert!(matches!(store.schema().await.unwrap(), SchemaState::Behind(_)), "{release}");
        assert!(!store.migrate().await.unwrap().is_empty());
        assert_eq!(store.schema().await.unwrap(), SchemaState::UpToDate);
        let own = |(table, _): &&(String, Vec<String>)| table != "__diesel_schema_migrations";
        let kept: Vec<_> = columns.iter().filter(own).cloned().collect();
        let was = before.into_iter().filter(|line| !line.starts_with("__diesel"));
        assert_eq!(rows(&database, &kept), was.collect::<Vec<_>>(), "{release}");
    });
}

#[test]
fn values_that_an_earlier_version_stored_keep_their_meaning() {
    on_every_release(async |database, release| {
        let store = database.store().await;
        let names: Vec<String> = store.campaigns().await.unwrap().into_iter().map(|row| row.name).collect();
        assert_eq!(names, ["shoes", "travel", "garden \"tools\"; ünïcode"]);
        let promises = store.stored_promises().await.unwrap();
        let of = |id| promises[&CampaignId(id)].as_ref().unwrap().promise;
        let since = at("2026-11-20T08:00:00.123456Z");
        assert_eq!(of(1), Promise { phase: Phase::ActiveGuarded, since, end_time_owed: false });
        assert_eq!(of(2).phase, Phase::PausedGuarded);
        let stored = store.stored_campaign(CampaignId(2)).await.unwrap().unwrap();
        assert_eq!(stored.unfinished, None);
        let entries = store.journal(JournalQuery::default()).await.unwrap();
        let steps: Vec<_> = entries.iter().map(|entry| (entry.id, entry.step, entry.late)).collect();
        let (observed, confirmed) = (Step::ObservedOnly, Step::Confirmed);
        let wanted = [(4, observed, false), (3, Step::Failed, true), (2, confirmed, false), (1, confirmed, false)];
        assert_eq!(steps, wanted);
        assert_eq!(entries[2].by.as_deref(), Some("1000 (anna)"));
        let day = at("2026-11-20T09:00:00Z");
        let readings = store.tick_readings(vec![CampaignId(1)], Vec::new(), day.date_naive(), day).await.unwrap();
        let spends = readings[&CampaignId(1)].spends.as_ref().unwrap();
        assert_eq!(spends.yesterday, Some("3.21".parse().unwrap()));
        assert_eq!(readings[&CampaignId(1)].clicks.count, Clicks(10_000));
        assert_eq!(store.holds().await.unwrap().by_campaign.len(), usize::from(release != "000001"));
        // The next entry gets the next id.
        let next = Record {
            campaign: CampaignId(1),
            remote: RemoteId(995_001),
            ..record(Phase::ActiveGuarded, new_entry(pause(Step::Requested)))
        };
        assert_eq!(store.save(next, day).await.unwrap(), Some(JournalId(5)));
    });
}

#[test]
fn an_upgraded_database_has_the_schema_of_a_new_one() {
    on_every_release(async |database, release| {
        drop(database.store().await);
        let fresh = database.another();
        drop(fresh.store().await);
        assert_eq!(database.description(), fresh.description(), "{release}");
    });
}
