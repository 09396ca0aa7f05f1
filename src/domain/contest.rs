//! Changes of the remote that we did not ask for, and when they are too many (RULES.md, "Contested").

use chrono::{DateTime, Duration, Utc};

use super::another_guard::EndTimeSign;
use super::policy::Policy;
use super::remote::{EndTime, RemoteCampaign, RemoteStatus, StopCause};

/// For how long a foreign change counts.
const MEMORY: Duration = Duration::hours(1);

/// What the remote is known to be like: as last seen, or as last confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    running: bool,
    /// It is switched on: its end time alone, which has passed, keeps it stopped.
    ended: bool,
    /// `None` where it was not seen: after a restart, or after ours was asked for.
    end_time: Option<EndTime>,
    /// When that was known last.
    at: DateTime<Utc>,
}

/// Counts foreign changes and slows the activations of a contested campaign down, where that is configured.
#[derive(Debug, Clone, Default)]
pub(super) struct Contest {
    known: Option<Known>,
    changes: Vec<DateTime<Utc>>,
    contested: bool,
    activations: u32,
    last_activation_at: Option<DateTime<Utc>>,
    /// Somebody else has stopped it since it was last known to run.
    is_stopped_by_others: bool,
}

/// What a reading meant for the contest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContestChange {
    /// Somebody else changed the campaign.
    pub(super) foreign: bool,
    /// This change made it contested.
    pub(super) began: bool,
    /// Somebody else changed its end time as a guard does.
    pub(super) sign: Option<EndTimeSign>,
}

impl Contest {
    pub(super) const fn is_contested(&self) -> bool {
        self.contested
    }

    /// It ran, and an action of ours did not stop it.
    pub(super) const fn is_stopped_by_others(&self) -> bool {
        self.is_stopped_by_others
    }

    /// Nothing has happened in the future, though the clock was set back meanwhile.
    pub(super) fn clamp_to_now(&mut self, now: DateTime<Utc>) {
        let known_at = self.known.as_mut().map(|known| &mut known.at);
        let times = self.changes.iter_mut().chain(&mut self.last_activation_at).chain(known_at);
        times.for_each(|at| *at = (*at).min(now));
    }

    /// What a promise says of the remote, for an actor that was built anew.
    pub(super) fn expect(&mut self, now: DateTime<Utc>, running: bool) {
        self.known = Some(Known { running, ended: false, end_time: None, at: now });
    }

    /// A state that our own action brought about, whatever else is wrong with the campaign.
    pub(super) fn caused(&mut self, now: DateTime<Utc>, running: bool, end_time: &EndTime) {
        self.known = Some(Known { running, ended: false, end_time: Some(end_time.clone()), at: now });
    }

    /// We asked for an end time that may stand there by now: it is nobody else's.
    pub(super) fn end_time_asked_for(&mut self) {
        if let Some(known) = &mut self.known {
            known.end_time = None;
        }
    }

    /// A state as it was seen.
    fn settle(&mut self, now: DateTime<Utc>, status: &RemoteStatus, campaign: &RemoteCampaign) {
        if let Some(running) = runs(status) {
            let ended = has_ended(status) && !campaign.is_switched_off();
            self.known = Some(Known { running, ended, end_time: Some(campaign.end_time.clone()), at: now });
        }
    }

    /// A reading that no action of ours explains. A status in doubt says nothing.
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
        // A status in doubt settles nothing: the same end time would be a new sign at every tick.
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

    /// Whether an hour without a foreign change has just lifted it.
    pub(super) fn lift(&mut self, now: DateTime<Utc>) -> bool {
        let lifted = self.contested && self.changes.iter().all(|&at| at <= now - MEMORY);
        if lifted {
            self.contested = false;
            // They are over, though the clock may be set back: it would be contested again without another change.
            self.changes.clear();
        }
        lifted
    }

    /// When it is lifted, unless others change the campaign again.
    pub(super) fn ends_at(&self) -> Option<DateTime<Utc>> {
        self.changes.iter().max().filter(|_| self.contested).map(|&at| at + MEMORY)
    }

    /// Remembers an activation, to space the next one.
    pub(super) fn activated(&mut self, now: DateTime<Utc>) {
        self.last_activation_at = Some(now);
        self.activations = self.activations.saturating_add(1);
    }

    /// Until when the next activation waits: one tick after the last, then twice that, up to `contested_backoff`.
    pub(super) fn activation_waits_until(&self, policy: &Policy) -> Option<DateTime<Utc>> {
        let (true, Some(most), Some(last)) = (self.contested, policy.contested_backoff, self.last_activation_at) else {
            return None;
        };
        let factor = 1_i32.checked_shl(self.activations.min(20)).unwrap_or(i32::MAX);
        let wait = policy.tick.checked_mul(factor).unwrap_or(most).min(most);
        Some(last + wait)
    }

    /// Time alone is nobody: an end time that stood there before and has passed explains a stop. And no time passes twice:
    /// what had ended does not run with the same end time. One of both was said by a clock that was set meanwhile.
    fn is_foreign(&self, status: &RemoteStatus, end_time: &EndTime) -> bool {
        let Some(known) = &self.known else { return false };
        if runs(status) == Some(known.running) {
            return false;
        }
        let end_time_stood_there = known.end_time.as_ref().is_none_or(|known| known == end_time);
        let came_again = known.ended && known.end_time.as_ref() == Some(end_time);
        let ended = has_ended(status) && end_time_stood_there;
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
