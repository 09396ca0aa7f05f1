//! The day's budget under the policy `top-up`: when it is changed, and what follows (RULES.md, "Top-up").
//!
//! A change of the budget is an action like the others: it is stored before it is sent, and a read confirms it. A pause
//! does not wait for it; an activation does.

use chrono::{DateTime, SubsecRound, Utc};

use super::Machine;
use super::actions::Due;
use super::context::StepContext;
use super::invariants::{Broken, must};
use crate::domain::action::{ActionKind, Trigger};
use crate::domain::budget::{
    self, BudgetChange, BudgetPlan, DayBudget, SentTopUp, TopUpRefusal, TopUpTerms, TopUpWait,
};
use crate::domain::budget_status::BudgetStatus;
use crate::domain::clock_difference::ClockDifference;
use crate::domain::confirmation::RunBackoff;
use crate::domain::decision::{ClickLevel, Decision, Judgement, Row, SpendLevel};
use crate::domain::decision_log::Conclusion;
use crate::domain::event::Note;
use crate::domain::money::Money;
use crate::domain::observation::Observation;
use crate::domain::phase::Phase;
use crate::domain::policy::{HighSpend, Mode, Policy};
use crate::domain::remote::{RemoteCampaign, RemoteStatus};
use crate::domain::spend::SpendSource;
use crate::domain::text::clock;

/// What is known of the day's budget.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget {
    /// The present day, or the last one that was seen.
    pub(super) day: Option<DayBudget>,
    /// Whether the day has changed since it was stored.
    is_unstored: bool,
    /// Delays the next try after a change that failed.
    backoff: RunBackoff,
    /// The last change of the day's budget.
    last_change: Option<BudgetChange>,
    /// The reason why no top-up is sent, as it was reported last.
    pub(super) refused: Option<TopUpRefusal>,
}

/// A change of the budget that is due, or the reason why it is not sent now.
enum DueChange {
    /// It is sent now.
    Send(ActionKind, BudgetChange),
    /// Nothing has to be sent: this much stands there, and this much is needed.
    Leave { standing: Money, wanted: Money },
    /// It is due, and waits.
    Wait(String),
    /// It cannot be sent.
    Refuse(TopUpRefusal),
}

impl Budget {
    /// Returns the day if it must be stored, and counts it as stored.
    pub(super) fn take_unstored(&mut self) -> Option<DayBudget> {
        self.day.clone().filter(|_| std::mem::take(&mut self.is_unstored))
    }

    pub(super) const fn is_unstored(&self) -> bool {
        self.is_unstored
    }

    /// Changes the day, if there is one.
    fn change(&mut self, change: impl FnOnce(&mut DayBudget)) {
        if let Some(day) = &mut self.day {
            change(day);
            self.is_unstored = true;
        }
    }

    fn is_set_back(&self) -> bool {
        self.day.as_ref().is_some_and(|day| day.is_set_back)
    }

    /// Returns when the wait before the first top-up ends, if it has begun.
    pub(super) fn wait(&self) -> Option<TopUpWait> {
        self.day.as_ref().and_then(|day| day.wait)
    }

    pub(super) fn clamp_to_now(&mut self, now: DateTime<Utc>, policy: &Policy) {
        self.backoff.clamp_to_now(now);
        if let Some(day) = &mut self.day {
            day.clamp_to_now(now, policy);
        }
    }

    pub(super) fn invariants(&self) -> Result<(), Broken> {
        let Some(day) = &self.day else { return must(!self.is_unstored, "a budget is unstored that does not exist") };
        must(day.gathering.is_none() || day.counted.is_some(), "URLs are gathered before the first top-up")
    }
}

impl Machine {
    /// Returns the machine with the budget that was stored, and its last change.
    #[must_use]
    pub fn having_budget(mut self, day: Option<DayBudget>, last_change: Option<BudgetChange>) -> Self {
        (self.budget.day, self.budget.last_change) = (day, last_change);
        self
    }

