//! The guard behaves the same on SQLite and on PostgreSQL. Also upgrades, the deletion of old history, a server that
//! stops, TLS and passwords, and the lock file.

use std::os::unix::fs::PermissionsExt;

use sandbox::{CampaignSpec, Interference, Options};
use serde_json::Value;

use crate::helper::{ACTIVATION, Config, Database, Outcome, PAUSE, World, Write, assert_says, on_both_databases};
use crate::postgres::{Server, Tls};

const ID: i64 = 995_001;
const OTHER: i64 = 995_002;
const LATEST: &str = "000004";

#[test]
fn a_campaign_is_activated_guarded_paused_and_cooled_down() {
    on_both_databases(|config| {
        let mut world = World::configured(config);
        world.add(CampaignSpec::paused(ID), 20_000);
        let activated = "activate by tick: confirmed, idle → active-guarded";
        world.expect(ID, &Outcome::new("active-guarded", &ACTIVATION, &[activated]));
        world.sandbox.interfere(ID, Interference::Stop).unwrap();
        let undone = "activate by guard: confirmed, active-guarded → active-guarded";
        world.expect(ID, &Outcome::new("active-guarded", &ACTIVATION.repeat(2), &[activated, undone]));
        world.database.click(ID, 15_000);
        let paused = "pause by tick: confirmed, active-guarded → cooling-down";
        let all = [ACTIVATION, ACTIVATION, PAUSE].concat();
        world.expect(ID, &Outcome::new("paused-guarded", &all, &[activated, undone, paused]));
        let history = world.json(&["history"]);
        let own = history.as_array().unwrap().iter().filter(|entry| entry["kind"] != "set-end-time");
        let steps: Vec<_> =
            own.map(|entry| (entry["kind"].as_str().unwrap(), entry["step"].as_str().unwrap())).collect();
        assert_eq!(steps, [("pause", "confirmed"), ("activate", "confirmed"), ("activate", "confirmed")]);
        assert_eq!(world.guard.state()["database"]["last_error"], Value::Null);
    });
}

#[test]
fn campaigns_and_urls_are_managed() {
    on_both_databases(|config| {
        let mut world = World::configured(config);
        world.sandbox.add_campaign(CampaignSpec::paused(ID));
        let (id, url) = (ID.to_string(), ["--url", "https://example.com/", "--click-limit", "16000"]);
        world.done(&[&["campaign", "add", "--name", "shoes", "--trafficstar-id", &id, "--enable"], &url[..]].concat());
        world.wait_for_writes(ID, &ACTIVATION);
        world.done(&["campaign", "set", "1", "--pause-clicks", "9", "--cooldown", "1s"]);
        world.done(&["url", "set", "1", "--clicks", "15990"]);
        world.let_ticks_pass(1);
        assert_eq!(world.writes(ID), ACTIVATION, "10 clicks are enough for this campaign");
        world.done(&["url", "set", "1", "--status", "paused"]);
        world.wait_for_writes(ID, &[ACTIVATION, PAUSE].concat());
        let url = &world.json(&["url", "list", "1"])[0];
        assert_eq!((&url["clicks"], &url["status"]), (&Value::from(15_990), &Value::from("paused")));
        world.refused(&["campaign", "add", "--name", "two", "--trafficstar-id", &ID.to_string()], 1, &[]);
        world.done(&["disable", "1"]);
        world.done(&["campaign", "remove", "1"]);
        assert_eq!(world.json(&["campaign", "list"]), Value::Array(Vec::new()));
        assert_eq!(world.database.number("SELECT COUNT(*) AS number FROM urls"), 0);
        assert!(world.database.number("SELECT COUNT(*) AS number FROM journal") > 0, "the journal stays");
    });
}

#[test]
fn a_hold_and_the_pause_of_all_survive_a_power_cut() {
    on_both_databases(|config| {
        let mut world = World::configured(config);
        world.add(CampaignSpec::paused(ID), 20_000);
        world.add(CampaignSpec::running(OTHER), 20_000);
        world.wait_for_writes(ID, &ACTIVATION);
        world.wait_for_state(OTHER, "active-guarded");
        world.done(&["hold", "1", "--for", "2h", "--reason", "new creatives"]);
        world.done(&["pause-all", "--reason", "wrong page"]);
        world.guard.kill();
        world.start();
        let hold = world.json(&["dump", "1"])["ordered"]["hold"]["reason"].clone();
        assert!(hold == "new creatives" || hold == "wrong page", "{hold}");
        for id in [ID, OTHER] {
            world.wait_for_stop(id);
        }
        // The release may have to wait until it is certain that no other supervisor guards.
        world.wait_for("the release of all", |world| {
            let released = world.run(&["release-all"]);
            if released.code == 0 { Ok(()) } else { Err(released.output()) }
        });
        assert_eq!(world.json(&["dump", "1"])["ordered"]["hold"]["reason"], "new creatives");
        world.done(&["release", "1"]);
        assert_eq!(world.json(&["dump", "1"])["ordered"]["hold"], Value::Null);
    });
}

