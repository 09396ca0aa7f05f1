//! "What must hold always", as far as one campaign's machine can show it: 1, 2, 3, 4, 5, 7 and 9.
//!
//! A machine runs in a small world: a campaign at TrafficStars that obeys, refuses, answers late or not at all; others
//! who start and stop it; facts that change; crashes. Every step is checked.

use std::collections::VecDeque;

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;
use crate::domain::action::{Step, Trigger};
use crate::domain::decision::{ClickLevel, Judgement, SpendLevel};
use crate::domain::order::{Force, ForceKind, HoldChange, OrderId};
use crate::domain::policy::Mode;
use crate::domain::remote::{RemoteStatus, StopCause};
use crate::domain::status::Hold;

/// TrafficStars' reaction to a request.
#[derive(Debug, Clone, Copy)]
enum Reply {
    Accepted,
    AcceptedWithoutEffect,
    Failed,
    LostButDone,
    LostAndUndone,
    NotSent,
    Postponed,
}

/// The next event in the world.
#[derive(Debug, Clone)]
enum Happening {
    Pass(i64),
    /// The next wake comes, this many milliseconds late.
    Wake(i64),
    AnswerTick,
    AnswerReadBack,
    AnswerAction(Reply),
    AnswerEndTime(bool),
    Foreign(Option<bool>),
    /// From now on reads show: 1 a failure, 2 a 404, 3 an unknown status word, 4 a block; else the campaign.
    Reads(u8),
    Spend(Option<i64>),
    Clicks(Option<u64>),
    Crash,
    Stale,
    Disable(bool),
    DisableIfStopped,
    Order(Order),
}

/// An operator's order.
#[derive(Debug, Clone, Copy)]
enum Order {
    Process,
    Force(ForceKind, bool),
    /// A hold, with `pause` or without, for this many minutes.
    Hold(bool, Option<i64>),
    HoldAll(bool),
    ReleaseHold,
    ReleaseAll,
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![
        2 => Just(Order::Process),
        2 => Just(Order::Force(ForceKind::Activate, false)),
        2 => any::<bool>().prop_map(|unless_stopped| Order::Force(ForceKind::Pause, unless_stopped)),
        2 => (any::<bool>(), proptest::option::of(1_i64..10)).prop_map(|(pause, span)| Order::Hold(pause, span)),
        1 => any::<bool>().prop_map(Order::HoldAll),
        3 => Just(Order::ReleaseHold),
        3 => Just(Order::ReleaseAll),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    let reply = prop_oneof![
        6 => Just(Reply::Accepted),
        1 => Just(Reply::AcceptedWithoutEffect),
        1 => Just(Reply::Failed),
        1 => Just(Reply::LostButDone),
        1 => Just(Reply::LostAndUndone),
        1 => Just(Reply::NotSent),
        1 => Just(Reply::Postponed),
    ];
    prop_oneof![
        4 => (0_i64..90_000).prop_map(Pass),
        30 => prop_oneof![9 => 0_i64..50, 1 => 0_i64..200_000].prop_map(Wake),
        30 => Just(AnswerTick),
        12 => Just(AnswerReadBack),
        15 => reply.prop_map(AnswerAction),
        12 => any::<bool>().prop_map(AnswerEndTime),
        4 => proptest::option::of(any::<bool>()).prop_map(Foreign),
        3 => (0_u8..8).prop_map(Reads),
        3 => proptest::option::weighted(0.8, 9_000_000_i64..10_500_000).prop_map(Spend),
        5 => proptest::option::weighted(0.8, prop_oneof![0_u64..5_500, 14_500_u64..16_000, 5_001_u64..15_000])
            .prop_map(Clicks),
        1 => Just(Crash),
        1 => Just(Stale),
        1 => any::<bool>().prop_map(Disable),
        1 => Just(DisableIfStopped),
        5 => order().prop_map(Order),
    ]
}

/// A question of the machine without an answer yet.
#[derive(Debug, Clone, Copy)]
struct Asked {
    question_id: QuestionId,
    at: DateTime<Utc>,
    read_remote: bool,
    is_gone: bool,
}

#[derive(Debug)]
struct World {
    rig: Rig,
    stored: Promise,
    journal: Option<Action>,
    campaign: RemoteCampaign,
    reads: u8,
    spend: Option<i64>,
    clicks: Option<u64>,
    tick: Option<Asked>,
    read_back: Option<Asked>,
    request: Option<Request>,
    /// An end time that a pause has overtaken, without an answer yet.
    overtaken: Option<Request>,
    /// The accepted pauses whose end times have no answer yet, the oldest first.
    end_times: VecDeque<ActionId>,
    /// Whether an action was answered or ended since the last tick began, so that the tick's facts are out of date.
    outdated: bool,
    disabling: bool,
    disabled: bool,
    stored_hold: Option<Hold>,
    hold_all: Option<Hold>,
    /// Orders without an answer yet.
    unanswered: std::collections::BTreeMap<OrderId, Order>,
    last_order: u64,
}

impl World {
    fn new(start: DateTime<Utc>, mode: Mode) -> Self {
        let stored = Promise { phase: Phase::Idle, since: start, end_time_owed: false };
        Self {
            rig: Rig::from_record(start, stored, None, |numbers| numbers.mode = mode),
            stored,
            journal: None,
            campaign: campaign(),
            reads: 0,
            spend: Some(1_000_000),
            clicks: Some(20_000),
            tick: None,
            read_back: None,
            request: None,
            overtaken: None,
            end_times: VecDeque::new(),
            outdated: false,
            disabling: false,
            disabled: false,
            stored_hold: None,
            hold_all: None,
            unanswered: std::collections::BTreeMap::new(),
            last_order: 0,
        }
    }

