//! The composition root: the only file that sees everything. Opens what there is to open, starts the actors, serves the
//! control socket, and stops all of it in order.

pub mod account;
mod admin;
mod announce;
pub mod check;
pub mod direct;
mod election;
mod order_router;
pub mod process;
mod retention;
mod roles;
mod signals;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use secrecy::SecretString;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use self::admin::Admin;
use self::announce::{announce, tell_of_campaigns, watch_health};
use self::election::{Election, HeldLease, Look};
use self::order_router::OrderRouter;
use self::roles::{Guarding, RoleContext, StandingBy};
use crate::actors::campaign::{DatabasePort, RemotePort};
use crate::actors::database::DatabaseActor;
use crate::actors::trafficstar::TrafficStarActor;
use crate::board::Board;
use crate::clock::Clock;
use crate::config::{Config, process_environment};
use crate::control::server::{Shared, Socket, SocketError};
use crate::error_chain::in_full;
use crate::store::{Store, StoreError};
use crate::telemetry::LogControl;
use crate::trafficstar::circuit::PROBE_INTERVAL;
use crate::trafficstar::client::Limits;
use crate::trafficstar::date::SeenClock;
use crate::trafficstar::http::ClientError;

/// How many commands may wait for the supervisor; a client whose command finds no room waits.
const WAITING_ORDERS: usize = 64;

/// Why the daemon could not start, or had to end.
#[derive(Debug, Error)]
pub enum RunError {
    /// The database.
    #[error("the database is not usable")]
    Store(#[from] StoreError),
    /// The file of the lock was removed or replaced by hand.
    #[error(
        "the lock file beside the database was removed or replaced, so that another supervisor may guard the campaigns: this \
         one sends nothing more and ends. Start it again, unless another one runs; leave the file where it is"
    )]
    LockLost,
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
    /// The thread of the actors could not be started.
    #[error("the thread of the actors could not be started")]
    ActorThread(#[source] std::io::Error),
    /// An actor that all others need has died: a defect. Whoever watches over the process should start it anew.
    #[error("the {0} actor died, and nothing can be guarded without it: the program ends, start it again")]
    ActorDied(&'static str),
}

/// The database of a config. Nothing is opened before its first operation.
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
/// It could not start, or an actor that all others need died.
pub fn run(config: &Config, api_key: SecretString, log: LogControl) -> Result<(), RunError> {
    process::take_all_files();
    let stop = signals::stop(log.clone())?;
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
    let store = store_of(config);
    // The lock first: whoever does not get it must not touch the other one's socket.
    let lock = store.lock().await?.map(Arc::new);
    let (socket, socket_file) = Socket::open(&config.control.socket, config.control.mode).await?;
    for migration in store.upgrade().await? {
        tracing::info!(migration, "the database's schema was brought up to date");
    }
    let board = Board::new(clock.now());
    let router = OrderRouter::new(config.generator.clone());
    let (orders, waiting_orders) = mpsc::channel(WAITING_ORDERS);
    actix::spawn(router.clone().route(waiting_orders, board.clone()));
    let (operations, waiting_operations) = mpsc::channel(WAITING_ORDERS);
    let operator = Admin::new(config.clone(), log, router.clone());
    let end = async {
        tokio::select! {
            () = stop => {}
            () = operator.serve(waiting_operations, hang_up) => {}
        }
    };
    let health = actix::spawn(watch_health(board.clone(), clock.clone()));
    let shared = Shared { board: board.clone(), clock: clock.clone(), orders, operations };
    let mut life = Daemon {
        leadership: Election::new(&store, lock.clone(), board.clone(), clock.clone()),
        around: RoleContext { config: config.clone(), api_key, board, clock },
        store,
        router,
        door: ControlEndpoint { closed: Some((socket, shared)), open: None },
    };
    let ended = life.live(std::pin::pin!(end)).await;
    health.abort();
    if let Some(server) = life.door.open {
        server.stop().await;
    }
    tracing::info!("stopped");
    // The file goes last: where it is gone, the database's lock is free, and another supervisor can start.
    drop(lock);
    drop(socket_file);
    ended
}

/// The control server, before and after it is there.
struct ControlEndpoint {
    closed: Option<(Socket, Shared)>,
    open: Option<ControlServer>,
}

impl ControlEndpoint {
    /// Opens it, unless that was done before.
    fn open(&mut self) -> Result<(), RunError> {
        if let Some((socket, shared)) = self.closed.take() {
            self.open = Some(ControlServer::start(socket, shared)?);
        }
        Ok(())
    }
}

/// The supervisor's life: it stands by until it leads, and leads until it ends or another one does.
struct Daemon {
    leadership: Election,
    around: RoleContext,
    store: Store,
    router: OrderRouter,
    door: ControlEndpoint,
}

/// How a leadership ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LeadershipEnd {
    /// The program is to end.
    Ordered,
    /// Another supervisor leads.
    Lost,
}