#[test]
fn an_earlier_versions_promises_are_kept_after_an_upgrade() {
    let old = ["activate by tick: confirmed, idle → active-guarded", "pause by force: confirmed, idle → cooling-down"];
    let new = [
        "activate by guard: confirmed, active-guarded → active-guarded",
        "pause by guard: confirmed, paused-guarded → cooling-down",
    ];
    for release in ["000001", LATEST] {
        on_both_databases(|config| {
            // The clicks are between the thresholds, so that only the promise decides.
            let mut world = World::prepared(config, Options::default(), |sandbox, database| {
                database.restore(release);
                sandbox.add_campaign(CampaignSpec::paused(ID));
                sandbox.add_campaign(CampaignSpec::running(OTHER));
            });
            world.expect_all(&[
                (ID, "promised to run", Outcome::new("active-guarded", &ACTIVATION, &[old[0], new[0]])),
                (OTHER, "promised to be stopped", Outcome::new("paused-guarded", &PAUSE, &[old[1], new[1]])),
            ]);
        });
    }
}

#[test]
fn run_makes_no_database_and_names_the_command_that_does() {
    let mut world = World::new();
    world.guard.stop();
    world.guard.move_file("guard.db", "guard.elsewhere");
    let file = world.guard.config_file().with_file_name("guard.db");
    for (is_there, said) in [(false, "there is no database"), (true, "is empty")] {
        if is_there {
            std::fs::write(&file, "").unwrap();
        }
        for command in [&["run"][..], &["pause-all", "--direct", "--reason", "x"]] {
            world.refused(command, 1, &[said, "traffic-generator migrate"]);
            assert_eq!(std::fs::metadata(&file).map(|file| file.len()).ok(), is_there.then_some(0), "{command:?}");
        }
    }
    world.done(&["migrate"]);
    world.start();
}

#[test]
fn a_newer_versions_database_is_refused_and_not_touched() {
    on_both_databases(|config| {
        let mut world = World::configured(config);
        world.guard.stop();
        world.database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231235959')");
        for command in ["run", "migrate", "check"] {
            let refused = world.run(&[command]);
            assert_eq!(refused.code, 1, "{command}: {refused:?}");
            assert_says(&refused.output(), &["newer version of this program", "99991231235959"]);
        }
        let versions = world.database.number("SELECT COUNT(*) AS number FROM __diesel_schema_migrations");
        world.database.execute("DELETE FROM __diesel_schema_migrations WHERE version = '99991231235959'");
        world.start();
        assert_eq!(world.database.number("SELECT COUNT(*) AS number FROM __diesel_schema_migrations"), versions - 1);
    });
}

#[test]
fn history_is_deleted_after_the_configured_time() {
    on_both_databases(|config| {
        let config = config.set("database", "keep_history", "1d");
        let mut world = World::prepared(config, Options::default(), |sandbox, database| {
            database.restore(LATEST);
            sandbox.add_campaign(CampaignSpec::running(ID));
            sandbox.add_campaign(CampaignSpec::paused(OTHER));
        });
        world.wait_for("old history to be gone", |world| {
            let old = "SELECT COUNT(*) AS number FROM journal WHERE id IN (2, 4)";
            let spends = "SELECT COUNT(*) AS number FROM spends WHERE day < '2026-11-21'";
            match (world.database.number(old), world.database.number(spends)) {
                (0, 0) => Ok(()),
                left => Err(format!("entries and spends left: {left:?}")),
            }
        });
        let last_actions = "SELECT COUNT(*) AS number FROM journal WHERE id IN (1, 3)";
        assert_eq!(world.database.number(last_actions), 2, "each campaign's last action stays, however old it is");
    });
}

