//! The rows of campaigns and URLs: adding, listing, changing, disabling and removing them, by commands and over the
//! socket.

use sandbox::CampaignSpec;
use serde_json::{Value, json};

use crate::helper::{Campaign, Done, PAUSE, World, Write};

const CAMPAIGN: i64 = 1001;
const OTHER: i64 = 1002;

/// Runs a command that has to succeed without a warning, and returns what it printed.
#[track_caller]
fn done(world: &World, arguments: &[&str]) -> String {
    let Done { code, stdout, stderr } = world.run(arguments);
    assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}: {stdout}");
    stdout.trim_end().to_owned()
}

/// Returns the words of each line of a table.
fn words(table: &str) -> Vec<Vec<&str>> {
    table.lines().map(|line| line.split_whitespace().collect()).collect()
}

/// Starts a world with one guarded campaign, and waits for its first tick.
fn with_campaign(spec: CampaignSpec, remaining_clicks: i64) -> World {
    let mut world = World::new();
    world.sandbox.add_campaign(CampaignSpec::paused(OTHER));
    world.add(spec, remaining_clicks);
    world.wait_until(CAMPAIGN, "a completed tick", |campaign| campaign.ticks() > 0);
    world
}

fn is_in_dump(world: &World, trafficstar_id: i64) -> bool {
    Campaign::find(&world.guard.state(), trafficstar_id).is_some()
}

#[test]
fn campaigns_are_added_listed_changed_and_removed_by_commands() {
    let world = World::new();
    world.sandbox.add_campaign(CampaignSpec::paused(CAMPAIGN));
    assert_eq!(done(&world, &["campaign", "list"]), "No campaigns: `traffic-generator campaign add` adds one.");
    assert_eq!(world.json(&["campaign", "list"]), json!([]));
    let added = done(&world, &["campaign", "add", "--name", "shoes", "--trafficstar-id", "1001"]);
    assert_eq!(
        added,
        "Campaign 1 (shoes), 1001 at TrafficStars, was added without a URL (`traffic-generator url add 1 …` adds one) \
         and is not guarded: `traffic-generator enable 1` guards it."
    );
    let fresh = json!({
        "id": 1, "name": "shoes", "trafficstar_id": 1001, "generator_enabled": false, "mode": null, "spend_limit": null,
        "activate_clicks": null, "pause_clicks": null, "cooldown": null, "high_spend": null, "price_per_thousand": null,
        "implausible_clicks": null, "high_activate_clicks": null, "high_pause_clicks": null,
        "top_up_ceiling": null, "daily_budget": null, "group_name": null,
    });
    assert_eq!(world.json(&["campaign", "list"]), json!([fresh]));
    let overrides = [
        ["--mode", "observe"],
        ["--spend-limit", "25"],
        ["--activate-clicks", "30000"],
        ["--pause-clicks", "7000"],
        ["--cooldown", "3m"],
        ["--high-spend", "observe"],
        ["--price-per-thousand", "1.2"],
        ["--implausible-clicks", "900000"],
        ["--top-up-ceiling", "60"],
        ["--daily-budget", "25.5"],
    ];
    let set = [vec!["campaign", "set", "1", "--name", "red"], overrides.concat()].concat();
    assert_eq!(
        done(&world, &set),
        "Campaign 1 (red) was changed: name red, mode observe, spend_limit 25.00, activate_clicks 30,000, \
         pause_clicks 7,000, cooldown 3m, high_spend observe, price_per_thousand 1.20, implausible_clicks 900,000, \
         top_up_ceiling 60.00, daily_budget 25.50."
    );
    let table = done(&world, &["campaign", "list"]);
    let row = [
        "1", "red", "1001", "no", "observe", "25.00", "30,000", "7,000", "3m", "observe", "1.20", "900,000", "-", "-",
        "60.00", "25.50", "-",
    ];
    assert_eq!(words(&table)[1], row, "{table}");
    let cleared = ["campaign", "set", "1", "--spend-limit", "default", "--cooldown", "default"];
    let changed = world.json(&cleared);
    assert_eq!((&changed["spend_limit"], &changed["cooldown"]), (&Value::Null, &Value::Null));
    assert_eq!((&changed["mode"], &changed["pause_clicks"]), (&json!("observe"), &json!(7000)));
    assert_eq!(done(&world, &["campaign", "remove", "1"]), "Campaign 1 (red) was removed.");
    assert_eq!(world.json(&["campaign", "list"]), json!([]));
    assert!(!is_in_dump(&world, 1001), "{}", world.guard.state());
}

