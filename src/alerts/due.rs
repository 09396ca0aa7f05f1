//! When a receiver is told the next step of an occasion. A pure function of what is kept and the time.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::receiver::Receiver;
use crate::domain::alert::{AlertStep, Delivery, Mute, Occasion, ReceiverState};

/// What is due to one receiver about one occasion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing more, ever.
    Done,
    /// Nothing as long as the occasion stays as it is.
    Nothing,
    /// A message about it is being sent.
    Pending,
    /// This step, from this time (UTC) on; `gather_from` is the time from which on others are gathered with it.
    Step {
        /// The step.
        step: AlertStep,
        /// The time (UTC) from which on it may be sent.
        from: DateTime<Utc>,
    },
}

/// The circumstances of one decision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances<'a> {
    pub(super) now: DateTime<Utc>,
    pub(super) zone: Tz,
    pub(super) mutes: &'a [Mute],
}

impl Circumstances<'_> {
    /// Returns what is due to `receiver` about `occasion`, of which it was told `told`.
    pub(super) fn due(
        &self,
        occasion: &Occasion,
        told: Option<&Delivery>,
        receiver: &Receiver,
        state: &ReceiverState,
    ) -> Due {
        if !receiver.wants(occasion) || state.disabled_at.is_some() {
            return Due::Done;
        }
        let (step, from) = match told {
            Some(told) if told.is_pending() => return Due::Pending,
            Some(told) => match next_step(occasion, told, receiver, state) {
                Ok(next) => next,
                Err(nothing) => return nothing,
            },
            None => match first_step(occasion, state) {
                Some(first) => first,
                None => return Due::Done,
            },
        };
        if self.muted_until(occasion).is_some() && told.is_none() && !occasion.is_open() {
            // It came and went while it was muted.
            return Due::Done;
        }
        Due::Step { step, from: self.held_until(occasion, receiver).map_or(from, |until| from.max(until)) }
    }

    fn muted_until(&self, occasion: &Occasion) -> Option<DateTime<Utc>> {
        let campaign = occasion.campaign.as_ref().map(|campaign| campaign.id);
        self.mutes.iter().filter(|mute| mute.covers(campaign, self.now)).map(|mute| mute.until).max()
    }

    /// Returns the time (UTC) until which a mute or quiet hours hold an occasion back; `None` if nothing does.
    pub(super) fn held_until(&self, occasion: &Occasion, receiver: &Receiver) -> Option<DateTime<Utc>> {
        self.muted_until(occasion).max(receiver.quiet_until(occasion, self.now, self.zone))
    }
}

/// Returns the first step that a receiver is told; `None` if the occasion was over before the receiver was there.
fn first_step(occasion: &Occasion, state: &ReceiverState) -> Option<(AlertStep, DateTime<Utc>)> {
    let over_at = occasion.resolved_at.or((!occasion.lasts).then_some(occasion.since));
    if over_at.is_some_and(|over_at| over_at < state.since) {
        return None;
    }
    // One that is over by now has one message, which says that it is over.
    let step = if occasion.resolved_at.is_some() { AlertStep::Resolved } else { AlertStep::Firing };
    Some((step, occasion.since))
}

/// Returns the step after one that was delivered or given up.
fn next_step(
    occasion: &Occasion,
    told: &Delivery,
    receiver: &Receiver,
    state: &ReceiverState,
) -> Result<(AlertStep, DateTime<Utc>), Due> {
    if !occasion.lasts || told.step == AlertStep::Resolved {
        return Err(Due::Done);
    }
    if let Some(resolved_at) = occasion.resolved_at {
        // Without the beginning the end says nothing.
        let is_told = receiver.resolved && told.delivered_at.is_some();
        return if is_told { Ok((AlertStep::Resolved, resolved_at)) } else { Err(Due::Done) };
    }
    if let Some(given_up_at) = told.given_up_at {
        // It has never heard of this. When it takes messages again, it gets one under an id that it cannot have seen.
        let back_at = state.delivered_at.filter(|back_at| *back_at > given_up_at);
        return back_at.map(|back_at| (AlertStep::Reminder, back_at)).ok_or(Due::Nothing);
    }
    let after = receiver.remind_after.filter(|_| occasion.acked.is_none() && told.delivered_at.is_some());
    let last = told.last_sent_at.unwrap_or(told.gathered_at);
    match after.and_then(|after| TimeDelta::from_std(after).ok()) {
        Some(after) => Ok((AlertStep::Reminder, last + after)),
        None => Err(Due::Nothing),
    }
}
