//! All requests to TrafficStars: the method, path and body of each, and how its answer is read. PURE.
//!
//! If several paths are known for an operation, they are candidates. `endpoint_discovery` says which one is tried next.
//!
//! Deliberately absent: when a request is sent (`client`), HTTP (`http`), and what an answer means (`domain`).

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use reqwest::Method;
use serde_json::{Value, json};

use super::circuit::Operation;
use super::endpoint_discovery::Endpoint;
use super::error::RemoteError;
use super::wire::{self, CampaignPage, SwitchAnswer, TokenAnswer, WireError};
use crate::domain::ids::RemoteId;
use crate::domain::money::Money;
use crate::domain::remote::RemoteCampaign;
use crate::domain::spend::SpendReading;

const LIST_PATH: &str = "/v1.1/campaigns";
/// The page size that is asked for. The answer says the real one.
const WANTED_PAGE_SIZE: &str = "100";
/// The number of rows of a report in one request.
pub const REPORT_LIMIT: usize = 500;

/// Names of a parameter that may set the page size. It is unknown which one TrafficStars understands.
pub type SizeNames = &'static [&'static str];

/// The parameters for a page of the list: first all names at once, then none if these are refused.
pub const LISTS: [SizeNames; 2] = [ALL_SIZES, &[]];
const ALL_SIZES: SizeNames = &["size", "per_page", "page_size", "limit"];

/// A way to ask for the entries of some campaigns in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListById {
    /// The parameter that names each id.
    id: &'static str,
    /// The names of the parameter for the page size.
    sizes: SizeNames,
}

/// The ways to ask for campaigns by their ids: both spellings of the filter with all names for the page size, then
/// without them.
pub const LISTS_BY_ID: [ListById; 4] = [
    ListById { id: "id[]", sizes: ALL_SIZES },
    ListById { id: "id", sizes: ALL_SIZES },
    ListById { id: "id[]", sizes: &[] },
    ListById { id: "id", sizes: &[] },
];

/// The reports of all campaigns' spends.
pub const CAMPAIGN_REPORTS: [&str; 1] = ["/v1.1/advertiser/custom/report/by-campaign"];

/// A report of one campaign's spend by days.
#[derive(Debug, PartialEq, Eq)]
pub struct DayReport {
    path: &'static str,
    /// The parameter that names the end of the days.
    end: &'static str,
    /// Whether the report includes the day that `end` names.
    holds_end: bool,
}

/// The reports of one campaign's spend by days.
pub const DAY_REPORTS: [DayReport; 3] = [
    DayReport { path: "/v1.1/advertiser/custom/report/by-day", end: "date_to", holds_end: true },
    DayReport { path: "/v1.1/advertiser/campaign/report/by-day", end: "date_to", holds_end: true },
    DayReport { path: "/v1/stats/advertiser/day", end: "date_until", holds_end: false },
];

/// The two ways to switch campaigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Switch {
    /// Switch campaigns on.
    Run,
    /// Switch campaigns off.
    Pause,
}

/// A kind of request that switches campaigns on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwitchWay {
    /// `PUT` of the ids to this path: all campaigns at once.
    Together(&'static str),
    /// `PATCH` of `active`: each campaign by itself.
    Each,
}

const RUNS: [SwitchWay; 3] =
    [SwitchWay::Together("/v2/campaigns/run"), SwitchWay::Together("/v1.1/campaigns/run"), SwitchWay::Each];

const PAUSES: [SwitchWay; 3] =
    [SwitchWay::Together("/v2/campaigns/pause"), SwitchWay::Together("/v1.1/campaigns/pause"), SwitchWay::Each];

/// One request, without its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// An access token.
    Token,
    /// A page of the list of all campaigns. Archived campaigns are believed to be left out: a campaign that is on no
    /// page has to be read by itself.
    Page {
        /// The page's number, from 1.
        number: u64,
        /// The names of the parameter for the page size.
        sizes: SizeNames,
    },
    /// The entries of some campaigns in the list.
    ListById {
        /// The ids of the campaigns at TrafficStars.
        remotes: BTreeSet<RemoteId>,
        /// How to ask, from [`LISTS_BY_ID`].
        way: ListById,
    },
    /// One campaign.
    Campaign(RemoteId),
    /// Rows of the report of every campaign's spend on one UTC day.
    Report {
        /// The path, from [`CAMPAIGN_REPORTS`].
        path: &'static str,
        /// The UTC day.
        day: NaiveDate,
        /// The number of rows to skip.
        offset: usize,
    },
    /// A page of the report of one campaign's spend by days.
    DayReport {
        /// The report, from [`DAY_REPORTS`].
        report: &'static DayReport,
        /// The campaign's id at TrafficStars.
        remote: RemoteId,
        /// The UTC day.
        day: NaiveDate,
        /// The page's number, from 1.
        page: u64,
    },
    /// Sets when a campaign stops by itself.
    EndTime {
        /// The campaign's id at TrafficStars.
        remote: RemoteId,
        /// The end time (UTC).
        at: DateTime<Utc>,
    },
    /// Sets a campaign's daily budget.
    Budget {
        /// The campaign's id at TrafficStars.
        remote: RemoteId,
        /// The new `max_daily`.
        max_daily: Money,
    },
    /// Switches campaigns on or off, all by one request.
    Together {
        /// Whether to switch on or off.
        switch: Switch,
        /// The path, from [`Switch::ways`].
        path: &'static str,
        /// The ids of the campaigns at TrafficStars.
        remotes: BTreeSet<RemoteId>,
    },
    /// Switches one campaign on or off.
    Each {
        /// Whether to switch on or off.
        switch: Switch,
        /// The campaign's id at TrafficStars.
        remote: RemoteId,
    },
}

