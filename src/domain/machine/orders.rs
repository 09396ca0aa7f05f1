//! Operators' orders: a tick now, an action whatever the table says, a hold (behaviour.md, "Operators").
//!
//! A hold stands beside the state: the ticks go on reading and showing, and decide nothing. A forced action is decided
//! here in place of the table, and guarded like any other from then on.

use chrono::{DateTime, Utc};

use super::acting::Due;
use super::{Machine, Question, Releasing};
use crate::domain::action::{ActionId, ActionKind, Step, Trigger};
use crate::domain::calendar::midnight_after;
use crate::domain::clock_difference::ClockDifference;
use crate::domain::decided::Conclusion;
use crate::domain::decision::{self, Judged};
use crate::domain::event::{Effect, Note};
use crate::domain::nearness::Stance;
use crate::domain::observation::Observation;
use crate::domain::order::{Force, ForceFailure, ForceKind, HoldChange, OrderId};
use crate::domain::phase::{Phase, PhaseWord};
use crate::domain::policy::{Mode, Policy};
use crate::domain::progress::{Progress, is_stopped_or_gone};
use crate::domain::remote::{RemoteStatus, StopCause};
use crate::domain::status::Hold;

/// The orders of one campaign that are in force or under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Orders {
    /// The newest order for a tick that has not begun.
    process_wanted: Option<OrderId>,
    /// The newest order that the tick under way serves.
    process_begun: Option<OrderId>,
    forcing: Option<Forcing>,
    hold: Option<Hold>,
    /// The hold on all campaigns; the supervisor keeps it.
    hold_all: Option<Hold>,
    /// The hold that is answered as soon as nothing is on its way any more.
    hold_unanswered: Option<OrderId>,
    /// Whose order the last action is.
    pub(super) action_by: Option<String>,
}

#[derive(Debug, Clone)]
struct Forcing {
    order: OrderId,
    force: Force,
    stage: Stage,
}

/// How far a forced action got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It waits for a tick that begins after the question with this number.
    AwaitTick { after: u64 },
    /// It is sent without reading, as soon as nothing is in flight.
    AtOnce,
    /// It was sent.
    Acting(ActionId),
}

impl Machine {
    /// The same, with the holds that were stored.
    #[must_use]
    pub fn on_hold(mut self, own: Option<Hold>, all: Option<Hold>) -> Self {
        (self.orders.hold, self.orders.hold_all) = (own, all);
        self
    }

    /// The hold that is in force: of its own and the one on all campaigns, the one that keeps it paused.
    #[must_use]
    pub fn hold(&self, now: DateTime<Utc>) -> Option<&Hold> {
        let lasting =
            || [&self.orders.hold_all, &self.orders.hold].into_iter().flatten().filter(|hold| hold.lasts(now));
        lasting().find(|hold| hold.pause).or_else(|| lasting().next())
    }

    /// What it would make of used-up clicks.
    #[must_use]
    pub fn stance(&self, now: DateTime<Utc>) -> Stance {
        let hold = self.hold(now);
        let promised_to_run = self.phase == Phase::ActiveGuarded && hold.is_none();
        Stance { promised_to_run, on_hold: hold.is_some_and(|hold| !hold.pause) }
    }

    /// Its own hold, whatever is on hold beside it.
    #[must_use]
    pub const fn own_hold(&self) -> Option<&Hold> {
        self.orders.hold.as_ref()
    }

