//! `account` without a supervisor: reads the campaigns of the account from TrafficStars.

use std::collections::BTreeMap;

use super::check::list;
use super::{direct, limits, limits_alone, store_of};
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::control::AccountCampaign;
use crate::domain::ids::RemoteId;
use crate::error_chain::in_full;
use crate::leadership::Leadership;
use crate::trafficstar::http::HttpClient;

/// Returns the campaigns of the account, by their ids at TrafficStars. If the database cannot be read, no campaign
/// shows the row that is linked to it.
///
/// # Errors
/// There is no API key, or the list cannot be read from TrafficStars.
pub async fn account(config: &Config, environment: &Environment) -> Result<Vec<AccountCampaign>, String> {
    let api_key = config.api_key(environment).map_err(|error| in_full(&error))?;
    let http =
        HttpClient::new(direct::settings(config, api_key), Leadership::sole()).map_err(|error| in_full(&error))?;
    let (store, clock) = (store_of(config), Clock::system());
    let limits = limits(config, &store, &clock).await.unwrap_or_else(|_| limits_alone(config));
    let rows = store.campaigns().await.unwrap_or_default();
    let rows: BTreeMap<RemoteId, _> =
        rows.iter().map(|row| (row.trafficstar_id, (row.id, row.generator_enabled))).collect();
    let (account, requests) = list(config, environment, http, &limits, &clock).await;
    // A supervisor that starts next counts these requests. If they cannot be stored, it may exceed the limit by them.
    let _ = store.count_requests(requests, clock.now(), None, clock.now()).await;
    let now = clock.now();
    let shown = |(id, read): (&RemoteId, &_)| AccountCampaign::of(*id, read, rows.get(id).copied(), now);
    account.map(|account| account.iter().map(shown).collect())
}
