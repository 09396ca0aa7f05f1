//! What a TrafficStars campaign's fields mean: running, stopped, blocked or unknown (behaviour.md, "Words").
//!
//! Deliberately absent: JSON. `trafficstar::wire` turns an answer into a [`RemoteCampaign`].

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::facts::RemoteId;
use super::spend::SourceAnswer;

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
    /// The campaign object's own word about today's spend.
    pub spent: SourceAnswer,
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

/// Why a campaign could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteFault {
    /// TrafficStars answered 404 when it was read by itself.
    NotFound,
    /// Anything else, in words.
    Failed(String),
}

/// The status of a campaign, judged from the whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteStatus {
    /// The read failed, or the answer makes no sense to us.
    Unknown {
        /// In words.
        reason: String,
        /// The answer said `active: true`, so that money may be flowing.
        active: bool,
    },
    /// Running it cannot help.
    Blocked {
        /// In words.
        reason: String,
    },
    /// It does not run.
    Stopped(StopCause),
    /// It runs.
    Running,
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
}

/// Words that say: the advertiser wants it to run. Whether it does is for the other fields to say.
const RUNNING_WORDS: [&str; 2] = ["enabled", "active"];
const STOPPED_WORD: &str = "paused";
/// Words of campaigns that run calls cannot start.
const BLOCKED_WORDS: [&str; 6] =
    ["unapproved", "rejected", "draft", "archived", "no_funds_paused", "total_budget_is_reached"];
const APPROVED_WORD: &str = "approved";

/// Judges a read: the first of unknown, blocked, stopped and running that fits.
#[must_use]
pub fn judge(read: &Result<RemoteCampaign, RemoteFault>, now: DateTime<Utc>) -> RemoteStatus {
    match read {
        Ok(campaign) => judge_campaign(campaign, now),
        Err(RemoteFault::NotFound) => RemoteStatus::Blocked {
            reason: "TrafficStars knows no such campaign (404): check trafficstar_id".to_owned(),
        },
        Err(RemoteFault::Failed(reason)) => RemoteStatus::Unknown { reason: reason.clone(), active: false },
    }
}

fn judge_campaign(campaign: &RemoteCampaign, now: DateTime<Utc>) -> RemoteStatus {
    if let Some(reason) = doubt(campaign) {
        return RemoteStatus::Unknown { reason, active: campaign.active == Some(true) };
    }
    if let Some(reason) = block(campaign) {
        return RemoteStatus::Blocked { reason };
    }
    if matches!(campaign.end_time, EndTime::At(end) if end <= now) {
        return RemoteStatus::Stopped(StopCause::EndTimePassed);
    }
    if campaign.active == Some(false) || campaign.status.as_deref() == Some(STOPPED_WORD) {
        return RemoteStatus::Stopped(StopCause::SwitchedOff);
    }
    RemoteStatus::Running
}

/// Why the answer cannot be judged, if so. A field that judging needs and that is missing or unreadable is doubt, too.
fn doubt(campaign: &RemoteCampaign) -> Option<String> {
    let Some(status) = campaign.status.as_deref() else {
        return Some("TrafficStars' answer has no `status`".to_owned());
    };
    if !(RUNNING_WORDS.contains(&status) || status == STOPPED_WORD || BLOCKED_WORDS.contains(&status)) {
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

/// Why running the campaign cannot help, if so.
fn block(campaign: &RemoteCampaign) -> Option<String> {
    if campaign.archived {
        return Some("archived".to_owned());
    }
    if campaign.no_funds {
        return Some("out of funds".to_owned());
    }
    if let Some(word) = campaign.approved.as_deref()
        && word != APPROVED_WORD
    {
        return Some(format!("moderation says `{word}`"));
    }
    if let Some(word) = campaign.status.as_deref()
        && BLOCKED_WORDS.contains(&word)
    {
        return Some(format!("its status is `{word}`"));
    }
    match campaign.schedule_timezone {
        Some(hours) if hours != 0 => {
            Some(format!("its schedule_timezone is {hours}: set it to 0, or its end times are misread"))
        }
        _ => None,
    }
}
