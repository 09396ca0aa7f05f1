//! The two lives of a supervisor: guarding, while it leads, and standing by. Each has actors of its own on a thread of its
//! own, and nothing of one outlives it: no timer, no promise in memory, no request on its way.

use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::prelude::*;
use secrecy::SecretString;
use tokio::sync::oneshot;

use super::direct;
use super::election::HeldLease;
use super::order_router::OrderHandler;
use super::retention::Forgetting;
use super::{RunError, database_port, remote_port};
use crate::actors::database::{DatabaseActor, Flush};
use crate::actors::standby::{ReadingPort, Standby};
use crate::actors::supervisor::{RowsPort, Shutdown, Supervisor, SyncNow};
use crate::actors::trafficstar::TrafficStarActor;
use crate::board::Board;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::policy::Policy;
use crate::domain::status::RemoteClientStatus;
use crate::store::Store;
use crate::trafficstar::client::Limits;
use crate::trafficstar::http::HttpClient;

/// How often the daemon looks whether the actors that all others need are alive.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the end of the program waits for the last spends to be stored.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);
/// How long the end of a lost leadership waits for the journal of what was sent: nothing else of it counts any more.
const ABANDON_WITHIN: Duration = Duration::from_secs(3);
/// How long a thread may take to end: what it does in the database is not broken off.
const THREAD_ENDS_WITHIN: Duration = Duration::from_secs(10);

/// What both lives need.
#[derive(Clone)]
pub(super) struct RoleContext {
    pub(super) config: Config,
    pub(super) api_key: SecretString,
    pub(super) board: Board,
    pub(super) clock: Clock,
}

/// Guarding: the actors that there is one of each.
pub(super) struct Guarding {
    arbiter: Arbiter,
    database: Addr<DatabaseActor>,
    trafficstar: Addr<TrafficStarActor>,
    supervisor: Addr<Supervisor>,
    /// Deletes old history as long as the others live.
    _forgetting: Forgetting,
}

impl Guarding {
    pub(super) fn start(
        around: &RoleContext,
        defaults: Policy,
        limits: Limits,
        held: &HeldLease,
    ) -> Result<Self, RunError> {
        let RoleContext { config, api_key, board, clock } = around.clone();
        let http = HttpClient::new(direct::settings(&config, api_key), held.leadership.clone())?;
        let seen_clock = http.seen_clock();
        let arbiter = Arbiter::try_new().map_err(RunError::ActorThread)?;
        let database = database_actor(&arbiter, &held.store, around);
        let trafficstar = {
            let (board, clock) = (board.clone(), clock.clone());
            let reserve = database.clone().recipient();
            TrafficStarActor::start_in_arbiter(&arbiter.handle(), move |_| {
                TrafficStarActor::new(http, &limits, reserve, board, clock)
            })
        };
        let rows = RowsPort {
            read_rows: database.clone().recipient(),
            read_stored: database.clone().recipient(),
            save: database.clone().recipient(),
            set_generator_enabled: database.clone().recipient(),
            write_campaign: database.clone().recipient(),
            carry_out_urls: database.clone().recipient(),
            read_journal: database.clone().recipient(),
            store_hold: database.clone().recipient(),
            store_hold_on_all: database.clone().recipient(),
        };
        let (database_port, remote_port) = (database_port(&database), remote_port(&trafficstar, seen_clock));
        let supervisor = Supervisor::start_in_arbiter(&arbiter.handle(), move |_| {
            Supervisor::new(clock, board, defaults, database_port, rows, remote_port)
        });
        let _forgetting = Forgetting::start(held.store.clone(), config.database.keep_history, around.clock.clone());
        Ok(Self { arbiter, database, trafficstar, supervisor, _forgetting })
    }

    /// Resolves when every campaign is published. A database that is away at the start is waited for, an actor that has died
    /// is not.
    pub(super) async fn first_sync(&self) -> Result<(), RunError> {
        tokio::select! {
            synced = first_sync(&self.supervisor, "supervisor") => synced,
            dead = self.first_death() => Err(RunError::ActorDied(dead)),
        }
    }

    /// Whoever carries orders out in this life.
    pub(super) fn present(&self, held: &HeldLease) -> OrderHandler {
        OrderHandler {
            carry_out: self.supervisor.clone().recipient(),
            set_defaults: self.supervisor.clone().recipient(),
            leadership: Some(held.leadership.clone()),
        }
    }

