//! The decision table (RULES.md, "Decisions"): facts and a state in, the first row that fits out.
//!
//! Deliberately absent: the cool-down, which takes no decision by spend or clicks, and everything that holds a decided
//! action back (day end, backoff, an action in flight): `machine` asks here and then looks at those.

use chrono::{DateTime, Utc};

use super::action::ActionKind;
use super::money::{Clicks, Money, RemainingClicks};
use super::observation::Observation;
use super::phase::PhaseWord;
use super::policy::Policy;
use super::remote::RemoteStatus;

/// The rows of the decision table, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    /// It may run, with the clicks used up: pause.
    ClicksUsedUp,
    /// Blocked or unknown, it may run against the promise: pause.
    GuardPauseInDoubt,
    /// Blocked or unknown: nothing.
    Doubt,
    /// The limit is reached: leave it alone.
    HighSpend,
    /// Spend unknown and clicks not known to be used up, running against the promise: pause.
    GuardPauseWithoutSpend,
    /// Spend unknown: nothing.
    SpendUnknown,
    /// Clicks unknown, running against the promise: pause.
    GuardPauseWithoutClicks,
    /// Clicks unknown: nothing.
    ClicksUnknown,
    /// Enough clicks, stopped: activate.
    EnoughClicks,
    /// Enough clicks, running: adopt.
    AdoptRunning,
    /// Clicks used up, stopped: adopt.
    AdoptStopped,
    /// Between the thresholds, stopped against the promise: activate.
    GuardActivate,
    /// Between the thresholds, running against the promise: pause.
    GuardPause,
    /// Between the thresholds, as promised or nothing promised: nothing.
    Between,
}

/// What a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The row that fitted.
    pub row: Row,
    /// The request it asks for, if any.
    pub action: Option<ActionKind>,
    /// The state it leads to; `None` leaves the state unchanged.
    pub next: Option<PhaseWord>,
}

/// Where remaining clicks stand between the thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClickLevel {
    /// Not known, or known too badly to start anything by it.
    Unknown,
    /// At the pause threshold or below.
    UsedUp,
    /// Between the thresholds.
    Between,
    /// At the activation threshold or above.
    Enough,
}

/// Where today's spend stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpendLevel {
    /// Not known.
    Unknown,
    /// Below the limit.
    Below,
    /// At the limit or above.
    Reached,
}

/// One observation as the decision table sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The remote status.
    pub status: RemoteStatus,
    /// Where the spend stands.
    pub spend: SpendLevel,
    /// Where the clicks stand.
    pub clicks: ClickLevel,
    /// Today's spend, if known.
    pub amount: Option<Money>,
    /// The remaining clicks, if known.
    pub remaining: Option<Clicks>,
    /// No clicks are left, since there is no URL to count them.
    pub has_no_urls: bool,
}

impl Judgement {
    /// Judges an observation by the policy.
    #[must_use]
    pub fn new(observation: &Observation, policy: &Policy, now: DateTime<Utc>) -> Self {
        let amount = observation.spend.as_ref().ok().filter(|spend| spend.day == now.date_naive());
        let amount = amount.map(|spend| spend.amount);
        let remaining = observation.clicks.as_ref().ok();
        Self {
            status: super::remote::judge(&observation.remote, now),
            spend: match amount {
                None => SpendLevel::Unknown,
                Some(amount) if amount >= policy.spend_limit => SpendLevel::Reached,
                Some(_) => SpendLevel::Below,
            },
            clicks: remaining.map_or(ClickLevel::Unknown, |clicks| click_level(clicks, policy)),
            amount,
            remaining: remaining.map(|clicks| clicks.count),
            has_no_urls: remaining.is_some_and(|clicks| clicks.active_urls == 0),
        }
    }
}

/// A sum with a senseless row in it counts that row as 0: enough to pause by, never enough to start by. More clicks than
/// is plausible are somebody's wrong limit.
fn click_level(clicks: &RemainingClicks, policy: &Policy) -> ClickLevel {
    if policy.are_used_up(clicks.count) {
        ClickLevel::UsedUp
    } else if policy.clicks_doubt(clicks).is_some() {
        ClickLevel::Unknown
    } else if clicks.count >= policy.activate_clicks {
        ClickLevel::Enough
    } else {
        ClickLevel::Between
    }
}

/// The first row that fits. `phase` is anything but cooling down; a cool-down that has ended is paused-guarded.
#[must_use]
pub fn decide(judged: &Judgement, phase: PhaseWord) -> Decision {
    let row = first_row(judged, phase);
    let (action, next) = match row {
        Row::Doubt | Row::SpendUnknown | Row::ClicksUnknown | Row::Between => (None, None),
        Row::ClicksUsedUp
        | Row::GuardPauseInDoubt
        | Row::GuardPauseWithoutSpend
        | Row::GuardPauseWithoutClicks
        | Row::GuardPause => (Some(ActionKind::Pause), Some(PhaseWord::CoolingDown)),
        Row::HighSpend => (None, Some(PhaseWord::Idle)),
        Row::EnoughClicks | Row::GuardActivate => (Some(ActionKind::Activate), Some(PhaseWord::ActiveGuarded)),
        Row::AdoptRunning => (None, Some(PhaseWord::ActiveGuarded)),
        Row::AdoptStopped => (None, Some(PhaseWord::PausedGuarded)),
    };
    Decision { row, action, next }
}