/// The answer to a request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// An access token.
    Token(TokenAnswer),
    /// A page of the list.
    Page(CampaignPage),
    /// The whole campaign, as it is now.
    Campaign(Box<RemoteCampaign>),
    /// Rows of a report: each campaign's spend.
    Report(Vec<(RemoteId, SpendReading)>),
    /// A page of a report by days, not read yet: its paging can only be checked together with the pages before it.
    DayReport(Value),
    /// The campaigns that were switched, and those that were not.
    Switched(SwitchAnswer),
}

/// The parts of a request: the method, the path, the parameters, and the JSON body. Only a request with a body declares
/// JSON: otherwise TrafficStars would look for a GET's parameters in the body.
pub(super) type Sent = (Method, String, Vec<(&'static str, String)>, Option<Value>);

impl Call {
    /// Returns the operation, which circuits and metrics count by.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Token => Operation::Token,
            Self::Page { .. } | Self::ListById { .. } => Operation::List,
            Self::Campaign(_) => Operation::Campaign,
            Self::Report { .. } | Self::DayReport { .. } => Operation::Report,
            Self::EndTime { .. } => Operation::EndTime,
            Self::Budget { .. } => Operation::Budget,
            Self::Together { switch, .. } | Self::Each { switch, .. } => switch.operation(),
        }
    }

    /// Returns what is sent. A token request has a form as its body, which `http` fills in.
    pub(super) fn sent(&self) -> Sent {
        match self {
            Self::Token => (Method::POST, "/v1/auth/token".to_owned(), Vec::new(), None),
            Self::Page { number, sizes } => {
                let query = std::iter::once(("page", number.to_string())).chain(wanted_size(sizes)).collect();
                (Method::GET, LIST_PATH.to_owned(), query, None)
            }
            Self::ListById { remotes, way } => {
                let ids = remotes.iter().map(|remote| (way.id, remote.to_string()));
                (Method::GET, LIST_PATH.to_owned(), ids.chain(wanted_size(way.sizes)).collect(), None)
            }
            Self::Campaign(remote) => (Method::GET, campaign_path(*remote), Vec::new(), None),
            // `date_from` and `date_to` are the same day: the vendor's reports use whole days and include both. A later
            // `date_to` would add the next day's spend to an answer that comes after midnight, and rows by campaign do
            // not name their day.
            Self::Report { path, day, offset } => {
                let query = vec![
                    ("date_from", day.to_string()),
                    ("date_to", day.to_string()),
                    ("offset", offset.to_string()),
                    ("limit", REPORT_LIMIT.to_string()),
                ];
                (Method::GET, (*path).to_owned(), query, None)
            }
            Self::DayReport { report, remote, day, page } => {
                let end = if report.holds_end { *day } else { day.succ_opt().unwrap_or(*day) };
                let mut query = vec![
                    ("campaign_id", remote.to_string()),
                    ("date_from", day.to_string()),
                    (report.end, end.to_string()),
                ];
                query.extend((*page > 1).then(|| ("page", page.to_string())));
                (Method::GET, report.path.to_owned(), query, None)
            }
            Self::EndTime { remote, at } => {
                let body = json!({ "schedule_end_time": wire::end_time_text(*at) });
                (Method::PATCH, campaign_path(*remote), Vec::new(), Some(body))
            }
            Self::Budget { remote, max_daily } => {
                let body = json!({ "max_daily": wire::budget_number(*max_daily) });
                (Method::PATCH, campaign_path(*remote), Vec::new(), Some(body))
            }
            Self::Together { path, remotes, .. } => {
                (Method::PUT, (*path).to_owned(), Vec::new(), Some(json!({ "campaign_ids": remotes })))
            }
            Self::Each { switch, remote } => {
                let body = json!({ "active": switch.active() });
                (Method::PATCH, campaign_path(*remote), Vec::new(), Some(body))
            }
        }
    }

    /// Reads an answer of success.
    pub(super) fn read(&self, answer: Value) -> Result<Answer, RemoteError> {
        Ok(match self {
            Self::Token => {
                let token = wire::token(&answer).map_err(|error| RemoteError::NoToken(Box::new(error.into())))?;
                Answer::Token(token)
            }
            Self::Page { number, .. } => Answer::Page(page(&answer, *number)?),
            Self::ListById { .. } => Answer::Page(page(&answer, 1)?),
            Self::Campaign(remote)
            | Self::EndTime { remote, .. }
            | Self::Budget { remote, .. }
            | Self::Each { remote, .. } => Answer::Campaign(Box::new(the_campaign(&answer, *remote)?)),
            Self::Report { .. } => Answer::Report(wire::campaign_spends(&answer)?),
            Self::DayReport { .. } => Answer::DayReport(answer),
            Self::Together { .. } => Answer::Switched(wire::switch_answer(&answer)?),
        })
    }
}

