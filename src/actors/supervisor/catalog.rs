//! Operators' changes of the table `campaigns`. Each change is checked and carried out step by step. It is answered
//! when the actors match the rows.
//!
//! Before a row is removed, or linked to another campaign at TrafficStars, its generator is disabled. After a crash in
//! between, the generator is disabled, and nothing else is lost.

use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;

use super::super::answers::send_reply;
use super::{RowsPort, Supervisor, SyncNow};
use crate::actors::database::{CarryOutUrls, ReadRows, WriteCampaign, url_columns};
use crate::control::{
    Ask, Campaign, CampaignOrder, CampaignPatch, ChangeCampaign, Count, Refusal, RemoveCampaign, SpendLimit, UrlOrder,
    UrlStatus,
};
use crate::domain::ids::CampaignId;
use crate::domain::money::{Clicks, Money};
use crate::domain::policy::{HighSpend, Policy, PolicyError, PolicyNumbers};
use crate::domain::text::cut;
use crate::store::{CampaignChange, CampaignColumns, CampaignRow};

/// The treatment of a campaign that may run when its generator is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DisableMode {
    /// Leaves the campaign as it is.
    LeaveAsItIs,
    /// Pauses the campaign first.
    PauseFirst,
    /// Is refused unless the campaign is seen stopped.
    OnlyIfStopped,
    /// Is refused if the campaign may run.
    UnlessItMayRun,
}

impl DisableMode {
    /// Returns the mode of an order with these two flags.
    pub(super) const fn ordered(pause: bool, leave_running: bool) -> Self {
        match (pause, leave_running) {
            (true, _) => Self::PauseFirst,
            (false, true) => Self::LeaveAsItIs,
            (false, false) => Self::UnlessItMayRun,
        }
    }
}

/// Disables a campaign's generator. The supervisor answers when that has taken effect.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Campaign, Refusal>")]
struct DisableCampaign {
    campaign: CampaignId,
    mode: DisableMode,
}

/// Asks for the campaign. The supervisor answers with a refusal if the row or the actor differs from `enabled`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Campaign, Refusal>")]
struct ShowInEffect {
    campaign: CampaignId,
    enabled: bool,
}

impl Supervisor {
    /// Carries out one order about the table. The supervisor handles other messages meanwhile.
    pub(super) fn carry_out_campaign_order(&self, ctx: &mut Context<Self>, order: CampaignOrder) {
        let catalog = Catalog { supervisor: ctx.address(), rows: self.rows.clone(), defaults: self.defaults.clone() };
        let work = async move {
            match order {
                CampaignOrder::List(Ask { question: (), reply }) => send_reply(reply, catalog.list().await),
                CampaignOrder::Show(Ask { question, reply }) => send_reply(reply, catalog.show(question).await),
                CampaignOrder::Add(Ask { question, reply }) => send_reply(reply, catalog.add(&question).await),
                CampaignOrder::Change(Ask { question, reply }) => send_reply(reply, catalog.change(question).await),
                CampaignOrder::Remove(Ask { question, reply }) => send_reply(reply, catalog.remove(question).await),
            }
        };
        ctx.spawn(work.into_actor(self));
    }
}

impl Handler<DisableCampaign> for Supervisor {
    type Result = ResponseFuture<Result<Campaign, Refusal>>;

    fn handle(&mut self, DisableCampaign { campaign, mode }: DisableCampaign, ctx: &mut Self::Context) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        self.disable(ctx, campaign, mode, reply);
        Box::pin(async move { answer.await.unwrap_or(Err(Refusal::Stopping)) })
    }
}

impl Handler<ShowInEffect> for Supervisor {
    type Result = Result<Campaign, Refusal>;

    fn handle(&mut self, ShowInEffect { campaign, enabled }: ShowInEffect, _: &mut Self::Context) -> Self::Result {
        self.campaign(campaign, enabled)
    }
}

