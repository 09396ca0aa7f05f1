//! When a campaign ticks, and that what a tick has read is new.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::action::ActionKind;
use traffic_generator::domain::event::{Effect, Event};
use traffic_generator::domain::failure::RemoteFault;

use super::world::{Doing, Place, Stage, Step, World};
use super::{Checker, Findings};
use crate::model::log::{Line, Seen, What};

/// What may pass between a timer's time and the wake.
const LATE: Duration = Duration::seconds(2);
/// The time-out of TrafficStars' answers.
const ANSWERED_WITHIN: Duration = Duration::seconds(15);
/// What may pass between a machine's birth and its first tick.
const FIRST: Duration = Duration::seconds(5);

/// One campaign's ticks.
#[derive(Debug, Clone, Copy)]
struct Clockwork {
    born_at: DateTime<Utc>,
    began: bool,
    /// The line of the last tick's beginning.
    line: usize,
    /// An operator has ordered a tick, or what makes one due, since.
    ordered: bool,
    /// When the last one ended.
    ended: Option<Ended>,
}

#[derive(Debug, Clone, Copy)]
struct Ended {
    /// By the guard's clock.
    began: DateTime<Utc>,
    at: DateTime<Utc>,
    wall: DateTime<Utc>,
    /// When the next tick is due by the grid.
    next_due: DateTime<Utc>,
    /// It waited for answers up to its end, so that the next tick follows at once.
    waited: bool,
    clock_sets: i32,
    cools_down_until: Option<DateTime<Utc>>,
}

/// `tick-at-the-grid`: "once at start, then at the next point of one shared grid (the full minute) … A tick that still
/// waits for answers is never overlapped: a late one skips points." And one at the very end of a cool-down.
///
/// `tick-ends-at-the-grid`: "What has not come by the next point of the grid has failed".
#[derive(Debug, Default)]
pub(super) struct Ticks {
    /// How many times the guard's clock was set.
    clock_sets: i32,
    clockworks: BTreeMap<usize, Clockwork>,
}

