//! The decision table (RULES.md, "Decisions"): takes facts and a state, returns the first row that fits.
//!
//! Deliberately absent: the cool-down, during which spend and clicks decide nothing, and everything that delays a
//! decided action (day end, backoff, an action in flight). `machine` calls [`decide`] and then checks those.

use chrono::{DateTime, Utc};

use super::action::ActionKind;
use super::budget::TopUpStage;
use super::money::{Clicks, Money, RemainingClicks};
use super::observation::Observation;
use super::phase::PhaseWord;
use super::policy::{ClickThresholds, HighSpend, Policy, PolicyNumbers};
use super::remote::{RemoteStatus, StatusDoubt};
use super::shared_limit::{SharedSpend, shared_spends};

/// The rows of the decision table, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    /// The clicks are used up and the campaign may run: pause.
    ClicksUsedUp,
    /// The status is blocked or unknown, and the campaign may run although it is promised to be paused: pause.
    GuardPauseInDoubt,
    /// The status is blocked or unknown: do nothing.
    Doubt,
    /// The spend limit is reached, and the policy is `observe`: leave the campaign alone.
    HighSpend,
    /// The spend limit is reached, the policy is `pause`, and the campaign may run: pause.
    PauseAtLimit,
    /// The spend limit is reached, the policy is `pause`, and the campaign is stopped: adopt it.
    StoppedAtLimit,
    /// The spend limit is reached, the policy is `top-up`, the day's budget is not set, and the campaign may run: pause,
    /// and wait.
    PauseToTopUp,
    /// The same, and the campaign is stopped: wait.
    WaitToTopUp,
    /// The spend limit is reached, the policy is `top-up`, and the wait has ended: set the day's budget.
    TopUp,
    /// The spend limit is reached, the policy is `top-up`, and no budget can be computed: leave the campaign alone.
    TopUpImpossible,
    /// The spend is unknown, the clicks are not known to be used up, and the campaign runs against the promise: pause.
    GuardPauseWithoutSpend,
    /// The spend is unknown: do nothing.
    SpendUnknown,
    /// The clicks are unknown, and the campaign runs against the promise: pause.
    GuardPauseWithoutClicks,
    /// The clicks are unknown: do nothing.
    ClicksUnknown,
    /// Enough clicks remain, and the campaign is stopped: activate.
    EnoughClicks,
    /// Enough clicks remain, and the campaign runs: adopt it.
    AdoptRunning,
    /// The clicks are used up, and the campaign is stopped: adopt it.
    AdoptStopped,
    /// The clicks are between the thresholds, and the campaign is stopped against the promise: activate.
    GuardActivate,
    /// The clicks are between the thresholds, and the campaign runs against the promise: pause.
    GuardPause,
    /// The clicks are between the thresholds, and no promise is broken: do nothing.
    Between,
}

/// The decision of one row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The row that fits.
    pub row: Row,
    /// The request to send; `None` if there is nothing to send.
    pub action: Option<ActionKind>,
    /// The next state; `None` leaves the state unchanged.
    pub next: Option<PhaseWord>,
}

/// The remaining clicks, compared with the two click thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClickLevel {
    /// The clicks are not known, or are too doubtful to activate by.
    Unknown,
    /// At or below the pause threshold.
    UsedUp,
    /// Between the thresholds.
    Between,
    /// At or above the activation threshold.
    Enough,
}

/// Today's spends, compared with the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpendLevel {
    /// The campaign's spend, or a sum under a limit that it shares, is not known.
    Unknown,
    /// Below every limit.
    Below,
    /// A limit is reached.
    Reached,
}

/// A spend limit that is reached, and that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReachedLimit {
    /// The campaign's own, with its policy.
    Own(HighSpend),
    /// One that it shares with other campaigns.
    Shared(SharedSpend),
}

impl ReachedLimit {
    /// What the guard does at this limit.
    const fn high_spend(&self) -> HighSpend {
        match self {
            Self::Own(high_spend) => *high_spend,
            Self::Shared(sum) => sum.high_spend,
        }
    }
}

/// One observation, reduced to what the decision table reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The remote status.
    pub status: RemoteStatus,
    /// Today's spend, compared with the limit.
    pub spend_level: SpendLevel,
    /// The remaining clicks, compared with the thresholds.
    pub click_level: ClickLevel,
    /// Today's spend; `None` if it is unknown.
    pub spend: Option<Money>,
    /// The remaining clicks; `None` if they are unknown.
    pub remaining: Option<Clicks>,
    /// Whether no clicks are left because the campaign has no active URL.
    pub has_no_urls: bool,
    /// The click thresholds in force at this spend.
    pub thresholds: ClickThresholds,
    /// The spend limit that is reached and decides; `None` if none is known to be reached.
    pub reached: Option<ReachedLimit>,
    /// The sums under the limits that the campaign shares with others; `None` if they are unknown.
    pub shared: Option<Vec<SharedSpend>>,
    /// How far the day's first top-up has come.
    pub top_up: TopUpStage,
}

