//! After the last fault, every campaign reaches the state that its facts demand, within a bounded time.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveTime, Utc};
use traffic_generator::domain::money::{Clicks, Money};
use traffic_generator::domain::phase::Phase;
use traffic_generator::domain::policy::{HighSpend, Mode, Policy};
use traffic_generator::trafficstar::budget::RequestId;

use super::judge::{self, ClickClass, SpendClass};
use super::shadow::Facts;
use super::world::{Place, Step, World};
use super::{Checker, Findings};
use crate::model::log::{Line, Truth, What};

/// What may still take time after the last fault: the reason, and the time. All of it can happen one after the other.
const AFTER_THE_LAST_FAULT: [(&str, Duration); 6] = [
    ("a run that failed is tried again after at most 15 minutes", Duration::minutes(15)),
    ("a campaign that answered 404 is read again after 15 minutes", Duration::minutes(15)),
    ("an operation that failed repeatedly is probed every 15 s; rounded up to a tick", Duration::minutes(1)),
    ("an effect is awaited for `confirm_within`, and the next tick decides", Duration::minutes(2)),
    ("a cool-down lasts 2 minutes, and its pause may have been repeated once", Duration::minutes(4)),
    ("ticks: one that is under way when the faults end, and one that decides", Duration::minutes(3)),
];
/// The time from new facts to the state that they demand: a tick, the limit's minute, a request, and reading back.
const FROM_FACTS_TO_TRUTH: Duration = Duration::minutes(4);
/// What has waited for longer is stuck: two of the longest ticks, and a minute for the limit.
const STUCK: Duration = Duration::minutes(5);
/// The time after midnight until the day's report decides about a counter in doubt.
const AFTER_MIDNIGHT: Duration = Duration::minutes(5);

/// Returns how long a run has to go on after `Calm` for this checker to judge it. Shorter runs prove nothing here.
pub(crate) fn bound() -> Duration {
    AFTER_THE_LAST_FAULT.iter().fold(Duration::zero(), |sum, (_, span)| sum + *span)
}

/// The classes of a campaign's facts, and when they last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Steady {
    spend: SpendClass,
    clicks: ClickClass,
    since: DateTime<Utc>,
}

/// `liveness`.
#[derive(Debug, Default)]
pub(super) struct Liveness {
    steady: BTreeMap<usize, Steady>,
    ticked_at: BTreeMap<usize, DateTime<Utc>>,
    queued_requests: BTreeMap<RequestId, DateTime<Utc>>,
    row_changed_at: BTreeMap<usize, DateTime<Utc>>,
}

