//! `check`: what it finds in the account, and that it changes nothing there.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use chrono::{TimeDelta, Utc};
use sandbox::{CampaignSpec, Fault, FaultKind, Interference, Operation, RequestRecord};
use serde_json::{Value, json};

use crate::helper::{Config, Done, World, assert_says};

const ID: i64 = 995_001;

/// What `check` came to.
struct Checked {
    code: i32,
    /// Everything that was looked at, a line each.
    checks: String,
    notes: String,
    problems: Vec<String>,
}

impl Checked {
    fn of(world: &World, variables: &[(&str, &str)]) -> Self {
        let Done { code, stdout, .. } = world.guard.run_with(variables, &["check", "--json"]);
        let found: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"));
        let lines = |name: &str| -> Vec<String> {
            found[name].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
        };
        let checks = found["checks"].as_array().unwrap().iter();
        let checks: Vec<String> = checks
            .map(|check| {
                let part = |name: &str| check[name].as_str().unwrap_or("-").to_owned();
                [part("result"), part("what"), part("detail"), part("advice")].join(" | ")
            })
            .collect();
        Self { code, checks: checks.join("\n"), notes: lines("notes").join("\n"), problems: lines("problems") }
    }

    /// Exactly these problems, one for each part.
    #[track_caller]
    fn assert_problems(&self, parts: &[&str]) {
        let Self { code, problems, .. } = self;
        assert_eq!((problems.len(), *code), (parts.len(), i32::from(!parts.is_empty())), "{problems:?}");
        assert_says(&problems.join("\n"), parts);
    }
}

/// A world whose guard does not run, so that all requests from here on are `check`'s.
fn world(config: Config) -> World {
    let mut world = World::configured(config);
    world.guard.stop();
    world
}

#[test]
fn a_good_key_and_a_good_account_are_well_beside_a_running_supervisor() {
    let mut world = World::configured(Config::default());
    for id in ID..ID + 25 {
        world.add(CampaignSpec::running(id), 20_000);
    }
    world.wait_for_state(ID + 24, "active-guarded");
    let told = world.done(&["check"]);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.last(), Some(&"All is well."), "{told}");
    assert!(lines[..lines.len() - 1].iter().all(|line| line.starts_with("✓ ")), "{told}");
    let file = world.guard.config_file();
    let folder = file.parent().unwrap().display();
    let lines = [
        format!("✓ config file    {}", file.display()),
        format!("✓ database       sqlite {folder}/guard.db, 25 campaigns, schema current, writable"),
        format!("✓ lock           a supervisor runs on the database (pid {})", world.guard.pid()),
        "✓ API key        from the environment variable TRAFFICSTAR_API_KEY".to_owned(),
        format!("✓ socket folder  {folder}; a supervisor answers on the socket"),
        format!("✓ TrafficStars   {} gives an access token for the API key", world.sandbox.base_url()),
        "✓ clock          our clock agrees with TrafficStars'".to_owned(),
        "✓ account        25 campaigns in the account; 25 of them are guarded; reading them takes 3 requests a tick"
            .to_owned(),
        "✓ requests       their spends and a token take up to 3 more; the limit of 100000 a minute has room".to_owned(),
        "✓ time zone      the account's time zone is UTC, in which the rules count".to_owned(),
    ];
    let parts: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_says(&told, &parts);
    let strange = |one: &RequestRecord| one.operation.is_change();
    assert!(!world.sandbox.requests().iter().any(strange), "it changes nothing");
    assert_eq!(world.database.journal(ID).len(), 0);
}

