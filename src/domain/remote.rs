//! What a TrafficStars campaign's fields mean: running, stopped, blocked or unknown (RULES.md, "Words").
//!
//! Deliberately absent: JSON. `trafficstar::wire` turns an answer into a [`RemoteCampaign`].

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::clock_difference::ClockDifference;
use super::failure::{RemoteFault, SourceFailure};
use super::ids::RemoteId;
use super::spend::{Counters, SpendReading, read_on};

/// The fields of a TrafficStars campaign that decisions rest on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteCampaign {
    /// Its id there.
    pub id: RemoteId,
    /// Its name there, if given.
    pub name: Option<String>,
    /// Switched on by the advertiser; does not mean that it runs.
    pub active: Option<bool>,
    /// The status word as sent.
    pub status: Option<String>,
    /// The moderation word as sent.
    pub approved: Option<String>,
    /// Why it is stopped, in a word as sent; mostly absent.
    pub stopped: Option<String>,
    /// Out of funds.
    pub no_funds: bool,
    /// Archived.
    pub archived: bool,
    /// When it stops by itself.
    pub end_time: EndTime,
    /// The offset in hours by which its schedule is read.
    pub schedule_timezone: Option<i64>,
    /// The account's offset in hours, by which its day is counted.
    pub account_timezone: Option<i64>,
    /// `spent_today`: what it has spent on the current day.
    pub spent_today: SpendReading,
    /// A bare `spent`: it may be the lifetime's.
    pub spent: SpendReading,
    /// The fields that judging needs and that are of no type that we can read.
    pub odd_fields: Vec<OddField>,
    /// How far our clock was from TrafficStars' when this was read: the end time is of theirs.
    pub our_clock: Option<ClockDifference>,
}

impl RemoteCampaign {
    /// Whether somebody has switched it off, whatever its end time says.
    pub(super) fn is_switched_off(&self) -> bool {
        self.active == Some(false) || self.status.as_deref() == Some(STOPPED_WORD)
    }
}

/// A field of a type that cannot be read. It is doubt about this field alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OddField {
    /// Its name.
    pub name: &'static str,
    /// What was expected and what was found, in words.
    pub problem: String,
}

/// A campaign's `schedule_end_time`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndTime {
    /// Empty or null: it runs until somebody stops it.
    Unset,
    /// It stops by itself then.
    At(DateTime<Utc>),
    /// In no form that we know.
    Unreadable(String),
}

/// The status of a campaign, judged from the whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteStatus {
    /// The read failed, or the answer makes no sense to us.
    Unknown {
        /// Why.
        doubt: StatusDoubt,
        /// It is switched on, and no end time has passed: money may be flowing.
        may_run: bool,
    },
    /// Running it cannot help.
    Blocked {
        /// In words.
        reason: String,
        /// As above: what blocks it may end at any moment, or may not stop it at all.
        may_run: bool,
    },
    /// It does not run.
    Stopped(StopCause),
    /// It runs.
    Running,
}

/// Why a campaign's status is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StatusDoubt {
    /// The campaign could not be read.
    #[error(transparent)]
    NotRead(#[from] RemoteFault),
    /// A field makes no sense to us, in words.
    #[error("{0}")]
    BadField(String),
}

/// What made a campaign stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// Somebody switched it off: `active` is false or `status` is `paused`.
    SwitchedOff,
    /// Its end time has passed.
    EndTimePassed,
}

/// [`RemoteStatus`] without its reasons, as the dump shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StatusWord {
    /// It runs.
    Running,
    /// It does not run.
    Stopped,
    /// Running it cannot help.
    Blocked,
    /// Not known.
    Unknown,
}

impl StatusWord {
    /// The word as the dump and the journal write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Blocked => "blocked",
            Self::Unknown => "unknown",
        }
    }
}

impl RemoteStatus {
    /// The status without its reasons.
    #[must_use]
    pub const fn word(&self) -> StatusWord {
        match self {
            Self::Unknown { .. } => StatusWord::Unknown,
            Self::Blocked { .. } => StatusWord::Blocked,
            Self::Stopped(_) => StatusWord::Stopped,
            Self::Running => StatusWord::Running,
        }
    }

    /// Whether the campaign may run: every rule that pauses takes it for running then (RULES.md, "Words").
    #[must_use]
    pub const fn may_run(&self) -> bool {
        match self {
            Self::Unknown { may_run, .. } | Self::Blocked { may_run, .. } => *may_run,
            Self::Stopped(_) => false,
            Self::Running => true,
        }
    }
}

/// Words that say: the advertiser wants it to run. Whether it does is for the other fields to say.
const RUNNING_WORDS: [&str; 2] = ["enabled", "active"];
const STOPPED_WORD: &str = "paused";
/// Words of campaigns whose account has no money left, switched off or on.
const NO_FUNDS_WORDS: [&str; 2] = ["no_funds_paused", "no_funds_active"];
/// The reason in `stopped` that says the same.
const STOPPED_WITHOUT_FUNDS: &str = "no_funds";
/// Words of campaigns that moderation keeps from running.
const MODERATION_WORDS: [&str; 3] = ["unapproved", "pending", "rejected"];
/// Words of campaigns that run calls cannot start for another reason.
const BLOCKED_WORDS: [&str; 3] = ["draft", "archived", "total_budget_is_reached"];
const APPROVED_WORD: &str = "approved";

