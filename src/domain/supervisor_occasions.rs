//! The occasions that are not found by a campaign's machine: those of the supervisor, of the account, and of actors.
//!
//! Health names most of them, since it is judged for the whole program. A pure function of what is published and the
//! time; the book of alerts compares its result with what is stored.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};

use super::health::{Degradation, DegradationKind, Health};
use super::ids::CampaignId;
use super::lease::Epoch;
use super::money::Money;
use super::occasion::{Finding, OccasionCampaign, OccasionKey, OccasionKind, Severity};
use super::shared_limit::{SharedLimitReport, sharers};
use super::text::word;

/// A part that fails for a shorter time is no occasion: one busy moment of the database would alert somebody.
const FAILS_FOR: Duration = Duration::seconds(10);
/// An actor that runs for this long without dying ends the occasion of its restart.
const STABLE_AFTER: Duration = Duration::minutes(10);

/// After a restart it takes health this long to see again what had lasted before.
const SEEN_AGAIN_WITHIN: Duration = Duration::minutes(20);

/// How much a supervisor has seen since it leads. It inherits occasions from the one before, and not what that one knew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knowledge {
    /// How long it leads.
    pub leads_for: Duration,
    /// Whether it has read the status of every guarded campaign, of which there is at least one.
    pub has_read_all: bool,
}

impl Knowledge {
    /// Whether an occasion is over that is no longer found. Without this, a restart would end each of them, and find some
    /// of them again a little later.
    #[must_use]
    pub fn can_end(self, key: &OccasionKey) -> bool {
        let has_looked = self.has_read_all || self.leads_for >= SEEN_AGAIN_WITHIN;
        match key.kind {
            // This supervisor leads and has read its occasions from the database.
            OccasionKind::Database | OccasionKind::Lease => true,
            OccasionKind::Degraded => {
                let is_slow = [DegradationKind::Unreadable, DegradationKind::Gone].map(word).contains(&key.detail);
                has_looked && self.leads_for >= if is_slow { SEEN_AGAIN_WITHIN } else { FAILS_FOR * 2 }
            }
            OccasionKind::AnotherGuard => self.leads_for >= SEEN_AGAIN_WITHIN,
            OccasionKind::Restarted => self.leads_for >= STABLE_AFTER,
            OccasionKind::Api => has_looked && self.leads_for >= FAILS_FOR * 2,
            // A campaign's machine finds these, or they do not last.
            OccasionKind::Contested
            | OccasionKind::Blocked
            | OccasionKind::NoFunds
            | OccasionKind::Unguarded
            | OccasionKind::HighSpend
            | OccasionKind::Warned
            | OccasionKind::TopUp
            | OccasionKind::GroupLimit
            | OccasionKind::ActionFailed
            | OccasionKind::Unconfirmed
            | OccasionKind::Digest
            | OccasionKind::Test => true,
        }
    }
}

/// A finding, and the campaign that it is about.
pub type Found = (Option<OccasionCampaign>, Finding);

/// Returns the occasions that health shows. `guarded` are the campaigns that find their own; `known` are all campaigns.
#[must_use]
pub fn of_health(
    now: DateTime<Utc>,
    health: &Health,
    guarded: &BTreeSet<CampaignId>,
    known: &BTreeMap<CampaignId, OccasionCampaign>,
) -> Vec<Found> {
    let reasons = health.reasons.iter().filter(|reason| now.signed_duration_since(reason.since) >= FAILS_FOR);
    let of = |reason: &Degradation| -> Vec<Found> {
        match of_campaigns(reason.kind) {
            None => of_reason(reason).map(|finding| (None, finding)).into_iter().collect(),
            Some(text) => {
                // An actor finds itself that its campaign is unguarded.
                let is_its_own =
                    |campaign: &CampaignId| reason.kind == DegradationKind::Unguarded && guarded.contains(campaign);
                let campaigns = reason.campaigns.iter().filter(|campaign| !is_its_own(campaign));
                let key = OccasionKey::with(OccasionKind::Degraded, word(reason.kind));
                let (severity, text) = (Severity::Critical, text.to_owned());
                // Health says since when it holds of the first of them.
                let finding = Finding { key, severity, since: now, text, lasts: true };
                campaigns.filter_map(|id| Some((Some(known.get(id)?.clone()), finding.clone()))).collect()
            }
        }
    };
    reasons.flat_map(of).collect()
}

/// Returns what is the case with a campaign, for a reason of degraded health that is about single campaigns. Each of them
/// has an occasion of its own, so that a second one is told, too.
const fn of_campaigns(kind: DegradationKind) -> Option<&'static str> {
    match kind {
        DegradationKind::NoTick => Some("it has completed no tick for three tick intervals: see the log"),
        DegradationKind::Unreadable => Some("its status or its clicks could not be read for fifteen minutes"),
        DegradationKind::Gone => Some("it is promised to run, and TrafficStars has no such campaign"),
        DegradationKind::Unguarded => Some("it runs with its clicks used up, and its generator is disabled"),
        DegradationKind::PauseUnconfirmed
        | DegradationKind::CutOff
        | DegradationKind::NoLeader
        | DegradationKind::Database
        | DegradationKind::TrafficStars
        | DegradationKind::CircuitOpen
        | DegradationKind::BudgetTooSmall
        | DegradationKind::Clock
        | DegradationKind::AnotherGuard
        | DegradationKind::ActivationsWaiting
        | DegradationKind::Alerts => None,
    }
}

