//! The day's budget under the policy `top-up` (RULES.md, "Top-up"): the amounts, and what is remembered of the day.
//!
//! Every amount is absolute, so that a request that is sent twice costs nothing. Deliberately absent: when an action may
//! begin and what it leads to (`machine`), and how the day is stored (`store`).

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::ids::UrlId;
use super::money::{Clicks, Money, UrlCount};
use super::policy::PolicyNumbers;
use super::remote::RemoteCampaign;

/// A number of clicks for each URL.
pub type UrlClicks = BTreeMap<UrlId, Clicks>;

/// What the guard remembers of a campaign's budget on one UTC day. It is stored with the promise, so that a restart
/// neither waits nor pays again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayBudget {
    /// The UTC day.
    pub day: NaiveDate,
    /// Whether it was only observed: nothing was sent.
    pub is_observed: bool,
    /// Whether `max_daily` was set back to `daily_budget` on this day, or stood there already.
    pub is_set_back: bool,
    /// The wait before the first top-up; `None` before the limit is reached.
    pub wait: Option<TopUpWait>,
    /// The clicks of each URL that are paid for; `None` before the first top-up.
    pub counted: Option<UrlClicks>,
    /// The URLs that came after the first top-up and are not paid for.
    pub gathering: Option<Gathering>,
    /// The top-up that was sent last, until it is confirmed. It may have taken effect although its answer was lost.
    pub sent: Option<SentTopUp>,
}

/// The wait between the pause at the limit and the first top-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopUpWait {
    /// The time (UTC) when it ends.
    pub until: DateTime<Utc>,
    /// Whether a read has shown the campaign stopped. From then on the end stays as it is; before, it begins again with
    /// each pause.
    pub is_paused: bool,
}

/// The URLs that are gathered for the next top-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathering {
    /// The time (UTC) when they are paid for.
    pub until: DateTime<Utc>,
    /// The click limit of each URL.
    pub limits: UrlClicks,
}

/// A top-up that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentTopUp {
    /// The `max_daily` that it sets.
    pub amount: Money,
    /// The clicks of each URL that are paid for once it has taken effect.
    pub counted: UrlClicks,
}

/// A change of `max_daily`: its amounts, and how they were computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BudgetChange {
    /// The `max_daily` that was read before; `None` if it could not be read.
    pub before: Option<Money>,
    /// The `max_daily` to set.
    pub after: Money,
    /// The parts of the sum.
    pub parts: BudgetParts,
}

/// The parts from which a budget was computed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BudgetParts {
    /// Today's spend; `None` for the first budget of a day.
    pub spend: Option<Money>,
    /// The clicks that are paid for by this change; `None` if it pays for none.
    pub clicks: Option<Clicks>,
    /// The price of a thousand clicks.
    pub price_per_thousand: Option<Money>,
    /// The price of these clicks.
    pub cost: Option<Money>,
    /// The most that the day may cost.
    pub ceiling: Option<Money>,
    /// Whether the sum was larger than the ceiling.
    pub is_cut: bool,
    /// The URLs that are paid for by this change, each with its clicks.
    pub urls: Vec<PaidUrl>,
}

/// The clicks of one URL that a change of the budget pays for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaidUrl {
    /// The URL's id.
    pub url: UrlId,
    /// The number of clicks.
    pub clicks: Clicks,
}

/// The amounts that a top-up needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopUpTerms {
    /// The price of a thousand clicks, above 0.
    pub price: Money,
    /// The most that the day may cost.
    pub ceiling: Money,
}

/// The reason why no top-up is sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TopUpRefusal {
    /// No price is known.
    #[error(
        "it has no price per thousand clicks: set one for the campaign or in the config (TrafficStars shows none for it)"
    )]
    NoPrice,
    /// The price is 0.
    #[error("its price per thousand clicks is 0: set a price above 0 for the campaign or in the config")]
    PriceIsZero,
    /// No ceiling is set.
    #[error("it has no top_up_ceiling, the most that a day may cost: set one for the campaign or in the config")]
    NoCeiling,
    /// The budget that stands at TrafficStars is not known.
    #[error("its daily budget (max_daily) at TrafficStars is missing, 0 or unreadable: set it there")]
    NoBudget,
    /// The day has cost the most that it may cost.
    #[error("{spend} is spent today, and top_up_ceiling ({ceiling}) is the most that a day may cost")]
    CeilingReached {
        /// Today's spend.
        spend: Money,
        /// The ceiling.
        ceiling: Money,
    },
    /// The sum has more than 64 bits.
    #[error("its price or its click limits are too large to compute a budget from: correct them")]
    TooLarge,
}

