//! Requests about the account at TrafficStars.

use reqwest::Method;

use super::{Client, ClientError, effect};
use crate::control::AccountCampaign;
use crate::domain::ids::RemoteId;

impl Client {
    /// Lists the account's campaigns, which the supervisor reads from TrafficStars now.
    pub async fn account(&self) -> Result<Vec<AccountCampaign>, ClientError> {
        self.patiently(self.request(Method::GET, "/v1/account")).await
    }

    /// Reads one campaign of the account.
    pub async fn account_campaign(&self, id: RemoteId) -> Result<Option<AccountCampaign>, ClientError> {
        let path = format!("/v1/account?trafficstar_id={id}");
        let found: Vec<AccountCampaign> = effect(self.send(Method::GET, &path, None::<()>).await?)?;
        Ok(found.into_iter().next())
    }
}
