//! Tests of the store.

mod alerts;
mod catalog;
mod databases;
mod journal;
mod lease;
mod postgres;
mod refusals;
mod retention;
#[path = "../../tests/postgres/mod.rs"]
#[allow(dead_code, reason = "only the tests of the built program use the proxy in front of the server's socket")]
mod server;
mod spend_sums;
mod troubles;
mod upgrades;

use chrono::{DateTime, Duration, Utc};

use super::*;
use crate::domain::action::{Action, ActionId, ActionKind, Step, Trigger};
use crate::domain::ids::{CampaignId, RemoteId};
use crate::domain::journal::JournalId;
use crate::domain::money::{Clicks, Money};
use crate::domain::order::HoldChange;
use crate::domain::phase::{Phase, PhaseWord, Promise};
use crate::domain::policy::{HighSpend, Mode, PolicyNumbers};
use crate::domain::remote::StatusWord;
use crate::domain::spend::{Spend, SpendSource};
use crate::domain::status::Hold;
use databases::{TestDatabase, on_every_database, on_every_store, with_one_campaign};

const CAMPAIGN: CampaignId = CampaignId(1);
const REMOTE: RemoteId = RemoteId(995_224);
const ONE_CAMPAIGN: &str =
    "INSERT INTO campaigns (name, trafficstar_id, generator_enabled) VALUES ('one', 995224, true)";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn noon() -> DateTime<Utc> {
    at("2026-11-22T12:00:00.123456Z")
}

async fn reading(store: &Store) -> TickReading {
    let readings = store.tick_readings(vec![CAMPAIGN], Vec::new(), noon().date_naive(), noon()).await.unwrap();
    readings.get(&CAMPAIGN).unwrap().clone()
}

fn promise(phase: Phase) -> Promise {
    Promise { phase, since: noon(), end_time_owed: false }
}

fn pause(step: Step) -> Action {
    Action {
        id: ActionId(0),
        kind: ActionKind::Pause,
        trigger: Trigger::Tick,
        reason: "5,000 clicks or fewer remain".to_owned(),
        spend: Money::from_micros(3_210_000),
        remaining_clicks: Some(Clicks(4_999)),
        remote_status: StatusWord::Running,
        state_before: PhaseWord::ActiveGuarded,
        state_after: PhaseWord::CoolingDown,
        end_time: noon(),
        budget: None,
        step,
        late: false,
        requested_at: noon(),
        accepted_at: None,
        confirmed_at: None,
        failed_at: None,
        error: None,
    }
}

fn record(phase: Phase, entry: Option<Entry>) -> Record {
    let (hold, budget) = (HoldChange::Keep, None);
    Record {
        campaign: CAMPAIGN,
        remote: REMOTE,
        promise: promise(phase),
        entry,
        hold,
        budget,
        name: "shoes".to_owned(),
        occasions: Vec::new(),
    }
}

fn new_entry(action: Action) -> Option<Entry> {
    Some(Entry { id: None, action, by: None })
}

fn url(id: i64, click_limit: i64, clicks: i64, status: &str) -> String {
    format!(
        "INSERT INTO urls (id, campaign_id, name, target_url, click_limit, clicks, status) \
         VALUES ({id}, 1, 'u', 'https://example.com', {click_limit}, {clicks}, '{status}');"
    )
}

#[test]
fn the_least_that_a_tracker_writes_is_valid() {
    with_one_campaign(async |database, store| {
        database.execute(
            "INSERT INTO urls (campaign_id, name, target_url, click_limit) VALUES (1, 'u', 'https://example.com', 20000)",
        );
        let rows = store.campaigns().await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].id, rows[0].trafficstar_id, rows[0].generator_enabled), (CAMPAIGN, REMOTE, true));
        let policy = rows[0].policy(&PolicyNumbers::default()).unwrap();
        assert_eq!(policy, PolicyNumbers::default().validate().unwrap());
        assert_eq!(reading(&store).await.clicks.count, Clicks(20_000));
    });
}