/// The plan for `max_daily`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BudgetPlan {
    /// It is changed.
    Set(BudgetChange),
    /// It is left as it is: it is enough, or as much as the ceiling allows. A person may have raised it.
    Leave {
        /// The `max_daily` that stands there.
        standing: Money,
        /// The sum that is needed.
        wanted: Money,
    },
}

/// How far a campaign's first top-up of the day has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TopUpStage {
    /// The policy is another one.
    #[default]
    Unused,
    /// No top-up can be computed.
    Refused(TopUpRefusal),
    /// The limit may be reached, and the wait has not ended.
    Due,
    /// The wait has ended: the budget can be computed.
    Waited,
    /// The day's budget is set.
    Done,
}

impl TopUpTerms {
    /// Returns the price and the ceiling. The price is the policy's, else the campaign's at TrafficStars.
    ///
    /// # Errors
    /// One of them is missing, or the price is 0.
    pub fn of(policy: &PolicyNumbers, campaign: &RemoteCampaign) -> Result<Self, TopUpRefusal> {
        let price = policy.price_per_thousand.or(campaign.price_per_thousand).ok_or(TopUpRefusal::NoPrice)?;
        if price == Money::ZERO {
            return Err(TopUpRefusal::PriceIsZero);
        }
        let ceiling = policy.top_up_ceiling.ok_or(TopUpRefusal::NoCeiling)?;
        Ok(Self { price, ceiling })
    }

    /// Returns the plan for the first top-up of the day: today's spend and the price of the clicks that are left,
    /// rounded up to cents, at most the ceiling, and never below the budget that stands there.
    ///
    /// # Errors
    /// No budget above today's spend is possible.
    pub fn first(&self, spend: Money, standing: Option<Money>, urls: &[UrlCount]) -> Result<BudgetPlan, TopUpRefusal> {
        let left = urls.iter().filter(|url| url.is_active).map(|url| PaidUrl { url: url.id, clicks: url.left() });
        let left: Vec<PaidUrl> = left.filter(|url| url.clicks > Clicks(0)).collect();
        self.plan(spend, standing, left, |cost, _| spend.checked_add(cost)?.rounded_up_to_cents())
    }

    /// Returns the plan for URLs that came later: the standing budget, or today's spend if that is more, and the price
    /// of their whole limits.
    ///
    /// # Errors
    /// No budget above today's spend is possible.
    pub fn later(&self, spend: Money, standing: Option<Money>, day: &DayBudget) -> Result<BudgetPlan, TopUpRefusal> {
        self.plan(spend, standing, day.unpaid(), |cost, standing| standing.max(spend).checked_add(cost))
    }

    fn plan(
        &self,
        spend: Money,
        standing: Option<Money>,
        urls: Vec<PaidUrl>,
        sum: impl FnOnce(Money, Money) -> Option<Money>,
    ) -> Result<BudgetPlan, TopUpRefusal> {
        let (price, ceiling) = (self.price, self.ceiling);
        let before = standing.ok_or(TopUpRefusal::NoBudget)?;
        let clicks = urls.iter().try_fold(0_u64, |sum, url| sum.checked_add(url.clicks.0)).map(Clicks);
        let clicks = clicks.ok_or(TopUpRefusal::TooLarge)?;
        let cost = price.per_thousand(clicks).ok_or(TopUpRefusal::TooLarge)?;
        let full = sum(cost, before).and_then(Money::rounded_up_as_kept).ok_or(TopUpRefusal::TooLarge)?;
        let after = full.min(ceiling);
        if after.max(before) <= spend {
            return Err(TopUpRefusal::CeilingReached { spend, ceiling });
        }
        if before >= after {
            return Ok(BudgetPlan::Leave { standing: before, wanted: full });
        }
        let (spend, clicks, cost) = (Some(spend), Some(clicks), Some(cost));
        let (price_per_thousand, ceiling, is_cut) = (Some(price), Some(ceiling), full > ceiling);
        let parts = BudgetParts { spend, clicks, price_per_thousand, cost, ceiling, is_cut, urls };
        Ok(BudgetPlan::Set(BudgetChange { before: Some(before), after, parts }))
    }
}

