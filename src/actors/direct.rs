//! The pause of all campaigns without a supervisor, for `pause-all --direct`. It builds one one-shot actor for each
//! campaign.
//!
//! Deliberately absent: guarding. No actor decides anything: each one pauses its campaign, waits until the pause is
//! confirmed and its end time is set, and ends.

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

/// The parts of the program that the one-shot actors use.
#[derive(Debug, Clone)]
pub struct PauseContext {
    /// The clock of this process.
    pub clock: Clock,
    /// The board that the actors publish on. The caller reads only the failures of the database from it.
    pub board: Board,
    /// The numbers that a row may override.
    pub defaults: Policy,
    /// The messages to the database.
    pub database: DatabasePort,
    /// Reads the stored state from which an actor is built.
    pub read_stored: Recipient<ReadStored>,
    /// The messages to TrafficStars.
    pub remote: RemotePort,
}

/// The outcome of the pauses.
#[derive(Debug, Default)]
pub struct Paused {
    /// The number of campaigns that were paused.
    pub paused: u64,
    /// The campaigns that were not paused, each with the reason.
    pub not_paused: Vec<NotPaused>,
    /// The number of campaigns that were paused without their stored state, and the failure of the first of these
    /// reads; `None` if all could be read.
    pub unread: Option<(usize, DatabaseFailure)>,
}

/// The longest time that is waited for the stored states of all campaigns. A campaign is paused without it as well.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// Pauses all these campaigns. It returns when the end times that follow the pauses are set, or when `waited_for`
/// resolves after the pauses.
pub async fn pause_everything(
    context: PauseContext,
    rows: Vec<CampaignRow>,
    pause: Force,
    waited_for: impl Future<Output = ()>,
) -> Paused {
    let supervisor = OneShotSupervisor::default().start();
    // All states are read before the first pause. Pauses that are asked for in the same moment are sent as one batch.
    let stored = join_all(rows.iter().map(|row| read_stored(&context, row.id))).await;
    let unread = stored.iter().filter(|stored| stored.is_err()).count();
    let reason = stored.iter().find_map(|stored| stored.as_ref().err().cloned());
    let one_shots = rows.into_iter().zip(stored).map(|(row, stored)| {
        let (context, supervisor, pause) = (context.clone(), supervisor.clone(), pause.clone());
        async move {
            let paused = one_shot(context, &supervisor, row.clone(), stored.unwrap_or_default(), pause).await;
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

async fn read_stored(context: &PauseContext, campaign: CampaignId) -> Answer<Option<StoredCampaign>> {
    let read = timeout(READ_WITHIN, context.read_stored.send(ReadStored(campaign))).await;
    of_database(read.map_err(|_| DatabaseFailure::TimedOut(READ_WITHIN))?)
}

/// Pauses one campaign. Returns when the pause is confirmed. The receiver resolves when the actor has ended.
async fn one_shot(
    context: PauseContext,
    supervisor: &Addr<OneShotSupervisor>,
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
        supervisor: SupervisorPort {
            died: supervisor.clone().recipient(),
            disable_ended: supervisor.clone().recipient(),
        },
        hold_all: None,
    };
    let policy = row.policy(&context.defaults).unwrap_or_else(|_| context.defaults.clone());
    let (ended, end) = oneshot::channel();
    let id = row.id;
    let actor = CampaignActor::new(surroundings, row, policy, stored, Incarnation { number: 1, deaths: 0 }).start();
    supervisor.do_send(Watch { campaign: id, ended });
    let paused = actor.send(ForceNow(Force { once: true, ..pause })).await;
    of_campaign(paused)?;
    Ok(end)
}

/// Receives the reports of the one-shot actors in place of the supervisor.
#[derive(Debug, Default)]
struct OneShotSupervisor {
    /// Each sender is dropped when its actor has ended.
    watched: BTreeMap<CampaignId, oneshot::Sender<()>>,
}

/// Asks for the end of a campaign's actor: `ended` is dropped then.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Watch {
    campaign: CampaignId,
    ended: oneshot::Sender<()>,
}

impl Actor for OneShotSupervisor {
    type Context = Context<Self>;
}

impl Handler<Watch> for OneShotSupervisor {
    type Result = ();

    fn handle(&mut self, Watch { campaign, ended }: Watch, _: &mut Self::Context) {
        self.watched.insert(campaign, ended);
    }
}

impl Handler<Died> for OneShotSupervisor {
    type Result = ();

    fn handle(&mut self, Died { campaign, .. }: Died, _: &mut Self::Context) {
        // Dropping the sender resolves the receiver of the caller.
        self.watched.remove(&campaign);
    }
}

impl Handler<DisableEnded> for OneShotSupervisor {
    type Result = ();

    fn handle(&mut self, DisableEnded { campaign, .. }: DisableEnded, _: &mut Self::Context) {
        self.watched.remove(&campaign);
    }
}
