//! The block after a 429, pauses that nothing may delay, and end times that are owed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::action::{ActionKind, Outcome, Step as ActionStep};
use traffic_generator::domain::event::Event;
use traffic_generator::domain::phase::Phase;
use traffic_generator::domain::remote::{EndTime, RemoteCampaign};
use traffic_generator::trafficstar::budget::RequestId;

use super::judge;
use super::world::{Step, World};
use super::{Checker, Findings};
use crate::model::log::{Line, What};
use crate::model::remote::Call;

/// `blocked-client-sends-nothing`: after a 429 no request is sent until the moment that TrafficStars has given.
#[derive(Debug, Default)]
pub(super) struct RateLimit {
    /// When the 429 arrived, and until when it blocks requests.
    blocked: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Checker for RateLimit {
    fn line(&mut self, _world: &World<'_>, index: usize, line: &Line, found: &mut Findings) {
        match &line.what {
            What::Started { .. } | What::Crashed => self.blocked = None,
            What::Blocked { until } => {
                let (since, before) = self.blocked.filter(|(_, before)| line.at < *before).unwrap_or((line.at, *until));
                self.blocked = Some((since, before.max(*until)));
            }
            What::Left { request_id } => {
                if let Some((since, until)) = self.blocked
                    && line.at > since
                    && line.at < until
                {
                    found.report(
                        "blocked-client-sends-nothing",
                        index,
                        format!("{request_id:?} is sent, though a 429 blocks requests until {until}"),
                    );
                }
            }
            _ => {}
        }
    }
}

/// The longest time until a pause that may be sent is sent; the count of requests is stored in this time.
const SENT_WITHIN: Duration = Duration::seconds(5);
/// How long a slot is used after its request was answered.
const HELD_FOR: Duration = Duration::seconds(61);
/// How long after a start the slots of the last process are unknown: they are stored by the full second.
const UNKNOWN_FOR: Duration = Duration::seconds(77);

/// `nothing-holds-pauses`: a pause waits only while a minute is full, or while a 429 blocks. No circuit delays it.
#[derive(Debug, Default)]
pub(super) struct Unhindered {
    pauses: BTreeSet<RequestId>,
    out: BTreeSet<RequestId>,
    answered: VecDeque<DateTime<Utc>>,
    /// Since when a pause could have been sent.
    free_since: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
}

impl Checker for Unhindered {
    fn line(&mut self, world: &World<'_>, index: usize, line: &Line, found: &mut Findings) {
        self.look(world, index, line, found);
        match &line.what {
            What::Started { .. } => *self = Self { started_at: Some(line.at), ..Self::default() },
            What::Crashed => *self = Self::default(),
            What::Queued { request_id, call: Call::Pause(_), .. } => drop(self.pauses.insert(*request_id)),
            What::GaveUp { request_id } => drop(self.pauses.remove(request_id)),
            What::Left { request_id } => {
                self.out.insert(*request_id);
                if self.pauses.remove(request_id) {
                    self.free_since = None;
                }
            }
            What::Ended { request_id, .. } => {
                self.out.remove(request_id);
                self.answered.push_back(line.at);
            }
            _ => {}
        }
    }
}

impl Unhindered {
    /// Looks at the time since the line before.
    fn look(&mut self, world: &World<'_>, index: usize, line: &Line, found: &mut Findings) {
        let slots = usize::try_from(world.requests_per_minute).unwrap_or(usize::MAX);
        let full = self.out.len() + self.answered.len() >= slots;
        while self.answered.front().is_some_and(|at| line.at - *at >= HELD_FOR) {
            self.answered.pop_front();
        }
        let blocked = world.blocked_until.is_some_and(|until| line.at < until + Duration::seconds(1));
        let begins = self.started_at.is_none_or(|at| line.at - at < UNKNOWN_FOR);
        if self.pauses.is_empty() || full || blocked || begins || world.database_away {
            self.free_since = None;
            return;
        }
        let since = *self.free_since.get_or_insert(line.at);
        if line.at - since > SENT_WITHIN {
            let text = format!("{:?} could have been sent at {since}", self.pauses.first());
            found.report("nothing-holds-pauses", index, text);
            self.free_since = None;
        }
    }
}

/// `debt-is-kept`: from the request of a pause on its end time is owed, and a crash does not lose that.
#[derive(Debug, Default)]
pub(super) struct Debts {
    /// By campaign: whether an end time was owed when the process began, and still is.
    restored: BTreeMap<usize, bool>,
}

impl Checker for Debts {
    fn line(&mut self, _world: &World<'_>, _index: usize, line: &Line, _found: &mut Findings) {
        let restored = match &line.what {
            What::Started { campaigns } => {
                self.restored.clear();
                campaigns.as_slice()
            }
            What::Enabled(restored) => std::slice::from_ref(restored),
            _ => return,
        };
        for restored in restored {
            let owed = restored.promise.is_some_and(|promise| promise.end_time_owed);
            self.restored.insert(restored.campaign, owed);
        }
    }

    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let Some(place) = world.place(step.campaign) else { return };
        let pauses = step.sent().any(|sent| sent.request.kind == ActionKind::Pause);
        let owed = self.restored.entry(step.campaign).or_default();
        // An adopted campaign owes an end time only while it has none.
        let has_end_time = |remote: &RemoteCampaign| remote.end_time != EndTime::Unset;
        let settles = match step.event {
            Event::Observed { observation, .. } => {
                let remote = &observation.remote;
                let adopted = place.phase == Phase::ActiveGuarded && remote.as_ref().is_ok_and(has_end_time);
                adopted || judge::shows_stopped(remote, step.wall)
            }
            Event::ReadBack { .. }
            | Event::EndTimeSet { .. }
            | Event::Applied { outcome: Outcome::Accepted | Outcome::Unclear(_), .. } => true,
            _ => false,
        };
        let adopts = step.phase == Phase::ActiveGuarded && place.phase != Phase::ActiveGuarded;
        let sets_end_time = place.doing.filter(|doing| doing.kind == ActionKind::SetEndTime);
        let end = sets_end_time.and_then(|doing| step.end_of(doing.id)).map(|(_, end)| end);
        let is_set = end == Some(ActionStep::Confirmed);
        let activates = step.sent().any(|sent| sent.request.kind == ActionKind::Activate);
        if settles || adopts || activates || is_set {
            *owed = false;
        }
        if let Some((line, record)) = step.records().last()
            && (pauses || *owed)
            && !record.promise.end_time_owed
        {
            let text = format!("campaign {}: an end time is owed, and {record:?} does not say so", step.campaign);
            found.report("debt-is-kept", line, text);
        }
    }
}
