//! Each fact with its source and time, and the distance to each threshold.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::{Case, ClicksFact, EndTimeFact, Facts, SpendFact, StatusFact, Thresholds};
use crate::domain::money::{Clicks, Money};
use crate::domain::observation::Observation;
use crate::domain::policy::ClickThresholds;
use crate::domain::remote::{EndTime, RemoteStatus, StatusWord, StopCause};
use crate::domain::status::Observed;

pub(super) fn facts(case: &Case<'_>) -> Facts {
    let observation = case.observation;
    let seen = observation.zip(case.judged.as_ref());
    Facts {
        status: seen.map(|(observation, judged)| status(case, observation, &judged.status)).unwrap_or_default(),
        end_time: EndTimeFact { owed: case.snapshot.end_time_owed, ..observation.map(end_time).unwrap_or_default() },
        spend: observation.map(|observation| spend(case, observation)).unwrap_or_default(),
        max_daily: observation.and_then(|observation| observation.remote.as_ref().ok()?.max_daily),
        clicks: observation.map(|observation| clicks(case, observation)).unwrap_or_default(),
    }
}

fn status(case: &Case<'_>, observation: &Observation, judged: &RemoteStatus) -> StatusFact {
    let campaign = observation.remote.as_ref().ok();
    let reason = match judged {
        RemoteStatus::Unknown { doubt, .. } => Some(doubt.to_string()),
        RemoteStatus::Blocked { reason, .. } => Some(reason.clone()),
        RemoteStatus::Stopped(StopCause::EndTimePassed) => Some("its end time has passed".to_owned()),
        RemoteStatus::Stopped(StopCause::SwitchedOff) => Some("it is switched off".to_owned()),
        RemoteStatus::Running => None,
    };
    StatusFact {
        judged: Some(judged.word()),
        reason,
        remote_status: campaign.and_then(|campaign| campaign.status.clone()),
        remote_active: campaign.and_then(|campaign| campaign.active),
        remote_approved: campaign.and_then(|campaign| campaign.approved.clone()),
        remote_stopped: campaign.and_then(|campaign| campaign.stopped.clone()),
        at: Some(observation.remote_at),
        unknown_since: case.snapshot.status_unknown_since,
    }
}

fn end_time(observation: &Observation) -> EndTimeFact {
    let end_time = observation.remote.as_ref().ok().map(|campaign| &campaign.end_time);
    EndTimeFact {
        end_time: match end_time {
            Some(EndTime::At(at)) => Some(*at),
            Some(EndTime::Unset | EndTime::Unreadable(_)) | None => None,
        },
        unset: end_time == Some(&EndTime::Unset),
        owed: false,
        at: Some(observation.remote_at),
    }
}

fn spend(case: &Case<'_>, observation: &Observation) -> SpendFact {
    match &observation.spend {
        Ok(spend) => SpendFact {
            amount: Some(spend.amount),
            source: Some(spend.source),
            day: Some(spend.day),
            at: Some(spend.at),
            doubt: of_another_day(spend.day, case.now),
            unchanged_since: case.snapshot.spend_unchanged_since,
        },
        Err(unknown) => SpendFact { doubt: Some(unknown.to_string()), ..SpendFact::default() },
    }
}

fn clicks(case: &Case<'_>, observation: &Observation) -> ClicksFact {
    let unknown_since = case.snapshot.clicks_unknown_since;
    match &observation.clicks {
        Ok(clicks) => ClicksFact {
            remaining: Some(clicks.count),
            has_no_urls: clicks.active_urls == 0,
            at: Some(clicks.at),
            doubt: case.snapshot.policy.clicks_doubt(clicks),
            unknown_since,
        },
        Err(failure) => ClicksFact { doubt: Some(failure.to_string()), unknown_since, ..ClicksFact::default() },
    }
}

/// Returns the last known facts of a campaign that has no actor.
pub(super) fn last_seen(now: DateTime<Utc>, seen: &Observed) -> Facts {
    let end_time = seen.schedule_end_time.as_deref();
    let end_time = end_time.and_then(|text| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok());
    let is_read = matches!(seen.status, Some(StatusWord::Running | StatusWord::Stopped));
    Facts {
        status: StatusFact {
            judged: seen.status,
            remote_status: seen.remote_status.clone(),
            remote_active: seen.remote_active,
            remote_stopped: seen.remote_stopped.clone(),
            at: seen.status_at,
            ..StatusFact::default()
        },
        end_time: EndTimeFact {
            end_time: end_time.map(|at| at.and_utc()),
            unset: is_read && seen.schedule_end_time.is_none(),
            owed: false,
            at: seen.status_at,
        },
        max_daily: seen.max_daily,
        spend: SpendFact {
            amount: seen.spend,
            source: seen.spend_source,
            day: seen.spend_day,
            at: seen.spend_at,
            doubt: seen.spend_day.and_then(|day| of_another_day(day, now)),
            unchanged_since: None,
        },
        clicks: ClicksFact { remaining: seen.remaining_clicks, at: seen.clicks_at, ..ClicksFact::default() },
    }
}

/// Returns the doubt about a spend of another day; `None` if the spend is of today.
fn of_another_day(day: NaiveDate, now: DateTime<Utc>) -> Option<String> {
    (day != now.date_naive()).then(|| format!("it is of {day}, not of today"))
}

pub(super) fn thresholds(case: &Case<'_>) -> Thresholds {
    let policy = &case.snapshot.policy;
    let remaining = case.judged.as_ref().and_then(|judged| judged.remaining);
    let spend = case.judged.as_ref().and_then(|judged| judged.spend);
    let ClickThresholds { activate, pause } =
        case.judged.as_ref().map_or_else(|| policy.thresholds(None), |judged| judged.thresholds);
    let difference = |from: Clicks, to: Clicks| Clicks(from.0.saturating_sub(to.0));
    Thresholds {
        pause_clicks: pause,
        clicks_to_pause: remaining.map(|remaining| difference(remaining, pause)),
        activate_clicks: activate,
        clicks_to_activation: remaining.map(|remaining| difference(activate, remaining)),
        spend_limit: policy.spend_limit,
        spend_to_limit: spend.map(|spend| {
            let left = policy.spend_limit.micros().saturating_sub(spend.micros());
            Money::from_micros(left).unwrap_or(Money::ZERO)
        }),
        high_spend: policy.high_spend,
    }
}
