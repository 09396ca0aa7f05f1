//! What the log says up to a line: each machine's state, what is under way for it, and the operators' orders.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use traffic_generator::domain::action::{Action, ActionId, ActionKind, Outcome, Step as ActionStep};
use traffic_generator::domain::event::{Effect, Event, QuestionId, Record, Request};
use traffic_generator::domain::money::Money;
use traffic_generator::domain::order::{Force, ForceKind, HoldChange, OrderId};
use traffic_generator::domain::phase::Phase;
use traffic_generator::domain::policy::Policy;
use traffic_generator::domain::remote::RemoteCampaign;
use traffic_generator::domain::status::Hold;

use crate::model::log::{Line, Restored, Row, Seen, What};

/// One event of a machine, all effects that it requested, and its state afterwards.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) campaign: usize,
    /// The line of the event.
    pub(super) line: usize,
    pub(super) at: DateTime<Utc>,
    pub(super) wall: DateTime<Utc>,
    pub(super) event: &'a Event,
    /// What the tick has read, if the event is a tick's answer.
    pub(super) seen: Option<&'a Seen>,
    pub(super) effects: Vec<(usize, &'a Effect)>,
    pub(super) phase: Phase,
    pub(super) high_spend: bool,
}

/// A request of a step, and its journal entry, if that was stored before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent<'a> {
    pub(super) line: usize,
    pub(super) request: &'a Request,
    pub(super) entry: Option<&'a Action>,
}

impl<'a> Step<'a> {
    pub(super) fn records(&self) -> impl Iterator<Item = (usize, &'a Record)> + '_ {
        self.effects.iter().filter_map(|(line, effect)| match effect {
            Effect::Store(record) => Some((*line, record.as_ref())),
            Effect::Observe { .. }
            | Effect::ReadBack { .. }
            | Effect::SetEndTime(_)
            | Effect::Send(_)
            | Effect::Note(_)
            | Effect::Sign(_)
            | Effect::SharedLimit(..)
            | Effect::Disabled { .. }
            | Effect::DisableRefused(_)
            | Effect::Processed { .. }
            | Effect::ForceEnded { .. }
            | Effect::Held { .. } => None,
        })
    }

    /// Returns the journal entries that the step writes.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, &'a Action)> + '_ {
        self.records().filter_map(|(line, record)| record.entry.as_ref().map(|entry| (line, entry)))
    }

    pub(super) fn sent(&self) -> impl Iterator<Item = Sent<'a>> + '_ {
        self.effects.iter().filter_map(|(line, effect)| {
            let Effect::Send(request) = effect else { return None };
            let before = |(at, entry): &(usize, &Action)| at < line && entry.id == request.action;
            let entry = self.entries().filter(before).last().map(|(_, entry)| entry);
            Some(Sent { line: *line, request, entry })
        })
    }

    pub(super) fn has(&self, wanted: impl Fn(&Effect) -> bool) -> bool {
        self.effects.iter().any(|(_, effect)| wanted(effect))
    }

    /// Returns how an action ended in this step, by its journal entry, and the line.
    pub(super) fn end_of(&self, action: ActionId) -> Option<(usize, ActionStep)> {
        let ended = self.entries().filter(|(_, entry)| entry.id == action && is_end(entry.step)).last();
        ended.map(|(line, entry)| (line, entry.step))
    }
}

pub(super) const fn is_end(step: ActionStep) -> bool {
    matches!(step, ActionStep::Confirmed) || step.came_to_nothing()
}

/// A question without an answer yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    pub(super) question_id: QuestionId,
    pub(super) line: usize,
    pub(super) at: DateTime<Utc>,
    pub(super) wall: DateTime<Utc>,
    pub(super) read_remote: bool,
}

/// The progress of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its request is in flight.
    InFlight,
    /// It was answered, and a read has to show its effect.
    Awaiting {
        line: usize,
        at: DateTime<Utc>,
        wall: DateTime<Utc>,
    },
    /// It was not sent; the next tick decides anew.
    Postponed,
    Confirmed,
    Failed,
}

/// The last action that a machine requested.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doing {
    pub(super) id: ActionId,
    pub(super) kind: ActionKind,
    pub(super) end_time: DateTime<Utc>,
    /// The budget that it sets, if it sets one.
    pub(super) max_daily: Money,
    pub(super) at: DateTime<Utc>,
    pub(super) stage: Stage,
    /// Whether an earlier process began it.
    pub(super) restored: bool,
}

