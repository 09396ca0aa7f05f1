//! The requests that are sent, and that TrafficStars counts: the limit and the order of sending. Every request that
//! changes something must belong to a decision, follow its steps, and be in time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::action::{ActionId, ActionKind};
use traffic_generator::domain::event::{Effect, Request};
use traffic_generator::trafficstar::budget::RequestId;

use super::shadow::past_day_end;
use super::world::{Place, Step, World};
use super::{Checker, Findings};
use crate::model::log::{Carried, How, Line, What};
use crate::model::remote::Call;

/// Rule 6: never more requests than the limit in any 60-second window, as the server counts them.
#[derive(Debug, Default)]
pub(super) struct LimitOfRequests {
    window: VecDeque<DateTime<Utc>>,
    /// When requests were last sent uncounted, since the database was away; or when the clock was last set ahead, so
    /// that the stored counts look older than they are.
    uncounted_at: Option<DateTime<Utc>>,
    /// When the database went away, or came back.
    database_at: Option<DateTime<Utc>>,
    left_at: Option<DateTime<Utc>>,
    /// Until when a new process does not know of uncounted requests; the manual's topic `limit` describes this.
    forgotten_until: Option<DateTime<Utc>>,
}

/// How late the answer to a count may come if the database goes away meanwhile.
const COUNTS_LATE: Duration = Duration::seconds(1);

/// How long a token may take. Without one no request is sent.
const TOKEN_COMES_WITHIN: Duration = Duration::seconds(16);

/// How long the answers of the requests that fill a minute may take; the minute counts from these answers.
const LONGEST_ANSWER: Duration = Duration::seconds(16);

/// How long a request of an earlier process counts: a window, and the longest time-out before it.
const COUNTS_FOR: Duration = Duration::seconds(75);

impl Checker for LimitOfRequests {
    fn line(&mut self, world: &World<'_>, index: usize, line: &Line, found: &mut Findings) {
        match &line.what {
            What::Database { away } => {
                self.database_at = Some(line.at);
                // A request that is sent before its count is stored may then never be counted.
                let just_left = self.left_at.filter(|at| *away && line.at < *at + COUNTS_LATE);
                self.uncounted_at = just_left.or(self.uncounted_at);
            }
            What::Left { .. } => {
                self.left_at = Some(line.at);
                if world.database_away || self.database_at.is_some_and(|at| line.at < at + COUNTS_LATE) {
                    self.uncounted_at = Some(line.at);
                }
            }
            What::ClockSet { by_ms: 1.. } => self.uncounted_at = Some(line.at),
            What::Started { .. } => {
                let lately = self.uncounted_at.filter(|at| line.at <= *at + COUNTS_FOR);
                self.forgotten_until = lately.map(|at| at + COUNTS_FOR).or(self.forgotten_until);
            }
            _ => {}
        }
        let What::Arrived { .. } = &line.what else { return };
        while self.window.front().is_some_and(|first| line.at - *first >= Duration::seconds(60)) {
            self.window.pop_front();
        }
        self.window.push_back(line.at);
        let limit = usize::try_from(world.requests_per_minute).unwrap_or(usize::MAX);
        let forgotten = self.forgotten_until.is_some_and(|until| line.at < until);
        if self.window.len() > limit && !forgotten {
            let text = format!("{} requests in a minute, but only {limit} are allowed", self.window.len());
            found.report("limit-of-requests", index, text);
            // Without the removal the next request would be reported, too.
            self.window.pop_front();
        }
    }
}

/// A request that waits in the scheduler, or is in flight.
#[derive(Debug, Clone)]
struct Waiting {
    call: Call,
    carries: Vec<Carried>,
}

/// A request that a machine has decided on.
#[derive(Debug, Clone, Copy)]
struct Decided {
    request: Request,
    line: usize,
    at: DateTime<Utc>,
    /// How often each part was sent since then.
    end_times: u32,
    switches: u32,
    /// How often an answer said that nothing was done, so that the request may be repeated.
    repeats: u32,
    end_time_answered: bool,
    switch_answered: bool,
}

/// `pauses-overtake`, `pause-within-one-tick`, `end-time-before-run`, `undisturbed-costs-nothing`,
/// `one-action-in-flight`, `old-facts-start-nothing`, `nothing-started-while-held-back`, `disabled-sends-nothing`,
/// `hold-sends-nothing`.
#[derive(Debug, Default)]
pub(super) struct RequestScheduler {
    waiting: BTreeMap<RequestId, Waiting>,
    pauses: BTreeSet<RequestId>,
    /// When a token was last requested.
    token_asked_at: Option<DateTime<Utc>>,
    /// When the latest pauses were sent.
    pauses_left: VecDeque<DateTime<Utc>>,
    out: BTreeMap<RequestId, Waiting>,
    decided: BTreeMap<(usize, ActionId), Decided>,
    /// By campaign: the run or pause that is in flight.
    switching: BTreeMap<usize, RequestId>,
    /// Pauses that are not sent yet.
    due: BTreeMap<usize, (usize, DateTime<Utc>, ActionId)>,
    disabled: BTreeMap<usize, usize>,
    /// By campaign: the line at which a hold was answered.
    held: BTreeMap<usize, usize>,
}

