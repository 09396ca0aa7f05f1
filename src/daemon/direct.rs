//! `pause-all --direct`: pauses all campaigns without a running supervisor, with only the database and the API of
//! TrafficStars.
//!
//! The command takes the leadership meanwhile (by the lock or the lease), so that no other process acts on the same
//! campaign. If a leader is seen to be alive, the command only stores the order, and the leader reads it within a tick.
//! Two processes that send requests would exceed the limit together. In every other case the command pauses, even if it
//! cannot lock, lead, or store the hold and the journal. A needless pause costs one request, while a missing pause may
//! cost money.

use std::time::Duration;

use actix::prelude::*;
use secrecy::SecretString;

use super::election::{Election, HeldLease, Look};
use super::{RunError, database_port, remote_port, store_of};
use crate::actors::database::{DatabaseActor, Flush};
use crate::actors::direct::{PauseContext, Paused, pause_everything};
use crate::actors::trafficstar::TrafficStarActor;
use crate::board::Board;
use crate::clock::Clock;
use crate::config::Config;
use crate::control::HeldAll;
use crate::control::client::Client;
use crate::domain::action::Trigger;
use crate::domain::lease::{LEASE, LOOK_EVERY, MARGIN};
use crate::domain::order::{Force, ForceKind};
use crate::domain::policy::Mode;
use crate::domain::status::Hold;
use crate::error_chain::in_full;
use crate::leadership::moment;
use crate::store::{CampaignRow, Store, StoreError, SupervisorLock};
use crate::trafficstar::http::{HttpClient, RemoteSettings};

/// A working supervisor answers on its socket within this time.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);
/// A working supervisor syncs at every tick, and reads the order then. If its last sync is older than this many ticks,
/// it counts as hanging.
const SYNCED_WITHIN_TICKS: i32 = 3;
/// A last sync of this age never counts as too old: a tick may be short, and the machine slow.
const SYNCED_WITHIN: chrono::TimeDelta = chrono::TimeDelta::seconds(10);
/// The longest time that the command waits for the end times that follow the pauses. The next supervisor sets the
/// others.
const END_TIMES_WITHIN: Duration = Duration::from_secs(60);
/// If the database fails for this many seconds, the command no longer waits for the end times.
const DATABASE_FAILS_FOR: u32 = 5;

/// The outcome of the command.
#[derive(Debug)]
pub struct PausedAll {
    /// The hold, and the numbers of campaigns that were paused.
    pub held: HeldAll,
    /// Whether the hold is stored in the database, so that the next supervisor keeps it.
    pub is_hold_stored: bool,
    /// Whether a working supervisor carries the order out, and this command sent nothing.
    pub is_left_to_supervisor: bool,
}

/// The process that leads.
enum Leads {
    /// This command leads.
    ThisCommand(HeldLease),
    /// A supervisor leads, and was seen to be alive.
    Supervisor,
    /// No leader is known. Holds the reason for which this command could not take the leadership.
    Unknown(String),
}

/// Stores the hold, and pauses every campaign of the database.
///
/// # Errors
/// The database cannot be read, or the TrafficStar client could not be set up. Campaigns that could not be paused are
/// no error: the answer lists them.
pub fn pause_all(config: &Config, api_key: SecretString, hold: Hold) -> Result<PausedAll, RunError> {
    System::new().block_on(pause_all_within(config, api_key, hold))
}

async fn pause_all_within(config: &Config, api_key: SecretString, hold: Hold) -> Result<PausedAll, RunError> {
    let store = store_of(config);
    let mut direct =
        Direct { config, clock: Clock::system(), board: Board::new(Clock::system().now()), warnings: Vec::new() };
    let locked = direct.lock(&store).await?;
    direct.upgrade(&store).await?;
    let (store, campaigns) = readable(store).await?;
    let leads = match &locked {
        Locked::BySupervisor => Leads::Supervisor,
        Locked::ByThisCommand { .. } | Locked::No => direct.lead(&store).await,
    };
    let held = match leads {
        Leads::ThisCommand(held) => held,
        Leads::Supervisor => match store.set_hold_on_all(Some(hold.clone())).await {
            Ok(()) => return Ok(left_to_supervisor(hold, &campaigns, config)),
            Err(error) => {
                direct
                    .warnings
                    .push(format!("a supervisor runs, but the order could not be stored for it: {}", in_full(&error)));
                HeldLease::without_leadership(&store)
            }
        },
        Leads::Unknown(reason) => {
            direct.warnings.push(format!(
                "the campaigns were paused without leadership, and another supervisor may act on them, too: {reason}"
            ));
            HeldLease::without_leadership(&store)
        }
    };
    let outcome = direct.hold_and_pause(api_key, &held, campaigns, hold).await;
    held.give_up().await;
    drop(locked);
    outcome
}

