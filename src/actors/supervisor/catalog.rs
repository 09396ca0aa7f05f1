//! Operators' changes of the table `campaigns`: each is checked, carried out step by step, and answered when the actors are
//! as the rows say.
//!
//! A campaign whose row is to go, or to be linked to another campaign at TrafficStars, is let go first, as a disable does
//! it: after a crash in between it is disabled, and nothing else is lost.

use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;

use super::{RowsPort, Supervisor, SyncNow};
use crate::actors::database::{CarryOutUrls, ReadRows, WriteCampaign, url_columns};
use crate::control::{
    Ask, Campaign, CampaignOrder, CampaignPatch, ChangeCampaign, Count, Refusal, RemoveCampaign, UrlOrder, UrlStatus,
};
use crate::domain::ids::CampaignId;
use crate::domain::money::{Clicks, Money};
use crate::domain::policy::Policy;
use crate::store::{CampaignChange, CampaignColumns, CampaignRow};

/// How a campaign is let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DisableMode {
    /// Whether it runs or not.
    AsItIs,
    /// Paused first.
    Paused,
    /// Only if it is seen stopped.
    Stopped,
    /// Unless it is seen that it may run.
    NotRunning,
}

impl DisableMode {
    /// How a generator is disabled.
    pub(super) const fn ordered(pause: bool, leave_running: bool) -> Self {
        match (pause, leave_running) {
            (true, _) => Self::Paused,
            (false, true) => Self::AsItIs,
            (false, false) => Self::NotRunning,
        }
    }
}

/// Guards a campaign no more; answered after the effect.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Campaign, Refusal>")]
struct DisableCampaign {
    campaign: CampaignId,
    leave: DisableMode,
}

/// Answered with the campaign as it stands, if it stands as was stored.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Campaign, Refusal>")]
struct ShowInEffect {
    campaign: CampaignId,
    enabled: bool,
}

impl Supervisor {
    /// Carries one order about the table out; others go on meanwhile.
    pub(super) fn manage(&self, ctx: &mut Context<Self>, order: CampaignOrder) {
        let catalog = Catalog { supervisor: ctx.address(), rows: self.rows.clone(), defaults: self.defaults.clone() };
        let work = async move {
            // Whoever asked may be gone.
            match order {
                CampaignOrder::List(Ask { question: (), reply }) => drop(reply.send(catalog.list().await)),
                CampaignOrder::Show(Ask { question, reply }) => drop(reply.send(catalog.show(question).await)),
                CampaignOrder::Add(Ask { question, reply }) => drop(reply.send(catalog.add(&question).await)),
                CampaignOrder::Change(Ask { question, reply }) => drop(reply.send(catalog.change(question).await)),
                CampaignOrder::Remove(Ask { question, reply }) => drop(reply.send(catalog.remove(question).await)),
            }
        };
        ctx.spawn(work.into_actor(self));
    }
}

impl Handler<DisableCampaign> for Supervisor {
    type Result = ResponseFuture<Result<Campaign, Refusal>>;

    fn handle(
        &mut self,
        DisableCampaign { campaign, leave }: DisableCampaign,
        ctx: &mut Self::Context,
    ) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        self.disable(ctx, campaign, leave, reply);
        Box::pin(async move { answer.await.unwrap_or(Err(Refusal::Stopping)) })
    }
}

impl Handler<ShowInEffect> for Supervisor {
    type Result = Result<Campaign, Refusal>;

    fn handle(&mut self, ShowInEffect { campaign, enabled }: ShowInEffect, _: &mut Self::Context) -> Self::Result {
        self.campaign(campaign, enabled)
    }
}

/// What carrying an order out takes. It works on the supervisor from outside, one message after the other.
struct Catalog {
    supervisor: Addr<Supervisor>,
    rows: RowsPort,
    defaults: Policy,
}

impl Catalog {
    async fn list(&self) -> Result<Vec<Campaign>, Refusal> {
        Ok(self.read().await?.iter().map(shown).collect())
    }

    async fn show(&self, id: CampaignId) -> Result<Campaign, Refusal> {
        self.read().await?.iter().find(|row| row.id == id).map(shown).ok_or(Refusal::UnknownCampaign(id))
    }