    /// Returns what is remembered of the day's budget; `None` if the policy never was `top-up`.
    #[must_use]
    pub const fn day_budget(&self) -> Option<&DayBudget> {
        self.budget.day.as_ref()
    }

    /// Returns the day's budget for operators; `None` under another policy.
    #[must_use]
    pub fn budget_status(&self, now: DateTime<Utc>, policy: &Policy) -> Option<BudgetStatus> {
        let day = self.day_budget().filter(|day| day.day == now.date_naive());
        let last_change = self.budget.last_change.clone().filter(|_| day.is_some());
        let is_used = policy.high_spend == HighSpend::TopUp;
        is_used.then(|| BudgetStatus::new(policy, day, last_change, self.budget.refused.as_ref()))
    }

    /// Whether a tick must read the campaign's URLs one by one.
    pub(super) fn counts_urls(&self, policy: &Policy) -> bool {
        let is_counted = self.budget.day.as_ref().is_some_and(|day| day.wait.is_some() || day.counted.is_some());
        policy.high_spend == HighSpend::TopUp && is_counted
    }

    /// Returns the end of a cool-down that begins now. While the first top-up waits, it does not end before that.
    pub(super) fn cool_down_end(&self, step: &StepContext<'_>) -> DateTime<Utc> {
        let end = step.now + step.policy.cooldown;
        let is_top_up = step.policy.high_spend == HighSpend::TopUp;
        self.budget.wait().filter(|_| is_top_up).map_or(end, |wait| end.max(wait.until))
    }

    /// Returns the longest time for which a campaign may cool down.
    pub(super) fn longest_cool_down(&self, policy: &Policy) -> chrono::Duration {
        // A wait may last beyond midnight, when the day's budget is forgotten.
        let may_wait = policy.high_spend == HighSpend::TopUp;
        if may_wait { policy.cooldown.max(policy.top_up_wait) } else { policy.cooldown }
    }

    /// Follows the day's budget by the facts of a tick: a new day, URLs that came, a top-up that has taken effect
    /// although its answer was lost.
    pub(super) fn follow_budget(&mut self, step: &mut StepContext<'_>, facts: &Observation) {
        let (now, policy) = (step.now, step.policy);
        if policy.high_spend != HighSpend::TopUp {
            return;
        }
        let (today, observes) = (now.date_naive(), policy.mode == Mode::Observe);
        // What was only observed was not sent, so that each mode has a day of its own.
        let is_present = |day: &DayBudget| day.day == today && day.is_observed == observes;
        if !self.budget.day.as_ref().is_some_and(is_present) {
            self.budget = Budget { day: Some(DayBudget::new(today, observes)), ..Budget::default() };
        }
        let standing = facts.remote.as_ref().ok().and_then(|campaign| campaign.max_daily);
        let sent = self.budget.day.as_ref().and_then(|day| day.sent.as_ref());
        // A person who has raised it further has paid for these clicks, too.
        let has_landed =
            sent.is_some_and(|sent| standing.is_some_and(|standing| budget::is_enough(standing, sent.amount)));
        if has_landed && !self.last.is_changing_budget() {
            self.top_up_confirmed(step);
        }
        let urls = facts.clicks.as_ref().ok().and_then(|clicks| clicks.urls.as_ref());
        if let (Some(day), Some(urls)) = (&mut self.budget.day, urls) {
            self.budget.is_unstored |= day.gather(now, urls, policy.top_up_interval);
        }
    }

    /// Begins the wait before the first top-up. Until the campaign is known to be paused, it begins anew with each
    /// pause.
    pub(super) fn begin_top_up_wait(&mut self, step: &StepContext<'_>, is_paused: bool) {
        let is_fixed = self.budget.wait().is_some_and(|wait| wait.is_paused);
        if !is_fixed {
            let until = step.now + step.policy.top_up_wait;
            self.budget.change(|day| day.wait = Some(TopUpWait { until, is_paused }));
        }
    }

