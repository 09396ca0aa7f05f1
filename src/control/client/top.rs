//! What the full-screen view asks of the supervisor beside the dump and a campaign's explanation: an operator's orders.
//!
//! Deliberately absent: types for the answers. The view shows an answer as it is, so that it works with a supervisor of
//! another version.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Client, ClientError, read};
use crate::domain::ids::CampaignId;

/// What an operator can order from the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopOrder {
    /// Let one campaign decide now.
    Process(CampaignId),
    /// Send nothing for one campaign until it is released.
    Hold {
        /// Which.
        campaign: CampaignId,
        /// Why, in the operator's words.
        reason: String,
    },
    /// End a campaign's hold.
    Release(CampaignId),
    /// Pause every campaign and keep them paused.
    PauseAll {
        /// Why, in the operator's words.
        reason: String,
    },
}

/// What became of an order that was not refused.
#[derive(Debug, Clone, PartialEq)]
pub enum TopAnswer {
    /// It has come about; the answer's body.
    Done(Value),
    /// It was begun, and had no effect yet when the supervisor answered.
    Begun(Value),
}

impl TopOrder {
    fn request(&self) -> (Method, String, Value) {
        match self {
            Self::Process(campaign) => (Method::POST, format!("/v1/campaigns/{campaign}/process"), json!({})),
            Self::Hold { campaign, reason } => {
                (Method::PUT, format!("/v1/campaigns/{campaign}/hold"), json!({"reason": reason, "pause": false}))
            }
            Self::Release(campaign) => (Method::DELETE, format!("/v1/campaigns/{campaign}/hold"), Value::Null),
            // Said in so many words: a hold on all that does not pause would leave running what the operator wants stopped.
            Self::PauseAll { reason } => (Method::PUT, "/v1/hold".to_owned(), json!({"reason": reason, "pause": true})),
        }
    }
}

impl Client {
    /// Gives an order, and returns when it has come about or the supervisor gives up waiting for that.
    ///
    /// # Errors
    /// No supervisor, a broken connection, an unreadable answer, or a refusal; a supervisor that does not know the order
    /// refuses it with 404 or 405.
    pub async fn give(&self, order: &TopOrder) -> Result<TopAnswer, ClientError> {
        let (method, path, body) = order.request();
        let (status, answer) = self.send(method, &path, Some(body).filter(|body| !body.is_null())).await?;
        // An order without an answer's body is done all the same.
        let answer = if answer.is_empty() { Value::Null } else { read(&answer)? };
        Ok(if status == StatusCode::ACCEPTED { TopAnswer::Begun(answer) } else { TopAnswer::Done(answer) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_is_one_request() {
        let one = CampaignId(1);
        let reason = || "new landing page".to_owned();
        let cases = [
            (TopOrder::Process(one), "POST /v1/campaigns/1/process {}"),
            (
                TopOrder::Hold { campaign: one, reason: reason() },
                r#"PUT /v1/campaigns/1/hold {"pause":false,"reason":"new landing page"}"#,
            ),
            (TopOrder::Release(one), "DELETE /v1/campaigns/1/hold null"),
            (TopOrder::PauseAll { reason: reason() }, r#"PUT /v1/hold {"pause":true,"reason":"new landing page"}"#),
        ];
        for (order, expected) in cases {
            let (method, path, body) = order.request();
            assert_eq!(format!("{method} {path} {body}"), expected);
        }
    }
}