/// Whether a budget that TrafficStars shows is the wanted one or more. TrafficStars may keep fewer decimals than were
/// sent: less than a cent is no difference, or the same clicks would be paid for again.
#[must_use]
pub const fn is_enough(shown: Money, wanted: Money) -> bool {
    shown.micros().saturating_add(9_999) >= wanted.micros()
}

/// Returns the change that sets `max_daily` back to the day's first budget. `None` if it stands there already.
#[must_use]
pub fn set_back(daily_budget: Money, standing: Option<Money>) -> Option<BudgetChange> {
    let change = BudgetChange { before: standing, after: daily_budget, parts: BudgetParts::default() };
    (standing != Some(daily_budget)).then_some(change)
}

impl BudgetChange {
    /// Returns the sum with its parts, for operators.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Self { before, after, parts } = self;
        let before = before.map_or_else(|| "an unknown amount".to_owned(), |before| before.to_string());
        let BudgetParts { spend, clicks, price_per_thousand, cost, ceiling, is_cut, urls } = parts;
        let (Some(spend), Some(clicks), Some(price), Some(cost)) = (spend, clicks, price_per_thousand, cost) else {
            return format!("max_daily from {before} to {after}: the first budget of the day");
        };
        let of = if urls.len() == 1 { "1 URL".to_owned() } else { format!("{} URLs", urls.len()) };
        let cut = match ceiling {
            Some(ceiling) if *is_cut => format!("; cut to top_up_ceiling ({ceiling})"),
            Some(_) | None => String::new(),
        };
        format!(
            "max_daily from {before} to {after}: spend {spend}, and {clicks} clicks of {of} at {price} per thousand cost \
             {cost}{cut}"
        )
    }
}

impl UrlCount {
    fn left(&self) -> Clicks {
        Clicks(self.limit.0.saturating_sub(self.clicks.0))
    }

    /// Returns the clicks that are paid for after the first top-up: an active URL's whole limit, and what another URL
    /// has had, which is part of the spend.
    fn paid_at_first(&self) -> Clicks {
        if self.is_active { self.limit } else { self.clicks.min(self.limit) }
    }
}

/// Returns the clicks of each URL that the first top-up pays for, together with the spend before it.
#[must_use]
pub fn counted_at_first(urls: &[UrlCount]) -> UrlClicks {
    urls.iter().map(|url| (url.id, url.paid_at_first())).collect()
}

impl DayBudget {
    /// Returns a day of which nothing is known yet.
    #[must_use]
    pub const fn new(day: NaiveDate, is_observed: bool) -> Self {
        Self { day, is_observed, is_set_back: false, wait: None, counted: None, gathering: None, sent: None }
    }

    /// Returns how far the first top-up has come.
    #[must_use]
    pub fn stage(&self, now: DateTime<Utc>, terms: Result<TopUpTerms, TopUpRefusal>) -> TopUpStage {
        match (&self.counted, terms, self.wait) {
            (Some(_), _, _) => TopUpStage::Done,
            (None, Err(refusal), _) => TopUpStage::Refused(refusal),
            (None, Ok(_), Some(wait)) if wait.is_paused && wait.until <= now => TopUpStage::Waited,
            (None, Ok(_), _) => TopUpStage::Due,
        }
    }

    fn paid(&self, url: UrlId) -> Clicks {
        self.counted.as_ref().and_then(|counted| counted.get(&url)).copied().unwrap_or_default()
    }

    /// Whether the URL was there at the first top-up, or is paid for since.
    fn is_known(&self, url: UrlId) -> bool {
        self.counted.as_ref().is_some_and(|counted| counted.contains_key(&url))
    }

    /// Returns the clicks that are gathered and not paid for.
    #[must_use]
    pub fn unpaid(&self) -> Vec<PaidUrl> {
        let limits = self.gathering.iter().flat_map(|gathering| &gathering.limits);
        let unpaid = |(url, limit): (&UrlId, &Clicks)| {
            let clicks = Clicks(limit.0.saturating_sub(self.paid(*url).0));
            (clicks > Clicks(0)).then_some(PaidUrl { url: *url, clicks })
        };
        limits.filter_map(unpaid).collect()
    }

