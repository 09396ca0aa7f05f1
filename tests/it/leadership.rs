//! Several supervisors on one PostgreSQL database: one is the leader, the others are standbys, and two never act at the
//! same time.

use std::time::Duration;

use rustix::process::Signal;

use serde_json::Value;

use crate::helper::{Fleet, Line, PATIENCE, assert_says, in_parallel};

/// The longest time from the death of a leader to the next leader's first dump.
const TAKE_OVER_WITHIN: Duration = Duration::from_secs(10);
/// The longest time from the orderly end of a leader to the next leader's first dump.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(4);

#[test]
fn a_killed_leader_is_replaced_within_ten_seconds_and_a_stopped_one_at_once() {
    let Some(mut fleet) = Fleet::of(3) else { return };
    assert_eq!(fleet.wait_for_leader(&[0, 1, 2], PATIENCE), 0, "the first guard that started");
    fleet.wait_for_writes_of(0, 5);
    fleet.members[0].guard.kill();
    let second = fleet.wait_for_leader(&[1, 2], TAKE_OVER_WITHIN);
    fleet.wait_for_writes_of(second, 5);

    fleet.members[second].guard.stop();
    let third = fleet.wait_for_leader(&[3 - second], HAND_OVER_WITHIN);
    fleet.wait_for_writes_of(third, 5);

    fleet.start(0);
    assert_eq!(fleet.role(0).as_deref(), Some("standby"), "a guard that comes back is a standby");
    fleet.members[third].guard.stop();
    fleet.wait_for_role(0, "leader", HAND_OVER_WITHIN);
    fleet.wait_for_writes_of(0, 5);
    fleet.assert_only_leaders_act();
}

#[test]
fn a_leader_that_was_frozen_until_another_took_over_sends_nothing_and_becomes_a_standby() {
    let Some(mut fleet) = Fleet::of(2) else { return };
    fleet.wait_for_writes_of(0, 5);
    fleet.freeze_before_a_pause_is_sent(0);
    fleet.wait_for_role(1, "leader", TAKE_OVER_WITHIN);
    fleet.wait_for_writes_of(1, 5);
    let sent = fleet.writes_of(0).len();
    fleet.members[0].guard.signal(Signal::CONT);
    fleet.wait_for_role(0, "standby", PATIENCE);
    fleet.wait_for_writes_of(1, 5);
    assert_eq!(fleet.writes_of(0).len(), sent, "the frozen guard has sent something");
    fleet.members[1].guard.stop();
    fleet.wait_for_role(0, "leader", HAND_OVER_WITHIN);
    fleet.wait_for_writes_of(0, 5);
    fleet.assert_only_leaders_act();
}

#[test]
fn a_leader_that_is_frozen_for_a_moment_stays_the_leader() {
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
fn a_leader_that_is_cut_off_from_the_database_sends_nothing_after_its_lease_and_becomes_a_standby() {
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
        assert_eq!(fleet.writes_of(0).len(), sent, "the guard that was cut off has sent something");
        fleet.members[0].line.mend();
        fleet.wait_for_role(0, "standby", PATIENCE);
        fleet.assert_only_leaders_act();
    });
}

