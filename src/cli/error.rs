//! Why a command ends with something else than 0, and with what.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::top::error::TopError;
use crate::config::{ApiKeyError, ConfigErrors};
use crate::control::client::ClientError;
use crate::daemon::RunError;
use crate::domain::ids::{CampaignId, RemoteId};
use crate::domain::phase::PhaseWord;
use crate::telemetry::TelemetryError;

/// Why a command ended with something else than 0.
#[derive(Debug, Error)]
pub(super) enum CommandError {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    ApiKey(#[from] ApiKeyError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Top(#[from] TopError),
    #[error("the result cannot be printed")]
    Print(#[source] std::io::Error),
    #[error("the runtime could not be started")]
    Runtime(#[source] std::io::Error),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("the signals of the operating system cannot be heard")]
    Signals(#[source] std::io::Error),
    #[error("campaign {campaign} has not reached {wanted} within {}: it is {state}", humantime::format_duration(*limit))]
    NotReached { campaign: CampaignId, wanted: PhaseWord, limit: Duration, state: PhaseWord },
    #[error(
        "no supervisor answers on {}, so nothing was paused. Pause without one: give the same command with --direct, which uses \
         the config's database and API key",
        .0.display()
    )]
    NothingPaused(PathBuf),
    #[error("it is on hold and was not paused: {0}")]
    NotPaused(String),
    /// What is wrong where has been printed.
    #[error("{failed} of {of} campaigns {} not {done} (above)", if *failed == 1 { "was" } else { "were" })]
    NotEverywhere { failed: usize, of: u64, done: &'static str },
    /// Who waited was interrupted; the supervisor was not.
    #[error("The order stands; the supervisor carries it out. See: traffic-generator status")]
    OrderStands,
    #[error("the page {} cannot be written", .0.display())]
    Page(PathBuf, #[source] std::io::Error),
    #[error("nothing was done")]
    NotConfirmed,
    /// What its answer says of it has been printed.
    #[error("it is in trouble")]
    InTrouble,
    #[error("there is no command `{0}`: `traffic-generator --help` lists them")]
    UnknownCommand(String),
    #[error("the account could not be read: {0}")]
    Account(String),
    #[error("campaign {wanted} could not be looked for at TrafficStars: {reason}. To add it unseen, give it a --name")]
    NoName { wanted: RemoteId, reason: String },
    #[error("campaign {0} has no name at TrafficStars: give it one with --name")]
    Nameless(RemoteId),
    /// `check` has printed what is wrong.
    #[error("the check failed")]
    CheckFailed,
    /// `health` has printed what is wrong.
    #[error("the guard is degraded")]
    Degraded,
}

impl CommandError {
    pub(super) const fn exit_code(&self) -> u8 {
        match self {
            Self::Client(ClientError::NoSupervisor(_) | ClientError::NoConnection(..) | ClientError::Lost(..))
            | Self::NothingPaused(_) => 3,
            Self::UnknownCommand(_) => 2,
            Self::OrderStands => 130,
            Self::Config(_)
            | Self::ApiKey(_)
            | Self::Telemetry(_)
            | Self::Run(_)
            | Self::Client(_)
            | Self::Top(_)
            | Self::Print(_)
            | Self::Runtime(_)
            | Self::Target(_)
            | Self::Signals(_)
            | Self::NotPaused(_)
            | Self::NotReached { .. }
            | Self::NotEverywhere { .. }
            | Self::Page(..)
            | Self::Account(_)
            | Self::NoName { .. }
            | Self::Nameless(_)
            | Self::CheckFailed
            | Self::NotConfirmed
            | Self::InTrouble
            | Self::Degraded => 1,
        }
    }

    /// Whether the command has printed its result, or has nowhere to print one.
    pub(super) const fn follows_result(&self) -> bool {
        matches!(
            self,
            Self::NotPaused(_)
                | Self::NotEverywhere { .. }
                | Self::CheckFailed
                | Self::Degraded
                | Self::InTrouble
                | Self::Print(_)
        )
    }

    /// Whether what is wrong has been printed.
    pub(super) const fn is_told(&self) -> bool {
        matches!(self, Self::CheckFailed | Self::Degraded | Self::InTrouble)
    }

    /// The reader of the result has stopped reading (`| head`): nothing is wrong, and nobody is left to tell.
    pub(super) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Print(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

/// Why it is not known which campaign is meant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum TargetError {
    #[error("{text} is {}: give one of these ids", campaigns(found))]
    Several { text: String, found: Vec<(CampaignId, RemoteId)> },
    #[error("there is no campaign {0}; ts:{0} is campaign {1} ({2})")]
    OnlyThere(CampaignId, CampaignId, String),
    #[error("there is no campaign {0}")]
    NoSuchId(CampaignId),
    #[error("there is no campaign {0}: did you mean {1}?")]
    Near(String, String),
    #[error("there is no campaign {0}: `traffic-generator campaign list` shows all")]
    Unknown(String),
}

/// `2 campaigns: 1 (TrafficStars 1001) and 5 (1003)`.
fn campaigns(several: &[(CampaignId, RemoteId)]) -> String {
    let all = several.iter().enumerate().map(|(position, (id, remote))| {
        let whose = if position == 0 { "TrafficStars " } else { "" };
        format!("{id} ({whose}{remote})")
    });
    format!("{} campaigns: {}", several.len(), all.collect::<Vec<_>>().join(" and "))
}
