//! Requests for `process`.

use reqwest::Method;

use super::{Client, ClientError};
use crate::control::{ProcessBody, Processed};
use crate::domain::ids::CampaignId;

impl Client {
    /// Runs a tick of a campaign now, or forces an action.
    pub async fn process(&self, id: CampaignId, body: ProcessBody) -> Result<Processed, ClientError> {
        self.order(Method::POST, &format!("/v1/campaigns/{id}/process"), &body).await
    }

    /// Runs a tick now, or forces an action, for every guarded campaign. A campaign that refuses has the reason in
    /// `error`.
    pub async fn process_all(&self, body: ProcessBody) -> Result<Vec<Processed>, ClientError> {
        self.order(Method::POST, "/v1/process", &body).await
    }
}
