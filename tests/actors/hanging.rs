//! A call that never answers. The tests check what dump and health show, and when; that all other campaigns continue;
//! and that the campaign continues when the answer comes.

use traffic_generator::actors::progress::CheckProgress;
use traffic_generator::control::{Ask, Order, SetHold};
use traffic_generator::domain::health::{DegradationKind, HealthWord};
use traffic_generator::domain::ids::CampaignId;
use traffic_generator::domain::phase::PhaseWord;
use traffic_generator::domain::read_priority::Urgency;
use traffic_generator::domain::status::{Hold, Liveness};
use traffic_generator::trafficstar::client::ChangeKind;

use crate::stage::{Call, Campaign, Fault, Stage, Wedge, at, on_paused_time};

/// A call that never answers, and what dump and health show of it.
struct Hang {
    call: Call,
    /// The kind of the reason that health gives for the campaign.
    kind: DegradationKind,
    since_seconds: i64,
    /// The message that the actor is handling, if any.
    handling: Option<&'static str>,
    ticks: u64,
    writes: usize,
}

/// The cases: at 60 seconds campaign 2 has to be paused, and one of the calls for that hangs.
fn hangs() -> [Hang; 4] {
    let no_tick = |call| {
        let kind = DegradationKind::NoTick;
        Hang { call, kind, since_seconds: 0, handling: Some("tick"), ticks: 10, writes: 0 }
    };
    let unconfirmed = |call, ticks, writes| {
        let kind = DegradationKind::PauseUnconfirmed;
        Hang { call, kind, since_seconds: 60, handling: None, ticks, writes }
    };
    [
        // Each tick ends at the next point of the grid, without the answer.
        no_tick(Call::ReadTick),
        no_tick(Call::ReadStatus),
        // A request is sent only after its journal entry is stored.
        unconfirmed(Call::Save, 2, 0),
        unconfirmed(Call::Change, 11, 1),
    ]
}

async fn stage_with(call: Call) -> Stage {
    let due = Campaign::new(2, true, 20_000).with_clicks_from(60, 100);
    let stage = Stage::set(vec![Campaign::new(1, true, 20_000), due, Campaign::new(3, true, 20_000)]).await;
    stage.pass(30).await;
    stage.fault(call, 2, Fault::Silent);
    stage
}

#[test]
fn a_call_that_never_answers_shows_in_dump_and_health_and_delays_no_other_campaign() {
    for hang in hangs() {
        let what = hang.call;
        on_paused_time(async {
            let stage = stage_with(hang.call).await;
            // Health complains from 180 s on: three ticks after the last completed tick, and two minutes after the
            // pause was decided.
            stage.pass(179).await;
            let health = stage.board.health(stage.clock.now());
            assert_eq!(health.status, HealthWord::Ok, "{what:?}: {health:?}");
            for seconds in [180, 600] {
                stage.pass(seconds).await;
                let health = stage.board.health(stage.clock.now());
                let reason = health.reasons.iter().find(|reason| reason.kind == hang.kind);
                let reason = reason.unwrap_or_else(|| panic!("{what:?} at {seconds} s: {health:?}"));
                let shown = (reason.since, &reason.campaigns[..]);
                assert_eq!(shown, (at(hang.since_seconds), &[CampaignId(2)][..]), "{what:?}");
            }
            let hanging = stage.actor(2);
            assert_eq!((hanging.status, hanging.incarnation), (Liveness::Running, 1), "{what:?}");
            let handling = hanging.handling.map(|handling| (handling.what, handling.since));
            assert_eq!(handling, hang.handling.map(|what| (what.to_owned(), at(600))), "{what:?}");
            assert_eq!(hanging.ticks, hang.ticks, "{what:?}");
            for other in [1, 3] {
                let other = stage.actor(other);
                assert_eq!((other.ticks, other.skipped_ticks, other.last_tick_at), (11, 0, Some(at(600))), "{what:?}");
            }
            assert_eq!(stage.world.borrow().writes_for(CampaignId(2)).len(), hang.writes, "{what:?}");
        });
    }
}

#[test]
fn a_campaign_that_hung_continues_by_itself_when_the_answer_comes() {
    for hang in hangs() {
        let what = hang.call;
        on_paused_time(async {
            let stage = stage_with(hang.call).await;
            stage.pass(600).await;
            stage.mend(hang.call, 2);
            stage.pass(900).await;
            assert_eq!(stage.board.health(stage.clock.now()).status, HealthWord::Ok, "{what:?}");
            assert_eq!(stage.campaign(2).state, PhaseWord::PausedGuarded, "{what:?}");
            let hung = stage.actor(2);
            assert_eq!((hung.incarnation, hung.last_tick_at, hung.handling), (1, Some(at(900)), None), "{what:?}");
            // 16 points of the grid, and the end of the cool-down.
            assert_eq!(hung.ticks + hung.skipped_ticks, 16 + 1, "{what:?}: each point of the grid is accounted for");
            let world = stage.world.borrow();
            let pauses = world.writes_for(CampaignId(2)).iter().filter(|write| write.kind == ChangeKind::Pause).count();
            assert_eq!((pauses, world.campaigns[&CampaignId(2)].running), (1, false), "{what:?}");
        });
    }
}

/// The service manager starts the program again if the supervisor makes no progress. A database that is away, and
/// actors that are built again and again meanwhile, must not be mistaken for that.
#[test]
fn a_supervisor_whose_database_never_answers_makes_progress() {
    on_paused_time(async {
        let stage = Stage::set((1..=20).map(|id| Campaign::new(id, true, 20_000)).collect()).await;
        for id in 1..=20 {
            stage.doom(id);
            drop(stage.tick_now(id));
            stage.pass(id.unsigned_abs() * 3).await;
        }
        stage.database.do_send(Wedge(std::time::Duration::from_hours(1)));
        for minute in 2..60 {
            stage.pass(minute * 60).await;
            assert_eq!(stage.supervisor.send(CheckProgress).await.unwrap(), Ok(()), "minute {minute}");
        }
    });
}

/// During a hold nothing is sent, so no read is urgent. But a tick decides at its end by what it has read, and the hold
/// may have ended by then. The read must be as urgent as the pause that may follow.
#[test]
fn a_waiting_read_becomes_as_urgent_as_its_pause_when_the_hold_ends() {
    on_paused_time(async {
        let id = CampaignId(1);
        let stage = Stage::set(vec![Campaign::new(1, true, 20_000).with_clicks_from(60, 100)]).await;
        let hold = Hold { reason: None, since: at(0), until: None, by: None, pause: false };
        let question = SetHold { campaign: id, hold };
        let _held = stage.order(|reply| Order::Hold(Ask { question, reply }));
        stage.pass(30).await;
        stage.fault(Call::ReadStatus, 1, Fault::Silent);
        stage.pass(90).await;
        let _released = stage.order(|reply| Order::Release(Ask { question: id, reply }));
        stage.pass(150).await;
        let urgencies: Vec<_> = stage.world.borrow().status_urgencies.iter().map(|(_, urgency)| *urgency).collect();
        assert_eq!(urgencies, [Urgency::Read, Urgency::Read, Urgency::Pause], "at the start, at 60 s, and at 120 s");
    });
}
