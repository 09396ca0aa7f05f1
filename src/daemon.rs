//! The daemon connects all parts of the program. It opens the database and the control socket, starts the actors, takes
//! part in the election of a leader, and stops everything in order. It leaves guarding campaigns to `actors`, and
//! answering clients to `control`.
//!
//! It also has the commands that work without a running supervisor: `check`, `account` and `pause-all --direct`.

pub mod account;
mod admin;
mod alerting;
mod announce;
pub mod check;
pub mod direct;
mod election;
mod order_router;
pub mod os_limits;
mod retention;
mod roles;
mod service_manager;
mod signals;
mod threads;
mod watchdog;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::FutureExt;
use futures_util::future::join;
use secrecy::SecretString;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use self::admin::Admin;
use self::alerting::receivers_of;
use self::announce::{announce, report_campaigns, report_status, watch_health};
use self::election::{Election, HeldLease, Look};
use self::order_router::OrderRouter;
use self::roles::{Guarding, RoleContext, StandingBy};
use self::service_manager::ServiceManager;
use self::watchdog::Watchdog;
use crate::actors::alerts::AlertsPort;
use crate::actors::campaign::{DatabasePort, RemotePort};
use crate::actors::database::DatabaseActor;
use crate::actors::supervisor::RowsPort;
use crate::actors::trafficstar::TrafficStarActor;
use crate::board::Board;
use crate::clock::Clock;
use crate::config::{Config, process_environment};
use crate::control::server::{MetricsPort, MetricsPortError, Shared, Socket, SocketError};
use crate::domain::supervisor_occasions::Process;
use crate::error_chain::in_full;
use crate::store::{Store, StoreError};
use crate::telemetry::LogControl;
use crate::trafficstar::circuit::PROBE_INTERVAL;
use crate::trafficstar::client::Limits;
use crate::trafficstar::date::SeenClock;
use crate::trafficstar::http::ClientError;

/// The number of orders that may wait for the supervisor. A client whose order finds no room waits.
const WAITING_ORDERS: usize = 64;

