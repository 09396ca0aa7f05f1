//! A database that takes nothing for a while: what is sent without it, and what the journal says of that afterwards.

use tokio::sync::oneshot;
use traffic_generator::control::{Ask, Order, Process, Processed, Refusal, SetHold};
use traffic_generator::domain::action::{ActionKind, Step};
use traffic_generator::domain::ids::CampaignId;
use traffic_generator::domain::order::ForceKind;
use traffic_generator::domain::phase::PhaseWord;
use traffic_generator::domain::status::Hold;
use traffic_generator::trafficstar::client::ChangeKind;

use crate::stage::{Call, Campaign, Fault, Stage, at, on_paused_time};

const ID: CampaignId = CampaignId(1);

/// It is activated at 60 seconds.
fn soon_to_run() -> Campaign {
    Campaign::new(1, false, 10_000).with_clicks_from(60, 20_000)
}

/// The activation is decided at 60 seconds, and its entry hangs. The pause that is ordered then has to wait for it, so that
/// it is decided by the very failure of that entry, and no attempt to store its own has been made yet.
async fn pause_behind_an_entry_that_hangs() -> (Stage, oneshot::Receiver<Result<Processed, Refusal>>) {
    let stage = Stage::set(vec![soon_to_run()]).await;
    stage.pass(30).await;
    stage.fault(Call::Save, 1, Fault::Silent);
    stage.pass(61).await;
    let question = Process { campaign: ID, force: Some(ForceKind::Pause), by: None };
    let ordered = stage.order(|reply| Order::Process(Ask { question, reply }));
    (stage, ordered)
}

#[test]
fn a_pause_that_is_sent_while_the_database_fails_is_journalled_late() {
    on_paused_time(async {
        let (stage, mut ordered) = pause_behind_an_entry_that_hangs().await;
        stage.pass(62).await;
        let decided = stage.campaign(1).action.map(|action| (action.kind, action.step));
        assert_eq!(decided, Some((ActionKind::Activate, Step::Requested)), "the pause waits for it");
        assert!(stage.world.borrow().writes_for(ID).is_empty(), "what is not stored is not sent");

        stage.fault(Call::Save, 1, Fault::Fails);
        stage.pass(100).await;
        let answer = ordered.try_recv();
        assert!(matches!(answer, Ok(Ok(_))), "the pause needs no database: {answer:?}");
        assert!(stage.world.borrow().journal.is_empty(), "nothing could be stored until now");

        stage.mend(Call::Save, 1);
        let ticks = stage.actor(1).ticks;
        stage.pass(110).await;
        assert_eq!(stage.actor(1).ticks, ticks, "no tick brought it about that it is stored");
        let world = stage.world.borrow();
        let writes: Vec<_> = world.writes_for(ID).iter().map(|write| write.kind).collect();
        let is_pause = matches!(writes[..], [ChangeKind::Pause, ChangeKind::SetEndTime { .. }]);
        assert!(is_pause, "the activation was never sent: {writes:?}");
        let journal = world.journal.iter().map(|(_, entry)| (entry.action.kind, entry.action.step, entry.action.late));
        let wanted = [(ActionKind::Activate, Step::Failed, false), (ActionKind::Pause, Step::Confirmed, true)];
        assert_eq!(journal.collect::<Vec<_>>(), wanted);
    });
}

/// The hold is to be stored behind the activation's entry, whose failure decides the pause: what is stored last before the
/// pause leaves is what it promises, and not what was promised when the hold was set.
#[test]
fn what_a_failure_to_store_decides_is_stored_after_what_was_decided_before_it() {
    on_paused_time(async {
        let (stage, _ordered) = pause_behind_an_entry_that_hangs().await;
        let hold = Hold { reason: None, since: at(61), until: None, by: None, pause: false };
        let question = SetHold { campaign: ID, hold };
        let _held = stage.order(|reply| Order::Hold(Ask { question, reply }));
        stage.pass(62).await;

        stage.fault(Call::Change, 1, Fault::Silent);
        stage.fault(Call::Save, 1, Fault::FailsOnce);
        stage.pass(65).await;
        let world = stage.world.borrow();
        let journal = world.journal.iter().map(|(_, entry)| (entry.action.kind, entry.action.step));
        let wanted = [(ActionKind::Activate, Step::Failed), (ActionKind::Pause, Step::Requested)];
        assert_eq!(journal.collect::<Vec<_>>(), wanted, "the pause is on its way");
        assert!(world.holds.contains_key(&ID), "the hold is stored");
        let promised = world.promises.get(&ID).map(|stored| stored.promise.phase.word());
        assert_eq!(promised, Some(PhaseWord::CoolingDown), "a crash right now must not forget the cool-down");
    });
}

/// Every failed attempt to store wakes the actor, which must not put off the wake that notices the clock.
#[test]
fn a_clock_that_is_set_back_while_the_database_is_away_stops_no_ticks() {
    on_paused_time(async {
        let stage = Stage::set(vec![soon_to_run()]).await;
        stage.fault(Call::Save, 1, Fault::Fails);
        stage.pass(65).await;
        stage.set_clock(-600);
        let ticks = stage.actor(1).ticks;
        // One tick's length until the clock is noticed, and at most one more to the next point of the grid.
        stage.pass(65 + 120).await;
        assert!(stage.actor(1).ticks > ticks, "{:?}", stage.actor(1));
    });
}
