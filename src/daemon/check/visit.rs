//! The requests of `check` and `account`: an access token, the account's list, and single campaigns that the list does
//! not contain. They go through a scheduler, within the supervisor's limit.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;

use crate::clock::Clock;
use crate::domain::clock_difference::ClockDifference;
use crate::domain::failure::RemoteFault;
use crate::domain::ids::RemoteId;
use crate::domain::read_priority::Urgency;
use crate::domain::remote::RemoteCampaign;
use crate::store::CampaignRow;
use crate::trafficstar::batch::capacity::KnownPages;
use crate::trafficstar::budget::RequestId;
use crate::trafficstar::call::{Answer, Call, LISTS};
use crate::trafficstar::circuit::Ended;
use crate::trafficstar::client::Limits;
use crate::trafficstar::error::RemoteError;
use crate::trafficstar::http::HttpClient;
use crate::trafficstar::scheduler::{RequestScheduler, RequestTerms};
use crate::trafficstar::wire::CampaignPage;

/// The most requests that one check sends. A running supervisor does not count them. So they must fit between the
/// supervisor's limit and the account's own limit (100 a minute).
const MOST_REQUESTS: usize = 10;
/// The longest time that the requests may take: a minute if a running supervisor has used the whole limit, and then the
/// answers.
pub(super) const WITHIN: Duration = Duration::from_secs(120);

/// The facts that were read from TrafficStars.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Whether TrafficStars gave an access token for the API key.
    pub(super) key_works: bool,
    /// The difference of the clocks; `None` if no answer had a `Date`.
    pub(super) clock: Option<ClockDifference>,
    /// The number of requests that were sent or that waited to be sent.
    pub(super) requests: u64,
    /// The pages of the list that were read.
    pub(super) pages: KnownPages,
    /// The reason for which the list could not be read completely; `None` if it could.
    pub(super) failure: Option<Failure>,
    /// The campaigns that were read, or the fault of the read.
    pub(super) campaigns: BTreeMap<RemoteId, Result<RemoteCampaign, RemoteFault>>,
}

/// The reason for which the list could not be read.
#[derive(Debug)]
pub(super) enum Failure {
    /// A request failed.
    Request(RemoteError),
    /// It took longer than [`WITHIN`].
    Late,
}

/// Reads the list, and then the rows that it does not contain, with at most 10 requests.
pub(super) async fn ask(http: HttpClient, rows: &[CampaignRow], limits: &Limits, clock: &Clock) -> Seen {
    // Only the first page is worth waiting for a minute. The other requests are sent only if the limit has room now.
    let requests = limits.budget(clock.now()).room(clock.now()).sweeps.clamp(1, MOST_REQUESTS);
    visit(http, rows, limits, clock, requests).await
}

/// Reads all pages of the list.
pub(super) async fn list(http: HttpClient, limits: &Limits, clock: &Clock) -> Seen {
    visit(http, &[], limits, clock, usize::MAX).await
}

async fn visit(http: HttpClient, rows: &[CampaignRow], limits: &Limits, clock: &Clock, requests: usize) -> Seen {
    let budget = limits.budget(clock.now());
    let scheduler = RequestScheduler::new(budget, limits.tick);
    let mut visit =
        Visit { http, clock, scheduler, last_request_id: 0, token: None, sizes: 0, requests, seen: Seen::default() };
    let asked = async {
        visit.read_list().await;
        visit.read_rows(rows).await;
    };
    let in_time = tokio::time::timeout(WITHIN, asked).await.is_ok();
    let Visit { http, token, mut seen, last_request_id, .. } = visit;
    if !in_time && seen.failure.is_none() {
        seen.failure = Some(Failure::Late);
    }
    let requests = last_request_id;
    Seen { key_works: token.is_some(), clock: http.seen_clock().difference(), requests, ..seen }
}

