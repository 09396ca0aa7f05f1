//! RULES.md as tests, written from that page. This file has what they share.
//!
//! [`Facts`] are a tick's findings, [`Rig`] drives one machine through time, [`assert_step`] checks the result of a
//! step.

mod actions;
mod clock;
mod contested;
mod cooldown;
mod days;
mod decisions;
mod disable;
mod explain;
mod facts;
mod format;
mod groups;
mod lifecycle;
mod modes;
mod occasions;
mod orders;
mod properties;
mod restart;
mod retries;
mod spend;
mod status;
mod supervisor_occasions;
mod ticks;
mod top_up;
mod unchanged_spend;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use super::action::{Action, ActionId, ActionKind, Outcome};
use super::clock_difference::ClockDifference;
use super::event::{Effect, Event, Note, QuestionId, Record, Request};
use super::failure::{DatabaseFailure, RemoteFault, SourceFailure};
use super::ids::{RemoteId, UrlId};
use super::machine::Machine;
use super::money::{Clicks, Money, RemainingClicks, UrlCount};
use super::observation::{Observation, SharedSpends, SpendSum};
use super::phase::{Phase, PhaseWord, Promise};
use super::policy::{Policy, PolicyNumbers};
use super::remote::{EndTime, RemoteCampaign};
use super::spend::{Spend, SpendDoubt, SpendField, SpendReading, SpendSource, SpendUnknown};

/// The day of the tests.
const DAY: &str = "2026-11-22";

/// Returns a moment of that day: `12:00:00.5`; or of any day: `2026-11-23 00:00:00`.
pub(super) fn at(text: &str) -> DateTime<Utc> {
    let text = if text.contains(' ') { text.to_owned() } else { format!("{DAY} {text}") };
    chrono::NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f").unwrap().and_utc()
}

pub(super) fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn cooling_until(text: &str) -> Phase {
    Phase::CoolingDown { until: at(text) }
}

/// Returns a phase for each word; a cool-down ends in two minutes.
fn phase_of(word: PhaseWord, now: DateTime<Utc>) -> Phase {
    match word {
        PhaseWord::Idle => Phase::Idle,
        PhaseWord::ActiveGuarded => Phase::ActiveGuarded,
        PhaseWord::PausedGuarded => Phase::PausedGuarded,
        PhaseWord::CoolingDown => Phase::CoolingDown { until: now + Duration::minutes(2) },
    }
}

/// Returns a campaign that runs, and that nothing blocks.
fn campaign() -> RemoteCampaign {
    RemoteCampaign {
        id: RemoteId(995_224),
        name: Some("Autumn".to_owned()),
        active: Some(true),
        status: Some("enabled".to_owned()),
        approved: Some("approved".to_owned()),
        stopped: None,
        no_funds: false,
        archived: false,
        end_time: EndTime::Unset,
        schedule_timezone: Some(0),
        account_timezone: Some(0),
        spent_today: SpendReading::NoValue,
        spent: SpendReading::NoValue,
        odd_fields: Vec::new(),
        max_daily: None,
        price_per_thousand: None,
        our_clock: None,
    }
}

/// A tick's findings. The initial ones: 3.21 spent, 10,000 clicks left.
#[derive(Debug, Clone)]
struct Facts {
    remote: Result<RemoteCampaign, RemoteFault>,
    spend: Result<Money, SpendUnknown>,
    spend_day: Option<NaiveDate>,
    stored_spend: Option<Money>,
    clicks: Result<u64, DatabaseFailure>,
    defect: Option<String>,
    active_urls: u64,
    urls: Option<Vec<UrlCount>>,
    shared: Option<SharedSpends>,
    /// The time by which the guard's clock is ahead of TrafficStars'.
    clock: Option<Duration>,
}

