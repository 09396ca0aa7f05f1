//! Conditions that must be true after every step. Debug builds check them, and so do the property tests.
//!
//! Each part checks its own conditions; this file checks conditions between parts. They follow from the meaning of the
//! parts, not from their code.

use chrono::{DateTime, Utc};

use super::Machine;
use crate::domain::action::ActionKind;
use crate::domain::phase::Phase;
use crate::domain::policy::Policy;

/// The condition that is not met, in words.
pub(in crate::domain) type Broken = &'static str;

/// Checks one condition; `otherwise` describes the failure.
pub(super) const fn must(is_so: bool, otherwise: Broken) -> Result<(), Broken> {
    if is_so { Ok(()) } else { Err(otherwise) }
}

impl Machine {
    /// Checks all conditions after a step at `now`.
    ///
    /// # Errors
    /// The first condition that is not met.
    pub(in crate::domain) fn invariants(&self, now: DateTime<Utc>, policy: &Policy) -> Result<(), Broken> {
        let last_number = self.questions.last_number();
        self.questions.invariants()?;
        self.last.invariants(last_number)?;
        self.end_times.invariants(last_number)?;
        self.readings.invariants(self.phase, self.end_times.has_paused())?;
        self.budget.invariants()?;
        self.flags.invariants(self.readings.last.is_some())?;
        self.disabling
            .map_or(Ok(()), |disabling| disabling.invariants(&self.last, self.questions.is_reading_back()))?;
        self.forcing.as_ref().map_or(Ok(()), |forcing| forcing.invariants(&self.last, last_number))?;
        self.times_are_near(now, policy)?;
        self.action_and_promise_agree()?;
        self.orders_are_answered()
    }

    /// Checks that no time is too far ahead, even after the clock was set. A machine whose promise has ended has no
    /// times.
    fn times_are_near(&self, now: DateTime<Utc>, policy: &Policy) -> Result<(), Broken> {
        if self.is_disabled() {
            return Ok(());
        }
        let cooled_down_at = self.phase.cooling_down_until();
        let longest = self.longest_cool_down(policy);
        must(cooled_down_at.is_none_or(|until| until <= now + longest), "it cools down for too long")?;
        must(self.next_tick_at <= policy.next_grid_point(now), "the next tick is beyond the next point of the grid")
    }

    /// Checks that the action under way fits the promise, unless an earlier process has left it unfinished.
    fn action_and_promise_agree(&self) -> Result<(), Broken> {
        let Some(action) = self.last.under_way().filter(|_| !self.last.is_inherited()) else { return Ok(()) };
        match action.kind {
            ActionKind::Activate => {
                must(self.phase == Phase::ActiveGuarded, "it is being activated, but is not promised to run")
            }
            ActionKind::Pause => {
                let cools_down = matches!(self.phase, Phase::CoolingDown { .. });
                must(cools_down, "it is being paused, but does not cool down")?;
                let is_owed = self.end_times.is_owed() || self.last.in_flight().is_none();
                must(is_owed, "a pause is in flight, but owes no end time")
            }
            ActionKind::SetEndTime | ActionKind::TopUp | ActionKind::DailyBudget => Ok(()),
        }
    }

    fn orders_are_answered(&self) -> Result<(), Broken> {
        let is_held = self.holds.unanswered.is_none() || self.is_action_in_flight();
        must(is_held, "a hold is in force, but is not answered")?;
        let is_forced = self.forcing.as_ref().is_none_or(|forcing| forcing.is_acting());
        must(self.disabling.is_none() || is_forced, "its generator is being disabled, but a forced action waits")?;
        let may_write = self.is_action_in_flight() || self.forcing.is_some();
        must(!self.is_disabled() || !may_write, "its promise has ended, but a request is in flight")
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::super::disable::{Disabling, Otherwise};
    use super::*;
    use crate::domain::action::ActionId;
    use crate::domain::order::OrderId;
    use crate::domain::policy::PolicyNumbers;

    type Break = fn(&mut Machine, ActionId);

    #[test]
    fn each_broken_invariant_is_described() {
        let (now, policy) = (DateTime::UNIX_EPOCH, PolicyNumbers::default().validate().unwrap());
        let sound = Machine::new(now, &policy, None, None);
        assert_eq!(sound.invariants(now, &policy), Ok(()));
        let pause = ActionId(7);
        let breaks: [(Break, Broken); 8] = [
            (
                |machine, _| machine.next_tick_at += Duration::hours(1),
                "the next tick is beyond the next point of the grid",
            ),
            (
                |machine, _| machine.phase = Phase::CoolingDown { until: machine.built_at + Duration::hours(1) },
                "it cools down for too long",
            ),
            (|machine, id| machine.end_times.follow(id), "an end time follows a pause that was never sent"),
            (|machine, id| machine.end_times.pause(id), "a pause has a number that was not given out"),
            (
                |machine, id| machine.disabling = Some(Disabling::Pausing(id)),
                "it waits for a pause that is not the last action",
            ),
            (
                |machine, _| {
                    machine.disabling = Some(Disabling::Read { otherwise: Otherwise::Pause, is_asked: true });
                },
                "it waits for a read that was not requested",
            ),
            (
                |machine, _| machine.flags.blocked = Some("moderation".to_owned()),
                "a flag is raised before anything was read",
            ),
            (|machine, _| machine.holds.unanswered = Some(OrderId(1)), "a hold is in force, but is not answered"),
        ];
        for (break_it, named) in breaks {
            let mut machine = sound.clone();
            break_it(&mut machine, pause);
            assert_eq!(machine.invariants(now, &policy), Err(named));
        }
    }
}