#[test]
fn a_campaign_is_guarded_when_the_command_that_adds_it_ends() {
    let world = World::new();
    world.sandbox.add_campaign(CampaignSpec::paused(CAMPAIGN));
    let add =
        ["campaign", "add", "--name", "shoes", "--trafficstar-id", "1001", "--enable", "--mode", "observe", "--anyway"];
    assert_eq!(done(&world, &add), "Campaign 1 (shoes), 1001 at TrafficStars, was added and is guarded.");
    let campaign = world.campaign(CAMPAIGN);
    assert_eq!(campaign.text("/actor/status"), "running", "{campaign}");
    assert_eq!(campaign.text("/ordered/mode"), "observe", "{campaign}");
}

#[test]
fn a_running_campaign_can_be_added_with_its_first_url_in_one_order_and_keeps_running() {
    let mut world = World::new();
    world.sandbox.add_campaign(CampaignSpec::running(CAMPAIGN));
    let add = ["campaign", "add", "--name", "shoes", "--trafficstar-id", "1001", "--enable"];
    let url = ["--url", "https://example.com/", "--click-limit", "20000"];
    let added = "Campaign 1 (shoes), 1001 at TrafficStars, was added with a URL for 20,000 clicks and is guarded.";
    assert_eq!(done(&world, &[&add[..], &url].concat()), added);
    let kept = &world.json(&["url", "list", "1"])[0];
    assert_eq!(
        (&kept["name"], &kept["click_limit"]),
        (&json!("shoes"), &json!(20_000)),
        "the URL gets the campaign's name"
    );
    world.wait_for_state(CAMPAIGN, "active-guarded");
    assert_eq!(world.writes(CAMPAIGN), []);
    for half in [["--url", "https://example.com/"], ["--click-limit", "5"]] {
        world.refused(
            &[&["campaign", "add", "--name", "n", "--trafficstar-id", "9"], &half[..]].concat(),
            2,
            &[half[0]],
        );
    }
}

#[test]
fn a_campaign_without_an_active_url_is_enabled_only_with_anyway() {
    let mut world = World::new();
    world.sandbox.add_campaign(CampaignSpec::running(CAMPAIGN));
    let add = ["campaign", "add", "--name", "shoes", "--trafficstar-id", "1001"];
    let without = "it has no active URLs and would be paused at once";
    world.refused(&[&add[..], &["--enable"]].concat(), 1, &[without, "--url", "--anyway"]);
    assert_eq!(world.json(&["campaign", "list"]), json!([]), "the campaign is not added");
    done(&world, &add);
    world.refused(&["enable", "1"], 1, &[without, "traffic-generator url add 1", "--anyway"]);
    done(&world, &["url", "add", "1", "--name", "u", "--target-url", "https://example.com/", "--click-limit", "9"]);
    done(&world, &["url", "set", "1", "--status", "paused"]);
    for body in [r#"{"generator_enabled": true}"#, r#"{"generator_enabled": true, "name": "renamed"}"#] {
        let (status, problem) = world.guard.request("PATCH", "/v1/campaigns/1", Some(body));
        assert_eq!((status, problem["title"].as_str()), (409, Some("not possible now")), "{body}: {problem}");
    }
    assert_eq!(world.json(&["campaign", "list"])[0]["generator_enabled"], json!(false));
    let body = r#"{"generator_enabled": true, "anyway": true}"#;
    assert_eq!(world.guard.request("PATCH", "/v1/campaigns/1", Some(body)).0, 200);
    world.wait_for_writes(CAMPAIGN, &PAUSE);
    assert!(world.done(&["history", "1"]).contains("0 clicks left (it has no active URLs)"));
    let explained = world.done(&["explain", "1"]);
    assert!(explained.contains("0 left: it has no active URLs"), "{explained}");
    let enabled = done(&world, &["enable", "1"]);
    assert!(enabled.ends_with("It has 0 clicks left; at 5,000 or fewer it is paused if it runs."), "{enabled}");
}

