//! The findings about the account, as text, from what was read from TrafficStars.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::findings::{Check, Findings};
use super::visit::{Failure, Seen, WITHIN};
use crate::domain::clock_difference::ClockDifference;
use crate::domain::failure::RemoteFault;
use crate::domain::ids::RemoteId;
use crate::domain::remote::{RemoteStatus, judge};
use crate::printable::printable;
use crate::store::CampaignRow;
use crate::trafficstar::batch::capacity;
use crate::trafficstar::client::Limits;
use crate::trafficstar::error::RemoteError;
use crate::trafficstar::wire::WireError;

/// The name of the findings about the connection to TrafficStars.
pub(super) const TRAFFICSTARS: &str = "TrafficStars";
const ACCOUNT: &str = "account";

/// The address of the API, and the place of the API key, for the texts.
pub(super) struct Asked<'a> {
    pub(super) base_url: &'a str,
    pub(super) key_place: &'a str,
}

/// Adds all findings about the account. `rows` is `None` if the database could not be read.
pub(super) fn add(
    findings: &mut Findings,
    asked: &Asked<'_>,
    seen: &Seen,
    rows: Option<&[CampaignRow]>,
    limits: &Limits,
    now: DateTime<Utc>,
) {
    if seen.key_works {
        findings.add(Check::ok(TRAFFICSTARS, format!("{} gives an access token for the API key", asked.base_url)));
    }
    if let Some(failure) = &seen.failure {
        let what = if seen.key_works { ACCOUNT } else { TRAFFICSTARS };
        let (detail, advice) = explained(failure, asked, limits);
        let detail = if seen.key_works { format!("the account's list could not be read: {detail}") } else { detail };
        let problem = Check::problem(what, detail);
        findings.add(if let Some(advice) = advice { problem.advise(advice) } else { problem });
    }
    if let Some(difference) = seen.clock {
        findings.add(clock(difference));
    }
    if !seen.key_works {
        return;
    }
    account(findings, seen, rows.unwrap_or_default(), limits, now);
    rows.unwrap_or_default().iter().filter_map(|row| self::row(seen, row, now)).for_each(|check| findings.add(check));
    not_read(seen, rows.unwrap_or_default()).into_iter().for_each(|check| findings.add(check));
    time_zone(seen).into_iter().for_each(|check| findings.add(check));
}

/// Returns a failure and its advice as one sentence.
pub(super) fn failure(failure: &Failure, asked: &Asked<'_>, limits: &Limits) -> String {
    let (detail, advice) = explained(failure, asked, limits);
    advice.map_or_else(|| detail.clone(), |advice| format!("{detail}: {advice}"))
}

/// Returns a failure as text for an operator who sets the program up, and what to do about it.
fn explained(failure: &Failure, asked: &Asked<'_>, limits: &Limits) -> (String, Option<&'static str>) {
    const IS_IT_RIGHT: Option<&str> = Some("is [trafficstar] base_url right?");
    let error = match failure {
        Failure::Request(error) => error,
        Failure::Late => {
            let late = format!(
                "TrafficStars could not be read within {}: it does not answer, or a running supervisor uses the whole \
                 limit of {} requests a minute",
                humantime::format_duration(WITHIN),
                limits.requests_per_minute
            );
            return (late, Some("`check --offline` sends it no requests"));
        }
    };
    let inner = if let RemoteError::NoToken(inner) = error { inner } else { error };
    if matches!(inner, RemoteError::BadApiKey) {
        let refused = format!("TrafficStars refuses the API key from {}", asked.key_place);
        return (refused, Some("copy it anew from your TrafficStars profile page"));
    }
    // Another service does not have the path of the token: it answers with 404 or 405, or without JSON.
    let is_another = matches!(
        inner,
        RemoteError::Unreadable(WireError::NotJson { .. }) | RemoteError::TokenRefused { status: 404 | 405, .. }
    );
    if is_another {
        return (format!("{} answers, but not as the TrafficStars API does", asked.base_url), IS_IT_RIGHT);
    }
    let advice = if matches!(inner, RemoteError::Connection { sent: false, .. }) { IS_IT_RIGHT } else { None };
    (inner.in_full(), advice)
}

fn clock(difference: ClockDifference) -> Check {
    let what = "clock";
    if difference.is_apart() {
        return Check::problem(what, format!("our clock is {difference}"))
            .advise("set it right (NTP); otherwise the day, its end and each end time are wrong");
    }
    if difference.0.abs() < TimeDelta::seconds(1) {
        return Check::ok(what, "our clock agrees with TrafficStars'");
    }
    Check::note(what, format!("our clock is {difference}"))
}

