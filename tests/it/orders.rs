//! Operators' orders: `process`, forced actions, `hold` and `release`, `pause-all` and `release-all`.

use std::io::Read;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sandbox::{CampaignSpec, Fault, FaultKind, Interference, Operation};
use serde_json::{Value, json};

use crate::helper::{Config, Outcome, PAUSE, Terminal, World, Write, assert_says, say};

const FIRST: i64 = 995_001;
const SECOND: i64 = 995_002;
const DISABLED: i64 = 995_003;

impl World {
    fn id(&mut self, trafficstar_id: i64) -> String {
        self.database.row_id(trafficstar_id).to_string()
    }

    /// Returns the number of a campaign's journal entries that name this operator.
    fn operators(&mut self, id: i64) -> i64 {
        self.database.number(&format!(
            "SELECT COUNT(*) AS number FROM journal WHERE trafficstar_id = {id} AND \"by\" LIKE '{}%'",
            rustix::process::geteuid().as_raw()
        ))
    }

    fn pauses_of(&self, id: i64) -> usize {
        self.writes(id).iter().filter(|write| **write == Write::Pause).count()
    }

    /// Starts the campaign as another program does, and removes the end time that a pause has left.
    fn start_by_another_program(&mut self, id: i64) {
        self.sandbox.interfere(id, Interference::SetEndTime(None)).unwrap();
        self.sandbox.interfere(id, Interference::Start).unwrap();
    }

    /// Adds a campaign that runs and is not guarded, and waits until the guard has seen its row.
    fn add_running_disabled(&mut self, id: i64) {
        self.add_disabled(CampaignSpec::running(id), 0);
        self.let_ticks_pass(1);
    }

    /// Adds a stopped campaign whose clicks are between the thresholds, and waits for its first tick.
    fn add_undecided(&mut self, id: i64) {
        self.add(CampaignSpec::paused(id), 10_000);
        self.wait_until(id, "its first tick", |campaign| campaign.ticks() > 0);
    }
}

/// Returns the config of a guard that ticks only once during a test.
fn rarely_ticking() -> Config {
    Config::default().generator("tick", "1h").generator("cooldown", "10m")
}

#[test]
fn process_ticks_now_and_answers_with_the_decision() {
    let mut world = World::configured(rarely_ticking());
    world.guard.stop();
    world.add(CampaignSpec::paused(FIRST), 10_000);
    world.add(CampaignSpec::paused(SECOND), 10_000);
    world.start();
    world.wait_until(FIRST, "its first tick", |campaign| campaign.ticks() == 1);
    world.wait_until(SECOND, "its first tick", |campaign| campaign.ticks() == 1);
    world.database.set_remaining_clicks(FIRST, 1_000);
    world.database.set_remaining_clicks(SECOND, 1_000);

    let id = world.id(FIRST);
    let answer = world.json(&["process", &id]);
    assert_eq!(answer["state"], "paused-guarded");
    assert!(answer["decision"].as_str().unwrap().contains("1,000 clicks left"), "{answer}");
    assert_eq!(
        world.campaign(FIRST).text("/stored/state"),
        "paused-guarded",
        "the answer comes after the state is stored"
    );
    assert_eq!(world.campaign(SECOND).state(), "idle");

    let answer = world.json(&["process", "--all"]);
    assert_eq!(answer.as_array().unwrap().len(), 2);
    assert_eq!(world.campaign(SECOND).state(), "paused-guarded");

    let unknown = world.run(&["process", "4711"]);
    assert_eq!((unknown.code, unknown.stderr.as_str()), (1, "error: there is no campaign 4711\n"));
    world.refused(&["process"], 2, &[]);
}

#[test]
fn a_forced_activation_ignores_the_clicks_and_warns_that_the_next_tick_pauses_the_campaign_again() {
    let mut world = World::configured(rarely_ticking());
    world.guard.stop();
    world.add(CampaignSpec::paused(FIRST), 1_000);
    world.start();
    world.wait_for_state(FIRST, "paused-guarded");
    let id = world.id(FIRST);
    let forced = world.run(&["process", &id, "--force", "activate"]);
    assert_says(&forced.stderr, &["the next tick pauses it again"]);
    assert_says(&forced.succeeded(), &["activate confirmed"]);
    assert!(world.sandbox.is_running(FIRST));
    assert_eq!(world.operators(FIRST), 1);
    assert_eq!(world.outcome(FIRST).journal, ["activate by force: confirmed, paused-guarded → active-guarded"]);

    // The next tick pauses it by the decision table.
    let answer = world.json(&["process", &id]);
    assert_eq!(answer["state"], "cooling-down");
    world.refused(
        &["process", &id, "--force", "activate"],
        1,
        &["it cools down after a pause: try again in ", "; possible from "],
    );
}

