//! The book of alerts, by its rules, and in a small world that crashes, loses the database, and has a receiver that
//! fails.

use std::time::Duration;

use proptest::prelude::*;

use super::outgoing::{Outgoing, Situation};
use super::*;
use crate::alerts::message::{Item, Message};
use crate::alerts::receiver::{HookUrl, QuietHours, WayOut};
use crate::alerts::template::{Shipped, Template};
use crate::domain::alert::AlertStep;
use crate::domain::ids::RemoteId;
use crate::domain::occasion::OccasionKind;

#[path = "book/outgoing_tests.rs"]
mod outgoing_tests;

const ZONE: Tz = Tz::UTC;
const SEEN_ALL: Knowledge = Knowledge { leads_for: TimeDelta::hours(1), has_read_all: true };

fn at(seconds: i64) -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(seconds)
}

fn receiver() -> Receiver {
    Receiver {
        name: "ops".to_owned(),
        way_out: WayOut::Webhook { url: HookUrl::new("https://example.com/".parse().unwrap()), secrets: None },
        template: Template::Shipped(Shipped::Standard),
        kinds: None,
        severity: Severity::Info,
        group_wait: Duration::from_secs(10),
        remind_after: None,
        resolved: true,
        quiet: None,
    }
}

fn campaign(id: i64) -> OccasionCampaign {
    OccasionCampaign { id: CampaignId(id), name: format!("campaign {id}"), trafficstar_id: RemoteId(id + 1_000) }
}

fn finding(kind: OccasionKind, since: DateTime<Utc>) -> Finding {
    let text = "something is the case".to_owned();
    Finding { key: OccasionKey::of(kind), severity: Severity::Warning, since, text, lasts: true }
}

/// A database that stores what the book gives it, as `store::alerts` does.
#[derive(Debug, Clone, Default)]
struct Database {
    rows: Vec<(Occasion, BTreeMap<String, Delivery>, bool)>,
    receivers: BTreeMap<String, ReceiverState>,
    mutes: Vec<Mute>,
}

impl Database {
    fn change(&mut self, campaign: Option<&OccasionCampaign>, change: &OccasionChange) {
        let id = campaign.map(|campaign| campaign.id);
        let same = |row: &Occasion, key: &OccasionKey| {
            row.campaign.as_ref().map(|campaign| campaign.id) == id && row.key == *key
        };
        match change {
            OccasionChange::Began(finding) => {
                let is_known = |row: &Occasion| same(row, &finding.key) && (!row.lasts || row.resolved_at.is_none());
                if !self.rows.iter().any(|(row, ..)| is_known(row)) {
                    let mut occasion = begun(campaign.cloned(), finding);
                    occasion.id = Some(OccasionId(i64::try_from(self.rows.len()).unwrap() + 1));
                    self.rows.push((occasion, BTreeMap::new(), false));
                }
            }
            OccasionChange::Ended(key, ended_at) => {
                for (row, ..) in self.rows.iter_mut().filter(|(row, ..)| same(row, key) && row.is_open()) {
                    row.resolved_at = Some(*ended_at);
                }
            }
        }
    }

    fn save(&mut self, changes: &AlertChanges) {
        for (campaign, change) in &changes.occasions {
            self.change(campaign.as_ref(), change);
        }
        for (id, receiver, delivery) in &changes.deliveries {
            let row = self.rows.iter_mut().find(|(row, ..)| row.id == Some(*id)).unwrap();
            row.1.insert(receiver.clone(), delivery.clone());
        }
        self.receivers.extend(changes.receivers.iter().map(|state| (state.name.clone(), state.clone())));
        for (row, _, settled) in &mut self.rows {
            *settled |= row.id.is_some_and(|id| changes.settled.contains(&id));
            if let Some((_, ack)) = changes.acked.iter().find(|(id, _)| row.id == Some(*id)) {
                row.acked = Some(ack.clone());
            }
        }
        for mute in &changes.mutes {
            self.mutes.retain(|earlier| earlier.campaign != mute.campaign);
            self.mutes.push(mute.clone());
        }
    }

