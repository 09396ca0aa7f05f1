//! The meaning of a TrafficStars campaign's fields: running, stopped, blocked or unknown (RULES.md, "Words").
//!
//! Deliberately absent: JSON. `trafficstar::wire` turns an answer into a [`RemoteCampaign`].

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::clock_difference::ClockDifference;
use super::failure::{RemoteFault, SourceFailure};
use super::ids::RemoteId;
use super::money::Money;
use super::spend::{Counters, SpendReading, read_on};

/// The fields of a TrafficStars campaign that decisions use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteCampaign {
    /// The campaign's id at TrafficStars.
    pub id: RemoteId,
    /// The campaign's name at TrafficStars, if given.
    pub name: Option<String>,
    /// Whether the advertiser has switched it on. That does not mean that it runs.
    pub active: Option<bool>,
    /// TrafficStars' `status`, as sent.
    pub status: Option<String>,
    /// TrafficStars' `approved`, the result of its moderation, as sent.
    pub approved: Option<String>,
    /// TrafficStars' `stopped`, the reason why it is stopped, as sent; often absent.
    pub stopped: Option<String>,
    /// Whether it is out of funds.
    pub no_funds: bool,
    /// Whether it is archived.
    pub archived: bool,
    /// The time (UTC) when it stops by itself.
    pub end_time: EndTime,
    /// The offset from UTC of the times in its schedule, in hours.
    pub schedule_timezone: Option<i64>,
    /// The offset from UTC of the account's day, in hours.
    pub account_timezone: Option<i64>,
    /// `spent_today`: the spend of the current day.
    pub spent_today: SpendReading,
    /// A bare `spent`: it may be the spend of the campaign's lifetime.
    pub spent: SpendReading,
    /// `max_daily`: the daily budget. `None` if it is missing or cannot be read, or if it is 0, whose meaning is not
    /// known.
    pub max_daily: Option<Money>,
    /// `price` per thousand, where `pricing_model` is `cpm`. `None` for another model, and if it cannot be read.
    pub price_per_thousand: Option<Money>,
    /// The fields that judging needs and whose type cannot be read.
    pub odd_fields: Vec<OddField>,
    /// The difference between our clock and TrafficStars' at the read. The end time is of TrafficStars' clock.
    pub our_clock: Option<ClockDifference>,
}

impl RemoteCampaign {
    /// Whether somebody has switched the campaign off, regardless of its end time.
    pub(super) fn is_switched_off(&self) -> bool {
        self.active == Some(false) || self.status.as_deref() == Some(STOPPED_WORD)
    }
}

/// A field whose type cannot be read. It puts only this field in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OddField {
    /// The field's name.
    pub name: &'static str,
    /// The expected and the found value, for operators.
    pub problem: String,
}

/// A campaign's `schedule_end_time`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndTime {
    /// Empty or null: the campaign has no end.
    Unset,
    /// The time at which the campaign stops by itself.
    At(DateTime<Utc>),
    /// The text, if its form is not known.
    Unreadable(String),
}

/// The status of a campaign, judged from the whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteStatus {
    /// The read failed, or the answer cannot be judged.
    Unknown {
        /// The reason.
        doubt: StatusDoubt,
        /// Whether it is switched on and no end time has passed, so that it may spend money.
        may_run: bool,
    },
    /// TrafficStars will not run the campaign.
    Blocked {
        /// The reason, for operators.
        reason: String,
        /// Whether the campaign may run. The block may end at any moment, or may not stop the campaign at all.
        may_run: bool,
    },
    /// It does not run.
    Stopped(StopCause),
    /// It runs.
    Running,
}

/// The reason why a campaign's status is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StatusDoubt {
    /// The campaign could not be read.
    #[error(transparent)]
    NotRead(#[from] RemoteFault),
    /// A field cannot be judged, as described.
    #[error("{0}")]
    BadField(String),
}

/// The reason why a campaign is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// It is switched off: `active` is false or `status` is `paused`.
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
    /// TrafficStars will not run it.
    Blocked,
    /// Its status is not known.
    Unknown,
}

impl StatusWord {
    /// Returns the word in the dump and in the journal.
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
    /// Returns the status without its reasons.
    #[must_use]
    pub const fn word(&self) -> StatusWord {
        match self {
            Self::Unknown { .. } => StatusWord::Unknown,
            Self::Blocked { .. } => StatusWord::Blocked,
            Self::Stopped(_) => StatusWord::Stopped,
            Self::Running => StatusWord::Running,
        }
    }

