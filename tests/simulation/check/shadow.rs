//! The decision table of RULES.md, row by row, and the page's rules about each tick. Each step of a tick is compared
//! with them.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::action::{ActionKind, Step as ActionStep};
use traffic_generator::domain::event::{Effect, Event};
use traffic_generator::domain::failure::RemoteFault;
use traffic_generator::domain::order::ForceKind;
use traffic_generator::domain::phase::Phase;
use traffic_generator::domain::policy::{HighSpend, Mode, Policy};

use super::judge::{self, ClickClass, Remote, SpendClass};
use super::memory::{Memory, Owed, Wait};
use super::world::{Doing, Place, Question, Stage, Step, World};
use super::{Checker, Findings};
use crate::model::log::{Line, Seen, What};

/// A row's condition on the remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RemoteIs {
    BlockedOrUnknown,
    MayRun,
    /// It may run, but is not known to be running.
    MayRunInDoubt,
    Running,
    Stopped,
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StateIs {
    Active,
    Paused,
    Any,
}

/// One row of the table.
#[derive(Debug)]
struct TableRow {
    spend: &'static [SpendClass],
    clicks: &'static [ClickClass],
    remote: RemoteIs,
    state: StateIs,
    does: Option<ActionKind>,
    /// The next state. `None` if it stays, or if a pause leads to a cool-down.
    next: Option<Phase>,
}

const ANY_SPEND: &[SpendClass] = &[SpendClass::Unknown, SpendClass::Below, SpendClass::Reached, SpendClass::Above];
const ANY_CLICKS: &[ClickClass] = &[ClickClass::Unknown, ClickClass::UsedUp, ClickClass::Between, ClickClass::Enough];
const NOT_LEFT_ALONE: &[SpendClass] = &[SpendClass::Unknown, SpendClass::Below, SpendClass::Above];
const STANDSTILL: &[SpendClass] = &[SpendClass::Standstill];
const UNKNOWN: &[SpendClass] = &[SpendClass::Unknown];
/// The rows below the limit go on above it under the policy `guard`.
const BELOW: &[SpendClass] = &[SpendClass::Below, SpendClass::Above];
const USED_UP: &[ClickClass] = &[ClickClass::UsedUp];
const MORE_OR_UNKNOWN: &[ClickClass] = &[ClickClass::Between, ClickClass::Enough, ClickClass::Unknown];
const NO_CLICKS: &[ClickClass] = &[ClickClass::Unknown];
const ENOUGH: &[ClickClass] = &[ClickClass::Enough];
const BETWEEN: &[ClickClass] = &[ClickClass::Between];
const PAUSE: Option<ActionKind> = Some(ActionKind::Pause);
const ACTIVATE: Option<ActionKind> = Some(ActionKind::Activate);

const fn row(
    spend: &'static [SpendClass],
    clicks: &'static [ClickClass],
    remote: RemoteIs,
    state: StateIs,
    does: Option<ActionKind>,
    next: Option<Phase>,
) -> TableRow {
    TableRow { spend, clicks, remote, state, does, next }
}

/// RULES.md, "Decisions", row by row.
const TABLE: [TableRow; 14] = [
    row(NOT_LEFT_ALONE, USED_UP, RemoteIs::MayRun, StateIs::Any, PAUSE, None),
    row(NOT_LEFT_ALONE, ANY_CLICKS, RemoteIs::MayRunInDoubt, StateIs::Paused, PAUSE, None),
    row(ANY_SPEND, ANY_CLICKS, RemoteIs::BlockedOrUnknown, StateIs::Any, None, None),
    row(&[SpendClass::Reached], ANY_CLICKS, RemoteIs::Any, StateIs::Any, None, Some(Phase::Idle)),
    row(UNKNOWN, MORE_OR_UNKNOWN, RemoteIs::Running, StateIs::Paused, PAUSE, None),
    row(UNKNOWN, ANY_CLICKS, RemoteIs::Any, StateIs::Any, None, None),
    row(BELOW, NO_CLICKS, RemoteIs::Running, StateIs::Paused, PAUSE, None),
    row(BELOW, NO_CLICKS, RemoteIs::Any, StateIs::Any, None, None),
    row(BELOW, ENOUGH, RemoteIs::Stopped, StateIs::Any, ACTIVATE, Some(Phase::ActiveGuarded)),
    row(BELOW, ENOUGH, RemoteIs::Running, StateIs::Any, None, Some(Phase::ActiveGuarded)),
    row(BELOW, USED_UP, RemoteIs::Stopped, StateIs::Any, None, Some(Phase::PausedGuarded)),
    row(BELOW, BETWEEN, RemoteIs::Stopped, StateIs::Active, ACTIVATE, Some(Phase::ActiveGuarded)),
    row(BELOW, BETWEEN, RemoteIs::Running, StateIs::Paused, PAUSE, None),
    row(BELOW, BETWEEN, RemoteIs::Any, StateIs::Any, None, None),
];