    fn unsettled(&self) -> StoredAlerts {
        let rows = self.rows.iter().filter(|(.., settled)| !settled);
        StoredAlerts {
            occasions: rows.map(|(row, told, _)| (row.clone(), told.clone().into_iter().collect())).collect(),
            receivers: self.receivers.values().cloned().collect(),
            mutes: self.mutes.clone(),
        }
    }
}

fn leading(now: DateTime<Utc>) -> Situation {
    Situation { now, zone: ZONE, leads: true, is_ending: false }
}

/// A book with its database, as the alerts actor uses them.
struct World {
    now: DateTime<Utc>,
    database: Database,
    book: Book,
    receiver: Receiver,
    /// What the receiver was sent, each with whether it accepted it.
    sent: Vec<(Message, bool)>,
}

impl World {
    fn new(receiver: Receiver) -> Self {
        let (now, database, book) = (at(0), Database::default(), Book::default());
        let mut world = Self { now, database, book, receiver, sent: Vec::new() };
        world.round(&Ok(()));
        world
    }

    /// One round of the actor, with the receiver's answer to each message.
    fn round(&mut self, answer: &Result<(), SendFailure>) {
        for outgoing in self.plan() {
            self.sent.push((outgoing.message.clone(), answer.is_ok()));
            self.book.answered(self.now, &outgoing.receiver, &outgoing.message.id, answer);
        }
        self.save();
    }

    /// The part of a round before anything is sent.
    fn plan(&mut self) -> Vec<Outgoing> {
        self.save();
        self.book.load(self.database.unsettled());
        let (outgoing, _) = self.book.plan(leading(self.now), std::slice::from_ref(&self.receiver));
        self.save();
        outgoing
    }

    fn save(&mut self) {
        let changes = self.book.take_unsaved();
        self.database.save(&changes);
    }

    fn begin(&mut self, id: i64, kind: OccasionKind) {
        self.database.change(Some(&campaign(id)), &OccasionChange::Began(finding(kind, self.now)));
    }

    fn end(&mut self, id: i64, kind: OccasionKind) {
        self.database.change(Some(&campaign(id)), &OccasionChange::Ended(OccasionKey::of(kind), self.now));
    }

    /// Lets seconds pass, with a round in each.
    fn pass(&mut self, seconds: i64, answer: &Result<(), SendFailure>) {
        for _ in 0..seconds {
            self.now += TimeDelta::seconds(1);
            self.round(answer);
        }
    }

    /// Kills the process: only what is stored is left.
    fn crash(&mut self) {
        self.book = Book::default();
    }

    /// Returns the accepted steps, as `blocked/1 firing`.
    fn told(&self) -> Vec<String> {
        let accepted = self.sent.iter().filter(|(_, is_accepted)| *is_accepted);
        let item = |item: &Item| format!("{} {}", item.occasion.full_key(), item.step);
        accepted.flat_map(|(message, _)| message.items.iter().map(item).collect::<Vec<_>>()).collect()
    }
}

fn refused() -> Result<(), SendFailure> {
    Err(SendFailure::Refused { status: 503, retry_after: None, said: String::new() })
}

#[test]
fn occasions_are_gathered_and_each_step_is_in_one_message() {
    let mut world = World::new(receiver());
    world.begin(1, OccasionKind::Blocked);
    world.pass(5, &Ok(()));
    world.begin(2, OccasionKind::Contested);
    assert_eq!(world.told(), [""; 0], "they are gathered");
    world.pass(600, &Ok(()));
    assert_eq!(world.sent.len(), 1, "one message");
    world.end(1, OccasionKind::Blocked);
    world.pass(600, &Ok(()));
    assert_eq!(world.told(), ["blocked/1 firing", "contested/2 firing", "blocked/1 resolved"]);
}

