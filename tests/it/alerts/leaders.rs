//! Alerts when the leader changes on PostgreSQL: what the old leader could not deliver comes from the new one under the
//! same id, and what was told is not told again.

use serde_json::{Value, json};

use super::supervisor::LEASE;
use super::{Expected, NO_FUNDS, STARTED, assert_consistent, campaigns, only, posts_about, telling, told};
use crate::helper::{Fleet, PATIENCE, Receiver, assert_says};

/// The first two of the fleet's campaigns.
const TOLD: i64 = 995_001;
const UNTOLD: i64 = 995_002;

const TOLD_BLOCK: Expected = Expected {
    campaign: Some(TOLD),
    ..campaigns("campaign.blocked", "blocked/1", "warning", "TrafficStars will not run it: archived")
};
const UNTOLD_FUNDS: Expected = Expected { key: "no-funds/2", campaign: Some(UNTOLD), ..NO_FUNDS };

/// Starts two guards with one receiver of these occasions.
fn fleet(receiver: &Receiver, occasions: &[&str]) -> Option<Fleet> {
    let mut fleet = Fleet::configured(2, |config| telling(config, "ops", receiver, &[only(occasions)]))?;
    fleet.wait_for_role(1, "standby", PATIENCE);
    Some(fleet)
}

/// Returns the element of `alert list` with this key, as a member shows it.
fn listed(fleet: &Fleet, member: usize, key: &str) -> Option<Value> {
    let all = fleet.members[member].guard.get("/v1/alerts").json();
    all["alerts"].as_array()?.iter().find(|alert| alert["key"] == key).cloned()
}

#[track_caller]
fn begins(fleet: &mut Fleet, receiver: &Receiver, expected: &Expected) -> Value {
    let found = fleet.wait_for(expected.key, PATIENCE, |_| expected.found(receiver, "firing").ok());
    expected.compare(&found);
    found
}

#[test]
fn a_new_leader_delivers_what_the_killed_one_could_not_under_the_same_id_and_repeats_nothing() {
    let mut receiver = Receiver::start();
    let Some(mut fleet) = fleet(&receiver, &["blocked", "no-funds"]) else { return };
    fleet.sandbox.interfere(TOLD, sandbox::Interference::SetArchived(true)).unwrap();
    begins(&mut fleet, &receiver, &TOLD_BLOCK);
    fleet.wait_for("the delivery to be stored", PATIENCE, |fleet| {
        listed(fleet, 1, "blocked/1").filter(|alert| alert["deliveries"][0]["delivered_at"].is_string())
    });

    receiver.go_away();
    fleet.sandbox.interfere(UNTOLD, sandbox::Interference::SetNoFunds(true)).unwrap();
    // The standby shows what the leader has stored.
    let stored = fleet.wait_for("a try that failed", PATIENCE, |fleet| {
        listed(fleet, 1, "no-funds/2").filter(|alert| alert["deliveries"][0]["error"].is_string())
    });
    let id = &stored["deliveries"][0]["message_id"];
    fleet.members[0].guard.kill();
    fleet.wait_for_role(1, "leader", PATIENCE);
    receiver.come_back();
    let began = begins(&mut fleet, &receiver, &UNTOLD_FUNDS);
    assert_eq!(began["since"], stored["since"], "the same occasion");
    let posts = posts_about(&receiver, "no-funds/2");
    assert_eq!((posts.len(), &json!(posts[0].id())), (1, id), "{posts:#?}");

    // Both end under the new leader, and nothing else was told.
    fleet.sandbox.interfere(TOLD, sandbox::Interference::SetArchived(false)).unwrap();
    fleet.sandbox.interfere(UNTOLD, sandbox::Interference::SetNoFunds(false)).unwrap();
    for expected in [TOLD_BLOCK, UNTOLD_FUNDS] {
        let ended = fleet.wait_for(expected.key, PATIENCE, |_| expected.found(&receiver, "resolved").ok());
        expected.compare(&ended);
    }
    assert_eq!(told(&receiver).len(), 4, "each began and ended once: {:#?}", told(&receiver));
    assert_consistent(&receiver);
}

#[test]
fn a_leader_that_is_cut_off_tells_only_that_and_leaves_the_rest_to_the_next_one() {
    let mut receiver = Receiver::start();
    let Some(mut fleet) = fleet(&receiver, &["no-funds", "lease"]) else { return };
    receiver.go_away();
    fleet.sandbox.interfere(UNTOLD, sandbox::Interference::SetNoFunds(true)).unwrap();
    fleet.wait_for("a try that failed", PATIENCE, |fleet| {
        listed(fleet, 1, "no-funds/2").filter(|alert| alert["deliveries"][0]["error"].is_string())
    });
    fleet.members[0].line.cut();
    fleet.wait_for_role(1, "leader", PATIENCE);
    receiver.come_back();
    begins(&mut fleet, &receiver, &UNTOLD_FUNDS);
    // The old leader could send the same: it tells that it is cut off.
    begins(&mut fleet, &receiver, &LEASE);
    fleet.members[0].line.mend();
    fleet.wait_for_role(0, "standby", PATIENCE);
    fleet.wait_for(LEASE.key, PATIENCE, |_| LEASE.found(&receiver, "resolved").ok());
    assert_eq!(posts_about(&receiver, "no-funds/2").len(), 1, "{:#?}", receiver.posts());
    assert_eq!(told(&receiver).len(), 3, "{:#?}", told(&receiver));
    assert_consistent(&receiver);
}

#[test]
fn an_orderly_change_of_leader_is_told_as_a_stop_and_a_start_and_no_lease_is_lost() {
    let receiver = Receiver::start();
    let Some(mut fleet) = fleet(&receiver, &["restarted", "lease"]) else { return };
    begins(&mut fleet, &receiver, &STARTED);
    fleet.members[0].guard.stop();
    fleet.wait_for_role(1, "leader", PATIENCE);
    fleet.wait_for("the start of the new leader", PATIENCE, |_| (told(&receiver).len() == 3).then_some(()));
    let keys: Vec<String> = told(&receiver)
        .iter()
        .map(|item| item["key"].as_str().unwrap().rsplit_once('/').unwrap().0.to_owned())
        .collect();
    assert_eq!(keys, ["restarted/started", "restarted/stopped", "restarted/started"]);
    assert_says(told(&receiver)[2]["text"].as_str().unwrap(), &["[info] restarted: ", ", epoch 2)"]);
    assert_consistent(&receiver);
}

#[test]
fn a_standby_lists_alerts_refuses_orders_about_them_and_tells_nothing() {
    let receiver = Receiver::start();
    let Some(mut fleet) = fleet(&receiver, &["restarted"]) else { return };
    begins(&mut fleet, &receiver, &STARTED);
    let standby = &fleet.members[1].guard;
    assert_says(&standby.run(&["alert", "list"]).succeeded(), &["restarted: the supervisor "]);
    for arguments in [&["alert", "test"][..], &["alert", "mute", "--for", "2h"], &["alert", "ack", "1"]] {
        let refused = standby.run(arguments);
        assert_eq!(refused.code, 1, "{arguments:?}: {refused:?}");
        assert_says(&refused.stderr, &["this supervisor is a standby: the leader is on "]);
    }
    fleet.members[1].guard.stop();
    assert_eq!(told(&receiver).len(), 1, "a standby guards nothing, so its end is no news: {:#?}", told(&receiver));
}
