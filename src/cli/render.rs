//! Status to text. Pure: what is printed depends on the arguments alone.

use chrono::{DateTime, TimeDelta, Utc};
use comfy_table::{ContentArrangement, Table, presets};

use crate::domain::action::Step;
use crate::domain::money::Clicks;
use crate::domain::status::{ActionStatus, CampaignStatus, Dump, LeadershipStatus, Liveness, Observed, Role};
use crate::domain::text::{age, date, word};

/// A table of the dump's campaigns, times relative to when it was captured.
#[must_use]
pub fn status_table(dump: &Dump, fits_terminal: bool) -> String {
    let role = not_leading(&dump.leadership).map(|words| words + "\n").unwrap_or_default();
    if dump.campaigns.is_empty() {
        return role + "No campaigns.";
    }
    let header = ["CAMPAIGN", "STATE", "REMOTE", "SPEND", "CLICKS LEFT", "NEXT TICK", "LAST ACTION", "NOTE"];
    let stands_by = dump.leadership.role == Role::Standby;
    let rows = dump.campaigns.iter().map(|campaign| row(campaign, dump.captured_at, stands_by));
    role + &table(header, rows, fits_terminal)
}

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
        Role::Standby => Some(format!("Standing by: {leader}. Below is what was stored.")),
        Role::CutOff => Some("Cut off: the lease on leadership has ended, nothing is sent.".to_owned()),
    }
}

/// A table without lines; with `fits_terminal` long cells are broken so that it fits.
pub(super) fn table<const COLUMNS: usize>(
    header: [&str; COLUMNS],
    rows: impl Iterator<Item = [String; COLUMNS]>,
    fits_terminal: bool,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if fits_terminal {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    // Columns are separated by their padding; what would follow the last one is nothing to look at.
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A number as people read it: `15,000`, and one below zero, which somebody else has written, too.
pub(super) fn count(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", Clicks(number.unsigned_abs()))
}

fn row(campaign: &CampaignStatus, now: DateTime<Utc>, stands_by: bool) -> [String; 8] {
    let unknown = || "?".to_owned();
    // Nobody looks any more: what was seen last has its age, and a spend its day.
    let seen_at = campaign.observed.status_at.filter(|_| campaign.actor.is_none());
    let seen = seen_at.map(|at| format!("as last seen {} ago", age(at, now)));
    let remaining = campaign.observed.remaining_clicks.map_or_else(unknown, |clicks| clicks.to_string());
    [
        format!("{} {}", campaign.id, campaign.name),
        state(campaign, now, stands_by),
        campaign.observed.status.map_or_else(unknown, |status| status.as_str().to_owned()),
        spend(&campaign.observed, now),
        remaining,
        campaign.next_tick_at.map_or_else(|| "-".to_owned(), |at| until(at, now)),
        campaign.action.as_ref().map_or_else(|| "-".to_owned(), |action| last_action(action, now)),
        notes(campaign).into_iter().chain(seen).collect::<Vec<_>>().join("; "),
    ]
}

fn state(campaign: &CampaignStatus, now: DateTime<Utc>, stands_by: bool) -> String {
    // Whoever stands by guards nothing: the leader does.
    if campaign.actor.is_none() && !(stands_by && campaign.ordered.generator_enabled) {
        return format!("{} (not guarded)", campaign.state);
    }
    match campaign.cooling_down_until {
        Some(end) => format!("{} {} to go", campaign.state, span(now, end)),
        None => format!("{} for {}", campaign.state, span(campaign.since, now)),
    }
}

/// A counter is some minutes late by its nature: only what is the same for longer is worth a word.
const UNCHANGED_FROM: TimeDelta = TimeDelta::minutes(10);

fn spend(observed: &Observed, now: DateTime<Utc>) -> String {
    let unchanged = observed.spend_unchanged_since.filter(|since| now.signed_duration_since(since) >= UNCHANGED_FROM);
    let unchanged = unchanged.map(|since| format!(", unchanged for {}", span(since, now))).unwrap_or_default();
    let amount = observed.spend.filter(|_| observed.spend_day.is_none_or(|day| day == now.date_naive()));
    match (amount, observed.spend_source) {
        (Some(amount), Some(source)) => format!("{amount} ({}{unchanged})", word(source)),
        (Some(_) | None, _) => "?".to_owned(),
    }
}

pub(super) fn last_action(action: &ActionStatus, now: DateTime<Utc>) -> String {
    format!("{} {} {} ago", action.kind, step_word(action.step), span(action.requested_at, now))
}

pub(super) fn step_word(step: Step) -> String {
    word(step).replace('-', " ")
}

fn notes(campaign: &CampaignStatus) -> Vec<String> {
    let flags =
        [("high spend", campaign.high_spend), ("contested", campaign.contested), ("unguarded", campaign.unguarded)];
    let raised = flags.into_iter().filter(|(_, raised)| *raised).map(|(flag, _)| flag.to_owned());
    let observe = (campaign.ordered.mode == crate::domain::policy::Mode::Observe).then(|| "observe mode".to_owned());
    let hold = campaign.ordered.hold.as_ref().map(|hold| format!("on hold {}", hold.in_words()));
    let blocked = campaign.blocked.as_ref().map(|reason| format!("blocked: {reason}"));
    let stopped = campaign.observed.remote_stopped.as_ref().map(|word| format!("TrafficStars says stopped: {word}"));
    let actor = campaign.actor.as_ref().and_then(|actor| match actor.status {
        Liveness::Running => None,
        Liveness::Restarting => Some("its actor died and is built anew".to_owned()),
    });
    let action = campaign.action.as_ref().filter(|action| action.step != Step::Superseded);
    let failed = action.and_then(|action| action.error.clone());
    let others = [observe, blocked, stopped, actor, campaign.last_error.clone(), failed];
    let all = hold.into_iter().chain(raised).chain(others.into_iter().flatten());
    // What one note says already, another need not say again.
    all.fold(Vec::new(), |mut notes: Vec<String>, note| {
        if !notes.iter().any(|said| said.contains(&note)) {
            notes.push(note);
        }
        notes
    })
}

/// In whole seconds, as people say it: `2m 5s`.
pub(super) fn span(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let seconds = to.signed_duration_since(from).num_seconds();
    humantime::format_duration(std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or(0))).to_string()
}

pub(super) fn until(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    if at <= now { "now".to_owned() } else { format!("in {}", span(now, at)) }
}