/// RULES.md, "High spend": the rows of the policy `pause`, from the limit on.
const PAUSE_POLICY: [TableRow; 3] = [
    row(STANDSTILL, ANY_CLICKS, RemoteIs::MayRun, StateIs::Any, PAUSE, None),
    row(STANDSTILL, ANY_CLICKS, RemoteIs::BlockedOrUnknown, StateIs::Any, None, None),
    row(STANDSTILL, ANY_CLICKS, RemoteIs::Stopped, StateIs::Any, None, Some(Phase::PausedGuarded)),
];

/// The classes of one tick's facts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) spend: SpendClass,
    pub(super) clicks: ClickClass,
    pub(super) remote: Remote,
}

impl Facts {
    pub(super) fn of(seen: &Seen, wall: DateTime<Utc>) -> Self {
        let spend = judge::spend_class(judge::spend(seen, wall), &seen.policy);
        let clicks = judge::clicks(&seen.clicks, spend, &seen.policy);
        Self { spend, clicks, remote: judge::remote(&seen.remote, wall) }
    }
}

impl TableRow {
    fn fits(&self, facts: Facts, phase: Phase) -> bool {
        let remote = match self.remote {
            RemoteIs::BlockedOrUnknown => matches!(facts.remote, Remote::Blocked { .. } | Remote::Unknown { .. }),
            RemoteIs::MayRun => facts.remote.may_run(),
            RemoteIs::MayRunInDoubt => facts.remote.may_run() && facts.remote != Remote::Running,
            RemoteIs::Running => facts.remote == Remote::Running,
            RemoteIs::Stopped => facts.remote.is_stopped(),
            RemoteIs::Any => true,
        };
        let state = match self.state {
            StateIs::Active => phase == Phase::ActiveGuarded,
            StateIs::Paused => phase == Phase::PausedGuarded,
            StateIs::Any => true,
        };
        remote && state && self.spend.contains(&facts.spend) && self.clicks.contains(&facts.clicks)
    }
}

/// Returns the first row that fits, with its number: those of the policy `pause` follow those of the table.
fn first_row(facts: Facts, phase: Phase) -> Option<(usize, &'static TableRow)> {
    (1..).zip(TABLE.iter().chain(&PAUSE_POLICY)).find(|(_, row)| row.fits(facts, phase))
}

/// What a tick's step may do. There is more than one choice where the page allows it.
struct Expected {
    /// The request, and the state after it; `None` as the state if any state is allowed.
    allowed: Vec<(Option<ActionKind>, Option<Phase>)>,
    /// The reason, for the report.
    why: String,
    would: Would,
}

/// The decision that observe mode has to journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Would {
    /// No decision, or the page leaves it open.
    Undecided,
    Nothing,
    /// An action, by this row of the page.
    Do(ActionKind, usize),
    /// An action by this row, or none if it waits.
    Perhaps(ActionKind, usize),
}

/// The row for a pause that keeps a promise: the last but one of the table, also for a pause by a cool-down or a hold.
const GUARD_PAUSE: usize = 13;

impl Expected {
    fn one(request: Option<ActionKind>, phase: Phase, why: impl Into<String>) -> Self {
        Self { allowed: vec![(request, Some(phase))], why: why.into(), would: Would::Nothing }
    }

    fn undecided(self) -> Self {
        Self { would: Would::Undecided, ..self }
    }
}

/// `as-the-table-says`, `spend-by-its-sources`, `observed-only-is-journalled`.
#[derive(Debug, Default)]
pub(super) struct AsTheTableSays {
    memory: BTreeMap<usize, Memory>,
}

/// One tick, and what its decision depends on.
struct Tick<'a, 'b> {
    world: &'b World<'a>,
    place: &'b Place<'a>,
    step: &'b Step<'a>,
    seen: &'b Seen,
    memory: &'b Memory,
}