    /// Records that a pause was answered: the wait counts from then.
    pub(super) fn top_up_wait_counts(&mut self, step: &StepContext<'_>) {
        if self.budget.wait().is_some() {
            self.begin_top_up_wait(step, false);
        }
    }

    /// Records that a read shows the effect of a pause. From then on the wait stays as it is.
    pub(super) fn top_up_wait_is_fixed(&mut self) {
        if self.budget.wait().is_some_and(|wait| !wait.is_paused) {
            self.budget.change(|day| day.wait.iter_mut().for_each(|wait| wait.is_paused = true));
        }
    }

    /// Changes the budget if that is due, before anything is activated. Returns whether the tick has nothing more to
    /// decide.
    pub(super) fn change_budget(
        &mut self,
        step: &mut StepContext<'_>,
        judged: &Judgement,
        decision: &Decision,
    ) -> bool {
        let row = decision.row;
        if step.policy.high_spend != HighSpend::TopUp {
            return false;
        }
        if let Some(action) = self.last.action().filter(|_| self.last.is_changing_budget()) {
            let reason =
                format!("{} was requested at {}, and its result is awaited", action.kind, clock(action.requested_at));
            self.decisions.note(step.now, Conclusion::Nothing, None, reason);
            return true;
        }
        // A limit that it shares with other campaigns decides: no budget is raised past it, and `observe` leaves it alone.
        let shared = judged.at_limit().filter(|at_limit| *at_limit != HighSpend::TopUp);
        if shared == Some(HighSpend::Observe) {
            return false;
        }
        let Some(campaign) = self.readings.campaign().cloned() else { return false };
        if judged.spend_level == SpendLevel::Below && self.budget.wait().is_some() {
            // The limit was raised. When it is reached again, the wait begins again.
            self.budget.change(|day| day.wait = None);
        }
        if row == Row::TopUp && judged.status.may_run() && step.policy.mode == Mode::Act {
            // It was started after the wait, such as while its generator was disabled. Its spend has not caught up.
            self.budget.change(|day| day.wait = None);
            let reason = "it runs before its budget is set: the next tick pauses it, and the wait begins again";
            self.decisions.note(step.now, Conclusion::Nothing, Some(row), reason.to_owned());
            return true;
        }
        let due = self.due_set_back(step, judged, &campaign);
        let due = due.or_else(|| shared.is_none().then(|| self.due_top_up(step, judged, row, &campaign)).flatten());
        if !matches!(due, Some(DueChange::Refuse(_))) && row != Row::TopUpImpossible {
            self.budget.refused = None;
        }
        match due {
            None => false,
            // The state follows what is seen, whether the budget is set or not.
            Some(DueChange::Wait(_)) if decision.action.is_none() => false,
            Some(DueChange::Send(kind, change)) => {
                self.begin_budget_change(step, judged, row, kind, change);
                true
            }
            Some(DueChange::Leave { standing, wanted }) => {
                let reason = format!("its budget of {standing} is left: {wanted} is needed");
                step.report(if standing >= wanted {
                    Note::BudgetLeft(reason.clone())
                } else {
                    Note::TopUpRefused(format!("{reason}, and top_up_ceiling allows no more"))
                });
                self.decisions.note(step.now, Conclusion::Nothing, Some(row), reason);
                self.top_up_confirmed(step);
                self.hasten_tick(step.now);
                true
            }
            Some(DueChange::Wait(why)) => {
                self.decisions.note(step.now, Conclusion::HeldBack, Some(row), format!("its budget waits: {why}"));
                self.flags.wait(step, why);
                true
            }
            Some(DueChange::Refuse(refusal)) => {
                let reason = format!("its budget is not raised: {refusal}");
                self.decisions.note(step.now, Conclusion::Nothing, Some(row), reason);
                self.refuse_top_up(step, &refusal);
                // The first top-up must come before an activation; after it the clicks decide.
                row == Row::TopUp
            }
        }
    }