    fn facts(&self) -> Facts {
        let remote = match self.reads {
            1 => unread().remote,
            2 => missing().remote,
            3 => {
                Facts::of(Ok(self.campaign.clone())).with(|campaign| campaign.status = Some("frozen".to_owned())).remote
            }
            4 => Facts::of(Ok(self.campaign.clone())).with(|campaign| campaign.no_funds = true).remote,
            _ => Ok(self.campaign.clone()),
        };
        let facts = Facts::of(remote);
        let facts = match self.spend {
            Some(micros) => Facts { spend: Ok(Money::from_micros(micros).unwrap()), ..facts },
            None => facts.spend_unknown(),
        };
        match self.clicks {
            Some(count) => facts.clicks(count),
            None => facts.clicks_unknown(),
        }
    }

    fn switch(&mut self, active: bool) {
        self.campaign.active = Some(active);
        self.campaign.status = Some(if active { "enabled" } else { "paused" }.to_owned());
    }

    /// Carries out a request in the world.
    fn obey(&mut self, request: Request) {
        match request.kind {
            ActionKind::Activate => {
                self.campaign.end_time = EndTime::At(request.end_time);
                self.switch(true);
            }
            ActionKind::Pause => self.switch(false),
            ActionKind::SetEndTime => self.campaign.end_time = EndTime::At(request.end_time),
            ActionKind::TopUp | ActionKind::DailyBudget => self.campaign.max_daily = Some(request.max_daily),
        }
    }

    fn is_action_open(&self) -> bool {
        self.request.is_some()
            || self.journal.as_ref().is_some_and(|entry| matches!(entry.step, Step::Requested | Step::Accepted))
    }

