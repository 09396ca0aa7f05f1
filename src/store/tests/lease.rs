//! The lease on leadership: taking and renewing it by the server's clock; and storing records only while it lasts.

use diesel::prelude::*;

use super::super::connection::StoreConnection;
use super::*;
use crate::domain::lease::{Epoch, LeaseRow};

fn candidate(name: &str) -> LeaseCandidate {
    LeaseCandidate { name: name.to_owned(), host: format!("host of {name}"), pid: 4_242 }
}

/// Returns a PostgreSQL database with one campaign, and the lease stores of two candidates. `None` without a server.
async fn two_candidates() -> Option<(TestDatabase, Store, LeaseStore, LeaseStore)> {
    let database = TestDatabase::postgres()?;
    let store = database.store().await;
    database.execute(ONE_CAMPAIGN);
    let lease_store = |name| store.lease_store(candidate(name)).unwrap();
    let (one, other) = (lease_store("one"), lease_store("other"));
    Some((database, store, one, other))
}

async fn take(lease_store: &LeaseStore) -> Option<LeaseTerm> {
    let seen = lease_store.look().await.unwrap();
    lease_store.take(&seen).await.unwrap()
}

/// Makes the lease end this many seconds ago.
fn let_expire(database: &TestDatabase, seconds: i64) {
    database.execute(&format!(
        "UPDATE leadership SET ends_at = (clock_timestamp() AT TIME ZONE 'utc') - INTERVAL '{seconds} seconds'"
    ));
}

fn is_refused(saved: &Result<Option<JournalId>, StoreError>) -> bool {
    matches!(saved, Err(StoreError::Save(Fault::NotLeading)))
}

#[tokio::test]
async fn a_sqlite_database_has_no_lease() {
    let database = TestDatabase::sqlite();
    assert!(database.store().await.lease_store(candidate("one")).is_none());
}

#[tokio::test]
async fn the_lease_is_taken_once_and_names_its_holder() {
    let Some((_database, _, one, other)) = two_candidates().await else { return };
    let free = one.look().await.unwrap();
    assert_eq!(
        LeaseRow { run_out_for: None, ..free.clone() },
        LeaseRow { epoch: Epoch(0), beats: 0, holder: None, ends_at: None, run_out_for: None }
    );
    assert!(free.run_out_for.is_some(), "it was never held");
    let (first, second) = tokio::join!(one.take(&free), other.take(&free));
    let terms: Vec<LeaseTerm> = [first.unwrap(), second.unwrap()].into_iter().flatten().collect();
    assert_eq!(terms.len(), 1, "of two candidates that read the same row, one takes the lease");
    assert_eq!(terms[0].epoch, Epoch(1));
    let held = other.look().await.unwrap();
    let leader = held.leader().unwrap();
    assert!(leader.host.starts_with("host of ") && leader.pid == 4_242, "{leader:?}");
    assert_eq!(leader.since, terms[0].since);
    assert!(other.take(&held).await.unwrap().is_none(), "it lasts");
}

#[tokio::test]
async fn an_expired_lease_can_be_taken_after_the_margin_and_only_if_it_is_unchanged() {
    let Some((database, _, one, other)) = two_candidates().await else { return };
    take(&one).await.unwrap();
    let_expire(&database, 1);
    assert!(other.look().await.unwrap().run_out_for.is_some());
    assert!(take(&other).await.is_none(), "within the margin");
    let_expire(&database, 3);
    let seen = other.look().await.unwrap();
    database.execute("UPDATE leadership SET beats = beats + 1");
    assert!(other.take(&seen).await.unwrap().is_none(), "a heartbeat has come since");
    let term = take(&other).await.unwrap();
    assert_eq!(term.epoch, Epoch(2));
}

