//! The two roles of a supervisor: it guards while it leads, and stands by otherwise. Each role has its own actors on
//! its own thread. When a role ends, nothing of it remains: no timer, no promise in memory, no request in flight.

use std::collections::BTreeMap;
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::prelude::*;
use secrecy::SecretString;

use super::alerting::Alerting;
use super::direct;
use super::election::HeldLease;
use super::order_router::OrderHandler;
use super::retention::HistoryCleanup;
use super::threads::end;
use super::watchdog::Watched;
use super::{RunError, alerts_port, database_port, remote_port, rows_port, this_process};
use crate::actors::alerts::SetReceivers;
use crate::actors::database::{DatabaseActor, Flush};
use crate::actors::standby::{ReadingPort, Standby};
use crate::actors::supervisor::{Shutdown, Supervisor, SyncNow};
use crate::actors::trafficstar::TrafficStarActor;
use crate::board::Board;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::policy::Policy;
use crate::domain::status::RemoteClientStatus;
use crate::store::Store;
use crate::trafficstar::client::Limits;
use crate::trafficstar::http::HttpClient;

/// The interval at which the daemon checks that the actors that all others need still run.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The longest time that the end of the program waits for the supervisor, which itself waits 30 s at most for requests in
/// flight. A supervisor that hangs must not hold up the end.
const SHUT_DOWN_WITHIN: Duration = Duration::from_secs(40);
/// The longest time that the end of the program waits for the last spends to be stored.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);
/// The longest time that the end of a lost leadership waits for the journal entries of requests that were sent. Nothing
/// else is stored then.
const ABANDON_WITHIN: Duration = Duration::from_secs(3);

/// The parts of the program that both roles use.
#[derive(Clone)]
pub(super) struct RoleContext {
    pub(super) config: Config,
    pub(super) api_key: SecretString,
    pub(super) board: Board,
    pub(super) clock: Clock,
}

/// The actors of a leader, of which there is one each. The supervisor builds the campaign actors.
pub(super) struct Guarding {
    arbiter: Arbiter,
    database: Addr<DatabaseActor>,
    trafficstar: Addr<TrafficStarActor>,
    supervisor: Addr<Supervisor>,
    alerting: Alerting,
    /// Deletes old history while this process leads.
    _history_cleanup: HistoryCleanup,
}

impl Guarding {
    /// Starts the actors.
    pub(super) fn start(
        context: &RoleContext,
        defaults: Policy,
        receivers: SetReceivers,
        limits: Limits,
        held: &HeldLease,
    ) -> Result<Self, RunError> {
        let RoleContext { config, api_key, board, clock } = context.clone();
        let http = HttpClient::new(direct::settings(&config, api_key), held.leadership.clone())?;
        let seen_clock = http.seen_clock();
        let arbiter = Arbiter::try_new().map_err(RunError::ActorThread)?;
        let database = database_actor(&arbiter, &held.store, context);
        let trafficstar = {
            let (board, clock) = (board.clone(), clock.clone());
            let reserve = database.clone().recipient();
            TrafficStarActor::start_in_arbiter(&arbiter.handle(), move |_| {
                TrafficStarActor::new(http, &limits, reserve, board, clock)
            })
        };
        let (port, leadership) = (alerts_port(&database), held.leadership.clone());
        let alerting = Alerting::start(port, leadership, board.clone(), clock.clone(), receivers)?;
        let rows = rows_port(&database);
        let (database_port, remote_port) = (database_port(&database), remote_port(&trafficstar, seen_clock));
        let supervisor = Supervisor::start_in_arbiter(&arbiter.handle(), move |_| {
            Supervisor::new(clock, board, defaults, database_port, rows, remote_port)
        });
        let (store, keep, clock) = (held.store.clone(), config.database.keep_history, context.clock.clone());
        let _history_cleanup = HistoryCleanup::start(store, keep, clock);
        Ok(Self { arbiter, database, trafficstar, supervisor, alerting, _history_cleanup })
    }

    /// Returns when every campaign is published. It waits for a database that fails at the start, but not for an actor
    /// that has died.
    pub(super) async fn first_sync(&self) -> Result<(), RunError> {
        tokio::select! {
            synced = first_sync(&self.supervisor, "supervisor") => synced,
            dead = self.first_dead_actor() => Err(RunError::ActorDied(dead)),
        }
    }

    /// Returns the handler of orders of this role.
    pub(super) fn order_handler(&self, held: &HeldLease) -> OrderHandler {
        OrderHandler {
            carry_out: self.supervisor.clone().recipient(),
            set_defaults: self.supervisor.clone().recipient(),
            leadership: Some(held.leadership.clone()),
            alerting: Some(self.alerting.clone()),
        }
    }

    /// Returns the alerts of this role.
    pub(super) const fn alerting(&self) -> &Alerting {
        &self.alerting
    }