    /// Gathers the URLs whose limit is above what is paid for. A URL begins to count when it is active; a new one also
    /// when it has had clicks. Then it counts even if it is used up, paused or deleted meanwhile. Returns whether
    /// something has changed.
    pub fn gather(&mut self, now: DateTime<Utc>, urls: &[UrlCount], interval: Duration) -> bool {
        if self.counted.is_none() {
            return false;
        }
        let earlier = self.gathering.as_ref();
        let mut limits = earlier.map(|gathering| gathering.limits.clone()).unwrap_or_default();
        for url in urls {
            let paid = self.paid(url.id);
            if url.limit <= paid {
                limits.remove(&url.id);
            } else if url.is_active || url.clicks > paid && !self.is_known(url.id) || limits.contains_key(&url.id) {
                limits.insert(url.id, url.limit);
            }
        }
        let until = earlier.map_or(now + interval, |gathering| gathering.until.min(now + interval));
        let gathering = (!limits.is_empty()).then_some(Gathering { until, limits });
        let has_changed = gathering != self.gathering;
        self.gathering = gathering;
        has_changed
    }

    /// Returns what is paid for after the gathered URLs are paid.
    #[must_use]
    pub fn counted_with_gathered(&self) -> UrlClicks {
        let mut counted = self.counted.clone().unwrap_or_default();
        counted.extend(self.gathering.iter().flat_map(|gathering| gathering.limits.clone()));
        counted
    }

    /// Records that these clicks are paid for. A URL that came since the top-up was sent is gathered anew.
    pub fn pay(&mut self, counted: UrlClicks) {
        (self.counted, self.gathering, self.sent) = (Some(counted), None, None);
    }