/// The process that has the lock on the SQLite file.
enum Locked {
    /// This command has the lock. `None` for a database with a lease instead.
    ByThisCommand { _lock: Option<SupervisorLock> },
    /// A working supervisor has the lock.
    BySupervisor,
    /// This command could not get the lock, and no working supervisor was found.
    No,
}

/// The command, with the warnings that it has collected.
struct Direct<'a> {
    config: &'a Config,
    clock: Clock,
    board: Board,
    warnings: Vec<String>,
}

impl Direct<'_> {
    /// Takes the lock.
    async fn lock(&mut self, store: &Store) -> Result<Locked, RunError> {
        match store.lock().await {
            Ok(lock) => return Ok(Locked::ByThisCommand { _lock: lock }),
            Err(error @ StoreError::NoDatabase { .. }) => return Err(error.into()),
            Err(StoreError::AlreadyGuarded { holder, .. }) => {
                if self.is_working(holder).await {
                    return Ok(Locked::BySupervisor);
                }
                let holder = holder.map_or_else(|| "a process".to_owned(), |pid| format!("process {pid}"));
                self.warnings.push(format!(
                    "{holder} holds the lock of the database, but no working supervisor answers on {}. The campaigns \
                     were paused all the same. If that process is a supervisor that hangs, kill it",
                    self.config.control.socket.display()
                ));
            }
            Err(error) => {
                self.warnings.push(format!("{}: the campaigns were paused without the lock", in_full(&error)))
            }
        }
        Ok(Locked::No)
    }

    /// Whether the process that holds the lock answers on the socket and has synced lately. A supervisor that is
    /// frozen, or whose actors hang, would not carry out the order.
    async fn is_working(&self, holder: Option<u32>) -> bool {
        let Ok(client) = Client::new(&self.config.control.socket) else { return false };
        let Ok(Ok(dump)) = tokio::time::timeout(ANSWERS_WITHIN, client.state()).await else { return false };
        let synced = dump.supervisor.last_sync_at.map(|at| dump.captured_at.signed_duration_since(at));
        let within = (self.config.generator.tick * SYNCED_WITHIN_TICKS).max(SYNCED_WITHIN);
        holder == Some(dump.pid) && synced.is_some_and(|since| since <= within)
    }

    /// Upgrades the tables of an older version. If that fails, the command goes on with a warning: the old tables may
    /// suffice.
    async fn upgrade(&mut self, store: &Store) -> Result<(), RunError> {
        match store.upgrade().await {
            Ok(_) => {}
            Err(error @ (StoreError::ReadSchema { .. } | StoreError::Migrate { .. })) => {
                self.warnings.push(in_full(&error))
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Takes the leadership, unless another supervisor is seen to be alive. It waits for the end of the lease of a
    /// leader that sends no heartbeat, since that leader may only be slow; but not for longer than twice a lease.
    async fn lead(&self, store: &Store) -> Leads {
        let mut election = Election::new(store, None, self.board.clone(), self.clock.clone());
        let begun = moment();
        loop {
            match election.look().await {
                Ok(Look::Won(held)) => return Leads::ThisCommand(held),
                Ok(Look::HeldByAnother) if election.has_seen_a_heartbeat() => return Leads::Supervisor,
                Ok(Look::HeldByAnother) if moment().0.saturating_sub(begun.0) >= (LEASE + MARGIN) * 2 => {
                    let why = self.board.leadership().no_leader;
                    return Leads::Unknown(
                        why.unwrap_or_else(|| "the lease on leadership could not be taken".to_owned()),
                    );
                }
                Ok(Look::HeldByAnother) => tokio::time::sleep(LOOK_EVERY).await,
                Err(error) => return Leads::Unknown(in_full(&error)),
            }
        }
    }

    /// Stores the hold and pauses the campaigns at the same time.
    async fn hold_and_pause(
        mut self,
        api_key: SecretString,
        held: &HeldLease,
        campaigns: Vec<CampaignRow>,
        hold: Hold,
    ) -> Result<PausedAll, RunError> {
        let store = held.store.clone();
        let count = campaigns.len() as u64;
        let observed_only = observed_only(&campaigns, self.config);
        let pause = self.pause(api_key, held, campaigns, &hold).await?;
        let set_hold = store.set_hold_on_all(Some(hold.clone()));
        let (stored, Paused { paused, not_paused, unread }) = tokio::join!(set_hold, pause);
        let is_hold_stored = stored.is_ok();
        if let Err(error) = stored {
            self.warnings.push(format!(
                "the hold could not be stored, so nothing keeps the campaigns paused: {}",
                in_full(&error)
            ));
        }
        if let Some((count, reason)) = unread {
            let noun = if count == 1 { "campaign" } else { "campaigns" };
            self.warnings.push(format!("the stored state of {count} {noun} could not be read: {reason}"));
        }
        if let Some(error) = self.board.dump(self.clock.now()).database.last_error {
            self.warnings.push(format!("not every pause is in the journal: {error}"));
        }
        let (campaigns, stopped_already, warnings) = (count, 0, self.warnings);
        let held = HeldAll { hold, campaigns, paused, stopped_already, observed_only, not_paused, warnings };
        Ok(PausedAll { held, is_hold_stored, is_left_to_supervisor: false })
    }

    /// Builds the actors that pause. The pauses begin when the future is awaited.
    async fn pause(
        &mut self,
        api_key: SecretString,
        held: &HeldLease,
        campaigns: Vec<CampaignRow>,
        hold: &Hold,
    ) -> Result<impl Future<Output = Paused> + use<>, RunError> {
        let (config, board, clock, store) = (self.config, &self.board, &self.clock, &held.store);
        let pause = Force {
            kind: ForceKind::Pause,
            trigger: Trigger::Operator,
            reason: format!("an operator's order, kept {}", hold.in_words()),
            by: hold.by.clone(),
            unless_stopped: false,
            once: true,
        };
        let http = HttpClient::new(settings(config, api_key), held.leadership.clone())?;
        let seen_clock = http.seen_clock();
        // If the requests of the last minute cannot be read, they are not counted. At worst TrafficStars answers 429.
        let limits = super::limits(config, store, clock).await.unwrap_or_else(|_| super::limits_alone(config));
        let database = DatabaseActor::new(store.clone(), board.clone(), clock.clone()).start();
        let reserve = database.clone().recipient();
        let trafficstar = TrafficStarActor::new(http, &limits, reserve, board.clone(), clock.clone()).start();
        let context = PauseContext {
            clock: clock.clone(),
            board: board.clone(),
            defaults: config.generator.clone(),
            database: database_port(&database),
            read_stored: database.clone().recipient(),
            remote: remote_port(&trafficstar, seen_clock),
        };
        let waited_for = waited_for(board.clone(), clock.clone());
        Ok(async move {
            let paused = pause_everything(context, campaigns, pause, waited_for).await;
            // If the database actor has died, it has nothing left to store.
            let _ = database.send(Flush).await;
            paused
        })
    }
}

/// Resolves when the command no longer waits for the end times that follow the pauses.
async fn waited_for(board: Board, clock: Clock) {
    let database_fails = async {
        let mut looks = 0;
        while looks < DATABASE_FAILS_FOR {
            tokio::time::sleep(Duration::from_secs(1)).await;
            looks = if board.dump(clock.now()).database.last_error.is_some() { looks + 1 } else { 0 };
        }
    };
    // The promise says that a missing end time is owed, so the next supervisor sets it.
    let _ = tokio::time::timeout(END_TIMES_WITHIN, database_fails).await;
}

/// Returns the campaigns, and a store that can read them. On a read-only disk, SQLite can open the file only in its
/// read-only mode.
async fn readable(store: Store) -> Result<(Store, Vec<CampaignRow>), RunError> {
    let error = match store.campaigns().await {
        Ok(campaigns) => return Ok((store, campaigns)),
        Err(error) => error,
    };
    let Some(reading) = store.only_reading() else { return Err(error.into()) };
    let campaigns = reading.campaigns().await.map_err(|_| error)?;
    Ok((reading, campaigns))
}

/// Returns the answer for an order that a working supervisor reads at its next tick and carries out.
fn left_to_supervisor(hold: Hold, campaigns: &[CampaignRow], config: &Config) -> PausedAll {
    let warning =
        "a supervisor runs: it reads the order from the database and carries it out within one tick. If it hangs, \
         kill it and run this command again"
            .to_owned();
    let held = HeldAll {
        hold,
        campaigns: campaigns.len() as u64,
        paused: 0,
        stopped_already: 0,
        observed_only: observed_only(campaigns, config),
        not_paused: Vec::new(),
        warnings: vec![warning],
    };
    PausedAll { held, is_hold_stored: true, is_left_to_supervisor: true }
}

/// Counts the campaigns in observe mode, to which nothing is sent.
fn observed_only(campaigns: &[CampaignRow], config: &Config) -> u64 {
    campaigns.iter().filter(|row| row.mode(config.generator.mode) == Mode::Observe).count() as u64
}

/// Returns the settings of the TrafficStar client.
pub(super) fn settings(config: &Config, api_key: SecretString) -> RemoteSettings {
    RemoteSettings {
        base_url: config.trafficstar.base_url.clone(),
        api_key,
        connect_timeout: config.trafficstar.timeout,
        timeout: config.trafficstar.timeout,
    }
}
