//! One campaign at TrafficStars: its settings, when it runs, and what it spends meanwhile.
//!
//! This module reads no clock: [`Campaign::settle`] brings a campaign up to a given time.

mod shown;
mod spec;
mod words;

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, NaiveTime, Utc};

pub use self::spec::{CampaignSpec, CampaignView, SpendForm};
use crate::amount::Amount;
use crate::options::Options;

/// The only form of a time in bodies that the live API was seen to confirm.
pub(crate) const TIME_FORM: &str = "%Y-%m-%d %H:%M:%S";

/// The parts of a micro-unit of money, and of a click, in which spend and clicks are counted: a rate per second times
/// microseconds.
const PARTS: i128 = 1_000_000;

/// The old values that reads still show for a while after an accepted change.
#[derive(Debug, Clone)]
struct OldView {
    active: bool,
    status: String,
    until: DateTime<Utc>,
}

/// A campaign, with its spend and clicks so far.
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
    pub(crate) fn new(mut spec: CampaignSpec, now: DateTime<Utc>) -> Self {
        spec.mend_word();
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

    /// Brings spend, clicks and the effect of the end time up to `now`.
    pub(crate) fn settle(&mut self, now: DateTime<Utc>, options: &Options) {
        if now <= self.settled_at {
            return;
        }
        let end = self.ends_at().filter(|end| *end <= now);
        if self.spec.active && !self.spec.is_blocked() {
            self.accrue(self.settled_at, end.unwrap_or(now), options.speed);
        }
        self.end_day(self.settled_at, now, options);
        self.settled_at = now;
        if end.is_some() && options.end_time_flips && self.spec.active {
            self.switch(false, now);
        }
        if self.old_view.as_ref().is_some_and(|old| old.until <= now) {
            self.old_view = None;
        }
    }

    /// Moves the campaign to the time of a clock that was set. Nothing is spent in the skipped time, and a late effect
    /// stays as far away as it was.
    pub(crate) fn jump(&mut self, by: Duration, options: &Options) {
        let now = self.settled_at + by;
        self.end_day(self.settled_at, now, options);
        self.settled_at = now;
        if let Some(old) = &mut self.old_view {
            old.until += by;
        }
    }

    /// Adds the late spend to the day of `from`, if that day has ended at `until`.
    fn end_day(&mut self, from: DateTime<Utc>, until: DateTime<Utc>, options: &Options) {
        if from.date_naive() < until.date_naive()
            && let Some(parts) = self.spend_parts.get_mut(&from.date_naive())
        {
            *parts += i128::from(options.late_clicks.as_micros()) * PARTS;
        }
    }

    fn accrue(&mut self, mut from: DateTime<Utc>, until: DateTime<Utc>, speed: u32) {
        while from < until {
            let day = from.date_naive();
            let midnight = (day + Duration::days(1)).and_time(NaiveTime::MIN).and_utc();
            let stop = until.min(midnight);
            let micros = i128::from((stop - from).num_microseconds().unwrap_or(0)) * i128::from(speed);
            let per_micro = i128::from(self.spec.spend_per_second.as_micros());
            let (micros, spent) = match self.budget_left(day) {
                Some(left) if left <= per_micro * micros => (div_ceil(left, per_micro), left),
                Some(_) | None => (micros, per_micro * micros),
            };
            if spent > 0 {
                *self.spend_parts.entry(day).or_default() += spent;
            }
            self.click_parts += i128::from(self.spec.clicks_per_second) * micros;
            from = stop;
        }
    }

    /// Returns the rest of the daily budget, in parts and at least 0. `None` if there is no daily budget.
    fn budget_left(&self, day: NaiveDate) -> Option<i128> {
        let budget = i128::from(self.spec.max_daily.as_micros()) * PARTS;
        let spent = self.spend_parts.get(&day).copied().unwrap_or_default();
        (budget > 0).then(|| (budget - spent).max(0))
    }

    /// Whether the day's spend has reached the daily budget.
    fn has_used_budget(&self, now: DateTime<Utc>) -> bool {
        self.budget_left(now.date_naive()) == Some(0)
    }

    /// Returns the whole clicks since the last call.
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

    /// Returns the spend of `day`, if one is recorded.
    pub(crate) fn spent_on(&self, day: NaiveDate) -> Option<Amount> {
        self.spend_parts.get(&day).map(|parts| Amount::micros(i64::try_from(parts / PARTS).unwrap_or(i64::MAX)))
    }

    /// Returns the days with a recorded spend.
    pub(crate) fn days(&self) -> impl Iterator<Item = NaiveDate> {
        self.spend_parts.keys().copied()
    }

    /// Whether a run (`on`) or a pause is answered under `failed`.
    pub(crate) fn refuses(&self, on: bool) -> bool {
        self.spec.archived || (on && self.spec.refuses_runs())
    }

    pub(crate) fn is_running(&self, now: DateTime<Utc>) -> bool {
        let is_over = self.ends_at().is_some_and(|end| end <= now);
        self.spec.active && !self.spec.is_blocked() && !is_over && !self.has_used_budget(now)
    }

    pub(crate) fn ends_at(&self) -> Option<DateTime<Utc>> {
        let text = self.spec.schedule_end_time.as_deref()?;
        let local = NaiveDateTime::parse_from_str(text, TIME_FORM).ok()?;
        Some(local.and_utc() - Duration::hours(self.spec.schedule_timezone))
    }

    /// Switches the campaign on or off. A status word that says why it cannot run stays.
    pub(crate) fn switch(&mut self, on: bool, now: DateTime<Utc>) {
        let is_unfunded = self.spec.is_unfunded();
        self.spec.active = on;
        self.spec.set_word(is_unfunded);
        self.updated_at = now;
    }

    /// Removes the campaign's funds, or gives them back. A campaign that is switched on then runs again by itself.
    pub(crate) fn set_no_funds(&mut self, no_funds: bool) {
        self.spec.no_funds = no_funds;
        self.spec.set_word(no_funds);
    }

    /// Switches the campaign on or off, and lets reads show the old state until the time `until`.
    pub(crate) fn switch_shown_late(&mut self, on: bool, now: DateTime<Utc>, until: DateTime<Utc>) {
        let old = OldView { active: self.spec.active, status: self.spec.status.clone(), until };
        self.switch(on, now);
        self.old_view = Some(old);
    }

    /// Replaces the campaign's settings, and today's spend if it differs from the recorded one.
    pub(crate) fn change(&mut self, spec: CampaignSpec, now: DateTime<Utc>) {
        let today = now.date_naive();
        if spec.spent_today != self.spent_on(today) {
            self.set_spend(spec.spent_today, today);
        }
        self.spec = spec;
        self.touch(now);
    }

    pub(crate) fn touch(&mut self, now: DateTime<Utc>) {
        self.updated_at = now;
    }

    pub(crate) fn view(&self, now: DateTime<Utc>) -> CampaignView {
        CampaignView {
            name: self.spec.name.clone(),
            running: self.is_running(now),
            blocked: self.spec.is_blocked(),
            ends_at: self.ends_at(),
            max_daily: self.spec.max_daily,
            budget_used: self.has_used_budget(now),
            spent_today: self.spent_on(now.date_naive()),
        }
    }
}

