//! Numbers on the command line: the accepted forms, and the refused ones.

use crate::helper::World;

#[test]
fn numbers_are_accepted_in_the_forms_that_are_printed_and_negative_ones_are_refused_with_their_kind() {
    let mut world = World::new();
    world.database.add_row("shoes", 1001, false);
    let url = ["url", "add", "shoes", "--name", "n", "--target-url", "https://example.com/", "--click-limit"];
    assert_eq!(world.json(&[&url[..], &["1.5m"]].concat())["click_limit"], 1_500_000);
    assert_eq!(world.json(&["url", "set", "1", "--clicks", "15,000"])["clicks"], 15_000);
    let set = world.json(&[
        "campaign",
        "set",
        "shoes",
        "--spend-limit",
        "$10,000.00",
        "--activate-clicks",
        "20k",
        "--pause-clicks",
        "15_000",
        "--price-per-thousand",
        "1,000.50",
        "--implausible-clicks",
        "2,000,000",
    ]);
    let taken = ["spend_limit", "activate_clicks", "pause_clicks", "price_per_thousand", "implausible_clicks"];
    let wanted = serde_json::json!(["10000.00", 20_000, 15_000, "1000.50", 2_000_000]);
    assert_eq!(serde_json::json!(taken.map(|field| set[field].clone())), wanted);
    world.done(&["history", "--limit", "1,000"]);

    let count = "`-1` is not a count: give a whole number, 0 or more";
    for (arguments, said) in [
        (&["url", "set", "1", "--clicks", "-1"][..], count),
        (&["campaign", "set", "1", "--pause-clicks", "-1"], count),
        (&["history", "--limit", "-1"], count),
        (&["campaign", "set", "1", "--spend-limit", "-1"], "`-1` is not an amount"),
        (&["campaign", "set", "1", "--trafficstar-id", "-1"], "`-1` is not a TrafficStars id"),
        (&["campaign", "set", "1", "--cooldown", "-2m"], "`-2m` is not a duration"),
        (&["wait", "1", "--until", "idle", "--timeout", "-5s"], "`-5s` is not a duration"),
        (&["history", "--since", "-1h"], "`-1h` is not a duration like 24h, nor a date"),
        (&["hold", "1", "--for", "-1h"], "`-1h` is not a duration"),
        (&["url", "set", "1", "--clicks", "15,00"], "`15,00` is not a count"),
    ] {
        world.refused(arguments, 2, &[said]);
    }

    // The API accepts only one form.
    let (status, problem) = world.guard.request("PATCH", "/v1/campaigns/1", Some(r#"{"spend_limit": "10,000.00"}"#));
    assert_eq!((status, problem["field"].as_str()), (422, Some("spend_limit")), "{problem}");
}