    /// Reports why no top-up is sent, once for each reason.
    pub(super) fn refuse_top_up(&mut self, step: &mut StepContext<'_>, refusal: &TopUpRefusal) {
        // The amounts in a reason change with the spend. That alone is no news.
        let is_same = |earlier: &TopUpRefusal| std::mem::discriminant(earlier) == std::mem::discriminant(refusal);
        if !self.budget.refused.as_ref().is_some_and(is_same) {
            step.report(Note::TopUpRefused(refusal.to_string()));
        }
        self.budget.refused = Some(refusal.clone());
    }

    /// Returns why `max_daily` may not be changed now.
    fn budget_waits(&self, now: DateTime<Utc>, policy: &Policy) -> Option<String> {
        if policy.past_day_end(now) {
            return Some(format!("for the next day: from {} to midnight (UTC) no budget is set", policy.day_end));
        }
        if self.readings.is_clock_far_apart() {
            return Some(ClockDifference::ACTIVATES_NOTHING.to_owned());
        }
        if self.is_end_time_in_flight() {
            return Some("for the answer to an end time in flight".to_owned());
        }
        let until = self.budget.backoff.waits_until(now)?;
        Some(format!("the last change of its budget failed; the next attempt is at {}", until.format("%H:%M:%S")))
    }

    fn due_set_back(
        &mut self,
        step: &StepContext<'_>,
        judged: &Judgement,
        campaign: &RemoteCampaign,
    ) -> Option<DueChange> {
        let daily_budget = step.policy.daily_budget.filter(|_| !self.budget.is_set_back())?;
        // `daily_budget` may be set after the first top-up. The clicks that this has paid for are not paid for again.
        if self.day_budget().is_some_and(|day| day.counted.is_some()) {
            return None;
        }
        // TrafficStars may refuse to change it, such as an archived one. It is set back before it is activated.
        if matches!(judged.status, RemoteStatus::Blocked { may_run: false, .. }) {
            return None;
        }
        // The first budget of this day is used up. What stands there now may be a person's.
        let is_reached = judged.spend.is_some_and(|spend| spend >= step.policy.spend_limit);
        if is_reached || self.budget.wait().is_some() {
            self.budget.change(|day| day.is_set_back = true);
            return None;
        }
        // Without them no top-up could follow, and the campaign would keep its first budget all day.
        TopUpTerms::of(step.policy, campaign).ok()?;
        if let Some(why) = self.budget_waits(step.now, step.policy) {
            // From the day end on only the next day needs a first budget.
            return (!step.policy.past_day_end(step.now)).then_some(DueChange::Wait(why));
        }
        let Some(change) = budget::set_back(daily_budget, campaign.max_daily) else {
            self.budget.change(|day| day.is_set_back = true);
            return None;
        };
        Some(DueChange::Send(ActionKind::DailyBudget, change))
    }

    fn due_top_up(
        &mut self,
        step: &StepContext<'_>,
        judged: &Judgement,
        row: Row,
        campaign: &RemoteCampaign,
    ) -> Option<DueChange> {
        let day = self.budget.day.as_ref()?;
        let is_gathered = day.gathering.as_ref().is_some_and(|gathering| gathering.until <= step.now);
        let is_doubtful = judged.click_level == ClickLevel::Unknown
            || matches!(judged.status, RemoteStatus::Blocked { .. } | RemoteStatus::Unknown { .. });
        if row != Row::TopUp && (!is_gathered || is_doubtful) {
            return None;
        }
        if let Some(why) = self.budget_waits(step.now, step.policy) {
            return (row == Row::TopUp).then_some(DueChange::Wait(why));
        }
        let observation = &self.readings.last.as_ref()?.observation;
        let source = observation.spend.as_ref().map(|spend| spend.source);
        let (Some(spend), Ok(SpendSource::Campaign | SpendSource::Report)) = (judged.spend, source) else {
            let why = "for today's spend from TrafficStars: the stored one may be too old to compute a budget from";
            return (row == Row::TopUp).then(|| DueChange::Wait(why.to_owned()));
        };
        let urls = observation.clicks.as_ref().ok().and_then(|clicks| clicks.urls.as_deref());
        let planned = TopUpTerms::of(step.policy, campaign).and_then(|terms| {
            let standing = campaign.max_daily;
            if day.counted.is_some() {
                Ok(Some((terms.later(spend, standing, day)?, day.counted_with_gathered())))
            } else {
                let plan = |urls| Ok((terms.first(spend, standing, urls)?, budget::counted_at_first(urls)));
                urls.map(plan).transpose()
            }
        });
        let (plan, counted) = match planned {
            Ok(Some(planned)) => planned,
            Ok(None) => return Some(DueChange::Wait("for a read of its URLs".to_owned())),
            Err(refusal) => return Some(DueChange::Refuse(refusal)),
        };
        let amount = match &plan {
            BudgetPlan::Set(change) => change.after,
            BudgetPlan::Leave { standing, .. } => *standing,
        };
        self.budget.change(|day| day.sent = Some(SentTopUp { amount, counted }));
        Some(match plan {
            BudgetPlan::Set(change) => DueChange::Send(ActionKind::TopUp, change),
            BudgetPlan::Leave { standing, wanted } => DueChange::Leave { standing, wanted },
        })
    }

