//! The command `wait`.

use serde_json::Value;

use crate::helper::World;

#[test]
fn wait_ends_at_once_in_the_wanted_state_and_otherwise_when_the_state_is_reached() {
    let mut world = World::new();
    world.add_guarded(701);
    let at_once = world.done(&["wait", "1", "--until", "active-guarded", "--timeout", "0s"]);
    assert_eq!(at_once, "Campaign 1 (campaign 701) has reached active-guarded.\n");

    let mut cooling = world.guard.begin(&["wait", "1", "--until", "cooling-down"]);
    let mut paused = world.guard.begin(&["wait", "1", "--until", "paused-guarded", "--json"]);
    world.database.set_remaining_clicks(701, 0);
    assert_eq!(world.wait_for_end(&mut cooling), Some(0));
    assert_eq!(cooling.stdout(), "Campaign 1 (campaign 701) has reached cooling-down.\n");
    assert_eq!(world.wait_for_end(&mut paused), Some(0));
    let status: Value = serde_json::from_str(&paused.stdout()).unwrap();
    assert_eq!((&status["id"], &status["state"]), (&1.into(), &"paused-guarded".into()));
}

#[test]
fn wait_fails_after_its_time_out_and_names_the_present_state() {
    let mut world = World::new();
    world.add_guarded(711);
    for limit in ["0s", "700ms"] {
        let said = format!("campaign 1 has not reached idle within {limit}: it is active-guarded");
        world.refused(&["wait", "1", "--until", "idle", "--timeout", limit], 1, &[&said]);
    }
}

#[test]
fn an_unknown_state_is_a_usage_error_and_an_unknown_campaign_is_a_failure() {
    let mut world = World::new();
    let states = "idle, active-guarded, paused-guarded, cooling-down";
    world.refused(&["wait", "1", "--until", "runing"], 2, &[states]);
    world.refused(&["wait", "99", "--until", "idle"], 1, &["there is no campaign 99"]);
    world.guard.stop();
    world.refused(&["wait", "1", "--until", "idle"], 3, &[]);
}

#[test]
fn wait_continues_over_a_restart_of_the_supervisor() {
    let mut world = World::new();
    world.add_guarded(721);
    let mut paused = world.guard.begin(&["wait", "1", "--until", "paused-guarded"]);
    let mut timed_out = world.guard.begin(&["wait", "1", "--until", "idle", "--timeout", "2s"]);
    for waiting in [&paused, &timed_out] {
        world.wait_for("it to wait", |_| {
            if waiting.stderr().contains("waiting for") { Ok(()) } else { Err(waiting.stderr()) }
        });
    }
    world.guard.kill();
    assert_eq!(world.wait_for_end(&mut timed_out), Some(3), "{}", timed_out.stderr());
    world.database.set_remaining_clicks(721, 0);
    world.start();
    assert_eq!(world.wait_for_end(&mut paused), Some(0), "{}", paused.stderr());
}

#[test]
fn wait_notices_a_promise_that_ends_because_the_generator_is_disabled() {
    let mut world = World::new();
    world.add_guarded(731);
    world.guard.stop();
    world.database.execute("UPDATE campaigns SET generator_enabled = 0");
    world.database.execute(
        "UPDATE promises SET phase = 'cooling-down', cooling_down_until = strftime('%Y-%m-%d %H:%M:%f', 'now', '+2 seconds')",
    );
    world.start();
    let mut idle = world.guard.begin(&["wait", "1", "--until", "idle"]);
    assert_eq!(world.wait_for_end(&mut idle), Some(0), "{}", idle.stderr());
}
