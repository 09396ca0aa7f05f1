//! The sandbox's options: everything that is unknown about the live API, or that differs from account to account.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::amount::Amount;

/// The behaviour of the sandbox. The default is the live API's, as far as it is known.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// The API key that `POST /v1/auth/token` accepts.
    pub api_key: String,
    /// Further keys of the same account, so that a test knows which guard sent a request.
    pub more_api_keys: Vec<String>,
    /// The lifetime of a token, shown as `expires_in`. After it the token is answered with 401.
    #[serde(with = "crate::lengths")]
    pub token_lifetime: Duration,
    /// The number of requests that are accepted within any [`Options::rate_window`]; further ones get 429.
    pub requests_per_minute: usize,
    /// The length of the rate limit's sliding window.
    #[serde(with = "crate::lengths")]
    pub rate_window: Duration,
    /// The form in which a 429 names its wait.
    pub retry_after: RetryAfter,
    /// Whether a single campaign is answered as `{"response": {…}}`.
    pub wrapped_campaign: bool,
    /// Whether the list of campaigns is a bare array of all of them, without pages.
    pub bare_list: bool,
    /// The number of campaigns on a page if the request names no other.
    pub page_size: usize,
    /// The largest page size that a request may name; `None` ignores the parameters of [`Options::page_size_names`].
    pub max_page_size: Option<usize>,
    /// The query parameters that name another page size; the first of them in a request counts.
    pub page_size_names: Vec<String>,
    /// The form of the list's filter by `id` that is understood; the other form is ignored.
    pub id_filter: IdFilter,
    /// The form of the answer to a wrong API key.
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
    /// The number of rows on a page of [`Options::day_stats`].
    pub day_stats_page_size: usize,
    /// Whether a report's amounts are strings.
    pub amounts_as_text: bool,
    /// Whether a campaign becomes `active: false` and `paused` when its end time passes. Otherwise it still shows that
    /// it is active, and does not run.
    pub end_time_flips: bool,
    /// The status word of a campaign that has spent its daily budget; `None` leaves the word as it was.
    pub daily_budget_word: Option<String>,
    /// The time after 00:00 UTC during which a campaign's field of today's spend still shows the spend of the day
    /// before, if there was any. Reports show each day's own spend.
    #[serde(with = "crate::lengths")]
    pub counter_falls_after: Duration,
    /// The late spend of each day that has spend: it is added to that day at 00:00 UTC.
    pub late_clicks: Amount,
    /// The number of seconds of spending and clicking that pass in one second.
    pub speed: u32,
    /// The most requests that the log keeps; when it is full, the older half is removed.
    pub keep_requests: usize,
    /// The guard's SQLite database, in which the visitors' clicks are counted; without it there are no clicks.
    pub database: Option<PathBuf>,
}

/// The `Retry-After` of a 429.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// The 429 has no such header.
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
    /// Neither of them: all campaigns are listed.
    Ignored,
}

/// The answer to a wrong API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedKey {
    /// The wrapper around the identity provider's answer, as the live API was seen to send it.
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