impl Judgement {
    /// Judges an observation by the policy.
    #[must_use]
    pub fn new(observation: &Observation, policy: &Policy, now: DateTime<Utc>) -> Self {
        let spend = observation.spend.as_ref().ok().filter(|spend| spend.day == now.date_naive());
        let spend = spend.map(|spend| spend.amount);
        let remaining = observation.clicks.as_ref().ok();
        let shared = shared_spends(observation, policy, now);
        let reached = reached_limit(policy, spend, shared.as_deref().unwrap_or_default());
        let spend_level = match spend {
            _ if reached.is_some() => SpendLevel::Reached,
            Some(_) if shared.is_some() => SpendLevel::Below,
            Some(_) | None => SpendLevel::Unknown,
        };
        let thresholds = policy.thresholds(reached.as_ref().map(ReachedLimit::high_spend));
        Self {
            status: super::remote::judge(&observation.remote, now),
            spend_level,
            click_level: remaining.map_or(ClickLevel::Unknown, |clicks| click_level(clicks, policy, thresholds)),
            spend,
            remaining: remaining.map(|clicks| clicks.count),
            has_no_urls: remaining.is_some_and(|clicks| clicks.active_urls == 0),
            thresholds,
            reached,
            shared,
            top_up: TopUpStage::Unused,
        }
    }

    /// Returns the judgement with the stage of the day's first top-up.
    #[must_use]
    pub fn at_stage(self, top_up: TopUpStage) -> Self {
        Self { top_up, ..self }
    }

    /// The policy in force at the spend limit; `None` below the limit, and while the spend is unknown.
    #[must_use]
    pub fn at_limit(&self) -> Option<HighSpend> {
        self.reached.as_ref().map(ReachedLimit::high_spend)
    }

    /// Returns which limit is reached and by how much, in words.
    #[must_use]
    pub fn limit_in_words(&self, policy: &Policy) -> String {
        match &self.reached {
            Some(ReachedLimit::Shared(sum)) => {
                format!("{} or more is spent today by {} ({sum})", sum.spend_limit, sum.sharers())
            }
            Some(ReachedLimit::Own(_)) | None => {
                format!("{} or more is spent today ({})", policy.spend_limit, spend_in_words(self.spend))
            }
        }
    }
}

/// Returns which spend is unknown.
const fn unknown_spend(judged: &Judgement) -> &'static str {
    match judged.spend {
        Some(_) => "the spend under a limit that it shares could not be read from the database",
        None => "its spend is unknown",
    }
}

fn spend_in_words(spend: Option<Money>) -> String {
    spend.map_or_else(|| "unknown".to_owned(), |spend| spend.to_string())
}

/// Returns the limit that decides: of the limits that are reached, one whose policy is `pause`, else the
/// narrowest. `None` if no limit is reached. While the campaign's own spend is unknown, only `pause` counts: nothing is
/// activated, and no guard ends, on an unknown spend.
fn reached_limit(policy: &PolicyNumbers, spend: Option<Money>, shared: &[SharedSpend]) -> Option<ReachedLimit> {
    let own = spend.filter(|spend| *spend >= policy.spend_limit).map(|_| ReachedLimit::Own(policy.high_spend));
    let shared = shared.iter().filter(|sum| sum.is_reached()).cloned().map(ReachedLimit::Shared);
    let reached = own.into_iter().chain(shared);
    let decides = reached.filter(|limit| spend.is_some() || limit.high_spend() == HighSpend::Pause);
    // Of several minima the first one is returned: the narrowest.
    decides.min_by_key(|limit| limit.high_spend() != HighSpend::Pause)
}

/// Compares clicks with the thresholds. An invalid row counts as 0 in the sum: such a sum is enough to pause by, but
/// not to activate by. An implausibly large sum is taken for a wrong limit, so it is unknown.
fn click_level(clicks: &RemainingClicks, policy: &Policy, thresholds: ClickThresholds) -> ClickLevel {
    if clicks.count <= thresholds.pause {
        ClickLevel::UsedUp
    } else if policy.clicks_doubt(clicks).is_some() {
        ClickLevel::Unknown
    } else if clicks.count >= thresholds.activate {
        ClickLevel::Enough
    } else {
        ClickLevel::Between
    }
}