    /// Whether a decision waits for an action: no decision waits for an end time.
    fn is_decision_held(&self) -> bool {
        self.is_action_open() && self.journal.as_ref().is_none_or(|entry| entry.kind != ActionKind::SetEndTime)
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Pass(span_ms) => self.rig.now += Duration::milliseconds(span_ms),
            Happening::Wake(late_ms) => self.wake(late_ms),
            Happening::AnswerTick => self.answer_tick(),
            Happening::AnswerReadBack => {
                if let Some(asked) = self.read_back.take() {
                    let remote = self.facts().remote.map(Box::new);
                    self.step(Event::ReadBack { question_id: asked.question_id, remote });
                }
            }
            Happening::AnswerAction(reply) => self.answer_action(reply),
            Happening::AnswerEndTime(set) => {
                if let Some(action) = self.end_times.pop_front() {
                    if set {
                        self.campaign.end_time = EndTime::At(self.rig.now);
                    }
                    let outcome = if set { Outcome::Accepted } else { Outcome::Failed("no".to_owned()) };
                    self.step(Event::EndTimeSet { action, outcome });
                }
            }
            Happening::Foreign(Some(active)) => {
                self.switch(active);
                self.campaign.end_time = EndTime::Unset;
            }
            Happening::Foreign(None) => self.campaign.end_time = EndTime::At(self.rig.now - Duration::seconds(1)),
            Happening::Reads(how) => self.reads = how,
            Happening::Spend(spend) => self.spend = spend,
            Happening::Clicks(clicks) => self.clicks = clicks,
            Happening::Crash => self.crash(),
            Happening::Stale => {
                let action = ActionId(u64::MAX);
                self.step(Event::Applied { action, outcome: Outcome::Accepted });
                self.step(Event::EndTimeSet { action, outcome: Outcome::Accepted });
            }
            Happening::Disable(pause) => {
                self.disabling = true;
                self.step(Event::Disable { pause });
            }
            Happening::DisableIfStopped => {
                self.disabling = true;
                self.step(Event::DisableIfStopped);
            }
            Happening::Order(order) => self.order(order),
        }
    }

    fn order(&mut self, kind: Order) {
        if self.disabled {
            return;
        }
        self.last_order += 1;
        let (order, now) = (OrderId(self.last_order), self.rig.now);
        let hold = |pause, span: Option<i64>| Hold {
            reason: None,
            since: now,
            until: span.map(|minutes| now + Duration::minutes(minutes)),
            by: Some("0 (root)".to_owned()),
            pause,
        };
        let event = match kind {
            Order::Process => Event::Process { order },
            Order::Force(kind, unless_stopped) => {
                let (reason, by) = ("an order".to_owned(), Some("0 (root)".to_owned()));
                let force = Force { kind, trigger: Trigger::Force, reason, by, unless_stopped, once: false };
                Event::Force { order, force: Box::new(force) }
            }
            Order::Hold(pause, span) => Event::Hold { order, hold: Some(hold(pause, span)) },
            Order::ReleaseHold => Event::Hold { order, hold: None },
            Order::HoldAll(pause) => {
                self.hold_all = Some(hold(pause, None));
                Event::HoldAll(self.hold_all.clone())
            }
            Order::ReleaseAll => {
                self.hold_all = None;
                Event::HoldAll(None)
            }
        };
        if !matches!(kind, Order::HoldAll(_) | Order::ReleaseAll) {
            self.unanswered.insert(order, kind);
        }
        self.step(event);
    }

    fn is_write_out(&self) -> bool {
        self.request.is_some() || self.overtaken.is_some() || !self.end_times.is_empty()
    }

    fn is_forcing(&self) -> bool {
        self.unanswered.values().any(|order| matches!(order, Order::Force(..)))
    }

    /// Whether it is on hold without `pause`.
    fn is_left_alone(&self) -> bool {
        self.rig.machine.hold(self.rig.now).is_some_and(|hold| !hold.pause)
    }

    fn wake(&mut self, late_ms: i64) {
        let Some(due) = self.rig.machine.next_wake() else {
            let waits = self.tick.is_some()
                || self.disabling && (self.read_back.is_some() || self.is_action_open() || self.is_write_out());
            assert!(self.disabled || waits, "it never wakes again: {self:#?}");
            return;
        };
        self.rig.now = self.rig.now.max(due) + Duration::milliseconds(late_ms);
        let effects = self.step(Event::Wake);
        let asked = effects.iter().any(|effect| matches!(effect, Effect::Observe { .. } | Effect::ReadBack { .. }));
        let moved_on = self.rig.machine.next_wake().is_none_or(|next| next > self.rig.now);
        assert!(asked || moved_on, "a wake that did nothing leads to another one at once: {self:#?}");
    }

