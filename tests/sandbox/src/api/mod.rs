//! The API itself: it makes an answer from a request, the state, and the faults that apply.
//!
//! This module does not use the network. `server` carries the requests and answers.

mod campaigns;
mod reports;
mod token;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

pub(crate) use self::token::identity_provider_down;
use crate::faults::Met;
use crate::log::{Operation, RequestRecord};
use crate::options::RetryAfter;
use crate::world::World;

/// A request as it was received.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) content_type: Option<String>,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// An answer, before any fault is applied to it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
    pub(crate) changed: Vec<i64>,
}

/// The meaning of a request's method and path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Token,
    Campaigns,
    Campaign(i64),
    Edit(i64),
    Switch { on: bool },
    SwitchOne { on: bool, id: i64 },
    CustomByCampaign,
    CustomByDay,
    ColumnsByDay,
    DayStats,
    NotThere,
    WrongMethod,
}

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self { status: 200, headers: Vec::new(), body, changed: Vec::new() }
    }

    fn error(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body, changed: Vec::new() }
    }

    fn not_found() -> Self {
        Self::error(404, json!({"detail": "Not Found"}))
    }

    /// Returns a 400 that names the field, as such services do.
    fn bad(field: &str, complaint: &str) -> Self {
        Self::error(400, json!({ field: [complaint] }))
    }
}

impl Incoming {
    fn token(&self) -> Option<&str> {
        self.authorization.as_deref().and_then(|value| value.strip_prefix("Bearer "))
    }

    fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    fn has_json_content(&self) -> bool {
        self.content_type.as_deref().is_some_and(|kind| kind.starts_with("application/json"))
    }

    /// Returns the log's entry of this request. It has no number yet.
    pub(crate) fn record(&self, world: &World) -> RequestRecord {
        let route = route(self, world);
        let body = if route == Route::Token {
            let pairs = form_urlencoded::parse(&self.body).into_owned();
            Some(Value::Object(pairs.map(|(name, value)| (name, Value::String(value))).collect()))
        } else {
            self.json()
        };
        let query: Vec<(String, String)> = form_urlencoded::parse(self.query.as_bytes()).into_owned().collect();
        let named_in_query = || query.iter().filter(|(key, _)| key == "campaign_id");
        let campaign_ids = match route {
            Route::Campaign(id) | Route::Edit(id) | Route::SwitchOne { id, .. } => vec![id],
            Route::Switch { .. } => campaigns::ids_in(body.as_ref()).unwrap_or_default(),
            Route::CustomByCampaign | Route::CustomByDay | Route::ColumnsByDay | Route::DayStats => {
                named_in_query().filter_map(|(_, id)| id.parse().ok()).collect()
            }
            Route::Token | Route::Campaigns | Route::NotThere | Route::WrongMethod => Vec::new(),
        };
        RequestRecord {
            sequence: 0,
            received_at: world.real_now(),
            received_at_by_api: world.now(),
            answered_at: None,
            operation: route.operation(),
            method: self.method.clone(),
            path: self.path.clone(),
            query,
            body,
            campaign_ids,
            changed: Vec::new(),
            api_key: self.token().and_then(|token| world.key_of(token)).map(str::to_owned),
            status: None,
            lost: false,
        }
    }
}

impl Route {
    fn operation(self) -> Operation {
        match self {
            Self::Token => Operation::Token,
            Self::Campaigns => Operation::Campaigns,
            Self::Campaign(_) => Operation::Campaign,
            Self::Edit(_) => Operation::Edit,
            Self::Switch { on: true, .. } | Self::SwitchOne { on: true, .. } => Operation::Run,
            Self::Switch { on: false, .. } | Self::SwitchOne { on: false, .. } => Operation::Pause,
            Self::CustomByCampaign => Operation::ReportByCampaign,
            Self::CustomByDay | Self::ColumnsByDay | Self::DayStats => Operation::ReportByDay,
            Self::NotThere | Self::WrongMethod => Operation::Other,
        }
    }
}

