//! Campaigns out of funds. TrafficStars accepts a run of such a campaign, and the campaign spends money as soon as the
//! account has funds.

use chrono::{DateTime, Duration, Utc};
use sandbox::{CampaignSpec, Interference, Operation};
use serde_json::json;

use crate::helper::{ACTIVATION, Config, Outcome, PAUSE, World, assert_says};

const ID: i64 = 995_224;

fn unfunded(spec: CampaignSpec) -> CampaignSpec {
    CampaignSpec { no_funds: true, ..spec }
}

#[test]
fn a_run_without_funds_fails_at_the_first_read_and_nothing_is_sent_until_there_are_funds() {
    let mut world = World::configured(Config::default().set("trafficstar", "confirm_within", "30s"));
    // The campaign shows that it is paused, but not that it is out of funds. The guard cannot know that before the run.
    let spec = unfunded(CampaignSpec::paused(ID)).with_field("status", Some(json!("paused")));
    world.add(spec.with_field("no_funds", Some(json!(false))), 20_000);
    world.wait_for("a run", |world| if world.sandbox.count(Operation::Run) > 0 { Ok(()) } else { Err(String::new()) });
    for field in ["status", "no_funds"] {
        world.sandbox.interfere(ID, Interference::ClearField(field.to_owned())).unwrap();
    }
    let failed = world.wait_for_step(ID, "failed");
    assert!(failed.text("/action/error").contains("out of funds"), "{failed}");
    let times = ["/action/requested_at", "/observed/status_at"].map(|at| failed.text(at).parse::<DateTime<Utc>>());
    let [requested, read] = times.map(Result::unwrap);
    assert!(read - requested < Duration::seconds(15), "at most half of confirm_within: {failed}");
    assert!(failed.text("/blocked").contains("out of funds"), "{failed}");
    world.let_ticks_pass(3);
    assert_eq!(world.writes(ID), ACTIVATION, "nothing more was sent");

    // The campaign stayed switched on, so it runs by itself when the funds come, as promised.
    world.sandbox.interfere(ID, Interference::SetNoFunds(false)).unwrap();
    world.wait_until(ID, "running", |campaign| campaign.text("/observed/status") == "running");
    let failed = "activate by tick: failed, idle → active-guarded";
    world.expect(ID, &Outcome::new("active-guarded", &ACTIVATION, &[failed]));
    assert_eq!(world.campaign(ID).text("/blocked"), "");
}

#[test]
fn a_campaign_that_is_switched_off_is_activated_within_a_tick_after_funds_come() {
    let mut world = World::new();
    world.add(unfunded(CampaignSpec::paused(ID)), 20_000);
    let blocked = world.wait_until(ID, "blocked", |campaign| campaign.text("/observed/status") == "blocked");
    assert_eq!(blocked.text("/blocked"), "out of funds");
    world.let_ticks_pass(2);
    assert_eq!(world.writes(ID), []);
    world.sandbox.interfere(ID, Interference::SetNoFunds(false)).unwrap();
    world.expect(ID, &Outcome::activated());
}

#[test]
fn a_campaign_out_of_funds_that_is_switched_on_is_paused_once_when_its_clicks_are_used_up() {
    let mut world = World::configured(Config::default().generator("cooldown", "1s"));
    let (enough, used_up) = (995_001, 995_002);
    world.add(unfunded(CampaignSpec::running(enough)), 20_000);
    world.add(unfunded(CampaignSpec::running(used_up)), 100);
    let paused = "pause by tick: confirmed, idle → cooling-down";
    world.expect_all(&[
        (enough, "enough clicks", Outcome::new("idle", &[], &[])),
        (used_up, "clicks used up", Outcome::new("paused-guarded", &PAUSE, &[paused])),
    ]);
    let campaign = world.campaign(used_up);
    assert_eq!(campaign.text("/observed/remote_status"), "no_funds_paused", "{campaign}");
    let entry = &world.database.journal(used_up)[0];
    assert!(entry.reason.contains("may run with 100 clicks") && entry.reason.contains("out of funds"), "{entry:?}");

    // Funds that come later do not start it.
    world.sandbox.interfere(used_up, Interference::SetNoFunds(false)).unwrap();
    world.expect(used_up, &Outcome::new("paused-guarded", &PAUSE, &[paused]));
}

#[test]
fn a_blocked_or_unknown_campaign_that_is_switched_on_is_paused_when_its_clicks_are_used_up() {
    let mut world = World::configured(Config::default().generator("cooldown", "10m"));
    let blocks = [
        ("a used-up total budget", "status", json!("total_budget_is_reached")),
        ("a clone in moderation", "status", json!("pending")),
        ("moderation", "approved", json!("pending")),
        ("another time zone", "schedule_timezone", json!(3)),
        ("an unknown word", "status", json!("frozen")),
    ];
    let numbered: Vec<_> = (995_001..).zip(blocks).collect();
    for (id, (_, field, value)) in &numbered {
        world.add(CampaignSpec::running(*id).with_field(field, Some(value.clone())), 100);
    }
    let expected = numbered.iter().map(|(id, (name, ..))| (*id, *name, Outcome::paused()));
    world.expect_all(&expected.collect::<Vec<_>>());
}

#[test]
fn the_reason_why_trafficstars_stopped_a_campaign_is_shown() {
    let mut world = World::new();
    world.add(CampaignSpec::paused(ID).with_field("stopped", Some(json!("daily_budget"))), 10_000);
    world.wait_until(ID, "the reason", |campaign| campaign.text("/observed/remote_stopped") == "daily_budget");
    for command in [&["status"][..], &["explain", "1"]] {
        assert_says(&world.done(command), &["daily_budget"]);
    }
}
