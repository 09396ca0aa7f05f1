//! Turns parts of the status into text. Pure: the text depends on the arguments alone.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::action::Step;
use crate::domain::money::Clicks;
use crate::domain::status::{ActionStatus, LeadershipStatus, Role};
use crate::domain::text::{date, word};

/// Returns a sentence about a supervisor that does not lead, with the leader; `None` for the leader itself.
pub(super) fn not_leading(leadership: &LeadershipStatus) -> Option<String> {
    let leader = match (&leadership.leader, &leadership.no_leader) {
        (Some(leader), _) => {
            format!("{} (pid {}) leads since {} UTC", leader.host, leader.pid, date(leader.since))
        }
        (None, Some(reason)) => format!("no supervisor leads, and no campaign is guarded: {reason}"),
        (None, None) => "no supervisor leads at the moment".to_owned(),
    };
    match leadership.role {
        Role::Leader => None,
        Role::Standby => Some(format!("Standing by: {leader}. Below is what was stored.")),
        Role::CutOff => Some("Cut off: this supervisor's lease has ended, so it sends nothing.".to_owned()),
    }
}

/// Returns a number with separators: `15,000`. Another program may have stored a negative one.
pub(super) fn count(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", Clicks(number.unsigned_abs()))
}

pub(super) fn last_action(action: &ActionStatus, now: DateTime<Utc>) -> String {
    format!("{} {} {} ago", action.kind, step_word(action.step), span(action.requested_at, now))
}

pub(super) fn step_word(step: Step) -> String {
    word(step).replace('-', " ")
}

/// Whether a spend that has not changed since then is worth showing. TrafficStars' counter is always some minutes late.
pub(super) fn stands_still(since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now.signed_duration_since(since) >= TimeDelta::minutes(10)
}

/// Returns a number and its noun: `1 campaign`, `2 campaigns`.
pub(super) fn count_of(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", Clicks(number as u64))
}

/// Returns the time between two moments in whole seconds: `2m 5s`.
pub(super) fn span(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let seconds = to.signed_duration_since(from).num_seconds();
    humantime::format_duration(std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or(0))).to_string()
}

pub(super) fn until(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    if at <= now { "now".to_owned() } else { format!("in {}", span(now, at)) }
}
