//! `pause-all --direct`: the pause of everything from database and API alone, while the supervisor is dead.
//!
//! It leads meanwhile, by the file's lock or the lease, so that no two act on one campaign. Beside a leader that is seen to be
//! alive it leaves the order in the database, where that one finds it within a tick: two that send requests would break the
//! limit together. In every other case it pauses, whatever of lock, lease, hold and journal is not to be had: a pause harms
//! nobody, and a panic button that does nothing does.

use std::time::Duration;

use actix::prelude::*;
use secrecy::SecretString;

use super::election::{Election, HeldLease, Look};
use super::{RunError, database_port, remote_port, store_of};
use crate::actors::database::{DatabaseActor, Flush};
use crate::actors::direct::{OneShotContext, Paused, pause_everything};
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

/// A supervisor that lives answers on its socket within this time.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);
/// It reads the rows at every tick, and with them the order; one that has not for so many ticks would not find it.
const TICKS: i32 = 3;
/// But a tick may be short, and a machine slow.
const SYNCED_WITHIN: chrono::TimeDelta = chrono::TimeDelta::seconds(10);
/// How long the end times that follow the pauses are waited for. One that comes later is set by the next supervisor.
const END_TIMES_WITHIN: Duration = Duration::from_secs(60);
/// A database that takes nothing for so long is not waited for.
const AWAY_FOR: u32 = 5;

/// What came of it.
#[derive(Debug)]
pub struct PausedAll {
    /// The order, and how many campaigns it paused.
    pub held: HeldAll,
    /// Whether the hold is in the database, where the next supervisor finds it.
    pub is_hold_stored: bool,
    /// Whether a supervisor lives that carries the order out.
    pub is_left_to_the_living: bool,
}

/// Who leads beside this command.
enum Leads {
    /// This command.
    Here(HeldLease),
    /// A supervisor that was seen to be alive.
    Elsewhere,
    /// Nobody is known to; why this command does not.
    Nobody(String),
}

/// Stores the order, then pauses every campaign of the database.
///
/// # Errors
/// The database cannot be read, or the client could not be set up. What one campaign refuses is in the answer.
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
        Locked::ByLiving => Leads::Elsewhere,
        Locked::Here { .. } | Locked::Not => direct.lead(&store).await,
    };
    let held = match leads {
        Leads::Here(held) => held,
        Leads::Elsewhere => match store.set_hold_on_all(Some(hold.clone())).await {
            Ok(()) => return Ok(left_to_the_living(hold, &campaigns, config)),
            Err(error) => {
                direct
                    .warnings
                    .push(format!("a supervisor lives, and the order cannot be left to it: {}", in_full(&error)));
                HeldLease::by_nobody(&store)
            }
        },
        Leads::Nobody(reason) => {
            direct.warnings.push(format!("{reason}: paused without leading, which another supervisor may do"));
            HeldLease::by_nobody(&store)
        }
    };
    let pressed = direct.press(api_key, &held, campaigns, hold).await;
    held.give_up().await;
    drop(locked);
    pressed
}

/// What has become of the lock on the file.
enum Locked {
    /// It is held; none where there is a lease instead.
    Here { _lock: Option<SupervisorLock> },
    /// A supervisor has it that was seen to be alive.
    ByLiving,
    /// It is not to be had.
    Not,
}

/// The command, with what it has to tell.
struct Direct<'a> {
    config: &'a Config,
    clock: Clock,
    board: Board,
    warnings: Vec<String>,
}

