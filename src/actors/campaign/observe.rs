//! The questions of one tick, and what their answers amount to. No actor state: a future that asks and returns.

use chrono::{DateTime, Utc};

use super::Surroundings;
use crate::actors::database::{ReadTick, SaveSpend};
use crate::actors::trafficstar::{ReadSpend, ReadStatus};
use crate::domain::facts::{CampaignId, Observation, RemainingClicks, RemoteId, Spend, SpendSource};
use crate::domain::policy::Policy;
use crate::domain::remote::{RemoteCampaign, RemoteFault};
use crate::domain::spend::{SourceAnswer, SpendHistory, SpendQuestion, read_on};
use crate::error_chain::in_full;
use crate::store::{CampaignRow, SpendRow, TickReading};
use crate::trafficstar::budget::Urgency;

/// Who asks, and about whom.
pub(super) struct Question {
    pub(super) surroundings: Surroundings,
    pub(super) campaign: CampaignId,
    pub(super) remote: RemoteId,
    /// The policy that was good last; it stays where the row's overrides make none.
    pub(super) policy: Policy,
    pub(super) urgency: Urgency,
}

/// What a tick has read.
pub(super) struct Reading {
    /// The row, where the database had one to give.
    pub(super) row: Option<CampaignRow>,
    pub(super) policy: Policy,
    pub(super) observation: Observation,
}

impl Reading {
    /// What went wrong, in words, the most important first.
    pub(super) fn error(&self) -> Option<String> {
        let Observation { remote, spend, clicks, .. } = &self.observation;
        let clicks = match clicks {
            Ok(clicks) => clicks.defect.as_ref(),
            Err(reason) => Some(reason),
        };
        let remote = match remote {
            Ok(_) => None,
            Err(RemoteFault::NotFound) => Some("TrafficStars knows no such campaign (404)".to_owned()),
            Err(RemoteFault::Failed(reason)) => Some(format!("its status could not be read: {reason}")),
        };
        let clicks = clicks.map(|reason| format!("its remaining clicks are in doubt: {reason}"));
        let spend = spend.as_ref().err().map(|reason| format!("today's spend is unknown: {reason}"));
        let all: Vec<String> = remote.into_iter().chain(clicks).chain(spend).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// Finds the facts of one tick. The database first: it takes milliseconds, and says how urgent the rest is.
pub(super) async fn observe(question: Question, read_remote: bool) -> Reading {
    let asked_at = question.surroundings.clock.now();
    let read = question.surroundings.database.read_tick.send(ReadTick(question.campaign)).await;
    let stored = match read {
        Ok(Ok(Some(reading))) => Ok(reading),
        Ok(Ok(None)) => Err(format!("the database has no campaign {} any more", question.campaign)),
        Ok(Err(reason)) => Err(reason),
        Err(gone) => Err(format!("the database actor is gone: {gone}")),
    };
    let (row, policy, clicks, history) = judge_stored(&question, stored);
    // The reads that a pause needs are as urgent as the pause.
    let used_up = clicks.as_ref().is_ok_and(|clicks| clicks.count <= policy.pause_clicks);
    let urgency = if used_up { Urgency::Pause } else { Urgency::Read };
    let question = Question { policy, urgency, ..question };
    let (remote, remote_at) = if read_remote {
        let remote = read_status(&question).await;
        (remote, question.surroundings.clock.now())
    } else {
        (Err(RemoteFault::NotFound), asked_at)
    };
    let spend = find_spend(&question, &remote, asked_at, remote_at, &history).await;
    if let Ok(spend) = &spend {
        store_spend(&question, *spend);
    }
    Reading { row, policy: question.policy, observation: Observation { remote, remote_at, spend, clicks } }
}

/// Reads the campaign at TrafficStars: no cached value.
pub(super) async fn read_status(question: &Question) -> Result<RemoteCampaign, RemoteFault> {
    let read = ReadStatus { remote: question.remote, urgency: question.urgency };
    let answer = question.surroundings.remote.read_status.send(read).await;
    answer.unwrap_or_else(|gone| Err(RemoteFault::Failed(format!("the TrafficStar client is gone: {gone}"))))
}

type Stored = (Option<CampaignRow>, Policy, Result<RemainingClicks, String>, Result<SpendHistory, String>);

/// Overrides that make no policy leave the last good one in force, under which a campaign may be stopped, never started.
fn judge_stored(question: &Question, stored: Result<TickReading, String>) -> Stored {
    let TickReading { row, mut clicks, spends } = match stored {
        Ok(reading) => reading,
        Err(reason) => return (None, question.policy.clone(), Err(reason.clone()), Err(reason)),
    };
    let (policy, error) = row.policy_or(&question.surroundings.defaults, &question.policy);
    if let Some(error) = error {
        clicks.defect = Some(in_full(&error));
    }
    (Some(row), policy, Ok(clicks), spends.map_err(|bad| in_full(&bad)))
}

/// Today's spend by the three sources in order; a report is asked for only where the campaign's own field is not enough.
async fn find_spend(
    question: &Question,
    remote: &Result<RemoteCampaign, RemoteFault>,
    asked_at: DateTime<Utc>,
    answered_at: DateTime<Utc>,
    history: &Result<SpendHistory, String>,
) -> Result<Spend, String> {
    let clock = &question.surroundings.clock;
    let day = clock.now().date_naive();
    let campaign = match remote {
        Ok(_) if !read_on(day, asked_at, answered_at) => SourceAnswer::Failed("it was read across midnight".to_owned()),
        Ok(campaign) => campaign.spent.clone(),
        Err(RemoteFault::NotFound) => SourceAnswer::NoSource,
        Err(RemoteFault::Failed(reason)) => SourceAnswer::Failed(reason.clone()),
    };
    let ask = |now| SpendQuestion {
        campaign: &campaign,
        history,
        limit: question.policy.spend_limit,
        stored_max_age: question.policy.stored_spend_max_age,
        now,
    };
    // A campaign that is not there has spent nothing that a report could tell.
    let absent = *remote == Err(RemoteFault::NotFound);
    let report =
        if !absent && ask(clock.now()).needs_report() { read_report(question).await } else { SourceAnswer::NoSource };
    let now = clock.now();
    if now.date_naive() != day {
        return Err("it was read across midnight".to_owned());
    }
    ask(now).resolve(&report)
}

async fn read_report(question: &Question) -> SourceAnswer {
    let read = ReadSpend { remote: question.remote, urgency: question.urgency };
    let answer = question.surroundings.remote.read_spend.send(read).await;
    answer.unwrap_or_else(|gone| SourceAnswer::Failed(format!("the TrafficStar client is gone: {gone}")))
}

/// Off the decision's path: nobody waits for it, and one that is lost is replaced by the next tick's.
fn store_spend(question: &Question, spend: Spend) {
    match spend.source {
        SpendSource::Campaign | SpendSource::Report => {
            let row = SpendRow { campaign: question.campaign, remote: question.remote, spend };
            question.surroundings.database.save_spend.do_send(SaveSpend(row));
        }
        SpendSource::Database | SpendSource::None => {}
    }
}
