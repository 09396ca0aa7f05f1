//! The changes that operators make to the tables `campaigns` and `urls`.

use actix::prelude::*;

use super::{DatabaseActor, DatabaseHandle};
use crate::actors::answers::{Answer, send_reply};
use crate::control::{AddUrl, ChangeUrl, Refusal, Url, UrlOrder, UrlPatch};
use crate::domain::ids::{CampaignId, UrlId};
use crate::store::{CampaignChange, CampaignColumns, StoreError, UrlColumns, UrlRow};

/// Adds, changes or removes a row of `campaigns`.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Answer<CampaignChange>")]
pub enum WriteCampaign {
    /// Adds a row, with its first URL if there is one.
    Add(CampaignColumns, Option<UrlColumns>),
    /// Changes these columns of one row.
    Change(CampaignId, CampaignColumns),
    /// Removes one row.
    Remove(CampaignId),
}

/// Carries out an order about the table `urls`. The reply slot of the order is answered when the change is stored.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CarryOutUrls(pub UrlOrder);

impl Handler<WriteCampaign> for DatabaseActor {
    type Result = ResponseFuture<Answer<CampaignChange>>;

    fn handle(&mut self, write: WriteCampaign, _: &mut Self::Context) -> Self::Result {
        let database = self.database();
        Box::pin(async move {
            let result = match write {
                WriteCampaign::Add(columns, url) => database.store.add_campaign(columns, url, database.now()).await,
                WriteCampaign::Change(id, columns) => database.store.change_campaign(id, columns, database.now()).await,
                WriteCampaign::Remove(id) => database.store.remove_campaign(id).await,
            };
            database.written(result)
        })
    }
}

impl Handler<CarryOutUrls> for DatabaseActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, CarryOutUrls(order): CarryOutUrls, _: &mut Self::Context) -> Self::Result {
        let database = self.database();
        Box::pin(async move {
            match order {
                UrlOrder::List(ask) => send_reply(ask.reply, database.urls(ask.question).await),
                UrlOrder::Add(ask) => send_reply(ask.reply, database.add_url(ask.question).await),
                UrlOrder::Change(ask) => send_reply(ask.reply, database.change_url(ask.question).await),
                UrlOrder::Remove(ask) => send_reply(ask.reply, database.remove_url(ask.question).await),
            }
        })
    }
}

impl DatabaseHandle {
    async fn urls(&self, campaign: CampaignId) -> Result<Vec<Url>, Refusal> {
        let rows = self.read(self.store.urls(campaign).await).map_err(Refusal::NotRead)?;
        let rows = rows.ok_or(Refusal::UnknownCampaign(campaign))?;
        Ok(rows.into_iter().map(shown).collect())
    }

    async fn add_url(&self, AddUrl { campaign, patch }: AddUrl) -> Result<Url, Refusal> {
        let added = self.store.add_url(campaign, url_columns(&patch), self.now()).await;
        self.found(added, Refusal::UnknownCampaign(campaign)).map(shown)
    }

    async fn change_url(&self, ChangeUrl { url, patch }: ChangeUrl) -> Result<Url, Refusal> {
        if let Some(campaign) = patch.campaign_id {
            let row =
                self.read(self.store.url(url).await).map_err(Refusal::NotRead)?.ok_or(Refusal::UnknownUrl(url))?;
            if row.campaign_id != campaign {
                let problem =
                    format!("a URL cannot move to another campaign: this one belongs to campaign {}", row.campaign_id);
                return Err(Refusal::BadField { field: "campaign_id", problem });
            }
        }
        let changed = self.store.change_url(url, url_columns(&patch), self.now()).await;
        self.found(changed, Refusal::UnknownUrl(url)).map(shown)
    }

    async fn remove_url(&self, url: UrlId) -> Result<Url, Refusal> {
        self.found(self.store.remove_url(url).await, Refusal::UnknownUrl(url)).map(shown)
    }

    /// Returns the row that was written; `missing` if there is no such row.
    fn found<T>(&self, result: Result<Option<T>, StoreError>, missing: Refusal) -> Result<T, Refusal> {
        self.written(result).map_err(Refusal::NotStored)?.ok_or(missing)
    }
}

/// Returns the columns that a change of a URL writes.
pub(in crate::actors) fn url_columns(patch: &UrlPatch) -> UrlColumns {
    UrlColumns {
        name: patch.name.clone(),
        target_url: patch.target_url.clone(),
        click_limit: patch.click_limit.map(|count| count.get()),
        clicks: patch.clicks.map(|count| count.get()),
        status: patch.status.map(|status| status.as_str().to_owned()),
    }
}

fn shown(row: UrlRow) -> Url {
    let UrlRow { id, campaign_id, name, target_url, click_limit, clicks, status } = row;
    Url { id, campaign_id, name, target_url, click_limit, clicks, status }
}
