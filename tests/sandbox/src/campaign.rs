//! One campaign at TrafficStars: what it is, when it runs, and what it spends meanwhile.
//!
//! Nothing here reads a clock: [`Campaign::settle`] brings a campaign up to the moment it is given.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use serde_json::{Map, Value, json};

use crate::amount::Amount;
use crate::options::Options;

/// The one form of a time in bodies that the live API was seen to confirm.
pub(crate) const TIME_FORM: &str = "%Y-%m-%d %H:%M:%S";

const BLOCKED_WORDS: [&str; 6] =
    ["unapproved", "rejected", "draft", "archived", "no_funds_paused", "total_budget_is_reached"];
const SWITCHED_ON: &str = "enabled";
const SWITCHED_OFF: &str = "paused";
/// Spend and clicks are counted in millionths of a micro-unit and of a click: a rate times microseconds.
const PARTS: i128 = 1_000_000;

/// A campaign as a test or the demo wants it.
#[derive(Debug, Clone)]
pub struct CampaignSpec {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Switched on by the advertiser.
    pub active: bool,
    /// The status word.
    pub status: String,
    /// The moderation word.
    pub approved: String,
    /// Out of funds.
    pub no_funds: bool,
    /// Archived: left out of the list.
    pub archived: bool,
    /// When it stops by itself, `YYYY-MM-DD HH:MM:SS`; `None` is `null`.
    pub schedule_end_time: Option<String>,
    /// The offset in hours by which the schedule is read.
    pub schedule_timezone: i64,
    /// The account's offset in hours. Shown, not applied: spend is counted in UTC days.
    pub timezone: i64,
    /// Today's spend; `None` where nothing is on record: the key is missing then.
    pub spent_today: Option<Amount>,
    /// The key under which today's spend is shown.
    pub spend_key: &'static str,
    /// The form in which today's spend is shown.
    pub spend_form: SpendForm,
    /// The daily budget. Shown, not applied.
    pub max_daily: Amount,
    /// What it spends in a second while it runs.
    pub spend_per_second: Amount,
    /// How often its visitors click in a second while it runs (see [`Options::database`]).
    pub clicks_per_second: u32,
    /// Fields that are answered like this whatever else holds; `None` leaves the field out.
    pub overrides: Vec<(String, Option<Value>)>,
}

/// How an amount is written in a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpendForm {
    /// A number with two decimals, as seen: `32.49`.
    Cents,
    /// A number with all its decimals.
    Exact,
    /// A text: `"12.34"`.
    Text,
    /// A text with the currency: `"$12.34"`.
    DollarText,
}

/// A campaign's present state.
#[derive(Debug, Clone, PartialEq)]
pub struct CampaignView {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Visitors come: switched on, not blocked, its end time not passed.
    pub running: bool,
    /// Running it cannot help.
    pub blocked: bool,
    /// `active` in truth, even while reads lag behind.
    pub active: bool,
    /// The status word in truth.
    pub status: String,
    /// The end time as set.
    pub schedule_end_time: Option<String>,
    /// The same as a moment.
    pub ends_at: Option<DateTime<Utc>>,
    /// The daily budget.
    pub max_daily: Amount,
    /// Today's spend, if any is on record.
    pub spent_today: Option<Amount>,
}

impl CampaignSpec {
    /// A campaign that is enabled and runs.
    #[must_use]
    pub fn running(id: i64) -> Self {
        Self {
            id,
            name: format!("campaign {id}"),
            active: true,
            status: SWITCHED_ON.to_owned(),
            approved: "approved".to_owned(),
            no_funds: false,
            archived: false,
            schedule_end_time: None,
            schedule_timezone: 0,
            timezone: 0,
            spent_today: None,
            spend_key: "spent_today",
            spend_form: SpendForm::Cents,
            max_daily: Amount::cents(10_000),
            spend_per_second: Amount::default(),
            clicks_per_second: 0,
            overrides: Vec::new(),
        }
    }

    /// A campaign that somebody has paused.
    #[must_use]
    pub fn paused(id: i64) -> Self {
        Self { active: false, status: SWITCHED_OFF.to_owned(), ..Self::running(id) }
    }

    /// The vendor's own example: `active: true` together with `unapproved`.
    #[must_use]
    pub fn blocked(id: i64) -> Self {
        Self { status: "unapproved".to_owned(), approved: "rejected".to_owned(), ..Self::running(id) }
    }

    /// The same with today's spend.
    #[must_use]
    pub fn spent(self, spent_today: Amount) -> Self {
        Self { spent_today: Some(spent_today), ..self }
    }

    /// The same with `field` answered as `value` whatever else holds; `None` leaves it out.
    #[must_use]
    pub fn with_field(mut self, field: &str, value: Option<Value>) -> Self {
        self.overrides.push((field.to_owned(), value));
        self
    }
}