impl Doing {
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.stage, Stage::InFlight | Stage::Awaiting { .. })
    }
}

/// A forced action that has not ended.
#[derive(Debug, Clone)]
pub(super) struct Forced<'a> {
    pub(super) order: OrderId,
    pub(super) force: &'a Force,
    pub(super) line: usize,
    /// The action that was sent for it.
    pub(super) action: Option<ActionId>,
    /// Whether the machine exists, or goes on, for this order alone.
    pub(super) once: bool,
}

impl Forced<'_> {
    /// Whether its pause is sent without a read.
    pub(super) const fn is_at_once(&self) -> bool {
        matches!(self.force.kind, ForceKind::Pause) && !self.force.unless_stopped
    }
}

/// One campaign.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    pub(super) row: &'a Row,
    /// The rows before, since its last tick: the machine knows only the row that this tick has read.
    pub(super) rows_before: Vec<&'a Row>,
    /// Whether it has a machine.
    pub(super) lives: bool,
    pub(super) phase: Phase,
    pub(super) hold: Option<Hold>,
    pub(super) hold_on_all: Option<Hold>,
    pub(super) observing: Option<Question>,
    pub(super) reading_back: Option<Question>,
    pub(super) doing: Option<Doing>,
    /// The last line at which a run or a pause was answered or ended. A read that was requested before says nothing
    /// about its effect.
    pub(super) changed_line: usize,
    /// The accepted pauses whose end times are under way.
    pub(super) end_times_underway: Vec<ActionId>,
    /// The end time that a pause overtook before it was answered.
    pub(super) overtaken_end_time: Option<ActionId>,
    pub(super) forced: Option<Forced<'a>>,
    pub(super) disabling: bool,
    /// Whether its generator is disabled: it ignores all events until its machine is gone.
    pub(super) ignores_all: bool,
    /// The last tick's facts, and the line of their event.
    pub(super) seen: Option<(usize, &'a Seen)>,
    /// The line at which its machine started.
    pub(super) since_line: usize,
}

impl<'a> Place<'a> {
    fn new(row: &'a Row) -> Self {
        Self {
            row,
            rows_before: Vec::new(),
            lives: false,
            phase: Phase::Idle,
            hold: None,
            hold_on_all: None,
            observing: None,
            reading_back: None,
            doing: None,
            changed_line: 0,
            end_times_underway: Vec::new(),
            overtaken_end_time: None,
            forced: None,
            disabling: false,
            ignores_all: false,
            seen: None,
            since_line: 0,
        }
    }