#[test]
fn offline_it_asks_nothing_and_otherwise_as_little_as_serves() {
    let mut world = world(Config::default());
    world.add(CampaignSpec::running(ID), 20_000);
    let before = world.sandbox.requests().len();
    let told = world.done(&["check", "--offline"]);
    assert!(told.ends_with("\nAll is well.\n") && !told.contains("TrafficStars"), "{told}");
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
    let refused = "TrafficStars refuses the API key from the environment variable TRAFFICSTAR_API_KEY: copy it anew";
    let cases = [
        (wrapped(r#"400: {"error":"invalid_grant"}"#), refused),
        ((400, json!({"error": "invalid_grant"}).to_string()), refused),
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
        assert!(!checked.checks.contains("gives an access token"), "{}", checked.checks);
        assert_eq!(world.sandbox.requests().len() - before, 1, "{expected}: one request is enough to know");
        world.sandbox.clear_faults();
    }
}

#[test]
fn a_key_that_was_cut_off_is_told_by_check_and_at_start() {
    let world = world(Config::default());
    let key = [("TRAFFICSTAR_API_KEY", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx")];
    Checked::of(&world, &key).assert_problems(&["TRAFFICSTAR_API_KEY holds a part of an API key: it was cut off"]);
    let run = world.guard.run_with(&key, &["run"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert_says(&run.stderr, &["it was cut off", "copy it anew from your TrafficStars profile page"]);
    assert!(!run.stderr.contains("eyJhbG"), "{run:?}");
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
    assert_says(&checked.notes, &["which is not guarded: TrafficStars knows no campaign 4712 (404)"]);
}

#[test]
fn an_account_in_another_time_zone_is_told_what_that_means() {
    let mut world = world(Config::default());
    world.add(CampaignSpec::running(ID).with_field("timezone", Some(json!(2))), 20_000);
    let checked = Checked::of(&world, &[]);
    checked.assert_problems(&[]);
    assert_says(
        &checked.notes,
        &["the account's time zone is UTC+2, and the rules count in UTC: its `spent_today` is of another day"],
    );
}

#[test]
fn a_limit_that_does_not_reach_is_a_problem_and_is_kept_by_the_check_itself() {
    let config = Config::default().set("trafficstar", "requests_per_minute", 3).generator("tick", "1m");
    let mut world = world(config);
    world.add_all((ID..ID + 40).map(|id| (CampaignSpec::running(id), 20_000)));
    let before = world.sandbox.requests().len();
    let checked = Checked::of(&world, &[]);
    checked.assert_problems(&["the limit of requests is too small: to read 40 campaigns takes"]);
    assert_says(&checked.notes, &["30 of 40 campaigns were not looked for"]);
    let sent = world.sandbox.requests().len() - before;
    assert!(sent <= 3, "{sent} requests");
}

#[test]
fn a_clock_that_is_wrong_is_told_by_how_much() {
    let world = world(Config::default());
    let cases = [
        (TimeDelta::zero(), Ok("ok | clock | our clock agrees with TrafficStars'")),
        (TimeDelta::seconds(20), Ok("s behind TrafficStars'")),
        (TimeDelta::minutes(-7), Err("ahead of TrafficStars': set it right (NTP)")),
        (TimeDelta::hours(3), Err("behind TrafficStars': set it right (NTP)")),
    ];
    for (ahead, expected) in cases {
        world.sandbox.set_clock(Utc::now() + ahead);
        let checked = Checked::of(&world, &[]);
        match expected {
            Ok(told) => {
                checked.assert_problems(&[]);
                assert_says(&checked.checks, &[told]);
            }
            Err(problem) => checked.assert_problems(&[problem]),
        }
    }
}

#[test]
fn a_machine_on_which_the_supervisor_would_end_at_once_is_not_well() {
    let mut world = world(Config::default());
    world.configure("trafficstar", "base_url", "https://127.0.0.1:9");
    world.guard.variables.extend([("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")]);
    for command in [&["check", "--offline"][..], &["check"], &["run"]] {
        let done = world.run(command);
        assert_eq!(done.code, 1, "{command:?}: {done:?}");
        assert_says(&done.told(), &["are the system's CA certificates installed?"]);
    }
}

#[test]
fn a_proxy_of_the_environment_is_told_without_its_password_by_check_and_run() {
    let mut world = world(Config::default());
    world.configure("trafficstar", "base_url", "https://api.example");
    world.guard.variables.push(("HTTPS_PROXY", "http://alice:secret@127.0.0.1:9"));
    let proxy = "requests to TrafficStars go by the proxy http://127.0.0.1:9, which the environment names";
    let told = world.done(&["check", "--offline"]);
    assert!(told.contains(proxy) && !told.contains("secret"), "{told}");
    world.guard.start();
    world.wait_for_log(proxy);
    assert!(!world.guard.log().contains("secret"), "{}", world.guard.log());
}

/// Somebody who mistypes an address is told which one, and not what a library has tried.
#[test]
fn an_address_that_is_not_trafficstars_is_named() {
    let mut world = world(Config::default());
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed = format!("http://{closed}");
    world.configure("trafficstar", "base_url", closed.clone());
    let silent = format!("nothing listens at {closed}: is [trafficstar] base_url right?");
    Checked::of(&world, &[]).assert_problems(&[&silent]);

    let sandbox = world.sandbox.base_url();
    world.configure("trafficstar", "base_url", sandbox.clone());
    for kind in [FaultKind::GarbageBody, FaultKind::Status { code: 404, body: "<html>".to_owned() }] {
        world.sandbox.inject(Fault::always(kind).on(Operation::Token));
        let strange =
            format!("{sandbox} answers, but not as the TrafficStars API does: is [trafficstar] base_url right?");
        Checked::of(&world, &[]).assert_problems(&[&strange]);
        world.sandbox.clear_faults();
    }

    world.configure("trafficstar", "base_url", format!("{sandbox}/v1"));
    Checked::of(&world, &[]).assert_problems(&["`/v1` has no place in it"]);
}

#[test]
fn where_the_database_cannot_work_is_told_before_the_supervisor_finds_out() {
    let mut world = world(Config::default());
    let checked = Checked::of(&world, &[]);
    assert_says(&checked.checks, &["ok | lock | free: no supervisor runs on the database"]);
    let folder = world.guard.config_file().parent().unwrap().to_owned();
    let files = || {
        let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = files();
    Checked::of(&world, &[]).assert_problems(&[]);
    assert_eq!(files(), before, "it leaves nothing behind");

    let lock = folder.join("guard.db.lock");
    std::fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink(world.guard.config_file(), &lock).unwrap();
    Checked::of(&world, &[]).assert_problems(&["guard.db.lock is a link: remove it"]);
    std::fs::remove_file(&lock).unwrap();

    let missing = folder.join("missing");
    world.configure("database", "url", format!("sqlite://{}/guard.db", missing.display()));
    let told = format!("the folder {} is missing: make it", missing.display());
    Checked::of(&world, &[]).assert_problems(&[&told]);
    world.refused(&["migrate"], 1, &[&told]);
}

#[test]
fn a_database_that_somebody_else_writes_at_this_moment_is_a_note() {
    let mut world = world(Config::default());
    world.database.execute("BEGIN EXCLUSIVE");
    let checked = Checked::of(&world, &[]);
    world.database.execute("ROLLBACK");
    checked.assert_problems(&[]);
    assert_says(&checked.notes, &["somebody else writes at this moment", "check again in a moment"]);
}

/// To root nothing is read-only.
#[test]
fn a_file_or_a_folder_that_this_user_may_not_write_is_a_problem() {
    const NOBODY: u32 = 65_534;
    let world = world(Config::default());
    let file = world.guard.config_file().with_file_name("guard.db");
    let folder = file.parent().unwrap();
    let set_mode = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let check = || {
        let mut command = world.guard.program(&["check", "--offline", "--json"]);
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        Done::of(&mut command).told()
    };
    std::fs::remove_file(folder.join("guard.db.lock")).unwrap();
    set_mode(folder, 0o555);
    set_mode(&file, 0o444);
    set_mode(&world.guard.config_file(), 0o444);
    let told = check();
    set_mode(folder, 0o777);
    assert_says(&told, &["may not be written: SQLite's log and the lock are made in it", "is read-only for this user"]);
    assert!(!told.contains("writable"), "{told}");
    let told = check();
    assert!(!told.contains("may not be written"), "{told}");
    assert_says(&told, &["is read-only for this user: give this user the right to write it"]);
}