impl Switch {
    /// Returns the operation, which circuits and metrics count by.
    #[must_use]
    pub const fn operation(self) -> Operation {
        match self {
            Self::Run => Operation::Run,
            Self::Pause => Operation::Pause,
        }
    }

    /// Returns the ways to do it, in the order in which they are tried.
    #[must_use]
    pub const fn ways(self) -> &'static [SwitchWay] {
        match self {
            Self::Run => &RUNS,
            Self::Pause => &PAUSES,
        }
    }

    pub(super) const fn endpoint(self) -> Endpoint {
        match self {
            Self::Run => Endpoint::Run,
            Self::Pause => Endpoint::Pause,
        }
    }

    /// Returns the value that `active` has afterwards.
    #[must_use]
    pub const fn active(self) -> bool {
        matches!(self, Self::Run)
    }
}

impl SwitchWay {
    /// Returns the method and path, as the dump shows them.
    pub(super) fn line(self) -> String {
        match self {
            Self::Together(path) => format!("PUT {path}"),
            Self::Each => "PATCH /v1.1/campaigns/{id}".to_owned(),
        }
    }
}

impl DayReport {
    /// Returns the method and path, as the dump shows them.
    pub(super) fn line(&self) -> String {
        format!("GET {}", self.path)
    }
}

/// Returns the list's method, path and parameters, as the dump shows them.
pub(super) fn list_line(sizes: SizeNames) -> String {
    let sizes: Vec<String> = wanted_size(sizes).map(|(name, size)| format!("{name}={size}")).collect();
    let mark = if sizes.is_empty() { "" } else { "?" };
    format!("GET {LIST_PATH}{mark}{}", sizes.join("&"))
}

fn wanted_size(sizes: SizeNames) -> impl Iterator<Item = (&'static str, String)> {
    sizes.iter().map(|name| (*name, WANTED_PAGE_SIZE.to_owned()))
}

impl ListById {
    /// Returns the method, path and parameters, as the dump shows them.
    pub(super) fn line(self) -> String {
        let sizes = wanted_size(self.sizes).map(|(name, size)| format!("&{name}={size}"));
        format!("GET {LIST_PATH}?{}={{id}}{}", self.id, sizes.collect::<String>())
    }
}

fn campaign_path(id: RemoteId) -> String {
    format!("/v1.1/campaigns/{id}")
}

fn page(answer: &Value, number: u64) -> Result<CampaignPage, RemoteError> {
    let page = wire::campaign_page(answer)?;
    if let Some(other) = page.page.filter(|other| *other != number) {
        return Err(WireError::CutShort(format!("page {number} was asked for, page {other} came")).into());
    }
    for defect in &page.nameless {
        tracing::warn!(defect, "TrafficStars' list of campaigns has an entry that cannot be read");
    }
    Ok(page)
}

/// Reads the campaign of an answer. It must be the one that was asked for.
fn the_campaign(answer: &Value, id: RemoteId) -> Result<RemoteCampaign, RemoteError> {
    let campaign = wire::campaign(answer)?;
    if campaign.id == id {
        Ok(campaign)
    } else {
        let (place, found) = ("`id` of the campaign".to_owned(), campaign.id.to_string());
        Err(WireError::Field { place, expected: "the id that was asked for", found }.into())
    }
}

/// Returns the error for an answer to another call than the one that was sent. [`Call::read`] never gives such an
/// answer.
fn another(expected: &'static str) -> RemoteError {
    WireError::Field { place: "the answer".to_owned(), expected, found: "another one".to_owned() }.into()
}

/// Each function returns an error if the answer is of another kind.
impl Answer {
    /// Returns the access token.
    pub fn into_token(self) -> Result<TokenAnswer, RemoteError> {
        let Self::Token(token) = self else { return Err(another("a token")) };
        Ok(token)
    }

    /// Returns the page of the list.
    pub fn into_page(self) -> Result<CampaignPage, RemoteError> {
        let Self::Page(page) = self else { return Err(another("a page of the list")) };
        Ok(page)
    }

    /// Returns the campaign.
    pub fn into_campaign(self) -> Result<RemoteCampaign, RemoteError> {
        let Self::Campaign(campaign) = self else { return Err(another("a campaign")) };
        Ok(*campaign)
    }

    pub(super) fn into_report(self) -> Result<Vec<(RemoteId, SpendReading)>, RemoteError> {
        let Self::Report(rows) = self else { return Err(another("a report")) };
        Ok(rows)
    }

    pub(super) fn into_day_report(self) -> Result<Value, RemoteError> {
        let Self::DayReport(page) = self else { return Err(another("a report by days")) };
        Ok(page)
    }

    pub(super) fn into_switched(self) -> Result<SwitchAnswer, RemoteError> {
        let Self::Switched(answer) = self else { return Err(another("what was switched")) };
        Ok(answer)
    }
}