#[test]
fn a_tick_uses_the_values_that_a_command_has_changed() {
    let mut world = with_campaign(CampaignSpec::paused(CAMPAIGN), 10_000);
    done(&world, &["campaign", "set", "1", "--activate-clicks", "10000", "--name", "renamed"]);
    let campaign = world.wait_for_state(CAMPAIGN, "active-guarded");
    assert_eq!(campaign.text("/name"), "renamed");
    done(&world, &["campaign", "set", "1", "--mode", "observe"]);
    world.wait_until(CAMPAIGN, "observe mode", |campaign| campaign.text("/ordered/mode") == "observe");
}

#[test]
fn a_running_campaign_is_removed_only_with_a_pause() {
    let mut world = with_campaign(CampaignSpec::running(CAMPAIGN), 20_000);
    world.wait_for_state(CAMPAIGN, "active-guarded");
    world.refused(&["campaign", "remove", "1"], 1, &["stays guarded: it runs at TrafficStars", "add --pause"]);
    world.let_ticks_pass(1);
    assert_eq!((world.campaign(CAMPAIGN).state(), world.writes(CAMPAIGN)), ("active-guarded".to_owned(), vec![]));
    let removed = done(&world, &["campaign", "remove", "1", "--pause"]);
    assert_eq!(removed, "Campaign 1 (campaign 1001) was paused and removed, with its 1 URL and 0 clicks counted.");
    assert_eq!(world.writes(CAMPAIGN), PAUSE);
    assert!(!is_in_dump(&world, CAMPAIGN), "{}", world.guard.state());
    assert_eq!(world.database.number("SELECT COUNT(*) AS number FROM campaigns"), 0);
    assert_eq!(world.database.number("SELECT COUNT(*) AS number FROM urls"), 0);
    assert_eq!(world.database.journal(CAMPAIGN).len(), 1, "its journal stays");
}

#[test]
fn a_running_campaign_is_disabled_only_with_pause_or_leave_running() {
    let mut world = with_campaign(CampaignSpec::running(CAMPAIGN), 20_000);
    world.wait_for_state(CAMPAIGN, "active-guarded");
    let said = ["(1) stays guarded: it runs at TrafficStars", "add --pause", "or --leave-running"];
    world.refused(&["disable", "1"], 1, &said);
    let body = r#"{"generator_enabled": false, "name": "renamed"}"#;
    assert_eq!(world.guard.request("PATCH", "/v1/campaigns/1", Some(body)).0, 409);
    let body = r#"{"generator_enabled": false, "pause": true, "leave_running": true}"#;
    let (status, problem) = world.guard.request("PATCH", "/v1/campaigns/1", Some(body));
    assert_eq!((status, &problem["field"]), (422, &json!("leave_running")));
    world.let_ticks_pass(1);
    assert_eq!((world.campaign(CAMPAIGN).state(), world.writes(CAMPAIGN)), ("active-guarded".to_owned(), vec![]));
    let left = done(&world, &["disable", "1", "--leave-running"]);
    let runs_on = "Campaign 1 (campaign 1001) is no longer guarded. It RUNS at TrafficStars";
    assert!(left.starts_with(runs_on) && left.contains("the guard will not stop it"), "{left}");
    assert_eq!(world.writes(CAMPAIGN), []);
    let again = done(&world, &["disable", "1"]);
    assert!(again.starts_with(runs_on), "it is already disabled: {again}");
}

#[test]
fn a_campaign_that_cannot_be_read_is_not_removed_and_is_disabled_only_with_leave_running() {
    let mut world = with_campaign(CampaignSpec::running(CAMPAIGN), 20_000);
    world.wait_for_state(CAMPAIGN, "active-guarded");
    world.let_reads_fail();
    world.refused(&["campaign", "remove", "1"], 1, &["stays guarded: it may run at TrafficStars"]);
    world.refused(&["disable", "1"], 1, &["it may run at TrafficStars", "or --leave-running"]);
    done(&world, &["disable", "1", "--leave-running"]);
    world.refused(&["disable", "1", "--pause"], 1, &["is disabled already", "process 1 --force pause"]);
}

