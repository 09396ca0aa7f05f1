//! The stored rows of a campaign: each line `table.column value` overwrites a column of its rows, without the table's
//! checks. A second campaign keeps its rows.

use std::sync::{Mutex, OnceLock};

use chrono::{DateTime, NaiveDate, Utc};
use diesel::connection::{Connection, SimpleConnection};
use diesel::deserialize::QueryableByName;
use diesel::query_dsl::RunQueryDsl;
use diesel::sql_types::{BigInt, Bool};
use diesel::sqlite::SqliteConnection;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use traffic_generator::domain::alert::Occasion;
use traffic_generator::domain::ids::CampaignId;
use traffic_generator::domain::journal::JournalQuery;
use traffic_generator::domain::money::Clicks;
use traffic_generator::domain::policy::{Mode, PolicyNumbers};
use traffic_generator::store::{DatabaseUrl, Store, StoreError, TickReading};

use super::expected::in_full;
use super::peers::{locked, runtime};

const DAMAGED: CampaignId = CampaignId(1);
const SOUND: CampaignId = CampaignId(2);
/// The most clicks that a row counts, so that sums never overflow.
const MOST_CLICKS: i64 = 1_000_000_000_000;

/// The tables, the condition of the damaged campaign's rows, and the columns that an input may overwrite.
const TABLES: [(&str, &str, &str); 11] = [
    (
        "campaigns",
        "id = 1",
        "name trafficstar_id generator_enabled mode spend_limit_micros activate_clicks pause_clicks cooldown_seconds \
         high_spend price_per_thousand_micros implausible_clicks high_activate_clicks high_pause_clicks top_up_ceiling_micros daily_budget_micros created_at \
         updated_at",
    ),
    ("urls", "campaign_id = 1", "name target_url click_limit clicks status created_at updated_at"),
    ("promises", "campaign_id = 1", "trafficstar_id phase since cooling_down_until end_time_owed stored_at"),
    (
        "journal",
        "campaign_id = 1",
        "trafficstar_id kind trigger reason spend_micros remaining_clicks remote_status state_before state_after \
         end_time by late requested_at epoch",
    ),
    ("journal_steps", "journal_id = 1", "step accepted_at confirmed_at failed_at error"),
    ("spends", "campaign_id = 1", "day trafficstar_id amount_micros source at"),
    ("holds", "campaign_id = 1", "reason since until by pause"),
    ("hold_on_all", "id = 1", "reason since until by pause"),
    ("requests_sent", "unix_second > 0", "unix_second requests"),
    (
        "occasions",
        "campaign_id = 1",
        "campaign_name trafficstar_id kind detail severity text lasts since resolved_at acked_at acked_by",
    ),
    (
        "alert_deliveries",
        "occasion_id = 1",
        "step reminders message_id gathered_at attempts last_sent_at next_attempt_at delivered_at given_up_at error",
    ),
];

/// The rows of two campaigns that differ only in their ids.
const ROWS: &str = "
    DELETE FROM campaigns; DELETE FROM urls; DELETE FROM promises; DELETE FROM journal; DELETE FROM journal_steps;
    DELETE FROM spends; DELETE FROM holds; DELETE FROM hold_on_all; DELETE FROM requests_sent;
    DELETE FROM alert_deliveries; DELETE FROM occasions;
    INSERT INTO campaigns (id, name, trafficstar_id, generator_enabled) VALUES (1, 'one', 1001, 1), (2, 'two', 1002, 1);
    INSERT INTO urls (id, campaign_id, name, target_url, click_limit)
        SELECT id, id, 'url', 'https://example.com', 20000 FROM campaigns;
    INSERT INTO promises SELECT id, trafficstar_id, 'cooling-down', '2026-11-22 11:59:00', '2026-11-22 12:01:00', 1,
        '2026-11-22 11:59:00' FROM campaigns;
    INSERT INTO journal (id, campaign_id, trafficstar_id, kind, \"trigger\", reason, remote_status, state_before,
        state_after, end_time, late, requested_at)
        SELECT id, id, trafficstar_id, 'pause', 'tick', 'few clicks', 'running', 'idle', 'cooling-down',
        '2026-11-22 11:59:00', 0, '2026-11-22 11:59:00' FROM campaigns;
    INSERT INTO journal_steps (journal_id, step) SELECT id, 'requested' FROM campaigns;
    INSERT INTO spends SELECT id, '2026-11-22', trafficstar_id, 3210000, 'campaign', '2026-11-22 11:59:00' FROM campaigns;
    INSERT INTO holds SELECT id, 'maintenance', '2026-11-22 11:00:00', '2026-11-22 13:00:00', '0 (root)', 0 FROM campaigns;
    INSERT INTO hold_on_all VALUES (1, 'all', '2026-11-22 11:00:00', '2026-11-22 13:00:00', '0 (root)', 0);
    INSERT INTO requests_sent VALUES (1795348740, 3);
    INSERT INTO occasions (id, campaign_id, kind, detail, severity, text, lasts, since)
        SELECT id, id, 'blocked', '', 'warning', 'TrafficStars will not run it', 1, '2026-11-22 11:59:00' FROM campaigns;
    INSERT INTO alert_deliveries (occasion_id, receiver, step, reminders, message_id, gathered_at, attempts)
        SELECT id, 'phone', 'firing', 0, 'msg_' || id, '2026-11-22 11:59:00', 0 FROM campaigns;";