impl Daemon {
    async fn live(&mut self, mut end: Pin<&mut impl Future<Output = ()>>) -> Result<(), RunError> {
        loop {
            let held = match self.leadership.look().await {
                Ok(Look::Won(held)) => held,
                Ok(Look::HeldLease) | Err(_) => match self.stand_by(end.as_mut()).await? {
                    Some(held) => held,
                    None => return Ok(()),
                },
            };
            match self.leadership(held, end.as_mut()).await? {
                LeadershipEnd::Ordered => return Ok(()),
                LeadershipEnd::Lost if self.leadership.is_by_lock() => return Err(RunError::LockLost),
                LeadershipEnd::Lost => {}
            }
        }
    }

    /// Stands by until leadership is won; or, without it, until the end.
    async fn stand_by(&mut self, end: Pin<&mut impl Future<Output = ()>>) -> Result<Option<HeldLease>, RunError> {
        let standing = StandingBy::start(&self.around, self.router.defaults(), &self.store)?;
        let (router, door, leadership) = (&self.router, &mut self.door, &mut self.leadership);
        let win = async {
            standing.first_sync().await?;
            router.attach(standing.present());
            door.open()?;
            tracing::info!("standing by: another supervisor leads, or did a moment ago");
            tokio::select! {
                held = leadership.win() => Ok(Some(held)),
                dead = standing.first_death() => Err(RunError::ActorDied(dead)),
            }
        };
        let won = tokio::select! {
            () = end => Ok(None),
            won = win => won,
        };
        self.router.clear();
        standing.end().await;
        won
    }

    /// What bounds the requests. A database that is away is waited for: without the count nothing may leave.
    async fn limits(&self, store: &Store) -> Limits {
        loop {
            match limits(&self.around.config, store, &self.around.clock).await {
                Ok(limits) => return limits,
                Err(error) => tracing::warn!(reason = in_full(&error), "nothing is guarded yet"),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Guards the campaigns until the end, or until another supervisor leads.
    async fn leadership(
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
        let guarding = match Guarding::start(&self.around, self.router.defaults(), limits, &held) {
            Ok(guarding) => guarding,
            Err(error) => {
                held.give_up().await;
                return Err(error);
            }
        };
        let present = guarding.present(&held);
        let (router, door) = (&self.router, &mut self.door);
        let RoleContext { config, board, clock, .. } = &self.around;
        let guard = async {
            guarding.first_sync().await?;
            router.attach(present);
            door.open()?;
            announce(config);
            let told = async {
                tell_of_campaigns(board, clock, config).await;
                std::future::pending().await
            };
            let dead = tokio::select! {
                dead = guarding.first_death() => dead,
                never = told => never,
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
            tracing::info!("stopping: nothing new is begun, and what is on its way is finished");
            guarding.stop().await;
            self.router.clear();
        }
        held.give_up().await;
        ended
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
    let counts_for = Limits::counts_for(config.trafficstar.timeout);
    let sent = store.requests_sent(clock.now() - counts_for).await?;
    Ok(Limits { sent, ..limits_alone(config) })
}

/// The same where no other process has sent anything.
fn limits_alone(config: &Config) -> Limits {
    Limits {
        requests_per_minute: config.trafficstar.requests_per_minute,
        timeout: config.trafficstar.timeout,
        tick: config.generator.tick,
        // As often as an open circuit is probed.
        token_rest: PROBE_INTERVAL.min(config.generator.tick),
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
