//! An actor that dies is respawned from the database. The tests check when, how often, and that its promises are kept.

use std::time::Duration;

use traffic_generator::actors::campaign::Died;
use traffic_generator::control::{Ask, Order, SetHold};
use traffic_generator::domain::health::{DegradationKind, HealthWord};
use traffic_generator::domain::ids::CampaignId;
use traffic_generator::domain::phase::PhaseWord;
use traffic_generator::domain::policy::PolicyNumbers;
use traffic_generator::domain::remote::EndTime;
use traffic_generator::domain::status::{Hold, Liveness};

use crate::stage::{Call, Campaign, Fault, Lives, Stage, World, at, noon, on_paused_time};

/// Sets up two campaigns. The tests let the actor of the second one die.
async fn pair() -> Stage {
    let stage = Stage::set(vec![Campaign::new(1, true, 20_000), Campaign::new(2, true, 20_000)]).await;
    stage.pass(10).await;
    stage
}

/// Converts times to whole seconds after the first death.
fn seconds(of: &[i64], first_ms: i64) -> Vec<i64> {
    of.iter().map(|at_ms| (at_ms - first_ms) / 1_000).collect()
}

#[test]
fn each_death_in_a_row_doubles_the_backoff_before_the_respawn_up_to_a_minute() {
    on_paused_time(async {
        let stage = pair().await;
        stage.doom(2);
        // The actor dies of its next tick, at 60 seconds.
        stage.pass(60 + 400).await;
        let lives = Lives::of(2, &stage.new_events().0);
        assert_eq!(lives.died.first(), Some(&60_000), "it dies of its tick");
        let backoffs: Vec<_> =
            lives.died.iter().zip(&lives.respawned).map(|(died, respawned)| respawned - died).collect();
        assert_eq!(backoffs, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60].map(|seconds| seconds * 1_000));
        assert_eq!(seconds(&lives.died, 60_000), [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363]);
        let (doomed, other) = (stage.actor(2), stage.actor(1));
        assert_eq!((doomed.status, doomed.incarnation, doomed.restarts), (Liveness::Restarting, 12, 12));
        assert_eq!((other.status, other.incarnation, other.restarts), (Liveness::Running, 1, 0));
        assert_eq!(other.ticks, 1 + 7, "the other one keeps ticking");
        assert_eq!(stage.board.dump(stage.clock.now()).supervisor.restarts, 12);
    });
}

#[test]
fn an_actor_that_keeps_dying_is_respawned_for_ever_and_health_says_since_when_it_is_down() {
    on_paused_time(async {
        let stage = pair().await;
        stage.doom(2);
        stage.pass(60 + 179).await;
        assert_eq!(stage.board.health(stage.clock.now()).status, HealthWord::Ok, "three ticks have not passed");
        stage.new_events();
        for hour in [1, 24] {
            stage.pass(hour * 3_600).await;
            let health = stage.board.health(stage.clock.now());
            let reasons: Vec<_> =
                health.reasons.iter().map(|reason| (reason.kind, reason.since, reason.campaigns.clone())).collect();
            assert_eq!(reasons, [(DegradationKind::NoTick, at(60), vec![CampaignId(2)])], "{hour} h");
            assert_eq!(stage.actor(2).status, Liveness::Restarting, "{hour} h");
        }
        let tries = Lives::of(2, &stage.new_events().0).respawned;
        assert!(tries.windows(2).all(|pair| pair[1] - pair[0] == 60_000), "one try a minute: {tries:?}");
        stage.spare(2);
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(stage.actor(2).status, Liveness::Running);
        assert_eq!(stage.board.health(stage.clock.now()).status, HealthWord::Ok);
    });
}

#[test]
fn the_backoff_starts_anew_after_an_actor_lived_for_ten_minutes() {
    // How long the third actor lives, and the backoff before the fourth.
    for (life_seconds, backoff_ms) in [(599, 4_000), (600, 1_000)] {
        on_paused_time(async {
            let stage = pair().await;
            stage.kill(2).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            stage.kill(2).await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            let third_began_ms = *Lives::of(2, &stage.new_events().0).respawned.last().expect("the third lives");
            let life_left = third_began_ms + life_seconds * 1_000
                - stage.clock.now().signed_duration_since(noon()).num_milliseconds();
            tokio::time::sleep(Duration::from_millis(life_left.unsigned_abs())).await;
            stage.kill(2).await;
            tokio::time::sleep(Duration::from_secs(10)).await;
            let lives = Lives::of(2, &stage.new_events().0);
            assert_eq!(lives.died, [third_began_ms + life_seconds * 1_000], "lived for {life_seconds} s");
            assert_eq!(lives.respawned[0] - lives.died[0], backoff_ms, "lived for {life_seconds} s");
        });
    }
}

#[test]
fn a_late_report_of_the_death_of_an_earlier_actor_is_ignored() {
    on_paused_time(async {
        let stage = pair().await;
        stage.kill(2).await;
        stage.pass(20).await;
        let before = (stage.actor(2), stage.board.dump(stage.clock.now()).supervisor.restarts);
        assert_eq!((before.0.incarnation, before.1), (2, 1));
        for incarnation in [0, 1, 3] {
            stage.supervisor.do_send(Died { campaign: CampaignId(2), incarnation });
        }
        stage.supervisor.do_send(Died { campaign: CampaignId(77), incarnation: 1 });
        stage.pass(30).await;
        assert_eq!((stage.actor(2), stage.board.dump(stage.clock.now()).supervisor.restarts), before);
    });
}

