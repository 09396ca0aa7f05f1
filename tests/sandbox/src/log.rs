//! The log of all requests. Tests compare it with the guard's journal.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `POST /v1/auth/token`.
    Token,
    /// `GET /v1.1/campaigns/{id}`.
    Campaign,
    /// `GET /v1.1/campaigns`.
    Campaigns,
    /// `PUT …/campaigns/run`.
    Run,
    /// `PUT …/campaigns/pause`.
    Pause,
    /// `PATCH /v1.1/campaigns/{id}`.
    Edit,
    /// A report by campaign.
    ReportByCampaign,
    /// A report by day, at any of its addresses.
    ReportByDay,
    /// Any other request, which is answered with 404 or 405.
    Other,
}

impl Operation {
    /// Whether the operation changes a campaign.
    #[must_use]
    pub fn is_change(self) -> bool {
        matches!(self, Self::Run | Self::Pause | Self::Edit)
    }
}

/// A received request, and its result.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestRecord {
    /// The request's number, from 1 on, in the order of receipt.
    pub sequence: u64,
    /// The time at which the request was received, by the real clock.
    pub received_at: DateTime<Utc>,
    /// The same time by the API's clock (see [`crate::Sandbox::set_clock`]).
    pub received_at_by_api: DateTime<Utc>,
    /// The time at which the answer was ready, or dropped, by the real clock. `None` before that.
    pub answered_at: Option<DateTime<Utc>>,
    /// The kind of the request.
    pub operation: Operation,
    /// The HTTP method.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query's pairs, decoded, in their order.
    pub query: Vec<(String, String)>,
    /// The body: JSON, or a form as an object of texts. `None` if it is empty or neither of them.
    pub body: Option<Value>,
    /// The ids of the campaigns that the request names.
    pub campaign_ids: Vec<i64>,
    /// The ids of the campaigns that the request has changed.
    pub changed: Vec<i64>,
    /// The API key for which the request's access token was issued. `None` if the request has no valid token.
    pub api_key: Option<String>,
    /// The status of the answer, whether it was sent or not. `None` before it is ready, and after
    /// [`crate::FaultKind::DropRequest`].
    pub status: Option<u16>,
    /// Whether the connection was dropped instead of an answer.
    pub lost: bool,
}

impl fmt::Display for RequestRecord {
    /// Writes one line, without the body of a token request: that is the API key, which must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.received_at.format("%H:%M:%S%.3f");
        write!(f, "{} {time} {} {}", self.sequence, self.method, self.path)?;
        for (position, (name, value)) in self.query.iter().enumerate() {
            write!(f, "{}{name}={value}", if position == 0 { "?" } else { "&" })?;
        }
        if let Some(body) = self.body.as_ref().filter(|_| self.operation != Operation::Token) {
            write!(f, " {body}")?;
        }
        let status = self.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        write!(f, " -> {status}{}", if self.lost { ", lost" } else { "" })
    }
}

impl RequestRecord {
    /// Returns the first value of `name` in the query.
    #[must_use]
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns every value of `name` in the query.
    pub fn query_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Returns the largest number of requests that were received within any time of the length `window`, with any answer.
#[must_use]
pub fn busiest_window(requests: &[RequestRecord], window: std::time::Duration) -> usize {
    let times: Vec<DateTime<Utc>> = requests.iter().map(|request| request.received_at).collect();
    times
        .iter()
        .enumerate()
        .map(|(first, start)| times.iter().skip(first).take_while(|time| **time < *start + window).count())
        .max()
        .unwrap_or(0)
}
