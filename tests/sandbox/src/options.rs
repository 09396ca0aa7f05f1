//! What is unknown about the live API, or differs from account to account, is an option here.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::amount::Amount;

/// How the sandbox behaves. The default is the live API as far as it is known.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// The API key that `POST /v1/auth/token` accepts.
    pub api_key: String,
    /// Further keys of the same account, so that a test can tell who sent what.
    pub more_api_keys: Vec<String>,
    /// `expires_in` of a token, after which it is answered with 401.
    #[serde(with = "crate::lengths")]
    pub token_lifetime: Duration,
    /// Requests that fit into any [`Options::rate_window`]; further ones get 429.
    pub requests_per_minute: usize,
    /// The length of the rate limit's sliding window.
    #[serde(with = "crate::lengths")]
    pub rate_window: Duration,
    /// What a 429 says about when to come back.
    pub retry_after: RetryAfter,
    /// Whether a single campaign is answered as `{"response": {…}}`.
    pub wrapped_campaign: bool,
    /// Whether the list of campaigns is a bare array of all of them, without pages.
    pub bare_list: bool,
    /// Campaigns on a page when nothing else is asked for.
    pub page_size: usize,
    /// The largest page that [`Options::page_size_names`] can ask for; `None` ignores them.
    pub max_page_size: Option<usize>,
    /// The parameters that ask for another page size; the first of them that is there counts.
    pub page_size_names: Vec<String>,
    /// In which form the list's filter by `id` is understood; the other form is ignored.
    pub id_filter: IdFilter,
    /// How a wrong API key is refused.
    pub refused_key: RefusedKey,
    /// Whether `PUT /v2/campaigns/run` and `/pause` exist.
    pub v2_run_and_pause: bool,
    /// Whether the older `PUT /v1.1/campaigns/run` and `/pause` exist.
    pub v1_run_and_pause: bool,
    /// Whether the deprecated `PUT /v1.1/campaigns/{id}/run` and `/pause` exist.
    pub single_run_and_pause: bool,
    /// Whether `GET /v1.1/advertiser/custom/report/by-…` exists.
    pub custom_reports: bool,
    /// Whether `GET /v1.1/advertiser/campaign/report/by-day` exists, which answers columns and rows.
    pub column_report: bool,
    /// Whether the older `GET /v1/stats/advertiser/day` exists.
    pub day_stats: bool,
    /// Rows on a page of that one.
    pub day_stats_page_size: usize,
    /// Whether a report's amounts are strings.
    pub amounts_as_text: bool,
    /// Whether a campaign whose end time passes becomes `active: false`, `paused`; otherwise it still says that it is
    /// active, and does not run.
    pub end_time_flips: bool,
    /// The status word of a campaign that has spent its daily budget; `None` leaves it as it was.
    pub daily_budget_word: Option<String>,
    /// For so long after 00:00 UTC a campaign's field of today's spend still says the day before's, where there was any.
    /// Reports say each day's own.
    #[serde(with = "crate::lengths")]
    pub counter_falls_after: Duration,
    /// What comes in late for each day with spend: it is on that day's record from 00:00 UTC on.
    pub late_clicks: Amount,
    /// How many seconds of spending and clicking pass in one second.
    pub speed: u32,
    /// How many requests the log keeps at most; when it is full, the older half goes.
    pub keep_requests: usize,
    /// The guard's SQLite database, in which the visitors' clicks are counted; nobody clicks without.
    pub database: Option<PathBuf>,
}

/// The `Retry-After` of a 429.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// No such header.
    Missing,
    /// Whole seconds.
    Seconds,
    /// An HTTP date.
    HttpDate,
}

/// The form of the list's filter by `id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdFilter {
    /// `id=1&id=2`.
    Plain,
    /// `id[]=1&id[]=2`.
    Brackets,
    /// Either of them.
    Either,
    /// None is: all campaigns are listed.
    Ignored,
}

/// The answer to a wrong API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedKey {
    /// The wrapper around the identity provider's answer, as seen.
    Wrapped,
    /// `{"error": "invalid_grant"}` alone.
    Bare,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            api_key: "sandbox-api-key".to_owned(),
            more_api_keys: Vec::new(),
            token_lifetime: Duration::from_secs(36_000),
            requests_per_minute: 100,
            rate_window: Duration::from_secs(60),
            retry_after: RetryAfter::Seconds,
            wrapped_campaign: false,
            bare_list: false,
            page_size: 10,
            max_page_size: None,
            page_size_names: ["size", "per_page", "page_size", "limit"].map(str::to_owned).to_vec(),
            id_filter: IdFilter::Either,
            refused_key: RefusedKey::Wrapped,
            v2_run_and_pause: true,
            v1_run_and_pause: true,
            single_run_and_pause: true,
            custom_reports: true,
            column_report: false,
            day_stats: false,
            day_stats_page_size: 10,
            amounts_as_text: false,
            end_time_flips: false,
            daily_budget_word: None,
            counter_falls_after: Duration::ZERO,
            late_clicks: Amount::default(),
            speed: 1,
            keep_requests: 1_000_000,
            database: None,
        }
    }
}