fn of_reason(reason: &Degradation) -> Option<Finding> {
    let of = |kind, severity| Some((OccasionKey::of(kind), severity));
    let degraded = |severity| Some((OccasionKey::with(OccasionKind::Degraded, word(reason.kind)), severity));
    let (key, severity) = match reason.kind {
        DegradationKind::TrafficStars => of(OccasionKind::Api, Severity::Critical),
        DegradationKind::Database => of(OccasionKind::Database, Severity::Critical),
        DegradationKind::CutOff => of(OccasionKind::Lease, Severity::Critical),
        DegradationKind::AnotherGuard => of(OccasionKind::AnotherGuard, Severity::Warning),
        // A campaign with an actor finds the first itself. The others have an occasion for each campaign.
        DegradationKind::PauseUnconfirmed
        | DegradationKind::NoTick
        | DegradationKind::Unreadable
        | DegradationKind::Gone
        | DegradationKind::Unguarded => None,
        DegradationKind::CircuitOpen
        | DegradationKind::BudgetTooSmall
        | DegradationKind::Clock
        | DegradationKind::ActivationsWaiting
        | DegradationKind::Alerts => degraded(Severity::Warning),
        // A standby sends no alerts.
        DegradationKind::NoLeader => None,
    }?;
    Some(Finding { key, severity, since: reason.since, text: reason.reason.clone(), lasts: true })
}

/// Returns the limits that campaigns share and that are reached or near today.
pub fn of_shared_limits<'a>(
    reports: impl Iterator<Item = (&'a SharedLimitReport, &'a (DateTime<Utc>, Money))>,
) -> Vec<Found> {
    let finding = |(report, (since, spend)): (&SharedLimitReport, &(DateTime<Utc>, Money))| {
        let SharedLimitReport { day, group, limit, is_reached } = report;
        let group_name = group.as_deref();
        let (stage, severity, text) = if *is_reached {
            let text = format!("the limit of {} is reached: {spend} of {limit} is spent today", sharers(group_name));
            ("reached", Severity::Warning, text)
        } else {
            let text = format!("{spend} of the limit of {}, {limit}, is spent today", sharers(group_name));
            ("near", Severity::Warning, text)
        };
        let detail = format!("{}/{day}/{stage}/{limit}", group_name.unwrap_or("account"));
        let key = OccasionKey::with(OccasionKind::GroupLimit, detail);
        (None, Finding { key, severity, since: *since, text, lasts: false })
    };
    reports.map(finding).collect()
}

/// A supervisor's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The name of its machine.
    pub host: String,
    /// Its process id.
    pub pid: u32,
}

/// Returns that this supervisor leads since `since`. `ended_in_order` says whether the leader before it has said that it
/// stops; `None` if there was none.
#[must_use]
pub fn started(since: DateTime<Utc>, process: &Process, epoch: Option<Epoch>, ended_in_order: Option<bool>) -> Found {
    let epoch = epoch.map(|Epoch(epoch)| format!(", epoch {epoch}")).unwrap_or_default();
    let (severity, before) = match ended_in_order {
        Some(false) => (Severity::Warning, "; the one before ended without saying so: see its log"),
        Some(true) | None => (Severity::Info, ""),
    };
    let (version, Process { host, pid }) = (env!("CARGO_PKG_VERSION"), process);
    let text = format!("the supervisor {version} guards from now on (on {host}, pid {pid}{epoch}){before}");
    let key = OccasionKey::with(OccasionKind::Restarted, format!("{STARTED}/{}", since.timestamp_micros()));
    (None, Finding { key, severity, since, text, lasts: false })
}

/// Returns that this supervisor stops.
#[must_use]
pub fn stopped(now: DateTime<Utc>, process: &Process) -> Found {
    let Process { host, pid } = process;
    let text = format!("the supervisor stops, and guards nothing from now on (on {host}, pid {pid})");
    let key = OccasionKey::with(OccasionKind::Restarted, format!("{STOPPED}/{}", now.timestamp_micros()));
    (None, Finding { key, severity: Severity::Info, since: now, text, lasts: false })
}

/// The beginnings of the details of the keys for a start and a stop.
const STARTED: &str = "started";
const STOPPED: &str = "stopped";

/// Whether the key is of a start (`Some(false)`) or a stop (`Some(true)`) of a supervisor.
#[must_use]
pub fn is_stop(key: &OccasionKey) -> Option<bool> {
    let is_of = |word: &str| key.kind == OccasionKind::Restarted && key.detail.starts_with(word);
    if is_of(STOPPED) { Some(true) } else { is_of(STARTED).then_some(false) }
}

/// The restarts of campaigns' actors, as far as they were seen.
#[derive(Debug, Clone, Default)]
pub struct ActorRestarts {
    /// For each campaign: the number of deaths, and when (UTC) the last of them was seen.
    seen: BTreeMap<CampaignId, (u64, DateTime<Utc>)>,
}

impl ActorRestarts {
    /// Takes in how often each campaign's actor has died, and returns the occasions that last.
    pub fn saw(&mut self, now: DateTime<Utc>, deaths: impl Iterator<Item = (OccasionCampaign, u64)>) -> Vec<Found> {
        let mut found = Vec::new();
        for (campaign, count) in deaths.filter(|(_, count)| *count > 0) {
            let (known, last_at) = self.seen.entry(campaign.id).or_insert((0, now));
            if *known != count {
                (*known, *last_at) = (count, now);
            }
            if now.signed_duration_since(*last_at) < STABLE_AFTER {
                let text = format!(
                    "its actor died because of a defect, and was respawned from the stored promise ({count} times so \
                     far): see the log"
                );
                let key = OccasionKey::of(OccasionKind::Restarted);
                let finding = Finding { key, severity: Severity::Warning, since: *last_at, text, lasts: true };
                found.push((Some(campaign), finding));
            }
        }
        found
    }
}
