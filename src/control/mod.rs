//! The control API's types: what travels over the Unix socket, and the port through which commands reach the actors.
//!
//! `server` serves it, `client` asks for it, and both use the types below. Deliberately absent: the actors. A command is
//! an [`Order`] with a reply slot, and whoever carries it out holds the other end of the channel.

pub mod client;
mod operate;
pub mod server;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use utoipa::ToSchema;

pub use self::operate::{LogFilterSetting, Operation, OperationPort, Reloaded, Stopping};
use crate::domain::facts::{CampaignId, RemoteId};

/// The body of `PATCH /v1/campaigns/{id}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignPatch {
    /// Whether the campaign is guarded.
    pub generator_enabled: Option<bool>,
    /// With `generator_enabled: false`: pause the campaign first. It stays guarded if that fails.
    #[serde(default)]
    pub pause: bool,
}

/// A campaign as `PATCH /v1/campaigns/{id}` answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Campaign {
    /// The row's key.
    pub id: CampaignId,
    /// Its name.
    pub name: String,
    /// Its id at TrafficStars.
    pub trafficstar_id: RemoteId,
    /// Whether it is guarded.
    pub generator_enabled: bool,
}

/// Guard a campaign, or stop guarding it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetGenerator {
    /// Which.
    pub campaign: CampaignId,
    /// Whether it is guarded from now on.
    pub enabled: bool,
    /// Whether to pause it before it is guarded no more.
    pub pause: bool,
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
    /// It was tried and failed, for this reason.
    #[error("{0}")]
    Failed(String),
    /// A field of the request makes no sense, for this reason.
    #[error("{problem}")]
    BadField {
        /// Which.
        field: &'static str,
        /// Why.
        problem: String,
    },
    /// The config makes no sense: every problem, one a line.
    #[error("{0}")]
    BadConfig(String),
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
}

/// Where orders go.
pub type OrderPort = mpsc::Sender<Order>;

/// The answer to a command without effect so far, which goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pending {
    /// Always `true`.
    pub pending: bool,
}

/// An error as RFC 9457 has it, `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
}