#[test]
fn in_one_message_the_end_of_an_occasion_comes_before_its_next_beginning() {
    let mut world = World::new(receiver());
    world.begin(1, OccasionKind::Blocked);
    world.pass(20, &Ok(()));
    world.end(1, OccasionKind::Blocked);
    world.now += TimeDelta::seconds(1);
    world.begin(1, OccasionKind::Blocked);
    world.begin(2, OccasionKind::Blocked);
    world.pass(20, &Ok(()));
    let told = ["blocked/1 firing", "blocked/1 resolved", "blocked/1 firing", "blocked/2 firing"];
    assert_eq!(world.told(), told);
    assert_eq!(world.sent.len(), 2);
}

#[test]
fn without_gathering_each_occasion_has_a_message_of_its_own_unless_there_are_many() {
    let mut world = World::new(Receiver { group_wait: Duration::ZERO, ..receiver() });
    (1..=3).for_each(|id| world.begin(id, OccasionKind::Blocked));
    world.pass(5, &Ok(()));
    assert_eq!(world.sent.iter().map(|(message, _)| message.items.len()).collect::<Vec<_>>(), [1, 1, 1]);
    (4..=1_003).for_each(|id| world.begin(id, OccasionKind::Blocked));
    world.pass(5, &Ok(()));
    assert_eq!(world.sent.last().unwrap().0.items.len(), 1_000);
}

#[test]
fn what_comes_and_goes_while_the_receiver_is_away_is_one_message_that_says_so() {
    let mut world = World::new(receiver());
    world.begin(1, OccasionKind::Blocked);
    world.pass(60, &refused());
    for id in 2..100 {
        world.begin(id, OccasionKind::Contested);
        world.pass(30, &refused());
        world.end(id, OccasionKind::Contested);
    }
    let first = world.sent[0].0.clone();
    let attempts = world.sent.len();
    assert!(world.sent.iter().all(|(message, _)| *message == first), "the same message under the same id");
    assert!((8..=20).contains(&attempts), "the wait grows: {attempts} attempts in an hour");
    world.pass(1_200, &Ok(()));
    assert_eq!(world.sent.len(), attempts + 2);
    let last = &world.sent.last().unwrap().0;
    assert_eq!((last.items.len(), last.items[0].step), (98, AlertStep::Resolved));
    assert_eq!(world.told().len(), 99);
}

#[test]
fn a_receiver_that_wants_us_to_wait_is_not_called_before() {
    let mut world = World::new(receiver());
    world.begin(1, OccasionKind::Blocked);
    let wait = Some(Duration::from_secs(900));
    world.pass(12, &Err(SendFailure::Refused { status: 429, retry_after: wait, said: String::new() }));
    world.pass(890, &Ok(()));
    assert_eq!((world.sent.len(), world.told().len()), (1, 0));
    world.pass(15, &Ok(()));
    assert_eq!(world.told(), ["blocked/1 firing"]);
}

#[test]
fn a_receiver_that_is_gone_gets_nothing_until_it_takes_a_test_message() {
    let mut world = World::new(receiver());
    world.begin(1, OccasionKind::Blocked);
    world.pass(20, &Err(SendFailure::Gone));
    world.begin(2, OccasionKind::Blocked);
    world.pass(600, &Ok(()));
    assert_eq!((world.sent.len(), world.told().len()), (1, 0));
    world.end(2, OccasionKind::Blocked);
    world.begin(3, OccasionKind::Blocked);
    world.pass(60, &Ok(()));
    let state = world.book.receiver("ops").unwrap();
    assert!(state.disabled_at.is_some() && state.lost == 2, "{state:?}");
    world.crash();
    world.pass(60, &Ok(()));
    assert_eq!(world.told(), [""; 0], "a restart does not enable it");
    world.book.noted(world.now, "ops", &Ok(()));
    world.pass(60, &Ok(()));
    let told = world.told().into_iter().collect::<BTreeSet<_>>();
    let wanted = ["blocked/1 reminder", "blocked/3 firing"].map(str::to_owned);
    assert_eq!(told, BTreeSet::from(wanted), "what is still the case");
}