    async fn add(&self, patch: &CampaignPatch) -> Result<Campaign, Refusal> {
        check_thresholds(patch, None, &self.defaults)?;
        let has_url = patch.url.as_ref().is_some_and(|url| url.status.is_none_or(|status| status == UrlStatus::Active));
        if patch.generator_enabled == Some(true) && !has_url && !patch.anyway {
            return Err(Refusal::NotNow(without_urls("add one with it (--url … --click-limit …)")));
        }
        match self.write(WriteCampaign::Add(columns(patch), patch.url.as_ref().map(url_columns))).await? {
            CampaignChange::Done(row) => self.in_effect(&row).await,
            CampaignChange::Taken => Err(self.taken(patch, None).await),
            CampaignChange::Missing => Err(Refusal::Failed("the new row was not answered".to_owned())),
        }
    }

    async fn change(&self, ChangeCampaign { campaign: id, patch }: ChangeCampaign) -> Result<Campaign, Refusal> {
        let rows = self.read().await?;
        let row = rows.iter().find(|row| row.id == id).ok_or(Refusal::UnknownCampaign(id))?;
        check_thresholds(&patch, Some(row), &self.defaults)?;
        if let Some(refusal) = taken_by(&rows, &patch, Some(id)) {
            return Err(refusal);
        }
        let begins = patch.generator_enabled == Some(true) && !row.generator_enabled;
        if begins
            && !patch.anyway
            && let Some(refusal) = refusal_without_urls(self.rows.carry_out_urls.clone(), id).await
        {
            return Err(refusal);
        }
        let relinks = patch.trafficstar_id.is_some_and(|remote| remote != row.trafficstar_id);
        let ends = patch.generator_enabled == Some(false);
        let leave = match (patch.pause, relinks) {
            (true, true) => DisableMode::Paused,
            (_, false) if ends => DisableMode::ordered(patch.pause, patch.leave_running),
            (true, false) => {
                let problem = "goes with \"generator_enabled\": false or another trafficstar_id alone".to_owned();
                return Err(Refusal::BadField { field: "pause", problem });
            }
            // It is a removal and an addition.
            (false, true) => DisableMode::Stopped,
            (false, false) => DisableMode::AsItIs,
        };
        let lets_go = (relinks || ends) && (row.generator_enabled || patch.pause);
        if lets_go {
            self.ask(DisableCampaign { campaign: id, leave }).await??;
        }
        let guarded = lets_go.then_some(row.generator_enabled);
        let columns = CampaignColumns { generator_enabled: patch.generator_enabled.or(guarded), ..columns(&patch) };
        let changed = self.write(WriteCampaign::Change(id, columns)).await;
        if !matches!(changed, Ok(CampaignChange::Done(_))) && guarded == Some(true) && !ends {
            self.guard_again(id).await;
        }
        match changed? {
            CampaignChange::Done(row) => self.in_effect(&row).await,
            CampaignChange::Missing => Err(Refusal::UnknownCampaign(id)),
            CampaignChange::Taken => Err(self.taken(&patch, Some(id)).await),
        }
    }

    async fn remove(&self, RemoveCampaign { campaign: id, pause }: RemoveCampaign) -> Result<Campaign, Refusal> {
        let was = self.show(id).await?;
        if was.generator_enabled || pause {
            let leave = if pause { DisableMode::Paused } else { DisableMode::Stopped };
            self.ask(DisableCampaign { campaign: id, leave }).await??;
        }
        match self.write(WriteCampaign::Remove(id)).await? {
            CampaignChange::Done(_) => {}
            CampaignChange::Missing | CampaignChange::Taken => return Err(Refusal::UnknownCampaign(id)),
        }
        // The row is gone, whatever the sync says.
        drop(self.ask(SyncNow).await?);
        Ok(was)
    }

    /// It was let go for a change that then could not be stored.
    async fn guard_again(&self, id: CampaignId) {
        let columns = CampaignColumns { generator_enabled: Some(true), ..CampaignColumns::default() };
        let guarded = self.write(WriteCampaign::Change(id, columns)).await;
        if !matches!(guarded, Ok(CampaignChange::Done(_))) {
            tracing::error!(campaign = %id, ?guarded, "it was to be linked to another TrafficStars campaign, and is disabled now: enable it");
        }
        // The refusal of the change is what is answered.
        let _ = self.ask(SyncNow).await;
    }

    async fn in_effect(&self, row: &CampaignRow) -> Result<Campaign, Refusal> {
        self.ask(SyncNow).await?.map_err(Refusal::NotInEffect)?;
        self.ask(ShowInEffect { campaign: row.id, enabled: row.generator_enabled }).await?
    }

