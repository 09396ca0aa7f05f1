//! `check`: looks at all that the supervisor needs, on this machine (`machine`) and in the account (`visit`, `words`), and says
//! what it found, a line each.
//!
//! TrafficStars is asked as the supervisor asks it, through the same scheduler and within the same limit; what a supervisor beside
//! it has sent within the last minute counts. It changes nothing: its own few requests are counted nowhere, and the account's
//! limit has room for them.

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

/// The proxy of the environment by which TrafficStars is asked, in words.
#[must_use]
pub fn proxy_in_words(config: &Config) -> Option<String> {
    proxy_of(&config.trafficstar.base_url).map(|proxy| {
        format!(
            "requests to TrafficStars go by the proxy {proxy}, which the environment names; NO_PROXY leaves hosts out"
        )
    })
}

/// Looks at everything, and tells all that is wrong at once. TrafficStars is left out where `offline`.
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
    // Where it cannot be set up, the supervisor would end at its start, whether it has a key or not.
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

/// The account's list, or why it could not be read, in the words of a check; and how many requests that took.
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

/// What bounds the requests beside a supervisor, as the database knows it.
async fn limits_beside(config: &Config, has_tables: bool, clock: &Clock) -> Result<Limits, String> {
    if !has_tables {
        return Ok(limits_alone(config));
    }
    limits(config, &store_of(config), clock).await.map_err(|error| in_full(&error))
}
