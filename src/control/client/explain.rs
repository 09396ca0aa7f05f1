//! Asks why a campaign is (not) running.

use reqwest::Method;

use super::{Client, ClientError, read};
use crate::domain::explain::Explanation;
use crate::domain::ids::CampaignId;

impl Client {
    /// Why a campaign is (not) running, and what happens next.
    ///
    /// # Errors
    /// As [`Client::campaign_state`].
    pub async fn explain(&self, id: CampaignId) -> Result<Explanation, ClientError> {
        read(&self.send(Method::GET, &format!("/v1/campaigns/{id}/explain"), None::<()>).await?.1)
    }
}
