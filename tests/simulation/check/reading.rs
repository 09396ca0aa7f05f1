//! What a pause needs is read first.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::event::{Effect, Event, QuestionId};
use traffic_generator::domain::policy::Mode;
use traffic_generator::domain::read_priority::Urgency;
use traffic_generator::trafficstar::budget::RequestId;

use super::judge::SpendClass;
use super::shadow::Facts;
use super::world::{Place, Step, World};
use super::{Checker, Findings};
use crate::model::log::{Line, Seen, What};
use crate::model::remote::Call;

/// The database is read before a status is asked for, and questions are gathered.
const ASKED_WITHIN: Duration = Duration::seconds(2);
/// A slot is held until a minute after its answer.
const HELD_FOR: Duration = Duration::seconds(76);
/// No tick takes longer.
const REMEMBERED_FOR: Duration = Duration::minutes(10);

/// A request that left.
#[derive(Debug)]
struct Left {
    request_id: RequestId,
    came_at: DateTime<Utc>,
    left_at: DateTime<Utc>,
    does: Does,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Read,
    ReadForAPause,
    /// It runs a campaign, or sets an end time.
    Change,
}

/// `needed-reads-are-not-last`: rule 3, "the reads that they need are not last". Used-up clicks of a campaign that ran when
/// it was last seen may need a pause. While none of all campaigns is read, nothing that came later and starts something
/// may leave before its read.
#[derive(Debug, Default)]
pub(super) struct NeededReads {
    queued_requests: BTreeMap<RequestId, (DateTime<Utc>, Does)>,
    left: VecDeque<Left>,
    /// The ticks whose reads a pause may need.
    ticks: BTreeMap<usize, (QuestionId, DateTime<Utc>)>,
}

impl Checker for NeededReads {
    fn line(&mut self, _world: &World<'_>, _index: usize, line: &Line, _found: &mut Findings) {
        match &line.what {
            What::Started { .. } | What::Crashed => *self = Self::default(),
            What::Queued { request_id, call, urgency, .. } => {
                let does = match call {
                    Call::Page(_) | Call::Campaign(_) if *urgency == Urgency::Pause => Does::ReadForAPause,
                    Call::Page(_) | Call::Campaign(_) => Does::Read,
                    Call::Run(_) | Call::EndTime { .. } => Does::Change,
                    Call::Token | Call::Report { .. } | Call::DayReport(_) | Call::Pause(_) => return,
                };
                self.queued_requests.insert(*request_id, (line.at, does));
            }
            What::GaveUp { request_id } => drop(self.queued_requests.remove(request_id)),
            What::Left { request_id } => {
                if let Some((came_at, does)) = self.queued_requests.remove(request_id) {
                    self.left.push_back(Left { request_id: *request_id, came_at, left_at: line.at, does });
                }
                self.left.retain(|left| line.at - left.left_at < REMEMBERED_FOR);
            }
            What::Gone { campaign } => drop(self.ticks.remove(campaign)),
            _ => {}
        }
    }

    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let Some(place) = world.place(step.campaign) else { return };
        if let (Event::Observed { operation, .. }, Some(seen)) = (step.event, step.seen)
            && let Some((asked, began_at)) = self.ticks.remove(&step.campaign)
            && asked == *operation
            && used_up_from_the_beginning(place, seen)
            && let Some(overtaker) = self.overtaker(world, began_at, seen)
        {
            let text = format!(
                "campaign {}: its clicks are used up, and {:?} left before its status was asked for",
                step.campaign, overtaker.request_id
            );
            found.report("needed-reads-are-not-last", step.line, text);
        }
        let observes = step.effects.iter().find_map(|(_, effect)| match effect {
            Effect::Observe { operation, read_remote: true, .. } => Some(*operation),
            _ => None,
        });
        if let (Event::Wake, Some(operation)) = (step.event, observes)
            && may_need_a_pause(place, step)
        {
            self.ticks.insert(step.campaign, (operation, step.at));
        }
    }
}

impl NeededReads {
    fn overtaker(&self, world: &World<'_>, began_at: DateTime<Utc>, seen: &Seen) -> Option<&Left> {
        let sent_at = seen.sent_at?;
        // Where many are in doubt, their reads leave something to the others.
        let lately = self.left.iter().filter(|left| left.left_at > began_at - HELD_FOR && left.left_at < sent_at);
        let needed = lately.filter(|left| left.does == Does::ReadForAPause).count();
        if needed >= usize::try_from(world.requests_per_minute).unwrap_or(usize::MAX) / 2 {
            return None;
        }
        let mut before = self.left.iter().filter(|left| left.left_at > began_at && left.left_at < sent_at);
        // Many reads may be needed, and what is on its way may have been to bring this one.
        if before.clone().any(|left| left.does != Does::Change) {
            return None;
        }
        before.find(|left| left.came_at > began_at + ASKED_WITHIN)
    }
}

/// By what is known when its tick begins.
fn may_need_a_pause(place: &Place<'_>, step: &Step<'_>) -> bool {
    let Some((_, seen)) = place.seen else { return false };
    let facts = Facts::of(seen, step.wall);
    let acts = place.policies().all(|policy| policy.mode == Mode::Act);
    let held = place.holding(step.wall).is_some();
    facts.remote.may_run() && facts.spend == SpendClass::Below && acts && !held
}

fn used_up_from_the_beginning(place: &Place<'_>, seen: &Seen) -> bool {
    let policies = || place.policies().chain([&seen.policy]);
    seen.first_clicks.is_some_and(|clicks| policies().all(|policy| clicks <= policy.pause_clicks))
}