#[test]
fn a_trackers_update_is_in_the_next_reading() {
    with_one_campaign(async |database, store| {
        database.execute(&url(1, 20_000, 0, "active"));
        assert_eq!(reading(&store).await.clicks.count, Clicks(20_000));
        database.execute("UPDATE urls SET clicks = clicks + 1 WHERE id = 1");
        assert_eq!(reading(&store).await.clicks.count, Clicks(19_999));
        database.execute("UPDATE campaigns SET pause_clicks = 7 WHERE id = 1");
        assert_eq!(reading(&store).await.row.pause_clicks, Some(7));
    });
}

#[test]
fn remaining_clicks_are_those_of_active_urls_and_an_invalid_row_counts_zero() {
    const MAX: i64 = i64::MAX;
    type Urls = &'static [(i64, i64, &'static str)];
    let cases: [(Urls, u64, Option<&str>); 9] = [
        (&[], 0, None),
        (&[(100, 40, "active"), (50, 0, "active")], 110, None),
        (&[(100, 40, "active"), (50, 60, "active")], 60, None),
        (&[(100, 0, "paused"), (100, 0, "completed"), (100, 0, "deleted"), (100, 0, "rejected")], 0, None),
        (&[(100, 0, "active"), (-5, 0, "active")], 100, Some("url 2: click_limit is -5")),
        (&[(100, -1, "active"), (7, 0, "active")], 7, Some("url 1: clicks is -1")),
        (&[(i64::MIN + 1, MAX, "active"), (7, 0, "active")], 7, Some("url 1: click_limit is -9223372036854775807")),
        (&[(100, 0, "active"), (-5, 0, "paused")], 100, None),
        (&[(MAX, 0, "active"), (MAX, 0, "active")], 2_000_000_000_000, None),
    ];
    with_one_campaign(async |database, store| {
        for (urls, count, defect) in cases {
            let rows = urls.iter().zip(1..).map(|((limit, clicks, status), id)| url(id, *limit, *clicks, status));
            database.execute(&format!("DELETE FROM urls; {}", rows.collect::<String>()));
            let clicks = reading(&store).await.clicks;
            assert_eq!((clicks.count, clicks.defect.as_deref()), (Clicks(count), defect), "{urls:?}");
            let active = urls.iter().filter(|(_, _, status)| *status == "active").count();
            assert_eq!((clicks.active_urls, clicks.at), (active as u64, noon()), "{urls:?}");
        }
    });
}

#[test]
fn a_campaign_that_does_not_exist_is_missing_in_the_readings() {
    on_every_store(async |_database, store| {
        let readings =
            store.tick_readings(vec![CampaignId(404)], Vec::new(), noon().date_naive(), noon()).await.unwrap();
        assert!(readings.is_empty());
        assert_eq!(store.stored_campaign(CampaignId(404)).await.unwrap(), None);
        assert!(!store.set_generator_enabled(CampaignId(404), true, None, noon()).await.unwrap());
    });
}