#[test]
fn an_actor_whose_promise_cannot_be_read_starts_later_and_delays_no_other() {
    // The read never answers, or it fails. With each fault, the number of attempts within a minute.
    for (fault, tries) in [(Fault::Silent, 1), (Fault::Fails, 61)] {
        on_paused_time(async {
            let campaigns = vec![Campaign::new(1, true, 20_000), Campaign::new(2, true, 20_000)];
            let stage = Stage::begin(PolicyNumbers::default(), campaigns, |world| {
                world.faults.insert((Call::ReadStored, CampaignId(2)), fault);
            });
            stage.pass(59).await;
            assert_eq!(stage.actor(1).ticks, 1, "{fault:?}: the other one is guarded");
            assert_eq!(stage.board.campaign(CampaignId(2)), None, "{fault:?}");
            stage.world.borrow_mut().campaigns.insert(CampaignId(3), Campaign::new(3, true, 20_000));
            stage.pass(60).await;
            assert_eq!(stage.log.lines("cannot be built").len(), tries, "{fault:?}");
            assert_eq!(stage.actor(3).ticks, 1, "{fault:?}: a new row is guarded within a tick");
            stage.mend(Call::ReadStored, 2);
            stage.pass(62).await;
            assert_eq!(stage.actor(2).ticks, 1, "{fault:?}");
        });
    }
}

fn hold(pause: bool) -> Hold {
    Hold { reason: Some("stock-taking".to_owned()), since: noon(), until: Some(at(3_600)), by: None, pause }
}

/// A campaign's promise, and the values that have to be the same after its actor has died.
struct Promise {
    what: &'static str,
    campaign: fn() -> Campaign,
    hold: Option<Hold>,
    state: PhaseWord,
    runs: bool,
    writes: usize,
}

const PROMISES: usize = 5;

fn promises() -> [Promise; PROMISES] {
    let promise = |what, campaign, hold, state, runs, writes| Promise { what, campaign, hold, state, runs, writes };
    let (guarded, cooling) = (PhaseWord::ActiveGuarded, PhaseWord::CoolingDown);
    [
        promise("to keep it running", || Campaign::new(1, true, 20_000), None, guarded, true, 0),
        promise("to keep it stopped", || Campaign::new(2, false, 100), None, PhaseWord::PausedGuarded, false, 0),
        promise("a cool-down", || Campaign::new(3, true, 100), None, cooling, false, 2),
        promise("a hold", || Campaign::new(4, true, 20_000), Some(hold(false)), guarded, true, 0),
        promise("a hold with a pause", || Campaign::new(5, true, 10_000), Some(hold(true)), cooling, false, 2),
    ]
}

#[test]
fn promises_cool_downs_and_holds_survive_the_death_of_the_actor() {
    on_paused_time(async {
        let stage = Stage::set(promises().into_iter().map(|promise| (promise.campaign)()).collect()).await;
        stage.pass(5).await;
        for (id, promise) in (1_i64..).zip(promises()) {
            let Some(hold) = promise.hold else { continue };
            let question = SetHold { campaign: CampaignId(id), hold };
            stage.order(|reply| Order::Hold(Ask { question, reply })).await.unwrap().unwrap();
        }
        stage.pass(50).await;
        let before: Vec<_> = (1..=PROMISES as i64).map(|id| stage.campaign(id)).collect();
        for id in 1..=PROMISES as i64 {
            stage.kill(id).await;
        }
        stage.pass(52).await;
        for ((id, promise), before) in (1_i64..).zip(promises()).zip(before) {
            let what = promise.what;
            let now = stage.campaign(id);
            assert_eq!(stage.actor(id).incarnation, 2, "{what}");
            assert_eq!(now.state, promise.state, "{what}");
            let kept = (before.since, before.cooling_down_until, &promise.hold);
            assert_eq!((now.since, now.cooling_down_until, &now.ordered.hold), kept, "{what}");
            let world: &World = &stage.world.borrow();
            assert_eq!(world.campaigns[&CampaignId(id)].running, promise.runs, "{what}");
            assert_eq!(world.writes_for(CampaignId(id)).len(), promise.writes, "{what}: nothing was sent again");
        }
        assert_cool_down_ends_on_time(&stage).await;
        assert_changes_by_others_are_undone_unless_on_hold(&stage).await;
    });
}

/// Checks that the cool-down ends two minutes after the pause was accepted, not two minutes after the actor was
/// respawned.
async fn assert_cool_down_ends_on_time(stage: &Stage) {
    assert_eq!(stage.campaign(3).cooling_down_until, Some(at(120)));
    stage.pass(119).await;
    assert_eq!(stage.campaign(3).state, PhaseWord::CoolingDown);
    stage.pass(120).await;
    assert_eq!(stage.campaign(3).state, PhaseWord::PausedGuarded);
}

async fn assert_changes_by_others_are_undone_unless_on_hold(stage: &Stage) {
    stage.pass(300).await;
    for (id, runs) in [(1, false), (2, true), (4, false), (5, true)] {
        let mut world = stage.world.borrow_mut();
        (world.campaign(id).running, world.campaign(id).end_time) = (runs, EndTime::Unset);
    }
    stage.pass(360).await;
    let runs = [1, 2, 4, 5].map(|id| stage.world.borrow_mut().campaign(id).running);
    assert_eq!(
        runs,
        [true, false, false, false],
        "a hold leaves its campaign alone; a hold with a pause pauses it again"
    );
}