impl Facts {
    fn of(remote: Result<RemoteCampaign, RemoteFault>) -> Self {
        let (clicks, active_urls) = (Ok(10_000), 1);
        let (spend, urls) = (Ok(money("3.21")), None);
        let (stored_spend, shared) = (None, None);
        Self {
            remote,
            spend,
            spend_day: None,
            stored_spend,
            clicks,
            defect: None,
            active_urls,
            urls,
            shared,
            clock: None,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut RemoteCampaign)) -> Self {
        change(self.remote.as_mut().unwrap());
        self
    }

    fn ends(self, end: DateTime<Utc>) -> Self {
        self.with(|campaign| campaign.end_time = EndTime::At(end))
    }

    fn spend(self, text: &str) -> Self {
        Self { spend: Ok(money(text)), ..self }
    }

    /// Sets the spend that was stored before the tick.
    fn stored(self, text: &str) -> Self {
        Self { stored_spend: Some(money(text)), ..self }
    }

    /// Sets what the two other campaigns of its group have spent today, and the five other ones of the account.
    fn others(self, group: &str, account: &str) -> Self {
        let sum = |amount: &str, campaigns| SpendSum { amount: money(amount), campaigns, unknown: 0 };
        let (group, account) = (sum(group, 2), sum(account, 5));
        let (day, own) = (at("12:00:00").date_naive(), self.stored_spend.unwrap_or(Money::ZERO));
        Self { shared: Some(SharedSpends { day, own, group, account }), ..self }
    }

    fn spend_of_day(self, day: NaiveDate) -> Self {
        Self { spend_day: Some(day), ..self }
    }

    fn spend_unknown(self) -> Self {
        let failure = SourceFailure::Failed("timed out".to_owned());
        let unknown = SpendUnknown::Doubts(vec![SpendDoubt::Failed(SpendField::Report, failure)]);
        Self { spend: Err(unknown), ..self }
    }

    fn clicks(self, count: u64) -> Self {
        Self { clicks: Ok(count), ..self }
    }

    /// Sets the URLs, each with its id, limit, clicks, and whether it is active; and the clicks that are left.
    fn urls(self, urls: &[(i64, u64, u64, bool)]) -> Self {
        let left = urls.iter().filter(|url| url.3).map(|url| url.1.saturating_sub(url.2)).sum();
        let urls = urls.iter().map(|&(id, limit, clicks, is_active)| UrlCount {
            id: UrlId(id),
            limit: Clicks(limit),
            clicks: Clicks(clicks),
            is_active,
        });
        Self { urls: Some(urls.collect()), ..self.clicks(left) }
    }

    /// Sets the daily budget that TrafficStars shows.
    fn budget(self, max_daily: &str) -> Self {
        self.with(|campaign| campaign.max_daily = Some(money(max_daily)))
    }

    fn clicks_unknown(self) -> Self {
        Self { clicks: Err(DatabaseFailure::Failed("the database is away".to_owned())), ..self }
    }

    fn with_clock_ahead_by(self, by: Duration) -> Self {
        Self { clock: Some(by), ..self }
    }

    /// Adds a row with a negative click limit.
    fn with_invalid_row(self) -> Self {
        Self { defect: Some("url 7 has a negative click limit".to_owned()), ..self }
    }

    fn observation(&self, now: DateTime<Utc>) -> Observation {
        Observation {
            remote: self
                .remote
                .clone()
                .map(|campaign| RemoteCampaign { our_clock: self.clock.map(ClockDifference), ..campaign }),
            remote_at: now,
            spend: self.spend.clone().map(|amount| Spend {
                amount,
                source: SpendSource::Campaign,
                day: self.spend_day.unwrap_or(now.date_naive()),
                at: now,
            }),
            stored_spend: self.stored_spend,
            shared: self.shared,
            clicks: self.clicks.clone().map(|count| RemainingClicks {
                count: Clicks(count),
                active_urls: self.active_urls,
                defect: self.defect.clone(),
                urls: self.urls.clone(),
                at: now,
            }),
            clock: self.clock.map(ClockDifference),
        }
    }
}