impl Checker for Liveness {
    fn line(&mut self, world: &World<'_>, index: usize, line: &Line, found: &mut Findings) {
        match &line.what {
            What::Queued { request_id, .. } => {
                self.queued_requests.insert(*request_id, line.at);
            }
            What::GaveUp { request_id } | What::Left { request_id } => {
                self.queued_requests.remove(request_id);
            }
            What::Started { .. } | What::Crashed => self.queued_requests.clear(),
            What::RowChanged { campaign, .. } => {
                self.row_changed_at.insert(*campaign, line.at);
            }
            What::Ends { truths } => {
                let calm_for = world.calm_at.map(|calm| line.at.signed_duration_since(calm));
                if calm_for.is_some_and(|calm_for| calm_for >= bound()) {
                    self.judge(world, index, line, truths, found);
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, _world: &World<'_>, step: &Step<'_>, _found: &mut Findings) {
        let Some(seen) = step.seen else { return };
        let facts = Facts::of(seen, step.wall);
        self.ticked_at.insert(step.campaign, step.at);
        let now = Steady { spend: facts.spend, clicks: facts.clicks, since: step.at };
        let steady = self.steady.entry(step.campaign).or_insert(now);
        if (steady.spend, steady.clicks) != (now.spend, now.clicks) {
            *steady = now;
        }
    }
}

impl Liveness {
    fn judge(&self, world: &World<'_>, index: usize, line: &Line, truths: &[Truth], found: &mut Findings) {
        let slower = slower(world);
        for (request_id, since) in &self.queued_requests {
            if line.at - *since > STUCK * slower {
                found.report("liveness", index, format!("{request_id:?} waits in the scheduler since {since}"));
            }
        }
        for truth in truths {
            let Some(place) = world.place(truth.campaign).filter(|place| place.row.enabled) else { continue };
            let fresh = |changed: &&DateTime<Utc>| line.at - **changed < STUCK * slower;
            if self.row_changed_at.get(&truth.campaign).filter(fresh).is_some() {
                continue;
            }
            let mut report = |text: String| {
                found.report("liveness", index, format!("campaign {}: {text} ({truth:?})", truth.campaign));
            };
            if !place.lives {
                report("it is enabled, and no actor guards it".to_owned());
                continue;
            }
            let ticked = self.ticked_at.get(&truth.campaign).copied();
            if ticked.is_none_or(|ticked| line.at - ticked > STUCK * slower) {
                report(format!("its last tick was at {ticked:?}"));
                continue;
            }
            self.check_stuck(place, line, slower, &mut report);
            self.check_demand(place, line, truth, slower, &mut report);
        }
    }

    /// No action is under way for too long, and no question waits for too long.
    fn check_stuck(&self, place: &Place<'_>, line: &Line, slower: i32, report: &mut impl FnMut(String)) {
        if let Some(doing) = place.open().filter(|doing| line.at - doing.at > STUCK * slower) {
            report(format!("{doing:?} is still under way"));
        }
        if let Some(question) = place.observing.filter(|question| line.at - question.at > STUCK * slower) {
            report(format!("{question:?} is still unanswered"));
        }
    }

    /// Checks that the campaign is in the state that its facts demand, by RULES.md.
    fn check_demand(
        &self,
        place: &Place<'_>,
        line: &Line,
        truth: &Truth,
        slower: i32,
        report: &mut impl FnMut(String),
    ) {
        let policy = &place.row.policy;
        // Observe mode and a hold send nothing; a campaign that does not exist can neither run nor be paused.
        if policy.mode == Mode::Observe || !truth.exists {
            return;
        }
        if let Some(hold) = place.holding(line.wall) {
            let held_for = place.seen.is_some();
            if hold.pause && truth.runs && held_for && line.at - hold.since > STUCK * slower {
                report("it runs, though a hold keeps it paused".to_owned());
            }
            return;
        }
        let Some(steady) = self.steady.get(&truth.campaign) else { return };
        // The true values may have crossed a threshold since the last read.
        let steady_for = line.at - steady.since;
        if steady_for < FROM_FACTS_TO_TRUTH * slower || (steady.spend, steady.clicks) != classes(truth, policy) {
            return;
        }
        if let Phase::CoolingDown { until } = place.phase
            && line.wall < until
        {
            if truth.runs && steady_for > STUCK * slower {
                report("it runs during its cool-down".to_owned());
            }
            return;
        }
        // Its budget may be used up, or wait: `budgets` checks that it comes.
        if policy.high_spend == HighSpend::TopUp && steady.spend == SpendClass::Above || truth.is_used_up {
            return;
        }
        let may_be_activated = may_be_activated(policy, line.wall);
        let demanded = match (steady.spend, steady.clicks, place.phase) {
            (SpendClass::Standstill, _, _) => Some(false),
            (SpendClass::Reached | SpendClass::Unknown, _, _) | (_, ClickClass::Unknown, _) => None,
            (SpendClass::Below | SpendClass::Above, ClickClass::UsedUp, _) => Some(false),
            (SpendClass::Below | SpendClass::Above, ClickClass::Enough, _) => Some(true),
            (SpendClass::Below | SpendClass::Above, ClickClass::Between, Phase::ActiveGuarded) => Some(true),
            (SpendClass::Below | SpendClass::Above, ClickClass::Between, Phase::PausedGuarded) => Some(false),
            (SpendClass::Below | SpendClass::Above, ClickClass::Between, Phase::Idle | Phase::CoolingDown { .. }) => {
                None
            }
        };
        // From the limit on each policy has a state of its own: `observe` makes no promise, `pause` never one to run.
        let wrong_state = match steady.spend {
            SpendClass::Reached => place.phase != Phase::Idle,
            SpendClass::Standstill => place.phase == Phase::ActiveGuarded,
            SpendClass::Unknown | SpendClass::Below | SpendClass::Above => false,
        };
        if wrong_state && !truth.blocked && steady_for > STUCK * slower {
            report(format!("{:?} is the wrong state for its spend ({steady:?})", place.phase));
        }
        // A blocked campaign that runs is paused, and never started.
        let may_be_activated = may_be_activated && !truth.blocked;
        if demanded.is_some_and(|demanded| demanded != truth.runs && (!demanded || may_be_activated)) {
            report(format!("its facts ({steady:?}, {:?}) demand another state; has to run: {demanded:?}", place.phase));
        }
    }
}

fn classes(truth: &Truth, policy: &Policy) -> (SpendClass, ClickClass) {
    let spend = judge::spend_class(Money::from_micros(truth.spent_micros), policy);
    let thresholds = judge::thresholds(spend, policy);
    let remaining = Clicks(truth.remaining_clicks.max(0).unsigned_abs());
    let clicks = if remaining <= thresholds.pause {
        ClickClass::UsedUp
    } else if remaining >= thresholds.activate {
        ClickClass::Enough
    } else {
        ClickClass::Between
    };
    (spend, clicks)
}

/// Whether activations are allowed: before the day end, and not so soon after midnight that the spend may be in doubt.
fn may_be_activated(policy: &Policy, wall: DateTime<Utc>) -> bool {
    let since_midnight = wall.time().signed_duration_since(NaiveTime::MIN);
    let day_end_is_near = wall.time() + FROM_FACTS_TO_TRUTH < wall.time();
    wall.time() < policy.day_end && since_midnight > AFTER_MIDNIGHT && !day_end_is_near
}

/// Returns the factor by which everything takes longer if the limit is too low for one tick's requests: full minutes.
fn slower(world: &World<'_>) -> i32 {
    let campaigns = world.places.len();
    let pages = campaigns.div_ceil(world.page_size.max(1));
    // Requests of one tick: pages or single reads, a report, and as many again for writes and reading back.
    let requests = 2 * (pages.min(campaigns) + 1);
    let minutes = requests.div_ceil(usize::try_from(world.requests_per_minute.max(1)).unwrap_or(1));
    i32::try_from(minutes).unwrap_or(i32::MAX)
}
