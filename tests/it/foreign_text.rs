//! Texts that other people and programs write. The program shows them as plain text on one line, with any content, and
//! cuts long ones.

use sandbox::{CampaignSpec, Fault, FaultKind, Interference, Operation};
use serde_json::{Value, json};

use crate::helper::{Background, Config, World, assert_says};

/// A text that would colour a terminal, move its cursor, begin new lines, and reverse the text after it.
const HOSTILE: &str = "a\u{1b}[31m\r\n\u{202e}\u{85}\u{2028}\u{7f}\u{9b}z";
/// The form in which the program shows `HOSTILE`.
const SHOWN: &str = "a\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}z";

/// A person's address in an answer of TrafficStars. The rest of that answer makes it broken JSON.
const ADDRESS: &str = "ann@media.example";

const UNKNOWN_WORD: i64 = 701;
const MODERATED: i64 = 702;
const REFUSED: i64 = 703;
const LONG: i64 = 704;

fn is_fit_to_show(character: char) -> bool {
    !character.is_control()
        && !"\u{200e}\u{200f}\u{61c}".contains(character)
        && !matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[track_caller]
fn assert_plain(place: &str, text: &str) {
    let bad = text.chars().find(|character| *character != '\n' && !is_fit_to_show(*character));
    assert_eq!(bad, None, "{place}: {text:?}");
    assert!(!text.contains(ADDRESS), "{place} has personal data: {text:?}");
    assert!(!text.contains('$'), "{place} has a currency that is not known: {text:?}");
}

/// Runs a command, and returns what it prints, on both of its streams. Asserts that all of it is plain text.
#[track_caller]
fn printed(world: &World, arguments: &[&str]) -> String {
    let output = world.run(arguments).output();
    assert_plain(&arguments.join(" "), &output);
    output
}

/// Starts a world with hostile texts: the names of rows, a status, a moderation result and a refusal of TrafficStars,
/// and the reason of a hold.
fn world(log_format: &str) -> (World, [Background; 2]) {
    let config = Config::default().set("log", "format", log_format);
    let mut world = World::configured(config);
    let watching = [world.watch(&[]), world.watch(&["--json"])];
    let refusal =
        FaultKind::Status { code: 422, body: format!(r#"{{"error": "{HOSTILE}", "user": {{"email": "{ADDRESS}"}}}}"#) };
    world.sandbox.inject(Fault::always(refusal).on(Operation::Edit).campaign(REFUSED));
    let named = |spec: CampaignSpec| CampaignSpec { name: HOSTILE.to_owned(), ..spec };
    let unknown_word = CampaignSpec::running(UNKNOWN_WORD).with_field("status", Some(json!(HOSTILE)));
    let moderated = CampaignSpec { approved: HOSTILE.to_owned(), ..CampaignSpec::running(MODERATED) };
    for spec in [unknown_word, moderated, CampaignSpec::paused(REFUSED)].map(named) {
        let id = spec.id;
        world.sandbox.add_campaign(spec);
        world.database.add_row(HOSTILE, id, true);
        world.database.add_url(id, HOSTILE, 20_000);
    }
    world.wait_until(MODERATED, "blocked", |campaign| !campaign.text("/blocked").is_empty());
    world.wait_until(REFUSED, "a failed action", |campaign| campaign.text("/action/error").contains("422"));
    world.wait_until(UNKNOWN_WORD, "a word", |campaign| !campaign.text("/observed/remote_status").is_empty());
    let hold = json!({"reason": HOSTILE}).to_string();
    let (status, held) = world.guard.request("PUT", "/v1/campaigns/1/hold", Some(&hold));
    assert_eq!((status, &held["reason"]), (200, &json!(SHOWN)), "{held}");
    (world, watching)
}

#[test]
fn commands_show_foreign_text_as_plain_text_on_one_line() {
    let (world, _watching) = world("text");
    for (row, said) in [
        ("1", vec![format!("status {SHOWN}"), format!("({SHOWN})")]),
        ("2", vec![format!("moderation says `{SHOWN}`")]),
        ("3", vec!["TrafficStars rejects the request (422)".to_owned(), "[hidden]".to_owned()]),
    ] {
        let explained = printed(&world, &["explain", row]);
        assert_says(&explained, &[&format!("{SHOWN} ({row} · TrafficStars ")]);
        assert_says(&explained, &said.iter().map(String::as_str).collect::<Vec<_>>());
    }
    for (arguments, rows) in [
        (&["status"][..], 3),
        (&["campaign", "list"], 3),
        (&["url", "list", "1"], 1),
        (&["history", "--limit", "1"], 1),
    ] {
        let table = printed(&world, arguments);
        // `status` has a heading and a footer, and `history` says that there is more.
        let others = match arguments[0] {
            "status" => table.lines().position(str::is_empty).unwrap() + 4,
            "history" => 3,
            _ => 1,
        };
        assert_eq!(table.lines().count(), rows + others, "{arguments:?}: {table}");
        let shown = if arguments[0] == "history" { "(422)" } else { SHOWN };
        assert!(table.matches(shown).count() >= rows, "{arguments:?}: {table}");
    }
    for arguments in [
        &["process", "1"][..],
        &["process", "--all"],
        &["enable", "1"],
        &["disable", "3"],
        &["campaign", "set", "1", "--spend-limit", "9.00"],
        &["url", "set", "1", "--clicks", "1"],
        &["url", "remove", "1"],
        &["campaign", "remove", "3"],
        &["status", "no such name: a\u{1b}[31m\r\n\u{202e}\u{85}\u{2028}\u{7f}\u{9b}z"],
        &["hold", "1", "--reason", HOSTILE],
        &["release", "1"],
        &["wait", "1", "--until", "idle"],
        &["wait", "1", "--until", "active-guarded", "--timeout", "100ms"],
        &["explain", "1", "--socket", HOSTILE],
        &["pause-all", "--reason", HOSTILE],
        &["release-all"],
    ] {
        assert_says(&printed(&world, arguments), &[SHOWN]);
    }
    // A typed name may not have control characters, but it may have characters that reverse text.
    let [typed, shown] = ["b\u{202e}z", "b\u{fffd}z"];
    let url = ["url", "add", "1", "--target-url", "https://example.com/", "--click-limit", "1", "--name", typed];
    for arguments in [
        &["campaign", "add", "799", "--unchecked", "--name", typed][..],
        &["campaign", "set", "2", "--name", typed],
        &url,
    ] {
        assert_says(&printed(&world, arguments), &[shown]);
    }
}

#[test]
fn json_keeps_the_rows_text_and_escapes_what_a_terminal_would_act_on() {
    let (world, _watching) = world("text");
    let names = |json: &str, name: &str| -> Vec<Value> {
        let rows: Vec<Value> = serde_json::from_str(json).unwrap();
        rows.iter().map(|row| row[name].clone()).collect()
    };
    let listed = printed(&world, &["campaign", "list", "--json"]);
    assert_eq!(names(&listed, "name"), [HOSTILE; 3]);
    assert_eq!(names(&printed(&world, &["url", "list", "1", "--json"]), "name"), [HOSTILE]);
    assert_eq!(names(&printed(&world, &["status", "--json"]), "name"), [HOSTILE; 3]);
    for arguments in [&["dump"][..], &["dump", "1"], &["explain", "1", "--json"], &["history", "--json"]] {
        let _: Value = serde_json::from_str(&printed(&world, arguments)).unwrap();
    }
    for path in ["/v1/campaigns", "/v1/state", "/v1/journal", "/v1/campaigns/1/urls", "/v1/campaigns/1/explain"] {
        assert_plain(path, &world.guard.get(path).text);
    }
    assert_eq!(names(&world.guard.get("/v1/campaigns").text, "name"), [HOSTILE; 3]);
}

#[test]
fn events_and_log_lines_stay_on_one_line() {
    for format in ["text", "json"] {
        let (mut world, [as_text, as_json]) = world(format);
        world.sandbox.interfere(MODERATED, Interference::SetArchived(true)).unwrap();
        for (watch, shown) in [(&as_text, SHOWN), (&as_json, "\\u202e")] {
            world.wait_for("the hold among the events", |_| {
                let printed = watch.stdout();
                if printed.contains("on hold") && printed.contains(shown) { Ok(()) } else { Err(printed) }
            });
            assert_plain("watch", &watch.stdout());
        }
        let printed = as_text.stdout();
        assert!(printed.lines().all(|line| line.starts_with("20")), "{printed}");
        assert!(as_json.json_lines().iter().all(|event| event["name"].is_null() || event["name"] == HOSTILE));

        let log = world.guard.log();
        assert_plain("the log", &log);
        let messages: Vec<String> = log
            .lines()
            .map(|line| match format {
                "text" => line.to_owned(),
                _ => {
                    let line: Value = serde_json::from_str(line).unwrap();
                    for text in line.as_object().unwrap().values().filter_map(Value::as_str) {
                        assert_plain("a text of the log", text);
                        assert!(!text.contains('\n'), "{text:?}");
                    }
                    line["message"].as_str().unwrap().to_owned()
                }
            })
            .collect();
        for said in ["moderation says `", "on hold until released, by "] {
            let whole = messages.iter().any(|message| message.contains(said) && message.contains(SHOWN));
            assert!(whole, "{said}: {log}");
        }
        assert!(format == "json" || log.lines().all(|line| line.starts_with("20")), "{log}");
    }
}

#[test]
fn top_shows_foreign_text_as_plain_text() {
    let (mut world, _watching) = world("text");
    let mut view = world.in_terminal(&["top"]);
    let name = "a\u{fffd}[31m";
    world.wait_for(name, |_| if view.written().contains(name) { Ok(()) } else { Err(view.written()) });
    view.type_in("\r");
    // The full-screen details show the error.
    world.wait_for("the list to be gone", |_| match view.shows("OF LIMIT") {
        Ok(()) => Err("it is there".to_owned()),
        Err(_) => view.shows("(422)"),
    });
    let written = view.written();
    // The view itself moves the cursor and sets colours, with sequences that begin with an escape.
    assert!(!written.contains("\u{1b}[31m\r"), "{written:?}");
    assert_plain("top", &written.replace(['\u{1b}', '\r'], ""));
    view.type_in("q");
}

#[test]
fn a_name_of_200_characters_is_accepted_and_a_longer_one_is_refused() {
    let world = World::new();
    let (longest, too_long) = ("ü".repeat(200), "ü".repeat(201));
    let add = |name: &str, id: i64| {
        let body = json!({"name": name, "trafficstar_id": id}).to_string();
        world.guard.request("POST", "/v1/campaigns", Some(&body))
    };
    assert_eq!(add(&longest, LONG).0, 201);
    let (status, problem) = add(&too_long, LONG + 1);
    assert_eq!((status, &problem["field"]), (422, &json!("name")), "{problem}");
    let url = |name: &str| {
        let body = json!({"name": name, "target_url": "https://example.com/", "click_limit": 1}).to_string();
        world.guard.request("POST", "/v1/campaigns/1/urls", Some(&body)).0
    };
    assert_eq!((url(&longest), url(&too_long)), (201, 422));
    world.refused(&["campaign", "set", "1", "--name", &too_long], 2, &["1 to 200 characters"]);
}

#[test]
fn a_long_reason_is_cut_and_delays_no_pause() {
    let mut world = World::new();
    world.add_guarded(LONG);
    let reason = "x".repeat(50_000);
    world.done(&["pause-all", "--reason", &reason]);
    assert!(!world.sandbox.is_running(LONG));
    let kept = world.guard.state()["supervisor"]["hold"]["reason"].as_str().unwrap().to_owned();
    assert_eq!(kept, "x".repeat(199) + "…");
}

#[test]
fn a_long_name_from_a_tracker_is_cut_in_log_lines() {
    let mut world = World::new();
    world.add(CampaignSpec::running(LONG), 20_000);
    world.database.execute("UPDATE campaigns SET name = hex(zeroblob(30000))");
    world.wait_until(LONG, "the new name", |campaign| campaign.text("/name").ends_with('…'));
    world.database.execute("UPDATE urls SET click_limit = clicks");
    world.wait_for_state(LONG, "cooling-down");
    world.wait_for_log("0000…");
    let longest = world.guard.log().lines().map(str::len).max();
    assert!(longest < Some(2_000), "{longest:?}");
}
