//! What TrafficStars' answers amount to: problems, and what is worth knowing.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Findings, Seen};
use crate::domain::clock_difference::ClockDifference;
use crate::domain::failure::RemoteFault;
use crate::domain::remote::{RemoteStatus, judge};
use crate::printable::printable;
use crate::store::CampaignRow;
use crate::trafficstar::batch::reach;
use crate::trafficstar::client::Limits;

/// All of it, what everything rests on first.
pub(super) fn findings(seen: &Seen, rows: &[CampaignRow], limits: &Limits, now: DateTime<Utc>) -> Findings {
    let mut findings = Findings::default();
    if seen.key_works {
        findings.notes.push("the API key works: TrafficStars gave an access token for it".to_owned());
    }
    if let Some(difference) = seen.clock {
        findings.add(clock(difference));
    }
    match &seen.failure {
        Some(failure) if seen.key_works => {
            findings.problems.push(format!("the account's list could not be read: {failure}"))
        }
        Some(failure) => findings.problems.push(failure.clone()),
        None => {}
    }
    if seen.key_works {
        findings
            .notes
            .extend(seen.pages.campaigns().map(|campaigns| format!("the account's list holds {campaigns} campaigns")));
        findings.notes.extend(time_zone(seen));
        rows.iter().filter_map(|row| self::row(seen, row, now)).for_each(|finding| findings.add(finding));
        findings.notes.extend(not_looked_for(seen, rows));
        findings.add(cost(seen, rows, limits, now));
    }
    findings
}

/// A problem, or else what is worth knowing.
type Finding = Result<String, String>;

impl Findings {
    fn add(&mut self, finding: Finding) {
        match finding {
            Ok(note) => self.notes.push(note),
            Err(problem) => self.problems.push(problem),
        }
    }
}

fn clock(difference: ClockDifference) -> Finding {
    if difference.is_apart() {
        return Err(format!(
            "our clock is {difference}: set it right (NTP), or the day, its end and each end time are wrong"
        ));
    }
    let agrees = difference.0.abs() < TimeDelta::seconds(1);
    Ok(if agrees { "our clock agrees with TrafficStars'".to_owned() } else { format!("our clock is {difference}") })
}

/// What is wrong with a row's campaign. Of one that is not guarded it is only worth knowing.
fn row(seen: &Seen, row: &CampaignRow, now: DateTime<Utc>) -> Option<Finding> {
    let CampaignRow { id, name, trafficstar_id, .. } = row;
    let read = seen.campaigns.get(trafficstar_id)?;
    let wrong = match (read, judge(read, now)) {
        (Err(RemoteFault::NotFound | RemoteFault::Gone), _) => format!(
            "TrafficStars knows no campaign {trafficstar_id} (404): is it another account's, or mistyped? Set it right: \
             `traffic-generator campaign set {id} --trafficstar-id N`, after `traffic-generator disable {id}` if it is guarded"
        ),
        (_, RemoteStatus::Blocked { reason, .. }) => {
            format!("TrafficStars' campaign {trafficstar_id} is blocked, and is not activated: {reason}")
        }
        (_, RemoteStatus::Unknown { doubt, .. }) => {
            format!("the status of TrafficStars' campaign {trafficstar_id} is not known: {doubt}")
        }
        (
            Ok(_) | Err(RemoteFault::Failed(_) | RemoteFault::Shared(_) | RemoteFault::Late),
            RemoteStatus::Stopped(_) | RemoteStatus::Running,
        ) => return None,
    };
    let name = printable(name);
    if row.generator_enabled {
        Some(Err(format!("campaign {id} ({name}): {wrong}")))
    } else {
        Some(Ok(format!("campaign {id} ({name}), which is not guarded: {wrong}")))
    }
}

fn not_looked_for(seen: &Seen, rows: &[CampaignRow]) -> Option<String> {
    let missing = rows.iter().filter(|row| !seen.campaigns.contains_key(&row.trafficstar_id)).count();
    (missing > 0).then(|| {
        format!(
            "{missing} of {} campaigns were not looked for: {}",
            rows.len(),
            if seen.failure.is_some() {
                "their reads would fail, too"
            } else {
                "the request limit is used up, run `check` again in a minute"
            }
        )
    })
}

/// The account's time zone, by which its `spent_today` is counted.
fn time_zone(seen: &Seen) -> Option<String> {
    let told = seen.campaigns.values().flatten().filter_map(|campaign| campaign.account_timezone);
    let hours: Vec<i64> = told.collect::<BTreeSet<i64>>().into_iter().collect();
    match hours[..] {
        [] => None,
        [0] => Some("the account's time zone is UTC, in which the rules count: its `spent_today` is used".to_owned()),
        [hours] => Some(format!(
            "the account's time zone is UTC{hours:+}, and the rules count in UTC: its `spent_today` is of another day and is \
             not used; today's spend comes from the reports, in UTC"
        )),
        _ => Some(format!(
            "the account's campaigns are of several time zones (UTC and {hours:?} hours): the `spent_today` of one that is not \
             in UTC is not used; its spend comes from the reports, in UTC"
        )),
    }
}

/// What a tick costs in requests, and whether the limit reaches.
fn cost(seen: &Seen, rows: &[CampaignRow], limits: &Limits, now: DateTime<Utc>) -> Finding {
    let guarded: BTreeSet<_> = rows.iter().filter(|row| row.generator_enabled).map(|row| row.trafficstar_id).collect();
    if guarded.is_empty() {
        return Ok("no campaign is guarded, so that a tick costs nothing".to_owned());
    }
    let reading = reach::foretell(&guarded, &seen.pages, limits.requests_per_minute, limits.tick, now);
    if !reading.reaches() {
        return Err(format!("{reading}; set [trafficstar] requests_per_minute or [generator] tick higher"));
    }
    Ok(format!(
        "a tick takes {} requests to read the {} guarded campaigns and up to {} more for their spends and a token; the limit \
         of {} a minute has room for {} reads in each tick of {}",
        reading.requests,
        reading.campaigns,
        reach::OTHERS_PER_TICK,
        limits.requests_per_minute,
        reading.requests_per_tick,
        humantime::format_duration(limits.tick.to_std().unwrap_or_default())
    ))
}
