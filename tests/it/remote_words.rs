//! What TrafficStars' words mean: blocked campaigns, and campaigns that are not there. Reads that fail are in `faults`.

use std::time::Duration;

use sandbox::{CampaignSpec, Fault, FaultKind, Interference, Operation};
use serde_json::json;

use crate::helper::{Outcome, World, in_parallel};

const ID: i64 = 995_224;

#[test]
fn a_blocked_campaign_that_is_switched_off_is_left_alone_until_its_block_is_gone() {
    let mut world = World::new();
    let field = |name: &str, value| {
        (format!("{name} {value}"), Interference::SetField { field: name.to_owned(), value: Some(value) })
    };
    let mut blocks = vec![
        ("archived".to_owned(), Interference::SetArchived(true)),
        ("out of funds".to_owned(), Interference::SetNoFunds(true)),
        field("approved", json!("pending")),
        field("schedule_timezone", json!(2)),
    ];
    for word in ["unapproved", "rejected", "draft", "archived", "no_funds_paused", "total_budget_is_reached"] {
        blocks.push(field("status", json!(word)));
    }
    let blocked: Vec<_> = (995_001..).step_by(2).zip(&blocks).collect();
    for (id, (_, block)) in &blocked {
        for (id, clicks) in [(*id, 20_000), (id + 1, 0)] {
            world.sandbox.add_campaign(CampaignSpec::paused(id));
            world.sandbox.interfere(id, block.clone()).unwrap();
            world.database.add_campaign(id, clicks);
        }
    }
    world.database.execute("UPDATE campaigns SET generator_enabled = 1");
    let nothing = || Outcome::new("idle", &[], &[]);
    let expected: Vec<_> = blocked
        .iter()
        .flat_map(|(id, (name, _))| [(*id, name.as_str(), nothing()), (id + 1, name.as_str(), nothing())])
        .collect();
    for (id, name, _) in &expected {
        world.wait_until(*id, name, |campaign| campaign.text("/observed/status") == "blocked");
        assert_ne!(world.campaign(*id).text("/blocked"), "", "{name}");
    }
    world.expect_all(&expected);
    let timezone = world.campaign(blocked[3].0);
    assert!(timezone.text("/blocked").contains("set it to 0"), "{timezone}");

    let out_of_funds = blocked[1].0;
    world.sandbox.interfere(out_of_funds, Interference::SetNoFunds(false)).unwrap();
    world.expect(out_of_funds, &Outcome::activated());
    assert_eq!(world.campaign(out_of_funds).text("/blocked"), "");
}

#[test]
fn a_campaign_that_the_list_leaves_out_is_read_by_itself() {
    let mut world = World::new();
    for id in 995_001..=995_004 {
        world.add(CampaignSpec::running(id), 20_000);
    }
    world.wait_for_state(995_004, "active-guarded");
    world.sandbox.interfere(995_002, Interference::SetArchived(true)).unwrap();
    let campaign = world.wait_until(995_002, "blocked", |campaign| campaign.text("/observed/status") == "blocked");
    assert!(campaign.text("/blocked").contains("archived"), "{campaign}");
    assert_eq!(campaign.state(), "active-guarded");
}

#[test]
fn a_read_that_takes_longer_than_a_tick_is_waited_for_and_never_overlapped() {
    let mut world = World::new();
    let slow = FaultKind::DelayBeforeAnswer(Duration::from_millis(900));
    world.sandbox.inject(Fault::always(slow).on(Operation::Campaign));
    // Nothing is done with it, so that its ticks alone read it.
    world.add_guarded(ID);
    world.let_ticks_pass(2);
    let skipped = world.campaign(ID).text("/actor/skipped_ticks");
    assert!(skipped.parse::<u64>().unwrap() >= 2, "{skipped}");
    let reads = world.sandbox.requests().into_iter().filter(|request| request.operation == Operation::Campaign);
    let reads: Vec<_> = reads.collect();
    for (earlier, later) in reads.iter().zip(reads.iter().skip(1)) {
        let answered = earlier.answered_at.unwrap_or_else(|| panic!("{earlier:?} overlaps {later:?}"));
        assert!(answered <= later.received_at, "{earlier:?} overlaps {later:?}");
    }
}

#[test]
fn both_seen_shapes_of_every_answer_are_understood() {
    let shapes = [
        sandbox::Options {
            wrapped_campaign: true,
            bare_list: true,
            amounts_as_text: true,
            ..sandbox::Options::default()
        },
        sandbox::Options { v2_run_and_pause: false, ..sandbox::Options::default() },
        sandbox::Options { v2_run_and_pause: false, v1_run_and_pause: false, ..sandbox::Options::default() },
    ];
    in_parallel(shapes, |options| {
        let mut world = World::with(crate::helper::Config::default().generator("cooldown", "10m"), options);
        let (to_run, to_pause, as_it_should) = (995_001, 995_002, 995_003);
        world.add(CampaignSpec::paused(to_run), 20_000);
        world.wait_for_state(to_run, "active-guarded");
        world.add(CampaignSpec::running(to_pause), 1_000);
        world.add(CampaignSpec::running(as_it_should), 20_000);
        world.wait_for_state(to_pause, "cooling-down");
        world.wait_for_state(as_it_should, "active-guarded");
        for id in [to_run, to_pause] {
            world.wait_until(id, "confirmed", |campaign| campaign.text("/action/step") == "confirmed");
        }
        assert!(world.sandbox.is_running(to_run) && !world.sandbox.is_running(to_pause));
    });
}
