//! A campaign's settings at TrafficStars: whether it runs, what it spends, and what a read shows of it.

use std::collections::VecDeque;

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, Utc};
use traffic_generator::domain::money::Money;
use traffic_generator::domain::remote::{EndTime, OddField, RemoteCampaign};
use traffic_generator::domain::spend::SpendReading;

use super::counter::LateCounter;
use super::id_of;

/// The reason why a run has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    Unapproved,
    /// Only the flag `no_funds` says so.
    NoFunds,
    Archived,
    /// The real API has shown this together with `active: true`.
    BudgetReached,
    /// The campaign runs, but its end times would be misread.
    Timezone,
}

/// Whether the campaign has funds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Funds {
    There,
    /// The funds are gone, which shows as soon as the campaign is switched on.
    GoneUnseen,
    Gone,
}

/// The fields of a campaign that may be of an unreadable type.
pub(crate) const ODD_NAMES: [&str; 7] =
    ["active", "status", "approved", "stopped", "no_funds", "is_archived", "schedule_timezone"];

/// Whether each of [`ODD_NAMES`] is of an unreadable type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Odd([bool; 7]);

impl Odd {
    pub(crate) fn of(places: &[usize]) -> Self {
        let mut odd = Self::default();
        for (place, is_odd) in odd.0.iter_mut().enumerate() {
            *is_odd = places.contains(&place);
        }
        odd
    }

    pub(super) fn is_any(self) -> bool {
        self.0.contains(&true)
    }

    /// Hides the fields as `trafficstar::wire` does: without values, and listed as odd.
    fn hide(self, campaign: &mut RemoteCampaign) {
        for (name, _) in ODD_NAMES.into_iter().zip(self.0).filter(|(_, is_odd)| *is_odd) {
            match name {
                "active" => campaign.active = None,
                "status" => campaign.status = None,
                "approved" => campaign.approved = None,
                "stopped" => campaign.stopped = None,
                "no_funds" => campaign.no_funds = false,
                "is_archived" => campaign.archived = false,
                _ => campaign.schedule_timezone = None,
            }
            campaign.odd_fields.push(OddField { name, problem: format!("`{name}` is an object") });
        }
    }
}

/// A campaign's settings from some moment on.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    pub(super) since: DateTime<Utc>,
    pub(super) exists: bool,
    pub(super) active: bool,
    pub(super) end_time: Option<DateTime<Utc>>,
    /// The daily budget; `None` if none is set.
    pub(super) max_daily: Option<Money>,
    /// The day on which the daily budget was used up: the campaign does not run on it until the budget is raised.
    pub(super) used_up_on: Option<NaiveDate>,
    /// The price of a thousand clicks that it shows.
    pub(super) price_per_thousand: Option<Money>,
    /// The word that it shows while its daily budget is used up; `None` if it shows none of its own.
    pub(super) used_up_word: Option<&'static str>,
    pub(super) block: Option<Block>,
    pub(super) funds: Funds,
    /// Whether its status is a word that the program does not know.
    pub(super) unknown_word: bool,
    pub(super) odd: Odd,
    /// Today's spend at `since`, in millionths.
    pub(super) spent: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Campaign {
    /// The last one is the present state; a read may still show an older one. Never empty.
    pub(super) states: VecDeque<State>,
    pub(super) micros_an_hour: i64,
    pub(super) late_counter: Option<LateCounter>,
}

impl Campaign {
    pub(super) fn now(&self) -> State {
        self.states.back().copied().unwrap_or(NEVER)
    }

    pub(super) fn exists_at(&self, at: DateTime<Utc>) -> bool {
        match self.states.back() {
            Some(last) if self.states.len() == 1 => last.exists,
            Some(_) => self.at(at).exists,
            None => false,
        }
    }

    pub(super) fn at(&self, at: DateTime<Utc>) -> State {
        let then = self.states.iter().rev().find(|state| state.since <= at).or(self.states.front());
        then.copied().unwrap_or(NEVER)
    }

    /// Returns the spend on the day of `at`, in millionths.
    pub(super) fn spent_at(&self, at: DateTime<Utc>) -> i64 {
        self.at(at).spent_at(at, self.micros_an_hour)
    }
}

/// The state of a campaign that does not exist.
const NEVER: State = State {
    since: DateTime::UNIX_EPOCH,
    exists: false,
    active: false,
    end_time: None,
    max_daily: None,
    used_up_on: None,
    price_per_thousand: None,
    used_up_word: None,
    block: None,
    funds: Funds::There,
    unknown_word: false,
    odd: Odd([false; 7]),
    spent: 0,
};

impl State {
    pub(super) const fn of(now: DateTime<Utc>, active: bool, end_time: Option<DateTime<Utc>>, spent: i64) -> Self {
        Self { since: now, exists: true, active, end_time, spent, ..NEVER }
    }

