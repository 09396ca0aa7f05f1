//! What leaves and what TrafficStars counts: the limit, who goes first, and that every request that changes something is
//! somebody's decision, in its order and in its time.

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

/// Rule 6: "Never more requests than the limit in any 60-second window, as the server counts them".
#[derive(Debug, Default)]
pub(super) struct LimitOfRequests {
    window: VecDeque<DateTime<Utc>>,
    /// When requests last left while the database was away, so that they could not be counted before they left; or when
    /// the clock was last set ahead, so that what is stored looks older than it is.
    uncounted_at: Option<DateTime<Utc>>,
    /// When the database went away, or came back.
    database_at: Option<DateTime<Utc>>,
    left_at: Option<DateTime<Utc>>,
    /// A process started that cannot know of them; README, "The account's limit", tells of it.
    forgotten_until: Option<DateTime<Utc>>,
}

/// A count that was asked for while the database was away may be answered so much later.
const COUNTS_LATE: Duration = Duration::seconds(1);

/// Without a token nothing leaves; one may take so long.
const TOKEN_COMES_WITHIN: Duration = Duration::seconds(16);

/// A minute is full until one after the answers of those who filled it, which may take so long.
const LONGEST_ANSWER: Duration = Duration::seconds(16);

/// For so long a request counts that was sent by an earlier process: a window, and the longest time-out before it.
const COUNTS_FOR: Duration = Duration::seconds(75);

