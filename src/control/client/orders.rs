//! Orders to campaigns.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Client, ClientError, effect};
use crate::control::{AccountCampaign, Held, HeldAll, HoldBody, ProcessBody, Processed, Released};
use crate::domain::ids::{CampaignId, RemoteId};

/// For how long a command waits for its effect: longer than an action takes to be confirmed or to fail.
const EFFECT_WITHIN: Duration = Duration::from_secs(180);
/// What the answer's way may take on top of that.
const ANSWER_AFTER_EFFECT: Duration = Duration::from_secs(10);

impl Client {
    /// Ticks a campaign now, or acts on it now.
    pub async fn process(&self, id: CampaignId, body: ProcessBody) -> Result<Processed, ClientError> {
        self.order(Method::POST, &format!("/v1/campaigns/{id}/process"), &body).await
    }

    /// The same for every guarded campaign; what one of them refuses is its `error`.
    pub async fn process_all(&self, body: ProcessBody) -> Result<Vec<Processed>, ClientError> {
        self.order(Method::POST, "/v1/process", &body).await
    }

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

    /// The campaigns of the account, for which TrafficStars is asked.
    pub async fn account(&self) -> Result<Vec<AccountCampaign>, ClientError> {
        self.patiently(self.request(Method::GET, "/v1/account")).await
    }

    /// One of them.
    pub async fn account_campaign(&self, id: RemoteId) -> Result<Option<AccountCampaign>, ClientError> {
        let path = format!("/v1/account?trafficstar_id={id}");
        let found: Vec<AccountCampaign> = effect(self.send(Method::GET, &path, None::<()>).await?)?;
        Ok(found.into_iter().next())
    }

    /// Sends an order, and waits for its effect.
    async fn order<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.patiently(self.request(method, path).json(body)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://localhost{path}"))
    }

    async fn patiently<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let request = request
            .header("prefer", format!("wait={}", EFFECT_WITHIN.as_secs()))
            .timeout(EFFECT_WITHIN + ANSWER_AFTER_EFFECT);
        effect(self.exchange(request).await?)
    }
}
