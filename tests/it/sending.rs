//! "Sent is not done": what the guard does with each answer, when it reads a campaign back, and the order of requests
//! and journal entries. Incomplete answers are tested in `faults`.

use std::time::Duration;

use sandbox::{CampaignSpec, Fault, FaultKind, Interference, Operation};

use crate::helper::{ACTIVATION, Config, Outcome, PAUSE, World, Write};

const ID: i64 = 995_224;
const PAUSED: &str = "pause by tick: confirmed, idle → cooling-down";
const ACTIVATED: &str = "activate by tick: confirmed, idle → active-guarded";
const NOT_ACTIVATED: &str = "activate by tick: failed, idle → active-guarded";

fn long_cooldown() -> Config {
    Config::default().generator("cooldown", "10m")
}

/// Starts a world with a fault, and adds a campaign that has to be activated.
fn to_be_activated(fault: Fault) -> World {
    let mut world = World::new();
    world.sandbox.inject(fault);
    world.add(CampaignSpec::paused(ID), 20_000);
    world
}

/// Starts a world with a fault, and adds a campaign that has to be paused.
fn to_be_paused(fault: Fault) -> World {
    let mut world = World::configured(long_cooldown());
    world.sandbox.inject(fault);
    world.add(CampaignSpec::running(ID), 1_000);
    world
}

#[test]
fn an_unclear_answer_is_read_back_and_the_request_is_not_repeated() {
    let mut world = World::configured(long_cooldown().set("trafficstar", "confirm_within", "5s"));
    let late = || FaultKind::EffectLate(Duration::from_secs(2));
    let activated = || Outcome::new("active-guarded", &ACTIVATION, &[ACTIVATED]);
    let not_activated = || Outcome::new("active-guarded", &ACTIVATION, &[NOT_ACTIVATED]);
    let without_run = || Outcome::new("active-guarded", &[Write::EndAtDayEnd], &[NOT_ACTIVATED]);
    let paused = || Outcome::new("cooling-down", &PAUSE, &[PAUSED]);
    let in_neither = |effect| FaultKind::InNeitherList { effect };
    let table = [
        ("without its end time it is not run", Operation::Edit, FaultKind::status(500), without_run()),
        ("under `failed` inside a 200", Operation::Run, FaultKind::FailedInside200, not_activated()),
        ("in neither list, and runs", Operation::Run, in_neither(true), activated()),
        ("in neither list, and does not run", Operation::Run, in_neither(false), not_activated()),
        ("a pause in neither list: its end time follows", Operation::Pause, in_neither(true), paused()),
        ("a run that shows late", Operation::Run, late(), activated()),
        ("a pause that shows late", Operation::Pause, late(), paused()),
    ];
    let numbered: Vec<_> = (995_001..).zip(table).collect();
    for (id, (_, operation, fault, _)) in &numbered {
        world.sandbox.inject(Fault::always(fault.clone()).on(*operation).campaign(*id));
        if *operation == Operation::Pause {
            world.add(CampaignSpec::running(*id), 1_000);
        } else {
            world.add(CampaignSpec::paused(*id), 20_000);
        }
    }
    let expected: Vec<_> = numbered.into_iter().map(|(id, (name, _, _, outcome))| (id, name, outcome)).collect();
    world.expect_all(&expected);
    for (id, name, outcome) in expected {
        assert_eq!(world.sandbox.is_running(id), outcome.journal[0] == ACTIVATED, "{name}");
    }
    assert!(!world.guard.log().contains("somebody else"), "a late effect was taken for another program's action");
}

#[test]
fn an_end_time_that_cannot_be_set_delays_no_pause_and_is_tried_again_at_every_tick() {
    let mut world = World::configured(Config::default().generator("cooldown", "1s"));
    world.sandbox.inject(Fault::status(500).on(Operation::Edit));
    world.add(CampaignSpec::running(ID), 1_000);
    let campaign = world.wait_for_state(ID, "paused-guarded");
    let before = world.writes(ID);
    assert_eq!(before[0], Write::Pause, "{before:?}");
    assert!(before[1..].iter().all(|write| *write == Write::EndNow), "{before:?}");
    world.wait_until(ID, "further ticks", |now| now.ticks() >= campaign.ticks() + 4);
    let attempts = world.writes(ID).len() - before.len();
    assert!(attempts >= 3, "{attempts} attempts in 4 ticks");

    world.sandbox.clear_faults();
    let paid = world.wait_for("the end time to be set", |world| {
        let journal = world.database.unmerged_journal(ID);
        let paid = journal.last().filter(|last| last.step == "confirmed" && last.kind == "set-end-time");
        paid.cloned().ok_or(format!("{journal:?}"))
    });
    assert_eq!(paid.to_string(), "set-end-time by recovery: confirmed, paused-guarded → paused-guarded");
    let writes = world.writes(ID);
    world.let_ticks_pass(3);
    assert_eq!(world.writes(ID), writes, "no end time is owed any longer");
    assert!(world.sandbox.campaign(ID).unwrap().ends_at.is_some());
}

