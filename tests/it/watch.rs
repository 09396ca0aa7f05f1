//! The command `watch`, and `GET /v1/events`.

use sandbox::{Amount, CampaignSpec, Fault, Interference};
use serde_json::{Value, json};

use crate::helper::{Background, Config, Guard, World};

/// Returns an event in a few words: its kind and its main fields.
fn brief(event: &Value) -> String {
    let mut words = vec![event["kind"].as_str().unwrap().to_owned()];
    let fields = ["from", "to", "action", "step", "part", "running"];
    let given = fields.into_iter().map(|field| &event[field]).filter(|value| !value.is_null());
    words.extend(given.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    words.join(" ")
}

/// Waits until `watch --json` has printed these events in this order. Other events may come in between.
fn wait_for_events(world: &mut World, watch: &Background, wanted: &[&str]) {
    world.wait_for(&format!("the events {wanted:?}"), |_| {
        let events = watch.json_lines();
        let mut seen = events.iter().map(brief);
        let missing = wanted.iter().find(|wanted| !seen.any(|seen| seen == **wanted));
        missing.map_or(Ok(()), |missing| Err(format!("{missing} is missing in {events:#?}")))
    });
}

#[test]
fn watch_prints_each_event_as_an_object_on_one_line_when_it_happens() {
    let mut world = World::new();
    let all = world.watch(&["--json"]);
    world.add(CampaignSpec::paused(601), 20_000);
    for step in ["requested", "accepted", "confirmed"] {
        wait_for_events(&mut world, &all, &[&format!("action activate {step}")]);
    }
    let one = world.watch(&["1", "--json"]);
    world.sandbox.interfere(601, Interference::Stop).unwrap();
    world.add(CampaignSpec::running(602), 0);
    let guard = ["foreign-change false", "action activate requested", "action activate accepted"];
    wait_for_events(&mut world, &all, &guard);
    wait_for_events(&mut world, &all, &["transition idle cooling-down", "transition cooling-down paused-guarded"]);
    wait_for_events(&mut world, &one, &guard);

    let events = all.json_lines();
    let ids: Vec<u64> = events.iter().map(|event| event["id"].as_u64().unwrap()).collect();
    assert!(ids.is_sorted_by(|earlier, later| earlier < later), "{ids:?}");
    let activated = events.iter().find(|event| event["kind"] == "transition").unwrap();
    assert_eq!((&activated["campaign_id"], &activated["name"]), (&1.into(), &"campaign 601".into()));
    assert!(activated["text"].as_str().unwrap().starts_with("idle → active-guarded: "), "{activated}");
    assert!(activated["at"].as_str().unwrap().ends_with('Z'), "{activated}");
    assert_eq!(activated["warning"], false);
    assert!(one.json_lines().iter().all(|event| event["campaign_id"] == 1), "{:?}", one.json_lines());
}

#[test]
fn errors_and_recoveries_of_ticks_trafficstars_and_the_database_are_events() {
    let mut world = World::new();
    world.add_guarded(611);
    let watch = world.watch(&["--json"]);
    let fault = world.sandbox.inject(Fault::status(503));
    wait_for_events(&mut world, &watch, &["error trafficstar"]);
    wait_for_events(&mut world, &watch, &["error tick"]);
    world.sandbox.remove_fault(fault);
    wait_for_events(&mut world, &watch, &["error trafficstar", "recovery trafficstar"]);
    wait_for_events(&mut world, &watch, &["error tick", "recovery tick"]);

    world.database.lock();
    world.sandbox.interfere(611, Interference::Stop).unwrap();
    wait_for_events(&mut world, &watch, &["error database"]);
    wait_for_events(&mut world, &watch, &["error promise"]);
    world.database.unlock();
    wait_for_events(&mut world, &watch, &["error database", "recovery database"]);
    wait_for_events(&mut world, &watch, &["error promise", "recovery promise"]);
}

#[test]
fn watch_ends_with_0_when_it_is_interrupted_and_continues_over_a_restart_of_the_supervisor() {
    let mut world = World::new();
    for arguments in [&[] as &[&str], &["--json"]] {
        let mut interrupted = world.watch(arguments);
        interrupted.interrupt();
        assert_eq!(world.wait_for_end(&mut interrupted), Some(0));
    }
    let mut watch = world.watch(&[]);
    for (end, said) in [(Guard::stop as fn(&mut Guard), 1), (Guard::kill, 2)] {
        end(&mut world.guard);
        wait_for_remarks(&mut world, &watch, "the supervisor has ended: NOTHING IS GUARDED", said);
        world.start();
        wait_for_remarks(&mut world, &watch, "the supervisor was restarted", said);
    }
    world.add(CampaignSpec::paused(615), 20_000);
    world.wait_for("an event of the next supervisor", |_| {
        let stdout = watch.stdout();
        if stdout.contains("activate accepted") { Ok(()) } else { Err(stdout) }
    });
    watch.interrupt();
    assert_eq!(world.wait_for_end(&mut watch), Some(0));
    world.guard.stop();
    world.refused(&["watch"], 3, &[]);
}

fn wait_for_remarks(world: &mut World, watch: &Background, remark: &str, times: usize) {
    world.wait_for(remark, |_| {
        let stderr = watch.stderr();
        if stderr.matches(remark).count() == times { Ok(()) } else { Err(stderr) }
    });
}

#[test]
fn people_get_a_line_for_each_event() {
    let mut world = World::new();
    world.add_guarded(621);
    let watch = world.watch(&["1"]);
    world.sandbox.interfere(621, Interference::Stop).unwrap();
    world.wait_for("the line of the foreign stop", |_| {
        let stdout = watch.stdout();
        let is_printed = stdout.lines().any(|line| line.ends_with("Z ! 1 campaign 621: somebody else stopped it"));
        if is_printed { Ok(()) } else { Err(stdout) }
    });
}

#[test]
fn the_api_names_an_invalid_filter_and_refuses_an_unknown_campaign() {
    let mut world = World::new();
    for (query, field) in [("?campaign=shoes", "campaign"), ("?campain=1", "campain")] {
        let (status, body) = world.guard.request("GET", &format!("/v1/events{query}"), None);
        assert_eq!((status, body["field"].as_str()), (422, Some(field)), "{query}: {body}");
    }
    assert_eq!(world.guard.get("/v1/events?campaign=99").status, 404);
    let mut unknown = world.guard.begin(&["watch", "99"]);
    assert_eq!(world.wait_for_end(&mut unknown), Some(1));
    assert!(unknown.stderr().contains("there is no campaign 99"), "{}", unknown.stderr());
}

#[test]
fn readers_that_never_read_delay_no_tick_and_not_the_end_of_the_program() {
    let mut world = World::new();
    let _silent: Vec<_> = (0..5).map(|_| world.guard.open("/v1/events")).collect();
    world.add(CampaignSpec::paused(631), 20_000);
    world.wait_for_state(631, "active-guarded");
    world.let_ticks_pass(2);
    world.guard.stop();
}

#[test]
fn most_of_a_limit_is_an_event_once_a_day_even_over_a_restart() {
    let mut world = World::configured(Config::default().generator("warn_at", "80%"));
    world.add(CampaignSpec::running(509).spent(Amount::cents(700)), 20_000);
    world.wait_for_state(509, "active-guarded");
    let watch = world.watch(&["--json"]);
    world.sandbox.set_spend(509, Amount::cents(803)).unwrap();
    wait_for_events(&mut world, &watch, &["warned"]);
    let warned =
        |watch: &Background| watch.json_lines().into_iter().filter(|event| event["kind"] == "warned").collect();
    let events: Vec<Value> = warned(&watch);
    assert_eq!((&events[0]["spend"], &events[0]["limit"]), (&json!("8.03"), &json!("10.00")), "{events:?}");
    world.let_ticks_pass(2);
    assert_eq!(warned(&watch).len(), 1);
    world.wait_for("the spend to be stored", |world| {
        match world.database.number("SELECT COUNT(*) AS number FROM spends WHERE amount_micros = 8030000") {
            0 => Err("it is not".to_owned()),
            _ => Ok(()),
        }
    });
    world.guard.kill();
    world.start();
    let again = world.watch(&["--json"]);
    world.sandbox.set_spend(509, Amount::cents(900)).unwrap();
    world.wait_until(509, "the new spend", |campaign| campaign.text("/observed/spend") == "9.00");
    world.let_ticks_pass(1);
    assert_eq!(warned(&again), Vec::<Value>::new());
}