#[test]
fn a_message_is_given_up_after_a_day_and_counted() {
    let mut world = World::new(receiver());
    world.begin(1, OccasionKind::Blocked);
    for _ in 0..24 * 60 + 20 {
        world.now += TimeDelta::minutes(1);
        world.round(&refused());
    }
    assert_eq!(world.book.receiver("ops").unwrap().lost, 1);
    world.end(1, OccasionKind::Blocked);
    world.pass(60, &Ok(()));
    assert_eq!(world.told(), [""; 0], "the end of what it never heard of says nothing");
    assert_eq!(world.database.unsettled().occasions, []);
}

#[test]
fn a_reminder_follows_while_it_is_open_until_somebody_takes_it_over() {
    let mut world = World::new(Receiver { remind_after: Some(Duration::from_mins(10)), ..receiver() });
    world.begin(1, OccasionKind::Blocked);
    world.pass(1_300, &Ok(()));
    let steps: Vec<_> =
        world.sent.iter().map(|(message, _)| (message.items[0].step, message.items[0].reminder)).collect();
    assert_eq!(steps, [(AlertStep::Firing, 0), (AlertStep::Reminder, 1), (AlertStep::Reminder, 2)]);
    let ids: BTreeSet<_> = world.sent.iter().map(|(message, _)| message.id.clone()).collect();
    assert_eq!(ids.len(), 3, "each has an id of its own: {ids:?}");
    let ack = Ack { at: world.now, by: Some("0 (root)".to_owned()) };
    assert!(world.book.ack(OccasionId(1), ack).is_some());
    world.pass(1_300, &Ok(()));
    assert_eq!(world.sent.len(), 3);
    world.end(1, OccasionKind::Blocked);
    world.pass(60, &Ok(()));
    assert_eq!(world.told().last().unwrap(), "blocked/1 resolved");
    assert_eq!(world.book.ack(OccasionId(1), Ack { at: world.now, by: None }), None, "it is over");
}

#[test]
fn quiet_hours_delay_all_but_critical_occasions() {
    let time = |hour| chrono::NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
    let quiet = Some(QuietHours { from: time(11), to: time(14) });
    let mut world = World::new(Receiver { quiet, ..receiver() });
    world.begin(1, OccasionKind::Blocked);
    let critical = Finding { severity: Severity::Critical, ..finding(OccasionKind::NoFunds, world.now) };
    world.database.change(Some(&campaign(2)), &OccasionChange::Began(critical));
    world.pass(7_190, &Ok(()));
    assert_eq!(world.told(), ["no-funds/2 firing"]);
    world.pass(20, &Ok(()));
    assert_eq!(world.told(), ["no-funds/2 firing", "blocked/1 firing"], "at 14:00");
}

#[test]
fn a_mute_holds_back_what_lasts_and_drops_what_came_and_went() {
    let mut world = World::new(receiver());
    let mute = |world: &World, minutes| Mute {
        campaign: Some(CampaignId(1)),
        since: world.now,
        until: world.now + TimeDelta::minutes(minutes),
        reason: None,
        by: None,
    };
    world.book.mute(mute(&world, 10));
    world.begin(1, OccasionKind::Blocked);
    world.begin(1, OccasionKind::Contested);
    world.begin(2, OccasionKind::Blocked);
    world.pass(300, &Ok(()));
    world.end(1, OccasionKind::Contested);
    world.crash();
    world.pass(280, &Ok(()));
    assert_eq!(world.told(), ["blocked/2 firing"]);
    world.pass(60, &Ok(()));
    assert_eq!(world.told(), ["blocked/2 firing", "blocked/1 firing"]);
    world.book.mute(mute(&world, 10));
    world.book.mute(mute(&world, 0));
    assert_eq!(world.book.mutes(world.now), []);
}

