//! `check`: what it finds in the account, and that it changes nothing there.

use chrono::{TimeDelta, Utc};
use sandbox::{CampaignSpec, Fault, FaultKind, Interference, Operation, RequestRecord};
use serde_json::{Value, json};

use crate::helper::{Config, World};

const ID: i64 = 995_001;

/// What `check` came to.
struct Checked {
    code: i32,
    notes: Vec<String>,
    problems: Vec<String>,
}

impl Checked {
    fn of(world: &World, variables: &[(&str, &str)]) -> Self {
        let output = world.guard.command_with(variables, &["check", "--json"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let found: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let lines = |name: &str| -> Vec<String> {
            found[name].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
        };
        Self { code: output.status.code().unwrap(), notes: lines("notes"), problems: lines("problems") }
    }

    fn assert_notes(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.notes.iter().any(|note| note.contains(part)), "{part}: {:?}", self.notes);
        }
    }

    /// Exactly these problems, one for each part.
    fn assert_problems(&self, parts: &[&str]) {
        assert_eq!(
            (self.problems.len(), self.code),
            (parts.len(), i32::from(!parts.is_empty())),
            "{:?}",
            self.problems
        );
        for part in parts {
            assert!(self.problems.iter().any(|problem| problem.contains(part)), "{part}: {:?}", self.problems);
        }
    }
}