    /// Moves times closer after a clock was set back, so that no time lies farther ahead than when it was set.
    pub fn clamp_to_now(&mut self, now: DateTime<Utc>, policy: &PolicyNumbers) {
        if let Some(wait) = &mut self.wait {
            wait.until = wait.until.min(now + policy.top_up_wait);
        }
        if let Some(gathering) = &mut self.gathering {
            gathering.until = gathering.until.min(now + policy.top_up_interval);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tests::{at, money};

    /// A case, its time, the URLs that are read, and the clicks of each URL that are unpaid then.
    type Step = (&'static str, &'static str, &'static [(i64, u64, u64, bool)], &'static [(i64, u64)]);

    const TERMS: (&str, &str) = ("0.111", "60.00");

    fn terms((price, ceiling): (&str, &str)) -> TopUpTerms {
        TopUpTerms { price: money(price), ceiling: money(ceiling) }
    }

    fn url(id: i64, limit: u64, clicks: u64, is_active: bool) -> UrlCount {
        UrlCount { id: UrlId(id), limit: Clicks(limit), clicks: Clicks(clicks), is_active }
    }

    #[test]
    fn the_first_top_up_is_the_spend_and_the_price_of_the_clicks_that_are_left() {
        let set = |after: &str| Ok((Some(money(after)), None));
        let leave = |standing: &str| Ok((None, Some(money(standing))));
        let reached = |spend: &str| Err(TopUpRefusal::CeilingReached { spend: money(spend), ceiling: money(TERMS.1) });
        let cases = [
            ("the scripted day", "10.00", "10.15", 69_745, set("17.75")),
            ("an exact cent is not rounded up", "10.00", "10.15", 100_000, set("21.10")),
            ("the ceiling cuts it", "10.00", "10.15", 1_000_000, set("60.00")),
            ("a person has raised it", "10.00", "30.00", 69_745, leave("30.00")),
            ("a person has raised it above the ceiling", "61.00", "99.00", 69_745, leave("99.00")),
            ("the ceiling is spent", "60.00", "60.00", 69_745, reached("60.00")),
            ("no budget is shown", "10.00", "", 69_745, Err(TopUpRefusal::NoBudget)),
            ("too many clicks", "10.00", "10.15", u64::MAX, Err(TopUpRefusal::TooLarge)),
        ];
        for (case, spend, standing, clicks, expected) in cases {
            let standing = (!standing.is_empty()).then(|| money(standing));
            // The paused URL and the used-up one have no clicks left to pay for.
            let urls = [url(1, clicks, 0, true), url(2, 9_000, 0, false), url(3, 7_000, 8_000, true)];
            let plan = terms(TERMS).first(money(spend), standing, &urls).map(|plan| match plan {
                BudgetPlan::Set(change) => (Some(change.after), None),
                BudgetPlan::Leave { standing, .. } => (None, Some(standing)),
            });
            assert_eq!(plan, expected, "{case}");
        }
    }

    #[test]
    fn a_later_top_up_adds_the_price_of_each_new_limit_once() {
        let mut day = DayBudget::new(at("10:00:00").date_naive(), false);
        day.pay(counted_at_first(&[url(1, 70_000, 255, true), url(2, 9_000, 4_000, false)]));
        let interval = Duration::minutes(12);
        let unpaid = |day: &DayBudget| day.unpaid().iter().map(|url| (url.url.0, url.clicks.0)).collect::<Vec<_>>();
        let steps: [Step; 7] = [
            ("nothing new", "10:04:00", &[(1, 70_000, 300, true), (2, 9_000, 4_000, false)], &[]),
            ("a new URL", "10:05:00", &[(3, 10_000, 0, true)], &[(3, 10_000)]),
            ("one that is finished at once", "10:12:00", &[(4, 5_000, 5_000, false)], &[(3, 10_000), (4, 5_000)]),
            ("one that never ran does not count", "10:13:00", &[(5, 800, 0, false)], &[(3, 10_000), (4, 5_000)]),
            ("one that is paused meanwhile counts", "10:14:00", &[(3, 10_000, 0, false)], &[(3, 10_000), (4, 5_000)]),
            (
                "a raised limit, a resumed URL",
                "10:15:00",
                &[(1, 71_000, 400, true), (2, 9_000, 4_000, true)],
                &[(1, 1_000), (2, 5_000), (3, 10_000), (4, 5_000)],
            ),
            (
                "a lowered limit lowers nothing that is paid",
                "10:16:00",
                &[(1, 100, 400, true), (2, 100, 4_000, true)],
                &[(3, 10_000), (4, 5_000)],
            ),
        ];
        for (case, time, urls, expected) in steps {
            let urls: Vec<UrlCount> =
                urls.iter().map(|&(id, limit, clicks, active)| url(id, limit, clicks, active)).collect();
            day.gather(at(time), &urls, interval);
            assert_eq!(unpaid(&day), expected, "{case}");
        }
        assert_eq!(
            day.gathering.as_ref().map(|gathering| gathering.until),
            Some(at("10:17:00")),
            "from the first one on"
        );
        let later = terms(TERMS).later(money("10.02"), Some(money("17.75")), &day);
        let Ok(BudgetPlan::Set(change)) = later else { panic!("{later:?}") };
        assert_eq!((change.after, change.parts.cost), (money("19.415"), Some(money("1.665"))));
        let counted = day.counted_with_gathered();
        day.pay(counted);
        assert!(!day.gather(at("10:18:00"), &[url(3, 10_000, 9_000, true), url(4, 5_000, 5_000, false)], interval));
        assert_eq!(unpaid(&day), []);
    }

    #[test]
    fn a_later_top_up_reaches_beyond_the_spend_and_stops_at_the_ceiling() {
        let mut day = DayBudget::new(at("10:00:00").date_naive(), false);
        day.pay(UrlClicks::new());
        day.gather(at("10:00:00"), &[url(1, 10_000, 0, true)], Duration::zero());
        let after = |spend: &str, standing: &str| {
            terms(TERMS).later(money(spend), Some(money(standing)), &day).map(|plan| match plan {
                BudgetPlan::Set(change) => change.after,
                BudgetPlan::Leave { standing, .. } => standing,
            })
        };
        assert_eq!(after("17.00", "17.75"), Ok(money("18.86")));
        assert_eq!(after("18.00", "17.75"), Ok(money("19.11")), "more than the budget is spent");
        assert_eq!(after("17.00", "59.00"), Ok(money("60.00")), "the ceiling");
        assert_eq!(after("17.00", "75.00"), Ok(money("75.00")), "a person has raised it above the ceiling");
    }

    #[test]
    fn the_day_begins_with_its_first_budget() {
        let cases = [
            ("yesterday's budget", Some("42.30"), Some("max_daily from 42.30 to 10.15: the first budget of the day")),
            ("it stands there already", Some("10.15"), None),
            ("unread", None, Some("max_daily from an unknown amount to 10.15: the first budget of the day")),
        ];
        for (case, standing, expected) in cases {
            let change = set_back(money("10.15"), standing.map(money));
            assert_eq!(change.map(|change| change.in_words()).as_deref(), expected, "{case}");
        }
    }
}
