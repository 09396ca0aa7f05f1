//! `check`: examines everything that the supervisor needs, on this machine (`machine`) and in the account (`visit`,
//! `words`), and reports each finding on one line.
//!
//! The command sends its requests as the supervisor does, through a scheduler of the same kind and within the same
//! limit. The requests that a running supervisor sent within the last minute count. The command changes nothing, so its
//! own few requests are not stored: the account's limit has room for them.

mod findings;
mod machine;
mod visit;
mod words;

use secrecy::SecretString;

pub use self::findings::{Check, CheckResult, Findings};
use super::{direct, limits, limits_alone, store_of};
use crate::clock::Clock;
use crate::config::{Config, ConfigErrors, Environment};
use crate::error_chain::in_full;
use crate::leadership::Leadership;
use crate::store::CampaignRow;
use crate::trafficstar::client::{Account, Limits};
use crate::trafficstar::http::HttpClient;
use crate::trafficstar::proxy::proxy_of;

/// Returns a sentence about the proxy for requests to TrafficStars; `None` if the environment sets no proxy.
#[must_use]
pub fn proxy_in_words(config: &Config) -> Option<String> {
    proxy_of(&config.trafficstar.base_url).map(|proxy| {
        format!("requests to TrafficStars use the proxy {proxy}, which the environment names; NO_PROXY excludes hosts")
    })
}

/// Examines everything, and returns all findings. With `offline` it sends no requests to TrafficStars.
pub async fn check(config: Result<Config, ConfigErrors>, environment: &Environment, offline: bool) -> Findings {
    let mut findings = Findings::default();
    let config = match config {
        Ok(config) => config,
        Err(errors) => {
            errors.lines().for_each(|line| findings.add(Check::problem("config file", line)));
            return findings;
        }
    };
    machine::config(&config, &mut findings);
    let rows = machine::database(&config, &mut findings).await;
    let api_key = config.api_key(environment);
    match &api_key {
        Ok(_) => findings.add(machine::api_key(&config, environment)),
        Err(error) => findings.add(Check::problem("API key", in_full(error))),
    }
    machine::other_secrets(&config, environment, &mut findings);
    findings.add(machine::socket(&config).await);
    if let Some(proxy) = proxy_in_words(&config) {
        findings.add(Check::note("proxy", proxy));
    }
    // The client is set up even without a key: if that fails, the supervisor cannot start.
    let key = api_key.as_ref().map_or_else(|_| SecretString::default(), Clone::clone);
    match HttpClient::new(direct::settings(&config, key), Leadership::sole()) {
        Err(error) => findings.add(Check::problem(words::TRAFFICSTARS, in_full(&error))),
        Ok(http) if api_key.is_ok() && !offline => {
            look_at_account(&config, environment, http, rows.as_deref(), &mut findings).await;
        }
        Ok(_) => {}
    }
    findings
}

/// Examines the account at TrafficStars.
async fn look_at_account(
    config: &Config,
    environment: &Environment,
    http: HttpClient,
    rows: Option<&[CampaignRow]>,
    findings: &mut Findings,
) {
    let clock = Clock::system();
    let limits = match limits_beside(config, rows.is_some(), &clock).await {
        Ok(limits) => limits,
        Err(problem) => return findings.add(Check::problem("database", problem)),
    };
    let seen = visit::ask(http, rows.unwrap_or_default(), &limits, &clock).await;
    let asked = words::Asked { base_url: &config.trafficstar.base_url, key_place: &config.api_key_place(environment) };
    words::add(findings, &asked, &seen, rows, &limits, clock.now());
}

/// Returns the campaigns of the account, or the reason for which they could not be read; and the number of requests
/// sent.
pub(super) async fn list(
    config: &Config,
    environment: &Environment,
    http: HttpClient,
    limits: &Limits,
    clock: &Clock,
) -> (Result<Account, String>, u64) {
    let seen = visit::list(http, limits, clock).await;
    let asked = words::Asked { base_url: &config.trafficstar.base_url, key_place: &config.api_key_place(environment) };
    match &seen.failure {
        Some(failure) => (Err(words::failure(failure, &asked, limits)), seen.requests),
        None => (Ok(seen.campaigns), seen.requests),
    }
}

/// Returns the request limit, less the requests of a running supervisor, if the database has its tables.
async fn limits_beside(config: &Config, has_tables: bool, clock: &Clock) -> Result<Limits, String> {
    if !has_tables {
        return Ok(limits_alone(config));
    }
    limits(config, &store_of(config), clock).await.map_err(|error| in_full(&error))
}