/// A world whose guard does not run, so that all requests from here on are `check`'s.
fn world(config: Config) -> World {
    let mut world = World::configured(config);
    world.guard.stop();
    world
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_good_key_and_a_good_account_are_well_beside_a_running_supervisor() {
    let mut world = World::configured(Config::default());
    for id in ID..ID + 25 {
        world.add(CampaignSpec::running(id), 20_000);
    }
    world.wait_for_state(ID + 24, "active-guarded");
    let output = world.guard.command(&["check"]);
    let told = text(&output.stdout);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!((output.status.code(), lines.last()), (Some(0), Some(&"All is well.")), "{told}");
    assert!(lines[..lines.len() - 1].iter().all(|line| line.starts_with("note: ")), "{told}");
    for part in [
        "the API key works",
        "our clock agrees with TrafficStars'",
        "the account's list holds 25 campaigns",
        "the account's time zone is UTC, in which the rules count",
        "a tick takes 3 requests to read the 25 guarded campaigns and up to 3 more for their spends and a token",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let strange = |one: &RequestRecord| one.operation.is_change();
    assert!(!world.sandbox.requests().iter().any(strange), "it changes nothing");
    assert_eq!(world.database.journal(ID).len(), 0);
}

#[test]
fn offline_it_asks_nothing_and_otherwise_as_little_as_serves() {
    let mut world = world(Config::default());
    world.add(CampaignSpec::running(ID), 20_000);
    let before = world.sandbox.requests().len();
    let offline = world.guard.command(&["check", "--offline"]);
    assert_eq!((offline.status.code(), text(&offline.stdout)), (Some(0), "All is well.\n".to_owned()));
    assert_eq!(world.sandbox.requests().len(), before);
    Checked::of(&world, &[]).assert_problems(&[]);
    let sent: Vec<Operation> = world.sandbox.requests()[before..].iter().map(|one| one.operation).collect();
    assert_eq!(sent, [Operation::Token, Operation::Campaigns]);
}

#[test]
fn a_key_that_is_bad_and_a_token_that_cannot_be_had_are_told_apart() {
    let wrapped = |message: &str| {
        let body = json!({
            "status": 400, "error": "EXTERNAL_SERVICE_ERROR", "message": message, "requestId": "5f0e-77",
        });
        (400, body.to_string())
    };
    let cases = [
        (wrapped(r#"400: {"error":"invalid_grant"}"#), "TrafficStars refuses the API key"),
        ((400, json!({"error": "invalid_grant"}).to_string()), "TrafficStars refuses the API key"),
        (wrapped("503 Service Unavailable"), "(400) (request id 5f0e-77), and does not say that the API key is bad"),
        ((403, "<html>wall</html>".to_owned()), "(403), and does not say that the API key is bad"),
        ((503, String::new()), "TrafficStars has a failure of its own (503)"),
    ];
    let mut world = world(Config::default());
    world.add(CampaignSpec::running(ID), 20_000);
    for ((code, body), expected) in cases {
        world.sandbox.inject(Fault::always(FaultKind::Status { code, body }).on(Operation::Token));
        let before = world.sandbox.requests().len();
        let checked = Checked::of(&world, &[]);
        checked.assert_problems(&[expected]);
        assert!(!checked.notes.iter().any(|note| note.contains("key works")), "{:?}", checked.notes);
        assert_eq!(world.sandbox.requests().len() - before, 1, "{expected}: one request is enough to know");
        world.sandbox.clear_faults();
    }
}

#[test]
fn a_key_that_was_cut_off_is_told_by_check_and_at_start() {
    let world = world(Config::default());
    let key = [("TRAFFICSTAR_API_KEY", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx")];
    Checked::of(&world, &key).assert_problems(&["TRAFFICSTAR_API_KEY holds a part of an API key: it was cut off"]);
    let run = world.guard.command_with(&key, &["run"]);
    let told = text(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{told}");
    assert!(
        told.contains("it was cut off") && told.contains("copy it anew from your TrafficStars profile page"),
        "{told}"
    );
    assert!(!told.contains("eyJhbG"), "{told}");
}

#[test]
fn rows_whose_campaign_does_not_exist_or_is_blocked_are_named() {
    let mut world = world(Config::default());
    for id in ID..ID + 20 {
        world.sandbox.add_campaign(CampaignSpec::paused(id));
    }
    for id in [ID, ID + 19, 4711, 4712] {
        world.database.add_campaign(id, 1_000);
        world.database.enable(id);
    }
    world.sandbox.interfere(ID, Interference::SetNoFunds(true)).unwrap();
    world.database.execute("UPDATE campaigns SET generator_enabled = 0 WHERE trafficstar_id = 4712");
    let checked = Checked::of(&world, &[]);
    let numbers: Vec<String> =
        checked.problems.iter().map(|problem| problem.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(numbers, ["1", "3"]);
    checked.assert_problems(&[
        "TrafficStars' campaign 995001 is blocked, and is not activated: out of funds",
        "TrafficStars knows no campaign 4711 (404)",
    ]);
    checked.assert_notes(&["which is not guarded: TrafficStars knows no campaign 4712 (404)"]);
}

#[test]
fn an_account_in_another_time_zone_is_told_what_that_means() {
    let mut world = world(Config::default());
    world.add(CampaignSpec::running(ID).with_field("timezone", Some(json!(2))), 20_000);
    let checked = Checked::of(&world, &[]);
    checked.assert_problems(&[]);
    checked.assert_notes(&[
        "the account's time zone is UTC+2, and the rules count in UTC: its `spent_today` is of another day",
    ]);
}

#[test]
fn a_limit_that_does_not_reach_is_a_problem_and_is_kept_by_the_check_itself() {
    let config = Config::default().set("trafficstar", "requests_per_minute", 3).generator("tick", "1m");
    let mut world = world(config);
    for id in ID..ID + 40 {
        world.sandbox.add_campaign(CampaignSpec::running(id));
        world.database.add_campaign(id, 20_000);
    }
    world.database.execute("UPDATE campaigns SET generator_enabled = 1");
    let before = world.sandbox.requests().len();
    let checked = Checked::of(&world, &[]);
    checked.assert_problems(&["the limit of requests is too small: to read 40 campaigns takes"]);
    checked.assert_notes(&["30 of 40 campaigns were not looked for"]);
    let sent = world.sandbox.requests().len() - before;
    assert!(sent <= 3, "{sent} requests");
}

#[test]
fn a_clock_that_is_wrong_is_told_by_how_much() {
    let world = world(Config::default());
    let cases = [
        (TimeDelta::zero(), Ok("our clock agrees with TrafficStars'")),
        (TimeDelta::seconds(20), Ok("s behind TrafficStars'")),
        (TimeDelta::minutes(-7), Err("ahead of TrafficStars': set it right (NTP)")),
        (TimeDelta::hours(3), Err("behind TrafficStars': set it right (NTP)")),
    ];
    for (ahead, expected) in cases {
        world.sandbox.set_clock(Utc::now() + ahead);
        let checked = Checked::of(&world, &[]);
        match expected {
            Ok(note) => {
                checked.assert_problems(&[]);
                checked.assert_notes(&[note]);
            }
            Err(problem) => checked.assert_problems(&[problem]),
        }
    }
}

#[test]
fn a_machine_on_which_the_supervisor_would_end_at_once_is_not_well() {
    let mut world = world(Config::default());
    world.guard.config = world.guard.config.clone().set("trafficstar", "base_url", "https://127.0.0.1:9");
    world.guard.write_config();
    world.guard.variables.extend([("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")]);
    for command in [&["check", "--offline"][..], &["check"], &["run"]] {
        let output = world.guard.command(command);
        let told = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {told}");
        assert!(told.contains("are the system's CA certificates installed?"), "{command:?}: {told}");
    }
}

#[test]
fn a_proxy_of_the_environment_is_told_without_its_password_by_check_and_run() {
    let mut world = world(Config::default());
    world.guard.config = world.guard.config.clone().set("trafficstar", "base_url", "https://api.example");
    world.guard.write_config();
    world.guard.variables.push(("HTTPS_PROXY", "http://alice:secret@127.0.0.1:9"));
    let proxy = "requests to TrafficStars go by the proxy http://127.0.0.1:9, which the environment names";
    let checked = world.guard.command(&["check", "--offline"]);
    let told = text(&checked.stdout);
    assert_eq!((checked.status.code(), told.contains("secret")), (Some(0), false), "{told}");
    assert!(told.contains(proxy), "{told}");
    world.guard.start();
    world.wait_for_log(proxy);
    assert!(!world.guard.log().contains("secret"), "{}", world.guard.log());
}
