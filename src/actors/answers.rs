//! Answers between actors, also if the requester or the actor that was asked has ended.

use actix::MailboxError;
use tokio::sync::oneshot;

use crate::control::Refusal;
use crate::domain::failure::DatabaseFailure;
use crate::domain::ids::CampaignId;

/// The answer of the database actor.
pub type Answer<T> = Result<T, DatabaseFailure>;

/// Sends an answer to its requester. A requester that has ended needs none.
pub(crate) fn send_reply<T>(to: oneshot::Sender<T>, answer: T) {
    let _ = to.send(answer);
}

/// Returns the answer of the database actor; a failure if that actor has ended.
pub(super) fn of_database<T>(answer: Result<Answer<T>, MailboxError>) -> Answer<T> {
    answer.unwrap_or(Err(DatabaseFailure::ActorGone))
}

/// Returns the answer of a campaign actor; a refusal if that actor has ended.
pub(super) fn of_campaign<T>(answer: Result<Result<T, Refusal>, MailboxError>) -> Result<T, Refusal> {
    answer.unwrap_or(Err(Refusal::ActorDied))
}

/// Turns the answer to a change of one campaign's row into a result. `false` means that there is no such row.
pub(super) fn stored(id: CampaignId, answer: Result<Answer<bool>, MailboxError>) -> Result<(), Refusal> {
    match of_database(answer) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Refusal::UnknownCampaign(id)),
        Err(failure) => Err(Refusal::NotStored(failure)),
    }
}