    /// What the table will make of a forced action that came about, where that is not what was ordered.
    #[must_use]
    pub fn force_warning(&self, now: DateTime<Utc>, policy: &Policy, kind: ForceKind) -> Option<String> {
        let judged = Judged::new(self.observation.as_ref()?, policy, now);
        if self.hold(now).is_some() {
            return None;
        }
        let (status, phase) = match kind {
            ForceKind::Activate => (RemoteStatus::Running, Phase::ActiveGuarded),
            ForceKind::Pause => (RemoteStatus::Stopped(StopCause::SwitchedOff), Phase::PausedGuarded),
        };
        let judged = Judged { status, ..judged };
        let decision = decision::decide(&judged, phase.word());
        let why = decision::reason(&decision, &judged, policy);
        match (decision.action, decision.next) {
            (Some(ActionKind::Pause), _) => Some(format!("the next tick pauses it again: {why}")),
            (Some(ActionKind::Activate), _) => {
                Some(format!("after the cool-down it is run again: {why}; `hold` with --pause keeps it paused"))
            }
            (Some(ActionKind::SetEndTime) | None, Some(PhaseWord::Idle)) => {
                Some(format!("nothing guards it from the next decision on: {why}"))
            }
            (Some(ActionKind::SetEndTime) | None, _) => None,
        }
    }

    pub(super) fn process(&mut self, order: OrderId) {
        self.orders.process_wanted = Some(order);
        // Whoever orders a tick wants to know now whether it is still not there.
        self.absence.look_anew();
    }

    /// A tick begins: it serves every order given before it.
    pub(super) fn begin_ordered_tick(&mut self) {
        self.orders.process_begun = self.orders.process_wanted.take().or(self.orders.process_begun);
    }

    pub(super) fn set_hold(
        &mut self,
        now: DateTime<Utc>,
        order: OrderId,
        hold: Option<Hold>,
        effects: &mut Vec<Effect>,
    ) {
        effects.push(Effect::Note(Note::Hold(hold.as_ref().map(Hold::in_words))));
        self.absence.look_anew();
        self.change_hold(hold, effects);
        if self.orders.hold.is_none() {
            self.next_tick_at = self.next_tick_at.min(now);
        }
        self.orders.hold_unanswered = Some(order);
    }

    pub(super) fn set_hold_on_all(&mut self, now: DateTime<Utc>, hold: Option<Hold>) {
        self.orders.hold_all = hold;
        self.absence.look_anew();
        self.next_tick_at = self.next_tick_at.min(now);
    }

    /// A hold ends by itself at the first tick after its end.
    pub(super) fn end_hold_in_time(&mut self, now: DateTime<Utc>, effects: &mut Vec<Effect>) {
        if self.orders.hold.as_ref().is_some_and(|hold| !hold.lasts(now)) {
            effects.push(Effect::Note(Note::Hold(None)));
            self.change_hold(None, effects);
        }
    }

    fn change_hold(&mut self, hold: Option<Hold>, effects: &mut Vec<Effect>) {
        let change = hold.clone().map_or(HoldChange::Release, HoldChange::Set);
        self.orders.hold = hold;
        self.observed_only = None;
        self.store_with(effects, false, change);
    }

    /// Takes an order to act, or refuses it. A pause overtakes whatever was forced before it.
    pub(super) fn force(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        order: OrderId,
        force: Force,
        effects: &mut Vec<Effect>,
    ) {
        // An order looks anew: what a 404 said up to 15 minutes ago neither stops nor satisfies it.
        let absence_is_old = self.absence.look_anew();
        let refusal = match force.kind {
            _ if self.releasing.is_some() => Some(ForceFailure::not_now("its generator is being disabled: try again")),
            _ if policy.mode == Mode::Observe => Some(observe_mode()),
            ForceKind::Activate if self.orders.forcing.is_some() => {
                Some(ForceFailure::not_now("another order for it is under way: try again"))
            }
            ForceKind::Activate if absence_is_old => None,
            ForceKind::Activate => self.activation_refusal(now, policy, None),
            ForceKind::Pause => None,
        };
        if let Some(refusal) = refusal {
            effects.push(Effect::ForceEnded { order, result: Err(refusal) });
            if force.once && self.orders.forcing.is_none() {
                self.releasing.get_or_insert(Releasing::Settle);
            }
            return;
        }
        let mut force = force;
        if let Some(overtaken) = self.orders.forcing.take() {
            // Whoever is here for one order alone stays that, whichever order it is.
            force.once |= overtaken.force.once;
            let result = Err(ForceFailure::not_now("a pause that was ordered after it has overtaken it"));
            effects.push(Effect::ForceEnded { order: overtaken.order, result });
        }
        let at_once = force.kind == ForceKind::Pause && !force.unless_stopped;
        let stage = if at_once { Stage::AtOnce } else { Stage::AwaitTick { after: self.last_number } };
        self.orders.forcing = Some(Forcing { order, force, stage });
    }