    /// Returns the actors whose progress the watchdog checks.
    pub(super) fn watched(&self) -> Vec<Watched> {
        vec![
            Watched { name: "supervisor", progress: self.supervisor.clone().recipient() },
            Watched { name: "TrafficStar client", progress: self.trafficstar.clone().recipient() },
            Watched { name: "database", progress: self.database.clone().recipient() },
        ]
    }

    /// Returns the name of the first actor that dies. No actor ends by itself.
    pub(super) async fn first_dead_actor(&self) -> &'static str {
        first_dead_actor(|| {
            let alive = [
                ("supervisor", self.supervisor.connected()),
                ("TrafficStar client", self.trafficstar.connected()),
                ("database", self.database.connected()),
            ];
            alive.into_iter().find(|(_, connected)| !connected).map(|(name, _)| name)
        })
        .await
    }

    /// Ends the role in order: requests in flight are finished.
    pub(super) async fn stop(self) {
        // An actor that died has nothing left to finish. A spend that is not stored in time is read again.
        let _ = tokio::time::timeout(SHUT_DOWN_WITHIN, self.supervisor.send(Shutdown)).await;
        let flush = tokio::time::timeout(FLUSH_WITHIN, self.database.send(Flush));
        // The last alerts go out beside it: the next leader waits for the end of both.
        let process = this_process();
        let ((), _) = tokio::join!(self.alerting.stop(&process), flush);
        end(self.arbiter).await;
    }

    /// Ends the role because the leadership is lost: nothing more is sent, and only requests that were sent are
    /// journalled.
    pub(super) async fn abandon(self) {
        let shut_down = tokio::time::timeout(ABANDON_WITHIN, self.supervisor.send(Shutdown));
        // What is not delivered belongs to the next leader.
        let (_, ()) = tokio::join!(shut_down, self.alerting.abandon());
        end(self.arbiter).await;
    }
}

/// The actors of a standby.
pub(super) struct StandingBy {
    arbiter: Arbiter,
    database: Addr<DatabaseActor>,
    standby: Addr<Standby>,
}

impl StandingBy {
    /// Starts the actors.
    pub(super) fn start(context: &RoleContext, defaults: Policy, store: &Store) -> Result<Self, RunError> {
        let (board, clock) = (context.board.clone(), context.clock.clone());
        // A standby sends no requests to TrafficStars, so the status that an earlier role published is no longer true.
        board.publish_trafficstar(clock.now(), RemoteClientStatus::default(), None);
        // Nor does it send alerts.
        board.publish_alerts(Vec::new());
        board.metrics().alerts(&BTreeMap::new(), std::iter::empty(), std::iter::empty());
        let arbiter = Arbiter::try_new().map_err(RunError::ActorThread)?;
        let database = database_actor(&arbiter, store, context);
        let rows = ReadingPort {
            read_rows: database.clone().recipient(),
            read_journal: database.clone().recipient(),
            carry_out_urls: database.clone().recipient(),
            read_alerts: database.clone().recipient(),
        };
        let standby = Standby::start_in_arbiter(&arbiter.handle(), move |_| Standby::new(clock, board, defaults, rows));
        Ok(Self { arbiter, database, standby })
    }

    /// Returns when every campaign is published. It waits for a database that fails at the start, but not for an actor
    /// that has died.
    pub(super) async fn first_sync(&self) -> Result<(), RunError> {
        tokio::select! {
            synced = first_sync(&self.standby, "standby") => synced,
            dead = self.first_dead_actor() => Err(RunError::ActorDied(dead)),
        }
    }

    /// Returns the handler of orders of this role.
    pub(super) fn order_handler(&self) -> OrderHandler {
        OrderHandler {
            carry_out: self.standby.clone().recipient(),
            set_defaults: self.standby.clone().recipient(),
            leadership: None,
            alerting: None,
        }
    }

    /// Returns the actors whose progress the watchdog checks.
    pub(super) fn watched(&self) -> Vec<Watched> {
        vec![
            Watched { name: "standby", progress: self.standby.clone().recipient() },
            Watched { name: "database", progress: self.database.clone().recipient() },
        ]
    }

    /// Returns the name of the first actor that dies. No actor ends by itself.
    pub(super) async fn first_dead_actor(&self) -> &'static str {
        first_dead_actor(|| {
            let alive = [("standby", self.standby.connected()), ("database", self.database.connected())];
            alive.into_iter().find(|(_, connected)| !connected).map(|(name, _)| name)
        })
        .await
    }

    /// Ends the role.
    pub(super) async fn end(self) {
        end(self.arbiter).await;
    }
}

fn database_actor(arbiter: &Arbiter, store: &Store, context: &RoleContext) -> Addr<DatabaseActor> {
    let (store, board, clock) = (store.clone(), context.board.clone(), context.clock.clone());
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

async fn first_dead_actor(dead: impl Fn() -> Option<&'static str>) -> &'static str {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        if let Some(name) = dead() {
            return name;
        }
    }
}
