//! `check`'s look at the account: the key, the clock, the list, the ids of the rows, and what a tick costs.
//!
//! It asks as the supervisor does, through the same gate and within the same limit; what a supervisor beside it has sent
//! within the last minute counts. It changes nothing: its own few requests are counted nowhere, and the account's limit has
//! room for them.
//!
//! Deliberately absent: what the answers amount to, in words (`words`).

mod words;

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{direct, limits, limits_alone, store_of};
use crate::actors::trafficstar::Limits;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::clock_difference::ClockDifference;
use crate::domain::ids::RemoteId;
use crate::domain::remote::{RemoteCampaign, RemoteFault};
use crate::error_chain::in_full;
use crate::reign::Reign;
use crate::store::CampaignRow;
use crate::trafficstar::batch::reach::KnownPages;
use crate::trafficstar::budget::Urgency;
use crate::trafficstar::error::RemoteError;
use crate::trafficstar::gate::{Gate, GateMessage, Gatekeeper};
use crate::trafficstar::http::RemoteClient;
use crate::trafficstar::proxy::proxy_of;

/// The most requests that one check sends. A supervisor beside it does not know of them: they have to fit between the limit that
/// it keeps and the account's own (100 a minute).
const MOST_REQUESTS: usize = 10;
/// The longest that a check takes: a minute where a supervisor beside it has used the whole limit, and then the answers.
const WITHIN: Duration = Duration::from_secs(120);

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What is wrong, and what to do about it.
    pub problems: Vec<String>,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// What TrafficStars has said.
#[derive(Debug, Default)]
struct Seen {
    /// A token was had.
    key_works: bool,
    clock: Option<ClockDifference>,
    pages: KnownPages,
    /// What of the list could not be read, and why.
    failure: Option<String>,
    campaigns: BTreeMap<RemoteId, Result<RemoteCampaign, RemoteFault>>,
}

/// Why TrafficStars could not be asked at all: the supervisor would end at its start.
#[must_use]
pub fn setup_problem(config: &Config) -> Option<String> {
    let (gate, _) = Gate::new();
    // Nothing is sent: no key is needed.
    let client = RemoteClient::new(direct::settings(config, SecretString::default()), gate, Reign::sole());
    client.err().map(|error| in_full(&error))
}

/// The proxy of the environment by which TrafficStars is asked, in words.
#[must_use]
pub fn proxy_in_words(config: &Config) -> Option<String> {
    proxy_of(&config.trafficstar.base_url).map(|proxy| {
        format!(
            "requests to TrafficStars go by the proxy {proxy}, which the environment names; NO_PROXY leaves hosts out"
        )
    })
}

/// Asks TrafficStars. The database's rows are looked for where `has_tables`.
pub async fn look(config: &Config, api_key: SecretString, has_tables: bool) -> Findings {
    let clock = Clock::system();
    let looked = async {
        let (rows, limits) =
            if has_tables { read_database(config, &clock).await? } else { (Vec::new(), limits_alone(config)) };
        let seen = ask(config, api_key, &rows, &limits, &clock).await?;
        Ok(words::findings(&seen, &rows, &limits, clock.now()))
    };
    looked.await.unwrap_or_else(|problem| Findings { problems: vec![problem], notes: Vec::new() })
}

async fn read_database(config: &Config, clock: &Clock) -> Result<(Vec<CampaignRow>, Limits), String> {
    let store = store_of(config).map_err(|error| in_full(&error))?;
    let rows = store.campaigns().await.map_err(|error| in_full(&error))?;
    let limits = limits(config, &store, clock).await.map_err(|error| in_full(&error))?;
    Ok((rows, limits))
}

async fn ask(
    config: &Config,
    api_key: SecretString,
    rows: &[CampaignRow],
    limits: &Limits,
    clock: &Clock,
) -> Result<Seen, String> {
    let (gate, messages) = Gate::new();
    let client = RemoteClient::new(direct::settings(config, api_key), gate, Reign::sole());
    let client = client.map_err(|error| in_full(&error))?;
    let mut budget = limits.budget(clock.now());
    // What does not leave at once is not worth a minute's wait, the first page excepted.
    let requests = budget.room(clock.now()).sweeps.clamp(1, MOST_REQUESTS);
    let mut keeper = Gatekeeper::new(budget, limits.tick);
    let mut visit = Visit { client: &client, requests, seen: Seen::default() };
    let asked = async {
        visit.read_list().await;
        visit.read_rows(rows).await;
    };
    let in_time = tokio::select! {
        () = asked => true,
        () = keep(&mut keeper, messages, clock) => true,
        () = tokio::time::sleep(WITHIN) => false,
    };
    let mut seen = visit.seen;
    if !in_time && seen.failure.is_none() {
        seen.failure = Some(format!(
            "TrafficStars could not be asked within {}: it does not answer, or a supervisor beside this one uses the whole \
             limit of {} requests a minute; `check --offline` leaves it out",
            humantime::format_duration(WITHIN),
            limits.requests_per_minute
        ));
    }
    let (key_works, clock) = (client.token_expires_at().is_some(), client.seen_clock().difference());
    Ok(Seen { key_works, clock, ..seen })
}

/// Keeps the gate as long as somebody asks.
async fn keep(keeper: &mut Gatekeeper, mut messages: UnboundedReceiver<GateMessage>, clock: &Clock) {
    loop {
        let granted = keeper.grant(clock.now());
        keeper.let_go(clock.now(), granted);
        let now = clock.now();
        let wait = keeper.next_grant_at(now).map(|at| (at - now).to_std().unwrap_or_default());
        match tokio::time::timeout(wait.unwrap_or(WITHIN), messages.recv()).await {
            Ok(Some(message)) => keeper.hear(clock.now(), message),
            Ok(None) => return,
            Err(_) => {}
        }
    }
}

/// The requests so far.
struct Visit<'a> {
    client: &'a RemoteClient,
    /// So many more may leave.
    requests: usize,
    seen: Seen,
}

impl Visit<'_> {
    async fn read_list(&mut self) {
        let mut number = 1;
        while number == 1 || self.requests > 0 {
            self.requests = self.requests.saturating_sub(1);
            match self.client.campaigns_page(number, Urgency::Sweep).await {
                Ok(page) => {
                    self.seen.pages.saw(number, page.list_size(), page.campaigns.keys().copied());
                    self.seen.campaigns.extend(page.campaigns);
                }
                Err(RemoteError::NoEndpoint { .. }) => return,
                Err(error) => {
                    self.seen.failure = Some(error.in_full());
                    return;
                }
            }
            if self.seen.pages.are_all_known() {
                return;
            }
            number += 1;
        }
    }

    /// Those that the list leaves out, each by itself; the guarded ones first.
    async fn read_rows(&mut self, rows: &[CampaignRow]) {
        // Without a token, or where the list fails, each would fail alike.
        if self.client.token_expires_at().is_none() || self.seen.failure.is_some() {
            return;
        }
        let (guarded, others): (Vec<&CampaignRow>, Vec<&CampaignRow>) =
            rows.iter().partition(|row| row.generator_enabled);
        for row in guarded.into_iter().chain(others) {
            let id = row.trafficstar_id;
            if self.requests > 0 && !self.seen.campaigns.contains_key(&id) {
                self.requests -= 1;
                let read = self.client.campaign(id, Urgency::Sweep).await.map_err(|error| error.fault());
                self.seen.campaigns.insert(id, read);
            }
        }
    }
}