impl Checker for Ticks {
    fn line(&mut self, _world: &World<'_>, index: usize, line: &Line, _found: &mut Findings) {
        let born = Clockwork { born_at: line.at, began: false, line: index, ordered: false, ended: None };
        if let What::ClockSet { .. } = &line.what {
            self.clock_sets += 1;
        }
        if let What::Started { campaigns } = &line.what {
            self.clockworks = campaigns.iter().map(|restored| (restored.campaign, born)).collect();
        }
        if let What::Enabled(restored) = &line.what {
            self.clockworks.insert(restored.campaign, born);
        }
    }

    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let Some(place) = world.place(step.campaign) else { return };
        let Some(clockwork) = self.clockworks.get_mut(&step.campaign) else { return };
        clockwork.ordered |=
            matches!(step.event, Event::Process { .. } | Event::Force { .. } | Event::Hold { .. } | Event::HoldAll(_));
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
        // No tick is due while a release is under way; whether one was meanwhile is known when it is over.
        if step.effects.iter().any(|(_, effect)| matches!(effect, Effect::DisableRefused(_))) {
            clockwork.ended = None;
            clockwork.ordered = true;
        }
        let ends = matches!(step.event, Event::Observed { operation, .. }
            if place.observing.is_some_and(|question| question.operation == *operation));
        if ends {
            let (at, wall) = (step.at, step.wall);
            let began = place.observing.map_or(wall, |question| question.wall);
            let clock_sets = self.clock_sets;
            let cools_down_until = step.phase.cooling_down_until();
            let latest_end = latest_end(place, began);
            // Its questions wait until what was decided before is stored.
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

/// The next full minute, or whatever the tick's length is.
fn next_point(place: &Place<'_>, wall: DateTime<Utc>) -> DateTime<Utc> {
    let length_ms = place.row.policy.tick.num_milliseconds();
    wall + Duration::milliseconds(length_ms - wall.timestamp_millis().rem_euclid(length_ms))
}

/// The point of the grid that ends a tick which began then: the first one that leaves TrafficStars the time to answer.
fn latest_end(place: &Place<'_>, began: DateTime<Utc>) -> DateTime<Utc> {
    next_point(place, began + ANSWERED_WITHIN)
}

impl Clockwork {
    fn wrong_time(&self, world: &World<'_>, place: &Place<'_>, step: &Step<'_>, clock_sets: i32) -> Option<String> {
        if place.disabling {
            return None;
        }
        // However the clock is set: one tick until that is noticed, each time, and one to the next point.
        let longest = |ended: &Ended| place.row.policy.tick * (2 + (clock_sets - ended.clock_sets)) + LATE;
        if let Some(ended) = self.ended.filter(|ended| step.at - ended.at > longest(ended)) {
            return Some(format!("no tick from {} to {}", ended.at, step.at));
        }
        if world.clock_set_since(self.line) {
            return None;
        }
        if !self.began {
            let waited = step.at.signed_duration_since(self.born_at);
            return (waited > FIRST).then(|| format!("its first tick comes {waited} after its start"));
        }
        if let Some(ended) = self.ended {
            // "A tick falls due at their very end"; it is known once the pause is answered.
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
        // One that began before the end of the cool-down has not looked at it; the next one falls due when it is over.
        // "A tick that is due already stays due", though its pause is answered then and the cool-down begins anew.
        let until_then = self.ended.and_then(|ended| ended.cools_down_until);
        let cooled_down =
            place.phase.cooling_down_until().into_iter().chain(until_then).any(|until| until <= step.wall);
        let waits_for_tick = place.forced.as_ref().is_some_and(|forced| forced.action.is_none());
        let follows = self.ended.is_some_and(|ended| ended.waited && step.wall <= ended.wall + LATE);
        let reasoned = at_the_grid || cooled_down || self.ordered || waits_for_tick || follows;
        (!reasoned).then(|| format!("a tick at {}, which is no point of the grid", step.wall))
    }
}

/// "gone: it answered 404 to single reads for 15 minutes (until then a 404 is *unknown*, read again at every tick"; "A
/// campaign that is gone is read again every 15 minutes."
const FOUND_GONE_AFTER: Duration = Duration::minutes(15);
/// A tick may begin some milliseconds late, and the next one does not.
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
    /// The first 404 since the campaign was seen last.
    missing: BTreeMap<usize, Missed>,
    /// The last one of a campaign that is gone.
    gone: BTreeMap<usize, Missed>,
}

impl Checker for Readings {
    fn line(&mut self, world: &World<'_>, index: usize, line: &Line, found: &mut Findings) {
        match &line.what {
            What::Started { .. } | What::Crashed => *self = Self::default(),
            What::Enabled(restored) => self.forget(restored.campaign),
            What::SeenBack { campaign, operation, sent_at: Some(sent_at) } => {
                let question = world.place(*campaign).and_then(|place| place.reading_back);
                let asked = question.filter(|question| question.operation == *operation);
                if asked.is_some_and(|question| *sent_at < question.at) {
                    let text = format!(
                        "campaign {campaign}: read back by a request sent at {sent_at}, before it was asked for"
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
        let awaited = |operation| {
            let question = world.place(step.campaign).and_then(|place| place.reading_back);
            question.is_some_and(|question| question.operation == operation)
        };
        if let Event::ReadBack { operation, remote: Ok(_) } = step.event
            && awaited(*operation)
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
        let Some(question) = question.filter(|question| question.operation == seen.operation) else { return };
        // "no cached value; a request that was sent before this tick began does not count"
        let began_at = seen.began_at.max(question.at);
        if seen.sent_at.is_some_and(|sent_at| sent_at < began_at) {
            report(
                "no-cached-status",
                format!("its status was asked for at {:?}, its tick began at {began_at}", seen.sent_at),
            );
        }
        if seen.sent_at.is_none() && seen.remote.is_ok() {
            report("no-cached-status", "its status came without a request".to_owned());
        }
        let gone = self.gone.get(&campaign).copied();
        let set_since = |missed: Missed| world.clock_set_since(missed.line);
        let since = |missed: Missed| question.wall.signed_duration_since(missed.asked_at);
        if !question.read_remote {
            let long = gone.is_none_or(|gone| since(gone) >= FOUND_GONE_AFTER && !set_since(gone));
            if long {
                let text = format!("it is taken for gone without having been read, since {gone:?}");
                report("gone-is-read-every-15-minutes", text);
            }
            if seen.remote != Err(RemoteFault::Gone) {
                report("no-cached-status", "its status came without being asked for".to_owned());
            }
            return;
        }
        // To a point of the grid, so that some milliseconds of delay do not cost a whole tick more.
        let soonest = FOUND_GONE_AFTER - seen.policy.tick;
        if let Some(gone) = gone.filter(|gone| since(*gone) < soonest && !gone.ordered && !set_since(*gone)) {
            report("gone-is-read-every-15-minutes", format!("it is read {:?} after a 404", since(gone)));
        }
        let missed = Missed { asked_at: question.wall, line: question.line, ordered: false };
        match &seen.remote {
            // "404 to single reads for 15 minutes": any other answer ends the row.
            Ok(_) | Err(RemoteFault::Failed(_) | RemoteFault::Shared(_)) => self.forget(campaign),
            // Nothing was answered.
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
