//! `wait`.

use serde_json::Value;

use crate::helper::World;

#[test]
fn a_state_that_is_there_already_is_answered_at_once_and_one_that_comes_when_it_comes() {
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
fn a_state_that_does_not_come_in_time_is_a_failure_that_says_what_it_is_instead() {
    let mut world = World::new();
    world.add_guarded(711);
    for limit in ["0s", "700ms"] {
        let said = format!("campaign 1 has not reached idle within {limit}: it is active-guarded");
        world.refused(&["wait", "1", "--until", "idle", "--timeout", limit], 1, &[&said]);
    }
}

#[test]
fn a_word_that_is_no_state_is_a_usage_error_and_a_campaign_that_is_not_there_a_failure() {
    let mut world = World::new();
    let states = "idle, active-guarded, paused-guarded, cooling-down";
    world.refused(&["wait", "1", "--until", "runing"], 2, &[states]);
    world.refused(&["wait", "99", "--until", "idle"], 1, &["there is no campaign 99"]);
    world.guard.stop();
    world.refused(&["wait", "1", "--until", "idle"], 3, &[]);
}

#[test]
fn a_restart_of_the_supervisor_is_outwaited() {
    let mut world = World::new();
    world.add_guarded(721);
    let mut paused = world.guard.begin(&["wait", "1", "--until", "paused-guarded"]);
    let mut in_vain = world.guard.begin(&["wait", "1", "--until", "idle", "--timeout", "2s"]);
    for waiting in [&paused, &in_vain] {
        world.wait_for("it to wait", |_| {
            if waiting.stderr().contains("waiting for") { Ok(()) } else { Err(waiting.stderr()) }
        });
    }
    world.guard.kill();
    assert_eq!(world.wait_for_end(&mut in_vain), Some(3), "{}", in_vain.stderr());
    world.database.set_remaining_clicks(721, 0);
    world.start();
    assert_eq!(world.wait_for_end(&mut paused), Some(0), "{}", paused.stderr());
}

#[test]
fn a_promise_that_ends_with_its_generator_is_a_transition_too() {
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