#[test]
fn a_forced_pause_is_always_sent_and_a_disabled_campaign_is_paused_only_once() {
    let mut world = World::configured(Config::default().generator("cooldown", "10m"));
    world.add_guarded(FIRST);
    let id = world.id(FIRST);
    let answer = world.json(&["process", &id, "--force", "pause"]);
    assert_eq!((&answer["state"], &answer["action"]["step"]), (&"cooling-down".into(), &"confirmed".into()));
    assert!(answer["warnings"][0].as_str().unwrap().contains("activated again"), "{answer}");
    let entry = "pause by force: confirmed, active-guarded → cooling-down";
    world.expect(FIRST, &Outcome::new("cooling-down", &PAUSE, &[entry]));

    world.add_running_disabled(DISABLED);
    let id = world.id(DISABLED);
    let answer = world.json(&["process", &id, "--force", "pause"]);
    assert!(answer["warnings"][0].as_str().unwrap().contains("generator is disabled"), "{answer}");
    assert!(!world.sandbox.is_running(DISABLED));
    world.start_by_another_program(DISABLED);
    let entry = "pause by force: confirmed, idle → cooling-down";
    world.expect(DISABLED, &Outcome::new("cooling-down", &PAUSE, &[entry]));
    world.wait_until(DISABLED, "its actor is gone", |campaign| campaign.0["actor"].is_null());
    assert_says(&world.run(&["process", &id]).stderr, &["its generator is disabled"]);
}

#[test]
fn a_hold_stops_all_requests_survives_a_restart_and_ends_when_it_is_released() {
    let mut world = World::new();
    world.add_undecided(FIRST);
    let id = world.id(FIRST);
    let held = world.json(&["hold", &id, "--for", "2h", "--reason", "new creatives"]);
    assert_eq!((held["reason"].as_str(), held["pause"].as_bool()), (Some("new creatives"), Some(false)));
    world.database.set_remaining_clicks(FIRST, 20_000);
    world.expect(FIRST, &Outcome::new("idle", &[], &[]));
    let shown = world.campaign(FIRST).0["ordered"]["hold"].clone();
    for key in ["reason", "since", "until", "by", "pause"] {
        assert_eq!(shown[key], held[key], "{key}");
    }
    let me = rustix::process::geteuid().as_raw().to_string();
    assert!(shown["by"].as_str().unwrap().starts_with(&me), "{shown}");
    assert_says(&world.done(&["status", &id]), &["on hold until", "new creatives"]);

    world.guard.kill();
    world.start();
    world.expect(FIRST, &Outcome::new("idle", &[], &[]));
    assert_eq!(world.campaign(FIRST).0["ordered"]["hold"], shown);

    let released = world.json(&["release", &id]);
    assert_eq!(released["released"]["reason"], "new creatives");
    world.wait_for_state(FIRST, "active-guarded");
    assert_eq!(world.campaign(FIRST).0["ordered"]["hold"], Value::Null);
    assert_eq!(world.done(&["release", &id]), format!("Campaign {id} has no hold of its own.\n"));
}

#[test]
fn a_campaign_on_hold_that_runs_with_its_clicks_used_up_is_unguarded() {
    let mut world = World::new();
    world.add_guarded(FIRST);
    let id = world.id(FIRST);
    let held = world.run(&["hold", &id]);
    assert!(
        held.stderr.contains("the campaign runs, and nothing pauses it while it is on hold: add --pause"),
        "{}",
        held.stderr
    );
    world.database.set_remaining_clicks(FIRST, 0);
    world.wait_until(FIRST, "it is unguarded", |campaign| campaign.0["unguarded"] == true);
    let explained = world.run(&["explain", &id, "--verbose"]).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "Unguarded: it runs, and the guard does not pause it: it is on hold; 0 clicks are left",
        "none while it is on hold",
    ] {
        assert!(explained.contains(said), "{explained}");
    }
    let (status, health) = world.health();
    assert_eq!((status, health["reasons"][0]["kind"].as_str()), (503, Some("unguarded")), "{health}");
    world.json(&["hold", &id, "--pause"]);
    world.wait_for("health to be well again", |world| match world.health() {
        (200, _) => Ok(()),
        (_, health) => Err(health.to_string()),
    });
}