/// What reads still show while an accepted change takes its time.
#[derive(Debug, Clone)]
struct OldView {
    active: bool,
    status: String,
    until: DateTime<Utc>,
}

/// A campaign and what it has done so far.
#[derive(Debug, Clone)]
pub(crate) struct Campaign {
    pub(crate) spec: CampaignSpec,
    spend_parts: BTreeMap<NaiveDate, i128>,
    click_parts: i128,
    settled_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    old_view: Option<OldView>,
}

impl Campaign {
    pub(crate) fn new(spec: CampaignSpec, now: DateTime<Utc>) -> Self {
        let mut campaign = Self {
            spend_parts: BTreeMap::new(),
            click_parts: 0,
            settled_at: now,
            updated_at: now,
            old_view: None,
            spec,
        };
        campaign.set_spend(campaign.spec.spent_today, now.date_naive());
        campaign
    }

    /// Brings spend, clicks and the end time's effect up to `now`.
    pub(crate) fn settle(&mut self, now: DateTime<Utc>, options: &Options) {
        if now <= self.settled_at {
            return;
        }
        let end = self.ends_at().filter(|end| *end <= now);
        if self.spec.active && !self.is_blocked() {
            self.accrue(self.settled_at, end.unwrap_or(now), options.speed);
        }
        self.settled_at = now;
        if end.is_some() && options.end_time_flips && self.spec.active {
            self.switch(false, now);
        }
        if self.old_view.as_ref().is_some_and(|old| old.until <= now) {
            self.old_view = None;
        }
    }

    fn accrue(&mut self, mut from: DateTime<Utc>, until: DateTime<Utc>, speed: u32) {
        while from < until {
            let day = from.date_naive();
            let midnight = (day + Duration::days(1)).and_time(NaiveTime::MIN).and_utc();
            let stop = until.min(midnight);
            let micros = i128::from((stop - from).num_microseconds().unwrap_or(0)) * i128::from(speed);
            if self.spec.spend_per_second > Amount::default() {
                *self.spend_parts.entry(day).or_default() +=
                    i128::from(self.spec.spend_per_second.as_micros()) * micros;
            }
            self.click_parts += i128::from(self.spec.clicks_per_second) * micros;
            from = stop;
        }
    }

    /// The whole clicks since the last time they were taken.
    pub(crate) fn take_clicks(&mut self) -> i64 {
        let clicks = self.click_parts / PARTS;
        self.click_parts -= clicks * PARTS;
        i64::try_from(clicks).unwrap_or(i64::MAX)
    }

    pub(crate) fn set_spend(&mut self, spend: Option<Amount>, day: NaiveDate) {
        match spend {
            Some(amount) => self.spend_parts.insert(day, i128::from(amount.as_micros()) * PARTS),
            None => self.spend_parts.remove(&day),
        };
    }

    /// What was spent on `day`, if anything is on record.
    pub(crate) fn spent_on(&self, day: NaiveDate) -> Option<Amount> {
        self.spend_parts.get(&day).map(|parts| Amount::micros(i64::try_from(parts / PARTS).unwrap_or(i64::MAX)))
    }

    /// The days with spend on record.
    pub(crate) fn days(&self) -> impl Iterator<Item = NaiveDate> {
        self.spend_parts.keys().copied()
    }

    pub(crate) fn is_blocked(&self) -> bool {
        let spec = &self.spec;
        spec.archived || spec.no_funds || spec.approved != "approved" || BLOCKED_WORDS.contains(&spec.status.as_str())
    }

    pub(crate) fn is_running(&self, now: DateTime<Utc>) -> bool {
        self.spec.active && !self.is_blocked() && self.ends_at().is_none_or(|end| end > now)
    }

    pub(crate) fn ends_at(&self) -> Option<DateTime<Utc>> {
        let text = self.spec.schedule_end_time.as_deref()?;
        let local = NaiveDateTime::parse_from_str(text, TIME_FORM).ok()?;
        Some(local.and_utc() - Duration::hours(self.spec.schedule_timezone))
    }

    /// Switches it on or off. A word that says why it cannot run stays.
    pub(crate) fn switch(&mut self, on: bool, now: DateTime<Utc>) {
        self.spec.active = on;
        if !self.is_blocked() {
            self.spec.status = if on { SWITCHED_ON } else { SWITCHED_OFF }.to_owned();
        }
        self.updated_at = now;
    }

    /// Switches it on or off, and lets reads show the old state until then.
    pub(crate) fn switch_shown_late(&mut self, on: bool, now: DateTime<Utc>, until: DateTime<Utc>) {
        let old = OldView { active: self.spec.active, status: self.spec.status.clone(), until };
        self.switch(on, now);
        self.old_view = Some(old);
    }

    pub(crate) fn touch(&mut self, now: DateTime<Utc>) {
        self.updated_at = now;
    }