    fn answer_tick(&mut self) {
        let Some(asked) = self.tick.take() else { return };
        let facts = self.facts();
        let read = if asked.read_remote { facts.remote } else { missing().remote };
        let facts = Facts { remote: read.map_err(|fault| fault.of_campaign(asked.is_gone)), ..self.facts() };
        let observation = facts.observation(self.rig.now);
        let judged = Judgement::new(&observation, &self.rig.policy, self.rig.now);
        let (was_held, outdated, was_forcing) = (self.is_decision_held(), self.outdated, self.is_forcing());
        // A forced action does not depend on the spend, so its facts cannot be too old: only the cool-down's end
        // counts.
        let cooled_down_at = self.rig.machine.phase().cooling_down_until();
        let facts_at = if was_forcing { self.rig.now } else { asked.at };
        let cooling_down = cooled_down_at.is_some_and(|until| facts_at < until);
        let event = Event::Observed { question_id: asked.question_id, observation: Box::new(observation) };
        let effects = self.step(event);
        self.check_decision(&judged, cooling_down, &effects);
        let is_fresh = !outdated && !was_held && !self.disabling && !was_forcing && !self.is_left_alone();
        let must_pause = judged.status == RemoteStatus::Running
            && judged.click_level == ClickLevel::UsedUp
            && judged.spend_level != SpendLevel::Reached;
        if is_fresh && must_pause && self.rig.policy.mode == Mode::Act {
            let paused = sends(&effects).any(|request| request.kind == ActionKind::Pause);
            assert!(paused, "3: it runs with its clicks used up, and gets no pause: {self:#?}");
        }
    }

    /// Checks what a tick sends, by its facts.
    fn check_decision(&self, judged: &Judgement, cooling_down: bool, effects: &[Effect]) {
        for request in sends(effects) {
            let forced = entries(effects).any(|entry| entry.id == request.action && entry.trigger == Trigger::Force);
            assert!(forced || !self.is_left_alone(), "on hold, nothing is sent");
            match request.kind {
                ActionKind::Activate => {
                    assert!(matches!(judged.status, RemoteStatus::Stopped(_)), "1, 2, 4: {judged:?}");
                    assert!(forced || judged.spend_level == SpendLevel::Below, "1: {judged:?}");
                    let enough = matches!(judged.click_level, ClickLevel::Between | ClickLevel::Enough);
                    assert!(forced || enough, "1: {judged:?}");
                    assert!(self.rig.machine.hold(self.rig.now).is_none(), "2: on hold");
                    assert!(!cooling_down, "2: cooling down");
                    assert!(!self.disabling, "2: disabled");
                    assert!(self.rig.now < self.rig.policy.day_end_on(self.rig.now), "2: after the day end");
                    assert_eq!(request.end_time, self.rig.policy.day_end_on(self.rig.now));
                }
                ActionKind::Pause => {
                    assert!(judged.status.may_run() || forced, "4: it was already stopped: {judged:?}");
                }
                ActionKind::SetEndTime => {
                    assert_eq!(judged.status, RemoteStatus::Stopped(StopCause::SwitchedOff), "4: {judged:?}");
                }
                ActionKind::TopUp | ActionKind::DailyBudget => panic!("the policy is another one: {request:?}"),
            }
        }
    }

    fn answer_action(&mut self, reply: Reply) {
        let Some(request) = self.overtaken.take().or_else(|| self.request.take()) else { return };
        let lost = || Outcome::Unclear("the answer was lost".to_owned());
        let (obeys, outcome) = match reply {
            Reply::Accepted => (true, Outcome::Accepted),
            Reply::AcceptedWithoutEffect => (false, Outcome::Accepted),
            Reply::Failed => (false, Outcome::Failed("listed under failed".to_owned())),
            Reply::LostButDone => (true, lost()),
            Reply::LostAndUndone => (false, lost()),
            Reply::NotSent => (false, Outcome::NotSent("it could not be stored".to_owned())),
            Reply::Postponed => (false, Outcome::Postponed("it waited too long".to_owned())),
        };
        if obeys {
            self.obey(request);
        }
        if request.kind == ActionKind::Pause && outcome == Outcome::Accepted {
            self.end_times.push_back(request.action);
        }
        let left = !matches!(outcome, Outcome::NotSent(_) | Outcome::Postponed(_));
        let outdated = self.outdated;
        self.step(Event::Applied { action: request.action, outcome });
        self.outdated = outdated || (left && request.kind != ActionKind::SetEndTime);
    }