#[test]
fn an_invalid_override_is_an_error_that_names_its_column() {
    let cases = [
        ("mode = 'watch'", "campaign 1: the column `mode`"),
        ("high_spend = 'topup'", "campaign 1: the column `high_spend`"),
        ("activate_clicks = -5", "campaign 1: the column `activate_clicks` holds -5"),
        ("pause_clicks = -1", "campaign 1: the column `pause_clicks` holds -1"),
        ("spend_limit_micros = -1", "campaign 1: the column `spend_limit_micros` holds -1"),
        ("cooldown_seconds = -1", "campaign 1: the column `cooldown_seconds` holds -1"),
        ("implausible_clicks = -1", "campaign 1: the column `implausible_clicks` holds -1"),
        ("high_activate_clicks = -1", "campaign 1: the column `high_activate_clicks` holds -1"),
        ("high_pause_clicks = -1", "campaign 1: the column `high_pause_clicks` holds -1"),
        ("top_up_ceiling_micros = -1", "campaign 1: the column `top_up_ceiling_micros` holds -1"),
        ("daily_budget_micros = -1", "campaign 1: the column `daily_budget_micros` holds -1"),
        ("price_per_thousand_micros = -1", "campaign 1: the column `price_per_thousand_micros` holds -1"),
        (
            "high_spend = 'top-up', top_up_ceiling_micros = 10000000",
            "campaign 1: its columns and the config's defaults contradict each other",
        ),
        (
            "high_spend = 'guard', high_activate_clicks = 5000",
            "campaign 1: its columns and the config's defaults contradict each other",
        ),
        ("implausible_clicks = 15000", "campaign 1: its columns and the config's defaults contradict each other"),
        (
            "cooldown_seconds = 9223372036854775807",
            "campaign 1: the column `cooldown_seconds` holds 9223372036854775807",
        ),
        ("activate_clicks = 5000", "campaign 1: its columns and the config's defaults contradict each other"),
    ];
    with_one_campaign(async |database, store| {
        for (assignment, named) in cases {
            database.execute(
                "UPDATE campaigns SET mode = NULL, high_spend = NULL, activate_clicks = NULL, pause_clicks = NULL, \
                 spend_limit_micros = NULL, cooldown_seconds = NULL, implausible_clicks = NULL, \
                 high_activate_clicks = NULL, high_pause_clicks = NULL, top_up_ceiling_micros = NULL, \
                 daily_budget_micros = NULL, price_per_thousand_micros = NULL",
            );
            database.execute(&format!("UPDATE campaigns SET {assignment}"));
            let problem = reading(&store).await.row.policy(&PolicyNumbers::default()).unwrap_err().to_string();
            assert!(problem.starts_with(named), "{assignment}: {problem}");
        }
    });
}

#[test]
fn a_campaigns_own_numbers_replace_the_defaults_and_observe_wins() {
    with_one_campaign(async |database, store| {
        database.execute(
            "UPDATE campaigns SET mode = 'act', activate_clicks = 200, pause_clicks = 100, spend_limit_micros = 5000000, \
             cooldown_seconds = 3, high_spend = 'guard', implausible_clicks = 300, high_activate_clicks = 50, \
             high_pause_clicks = 10",
        );
        let row = reading(&store).await.row;
        let defaults = PolicyNumbers { mode: Mode::Observe, ..PolicyNumbers::default() };
        let expected = PolicyNumbers {
            activate_clicks: Clicks(200),
            pause_clicks: Clicks(100),
            spend_limit: "5".parse().unwrap(),
            cooldown: Duration::seconds(3),
            implausible_clicks: Some(Clicks(300)),
            high_spend: HighSpend::Guard,
            high_activate_clicks: Some(Clicks(50)),
            high_pause_clicks: Some(Clicks(10)),
            ..defaults.clone()
        };
        assert_eq!(row.policy(&defaults).unwrap(), expected.validate().unwrap());
        let modes = [
            ("observe", Mode::Act, Mode::Act, Mode::Observe),
            ("obsreve", Mode::Act, Mode::Observe, Mode::Observe),
            ("ACT", Mode::Act, Mode::Act, Mode::Act),
            ("ACT", Mode::Observe, Mode::Act, Mode::Observe),
        ];
        for (word, default, last, expected) in modes {
            let invalid = CampaignRow { mode: Some(word.to_owned()), cooldown_seconds: Some(-1), ..row.clone() };
            let [default, last] = [default, last].map(|mode| PolicyNumbers { mode, ..PolicyNumbers::default() });
            let (policy, error) = invalid.policy_or(&default, &last.validate().unwrap());
            assert_eq!((policy.mode, error.is_some()), (expected, true), "`{word}`");
        }
        let observing = CampaignRow { mode: Some("observe".to_owned()), ..row };
        assert_eq!(observing.policy(&PolicyNumbers::default()).unwrap().mode, Mode::Observe);
    });
}

