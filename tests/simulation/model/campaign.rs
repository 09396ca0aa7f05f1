//! One campaign's part of the guard: the real machine and the real trend, and what its actor knows beside them.

use chrono::{DateTime, Duration, NaiveTime, Utc};
use traffic_generator::domain::event::{Effect, Event, OperationId};
use traffic_generator::domain::facts::{Clicks, Observation, RemainingClicks, Spend, SpendSource};
use traffic_generator::domain::machine::Machine;
use traffic_generator::domain::nearness::Trend;
use traffic_generator::domain::phase::{Phase, PhaseWord, Promise};
use traffic_generator::domain::policy::Policy;
use traffic_generator::domain::remote::{RemoteFault, judge};
use traffic_generator::domain::spend::{SourceAnswer, SpendHistory, SpendQuestion, StoredSpend, read_on};
use traffic_generator::trafficstar::batch::reads::ReadQuestion;
use traffic_generator::trafficstar::budget::Urgency;

use super::client::{Reader, Status};
use super::remote::id_of;

/// As in `actors::campaign::observe`: clicks that were read longer ago are read again before they are decided on.
const OLD_CLICKS: Duration = Duration::seconds(1);

/// The tick that is under way.
#[derive(Debug)]
struct Tick {
    operation: OperationId,
    asked_at: DateTime<Utc>,
    urgency: Urgency,
    clicks: RemainingClicks,
    /// Once it was read, and when.
    remote: Option<(Status, DateTime<Utc>)>,
}

#[derive(Debug)]
pub(crate) struct Campaign {
    row: usize,
    machine: Machine,
    trend: Trend,
    tick: Option<Tick>,
    history: SpendHistory,
    /// When it is woken next; an earlier or later wake is none of its.
    pub(crate) wakes_at: Option<DateTime<Utc>>,
}

/// What follows from a status that came.
#[derive(Debug)]
pub(crate) enum Next {
    Nothing,
    /// The tick began then.
    AskReport(Urgency, DateTime<Utc>),
    Decide(Box<Observation>),
}

impl Campaign {
    /// A campaign that is promised to run.
    pub(crate) fn new(now: DateTime<Utc>, row: usize, policy: &Policy) -> Self {
        let promise = Promise { phase: Phase::ActiveGuarded, since: now, end_time_owed: false };
        let machine = Machine::new(now, policy, Some(promise), None);
        let history = SpendHistory::default();
        Self { row, machine, trend: Trend::default(), tick: None, history, wakes_at: None }
    }

    pub(crate) fn phase(&self) -> PhaseWord {
        self.machine.phase().word()
    }

    pub(crate) fn step(&mut self, now: DateTime<Utc>, policy: &Policy, event: Event) -> Vec<Effect> {
        self.machine.step(now, policy, event)
    }

    /// When to wake it, a tick away at the most.
    pub(crate) fn next_wake(&self, now: DateTime<Utc>, policy: &Policy) -> Option<DateTime<Utc>> {
        self.machine.next_wake().map(|at| at.min(now + policy.tick))
    }

    /// A tick begins: the database says how urgent the rest is.
    pub(crate) fn begin_tick(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        operation: OperationId,
        clicks: i64,
    ) -> ReadQuestion {
        let clicks = remaining(now, clicks);
        let question = self.question(now, policy, clicks.count);
        self.tick = Some(Tick { operation, asked_at: now, urgency: question.urgency, clicks, remote: None });
        question
    }

    /// At each point of the grid a status is still waited for, the clicks may have made it urgent.
    pub(crate) fn remind(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        operation: OperationId,
        clicks: i64,
    ) -> Option<ReadQuestion> {
        let clicks = remaining(now, clicks);
        let question = self.question(now, policy, clicks.count);
        let tick = self.tick.as_mut().filter(|tick| tick.operation == operation && tick.remote.is_none())?;
        tick.urgency = question.urgency;
        tick.clicks = clicks;
        Some(question)
    }