#[test]
fn a_new_receiver_is_told_what_is_open_and_not_what_is_over() {
    let mut world = World::new(receiver());
    world.begin(1, OccasionKind::Blocked);
    world.begin(2, OccasionKind::Contested);
    world.pass(60, &Ok(()));
    world.end(2, OccasionKind::Contested);
    world.pass(60, &Ok(()));
    world.receiver.name = "chat".to_owned();
    let before = world.sent.len();
    world.pass(60, &Ok(()));
    let told: Vec<_> = world.sent[before..].iter().flat_map(|(message, _)| message.items.iter()).collect();
    assert_eq!(told.iter().map(|item| item.occasion.full_key()).collect::<Vec<_>>(), ["blocked/1"]);
}

#[test]
fn the_start_of_the_supervisor_is_told_to_a_receiver_that_is_planned_for_only_later() {
    let mut world = World::new(receiver());
    world.receiver.name = "chat".to_owned();
    world.book = Book::new(at(100));
    let start = Finding { lasts: false, ..finding(OccasionKind::Restarted, at(101)) };
    world.now = at(105);
    world.book.load(StoredAlerts::default());
    world.book.found(world.now, vec![(None, start)], &BTreeSet::new(), SEEN_ALL);
    world.pass(20, &Ok(()));
    assert_eq!(world.told(), ["restarted firing"]);
}

#[test]
fn the_supervisors_occasions_end_when_they_are_no_longer_found_and_survive_a_restart() {
    let mut world = World::new(receiver());
    let api = |world: &World| vec![(None, finding(OccasionKind::Api, world.now))];
    let guarded = BTreeSet::from([CampaignId(1)]);
    world.begin(1, OccasionKind::Blocked);
    world.begin(2, OccasionKind::Blocked);
    world.round(&Ok(()));
    for _ in 0..3 {
        // The clock is finer than the database.
        world.now += TimeDelta::nanoseconds(1);
        world.book.found(world.now, api(&world), &guarded, SEEN_ALL);
        world.pass(20, &Ok(()));
        world.crash();
        world.round(&Ok(()));
    }
    let told = ["api firing", "blocked/1 firing", "blocked/2 resolved"];
    assert_eq!(world.told().into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(told.map(str::to_owned)));
    world.book.found(world.now, Vec::new(), &guarded, SEEN_ALL);
    world.pass(60, &Ok(()));
    assert_eq!(world.told().last().unwrap(), "api resolved");
    assert_eq!(world.told().len(), 4);
}

#[test]
fn a_supervisor_that_has_just_begun_to_lead_ends_no_occasion_of_the_one_before() {
    let mut world = World::new(receiver());
    let all = [OccasionKind::Api, OccasionKind::AnotherGuard, OccasionKind::Database];
    let found = all.map(|kind| (None, finding(kind, at(0)))).into();
    let nothing_seen = Knowledge { leads_for: TimeDelta::seconds(30), has_read_all: false };
    world.book.found(world.now, found, &BTreeSet::new(), SEEN_ALL);
    world.pass(20, &Ok(()));
    world.crash();
    world.round(&Ok(()));
    world.book.found(world.now, Vec::new(), &BTreeSet::new(), nothing_seen);
    world.pass(20, &Ok(()));
    assert_eq!(world.told()[3..], ["database resolved"], "it leads, so the database works");
    world.book.found(world.now, Vec::new(), &BTreeSet::new(), Knowledge { has_read_all: true, ..nothing_seen });
    world.pass(20, &Ok(()));
    assert_eq!(world.told()[4..], ["api resolved"]);
    world.book.found(world.now, Vec::new(), &BTreeSet::new(), SEEN_ALL);
    world.pass(20, &Ok(()));
    assert_eq!(world.told()[5..], ["another-guard resolved"]);
}

