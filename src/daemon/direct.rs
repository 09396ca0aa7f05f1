//! `pause-all --direct`: the pause of everything from database and API alone, while the supervisor is dead.
//!
//! It leads meanwhile, by the file's lock or the lease, so that no two act on one campaign. Beside a living leader it leaves
//! the order in the database, where that one finds it within a tick: two that send requests would break the limit together.

use actix::prelude::*;
use secrecy::SecretString;

use super::leadership::{Held, Leadership, Look};
use super::{RunError, database_port, remote_port, store_of};
use crate::actors::database::{DatabaseActor, Flush};
use crate::actors::direct::{Paused, Workplace, pause_everything};
use crate::actors::trafficstar::TrafficStarActor;
use crate::board::Board;
use crate::clock::Clock;
use crate::config::Config;
use crate::control::HeldAll;
use crate::domain::action::Trigger;
use crate::domain::lease::LOOK_EVERY;
use crate::domain::order::{Force, ForceKind};
use crate::domain::status::Hold;
use crate::store::{Store, StoreError};
use crate::trafficstar::circuit::PROBE_INTERVAL;
use crate::trafficstar::gate::Gate;
use crate::trafficstar::http::{RemoteClient, RemoteSettings};

/// Stores the order, then pauses every campaign of the database.
///
/// # Errors
/// The database or the client could not be set up. What one campaign refuses is in the answer.
pub fn pause_all(config: &Config, api_key: SecretString, hold: Hold) -> Result<HeldAll, RunError> {
    System::new().block_on(pause_all_within(config, api_key, hold))
}

async fn pause_all_within(config: &Config, api_key: SecretString, hold: Hold) -> Result<HeldAll, RunError> {
    let store = store_of(config)?;
    let lock = match store.lock().await {
        Ok(lock) => lock,
        Err(StoreError::AlreadyGuarded { .. }) => return leave_order(&store, hold).await,
        Err(error) => return Err(error.into()),
    };
    store.migrate().await?;
    let clock = Clock::system();
    let board = Board::new(clock.now());
    let Some(held) = lead(&store, &board, &clock).await? else { return leave_order(&store, hold).await };
    let store = held.store.clone();
    let campaigns = store.campaigns().await?;
    let count = campaigns.len() as u64;
    // A hold that cannot be stored keeps nobody from pausing.
    let stored = store.set_hold_on_all(Some(hold.clone())).await;
    let warnings = stored.err().map(|error| crate::error_chain::in_full(&error)).into_iter().collect();
    let pause = Force {
        kind: ForceKind::Pause,
        trigger: Trigger::Operator,
        reason: format!("an operator's order, kept {}", hold.in_words()),
        by: hold.by.clone(),
        unless_stopped: false,
        once: true,
    };
    let (gate, messages) = Gate::new();
    let client = RemoteClient::new(settings(config, api_key), gate, held.reign.clone())?;
    let seen_clock = client.seen_clock();
    let limits = super::limits(config, &store, &clock).await?;
    let database = DatabaseActor::new(store, board.clone(), clock.clone()).start();
    let trafficstar =
        TrafficStarActor::new(client, messages, &limits, database.clone().recipient(), board.clone(), clock.clone())
            .start();
    let workplace = Workplace {
        clock,
        board,
        defaults: config.generator.clone(),
        database: database_port(&database),
        read_stored: database.clone().recipient(),
        remote: remote_port(&trafficstar, seen_clock),
    };
    let Paused { paused, not_paused } = pause_everything(workplace, campaigns, pause).await;
    // One that died has nothing left to store.
    let _ = database.send(Flush).await;
    held.give_up().await;
    drop(lock);
    Ok(HeldAll { hold, campaigns: count, paused, not_paused, warnings })
}

/// Leadership, unless another supervisor is seen to be alive. The lease of one that has died is waited out for a few
/// seconds: it may only be slow.
async fn lead(store: &Store, board: &Board, clock: &Clock) -> Result<Option<Held>, RunError> {
    let mut leadership = Leadership::new(store, board.clone(), clock.clone());
    loop {
        match leadership.look().await? {
            Look::Won(held) => return Ok(Some(held)),
            Look::Held if leadership.has_heard_a_heartbeat() => return Ok(None),
            Look::Held => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// A supervisor lives: it reads the order at its next tick, and pauses everything.
async fn leave_order(store: &Store, hold: Hold) -> Result<HeldAll, RunError> {
    let campaigns = store.campaigns().await?.len() as u64;
    store.set_hold_on_all(Some(hold.clone())).await?;
    let warning =
        "a supervisor lives: it finds the order in the database and carries it out within one tick. If it hangs, \
                   kill it and give this command again"
            .to_owned();
    Ok(HeldAll { hold, campaigns, paused: 0, not_paused: Vec::new(), warnings: vec![warning] })
}

pub(super) fn settings(config: &Config, api_key: SecretString) -> RemoteSettings {
    RemoteSettings {
        base_url: config.trafficstar.base_url.clone(),
        api_key,
        connect_timeout: config.trafficstar.timeout,
        timeout: config.trafficstar.timeout,
        // As often as an open circuit is probed.
        token_rest: PROBE_INTERVAL.min(config.generator.tick).to_std().unwrap_or_default(),
    }
}