#[tokio::test]
async fn a_heartbeat_renews_even_an_expired_lease_but_fails_once_another_supervisor_leads() {
    let Some((database, _, one, other)) = two_candidates().await else { return };
    let first = take(&one).await.unwrap();
    let_expire(&database, 60);
    assert!(one.beat(&first).await.unwrap());
    let row = one.look().await.unwrap();
    assert_eq!((row.beats, row.run_out_for), (1, None));
    let_expire(&database, 60);
    take(&other).await.unwrap();
    assert!(!one.beat(&first).await.unwrap());
    // A server that was restored from a backup has given the same epoch twice.
    let namesake = LeaseTerm { holder: "somebody else".into(), ..first };
    database.execute("UPDATE leadership SET epoch = 1");
    assert!(!one.beat(&namesake).await.unwrap());
}

#[tokio::test]
async fn a_lease_that_was_given_up_is_free_at_once_and_only_its_holder_can_give_it_up() {
    let Some((_database, _, one, other)) = two_candidates().await else { return };
    let first = take(&one).await.unwrap();
    one.give_up(&first).await.unwrap();
    let second = take(&other).await.unwrap();
    assert_eq!(second.epoch, Epoch(2));
    one.give_up(&first).await.unwrap();
    assert!(other.beat(&second).await.unwrap());
}

#[tokio::test]
async fn a_holder_that_was_removed_by_hand_keeps_its_lease_until_the_lease_ends() {
    let Some((database, _, one, other)) = two_candidates().await else { return };
    take(&one).await.unwrap();
    database.execute("UPDATE leadership SET holder = NULL");
    assert!(take(&other).await.is_none(), "the holder may not know it yet");
    let_expire(&database, 0);
    assert_eq!(take(&other).await.unwrap().epoch, Epoch(2));
    database.execute("UPDATE leadership SET ends_at = NULL");
    assert_eq!(take(&one).await.unwrap().epoch, Epoch(3), "a lease without an end is free at once");
}

#[tokio::test]
async fn a_missing_row_is_an_error_of_its_own_and_is_restored_with_a_lease_that_has_yet_to_end() {
    let Some((database, store, one, other)) = two_candidates().await else { return };
    let term = take(&one).await.unwrap();
    let first = store.in_term(term.clone());
    first.save(record(Phase::ActiveGuarded, new_entry(pause(Step::Requested))), noon()).await.unwrap();
    database.execute("DELETE FROM leadership");
    assert!(matches!(other.look().await.unwrap_err(), StoreError::Lease(Fault::NoLeadership)));
    assert!(!one.beat(&term).await.unwrap());
    assert_eq!(store.schema().await.unwrap(), SchemaState::NoLeadership);
    assert_eq!(store.upgrade().await.unwrap(), ["the missing row of `leadership`"]);
    assert_eq!(store.schema().await.unwrap(), SchemaState::UpToDate);
    assert!(take(&other).await.is_none(), "the last holder may not know it yet");
    let_expire(&database, 0);
    assert_eq!(take(&other).await.unwrap().epoch, Epoch(2), "the epoch after the newest one in the journal");
}

#[tokio::test]
async fn a_leaders_records_are_stored_while_its_leadership_lasts_and_have_its_epoch() {
    let Some((database, store, one, other)) = two_candidates().await else { return };
    let first = store.in_term(take(&one).await.unwrap());
    let sent = || record(Phase::ActiveGuarded, new_entry(pause(Step::Requested)));
    assert!(first.save(sent(), noon()).await.unwrap().is_some());
    assert_eq!(database.read("SELECT epoch FROM journal"), "1");

    let_expire(&database, 1);
    assert!(is_refused(&first.save(sent(), noon()).await), "expired, and not taken by another supervisor");
    let_expire(&database, 60);
    let second = store.in_term(take(&other).await.unwrap());
    second.save(record(Phase::PausedGuarded, None), noon()).await.unwrap();
    let hold = Hold { reason: None, since: noon(), until: None, by: None, pause: false };
    for stale in [sent(), record(Phase::Idle, None), Record { hold: HoldChange::Set(hold.clone()), ..sent() }] {
        assert!(is_refused(&first.save(stale, noon()).await));
    }
    let spend = Spend { amount: Money::ZERO, day: noon().date_naive(), at: noon(), source: SpendSource::Report };
    let spend = SpendRow { campaign: CAMPAIGN, remote: REMOTE, spend };
    assert!(first.save_spends(vec![spend]).await.is_err());
    assert!(first.set_hold(CAMPAIGN, Some(hold.clone())).await.is_err());
    assert!(first.set_hold_on_all(Some(hold)).await.is_err());
    assert_eq!(database.read("SELECT count(*) FROM journal"), "1");
    assert_eq!(store.holds().await.unwrap(), StoredHolds::default());
    let stored = store.stored_campaign(CAMPAIGN).await.unwrap().unwrap();
    assert_eq!(stored.promise.unwrap().promise.phase, Phase::PausedGuarded, "the new leader's");
}