#[test]
fn every_phase_is_read_as_it_was_stored() {
    with_one_campaign(async |_database, store| {
        let until = noon() + Duration::minutes(2);
        let phases = [Phase::CoolingDown { until }, Phase::Idle, Phase::ActiveGuarded, Phase::PausedGuarded];
        for (phase, end_time_owed) in phases.into_iter().flat_map(|phase| [(phase, true), (phase, false)]) {
            let promise = Promise { phase, since: noon(), end_time_owed };
            let saved = store.save(Record { promise, ..record(phase, None) }, until).await.unwrap();
            assert_eq!(saved, None);
            let stored = StoredPromise { promise, stored_at: until };
            let campaign = store.stored_campaign(CAMPAIGN).await.unwrap().unwrap();
            assert_eq!(campaign, StoredCampaign { promise: Some(stored), ..StoredCampaign::default() });
            assert_eq!(store.stored_promises().await.unwrap().get(&CAMPAIGN), Some(&Ok(stored)));
        }
    });
}

#[test]
fn an_action_is_unfinished_until_it_is_confirmed_or_has_failed() {
    let unfinished = [(Step::Requested, true), (Step::Accepted, true)];
    let finished = [(Step::Confirmed, false), (Step::Failed, false), (Step::ObservedOnly, false)];
    with_one_campaign(async |database, store| {
        let first = store.save(record(Phase::Idle, new_entry(pause(Step::Requested))), noon()).await.unwrap().unwrap();
        for (step, is_unfinished) in unfinished.into_iter().chain(finished) {
            let later = noon() + Duration::seconds(1);
            let action = Action {
                accepted_at: Some(later),
                confirmed_at: (step == Step::Confirmed).then_some(later),
                failed_at: (step == Step::Failed).then_some(later),
                error: (step == Step::Failed).then(|| "refused".to_owned()),
                ..pause(step)
            };
            let entry = Entry { id: Some(first), action: action.clone(), by: None };
            assert_eq!(store.save(record(Phase::Idle, Some(entry)), noon()).await.unwrap(), Some(first));
            let stored = store.stored_campaign(CAMPAIGN).await.unwrap().unwrap();
            assert_eq!(stored.unfinished, is_unfinished.then_some((first, action)), "{step:?}");
        }
        assert_eq!(database.read("SELECT count(*) FROM journal"), "1");
        assert_eq!(database.read("SELECT count(*) FROM journal_steps"), "1");
    });
}

#[test]
fn every_attempt_has_its_own_entry_and_the_newest_unfinished_entry_is_returned() {
    with_one_campaign(async |database, store| {
        let unknown = Action {
            kind: ActionKind::SetEndTime,
            trigger: Trigger::Recovery,
            spend: None,
            remaining_clicks: Some(Clicks(u64::MAX)),
            remote_status: StatusWord::Unknown,
            late: true,
            ..pause(Step::Accepted)
        };
        let by = Some("1000 operator".to_owned());
        let old = store.save(record(Phase::Idle, new_entry(pause(Step::Requested))), noon()).await.unwrap().unwrap();
        let entry = Some(Entry { id: None, action: unknown.clone(), by });
        let new = store.save(record(Phase::Idle, entry), noon()).await.unwrap().unwrap();
        assert!(new > old);
        let stored = store.stored_campaign(CAMPAIGN).await.unwrap().unwrap();
        let countable = Action { remaining_clicks: Some(Clicks(i64::MAX.unsigned_abs())), ..unknown };
        assert_eq!(stored.unfinished, Some((new, countable)));
        assert_eq!(database.read("SELECT \"by\" FROM journal WHERE id = 2"), "1000 operator");
        assert_eq!(database.read("SELECT reason FROM journal WHERE id = 1"), "5,000 clicks or fewer remain");
    });
}