/// Judges a read: the first of unknown, blocked, stopped and running that fits.
#[must_use]
pub fn judge(read: &Result<RemoteCampaign, RemoteFault>, now: DateTime<Utc>) -> RemoteStatus {
    match read {
        Ok(campaign) => judge_campaign(campaign, now),
        Err(gone @ RemoteFault::Gone) => RemoteStatus::Blocked { reason: gone.to_string(), may_run: false },
        Err(fault) => RemoteStatus::Unknown { doubt: fault.clone().into(), may_run: false },
    }
}

fn judge_campaign(campaign: &RemoteCampaign, now: DateTime<Utc>) -> RemoteStatus {
    // By a clock that is ahead, a campaign that runs would count as stopped, and would not be paused.
    let now = campaign.our_clock.map_or(now, |clock| clock.of_trafficstars(now));
    let may_run = campaign.active == Some(true) && !has_certainly_ended(campaign, now);
    if let Some(reason) = doubt(campaign) {
        return RemoteStatus::Unknown { doubt: StatusDoubt::BadField(reason), may_run };
    }
    if let Some(reason) = block(campaign) {
        return RemoteStatus::Blocked { reason, may_run };
    }
    if matches!(campaign.end_time, EndTime::At(end) if end <= now) {
        return RemoteStatus::Stopped(StopCause::EndTimePassed);
    }
    if campaign.is_switched_off() {
        return RemoteStatus::Stopped(StopCause::SwitchedOff);
    }
    RemoteStatus::Running
}

/// Whether its end time has passed in the time zone by which its schedule is read. Where that time zone cannot be read,
/// nobody can tell.
fn has_certainly_ended(campaign: &RemoteCampaign, now: DateTime<Utc>) -> bool {
    let EndTime::At(local) = campaign.end_time else { return false };
    if campaign.odd_fields.iter().any(|field| field.name == SCHEDULE_TIMEZONE) {
        return false;
    }
    let offset = Duration::try_hours(campaign.schedule_timezone.unwrap_or(0));
    let end = offset.and_then(|offset| local.checked_sub_signed(offset));
    end.is_some_and(|end| end <= now)
}

/// The name of the field with the offset by which a schedule is read.
pub const SCHEDULE_TIMEZONE: &str = "schedule_timezone";

/// Why the answer cannot be judged, if so. A field that judging needs and that is missing or unreadable is doubt, too.
fn doubt(campaign: &RemoteCampaign) -> Option<String> {
    if let Some((first, more)) = campaign.odd_fields.split_first() {
        let more: Vec<String> = more.iter().map(|field| format!("`{}`", field.name)).collect();
        let more = if more.is_empty() { String::new() } else { format!("; others: {}", more.join(", ")) };
        return Some(format!("TrafficStars' answer has a field of an odd type: {}{more}", first.problem));
    }
    let Some(status) = campaign.status.as_deref() else {
        return Some("TrafficStars' answer has no `status`".to_owned());
    };
    if !is_taught(status) {
        return Some(format!("TrafficStars says status `{status}`, a word this program does not know"));
    }
    if campaign.active.is_none() {
        return Some("TrafficStars' answer has no `active`".to_owned());
    }
    if let EndTime::Unreadable(text) = &campaign.end_time {
        return Some(format!("TrafficStars says schedule_end_time `{text}`, a form this program does not know"));
    }
    None
}

fn is_taught(status: &str) -> bool {
    let words = [&RUNNING_WORDS[..], &NO_FUNDS_WORDS, &MODERATION_WORDS, &BLOCKED_WORDS, &[STOPPED_WORD]];
    words.concat().contains(&status)
}

/// Why running the campaign cannot help, if so.
fn block(campaign: &RemoteCampaign) -> Option<String> {
    let status = campaign.status.as_deref();
    let has_status = |words: &[&str]| status.is_some_and(|status| words.contains(&status));
    if campaign.archived {
        return Some("archived".to_owned());
    }
    let stopped_without_funds = campaign.stopped.as_deref() == Some(STOPPED_WITHOUT_FUNDS);
    if campaign.no_funds || stopped_without_funds || has_status(&NO_FUNDS_WORDS) {
        return Some("out of funds".to_owned());
    }
    if let Some(word) = campaign.approved.as_deref()
        && word != APPROVED_WORD
    {
        return Some(format!("moderation says `{word}`"));
    }
    if let Some(word) = status.filter(|_| has_status(&MODERATION_WORDS)) {
        return Some(format!("moderation: its status is `{word}`"));
    }
    if let Some(word) = status.filter(|_| has_status(&BLOCKED_WORDS)) {
        return Some(format!("its status is `{word}`"));
    }
    match campaign.schedule_timezone {
        Some(hours) if hours != 0 => {
            Some(format!("its {SCHEDULE_TIMEZONE} is {hours}: set it to 0, or its end times are misread"))
        }
        _ => None,
    }
}

/// The counters of a read that was asked for at `asked_at` and answered at `answered_at`, for the spend of `day`.
#[must_use]
pub fn counters_of(
    read: &Result<RemoteCampaign, RemoteFault>,
    day: NaiveDate,
    asked_at: DateTime<Utc>,
    answered_at: DateTime<Utc>,
) -> Counters {
    let both = |answer: SpendReading| Counters { spent_today: answer.clone(), spent: answer };
    match read {
        Ok(_) if !read_on(day, asked_at, answered_at) => both(SpendReading::Failed(SourceFailure::AcrossMidnight)),
        Ok(campaign) => Counters { spent_today: campaign.spent_today.clone(), spent: campaign.spent.clone() },
        Err(RemoteFault::Gone) => both(SpendReading::NoSource),
        Err(fault) => both(SpendReading::Failed(fault.clone().into())),
    }
}