#[test]
fn a_leader_without_standby_keeps_its_leadership_after_a_database_outage_longer_than_its_lease() {
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
fn a_standby_answers_reads_refuses_orders_and_names_the_leader() {
    let Some(mut fleet) = Fleet::of(2) else { return };
    fleet.wait_for_writes_of(0, 1);
    fleet.wait_for_role(1, "standby", PATIENCE);
    let leader = &fleet.members[0].guard;
    let standby = &fleet.members[1].guard;

    let state = standby.state();
    let leadership = &state["leadership"];
    assert_eq!((&leadership["role"], &leadership["epoch"]), (&Value::from("standby"), &Value::from(1)), "{leadership}");
    let named = &leader.state()["leadership"]["leader"];
    assert_eq!(&leadership["leader"], named, "both name the same leader");
    assert_eq!(named["pid"], leader.state()["pid"]);
    assert!(named["host"].as_str().is_some_and(|host| !host.is_empty()) && named["since"].is_string(), "{named}");
    let campaigns = state["campaigns"].as_array().unwrap();
    assert_eq!(campaigns.len(), 3);
    assert!(
        campaigns.iter().all(|campaign| campaign["actor"].is_null()),
        "a standby guards no campaign: {campaigns:#?}"
    );
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
    assert!(explanation["summary"].as_str().unwrap().starts_with("This supervisor is on standby"), "{explanation}");

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
    assert_eq!(
        standby.request("PUT", "/v1/log-filter", Some(r#"{"filter": "warn"}"#)).0,
        200,
        "each guard has its own"
    );
    assert_eq!(standby.request("POST", "/v1/reload", None).0, 200, "each guard has its own");

    let said = standby.run(&["release", "1"]);
    assert_eq!(said.code, 1);
    let leader = format!("(pid {}) since", named["pid"]);
    assert_says(&said.stderr, &["this supervisor is a standby: the leader is on ", &leader]);
    let shown = standby.run(&["status"]).stdout;
    assert!(shown.contains("\nStanding by: ") && !shown.contains("not guarded"), "{shown}");
}

#[test]
fn without_the_row_of_leadership_there_is_no_leader_and_all_report_that_until_migrate_restores_it() {
    let Some(mut fleet) = Fleet::of(2) else { return };
    fleet.wait_for_writes_of(0, 10);
    fleet.execute("DELETE FROM leadership");
    for member in [0, 1] {
        let health = fleet.wait_until_no_leader(member);
        assert!(health.contains("`traffic-generator migrate` to restore it"), "{health}");
        assert_eq!(fleet.state(member)["leadership"]["leader"], Value::Null);
    }
    let guard = &fleet.members[1].guard;
    let status = guard.run(&["status"]).stdout;
    assert!(status.contains("\nStanding by: no supervisor leads, and no campaign is guarded"), "{status}");
    let checked = guard.run(&["check", "--offline"]);
    assert_eq!(checked.code, 1, "{checked:?}");
    assert_says(&checked.stdout, &["no supervisor can lead"]);
    assert_says(&guard.run(&["migrate"]).stdout, &["the missing row of `leadership`"]);
    let leader = fleet.wait_for_leader(&[0, 1], PATIENCE);
    fleet.wait_for_writes_of(leader, 5);
    assert_eq!(fleet.members[1 - leader].guard.get("/v1/health").status, 200);
    fleet.assert_only_leaders_act_when_deposed_by_hand();
}

#[test]
fn a_standby_waits_for_a_dead_leaders_lease_that_ends_far_ahead_and_reports_that() {
    let Some(mut fleet) = Fleet::of(2) else { return };
    fleet.wait_for_writes_of(0, 10);
    fleet.members[0].guard.kill();
    // The same happens when the database server's clock is set back.
    fleet.execute("UPDATE leadership SET ends_at = ends_at + INTERVAL '1 hour'");
    let health = fleet.wait_until_no_leader(1);
    assert!(health.contains("has sent no heartbeat for 7s") && health.contains("SET ends_at = NULL"), "{health}");
    assert_eq!(fleet.state(1)["leadership"]["leader"], Value::Null, "a dead leader is not named");
    fleet.execute("UPDATE leadership SET ends_at = NULL");
    fleet.wait_for_role(1, "leader", TAKE_OVER_WITHIN);
    fleet.wait_for_writes_of(1, 5);
    fleet.assert_only_leaders_act();
}

#[test]
fn a_leader_that_is_deposed_by_hand_no_longer_acts_when_the_next_one_does() {
    let Some(mut fleet) = Fleet::of(2) else { return };
    let mut leader = 0;
    for _ in 0..3 {
        fleet.wait_for_writes_of(leader, 5);
        fleet.execute("UPDATE leadership SET holder = NULL");
        fleet.wait_for_role(leader, "standby", TAKE_OVER_WITHIN);
        leader = fleet.wait_for_leader(&[0, 1], TAKE_OVER_WITHIN);
    }
    fleet.wait_for_writes_of(leader, 5);
    fleet.assert_only_leaders_act_when_deposed_by_hand();
}

impl Fleet {
    /// Waits until a member reports that there is no leader, and returns its health with the reason.
    fn wait_until_no_leader(&mut self, member: usize) -> String {
        self.wait_for(&format!("member {member} to report that there is no leader"), TAKE_OVER_WITHIN, |fleet| {
            let health = fleet.members[member].guard.get("/v1/health");
            let says = health.status == 503 && health.degradations().contains(&"nobody-leads".to_owned());
            says.then_some(health.text)
        })
    }
}

#[test]
fn a_direct_pause_of_everything_takes_the_leadership_or_leaves_the_order_to_the_leader() {
    let Some(mut fleet) = Fleet::of(2) else { return };
    let pause_all = ["pause-all", "--reason", "wrong landing page", "--direct", "--json"];
    let pause_everything = |fleet: &Fleet, paused: u64| {
        let held: Value = serde_json::from_str(&fleet.members[1].guard.run(&pause_all).stdout).unwrap();
        assert_eq!((held["campaigns"].as_u64(), held["paused"].as_u64()), (Some(3), Some(paused)), "{held}");
        held
    };
    let held = pause_everything(&fleet, 0);
    assert!(held["warnings"][0].as_str().unwrap().starts_with("a supervisor runs"), "{held}");
    fleet.wait_for_all_stopped();
    fleet.wait_for("the leader to keep the order", PATIENCE, |fleet| {
        (fleet.state(0)["supervisor"]["hold"]["reason"] == "wrong landing page").then_some(())
    });

    fleet.members[1].guard.stop();
    fleet.members[0].guard.kill();
    // The command waits until the dead leader's lease has ended.
    pause_everything(&fleet, 3);
    fleet.start(1);
    fleet.wait_for_role(1, "leader", Duration::from_secs(4));
    assert_eq!(
        fleet.state(1)["leadership"]["epoch"],
        3,
        "the command's own leadership was the second, and was given up"
    );
}
