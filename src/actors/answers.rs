//! How actors answer, also where the asker is gone, or the actor that was asked.

use actix::MailboxError;
use tokio::sync::oneshot;

use crate::control::Refusal;
use crate::domain::ids::CampaignId;

/// What the database actor answers, or in words why it does not.
pub type Answer<T> = Result<T, String>;

/// Answers, unless the asker is gone.
pub(super) fn tell<T>(to: oneshot::Sender<T>, answer: T) {
    let _ = to.send(answer);
}

/// What the database actor has answered.
pub(super) fn of_database<T>(answer: Result<Answer<T>, MailboxError>) -> Answer<T> {
    answer.unwrap_or_else(|gone| Err(format!("the database actor is gone: {gone}")))
}

/// What a campaign's actor has answered.
pub(super) fn of_campaign<T>(answer: Result<Result<T, Refusal>, MailboxError>) -> Result<T, Refusal> {
    answer.unwrap_or_else(|gone| Err(Refusal::Failed(format!("its actor is gone: {gone}"))))
}

/// What a change of one campaign's row has come to.
pub(super) fn stored(id: CampaignId, answer: Result<Answer<bool>, MailboxError>) -> Result<(), Refusal> {
    match of_database(answer) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Refusal::UnknownCampaign(id)),
        Err(reason) => Err(Refusal::Failed(format!("the change could not be stored: {reason}"))),
    }
}
