//! The definitions of RULES.md: the meaning of an answer's raw fields, and today's spend.

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::failure::{DatabaseFailure, RemoteFault};
use traffic_generator::domain::money::{Clicks, Money, RemainingClicks};
use traffic_generator::domain::policy::{HighSpend, Policy};
use traffic_generator::domain::remote::{EndTime, RemoteCampaign};
use traffic_generator::domain::spend::{SpendReading, SpendSource, StoredSpend};

use crate::model::log::Seen;

/// The remote status, with what else the rules need to know about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remote {
    Unknown {
        may_run: bool,
    },
    Blocked {
        may_run: bool,
    },
    /// Stopped by its end time, or by a switch.
    Stopped {
        by_end_time: bool,
    },
    Running,
}

impl Remote {
    /// Whether it may run: it is running; or it is blocked or unknown with `active: true`, and no end time has passed.
    pub(super) const fn may_run(self) -> bool {
        matches!(self, Self::Running | Self::Unknown { may_run: true } | Self::Blocked { may_run: true })
    }

    pub(super) const fn is_stopped(self) -> bool {
        matches!(self, Self::Stopped { .. })
    }
}

/// The class of today's spend in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SpendClass {
    Unknown,
    Below,
    /// The limit is reached, and the policy is `observe`: the campaign is left alone.
    Reached,
    /// The limit is reached, and the policy is `guard`: the clicks decide, with the high thresholds.
    Above,
    /// The limit is reached, and the policy is `pause`: the campaign is kept paused.
    Standstill,
}

/// The class of the remaining clicks in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClickClass {
    Unknown,
    UsedUp,
    Between,
    Enough,
}

const FREE: [&str; 3] = ["enabled", "active", "paused"];
const BLOCKING: [&str; 8] = [
    "unapproved",
    "pending",
    "rejected",
    "draft",
    "archived",
    "total_budget_is_reached",
    "no_funds_paused",
    "no_funds_active",
];

/// Judges the whole answer: the first status that fits.
pub(super) fn remote(read: &Result<RemoteCampaign, RemoteFault>, wall: DateTime<Utc>) -> Remote {
    let campaign = match read {
        Ok(campaign) => campaign,
        // A campaign is gone after 404s for 15 minutes; until then a 404 means unknown.
        Err(RemoteFault::Gone) => return Remote::Blocked { may_run: false },
        Err(RemoteFault::NotFound | RemoteFault::Failed(_) | RemoteFault::Shared(_) | RemoteFault::Late) => {
            return Remote::Unknown { may_run: false };
        }
    };
    let word = campaign.status.as_deref();
    let blocking_word = word.is_some_and(|word| BLOCKING.contains(&word));
    let known = blocking_word || word.is_some_and(|word| FREE.contains(&word));
    let theirs = theirs(campaign, wall);
    let may_run = campaign.active == Some(true) && !has_passed(campaign, theirs);
    // A field that is needed is missing, or is of a type that cannot be read. Each field is judged alone.
    let readable = campaign.active.is_some() && !matches!(campaign.end_time, EndTime::Unreadable(_));
    if !known || !readable || !campaign.odd_fields.is_empty() {
        return Remote::Unknown { may_run };
    }
    let disapproved = campaign.approved.as_deref().is_some_and(|word| word != "approved");
    let shifted = campaign.schedule_timezone.is_some_and(|hours| hours != 0);
    let without_funds = campaign.no_funds || campaign.stopped.as_deref() == Some("no_funds");
    if campaign.archived || without_funds || disapproved || blocking_word || shifted {
        return Remote::Blocked { may_run };
    }
    if matches!(campaign.end_time, EndTime::At(end) if end <= theirs) {
        return Remote::Stopped { by_end_time: true };
    }
    if campaign.active == Some(false) || word == Some("paused") {
        return Remote::Stopped { by_end_time: false };
    }
    Remote::Running
}

/// Returns the time by TrafficStars' clock. The answer says how far the guard's clock was away from it.
pub(super) fn theirs(campaign: &RemoteCampaign, wall: DateTime<Utc>) -> DateTime<Utc> {
    campaign.our_clock.map_or(wall, |clock| wall - clock.0)
}

/// Whether the end time has passed, in the schedule's time zone. In a time zone that cannot be read it has not.
fn has_passed(campaign: &RemoteCampaign, theirs: DateTime<Utc>) -> bool {
    let EndTime::At(end) = campaign.end_time else { return false };
    let unreadable = campaign.odd_fields.iter().any(|field| field.name == "schedule_timezone");
    let hours = campaign.schedule_timezone.unwrap_or(0);
    !unreadable && end <= theirs + Duration::hours(hours)
}

/// Whether a read shows the campaign stopped. Other defects of the answer do not matter.
pub(super) fn shows_stopped(read: &Result<RemoteCampaign, RemoteFault>, wall: DateTime<Utc>) -> bool {
    read.as_ref().is_ok_and(|campaign| campaign.active == Some(false)) || remote(read, wall).is_stopped()
}

/// The click thresholds that decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thresholds {
    pub(super) pause: Clicks,
    pub(super) activate: Clicks,
}

/// Returns the thresholds for this spend. The high ones count from the limit on under the policy `guard` alone; one
/// that is not set is the number below the limit. An unknown spend has the numbers below the limit.
pub(super) fn thresholds(spend: SpendClass, policy: &Policy) -> Thresholds {
    let (pause, activate) = (policy.pause_clicks, policy.activate_clicks);
    match spend {
        SpendClass::Above => Thresholds {
            pause: policy.high_pause_clicks.unwrap_or(pause),
            activate: policy.high_activate_clicks.unwrap_or(activate),
        },
        SpendClass::Unknown | SpendClass::Below | SpendClass::Reached | SpendClass::Standstill => {
            Thresholds { pause, activate }
        }
    }
}

