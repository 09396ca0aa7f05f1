//! After midnight: a counter of yesterday's is not taken for today's spend.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::spend::{Spend, SpendReading, SpendSource};

use super::world::World;
use super::{Checker, Findings};
use crate::model::log::{Line, Seen, What};
use crate::model::remote::OldCounter;

/// How long answers are kept. No request takes longer.
const REMEMBERED_FOR: Duration = Duration::minutes(2);
/// How long a wrong clock matters, since it may have changed the day of a read. Longer than any storm.
const CLOCK_MATTERS_FOR: Duration = Duration::hours(4);

/// `late-counter-is-not-todays`: a counter in doubt is neither believed nor stored. By the model's own knowledge, no
/// counter of an earlier day counts as the spend of a later day, or is stored as such. If yesterday's spend is unknown,
/// RULES.md lets a counter below the limit count.
#[derive(Debug, Default)]
pub(super) struct LateCounters {
    /// The old counters in TrafficStars' latest answers, and when it sent them.
    answered: VecDeque<(DateTime<Utc>, OldCounter)>,
    /// By campaign: the old counter that its last tick has read, and must not believe.
    read: BTreeMap<usize, OldCounter>,
    clock_set_at: Option<DateTime<Utc>>,
}

impl Checker for LateCounters {
    fn line(&mut self, _world: &World<'_>, index: usize, line: &Line, found: &mut Findings) {
        match &line.what {
            What::ClockSet { by_ms } if *by_ms != 0 => self.clock_set_at = Some(line.at),
            What::OldCounter(old) => {
                self.answered.push_back((line.at, *old));
                self.answered.retain(|(at, _)| line.at - *at < REMEMBERED_FOR);
            }
            What::Seen { campaign, seen } => {
                self.read.remove(campaign);
                let doubtful = self.clock_set_at.is_some_and(|at| line.at - at < CLOCK_MATTERS_FOR);
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
    /// Returns the old counter that a tick has read, if it did.
    fn old_counter(&self, campaign: usize, seen: &Seen) -> Option<OldCounter> {
        let (sent_at, remote) = (seen.sent_at?, seen.remote.as_ref().ok()?);
        let SpendReading::Value(shown) = remote.spent_today else { return None };
        let is_it = |(at, old): &&(DateTime<Utc>, OldCounter)| {
            old.campaign == campaign && old.amount == shown && (sent_at..=seen.answered_at).contains(at)
        };
        self.answered.iter().find(is_it).map(|(_, old)| *old)
    }
}

fn is_taken_from(old: &OldCounter, spend: &Spend) -> bool {
    spend.source == SpendSource::Campaign && spend.amount == old.amount && spend.day > old.day
}

/// Whether the counter may count: yesterday's spend is unknown, and the counter is below the limit.
fn may_pass(old: &OldCounter, seen: &Seen) -> bool {
    seen.stored.as_ref().is_ok_and(|stored| stored.yesterday.is_none()) && old.amount < seen.policy.spend_limit
}
