//! Translates between the program's types for requests and answers and the model's. The real program has HTTP and JSON
//! in this place.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde_json::json;
use traffic_generator::domain::ids::RemoteId;
use traffic_generator::domain::remote::{EndTime, RemoteCampaign};
use traffic_generator::domain::spend::SpendReading;
use traffic_generator::trafficstar::call::{self, REPORT_LIMIT, Switch};
use traffic_generator::trafficstar::error::RemoteError;
use traffic_generator::trafficstar::wire::{CampaignPage, SwitchAnswer, TokenAnswer, WireError};

use super::log::How;
use super::remote::{Answer, Call};

/// The default of `[trafficstar] timeout`.
pub(crate) const TIMEOUT: Duration = Duration::seconds(15);
/// How long a token is valid, as at TrafficStars.
const TOKEN_LASTS: std::time::Duration = std::time::Duration::from_secs(36_000);
/// The status that refuses a campaign which is switched alone. No other trouble has it.
const REFUSES_ONE: u16 = 451;

/// The reason why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// 429, and how long it blocks requests, if it says so.
    TooMany(Option<Duration>),
    Status(u16),
    TimedOut,
    /// The connection broke after the request was sent.
    Broke,
    /// There was no connection: the request was not sent.
    NotMade,
    Unreadable,
}

/// Translates a request for the model.
pub(crate) fn understood(call: &call::Call) -> Call {
    match call {
        call::Call::Token => Call::Token,
        call::Call::Page { number, .. } => Call::Page(*number),
        call::Call::ListById { remotes, .. } => Call::ListById(remotes.clone()),
        call::Call::Campaign(remote) => Call::Campaign(*remote),
        call::Call::Report { offset, .. } => Call::Report { offset: *offset, limit: REPORT_LIMIT },
        call::Call::DayReport { remote, .. } => Call::DayReport(*remote),
        call::Call::EndTime { remote, at } => Call::EndTime { id: *remote, at: *at },
        call::Call::Budget { remote, max_daily } => Call::Budget { id: *remote, max_daily: *max_daily },
        call::Call::Together { switch, remotes, .. } => switched(*switch, remotes.clone()),
        call::Call::Each { switch, remote } => switched(*switch, [*remote].into()),
    }
}

fn switched(switch: Switch, remotes: BTreeSet<RemoteId>) -> Call {
    match switch {
        Switch::Run => Call::Run(remotes),
        Switch::Pause => Call::Pause(remotes),
    }
}

/// Returns a request's result, for the log.
pub(crate) fn how(result: &Result<Answer, Failure>) -> How {
    match result {
        Ok(Answer::Named { refused, .. }) if !refused.is_empty() => How::Refused(refused.len()),
        Ok(_) => How::Answered,
        Err(Failure::TooMany(_)) => How::Status(429),
        Err(Failure::Status(status)) => How::Status(*status),
        Err(Failure::TimedOut) => How::TimedOut,
        Err(Failure::Broke | Failure::NotMade | Failure::Unreadable) => How::Broke,
    }
}

/// Turns the refusal of a campaign that is switched alone into a status: its answer has no list of failed ids.
pub(crate) fn as_sent(call: &call::Call, result: Result<Answer, Failure>) -> Result<Answer, Failure> {
    match (call, result) {
        (call::Call::Each { .. }, Ok(Answer::Named { refused, .. })) if !refused.is_empty() => {
            Err(Failure::Status(REFUSES_ONE))
        }
        (_, result) => result,
    }
}

/// Translates a request's result for the program. `wall` is its wall clock.
pub(crate) fn translated(
    wall: DateTime<Utc>,
    call: &call::Call,
    result: Result<Answer, Failure>,
) -> Result<call::Answer, RemoteError> {
    match result {
        Ok(answer) => Ok(said(call, answer)),
        // A refused key and a refused token have errors of their own. Every other failure of a token's request means
        // that there is no token.
        Err(Failure::Status(401)) if *call == call::Call::Token => Err(RemoteError::BadApiKey),
        Err(failure @ Failure::TooMany(_)) => Err(error(wall, failure)),
        Err(failure) if *call == call::Call::Token => Err(RemoteError::NoToken(Box::new(error(wall, failure)))),
        Err(failure) => Err(error(wall, failure)),
    }
}

