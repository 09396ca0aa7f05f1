//! The words of behaviour.md: what the raw fields of an answer mean, and what today's spend is.

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::facts::{Money, RemainingClicks};
use traffic_generator::domain::policy::Policy;
use traffic_generator::domain::remote::{EndTime, RemoteCampaign, RemoteFault};
use traffic_generator::domain::spend::SourceAnswer;

use crate::model::log::Seen;

/// The remote status, with what the rules ask about it beyond the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remote {
    Unknown {
        active: bool,
    },
    Blocked,
    /// By its end time, or by somebody's switch.
    Stopped {
        by_end_time: bool,
    },
    Running,
}

impl Remote {
    /// "running, or an untaught word with `active: true`"
    pub(super) const fn may_run(self) -> bool {
        matches!(self, Self::Running | Self::Unknown { active: true })
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
    Reached,
}

/// The class of the remaining clicks in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClickClass {
    Unknown,
    UsedUp,
    Between,
    Enough,
}

const TAUGHT: [&str; 9] = [
    "enabled",
    "active",
    "paused",
    "unapproved",
    "rejected",
    "draft",
    "archived",
    "no_funds_paused",
    "total_budget_is_reached",
];
const BLOCKING: [&str; 6] =
    ["unapproved", "rejected", "draft", "archived", "no_funds_paused", "total_budget_is_reached"];

/// "judged from the whole answer, the first that fits"
pub(super) fn remote(read: &Result<RemoteCampaign, RemoteFault>, wall: DateTime<Utc>) -> Remote {
    let campaign = match read {
        Ok(campaign) => campaign,
        // "or a 404 when read by itself"
        Err(RemoteFault::NotFound) => return Remote::Blocked,
        Err(RemoteFault::Failed(_)) => return Remote::Unknown { active: false },
    };
    let word = campaign.status.as_deref();
    let taught = word.is_some_and(|word| TAUGHT.contains(&word));
    // Where a field that judging needs is missing or cannot be read the page says: doubt stops, never starts.
    let readable = campaign.active.is_some() && !matches!(campaign.end_time, EndTime::Unreadable(_));
    if !taught || !readable {
        return Remote::Unknown { active: campaign.active == Some(true) };
    }
    let disapproved = campaign.approved.as_deref().is_some_and(|word| word != "approved");
    let shifted = campaign.schedule_timezone.is_some_and(|hours| hours != 0);
    let blocking_word = word.is_some_and(|word| BLOCKING.contains(&word));
    if campaign.archived || campaign.no_funds || disapproved || blocking_word || shifted {
        return Remote::Blocked;
    }
    if matches!(campaign.end_time, EndTime::At(end) if end <= wall) {
        return Remote::Stopped { by_end_time: true };
    }
    if campaign.active == Some(false) || word == Some("paused") {
        return Remote::Stopped { by_end_time: false };
    }
    Remote::Running
}

/// Whether a read shows it stopped, whatever else is wrong with it.
pub(super) fn shows_stopped(read: &Result<RemoteCampaign, RemoteFault>, wall: DateTime<Utc>) -> bool {
    read.as_ref().is_ok_and(|campaign| campaign.active == Some(false)) || remote(read, wall).is_stopped()
}

pub(super) fn clicks(clicks: &Result<RemainingClicks, String>, policy: &Policy) -> ClickClass {
    match clicks {
        Err(_) => ClickClass::Unknown,
        Ok(clicks) if clicks.count <= policy.pause_clicks => ClickClass::UsedUp,
        // A sum with a senseless row in it may stop, never start.
        Ok(clicks) if clicks.defect.is_some() => ClickClass::Unknown,
        Ok(clicks) if clicks.count >= policy.activate_clicks => ClickClass::Enough,
        Ok(_) => ClickClass::Between,
    }
}

pub(super) fn spend_class(spend: Option<Money>, policy: &Policy) -> SpendClass {
    match spend {
        None => SpendClass::Unknown,
        Some(amount) if amount >= policy.spend_limit => SpendClass::Reached,
        Some(_) => SpendClass::Below,
    }
}

/// "for 30 minutes at most: the remote's counters are known to lag"
pub(super) const MIDNIGHT_LAG: Duration = Duration::minutes(30);

/// Today's spend out of the three sources; `None` is unknown. `wall` is the moment of the decision.
pub(super) fn spend(seen: &Seen, wall: DateTime<Utc>) -> Option<Money> {
    let today = wall.date_naive();
    // "A value read for another day is not today's spend."
    if seen.spend_day != Some(today) {
        return None;
    }
    let mut failed = false;
    let mut doubted = false;
    match &seen.remote {
        Ok(campaign) => {
            let elsewhere = campaign.account_timezone.is_some_and(|hours| hours != 0);
            let of_yesterday = [seen.began_at_wall, seen.answered_at_wall].iter().any(|at| at.date_naive() != today);
            match &campaign.spent {
                SourceAnswer::Value(_) if elsewhere => {}
                SourceAnswer::Value(_) if of_yesterday => failed = true,
                SourceAnswer::Value(amount) if may_be_yesterdays(seen, *amount, wall) => doubted = true,
                SourceAnswer::Value(amount) => return Some(*amount),
                SourceAnswer::Failed(_) => failed = true,
                SourceAnswer::NoValue | SourceAnswer::NoSource => failed |= of_yesterday,
            }
        }
        Err(RemoteFault::NotFound) => {}
        Err(RemoteFault::Failed(_)) => failed = true,
    }
    match &seen.report {
        Some(SourceAnswer::Value(amount)) => return Some(*amount),
        Some(SourceAnswer::Failed(_)) => failed = true,
        Some(SourceAnswer::NoValue | SourceAnswer::NoSource) => {}
        // Where the object had no value the report is to be asked; a campaign that is not there has no report.
        None => failed |= seen.remote != Err(RemoteFault::NotFound),
    }
    match &seen.stored {
        Ok(history) => {
            if let Some(stored) = history.today.filter(|stored| stored.at.date_naive() == today) {
                // "at or above the limit it counts at any age; below it serves for 30 minutes, then unknown"
                let fresh = wall.signed_duration_since(stored.at) <= seen.policy.stored_spend_max_age;
                return (stored.amount >= seen.policy.spend_limit || fresh).then_some(stored.amount);
            }
        }
        Err(_) => failed = true,
    }
    // "Every source answered and none had a value: the spend is 0"
    (!failed && !doubted).then_some(Money::ZERO)
}

/// "After midnight a value other than 0 that equals yesterday's last one is unknown until it changes": one that was
/// believed today already has changed, or was confirmed.
fn may_be_yesterdays(seen: &Seen, amount: Money, wall: DateTime<Utc>) -> bool {
    let today = wall.date_naive();
    let since_midnight = wall.signed_duration_since(today.and_time(chrono::NaiveTime::MIN).and_utc());
    // Where nobody knows yesterday's, any may be: "doubt stops, never starts".
    let may_be = seen.stored.as_ref().map_or(true, |history| {
        let believed = history.today.is_some_and(|stored| stored.at.date_naive() == today);
        history.yesterday == Some(amount) && !believed
    });
    amount > Money::ZERO && since_midnight < MIDNIGHT_LAG && may_be
}
