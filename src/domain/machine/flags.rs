//! Conditions that are reported to operators when they begin and end, and shown in between. They decide nothing.

use chrono::NaiveDate;

use super::context::StepContext;
use super::invariants::{Broken, must};
use crate::domain::decision::{Judgement, SpendLevel};
use crate::domain::event::{Effect, Note};
use crate::domain::money::Money;
use crate::domain::remote::RemoteStatus;
use crate::domain::shared_limit::SharedLimitReport;
use crate::domain::status::Hold;
use crate::domain::unguarded::Unguarded;

/// The flags of one campaign.
#[derive(Debug, Clone, Default)]
pub(super) struct Flags {
    /// The day on which the spend limit was seen reached; `None` if it is not reached.
    pub(super) high_spend_on: Option<NaiveDate>,
    /// The day on which the spend was reported to be near its limit, and the spend from which on it was.
    warned: Option<(NaiveDate, Money)>,
    /// The day of the last tick that knew the sums under shared limits, and what was reported on it.
    shared: Option<(NaiveDate, Vec<SharedLimitReport>)>,
    /// Set if the campaign runs past a threshold while no promise is in force.
    pub(super) unguarded: Option<Unguarded>,
    /// The reason why TrafficStars will not run the campaign.
    pub(super) blocked: Option<String>,
    /// The reason why an activation that is due waits.
    pub(super) waiting: Option<String>,
}

impl Flags {
    /// Updates `high_spend` and `blocked`, in every state.
    pub(super) fn raise(&mut self, step: &mut StepContext<'_>, judged: &Judgement) {
        let today = step.now.date_naive();
        let was_high = self.high_spend_on.is_some();
        match judged.spend_level {
            SpendLevel::Reached => self.high_spend_on = Some(today),
            SpendLevel::Below => self.high_spend_on = None,
            // A limit that was reached yesterday does not count today. Within a day an unknown spend changes nothing.
            SpendLevel::Unknown => self.high_spend_on = self.high_spend_on.filter(|&day| day == today),
        }
        if self.high_spend_on.is_some() != was_high {
            step.report(Note::HighSpend { began: !was_high });
        }
        let blocked = match &judged.status {
            RemoteStatus::Blocked { reason, .. } => Some(reason.clone()),
            // A failed read gives no new information.
            RemoteStatus::Unknown { .. } => return,
            RemoteStatus::Stopped(_) | RemoteStatus::Running => None,
        };
        if self.blocked != blocked {
            self.blocked.clone_from(&blocked);
            step.report(Note::Blocked(blocked));
        }
    }

    /// Reports that the spend is near its limit, once for each day and limit. `stored` is the spend that an earlier
    /// process may have reported.
    pub(super) fn warn(&mut self, step: &mut StepContext<'_>, judged: &Judgement, stored: Option<Money>) {
        let (Some(part), Some(spend)) = (step.policy.warn_at, judged.spend) else { return };
        let limit = step.policy.spend_limit;
        let (today, from) = (step.now.date_naive(), limit.part(part));
        if spend < from || self.warned == Some((today, from)) {
            return;
        }
        self.warned = Some((today, from));
        if stored.is_none_or(|stored| stored < from) {
            step.report(Note::Warned { spend, limit });
        }
    }

    /// Reports each limit that it shares with other campaigns and that is reached or near, once for each day and limit.
    /// What was stored before the first tick was reported by an earlier process.
    pub(super) fn warn_of_shared(&mut self, step: &mut StepContext<'_>, judged: &Judgement) {
        let Some(sums) = &judged.shared else { return };
        let day = step.now.date_naive();
        let is_first = self.shared.is_none();
        let (_, reported) = self.shared.take_if(|(of, _)| *of == day).unwrap_or((day, Vec::new()));
        let (_, reported) = self.shared.insert((day, reported));
        for sum in sums {
            let near = step.policy.warn_at.map(|part| (sum.spend_limit.part(part), false));
            for (from, is_reached) in near.into_iter().chain([(sum.spend_limit, true)]) {
                let report = SharedLimitReport { day, group: sum.group.clone(), limit: sum.spend_limit, is_reached };
                if sum.spend < from || reported.contains(&report) {
                    continue;
                }
                reported.push(report.clone());
                if !is_first || sum.stored < from {
                    step.ask_for(Effect::SharedLimit(report, sum.spend));
                }
            }
        }
    }

    /// Updates `unguarded` after a decision.
    pub(super) fn raise_unguarded(
        &mut self,
        step: &mut StepContext<'_>,
        is_promised: bool,
        judged: &Judgement,
        hold: Option<&Hold>,
    ) {
        let earlier = self.unguarded.take().filter(|_| !is_promised);
        if !is_promised {
            self.unguarded = Unguarded::after(earlier.as_ref(), step.now, judged, step.policy, hold);
        }
        if let (None, Some(unguarded)) = (earlier, &self.unguarded) {
            step.report(Note::Unguarded(unguarded.why.clone()));
        }
    }

    /// Records that an activation is due and waits, for this reason.
    pub(super) fn wait(&mut self, step: &mut StepContext<'_>, why: String) {
        if self.waiting.as_ref() != Some(&why) {
            step.report(Note::Waiting(why.clone()));
            self.waiting = Some(why);
        }
    }

    /// Records that no activation waits.
    pub(super) fn stop_waiting(&mut self) {
        self.waiting = None;
    }

    pub(super) fn invariants(&self, is_read: bool) -> Result<(), Broken> {
        let is_raised = self.high_spend_on.is_some()
            || self.unguarded.is_some()
            || self.blocked.is_some()
            || self.waiting.is_some();
        must(is_read || !is_raised, "a flag is raised before anything was read")
    }
}
