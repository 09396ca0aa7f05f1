//! The reads that a pause needs come first.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::event::{Effect, Event, QuestionId};
use traffic_generator::domain::money::Money;
use traffic_generator::domain::policy::Mode;
use traffic_generator::domain::read_priority::Urgency;
use traffic_generator::trafficstar::budget::RequestId;

use super::judge::{self, SpendClass};
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
/// up, or its limit is reached under the policy `pause`. Until some campaign is read, no request that starts something,
/// and was queued later, may be sent before its read.
#[derive(Debug, Default)]
pub(super) struct NeededReads {
    queued_requests: BTreeMap<RequestId, (DateTime<Utc>, Does)>,
    left: VecDeque<Left>,
    /// The ticks whose reads a pause may need, by campaign.
    ticks: BTreeMap<usize, Needed>,
}

/// A tick whose read a pause may need.
#[derive(Debug, Clone, Copy)]
struct Needed {
    asked: QuestionId,
    began_at: DateTime<Utc>,
    /// Today's spend by the read before.
    spend: Money,
}

impl Checker for NeededReads {
    fn line(&mut self, _world: &World<'_>, _index: usize, line: &Line, _found: &mut Findings) {
        match &line.what {
            What::Started { .. } | What::Crashed => *self = Self::default(),
            What::Queued { request_id, call, urgency, .. } => {
                let does = match call {
                    Call::Page(_) | Call::ListById(_) | Call::Campaign(_) if *urgency == Urgency::Pause => {
                        Does::ReadForAPause
                    }
                    Call::Page(_) | Call::ListById(_) | Call::Campaign(_) => Does::Read,
                    Call::Run(_) | Call::EndTime { .. } | Call::Budget { .. } => Does::Change,
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
            && let Some(Needed { asked, began_at, spend }) = self.ticks.remove(&step.campaign)
            && asked == *question_id
            && needs_a_pause_from_the_beginning(place, seen, spend)
            && let Some(overtaker) = self.overtaker(world, began_at, seen)
        {
            let text = format!(
                "campaign {}: it may need a pause, and {:?} was sent before its status was requested",
                step.campaign, overtaker.request_id
            );
            found.report("needed-reads-are-not-last", step.line, text);
        }
        let observes = step.effects.iter().find_map(|(_, effect)| match effect {
            Effect::Observe { question_id, read_remote: true, .. } => Some(*question_id),
            _ => None,
        });
        if let (Event::Wake, Some(asked)) = (step.event, observes)
            && let Some(spend) = may_need_a_pause(place, step)
        {
            self.ticks.insert(step.campaign, Needed { asked, began_at: step.at, spend });
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

/// Returns today's spend if the campaign may need a pause, by what is known when its tick begins.
fn may_need_a_pause(place: &Place<'_>, step: &Step<'_>) -> Option<Money> {
    let (_, seen) = place.seen?;
    let may_run = Facts::of(seen, step.wall).remote.may_run();
    let acts = place.policies().all(|policy| policy.mode == Mode::Act);
    let held = place.holding(step.wall).is_some();
    judge::spend(seen, step.wall).filter(|_| may_run && acts && !held)
}

/// Whether every policy that may be in force pauses the campaign, by that spend and the clicks read first.
fn needs_a_pause_from_the_beginning(place: &Place<'_>, seen: &Seen, spend: Money) -> bool {
    place.policies().chain([&seen.policy]).all(|policy| {
        let class = judge::spend_class(Some(spend), policy);
        match class {
            SpendClass::Standstill => true,
            SpendClass::Unknown | SpendClass::Reached => false,
            SpendClass::Below | SpendClass::Above => {
                seen.first_clicks.is_some_and(|clicks| clicks <= judge::thresholds(class, policy).pause)
            }
        }
    })
}
