//! A database that takes nothing for a while: which requests are sent without it, and what the journal says of them
//! afterwards.

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

/// A campaign that the guard activates at 60 seconds.
fn soon_to_run() -> Campaign {
    Campaign::new(1, false, 10_000).with_clicks_from(60, 20_000)
}

/// Sets up an activation that is decided at 60 seconds and whose journal entry hangs, and a pause that is ordered then.
/// The pause waits for that entry. The failure of the entry therefore decides the pause, before any attempt to store
/// the pause's own entry.
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
        assert_eq!(
            decided,
            Some((ActionKind::Activate, Step::Requested)),
            "the pause waits for the activation's entry"
        );
        assert!(stage.world.borrow().writes_for(ID).is_empty(), "a request is sent only after its entry is stored");

        stage.fault(Call::Save, 1, Fault::Fails);
        stage.pass(100).await;
        let answer = ordered.try_recv();
        assert!(matches!(answer, Ok(Ok(_))), "the pause needs no database: {answer:?}");
        assert!(stage.world.borrow().journal.is_empty(), "nothing could be stored until now");

        stage.mend(Call::Save, 1);
        let ticks = stage.actor(1).ticks;
        stage.pass(110).await;
        assert_eq!(stage.actor(1).ticks, ticks, "the entry is stored without a further tick");
        let world = stage.world.borrow();
        let writes: Vec<_> = world.writes_for(ID).iter().map(|write| write.kind).collect();
        let is_pause = matches!(writes[..], [ChangeKind::Pause, ChangeKind::SetEndTime { .. }]);
        assert!(is_pause, "the activation was never sent: {writes:?}");
        let journal = world.journal.iter().map(|(_, entry)| (entry.action.kind, entry.action.step, entry.action.late));
        let wanted = [(ActionKind::Activate, Step::Failed, false), (ActionKind::Pause, Step::Confirmed, true)];
        assert_eq!(journal.collect::<Vec<_>>(), wanted);
    });
}

/// The hold waits to be stored behind the activation's entry, whose failure decides the pause. The record that is
/// stored last before the pause is sent must hold the pause's promise, not the promise from when the hold was set.
#[test]
fn a_pause_decided_by_a_failed_store_is_stored_after_the_hold_that_was_set_before_it() {
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
        assert_eq!(journal.collect::<Vec<_>>(), wanted, "the pause is in flight");
        assert!(world.holds.contains_key(&ID), "the hold is stored");
        let promised = world.promises.get(&ID).map(|stored| stored.promise.phase.word());
        assert_eq!(promised, Some(PhaseWord::CoolingDown), "a crash right now must not forget the cool-down");
    });
}

/// Every failed attempt to store wakes the actor. That must not delay the wake-up at which the actor notices that the
/// clock was set.
#[test]
fn ticks_continue_when_the_clock_is_set_back_while_the_database_fails() {
    on_paused_time(async {
        let stage = Stage::set(vec![soon_to_run()]).await;
        stage.fault(Call::Save, 1, Fault::Fails);
        stage.pass(65).await;
        stage.set_clock(-600);
        let ticks = stage.actor(1).ticks;
        // The actor notices the clock within one tick's length. The next point of the grid is at most one more away.
        stage.pass(65 + 120).await;
        assert!(stage.actor(1).ticks > ticks, "{:?}", stage.actor(1));
    });
}