impl Checker for AsTheTableSays {
    fn line(&mut self, _world: &World<'_>, _index: usize, line: &Line, _found: &mut Findings) {
        match &line.what {
            What::Started { campaigns } => {
                self.memory = campaigns.iter().map(|found| (found.campaign, Memory::restored(found))).collect();
            }
            What::Enabled(restored) => {
                self.memory.insert(restored.campaign, Memory::restored(restored));
            }
            What::Gone { campaign } => {
                self.memory.remove(campaign);
            }
            _ => {}
        }
    }

    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let Some(place) = world.place(step.campaign) else { return };
        let memory = self.memory.entry(step.campaign).or_default();
        memory.take_reading(place, step);
        if let (Event::Observed { question_id, .. }, Some(seen)) = (step.event, step.seen) {
            let question = place.observing.filter(|question| question.question_id == *question_id);
            check_spend(seen, step, found);
            let tick = Tick { world, place, step, seen, memory };
            let expected = tick.expected(question);
            tick.compare(&expected, found);
            check_observed_only(memory, seen, step, &expected, found);
        }
        memory.take_step(place, step);
    }
}

impl Tick<'_, '_> {
    fn expected(&self, question: Option<Question>) -> Expected {
        let Self { place, step, seen, .. } = self;
        let unchanged = |why: &str| Expected::one(None, place.phase, why).undecided();
        let Some(question) = question else { return unchanged("the answer belongs to no open question") };
        if place.disabling || self.ends_a_single_force() {
            return Expected { allowed: vec![(None, None)], ..unchanged("its generator is being disabled") };
        }
        if self.still_open() {
            let why = "an action is under way: sent is not done";
            // A pause does not wait for a change of the budget.
            let changes_budget = |doing: &&Doing| matches!(doing.kind, ActionKind::TopUp | ActionKind::DailyBudget);
            if self.place.open().filter(changes_budget).is_some() {
                return Expected { allowed: vec![(None, None), (PAUSE, None)], ..unchanged(why) };
            }
            return unchanged(why);
        }
        if question.line < place.changed_line {
            return unchanged("an action was answered while this was read: the read says nothing about its effect");
        }
        if let Some(forced) =
            place.forced.as_ref().filter(|forced| forced.action.is_none() && forced.line < question.line)
        {
            return self.forced(forced.force.kind);
        }
        // The end of a cool-down is an absolute time: a clock that was set back meanwhile has not reached it.
        let cools = matches!(place.phase, Phase::CoolingDown { until } if question.wall.min(self.step.wall) < until);
        // The tick at the end of a cool-down enters `paused-guarded`, and the table decides from there.
        let phase = match place.phase {
            Phase::CoolingDown { .. } if !cools => Phase::PausedGuarded,
            Phase::Idle | Phase::ActiveGuarded | Phase::PausedGuarded | Phase::CoolingDown { .. } => place.phase,
        };
        let facts = Facts::of(seen, step.wall);
        if let Some(hold) = place.holding(step.wall) {
            let why = "it is on hold";
            return match hold.pause {
                true if facts.remote.may_run() => self.pause(phase, GUARD_PAUSE, "it is on hold, and is kept paused"),
                true => self.nothing(phase, phase, facts, why),
                false => Expected::one(None, phase, why),
            };
        }
        if cools {
            return self.cooling_down(phase, facts);
        }
        self.by_the_table(phase, facts)
    }

    /// Whether this read ends an order for a campaign whose generator is disabled, and with it the campaign's actor.
    fn ends_a_single_force(&self) -> bool {
        let once = self.place.forced.as_ref().filter(|forced| forced.once && forced.action.is_some());
        once.is_some_and(|forced| {
            self.step.has(|effect| matches!(effect, Effect::ForceEnded { order, .. } if *order == forced.order))
        })
    }

    /// Whether an action is still open. Within `confirm_within` a read with the old state is a late effect. No decision
    /// waits for an action that sets an end time alone.
    fn still_open(&self) -> bool {
        let Some(doing) = self.place.open() else { return false };
        let over =
            self.step.end_of(doing.id).is_some_and(|_| self.step.sent().all(|sent| sent.request.action != doing.id));
        let waits = doing.kind != ActionKind::SetEndTime || self.seen.policy.mode == Mode::Observe;
        waits && !(over && matches!(doing.stage, Stage::Awaiting { .. }))
    }

