//! Several supervisors on one PostgreSQL database: one leads, the others stand by, and at no time do two act.

use std::time::Duration;

use rustix::process::Signal;

use serde_json::Value;

use crate::helper::{Fleet, Line, PATIENCE, assert_says, in_parallel};

/// From the death of a leader to the next one's first dump.
const TAKE_OVER_WITHIN: Duration = Duration::from_secs(10);
/// From an orderly end.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(4);

#[test]
fn a_leader_that_is_killed_is_replaced_within_ten_seconds_and_one_that_ends_at_once() {
    let Some(mut fleet) = Fleet::of(3) else { return };
    assert_eq!(fleet.wait_for_leader(&[0, 1, 2], PATIENCE), 0, "the first to come");
    fleet.wait_for_writes_of(0, 5);
    fleet.members[0].guard.kill();
    let second = fleet.wait_for_leader(&[1, 2], TAKE_OVER_WITHIN);
    fleet.wait_for_writes_of(second, 5);

    fleet.members[second].guard.stop();
    let third = fleet.wait_for_leader(&[3 - second], HAND_OVER_WITHIN);
    fleet.wait_for_writes_of(third, 5);

    fleet.start(0);
    assert_eq!(fleet.role(0).as_deref(), Some("standby"), "who comes back waits for its turn");
    fleet.members[third].guard.stop();
    fleet.wait_for_role(0, "leader", HAND_OVER_WITHIN);
    fleet.wait_for_writes_of(0, 5);
    fleet.assert_one_at_a_time();
}

#[test]
fn a_leader_that_was_frozen_past_the_take_over_sends_nothing_when_it_goes_on_and_stands_by() {
    let Some(mut fleet) = Fleet::of(2) else { return };
    fleet.wait_for_writes_of(0, 5);
    fleet.freeze_before_a_pause_leaves(0);
    fleet.wait_for_role(1, "leader", TAKE_OVER_WITHIN);
    fleet.wait_for_writes_of(1, 5);
    let sent = fleet.writes_of(0).len();
    fleet.members[0].guard.signal(Signal::CONT);
    fleet.wait_for_role(0, "standby", PATIENCE);
    fleet.wait_for_writes_of(1, 5);
    assert_eq!(fleet.writes_of(0).len(), sent, "the frozen one has sent something");
    fleet.members[1].guard.stop();
    fleet.wait_for_role(0, "leader", HAND_OVER_WITHIN);
    fleet.wait_for_writes_of(0, 5);
    fleet.assert_one_at_a_time();
}

#[test]
fn a_leader_that_is_frozen_for_a_moment_only_goes_on() {
    let Some(mut fleet) = Fleet::of(2) else { return };
    for _ in 0..2 {
        fleet.wait_for_writes_of(0, 5);
        fleet.members[0].guard.signal(Signal::STOP);
        std::thread::sleep(Duration::from_secs(3));
        fleet.members[0].guard.signal(Signal::CONT);
    }
    fleet.wait_for_writes_of(0, 5);
    assert_eq!(fleet.role(1).as_deref(), Some("standby"));
    assert_eq!(fleet.state(1)["leadership"]["epoch"], 1);
}