#[test]
fn a_row_linked_to_another_trafficstar_id_starts_without_a_promise() {
    with_one_campaign(async |database, store| {
        store.save(record(Phase::ActiveGuarded, new_entry(pause(Step::Requested))), noon()).await.unwrap();
        store.save_spends(vec![spend_row(noon(), "3.21")]).await.unwrap();
        database.execute("UPDATE campaigns SET trafficstar_id = 1");
        let stored = store.stored_campaign(CAMPAIGN).await.unwrap().unwrap();
        assert_eq!(stored, StoredCampaign::default());
        assert!(store.stored_promises().await.unwrap().is_empty());
        assert_eq!(reading(&store).await.spends.unwrap().today, None);
    });
}

#[test]
fn deleting_a_campaign_keeps_its_journal() {
    with_one_campaign(async |database, store| {
        database.execute(&url(1, 100, 0, "active"));
        let sent = record(Phase::ActiveGuarded, new_entry(pause(Step::Requested)));
        let entry = store.save(sent, noon()).await.unwrap();
        store.save_spends(vec![spend_row(noon(), "3.21")]).await.unwrap();
        database.execute("DELETE FROM campaigns WHERE id = 1");
        for table in ["urls", "promises", "spends"] {
            assert_eq!(database.read(&format!("SELECT count(*) FROM {table}")), "0", "{table}");
        }
        let confirmed = Entry { id: entry, action: pause(Step::Confirmed), by: None };
        assert_eq!(store.save(record(Phase::Idle, Some(confirmed)), noon()).await.unwrap(), entry);
        store.save_spends(vec![spend_row(noon(), "3.22")]).await.unwrap();
        assert_eq!(database.read("SELECT step FROM journal_steps"), "confirmed");
        assert_eq!(database.read("SELECT count(*) FROM promises"), "0");
        database.execute(ONE_CAMPAIGN);
        assert_eq!(store.campaigns().await.unwrap()[0].id, CampaignId(2), "an id is never used twice");
    });
}

#[test]
fn an_invalid_value_of_the_programs_own_is_an_error_that_names_table_row_and_column() {
    let cases = [
        ("UPDATE promises SET phase = 'asleep'", "table promises, row 1, column phase: unknown variant `asleep`"),
        (
            "UPDATE promises SET phase = 'cooling-down', cooling_down_until = NULL",
            "table promises, row 1, column cooling_down_until: it is NULL",
        ),
        ("UPDATE journal SET kind = 'sing'", "table journal, row 1, column kind: unknown variant `sing`"),
        ("UPDATE journal SET spend_micros = -1", "table journal, row 1, column spend_micros: -1 is below zero"),
    ];
    for (sql, named) in cases {
        with_one_campaign(async |database, store| {
            store.save(record(Phase::Idle, new_entry(pause(Step::Requested))), noon()).await.unwrap();
            database.execute(sql);
            let error = store.stored_campaign(CAMPAIGN).await.unwrap_err();
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(cause.starts_with(named), "{sql}: {cause}");
        });
    }
}

fn spend_row(at: DateTime<Utc>, amount: &str) -> SpendRow {
    let spend = Spend { amount: amount.parse().unwrap(), source: SpendSource::Campaign, day: at.date_naive(), at };
    SpendRow { campaign: CAMPAIGN, remote: REMOTE, spend }
}