    /// Whether it runs. A campaign whose schedule is read in another time zone runs, too.
    pub(super) fn runs(&self, now: DateTime<Utc>) -> bool {
        let is_free = matches!(self.block, None | Some(Block::Timezone))
            && self.funds == Funds::There
            && self.used_up_on != Some(now.date_naive());
        self.exists && self.active && is_free && self.ends_at().is_none_or(|end| now < end)
    }

    /// Whether a read shows that it cannot be run.
    pub(super) fn is_blocked(&self) -> bool {
        self.block.is_some() || self.funds != Funds::There || !self.exists || self.unknown_word || self.odd.is_any()
    }

    /// Returns its end time, which is read in the schedule's time zone.
    pub(super) fn ends_at(&self) -> Option<DateTime<Utc>> {
        self.end_time.map(|end| end - Duration::hours(self.schedule_timezone()))
    }

    fn schedule_timezone(&self) -> i64 {
        if self.block == Some(Block::Timezone) { 2 } else { 0 }
    }

    /// Returns the spend on the day of `now`, in millionths.
    pub(super) fn spent_at(&self, now: DateTime<Utc>, micros_an_hour: i64) -> i64 {
        let midnight = midnight_before(now);
        let (spent, from) = if self.since < midnight { (0, midnight) } else { (self.spent, self.since) };
        let until = self.ends_at().map_or(now, |end| end.min(now));
        let ran = self.runs(from.min(until - Duration::milliseconds(1)));
        let ran_ms = if ran { until.signed_duration_since(from).num_milliseconds().max(0) } else { 0 };
        spent + ran_ms * micros_an_hour / 3_600_000
    }

    /// Returns the time it takes to use up the daily budget, if it runs; and `None` if the budget stops nothing.
    pub(super) fn lasts(&self, now: DateTime<Utc>, micros_an_hour: i64) -> Option<Duration> {
        let left = self.max_daily?.micros() - self.spent_at(now, micros_an_hour);
        let ms = (left.max(0) * 3_600_000).checked_div(micros_an_hour)?;
        Some(Duration::milliseconds(ms + i64::from(left > 0)))
    }

    /// Takes in a change. A run without funds is accepted, and then shows that they are gone.
    pub(super) fn switch(&mut self) {
        if self.funds == Funds::GoneUnseen && self.active {
            self.funds = Funds::Gone;
        }
    }

    pub(super) fn show(&self, now: DateTime<Utc>, row: usize, spent_today: SpendReading) -> RemoteCampaign {
        let is_on = self.active && self.ends_at().is_none_or(|end| now < end);
        let is_used_up = is_on && self.used_up_on == Some(now.date_naive());
        let word = match self.block {
            _ if self.unknown_word => "warming_up",
            None if is_used_up && self.used_up_word.is_some() => self.used_up_word.unwrap_or_default(),
            Some(Block::BudgetReached) => "total_budget_is_reached",
            Some(Block::Archived) => "archived",
            Some(Block::Unapproved | Block::NoFunds | Block::Timezone) | None => match (self.funds, is_on) {
                (Funds::Gone, true) => "no_funds_active",
                (Funds::Gone, false) => "no_funds_paused",
                (Funds::There | Funds::GoneUnseen, true) => "enabled",
                (Funds::There | Funds::GoneUnseen, false) => "paused",
            },
        };
        let mut campaign = RemoteCampaign {
            id: id_of(row),
            name: None,
            active: Some(is_on),
            status: Some(word.to_owned()),
            approved: Some(if self.block == Some(Block::Unapproved) { "rejected" } else { "approved" }.to_owned()),
            stopped: (self.funds == Funds::Gone && is_on).then(|| "no_funds".to_owned()),
            no_funds: self.block == Some(Block::NoFunds) || self.funds == Funds::Gone,
            archived: self.block == Some(Block::Archived),
            end_time: self.end_time.map_or(EndTime::Unset, EndTime::At),
            schedule_timezone: Some(self.schedule_timezone()),
            account_timezone: Some(0),
            spent_today,
            spent: SpendReading::NoValue,
            odd_fields: Vec::new(),
            max_daily: self.max_daily,
            price_per_thousand: self.price_per_thousand,
            our_clock: None,
        };
        self.odd.hide(&mut campaign);
        campaign
    }
}

/// Returns a spend as TrafficStars answers it: in cents, and without the field if nothing was spent.
pub(super) fn in_cents(micros: i64) -> SpendReading {
    match Money::from_micros(micros / 10_000 * 10_000) {
        Some(spend) if spend > Money::ZERO => SpendReading::Value(spend),
        Some(_) | None => SpendReading::NoValue,
    }
}

pub(super) fn midnight_before(now: DateTime<Utc>) -> DateTime<Utc> {
    now.date_naive().and_time(NaiveTime::MIN).and_utc()
}
