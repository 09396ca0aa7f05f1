//! How actors answer, also where the requester is gone, or the actor that was asked.

use actix::MailboxError;
use tokio::sync::oneshot;

use crate::control::Refusal;
use crate::domain::failure::DatabaseFailure;
use crate::domain::ids::CampaignId;

/// What the database actor answers.
pub type Answer<T> = Result<T, DatabaseFailure>;

/// Answers, unless the requester is gone.
pub(super) fn tell<T>(to: oneshot::Sender<T>, answer: T) {
    let _ = to.send(answer);
}

/// What the database actor has answered.
pub(super) fn of_database<T>(answer: Result<Answer<T>, MailboxError>) -> Answer<T> {
    answer.unwrap_or(Err(DatabaseFailure::ActorGone))
}

/// What a campaign's actor has answered.
pub(super) fn of_campaign<T>(answer: Result<Result<T, Refusal>, MailboxError>) -> Result<T, Refusal> {
    answer.unwrap_or(Err(Refusal::ActorDied))
}

/// What a change of one campaign's row has come to.
pub(super) fn stored(id: CampaignId, answer: Result<Answer<bool>, MailboxError>) -> Result<(), Refusal> {
    match of_database(answer) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Refusal::UnknownCampaign(id)),
        Err(failure) => Err(Refusal::NotStored(failure)),
    }
}
