//! Status to text. Pure: what is printed depends on the arguments alone.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::action::Step;
use crate::domain::money::Clicks;
use crate::domain::status::{ActionStatus, LeadershipStatus, Role};
use crate::domain::text::{date, word};

/// What a supervisor is that does not lead, and who does.
pub(super) fn not_leading(leadership: &LeadershipStatus) -> Option<String> {
    let leader = match (&leadership.leader, &leadership.nobody_leads) {
        (Some(leader), _) => {
            format!("{} (pid {}) leads since {} UTC", leader.host, leader.pid, date(leader.since))
        }
        (None, Some(reason)) => format!("nobody leads, and no campaign is guarded: {reason}"),
        (None, None) => "nobody leads at the moment".to_owned(),
    };
    match leadership.role {
        Role::Leader => None,
        Role::Standby => Some(format!("Unchanged by: {leader}. Below is what was stored.")),
        Role::CutOff => Some("Cut off: the lease on leadership has ended, nothing is sent.".to_owned()),
    }
}

/// A number as people read it: `15,000`, and one below zero, which somebody else has written, too.
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

/// Whether a spend that is the same since then is worth a word: a counter is some minutes late by its nature.
pub(super) fn stands_still(since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now.signed_duration_since(since) >= TimeDelta::minutes(10)
}

/// So many of a thing: `1 campaign`, `2 campaigns`.
pub(super) fn count_of(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", Clicks(number as u64))
}

/// In whole seconds, as people say it: `2m 5s`.
pub(super) fn span(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let seconds = to.signed_duration_since(from).num_seconds();
    humantime::format_duration(std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or(0))).to_string()
}

pub(super) fn until(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    if at <= now { "now".to_owned() } else { format!("in {}", span(now, at)) }
}
