//! Foreign changes: changes at TrafficStars that we did not request, and when they are too many (RULES.md,
//! "Contested").

use chrono::{DateTime, Duration, Utc};

use super::another_guard::EndTimeSign;
use super::policy::Policy;
use super::remote::{EndTime, RemoteCampaign, RemoteStatus, StopCause};

/// The time for which a foreign change counts.
const MEMORY: Duration = Duration::hours(1);

/// The known state of the campaign: as last seen, or as last confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    running: bool,
    /// Whether it is stopped only because its end time has passed, and is switched on otherwise.
    ended: bool,
    /// The end time; `None` if it was not seen, as after a restart, or after we requested a new one.
    end_time: Option<EndTime>,
    /// The time (UTC) when this was known last.
    at: DateTime<Utc>,
}

/// Counts foreign changes, and slows down the activations of a contested campaign if that is configured.
#[derive(Debug, Clone, Default)]
pub(super) struct Contest {
    known: Option<Known>,
    changes: Vec<DateTime<Utc>>,
    contested: bool,
    activations: u32,
    last_activation_at: Option<DateTime<Utc>>,
    /// Whether somebody else has stopped the campaign since it was last known to run.
    is_stopped_by_others: bool,
}

/// The changes that a reading showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContestChange {
    /// Whether somebody else changed the campaign.
    pub(super) foreign: bool,
    /// Whether this change made the campaign contested.
    pub(super) began: bool,
    /// Set if somebody else changed the end time as a guard does.
    pub(super) sign: Option<EndTimeSign>,
}

impl Contest {
    pub(super) const fn is_contested(&self) -> bool {
        self.contested
    }

    /// Whether the campaign ran and something else than our own action stopped it.
    pub(super) const fn is_stopped_by_others(&self) -> bool {
        self.is_stopped_by_others
    }

    /// Moves times closer after a clock was set back, so that no event lies in the future.
    pub(super) fn clamp_to_now(&mut self, now: DateTime<Utc>) {
        let known_at = self.known.as_mut().map(|known| &mut known.at);
        let times = self.changes.iter_mut().chain(&mut self.last_activation_at).chain(known_at);
        times.for_each(|at| *at = (*at).min(now));
    }

    /// Takes the expected state from the promise, for a new actor.
    pub(super) fn expect(&mut self, now: DateTime<Utc>, running: bool) {
        self.known = Some(Known { running, ended: false, end_time: None, at: now });
    }

    /// Records a state that our own action caused, even if the campaign has other problems.
    pub(super) fn caused(&mut self, now: DateTime<Utc>, running: bool, end_time: &EndTime) {
        self.known = Some(Known { running, ended: false, end_time: Some(end_time.clone()), at: now });
    }

    /// Records that we requested an end time. A new end time is then no foreign change.
    pub(super) fn end_time_asked_for(&mut self) {
        if let Some(known) = &mut self.known {
            known.end_time = None;
        }
    }

    /// Records the state as seen.
    fn settle(&mut self, now: DateTime<Utc>, status: &RemoteStatus, campaign: &RemoteCampaign) {
        if let Some(running) = runs(status) {
            let ended = has_ended(status) && !campaign.is_switched_off();
            self.known = Some(Known { running, ended, end_time: Some(campaign.end_time.clone()), at: now });
        }
    }

    /// Records a reading that our own actions do not explain. An unclear status gives no information.
    pub(super) fn observe(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        status: &RemoteStatus,
        campaign: &RemoteCampaign,
    ) -> ContestChange {
        let end_time = &campaign.end_time;
        let foreign = runs(status).is_some() && self.is_foreign(status, end_time);
        let changed = |known: &&Known| known.end_time.as_ref().is_some_and(|known| known != end_time);
        // An unclear status is not recorded. If it counted here, the same end time would be a new sign at every tick.
        let last_known = self.known.as_ref().filter(|_| runs(status).is_some()).filter(changed);
        let sign = last_known.and_then(|known| EndTimeSign::of(now, policy, status, end_time, known.at));
        self.settle(now, status, campaign);
        if foreign {
            self.changes.push(now);
        }
        if let Some(running) = runs(status) {
            self.is_stopped_by_others = !running && (foreign || self.is_stopped_by_others);
        }
        self.changes.retain(|&at| at > now - MEMORY);
        let limit = usize::try_from(policy.contested_after).unwrap_or(usize::MAX);
        let began = !self.contested && self.changes.len() > limit;
        if began {
            self.contested = true;
            self.activations = 0;
        }
        ContestChange { foreign, began, sign }
    }

    /// Ends the contested mark after an hour without a foreign change. Returns whether it ended now.
    pub(super) fn lift(&mut self, now: DateTime<Utc>) -> bool {
        let lifted = self.contested && self.changes.iter().all(|&at| at <= now - MEMORY);
        if lifted {
            self.contested = false;
            // If the clock were set back, old changes would count again and mark the campaign without a new change.
            self.changes.clear();
        }
        lifted
    }

    /// Returns when somebody else last changed the campaign, within the last hour.
    pub(super) fn last_change_at(&self) -> Option<DateTime<Utc>> {
        self.changes.iter().max().copied()
    }

    /// Returns when the mark ends, unless others change the campaign again.
    pub(super) fn ends_at(&self) -> Option<DateTime<Utc>> {
        self.changes.iter().max().filter(|_| self.contested).map(|&at| at + MEMORY)
    }

    /// Records an activation, so that the next one can be delayed.
    pub(super) fn activated(&mut self, now: DateTime<Utc>) {
        self.last_activation_at = Some(now);
        self.activations = self.activations.saturating_add(1);
    }

    /// Returns until when the next activation waits: one tick after the last, then twice that, up to
    /// `contested_backoff`.
    pub(super) fn activation_waits_until(&self, policy: &Policy) -> Option<DateTime<Utc>> {
        let (true, Some(most), Some(last)) = (self.contested, policy.contested_backoff, self.last_activation_at) else {
            return None;
        };
        let factor = 1_i32.checked_shl(self.activations.min(20)).unwrap_or(i32::MAX);
        let wait = policy.tick.checked_mul(factor).unwrap_or(most).min(most);
        Some(last + wait)
    }

    /// Whether somebody else changed the campaign. A stop by an end time that was set before and has passed is no
    /// foreign change. Neither is a start with the same end time as before the stop: there a clock was set meanwhile,
    /// at TrafficStars or here.
    fn is_foreign(&self, status: &RemoteStatus, end_time: &EndTime) -> bool {
        let Some(known) = &self.known else { return false };
        if runs(status) == Some(known.running) {
            return false;
        }
        let is_end_time_unchanged = known.end_time.as_ref().is_none_or(|known| known == end_time);
        let came_again = known.ended && known.end_time.as_ref() == Some(end_time);
        let ended = has_ended(status) && is_end_time_unchanged;
        !(came_again || ended)
    }
}

fn has_ended(status: &RemoteStatus) -> bool {
    *status == RemoteStatus::Stopped(StopCause::EndTimePassed)
}

fn runs(status: &RemoteStatus) -> Option<bool> {
    match status {
        RemoteStatus::Running => Some(true),
        RemoteStatus::Stopped(_) => Some(false),
        RemoteStatus::Blocked { .. } | RemoteStatus::Unknown { .. } => None,
    }
}