    /// The status came.
    pub(crate) fn status_came(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        reader: &Reader,
        status: Status,
        clicks: i64,
    ) -> Next {
        let urgency = self.question(now, policy, remaining(now, clicks).count).urgency;
        let Some(tick) = self.tick.as_mut().filter(|tick| tick.operation == reader.operation) else {
            return Next::Nothing;
        };
        if now.signed_duration_since(tick.clicks.at) > OLD_CLICKS {
            tick.clicks = remaining(now, clicks);
            tick.urgency = urgency;
        }
        let (urgency, began_at) = (tick.urgency, tick.asked_at);
        tick.remote = Some((status, now));
        let needs_report = self.with_spend_question(now, policy, |question| question.needs_report());
        if needs_report == Some(true) {
            Next::AskReport(urgency, began_at)
        } else {
            self.decide(now, policy, &SourceAnswer::NoSource)
        }
    }

    /// All facts are there.
    pub(crate) fn decide(&mut self, now: DateTime<Utc>, policy: &Policy, report: &SourceAnswer) -> Next {
        let Some(spend) = self.with_spend_question(now, policy, |question| question.resolve(report)) else {
            return Next::Nothing;
        };
        let Some(Tick { clicks, remote: Some((remote, remote_at)), .. }) = self.tick.take() else {
            return Next::Nothing;
        };
        let on_one_day = remote_at.date_naive() == now.date_naive();
        let spend = if on_one_day { spend } else { Err("it was read across midnight".to_owned()) };
        self.remember(spend.as_ref().ok());
        let status = judge(&remote, now).word();
        self.trend.saw(now, Some(clicks.count), spend.as_ref().ok().map(|spend| spend.amount), status);
        Next::Decide(Box::new(Observation { remote, remote_at, spend, clicks: Ok(clicks) }))
    }

    /// What the tick under way knows of today's spend, as `actors::campaign::observe` puts it together.
    fn with_spend_question<T>(
        &self,
        now: DateTime<Utc>,
        policy: &Policy,
        ask: impl FnOnce(&SpendQuestion<'_>) -> T,
    ) -> Option<T> {
        let tick = self.tick.as_ref()?;
        let (remote, remote_at) = tick.remote.as_ref()?;
        let campaign = match remote {
            Ok(_) if !read_on(remote_at.date_naive(), tick.asked_at, *remote_at) => {
                SourceAnswer::Failed("it was read across midnight".to_owned())
            }
            Ok(campaign) => campaign.spent.clone(),
            Err(RemoteFault::NotFound) => SourceAnswer::NoSource,
            Err(RemoteFault::Failed(reason)) => SourceAnswer::Failed(reason.clone()),
        };
        let history = Ok(self.history);
        Some(ask(&SpendQuestion {
            campaign: &campaign,
            history: &history,
            limit: policy.spend_limit,
            stored_max_age: policy.stored_spend_max_age,
            now,
        }))
    }

    /// As the database does, which keeps the last value of each day.
    fn remember(&mut self, spend: Option<&Spend>) {
        let Some(spend) = spend.filter(|spend| matches!(spend.source, SpendSource::Campaign | SpendSource::Report))
        else {
            return;
        };
        let midnight = spend.day.and_time(NaiveTime::MIN).and_utc();
        if let Some(last) = self.history.today.filter(|last| last.at < midnight) {
            self.history.yesterday = Some(last.amount);
        }
        self.history.today = Some(StoredSpend { amount: spend.amount, at: spend.at });
    }

    fn question(&self, now: DateTime<Utc>, policy: &Policy, clicks: Clicks) -> ReadQuestion {
        let promised_to_run = self.phase() == PhaseWord::ActiveGuarded;
        ReadQuestion::of_tick(now, id_of(self.row), policy, &self.trend, Some(clicks), promised_to_run)
    }
}

fn remaining(at: DateTime<Utc>, clicks: i64) -> RemainingClicks {
    RemainingClicks { count: Clicks(clicks.max(0).unsigned_abs()), defect: None, at }
}
