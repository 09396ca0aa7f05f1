//! Requests for `hold` and `release`, of one campaign and of all.

use reqwest::Method;

use super::{Client, ClientError};
use crate::control::{Held, HeldAll, HoldBody, Released};
use crate::domain::ids::CampaignId;

impl Client {
    /// Puts a campaign on hold.
    pub async fn hold(&self, id: CampaignId, body: &HoldBody) -> Result<Held, ClientError> {
        self.order(Method::PUT, &format!("/v1/campaigns/{id}/hold"), body).await
    }

    /// Releases a campaign.
    pub async fn release(&self, id: CampaignId) -> Result<Released, ClientError> {
        self.order(Method::DELETE, &format!("/v1/campaigns/{id}/hold"), &()).await
    }

    /// Puts all campaigns on hold.
    pub async fn hold_all(&self, body: &HoldBody) -> Result<HeldAll, ClientError> {
        self.order(Method::PUT, "/v1/hold", body).await
    }

    /// Ends the hold on all campaigns.
    pub async fn release_all(&self) -> Result<Released, ClientError> {
        self.order(Method::DELETE, "/v1/hold", &()).await
    }
}