    fn begin_budget_change(
        &mut self,
        step: &mut StepContext<'_>,
        judged: &Judgement,
        row: Row,
        kind: ActionKind,
        change: BudgetChange,
    ) {
        self.flags.stop_waiting();
        let (acts, reason) = (step.policy.mode == Mode::Act, change.in_words());
        let conclusion = if acts { Conclusion::SetBudget } else { Conclusion::WouldSetBudget };
        self.decisions.note(step.now, conclusion, Some(row), reason.clone());
        self.budget.last_change = Some(change.clone());
        let (end_time, next) = (step.now.trunc_subsecs(0), self.phase);
        let budget = Some(change);
        let due = Due { kind, trigger: Trigger::Tick, reason, end_time, next, by: None, budget };
        if !acts {
            // Nothing is sent, so that no answer follows. The rest of the day is shown as if it had been sent.
            self.budget_confirmed(step, kind);
            self.last.forget_observed();
        }
        self.begin(step, judged, row, due);
    }

    /// Records that `max_daily` was read back as wanted.
    pub(super) fn budget_confirmed(&mut self, step: &mut StepContext<'_>, kind: ActionKind) {
        match kind {
            ActionKind::TopUp => self.top_up_confirmed(step),
            ActionKind::DailyBudget => {
                // One that was requested yesterday does not count today.
                let action = self.last.action().filter(|action| action.kind == kind);
                let requested_at = action.map_or(step.now, |action| action.requested_at);
                if requested_at.date_naive() == step.now.date_naive() {
                    self.budget.change(|day| day.is_set_back = true);
                }
            }
            ActionKind::Activate | ActionKind::Pause | ActionKind::SetEndTime => return,
        }
        self.budget.backoff.reset();
        self.hasten_tick(step.now);
    }

    /// Records that the clicks of the last top-up are paid for. After the first one of the day the campaign runs.
    fn top_up_confirmed(&mut self, step: &mut StepContext<'_>) {
        let Some(day) = &mut self.budget.day else { return };
        let Some(SentTopUp { counted, .. }) = day.sent.take() else { return };
        let is_first = day.counted.is_none();
        day.pay(counted);
        self.budget.is_unstored = true;
        let acts = step.policy.mode == Mode::Act;
        if is_first && acts && matches!(self.phase, Phase::Idle | Phase::PausedGuarded) {
            self.enter(step, Phase::ActiveGuarded, "its budget is enough for the day");
        }
    }

    /// Records that a change of the budget had no effect, or was not sent.
    pub(super) fn budget_failed(&mut self, now: DateTime<Utc>, kind: ActionKind, has_left: bool) {
        if has_left {
            self.budget.backoff.failed(now, None);
        } else if kind == ActionKind::TopUp {
            self.budget.change(|day| day.sent = None);
        }
    }
}