/// The sound campaign is read as if the other one were sound. A damaged value is read as it is, or is an error.
pub fn check(bytes: &[u8]) {
    static DATABASE: OnceLock<Mutex<Database>> = OnceLock::new();
    let database = DATABASE.get_or_init(|| Mutex::new(Database::new()));
    let mut database = locked(database);
    let Database { writer, store, runtime, sound, .. } = &mut *database;
    writer.batch_execute(&format!("BEGIN; {ROWS} COMMIT")).expect("the rows are written");
    let mut mode = None;
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some((table, rows, column, value)) = overwritten(line) else { continue };
        let literal = literal(value);
        // SQLite refuses values of another type, and the trafficstar_id of another campaign.
        if writer.batch_execute(&format!("UPDATE {table} SET \"{column}\" = {literal} WHERE {rows}")).is_err() {
            continue;
        }
        if (table, column) == ("campaigns", "mode") {
            mode = (value != b"NULL").then(|| value.to_vec());
        }
    }
    let urls: Urls = diesel::sql_query(URLS).get_result(writer).expect("the damaged campaign's URL");
    let after = runtime.block_on(Read::all(store));
    assert_eq!(&after.sound, sound, "the damaged rows of one campaign changed what is read of another");
    let damaged = after.damaged.expect("a damaged row of `campaigns` is read nevertheless");
    urls.check(&damaged);
    check_policy(&damaged, mode);
    for error in &after.errors {
        assert!(error.contains("row 1, column"), "the error does not name row and column: {error}");
    }
}

struct Database {
    writer: SqliteConnection,
    store: Store,
    runtime: Runtime,
    /// What is read of the sound campaign while the other one is sound, too, as text.
    sound: Vec<String>,
    _folder: TempDir,
}

impl Database {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fuzz.db").display().to_string();
        let url: DatabaseUrl = format!("sqlite://{path}").parse().expect("a URL");
        let store = Store::connect(&url);
        let runtime = runtime();
        runtime.block_on(store.migrate()).expect("the tables");
        let mut writer = SqliteConnection::establish(&path).expect("a connection");
        writer
            .batch_execute("PRAGMA synchronous = OFF; PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF")
            .expect("it may write anything");
        writer.batch_execute(ROWS).expect("the rows are written");
        let sound = runtime.block_on(Read::all(&store)).sound;
        Self { writer, store, runtime, sound, _folder: folder }
    }
}

type Overwritten<'a> = (&'static str, &'static str, &'static str, &'a [u8]);

/// Returns a line's table, the condition of the rows, the column and the value.
fn overwritten(line: &[u8]) -> Option<Overwritten<'_>> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    let (name, value) = (line.get(..space)?, line.get(space + 1..)?);
    let (table, column) = std::str::from_utf8(name).ok()?.split_once('.')?;
    let (table, rows, columns) = TABLES.into_iter().find(|(known, ..)| *known == table)?;
    let column = columns.split(' ').find(|known| *known == column)?;
    Some((table, rows, column, value))
}

/// Returns the value as SQL: a number or NULL as it is, anything else as a text of these bytes.
fn literal(value: &[u8]) -> String {
    let text = std::str::from_utf8(value).unwrap_or_default().trim();
    if text == "NULL" || text.parse::<i64>().is_ok() {
        // SQLite reads the digits before it applies the sign, and these are too large for 64 bits.
        return if text == "-9223372036854775808" { "(-9223372036854775807 - 1)".to_owned() } else { text.to_owned() };
    }
    let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("CAST(X'{hex}' AS TEXT)")
}

/// What the store reads.
#[derive(Default)]
struct Read {
    /// What is read of the sound campaign, as text.
    sound: Vec<String>,
    damaged: Option<TickReading>,
    errors: Vec<String>,
}