impl Direct<'_> {
    async fn lock(&mut self, store: &Store) -> Result<Locked, RunError> {
        match store.lock().await {
            Ok(lock) => return Ok(Locked::Here { _lock: lock }),
            Err(error @ StoreError::NoDatabase { .. }) => return Err(error.into()),
            Err(StoreError::AlreadyGuarded { holder, .. }) => {
                if self.lives(holder).await {
                    return Ok(Locked::ByLiving);
                }
                let holder = holder.map_or_else(|| "a process".to_owned(), |pid| format!("process {pid}"));
                self.warnings.push(format!(
                    "{holder} holds the lock of the database and shows no life on {}: paused beside it. If it is a supervisor \
                     that hangs, kill it",
                    self.config.control.socket.display()
                ));
            }
            Err(error) => self.warnings.push(format!("{}: paused without the lock", in_full(&error))),
        }
        Ok(Locked::Not)
    }

    /// Whether the holder of the lock answers on the socket, and would find the order in the database. One that is frozen, or
    /// whose actors hang, does not carry it out.
    async fn lives(&self, holder: Option<u32>) -> bool {
        let Ok(client) = Client::new(&self.config.control.socket) else { return false };
        let Ok(Ok(dump)) = tokio::time::timeout(ANSWERS_WITHIN, client.state()).await else { return false };
        let synced = dump.supervisor.last_sync_at.map(|at| dump.captured_at.signed_duration_since(at));
        let within = (self.config.generator.tick * TICKS).max(SYNCED_WITHIN);
        holder == Some(dump.pid) && synced.is_some_and(|since| since <= within)
    }

    /// Brings an older version's tables up to date. Where that cannot be, they may do all the same.
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

    /// Election, unless another supervisor is seen to be alive. The lease of one that has died is waited out: it may only be
    /// slow. Where nobody is heard, and yet the lease is not free, waiting comes to an end.
    async fn lead(&self, store: &Store) -> Leads {
        let mut leadership = Election::new(store, None, self.board.clone(), self.clock.clone());
        let begun = moment();
        loop {
            match leadership.look().await {
                Ok(Look::Won(held)) => return Leads::Here(held),
                Ok(Look::HeldLease) if leadership.has_heard_a_heartbeat() => return Leads::Elsewhere,
                Ok(Look::HeldLease) if moment().0.saturating_sub(begun.0) >= (LEASE + MARGIN) * 2 => {
                    let why = self.board.leadership().nobody_leads;
                    return Leads::Nobody(why.unwrap_or_else(|| "the lease on leadership is not to be had".to_owned()));
                }
                Ok(Look::HeldLease) => tokio::time::sleep(LOOK_EVERY).await,
                Err(error) => return Leads::Nobody(in_full(&error)),
            }
        }
    }

    /// Stores the hold and pauses, neither waiting for the other.
    async fn press(
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
            self.warnings.push(format!("{}: nothing keeps the campaigns paused", in_full(&error)));
        }
        if let Some((count, reason)) = unread {
            self.warnings.push(format!("what is stored of {count} campaigns could not be read: {reason}"));
        }
        if let Some(error) = self.board.dump(self.clock.now()).database.last_error {
            self.warnings.push(format!("not every pause is in the journal: {error}"));
        }
        let (campaigns, stopped_already, warnings) = (count, 0, self.warnings);
        let held = HeldAll { hold, campaigns, paused, stopped_already, observed_only, not_paused, warnings };
        Ok(PausedAll { held, is_hold_stored, is_left_to_the_living: false })
    }

    /// The pause of all by the actors that guard, ready to begin.
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
        // What was sent within the last minute is not known, where it cannot be read: a 429 at the worst.
        let limits = super::limits(config, store, clock).await.unwrap_or_else(|_| super::limits_alone(config));
        let database = DatabaseActor::new(store.clone(), board.clone(), clock.clone()).start();
        let reserve = database.clone().recipient();
        let trafficstar = TrafficStarActor::new(http, &limits, reserve, board.clone(), clock.clone()).start();
        let context = OneShotContext {
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
            // One that died has nothing left to store.
            let _ = database.send(Flush).await;
            paused
        })
    }
}

/// Resolves when what follows the pauses is waited for no longer.
async fn waited_for(board: Board, clock: Clock) {
    let away = async {
        let mut looks = 0;
        while looks < AWAY_FOR {
            tokio::time::sleep(Duration::from_secs(1)).await;
            looks = if board.dump(clock.now()).database.last_error.is_some() { looks + 1 } else { 0 };
        }
    };
    // Past it, what is missing is owed: the promise says so.
    let _ = tokio::time::timeout(END_TIMES_WITHIN, away).await;
}

/// The campaigns, and a store that can read: on a disk that is read-only a file cannot even be opened for work.
async fn readable(store: Store) -> Result<(Store, Vec<CampaignRow>), RunError> {
    let error = match store.campaigns().await {
        Ok(campaigns) => return Ok((store, campaigns)),
        Err(error) => error,
    };
    let Some(reading) = store.only_reading() else { return Err(error.into()) };
    let campaigns = reading.campaigns().await.map_err(|_| error)?;
    Ok((reading, campaigns))
}

/// A supervisor lives: it reads the order at its next tick, and pauses everything.
fn left_to_the_living(hold: Hold, campaigns: &[CampaignRow], config: &Config) -> PausedAll {
    let warning =
        "a supervisor lives: it finds the order in the database and carries it out within one tick. If it hangs, \
                   kill it and give this command again"
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
    PausedAll { held, is_hold_stored: true, is_left_to_the_living: true }
}

fn observed_only(campaigns: &[CampaignRow], config: &Config) -> u64 {
    campaigns.iter().filter(|row| row.mode(config.generator.mode) == Mode::Observe).count() as u64
}

pub(super) fn settings(config: &Config, api_key: SecretString) -> RemoteSettings {
    RemoteSettings {
        base_url: config.trafficstar.base_url.clone(),
        api_key,
        connect_timeout: config.trafficstar.timeout,
        timeout: config.trafficstar.timeout,
    }
}