#[test]
fn a_hold_ends_by_itself_when_its_time_is_up() {
    let mut world = World::new();
    world.add_undecided(FIRST);
    let id = world.id(FIRST);
    world.json(&["hold", &id, "--for", "1s"]);
    world.database.set_remaining_clicks(FIRST, 20_000);
    world.wait_for_state(FIRST, "active-guarded");
    world.wait_for("the end of the stored hold", |world| {
        match world.database.number("SELECT COUNT(*) AS number FROM holds") {
            0 => Ok(()),
            holds => Err(format!("{holds} holds")),
        }
    });
    world.refused(&["hold", &id, "--for", "soon"], 2, &[]);
}

#[test]
fn a_hold_with_a_pause_pauses_the_campaign_and_keeps_it_paused() {
    let mut world = World::configured(Config::default().generator("cooldown", "0s"));
    world.add_guarded(FIRST);
    let id = world.id(FIRST);
    world.json(&["hold", &id, "--pause"]);
    assert!(!world.sandbox.is_running(FIRST), "the answer comes after the effect");
    world.start_by_another_program(FIRST);
    let entries = [
        "pause by operator: confirmed, active-guarded → cooling-down",
        "pause by guard: confirmed, paused-guarded → cooling-down",
    ];
    let writes = [PAUSE, PAUSE].concat();
    world.expect(FIRST, &Outcome::new("paused-guarded", &writes, &entries));
    assert_eq!(world.operators(FIRST), 2);
    let refused = world.run(&["process", &id, "--force", "activate"]);
    assert_says(&refused.stderr, &["it is on hold until released"]);
    world.json(&["release", &id]);
    world.wait_for_state(FIRST, "active-guarded");
}