/// Returns the first row that fits. `phase` must not be cooling down; the caller passes a cool-down that has ended as
/// paused-guarded.
#[must_use]
pub fn decide(judged: &Judgement, phase: PhaseWord) -> Decision {
    let row = first_row(judged, phase);
    let (action, next) = match row {
        Row::Doubt | Row::SpendUnknown | Row::ClicksUnknown | Row::Between => (None, None),
        Row::ClicksUsedUp
        | Row::GuardPauseInDoubt
        | Row::GuardPauseWithoutSpend
        | Row::GuardPauseWithoutClicks
        | Row::PauseAtLimit
        | Row::PauseToTopUp
        | Row::GuardPause => (Some(ActionKind::Pause), Some(PhaseWord::CoolingDown)),
        Row::HighSpend | Row::TopUpImpossible => (None, Some(PhaseWord::Idle)),
        Row::WaitToTopUp => (None, Some(PhaseWord::CoolingDown)),
        Row::TopUp => (Some(ActionKind::TopUp), None),
        Row::EnoughClicks | Row::GuardActivate => (Some(ActionKind::Activate), Some(PhaseWord::ActiveGuarded)),
        Row::AdoptRunning => (None, Some(PhaseWord::ActiveGuarded)),
        Row::AdoptStopped | Row::StoppedAtLimit => (None, Some(PhaseWord::PausedGuarded)),
    };
    Decision { row, action, next }
}

fn first_row(judged: &Judgement, phase: PhaseWord) -> Row {
    let running = judged.status == RemoteStatus::Running;
    let at_limit = judged.at_limit();
    if at_limit == Some(HighSpend::Pause) && judged.status.may_run() {
        return Row::PauseAtLimit;
    }
    let is_left_alone = at_limit == Some(HighSpend::Observe);
    if judged.click_level == ClickLevel::UsedUp && !is_left_alone && judged.status.may_run() {
        return Row::ClicksUsedUp;
    }
    let against_promise = judged.status.may_run() && phase == PhaseWord::PausedGuarded;
    if !running && !is_left_alone && against_promise {
        return Row::GuardPauseInDoubt;
    }
    if let Some(row) = top_up_row(judged, phase) {
        return row;
    }
    if matches!(judged.status, RemoteStatus::Blocked { .. } | RemoteStatus::Unknown { .. }) {
        return Row::Doubt;
    }
    let must_stop = running && phase == PhaseWord::PausedGuarded;
    let must_run = !running && phase == PhaseWord::ActiveGuarded;
    match at_limit {
        Some(HighSpend::Observe) => return Row::HighSpend,
        // A campaign that may run has returned `PauseAtLimit` above.
        Some(HighSpend::Pause) => return Row::StoppedAtLimit,
        Some(HighSpend::Guard | HighSpend::TopUp) | None => {}
    }
    match (judged.spend_level, judged.click_level) {
        (SpendLevel::Unknown, _) if must_stop => Row::GuardPauseWithoutSpend,
        (SpendLevel::Unknown, _) => Row::SpendUnknown,
        (SpendLevel::Below | SpendLevel::Reached, ClickLevel::Unknown) if must_stop => Row::GuardPauseWithoutClicks,
        (SpendLevel::Below | SpendLevel::Reached, ClickLevel::Unknown) => Row::ClicksUnknown,
        (SpendLevel::Below | SpendLevel::Reached, ClickLevel::Enough) if running => Row::AdoptRunning,
        (SpendLevel::Below | SpendLevel::Reached, ClickLevel::Enough) => Row::EnoughClicks,
        // A running campaign with its clicks used up has returned `ClicksUsedUp` above.
        (SpendLevel::Below | SpendLevel::Reached, ClickLevel::UsedUp) => Row::AdoptStopped,
        (SpendLevel::Below | SpendLevel::Reached, ClickLevel::Between) if must_run => Row::GuardActivate,
        (SpendLevel::Below | SpendLevel::Reached, ClickLevel::Between) if must_stop => Row::GuardPause,
        (SpendLevel::Below | SpendLevel::Reached, ClickLevel::Between) => Row::Between,
    }
}