/// The reason for which the daemon could not start, or had to end.
#[derive(Debug, Error)]
pub enum RunError {
    /// The database cannot be used.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// Somebody removed or replaced the lock file while the daemon ran.
    #[error(
        "the lock file beside the database was removed or replaced, so another supervisor may guard the campaigns: \
         this one sends nothing more and ends. Start it again, unless another one runs, and leave the lock file in \
         place"
    )]
    LockLost,
    /// The control socket cannot be used.
    #[error("the control socket cannot be used")]
    Socket(#[from] SocketError),
    /// The port for the metrics cannot be used.
    #[error(transparent)]
    MetricsPort(#[from] MetricsPortError),
    /// The TrafficStar client could not be set up.
    #[error("the TrafficStar client could not be set up")]
    Client(#[from] ClientError),
    /// The program could not register for the signals that end it.
    #[error("the program cannot register for the signals of the operating system (SIGTERM, SIGINT, SIGHUP)")]
    Signals(#[source] std::io::Error),
    /// The HTTP client of the alerts could not be set up.
    #[error("the HTTP client for alerts cannot be set up: are the system's CA certificates installed?")]
    Webhooks(#[source] reqwest::Error),
    /// The control server's thread could not be started.
    #[error("the control server could not be started")]
    ControlThread(#[source] std::io::Error),
    /// The thread of the actors could not be started.
    #[error("the thread of the actors could not be started")]
    ActorThread(#[source] std::io::Error),
    /// An actor that all others need has died, because of a defect. The service manager should start the program again.
    #[error("the {0} actor died (a panic), and nothing can be guarded without it. The program ends: start it again")]
    ActorDied(&'static str),
}

/// Returns the database of a config. It is opened at its first operation.
#[must_use]
pub fn store_of(config: &Config) -> Store {
    let url = config.database.url.clone();
    Store::connect(&match config.database_password(&process_environment()) {
        Some(password) => url.or_password(password),
        None => url,
    })
}

/// Runs the daemon until a signal or an operator ends it.
///
/// # Errors
/// The daemon could not start, an actor that all others need died, or the lock was lost.
pub fn run(config: &Config, api_key: SecretString, log: LogControl) -> Result<(), RunError> {
    os_limits::take_all_files();
    let stop = signals::stop(log.clone())?;
    System::new().block_on(serve(config, api_key, Some(log), stop))
}

/// Runs the daemon within an actix system until `stop` resolves or an operator orders its end. Then it waits for
/// requests in flight. SIGHUP makes it read its config again. Without `log` the caller has to set up logging.
///
/// # Errors
/// The daemon could not start, an actor that all others need died, or the lock was lost.
pub async fn serve(
    config: &Config,
    api_key: SecretString,
    log: Option<LogControl>,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let clock = Clock::system();
    let (service_manager, watchdog) = (ServiceManager::of_this_process(), Watchdog::default());
    service_manager.status("starting");
    let hang_up = signal(SignalKind::hangup()).map_err(RunError::Signals)?;
    let store = store_of(config);
    // The lock comes first: without it, this process must not touch the socket of the supervisor that has the lock.
    let lock = store.lock().await?.map(Arc::new);
    let (socket, socket_file) = Socket::open(&config.control.socket, config.control.mode).await?;
    let metrics_port = match config.metrics.listen {
        Some(address) => Some(MetricsPort::open(address).await?),
        None => None,
    };
    for migration in store.upgrade().await? {
        tracing::info!(migration, "the database's schema was brought up to date");
    }
    let board = Board::new(clock.now());
    let router = OrderRouter::new(config.generator.clone(), receivers_of(config));
    let (orders, waiting_orders) = mpsc::channel(WAITING_ORDERS);
    actix::spawn(router.clone().route(waiting_orders, board.clone()));
    let (admin_orders, waiting_admin_orders) = mpsc::channel(WAITING_ORDERS);
    let admin = Admin::new(config.clone(), log, router.clone());
    let end = async {
        tokio::select! {
            () = stop => {}
            () = admin.serve(waiting_admin_orders, hang_up) => {}
        }
        service_manager.stopping();
    };
    let background = [
        actix::spawn(watch_health(board.clone(), clock.clone())),
        actix::spawn(watchdog.clone().run(service_manager.clone())),
    ];
    let per_campaign_metrics = config.metrics.per_campaign;
    let shared = Shared { board: board.clone(), clock: clock.clone(), orders, admin_orders, per_campaign_metrics };
    let mut daemon = Daemon {
        election: Election::new(&store, lock.clone(), board.clone(), clock.clone()),
        context: RoleContext { config: config.clone(), api_key, board, clock },
        store,
        router,
        control: ControlEndpoint { closed: Some((socket, metrics_port, shared)), open: None },
        watchdog,
        service_manager: service_manager.clone(),
    };
    let ended = daemon.run(std::pin::pin!(end)).await;
    // An end because of an error is one, too.
    service_manager.stopping();
    background.iter().for_each(tokio::task::JoinHandle::abort);
    if let Some(server) = daemon.control.open {
        server.stop().await;
    }
    tracing::info!("stopped");
    // The socket's file is removed last. When it no longer exists, the database's lock is free, and another supervisor
    // can start.
    drop(lock);
    drop(socket_file);
    ended
}

/// The control server. It starts after the first sync, so that its first answers are complete.
struct ControlEndpoint {
    /// The socket, the port for the metrics and the state with which the server starts; `None` once it has started.
    closed: Option<(Socket, Option<MetricsPort>, Shared)>,
    /// The server; `None` until it has started.
    open: Option<ControlServer>,
}

impl ControlEndpoint {
    /// Starts the server, unless it runs already, and says that the program is ready.
    fn open(&mut self, service_manager: &ServiceManager) -> Result<(), RunError> {
        if let Some((socket, metrics_port, shared)) = self.closed.take() {
            let (board, clock) = (shared.board.clone(), shared.clock.clone());
            self.open = Some(ControlServer::start(socket, metrics_port, shared)?);
            service_manager.ready();
            // It ends with the last message: see `ServiceManager::stopping`.
            actix::spawn(report_status(board, clock, service_manager.clone()));
        }
        Ok(())
    }
}

/// The daemon from its start to its end. It stands by until it leads. It leads until it ends or until another one
/// leads.
struct Daemon {
    election: Election,
    context: RoleContext,
    store: Store,
    router: OrderRouter,
    control: ControlEndpoint,
    watchdog: Watchdog,
    service_manager: ServiceManager,
}

/// The cause that ended the leadership of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LeadershipEnd {
    /// An operator or a signal ended the program.
    Ordered,
    /// Another supervisor leads, or the lock was lost.
    Lost,
}

impl Daemon {
    /// Stands by and leads in turn, until `end` resolves.
    async fn run(&mut self, mut end: Pin<&mut impl Future<Output = ()>>) -> Result<(), RunError> {
        loop {
            let held = match self.election.look().await {
                Ok(Look::Won(held)) => held,
                Ok(Look::HeldByAnother) | Err(_) => match self.stand_by(end.as_mut()).await? {
                    Some(held) => held,
                    None => return Ok(()),
                },
            };
            match self.lead(held, end.as_mut()).await? {
                LeadershipEnd::Ordered => return Ok(()),
                LeadershipEnd::Lost if self.election.is_by_lock() => return Err(RunError::LockLost),
                LeadershipEnd::Lost => {}
            }
        }
    }

    /// Stands by until leadership is won. Returns `None` if the program ended before that.
    async fn stand_by(&mut self, end: Pin<&mut impl Future<Output = ()>>) -> Result<Option<HeldLease>, RunError> {
        let standing = StandingBy::start(&self.context, self.router.defaults(), &self.store)?;
        self.watchdog.watch(standing.watched());
        let (router, control, election) = (&self.router, &mut self.control, &mut self.election);
        let service_manager = &self.service_manager;
        let win = async {
            standing.first_sync().await?;
            router.attach(standing.order_handler());
            control.open(service_manager)?;
            tracing::info!("standing by: another supervisor leads, or led a moment ago");
            tokio::select! {
                held = election.win() => Ok(Some(held)),
                dead = standing.first_dead_actor() => Err(RunError::ActorDied(dead)),
            }
        };
        let won = tokio::select! {
            () = end => Ok(None),
            won = win => won,
        };
        self.router.clear();
        standing.end().await;
        self.watchdog.rest();
        won
    }

    /// Returns the request limit. It waits for a database that fails, since no request may leave without the count of
    /// the requests that the last process sent.
    async fn limits(&self, store: &Store) -> Limits {
        loop {
            match limits(&self.context.config, store, &self.context.clock).await {
                Ok(limits) => return limits,
                Err(error) => tracing::warn!(
                    reason = in_full(&error),
                    "nothing is guarded yet: the database cannot be read; it is tried every second"
                ),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Guards the campaigns until `end` resolves, or until the leadership is lost.
    async fn lead(
        &mut self,
        mut held: HeldLease,
        mut end: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<LeadershipEnd, RunError> {
        let store = held.store.clone();
        let limits = tokio::select! {
            () = end.as_mut() => {
                held.give_up().await;
                return Ok(LeadershipEnd::Ordered);
            }
            () = held.lost() => return Ok(LeadershipEnd::Lost),
            limits = self.limits(&store) => limits,
        };
        let guarding =
            match Guarding::start(&self.context, self.router.defaults(), self.router.receivers(), limits, &held) {
                Ok(guarding) => guarding,
                Err(error) => {
                    held.give_up().await;
                    return Err(error);
                }
            };
        self.watchdog.watch(guarding.watched());
        let handler = guarding.order_handler(&held);
        let (router, control, service_manager) = (&self.router, &mut self.control, &self.service_manager);
        let RoleContext { config, board, clock, .. } = &self.context;
        let guard = async {
            guarding.first_sync().await?;
            router.attach(handler);
            control.open(service_manager)?;
            announce(config);
            let report = async {
                report_campaigns(board, clock, config).await;
                std::future::pending().await
            };
            let process = this_process();
            let dead = tokio::select! {
                dead = guarding.first_dead_actor() => dead,
                never = report => never,
                () = guarding.alerting().watch(&store, &process) => std::future::pending().await,
            };
            Err(RunError::ActorDied(dead))
        };
        let ended = tokio::select! {
            () = end => Ok(LeadershipEnd::Ordered),
            () = held.lost() => Ok(LeadershipEnd::Lost),
            failed = guard => failed,
        };
        if matches!(ended, Ok(LeadershipEnd::Lost)) {
            self.router.clear();
            guarding.abandon().await;
        } else {
            tracing::info!("stopping: nothing new is begun, and requests in flight are finished");
            guarding.stop().await;
            self.router.clear();
        }
        self.watchdog.rest();
        held.give_up().await;
        ended
    }
}

/// Returns the name of this machine.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Returns this process, for alerts.
fn this_process() -> Process {
    Process { host: host_name(), pid: std::process::id() }
}

fn alerts_port(database: &Addr<DatabaseActor>) -> AlertsPort {
    AlertsPort { read: database.clone().recipient(), save: database.clone().recipient() }
}

fn database_port(database: &Addr<DatabaseActor>) -> DatabasePort {
    DatabasePort {
        read_tick: database.clone().recipient(),
        save: database.clone().recipient(),
        save_spend: database.clone().recipient(),
    }
}

fn rows_port(database: &Addr<DatabaseActor>) -> RowsPort {
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
    }
}

/// Returns the request limit: the limit of the config, less the requests that any process sent within the last minute.
async fn limits(config: &Config, store: &Store, clock: &Clock) -> Result<Limits, RunError> {
    let counts_for = Limits::counts_for(config.trafficstar.timeout);
    let sent = store.requests_sent(clock.now() - counts_for).await?;
    Ok(Limits { sent, ..limits_alone(config) })
}

/// Returns the request limit if no process has sent anything within the last minute.
fn limits_alone(config: &Config) -> Limits {
    Limits {
        requests_per_minute: config.trafficstar.requests_per_minute,
        timeout: config.trafficstar.timeout,
        tick: config.generator.tick,
        // A token is tried as often as an open circuit is probed.
        token_backoff: PROBE_INTERVAL.min(config.generator.tick),
        sent: Vec::new(),
    }
}

fn remote_port(trafficstar: &Addr<TrafficStarActor>, clock: SeenClock) -> RemotePort {
    RemotePort {
        clock,
        read_status: trafficstar.clone().recipient(),
        set_tick: trafficstar.clone().recipient(),
        read_spend: trafficstar.clone().recipient(),
        read_account: trafficstar.clone().recipient(),
        change: trafficstar.clone().recipient(),
    }
}

/// The control server. It has its own thread and runtime, so that a large dump or a slow client delays no actor.
struct ControlServer {
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl ControlServer {
    fn start(socket: Socket, metrics_port: Option<MetricsPort>, shared: Shared) -> Result<Self, RunError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::ControlThread)?;
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let serve = move || {
            // An error means that the daemon has ended. The server stops then, too.
            let stopped = stopped.map(drop).shared();
            runtime.block_on(async {
                let metrics = async {
                    if let Some(port) = metrics_port {
                        port.serve(shared.clone(), stopped.clone()).await;
                    }
                };
                join(socket.serve(shared.clone(), stopped.clone()), metrics).await
            });
            // The daemon may no longer wait.
            let _ = end.send(());
        };
        std::thread::Builder::new().name("control".to_owned()).spawn(serve).map_err(RunError::ControlThread)?;
        Ok(Self { stop, ended })
    }

    /// Answers the open requests, and stops. It waits at most two seconds, for a client that never reads its answer.
    async fn stop(self) {
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(Duration::from_secs(2), self.ended).await;
    }
}