/// The state of the reads.
struct Visit<'a> {
    http: HttpClient,
    clock: &'a Clock,
    scheduler: RequestScheduler,
    last_request_id: u64,
    token: Option<SecretString>,
    /// The index in [`LISTS`] of the form of list that is requested.
    sizes: usize,
    /// The number of further requests that may be sent.
    requests: usize,
    seen: Seen,
}

impl Visit<'_> {
    async fn read_list(&mut self) {
        let mut number = 1;
        while number == 1 || self.requests > 0 {
            self.requests = self.requests.saturating_sub(1);
            match self.page(number).await {
                Ok(page) => {
                    self.seen.pages.saw(number, page.list_size(), page.campaigns.keys().copied());
                    self.seen.campaigns.extend(page.campaigns);
                }
                Err(error) if error.is_absence() => return,
                Err(error) => {
                    self.seen.failure = Some(Failure::Request(error));
                    return;
                }
            }
            if self.seen.pages.are_all_known() {
                return;
            }
            number += 1;
        }
    }

    /// Reads a page of the list. It tries the forms of [`LISTS`] until TrafficStars answers one, and keeps to that.
    async fn page(&mut self, number: u64) -> Result<CampaignPage, RemoteError> {
        loop {
            let sizes = LISTS.get(self.sizes).copied().unwrap_or_default();
            match self.exchange(Call::Page { number, sizes }, Urgency::Sweep).await {
                Err(error) if self.sizes + 1 < LISTS.len() && (error.is_bad_request() || error.is_absence()) => {
                    self.sizes += 1;
                }
                answer => return answer.and_then(Answer::into_page),
            }
        }
    }

    /// Reads each campaign that the list does not contain; the guarded ones first.
    async fn read_rows(&mut self, rows: &[CampaignRow]) {
        // Without a token, or after a failure of the list, each of these requests would fail as well.
        if self.token.is_none() || self.seen.failure.is_some() {
            return;
        }
        let (guarded, others): (Vec<&CampaignRow>, Vec<&CampaignRow>) =
            rows.iter().partition(|row| row.generator_enabled);
        for row in guarded.into_iter().chain(others) {
            let id = row.trafficstar_id;
            if self.requests > 0 && !self.seen.campaigns.contains_key(&id) {
                self.requests -= 1;
                let read = self.exchange(Call::Campaign(id), Urgency::Sweep).await;
                let read = read.and_then(Answer::into_campaign).map_err(|error| error.fault());
                self.seen.campaigns.insert(id, read);
            }
        }
    }

    /// Sends a request. If there is no token yet, it requests one first.
    async fn exchange(&mut self, call: Call, urgency: Urgency) -> Result<Answer, RemoteError> {
        if self.token.is_none() {
            let token = self.exchange_alone(Call::Token, RequestTerms::token()).await?.into_token()?;
            self.token = Some(token.access_token);
        }
        let terms = RequestTerms::read(call.operation(), urgency);
        self.exchange_alone(call, terms).await
    }

    /// Waits until the scheduler admits the request, and sends it.
    async fn exchange_alone(&mut self, call: Call, terms: RequestTerms) -> Result<Answer, RemoteError> {
        self.last_request_id += 1;
        let request_id = RequestId(self.last_request_id);
        self.scheduler.ask(self.clock.now(), request_id, terms);
        while self.scheduler.admit(self.clock.now(), usize::MAX).is_empty() {
            let now = self.clock.now();
            let wait =
                self.scheduler.next_admission_at(now).map_or(WITHIN, |at| (at - now).to_std().unwrap_or_default());
            tokio::time::sleep(wait).await;
        }
        let answer = self.http.exchange(&call, self.token.as_ref()).await;
        let ended = answer.as_ref().err().map_or(Ended::Answered, RemoteError::ended);
        if let Err(RemoteError::RateLimited { retry_at }) = &answer {
            let now = self.clock.now();
            self.scheduler.rate_limited(now, retry_at.map(|at| at.signed_duration_since(now)));
        }
        self.scheduler.answered(self.clock.now(), request_id, ended);
        answer
    }
}
