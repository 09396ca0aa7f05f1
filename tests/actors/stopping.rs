//! The orderly stop: what is on its way is waited for, and nothing is begun.

use std::time::Duration;

use traffic_generator::actors::supervisor::Shutdown;
use traffic_generator::domain::action::Step;
use traffic_generator::domain::ids::CampaignId;
use traffic_generator::trafficstar::client::ChangeKind;

use crate::stage::{Call, Campaign, Fault, Stage, on_paused_time};

/// At 60 seconds campaign 1 is paused, at 61 seconds the program stops: how long the answers take, how long the stop, and
/// whom it names.
const STOPS: [(&str, Call, Fault, u64, bool); 6] = [
    ("the answer to a request is waited for", Call::Change, Fault::Takes(Duration::from_secs(12)), 22_999, false),
    ("one that fails is an answer", Call::Change, Fault::Fails, 0, false),
    ("a request that is never answered is named", Call::Change, Fault::Silent, 30_000, true),
    ("what is not stored yet is waited for", Call::Save, Fault::Takes(Duration::from_secs(10)), 28_999, false),
    ("a store that never answers is named", Call::Save, Fault::Silent, 30_000, true),
    ("a read is not waited for", Call::ReadStatus, Fault::Silent, 0, false),
];

#[test]
fn a_stop_waits_for_what_is_on_its_way_and_no_longer_than_thirty_seconds_and_names_what_hangs() {
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
fn nothing_is_begun_once_the_stop_has_begun() {
    on_paused_time(async {
        // Due to be activated at 120 seconds; due now, and being read; dead, and about to be built anew; never asked for.
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
        assert_eq!(world.status_reads, reads_before + 1, "the read that was on its way is the last");
        assert_eq!(stage.actor(3).incarnation, built_before, "nobody is built anew");
        let unfinished = world.journal.iter().filter(|(_, entry)| entry.action.step == Step::Requested).count();
        assert_eq!(unfinished, 0, "what was answered is in the journal");
    });
}
