//! The command `check`: what it finds in config, database, account and clock. It changes nothing.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use chrono::{TimeDelta, Utc};
use sandbox::{CampaignSpec, Fault, FaultKind, Interference, Operation, RequestRecord};
use serde_json::{Value, json};

use crate::helper::{Config, Done, World, assert_says};

const ID: i64 = 995_001;

/// The result of `check`.
struct Checked {
    code: i32,
    /// Everything that was checked, one line each.
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

    /// Asserts that there are exactly these problems: each contains one of the parts.
    #[track_caller]
    fn assert_problems(&self, parts: &[&str]) {
        let Self { code, problems, .. } = self;
        assert_eq!((problems.len(), *code), (parts.len(), i32::from(!parts.is_empty())), "{problems:?}");
        assert_says(&problems.join("\n"), parts);
    }
}

/// Starts a world whose guard does not run, so that all later requests come from `check`.
fn world(config: Config) -> World {
    let mut world = World::configured(config);
    world.guard.stop();
    world
}

#[test]
fn check_reports_that_all_is_well_while_a_supervisor_runs() {
    let mut world = World::configured(Config::default());
    for id in ID..ID + 25 {
        world.add(CampaignSpec::running(id), 20_000);
    }
    world.wait_for_state(ID + 24, "active-guarded");
    let printed = world.done(&["check"]);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.last(), Some(&"All is well."), "{printed}");
    assert!(lines[..lines.len() - 1].iter().all(|line| line.starts_with("✓ ")), "{printed}");
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
        "✓ requests       the spends and an access token take up to 3 more; the limit of 100000 a minute allows"
            .to_owned(),
        "✓ time zone      the account's time zone is UTC, and the rules count in UTC".to_owned(),
    ];
    let parts: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_says(&printed, &parts);
    let strange = |one: &RequestRecord| one.operation.is_change();
    assert!(!world.sandbox.requests().iter().any(strange), "`check` changes nothing");
    assert_eq!(world.database.journal(ID).len(), 0);
}

#[test]
fn an_offline_check_sends_no_request_and_other_checks_send_two() {
    let mut world = world(Config::default());
    world.add(CampaignSpec::running(ID), 20_000);
    let before = world.sandbox.requests().len();
    let printed = world.done(&["check", "--offline"]);
    assert!(printed.ends_with("\nAll is well.\n") && !printed.contains("TrafficStars"), "{printed}");
    assert_eq!(world.sandbox.requests().len(), before);
    Checked::of(&world, &[]).assert_problems(&[]);
    let sent: Vec<Operation> = world.sandbox.requests()[before..].iter().map(|one| one.operation).collect();
    assert_eq!(sent, [Operation::Token, Operation::Campaigns]);
}

