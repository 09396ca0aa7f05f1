//! Spawns and stops one campaign actor per generator-enabled campaign as rows come and go, and builds one that died anew.
//!
//! A sync compares the rows with the actors: at every point of the grid, so that a new row is guarded within one tick,
//! and after every command. Deliberately absent: anything about one campaign's decisions.

mod account;
mod catalog;
mod hold;
mod journal;
mod orders;
mod process;
mod reload;
mod sync;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use actix::prelude::*;
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tokio::sync::oneshot;

use self::catalog::DisableMode;
pub(super) use self::catalog::shown;
use self::hold::HoldAll;
pub use self::orders::CarryOut;
use self::process::OneShot;
pub use self::reload::SetDefaults;
use super::answers::{Answer, of_database, tell};
use super::campaign::{
    CampaignActor, DatabasePort, Died, Finish, Incarnation, Release, RemotePort, SupervisorPort, Surroundings,
};
use super::database::{
    CarryOutUrls, ReadJournal, ReadRows, ReadStored, Rows, Save, SetGeneratorEnabled, StoreHold, StoreHoldOnAll,
    WriteCampaign,
};
use crate::board::Board;
use crate::clock::Clock;
use crate::control::{Campaign, Refusal, Reply};
use crate::domain::explain::ActorBackoff;
use crate::domain::failure::{DatabaseFailure, SyncFailure};
use crate::domain::ids::CampaignId;
use crate::domain::operator_event::{OperatorEvent, Part};
use crate::domain::policy::Policy;
use crate::domain::status::{Hold, Liveness, SupervisorStatus};
use crate::store::{CampaignRow, StoredCampaign};

/// How long the first respawn waits; each further one twice as long.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// No respawn waits longer.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// An actor that lived this long had no part in the deaths before it.
const LONG_LIFE: chrono::Duration = chrono::Duration::minutes(10);
/// How long the supervisor waits for an answer of the database: one that never comes must not keep all others waiting.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// How long the end of the program waits for what is on its way: longer than a request may take.
const FINISH_WITHIN: Duration = Duration::from_secs(30);

/// Answered when a sync that began after this has ended; or why the rows could not be read.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), SyncFailure>")]
pub struct SyncNow;

/// Begins nothing new; answered when nothing is on its way any more, or after a bound.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Shutdown;

/// The database, as far as the supervisor needs it.
#[derive(Debug, Clone)]
pub struct RowsPort {
    /// Reads every row and promise.
    pub read_rows: Recipient<ReadRows>,
    /// Reads what an actor is built from.
    pub read_stored: Recipient<ReadStored>,
    /// Ends promises of disabled campaigns.
    pub save: Recipient<Save>,
    /// Enables and disables.
    pub set_generator_enabled: Recipient<SetGeneratorEnabled>,
    /// Adds, changes and removes rows.
    pub write_campaign: Recipient<WriteCampaign>,
    /// Whatever is asked about URLs: no actor of a campaign is concerned before its next tick.
    pub carry_out_urls: Recipient<CarryOutUrls>,
    /// Reads the journal for operators.
    pub read_journal: Recipient<ReadJournal>,
    /// Stores holds of campaigns without an actor.
    pub store_hold: Recipient<StoreHold>,
    /// Stores the hold on all campaigns.
    pub store_hold_on_all: Recipient<StoreHoldOnAll>,
}

/// Where a campaign's actor stands.
#[derive(Debug)]
enum Stage {
    /// What it is built from is being read.
    Building,
    /// It lives.
    Alive(Addr<CampaignActor>),
    /// It lives, and ends its promise.
    Disabling(Addr<CampaignActor>),
    /// It has ended its promise; its row is being disabled.
    Leaving,
    /// It died, or could not be built, and is built anew after a rest.
    BackingOff,
}

/// Where the sync stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SyncStage {
    /// Waiting for the next point of the grid.
    BackingOff,
    /// The rows are being read and compared.
    Comparing,
    /// New actors are being built.
    Building,
}

/// An order that waits for a release.
#[derive(Debug)]
struct DisableOrder {
    leave: DisableMode,
    reply: Reply<Campaign>,
}

/// One campaign that has an actor, or should have one.
#[derive(Debug)]
struct Slot {
    row: CampaignRow,
    stage: Stage,
    incarnation: Incarnation,
    born_at: DateTime<Utc>,
    /// Deaths in a row, none of them after a long life.
    deaths_in_a_row: u32,
    /// Orders that wait for its release.
    disable_replies: Vec<DisableOrder>,
    /// The generator is disabled: the actor is here for this alone.
    one_shot: Option<OneShot>,
}

