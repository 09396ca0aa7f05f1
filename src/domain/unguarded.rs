//! Unguarded campaigns: they run past a threshold while no promise is in force, so that they spend money unwatched.

use chrono::{DateTime, Utc};

use super::decision::{ClickLevel, Judgement, ReachedLimit};
use super::policy::{HighSpend, Policy};
use super::remote::RemoteStatus;
use super::status::Hold;

/// The time since which a campaign is unguarded, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unguarded {
    /// The time (UTC) since which it is unguarded for this reason.
    pub since: DateTime<Utc>,
    /// Whether its clicks are used up. Otherwise only the spend limit is reached.
    pub clicks_used_up: bool,
    /// The reasons, for operators: a hold that suspends the promise, if there is one, and the thresholds that are
    /// passed.
    pub why: String,
}

impl Unguarded {
    /// Judges a campaign for which no promise is in force. A failed read changes nothing: with a small request budget
    /// the event would otherwise be repeated at every other tick.
    pub(super) fn after(
        earlier: Option<&Self>,
        now: DateTime<Utc>,
        judged: &Judgement,
        policy: &Policy,
        hold: Option<&Hold>,
    ) -> Option<Self> {
        match judged.status {
            RemoteStatus::Running => {}
            RemoteStatus::Unknown { .. } => return earlier.cloned(),
            RemoteStatus::Stopped(_) | RemoteStatus::Blocked { .. } => return None,
        }
        let clicks = judged.remaining.filter(|_| judged.click_level == ClickLevel::UsedUp);
        let no_urls = if judged.has_no_urls { " (it has no active URLs)" } else { "" };
        let clicks = clicks.map(|clicks| {
            format!("{clicks} clicks are left{no_urls}, and {} or fewer pause it", judged.thresholds.pause)
        });
        // The policy `guard` goes on above the limit, so that the limit alone is no threshold.
        let spend = judged.reached.as_ref().filter(|_| !judged.at_limit().is_some_and(HighSpend::guards_by_clicks));
        let spend = spend.map(|reached| match reached {
            ReachedLimit::Own(_) => format!(
                "its limit of {} is reached ({})",
                policy.spend_limit,
                judged.spend.map_or_else(|| "unknown".to_owned(), |spend| spend.to_string())
            ),
            ReachedLimit::Shared(sum) => format!("the limit of {} is reached ({sum})", sum.sharers()),
        });
        let clicks_used_up = clicks.is_some();
        let is_past = clicks_used_up || spend.is_some();
        let on_hold = hold.map(|_| "it is on hold".to_owned());
        let reasons: Vec<String> = on_hold.into_iter().chain(clicks).chain(spend).collect();
        is_past.then(|| Self {
            since: earlier
                .filter(|earlier| earlier.clicks_used_up == clicks_used_up)
                .map_or(now, |earlier| earlier.since),
            clicks_used_up,
            why: reasons.join("; "),
        })
    }
}