#[test]
fn the_last_spend_of_each_day_is_kept() {
    with_one_campaign(async |database, store| {
        let yesterday = noon() - Duration::days(1);
        let before = noon() - Duration::days(2);
        let stranger = SpendRow { campaign: CampaignId(404), ..spend_row(noon(), "1") };
        let rows = vec![
            spend_row(before, "9.99"),
            spend_row(yesterday, "1.4"),
            spend_row(yesterday, "1.5"),
            spend_row(noon(), "2"),
            stranger,
        ];
        store.save_spends(rows).await.unwrap();
        store.save_spends(vec![spend_row(noon() + Duration::minutes(1), "3.21")]).await.unwrap();
        let spends = reading(&store).await.spends;
        let spends = spends.unwrap();
        let today = spends.today.unwrap();
        assert_eq!((today.amount, today.at), ("3.21".parse().unwrap(), noon() + Duration::minutes(1)));
        assert_eq!(spends.yesterday, Some("1.5".parse().unwrap()));
        assert_eq!(database.read("SELECT source FROM spends WHERE amount_micros = 3210000"), "campaign");
    });
}

#[test]
fn a_generator_is_enabled_and_disabled() {
    with_one_campaign(async |database, store| {
        for enabled in [false, true] {
            assert!(store.set_generator_enabled(CAMPAIGN, enabled, None, noon()).await.unwrap());
            assert_eq!(reading(&store).await.row.generator_enabled, enabled);
        }
        assert!(database.read("SELECT updated_at FROM campaigns").starts_with("2026-11-22 12:00:00.123456"));
    });
}

/// Writes, and tries again if the write waited too long for a lock or its turn. That happens on a machine under load,
/// and nothing was stored then.
async fn write_until_done<T>(write: impl AsyncFn() -> Result<T, StoreError>) -> T {
    loop {
        match write().await {
            Err(StoreError::Save(error::Fault::Locked(_)) | StoreError::SaveSpends(error::Fault::Locked(_))) => {}
            Err(busy) if busy.is_busy() => {}
            written => return written.unwrap(),
        }
    }
}

#[test]
fn two_programs_that_write_at_the_same_time_lose_nothing() {
    const ROUNDS: usize = 50;
    on_every_database(async |database| {
        let (one, other) = (database.store().await, database.store().await);
        database.execute(ONE_CAMPAIGN);
        database.execute(&url(1, 20_000, 0, "active"));
        let work = |store: Store| async move {
            for _ in 0..ROUNDS {
                let entry = || record(Phase::ActiveGuarded, new_entry(pause(Step::Failed)));
                write_until_done(async || store.save(entry(), noon()).await).await;
                write_until_done(async || store.save_spends(vec![spend_row(noon(), "3.21")]).await).await;
                reading(&store).await;
            }
        };
        std::thread::scope(|threads| {
            threads.spawn(|| {
                (0..ROUNDS).for_each(|_| database.execute("UPDATE urls SET clicks = clicks + 1 WHERE id = 1"))
            });
            threads.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(async { tokio::join!(work(one.clone()), work(one.clone()), work(other.clone())) });
            });
        });
        assert_eq!(database.read("SELECT count(*) FROM journal"), (3 * ROUNDS).to_string());
        assert_eq!(reading(&one).await.clicks.count, Clicks(20_000 - ROUNDS as u64));
    });
}

#[test]
fn ten_thousand_campaigns_are_read_together() {
    const CAMPAIGNS: i64 = 10_000;
    on_every_store(async |database, store| {
        let numbers = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {CAMPAIGNS})");
        database.execute(&format!(
            "INSERT INTO campaigns (name, trafficstar_id, generator_enabled) {numbers} SELECT 'c', i, true FROM n"
        ));
        database.execute(&format!(
            "INSERT INTO urls (campaign_id, name, target_url, click_limit) {numbers} SELECT i, 'u', 'x', i FROM n"
        ));
        let ids = (1..=CAMPAIGNS).map(CampaignId);
        let rows = ids.clone().map(|id| SpendRow { campaign: id, remote: RemoteId(id.0), ..spend_row(noon(), "1") });
        store.save_spends(rows.collect()).await.unwrap();
        let readings =
            store.tick_readings(ids.clone().collect(), Vec::new(), noon().date_naive(), noon()).await.unwrap();
        assert_eq!(readings.len(), 10_000);
        assert!(ids.into_iter().all(|id| {
            let reading = &readings[&id];
            reading.clicks.count == Clicks(id.0.unsigned_abs()) && reading.spends.as_ref().unwrap().today.is_some()
        }));
    });
}