/// Returns the row of the first top-up of the day. `None` if another row decides.
fn top_up_row(judged: &Judgement, phase: PhaseWord) -> Option<Row> {
    let has_clicks = matches!(judged.click_level, ClickLevel::Between | ClickLevel::Enough);
    if judged.at_limit() != Some(HighSpend::TopUp) || !has_clicks {
        return None;
    }
    let may_run = judged.status.may_run();
    // A word for a used-up budget was never seen. So a status that only its word puts in doubt is no obstacle.
    let is_readable = !matches!(
        judged.status,
        RemoteStatus::Blocked { .. } | RemoteStatus::Unknown { doubt: StatusDoubt::NotRead(_), .. }
    );
    match judged.top_up {
        TopUpStage::Unused | TopUpStage::Done => None,
        TopUpStage::Refused(_) if is_readable => Some(Row::TopUpImpossible),
        TopUpStage::Due if may_run => Some(Row::PauseToTopUp),
        TopUpStage::Due if is_readable => Some(Row::WaitToTopUp),
        TopUpStage::Waited if may_run && phase == PhaseWord::PausedGuarded => Some(Row::GuardPause),
        TopUpStage::Waited if is_readable => Some(Row::TopUp),
        TopUpStage::Refused(_) | TopUpStage::Due | TopUpStage::Waited => None,
    }
}

/// Returns the reason for the decision, for operators.
#[must_use]
pub fn reason(decision: &Decision, judged: &Judgement, policy: &Policy) -> String {
    let clicks = || judged.remaining.map_or_else(|| "unknown".to_owned(), |clicks| clicks.to_string());
    let no_urls = if judged.has_no_urls { " (it has no active URLs)" } else { "" };
    let spend = || spend_in_words(judged.spend);
    let at_limit = || judged.limit_in_words(policy);
    match decision.row {
        Row::Doubt => match &judged.status {
            RemoteStatus::Blocked { reason, .. } => format!("TrafficStars will not run it: {reason}"),
            RemoteStatus::Unknown { doubt, .. } => format!("its status is unknown: {doubt}"),
            RemoteStatus::Stopped(_) | RemoteStatus::Running => "its status is in doubt".to_owned(),
        },
        Row::GuardPauseInDoubt => {
            format!("it may run although it should be stopped: it is switched on{}", in_doubt(&judged.status))
        }
        Row::ClicksUsedUp => {
            format!(
                "it {} with {} clicks left{no_urls}, {} or fewer pause it{} (spend {})",
                if judged.status == RemoteStatus::Running { "runs" } else { "may run" },
                clicks(),
                judged.thresholds.pause,
                in_doubt(&judged.status),
                spend()
            )
        }
        Row::HighSpend => format!("{}: it is left alone", at_limit()),
        Row::PauseAtLimit => {
            format!(
                "it {} although {}: the policy at the limit is pause",
                if judged.status == RemoteStatus::Running { "runs" } else { "may run" },
                at_limit()
            )
        }
        Row::PauseToTopUp | Row::WaitToTopUp => format!(
            "{}, and {} clicks are left: its spend is waited for, to compute the day's budget",
            at_limit(),
            clicks()
        ),
        Row::TopUp => format!("{}: the day's budget is set", at_limit()),
        Row::TopUpImpossible => {
            let why = if let TopUpStage::Refused(why) = &judged.top_up { why.to_string() } else { String::new() };
            format!("{}, and its budget is not raised: {why}", at_limit())
        }
        Row::StoppedAtLimit => format!("it is stopped as it should: {}", at_limit()),
        Row::GuardPauseWithoutSpend => {
            format!("it runs although it should be stopped, and {}", unknown_spend(judged))
        }
        Row::SpendUnknown => unknown_spend(judged).to_owned(),
        Row::GuardPauseWithoutClicks => {
            "it runs although it should be stopped, and its remaining clicks are unknown".to_owned()
        }
        Row::ClicksUnknown => "its remaining clicks are unknown".to_owned(),
        Row::EnoughClicks => {
            format!(
                "{} clicks left, {} or more run it (spend {} of {})",
                clicks(),
                judged.thresholds.activate,
                spend(),
                policy.spend_limit
            )
        }
        Row::AdoptRunning => format!("it runs, with {} clicks left as it should (spend {})", clicks(), spend()),
        Row::AdoptStopped => format!("it is stopped, with {} clicks left{no_urls} as it should", clicks()),
        Row::GuardActivate => {
            format!("it is stopped although it should run ({} clicks left, spend {})", clicks(), spend())
        }
        Row::GuardPause => {
            format!("it runs although it should be stopped ({} clicks left, spend {})", clicks(), spend())
        }
        Row::Between => format!(
            "{} clicks left, between {} and {}: nothing changes",
            clicks(),
            judged.thresholds.pause,
            judged.thresholds.activate
        ),
    }
}

/// Returns why the status is blocked or unknown, as an addition to the sentence about the pause; otherwise nothing.
fn in_doubt(status: &RemoteStatus) -> String {
    match status {
        RemoteStatus::Blocked { reason, .. } => format!("; it is blocked ({reason})"),
        RemoteStatus::Unknown { doubt, .. } => format!("; its status is unknown ({doubt})"),
        RemoteStatus::Stopped(_) | RemoteStatus::Running => String::new(),
    }
}
