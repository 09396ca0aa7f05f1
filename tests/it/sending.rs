//! Sent is not done: what the answers say, what they leave open, and the order in which things are sent. Answers that do
//! not come whole are in `faults`.

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

/// A world in which `fault` is there before a campaign that has to run.
fn to_be_activated(fault: Fault) -> World {
    let mut world = World::new();
    world.sandbox.inject(fault);
    world.add(CampaignSpec::paused(ID), 20_000);
    world
}

/// A world in which `fault` is there before a campaign that has to be paused.
fn to_be_paused(fault: Fault) -> World {
    let mut world = World::configured(long_cooldown());
    world.sandbox.inject(fault);
    world.add(CampaignSpec::running(ID), 1_000);
    world
}

#[test]
fn what_an_answer_leaves_open_is_read_back_and_repeated_by_nothing() {
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
    assert!(!world.guard.log().contains("somebody else"), "a late effect was taken for somebody's doing");
}

#[test]
fn an_end_time_that_cannot_be_set_keeps_no_pause_back_and_is_tried_again_at_every_tick() {
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
        let journal = world.database.journal_in_full(ID);
        let paid = journal.last().filter(|last| last.step == "confirmed" && last.kind == "set-end-time");
        paid.cloned().ok_or(format!("{journal:?}"))
    });
    assert_eq!(paid.to_string(), "set-end-time by recovery: confirmed, paused-guarded → paused-guarded");
    let writes = world.writes(ID);
    world.let_ticks_pass(3);
    assert_eq!(world.writes(ID), writes, "nothing is owed any more");
    assert!(world.sandbox.campaign(ID).unwrap().ends_at.is_some());
}

#[test]
fn a_run_that_failed_inside_a_200_backs_off_until_the_campaign_looks_otherwise() {
    let mut world = to_be_activated(Fault::always(FaultKind::FailedInside200).on(Operation::Run).times(1));
    world.expect(ID, &Outcome::new("active-guarded", &ACTIVATION, &[NOT_ACTIVATED]));
    assert!(world.guard.log().contains("the last run failed, the next attempt is at"));

    // It is switched off still, and yet another campaign than the one that failed to run.
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
fn a_pause_whose_answer_is_lost_is_read_back_its_end_time_follows_and_it_holds_up_no_shutdown() {
    let mut world = to_be_paused(Fault::always(FaultKind::LoseAnswer).on(Operation::Pause).times(1));
    world.expect(ID, &Outcome::new("cooling-down", &PAUSE, &[PAUSED]));
    let start = std::time::Instant::now();
    world.guard.stop();
    assert!(start.elapsed() < Duration::from_secs(5), "the shutdown took {:?}", start.elapsed());
}

#[test]
fn a_pause_that_never_arrived_is_sent_again_once_it_had_its_time_to_show() {
    let mut world = to_be_paused(Fault::always(FaultKind::DropRequest).on(Operation::Pause).times(1));
    let journal =
        ["pause by tick: failed, idle → cooling-down", "pause by recovery: confirmed, cooling-down → cooling-down"];
    world.expect(ID, &Outcome::new("cooling-down", &[vec![Write::Pause], PAUSE.to_vec()].concat(), &journal));
    let requests = world.sandbox.requests();
    let pauses: Vec<_> = requests.iter().filter(|request| request.operation == Operation::Pause).collect();
    let waited = pauses[1].received_at - pauses[0].received_at;
    assert!(waited >= chrono::Duration::seconds(3), "it was repeated after {waited}, and might have shown until then");
}

#[test]
fn a_confirmed_action_went_through_every_step_each_with_its_time() {
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
fn while_the_database_cannot_be_written_a_pause_goes_out_and_is_journalled_late() {
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