    /// Runs one step, and checks the rules for every step.
    fn step(&mut self, event: Event) -> Vec<Effect> {
        let is_read = matches!(event, Event::Observed { .. } | Event::ReadBack { .. });
        let effects = self.rig.event(event);
        assert_stored_before_sent(&effects);
        assert!(!self.disabled || effects.is_empty(), "disabled, and requests {effects:?}");
        for effect in &effects {
            match effect {
                Effect::Observe { question_id, read_remote, is_gone, counts_urls: _ } => {
                    assert!(self.tick.is_none(), "a tick is overlapped");
                    self.outdated = false;
                    let (question_id, read_remote, is_gone) = (*question_id, *read_remote, *is_gone);
                    self.tick = Some(Asked { question_id, at: self.rig.now, read_remote, is_gone });
                }
                Effect::ReadBack { question_id } => {
                    self.read_back =
                        Some(Asked { question_id: *question_id, at: self.rig.now, read_remote: true, is_gone: false });
                }
                Effect::Store(record) => self.store(record),
                Effect::Send(request) => {
                    assert_eq!(self.rig.policy.mode, Mode::Act, "observe mode sends nothing");
                    let ordered = self.rig.machine.action().is_some_and(|action| action.trigger == Trigger::Force);
                    let unread = ordered && request.kind == ActionKind::Pause;
                    assert!(is_read || unread, "the status has to be read in the same tick");
                    let overtakes = request.kind == ActionKind::Pause
                        && self.request.is_some_and(|before| before.kind == ActionKind::SetEndTime);
                    assert!(self.request.is_none() || overtakes, "5: two actions are in flight");
                    assert!(self.overtaken.is_none() || request.kind == ActionKind::Pause, "two end times in flight");
                    self.overtaken = self.request.replace(*request).or(self.overtaken);
                }
                Effect::Disabled { .. } => {
                    assert!(!self.is_write_out(), "disabled while a request is in flight");
                    self.disabled = true;
                }
                Effect::DisableRefused(_) => self.disabling = false,
                Effect::Processed { order } => self.answer(*order, |kind| matches!(kind, Order::Process)),
                Effect::Held { order } => {
                    assert!(!self.is_write_out(), "on hold while a request is in flight");
                    self.answer(*order, |kind| matches!(kind, Order::Hold(..) | Order::ReleaseHold));
                }
                Effect::ForceEnded { order, .. } => {
                    let kind = self.unanswered.remove(order);
                    assert!(matches!(kind, Some(Order::Force(..))), "{order:?} is answered, but was {kind:?}");
                }
                Effect::SetEndTime(_) | Effect::Note(_) | Effect::Sign(_) | Effect::SharedLimit(..) => {}
            }
        }
        let machine = &self.rig.machine;
        assert_eq!(machine.invariants(self.rig.now, &self.rig.policy), Ok(()));
        assert_eq!(
            (machine.phase(), machine.since()),
            (self.stored.phase, self.stored.since),
            "7: a crash now would lose the promise"
        );
        assert_eq!(machine.action(), self.journal.as_ref(), "7: the journal is out of date");
        assert_eq!(machine.own_hold(), self.stored_hold.as_ref(), "7: a crash now would lose the hold");
        effects
    }

    /// Takes in that this order is answered, and the orders of its kind before it.
    fn answer(&mut self, order: OrderId, is_such: impl Fn(&Order) -> bool) {
        let before = self.unanswered.len();
        self.unanswered.retain(|number, kind| *number > order || !is_such(kind));
        assert!(self.unanswered.len() < before, "{order:?} is answered twice, or was never given");
    }

