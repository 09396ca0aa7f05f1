//! The campaign argument of commands: an id, a name, or `ts:` and an id at TrafficStars.

use sandbox::CampaignSpec;

use crate::helper::{Config, World, assert_says};

const SHOES: i64 = 1001;
const TWINS: [i64; 2] = [1002, 1003];

/// Starts a world in observe mode. Campaign 1 is `red shoes`, and campaigns 2 and 3 are both `twins`. None of them is
/// guarded.
fn world() -> World {
    let mut world = World::configured(Config::default().generator("mode", "observe"));
    for (name, id) in [("red shoes", SHOES), ("twins", TWINS[0]), ("twins", TWINS[1])] {
        world.sandbox.add_campaign(CampaignSpec::paused(id));
        world.database.add_row(name, id, false);
    }
    world.database.add_url(SHOES, "landing", 20_000);
    world
}

#[test]
fn every_command_about_a_campaign_accepts_its_id_its_name_or_its_id_at_trafficstars() {
    let mut world = world();
    world.wait_until(SHOES, "the first sync", |_| true);
    let socket = world.guard.socket().display().to_string();
    for called in ["1", "red shoes", "ts:1001"] {
        assert_says(&world.done(&["enable", called]), &["Campaign 1 (red shoes) is guarded"]);
        let watch = world.watch(&[called]);
        assert_says(&watch.stderr(), &[&format!("campaign {called};")]);
        for (arguments, said) in [
            (&["status", called][..], "red shoes"),
            (&["dump", called], "\"id\": 1"),
            (&["explain", called], "red shoes (1 · TrafficStars 1001)"),
            (&["wait", called, "--until", "idle"], "Campaign 1 (red shoes) has reached idle."),
            (&["campaign", "set", called, "--spend-limit", "9.50"], "Campaign 1 (red shoes) was changed"),
            (&["url", "list", called], "landing"),
            (
                &["url", "add", called, "--name", "n", "--target-url", "https://example.com/", "--click-limit", "1"],
                "of campaign 1 was added",
            ),
            (&["hold", called, "--reason", "new creatives", "--socket", &socket], "Campaign 1 is on hold"),
            (&["release", called, "--socket", &socket], "Campaign 1 is released"),
            (&["process", called], "Campaign 1 (red shoes) is"),
            (&["history", called], "observed only"),
        ] {
            assert_says(&world.done(arguments), &[said]);
        }
        world.wait_for("the hold among the events", |_| {
            let printed = watch.stdout();
            if printed.contains("new creatives") { Ok(()) } else { Err(printed) }
        });
        assert_says(&world.done(&["disable", called]), &["Campaign 1 (red shoes) is"]);
    }
    assert!(
        world
            .done(&["campaign", "remove", "red shoes"])
            .contains("Campaign 1 (red shoes) was removed, with its 4 URLs")
    );
}

#[test]
fn an_unknown_or_ambiguous_name_is_refused_with_suggestions() {
    let mut world = world();
    world.wait_until(TWINS[1], "the first sync", |_| true);
    let twins = "twins names 2 campaigns: 2 (TrafficStars 1002) and 3 (1003)";
    for (called, said) in [
        ("twins", twins),
        ("1001", "there is no campaign 1001; ts:1001 is campaign 1 (red shoes)"),
        ("ts:99", "there is no campaign ts:99: `traffic-generator campaign list` shows all"),
        ("red shose", "there is no campaign red shose: did you mean red shoes (1)?"),
        ("99", "there is no campaign 99"),
    ] {
        for command in ["status", "dump", "explain", "enable", "hold", "history", "watch"] {
            world.refused(&[command, called], 1, &[said]);
        }
        world.refused(&["campaign", "remove", called], 1, &[said]);
        world.refused(&["url", "list", called], 1, &[said]);
    }
    assert_eq!(world.json(&["campaign", "list"]).as_array().map(Vec::len), Some(3));
}