    /// Another row came first: which one?
    async fn taken(&self, patch: &CampaignPatch, id: Option<CampaignId>) -> Refusal {
        match self.read().await {
            Ok(rows) => taken_by(&rows, patch, id)
                .unwrap_or_else(|| Refusal::Taken("another campaign had this trafficstar_id: try again".to_owned())),
            Err(refusal) => refusal,
        }
    }

    async fn read(&self) -> Result<Vec<CampaignRow>, Refusal> {
        let answer = self.rows.read_rows.send(ReadRows).await.map_err(|_| Refusal::Stopping)?;
        answer.map(|rows| rows.campaigns).map_err(Refusal::NotRead)
    }

    async fn write(&self, write: WriteCampaign) -> Result<CampaignChange, Refusal> {
        let answer = self.rows.write_campaign.send(write).await.map_err(|_| Refusal::Stopping)?;
        answer.map_err(Refusal::NotStored)
    }

    async fn ask<M>(&self, message: M) -> Result<M::Result, Refusal>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        Supervisor: Handler<M>,
    {
        self.supervisor.send(message).await.map_err(|_| Refusal::Stopping)
    }
}

/// Why a campaign is not guarded that has no active URL. Where that cannot be told, nothing is refused: the change is the
/// database's to refuse.
pub(super) async fn refusal_without_urls(urls: Recipient<CarryOutUrls>, id: CampaignId) -> Option<Refusal> {
    let (reply, answer) = oneshot::channel();
    urls.send(CarryOutUrls(UrlOrder::List(Ask { question: id, reply }))).await.ok()?;
    let has_one = answer.await.ok()?.ok()?.iter().any(|url| url.status == UrlStatus::Active.as_str());
    (!has_one).then(|| Refusal::NotNow(without_urls(&format!("add one first (traffic-generator url add {id} …)"))))
}

fn without_urls(remedy: &str) -> String {
    format!("it has no active URLs and would be paused at once: {remedy}, or give --anyway")
}

fn taken_by(rows: &[CampaignRow], patch: &CampaignPatch, id: Option<CampaignId>) -> Option<Refusal> {
    let remote = patch.trafficstar_id?;
    let other = rows.iter().find(|row| row.trafficstar_id == remote && Some(row.id) != id)?;
    Some(Refusal::Taken(format!("trafficstar_id {remote} belongs to campaign {} ({}) already", other.id, other.name)))
}

/// A change of one threshold must fit the other one, wherever that comes from.
fn check_thresholds(patch: &CampaignPatch, row: Option<&CampaignRow>, defaults: &Policy) -> Result<(), Refusal> {
    type Given = Option<Option<Count>>;
    let result = |given: Given, stored: Option<i64>, default: Clicks| match given
        .map_or(stored, |given| given.map(Count::get))
    {
        Some(own) => (i128::from(own), ""),
        None => (i128::from(default.0), ", the config's default"),
    };
    let field = match (patch.activate_clicks, patch.pause_clicks) {
        (Some(_), _) => "activate_clicks",
        (None, Some(_)) => "pause_clicks",
        (None, None) => return Ok(()),
    };
    let (activate, activate_from) =
        result(patch.activate_clicks, row.and_then(|row| row.activate_clicks), defaults.activate_clicks);
    let (pause, pause_from) = result(patch.pause_clicks, row.and_then(|row| row.pause_clicks), defaults.pause_clicks);
    if activate > pause {
        return Ok(());
    }
    let problem =
        format!("activate_clicks ({activate}{activate_from}) must be above pause_clicks ({pause}{pause_from})");
    Err(Refusal::BadField { field, problem })
}

fn columns(patch: &CampaignPatch) -> CampaignColumns {
    CampaignColumns {
        name: patch.name.clone(),
        trafficstar_id: patch.trafficstar_id.map(|id| id.0),
        generator_enabled: patch.generator_enabled,
        mode: patch.mode.map(|mode| mode.map(|mode| mode.as_str().to_owned())),
        spend_limit_micros: patch.spend_limit.map(|limit| limit.map(|limit| limit.get().micros())),
        activate_clicks: patch.activate_clicks.map(|clicks| clicks.map(Count::get)),
        pause_clicks: patch.pause_clicks.map(|clicks| clicks.map(Count::get)),
        cooldown_seconds: patch.cooldown.map(|cooldown| cooldown.map(|cooldown| cooldown.seconds().into())),
        high_spend: patch.high_spend.map(|policy| policy.map(|policy| policy.as_str().to_owned())),
        price_per_thousand_micros: patch.price_per_thousand.map(|price| price.map(Money::micros)),
        implausible_clicks: patch.implausible_clicks.map(|clicks| clicks.map(Count::get)),
    }
}

