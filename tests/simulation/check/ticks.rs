//! The times of a campaign's ticks, and that each tick reads anew.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::action::ActionKind;
use traffic_generator::domain::event::{Effect, Event, Note};
use traffic_generator::domain::failure::RemoteFault;

use super::world::{Doing, Place, Stage, Step, World};
use super::{Checker, Findings};
use crate::model::log::{Line, Seen, What};

/// The longest delay between a timer's time and the wake.
const LATE: Duration = Duration::seconds(2);
/// The time-out of TrafficStars' answers.
const ANSWERED_WITHIN: Duration = Duration::seconds(15);
/// The longest time between a machine's start and its first tick.
const FIRST: Duration = Duration::seconds(5);

/// One campaign's ticks.
#[derive(Debug, Clone, Copy)]
struct Clockwork {
    started_at: DateTime<Utc>,
    /// Whether its first tick has begun.
    began: bool,
    /// The line of the last tick's beginning.
    line: usize,
    /// Whether an operator has since ordered a tick, or a change that makes one due.
    ordered: bool,
    /// The end of the last tick; `None` while a tick runs.
    ended: Option<Ended>,
}

#[derive(Debug, Clone, Copy)]
struct Ended {
    /// The tick's beginning, by the guard's clock.
    began: DateTime<Utc>,
    at: DateTime<Utc>,
    wall: DateTime<Utc>,
    /// When the next tick is due by the grid.
    next_due: DateTime<Utc>,
    /// Whether it waited for answers up to its end, so that the next tick follows at once.
    waited: bool,
    clock_sets: i32,
    cools_down_until: Option<DateTime<Utc>>,
}

/// `tick-at-the-grid`: a campaign ticks once at its start, then at the points of one shared grid (the full minute), and
/// at the end of a cool-down. No tick begins while another one waits for answers; a late tick skips points.
///
/// `tick-ends-at-the-grid`: a tick ends at the next point of the grid; answers that are missing then have failed.
#[derive(Debug, Default)]
pub(super) struct Ticks {
    /// How often the guard's clock was set.
    clock_sets: i32,
    clockworks: BTreeMap<usize, Clockwork>,
}

impl Checker for Ticks {
    fn line(&mut self, _world: &World<'_>, index: usize, line: &Line, _found: &mut Findings) {
        let new = Clockwork { started_at: line.at, began: false, line: index, ordered: false, ended: None };
        if let What::ClockSet { .. } = &line.what {
            self.clock_sets += 1;
        }
        if let What::Started { campaigns } = &line.what {
            self.clockworks = campaigns.iter().map(|restored| (restored.campaign, new)).collect();
        }
        if let What::Enabled(restored) = &line.what {
            self.clockworks.insert(restored.campaign, new);
        }
    }

    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let Some(place) = world.place(step.campaign) else { return };
        let Some(clockwork) = self.clockworks.get_mut(&step.campaign) else { return };
        clockwork.ordered |=
            matches!(step.event, Event::Process { .. } | Event::Force { .. } | Event::Hold { .. } | Event::HoldAll(_));
        // A budget that is confirmed, or enough, is followed by a tick at once.
        clockwork.ordered |= settles_budget(place, step);
        let observes = step.effects.iter().find(|(_, effect)| matches!(effect, Effect::Observe { .. }));
        if let Some((line, _)) = observes {
            if place.observing.is_some() {
                let text = format!("campaign {}: a tick begins while another waits for answers", step.campaign);
                found.report("tick-at-the-grid", *line, text);
            }
            if let Some(text) = clockwork.wrong_time(world, place, step, self.clock_sets) {
                found.report("tick-at-the-grid", *line, format!("campaign {}: {text}", step.campaign));
            }
            clockwork.began = true;
            clockwork.line = step.line;
            clockwork.ordered = false;
            clockwork.ended = None;
        }
        // While a generator is being disabled no tick is due. Only at the end is it known whether one was due
        // meanwhile.
        if step.effects.iter().any(|(_, effect)| matches!(effect, Effect::DisableRefused(_))) {
            clockwork.ended = None;
            clockwork.ordered = true;
        }
        let ends = matches!(step.event, Event::Observed { question_id, .. }
            if place.observing.is_some_and(|question| question.question_id == *question_id));
        if ends {
            let (at, wall) = (step.at, step.wall);
            let began = place.observing.map_or(wall, |question| question.wall);
            let clock_sets = self.clock_sets;
            let cools_down_until = step.phase.cooling_down_until();
            let latest_end = latest_end(place, began);
            // The tick's questions wait until earlier decisions are stored.
            let asked = step.seen.map_or(began, |seen| seen.began_at_wall.max(began));
            if wall > self::latest_end(place, asked) + LATE && !world.clock_set_since(clockwork.line) {
                let text = format!("campaign {}: its tick of {began} ends at {wall}", step.campaign);
                found.report("tick-ends-at-the-grid", step.line, text);
            }
            let waited = wall >= latest_end;
            let next_due = if waited { wall } else { next_point(place, wall) };
            clockwork.ended = Some(Ended { began, at, wall, next_due, waited, clock_sets, cools_down_until });
        }
    }
}