    /// Returns the campaign that an event has read. An event that is delivered twice answers no question the second
    /// time.
    pub(super) fn read_of<'e>(&self, step: &Step<'e>) -> Option<&'e RemoteCampaign> {
        match step.event {
            Event::Observed { question_id, observation } => {
                let is_asked = self.observing.is_some_and(|question| question.question_id == *question_id);
                observation.remote.as_ref().ok().filter(|_| is_asked)
            }
            Event::ReadBack { question_id, remote } => {
                let is_asked = self.reading_back.is_some_and(|question| question.question_id == *question_id);
                remote.as_ref().ok().map(Box::as_ref).filter(|_| is_asked)
            }
            _ => None,
        }
    }

    fn lose_machine(&mut self) {
        let rows_before = std::mem::take(&mut self.rows_before);
        *self = Self { rows_before, ..Self::new(self.row) };
    }

    fn restore(&mut self, index: usize, line: &Line, restored: &Restored) {
        self.lose_machine();
        self.lives = true;
        self.since_line = index;
        self.phase = restored.promise.map_or(Phase::Idle, |promise| promise.phase);
        self.hold.clone_from(&restored.hold);
        self.hold_on_all.clone_from(&restored.hold_on_all);
        self.doing = restored.unfinished.as_ref().map(|action| {
            // Not in the future: the clock may have been set back since.
            let wall = action.accepted_at.unwrap_or(action.requested_at).min(line.wall);
            let stage = Stage::Awaiting { line: index, at: line.at, wall };
            let Action { id, kind, end_time, ref budget, .. } = *action;
            let max_daily = budget.as_ref().map_or(Money::ZERO, |change| change.after);
            Doing { id, kind, end_time, max_daily, at: line.at, stage, restored: true }
        });
    }

    /// Returns the policies by which it may have decided lately: a changed row reaches the machine with a tick.
    pub(super) fn policies(&self) -> impl Iterator<Item = &Policy> {
        let seen = self.seen.map(|(_, seen)| &seen.policy);
        let rows = self.rows_before.iter().copied().chain([self.row]);
        seen.into_iter().chain(rows.map(|row| &row.policy))
    }

    /// Returns the hold in force, its own or the one on all; of two, the one with `pause`.
    pub(super) fn holding(&self, wall: DateTime<Utc>) -> Option<&Hold> {
        let lasts = |hold: &&Hold| hold.until.is_none_or(|until| wall < until);
        let lasting = || [&self.hold_on_all, &self.hold].into_iter().flatten().filter(lasts);
        lasting().find(|hold| hold.pause).or_else(|| lasting().next())
    }

    /// Returns the action that has not ended.
    pub(super) fn open(&self) -> Option<&Doing> {
        self.doing.as_ref().filter(|doing| doing.is_open())
    }

    fn take_event(&mut self, step: &Step<'a>) {
        match step.event {
            Event::Observed { question_id, .. } => {
                if self.observing.take_if(|question| question.question_id == *question_id).is_some()
                    && let Some(seen) = step.seen
                {
                    self.seen = Some((step.line, seen));
                    self.rows_before.clear();
                }
            }
            Event::ReadBack { question_id, .. } => {
                self.reading_back.take_if(|question| question.question_id == *question_id);
            }
            Event::Applied { action, outcome } => self.take_answer(step, *action, outcome),
            Event::EndTimeSet { action, .. } => self.end_times_underway.retain(|underway| underway != action),
            Event::Disable { .. } | Event::DisableIfStopped => {
                // A forced pause is always sent: disabling waits for a forced pause that is not sent yet.
                if let Some(forced) =
                    self.forced.as_mut().filter(|forced| forced.is_at_once() && forced.action.is_none())
                {
                    forced.once = true;
                }
                // A force on a campaign whose generator is disabled works once, and its machine ends by itself.
                self.disabling |= !self.forced.as_ref().is_some_and(|forced| forced.once);
            }
            Event::Force { order, force } => {
                let refused =
                    step.has(|effect| matches!(effect, Effect::ForceEnded { order: ended, .. } if ended == order));
                if refused {
                    self.disabling |= force.once && self.forced.is_none();
                } else {
                    let once = force.once || self.forced.as_ref().is_some_and(|forced| forced.once);
                    self.forced = Some(Forced { order: *order, force, line: step.line, action: None, once });
                }
            }
            Event::Hold { hold, .. } => self.hold.clone_from(hold),
            Event::HoldAll(hold) => self.hold_on_all.clone_from(hold),
            Event::Wake | Event::SentUnstored { .. } | Event::Process { .. } => {}
        }
    }

    /// Whether an end time is under way that is no longer an action of its own.
    pub(super) fn follows_an_end_time(&self) -> bool {
        !self.end_times_underway.is_empty() || self.overtaken_end_time.is_some()
    }

    fn take_answer(&mut self, step: &Step<'a>, action: ActionId, outcome: &Outcome) {
        self.overtaken_end_time.take_if(|overtaken| *overtaken == action);
        let Some(doing) = self.doing.as_mut().filter(|doing| doing.id == action && doing.stage == Stage::InFlight)
        else {
            return;
        };
        let sets_end_time = doing.kind == ActionKind::SetEndTime;
        doing.stage = match outcome {
            // The answer to an end time is the campaign itself, with the new end time.
            Outcome::Accepted if sets_end_time => Stage::Confirmed,
            Outcome::Unclear(_) if sets_end_time => Stage::Failed,
            Outcome::Accepted | Outcome::Unclear(_) => {
                Stage::Awaiting { line: step.line, at: step.at, wall: step.wall }
            }
            Outcome::Failed(_) | Outcome::NotSent(_) => Stage::Failed,
            Outcome::Postponed(_) => {
                if step.end_of(action).is_some() {
                    Stage::Failed
                } else {
                    Stage::Postponed
                }
            }
        };
        if !sets_end_time && !matches!(outcome, Outcome::NotSent(_) | Outcome::Postponed(_)) {
            self.changed_line = step.line;
        }
        if doing.kind == ActionKind::Pause && *outcome == Outcome::Accepted {
            self.end_times_underway.push(action);
        }
    }

    fn take_effect(&mut self, step: &Step<'a>, line: usize, effect: &'a Effect) {
        match effect {
            Effect::Observe { question_id, read_remote, .. } => {
                let (question_id, read_remote) = (*question_id, *read_remote);
                self.observing = Some(Question { question_id, line, at: step.at, wall: step.wall, read_remote });
            }
            Effect::ReadBack { question_id } => {
                let (question_id, read_remote) = (*question_id, true);
                self.reading_back = Some(Question { question_id, line, at: step.at, wall: step.wall, read_remote });
            }
            Effect::Store(record) => {
                match &record.hold {
                    HoldChange::Keep => {}
                    HoldChange::Set(hold) => self.hold = Some(hold.clone()),
                    HoldChange::Release => self.hold = None,
                }
                if let Some(entry) = &record.entry
                    && let Some(doing) = self.doing.as_mut().filter(|doing| doing.id == entry.id)
                    && is_end(entry.step)
                    && (doing.is_open() || doing.stage == Stage::Postponed)
                {
                    if doing.is_open() && doing.kind != ActionKind::SetEndTime {
                        self.changed_line = step.line;
                    }
                    if doing.stage == Stage::InFlight && doing.kind == ActionKind::SetEndTime {
                        self.overtaken_end_time = Some(doing.id);
                    }
                    doing.stage = if entry.step == ActionStep::Confirmed { Stage::Confirmed } else { Stage::Failed };
                }
            }
            Effect::Send(Request { action, kind, end_time, max_daily, .. }) => {
                let (id, kind, end_time, max_daily) = (*action, *kind, *end_time, *max_daily);
                let stage = Stage::InFlight;
                self.doing = Some(Doing { id, kind, end_time, max_daily, at: step.at, stage, restored: false });
            }
            Effect::DisableRefused(_) => self.disabling = false,
            // From now on the machine ignores all events and answers.
            Effect::Disabled { .. } => {
                (self.disabling, self.ignores_all) = (true, true);
                (self.observing, self.reading_back) = (None, None);
            }
            Effect::ForceEnded { order, .. } => {
                let ended = self.forced.take_if(|forced| forced.order == *order);
                self.disabling |= ended.is_some_and(|forced| forced.once);
            }
            Effect::SetEndTime(_)
            | Effect::Note(_)
            | Effect::Sign(_)
            | Effect::SharedLimit(..)
            | Effect::Processed { .. }
            | Effect::Held { .. } => {}
        }
    }
}