    fn cooling_down(&self, phase: Phase, facts: Facts) -> Expected {
        // A campaign that may run is paused again, and its 2 minutes start anew.
        if facts.remote.may_run() {
            return self.pause(phase, GUARD_PAUSE, "it may run during its cool-down");
        }
        self.nothing(phase, phase, facts, "it cools down")
    }

    fn has_failed(&self) -> bool {
        let Some(doing) = self.place.doing else { return false };
        let failed_now = self.step.end_of(doing.id).is_some_and(|(_, end)| end.came_to_nothing());
        failed_now || doing.stage == Stage::Failed
    }

    fn by_the_table(&self, phase: Phase, facts: Facts) -> Expected {
        let policy = &self.seen.policy;
        let Some((number, row)) = first_row(facts, phase) else {
            return Expected::one(None, phase, format!("no row fits {facts:?} in {phase:?}"));
        };
        // Rows 1 and 2 pause under every policy. The other rows may wait for a change of the budget.
        let pauses = row.does == PAUSE && (number <= 2 || facts.spend != SpendClass::Above);
        if policy.high_spend == HighSpend::TopUp && !pauses {
            return self.with_budgets(phase, facts, number);
        }
        let why = format!("row {number} of the table, by {facts:?} in {phase:?}");
        match row.does {
            Some(ActionKind::Pause) => self.pause(phase, number, &why),
            Some(ActionKind::Activate) => self.activate(phase, facts, number, &why),
            Some(ActionKind::TopUp | ActionKind::DailyBudget) => Expected::one(None, phase, why),
            Some(ActionKind::SetEndTime) | None if policy.mode == Mode::Observe => Expected::one(None, phase, why),
            Some(ActionKind::SetEndTime) | None => self.nothing(phase, row.next.unwrap_or(phase), facts, &why),
        }
    }

    /// Under the policy `top-up` a budget may be due first, which `budgets` checks. From the limit on the campaign may be
    /// paused, and wait, for the first top-up.
    fn with_budgets(&self, phase: Phase, facts: Facts, number: usize) -> Expected {
        let why = format!("row {number} of the table, or a budget, by {facts:?} in {phase:?}");
        let mut expected = Expected { allowed: vec![(None, None)], ..Expected::one(None, phase, why).undecided() };
        if self.seen.policy.mode == Mode::Act {
            let kinds = [ActionKind::TopUp, ActionKind::DailyBudget, ActionKind::Activate, ActionKind::SetEndTime];
            let pauses = facts.spend == SpendClass::Above && facts.remote.may_run();
            let kinds = kinds.into_iter().chain(pauses.then_some(ActionKind::Pause));
            expected.allowed.extend(kinds.map(|kind| (Some(kind), None)));
        }
        expected
    }

    fn pause(&self, phase: Phase, number: usize, why: &str) -> Expected {
        let policy = &self.seen.policy;
        if policy.mode == Mode::Observe {
            let why = format!("{why}, and observed only");
            // The rows of the first top-up may have journalled the same pause before.
            let has_budgets = policy.high_spend == HighSpend::TopUp;
            let would = if has_budgets { Would::Perhaps } else { Would::Do };
            return Expected { would: would(ActionKind::Pause, number), ..Expected::one(None, phase, why) };
        }
        let until = self.step.wall + policy.cooldown;
        let expected = Expected::one(PAUSE, Phase::CoolingDown { until }, why);
        // While a top-up waits, the cool-down lasts at least as long, which `cool-down-is-kept` checks.
        let allowed = vec![(PAUSE, None)];
        if policy.high_spend == HighSpend::TopUp { Expected { allowed, ..expected } } else { expected }
    }

