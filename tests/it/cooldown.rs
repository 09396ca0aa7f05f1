//! The cool-down: the campaign is kept stopped, clicks and spend decide nothing, and the decision table applies
//! afterwards.

use chrono::{DateTime, Duration, Utc};
use sandbox::{Amount, CampaignSpec, Interference};

use crate::helper::{ACTIVATION, Campaign, Config, Outcome, PAUSE, World};

const ID: i64 = 995_224;
const PAUSED: &str = "pause by tick: confirmed, idle → cooling-down";

fn time(campaign: &Campaign, pointer: &str) -> DateTime<Utc> {
    let text = campaign.text(pointer);
    text.parse().unwrap_or_else(|_| panic!("{pointer} is `{text}`: {campaign}"))
}

fn cooling_down(cooldown: &str) -> World {
    let mut world = World::configured(Config::default().generator("cooldown", cooldown));
    world.add(CampaignSpec::running(ID), 5_000);
    world.wait_for_writes(ID, &PAUSE);
    world
}

#[test]
fn during_the_cool_down_neither_clicks_nor_spend_decide_anything() {
    let mut world = cooling_down("10m");
    let campaign = world.wait_for_step(ID, "confirmed");
    let length = time(&campaign, "/cooling_down_until") - time(&campaign, "/action/accepted_at");
    assert_eq!(length, Duration::minutes(10), "it counts from the acceptance of the pause");
    world.database.set_remaining_clicks(ID, 50_000);
    world.expect(ID, &Outcome::new("cooling-down", &PAUSE, &[PAUSED]));
    world.sandbox.set_spend(ID, Amount::cents(1_000)).unwrap();
    let campaign = world.wait_until(ID, "high spend", |campaign| campaign.text("/high_spend") == "true");
    assert_eq!(campaign.state(), "cooling-down");
    world.expect(ID, &Outcome::new("cooling-down", &PAUSE, &[PAUSED]));
}

#[test]
fn a_campaign_that_is_started_during_its_cool_down_is_paused_again_and_the_cool_down_starts_anew() {
    let mut world = cooling_down("10m");
    world.expect(ID, &Outcome::new("cooling-down", &PAUSE, &[PAUSED]));
    let first = time(&world.campaign(ID), "/cooling_down_until");
    // With this number of clicks the campaign would run, if clicks decided anything during the cool-down.
    world.database.set_remaining_clicks(ID, 50_000);
    world.sandbox.interfere(ID, Interference::SetEndTime(None)).unwrap();
    world.sandbox.interfere(ID, Interference::Start).unwrap();
    let again = "pause by guard: confirmed, cooling-down → cooling-down";
    world.expect(ID, &Outcome::new("cooling-down", &PAUSE.repeat(2), &[PAUSED, again]));
    let campaign = world.campaign(ID);
    assert!(time(&campaign, "/cooling_down_until") > first, "{campaign}");
    assert_eq!(time(&campaign, "/cooling_down_until") - time(&campaign, "/action/accepted_at"), Duration::minutes(10));
}

#[test]
fn after_the_cool_down_a_campaign_is_kept_stopped_until_it_is_topped_up() {
    let mut world = cooling_down("2s");
    let until = time(&world.wait_for_state(ID, "cooling-down"), "/cooling_down_until");
    world.expect(ID, &Outcome::new("paused-guarded", &PAUSE, &[PAUSED]));
    let campaign = world.campaign(ID);
    assert!(time(&campaign, "/since") >= until, "{campaign}");
    assert_eq!(campaign.text("/cooling_down_until"), "");

    world.database.set_remaining_clicks(ID, 15_000);
    let again = "activate by tick: confirmed, paused-guarded → active-guarded";
    world.expect(ID, &Outcome::new("active-guarded", &[PAUSE, ACTIVATION].concat(), &[PAUSED, again]));
    assert!(world.sandbox.is_running(ID));
}