    /// Whether the campaign may run. Every rule that pauses then treats it as running (RULES.md, "Words").
    #[must_use]
    pub const fn may_run(&self) -> bool {
        match self {
            Self::Unknown { may_run, .. } | Self::Blocked { may_run, .. } => *may_run,
            Self::Stopped(_) => false,
            Self::Running => true,
        }
    }
}

/// Values of `status` that mean: the advertiser wants the campaign to run. Other fields show whether it does.
const RUNNING_WORDS: [&str; 2] = ["enabled", "active"];
const STOPPED_WORD: &str = "paused";
/// Values of `status` for an account without money, for a campaign switched off or on.
const NO_FUNDS_WORDS: [&str; 2] = ["no_funds_paused", "no_funds_active"];
/// The reason of a campaign that is blocked because the account is out of funds.
pub(super) const OUT_OF_FUNDS: &str = "out of funds";
/// The value of `stopped` that means the same.
const STOPPED_WITHOUT_FUNDS: &str = "no_funds";
/// Values of `status` for a campaign that moderation keeps from running.
const MODERATION_WORDS: [&str; 3] = ["unapproved", "pending", "rejected"];
/// Values of `status` for a campaign that cannot be run for another reason.
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
    // With a clock that is ahead, a running campaign would count as stopped, and would not be paused.
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

/// Whether the end time has passed in the time zone of the schedule. If that time zone cannot be read, this is not
/// certain.
fn has_certainly_ended(campaign: &RemoteCampaign, now: DateTime<Utc>) -> bool {
    let EndTime::At(local) = campaign.end_time else { return false };
    if campaign.odd_fields.iter().any(|field| field.name == SCHEDULE_TIMEZONE) {
        return false;
    }
    let offset = Duration::try_hours(campaign.schedule_timezone.unwrap_or(0));
    let end = offset.and_then(|offset| local.checked_sub_signed(offset));
    end.is_some_and(|end| end <= now)
}

/// The name of the field with the offset of a schedule's times.
pub const SCHEDULE_TIMEZONE: &str = "schedule_timezone";

/// Returns why the answer cannot be judged; `None` if it can. A required field that is missing or unreadable is a
/// reason.
fn doubt(campaign: &RemoteCampaign) -> Option<String> {
    if let Some((first, more)) = campaign.odd_fields.split_first() {
        let more: Vec<String> = more.iter().map(|field| format!("`{}`", field.name)).collect();
        let more = if more.is_empty() { String::new() } else { format!("; others: {}", more.join(", ")) };
        return Some(format!("TrafficStars' answer has a field of an unexpected type: {}{more}", first.problem));
    }
    let Some(status) = campaign.status.as_deref() else {
        return Some("TrafficStars' answer has no `status`".to_owned());
    };
    if !is_known_word(status) {
        return Some(format!("TrafficStars' status is `{status}`, a word this program does not know"));
    }
    if campaign.active.is_none() {
        return Some("TrafficStars' answer has no `active`".to_owned());
    }
    if let EndTime::Unreadable(text) = &campaign.end_time {
        return Some(format!("TrafficStars' schedule_end_time is `{text}`, a form this program does not know"));
    }
    None
}

fn is_known_word(status: &str) -> bool {
    let words = [&RUNNING_WORDS[..], &NO_FUNDS_WORDS, &MODERATION_WORDS, &BLOCKED_WORDS, &[STOPPED_WORD]];
    words.concat().contains(&status)
}

/// Returns why TrafficStars will not run the campaign; `None` if it can run.
fn block(campaign: &RemoteCampaign) -> Option<String> {
    let status = campaign.status.as_deref();
    let has_status = |words: &[&str]| status.is_some_and(|status| words.contains(&status));
    if campaign.archived {
        return Some("archived".to_owned());
    }
    let stopped_without_funds = campaign.stopped.as_deref() == Some(STOPPED_WITHOUT_FUNDS);
    if campaign.no_funds || stopped_without_funds || has_status(&NO_FUNDS_WORDS) {
        return Some(OUT_OF_FUNDS.to_owned());
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

/// Returns the counters of a read that was sent at `asked_at` and answered at `answered_at`, for the spend of `day`.
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