impl Read {
    async fn all(store: &Store) -> Self {
        let now: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().expect("a time");
        let today: NaiveDate = now.date_naive();
        let mut read = Self::default();
        read.sound(store.campaigns().await.map(|rows| rows.into_iter().find(|row| row.id == SOUND)));
        let readings = store.tick_readings(vec![DAMAGED, SOUND], vec![DAMAGED, SOUND], today, now).await;
        let mut readings = readings.unwrap_or_else(|error| panic!("no tick can be read: {}", in_full(&error)));
        read.damaged = readings.remove(&DAMAGED);
        if let Some(Err(bad)) = read.damaged.as_ref().map(|reading| &reading.spends) {
            read.errors.push(in_full(bad));
        }
        read.sound(Ok(readings.remove(&SOUND)));
        read.sound(store.stored_campaign(SOUND).await);
        read.damaged(store.stored_campaign(DAMAGED).await);
        let promises = store.stored_promises().await;
        let mut promises = promises.unwrap_or_else(|error| panic!("no promise can be read: {}", in_full(&error)));
        if let Some(Err(bad)) = promises.remove(&DAMAGED) {
            read.errors.push(in_full(&bad));
        }
        read.sound(Ok(promises.remove(&SOUND)));
        let mut holds = store.holds().await.unwrap_or_else(|error| panic!("no hold can be read: {}", in_full(&error)));
        read.sound(Ok(holds.by_campaign.remove(&SOUND)));
        // A hold has to stay in force, even when its row is damaged.
        assert!(holds.all.is_some(), "the hold on all campaigns is gone");
        assert!(holds.by_campaign.contains_key(&DAMAGED), "a campaign's hold is gone");
        let journal = |campaign| JournalQuery { campaign: Some(campaign), ..JournalQuery::default() };
        read.sound(store.journal(journal(SOUND)).await);
        read.damaged(store.journal(journal(DAMAGED)).await);
        read.sound(store.urls(SOUND).await);
        read.damaged(store.urls(DAMAGED).await);
        read.damaged(store.requests_sent(now).await);
        let alerts = store.unsettled_alerts().await.map(|alerts| alerts.occasions);
        let is_sound = |occasion: &Occasion| occasion.campaign.as_ref().is_some_and(|campaign| campaign.id == SOUND);
        read.sound(alerts.map(|all| all.into_iter().find(|(occasion, _)| is_sound(occasion))));
        read
    }

    fn sound(&mut self, answer: Result<impl std::fmt::Debug, StoreError>) {
        match answer {
            Ok(answer) => self.sound.push(format!("{answer:?}")),
            Err(error) => panic!("a sound campaign cannot be read: {}", in_full(&error)),
        }
    }

    fn damaged<T>(&mut self, answer: Result<T, StoreError>) {
        self.errors.extend(answer.err().map(|error| in_full(&error)));
    }
}

/// The only URL of the damaged campaign, as it was overwritten. SQLite converts many texts into numbers, so SQLite
/// itself is asked for the values.
#[derive(QueryableByName)]
struct Urls {
    #[diesel(sql_type = BigInt)]
    click_limit: i64,
    #[diesel(sql_type = BigInt)]
    clicks: i64,
    #[diesel(sql_type = Bool)]
    is_active: bool,
}

const URLS: &str = "SELECT click_limit, clicks, CAST(status AS BLOB) = CAST('active' AS BLOB) AS is_active FROM urls
    WHERE campaign_id = 1";

impl Urls {
    fn check(&self, reading: &TickReading) {
        let is_negative = self.click_limit < 0 || self.clicks < 0;
        let remaining = i128::from(self.click_limit) - i128::from(self.clicks);
        let remaining = remaining.clamp(0, MOST_CLICKS.into());
        let expected = if is_negative || !self.is_active { 0 } else { remaining };
        assert_eq!(i128::from(reading.clicks.count.0), expected, "limit {}, clicks {}", self.click_limit, self.clicks);
        assert_eq!(reading.clicks.defect.is_some(), is_negative && self.is_active, "{:?}", reading.clicks);
    }
}

/// Any values of the row's columns give a valid policy, or an error.
fn check_policy(reading: &TickReading, mode: Option<Vec<u8>>) {
    let defaults = PolicyNumbers::default();
    let observes = mode.as_ref().is_some_and(|mode| mode == b"observe");
    assert_eq!(reading.row.mode(Mode::Act) == Mode::Observe, observes, "{:?}", reading.row.mode);
    match reading.row.policy(&defaults) {
        Ok(policy) => {
            assert!(policy.activate_clicks > policy.pause_clicks && policy.activate_clicks > Clicks(0));
            let high = policy.thresholds(Some(policy.high_spend));
            assert!(high.activate > high.pause, "the thresholds in force from the limit on contradict each other");
            assert!((0..=24 * 3600).contains(&policy.cooldown.num_seconds()), "{}", policy.cooldown);
            assert!(mode.is_none_or(|mode| mode == b"act" || mode == b"observe"), "an unknown mode gives no policy");
            assert_eq!(policy.mode == Mode::Observe, observes);
        }
        Err(error) => {
            let shown = in_full(&error);
            assert!(shown.starts_with("campaign 1: "), "the error does not name the campaign: {shown}");
        }
    }
}