#[tokio::test]
async fn after_the_leadership_is_over_only_the_entry_of_a_pause_sent_before_it_was_stored_is_stored() {
    let Some((database, store, one, other)) = two_candidates().await else { return };
    let first = store.in_term(take(&one).await.unwrap());
    let_expire(&database, 60);
    let late = |step, accepted_at| Action { late: true, accepted_at, ..pause(step) };
    let entry = |action| record(Phase::CoolingDown { until: noon() }, new_entry(action));
    assert!(
        is_refused(&first.save(entry(late(Step::Accepted, Some(noon()))), noon()).await),
        "the lease may still be renewed"
    );
    take(&other).await.unwrap();
    assert!(
        is_refused(&first.save(entry(late(Step::Failed, None)), noon()).await),
        "the pause was not sent, or it was refused"
    );
    assert!(is_refused(&first.save(entry(pause(Step::Requested)), noon()).await), "the pause was not sent");
    assert!(first.save(entry(late(Step::Accepted, Some(noon()))), noon()).await.unwrap().is_some());
    assert_eq!(database.read("SELECT concat(epoch, ' ', late) FROM journal"), "1 t");
    let kept = store.journal(Default::default()).await.unwrap();
    assert_eq!((kept.len(), kept[0].step, kept[0].accepted_at), (1, Step::Failed, Some(noon())));
    let stored = store.stored_campaign(CAMPAIGN).await.unwrap().unwrap();
    assert_eq!((stored.promise, stored.unfinished), (None, None), "nothing is left unfinished for the new leader");
}

#[tokio::test]
async fn storing_a_record_delays_the_next_leadership_but_no_heartbeat_and_a_frozen_client_delays_it_only_briefly() {
    let Some((database, _, one, other)) = two_candidates().await else { return };
    let term = take(&one).await.unwrap();
    let url = database.url.clone();
    let (holding, held) = tokio::sync::oneshot::channel();
    let (go_on, frozen) = std::sync::mpsc::channel::<()>();
    let storing = {
        let term = term.clone();
        tokio::task::spawn_blocking(move || {
            let super::super::url::Target::Postgres(server) = &url.target else { panic!("PostgreSQL") };
            let mut connection = super::super::postgres::open(server).unwrap();
            connection.transaction(|connection| {
                connection.lease_state(&term)?;
                holding.send(()).unwrap();
                frozen.recv().unwrap();
                Ok::<_, diesel::result::Error>(())
            })
        })
    };
    held.await.unwrap();
    assert!(one.beat(&term).await.unwrap(), "a heartbeat does not wait");
    let_expire(&database, 60);
    let seen = other.look().await.unwrap();
    assert!(other.take(&seen).await.is_err(), "it waits a short time for the record that is being stored");
    let begun = async {
        while !matches!(other.take(&seen).await, Ok(Some(_))) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), begun).await.unwrap();
    go_on.send(()).unwrap();
    assert!(storing.await.unwrap().is_err(), "the frozen client's record is not stored");
}
