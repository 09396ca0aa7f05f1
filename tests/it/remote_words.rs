//! The meaning of TrafficStars' answers: blocked campaigns, campaigns that the list leaves out, and fields of
//! unexpected types. Such a field makes only its own value unknown. Reads that fail are tested in `faults`.

use std::time::Duration;

use sandbox::{CampaignSpec, Fault, FaultKind, Interference, Operation, Options};
use serde_json::{Value, json};

use crate::helper::{Config, Outcome, World, assert_says, in_parallel};

const ID: i64 = 995_224;

#[test]
fn a_blocked_campaign_that_is_switched_off_gets_no_request_until_it_is_unblocked() {
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
            world.add_disabled(CampaignSpec::paused(id), clicks);
            world.sandbox.interfere(id, block.clone()).unwrap();
        }
    }
    world.database.execute("UPDATE campaigns SET generator_enabled = 1");
    let nothing = |id, name| (id, name, Outcome::new("idle", &[], &[]));
    let both = blocked.iter().flat_map(|(id, (name, _))| [nothing(*id, name.as_str()), nothing(id + 1, name)]);
    let expected: Vec<_> = both.collect();
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
    world.add_many_guarded(995_001..=995_004);
    world.sandbox.interfere(995_002, Interference::SetArchived(true)).unwrap();
    let campaign = world.wait_until(995_002, "blocked", |campaign| campaign.text("/observed/status") == "blocked");
    assert!(campaign.text("/blocked").contains("archived"), "{campaign}");
    assert_eq!(campaign.state(), "active-guarded");
}

#[test]
fn a_read_that_takes_longer_than_a_tick_is_never_overlapped_by_another() {
    let mut world = World::new();
    let slow = FaultKind::DelayBeforeAnswer(Duration::from_millis(900));
    world.sandbox.inject(Fault::always(slow).on(Operation::Campaign));
    // The guard has nothing to do for this campaign, so that only its ticks read it.
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
fn both_known_shapes_of_every_answer_are_understood() {
    let usual = Options::default;
    let shapes = [
        Options { wrapped_campaign: true, bare_list: true, amounts_as_text: true, ..usual() },
        Options { v2_run_and_pause: false, ..usual() },
        Options { v2_run_and_pause: false, v1_run_and_pause: false, ..usual() },
    ];
    in_parallel(shapes, |options| {
        let mut world = World::with(Config::default().generator("cooldown", "10m"), options);
        let (to_run, to_pause, as_it_should) = (995_001, 995_002, 995_003);
        world.add(CampaignSpec::paused(to_run), 20_000);
        world.wait_for_state(to_run, "active-guarded");
        world.add(CampaignSpec::running(to_pause), 1_000);
        world.add(CampaignSpec::running(as_it_should), 20_000);
        world.wait_for_state(to_pause, "cooling-down");
        world.wait_for_state(as_it_should, "active-guarded");
        for id in [to_run, to_pause] {
            world.wait_for_step(id, "confirmed");
        }
        assert!(world.sandbox.is_running(to_run) && !world.sandbox.is_running(to_pause));
    });
}

fn with_fields(spec: CampaignSpec, fields: &Value) -> CampaignSpec {
    let fields = fields.as_object().unwrap().iter();
    fields.fold(spec, |spec, (name, value)| spec.with_field(name, Some(value.clone())))
}

#[test]
fn a_field_of_an_odd_type_prevents_no_pause_and_starts_nothing() {
    let mut world = World::configured(Config::default().generator("cooldown", "10m"));
    let odd = [
        json!({"schedule_timezone": "0", "status": 1, "no_funds": 0, "approved": 1}),
        json!({"status": {"word": "enabled"}}),
        json!({"approved": true}),
        json!({"stopped": ["no_funds"]}),
        json!({"no_funds": "maybe"}),
        json!({"is_archived": {}}),
        json!({"schedule_timezone": "UTC"}),
        json!({"schedule_end_time": 1_746_662_340}),
    ];
    let numbered: Vec<(i64, String, Value)> =
        (995_001..).step_by(2).zip(odd).map(|(id, fields)| (id, fields.to_string(), fields)).collect();
    for (id, _, fields) in &numbered {
        world.add(with_fields(CampaignSpec::running(*id), fields), 100);
        world.add(with_fields(CampaignSpec::paused(id + 1), fields), 20_000);
    }
    let mut expected = Vec::new();
    for (id, name, _) in &numbered {
        expected.push((*id, name.as_str(), Outcome::paused()));
        expected.push((id + 1, name.as_str(), Outcome::new("idle", &[], &[])));
    }
    // The sandbox still shows the odd end time after a new one was set, so the pause of this campaign cannot be
    // confirmed.
    let (odd_end, odd_end_stopped) = (995_015, 995_016);
    let last = expected.split_off(expected.len() - 2);
    assert_eq!(last.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), [odd_end, odd_end_stopped]);
    world.expect_all(&expected);
    world.wait_until(odd_end, "a pause", |campaign| campaign.text("/action/kind") == "pause");
    world.wait_for_stop(odd_end);
    assert_eq!(world.writes(odd_end_stopped), [], "nothing is started");
    let unknown = world.campaign(995_002);
    assert_eq!(unknown.text("/observed/status"), "unknown", "{unknown}");
    assert_says(&world.done(&["explain", "1"]), &["a field of an unexpected type: `status`"]);
}

#[test]
fn numbers_as_texts_and_0_and_1_as_booleans_are_understood() {
    let mut world = World::new();
    let id = 995_001;
    let fields = json!({
        "active": 1, "no_funds": 0, "is_archived": "0", "schedule_timezone": "0", "timezone": "0",
        "spent_today": "3.21",
    });
    world.add(with_fields(CampaignSpec::running(id), &fields), 20_000);
    let campaign = world.wait_for_state(id, "active-guarded");
    let seen = ["/observed/status", "/observed/spend", "/observed/spend_source"].map(|field| campaign.text(field));
    assert_eq!(seen, ["running", "3.21", "campaign"]);
}
