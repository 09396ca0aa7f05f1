//! The reads that a pause needs come first.

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

/// The longest time from a tick's start to its request of a status: the database is read before, and requests are
/// gathered.
const ASKED_WITHIN: Duration = Duration::seconds(2);
/// How long a slot is used: a minute after its answer.
const HELD_FOR: Duration = Duration::seconds(76);
/// How long sent requests are kept. No tick takes longer.
const REMEMBERED_FOR: Duration = Duration::minutes(10);

/// A request that was sent.
#[derive(Debug)]
struct Left {
    request_id: RequestId,
    /// When it was queued.
    came_at: DateTime<Utc>,
    left_at: DateTime<Utc>,
    does: Does,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Read,
    ReadForAPause,
    /// Runs a campaign, or sets an end time.
    Change,
}

/// `needed-reads-are-not-last`: rule 3. A campaign that ran at its last read may need a pause once its clicks are used
/// up. Until some campaign is read, no request that starts something, and was queued later, may be sent before its
/// read.
#[derive(Debug, Default)]
pub(super) struct NeededReads {
    queued_requests: BTreeMap<RequestId, (DateTime<Utc>, Does)>,
    left: VecDeque<Left>,
    /// The ticks whose reads a pause may need, by campaign.
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
        if let (Event::Observed { question_id, .. }, Some(seen)) = (step.event, step.seen)
            && let Some((asked, began_at)) = self.ticks.remove(&step.campaign)
            && asked == *question_id
            && used_up_from_the_beginning(place, seen)
            && let Some(overtaker) = self.overtaker(world, began_at, seen)
        {
            let text = format!(
                "campaign {}: its clicks are used up, and {:?} was sent before its status was requested",
                step.campaign, overtaker.request_id
            );
            found.report("needed-reads-are-not-last", step.line, text);
        }
        let observes = step.effects.iter().find_map(|(_, effect)| match effect {
            Effect::Observe { question_id, read_remote: true, .. } => Some(*question_id),
            _ => None,
        });
        if let (Event::Wake, Some(question_id)) = (step.event, observes)
            && may_need_a_pause(place, step)
        {
            self.ticks.insert(step.campaign, (question_id, step.at));
        }
    }
}

impl NeededReads {
    fn overtaker(&self, world: &World<'_>, began_at: DateTime<Utc>, seen: &Seen) -> Option<&Left> {
        let sent_at = seen.sent_at?;
        // If many campaigns may need a pause, their reads leave some slots to the others.
        let lately = self.left.iter().filter(|left| left.left_at > began_at - HELD_FOR && left.left_at < sent_at);
        let needed = lately.filter(|left| left.does == Does::ReadForAPause).count();
        if needed >= usize::try_from(world.requests_per_minute).unwrap_or(usize::MAX) / 2 {
            return None;
        }
        let mut before = self.left.iter().filter(|left| left.left_at > began_at && left.left_at < sent_at);
        // Many reads may be needed, and one that is in flight may have been meant to include this campaign.
        if before.clone().any(|left| left.does != Does::Change) {
            return None;
        }
        before.find(|left| left.came_at > began_at + ASKED_WITHIN)
    }
}

/// Whether the campaign may need a pause, by what is known when its tick begins.
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
