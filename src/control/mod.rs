//! This room has the control API's types: the JSON on the Unix socket, and the channel through which commands reach the
//! actors. It leaves carrying orders out to `actors`. API.md, beside this file, describes the interfaces for other
//! programs.
//!
//! `server` answers requests, `client` sends them, and both use the types below. A command is an [`Order`] with a reply
//! slot; the daemon's order router holds the other end of the channel.
#![doc = include_str!("API.md")]

mod account;
mod admin;
mod alerts;
mod campaigns;
pub mod client;
mod hold;
mod pause_all;
mod process;
pub mod server;
mod urls;
mod values;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use utoipa::ToSchema;

pub use self::account::AccountCampaign;
pub use self::admin::{AdminOrder, AdminPort, LogFilterSetting, ReloadBody, Reloaded, Stopping};
pub use self::alerts::{
    AlertOrder, AlertView, Alerts, DeliveryView, MuteBody, NEWEST_ALERTS, ReceiverView, TestAlert, TestResult,
};
pub use self::campaigns::{Campaign, CampaignOrder, CampaignPatch, ChangeCampaign, RemoveCampaign};
pub use self::hold::{Held, HoldBody, Released, SetHold};
pub use self::pause_all::{HeldAll, NotPaused, OutlookOfAll};
pub use self::process::{Process, ProcessAll, ProcessBody, Processed};
pub use self::urls::{AddUrl, ChangeUrl, Url, UrlOrder, UrlPatch, UrlStatus};
pub use self::values::{Cooldown, Count, SpendLimit, ValueError, hold_span, name, remote_id, target_url};
use crate::domain::alert::OccasionId;
use crate::domain::failure::{DatabaseFailure, SyncFailure};
use crate::domain::ids::{CampaignId, RemoteId, UrlId};
use crate::domain::journal::{JournalEntry, JournalQuery};
use crate::domain::lease::Leader;
use crate::domain::status::Hold;
use crate::domain::text::date;

/// The interval at which the server writes into a stream without events, so that the reader knows that the server still
/// runs.
pub const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Guard a campaign, or stop guarding it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetGenerator {
    /// The campaign's database id.
    pub campaign: CampaignId,
    /// The wanted state of the generator.
    pub to: Generator,
}

/// The wanted state of a campaign's generator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Generator {
    /// The campaign is guarded.
    Enabled {
        /// Whether to guard it even without an active URL. It is then paused if it runs.
        anyway: bool,
        /// The hold with which it is paused first; `None` to decide at once.
        pause_first: Option<Hold>,
    },
    /// The campaign is no longer guarded.
    Disabled {
        /// Whether to pause it first.
        pause: bool,
        /// Whether it may keep running. Without this and without a pause, a campaign that may run stays guarded.
        leave_running: bool,
    },
}