/// Returns the microseconds for which `parts` last; 0 if nothing is left.
fn div_ceil(parts: i128, per_micro: i128) -> i128 {
    if parts > 0 { (parts + per_micro - 1) / per_micro } else { 0 }
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
        let shown = |now: &str| campaign.to_json(at(now), &Options::default());
        assert_eq!(shown("2026-11-23T00:02:00Z")["active"], true);
        assert_eq!(shown("2026-11-24T00:02:00Z").get("spent_today"), None);
    }

    #[test]
    fn a_daily_budget_ends_spend_and_clicks_until_the_next_day() {
        let spec = CampaignSpec {
            spend_per_second: Amount::cents(1),
            clicks_per_second: 2,
            max_daily: Amount::cents(30),
            ..CampaignSpec::running(1)
        };
        let mut campaign = Campaign::new(spec, at("2026-11-22T23:59:00Z"));
        let spent = |campaign: &Campaign, day: &str| campaign.spent_on(day.parse().unwrap());
        campaign.settle(at("2026-11-22T23:59:29Z"), &Options::default());
        assert!(campaign.is_running(at("2026-11-22T23:59:29Z")));
        campaign.settle(at("2026-11-23T00:00:10Z"), &Options::default());
        assert_eq!(spent(&campaign, "2026-11-22"), Some(Amount::cents(30)));
        assert_eq!(spent(&campaign, "2026-11-23"), Some(Amount::cents(10)));
        assert_eq!(campaign.take_clicks(), 80);
        assert!(campaign.is_running(at("2026-11-23T00:00:10Z")));
        campaign.settle(at("2026-11-23T10:00:00Z"), &Options::default());
        assert!(!campaign.is_running(at("2026-11-23T10:00:00Z")));
        campaign.spec.max_daily = Amount::cents(35);
        assert!(campaign.is_running(at("2026-11-23T10:00:00Z")));
        assert_eq!(campaign.take_clicks(), 40);
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