#[test]
fn a_disabled_campaign_that_runs_with_its_clicks_used_up_is_unguarded_and_degrades_health() {
    let mut world = with_campaign(CampaignSpec::running(CAMPAIGN), 20_000);
    world.wait_for_state(CAMPAIGN, "active-guarded");
    assert_eq!(world.run(&["hold", "1"]).code, 0);
    world.database.set_remaining_clicks(CAMPAIGN, 10);
    world.wait_until(CAMPAIGN, "unguarded", |campaign| campaign.text("/unguarded") == "true");
    let left = done(&world, &["disable", "1", "--leave-running"]);
    assert!(left.contains("the guard will not stop it") && left.contains("unguarded: 10 clicks left!"), "{left}");
    world.let_ticks_pass(1);
    assert_eq!(world.degradations(), ["unguarded"]);
    assert_eq!(world.campaign(CAMPAIGN).text("/verdict"), "unguarded");
    let status = done(&world, &["status"]);
    assert!(status.contains("✗   1") && status.contains("RUNS, not guarded"), "{status}");
    let explained = done(&world, &["explain", "1"]);
    assert!(explained.contains("stop it once: traffic-generator process 1 --force pause"), "{explained}");
    world.done(&["process", "1", "--force", "pause"]);
    world.wait_until(CAMPAIGN, "the end of its one-shot actor", |campaign| campaign.0["actor"].is_null());
    assert_eq!((world.degradations(), world.campaign(CAMPAIGN).text("/verdict")), (vec![], "not-guarded".to_owned()));
}

#[test]
fn the_last_reading_of_a_disabled_campaign_is_shown_with_its_age() {
    let mut world = with_campaign(CampaignSpec::running(CAMPAIGN), 20_000);
    world.wait_for_state(CAMPAIGN, "active-guarded");
    let paused = done(&world, &["disable", "1", "--pause"]);
    assert!(paused.ends_with("is paused, and is no longer guarded. It is stopped at TrafficStars."), "{paused}");
    world.let_ticks_pass(2);
    let campaign = world.campaign(CAMPAIGN);
    assert_eq!(
        (campaign.text("/observed/status"), campaign.text("/action/step")),
        ("stopped".into(), "confirmed".into())
    );
    assert_eq!(campaign.text("/observed/remaining_clicks"), "20000");
    let status = done(&world, &["status"]);
    assert!(status.contains("stopped") && status.contains("as last seen "), "{status}");
    done(&world, &["pause-all", "--reason", "wrong page"]);
    world.wait_until(CAMPAIGN, "the end of its one-shot actor", |campaign| campaign.0["actor"].is_null());
    let explained = done(&world, &["explain", "1", "--verbose"]);
    let all = ["It was stopped, as last seen ", "none while its generator is disabled", "20,000 left"];
    assert!(all.iter().all(|said| explained.contains(said)), "{explained}");
    assert!(explained.contains("wrong page): it has no effect while its generator is disabled."), "{explained}");
    assert!(!explained.contains("the cool-down ends"), "no cool-down is kept: {explained}");
}

#[test]
fn stopped_and_unguarded_campaigns_are_removed_without_a_request() {
    let mut world = with_campaign(CampaignSpec::paused(CAMPAIGN), 10_000);
    done(&world, &["url", "set", "1", "--clicks", "5000"]);
    let removed = "Campaign 1 (campaign 1001) was removed, with its 1 URL and 5,000 clicks counted.";
    assert_eq!(done(&world, &["campaign", "remove", "1"]), removed);
    assert_eq!(world.writes(CAMPAIGN), []);
    world.add_guarded(1003);
    done(&world, &["disable", "2", "--leave-running"]);
    done(&world, &["campaign", "remove", "2"]);
    assert_eq!(world.writes(1003), []);
    assert_eq!(world.guard.state()["campaigns"], json!([]));
}