/// The supervisor.
#[derive(Debug)]
pub struct Supervisor {
    clock: Clock,
    board: Board,
    defaults: Policy,
    database: DatabasePort,
    rows: RowsPort,
    remote: RemotePort,
    slots: BTreeMap<CampaignId, Slot>,
    restarts: u64,
    last_sync_at: Option<DateTime<Utc>>,
    /// The rows of the last sync.
    last_rows: BTreeMap<CampaignId, CampaignRow>,
    /// Single campaigns' holds, as of the last sync.
    last_holds: HashMap<CampaignId, Hold>,
    hold_all: HoldAll,
    sync_stage: SyncStage,
    sync_timer: Option<SpawnHandle>,
    /// Those who wait for the sync under way, and for the one after it.
    sync_waiters: [Vec<oneshot::Sender<Result<(), SyncFailure>>>; 2],
    /// Why the rows could not be read at the last sync.
    sync_failure: Option<SyncFailure>,
    stopping: bool,
}

impl Supervisor {
    /// A supervisor without actors; it syncs once it is started.
    #[must_use]
    pub fn new(
        clock: Clock,
        board: Board,
        defaults: Policy,
        database: DatabasePort,
        rows: RowsPort,
        remote: RemotePort,
    ) -> Self {
        Self {
            clock,
            board,
            defaults,
            database,
            rows,
            remote,
            slots: BTreeMap::new(),
            restarts: 0,
            last_sync_at: None,
            last_rows: BTreeMap::new(),
            last_holds: HashMap::new(),
            hold_all: HoldAll::default(),
            sync_stage: SyncStage::BackingOff,
            sync_timer: None,
            sync_waiters: [Vec::new(), Vec::new()],
            sync_failure: None,
            stopping: false,
        }
    }

    fn surroundings(&self, ctx: &Context<Self>) -> Surroundings {
        let supervisor = ctx.address();
        Surroundings {
            clock: self.clock.clone(),
            board: self.board.clone(),
            defaults: (*self.defaults).clone(),
            database: self.database.clone(),
            remote: self.remote.clone(),
            supervisor: SupervisorPort { died: supervisor.clone().recipient(), disable_ended: supervisor.recipient() },
            hold_all: self.hold_all.hold.clone(),
        }
    }

    fn publish(&self) {
        self.board.publish_supervisor(SupervisorStatus {
            campaigns: self.slots.len() as u64,
            restarts: self.restarts,
            last_sync_at: self.last_sync_at,
            hold: self.hold_all.hold.clone(),
        });
    }