fn said(call: &call::Call, answer: Answer) -> call::Answer {
    match (answer, call) {
        (Answer::Token, _) => {
            call::Answer::Token(TokenAnswer { access_token: "a token".into(), lifetime: TOKEN_LASTS })
        }
        (Answer::Page { campaigns, size }, _) => call::Answer::Page(CampaignPage {
            campaigns: campaigns.into_iter().map(|(id, campaign)| (id, Ok(campaign))).collect(),
            nameless: Vec::new(),
            page: None,
            page_count: size.pages,
            page_size: size.page_size,
            campaign_count: size.campaigns,
        }),
        (Answer::Campaign(campaign), _) => call::Answer::Campaign(campaign),
        (Answer::Report(rows), _) => call::Answer::Report(rows),
        (Answer::DayReport(spend), call::Call::DayReport { day, .. }) => day_report(*day, &spend),
        (Answer::DayReport(spend), _) => day_report(NaiveDate::MIN, &spend),
        (Answer::EndTime(end_time), call) => {
            let id = if let call::Call::EndTime { remote, .. } = call { *remote } else { RemoteId(0) };
            call::Answer::Campaign(Box::new(RemoteCampaign { end_time, ..bare(id) }))
        }
        (Answer::Budget(max_daily), call) => {
            let id = if let call::Call::Budget { remote, .. } = call { *remote } else { RemoteId(0) };
            call::Answer::Campaign(Box::new(RemoteCampaign { max_daily: Some(max_daily), ..bare(id) }))
        }
        (Answer::Named { done, .. }, call::Call::Each { switch, remote }) => {
            let active = Some(done.contains(remote) == switch.active());
            call::Answer::Campaign(Box::new(RemoteCampaign { active, ..bare(*remote) }))
        }
        (Answer::Named { done, refused }, _) => call::Answer::Switched(SwitchAnswer { success: done, failed: refused }),
    }
}

fn day_report(day: NaiveDate, spend: &SpendReading) -> call::Answer {
    let amount = |amount: &dyn std::fmt::Display| json!([{ "day": day.to_string(), "amount": amount.to_string() }]);
    call::Answer::DayReport(match spend {
        SpendReading::Value(spend) => amount(spend),
        SpendReading::NoValue | SpendReading::NoSource | SpendReading::Failed(_) => json!([]),
    })
}

/// Returns a campaign with only its id.
pub(super) fn bare(id: RemoteId) -> RemoteCampaign {
    RemoteCampaign {
        id,
        name: None,
        active: None,
        status: None,
        approved: None,
        stopped: None,
        no_funds: false,
        archived: false,
        end_time: EndTime::Unset,
        schedule_timezone: None,
        account_timezone: None,
        spent_today: SpendReading::NoValue,
        spent: SpendReading::NoValue,
        odd_fields: Vec::new(),
        max_daily: None,
        price_per_thousand: None,
        our_clock: None,
    }
}

fn error(wall: DateTime<Utc>, failure: Failure) -> RemoteError {
    let connection = |sent| RemoteError::Connection { sent, source: Arc::new(std::io::Error::other("a storm")) };
    match failure {
        Failure::TooMany(after) => RemoteError::RateLimited { retry_at: after.map(|after| wall + after) },
        Failure::Status(401) => RemoteError::Unauthorized,
        Failure::Status(404) => RemoteError::NotFound,
        Failure::Status(status @ 500..) => RemoteError::Unavailable { status },
        Failure::Status(status) => RemoteError::Rejected { status, excerpt: String::new() },
        Failure::TimedOut => RemoteError::TimedOut { sent: true },
        Failure::Broke => connection(true),
        Failure::NotMade => connection(false),
        Failure::Unreadable => RemoteError::Unreadable(WireError::TooLarge { limit_bytes: 0 }),
    }
}