#[test]
fn linking_a_row_to_another_campaign_is_a_removal_and_an_addition() {
    let mut world = with_campaign(CampaignSpec::running(CAMPAIGN), 20_000);
    world.wait_for_state(CAMPAIGN, "active-guarded");
    let link = ["campaign", "set", "1", "--trafficstar-id", "1002", "--activate-clicks", "16000"];
    world.refused(&link, 1, &["stays guarded: it runs at TrafficStars", "add --pause"]);
    assert_eq!(world.guard.request("GET", "/v1/campaigns/1", None).1["activate_clicks"], Value::Null);
    done(&world, &[&link[..], &["--pause"]].concat());
    assert_eq!(world.writes(CAMPAIGN), PAUSE);
    assert!(!is_in_dump(&world, CAMPAIGN), "{}", world.guard.state());
    assert_ne!(world.campaign(OTHER).text("/actor/status"), "", "it is guarded under its new link");
    world.wait_for_state(OTHER, "active-guarded");
    assert_eq!(world.writes(CAMPAIGN), PAUSE, "the old campaign is no longer guarded");
}

#[test]
fn a_refused_link_changes_nothing() {
    let mut world = with_campaign(CampaignSpec::paused(CAMPAIGN), 10_000);
    done(&world, &["campaign", "add", "--name", "other", "--trafficstar-id", "1002"]);
    let taken = "trafficstar_id 1002 already belongs to campaign 2 (other)";
    world.refused(&["campaign", "set", "1", "--trafficstar-id", "1002"], 1, &[taken]);
    world.let_ticks_pass(1);
    assert_eq!(world.campaign(CAMPAIGN).text("/actor/incarnation"), "1");
}

#[test]
fn a_change_may_also_disable_a_campaign_with_a_pause_first() {
    let mut world = with_campaign(CampaignSpec::running(CAMPAIGN), 20_000);
    world.wait_for_state(CAMPAIGN, "active-guarded");
    let body = json!({"name": "off", "generator_enabled": false, "pause": true}).to_string();
    let (status, campaign) = world.guard.request("PATCH", "/v1/campaigns/1", Some(&body));
    assert_eq!((status, &campaign["name"], &campaign["generator_enabled"]), (200, &json!("off"), &json!(false)));
    assert_eq!(world.writes(CAMPAIGN), PAUSE);
    assert_eq!(world.campaign(CAMPAIGN).0["actor"], Value::Null);
}

#[test]
fn urls_are_added_listed_changed_and_removed_by_commands() {
    let mut world = with_campaign(CampaignSpec::paused(CAMPAIGN), 0);
    done(&world, &["url", "remove", "1"]);
    assert_eq!(done(&world, &["url", "list", "1"]), "No URLs: `traffic-generator url add` adds one.");
    let target = "https://example.com/?click={click_id}";
    let add = ["url", "add", "1", "--name", "landing", "--target-url", target, "--click-limit", "8000"];
    assert_eq!(done(&world, &add), "URL 2 (landing) of campaign 1 was added: active, 0 of 8,000 clicks.");
    let remaining = |world: &mut World, clicks: &str| {
        world.wait_until(CAMPAIGN, clicks, |campaign| campaign.text("/observed/remaining_clicks") == clicks);
    };
    remaining(&mut world, "8000");
    let fresh = json!({
        "id": 2, "campaign_id": 1, "name": "landing", "target_url": target, "click_limit": 8000, "clicks": 0,
        "status": "active",
    });
    assert_eq!(world.json(&["url", "list", "1"]), json!([fresh]));
    let set = ["url", "set", "2", "--clicks", "500", "--click-limit", "9000", "--name", "page"];
    assert_eq!(done(&world, &set), "URL 2 (page) of campaign 1 was changed: active, 500 of 9,000 clicks.");
    remaining(&mut world, "8500");
    let table = done(&world, &["url", "list", "1"]);
    assert_eq!(words(&table)[1], ["2", "page", "active", "500", "9,000", "8,500", target], "{table}");
    done(&world, &["url", "set", "2", "--status", "paused"]);
    remaining(&mut world, "0");
    let removed = done(&world, &["url", "remove", "2"]);
    assert_eq!(removed, "URL 2 (page) of campaign 1 was removed: paused, 500 of 9,000 clicks.");
    assert_eq!(world.json(&["url", "list", "1"]), json!([]));
}

