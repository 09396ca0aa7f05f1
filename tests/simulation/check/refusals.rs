//! A campaign's id that TrafficStars refuses in a switch batch.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::action::{ActionId, Outcome};
use traffic_generator::domain::event::Event;
use traffic_generator::trafficstar::budget::RequestId;

use super::world::{Step, World};
use super::{Checker, Findings};
use crate::model::log::{Carried, How, Line, What};
use crate::model::remote::{Call, REFUSALS};

/// A limit that has room for all requests of a batch that is split, beside all other requests.
const AMPLE: u32 = 60;

/// One campaign's action.
type Key = (usize, ActionId);

/// A batch that is refused as a whole is split within the same tick, until only the refused ids are left.
///
/// `one-refused-id-holds-no-other`: a campaign that is not refused gets an answer of its own, in time.
/// `refused-id-says-why`: a refused campaign has failed, with the status in its reason.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// By the model: the campaigns that TrafficStars refuses, and the line at which that began or ended.
    refused: BTreeMap<usize, u16>,
    changed: BTreeMap<usize, usize>,
    /// Runs and pauses that wait in the scheduler or are in flight.
    requests: BTreeMap<RequestId, Vec<Carried>>,
    /// The line at which each was decided.
    decided: BTreeMap<Key, usize>,
    /// The actions of which a request was refused.
    met: BTreeSet<Key>,
    /// The actions of which a request had another trouble, such as a time-out.
    troubled: BTreeSet<Key>,
    /// When each action has to have its result.
    waits: BTreeMap<Key, DateTime<Utc>>,
}

impl Checker for Refusals {
    fn line(&mut self, world: &World<'_>, index: usize, line: &Line, found: &mut Findings) {
        self.look(line, index, found);
        match &line.what {
            What::RefusedId { campaign, status } => {
                self.changed.insert(*campaign, index);
                match status {
                    Some(status) => drop(self.refused.insert(*campaign, *status)),
                    None => drop(self.refused.remove(campaign)),
                }
            }
            What::Started { .. } | What::Crashed => {
                let (refused, changed) = (std::mem::take(&mut self.refused), std::mem::take(&mut self.changed));
                *self = Self { refused, changed, ..Self::default() };
            }
            What::Gone { campaign } => self.waits.retain(|(of, _), _| of != campaign),
            // No request is sent until the block is over.
            What::Blocked { .. } => self.waits.clear(),
            What::Queued { request_id, call: Call::Run(_) | Call::Pause(_), carries, .. } => {
                self.requests.insert(*request_id, carries.clone());
            }
            What::GaveUp { request_id } => self.ended(world, line, *request_id, &How::Broke),
            What::Ended { request_id, how } => self.ended(world, line, *request_id, how),
            _ => {}
        }
    }

    fn step(&mut self, _world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        if let Event::Applied { action, outcome } = step.event {
            let key = (step.campaign, *action);
            self.waits.remove(&key);
            if let Some(decided) = self.decided.remove(&key)
                && let Some((checker, text)) = self.wrong_result(key, decided, outcome)
            {
                found.report(checker, step.line, format!("campaign {}: {outcome:?} {text}", step.campaign));
            }
        }
        for sent in step.sent() {
            self.decided.insert((step.campaign, sent.request.action), sent.line);
        }
    }
}

impl Refusals {
    fn look(&mut self, line: &Line, index: usize, found: &mut Findings) {
        self.waits.retain(|(campaign, action), until| {
            if line.at > *until {
                let text = format!(
                    "campaign {campaign}: {action:?} was in a request that another id made fail, and got no answer"
                );
                found.report("one-refused-id-holds-no-other", index, text);
            }
            line.at <= *until
        });
    }

    fn ended(&mut self, world: &World<'_>, line: &Line, request_id: RequestId, how: &How) {
        let Some(carries) = self.requests.remove(&request_id) else { return };
        for carried in carries {
            let key = (carried.campaign, carried.action);
            match how {
                How::Answered => {}
                // A 5xx may have had its effect, so such an answer proves nothing afterwards.
                How::Refused(_) if self.met.contains(&key) => drop(self.troubled.insert(key)),
                How::Refused(_) => {}
                How::Status(status) if REFUSALS.contains(status) => {
                    self.met.insert(key);
                    let tick =
                        world.place(carried.campaign).map_or(Duration::minutes(1), |place| place.row.policy.tick);
                    if !self.refused.contains_key(&carried.campaign) && world.requests_per_minute >= AMPLE {
                        let until = line.at + tick.max(Duration::minutes(1));
                        self.waits.entry(key).or_insert(until);
                    }
                }
                How::Status(_) | How::TimedOut | How::Broke => {
                    self.troubled.insert(key);
                    self.waits.remove(&key);
                }
            }
        }
    }

    fn wrong_result(&self, key: Key, decided: usize, outcome: &Outcome) -> Option<(&'static str, String)> {
        let changed = self.changed.get(&key.0).is_some_and(|changed| *changed > decided);
        if changed || self.troubled.contains(&key) {
            return None;
        }
        let reported = match outcome {
            Outcome::Failed(reason) | Outcome::Unclear(reason) => {
                REFUSALS.into_iter().find(|status| reason.contains(&format!("({status})")))
            }
            Outcome::Accepted | Outcome::NotSent(_) | Outcome::Postponed(_) => None,
        };
        let over = matches!(outcome, Outcome::Accepted | Outcome::Failed(_) | Outcome::Unclear(_));
        match (self.refused.get(&key.0), reported) {
            (None, Some(_)) => {
                Some(("one-refused-id-holds-no-other", "though TrafficStars does not refuse it".to_owned()))
            }
            (Some(status), None) if over && self.met.contains(&key) => {
                Some(("refused-id-says-why", format!("though it is refused with {status}")))
            }
            (Some(_) | None, _) => None,
        }
    }
}