/// The reason why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There is no such campaign.
    #[error("there is no campaign {0}")]
    UnknownCampaign(CampaignId),
    /// Not possible now, for the given reason.
    #[error("{0}")]
    NotNow(String),
    /// Not possible now, but later.
    #[error("{reason}")]
    NotBefore {
        /// The reason, for operators, with the time.
        reason: String,
        /// The time (UTC) when it becomes possible.
        possible_at: DateTime<Utc>,
    },
    /// Only the leader carries out orders, and this supervisor does not lead.
    #[error("{}", not_leading(.0.as_ref()))]
    NotLeading(Option<Leader>),
    /// It was tried and failed, for the given reason.
    #[error("{0}")]
    Failed(String),
    /// The database could not be read.
    #[error(transparent)]
    NotRead(DatabaseFailure),
    /// The database did not store the change.
    #[error("the change could not be stored: {0}")]
    NotStored(#[source] DatabaseFailure),
    /// The database did not store the release of all campaigns.
    #[error("the release could not be stored, so all campaigns stay on hold: {0}")]
    ReleaseNotStored(#[source] DatabaseFailure),
    /// The database has stored the change, but the actors do not follow it yet.
    #[error("the change is stored, but not in effect yet: {0}")]
    NotInEffect(#[source] SyncFailure),
    /// The campaign's actor died while it carried out the order.
    #[error("the campaign's actor died during this order and is respawned: repeat the order")]
    ActorDied,
    /// The supervisor is stopping, so it accepts no orders.
    #[error("the supervisor is stopping")]
    Stopping,
    /// The supervisor died while it carried out the order.
    #[error("the supervisor died during this order: repeat the order")]
    SupervisorDied,
    /// The supervisor did not answer the question in time.
    #[error("the supervisor did not answer in time: see its log")]
    NoAnswer,
    /// The account has no such campaign at TrafficStars.
    #[error("the account has no campaign {0} at TrafficStars (404): `traffic-generator account` lists its campaigns")]
    NotInAccount(RemoteId),
    /// No open occasion has this number.
    #[error("no open alert has the number {0}: `traffic-generator alert list` shows them")]
    UnknownAlert(OccasionId),
    /// There is no such URL.
    #[error("there is no URL {0}")]
    UnknownUrl(UrlId),
    /// A field of the request is invalid.
    #[error("{problem}")]
    BadField {
        /// The field's name.
        field: &'static str,
        /// The problem, for operators.
        problem: String,
    },
    /// Another campaign has this `trafficstar_id`.
    #[error("{0}")]
    Taken(String),
    /// The config is invalid: every problem, one per line.
    #[error("{0}")]
    BadConfig(String),
}

fn not_leading(leader: Option<&Leader>) -> String {
    match leader {
        Some(Leader { host, pid, since }) => {
            let since = date(*since);
            format!(
                "this supervisor is a standby: the leader is on {host} (pid {pid}) since {since} UTC, give the command \
                 there"
            )
        }
        None => {
            "this supervisor does not lead, and knows no leader: see `traffic-generator dump`, and try again in a few \
             seconds"
                .to_owned()
        }
    }
}

/// The slot for an answer.
pub type Reply<A> = oneshot::Sender<Result<A, Refusal>>;

/// A command or a question, with the slot for its answer. A command is answered after its effect.
#[derive(Debug)]
pub struct Ask<Q, A> {
    /// The command or the question.
    pub question: Q,
    /// The slot for the answer.
    pub reply: Reply<A>,
}

/// A command or a question from the control server to the actors.
#[derive(Debug)]
pub enum Order {
    /// Guard a campaign, or stop guarding it.
    SetGenerator(Ask<SetGenerator, Campaign>),
    /// Read or change the table `campaigns`.
    Campaigns(CampaignOrder),
    /// Read or change the table `urls`.
    Urls(UrlOrder),
    /// Read the journal, newest entry first.
    ReadJournal(Ask<JournalQuery, Vec<JournalEntry>>),
    /// Read the account's campaigns from TrafficStars: one campaign, or all.
    ReadAccount(Ask<Option<RemoteId>, Vec<AccountCampaign>>),
    /// Run a tick now, or force an action.
    Process(Ask<Process, Processed>),
    /// Run a tick now, or force an action, for every guarded campaign.
    ProcessAll(Ask<ProcessAll, Vec<Processed>>),
    /// Put a campaign on hold.
    Hold(Ask<SetHold, Held>),
    /// Release a campaign.
    Release(Ask<CampaignId, Released>),
    /// Put all campaigns on hold; with `pause`, pause every one of them now.
    HoldAll(Ask<Hold, HeldAll>),
    /// Release all campaigns from the hold on all.
    ReleaseAll(Ask<(), Released>),
    /// Read or order something about alerts.
    Alerts(AlertOrder),
}

impl Order {
    /// Whether it only reads the database. A standby carries these out, too.
    #[must_use]
    pub const fn only_reads(&self) -> bool {
        match self {
            Self::ReadJournal(_)
            | Self::Alerts(AlertOrder::List(_))
            | Self::Campaigns(CampaignOrder::List(_) | CampaignOrder::Show(_))
            | Self::Urls(UrlOrder::List(_)) => true,
            // Only the leader sends requests to TrafficStars.
            Self::ReadAccount(_)
            | Self::SetGenerator(_)
            | Self::Campaigns(CampaignOrder::Add(_) | CampaignOrder::Change(_) | CampaignOrder::Remove(_))
            | Self::Urls(UrlOrder::Add(_) | UrlOrder::Change(_) | UrlOrder::Remove(_))
            | Self::Process(_)
            | Self::ProcessAll(_)
            | Self::Hold(_)
            | Self::Release(_)
            | Self::HoldAll(_)
            | Self::ReleaseAll(_)
            | Self::Alerts(AlertOrder::Ack(_) | AlertOrder::Mute(_) | AlertOrder::Test(_)) => false,
        }
    }

    /// Answers with a refusal.
    pub fn refuse(self, refusal: Refusal) {
        match self {
            Self::SetGenerator(ask) => ask.refuse(refusal),
            Self::Campaigns(CampaignOrder::List(ask)) => ask.refuse(refusal),
            Self::Campaigns(CampaignOrder::Show(ask)) => ask.refuse(refusal),
            Self::Campaigns(CampaignOrder::Add(ask)) => ask.refuse(refusal),
            Self::Campaigns(CampaignOrder::Change(ask)) => ask.refuse(refusal),
            Self::Campaigns(CampaignOrder::Remove(ask)) => ask.refuse(refusal),
            Self::Urls(UrlOrder::List(ask)) => ask.refuse(refusal),
            Self::Urls(UrlOrder::Add(ask)) => ask.refuse(refusal),
            Self::Urls(UrlOrder::Change(ask)) => ask.refuse(refusal),
            Self::Urls(UrlOrder::Remove(ask)) => ask.refuse(refusal),
            Self::ReadJournal(ask) => ask.refuse(refusal),
            Self::ReadAccount(ask) => ask.refuse(refusal),
            Self::Process(ask) => ask.refuse(refusal),
            Self::ProcessAll(ask) => ask.refuse(refusal),
            Self::Hold(ask) => ask.refuse(refusal),
            Self::Release(ask) => ask.refuse(refusal),
            Self::HoldAll(ask) => ask.refuse(refusal),
            Self::ReleaseAll(ask) => ask.refuse(refusal),
            Self::Alerts(order) => order.refuse(refusal),
        }
    }
}

impl AlertOrder {
    /// Answers with a refusal.
    pub fn refuse(self, refusal: Refusal) {
        match self {
            Self::List(ask) => ask.refuse(refusal),
            Self::Ack(ask) => ask.refuse(refusal),
            Self::Mute(ask) => ask.refuse(refusal),
            Self::Test(ask) => ask.refuse(refusal),
        }
    }
}

impl<Q, A> Ask<Q, A> {
    fn refuse(self, refusal: Refusal) {
        // The client may have left.
        let _ = self.reply.send(Err(refusal));
    }
}

/// The channel to the supervisor for these orders.
pub type OrderPort = mpsc::Sender<Order>;

/// The answer to a command that has had no effect so far. The supervisor continues to carry it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pending {
    /// Always `true`.
    pub pending: bool,
    /// The id of the campaign's newest journal entry, if there is one: `history` shows how the command ends.
    pub journal_id: Option<i64>,
}

/// An error as RFC 9457 defines it, `application/problem+json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The kind of error, in a few words that never change.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The details of this case, for operators.
    pub detail: String,
    /// The field of the request that is invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The time (UTC) when the refused command becomes possible, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub possible_at: Option<DateTime<Utc>>,
    /// The leader, if this supervisor does not lead and only the leader carries out the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<Leader>,
}