#[test]
fn a_leader_that_is_cut_off_from_the_database_sends_nothing_past_its_lease_and_stands_by_when_it_is_back() {
    in_parallel([Line::cut, Line::fall_silent], |cut_off: fn(&Line)| {
        let Some(mut fleet) = Fleet::of(2) else { return };
        fleet.wait_for_writes_of(0, 5);
        cut_off(&fleet.members[0].line);
        fleet.wait_for_role(0, "cut-off", TAKE_OVER_WITHIN);
        let sent = fleet.writes_of(0).len();
        let guard = &fleet.members[0].guard;
        let health = guard.get("/v1/health");
        assert!(health.status == 503 && health.degradations().contains(&"cut-off".to_owned()), "{health:?}");
        let (status, problem) = guard.request("PUT", "/v1/hold", Some(r#"{"pause": true}"#));
        assert_eq!((status, &problem["title"]), (409, &Value::from("not the leader")), "{problem}");
        fleet.wait_for_role(1, "leader", TAKE_OVER_WITHIN);
        fleet.wait_for_writes_of(1, 10);
        assert_eq!(fleet.writes_of(0).len(), sent, "the one cut off has sent something");
        fleet.members[0].line.mend();
        fleet.wait_for_role(0, "standby", PATIENCE);
        fleet.assert_one_at_a_time();
    });
}

#[test]
fn a_leader_whose_database_is_away_for_longer_than_its_lease_leads_on_where_nobody_else_could() {
    let Some(mut fleet) = Fleet::of(1) else { return };
    fleet.wait_for_writes_of(0, 5);
    fleet.members[0].line.cut();
    fleet.wait_for_role(0, "cut-off", TAKE_OVER_WITHIN);
    fleet.members[0].line.mend();
    fleet.wait_for_role(0, "leader", PATIENCE);
    fleet.wait_for_writes_of(0, 5);
    assert_eq!(fleet.state(0)["leadership"]["epoch"], 1, "the same leadership");
}

#[test]
fn a_standby_answers_what_only_reads_says_that_it_stands_by_and_names_the_leader() {
    let Some(mut fleet) = Fleet::of(2) else { return };
    fleet.wait_for_writes_of(0, 1);
    fleet.wait_for_role(1, "standby", PATIENCE);
    let leader = &fleet.members[0].guard;
    let standby = &fleet.members[1].guard;

    let state = standby.state();
    let leadership = &state["leadership"];
    assert_eq!((&leadership["role"], &leadership["epoch"]), (&Value::from("standby"), &Value::from(1)), "{leadership}");
    let named = &leader.state()["leadership"]["leader"];
    assert_eq!(&leadership["leader"], named, "both name the same");
    assert_eq!(named["pid"], leader.state()["pid"]);
    assert!(named["host"].as_str().is_some_and(|host| !host.is_empty()) && named["since"].is_string(), "{named}");
    let campaigns = state["campaigns"].as_array().unwrap();
    assert_eq!(campaigns.len(), 3);
    assert!(campaigns.iter().all(|campaign| campaign["actor"].is_null()), "it guards none: {campaigns:#?}");
    let health = standby.get("/v1/health");
    assert_eq!((health.status, &health.json()["status"]), (200, &Value::from("ok")));
    assert_eq!(health.json()["leadership"]["role"], "standby");
    assert!(standby.get("/metrics").text.contains("\ntraffic_generator_leader 0\n"));
    assert!(leader.get("/metrics").text.contains("\ntraffic_generator_leader 1\n"));
    assert!(leader.get("/metrics").text.contains("\ntraffic_generator_epoch 1\n"));
    for path in ["/v1/journal", "/v1/campaigns", "/v1/campaigns/1", "/v1/campaigns/1/urls", "/v1/campaigns/1/state"] {
        assert_eq!(standby.get(path).status, 200, "{path}");
    }
    assert_eq!(standby.get("/v1/campaigns/99").status, 404);

    let explanation = standby.get("/v1/campaigns/1/explain").json();
    assert!(explanation["summary"].as_str().unwrap().starts_with("This supervisor stands by"), "{explanation}");

    let commands = [
        ("POST", "/v1/campaigns/1/process", None),
        ("POST", "/v1/process", None),
        ("PUT", "/v1/campaigns/1/hold", None),
        ("DELETE", "/v1/campaigns/1/hold", None),
        ("PUT", "/v1/hold", None),
        ("DELETE", "/v1/hold", None),
        ("PATCH", "/v1/campaigns/1", Some(r#"{"generator_enabled": false}"#)),
        ("PATCH", "/v1/campaigns/1", Some(r#"{"name": "another"}"#)),
        ("POST", "/v1/campaigns", Some(r#"{"name": "new", "trafficstar_id": 7}"#)),
        ("DELETE", "/v1/campaigns/1", None),
        ("PATCH", "/v1/urls/1", Some(r#"{"click_limit": 7}"#)),
        ("DELETE", "/v1/urls/1", None),
        ("POST", "/v1/campaigns/1/urls", Some(r#"{"name": "u", "target_url": "https://a.b", "click_limit": 7}"#)),
    ];
    for (method, path, body) in commands {
        let (status, problem) = standby.request(method, path, body);
        assert_eq!((status, &problem["leader"]), (409, named), "{method} {path}: {problem}");
    }
    assert_eq!(standby.request("PUT", "/v1/log-filter", Some(r#"{"filter": "warn"}"#)).0, 200, "its own affair");
    assert_eq!(standby.request("POST", "/v1/reload", None).0, 200, "its own affair");

    let said = standby.run(&["release", "1"]);
    assert_eq!(said.code, 1);
    assert_says(&said.stderr, &[&format!("(pid {}) leads since", named["pid"])]);
    let shown = standby.run(&["status"]).stdout;
    assert!(shown.contains("\nStanding by: ") && !shown.contains("not guarded"), "{shown}");
}

#[test]
fn where_the_row_of_leadership_is_lost_nobody_leads_and_all_say_so_until_migrate_makes_it_again() {
    let Some(mut fleet) = Fleet::of(2) else { return };
    fleet.wait_for_writes_of(0, 10);
    fleet.execute("DELETE FROM leadership");
    for member in [0, 1] {
        let health = fleet.wait_for_nobody_leads(member);
        assert!(health.contains("`traffic-generator migrate` makes it again"), "{health}");
        assert_eq!(fleet.state(member)["leadership"]["leader"], Value::Null);
    }
    let guard = &fleet.members[1].guard;
    let status = guard.run(&["status"]).stdout;
    assert!(status.contains("\nStanding by: nobody leads, and no campaign is guarded"), "{status}");
    let checked = guard.run(&["check", "--offline"]);
    assert_eq!(checked.code, 1, "{checked:?}");
    assert_says(&checked.stdout, &["nobody can lead"]);
    assert_says(&guard.run(&["migrate"]).stdout, &["the lost row of `leadership`"]);
    let leader = fleet.wait_for_leader(&[0, 1], PATIENCE);
    fleet.wait_for_writes_of(leader, 5);
    assert_eq!(fleet.members[1 - leader].guard.get("/v1/health").status, 200);
    fleet.assert_one_at_a_time_by_hand();
}

#[test]
fn a_dead_leaders_lease_that_ends_far_ahead_is_waited_for_and_every_standby_says_so() {
    let Some(mut fleet) = Fleet::of(2) else { return };
    fleet.wait_for_writes_of(0, 10);
    fleet.members[0].guard.kill();
    // As if the server's clock had been set back.
    fleet.execute("UPDATE leadership SET ends_at = ends_at + INTERVAL '1 hour'");
    let health = fleet.wait_for_nobody_leads(1);
    assert!(health.contains("has sent no heartbeat for 7s") && health.contains("SET ends_at = NULL"), "{health}");
    assert_eq!(fleet.state(1)["leadership"]["leader"], Value::Null, "a dead one");
    fleet.execute("UPDATE leadership SET ends_at = NULL");
    fleet.wait_for_role(1, "leader", TAKE_OVER_WITHIN);
    fleet.wait_for_writes_of(1, 5);
    fleet.assert_one_at_a_time();
}

#[test]
fn a_holder_that_is_taken_out_by_hand_acts_no_more_when_the_next_one_does() {
    let Some(mut fleet) = Fleet::of(2) else { return };
    let mut leader = 0;
    for _ in 0..3 {
        fleet.wait_for_writes_of(leader, 5);
        fleet.execute("UPDATE leadership SET holder = NULL");
        fleet.wait_for_role(leader, "standby", TAKE_OVER_WITHIN);
        leader = fleet.wait_for_leader(&[0, 1], TAKE_OVER_WITHIN);
    }
    fleet.wait_for_writes_of(leader, 5);
    fleet.assert_one_at_a_time_by_hand();
}

impl Fleet {
    /// Waits until a member says that nobody leads, and answers why.
    fn wait_for_nobody_leads(&mut self, member: usize) -> String {
        self.wait_for(&format!("member {member} to say that nobody leads"), TAKE_OVER_WITHIN, |fleet| {
            let health = fleet.members[member].guard.get("/v1/health");
            let says = health.status == 503 && health.degradations().contains(&"nobody-leads".to_owned());
            says.then_some(health.text)
        })
    }
}

#[test]
fn a_pause_of_everything_without_a_supervisor_leads_itself_or_leaves_the_order_to_whoever_leads() {
    let Some(mut fleet) = Fleet::of(2) else { return };
    let pause_all = ["pause-all", "--reason", "wrong landing page", "--direct", "--json"];
    let press = |fleet: &Fleet, paused: u64| {
        let held: Value = serde_json::from_str(&fleet.members[1].guard.run(&pause_all).stdout).unwrap();
        assert_eq!((held["campaigns"].as_u64(), held["paused"].as_u64()), (Some(3), Some(paused)), "{held}");
        held
    };
    let held = press(&fleet, 0);
    assert!(held["warnings"][0].as_str().unwrap().starts_with("a supervisor lives"), "{held}");
    fleet.wait_for_all_stopped();
    fleet.wait_for("the leader to keep the order", PATIENCE, |fleet| {
        (fleet.state(0)["supervisor"]["hold"]["reason"] == "wrong landing page").then_some(())
    });

    fleet.members[1].guard.stop();
    fleet.members[0].guard.kill();
    // Waits the dead leader's lease out.
    press(&fleet, 3);
    fleet.start(1);
    fleet.wait_for_role(1, "leader", Duration::from_secs(4));
    assert_eq!(
        fleet.state(1)["leadership"]["epoch"],
        3,
        "the command's own leadership was the second, and was given up"
    );
}
