//! After midnight: what TrafficStars still counts for yesterday is not today's spend.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::spend::{Spend, SpendReading, SpendSource};

use super::world::World;
use super::{Checker, Findings};
use crate::model::log::{Line, Seen, What};
use crate::model::remote::OldCounter;

/// No request takes longer.
const REMEMBERED_FOR: Duration = Duration::minutes(2);
/// A clock that was off within this time may have made another day of what was seen. Longer than a storm rages.
const CLOCK_TELLS: Duration = Duration::hours(4);

/// `late-counter-is-not-todays`: "A counter in doubt is neither believed nor stored". By the model's truth: what a counter
/// showed for an earlier day was not taken for the spend of a later one, and not stored as that. Where nobody knows what
/// yesterday came to, the page lets a counter below the limit pass.
#[derive(Debug, Default)]
pub(super) struct LateCounters {
    /// What TrafficStars has answered lately, and when.
    told: VecDeque<(DateTime<Utc>, OldCounter)>,
    /// What the last tick of a campaign has read, where that was an old counter that must not be believed.
    read: BTreeMap<usize, OldCounter>,
    clock_set_at: Option<DateTime<Utc>>,
}

impl Checker for LateCounters {
    fn line(&mut self, _world: &World<'_>, index: usize, line: &Line, found: &mut Findings) {
        match &line.what {
            What::ClockSet { by_ms } if *by_ms != 0 => self.clock_set_at = Some(line.at),
            What::OldCounter(old) => {
                self.told.push_back((line.at, *old));
                self.told.retain(|(at, _)| line.at - *at < REMEMBERED_FOR);
            }
            What::Seen { campaign, seen } => {
                self.read.remove(campaign);
                let doubtful = self.clock_set_at.is_some_and(|at| line.at - at < CLOCK_TELLS);
                let Some(old) = self.old_counter(*campaign, seen).filter(|_| !doubtful) else { return };
                if may_pass(&old, seen) {
                    return;
                }
                self.read.insert(*campaign, old);
                if seen.spend.as_ref().is_ok_and(|spend| is_taken_from(&old, spend)) {
                    let text = format!("campaign {campaign}: {old:?} was taken for {:?}", seen.spend);
                    found.report("late-counter-is-not-todays", index, text);
                }
            }
            What::SpendStored { campaign, spend } => {
                if let Some(old) = self.read.get(campaign).filter(|old| is_taken_from(old, spend)) {
                    let text = format!("campaign {campaign}: {old:?} was stored as {spend:?}");
                    found.report("late-counter-is-not-todays", index, text);
                }
            }
            _ => {}
        }
    }
}

impl LateCounters {
    /// What a tick has read, if it is an old counter.
    fn old_counter(&self, campaign: usize, seen: &Seen) -> Option<OldCounter> {
        let (sent_at, remote) = (seen.sent_at?, seen.remote.as_ref().ok()?);
        let SpendReading::Value(shown) = remote.spent_today else { return None };
        let is_it = |(at, old): &&(DateTime<Utc>, OldCounter)| {
            old.campaign == campaign && old.amount == shown && (sent_at..=seen.answered_at).contains(at)
        };
        self.told.iter().find(is_it).map(|(_, old)| *old)
    }
}

fn is_taken_from(old: &OldCounter, spend: &Spend) -> bool {
    spend.source == SpendSource::Campaign && spend.amount == old.amount && spend.day > old.day
}

/// "none known: below the limit"
fn may_pass(old: &OldCounter, seen: &Seen) -> bool {
    seen.stored.as_ref().is_ok_and(|stored| stored.yesterday.is_none()) && old.amount < seen.policy.spend_limit
}