    /// Whether the tick of this question is the one that a forced action waits for.
    pub(super) fn is_forced_at(&self, question: Question) -> bool {
        self.orders
            .forcing
            .as_ref()
            .is_some_and(|forcing| matches!(forcing.stage, Stage::AwaitTick { after } if question.operation.0 > after))
    }

    /// The forced action in place of the table's.
    pub(super) fn force_at_tick(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        judged: &Judged,
        effects: &mut Vec<Effect>,
    ) {
        let Some(force) = self.orders.forcing.as_ref().map(|forcing| forcing.force.clone()) else { return };
        match force.kind {
            ForceKind::Activate => {
                if let Some(refusal) = self.activation_refusal(now, policy, Some(&judged.status)) {
                    self.end_force(Err(refusal), effects);
                } else if judged.status == RemoteStatus::Running {
                    // What is promised to run already keeps what it is owed.
                    if self.phase != Phase::ActiveGuarded {
                        self.adopt_as(now, policy, Phase::ActiveGuarded, &force.reason, effects);
                    }
                    self.end_force(Ok(()), effects);
                } else if !self.is_end_time_on_its_way() {
                    self.send_forced(now, policy, Some(judged), force, effects);
                }
            }
            ForceKind::Pause if policy.mode == Mode::Observe => self.end_force(Err(observe_mode()), effects),
            ForceKind::Pause if self.is_seen_stopped(judged) => self.end_force(Ok(()), effects),
            ForceKind::Pause => self.send_forced(now, policy, Some(judged), force, effects),
        }
    }

    /// Sends a pause that waits for nothing but the answer to what is in flight.
    pub(super) fn go_on_forcing(&mut self, now: DateTime<Utc>, policy: &Policy, effects: &mut Vec<Effect>) {
        let at_once = self.orders.forcing.as_ref().filter(|forcing| forcing.stage == Stage::AtOnce);
        let Some(force) = at_once.map(|forcing| forcing.force.clone()) else { return };
        if policy.mode == Mode::Observe {
            // It was set to that while the pause waited.
            return self.end_force(Err(observe_mode()), effects);
        }
        let unsettled = self.action.as_ref().filter(|_| self.progress != Progress::Settled);
        match unsettled.map(|action| (action.kind, action.id)) {
            // The pause that is ordered is under way already, or TrafficStars took it.
            Some((ActionKind::Pause, id)) if self.progress == Progress::InFlight || self.was_taken(id) => self.acts(id),
            Some((ActionKind::Activate, _)) if self.progress == Progress::InFlight => {}
            // A pause whose answer was lost, or that an earlier process left behind, may never have come about.
            Some((ActionKind::Activate | ActionKind::Pause, _)) => {
                self.finish(now, Err("overtaken by a pause".to_owned()), effects);
                self.send_forced_unread(now, policy, force, effects);
            }
            Some((ActionKind::SetEndTime, _)) | None => self.send_forced_unread(now, policy, force, effects),
        }
    }

    /// Whether TrafficStars took an action of this machine's own.
    fn was_taken(&self, id: ActionId) -> bool {
        let taken = self.action.as_ref().is_some_and(|action| action.id == id && action.accepted_at.is_some());
        // Numbers of an earlier process are 0.
        taken && id.0 > 0
    }

    fn send_forced_unread(&mut self, now: DateTime<Utc>, policy: &Policy, force: Force, effects: &mut Vec<Effect>) {
        let judged = self.observation.as_ref().map(|observation| Judged::new(observation, policy, now));
        self.send_forced(now, policy, judged.as_ref(), force, effects);
    }

