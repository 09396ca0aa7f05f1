//! `history` and `GET /v1/journal`.

use sandbox::{CampaignSpec, Interference};
use serde_json::json;

use crate::helper::{World, assert_says};

/// Starts a world whose journal has three actions: campaign 1 activated, campaign 2 paused, campaign 1 activated again
/// after a foreign stop.
fn world() -> World {
    let mut world = World::new();
    world.add(CampaignSpec::paused(501), 20_000);
    wait_for_entry(&mut world, 501, "activate by tick: confirmed");
    world.add(CampaignSpec::running(502), 0);
    world.wait_for_state(502, "paused-guarded");
    world.sandbox.interfere(501, Interference::Stop).unwrap();
    wait_for_entry(&mut world, 501, "activate by guard: confirmed");
    world
}

/// Waits until a campaign's newest entry begins with this text.
fn wait_for_entry(world: &mut World, id: i64, beginning: &str) {
    world.wait_for(beginning, |world| {
        let last = world.database.journal(id).last().map(ToString::to_string).unwrap_or_default();
        if last.starts_with(beginning) { Ok(()) } else { Err(last) }
    });
}

/// Returns the entries of `history --json` as texts: campaign, kind, trigger and step.
fn entries(world: &World, arguments: &[&str]) -> Vec<String> {
    let entries = world.json(&[&["history"], arguments].concat());
    let own = entries.as_array().unwrap().iter().filter(|entry| entry["kind"] != "set-end-time");
    own.map(|entry| {
        let [kind, trigger, step] = ["kind", "trigger", "step"].map(|name| entry[name].as_str().unwrap());
        format!("{} {kind} by {trigger}: {step}", entry["campaign_id"])
    })
    .collect()
}

#[test]
fn history_shows_the_newest_entries_first_of_all_campaigns_or_one_within_the_given_bounds() {
    let world = world();
    let (first, pause, again) =
        ("1 activate by tick: confirmed", "2 pause by tick: confirmed", "1 activate by guard: confirmed");
    let cases: [(&[&str], &[&str]); 6] = [
        (&[], &[again, pause, first]),
        (&["1"], &[again, first]),
        (&["2"], &[pause]),
        (&["--limit", "1"], &[again]),
        (&["--since", "1h"], &[again, pause, first]),
        (&["1", "--since", "1h", "--limit", "1"], &[again]),
    ];
    for (arguments, wanted) in cases {
        assert_eq!(entries(&world, arguments), wanted, "{arguments:?}");
    }
    assert_eq!(entries(&world, &["--since", "0s"]), Vec::<String>::new());
}

#[test]
fn history_shows_the_journal_of_a_removed_campaign_and_refuses_an_unknown_one() {
    let mut world = world();
    world.refused(&["history", "3"], 1, &["there is no campaign 3"]);
    world.done(&["campaign", "remove", "2"]);
    let shown = world.done(&["history", "2"]);
    assert!(shown.contains("pause"), "{shown}");
    world.database.add_row("new", 503, false);
    assert_eq!(world.done(&["history", "new"]), "No entries.\n");
}

#[test]
fn an_entry_has_the_documented_fields_and_people_get_a_table() {
    let world = world();
    let mut entry = world.json(&["history", "2", "--limit", "1"]);
    let fields = entry[0].as_object_mut().unwrap();
    for name in ["requested_at", "accepted_at", "confirmed_at"] {
        let time = fields.remove(name).unwrap();
        assert!(time.as_str().is_some_and(|time| time.ends_with('Z')), "{name}: {time}");
    }
    assert_ne!(fields.remove("reason").unwrap().as_str().unwrap(), "");
    assert!(fields.remove("id").unwrap().is_i64());
    let wanted = json!({
        "campaign_id": 2, "trafficstar_id": 502, "kind": "pause", "trigger": "tick", "spend": "0.00",
        "remaining_clicks": 0, "remote_status": "running", "state_before": "idle", "state_after": "cooling-down",
        "step": "confirmed", "by": null, "late": false, "budget": null, "failed_at": null, "error": null,
    });
    assert_eq!(entry[0], wanted);

    let table = world.done(&["history", "2"]);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].trim_start().starts_with("WHEN (UTC)"), "{lines:?}");
    assert!(lines[1].contains("campaign 502 (2)") && lines[1].contains("pause   confirmed"), "{lines:?}");
    assert_says(&world.done(&["history", "--limit", "1"]), &["the newest 1 entry; there may be more"]);
    assert_eq!(world.done(&["history", "--step", "failed"]), "No entries.\n");
    assert_eq!(world.done(&["history", "1", "--since", "2100-01-01"]), "No entries.\n");
}

#[test]
fn the_api_takes_a_campaign_a_time_and_a_limit_and_names_an_invalid_parameter() {
    let world = world();
    let good = [
        ("", 3),
        ("?campaign=1", 2),
        ("?campaign=99", 0),
        ("?limit=10000", 3),
        ("?since=2020-01-01T00:00:00Z", 3),
        ("?since=2020-01-01T00:00:00.5%2B02:00&limit=2&campaign=1", 2),
        ("?since=2100-01-01T00:00:00Z", 0),
    ];
    for (query, wanted) in good {
        let (status, body) = world.guard.request("GET", &format!("/v1/journal{query}"), None);
        let entries = body.as_array().unwrap_or_else(|| panic!("{query}: {body}"));
        let own = entries.iter().filter(|entry| entry["kind"] != "set-end-time").count();
        assert_eq!((status, own), (200, wanted), "{query}");
    }
    let bad = [
        ("?campaign=shoes", "campaign"),
        ("?campaign=", "campaign"),
        ("?campaign=1&campaign=2", "campaign"),
        ("?since=24h", "since"),
        ("?since=2026-11-22", "since"),
        ("?limit=0", "limit"),
        ("?limit=-1", "limit"),
        ("?limit=10001", "limit"),
        ("?limits=5", "limits"),
        ("?campaign=1&sinse=2020-01-01T00:00:00Z", "sinse"),
    ];
    for (query, field) in bad {
        let (status, body) = world.guard.request("GET", &format!("/v1/journal{query}"), None);
        assert_eq!((status, body["field"].as_str()), (422, Some(field)), "{query}: {body}");
    }
}

#[test]
fn invalid_arguments_of_history_are_usage_errors() {
    let mut world = World::new();
    let cases: [&[&str]; 4] = [&["--limit", "0"], &["--limit", "10001"], &["--since", "soon"], &["-1"]];
    for arguments in cases {
        world.refused(&[&["history"], arguments].concat(), 2, &[]);
    }
    world.guard.stop();
    world.refused(&["history"], 3, &[]);
}