#[test]
fn a_bad_key_and_a_failed_token_request_are_different_problems() {
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
        ((503, String::new()), "TrafficStars has an internal error (503)"),
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
fn a_key_that_was_cut_off_is_reported_by_check_and_at_start() {
    let world = world(Config::default());
    let key = [("TRAFFICSTAR_API_KEY", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx")];
    Checked::of(&world, &key).assert_problems(&["TRAFFICSTAR_API_KEY holds only a part of an API key"]);
    let run = world.guard.run_with(&key, &["run"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert_says(
        &run.stderr,
        &["holds only a part of an API key", "copy the whole key from your TrafficStars profile page"],
    );
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
fn another_time_zone_of_the_account_is_a_note() {
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
fn a_request_limit_that_is_too_low_is_a_problem_and_check_keeps_it() {
    let config = Config::default().set("trafficstar", "requests_per_minute", 3).generator("tick", "1m");
    let mut world = world(config);
    world.add_all((ID..ID + 40).map(|id| (CampaignSpec::running(id), 20_000)));
    let before = world.sandbox.requests().len();
    let checked = Checked::of(&world, &[]);
    checked.assert_problems(&["the request limit is too small: reading 40 campaigns takes"]);
    assert_says(&checked.notes, &["30 of 40 campaigns were not read"]);
    let sent = world.sandbox.requests().len() - before;
    assert!(sent <= 3, "{sent} requests");
}

#[test]
fn check_reports_by_how_much_the_clock_is_wrong() {
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
            Ok(printed) => {
                checked.assert_problems(&[]);
                assert_says(&checked.checks, &[printed]);
            }
            Err(problem) => checked.assert_problems(&[problem]),
        }
    }
}

#[test]
fn missing_ca_certificates_are_a_problem_of_check_and_run() {
    let mut world = world(Config::default());
    world.configure("trafficstar", "base_url", "https://127.0.0.1:9");
    world.guard.variables.extend(["SSL_CERT_FILE", "SSL_CERT_DIR"].map(|name| (name, "/nonexistent".to_owned())));
    for command in [&["check", "--offline"][..], &["check"], &["run"]] {
        let done = world.run(command);
        assert_eq!(done.code, 1, "{command:?}: {done:?}");
        assert_says(&done.output(), &["are the system's CA certificates installed?"]);
    }
}

#[test]
fn check_and_run_show_the_proxy_of_the_environment_without_its_password() {
    let mut world = world(Config::default());
    world.configure("trafficstar", "base_url", "https://api.example");
    world.guard.variables.push(("HTTPS_PROXY", "http://alice:secret@127.0.0.1:9".to_owned()));
    let proxy = "requests to TrafficStars use the proxy http://127.0.0.1:9, which the environment names";
    let printed = world.done(&["check", "--offline"]);
    assert!(printed.contains(proxy) && !printed.contains("secret"), "{printed}");
    world.guard.start();
    world.wait_for_log(proxy);
    assert!(!world.guard.log().contains("secret"), "{}", world.guard.log());
}

/// An operator who mistypes the address sees that address, and not a library's error text.
#[test]
fn a_base_url_that_is_not_trafficstars_is_named() {
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
    Checked::of(&world, &[]).assert_problems(&["remove `/v1` from the URL"]);
}

#[test]
fn check_reports_a_database_that_would_not_work() {
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
    assert_eq!(files(), before, "`check` leaves no file behind");

    let lock = folder.join("guard.db.lock");
    std::fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink(world.guard.config_file(), &lock).unwrap();
    Checked::of(&world, &[]).assert_problems(&["guard.db.lock is a link: remove it"]);
    std::fs::remove_file(&lock).unwrap();

    let missing = folder.join("missing");
    world.configure("database", "url", format!("sqlite://{}/guard.db", missing.display()));
    let printed = format!("the folder {} does not exist: create it", missing.display());
    Checked::of(&world, &[]).assert_problems(&[&printed]);
    world.refused(&["migrate"], 1, &[&printed]);
}

#[test]
fn a_database_that_another_program_is_writing_is_a_note() {
    let mut world = world(Config::default());
    world.database.execute("BEGIN EXCLUSIVE");
    let checked = Checked::of(&world, &[]);
    world.database.execute("ROLLBACK");
    checked.assert_problems(&[]);
    assert_says(&checked.notes, &["another program writes at this moment", "check again in a moment"]);
}

/// As root, this test runs `check` as another user, because root may write everything.
#[test]
fn a_file_or_a_folder_that_this_user_may_not_write_is_a_problem() {
    const OTHER_USER: u32 = 65_534;
    let world = world(Config::default());
    let file = world.guard.config_file().with_file_name("guard.db");
    let folder = file.parent().unwrap();
    let set_mode = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let check = || {
        let mut command = world.guard.program(&["check", "--offline", "--json"]);
        if rustix::process::geteuid().is_root() {
            command.uid(OTHER_USER).gid(OTHER_USER);
        }
        Done::of(&mut command).output()
    };
    std::fs::remove_file(folder.join("guard.db.lock")).unwrap();
    set_mode(folder, 0o555);
    set_mode(&file, 0o444);
    set_mode(&world.guard.config_file(), 0o444);
    let printed = check();
    set_mode(folder, 0o777);
    assert_says(
        &printed,
        &[
            "this user cannot write in the folder",
            "where SQLite's log and the lock are created",
            "is read-only for this user",
        ],
    );
    assert!(!printed.contains("writable"), "{printed}");
    let printed = check();
    assert!(!printed.contains("cannot write in the folder"), "{printed}");
    assert_says(&printed, &["is read-only for this user: give this user the right to write it"]);
}
