//! What does not wait, what is not sent, and what is given up.

use super::*;

impl World {
    fn begin_critical(&mut self, id: i64) {
        let finding = Finding { severity: Severity::Critical, ..finding(OccasionKind::NoFunds, self.now) };
        self.database.change(Some(&campaign(id)), &OccasionChange::Began(finding));
    }

    /// Finds an occasion of the supervisor that cannot be stored, and plans as a supervisor that leads or does not.
    fn plan_unstored(&mut self, kind: OccasionKind, leads: bool) -> Vec<Outgoing> {
        self.book.found(self.now, vec![(None, finding(kind, self.now))], &BTreeSet::new(), SEEN_ALL);
        self.now += TimeDelta::seconds(11);
        let situation = Situation { leads, ..leading(self.now) };
        self.book.plan(situation, std::slice::from_ref(&self.receiver)).0
    }
}

fn answering(status: u16) -> Result<(), SendFailure> {
    Err(SendFailure::Refused { status, retry_after: None, said: String::new() })
}

#[test]
fn what_is_critical_does_not_wait_behind_a_message_that_is_not() {
    let mut world = World::new(receiver());
    world.begin(1, OccasionKind::Blocked);
    // The wait before the next attempt has grown to minutes.
    world.pass(900, &refused());
    let attempts = world.sent.len();
    world.begin_critical(2);
    world.begin(3, OccasionKind::Contested);
    world.pass(12, &Ok(()));
    assert_eq!(world.sent.len(), attempts + 1);
    assert_eq!(world.told(), ["no-funds/2 firing"]);
    world.pass(900, &Ok(()));
    assert_eq!(world.told(), ["no-funds/2 firing", "blocked/1 firing", "contested/3 firing"]);
}

#[test]
fn what_is_critical_waits_for_a_receiver_that_wants_us_to_wait() {
    let mut world = World::new(receiver());
    world.begin(1, OccasionKind::Blocked);
    let wait = Some(Duration::from_secs(900));
    world.pass(12, &Err(SendFailure::Refused { status: 429, retry_after: wait, said: String::new() }));
    world.begin_critical(2);
    world.pass(880, &Ok(()));
    assert_eq!(world.told(), [""; 0]);
    world.pass(30, &Ok(()));
    assert_eq!(world.told().len(), 2);
}

#[test]
fn a_message_that_is_not_taken_as_it_is_holds_up_no_other() {
    let not_written = Err(SendFailure::NotWritten("the template fails".to_owned()));
    for (failure, is_given_up) in [
        (answering(400), true),
        (answering(413), true),
        (answering(422), true),
        (not_written, true),
        (refused(), false),
    ] {
        let mut world = World::new(receiver());
        world.begin(1, OccasionKind::Blocked);
        world.pass(300, &failure);
        world.begin(2, OccasionKind::Contested);
        world.pass(15, &Ok(()));
        assert_eq!(world.told().contains(&"contested/2 firing".to_owned()), is_given_up, "{failure:?}");
        let lost = world.book.receiver("ops").unwrap().lost;
        assert_eq!(lost, u64::from(is_given_up), "{failure:?}");
    }
}

#[test]
fn quiet_hours_and_mutes_hold_back_a_message_that_is_tried_again() {
    let quiet = Some(QuietHours { from: "12:01:00".parse().unwrap(), to: "13:00:00".parse().unwrap() });
    let mut world = World::new(Receiver { quiet, ..receiver() });
    world.begin(1, OccasionKind::Blocked);
    world.pass(59, &refused());
    world.pass(3_500, &Ok(()));
    assert_eq!(world.told(), [""; 0], "quiet hours");
    world.pass(60, &Ok(()));
    assert_eq!(world.told(), ["blocked/1 firing"]);

    let mut world = World::new(receiver());
    world.begin(1, OccasionKind::Blocked);
    world.pass(20, &refused());
    let (since, until) = (world.now, world.now + TimeDelta::hours(1));
    world.book.mute(Mute { campaign: Some(CampaignId(1)), since, until, reason: None, by: None });
    world.pass(3_590, &Ok(()));
    assert_eq!(world.told(), [""; 0], "muted");
    world.pass(20, &Ok(()));
    assert_eq!(world.told(), ["blocked/1 firing"]);
}

#[test]
fn a_supervisor_that_is_cut_off_tells_only_that() {
    for (kind, leads, is_told) in [
        (OccasionKind::Lease, false, true),
        (OccasionKind::Database, false, true),
        (OccasionKind::Api, false, false),
        (OccasionKind::Api, true, true),
    ] {
        let mut world = World::new(receiver());
        let outgoing = world.plan_unstored(kind, leads);
        assert_eq!(!outgoing.is_empty(), is_told, "{kind}, {leads}");
    }
    // What is stored belongs to the next leader, also if it waits for another attempt.
    let mut world = World::new(receiver());
    world.begin(1, OccasionKind::Blocked);
    world.pass(20, &refused());
    world.now += TimeDelta::hours(1);
    let outgoing = world.plan_unstored(OccasionKind::Lease, false);
    let keys = outgoing.iter().flat_map(|outgoing| &outgoing.message.items).map(|item| item.occasion.full_key());
    assert_eq!(keys.collect::<Vec<_>>(), ["lease"]);
}

#[test]
fn a_receiver_that_is_removed_and_added_again_gets_its_messages() {
    let mut world = World::new(receiver());
    world.begin(1, OccasionKind::Blocked);
    world.pass(9, &Ok(()));
    world.now += TimeDelta::seconds(1);
    let [outgoing] = &world.plan()[..] else { panic!("one message is due") };
    world.book.not_sent(&outgoing.receiver);
    world.pass(1, &Ok(()));
    assert_eq!(world.told(), ["blocked/1 firing"]);
}

#[test]
fn the_oldest_steps_are_given_up_also_while_a_message_waits() {
    let mut world = World::new(receiver());
    world.begin(1, OccasionKind::Blocked);
    world.pass(60, &refused());
    for id in 2..=10_101 {
        world.begin(id, OccasionKind::Contested);
    }
    world.pass(1, &refused());
    assert_eq!(world.book.receiver("ops").unwrap().lost, 100);
}

#[test]
fn an_occasion_that_was_found_late_is_gathered_with_others_from_then_on() {
    let mut world = World::new(receiver());
    let since = world.now - TimeDelta::seconds(10);
    let found = vec![(None, finding(OccasionKind::Api, since)), (None, finding(OccasionKind::Lease, since))];
    world.book.found(world.now, found, &BTreeSet::new(), SEEN_ALL);
    world.pass(9, &Ok(()));
    assert_eq!(world.told(), [""; 0]);
    world.pass(1, &Ok(()));
    assert_eq!((world.sent.len(), world.told().len()), (1, 2));
}