    fn send_forced(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        judged: Option<&Judged>,
        force: Force,
        effects: &mut Vec<Effect>,
    ) {
        let (trigger, by) = (force.trigger, force.by);
        let due = match force.kind {
            ForceKind::Activate => Due {
                kind: ActionKind::Activate,
                trigger,
                reason: force.reason,
                end_time: policy.day_end_on(now),
                next: Phase::ActiveGuarded,
                by,
            },
            ForceKind::Pause => Due { trigger, by, ..self.pause_due(now, policy, force.reason) },
        };
        let conclusion = match due.kind {
            ActionKind::Activate => Conclusion::Activate,
            ActionKind::Pause | ActionKind::SetEndTime => Conclusion::Pause,
        };
        self.decisions.note(now, conclusion, None, due.reason.clone());
        let id = self.send(now, policy, judged, due, effects);
        self.acts(id);
    }

    fn acts(&mut self, id: ActionId) {
        if let Some(forcing) = &mut self.orders.forcing {
            forcing.stage = Stage::Acting(id);
        }
    }

    /// The last action is over; if it was forced, so is the order.
    pub(super) fn end_force_with_action(&mut self, effects: &mut Vec<Effect>) {
        let Some(action) = &self.action else { return };
        let forced = self.orders.forcing.as_ref().is_some_and(|forcing| forcing.stage == Stage::Acting(action.id));
        if forced {
            let result = match action.step {
                Step::Confirmed => Ok(()),
                Step::Requested | Step::Accepted | Step::Failed | Step::ObservedOnly => {
                    let error = action.error.clone().unwrap_or_default();
                    Err(ForceFailure::Failed(format!("its {} failed: {error}", action.kind)))
                }
            };
            self.end_force(result, effects);
        }
    }

    fn end_force(&mut self, result: Result<(), ForceFailure>, effects: &mut Vec<Effect>) {
        let Some(Forcing { order, force, .. }) = self.orders.forcing.take() else { return };
        effects.push(Effect::ForceEnded { order, result });
        if force.once {
            self.releasing.get_or_insert(Releasing::Settle);
        }
    }

    /// The generator is disabled: what is forced once ends by itself, what was not sent yet is not sent any more.
    pub(super) fn release_from_forcing(&mut self, releasing: Releasing, effects: &mut Vec<Effect>) {
        // A forced pause is always sent: where it still waits for an action in flight, the release waits for it.
        if let Some(forcing) = self.orders.forcing.as_mut().filter(|forcing| matches!(forcing.stage, Stage::AtOnce)) {
            forcing.force.once = true;
        }
        let forcing = self.orders.forcing.as_ref();
        if forcing.is_some_and(|forcing| forcing.force.once) {
            return;
        }
        if forcing.is_some_and(|forcing| !matches!(forcing.stage, Stage::Acting(_))) {
            let failure = ForceFailure::not_now("its generator was disabled meanwhile");
            self.end_force(Err(failure), effects);
        }
        // Of two orders the one that asks for more is followed, and one pause serves both.
        self.releasing = Some(match (self.releasing, releasing) {
            (None, asked) => asked,
            (Some(Releasing::Settle | Releasing::IfStopped | Releasing::ReadingIfStopped), Releasing::Pause) => {
                Releasing::Pause
            }
            (Some(Releasing::Settle), Releasing::IfStopped) => Releasing::IfStopped,
            (Some(present), _) => present,
        });
    }