#[test]
fn a_run_that_failed_inside_a_200_backs_off_until_the_campaigns_status_changes() {
    let mut world = to_be_activated(Fault::always(FaultKind::FailedInside200).on(Operation::Run).times(1));
    world.expect(ID, &Outcome::new("active-guarded", &ACTIVATION, &[NOT_ACTIVATED]));
    assert!(world.guard.log().contains("the last run failed; the next attempt is at"));

    // The campaign is still switched off, but its status has changed since the failed run. That ends the backoff.
    world.sandbox.interfere(ID, Interference::SetStatus("enabled".to_owned())).unwrap();
    world.wait_for_writes(ID, &ACTIVATION.repeat(2));
    world.wait_for_step(ID, "confirmed");
    assert!(world.sandbox.is_running(ID));
}

#[test]
fn a_pause_that_failed_inside_a_200_is_tried_again_at_every_tick() {
    let mut world = to_be_paused(Fault::always(FaultKind::FailedInside200).on(Operation::Pause).times(2));
    let writes = [vec![Write::Pause; 2], PAUSE.to_vec()].concat();
    let journal = [
        "pause by tick: failed, idle → cooling-down",
        "pause by recovery: failed, cooling-down → cooling-down",
        "pause by recovery: confirmed, cooling-down → cooling-down",
    ];
    world.expect(ID, &Outcome::new("cooling-down", &writes, &journal));
}

#[test]
fn a_pause_with_a_lost_answer_is_read_back_gets_its_end_time_and_delays_no_shutdown() {
    let mut world = to_be_paused(Fault::always(FaultKind::LoseAnswer).on(Operation::Pause).times(1));
    world.expect(ID, &Outcome::new("cooling-down", &PAUSE, &[PAUSED]));
    let start = std::time::Instant::now();
    world.guard.stop();
    assert!(start.elapsed() < Duration::from_secs(5), "the shutdown took {:?}", start.elapsed());
}

#[test]
fn a_pause_that_never_arrived_is_sent_again_after_the_time_for_a_late_effect() {
    let mut world = to_be_paused(Fault::always(FaultKind::DropRequest).on(Operation::Pause).times(1));
    let journal =
        ["pause by tick: failed, idle → cooling-down", "pause by recovery: confirmed, cooling-down → cooling-down"];
    world.expect(ID, &Outcome::new("cooling-down", &[vec![Write::Pause], PAUSE.to_vec()].concat(), &journal));
    let requests = world.sandbox.requests();
    let pauses: Vec<_> = requests.iter().filter(|request| request.operation == Operation::Pause).collect();
    let waited = pauses[1].received_at - pauses[0].received_at;
    assert!(
        waited >= chrono::Duration::seconds(3),
        "it was repeated after only {waited}, when a late effect was still possible"
    );
}

#[test]
fn a_confirmed_action_has_a_time_for_every_step() {
    let mut world = World::new();
    world.add(CampaignSpec::paused(ID), 20_000);
    world.expect(ID, &Outcome::new("active-guarded", &ACTIVATION, &[ACTIVATED]));
    let in_order = world.database.number(
        "SELECT COUNT(*) AS number FROM journal JOIN journal_steps ON journal_id = id \
         WHERE step = 'confirmed' AND requested_at < accepted_at AND accepted_at < confirmed_at AND failed_at IS NULL",
    );
    assert_eq!(in_order, 1);
    let entry = &world.database.journal(ID)[0];
    assert_eq!((entry.spend_micros, entry.remaining_clicks), (Some(0), Some(20_000)));
    assert_eq!((entry.remote_status.as_str(), entry.late), ("stopped", false));
    assert!(entry.reason.contains("20,000 clicks left"), "{}", entry.reason);
}

#[test]
fn while_the_database_cannot_be_written_a_pause_is_sent_and_journalled_late() {
    let mut world = World::configured(long_cooldown());
    let (to_pause, to_run) = (995_001, 995_002);
    world.add(CampaignSpec::running(to_pause), 20_000);
    world.add(CampaignSpec::paused(to_run), 10_000);
    world.wait_for_state(to_pause, "active-guarded");
    world.change_at_once(|world| {
        world.database.set_remaining_clicks(to_pause, 1_000);
        world.database.set_remaining_clicks(to_run, 20_000);
        world.database.lock();
    });
    world.wait_for_stop(to_pause);
    assert_eq!(world.writes(to_run), [], "no activation without its journal entry");
    world.database.unlock();
    let late = "pause by tick: confirmed, active-guarded → cooling-down, late";
    world.expect(to_pause, &Outcome::new("cooling-down", &PAUSE, &[late]));
    world.wait_for_writes(to_run, &ACTIVATION);
}