#[test]
fn an_operation_finishes_even_if_its_caller_stops_waiting() {
    with_one_campaign(async |database, store| {
        for _ in 0..20 {
            let save = store.save(record(Phase::Idle, new_entry(pause(Step::Failed))), noon());
            assert!(futures_util::FutureExt::now_or_never(save).is_none());
        }
        let all_there = async || {
            while database.read("SELECT count(*) FROM journal") != "20" {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), all_there()).await.unwrap();
    });
}

#[tokio::test]
async fn a_sqlite_file_has_one_supervisor() {
    let database = TestDatabase::sqlite();
    let (one, other) = (database.store().await, database.store().await);
    let held = one.lock().await.unwrap();
    assert!(held.is_some());
    let refused = other.lock().await.unwrap_err();
    assert!(matches!(refused, StoreError::AlreadyGuarded { .. }), "{refused:?}");
    let holder = format!("pid {}", std::process::id());
    assert!(refused.to_string().contains(&holder), "{refused}");
    drop(held);
    assert!(other.lock().await.is_ok());
}

#[tokio::test]
async fn a_lock_is_in_place_while_its_path_leads_to_the_locked_file() {
    let database = TestDatabase::sqlite();
    let held = database.store().await.lock().await.unwrap().unwrap();
    assert!(held.is_in_place());
    let [lock, moved] = [".lock", ".moved"].map(|end| database.file().with_extension(format!("db{end}")));
    std::fs::rename(&lock, &moved).unwrap();
    assert!(!held.is_in_place(), "removed");
    std::fs::write(&lock, "").unwrap();
    assert!(!held.is_in_place(), "replaced");
    std::fs::rename(&moved, &lock).unwrap();
    assert!(held.is_in_place());
    std::fs::rename(&lock, &moved).unwrap();
    std::fs::remove_file(database.file()).unwrap();
    assert!(held.is_in_place(), "the disk is gone");
}

#[test]
fn holds_are_stored_with_a_transition_or_alone_and_are_deleted_with_their_campaign() {
    with_one_campaign(async |database, store| {
        let hold = Hold {
            reason: Some("new creatives".to_owned()),
            since: noon(),
            until: Some(noon() + Duration::hours(2)),
            by: Some("1000 (alice)".to_owned()),
            pause: true,
        };
        let with = |change| Record { hold: change, ..record(Phase::Idle, None) };
        let shorter = Hold { until: None, reason: None, ..hold.clone() };
        for kept in [&hold, &shorter] {
            store.save(with(HoldChange::Set(kept.clone())), noon()).await.unwrap();
            store.save(with(HoldChange::Keep), noon()).await.unwrap();
            assert_eq!(store.stored_campaign(CAMPAIGN).await.unwrap().unwrap().hold.as_ref(), Some(kept));
            assert_eq!(store.holds().await.unwrap().by_campaign.get(&CAMPAIGN), Some(kept));
        }
        store.save(with(HoldChange::Release), noon()).await.unwrap();
        assert_eq!(store.holds().await.unwrap(), StoredHolds::default());

        for all in [Some(hold.clone()), Some(shorter), None] {
            store.set_hold_on_all(all.clone()).await.unwrap();
            assert_eq!(store.holds().await.unwrap().all, all);
        }
        assert!(store.set_hold(CAMPAIGN, Some(hold.clone())).await.unwrap());
        assert!(!store.set_hold(CampaignId(4711), Some(hold)).await.unwrap(), "there is no such campaign");
        database.execute("DELETE FROM campaigns WHERE id = 1");
        assert_eq!(store.holds().await.unwrap(), StoredHolds::default());
    });
}