    fn activate(&self, phase: Phase, facts: Facts, number: usize, why: &str) -> Expected {
        let (policy, wall) = (&self.seen.policy, self.step.wall);
        // From the day end to 24:00 an activation row does nothing, and the state stays.
        if past_day_end(policy, wall) {
            return self.nothing_in_mode(phase, facts, &format!("{why}, and past the day end"));
        }
        if is_clock_far_off(self.seen) {
            return self.nothing_in_mode(phase, facts, &format!("{why}, and the clocks are five minutes apart"));
        }
        if self.end_time_under_way() {
            return self.nothing_in_mode(phase, facts, &format!("{why}, and an end time is under way"));
        }
        let waits = self.memory.backs_off(self.world, wall, policy);
        if waits == Wait::Must {
            return self.nothing_in_mode(phase, facts, &format!("{why}, and the last run has failed"));
        }
        let mut expected = match policy.mode {
            Mode::Act => Expected::one(ACTIVATE, Phase::ActiveGuarded, why),
            Mode::Observe => {
                let why = format!("{why}, and observed only");
                Expected { would: Would::Do(ActionKind::Activate, number), ..Expected::one(None, phase, why) }
            }
        };
        if waits == Wait::May {
            expected.allowed.extend(self.nothing_in_mode(phase, facts, "").allowed);
            expected.would = Would::Perhaps(ActionKind::Activate, number);
        }
        expected
    }

    fn nothing_in_mode(&self, phase: Phase, facts: Facts, why: &str) -> Expected {
        match self.seen.policy.mode {
            Mode::Act => self.nothing(phase, phase, facts, why),
            Mode::Observe => Expected::one(None, phase, why).undecided(),
        }
    }

    /// Neither runs nor pauses. An end time that is owed is tried at every tick.
    fn nothing(&self, phase: Phase, next: Phase, facts: Facts, why: &str) -> Expected {
        let policy = &self.seen.policy;
        let adopted = next == Phase::ActiveGuarded && phase != next;
        let owed = if adopted { Memory::owed_on_adoption(policy, &self.seen.remote) } else { self.memory.owed };
        let too_late =
            next == Phase::ActiveGuarded && self.memory.has_set_too_late_an_end_time(self.seen, self.step.wall);
        let owed = if too_late { Some(Owed { certain: true, adopted: true }) } else { owed };
        let none = Expected::one(None, next, why);
        let busy = self.place.open().is_some_and(|doing| self.step.end_of(doing.id).is_none());
        let Some(owed) = owed.filter(|_| policy.mode == Mode::Act && !busy && !self.place.follows_an_end_time()) else {
            return none;
        };
        let promised_stopped = matches!(next, Phase::PausedGuarded | Phase::CoolingDown { .. });
        let due = match facts.remote {
            Remote::Stopped { by_end_time: false } => promised_stopped,
            Remote::Running => {
                next == Phase::ActiveGuarded && !past_day_end(policy, self.step.wall) && !is_clock_far_off(self.seen)
            }
            Remote::Stopped { by_end_time: true } | Remote::Blocked { .. } | Remote::Unknown { .. } => false,
        };
        if !due {
            return none;
        }
        let why = format!("{why}; an end time is owed");
        let set = Expected::one(Some(ActionKind::SetEndTime), next, why);
        let Owed { certain, adopted } = owed;
        // An end time that was owed for the other state may no longer be owed.
        if certain && adopted == (next == Phase::ActiveGuarded) {
            return set;
        }
        Expected { allowed: [set.allowed, none.allowed].concat(), ..set }
    }

    /// Whether an end time is under way, which would end an activated campaign; unless this read ends the wait for it.
    fn end_time_under_way(&self) -> bool {
        let still_set = |doing: &Doing| doing.kind == ActionKind::SetEndTime && self.step.end_of(doing.id).is_none();
        self.place.open().is_some_and(still_set) || self.place.follows_an_end_time()
    }

    /// A forced action is done now, without regard to spend and clicks, and is guarded afterwards.
    fn forced(&self, kind: ForceKind) -> Expected {
        let Self { place, step, seen, .. } = self;
        let remote = judge::remote(&seen.remote, step.wall);
        let observes = seen.policy.mode == Mode::Observe;
        let nothing =
            |why: &str| Expected { allowed: vec![(None, None)], ..Expected::one(None, place.phase, why).undecided() };
        match kind {
            ForceKind::Pause => {
                let is_gone = seen.remote == Err(RemoteFault::Gone);
                if observes || is_gone || judge::shows_stopped(&seen.remote, step.wall) {
                    return nothing("a forced pause of a stopped campaign");
                }
                self.pause(place.phase, GUARD_PAUSE, "a forced pause")
            }
            // Refused on hold, during a cool-down, if blocked, on an unknown status, and after the day end.
            ForceKind::Activate => {
                let cools = matches!(place.phase, Phase::CoolingDown { until } if step.wall < until);
                let held = place.holding(step.wall).is_some();
                let past = past_day_end(&seen.policy, step.wall) || is_clock_far_off(seen);
                match remote {
                    Remote::Blocked { .. } | Remote::Unknown { .. } => nothing("a forced activation that is refused"),
                    _ if observes || cools || held || past => nothing("a forced activation that is refused"),
                    Remote::Running => {
                        Expected::one(None, Phase::ActiveGuarded, "a forced activation, already running")
                    }
                    Remote::Stopped { .. } if self.end_time_under_way() => {
                        nothing("a forced activation that waits for an end time")
                    }
                    Remote::Stopped { .. } => Expected::one(ACTIVATE, Phase::ActiveGuarded, "a forced activation"),
                }
            }
        }
    }

