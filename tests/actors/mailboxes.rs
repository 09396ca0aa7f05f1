//! Full mailboxes: each holds 16 messages before `try_send` refuses one. The program never uses `try_send` for a
//! message that must not be lost. All such messages arrive, though late if the receiver is late.

use std::time::Duration;

use actix::prelude::*;
use futures_util::future::join_all;
use traffic_generator::control::{Ask, Generator, Order, SetGenerator};
use traffic_generator::domain::action::Step;
use traffic_generator::domain::health::HealthWord;
use traffic_generator::domain::ids::CampaignId;
use traffic_generator::domain::phase::PhaseWord;

use crate::stage::{Campaign, Lives, Outside, Stage, Wedge, on_paused_time};

/// The number of campaigns: far more than a mailbox holds.
const MANY: i64 = 100;

async fn many(running: bool, clicks: u64) -> Stage {
    let stage = Stage::set((1..=MANY).map(|id| Campaign::new(id, running, clicks)).collect()).await;
    stage.pass(30).await;
    stage
}

fn refuses(actor: &Addr<Outside>) -> bool {
    // The first message above the capacity is still accepted.
    let sent = [actor.try_send(Wedge(Duration::ZERO)), actor.try_send(Wedge(Duration::ZERO))];
    sent.iter().any(|sent| matches!(sent, Err(SendError::Full(_))))
}

#[test]
fn a_hundred_actors_that_die_at_once_are_all_respawned_a_second_later() {
    on_paused_time(async {
        let stage = many(true, 20_000).await;
        for id in 1..=MANY {
            stage.doom(id);
        }
        stage.pass(60).await;
        for id in 1..=MANY {
            stage.spare(id);
        }
        assert_eq!(stage.board.dump(stage.clock.now()).supervisor.restarts, 100);
        stage.pass(62).await;
        let events = stage.new_events().0;
        for id in 1..=MANY {
            assert_eq!(Lives::of(id, &events), Lives { died: vec![60_000], respawned: vec![61_000] }, "{id}");
            assert_eq!((stage.actor(id).ticks, stage.campaign(id).state), (1, PhaseWord::ActiveGuarded), "{id}");
        }
    });
}

#[test]
fn a_hundred_generators_disabled_at_once_all_end_their_promises_and_are_all_answered() {
    on_paused_time(async {
        let stage = many(true, 20_000).await;
        let disable = |id| SetGenerator {
            campaign: CampaignId(id),
            to: Generator::Disabled { pause: false, leave_running: true },
        };
        let answers: Vec<_> = (1..=MANY)
            .map(|id| stage.order(|reply| Order::SetGenerator(Ask { question: disable(id), reply })))
            .collect();
        for answer in join_all(answers).await {
            assert!(!answer.unwrap().unwrap().generator_enabled);
        }
        stage.pass(31).await;
        assert_eq!(stage.board.dump(stage.clock.now()).supervisor.campaigns, 0);
        for id in 1..=MANY {
            let campaign = stage.campaign(id);
            assert_eq!((campaign.state, campaign.actor), (PhaseWord::Idle, None), "{id}");
        }
    });
}

#[test]
fn a_hundred_orders_at_once_to_one_campaign_are_all_answered() {
    on_paused_time(async {
        let stage = many(true, 20_000).await;
        let answers: Vec<_> = (1..=MANY).map(|_| stage.tick_now(1)).collect();
        for answer in join_all(answers).await {
            assert_eq!(answer.unwrap().unwrap().state, Some(PhaseWord::ActiveGuarded));
        }
    });
}

/// At 60 seconds all hundred campaigns have to be paused. The actor of the database, or of TrafficStars, handles no
/// message from 59 to 79 seconds, so that its mailbox fills up.
#[test]
fn messages_in_a_full_mailbox_are_handled_when_the_actor_is_free_again() {
    for wedged in ["the database", "TrafficStars"] {
        on_paused_time(async {
            let stage = many(true, 20_000).await;
            stage.pass(59).await;
            for id in 1..=MANY {
                stage.world.borrow_mut().campaign(id).remaining_clicks = std::rc::Rc::new(|_| 100);
            }
            let busy = if wedged == "the database" { &stage.database } else { &stage.remote };
            busy.do_send(Wedge(Duration::from_secs(20)));
            stage.pass(70).await;
            assert!(stage.world.borrow().writes.is_empty(), "{wedged} has handled nothing");
            assert!(refuses(busy), "the mailbox of {wedged} is full");
            stage.pass(90).await;
            let world = stage.world.borrow();
            for id in 1..=MANY {
                assert_eq!(stage.campaign(id).state, PhaseWord::CoolingDown, "{wedged}: {id}");
                assert!(!world.campaigns[&CampaignId(id)].running, "{wedged}: {id}");
            }
            let confirmed = world.journal.iter().filter(|(_, entry)| entry.action.step == Step::Confirmed).count();
            assert_eq!((world.journal.len(), confirmed), (100, 100), "{wedged}: each campaign has one entry");
            assert_eq!(stage.board.health(stage.clock.now()).status, HealthWord::Ok, "{wedged}");
        });
    }
}
