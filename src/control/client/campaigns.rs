//! Requests about rows of campaigns and URLs.

use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Client, ClientError, LOOK_EVERY, LOOKS, effect, read};
use crate::control::{Campaign, CampaignPatch, Url, UrlPatch};
use crate::domain::ids::{CampaignId, UrlId};

impl Client {
    /// Lists every campaign's row.
    pub async fn campaigns(&self) -> Result<Vec<Campaign>, ClientError> {
        self.get("/v1/campaigns").await
    }

    /// Reads one campaign's row.
    pub async fn campaign(&self, id: CampaignId) -> Result<Campaign, ClientError> {
        self.get(&format!("/v1/campaigns/{id}")).await
    }

    /// Adds a campaign. If it is to be guarded, this returns when it is guarded.
    pub async fn add_campaign(&self, patch: &CampaignPatch) -> Result<Campaign, ClientError> {
        self.ask(Method::POST, "/v1/campaigns", Some(patch)).await
    }

    /// Changes a campaign's row, its generator included. Returns when the change is in effect, or after three minutes
    /// with [`ClientError::StillPending`].
    pub async fn patch_campaign(&self, id: CampaignId, patch: &CampaignPatch) -> Result<Campaign, ClientError> {
        let path = format!("/v1/campaigns/{id}");
        let (status, body) = self.send(Method::PATCH, &path, Some(patch)).await?;
        if status != StatusCode::ACCEPTED {
            return read(&body);
        }
        for _ in 0..LOOKS {
            let campaign = self.campaign(id).await?;
            let guarded = self.campaign_state(id).await?.ordered.generator_enabled;
            if patch.is_met_by(&campaign) && guarded == campaign.generator_enabled {
                return Ok(campaign);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(ClientError::StillPending)
    }

    /// Removes a campaign and returns its last row; with `pause` the campaign is paused first. Returns when the row is
    /// gone, or after three minutes with [`ClientError::StillPending`].
    pub async fn remove_campaign(&self, id: CampaignId, pause: bool) -> Result<Campaign, ClientError> {
        let before = self.campaign(id).await?;
        let path = format!("/v1/campaigns/{id}{}", if pause { "?pause=true" } else { "" });
        let (status, body) = self.send(Method::DELETE, &path, None::<()>).await?;
        if status != StatusCode::ACCEPTED {
            return read(&body);
        }
        for _ in 0..LOOKS {
            match self.campaign(id).await {
                Ok(_) => tokio::time::sleep(LOOK_EVERY).await,
                Err(error) if error.is_not_found() => return Ok(before),
                Err(other) => return Err(other),
            }
        }
        Err(ClientError::StillPending)
    }

    /// Lists a campaign's URLs.
    pub async fn urls(&self, campaign: CampaignId) -> Result<Vec<Url>, ClientError> {
        self.get(&format!("/v1/campaigns/{campaign}/urls")).await
    }

    /// Adds a URL to a campaign.
    pub async fn add_url(&self, campaign: CampaignId, patch: &UrlPatch) -> Result<Url, ClientError> {
        self.ask(Method::POST, &format!("/v1/campaigns/{campaign}/urls"), Some(patch)).await
    }

    /// Changes a URL.
    pub async fn patch_url(&self, id: UrlId, patch: &UrlPatch) -> Result<Url, ClientError> {
        self.ask(Method::PATCH, &format!("/v1/urls/{id}"), Some(patch)).await
    }

    /// Removes a URL and returns its last row.
    pub async fn remove_url(&self, id: UrlId) -> Result<Url, ClientError> {
        self.ask(Method::DELETE, &format!("/v1/urls/{id}"), None::<()>).await
    }

    /// Sends a request that needs the database alone. If it takes 25 seconds, its effect is unknown.
    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<impl Serialize>,
    ) -> Result<T, ClientError> {
        effect(self.send(method, path, body).await?)
    }
}