/// Carries out one order about the table. It runs beside the supervisor, and sends it one message after the other.
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
        check_group(patch, &self.defaults)?;
        check_thresholds(patch, None, &self.defaults)?;
        let has_url = patch.url.as_ref().is_some_and(|url| url.status.is_none_or(|status| status == UrlStatus::Active));
        if patch.generator_enabled == Some(true) && !has_url && !patch.anyway {
            return Err(Refusal::NotNow(without_urls("add one together with the campaign (--url … --click-limit …)")));
        }
        match self.write(WriteCampaign::Add(columns(patch), patch.url.as_ref().map(url_columns))).await? {
            CampaignChange::Done(row) => self.in_effect(&row).await,
            CampaignChange::Taken => Err(self.taken(patch, None).await),
            CampaignChange::Missing => Err(Refusal::Failed("the database did not return the new row".to_owned())),
        }
    }

    async fn change(&self, ChangeCampaign { campaign: id, patch }: ChangeCampaign) -> Result<Campaign, Refusal> {
        let rows = self.read().await?;
        let row = rows.iter().find(|row| row.id == id).ok_or(Refusal::UnknownCampaign(id))?;
        check_group(&patch, &self.defaults)?;
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
        let mode = match (patch.pause, relinks) {
            (true, true) => DisableMode::PauseFirst,
            (_, false) if ends => DisableMode::ordered(patch.pause, patch.leave_running),
            (true, false) => {
                let problem = "only with \"generator_enabled\": false or another trafficstar_id".to_owned();
                return Err(Refusal::BadField { field: "pause", problem });
            }
            // Another trafficstar_id counts as a removal and an addition.
            (false, true) => DisableMode::OnlyIfStopped,
            (false, false) => DisableMode::LeaveAsItIs,
        };
        let disables = (relinks || ends) && (row.generator_enabled || patch.pause);
        if disables {
            self.ask(DisableCampaign { campaign: id, mode }).await??;
        }
        let guarded = disables.then_some(row.generator_enabled);
        let columns = CampaignColumns { generator_enabled: patch.generator_enabled.or(guarded), ..columns(&patch) };
        let changed = self.write(WriteCampaign::Change(id, columns)).await;
        if !matches!(changed, Ok(CampaignChange::Done(_))) && guarded == Some(true) && !ends {
            self.enable_again(id).await;
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
            let mode = if pause { DisableMode::PauseFirst } else { DisableMode::OnlyIfStopped };
            self.ask(DisableCampaign { campaign: id, mode }).await??;
        }
        match self.write(WriteCampaign::Remove(id)).await? {
            CampaignChange::Done(_) => {}
            CampaignChange::Missing | CampaignChange::Taken => return Err(Refusal::UnknownCampaign(id)),
        }
        // The row is removed, even if the sync fails.
        drop(self.ask(SyncNow).await?);
        Ok(was)
    }

    /// Enables a generator that was disabled for a change which then could not be stored.
    async fn enable_again(&self, id: CampaignId) {
        let columns = CampaignColumns { generator_enabled: Some(true), ..CampaignColumns::default() };
        let enabled = self.write(WriteCampaign::Change(id, columns)).await;
        if !matches!(enabled, Ok(CampaignChange::Done(_))) {
            tracing::error!(
                campaign = %id,
                ?enabled,
                "the trafficstar_id could not be changed, and the generator is disabled now: enable it"
            );
        }
        // The caller answers with the refusal of the change.
        let _ = self.ask(SyncNow).await;
    }

    /// Waits until the actors match the row, and returns the campaign.
    async fn in_effect(&self, row: &CampaignRow) -> Result<Campaign, Refusal> {
        self.ask(SyncNow).await?.map_err(Refusal::NotInEffect)?;
        self.ask(ShowInEffect { campaign: row.id, enabled: row.generator_enabled }).await?
    }

    /// Returns the refusal of a `trafficstar_id` that another row has.
    async fn taken(&self, patch: &CampaignPatch, id: Option<CampaignId>) -> Refusal {
        match self.read().await {
            Ok(rows) => taken_by(&rows, patch, id).unwrap_or_else(|| {
                Refusal::Taken("another campaign had this trafficstar_id a moment ago: try again".to_owned())
            }),
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

/// Returns the refusal to enable a campaign without an active URL. If the URLs cannot be read, it returns `None`: the
/// database will refuse the change itself.
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
    Some(Refusal::Taken(format!("trafficstar_id {remote} already belongs to campaign {} ({})", other.id, other.name)))
}

/// The change of a number in a patch: `None` leaves it, `Some(None)` returns to the default.
type Given = Option<Option<Count>>;

/// Checks that the config has the group.
fn check_group(patch: &CampaignPatch, defaults: &Policy) -> Result<(), Refusal> {
    let Some(Some(name)) = &patch.group_name else { return Ok(()) };
    if defaults.groups.iter().any(|group| group.name == *name) {
        return Ok(());
    }
    let names: Vec<&str> = defaults.groups.iter().map(|group| group.name.as_str()).collect();
    let known =
        if names.is_empty() { "it has none".to_owned() } else { format!("its groups are {}", names.join(", ")) };
    let problem = format!("{:?} is no group of the config: {known}; add it there as [[groups]]", cut(name));
    Err(Refusal::BadField { field: "group_name", problem })
}

/// Checks that `activate_clicks` stays above `pause_clicks`. Each may come from the patch, the row or the config.
fn check_thresholds(patch: &CampaignPatch, row: Option<&CampaignRow>, defaults: &Policy) -> Result<(), Refusal> {
    let result = |given: Given, stored: Option<i64>, default: Clicks| match given
        .map_or(stored, |given| given.map(Count::get))
    {
        Some(own) => (i128::from(own), ""),
        None => (i128::from(default.0), ", the config's default"),
    };
    let field = match (patch.activate_clicks, patch.pause_clicks) {
        (Some(_), _) => "activate_clicks",
        (None, Some(_)) => "pause_clicks",
        (None, None) => return check_other_thresholds(patch, row, defaults),
    };
    let (activate, activate_from) =
        result(patch.activate_clicks, row.and_then(|row| row.activate_clicks), defaults.activate_clicks);
    let (pause, pause_from) = result(patch.pause_clicks, row.and_then(|row| row.pause_clicks), defaults.pause_clicks);
    if activate > pause {
        return check_other_thresholds(patch, row, defaults);
    }
    let problem =
        format!("activate_clicks ({activate}{activate_from}) must be above pause_clicks ({pause}{pause_from})");
    Err(Refusal::BadField { field, problem })
}

/// Checks the thresholds and amounts from the spend limit on, and `implausible_clicks`, by the rules of the policy itself.
fn check_other_thresholds(patch: &CampaignPatch, row: Option<&CampaignRow>, defaults: &Policy) -> Result<(), Refusal> {
    let given = [
        ("high_activate_clicks", patch.high_activate_clicks.is_some()),
        ("high_pause_clicks", patch.high_pause_clicks.is_some()),
        ("top_up_ceiling", patch.top_up_ceiling.is_some()),
        ("daily_budget", patch.daily_budget.is_some()),
        ("high_spend", patch.high_spend.is_some()),
        ("group_name", patch.group_name.is_some()),
        ("implausible_clicks", patch.implausible_clicks.is_some()),
        ("activate_clicks", patch.activate_clicks.is_some()),
        ("pause_clicks", patch.pause_clicks.is_some()),
        ("spend_limit", patch.spend_limit.is_some()),
    ];
    let Some((field, _)) = given.into_iter().find(|(_, is_given)| *is_given) else { return Ok(()) };
    let own = |given: Given, column: fn(&CampaignRow) -> Option<i64>| {
        let number = given.map_or(row.and_then(column), |given| given.map(Count::get));
        number.and_then(|clicks| u64::try_from(clicks).ok()).map(Clicks)
    };
    let amount = |given: Option<Option<Money>>, column: fn(&CampaignRow) -> Option<i64>| {
        given.unwrap_or_else(|| row.and_then(column).and_then(Money::from_micros))
    };
    let spend_limit = patch.spend_limit.map(|limit| limit.map(SpendLimit::get));
    let stored = row.and_then(|row| row.high_spend.as_deref()?.parse().ok());
    let name = patch.group_name.clone().unwrap_or_else(|| row.and_then(|row| row.group_name.clone()));
    let group = defaults.groups.iter().find(|group| name.as_ref() == Some(&group.name));
    let of_group = group.and_then(|group| group.high_spend);
    let high_spend = patch.high_spend.unwrap_or(stored).or(of_group).unwrap_or(defaults.high_spend);
    // Numbers that are only for the policies `guard` and `top-up` are checked as soon as they are given.
    let is_high_given = patch.high_activate_clicks.is_some() || patch.high_pause_clicks.is_some();
    let is_amount_given = patch.top_up_ceiling.is_some() || patch.daily_budget.is_some();
    let high_spend = match (is_amount_given, is_high_given) {
        (true, _) => HighSpend::TopUp,
        (false, true) if high_spend != HighSpend::TopUp => HighSpend::Guard,
        (false, _) => high_spend,
    };
    let numbers = PolicyNumbers {
        activate_clicks: own(patch.activate_clicks, |row| row.activate_clicks).unwrap_or(defaults.activate_clicks),
        pause_clicks: own(patch.pause_clicks, |row| row.pause_clicks).unwrap_or(defaults.pause_clicks),
        high_activate_clicks: own(patch.high_activate_clicks, |row| row.high_activate_clicks)
            .or(defaults.high_activate_clicks),
        high_pause_clicks: own(patch.high_pause_clicks, |row| row.high_pause_clicks).or(defaults.high_pause_clicks),
        implausible_clicks: own(patch.implausible_clicks, |row| row.implausible_clicks).or(defaults.implausible_clicks),
        spend_limit: amount(spend_limit, |row| row.spend_limit_micros).unwrap_or(defaults.spend_limit),
        top_up_ceiling: amount(patch.top_up_ceiling, |row| row.top_up_ceiling_micros).or(defaults.top_up_ceiling),
        daily_budget: amount(patch.daily_budget, |row| row.daily_budget_micros).or(defaults.daily_budget),
        high_spend,
        groups: group.cloned().into_iter().collect(),
        ..(**defaults).clone()
    };
    match numbers.validate() {
        Err(
            problem @ (PolicyError::HighThresholdsMeet { .. }
            | PolicyError::ImplausibleTooLow { .. }
            | PolicyError::CeilingTooLow { .. }
            | PolicyError::DailyBudgetTooLow { .. }
            | PolicyError::DailyBudgetAboveCeiling { .. }),
        ) => Err(Refusal::BadField { field, problem: problem.to_string() }),
        // A row that was invalid before may still be changed elsewhere.
        Ok(_)
        | Err(
            PolicyError::ThresholdsMeet { .. }
            | PolicyError::TickTooShort
            | PolicyError::Negative { .. }
            | PolicyError::TooLong { .. },
        ) => Ok(()),
    }
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
        high_activate_clicks: patch.high_activate_clicks.map(|clicks| clicks.map(Count::get)),
        high_pause_clicks: patch.high_pause_clicks.map(|clicks| clicks.map(Count::get)),
        top_up_ceiling_micros: patch.top_up_ceiling.map(|ceiling| ceiling.map(Money::micros)),
        daily_budget_micros: patch.daily_budget.map(|budget| budget.map(Money::micros)),
        group_name: patch.group_name.clone(),
    }
}