/// Whether a change of the budget ends in this step, or the budget that stands there is enough.
fn settles_budget(place: &Place<'_>, step: &Step<'_>) -> bool {
    let changes = |doing: &&Doing| matches!(doing.kind, ActionKind::TopUp | ActionKind::DailyBudget);
    let ends = place.doing.as_ref().filter(changes).is_some_and(|doing| step.end_of(doing.id).is_some());
    ends || step.has(|effect| matches!(effect, Effect::Note(Note::BudgetLeft(_) | Note::TopUpRefused(_))))
}

/// Returns the next full minute, or the next multiple of the tick's length.
fn next_point(place: &Place<'_>, wall: DateTime<Utc>) -> DateTime<Utc> {
    let length_ms = place.row.policy.tick.num_milliseconds();
    wall + Duration::milliseconds(length_ms - wall.timestamp_millis().rem_euclid(length_ms))
}

/// Returns the grid point that ends a tick: the first one that leaves TrafficStars the time to answer.
fn latest_end(place: &Place<'_>, began: DateTime<Utc>) -> DateTime<Utc> {
    next_point(place, began + ANSWERED_WITHIN)
}

impl Clockwork {
    fn wrong_time(&self, world: &World<'_>, place: &Place<'_>, step: &Step<'_>, clock_sets: i32) -> Option<String> {
        if place.disabling {
            return None;
        }
        // Each time the clock is set, one tick may pass until the guard notices; then one more to the next grid point.
        let longest = |ended: &Ended| place.row.policy.tick * (2 + (clock_sets - ended.clock_sets)) + LATE;
        if let Some(ended) = self.ended.filter(|ended| step.at - ended.at > longest(ended)) {
            return Some(format!("no tick from {} to {}", ended.at, step.at));
        }
        if world.clock_set_since(self.line) {
            return None;
        }
        if !self.began {
            let waited = step.at.signed_duration_since(self.started_at);
            return (waited > FIRST).then(|| format!("its first tick comes {waited} after its start"));
        }
        if let Some(ended) = self.ended {
            // A tick is due at the end of a cool-down, which is known once the pause is answered.
            let answered = |doing: &Doing| {
                doing.kind == ActionKind::Pause && matches!(doing.stage, Stage::Awaiting { .. } | Stage::Confirmed)
            };
            let cools_down = place.doing.as_ref().filter(|doing| answered(doing)).and(place.phase.cooling_down_until());
            let cooled_down_at = cools_down.filter(|until| ended.began < *until).map(|until| until.max(ended.wall));
            let due = cooled_down_at.map_or(ended.next_due, |at| at.min(ended.next_due));
            if step.wall > due + LATE {
                return Some(format!("its tick was due at {due}, and begins at {}", step.wall));
            }
        }
        let length_ms = place.row.policy.tick.num_milliseconds();
        let at_the_grid = step.wall.timestamp_millis().rem_euclid(length_ms) <= LATE.num_milliseconds();
        // A tick that began before the end of the cool-down did not see it; the next one is due at that end. A tick
        // that is due stays due, even if its pause is answered at that moment and the cool-down begins anew.
        let until_then = self.ended.and_then(|ended| ended.cools_down_until);
        let cooled_down =
            place.phase.cooling_down_until().into_iter().chain(until_then).any(|until| until <= step.wall);
        let waits_for_tick = place.forced.as_ref().is_some_and(|forced| forced.action.is_none());
        let follows = self.ended.is_some_and(|ended| ended.waited && step.wall <= ended.wall + LATE);
        let reasoned = at_the_grid || cooled_down || self.ordered || waits_for_tick || follows;
        (!reasoned).then(|| format!("a tick at {}, which is not a point of the grid", step.wall))
    }
}

/// How long all reads have to answer 404 until a campaign is gone; and how often it is read afterwards.
const FOUND_GONE_AFTER: Duration = Duration::minutes(15);
/// How much too short the time between two ticks may be: the first may begin some milliseconds late, the next on time.
const TOLERANCE: Duration = Duration::seconds(1);

/// A read that was answered with 404.
#[derive(Debug, Clone, Copy)]
struct Missed {
    asked_at: DateTime<Utc>,
    line: usize,
    ordered: bool,
}

/// `no-cached-status`, `gone-after-15-minutes`, `gone-is-read-every-15-minutes`.
#[derive(Debug, Default)]
pub(super) struct Readings {
    /// By campaign: the first 404 since the campaign was last seen.
    missing: BTreeMap<usize, Missed>,
    /// By campaign that is gone: its last 404.
    gone: BTreeMap<usize, Missed>,
}

