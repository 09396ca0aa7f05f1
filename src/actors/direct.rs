//! The pause of everything without a supervisor: one one_shot for each campaign, by the same actors that guard.
//!
//! Deliberately absent: guarding. Nothing is decided; each actor pauses, waits until that shows, and is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use actix::prelude::*;
use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::answers::{Answer, of_campaign, of_database};
use super::campaign::{
    CampaignActor, DatabasePort, Died, DisableEnded, ForceNow, Incarnation, RemotePort, SupervisorPort, Surroundings,
};
use super::database::ReadStored;
use crate::board::Board;
use crate::clock::Clock;
use crate::control::{NotPaused, Refusal};
use crate::domain::failure::DatabaseFailure;
use crate::domain::ids::CampaignId;
use crate::domain::order::Force;
use crate::domain::policy::Policy;
use crate::store::{CampaignRow, StoredCampaign};

/// Whom the one_shots work with.
#[derive(Debug, Clone)]
pub struct OneShotContext {
    /// The time.
    pub clock: Clock,
    /// Where status is published; nobody reads it here.
    pub board: Board,
    /// The numbers that a row may override.
    pub defaults: Policy,
    /// The database.
    pub database: DatabasePort,
    /// Reads what an actor is built from.
    pub read_stored: Recipient<ReadStored>,
    /// TrafficStars.
    pub remote: RemotePort,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Paused {
    /// How many campaigns were paused.
    pub paused: u64,
    /// Those that were not, and why.
    pub not_paused: Vec<NotPaused>,
    /// How many were paused though nothing stored of them could be read, and why the first could not.
    pub unread: Option<(usize, DatabaseFailure)>,
}

/// What is stored of the campaigns is waited for so long, of all together. A pause needs none of it.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// Pauses every one of these campaigns, and follows each pause to its end, unless `waited_for` resolves before that.
pub async fn pause_everything(
    context: OneShotContext,
    rows: Vec<CampaignRow>,
    pause: Force,
    waited_for: impl Future<Output = ()>,
) -> Paused {
    let watcher = OneShotWatcher::default().start();
    // All is read before the first pause is asked for: those that are asked for in one moment become one request.
    let stored = join_all(rows.iter().map(|row| read_stored(&context, row.id))).await;
    let unread = stored.iter().filter(|stored| stored.is_err()).count();
    let reason = stored.iter().find_map(|stored| stored.as_ref().err().cloned());
    let one_shots = rows.into_iter().zip(stored).map(|(row, stored)| {
        let (context, watcher, pause) = (context.clone(), watcher.clone(), pause.clone());
        async move {
            let paused = one_shot(context, &watcher, row.clone(), stored.unwrap_or_default(), pause).await;
            (row, paused)
        }
    });
    let mut paused = Paused { unread: reason.map(|reason| (unread, reason)), ..Paused::default() };
    let mut ends = Vec::new();
    for (row, outcome) in join_all(one_shots).await {
        match outcome {
            Ok(end) => {
                paused.paused += 1;
                ends.push(end);
            }
            Err(refusal) => {
                paused.not_paused.push(NotPaused { id: row.id, name: row.name, reason: refusal.to_string() });
            }
        }
    }
    tokio::select! {
        _ = join_all(ends) => {}
        () = waited_for => {}
    }
    paused
}

async fn read_stored(context: &OneShotContext, campaign: CampaignId) -> Answer<Option<StoredCampaign>> {
    let read = timeout(READ_WITHIN, context.read_stored.send(ReadStored(campaign))).await;
    of_database(read.map_err(|_| DatabaseFailure::TimedOut(READ_WITHIN))?)
}

/// One campaign's pause. Answers when it is confirmed, with the end of all that follows it.
async fn one_shot(
    context: OneShotContext,
    watcher: &Addr<OneShotWatcher>,
    row: CampaignRow,
    stored: Option<StoredCampaign>,
    pause: Force,
) -> Result<oneshot::Receiver<()>, Refusal> {
    let surroundings = Surroundings {
        clock: context.clock,
        board: context.board,
        defaults: (*context.defaults).clone(),
        database: context.database,
        remote: context.remote,
        supervisor: SupervisorPort { died: watcher.clone().recipient(), disable_ended: watcher.clone().recipient() },
        hold_all: None,
    };
    let policy = row.policy(&context.defaults).unwrap_or_else(|_| context.defaults.clone());
    let (ended, end) = oneshot::channel();
    let id = row.id;
    let actor = CampaignActor::new(surroundings, row, policy, stored, Incarnation { number: 1, deaths: 0 }).start();
    watcher.do_send(Watch { campaign: id, ended });
    let paused = actor.send(ForceNow(Force { once: true, ..pause })).await;
    of_campaign(paused)?;
    Ok(end)
}

/// Hears when an one_shot's actor is gone.
#[derive(Debug, Default)]
struct OneShotWatcher {
    watched: BTreeMap<CampaignId, oneshot::Sender<()>>,
}

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Watch {
    campaign: CampaignId,
    ended: oneshot::Sender<()>,
}

impl Actor for OneShotWatcher {
    type Context = Context<Self>;
}

impl Handler<Watch> for OneShotWatcher {
    type Result = ();

    fn handle(&mut self, Watch { campaign, ended }: Watch, _: &mut Self::Context) {
        self.watched.insert(campaign, ended);
    }
}

impl Handler<Died> for OneShotWatcher {
    type Result = ();

    fn handle(&mut self, Died { campaign, .. }: Died, _: &mut Self::Context) {
        // Dropping the slot is the message.
        self.watched.remove(&campaign);
    }
}

impl Handler<DisableEnded> for OneShotWatcher {
    type Result = ();

    fn handle(&mut self, DisableEnded { campaign, .. }: DisableEnded, _: &mut Self::Context) {
        self.watched.remove(&campaign);
    }
}