/// Returns a row as operators see it. Invalid values are shown as they are.
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
        high_activate_clicks: row.high_activate_clicks,
        high_pause_clicks: row.high_pause_clicks,
        top_up_ceiling: row.top_up_ceiling_micros.map(money),
        daily_budget: row.daily_budget_micros.map(money),
        group_name: row.group_name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::RemoteId;

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
            high_activate_clicks: None,
            high_pause_clicks: None,
            top_up_ceiling_micros: None,
            daily_budget_micros: None,
            group_name: None,
        }
    }

    #[test]
    fn thresholds_from_the_patch_the_row_and_the_config_are_checked_together() {
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
            // A row that is invalid already can still be renamed.
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
    fn the_thresholds_from_the_spend_limit_on_are_checked_too() {
        let own = |clicks: u32| Some(serde_json::from_value(serde_json::json!(clicks)).unwrap());
        let cases = [
            (own(5_000), own(1_000), None),
            (own(1_000), own(1_000), Some("high_activate_clicks")),
            (None, own(15_000), Some("high_pause_clicks")),
            (own(5_000), None, Some("high_activate_clicks")),
        ];
        let defaults = PolicyNumbers::default().validate().unwrap();
        for (high_activate_clicks, high_pause_clicks, wrong) in cases {
            let patch = CampaignPatch { high_activate_clicks, high_pause_clicks, ..CampaignPatch::default() };
            let refusal = check_thresholds(&patch, Some(&row(None, None)), &defaults).err();
            let field = if let Some(Refusal::BadField { field, .. }) = &refusal { Some(*field) } else { None };
            assert_eq!((field, refusal.is_some()), (wrong, wrong.is_some()), "{patch:?}: {refusal:?}");
        }
        // A number that the patch leaves out comes from the row: here the pause threshold from the limit on.
        let guarded = CampaignRow { high_spend: Some("guard".to_owned()), ..row(None, None) };
        let stored = CampaignRow { high_pause_clicks: Some(20_000), ..guarded };
        for (activate_clicks, is_refused) in [(own(20_001), false), (own(20_000), true)] {
            let patch = CampaignPatch { activate_clicks, ..CampaignPatch::default() };
            let refusal = check_thresholds(&patch, Some(&stored), &defaults).err();
            assert_eq!(refusal.is_some(), is_refused, "{patch:?}: {refusal:?}");
        }
        // Under another policy they have no effect, until the policy becomes `guard`.
        let observed = CampaignRow { high_spend: None, ..stored };
        for (high_spend, is_refused) in [(HighSpend::Pause, false), (HighSpend::Guard, true)] {
            let patch = CampaignPatch { high_spend: Some(Some(high_spend)), ..CampaignPatch::default() };
            let refusal = check_thresholds(&patch, Some(&observed), &defaults).err();
            assert_eq!(refusal.is_some(), is_refused, "{patch:?}: {refusal:?}");
        }
        let patch = CampaignPatch { implausible_clicks: own(15_000), ..CampaignPatch::default() };
        let refusal = check_thresholds(&patch, None, &defaults).err();
        assert!(matches!(refusal, Some(Refusal::BadField { field: "implausible_clicks", .. })), "{refusal:?}");
    }

    #[test]
    fn invalid_values_of_another_program_are_shown_as_they_are() {
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