    /// Answers what has come about, and lets the tick that an order waits for begin.
    pub(super) fn answer_orders(&mut self, now: DateTime<Utc>, effects: &mut Vec<Effect>) {
        if !self.is_action_in_flight()
            && let Some(order) = self.orders.hold_unanswered.take()
        {
            effects.push(Effect::Held { order });
        }
        if self.observing.is_some() {
            return;
        }
        if let Some(order) = self.orders.process_begun.take() {
            effects.push(Effect::Processed { order });
        }
        if self.releasing.is_some() {
            effects.extend(self.orders.process_wanted.take().map(|order| Effect::Processed { order }));
            return;
        }
        let forcing = self.orders.forcing.as_ref();
        let force_waits = forcing.is_some_and(|forcing| matches!(forcing.stage, Stage::AwaitTick { .. }))
            && self.progress == Progress::Settled
            && !self.follows_an_end_time();
        if self.orders.process_wanted.is_some() || force_waits {
            self.next_tick_at = self.next_tick_at.min(now);
        }
    }

    /// A tick of a campaign on hold.
    pub(super) fn conclude_on_hold(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        judged: &Judged,
        hold: &Hold,
        effects: &mut Vec<Effect>,
    ) {
        self.stop_waiting();
        let why = hold.in_words();
        if hold.pause && judged.status.may_run() {
            let runs = if judged.status == RemoteStatus::Running { "it runs" } else { "it may run" };
            let reason = format!("{runs}, and is to be kept paused {why}");
            let conclusion = if policy.mode == Mode::Act { Conclusion::Pause } else { Conclusion::WouldPause };
            self.decisions.note(now, conclusion, None, reason.clone());
            let due = self.pause_due(now, policy, reason);
            let trigger = if due.trigger == Trigger::Guard { Trigger::Guard } else { Trigger::Operator };
            let due = Due { trigger, by: hold.by.clone(), ..due };
            self.begin(now, policy, judged, decision::Row::GuardPause, due, effects);
            return;
        }
        self.observed_only = None;
        self.decisions.note(now, Conclusion::Nothing, None, format!("it is on hold {why}"));
        if hold.pause && policy.mode == Mode::Act {
            self.pay_end_time(now, policy, judged, effects);
        }
    }

    /// Why a forced activation is not allowed now. Spend and clicks are none of its business.
    fn activation_refusal(
        &self,
        now: DateTime<Utc>,
        policy: &Policy,
        status: Option<&RemoteStatus>,
    ) -> Option<ForceFailure> {
        let not_now = |reason: String, possible_at| Some(ForceFailure::NotNow { reason, possible_at });
        if policy.mode == Mode::Observe {
            return Some(observe_mode());
        }
        if let Some(hold) = self.hold(now) {
            return not_now(format!("it is on hold {}: release it first", hold.in_words()), hold.until);
        }
        if let Some(until) = self.phase.cooling_down_until().filter(|&until| until > now) {
            return not_now("it cools down after a pause".to_owned(), Some(until));
        }
        if self.is_clock_far_apart() {
            return not_now(ClockDifference::ACTIVATES_NOTHING.to_owned(), None);
        }
        if policy.past_day_end(now) {
            let reason = format!("from {} to midnight (UTC) nothing is activated", policy.day_end);
            return not_now(reason, Some(midnight_after(now)));
        }
        match status {
            Some(RemoteStatus::Blocked { reason, .. }) => {
                let reason =
                    format!("running it cannot help: {reason}; possible as soon as that is put right at TrafficStars");
                not_now(reason, None)
            }
            Some(RemoteStatus::Unknown { reason, .. }) => {
                not_now(format!("its status is unknown: {reason}; possible as soon as it can be read"), None)
            }
            Some(RemoteStatus::Running | RemoteStatus::Stopped(_)) | None => None,
        }
    }

    /// An end time that is on its way would end what is activated now.
    pub(super) fn is_end_time_on_its_way(&self) -> bool {
        self.is_setting_end_time() || self.follows_an_end_time()
    }

    fn is_seen_stopped(&self, judged: &Judged) -> bool {
        let stopped = |observation: &Observation| is_stopped_or_gone(&observation.remote, &judged.status);
        self.observation.as_ref().is_some_and(stopped)
    }
}

fn observe_mode() -> ForceFailure {
    ForceFailure::not_now("it is in observe mode, in which nothing is sent: set its mode to act first")
}