impl Checker for LimitOfRequests {
    fn line(&mut self, world: &World<'_>, index: usize, line: &Line, found: &mut Findings) {
        match &line.what {
            What::Database { away } => {
                self.database_at = Some(line.at);
                // What leaves before its count is stored may never be counted then.
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
            let text = format!("{} requests in a minute, {limit} are allowed", self.window.len());
            found.report("limit-of-requests", index, text);
            // One that is told is told once.
            self.window.pop_front();
        }
    }
}

/// A request at the scheduler or on its way.
#[derive(Debug, Clone)]
struct Waiting {
    call: Call,
    carries: Vec<Carried>,
}

/// What a machine asked for.
#[derive(Debug, Clone, Copy)]
struct Decided {
    request: Request,
    line: usize,
    at: DateTime<Utc>,
    /// How many times each part has left since.
    end_times: u32,
    switches: u32,
    /// How many times it was answered that nothing was done, by which it may be repeated.
    repeats: u32,
    end_time_answered: bool,
    switch_answered: bool,
}

/// `pauses-overtake`, `pause-within-one-tick`, `end-time-before-run`, `undisturbed-costs-nothing`,
/// `one-action-in-flight`, `old-facts-start-nothing`, `nothing-started-while-held-back`, `released-sends-nothing`,
/// `hold-sends-nothing`.
#[derive(Debug, Default)]
pub(super) struct RequestScheduler {
    waiting: BTreeMap<RequestId, Waiting>,
    pauses: BTreeSet<RequestId>,
    /// When a token was asked for last.
    token_asked_at: Option<DateTime<Utc>>,
    /// When the last ones left.
    pauses_left: VecDeque<DateTime<Utc>>,
    out: BTreeMap<RequestId, Waiting>,
    decided: BTreeMap<(usize, ActionId), Decided>,
    /// The run or pause of a campaign that is on its way.
    switching: BTreeMap<usize, RequestId>,
    /// Pauses that have not left yet.
    due: BTreeMap<usize, (usize, DateTime<Utc>, ActionId)>,
    released: BTreeMap<usize, usize>,
    /// The line at which a hold was answered.
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
                self.released.remove(&restored.campaign);
                self.held.remove(&restored.campaign);
                self.decided.retain(|(campaign, _), _| *campaign != restored.campaign);
            }
            What::Gone { campaign } => {
                self.released.entry(*campaign).or_insert(index);
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
        // One that ended before it left is not due any more.
        if let Some((_, _, action)) = self.due.get(&step.campaign)
            && step.end_of(*action).is_some()
        {
            self.due.remove(&step.campaign);
        }
        for (line, effect) in &step.effects {
            match effect {
                Effect::Disabled { .. } => {
                    self.released.insert(step.campaign, *line);
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
        // 3. "pauses overtake every other waiting request"
        let overtaken = self.pauses.first().filter(|_| !matches!(waiting.call, Call::Pause(_)));
        if let Some(pause) = overtaken {
            let text = format!("{:?} leaves while the pause {pause:?} waits", waiting.call);
            found.report("pauses-overtake", index, text);
        }
        for carried in &waiting.carries {
            let leaving = Leaving { world, index, line, request_id, call: &waiting.call, carried };
            self.carried(&leaving, found);
        }
        if waiting.call.is_write() && waiting.carries.is_empty() {
            found.report("undisturbed-costs-nothing", index, format!("{:?} is for no action", waiting.call));
        }
        self.out.insert(request_id, waiting);
    }

    fn carried(&mut self, leaving: &Leaving<'_, '_>, found: &mut Findings) {
        let Leaving { world, index, line, request_id, call, carried } = *leaving;
        let Carried { campaign, action, kind } = *carried;
        let (Some(place), Some(decided)) = (world.place(campaign), self.decided.get_mut(&(campaign, action))) else {
            let text = format!("campaign {campaign}: {call:?} for an action that nobody asked for");
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
            // "set the end time to the day end, then run. In this order"
            (ActionKind::Activate, Call::Run(_)) if !decided.end_time_answered => {
                report("end-time-before-run", "a run before its end time was set");
            }
            (ActionKind::Activate, Call::Pause(_)) | (ActionKind::Pause | ActionKind::SetEndTime, Call::Run(_)) => {
                report("undisturbed-costs-nothing", "the opposite of what was decided");
            }
            // "pause, then set the end time to now"
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
        if self.released.contains_key(&campaign) {
            report("released-sends-nothing", "after its generator was disabled");
        }
        // A hold is answered when "nothing that was begun before is on its way any more".
        let held = self.held.get(&campaign).is_some_and(|held| decided.line < *held);
        if held && place.holding(line.wall).is_some_and(|hold| !hold.pause) {
            report("hold-sends-nothing", "begun before the hold that was answered");
        }
        if switches {
            if let Some(other) = self.switching.insert(campaign, request_id) {
                report("one-action-in-flight", &format!("while {other:?} is on its way"));
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
                // Neither did anything: a token is fetched, or silence is kept, and it is asked again.
                How::Status(401 | 429) => decided.repeats += 1,
                // "A batch that is refused as a whole … is split", a 5xx is repeated once, and each refused id is tried by the
                // other ways.
                How::Status(_) if switches => decided.repeats += 1,
                How::Refused(_) | How::Status(_) | How::TimedOut | How::Broke => {}
            }
        }
    }
}

/// A request that leaves, for one action.
#[derive(Clone, Copy)]
struct Leaving<'a, 'b> {
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
    // How long it may wait is told when it is asked for, by the clock as it was then.
    if world.clock_set_since(decided.line) {
        return;
    }
    // "From then to 24:00 no activation is sent: its end time would be past."
    if place.policies().all(|policy| past_day_end(policy, line.wall)) {
        report("nothing-started-while-held-back", "between the day end and midnight");
    }
    let too_old = decided.request.valid_until.is_none_or(|until| line.wall > until);
    if too_old {
        report("old-facts-start-nothing", "decided on facts that are too old by now");
    }
}

impl RequestScheduler {
    /// Rule 3: "… is sent a pause within one tick": from its decision on nothing but silence that TrafficStars has asked for,
    /// and a minute that is full, may hold it up.
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
        let silent = world.silence_until.map_or(decided, |until| until.max(decided));
        // "Never more requests than the limit": what the last process sent still counts, until its longest time-out is over.
        let silent = world
            .started_at
            .map_or(silent, |at| silent.max(at + (COUNTS_FOR - Duration::minutes(1)) + TOKEN_COMES_WITHIN));
        // Where pauses alone fill a minute, the others wait for the next one.
        let limit = usize::try_from(world.requests_per_minute).unwrap_or(usize::MAX);
        let before = self.pauses_left.iter().filter(|left| **left >= decided && **left < line.at).count();
        let minutes = i32::try_from(before / limit.saturating_sub(2).max(1)).unwrap_or(i32::MAX);
        let full = Duration::minutes(1) * minutes;
        let lacks_token = self.token_asked_at.is_some_and(|at| at >= decided - COUNTS_FOR);
        let token = if lacks_token { TOKEN_COMES_WITHIN } else { Duration::zero() };
        if line.at > silent + full + token + tick.max(Duration::minutes(1)) + LONGEST_ANSWER {
            let text = format!(
                "campaign {campaign}: its pause was decided at {decided} and has left at {} at the earliest",
                line.at
            );
            found.report("pause-within-one-tick", index, text);
        }
    }
}
