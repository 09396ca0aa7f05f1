//! Managing campaigns and URLs.

use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Client, ClientError, LOOK_EVERY, LOOKS, read};
use crate::control::{Campaign, CampaignPatch, Url, UrlPatch};
use crate::domain::ids::{CampaignId, UrlId};

impl Client {
    /// Every campaign's row.
    ///
    /// # Errors
    /// No supervisor, a broken connection, an unreadable answer, or a database that does not answer.
    pub async fn campaigns(&self) -> Result<Vec<Campaign>, ClientError> {
        self.get("/v1/campaigns").await
    }

    /// One campaign's row.
    ///
    /// # Errors
    /// As [`Client::campaigns`], and an unknown campaign.
    pub async fn campaign(&self, id: CampaignId) -> Result<Campaign, ClientError> {
        self.get(&format!("/v1/campaigns/{id}")).await
    }

    /// Adds a campaign; returns when it is guarded, if it is to be.
    ///
    /// # Errors
    /// As [`Client::campaigns`], and whatever the supervisor refuses.
    pub async fn add_campaign(&self, patch: &CampaignPatch) -> Result<Campaign, ClientError> {
        self.ask(Method::POST, "/v1/campaigns", Some(patch)).await
    }

    /// Changes a campaign's row, its generator included; returns when that has come about, however long it takes.
    ///
    /// # Errors
    /// As [`Client::campaign`], and whatever the supervisor refuses.
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

    /// Removes a campaign, and answers what it was; with `pause` it is paused first. Returns when it is gone, however long
    /// that takes.
    ///
    /// # Errors
    /// As [`Client::campaign`], and whatever the supervisor refuses.
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
                Err(ClientError::Refused(problem)) if problem.status == StatusCode::NOT_FOUND => return Ok(before),
                Err(other) => return Err(other),
            }
        }
        Err(ClientError::StillPending)
    }

    /// A campaign's URLs.
    ///
    /// # Errors
    /// As [`Client::campaign`].
    pub async fn urls(&self, campaign: CampaignId) -> Result<Vec<Url>, ClientError> {
        self.get(&format!("/v1/campaigns/{campaign}/urls")).await
    }

    /// Adds a URL to a campaign.
    ///
    /// # Errors
    /// As [`Client::campaign`], and whatever the supervisor refuses.
    pub async fn add_url(&self, campaign: CampaignId, patch: &UrlPatch) -> Result<Url, ClientError> {
        self.ask(Method::POST, &format!("/v1/campaigns/{campaign}/urls"), Some(patch)).await
    }

    /// Changes a URL.
    ///
    /// # Errors
    /// As [`Client::campaigns`], an unknown URL, and whatever the supervisor refuses.
    pub async fn patch_url(&self, id: UrlId, patch: &UrlPatch) -> Result<Url, ClientError> {
        self.ask(Method::PATCH, &format!("/v1/urls/{id}"), Some(patch)).await
    }

    /// Removes a URL, and answers what it was.
    ///
    /// # Errors
    /// As [`Client::campaigns`], and an unknown URL.
    pub async fn remove_url(&self, id: UrlId) -> Result<Url, ClientError> {
        self.ask(Method::DELETE, &format!("/v1/urls/{id}"), None::<()>).await
    }

    /// What the database alone has to answer takes no 25 seconds, or is not known to have come about.
    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<impl Serialize>,
    ) -> Result<T, ClientError> {
        match self.send(method, path, body).await? {
            (StatusCode::ACCEPTED, _) => Err(ClientError::StillPending),
            (_, body) => read(&body),
        }
    }
}