pub(super) fn clicks(
    clicks: &Result<RemainingClicks, DatabaseFailure>,
    spend: SpendClass,
    policy: &Policy,
) -> ClickClass {
    let thresholds = thresholds(spend, policy);
    match clicks {
        Err(_) => ClickClass::Unknown,
        Ok(clicks) if clicks.count <= thresholds.pause => ClickClass::UsedUp,
        // A sum with an invalid row in it may pause, but never start, and neither may an implausible number of clicks.
        Ok(clicks) if clicks.defect.is_some() => ClickClass::Unknown,
        Ok(clicks) if policy.implausible_clicks.is_some_and(|bound| clicks.count > bound) => ClickClass::Unknown,
        Ok(clicks) if clicks.count >= thresholds.activate => ClickClass::Enough,
        Ok(_) => ClickClass::Between,
    }
}

pub(super) fn spend_class(spend: Option<Money>, policy: &Policy) -> SpendClass {
    match spend {
        None => SpendClass::Unknown,
        Some(amount) if amount < policy.spend_limit => SpendClass::Below,
        Some(_) => match policy.high_spend {
            HighSpend::Observe => SpendClass::Reached,
            HighSpend::Guard => SpendClass::Above,
            HighSpend::Pause => SpendClass::Standstill,
            HighSpend::TopUp => SpendClass::Above,
        },
    }
}

/// Returns today's spend by its sources; `None` if it is unknown. `wall` is the moment of the decision.
pub(super) fn spend(seen: &Seen, wall: DateTime<Utc>) -> Option<Money> {
    let today = wall.date_naive();
    // A value that was read for another day is not today's spend.
    if seen.spend_day != Some(today) {
        return None;
    }
    let mut failed = false;
    let mut doubted = false;
    if let Ok(campaign) = &seen.remote {
        let elsewhere = campaign.account_timezone.is_some_and(|hours| hours != 0);
        let of_yesterday = [seen.began_at_wall, seen.answered_at_wall].iter().any(|at| at.date_naive() != today);
        match &campaign.spent_today {
            SpendReading::Value(_) if elsewhere => {}
            SpendReading::Value(_) if of_yesterday => failed = true,
            SpendReading::Value(amount) if is_in_doubt(seen, *amount, wall) => doubted = true,
            SpendReading::Value(amount) => return Some(*amount),
            SpendReading::Failed(_) => failed = true,
            SpendReading::NoValue | SpendReading::NoSource => failed |= of_yesterday,
        }
    } else {
        failed = seen.remote != Err(RemoteFault::Gone);
    }
    match &seen.report {
        Some(SpendReading::Value(amount)) => return Some(*amount),
        Some(SpendReading::Failed(_)) => failed = true,
        // A report that is answered without a row says 0.
        Some(SpendReading::NoValue) => doubted = false,
        Some(SpendReading::NoSource) => {}
        // If the object had no value, the report has to be read. A campaign that is gone has no report.
        None => failed |= seen.remote != Err(RemoteFault::Gone),
    }
    if !failed {
        // Every source answered, and none had a value: the spend is 0.
        return (!doubted).then_some(Money::ZERO);
    }
    // The last source: the value that was stored on this UTC day, if a source before it failed.
    let stored = seen.stored.as_ref().ok()?.today.filter(|stored| stored.at.date_naive() == today)?;
    // At the limit or above, it counts at any age; below, for 30 minutes.
    let fresh = (Duration::zero()..=seen.policy.stored_spend_max_age).contains(&wall.signed_duration_since(stored.at));
    (stored.amount >= seen.policy.spend_limit || fresh).then_some(stored.amount)
}

/// For 3 hours (`midnight_doubt`) a counter above 0 is in doubt, unless it was absent or lower than yesterday's last
/// value since midnight (without one: below the limit). Late clicks alone make yesterday's counter grow, never fall. A
/// counter that was believed today is today's. If the database cannot be read, yesterday's value is not known to be
/// absent.
fn is_in_doubt(seen: &Seen, amount: Money, wall: DateTime<Utc>) -> bool {
    let today = wall.date_naive();
    let since_midnight = wall.signed_duration_since(today.and_time(chrono::NaiveTime::MIN).and_utc());
    if amount == Money::ZERO || since_midnight >= seen.policy.midnight_doubt {
        return false;
    }
    let earlier = seen.counter.filter(|counter| counter.day == today);
    if earlier.is_some_and(|counter| counter.least.is_none()) {
        return false;
    }
    let Ok(stored) = &seen.stored else { return true };
    let least = earlier.and_then(|counter| counter.least).unwrap_or(amount).min(amount);
    let falls = earlier.filter(|counter| Some(amount) < counter.last).map(|_| amount);
    let fell_to = earlier.and_then(|counter| counter.fell_to).flatten().into_iter().chain(falls).min();
    let believed = |today_stored: StoredSpend| {
        today_stored.source == SpendSource::Campaign && today_stored.at.date_naive() == today
    };
    match stored.yesterday {
        Some(yesterday) => least >= yesterday && !stored.today.is_some_and(believed),
        None => amount >= seen.policy.spend_limit && fell_to.is_none_or(|fell_to| fell_to >= seen.policy.spend_limit),
    }
}
