//! A campaign that runs past a threshold while no promise is in force: it spends money that nobody watches.

use chrono::{DateTime, Utc};

use super::decision::{ClickLevel, Judgement, SpendLevel};
use super::policy::Policy;
use super::remote::RemoteStatus;
use super::status::Hold;

/// Since when a campaign is unguarded, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unguarded {
    /// Since when for this reason.
    pub since: DateTime<Utc>,
    /// Its clicks are used up. Otherwise today's limit alone is reached, from which on the policy leaves it alone.
    pub clicks_used_up: bool,
    /// A hold that suspends the promise, if there is one, and the thresholds that are passed, in words.
    pub why: String,
}

impl Unguarded {
    /// Whether a campaign that nothing is promised about is unguarded. A failed read says nothing new: where requests are
    /// short, it would be told anew at every other tick.
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
        let clicks = judged.remaining.filter(|_| judged.clicks == ClickLevel::UsedUp);
        let no_urls = if judged.has_no_urls { " (it has no active URLs)" } else { "" };
        let clicks = clicks
            .map(|clicks| format!("{clicks} clicks are left{no_urls}, and {} or fewer pause it", policy.pause_clicks));
        let spend = judged.amount.filter(|_| judged.spend == SpendLevel::Reached);
        let spend = spend.map(|spend| format!("its limit of {} is reached ({spend})", policy.spend_limit));
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
