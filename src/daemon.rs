//! The composition root: the only file that sees everything. Opens what there is to open, starts the actors, serves the
//! control socket, and stops all of it in order.

pub mod direct;
mod operations;
mod retention;
mod signals;

use std::time::Duration;

use actix::prelude::*;
use secrecy::SecretString;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use self::operations::Operator;
use self::retention::Forgetting;
use crate::actors::campaign::{DatabasePort, RemotePort};
use crate::actors::database::{DatabaseActor, Flush};
use crate::actors::supervisor::{CarryOut, RowsPort, Shutdown, Supervisor, SyncNow};
use crate::actors::trafficstar::{Limits, TrafficStarActor};
use crate::board::Board;
use crate::clock::Clock;
use crate::config::{Config, DatabasePassword, process_environment};
use crate::control::Order;
use crate::control::server::{Shared, Socket, SocketError};
use crate::store::{DatabaseUrl, DatabaseUrlError, Password, Store, StoreError};
use crate::telemetry::LogControl;
use crate::trafficstar::gate::Gate;
use crate::trafficstar::http::{ClientError, RemoteClient};

/// How many commands may wait for the supervisor; a client whose command finds no room waits.
const WAITING_ORDERS: usize = 64;
/// How often the daemon looks whether the actors that all others need are alive.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the end of the program waits for the last spends to be stored.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// Why the daemon could not start, or had to end.
#[derive(Debug, Error)]
pub enum RunError {
    /// The database's URL makes no sense.
    #[error("[database] url is wrong")]
    DatabaseUrl(#[from] DatabaseUrlError),
    /// The database.
    #[error("the database is not usable")]
    Store(#[from] StoreError),
    /// The control socket.
    #[error("the control socket is not usable")]
    Socket(#[from] SocketError),
    /// The TrafficStar client.
    #[error("the TrafficStar client could not be set up")]
    Client(#[from] ClientError),
    /// The signals that end the program could not be listened for.
    #[error("the signals of the operating system cannot be heard")]
    Signals(#[source] std::io::Error),
    /// The control server's thread could not be started.
    #[error("the control server could not be started")]
    ControlThread(#[source] std::io::Error),
    /// An actor that all others need has died: a defect. Whoever watches over the process should start it anew.
    #[error("the {0} actor died, and nothing can be guarded without it: the program ends, start it again")]
    ActorDied(&'static str),
}

/// The database of a config. Nothing is opened before its first operation.
///
/// # Errors
/// The URL makes no sense.
pub fn store_of(config: &Config) -> Result<Store, DatabaseUrlError> {
    let url: DatabaseUrl = config.database.url.expose().parse()?;
    let url = match config.database_password(&process_environment()) {
        Some(DatabasePassword::Text(text)) => url.or_password(Password::Text(text)),
        Some(DatabasePassword::File(file)) => url.or_password(Password::File(file)),
        None => url,
    };
    Ok(Store::connect(&url))
}

/// Runs the daemon until a signal or an operator ends it.
///
/// # Errors
/// It could not start, or an actor that all others need died.
pub fn run(config: &Config, api_key: SecretString, log: LogControl) -> Result<(), RunError> {
    let stop = signals::stop()?;
    System::new().block_on(serve(config, api_key, Some(log), stop))
}

/// Runs the daemon within an actix system until `stop` resolves or an operator orders its end, then finishes what is on
/// its way. SIGHUP makes it read its config anew. Without `log` its log lines are the caller's business.
///
/// # Errors
/// It could not start, or an actor that all others need died.
pub async fn serve(
    config: &Config,
    api_key: SecretString,
    log: Option<LogControl>,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let clock = Clock::system();
    let hang_up = signal(SignalKind::hangup()).map_err(RunError::Signals)?;
    let store = store_of(config)?;
    // The lock first: whoever does not get it must not touch the other one's socket.
    let lock = store.lock().await?;
    let (socket, socket_file) = Socket::open(&config.control.socket, config.control.mode).await?;
    for migration in store.migrate().await? {
        tracing::info!(migration, "the database's schema was brought up to date");
    }
    let board = Board::new(clock.now());
    let limits = limits(config, &store, &clock).await?;
    let actors = Actors::start(config, api_key, store, &limits, &board, &clock)?;
    let (orders, waiting_orders) = mpsc::channel(WAITING_ORDERS);
    actix::spawn(deliver(waiting_orders, actors.supervisor.clone()));
    let mut stop = std::pin::pin!(stop);
    tokio::select! {
        () = &mut stop => {
            // Those that are there already may be acting.
            actors.stop().await;
            return Ok(());
        }
        synced = actors.first_sync() => synced?,
    }
    let (operations, waiting_operations) = mpsc::channel(WAITING_ORDERS);
    let operator = Operator::new(config.clone(), log, actors.supervisor.clone());
    let server = ControlServer::start(socket, Shared { board, clock, orders, operations })?;
    announce(config);
    let ended = tokio::select! {
        () = &mut stop => Ok(()),
        () = operator.serve(waiting_operations, hang_up) => Ok(()),
        dead = actors.first_death() => Err(RunError::ActorDied(dead)),
    };
    tracing::info!("stopping: nothing new is begun, and what is on its way is finished");
    actors.stop().await;
    server.stop().await;
    tracing::info!("stopped");
    // The file goes last: where it is gone, the database's lock is free, and another supervisor can start.
    drop(lock);
    drop(socket_file);
    ended
}

fn announce(config: &Config) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        api = config.trafficstar.base_url,
        socket = %config.control.socket.display(),
        tick = %humantime::format_duration(config.generator.tick.to_std().unwrap_or_default()),
        "guarding"
    );
}

/// The actors that there is one of each.
struct Actors {
    database: Addr<DatabaseActor>,
    trafficstar: Addr<TrafficStarActor>,
    supervisor: Addr<Supervisor>,
    /// Deletes old history as long as the others live.
    _forgetting: Forgetting,
}

impl Actors {
    fn start(
        config: &Config,
        api_key: SecretString,
        store: Store,
        limits: &Limits,
        board: &Board,
        clock: &Clock,
    ) -> Result<Self, RunError> {
        let (gate, messages) = Gate::new();
        let client = RemoteClient::new(direct::settings(config, api_key), gate)?;
        let _forgetting = Forgetting::start(store.clone(), config.database.keep_history, clock.clone());
        let database = DatabaseActor::new(store, board.clone(), clock.clone()).start();
        let trafficstar =
            TrafficStarActor::new(client, messages, limits, database.clone().recipient(), board.clone(), clock.clone())
                .start();
        let supervisor = Supervisor::new(
            clock.clone(),
            board.clone(),
            config.generator.clone(),
            database_port(&database),
            RowsPort {
                read_rows: database.clone().recipient(),
                read_stored: database.clone().recipient(),
                save: database.clone().recipient(),
                set_generator_enabled: database.clone().recipient(),
                write_campaign: database.clone().recipient(),
                carry_out_urls: database.clone().recipient(),
                read_journal: database.clone().recipient(),
                store_hold: database.clone().recipient(),
                store_hold_on_all: database.clone().recipient(),
            },
            remote_port(&trafficstar),
        );
        Ok(Self { database, trafficstar, supervisor: supervisor.start(), _forgetting })
    }

    /// Resolves when every campaign is published. A database that is away at the start is waited for.
    async fn first_sync(&self) -> Result<(), RunError> {
        while self.supervisor.send(SyncNow).await.map_err(|_| RunError::ActorDied("supervisor"))?.is_err() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Resolves with the name of the first that dies. None ever stops by itself.
    async fn first_death(&self) -> &'static str {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            let alive = [
                ("supervisor", self.supervisor.connected()),
                ("TrafficStar client", self.trafficstar.connected()),
                ("database", self.database.connected()),
            ];
            if let Some((name, _)) = alive.into_iter().find(|(_, connected)| !connected) {
                return name;
            }
        }
    }

    async fn stop(&self) {
        // One that died has nothing left to finish; a spend that is not stored in time is read anew.
        let _ = self.supervisor.send(Shutdown).await;
        let _ = tokio::time::timeout(FLUSH_WITHIN, self.database.send(Flush)).await;
    }
}

fn database_port(database: &Addr<DatabaseActor>) -> DatabasePort {
    DatabasePort {
        read_tick: database.clone().recipient(),
        save: database.clone().recipient(),
        save_spend: database.clone().recipient(),
    }
}

/// What bounds the requests: the config, and what another process has sent within the last minute.
async fn limits(config: &Config, store: &Store, clock: &Clock) -> Result<Limits, RunError> {
    let timeout = config.trafficstar.timeout;
    Ok(Limits {
        requests_per_minute: config.trafficstar.requests_per_minute,
        timeout,
        tick: config.generator.tick,
        sent: store.requests_sent(clock.now() - Limits::counts_for(timeout)).await?,
    })
}

fn remote_port(trafficstar: &Addr<TrafficStarActor>) -> RemotePort {
    RemotePort {
        read_status: trafficstar.clone().recipient(),
        remind_status: trafficstar.clone().recipient(),
        set_tick: trafficstar.clone().recipient(),
        read_spend: trafficstar.clone().recipient(),
        change: trafficstar.clone().recipient(),
    }
}

/// Hands commands from the control server to the supervisor.
async fn deliver(mut orders: mpsc::Receiver<Order>, supervisor: Addr<Supervisor>) {
    while let Some(order) = orders.recv().await {
        // A supervisor that is gone drops the reply slot, which is an answer.
        supervisor.do_send(CarryOut(order));
    }
}

/// The control server on a thread and a runtime of its own: a large dump or a slow client holds no actor up.
struct ControlServer {
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl ControlServer {
    fn start(socket: Socket, shared: Shared) -> Result<Self, RunError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::ControlThread)?;
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let serve = move || {
            let stop = async {
                // A daemon that is gone wants it stopped, too.
                let _ = stopped.await;
            };
            runtime.block_on(socket.serve(shared, stop));
            // The daemon may have stopped waiting.
            let _ = end.send(());
        };
        std::thread::Builder::new().name("control".to_owned()).spawn(serve).map_err(RunError::ControlThread)?;
        Ok(Self { stop, ended })
    }

    /// Answers what is being asked, within a bound: a client that never reads its answer holds nothing up.
    async fn stop(self) {
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(Duration::from_secs(2), self.ended).await;
    }
}