impl Checker for RequestScheduler {
    fn line(&mut self, world: &World<'_>, index: usize, line: &Line, found: &mut Findings) {
        match &line.what {
            What::Queued { request_id, call, carries, .. } => {
                match call {
                    Call::Pause(_) => drop(self.pauses.insert(*request_id)),
                    Call::Token => self.token_asked_at = Some(line.at),
                    _ => {}
                }
                self.waiting.insert(*request_id, Waiting { call: call.clone(), carries: carries.clone() });
            }
            What::GaveUp { request_id } => {
                self.pauses.remove(request_id);
                self.waiting.remove(request_id);
            }
            What::Left { request_id } => self.left(world, index, line, *request_id, found),
            What::Ended { request_id, how } => self.ended(*request_id, how),
            What::Crashed | What::Started { .. } => *self = Self::default(),
            What::Enabled(restored) => {
                self.disabled.remove(&restored.campaign);
                self.held.remove(&restored.campaign);
                self.decided.retain(|(campaign, _), _| *campaign != restored.campaign);
            }
            What::Gone { campaign } => {
                self.disabled.entry(*campaign).or_insert(index);
                self.due.remove(campaign);
            }
            What::Ends { .. } => {
                for (campaign, (_, at, _)) in std::mem::take(&mut self.due) {
                    self.too_late(world, campaign, at, line, index, found);
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, world: &World<'_>, step: &Step<'_>, _found: &mut Findings) {
        for sent in step.sent() {
            let request = *sent.request;
            let key = (step.campaign, request.action);
            let (line, at) = (sent.line, step.at);
            let (end_times, switches, repeats) = (0, 0, 0);
            let (end_time_answered, switch_answered) = (false, false);
            let decided =
                Decided { request, line, at, end_times, switches, repeats, end_time_answered, switch_answered };
            self.decided.insert(key, decided);
            if request.kind == ActionKind::Pause {
                self.due.insert(step.campaign, (sent.line, at, request.action));
            }
        }
        // A pause that ended before it was sent is no longer due.
        if let Some((_, _, action)) = self.due.get(&step.campaign)
            && step.end_of(*action).is_some()
        {
            self.due.remove(&step.campaign);
        }
        for (line, effect) in &step.effects {
            match effect {
                Effect::Disabled { .. } => {
                    self.disabled.insert(step.campaign, *line);
                }
                Effect::Held { .. } if world.place(step.campaign).is_some() => {
                    self.held.insert(step.campaign, *line);
                }
                _ => {}
            }
        }
    }
}

impl RequestScheduler {
    fn left(&mut self, world: &World<'_>, index: usize, line: &Line, request_id: RequestId, found: &mut Findings) {
        let Some(waiting) = self.waiting.remove(&request_id) else { return };
        if self.pauses.remove(&request_id) {
            self.pauses_left.push_back(line.at);
            self.pauses_left.retain(|left| line.at - *left < Duration::minutes(10));
        }
        // Rule 3: pauses overtake every other request that waits.
        let overtaken = self.pauses.first().filter(|_| !matches!(waiting.call, Call::Pause(_)));
        if let Some(pause) = overtaken {
            let text = format!("{:?} is sent while the pause {pause:?} waits", waiting.call);
            found.report("pauses-overtake", index, text);
        }
        for carried in &waiting.carries {
            let sending = Sending { world, index, line, request_id, call: &waiting.call, carried };
            self.carried(&sending, found);
        }
        if waiting.call.is_write() && waiting.carries.is_empty() {
            found.report("undisturbed-costs-nothing", index, format!("{:?} is for no action", waiting.call));
        }
        self.out.insert(request_id, waiting);
    }

    fn carried(&mut self, sending: &Sending<'_, '_>, found: &mut Findings) {
        let Sending { world, index, line, request_id, call, carried } = *sending;
        let Carried { campaign, action, kind } = *carried;
        let (Some(place), Some(decided)) = (world.place(campaign), self.decided.get_mut(&(campaign, action))) else {
            let text = format!("campaign {campaign}: {call:?} for an action that no machine requested");
            return found.report("undisturbed-costs-nothing", index, text);
        };
        let mut report = |checker: &'static str, text: &str| {
            found.report(checker, index, format!("campaign {campaign}: {text}: {call:?} for {:?}", decided.request));
        };
        let switches = matches!(call, Call::Run(_) | Call::Pause(_));
        let count = if switches { &mut decided.switches } else { &mut decided.end_times };
        *count += 1;
        if *count > 1 + decided.repeats {
            report("undisturbed-costs-nothing", "one request more than the action needs");
        }
        if kind != decided.request.kind {
            report("undisturbed-costs-nothing", "for another kind of action than was decided");
        }
        match (kind, call) {
            // First the end time is set to the day end, then the campaign is run.
            (ActionKind::Activate, Call::Run(_)) if !decided.end_time_answered => {
                report("end-time-before-run", "a run before its end time was set");
            }
            (ActionKind::Activate, Call::Pause(_)) | (ActionKind::Pause | ActionKind::SetEndTime, Call::Run(_)) => {
                report("undisturbed-costs-nothing", "the opposite of what was decided");
            }
            // First the campaign is paused, then its end time is set to now.
            (ActionKind::Pause, Call::EndTime { .. }) if !decided.switch_answered => {
                report("end-time-before-run", "an end time before its pause was accepted");
            }
            (_, Call::EndTime { at, .. }) if *at != decided.request.end_time => {
                report("end-time-is-right", "another end time than was decided");
            }
            _ => {}
        }
        if kind == ActionKind::Activate {
            check_activation(world, place, line, decided, &mut report);
        }
        if self.disabled.contains_key(&campaign) {
            report("disabled-sends-nothing", "after its generator was disabled");
        }
        // When a hold is answered, no action that began before it may still be under way.
        let held = self.held.get(&campaign).is_some_and(|held| decided.line < *held);
        if held && place.holding(line.wall).is_some_and(|hold| !hold.pause) {
            report("hold-sends-nothing", "begun before the hold that was answered");
        }
        if switches {
            if let Some(other) = self.switching.insert(campaign, request_id) {
                report("one-action-in-flight", &format!("while {other:?} is under way"));
            }
            if kind == ActionKind::Pause
                && let Some((_, at, _)) = self.due.remove(&campaign)
            {
                self.too_late(world, campaign, at, line, index, found);
            }
        }
    }

    fn ended(&mut self, request_id: RequestId, how: &How) {
        let Some(out) = self.out.remove(&request_id) else { return };
        let switches = matches!(out.call, Call::Run(_) | Call::Pause(_));
        for carried in &out.carries {
            if switches && self.switching.get(&carried.campaign) == Some(&request_id) {
                self.switching.remove(&carried.campaign);
            }
            let Some(decided) = self.decided.get_mut(&(carried.campaign, carried.action)) else { continue };
            match how {
                How::Answered | How::Refused(_) if switches => decided.switch_answered = true,
                How::Answered => decided.end_time_answered = true,
                // Neither changed anything: a token is fetched, or the block ends, and the request is sent again.
                How::Status(401 | 429) => decided.repeats += 1,
                // A batch that is refused as a whole is split, a 5xx is repeated once, and each refused id is tried by
                // the other ways.
                How::Status(_) if switches => decided.repeats += 1,
                How::Refused(_) | How::Status(_) | How::TimedOut | How::Broke => {}
            }
        }
    }
}

/// A request that is sent, for one of its actions.
#[derive(Clone, Copy)]
struct Sending<'a, 'b> {
    world: &'b World<'a>,
    index: usize,
    line: &'b Line,
    request_id: RequestId,
    call: &'b Call,
    carried: &'b Carried,
}

fn check_activation(
    world: &World<'_>,
    place: &Place<'_>,
    line: &Line,
    decided: &Decided,
    report: &mut impl FnMut(&'static str, &str),
) {
    // The request's age limit is set by the clock at the decision, so a clock that was set since proves nothing.
    if world.clock_set_since(decided.line) {
        return;
    }
    // From the day end to 24:00 no activation is sent, since its end time would be past.
    if place.policies().all(|policy| past_day_end(policy, line.wall)) {
        report("nothing-started-while-held-back", "between the day end and midnight");
    }
    let too_old = decided.request.valid_until.is_none_or(|until| line.wall > until);
    if too_old {
        report("old-facts-start-nothing", "decided on facts that are now too old");
    }
}

impl RequestScheduler {
    /// Rule 3: a pause is sent within one tick of its decision. Only a block that TrafficStars has demanded, and a full
    /// minute, may delay it.
    fn too_late(
        &self,
        world: &World<'_>,
        campaign: usize,
        decided: DateTime<Utc>,
        line: &Line,
        index: usize,
        found: &mut Findings,
    ) {
        let tick = world.place(campaign).map_or(Duration::minutes(1), |place| place.row.policy.tick);
        let blocked = world.blocked_until.map_or(decided, |until| until.max(decided));
        // The limit holds for the last process, too: its requests count until its longest time-out is over.
        let blocked = world
            .started_at
            .map_or(blocked, |at| blocked.max(at + (COUNTS_FOR - Duration::minutes(1)) + TOKEN_COMES_WITHIN));
        // If pauses alone fill a minute, the other pauses wait for the next one.
        let limit = usize::try_from(world.requests_per_minute).unwrap_or(usize::MAX);
        let before = self.pauses_left.iter().filter(|left| **left >= decided && **left < line.at).count();
        let minutes = i32::try_from(before / limit.saturating_sub(2).max(1)).unwrap_or(i32::MAX);
        let full = Duration::minutes(1) * minutes;
        let lacks_token = self.token_asked_at.is_some_and(|at| at >= decided - COUNTS_FOR);
        let token = if lacks_token { TOKEN_COMES_WITHIN } else { Duration::zero() };
        if line.at > blocked + full + token + tick.max(Duration::minutes(1)) + LONGEST_ANSWER {
            let text =
                format!("campaign {campaign}: its pause was decided at {decided} and was not sent before {}", line.at);
            found.report("pause-within-one-tick", index, text);
        }
    }
}
