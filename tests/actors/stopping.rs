//! The orderly stop: the program waits for requests in flight and for records to be stored, and begins nothing new.

use std::time::Duration;

use traffic_generator::actors::supervisor::Shutdown;
use traffic_generator::domain::action::Step;
use traffic_generator::domain::ids::CampaignId;
use traffic_generator::trafficstar::client::ChangeKind;

use crate::stage::{Call, Campaign, Fault, Stage, on_paused_time};

/// The cases: at 60 seconds campaign 1 is paused, and at 61 seconds the program is stopped. Each has the call with its
/// fault, the length of the stop in milliseconds, and whether the log names the campaign.
const STOPS: [(&str, Call, Fault, u64, bool); 6] = [
    ("the answer to a request is waited for", Call::Change, Fault::Takes(Duration::from_secs(12)), 22_999, false),
    ("a failure counts as an answer", Call::Change, Fault::Fails, 0, false),
    ("a request that is never answered is named", Call::Change, Fault::Silent, 30_000, true),
    ("a record that is not stored yet is waited for", Call::Save, Fault::Takes(Duration::from_secs(10)), 28_999, false),
    ("a store that never answers is named", Call::Save, Fault::Silent, 30_000, true),
    ("a read is not waited for", Call::ReadStatus, Fault::Silent, 0, false),
];

#[test]
fn a_stop_waits_up_to_thirty_seconds_for_what_is_in_flight_and_logs_what_hangs() {
    for (what, call, fault, took_ms, named) in STOPS {
        on_paused_time(async {
            let due = Campaign::new(1, true, 20_000).with_clicks_from(60, 100);
            let stage = Stage::set(vec![due, Campaign::new(2, true, 20_000)]).await;
            stage.pass(30).await;
            stage.fault(call, 1, fault);
            stage.pass(61).await;
            let stops_at = stage.clock.now();
            stage.supervisor.send(Shutdown).await.unwrap();
            let took: u64 = stage.clock.now().signed_duration_since(stops_at).num_milliseconds().unsigned_abs();
            assert_eq!(took, took_ms, "{what}");
            let lines = stage.log.lines("not answered in time");
            assert_eq!(lines.len(), usize::from(named), "{what}: {lines:?}");
            assert!(lines.iter().all(|line| line.contains("campaign=1 name=\"campaign 1\"")), "{what}: {lines:?}");
        });
    }
}

#[test]
fn nothing_new_begins_after_the_stop_began() {
    on_paused_time(async {
        // Campaign 1 has to be activated at 120 seconds. Campaign 2 has to be activated now, and its status is being
        // read. Campaign 3 has lost its actor, and waits for the respawn. Campaign 4 has a pause in flight.
        let soon = Campaign::new(1, false, 10_000).with_clicks_from(120, 20_000);
        let now_due = Campaign::new(2, false, 10_000).with_clicks_from(60, 20_000);
        let stage = Stage::set(vec![soon, now_due, Campaign::new(3, true, 20_000), Campaign::new(4, true, 100)]).await;
        stage.pass(30).await;
        stage.fault(Call::ReadStatus, 2, Fault::Takes(Duration::from_secs(5)));
        stage.fault(Call::Change, 4, Fault::Takes(Duration::from_secs(25)));
        stage.world.borrow_mut().campaign(4).running = true;
        stage.pass(60).await;
        stage.kill(3).await;
        let built_before = stage.actor(3).incarnation;
        let (writes_before, reads_before) = (stage.world.borrow().writes.len(), stage.world.borrow().status_reads);
        stage.supervisor.send(Shutdown).await.unwrap();
        stage.pass(600).await;
        assert!(stage.tick_now(1).await.is_err(), "an order is not taken");
        let world = stage.world.borrow();
        let begun: Vec<_> = world.writes[writes_before..].iter().collect();
        assert!(begun.iter().all(|write| write.campaign == CampaignId(4)), "{begun:?}");
        assert!(begun.iter().all(|write| matches!(write.kind, ChangeKind::SetEndTime { .. })), "{begun:?}");
        assert_eq!(world.status_reads, reads_before + 1, "the read that was in flight is the last");
        assert_eq!(stage.actor(3).incarnation, built_before, "no actor is respawned");
        let unfinished = world.journal.iter().filter(|(_, entry)| entry.action.step == Step::Requested).count();
        assert_eq!(unfinished, 0, "every answer is in the journal");
    });
}
