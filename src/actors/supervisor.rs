//! The supervisor: it keeps one campaign actor for each row whose generator is enabled. It starts an actor for a new
//! row, stops the actor of a row that was disabled or removed, and respawns an actor that died.
//!
//! A sync compares the rows with the actors. It happens at every point of the grid, so that a new row is guarded within
//! one tick, and after each order that changes rows. Deliberately absent: the decisions about one campaign.

mod account;
mod catalog;
mod disable;
mod hold;
mod journal;
mod orders;
mod pause_all;
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
pub use self::orders::CarryOut;
use self::pause_all::HoldAll;
use self::process::OneShot;
pub use self::reload::SetDefaults;
use super::answers::{Answer, of_database, send_reply};
use super::campaign::{
    CampaignActor, DatabasePort, Died, Disable, Finish, Incarnation, RemotePort, SupervisorPort, Surroundings,
};
use super::database::{
    CarryOutUrls, ReadJournal, ReadRows, ReadStored, Rows, Save, SetGeneratorEnabled, StoreHold, StoreHoldOnAll,
    WriteCampaign,
};
use super::progress::{Begun, CheckProgress, OpenWork, Stalled};
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

/// The backoff before the first respawn. It doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// The longest backoff before a respawn.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// An actor that ran for this long ends a series of deaths: if it dies, the backoff starts from the beginning.
const STABLE_AFTER: chrono::Duration = chrono::Duration::minutes(10);
/// The longest time that the supervisor waits for an answer of the database. Without this limit, one lost answer would
/// block the supervisor forever.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// No sync takes longer: it waits at most [`ANSWERED_WITHIN`] for the rows, and as long for the stored promises.
const LONGEST_SYNC: Duration = Duration::from_mins(3);
/// The longest time that the end of the program waits for requests in flight: longer than a request may take. The next
/// start reads back the others.
const FINISH_WITHIN: Duration = Duration::from_secs(30);

/// Asks for a sync. The supervisor answers when a sync that began after this message has ended; `Err` says why the rows
/// could not be read.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), SyncFailure>")]
pub struct SyncNow;

/// Prepares the end of the program: nothing new begins. The supervisor answers when nothing is in flight, or after 30
/// seconds.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Shutdown;

/// The messages to the database that the supervisor sends.
#[derive(Debug, Clone)]
pub struct RowsPort {
    /// Reads every row and promise.
    pub read_rows: Recipient<ReadRows>,
    /// Reads the stored state from which an actor is built.
    pub read_stored: Recipient<ReadStored>,
    /// Ends promises of disabled campaigns.
    pub save: Recipient<Save>,
    /// Enables and disables generators.
    pub set_generator_enabled: Recipient<SetGeneratorEnabled>,
    /// Adds, changes and removes rows.
    pub write_campaign: Recipient<WriteCampaign>,
    /// Carries out all orders about URLs. A campaign actor reads the changed URLs at its next tick.
    pub carry_out_urls: Recipient<CarryOutUrls>,
    /// Reads the journal for operators.
    pub read_journal: Recipient<ReadJournal>,
    /// Stores holds of campaigns without an actor.
    pub store_hold: Recipient<StoreHold>,
    /// Stores the hold on all campaigns.
    pub store_hold_on_all: Recipient<StoreHoldOnAll>,
}

/// The stage of a campaign's actor.
#[derive(Debug)]
enum Stage {
    /// The stored state from which the actor is built is being read.
    Building,
    /// The actor guards the campaign.
    Running(Addr<CampaignActor>),
    /// The actor runs, and is about to end its promise and itself. A running one-shot actor is always in this stage.
    Disabling(Addr<CampaignActor>),
    /// The actor has ended its promise. The database is disabling the row.
    DisablingRow,
    /// The actor died or could not be built. It is built after the backoff.
    BackingOff,
}

/// The stage of the sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SyncStage {
    /// No sync is under way: the supervisor waits for the next point of the grid.
    Idle,
    /// The rows are being read and compared.
    Comparing,
    /// Actors for new rows are being built.
    Building,
}

/// An order to disable a generator. It waits for the campaign's actor to end its promise.
#[derive(Debug)]
struct DisableOrder {
    mode: DisableMode,
    reply: Reply<Campaign>,
}

/// One campaign that has an actor, or should have one.
#[derive(Debug)]
struct Slot {
    row: CampaignRow,
    stage: Stage,
    incarnation: Incarnation,
    /// The time (UTC) when the actor was built.
    built_at: DateTime<Utc>,
    /// Counts the deaths since an actor of this campaign last ran for [`STABLE_AFTER`].
    recent_deaths: u32,
    /// The orders that wait for the actor to end its promise.
    disable_replies: Vec<DisableOrder>,
    /// The forced action for which the actor was built; `None` if the actor guards the campaign.
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
    /// The holds on single campaigns, as of the last sync.
    last_holds: HashMap<CampaignId, Hold>,
    hold_all: HoldAll,
    sync_stage: SyncStage,
    /// The actors for which the sync under way waits, each with the number of its incarnation. The sync does not wait for
    /// actors that are built again later: while the database is away, it would never end.
    sync_builds: Vec<(CampaignId, u64)>,
    sync_timer: Option<SpawnHandle>,
    /// The work that has begun and not ended: the sync.
    work: OpenWork,
    /// The sync under way; `None` between two of them.
    sync_begun: Option<Begun>,
    /// The requesters that wait for the sync under way, and those that wait for the sync after it.
    sync_waiters: [Vec<oneshot::Sender<Result<(), SyncFailure>>>; 2],
    /// The reason for which the last sync could not read the rows; `None` if it could.
    sync_failure: Option<SyncFailure>,
    stopping: bool,
}