#[test]
fn an_occasion_that_could_not_be_stored_is_told_and_not_told_again_when_it_is() {
    let mut world = World::new(receiver());
    world.book.found(world.now, vec![(None, finding(OccasionKind::Database, world.now))], &BTreeSet::new(), SEEN_ALL);
    // The database is away: what the book gives is given back.
    for _ in 0..30 {
        world.now += TimeDelta::seconds(1);
        let changes = world.book.take_unsaved();
        world.book.give_back(changes);
        let (outgoing, _) = world.book.plan(leading(world.now), std::slice::from_ref(&world.receiver));
        for one in outgoing {
            world.book.answered(world.now, "ops", &one.message.id, &Ok(()));
            world.sent.push((one.message, true));
        }
    }
    assert_eq!(world.told(), ["database firing"]);
    world.book.found(world.now, Vec::new(), &BTreeSet::new(), SEEN_ALL);
    world.pass(60, &Ok(()));
    world.crash();
    world.pass(60, &Ok(()));
    assert_eq!(world.told(), ["database firing", "database resolved"]);
    assert_eq!(world.database.unsettled().occasions, []);
}

/// What happens next in the world.
#[derive(Debug, Clone)]
enum Happening {
    Begin(i64),
    End(i64),
    Pass(i64),
    /// The process is killed after a round has stored its messages and before they are sent, or after they were sent and
    /// before the answer is stored.
    CrashWhileSending(bool),
    Crash,
    Answers(u8),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (1_i64..6).prop_map(Happening::Begin),
        4 => (1_i64..6).prop_map(Happening::End),
        6 => (1_i64..120).prop_map(Happening::Pass),
        2 => any::<bool>().prop_map(Happening::CrashWhileSending),
        1 => Just(Happening::Crash),
        2 => (0_u8..4).prop_map(Happening::Answers),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_crash_loses_an_occasion_or_tells_it_under_two_ids(
        happenings in proptest::collection::vec(happening(), 1..60),
    ) {
        let mut world = World::new(receiver());
        let mut answer = Ok(());
        for happening in happenings {
            match happening {
                Happening::Begin(id) => {
                    world.now += TimeDelta::microseconds(1);
                    world.begin(id, OccasionKind::Blocked);
                }
                Happening::End(id) => world.end(id, OccasionKind::Blocked),
                Happening::Pass(seconds) => world.pass(seconds, &answer),
                Happening::Crash => world.crash(),
                Happening::CrashWhileSending(arrives) => {
                    for outgoing in world.plan().into_iter().filter(|_| arrives) {
                        world.sent.push((outgoing.message, true));
                    }
                    world.crash();
                }
                Happening::Answers(how) => answer = if how == 0 { refused() } else { Ok(()) },
            }
        }
        // Longer than the longest wait between two attempts.
        world.pass(1_300, &Ok(()));
        let mut messages: BTreeMap<&str, &Message> = BTreeMap::new();
        let mut ids: BTreeMap<(Identity, AlertStep), BTreeSet<&str>> = BTreeMap::new();
        for (message, _) in &world.sent {
            let first = messages.entry(&message.id).or_insert(message);
            let items = |message: &Message| message.items.iter().map(|item| (identity(&item.occasion), item.step)).collect::<Vec<_>>();
            prop_assert_eq!(items(first), items(message), "one id, two messages");
            for item in &message.items {
                ids.entry((identity(&item.occasion), item.step)).or_default().insert(&message.id);
            }
        }
        for (step, ids) in &ids {
            prop_assert_eq!(ids.len(), 1, "{:?} was told as {:?}", step, ids);
        }
        for (occasion, told, settled) in &world.database.rows {
            let told = told.get("ops");
            prop_assert!(told.is_some_and(|told| told.delivered_at.is_some()), "{:?} was not told: {:?}", occasion, told);
            let is_over = occasion.resolved_at.is_some();
            prop_assert_eq!(told.unwrap().step == AlertStep::Resolved, is_over, "{:?}", occasion);
            prop_assert_eq!(*settled, is_over);
        }
    }
}