    /// Resolves with the name of the first that dies. None ever stops by itself.
    pub(super) async fn first_death(&self) -> &'static str {
        first_death(|| {
            let alive = [
                ("supervisor", self.supervisor.connected()),
                ("TrafficStar client", self.trafficstar.connected()),
                ("database", self.database.connected()),
            ];
            alive.into_iter().find(|(_, connected)| !connected).map(|(name, _)| name)
        })
        .await
    }

    /// Ends it in order: what is on its way is finished.
    pub(super) async fn stop(self) {
        // One that died has nothing left to finish; a spend that is not stored in time is read anew.
        let _ = self.supervisor.send(Shutdown).await;
        let _ = tokio::time::timeout(FLUSH_WITHIN, self.database.send(Flush)).await;
        end(self.arbiter).await;
    }

    /// Ends it because another supervisor leads: nothing is sent any more, and only what was sent is still stored.
    pub(super) async fn abandon(self) {
        let _ = tokio::time::timeout(ABANDON_WITHIN, self.supervisor.send(Shutdown)).await;
        end(self.arbiter).await;
    }
}

/// Unchanged by.
pub(super) struct StandingBy {
    arbiter: Arbiter,
    database: Addr<DatabaseActor>,
    standby: Addr<Standby>,
}

impl StandingBy {
    pub(super) fn start(around: &RoleContext, defaults: Policy, store: &Store) -> Result<Self, RunError> {
        let (board, clock) = (around.board.clone(), around.clock.clone());
        // Nothing is asked of TrafficStars here: what an earlier life published of it is over.
        board.publish_trafficstar(clock.now(), RemoteClientStatus::default(), None);
        let arbiter = Arbiter::try_new().map_err(RunError::ActorThread)?;
        let database = database_actor(&arbiter, store, around);
        let rows = ReadingPort {
            read_rows: database.clone().recipient(),
            read_journal: database.clone().recipient(),
            carry_out_urls: database.clone().recipient(),
        };
        let standby = Standby::start_in_arbiter(&arbiter.handle(), move |_| Standby::new(clock, board, defaults, rows));
        Ok(Self { arbiter, database, standby })
    }

    /// Resolves when every campaign is published. A database that is away at the start is waited for, an actor that has died
    /// is not.
    pub(super) async fn first_sync(&self) -> Result<(), RunError> {
        tokio::select! {
            synced = first_sync(&self.standby, "standby") => synced,
            dead = self.first_death() => Err(RunError::ActorDied(dead)),
        }
    }

    /// Whoever carries orders out in this life.
    pub(super) fn present(&self) -> OrderHandler {
        OrderHandler {
            carry_out: self.standby.clone().recipient(),
            set_defaults: self.standby.clone().recipient(),
            leadership: None,
        }
    }

    /// Resolves with the name of the first that dies. None ever stops by itself.
    pub(super) async fn first_death(&self) -> &'static str {
        first_death(|| {
            let alive = [("standby", self.standby.connected()), ("database", self.database.connected())];
            alive.into_iter().find(|(_, connected)| !connected).map(|(name, _)| name)
        })
        .await
    }

    pub(super) async fn end(self) {
        end(self.arbiter).await;
    }
}

fn database_actor(arbiter: &Arbiter, store: &Store, around: &RoleContext) -> Addr<DatabaseActor> {
    let (store, board, clock) = (store.clone(), around.board.clone(), around.clock.clone());
    DatabaseActor::start_in_arbiter(&arbiter.handle(), move |_| DatabaseActor::new(store, board, clock))
}

async fn first_sync<A>(actor: &Addr<A>, name: &'static str) -> Result<(), RunError>
where
    A: Handler<SyncNow>,
    A::Context: ToEnvelope<A, SyncNow>,
{
    loop {
        let synced = actor.send(SyncNow).await.map_err(|_| RunError::ActorDied(name))?;
        if synced.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn first_death(dead: impl Fn() -> Option<&'static str>) -> &'static str {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        if let Some(name) = dead() {
            return name;
        }
    }
}

/// Ends a thread with all its actors and whatever they wait for.
async fn end(arbiter: Arbiter) {
    arbiter.stop();
    let (ended, end) = oneshot::channel();
    // Not on a thread of the runtime's, whose own end would wait for it.
    std::thread::spawn(move || {
        let joined = arbiter.join();
        // Nobody may wait any more.
        let _ = ended.send(joined.is_ok());
    });
    if tokio::time::timeout(THREAD_ENDS_WITHIN, end).await.is_err() {
        tracing::warn!("an operation of the database goes on: it is not waited for");
    }
}
