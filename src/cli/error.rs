//! The errors that end a command, and the exit status of each.

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

/// The reason why a command ended with an exit status other than 0.
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
    #[error("the program cannot receive signals such as Ctrl-C")]
    Signals(#[source] std::io::Error),
    #[error("campaign {campaign} has not reached {wanted} within {}: it is {state}", humantime::format_duration(*limit))]
    NotReached { campaign: CampaignId, wanted: PhaseWord, limit: Duration, state: PhaseWord },
    #[error(
        "no supervisor answers on {}, so nothing was paused. To pause without a supervisor, give the same command with \
         --direct, which uses the config's database and API key",
        .0.display()
    )]
    NothingPaused(PathBuf),
    #[error("the campaign is on hold, but was not paused: {0}")]
    NotPaused(String),
    /// The command has printed each campaign's failure.
    #[error("{failed} of {of} campaigns {} not {done}: see above", if *failed == 1 { "was" } else { "were" })]
    NotEverywhere { failed: usize, of: u64, done: &'static str },
    /// Ctrl-C ended the wait for an order's answer. The supervisor still carries the order out.
    #[error("The order was given: the supervisor still carries it out. See: traffic-generator status")]
    OrderGiven,
    /// Ctrl-C ended a read. No order was given.
    #[error("Interrupted: no order was given, nothing was changed.")]
    Interrupted,
    #[error("the page {} cannot be written", .0.display())]
    Page(PathBuf, #[source] std::io::Error),
    #[error("not confirmed: nothing was done")]
    NotConfirmed,
    /// A tick had an error, which has been printed with its result.
    #[error("a tick had an error")]
    InTrouble,
    #[error("there is no command `{0}`: `traffic-generator --help` lists them")]
    UnknownCommand(String),
    #[error("the account could not be read: {0}")]
    Account(String),
    #[error("campaign {wanted} could not be read from TrafficStars: {reason}. To add it all the same, give --name")]
    NoName { wanted: RemoteId, reason: String },
    #[error("campaign {0} has no name at TrafficStars: give it one with --name")]
    Nameless(RemoteId),
    /// `check` has printed what is wrong.
    #[error("the check failed")]
    CheckFailed,
    /// `alert test` has printed what each receiver answered.
    #[error("{failed} of {of} receivers did not take the test message: see above")]
    NotDelivered { failed: usize, of: u64 },
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
            Self::OrderGiven | Self::Interrupted => 130,
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
            | Self::NotDelivered { .. }
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

    /// Whether the command has printed its result, or its stdout cannot be written.
    pub(super) const fn follows_result(&self) -> bool {
        matches!(
            self,
            Self::NotPaused(_)
                | Self::NotEverywhere { .. }
                | Self::NotDelivered { .. }
                | Self::CheckFailed
                | Self::Degraded
                | Self::InTrouble
                | Self::Print(_)
        )
    }

    /// Whether the command's result says already what is wrong.
    pub(super) const fn is_printed(&self) -> bool {
        matches!(self, Self::CheckFailed | Self::Degraded | Self::InTrouble)
    }

    /// Whether the reader of the result has stopped reading (`| head`), which is no error.
    pub(super) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Print(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

/// The reason why an argument does not name exactly one campaign.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum TargetError {
    #[error("{text} names {}; give one of these ids", campaigns(found))]
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

/// Returns a text like `2 campaigns: 1 (TrafficStars 1001) and 5 (1003)`.
fn campaigns(several: &[(CampaignId, RemoteId)]) -> String {
    let all = several.iter().enumerate().map(|(position, (id, remote))| {
        let prefix = if position == 0 { "TrafficStars " } else { "" };
        format!("{id} ({prefix}{remote})")
    });
    format!("{} campaigns: {}", several.len(), all.collect::<Vec<_>>().join(" and "))
}