fn running() -> Facts {
    Facts::of(Ok(campaign()))
}

fn stopped() -> Facts {
    running().with(|campaign| {
        campaign.active = Some(false);
        campaign.status = Some("paused".to_owned());
    })
}

/// A campaign that is out of funds and switched off.
fn blocked() -> Facts {
    running().with(|campaign| {
        campaign.active = Some(false);
        campaign.status = Some("no_funds_paused".to_owned());
        campaign.no_funds = true;
    })
}

/// A campaign that is out of funds and switched on: it spends as soon as funds come.
fn unfunded() -> Facts {
    running().with(|campaign| {
        campaign.status = Some("no_funds_active".to_owned());
        campaign.no_funds = true;
    })
}

fn unread() -> Facts {
    Facts::of(Err(RemoteFault::Failed("TrafficStars answered 502".to_owned())))
}

/// A tick that ended before the answer came.
fn late() -> Facts {
    Facts::of(Err(RemoteFault::Late)).spend_unknown()
}

fn missing() -> Facts {
    Facts::of(Err(RemoteFault::NotFound)).spend_unknown()
}

/// A campaign that has answered 404 for 15 minutes.
fn gone() -> Facts {
    Facts::of(Err(RemoteFault::Gone))
}

/// A campaign with a status word that the program does not know.
fn unknown_word(active: bool) -> Facts {
    running().with(|campaign| {
        campaign.active = Some(active);
        campaign.status = Some("frozen".to_owned());
    })
}

/// One machine, its policy, and the time.
#[derive(Debug, Clone)]
struct Rig {
    machine: Machine,
    policy: Policy,
    now: DateTime<Utc>,
}

impl Rig {
    /// Returns a machine in this phase at noon, with all numbers at their defaults.
    fn new(phase: Phase) -> Self {
        Self::with(phase, |_| {})
    }

    fn with(phase: Phase, change: impl FnOnce(&mut PolicyNumbers)) -> Self {
        Self::from_record(at("12:00:00"), Promise { phase, since: at("11:00:00"), end_time_owed: false }, None, change)
    }

    fn from_record(
        now: DateTime<Utc>,
        promise: Promise,
        unfinished: Option<Action>,
        change: impl FnOnce(&mut PolicyNumbers),
    ) -> Self {
        let mut numbers = PolicyNumbers::default();
        change(&mut numbers);
        let policy = numbers.validate().unwrap();
        Self { machine: Machine::new(now, &policy, Some(promise), unfinished), policy, now }
    }

    fn event(&mut self, event: Event) -> Vec<Effect> {
        self.machine.step(self.now, &self.policy, event)
    }

    fn wake(&mut self) -> Vec<Effect> {
        self.event(Event::Wake)
    }

    fn phase(&self) -> PhaseWord {
        self.machine.phase().word()
    }

    /// Goes to a time and begins the tick that must be due then.
    #[track_caller]
    fn begin_tick(&mut self, time: &str) -> QuestionId {
        self.now = at(time);
        let effects = self.wake();
        let [Effect::Observe { question_id, .. }] = effects[..] else {
            panic!("no tick is due at {time}: {effects:?}")
        };
        question_id
    }

    fn observed(&mut self, question_id: QuestionId, facts: &Facts) -> Vec<Effect> {
        let observation = Box::new(facts.observation(self.now));
        self.event(Event::Observed { question_id, observation })
    }

    /// Runs a whole tick at this time.
    #[track_caller]
    fn tick(&mut self, time: &str, facts: &Facts) -> Vec<Effect> {
        let question_id = self.begin_tick(time);
        self.observed(question_id, facts)
    }