/// The world up to a line of the log.
#[derive(Debug, Default)]
pub(super) struct World<'a> {
    pub(super) places: BTreeMap<usize, Place<'a>>,
    pub(super) requests_per_minute: u32,
    pub(super) page_size: usize,
    pub(super) process: u64,
    pub(super) database_away: bool,
    /// When the present process started.
    pub(super) started_at: Option<DateTime<Utc>>,
    /// Until when a 429 blocks requests.
    pub(super) blocked_until: Option<DateTime<Utc>>,
    /// The last line at which the guard's clock was set.
    pub(super) clock_set_line: Option<usize>,
    pub(super) calm_at: Option<DateTime<Utc>>,
    seen: BTreeMap<usize, &'a Seen>,
    steps: BTreeMap<usize, Step<'a>>,
}

impl<'a> World<'a> {
    pub(super) fn place(&self, campaign: usize) -> Option<&Place<'a>> {
        self.places.get(&campaign)
    }

    /// Whether the guard's clock was set since that line, so that times by it prove little.
    pub(super) fn clock_set_since(&self, line: usize) -> bool {
        self.clock_set_line.is_some_and(|set| set >= line)
    }

    /// Takes in a line; returns the step that it completes.
    pub(super) fn take(&mut self, index: usize, line: &'a Line) -> Option<Step<'a>> {
        match &line.what {
            What::Begins { requests_per_minute, page_size, rows } => {
                (self.requests_per_minute, self.page_size) = (*requests_per_minute, *page_size);
                self.places = rows.iter().enumerate().map(|(campaign, row)| (campaign, Place::new(row))).collect();
            }
            What::RowChanged { campaign, row } => {
                let place = self.places.entry(*campaign).or_insert_with(|| Place::new(row));
                place.rows_before.push(std::mem::replace(&mut place.row, row));
            }
            What::Started { campaigns } => {
                self.process = line.process;
                self.started_at = Some(line.at);
                self.blocked_until = None;
                self.forget();
                for restored in campaigns {
                    self.restore(index, line, restored);
                }
            }
            What::Crashed => self.forget(),
            What::Enabled(restored) => self.restore(index, line, restored),
            What::Gone { campaign } => {
                if let Some(place) = self.places.get_mut(campaign) {
                    place.lose_machine();
                }
            }
            What::Seen { campaign, seen } => {
                self.seen.insert(*campaign, seen);
            }
            What::Delivered { campaign, event } => self.begin_step(index, line, *campaign, event),
            What::Asked { campaign, effect } => {
                if let Some(step) = self.steps.get_mut(campaign) {
                    step.effects.push((index, effect));
                }
            }
            What::StateAfter { campaign, phase, high_spend } => {
                let mut step = self.steps.remove(campaign)?;
                (step.phase, step.high_spend) = (*phase, *high_spend);
                return Some(step);
            }
            What::Database { away } => self.database_away = *away,
            // Of two blocks, the longer one counts.
            What::Blocked { until } => self.blocked_until = self.blocked_until.max(Some(*until)),
            What::ClockSet { .. } => self.clock_set_line = Some(index),
            What::Calm => self.calm_at = Some(line.at),
            What::Stored { .. }
            | What::NotStored { .. }
            | What::Queued { .. }
            | What::GaveUp { .. }
            | What::Left { .. }
            | What::Arrived { .. }
            | What::Ended { .. }
            | What::OldCounter(_)
            | What::RefusedId { .. }
            | What::Touched { .. }
            | What::SpendStored { .. }
            | What::Switched { .. }
            | What::SeenBack { .. }
            | What::HoldOnAllStored { .. }
            | What::Ends { .. } => {}
        }
        None
    }

    /// Takes in a complete step.
    pub(super) fn take_step(&mut self, step: &Step<'a>) {
        let Some(place) = self.places.get_mut(&step.campaign) else { return };
        let tick_began = place.observing.map(|question| question.line);
        place.take_event(step);
        for (line, effect) in &step.effects {
            place.take_effect(step, *line, effect);
        }
        if let Some(forced) = &mut place.forced
            && forced.action.is_none()
        {
            // A pause without a read is served by any pause under way; a force with a read by what its first tick
            // sends.
            let reads = step.seen.is_some() && tick_began.is_some_and(|line| line > forced.line);
            let sent = step.sent().any(|sent| serves(forced.force, sent.request.kind));
            let under_way = place.doing.filter(|doing| doing.is_open() && serves(forced.force, doing.kind));
            forced.action = under_way.map(|doing| doing.id).filter(|_| forced.is_at_once() || (reads && sent));
        }
        place.phase = step.phase;
    }

    fn begin_step(&mut self, index: usize, line: &'a Line, campaign: usize, event: &'a Event) {
        let seen = if let Event::Observed { question_id, .. } = event {
            self.seen.remove(&campaign).filter(|seen| seen.question_id == *question_id)
        } else {
            None
        };
        let (at, wall) = (line.at, line.wall);
        let (phase, effects) = (Phase::Idle, Vec::new());
        let step = Step { campaign, line: index, at, wall, event, seen, effects, phase, high_spend: false };
        self.steps.insert(campaign, step);
    }

    fn restore(&mut self, index: usize, line: &Line, restored: &Restored) {
        if let Some(place) = self.places.get_mut(&restored.campaign) {
            place.restore(index, line, restored);
        }
    }

    fn forget(&mut self) {
        self.places.values_mut().for_each(Place::lose_machine);
        self.seen.clear();
        self.steps.clear();
    }
}

/// Whether an action of this kind is what the order forces.
pub(super) const fn serves(force: &Force, kind: ActionKind) -> bool {
    matches!((force.kind, kind), (ForceKind::Activate, ActionKind::Activate) | (ForceKind::Pause, ActionKind::Pause))
}