    fn store(&mut self, record: &Record) {
        self.stored = record.promise;
        match &record.hold {
            HoldChange::Keep => {}
            HoldChange::Set(hold) => self.stored_hold = Some(hold.clone()),
            HoldChange::Release => self.stored_hold = None,
        }
        let Some(entry) = &record.entry else { return };
        if let Some(before) = self.journal.as_ref().filter(|before| before.id != entry.id) {
            assert!(
                !matches!(before.step, Step::Requested | Step::Accepted),
                "5: {entry:?} begins before {before:?} has ended"
            );
        }
        // An activation that was accepted, and that a forced pause replaces, had left, too.
        let is_replaced = entry.step == Step::Superseded && entry.accepted_at.is_some();
        let has_ended = matches!(entry.step, Step::Confirmed | Step::Failed) || is_replaced;
        if has_ended && entry.kind != ActionKind::SetEndTime {
            self.outdated = true;
        }
        self.journal = Some(entry.clone());
    }

    /// Loses all open questions. A request in flight may or may not have arrived.
    fn crash(&mut self) {
        if self.disabled {
            return;
        }
        if let Some(request) = self.request.take()
            && self.clicks.is_some_and(|count| count % 2 == 0)
        {
            self.obey(request);
        }
        (self.tick, self.read_back, self.disabling, self.overtaken) = (None, None, false, None);
        self.end_times.clear();
        let unfinished = self.journal.clone().filter(|entry| matches!(entry.step, Step::Requested | Step::Accepted));
        let until = self.stored.phase.cooling_down_until();
        self.journal.clone_from(&unfinished);
        self.unanswered.clear();
        self.rig.machine = Machine::new(self.rig.now, &self.rig.policy, Some(self.stored), unfinished)
            .on_hold(self.stored_hold.clone(), self.hold_all.clone());
        assert_eq!(self.rig.machine.phase().cooling_down_until(), until, "7: the cool-down is an absolute time");
    }

    /// Answers everything as it should be for this many minutes, without faults.
    fn calm(&mut self, minutes: i64) {
        (self.reads, self.spend) = (0, Some(1_000_000));
        let until = self.rig.now + Duration::minutes(minutes);
        while self.rig.now < until {
            self.happen(Happening::AnswerAction(Reply::Accepted));
            self.happen(Happening::AnswerEndTime(true));
            self.happen(Happening::AnswerTick);
            self.happen(Happening::AnswerReadBack);
            self.happen(Happening::Wake(3));
        }
    }

    fn is_running(&self) -> bool {
        crate::domain::remote::judge(&self.facts().remote, self.rig.now) == RemoteStatus::Running
    }
}

fn config() -> Config {
    Config { cases: 400, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_rules_hold_after_any_events(
        start in prop_oneof![Just("12:00:00"), Just("23:57:30"), Just("2028-02-28 23:40:00")],
        happenings in proptest::collection::vec(happening(), 1..300),
    ) {
        for mode in [Mode::Act, Mode::Observe] {
            let mut world = World::new(at(start), mode);
            for happening in happenings.clone() {
                world.happen(happening);
            }
            prop_assert!(mode == Mode::Act || world.rig.machine.phase() == Phase::Idle, "observe mode keeps the state");
        }
    }

    #[test]
    fn once_the_faults_are_over_the_campaign_reaches_the_state_that_its_facts_demand(
        happenings in proptest::collection::vec(happening(), 1..200),
    ) {
        let mut world = World::new(at("09:00:00"), Mode::Act);
        let disables = |one: &Happening| matches!(one, Happening::Disable(_) | Happening::DisableIfStopped);
        for happening in happenings.into_iter().filter(|one| !disables(one)) {
            world.happen(happening);
        }
        world.rig.now = world.rig.now.max(at("2026-11-23 01:00:00"));
        world.order(Order::ReleaseHold);
        world.order(Order::ReleaseAll);
        world.clicks = Some(0);
        world.calm(20);
        prop_assert!(!world.is_running(), "clicks used up: {world:#?}");
        world.clicks = Some(20_000);
        world.calm(40);
        prop_assert!(world.is_running(), "enough clicks: {world:#?}");
        let action = world.rig.action_id();
        world.clicks = Some(10_000);
        world.calm(30);
        prop_assert!(world.is_running(), "undisturbed: {world:#?}");
        prop_assert_eq!(world.rig.action_id(), action, "4: an undisturbed promise needs no request");
        prop_assert!(world.unanswered.is_empty(), "orders without an answer: {:?}", world.unanswered);
    }
}