#[test]
fn a_row_that_was_read_can_be_sent_back_and_changes_nothing() {
    let mut world = World::new();
    let body = json!({"name": "n", "trafficstar_id": 7, "spend_limit": "12.5", "cooldown": "90s", "mode": "act"});
    let (status, added) = world.guard.request("POST", "/v1/campaigns", Some(&body.to_string()));
    assert_eq!((status, &added["spend_limit"], &added["cooldown"]), (201, &json!("12.50"), &json!("1m 30s")));
    let body = json!({"name": "u", "target_url": "http://example.com", "click_limit": 5}).to_string();
    let (status, _) = world.guard.request("POST", "/v1/campaigns/1/urls", Some(&body));
    assert_eq!(status, 201);
    for (get, patch) in [("/v1/campaigns", "/v1/campaigns/1"), ("/v1/campaigns/1/urls", "/v1/urls/1")] {
        let (status, list) = world.guard.request("GET", get, None);
        assert_eq!((status, list.as_array().map(Vec::len)), (200, Some(1)), "{list}");
        assert_eq!(world.guard.request("PATCH", patch, Some(&list[0].to_string())), (200, list[0].clone()));
        assert_eq!(world.guard.request("GET", get, None), (200, list));
    }
    assert_eq!(world.guard.request("GET", "/v1/campaigns/1", None), (200, added));
    // Invalid values that a tracker has written are shown, and refused when they are sent back.
    world.database.execute("UPDATE campaigns SET mode = 'watch', spend_limit_micros = -1");
    let (status, campaign) = world.guard.request("GET", "/v1/campaigns/1", None);
    assert_eq!((status, &campaign["mode"], &campaign["spend_limit"]), (200, &json!("watch"), &json!("-1 millionths")));
    let (status, problem) = world.guard.request("PATCH", "/v1/campaigns/1", Some(&campaign.to_string()));
    assert_eq!((status, &problem["field"]), (422, &json!("mode")), "{problem}");
}

