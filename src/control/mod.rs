//! The control API's types: what travels over the Unix socket, and the port through which commands reach the actors.
//! API.md, beside this file, has the outside of the program, for those who build on it.
//!
//! `server` serves it, `client` asks for it, and both use the types below. Deliberately absent: the actors. A command is
//! an [`Order`] with a reply slot, and whoever carries it out holds the other end of the channel.

mod account;
mod admin;
mod campaigns;
pub mod client;
mod orders;
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
pub use self::campaigns::{Campaign, CampaignOrder, CampaignPatch, ChangeCampaign, RemoveCampaign};
pub use self::orders::{
    Held, HeldAll, HoldBody, NotPaused, OutlookOfAll, Process, ProcessAll, ProcessBody, Processed, Released, SetHold,
};
pub use self::urls::{AddUrl, ChangeUrl, Url, UrlOrder, UrlPatch, UrlStatus};
pub use self::values::{Cooldown, Count, SpendLimit, ValueError, hold_span, name, remote_id, target_url};
use crate::domain::failure::{DatabaseFailure, SyncFailure};
use crate::domain::ids::{CampaignId, RemoteId, UrlId};
use crate::domain::journal::{JournalEntry, JournalQuery};
use crate::domain::lease::Leader;
use crate::domain::status::Hold;
use crate::domain::text::date;

/// How often something is written into a stream of events that has no news, so that its reader knows it to be alive.
pub const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Guard a campaign, or stop guarding it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetGenerator {
    /// Which.
    pub campaign: CampaignId,
    /// What its generator is to be.
    pub to: Generator,
}

/// What becomes of a campaign's generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generator {
    /// The campaign is guarded from now on.
    Enabled {
        /// Although it has no active URL, so that it is paused where it runs.
        anyway: bool,
    },
    /// It is not guarded any more.
    Disabled {
        /// It is paused first.
        pause: bool,
        /// It may run on. Without this and without a pause, one that may run stays guarded.
        leave_running: bool,
    },
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There is no such campaign.
    #[error("there is no campaign {0}")]
    UnknownCampaign(CampaignId),
    /// Not possible now, for this reason.
    #[error("{0}")]
    NotNow(String),
    /// Not possible now, and possible from then on.
    #[error("{reason}")]
    NotBefore {
        /// Why, with the time in words.
        reason: String,
        /// When.
        possible_at: DateTime<Utc>,
    },
    /// Only the leader changes anything, and this supervisor does not lead.
    #[error("{}", not_leading(.0.as_ref()))]
    NotLeading(Option<Leader>),
    /// It was tried and failed, for this reason.
    #[error("{0}")]
    Failed(String),
    /// The database did not answer the question.
    #[error(transparent)]
    NotRead(DatabaseFailure),
    /// The database did not take the change.
    #[error("the change could not be stored: {0}")]
    NotStored(#[source] DatabaseFailure),
    /// The database did not take the end of the hold on all campaigns.
    #[error("the release could not be stored, all stay on hold: {0}")]
    ReleaseNotStored(#[source] DatabaseFailure),
    /// The database has taken the change, and the actors are not as it says yet.
    #[error("the change is stored, and not in effect yet: {0}")]
    NotInEffect(#[source] SyncFailure),
    /// The campaign's actor died over it.
    #[error("its actor died over this order: it is built anew, try again")]
    ActorDied,
    /// The supervisor takes nothing any more.
    #[error("the supervisor is stopping")]
    Stopping,
    /// The supervisor died over it.
    #[error("the supervisor died over this order: try again")]
    SupervisorDied,
    /// The question was not answered within its time.
    #[error("there was no answer in time: see the supervisor's log")]
    NoAnswer,
    /// TrafficStars knows no such campaign of the account.
    #[error(
        "TrafficStars knows no campaign {0} (404): is it another account's, or mistyped? `traffic-generator account` lists them"
    )]
    NotInAccount(RemoteId),
    /// There is no such URL.
    #[error("there is no URL {0}")]
    UnknownUrl(UrlId),
    /// A field of the request makes no sense, for this reason.
    #[error("{problem}")]
    BadField {
        /// Which.
        field: &'static str,
        /// Why.
        problem: String,
    },
    /// Another campaign has this `trafficstar_id`.
    #[error("{0}")]
    Taken(String),
    /// The config makes no sense: every problem, one a line.
    #[error("{0}")]
    BadConfig(String),
}

fn not_leading(leader: Option<&Leader>) -> String {
    match leader {
        Some(Leader { host, pid, since }) => {
            let since = date(*since);
            format!(
                "this supervisor stands by: the one on {host} (pid {pid}) leads since {since} UTC, give the command there"
            )
        }
        None => {
            "this supervisor does not lead, and knows of no other that does: see `traffic-generator dump`, and try \
                 again in a few seconds"
                .to_owned()
        }
    }
}

/// Where an answer goes.
pub type Reply<A> = oneshot::Sender<Result<A, Refusal>>;

/// A command or a question on its way, with the slot for its answer. A command is answered after its effect.
#[derive(Debug)]
pub struct Ask<Q, A> {
    /// What is asked.
    pub question: Q,
    /// Where the answer goes.
    pub reply: Reply<A>,
}

/// What the control server asks of the actors.
#[derive(Debug)]
pub enum Order {
    /// Guard a campaign, or stop guarding it.
    SetGenerator(Ask<SetGenerator, Campaign>),
    /// Something about the table `campaigns`.
    Campaigns(CampaignOrder),
    /// Something about the table `urls`.
    Urls(UrlOrder),
    /// Read the journal, newest entry first.
    ReadJournal(Ask<JournalQuery, Vec<JournalEntry>>),
    /// Ask TrafficStars what the account holds: one campaign, or all.
    ReadAccount(Ask<Option<RemoteId>, Vec<AccountCampaign>>),
    /// Tick now, or act now.
    Process(Ask<Process, Processed>),
    /// The same for all that are guarded.
    ProcessAll(Ask<ProcessAll, Vec<Processed>>),
    /// Put a campaign on hold.
    Hold(Ask<SetHold, Held>),
    /// Release a campaign.
    Release(Ask<CampaignId, Released>),
    /// Put all campaigns on hold; with `pause`, pause every one of them now.
    HoldAll(Ask<Hold, HeldAll>),
    /// Release all campaigns from the hold on all.
    ReleaseAll(Ask<(), Released>),
}

impl Order {
    /// Whether it only reads, which a supervisor that stands by does, too.
    #[must_use]
    pub const fn only_reads(&self) -> bool {
        match self {
            Self::ReadJournal(_)
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
            | Self::ReleaseAll(_) => false,
        }
    }

    /// Answers that it is not carried out.
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
        }
    }
}

impl<Q, A> Ask<Q, A> {
    fn refuse(self, refusal: Refusal) {
        // Whoever asked may be gone.
        let _ = self.reply.send(Err(refusal));
    }
}

/// Where orders go.
pub type OrderPort = mpsc::Sender<Order>;

/// The answer to a command without effect so far, which goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pending {
    /// Always `true`.
    pub pending: bool,
    /// The newest journal entry of the campaign, where the command is about one that has any: `history` tells how it ends.
    pub journal_id: Option<i64>,
}

/// An error as RFC 9457 has it, `application/problem+json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The kind, in a few words that never change.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This case, in words.
    pub detail: String,
    /// The field of the request that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// When what is refused now becomes possible, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub possible_at: Option<DateTime<Utc>>,
    /// Who leads, where this supervisor does not and the command is the leader's to carry out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<Leader>,
}