/// A row as operators see it. What makes no sense in it is shown, too.
pub(in crate::actors) fn shown(row: &CampaignRow) -> Campaign {
    let money = |micros: i64| match Money::from_micros(micros) {
        Some(amount) => amount.to_string(),
        None => format!("{micros} millionths"),
    };
    let cooldown = |seconds: i64| match u64::try_from(seconds) {
        Ok(seconds) => humantime::format_duration(Duration::from_secs(seconds)).to_string(),
        Err(_) => format!("{seconds}s"),
    };
    Campaign {
        id: row.id,
        name: row.name.clone(),
        trafficstar_id: row.trafficstar_id,
        generator_enabled: row.generator_enabled,
        mode: row.mode.clone(),
        spend_limit: row.spend_limit_micros.map(money),
        activate_clicks: row.activate_clicks,
        pause_clicks: row.pause_clicks,
        cooldown: row.cooldown_seconds.map(cooldown),
        high_spend: row.high_spend.clone(),
        price_per_thousand: row.price_per_thousand_micros.map(money),
        implausible_clicks: row.implausible_clicks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::RemoteId;
    use crate::domain::policy::PolicyNumbers;

    fn row(activate_clicks: Option<i64>, pause_clicks: Option<i64>) -> CampaignRow {
        CampaignRow {
            id: CampaignId(1),
            name: "shoes".to_owned(),
            trafficstar_id: RemoteId(7),
            generator_enabled: false,
            mode: None,
            spend_limit_micros: None,
            activate_clicks,
            pause_clicks,
            cooldown_seconds: None,
            high_spend: None,
            price_per_thousand_micros: None,
            implausible_clicks: None,
        }
    }

    #[test]
    fn thresholds_go_together_wherever_each_comes_from() {
        let own = |number: i64| Some(Some(number.to_string().parse().unwrap()));
        let cleared = Some(None);
        // The defaults are 15,000 and 5,000.
        let cases = [
            (own(5_001), None, None, None, None),
            (own(5_000), None, None, None, Some("activate_clicks")),
            (None, own(14_999), None, None, None),
            (None, own(15_000), None, None, Some("pause_clicks")),
            (own(10), own(9), None, None, None),
            (own(10), own(10), None, None, Some("activate_clicks")),
            (own(10), None, None, Some(9), None),
            (own(10), None, None, Some(10), Some("activate_clicks")),
            (None, cleared, Some(5_000), Some(1), Some("pause_clicks")),
            (cleared, None, Some(30_000), Some(20_000), Some("activate_clicks")),
            (cleared, cleared, Some(1), Some(2), None),
            // A row that makes no sense already can still be renamed.
            (None, None, Some(1), Some(2), None),
            (own(i64::MAX), own(i64::MAX), None, None, Some("activate_clicks")),
        ];
        let defaults = PolicyNumbers::default().validate().unwrap();
        for (activate_clicks, pause_clicks, stored_activate, stored_pause, wrong) in cases {
            let patch = CampaignPatch { activate_clicks, pause_clicks, ..CampaignPatch::default() };
            let refusal = check_thresholds(&patch, Some(&row(stored_activate, stored_pause)), &defaults).err();
            let field = if let Some(Refusal::BadField { field, .. }) = &refusal { Some(*field) } else { None };
            assert_eq!(
                (field, refusal.is_some()),
                (wrong, wrong.is_some()),
                "{patch:?}, stored {stored_activate:?} and {stored_pause:?}: {refusal:?}"
            );
        }
    }

    #[test]
    fn what_somebody_else_wrote_is_shown_as_it_is() {
        let shown = shown(&CampaignRow {
            mode: Some("watch".to_owned()),
            spend_limit_micros: Some(-5),
            cooldown_seconds: Some(-90),
            price_per_thousand_micros: Some(1_234_567),
            ..row(Some(-1), None)
        });
        assert_eq!(shown.mode.as_deref(), Some("watch"));
        assert_eq!(shown.spend_limit.as_deref(), Some("-5 millionths"));
        assert_eq!(shown.cooldown.as_deref(), Some("-90s"));
        assert_eq!(shown.price_per_thousand.as_deref(), Some("1.234567"));
        assert_eq!((shown.activate_clicks, shown.pause_clicks), (Some(-1), None));
    }
}