#[test]
fn enable_with_a_pause_first_pauses_waits_over_a_restart_and_then_decides() {
    let mut world = World::new();
    world.add_disabled(CampaignSpec::running(FIRST), 20_000);
    let refused = ["enable", "1", "--pause-first", "never"];
    world.refused(&refused, 2, &["invalid value 'never' for '--pause-first <DURATION>'"]);
    let said = world.done(&["enable", "1", "--pause-first", "8s"]);
    assert_says(&said, &["is guarded. It is kept paused until ", " UTC. Then the guard decides."]);
    world.wait_for(
        "the pause",
        |world| if world.sandbox.is_running(FIRST) { Err("it runs".to_owned()) } else { Ok(()) },
    );
    let hold = world.campaign(FIRST).0["ordered"]["hold"].clone();
    assert_eq!((&hold["pause"], &hold["reason"]), (&json!(true), &json!("it is paused before its guard decides")));
    world.refused(&["enable", "1", "--pause-first", "8s"], 1, &["it is guarded already", "hold 1 --pause --for"]);
    world.guard.kill();
    world.start();
    world.wait_for("the guard to know the hold", |world| match &world.campaign(FIRST).0["ordered"]["hold"]["until"] {
        until if *until == hold["until"] => Ok(()),
        other => Err(other.to_string()),
    });
    assert!(!world.sandbox.is_running(FIRST));
    world.wait_for_state(FIRST, "active-guarded");
    world.wait_for_step(FIRST, "confirmed");
    assert!(world.sandbox.is_running(FIRST));
    let until: DateTime<Utc> = hold["until"].as_str().unwrap().parse().unwrap();
    let history = world.json(&["history", "1"]);
    let activated: Vec<DateTime<Utc>> = history
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["kind"] == "activate")
        .map(|entry| entry["requested_at"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(activated.len() == 1 && activated[0] >= until, "{activated:?}, and the hold lasts until {until}");
}

#[test]
fn pause_all_takes_one_request_for_all() {
    let mut world = World::configured(Config::default().generator("cooldown", "0s"));
    let all = [FIRST, SECOND, DISABLED];
    for id in all {
        world.add(CampaignSpec::running(id), 20_000);
    }
    // The pauses whose entries are stored at about the same time share one request. A busy machine sometimes takes
    // longer, so the test tries several times.
    let is_one_request = |world: &mut World| {
        for id in all {
            world.wait_for_state(id, "active-guarded");
        }
        let before = world.sandbox.count(Operation::Pause);
        let held = world.json(&["pause-all", "--reason", "wrong page"]);
        assert_eq!(held["paused"].as_u64(), Some(3), "{held}");
        let requests = world.sandbox.count(Operation::Pause) - before;
        world.json(&["release-all"]);
        requests == 1
    };
    assert!((0..10).any(|_| is_one_request(&mut world)), "never one request");
}

#[test]
fn pause_all_pauses_all_campaigns_and_keeps_them_paused_until_release_all() {
    let mut world = World::configured(Config::default().generator("cooldown", "0s"));
    for id in [FIRST, SECOND] {
        world.add_guarded(id);
    }
    world.add_running_disabled(DISABLED);
    assert_eq!(world.sandbox.count(Operation::Pause), 0);
    let held = world.json(&["pause-all", "--reason", "wrong page"]);
    assert_eq!((held["campaigns"].as_u64(), held["paused"].as_u64()), (Some(3), Some(3)), "{held}");
    assert!(world.sandbox.count(Operation::Pause) > 0);
    for id in [FIRST, SECOND, DISABLED] {
        assert!(!world.sandbox.is_running(id), "{id}");
        assert_eq!(world.campaign(id).text("/ordered/hold/reason"), "wrong page");
        assert_eq!(world.operators(id), 1);
    }

    // The order stays in force after a restart. It also covers campaigns that are started or enabled later.
    world.guard.kill();
    world.start();
    world.start_by_another_program(FIRST);
    world.start_by_another_program(DISABLED);
    world.database.enable(DISABLED);
    for id in [FIRST, DISABLED] {
        world.wait_for("it is paused again", |world| {
            let pauses = world.pauses_of(id);
            if pauses == 2 && !world.sandbox.is_running(id) { Ok(()) } else { Err(format!("{id}: {pauses} pauses")) }
        });
    }
    let id = world.id(SECOND);
    let released = world.json(&["release", &id]);
    assert_eq!(released["still_on_hold"]["reason"], "wrong page");
    world.let_ticks_pass(2);
    assert!(!world.sandbox.is_running(SECOND));

    let released = world.json(&["release-all"]);
    assert_eq!(released["released"]["reason"], "wrong page");
    for id in [FIRST, SECOND] {
        world.wait_for_state(id, "active-guarded");
    }
}

#[test]
fn pause_all_sends_nothing_for_stopped_campaigns_and_release_all_says_what_each_will_do() {
    let mut world = World::configured(Config::default().generator("cooldown", "0s"));
    world.add(CampaignSpec::running(FIRST), 20_000);
    world.wait_for_state(FIRST, "active-guarded");
    world.add(CampaignSpec::paused(SECOND), 1_000);
    world.wait_for_state(SECOND, "paused-guarded");
    world.add_disabled(CampaignSpec::paused(DISABLED), 0);
    world.let_ticks_pass(1);
    let pressed = world.done(&["pause-all", "--reason", "wrong page"]);
    // The guard does not read whether the disabled campaign runs, so it pauses that one in any case.
    assert_says(&pressed, &["Paused 2; 1 was stopped already.", "paused again, until `release-all`"]);
    assert_eq!((world.writes(SECOND), world.pauses_of(DISABLED)), (vec![], 1));
    world.start_by_another_program(SECOND);
    world.wait_for_stop(SECOND);
    assert_eq!(world.pauses_of(SECOND), 1, "a campaign that others start is paused again");
    world.wait_until(SECOND, "its pause", |campaign| campaign.text("/observed/status") == "stopped");
    let released = world.done(&["release-all"]);
    let outlook = "1 starts again. 1 stays stopped: too few clicks are left. 1 is not guarded and not started.";
    assert_says(&released, &["All campaigns are released", outlook]);
    world.wait_for_state(FIRST, "active-guarded");
}

#[test]
fn on_a_terminal_pause_all_asks_first_shows_its_progress_and_keeps_the_order_after_ctrl_c() {
    let mut world = World::new();
    world.add_guarded(FIRST);
    let pause_all = ["pause-all", "--reason", "wrong page"];
    let code = |world: &mut World, view: &mut Terminal| {
        let mut ended = None;
        world.wait_for("its end", |_| view.ended().map(|status| ended = status.code()));
        ended
    };
    let mut view = world.in_terminal(&pause_all);
    world.wait_for("the question", |_| view.shows("1 of 1 run now. Go on? [y/N]"));
    view.type_in("\n");
    assert_eq!(code(&mut world, &mut view), Some(1));
    assert!(world.sandbox.is_running(FIRST), "only a yes continues");
    // The end time is delayed as well, because it would also stop the campaign.
    let late = Duration::from_secs(4);
    world.sandbox.inject(Fault::always(FaultKind::EffectLate(late)).on(Operation::Pause));
    world.sandbox.inject(Fault::always(FaultKind::DelayBeforeEffect(late)).on(Operation::Edit));
    let mut view = world.in_terminal(&pause_all);
    world.wait_for("the question", |_| view.shows("[y/N]"));
    view.type_in("y\n");
    world.wait_for("the progress", |_| view.shows("stopped 1 of 1, confirmed 0"));
    view.type_in("\x03");
    world.wait_for("the message about the order", |_| {
        view.shows("The order was given: the supervisor still carries it out.")
    });
    assert_eq!(code(&mut world, &mut view), Some(130));
    world.wait_for_stop(FIRST);
    let mut view = world.in_terminal(&["process", "--all", "--force", "pause", "--yes"]);
    assert_eq!(code(&mut world, &mut view), Some(1), "the hold on all forbids it");
    world.wait_for("its answer", |_| view.shows("1 of 1 campaigns was not paused"));
    assert!(!view.written().contains("Go on?"), "{}", view.written());
}

#[test]
fn on_a_terminal_a_slow_order_says_what_it_waits_for_and_stays_in_force_after_ctrl_c() {
    let mut world = World::new();
    world.add_guarded(FIRST);
    for read in [Operation::Campaign, Operation::Campaigns] {
        world.sandbox.inject(Fault::always(FaultKind::DelayBeforeEffect(Duration::from_secs(60))).on(read));
    }
    let mut view = world.in_terminal(&["process", "1"]);
    world.wait_for("what it waits for", |_| view.shows("waiting for TrafficStars' answers…"));
    view.type_in("\x03");
    world.wait_for("the message about the order", |_| {
        view.shows("The order was given: the supervisor still carries it out.")
    });
    let mut ended = None;
    world.wait_for("its end", |_| view.ended().map(|status| ended = status.code()));
    assert_eq!(ended, Some(130));
}

#[test]
fn process_reports_a_forced_action_as_ordered_and_fails_if_its_tick_fails() {
    let mut world = World::new();
    world.add_running_disabled(DISABLED);
    let forced = world.done(&["process", "1", "--force", "pause"]);
    assert_says(&forced, &["Campaign 1 (campaign 995003) is paused as ordered. Last action: pause confirmed."]);
    world.add_guarded(FIRST);
    world.let_reads_fail();
    let ticked = world.run(&["process", "2"]);
    assert_eq!(ticked.code, 1, "{ticked:?}");
    assert_says(&ticked.stdout, &["Error: its status could not be read"]);
}

#[test]
fn a_hold_names_the_one_that_it_replaces_and_has_neither_a_length_of_zero_nor_an_empty_reason() {
    let mut world = World::new();
    world.add_guarded(FIRST);
    for (held, replaced) in [(&["hold", "1", "--reason", "creatives"][..], None), (&["hold", "1"], Some("creatives"))] {
        let said = world.done(held);
        let replaces = replaced
            .is_some_and(|reason| said.contains("This replaces its hold until released, by") && said.contains(reason));
        assert_eq!(replaces, replaced.is_some(), "{said}");
        assert!(!said.contains(": ."), "{said}");
    }
    world.refused(&["hold", "1", "--for", "0s"], 2, &["give more than 0s"]);
    let (status, problem) = world.guard.request("PUT", "/v1/campaigns/1/hold", Some(r#"{"for": "0s"}"#));
    assert_eq!((status, problem["field"].as_str()), (422, Some("for")), "{problem}");
    world.refused(&["pause-all", "--reason", " "], 2, &["give a reason"]);
    let blank = world.done(&["hold", "1", "--reason", ""]);
    assert!(!blank.contains(": ."), "{blank}");
}

#[test]
fn observe_mode_wins_over_pause_all_and_pause_all_says_so() {
    let mut world = World::configured(Config::default().generator("mode", "observe"));
    world.add(CampaignSpec::running(FIRST), 20_000);
    world.wait_until(FIRST, "its first tick", |campaign| campaign.ticks() > 0);
    let done = world.run(&["pause-all", "--reason", "wrong page"]);
    assert_eq!(done.code, 1);
    assert_says(&done.stderr, &["was not paused: it is in observe mode", "1 of 1 campaigns was not paused: see above"]);
    assert_says(&done.stdout, &["All are in observe mode: nothing is sent, and nothing is kept paused."]);
    world.expect(FIRST, &Outcome::new("idle", &[], &["pause by operator: observed-only, idle → idle"]));
    let held = world.run(&["hold", "1", "--pause"]);
    assert!(held.code == 1 && !held.stdout.contains("kept paused"), "{held:?}");
    assert_says(&held.stderr, &["the campaign is on hold, but was not paused: it is in observe mode"]);
}

#[test]
fn pause_all_direct_pauses_without_a_supervisor_and_the_next_supervisor_keeps_the_order() {
    let mut world = World::new();
    world.add_guarded(FIRST);
    world.add_running_disabled(DISABLED);
    world.guard.kill();
    world.refused(&["pause-all", "--reason", "wrong page"], 3, &[]);
    let held = world.json(&["pause-all", "--reason", "wrong page", "--direct"]);
    assert_eq!((held["paused"].as_u64(), held["not_paused"].as_array().map(Vec::len)), (Some(2), Some(0)), "{held}");
    assert_eq!(world.sandbox.count(Operation::Pause), 1);
    for (id, before) in [(FIRST, "active-guarded"), (DISABLED, "idle")] {
        assert!(!world.sandbox.is_running(id), "{id}");
        assert_eq!(world.operators(id), 1);
        let journal: Vec<String> = world.database.journal(id).iter().map(ToString::to_string).collect();
        assert_eq!(journal, [format!("pause by operator: confirmed, {before} → cooling-down")]);
        assert_eq!(world.writes(id), [Write::Pause, Write::EndNow]);
    }

    world.start();
    assert_eq!(world.campaign(FIRST).text("/ordered/hold/reason"), "wrong page");
    world.let_ticks_pass(2);
    assert!(!world.sandbox.is_running(FIRST));
    world.json(&["release-all"]);
    world.wait_for_state(FIRST, "active-guarded");
}

#[test]
fn pause_all_direct_gives_its_order_to_a_running_supervisor() {
    let mut world = World::new();
    world.add_guarded(FIRST);
    let done = world.run(&["pause-all", "--reason", "wrong page", "--direct"]);
    assert_says(&done.stderr, &["a supervisor runs"]);
    done.succeeded();
    world.wait_for_stop(FIRST);
    assert_eq!(world.campaign(FIRST).text("/ordered/hold/reason"), "wrong page");
}

#[test]
fn an_order_without_an_effect_in_time_is_answered_with_202_and_its_journal_entry() {
    let mut world = World::new();
    world.add_undecided(FIRST);
    world.sandbox.inject(Fault::always(FaultKind::EffectLate(Duration::from_secs(2))).on(Operation::Run));
    let body = r#"{"force": "activate"}"#;
    let head = format!(
        "POST /v1/campaigns/1/process HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nPrefer: wait=1\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    say(&world.guard.socket(), &head).read_to_string(&mut answer).unwrap();
    let (status, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(status.starts_with("HTTP/1.1 202"), "{answer}");
    let pending: Value = serde_json::from_str(body).unwrap();
    let entry = world.json(&["history", "1", "--limit", "1"])[0]["id"].clone();
    assert_eq!((pending["pending"].as_bool(), &pending["journal_id"]), (Some(true), &entry), "{pending}");
}