#[test]
fn the_guard_waits_for_a_stopped_server_and_continues() {
    let Some(mut server) = Server::start(None) else { return };
    let config = Config::default().set("database", "url", server.url("postgres")).generator("cooldown", "10m");
    let mut world = World::configured(config.clone());
    world.add(CampaignSpec::paused(ID), 20_000);
    world.wait_for_writes(ID, &ACTIVATION);
    world.wait_for_state(ID, "active-guarded");
    server.stop();
    let error = world.wait_for("the dump to report the database's error", |world| {
        world.guard.state()["database"]["last_error"].as_str().map(str::to_owned).ok_or_else(|| "none yet".to_owned())
    });
    assert!(error.contains("the program keeps trying"), "{error}");
    server.start_again();
    world.reconnect();
    world.database.set_remaining_clicks(ID, 1_000);
    let written = world.wait_for("the pause", |world| {
        let writes = world.writes(ID);
        if writes.contains(&Write::Pause) { Ok(writes) } else { Err(format!("{writes:?}")) }
    });
    assert_eq!(&written[..2], &ACTIVATION);
    world.wait_for_step(ID, "confirmed");
    assert!(!world.database.journal(ID).last().unwrap().late);
}

#[test]
fn a_server_across_the_network_needs_the_configured_certificate_and_password() {
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let tls = Tls { certificate: own.cert.pem(), key: own.signing_key.serialize_pem() };
    let Some(server) = Server::start(Some(&tls)) else { return };
    let folder = tempfile::tempdir().unwrap();
    let [certificate, password] = ["server.crt", "password"].map(|name| folder.path().join(name).display().to_string());
    std::fs::write(&certificate, tls.certificate).unwrap();
    std::fs::write(&password, "correct horse\n").unwrap();
    let mut admin = Database::open(&server.url("postgres"));
    admin.execute("CREATE ROLE with_password LOGIN PASSWORD 'correct horse'");
    admin.execute("CREATE DATABASE guard OWNER with_password");

    let world = World::new();
    let name = "TRAFFIC_GENERATOR__DATABASE__URL";
    let in_file = ("TRAFFIC_GENERATOR__DATABASE__PASSWORD_FILE", password.as_str());
    let url = format!("postgres://with_password@localhost:{}/guard?sslmode=verify-full", server.port());
    let trusting = format!("{url}&sslrootcert={certificate}");
    let trusted = (name, trusting.as_str());
    let (right, wrong) = (("PGPASSWORD", "correct horse"), ("PGPASSWORD", "wrong battery"));
    let cases = [
        (&[(name, url.as_str()), in_file][..], "migrate", 1, "sslrootcert"),
        (&[trusted], "migrate", 1, "PGPASSWORD"),
        (&[trusted, in_file, wrong], "migrate", 1, "password authentication failed"),
        (&[trusted, right], "check", 1, "`traffic-generator migrate` creates its tables"),
        (&[trusted, in_file], "migrate", 0, "was brought up to date"),
        (&[trusted, in_file], "check", 0, "All is well."),
    ];
    for (variables, command, code, text) in cases {
        let done = world.guard.run_with(variables, &[command]);
        let printed = done.output();
        assert!(done.code == code && printed.contains(text), "{command}: expected {text}, found {printed}");
        assert!(!printed.contains("correct horse") && !printed.contains("wrong battery"), "{printed}");
    }
}

/// A person may remove the lock file when the program refuses to start a second supervisor.
#[test]
fn a_supervisor_whose_lock_file_is_removed_sends_nothing_and_ends() {
    let mut world = World::new();
    world.add_guarded(ID);
    std::fs::remove_file(world.guard.config_file().with_file_name("guard.db.lock")).unwrap();
    let refused = world.run(&["process", "1", "--force", "pause"]);
    assert_ne!(refused.code, 0, "{refused:?}");
    assert_eq!(world.guard.end().code(), Some(1), "{}", world.guard.log());
    assert_eq!(world.writes(ID), [], "it sent nothing");
    assert!(world.guard.log().contains("the lock file beside the database was removed"), "{}", world.guard.log());
    world.start();
    world.done(&["process", "1", "--force", "pause"]);
}

/// The tracker can write to the database's folder, so it could put a link in the place of the lock file.
#[test]
fn the_lock_file_is_private_and_is_never_a_link() {
    let mut world = World::new();
    let folder = world.guard.config_file().parent().unwrap().to_owned();
    let (lock, victim) = (folder.join("guard.db.lock"), folder.join("victim"));
    assert_eq!(std::fs::metadata(&lock).unwrap().permissions().mode() & 0o777, 0o600);
    world.guard.stop();
    std::fs::write(&victim, "precious").unwrap();
    for symbolic in [true, false] {
        std::fs::remove_file(&lock).unwrap();
        let said = if symbolic {
            std::os::unix::fs::symlink(&victim, &lock).unwrap();
            "guard.db.lock is a link"
        } else {
            std::fs::hard_link(&victim, &lock).unwrap();
            "guard.db.lock has a second name"
        };
        world.refused(&["run"], 1, &[said]);
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    }
}
