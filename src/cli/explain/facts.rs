//! Each fact in words, with its source and its age; `None` if it was not read.

use chrono::{DateTime, Utc};

use super::verbose::ago;
use crate::cli::render::{span, stands_still};
use crate::domain::budget::{BudgetChange, PaidUrl};
use crate::domain::budget_status::BudgetStatus;
use crate::domain::explain::{ClicksFact, EndTimeFact, SpendFact, StatusFact, Thresholds};
use crate::domain::money::{Clicks, Money};
use crate::domain::spend::SpendSource;
use crate::domain::text::{clock, date};

pub(super) fn status(fact: &StatusFact, now: DateTime<Utc>) -> Option<String> {
    let judged = fact.judged?;
    let said = [
        ("status", fact.remote_status.clone()),
        ("active", fact.remote_active.map(|active| active.to_string())),
        ("approved", fact.remote_approved.clone()),
        ("stopped", fact.remote_stopped.clone()),
    ];
    let said: Vec<String> = said.into_iter().filter_map(|(field, value)| Some(format!("{field} {}", value?))).collect();
    let said = if said.is_empty() { String::new() } else { format!("; TrafficStars says: {}", said.join(", ")) };
    let reason = fact.reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
    let unknown = fact.unknown_since.map(|at| format!("; not known since {}", ago(at, now))).unwrap_or_default();
    Some(format!("{}{reason}{said}{}{unknown}", judged.as_str(), read_at(fact.at, now)))
}

pub(super) fn end_time(fact: &EndTimeFact, now: DateTime<Utc>) -> Option<String> {
    let owed = if fact.owed { "; still to be set by the guard" } else { "" };
    let end = match fact.end_time {
        Some(at) if at <= now => format!("{}, which has passed", date(at)),
        Some(at) => format!("{}, in {}", date(at), span(now, at)),
        None if fact.unset => "none".to_owned(),
        None if fact.owed => "unknown".to_owned(),
        None => return None,
    };
    Some(format!("{end}{owed}{}", read_at(fact.at, now)))
}

/// Returns the spend in words, with the limit if it is known.
pub(super) fn spend(fact: &SpendFact, limits: Option<&Thresholds>, now: DateTime<Utc>) -> Option<String> {
    let doubt = fact.doubt.as_ref();
    let of = limits.map(|limits| format!(" of {}", limits.spend_limit)).unwrap_or_default();
    let Some((amount, source)) = fact.amount.zip(fact.source) else {
        return doubt.map(|doubt| format!("unknown: {doubt}"));
    };
    let source = match source {
        SpendSource::Campaign => "from the campaign itself",
        SpendSource::Report => "from the reports",
        SpendSource::Database => "stored earlier, since the reads from TrafficStars failed",
        SpendSource::None => "since every source answered without a value",
    };
    let doubt = doubt.map(|doubt| format!("; {doubt}")).unwrap_or_default();
    let unchanged = fact.unchanged_since.filter(|since| stands_still(*since, now));
    let unchanged = unchanged.map(|since| format!("; unchanged since {}", ago(since, now))).unwrap_or_default();
    Some(format!("{amount}{of}, {source}{}{doubt}{unchanged}", read_at(fact.at, now)))
}

/// Returns the remaining clicks in words, with the thresholds if they are known.
pub(super) fn clicks(fact: &ClicksFact, limits: Option<&Thresholds>, now: DateTime<Utc>) -> Option<String> {
    let since = fact.unknown_since.map(|at| format!(", since {}", ago(at, now))).unwrap_or_default();
    let of = limits.map(|limits| {
        format!("; {} or more run it, {} or fewer pause it", limits.activate_clicks, limits.pause_clicks)
    });
    let of = of.unwrap_or_default();
    let no_urls = if fact.has_no_urls { ": it has no active URLs" } else { "" };
    match (fact.remaining, &fact.doubt) {
        (Some(remaining), None) => Some(format!("{remaining} left{no_urls}{of}{}", read_at(fact.at, now))),
        (Some(remaining), Some(doubt)) => {
            Some(format!("{remaining} counted, in doubt: {doubt}{since}{}", read_at(fact.at, now)))
        }
        (None, Some(doubt)) => Some(format!("unknown: {doubt}{since}")),
        (None, None) => None,
    }
}

/// Returns the day's budget in words: its last sum, and what is paid for, gathered and awaited.
pub(super) fn budget(budget: &BudgetStatus, max_daily: Option<Money>, now: DateTime<Utc>) -> Vec<String> {
    let shown = max_daily.map_or_else(|| "unknown".to_owned(), |amount| format!("{amount} a day at TrafficStars"));
    let ceiling = budget.ceiling.map_or_else(String::new, |ceiling| format!(", at most {ceiling}"));
    let first = budget.daily_budget.map_or_else(String::new, |first| {
        let is_set = if budget.is_set_back { "today began" } else { "a day begins" };
        format!("; {is_set} with {first}")
    });
    let mut lines = vec![format!("{shown}{ceiling}{first}")];
    lines.extend(budget.last_change.as_ref().map(BudgetChange::in_words));
    lines.extend(budget.waits_until.map(|at| format!("the spend is waited for until {}", clock(at))));
    lines.extend(listed("paid for", &budget.counted));
    let gathered = budget.gathering_until.map(|at| format!("gathered until {} ({})", clock(at), span(now, at)));
    lines.extend(gathered.and_then(|gathered| listed(&gathered, &budget.gathered)));
    lines.extend(budget.refused.as_ref().map(|why| format!("not raised: {why}")));
    lines
}

/// The most URLs that are listed one by one.
const LISTED: usize = 5;

fn listed(what: &str, urls: &[PaidUrl]) -> Option<String> {
    let sum: u64 = urls.iter().map(|url| url.clicks.0).fold(0, u64::saturating_add);
    let each = urls.iter().take(LISTED).map(|PaidUrl { url, clicks }| format!("URL {url} {clicks}"));
    let more = urls.len().checked_sub(LISTED).filter(|&more| more > 0).map(|more| format!("{more} more"));
    let each: Vec<String> = each.chain(more).collect();
    (!urls.is_empty()).then(|| format!("{what}: {} clicks ({})", Clicks(sum), each.join(", ")))
}

fn read_at(at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> String {
    at.map(|at| format!(" ({}, {} ago)", clock(at), span(at, now))).unwrap_or_default()
}