impl Checker for Readings {
    fn line(&mut self, world: &World<'_>, index: usize, line: &Line, found: &mut Findings) {
        match &line.what {
            What::Started { .. } | What::Crashed => *self = Self::default(),
            What::Enabled(restored) => self.forget(restored.campaign),
            What::SeenBack { campaign, question_id, sent_at: Some(sent_at) } => {
                let question = world.place(*campaign).and_then(|place| place.reading_back);
                let asked = question.filter(|question| question.question_id == *question_id);
                if asked.is_some_and(|question| *sent_at < question.at) {
                    let text = format!(
                        "campaign {campaign}: read back by a request sent at {sent_at}, before the read-back began"
                    );
                    found.report("no-cached-status", index, text);
                }
            }
            What::Seen { campaign, seen } => self.seen(world, index, *campaign, seen, found),
            _ => {}
        }
    }

    fn step(&mut self, world: &World<'_>, step: &Step<'_>, _found: &mut Findings) {
        let ordered =
            matches!(step.event, Event::Process { .. } | Event::Force { .. } | Event::Hold { .. } | Event::HoldAll(_));
        if let Some(gone) = self.gone.get_mut(&step.campaign) {
            gone.ordered |= ordered;
        }
        let awaited = |question_id| {
            let question = world.place(step.campaign).and_then(|place| place.reading_back);
            question.is_some_and(|question| question.question_id == question_id)
        };
        if let Event::ReadBack { question_id, remote: Ok(_) } = step.event
            && awaited(*question_id)
        {
            self.forget(step.campaign);
        }
    }
}

impl Readings {
    fn seen(&mut self, world: &World<'_>, index: usize, campaign: usize, seen: &Seen, found: &mut Findings) {
        let mut report = |checker: &'static str, text: String| {
            found.report(checker, index, format!("campaign {campaign}: {text}"));
        };
        let question = world.place(campaign).and_then(|place| place.observing);
        let Some(question) = question.filter(|question| question.question_id == seen.question_id) else { return };
        // No cached value counts, nor a request that was sent before this tick began.
        let began_at = seen.began_at.max(question.at);
        if seen.sent_at.is_some_and(|sent_at| sent_at < began_at) {
            report(
                "no-cached-status",
                format!("its status was requested at {:?}, but its tick began at {began_at}", seen.sent_at),
            );
        }
        if seen.sent_at.is_none() && seen.remote.is_ok() {
            report("no-cached-status", "its status is known without a request".to_owned());
        }
        let gone = self.gone.get(&campaign).copied();
        let set_since = |missed: Missed| world.clock_set_since(missed.line);
        let since = |missed: Missed| question.wall.signed_duration_since(missed.asked_at);
        if !question.read_remote {
            let long = gone.is_none_or(|gone| since(gone) >= FOUND_GONE_AFTER && !set_since(gone));
            if long {
                let text = format!("it counts as gone without a read, since {gone:?}");
                report("gone-is-read-every-15-minutes", text);
            }
            if seen.remote != Err(RemoteFault::Gone) {
                report("no-cached-status", "its status is known, though the tick did not request it".to_owned());
            }
            return;
        }
        // Counted to a grid point: some milliseconds of delay must not cost one more tick.
        let soonest = FOUND_GONE_AFTER - seen.policy.tick;
        if let Some(gone) = gone.filter(|gone| since(*gone) < soonest && !gone.ordered && !set_since(*gone)) {
            report("gone-is-read-every-15-minutes", format!("it is read {:?} after a 404", since(gone)));
        }
        let missed = Missed { asked_at: question.wall, line: question.line, ordered: false };
        match &seen.remote {
            // Any other answer ends the series of 404s.
            Ok(_) | Err(RemoteFault::Failed(_) | RemoteFault::Shared(_)) => self.forget(campaign),
            // There was no answer.
            Err(RemoteFault::Late) => {}
            Err(fault @ (RemoteFault::NotFound | RemoteFault::Gone)) => {
                let first = *self.missing.entry(campaign).or_insert(missed);
                let is_gone = *fault == RemoteFault::Gone;
                let wrong = if is_gone {
                    since(first) < FOUND_GONE_AFTER - TOLERANCE
                } else {
                    since(first) >= FOUND_GONE_AFTER
                };
                if wrong && !set_since(first) {
                    report("gone-after-15-minutes", format!("it is {fault:?} {:?} after the first 404", since(first)));
                }
                if is_gone {
                    self.gone.insert(campaign, missed);
                } else {
                    self.gone.remove(&campaign);
                }
            }
        }
    }

    fn forget(&mut self, campaign: usize) {
        self.missing.remove(&campaign);
        self.gone.remove(&campaign);
    }
}