    pub(crate) fn view(&self, now: DateTime<Utc>) -> CampaignView {
        CampaignView {
            id: self.spec.id,
            name: self.spec.name.clone(),
            running: self.is_running(now),
            blocked: self.is_blocked(),
            active: self.spec.active,
            status: self.spec.status.clone(),
            schedule_end_time: self.spec.schedule_end_time.clone(),
            ends_at: self.ends_at(),
            max_daily: self.spec.max_daily,
            spent_today: self.spent_on(now.date_naive()),
        }
    }

    /// The status word that reads show.
    pub(crate) fn shown_status(&self) -> &str {
        self.old_view.as_ref().map_or(&self.spec.status, |old| &old.status)
    }

    /// The campaign object of the API: the fields that matter, and some of the sixty others.
    pub(crate) fn to_json(&self, now: DateTime<Utc>) -> Value {
        let spec = &self.spec;
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("id", json!(spec.id));
        put("name", json!(spec.name));
        put("active", json!(self.old_view.as_ref().map_or(spec.active, |old| old.active)));
        put("status", json!(self.shown_status()));
        put("approved", json!(spec.approved));
        put("no_funds", json!(spec.no_funds));
        put("is_archived", json!(spec.archived));
        put("schedule_start_time", Value::Null);
        put("schedule_end_time", json!(spec.schedule_end_time));
        put("schedule_timezone", json!(spec.schedule_timezone));
        put("schedule_days_of_week", json!([1, 2, 3, 4, 5, 6, 7]));
        put("timezone", json!(spec.timezone));
        put("max_daily", spec.max_daily.to_number());
        put("max_total", Value::Null);
        put("pricing_model", json!("cpm"));
        put("price", json!(0.051));
        put("frequency", json!({"count": 1, "period_hours": 24}));
        put("countries", json!(["US", "CA"]));
        put("creatives_count", json!(3));
        put("updated_at", json!(self.updated_at.format("%Y-%m-%dT%H:%M:%SZ").to_string()));
        if let Some(spend) = self.shown_spend(now) {
            put(spec.spend_key, spend);
        }
        for (name, value) in &spec.overrides {
            match value {
                Some(value) => fields.insert(name.clone(), value.clone()),
                None => fields.remove(name),
            };
        }
        Value::Object(fields)
    }

    /// Today's spend as a read shows it: nothing on a campaign that never spent, 0 on a day after one with spend.
    fn shown_spend(&self, now: DateTime<Utc>) -> Option<Value> {
        let today = self.spent_on(now.date_naive());
        let amount = today.or_else(|| (!self.spend_parts.is_empty()).then(Amount::default))?;
        Some(match self.spec.spend_form {
            SpendForm::Cents => amount.whole_cents().to_number(),
            SpendForm::Exact => amount.to_number(),
            SpendForm::Text => json!(amount.to_string()),
            SpendForm::DollarText => json!(format!("${amount}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Campaign, CampaignSpec};
    use crate::amount::Amount;
    use crate::options::Options;
    use chrono::{DateTime, Utc};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_running_campaign_spends_until_its_end_time_and_the_day_counts_by_itself() {
        let spec = CampaignSpec {
            spend_per_second: Amount::cents(1),
            clicks_per_second: 2,
            schedule_end_time: Some("2026-11-23 00:00:30".to_owned()),
            ..CampaignSpec::running(1)
        };
        let mut campaign = Campaign::new(spec, at("2026-11-22T23:59:50Z"));
        campaign.settle(at("2026-11-23T00:00:05Z"), &Options::default());
        assert!(campaign.is_running(at("2026-11-23T00:00:05Z")));
        campaign.settle(at("2026-11-23T00:02:00Z"), &Options::default());
        assert_eq!(campaign.spent_on(at("2026-11-22T00:00:00Z").date_naive()), Some(Amount::cents(10)));
        assert_eq!(campaign.spent_on(at("2026-11-23T00:00:00Z").date_naive()), Some(Amount::cents(30)));
        assert_eq!((campaign.take_clicks(), campaign.take_clicks()), (80, 0));
        assert!(!campaign.is_running(at("2026-11-23T00:00:30Z")));
        assert_eq!(campaign.to_json(at("2026-11-23T00:02:00Z"))["active"], true);
        assert_eq!(campaign.to_json(at("2026-11-24T00:02:00Z"))["spent_today"], 0.0);
    }

    #[test]
    fn the_schedule_is_read_in_its_own_timezone() {
        let spec = CampaignSpec {
            schedule_timezone: 2,
            schedule_end_time: Some("2026-11-22 12:00:00".to_owned()),
            ..CampaignSpec::running(1)
        };
        let campaign = Campaign::new(spec, at("2026-11-22T00:00:00Z"));
        assert_eq!(campaign.ends_at(), Some(at("2026-11-22T10:00:00Z")));
    }
}