/// Returns what is wrong with a row's campaign. It is a problem only if the campaign is guarded.
fn row(seen: &Seen, row: &CampaignRow, now: DateTime<Utc>) -> Option<Check> {
    let CampaignRow { id, name, trafficstar_id, .. } = row;
    let read = seen.campaigns.get(trafficstar_id)?;
    let (wrong, advice) = match (read, judge(read, now)) {
        (Err(RemoteFault::NotFound | RemoteFault::Gone), _) => (
            format!("TrafficStars knows no campaign {trafficstar_id} (404): is it another account's, or mistyped?"),
            Some(format!(
                "correct it: `traffic-generator campaign set {id} --trafficstar-id N`, after \
                 `traffic-generator disable {id}` if it is guarded"
            )),
        ),
        (_, RemoteStatus::Blocked { reason, .. }) => {
            (format!("TrafficStars' campaign {trafficstar_id} is blocked, and is not activated: {reason}"), None)
        }
        (_, RemoteStatus::Unknown { doubt, .. }) => {
            (format!("the status of TrafficStars' campaign {trafficstar_id} is not known: {doubt}"), None)
        }
        (
            Ok(_) | Err(RemoteFault::Failed(_) | RemoteFault::Shared(_) | RemoteFault::Late),
            RemoteStatus::Stopped(_) | RemoteStatus::Running,
        ) => return None,
    };
    let (what, name) = ("campaign", printable(name));
    let check = if row.generator_enabled {
        Check::problem(what, format!("campaign {id} ({name}): {wrong}"))
    } else {
        Check::note(what, format!("campaign {id} ({name}), which is not guarded: {wrong}"))
    };
    Some(if let Some(advice) = advice { check.advise(advice) } else { check })
}

/// Returns how many campaigns were not read; `None` if all were.
fn not_read(seen: &Seen, rows: &[CampaignRow]) -> Option<Check> {
    let missing = rows.iter().filter(|row| !seen.campaigns.contains_key(&row.trafficstar_id)).count();
    let (why, advice) = if seen.failure.is_some() {
        ("their reads would fail, too", None)
    } else {
        ("the request limit is used up", Some("check again in a minute"))
    };
    let note = Check::note("campaign", format!("{missing} of {} campaigns were not read: {why}", rows.len()));
    (missing > 0).then(|| if let Some(advice) = advice { note.advise(advice) } else { note })
}

/// Returns the account's time zone, which decides whether `spent_today` is used.
fn time_zone(seen: &Seen) -> Option<Check> {
    let what = "time zone";
    let known = seen.campaigns.values().flatten().filter_map(|campaign| campaign.account_timezone);
    let hours: Vec<i64> = known.collect::<BTreeSet<i64>>().into_iter().collect();
    match hours[..] {
        [] => None,
        [0] => Some(Check::ok(
            what,
            "the account's time zone is UTC, and the rules count in UTC: its `spent_today` is used",
        )),
        [hours] => Some(Check::note(
            what,
            format!(
                "the account's time zone is UTC{hours:+}, and the rules count in UTC: its `spent_today` is of another \
                 day and is not used; today's spend comes from the reports, in UTC"
            ),
        )),
        _ => Some(Check::note(
            what,
            format!(
                "the account's campaigns have several time zones (UTC and {hours:?} hours): the `spent_today` of a \
                 campaign outside UTC is not used; its spend comes from the reports, in UTC"
            ),
        )),
    }
}

/// Adds the number of campaigns, the requests that a tick takes, and whether the request limit is large enough.
fn account(findings: &mut Findings, seen: &Seen, rows: &[CampaignRow], limits: &Limits, now: DateTime<Utc>) {
    let guarded: BTreeSet<RemoteId> =
        rows.iter().filter(|row| row.generator_enabled).map(|row| row.trafficstar_id).collect();
    let held = seen.pages.campaigns().map(|campaigns| format!("{} in the account", counted(campaigns, "campaign")));
    if guarded.is_empty() {
        let held = held.map(|held| format!("{held}; ")).unwrap_or_default();
        findings.add(Check::ok(ACCOUNT, format!("{held}no campaign is guarded, so a tick sends no requests")));
        return;
    }
    let reading = capacity::forecast(&guarded, &seen.pages, limits.requests_per_minute, limits.tick, now);
    let them = if held.is_some() { "of them" } else { "campaigns" };
    let held = held.map(|held| format!("{held}; ")).unwrap_or_default();
    let cost = format!(
        "{held}{} {them} are guarded; reading them takes {} a tick",
        guarded.len(),
        counted(reading.requests, "request")
    );
    findings.add(Check::ok(ACCOUNT, cost));
    let what = "requests";
    findings.add(if reading.reaches() {
        let room = format!(
            "the spends and an access token take up to {} more; the limit of {} a minute allows {} in each tick of {}",
            capacity::OTHERS_PER_TICK,
            limits.requests_per_minute,
            counted(reading.requests_per_tick, "read"),
            humantime::format_duration(limits.tick.to_std().unwrap_or_default())
        );
        Check::ok(what, room)
    } else {
        Check::problem(what, reading.to_string())
            .advise("set [trafficstar] requests_per_minute or [generator] tick higher")
    });
}

/// Returns a number with its noun, in the singular or the plural.
fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