    /// Returns the state with a cool-down that lasts at most its length from now: the clock may have been set back.
    fn shortened(&self, phase: Phase) -> Phase {
        match phase {
            Phase::CoolingDown { until } => {
                Phase::CoolingDown { until: until.min(self.step.wall + self.seen.policy.cooldown) }
            }
            Phase::Idle | Phase::ActiveGuarded | Phase::PausedGuarded => phase,
        }
    }

    fn compare(&self, expected: &Expected, found: &mut Findings) {
        let step = self.step;
        let mut sent = step.sent();
        let (first, second) = (sent.next(), sent.next());
        let kind = first.map(|sent| sent.request.kind);
        let line = first.map_or(step.line, |sent| sent.line);
        // If the generator is disabled in the same step, any state is right.
        let any_phase = step.has(|effect| matches!(effect, Effect::Disabled { .. }));
        let fits = |(request, phase): &(Option<ActionKind>, Option<Phase>)| {
            *request == kind
                && (any_phase || phase.is_none_or(|phase| self.shortened(phase) == self.shortened(step.phase)))
        };
        if second.is_some() || !expected.allowed.iter().any(fits) {
            let text = format!(
                "campaign {}: expected {:?}, since {}; sent {kind:?} and its state is {:?}",
                step.campaign, expected.allowed, expected.why, step.phase
            );
            found.report("as-the-table-says", line, text);
        }
    }
}

/// Whether it is after the day end, when no activation is sent until 24:00.
pub(super) fn past_day_end(policy: &Policy, wall: DateTime<Utc>) -> bool {
    wall.time() >= policy.day_end
}

/// Whether the clocks are five minutes apart, so that nothing is activated.
pub(super) fn is_clock_far_off(seen: &Seen) -> bool {
    seen.clock_ahead_by.is_some_and(|ahead_by| ahead_by.abs() >= Duration::minutes(5))
}

/// Compares the spend that the guard found with the one that the page finds.
fn check_spend(seen: &Seen, step: &Step<'_>, found: &mut Findings) {
    let own = judge::spend(seen, step.wall);
    let made = seen.spend.as_ref().ok();
    let of_today = made.is_none_or(|spend| spend.day == step.wall.date_naive());
    if made.map(|spend| spend.amount) != own || !of_today {
        let text = format!(
            "campaign {}: today's spend is {own:?} by the page, but the guard takes {:?}",
            step.campaign, seen.spend
        );
        found.report("spend-by-its-sources", step.line, text);
    }
}

/// Observe mode: the state stays, and a journal entry `observed-only` is written whenever the decision changes.
fn check_observed_only(memory: &mut Memory, seen: &Seen, step: &Step<'_>, expected: &Expected, found: &mut Findings) {
    let written = step.entries().find(|(_, entry)| entry.step == ActionStep::ObservedOnly);
    if seen.policy.mode == Mode::Act {
        memory.observed_only = None;
        if let Some((line, _)) = written {
            found.report(
                "observed-only-is-journalled",
                line,
                format!("campaign {} is not in observe mode", step.campaign),
            );
        }
        return;
    }
    let kind = written.map(|(_, entry)| entry.kind);
    match expected.would {
        Would::Undecided => {}
        Would::Nothing => memory.observed_only = None,
        Would::Perhaps(does, number) if kind == Some(does) => memory.observed_only = Some((does, number)),
        Would::Perhaps(..) => {}
        Would::Do(does, number) => {
            let changed = memory.observed_only.replace((does, number)) != Some((does, number));
            if changed && kind != Some(does) {
                let text =
                    format!("campaign {}: {does} by row {number} is not journalled, but {kind:?} is", step.campaign);
                found.report("observed-only-is-journalled", step.line, text);
            }
        }
    }
}