#[test]
fn invalid_values_are_refused_with_their_field() {
    let mut world = with_campaign(CampaignSpec::running(CAMPAIGN), 20_000);
    world.wait_for_state(CAMPAIGN, "active-guarded");
    done(&world, &["campaign", "add", "--name", "other", "--trafficstar-id", "1002"]);
    const ALL: &str = "/v1/campaigns";
    const ONE: &str = "/v1/campaigns/1";
    const TWO: &str = "/v1/campaigns/2";
    const URLS: &str = "/v1/campaigns/1/urls";
    const URL: &str = "/v1/urls/1";
    let cases: &[(&str, &str, &str, u16, &str)] = &[
        ("GET", "/v1/campaigns/404", "", 404, ""),
        ("GET", "/v1/campaigns/shoes", "", 422, "id"),
        ("GET", "/v1/campaigns/404/urls", "", 404, ""),
        ("DELETE", "/v1/campaigns/404", "", 404, ""),
        ("DELETE", "/v1/urls/404", "", 404, ""),
        ("DELETE", "/v1/urls/x", "", 422, "id"),
        ("DELETE", ONE, "", 409, ""),
        ("DELETE", ONE, r#"{"pause": false}"#, 409, ""),
        ("DELETE", ONE, r#"{"force": true}"#, 422, "force"),
        ("DELETE", "/v1/campaigns/1?paws=true", "", 422, "query"),
        ("DELETE", "/v1/campaigns/2?pause=true", "", 409, ""),
        ("PATCH", "/v1/campaigns/404", r#"{"name": "x"}"#, 404, ""),
        ("PATCH", "/v1/urls/404", r#"{"clicks": 1}"#, 404, ""),
        ("POST", "/v1/campaigns/404/urls", r#"{"name":"n","target_url":"http://a.b","click_limit":1}"#, 404, ""),
        ("POST", ALL, "", 422, "body"),
        ("POST", ALL, "{", 422, "body"),
        ("POST", ALL, "[]", 422, "body"),
        ("POST", ALL, r#"{"name": "n", "trafficstar_id": 7} {}"#, 422, "body"),
        ("POST", ALL, r#"{"trafficstar_id": 7}"#, 422, "name"),
        ("POST", ALL, r#"{"name": "n"}"#, 422, "trafficstar_id"),
        ("POST", ALL, r#"{"name": " ", "trafficstar_id": 7}"#, 422, "name"),
        ("POST", ALL, r#"{"name": "a\nb", "trafficstar_id": 7}"#, 422, "name"),
        ("POST", ALL, r#"{"name": "n", "trafficstar_id": 0}"#, 422, "trafficstar_id"),
        ("POST", ALL, r#"{"name": "n", "trafficstar_id": "7"}"#, 422, "trafficstar_id"),
        ("POST", ALL, r#"{"name": "n", "trafficstar_id": 1001}"#, 409, "trafficstar_id"),
        ("POST", ALL, r#"{"name": "n", "trafficstar_id": 7, "id": 9}"#, 422, "id"),
        ("POST", ALL, r#"{"name": "n", "trafficstar_id": 7, "pause": true}"#, 422, "pause"),
        ("POST", ALL, r#"{"name": "n", "trafficstar_id": 7, "pause_clicks": 15000}"#, 422, "pause_clicks"),
        ("PATCH", ONE, "{}", 422, "body"),
        ("PATCH", ONE, r#"{"id": 2, "name": "n"}"#, 422, "id"),
        ("PATCH", ONE, r#"{"nmae": "n"}"#, 422, "nmae"),
        ("PATCH", ONE, r#"{"name": null}"#, 422, "name"),
        ("PATCH", ONE, r#"{"name": ""}"#, 422, "name"),
        ("PATCH", ONE, r#"{"generator_enabled": null}"#, 422, "generator_enabled"),
        ("PATCH", ONE, r#"{"generator_enabled": "yes"}"#, 422, "generator_enabled"),
        ("PATCH", ONE, r#"{"generator_enabled": true, "pause": true}"#, 422, "pause"),
        ("PATCH", ONE, r#"{"generator_enabled": false, "anyway": true}"#, 422, "anyway"),
        ("PATCH", ONE, r#"{"url": {"target_url": "https://example.com/", "click_limit": 5}}"#, 422, "url"),
        ("PATCH", ONE, r#"{"pause": true}"#, 422, "pause"),
        ("PATCH", ONE, r#"{"trafficstar_id": 1001, "pause": true}"#, 422, "pause"),
        ("PATCH", ONE, r#"{"mode": "watch"}"#, 422, "mode"),
        ("PATCH", ONE, r#"{"high_spend": "panic"}"#, 422, "high_spend"),
        ("PATCH", ONE, r#"{"spend_limit": "-1"}"#, 422, "spend_limit"),
        ("PATCH", ONE, r#"{"spend_limit": 10}"#, 422, "spend_limit"),
        ("PATCH", ONE, r#"{"spend_limit": "0"}"#, 422, "spend_limit"),
        ("PATCH", ONE, r#"{"spend_limit": "0.0000001"}"#, 422, "spend_limit"),
        ("PATCH", ONE, r#"{"price_per_thousand": "cheap"}"#, 422, "price_per_thousand"),
        ("PATCH", ONE, r#"{"cooldown": "soon"}"#, 422, "cooldown"),
        ("PATCH", ONE, r#"{"cooldown": "1500ms"}"#, 422, "cooldown"),
        ("PATCH", ONE, r#"{"cooldown": "25h"}"#, 422, "cooldown"),
        ("PATCH", ONE, r#"{"activate_clicks": -1}"#, 422, "activate_clicks"),
        ("PATCH", ONE, r#"{"activate_clicks": 1.5}"#, 422, "activate_clicks"),
        ("PATCH", ONE, r#"{"activate_clicks": 9223372036854775808}"#, 422, "activate_clicks"),
        ("PATCH", ONE, r#"{"activate_clicks": 5000}"#, 422, "activate_clicks"),
        ("PATCH", ONE, r#"{"pause_clicks": 15000}"#, 422, "pause_clicks"),
        ("PATCH", ONE, r#"{"activate_clicks": 10, "pause_clicks": 10}"#, 422, "activate_clicks"),
        ("PATCH", ONE, r#"{"trafficstar_id": 1002}"#, 409, "trafficstar_id"),
        ("PATCH", ONE, r#"{"trafficstar_id": 1002, "pause": true}"#, 409, "trafficstar_id"),
        ("PATCH", ONE, r#"{"trafficstar_id": 7}"#, 409, ""),
        ("PATCH", TWO, r#"{"generator_enabled": false, "name": "n", "pause": true}"#, 409, ""),
        ("POST", URLS, r#"{"target_url": "http://a.b", "click_limit": 1}"#, 422, "name"),
        ("POST", URLS, r#"{"name": "n", "click_limit": 1}"#, 422, "target_url"),
        ("POST", URLS, r#"{"name": "n", "target_url": "http://a.b"}"#, 422, "click_limit"),
        ("POST", URLS, r#"{"name": "n", "target_url": "http://a.b", "click_limit": -1}"#, 422, "click_limit"),
        ("POST", URLS, r#"{"name": "n", "target_url": "ftp://a.b", "click_limit": 1}"#, 422, "target_url"),
        ("POST", URLS, r#"{"name": "n", "target_url": "a.b", "click_limit": 1}"#, 422, "target_url"),
        ("POST", URLS, r#"{"campaign_id":2,"name":"n","target_url":"http://a.b","click_limit":1}"#, 422, "campaign_id"),
        ("PATCH", URL, r#"{"campaign_id": 2, "clicks": 1}"#, 422, "campaign_id"),
        ("PATCH", URL, r#"{"status": "asleep"}"#, 422, "status"),
        ("PATCH", URL, r#"{"clicks": -1}"#, 422, "clicks"),
        ("PATCH", URL, r#"{"click_limit": null}"#, 422, "click_limit"),
        ("PATCH", URL, r#"{"visits": 1}"#, 422, "visits"),
        ("PATCH", URL, "{}", 422, "body"),
    ];
    let before = world.guard.request("GET", ALL, None);
    for (method, path, body, status, field) in cases {
        let (answered, problem) = world.guard.request(method, path, Some(*body));
        let named = problem["field"].as_str().unwrap_or_default();
        assert_eq!((answered, named), (*status, *field), "{method} {path} {body}: {problem}");
        assert_eq!(problem["status"], *status, "{method} {path} {body}: {problem}");
        let is_explained = problem["detail"].as_str().is_some_and(|detail| detail.len() > 10);
        assert!(is_explained, "{method} {path} {body}: {problem}");
    }
    assert_eq!(world.guard.request("GET", ALL, None), before);
    assert_eq!(world.writes(CAMPAIGN), Vec::<Write>::new());
    assert_eq!(world.campaign(CAMPAIGN).text("/actor/incarnation"), "1", "it was guarded all the time");
}

#[test]
fn bad_usage_ends_with_2_a_refusal_with_1_and_an_absent_supervisor_with_3() {
    let mut world = World::new();
    let usage: &[&[&str]] = &[
        &["campaign"],
        &["campaign", "add", "--name", "n"],
        &["campaign", "add", "--name", " ", "--trafficstar-id", "1"],
        &["campaign", "add", "--name", "n", "--trafficstar-id", "0"],
        &["campaign", "set", "1", "--mode", "watch"],
        &["campaign", "set", "1", "--spend-limit=-1"],
        &["campaign", "set", "1", "--cooldown", "soon"],
        &["campaign", "set", "1", "--activate-clicks=-1"],
        &["campaign", "set", "1", "--pause"],
        &["campaign", "set", "1"],
        &["url", "add", "1", "--name", "n", "--target-url", "a.b", "--click-limit", "1"],
        &["url", "set", "1", "--status", "asleep"],
        &["campaign", "set", "1"],
        &["url", "set", "1"],
        &["hold", "1", "--for", "0s"],
        &["hold", "1", "--for", "101years"],
    ];
    for arguments in usage {
        world.refused(arguments, 2, &[]);
    }
    world.refused(&["campaign", "set", "1"], 2, &["--spend-limit <MONEY>"]);
    let no: &[(&[&str], &str)] = &[
        (&["campaign", "set", "404", "--name", "n"], "there is no campaign 404"),
        (&["campaign", "remove", "404"], "there is no campaign 404"),
        (&["url", "list", "404"], "there is no campaign 404"),
        (&["url", "set", "404", "--clicks", "0"], "there is no URL 404"),
        (&["url", "remove", "404"], "there is no URL 404"),
    ];
    for (arguments, said) in no {
        world.refused(arguments, 1, &[said]);
    }
    world.guard.stop();
    for arguments in [["campaign", "list"].as_slice(), &["url", "remove", "1"]] {
        world.refused(arguments, 3, &["NOTHING IS GUARDED"]);
    }
}
