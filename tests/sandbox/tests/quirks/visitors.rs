//! Running campaigns spend, and their visitors click through the URLs in the guard's database.

use std::cell::RefCell;
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use sandbox::{Amount, CampaignSpec, Interference, Options, Sandbox, Tracker};

use crate::caller::eventually;

/// The tables, with only the columns that a tracker uses.
const TABLES: &str = "
    CREATE TABLE campaigns (id INTEGER PRIMARY KEY, name TEXT NOT NULL, trafficstar_id BIGINT NOT NULL UNIQUE,
        generator_enabled BOOLEAN NOT NULL DEFAULT 0);
    CREATE TABLE urls (id INTEGER PRIMARY KEY, campaign_id BIGINT NOT NULL REFERENCES campaigns (id), name TEXT NOT NULL,
        target_url TEXT NOT NULL, click_limit BIGINT NOT NULL, clicks BIGINT NOT NULL DEFAULT 0,
        status TEXT NOT NULL DEFAULT 'active');";

fn tables_in(path: &Path) {
    SqliteConnection::establish(path.to_str().unwrap()).unwrap().batch_execute(TABLES).unwrap();
}

#[tokio::test]
async fn visitors_click_only_while_the_campaign_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guard.db");
    tables_in(&path);
    let mut tracker = Tracker::open(&path).unwrap();
    tracker.add_campaign("shoes", 7, true).unwrap();
    tracker.add_url(7, "first", 50).unwrap();
    tracker.add_url(7, "second", 1_000_000).unwrap();

    let sandbox = Sandbox::start_in_thread(Options { database: Some(path), ..Options::default() }).unwrap();
    let spec = CampaignSpec::running(7).spent(Amount::cents(100));
    sandbox.add_campaign(CampaignSpec { spend_per_second: Amount::cents(100), clicks_per_second: 1000, ..spec });
    let tracker = RefCell::new(tracker);
    // By then the first URL has reached its click limit.
    eventually(async || tracker.borrow_mut().remaining_clicks(7).unwrap() < 1_000_000).await;
    sandbox.interfere(7, Interference::Stop).unwrap();
    let spent = sandbox.campaign(7).unwrap().spent_today;
    assert!(spent > Some(Amount::cents(100)), "{spent:?}");
    assert_eq!(sandbox.campaign(7).unwrap().spent_today, spent, "a stopped campaign spends nothing");
}

#[test]
fn a_missing_database_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.db");
    assert!(Tracker::open(&path).is_err());
    assert!(!path.exists());
}