fn route(incoming: &Incoming, world: &World) -> Route {
    let options = &world.options;
    let switch = |on| ("PUT", Route::Switch { on });
    let (wanted, found) = match incoming.path.as_str() {
        "/v1/auth/token" => ("POST", Route::Token),
        "/v1.1/campaigns" => ("GET", Route::Campaigns),
        "/v2/campaigns/run" if options.v2_run_and_pause => switch(true),
        "/v2/campaigns/pause" if options.v2_run_and_pause => switch(false),
        "/v1.1/campaigns/run" if options.v1_run_and_pause => switch(true),
        "/v1.1/campaigns/pause" if options.v1_run_and_pause => switch(false),
        "/v1.1/advertiser/custom/report/by-campaign" if options.custom_reports => ("GET", Route::CustomByCampaign),
        "/v1.1/advertiser/custom/report/by-day" if options.custom_reports => ("GET", Route::CustomByDay),
        "/v1.1/advertiser/campaign/report/by-day" if options.column_report => ("GET", Route::ColumnsByDay),
        "/v1/stats/advertiser/day" if options.day_stats => ("GET", Route::DayStats),
        path => {
            return path
                .strip_prefix("/v1.1/campaigns/")
                .map_or(Route::NotThere, |rest| below_campaigns(rest, incoming, world));
        }
    };
    if incoming.method == wanted { found } else { Route::WrongMethod }
}

/// Returns the route of a path below `/v1.1/campaigns/`: `{id}`, `{id}/run` or `{id}/pause`.
fn below_campaigns(rest: &str, incoming: &Incoming, world: &World) -> Route {
    let (id, action) = rest.split_once('/').map_or((rest, None), |(id, action)| (id, Some(action)));
    let on = match action {
        None => None,
        Some("run") if world.options.single_run_and_pause => Some(true),
        Some("pause") if world.options.single_run_and_pause => Some(false),
        Some(_) => return Route::NotThere,
    };
    match (id.parse(), on, incoming.method.as_str()) {
        (Err(_), ..) => Route::NotThere,
        (Ok(id), None, "GET") => Route::Campaign(id),
        (Ok(id), None, "PATCH") => Route::Edit(id),
        (Ok(id), Some(on), "PUT") => Route::SwitchOne { on, id },
        (Ok(_), ..) => Route::WrongMethod,
    }
}

/// Carries out a request, and returns the answer.
pub(crate) fn answer(world: &mut World, incoming: &Incoming, request: &RequestRecord, faults: &[Met]) -> Answer {
    let route = route(incoming, world);
    if route == Route::Token {
        return token::answer(world, request);
    }
    if !incoming.token().is_some_and(|token| world.is_good_token(token)) {
        return Answer::error(401, json!({"error": "invalid_token"}));
    }
    if incoming.method == "GET" && incoming.has_json_content() {
        // The live API was seen to do this: with that content type it looks for the parameters in the body, and a GET
        // has none.
        return Answer::error(400, json!({"error": "required"}));
    }
    let answered = match route {
        Route::Token | Route::NotThere => Err(Answer::not_found()),
        Route::WrongMethod => Err(Answer::error(405, json!({"detail": "Method Not Allowed"}))),
        Route::Campaigns => campaigns::list(world, request),
        Route::Campaign(id) => Ok(campaigns::one(world, id)),
        Route::Edit(id) => campaigns::edit(world, id, incoming, request.body.as_ref()),
        Route::SwitchOne { on, id } => Ok(campaigns::switch_one(world, on, id, faults)),
        Route::Switch { on } => Ok(campaigns::switch(world, on, incoming, request.body.as_ref(), faults)),
        Route::CustomByCampaign => reports::by_campaign(world, request),
        Route::CustomByDay => reports::by_day(world, request),
        Route::DayStats => reports::day_stats(world, request),
        Route::ColumnsByDay => reports::columns_by_day(world, request),
    };
    answered.unwrap_or_else(|complaint| complaint)
}

/// Returns the number of the wanted page, from 1 on.
fn page(request: &RequestRecord) -> Result<usize, Answer> {
    match request.query_value("page").map_or(Ok(1), str::parse) {
        Ok(page) if page >= 1 => Ok(page),
        Ok(_) | Err(_) => Err(Answer::bad("page", "must be a number from 1")),
    }
}

/// Returns the answer to a request above the rate limit: there is room after `wait`.
pub(crate) fn too_many_requests(now: DateTime<Utc>, wait: Duration, form: RetryAfter) -> Answer {
    let mut answer = Answer::error(429, json!({"detail": "Too Many Requests"}));
    let whole_seconds = wait.as_millis().div_ceil(1000);
    match form {
        RetryAfter::Missing => {}
        RetryAfter::Seconds => answer.headers.push(("retry-after", whole_seconds.to_string())),
        RetryAfter::HttpDate => {
            // A date has whole seconds. One more second, so that the date is not before the end of the wait.
            let date = now + wait + Duration::from_secs(1);
            answer.headers.push(("retry-after", http_date(date)));
        }
    }
    answer
}

/// Returns a time in the form of HTTP's headers.
pub(crate) fn http_date(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