    /// Reads what an actor is built from; [`Supervisor::built`] goes on.
    fn build(&mut self, ctx: &mut Context<Self>, id: CampaignId) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        slot.stage = Stage::Building;
        slot.incarnation.number += 1;
        let incarnation = slot.incarnation.number;
        let read = answered(self.rows.read_stored.send(ReadStored(id)));
        ctx.spawn(read.into_actor(self).map(move |answer, actor, ctx| {
            actor.built(ctx, id, incarnation, answer);
        }));
    }

    fn built(
        &mut self,
        ctx: &mut Context<Self>,
        id: CampaignId,
        incarnation: u64,
        stored: Answer<Option<StoredCampaign>>,
    ) {
        let surroundings = self.surroundings(ctx);
        let now = self.clock.now();
        let Some(slot) = self.slots.get_mut(&id).filter(|slot| slot.incarnation.number == incarnation) else { return };
        if self.stopping {
            return;
        }
        let stored = match stored {
            Ok(stored) => stored,
            Err(reason) => {
                tracing::error!(campaign = %id, name = slot.row.name, %reason, "its actor cannot be built: what it promised cannot be read");
                let event =
                    OperatorEvent::error(now, Part::Actor, &format!("what it promised cannot be read: {reason}"));
                self.board.tell(event.about(id, &slot.row.name));
                self.rest(ctx, id);
                return;
            }
        };
        // Bad overrides are the first tick's to report; until they are right, the defaults can only stop it.
        let (policy, _) = slot.row.policy_or(&self.defaults, &self.defaults);
        let actor = CampaignActor::new(surroundings, slot.row.clone(), policy, stored, slot.incarnation);
        actor.publish();
        if slot.incarnation.number > 1 {
            self.board.tell(OperatorEvent::recovery(now, Part::Actor).about(id, &slot.row.name));
        }
        slot.born_at = now;
        slot.stage = Stage::Alive(actor.start());
        self.tell_one_shot(id);
        self.finish_sync(ctx);
    }

    /// An actor is gone against everybody's will.
    fn on_death(&mut self, ctx: &mut Context<Self>, id: CampaignId) {
        let now = self.clock.now();
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if now.signed_duration_since(slot.born_at) >= LONG_LIFE {
            slot.deaths_in_a_row = 0;
        }
        slot.deaths_in_a_row = slot.deaths_in_a_row.saturating_add(1);
        slot.incarnation.deaths += 1;
        for DisableOrder { reply, .. } in slot.disable_replies.drain(..) {
            let refusal = Refusal::ActorDied;
            tell(reply, Err(refusal));
        }
        let deaths = slot.incarnation.deaths;
        if slot.one_shot.is_some() {
            tracing::error!(campaign = %id, name = slot.row.name, "the actor died that was to act on it once");
            self.end_one_shot(ctx, id);
            return;
        }
        tracing::error!(campaign = %id, name = slot.row.name, deaths, "its actor died: it is built anew from what was stored");
        self.restarts += 1;
        self.board.metrics().actor_died();
        self.board.amend_actor(id, |actor| {
            actor.status = Liveness::Restarting;
            actor.restarts = deaths;
        });
        self.board.tell(OperatorEvent::error(now, Part::Actor, "it died").about(id, &slot.row.name));
        self.rest(ctx, id);
        self.publish();
    }

    fn rest(&mut self, ctx: &mut Context<Self>, id: CampaignId) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if slot.one_shot.is_some() {
            self.end_one_shot(ctx, id);
            return;
        }
        slot.stage = Stage::BackingOff;
        let doublings = slot.deaths_in_a_row.saturating_sub(1).min(10);
        let rest = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_BACKOFF);
        let incarnation = slot.incarnation.number;
        let since = self.clock.now();
        self.board.publish_backoff(id, ActorBackoff { since, until: since + rest });
        ctx.run_later(rest, move |actor, ctx| {
            let rests =
                |slot: &&mut Slot| matches!(slot.stage, Stage::BackingOff) && slot.incarnation.number == incarnation;
            if actor.slots.get_mut(&id).filter(rests).is_some() && !actor.stopping {
                actor.build(ctx, id);
            }
        });
        self.finish_sync(ctx);
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.sync(ctx);
    }
}

impl Handler<Died> for Supervisor {
    type Result = ();

    fn handle(&mut self, Died { campaign, incarnation }: Died, ctx: &mut Self::Context) {
        let is_news = self.slots.get(&campaign).is_some_and(|slot| {
            slot.incarnation.number == incarnation && matches!(slot.stage, Stage::Alive(_) | Stage::Disabling(_))
        });
        if is_news && !self.stopping {
            self.on_death(ctx, campaign);
        }
    }
}

impl Handler<SyncNow> for Supervisor {
    type Result = ResponseFuture<Result<(), SyncFailure>>;

    fn handle(&mut self, SyncNow: SyncNow, ctx: &mut Self::Context) -> Self::Result {
        let synced = self.synced(ctx);
        Box::pin(async move { synced.await.unwrap_or(Err(SyncFailure::SupervisorDied)) })
    }
}

impl Handler<Shutdown> for Supervisor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Shutdown: Shutdown, _: &mut Self::Context) -> Self::Result {
        self.stopping = true;
        let living = self.slots.iter().filter_map(|(id, slot)| match &slot.stage {
            Stage::Alive(actor) | Stage::Disabling(actor) => Some(finish(actor.clone(), *id, slot.row.name.clone())),
            Stage::Building | Stage::Leaving | Stage::BackingOff => None,
        });
        let finished = join_all(living);
        Box::pin(async move { drop(finished.await) })
    }
}

/// Waits until nothing is on its way of one campaign, within a bound.
async fn finish(actor: Addr<CampaignActor>, campaign: CampaignId, name: String) {
    if tokio::time::timeout(FINISH_WITHIN, actor.send(Finish)).await.is_err() {
        tracing::warn!(%campaign, name, "what is on its way was not answered in time: the next start reads what became of it");
    }
}

/// The database's answer to what the supervisor itself has asked.
async fn answered<T>(asked: impl Future<Output = Result<Answer<T>, MailboxError>>) -> Answer<T> {
    match tokio::time::timeout(ANSWERED_WITHIN, asked).await {
        Ok(answer) => of_database(answer),
        Err(_) => Err(DatabaseFailure::TimedOut(ANSWERED_WITHIN)),
    }
}