impl Supervisor {
    /// Returns a supervisor without actors. It syncs when it is started.
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
            sync_stage: SyncStage::Idle,
            sync_builds: Vec::new(),
            sync_timer: None,
            work: OpenWork::default(),
            sync_begun: None,
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

    /// Reads the stored state from which an actor is built, and then builds it ([`Supervisor::built`]).
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
                let name = &slot.row.name;
                tracing::error!(
                    campaign = %id,
                    name,
                    %reason,
                    "the actor of the campaign cannot be built: its stored promise cannot be read"
                );
                let event =
                    OperatorEvent::error(now, Part::Actor, &format!("the stored promise cannot be read: {reason}"));
                self.board.publish_event(event.about(id, &slot.row.name));
                self.back_off(ctx, id);
                return;
            }
        };
        // The first tick reports bad overrides. Until they are valid, the campaign may be paused by the default
        // thresholds, and is not activated.
        let policy = slot.row.first_policy(&self.defaults);
        let actor = CampaignActor::new(surroundings, slot.row.clone(), policy, stored, slot.incarnation);
        actor.publish();
        if slot.incarnation.number > 1 {
            self.board.publish_event(OperatorEvent::recovery(now, Part::Actor).about(id, &slot.row.name));
        }
        slot.built_at = now;
        slot.stage = Stage::Running(actor.start());
        self.start_one_shot(id);
        self.finish_sync(ctx);
    }

    /// Handles the death of an actor: refuses the orders that wait for it, and respawns it after a backoff.
    fn actor_died(&mut self, ctx: &mut Context<Self>, id: CampaignId) {
        let now = self.clock.now();
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if now.signed_duration_since(slot.built_at) >= STABLE_AFTER {
            slot.recent_deaths = 0;
        }
        slot.recent_deaths = slot.recent_deaths.saturating_add(1);
        slot.incarnation.deaths += 1;
        for DisableOrder { reply, .. } in slot.disable_replies.drain(..) {
            let refusal = Refusal::ActorDied;
            send_reply(reply, Err(refusal));
        }
        let deaths = slot.incarnation.deaths;
        if slot.one_shot.is_some() {
            let name = &slot.row.name;
            tracing::error!(campaign = %id, name, "the actor that was built for one forced action died (a panic)");
            self.end_one_shot(ctx, id);
            return;
        }
        tracing::error!(
            campaign = %id,
            name = slot.row.name,
            deaths,
            "the actor of the campaign died (a panic): it is respawned from the stored promise"
        );
        self.restarts += 1;
        self.board.metrics().actor_died();
        self.board.amend_actor(id, |actor| {
            actor.status = Liveness::Restarting;
            actor.restarts = deaths;
        });
        self.board.publish_event(OperatorEvent::error(now, Part::Actor, "a panic").about(id, &slot.row.name));
        self.back_off(ctx, id);
        self.publish();
    }

    /// Builds the actor again after a backoff. A one-shot actor is not built again.
    fn back_off(&mut self, ctx: &mut Context<Self>, id: CampaignId) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if slot.one_shot.is_some() {
            self.end_one_shot(ctx, id);
            return;
        }
        slot.stage = Stage::BackingOff;
        let doublings = slot.recent_deaths.saturating_sub(1).min(10);
        let backoff = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_BACKOFF);
        let incarnation = slot.incarnation.number;
        let since = self.clock.now();
        self.board.publish_backoff(id, ActorBackoff { since, until: since + backoff });
        ctx.run_later(backoff, move |actor, ctx| {
            let backs_off =
                |slot: &&Slot| matches!(slot.stage, Stage::BackingOff) && slot.incarnation.number == incarnation;
            if actor.slots.get(&id).filter(backs_off).is_some() && !actor.stopping {
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

impl Handler<CheckProgress> for Supervisor {
    type Result = Result<(), Stalled>;

    fn handle(&mut self, CheckProgress: CheckProgress, _: &mut Self::Context) -> Self::Result {
        self.work.check()
    }
}

impl Handler<Died> for Supervisor {
    type Result = ();

    fn handle(&mut self, Died { campaign, incarnation }: Died, ctx: &mut Self::Context) {
        let is_current = self.slots.get(&campaign).is_some_and(|slot| {
            slot.incarnation.number == incarnation && matches!(slot.stage, Stage::Running(_) | Stage::Disabling(_))
        });
        if is_current && !self.stopping {
            self.actor_died(ctx, campaign);
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
        let running = self.slots.iter().filter_map(|(id, slot)| match &slot.stage {
            Stage::Running(actor) | Stage::Disabling(actor) => Some(finish(actor.clone(), *id, slot.row.name.clone())),
            Stage::Building | Stage::DisablingRow | Stage::BackingOff => None,
        });
        let finished = join_all(running);
        Box::pin(async move { drop(finished.await) })
    }
}

/// Waits until nothing of one campaign is in flight; at most [`FINISH_WITHIN`].
async fn finish(actor: Addr<CampaignActor>, campaign: CampaignId, name: String) {
    if tokio::time::timeout(FINISH_WITHIN, actor.send(Finish)).await.is_err() {
        tracing::warn!(
            %campaign,
            name,
            "a request in flight was not answered in time: the next start reads whether it took effect"
        );
    }
}

/// Waits for the database's answer to a message of the supervisor itself; at most [`ANSWERED_WITHIN`].
async fn answered<T>(question: impl Future<Output = Result<Answer<T>, MailboxError>>) -> Answer<T> {
    match tokio::time::timeout(ANSWERED_WITHIN, question).await {
        Ok(answer) => of_database(answer),
        Err(_) => Err(DatabaseFailure::TimedOut(ANSWERED_WITHIN)),
    }
}