    /// Runs the next tick that is due, at its time.
    #[track_caller]
    fn next_tick(&mut self, facts: &Facts) -> Vec<Effect> {
        self.now = self.now.max(self.machine.next_tick_at());
        let effects = self.wake();
        let [Effect::Observe { question_id, .. }] = effects[..] else { panic!("no tick is due: {effects:?}") };
        self.observed(question_id, facts)
    }

    /// Goes to the read-back that is due next, and answers it.
    #[track_caller]
    fn read_back(&mut self, facts: &Facts) -> Vec<Effect> {
        self.now = self.machine.next_wake().unwrap();
        let effects = self.wake();
        let [Effect::ReadBack { question_id }] = effects[..] else { panic!("no read-back is due: {effects:?}") };
        self.read_back_answer(question_id, facts)
    }

    fn read_back_answer(&mut self, question_id: QuestionId, facts: &Facts) -> Vec<Effect> {
        self.event(Event::ReadBack { question_id, remote: facts.remote.clone().map(Box::new) })
    }

    /// Answers the action in flight.
    #[track_caller]
    fn applied(&mut self, outcome: Outcome) -> Vec<Effect> {
        let action = self.action_id();
        self.event(Event::Applied { action, outcome })
    }

    #[track_caller]
    fn end_time_set(&mut self, outcome: Outcome) -> Vec<Effect> {
        let action = self.action_id();
        self.event(Event::EndTimeSet { action, outcome })
    }

    #[track_caller]
    fn action_id(&self) -> ActionId {
        self.machine.action().unwrap().id
    }

    /// Accepts the action in flight, and confirms it by the read-back.
    #[track_caller]
    fn confirm(&mut self) -> Vec<Effect> {
        self.applied(Outcome::Accepted);
        let kind = self.machine.action().unwrap().kind;
        if kind == ActionKind::Pause {
            self.end_time_set(Outcome::Accepted);
        }
        let end = self.machine.action().unwrap().end_time;
        let shown = if kind == ActionKind::Activate { running() } else { stopped() };
        self.read_back(&shown.ends(end))
    }
}

/// Checks a step: the request that it sends, if any, and the state after it. Every request was stored before it in the
/// same step, as requested.
#[track_caller]
fn assert_step(what: &str, rig: &Rig, effects: &[Effect], request: Option<ActionKind>, phase: PhaseWord) {
    let sent: Vec<ActionKind> = sends(effects).map(|request| request.kind).collect();
    assert_eq!(sent, request.into_iter().collect::<Vec<_>>(), "{what}: what is sent, in {effects:#?}");
    assert_eq!(rig.phase(), phase, "{what}: the state after {effects:#?}");
    assert_stored_before_sent(effects);
}

/// Checks that every request that changes something has a journal entry, stored before it was sent.
#[track_caller]
fn assert_stored_before_sent(effects: &[Effect]) {
    for (position, effect) in effects.iter().enumerate() {
        let Effect::Send(request) = effect else { continue };
        let entry = records(&effects[..position]).filter_map(|record| record.entry.as_ref()).next_back();
        let stored = entry.is_some_and(|entry| entry.id == request.action && entry.kind == request.kind);
        assert!(stored, "{request:?} is sent before its journal entry is stored: {effects:#?}");
    }
}

fn sends(effects: &[Effect]) -> impl Iterator<Item = &Request> {
    effects.iter().filter_map(|effect| if let Effect::Send(request) = effect { Some(request) } else { None })
}

fn records(effects: &[Effect]) -> impl DoubleEndedIterator<Item = &Record> {
    effects.iter().filter_map(|effect| if let Effect::Store(record) = effect { Some(&**record) } else { None })
}

/// Returns the journal entries that a step writes.
fn entries(effects: &[Effect]) -> impl DoubleEndedIterator<Item = &Action> {
    records(effects).filter_map(|record| record.entry.as_ref())
}

/// Counts the notes of a step that fit.
fn notes(effects: &[Effect], pick: impl Fn(&Note) -> bool) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Note(note) if pick(note))).count()
}