fn first_row(judged: &Judgement, phase: PhaseWord) -> Row {
    let running = judged.status == RemoteStatus::Running;
    let below_or_unknown = judged.spend != SpendLevel::Reached;
    if judged.clicks == ClickLevel::UsedUp && below_or_unknown && judged.status.may_run() {
        return Row::ClicksUsedUp;
    }
    let against_promise = judged.status.may_run() && phase == PhaseWord::PausedGuarded;
    if !running && below_or_unknown && against_promise {
        return Row::GuardPauseInDoubt;
    }
    if matches!(judged.status, RemoteStatus::Blocked { .. } | RemoteStatus::Unknown { .. }) {
        return Row::Doubt;
    }
    let must_stop = running && phase == PhaseWord::PausedGuarded;
    let must_run = !running && phase == PhaseWord::ActiveGuarded;
    match (judged.spend, judged.clicks) {
        (SpendLevel::Reached, _) => Row::HighSpend,
        (SpendLevel::Unknown, _) if must_stop => Row::GuardPauseWithoutSpend,
        (SpendLevel::Unknown, _) => Row::SpendUnknown,
        (SpendLevel::Below, ClickLevel::Unknown) if must_stop => Row::GuardPauseWithoutClicks,
        (SpendLevel::Below, ClickLevel::Unknown) => Row::ClicksUnknown,
        (SpendLevel::Below, ClickLevel::Enough) if running => Row::AdoptRunning,
        (SpendLevel::Below, ClickLevel::Enough) => Row::EnoughClicks,
        // Running with the clicks used up was answered above.
        (SpendLevel::Below, ClickLevel::UsedUp) => Row::AdoptStopped,
        (SpendLevel::Below, ClickLevel::Between) if must_run => Row::GuardActivate,
        (SpendLevel::Below, ClickLevel::Between) if must_stop => Row::GuardPause,
        (SpendLevel::Below, ClickLevel::Between) => Row::Between,
    }
}

/// Why the row fitted, in the operator's words.
#[must_use]
pub fn reason(decision: &Decision, judged: &Judgement, policy: &Policy) -> String {
    let clicks = || judged.remaining.map_or_else(|| "unknown".to_owned(), |clicks| clicks.to_string());
    let no_urls = if judged.has_no_urls { " (it has no active URLs)" } else { "" };
    let spend = || judged.amount.map_or_else(|| "unknown".to_owned(), |amount| format!("{amount}"));
    let limit = policy.spend_limit;
    match decision.row {
        Row::Doubt => match &judged.status {
            RemoteStatus::Blocked { reason, .. } => format!("running it cannot help: {reason}"),
            RemoteStatus::Unknown { doubt, .. } => format!("its status is unknown: {doubt}"),
            RemoteStatus::Stopped(_) | RemoteStatus::Running => "its status is in doubt".to_owned(),
        },
        Row::GuardPauseInDoubt => {
            format!("it may run although we stopped it: it is switched on{}", in_doubt(&judged.status))
        }
        Row::ClicksUsedUp => {
            format!(
                "it {} with {} clicks left{no_urls}, {} or fewer pause it{} (spend {})",
                if judged.status == RemoteStatus::Running { "runs" } else { "may run" },
                clicks(),
                policy.pause_clicks,
                in_doubt(&judged.status),
                spend()
            )
        }
        Row::HighSpend => format!("{limit} or more is spent today ({}): it is left alone", spend()),
        Row::GuardPauseWithoutSpend => "it runs although we stopped it, and its spend is unknown".to_owned(),
        Row::SpendUnknown => "its spend is unknown".to_owned(),
        Row::GuardPauseWithoutClicks => {
            "it runs although we stopped it, and its remaining clicks are unknown".to_owned()
        }
        Row::ClicksUnknown => "its remaining clicks are unknown".to_owned(),
        Row::EnoughClicks => {
            format!(
                "{} clicks left, {} or more run it (spend {} of {limit})",
                clicks(),
                policy.activate_clicks,
                spend()
            )
        }
        Row::AdoptRunning => format!("it runs, with {} clicks left as it should (spend {})", clicks(), spend()),
        Row::AdoptStopped => format!("it is stopped, with {} clicks left{no_urls} as it should", clicks()),
        Row::GuardActivate => {
            format!("it is stopped although we promised that it runs ({} clicks left, spend {})", clicks(), spend())
        }
        Row::GuardPause => {
            format!("it runs although we stopped it ({} clicks left, spend {})", clicks(), spend())
        }
        Row::Between => format!(
            "{} clicks left, between {} and {}: nothing changes",
            clicks(),
            policy.pause_clicks,
            policy.activate_clicks
        ),
    }
}

/// Why it only may run, to be said after what is done about it.
fn in_doubt(status: &RemoteStatus) -> String {
    match status {
        RemoteStatus::Blocked { reason, .. } => format!("; it is blocked ({reason})"),
        RemoteStatus::Unknown { doubt, .. } => format!("; its status is unknown ({doubt})"),
        RemoteStatus::Stopped(_) | RemoteStatus::Running => String::new(),
    }
}
