//! The requests behind a round. No actor state: futures that ask and return.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;

use crate::domain::action::Outcome;
use crate::domain::facts::RemoteId;
use crate::domain::remote::{EndTime, RemoteCampaign, RemoteFault};
use crate::domain::spend::SourceAnswer;
use crate::trafficstar::batch::{ListSize, ReadPlan, missing, plan_reads};
use crate::trafficstar::budget::Urgency;
use crate::trafficstar::error::RemoteError;
use crate::trafficstar::http::RemoteClient;

/// What a round of reads brought.
pub(super) struct StatusReads {
    pub(super) campaigns: BTreeMap<RemoteId, Result<RemoteCampaign, RemoteFault>>,
    /// The list's size, as last seen.
    pub(super) list: ListSize,
    /// The first failure, in words. A campaign that is not there is none.
    pub(super) failure: Option<String>,
}

/// Reads campaigns by themselves or by a sweep of the list, whichever costs fewer requests.
pub(super) async fn read_statuses(
    client: Arc<RemoteClient>,
    wanted: BTreeMap<RemoteId, Urgency>,
    list: ListSize,
) -> StatusReads {
    let ids: BTreeSet<RemoteId> = wanted.keys().copied().collect();
    let mut reads = StatusReads { campaigns: BTreeMap::new(), list, failure: None };
    let single = match plan_reads(&ids, list) {
        ReadPlan::Single(ids) => ids,
        ReadPlan::Sweep { .. } => {
            // A sweep is as urgent as the most urgent read in it.
            let urgency = wanted.values().copied().min().unwrap_or(Urgency::Sweep).min(Urgency::Sweep);
            if let Err(error) = sweep(&client, urgency, &mut reads).await {
                let reason = error.in_full();
                reads.campaigns = ids.iter().map(|id| (*id, Err(RemoteFault::Failed(reason.clone())))).collect();
                reads.failure = Some(reason);
                return reads;
            }
            missing(&ids, reads.campaigns.keys())
        }
    };
    let single = single.into_iter().map(|id| {
        let (client, urgency) = (Arc::clone(&client), wanted.get(&id).copied().unwrap_or(Urgency::Read));
        async move { (id, client.campaign(id, urgency).await) }
    });
    for (id, campaign) in join_all(single).await {
        if let Err(error) = campaign.as_ref().map_err(|error| (error, error.fault())) {
            let (error, fault) = error;
            if fault != RemoteFault::NotFound {
                reads.failure.get_or_insert_with(|| error.in_full());
            }
        }
        reads.campaigns.insert(id, campaign.map_err(|error| error.fault()));
    }
    reads
}

/// Reads the list from its first page to its last.
async fn sweep(client: &RemoteClient, urgency: Urgency, reads: &mut StatusReads) -> Result<(), RemoteError> {
    let mut number = 1;
    loop {
        let page = client.campaigns_page(number, urgency).await?;
        reads.list = page.list_size();
        let last = page.is_last(number);
        reads.campaigns.extend(page.campaigns);
        if last {
            return Ok(());
        }
        number += 1;
    }
}

/// Sets an end time. The answer is the campaign itself: it has to show what was set.
pub(super) async fn set_end_time(
    client: Arc<RemoteClient>,
    remote: RemoteId,
    end_time: DateTime<Utc>,
    leave_by: Option<DateTime<Utc>>,
) -> Outcome {
    match client.set_end_time(remote, end_time, Urgency::Activate, leave_by).await {
        Ok(campaign) if shows(&campaign.end_time, end_time) => Outcome::Accepted,
        Ok(campaign) => Outcome::Failed(format!("TrafficStars set {:?} instead", campaign.end_time)),
        Err(error) => error.outcome(),
    }
}

/// TrafficStars knows whole seconds alone.
fn shows(shown: &EndTime, wanted: DateTime<Utc>) -> bool {
    matches!(shown, EndTime::At(shown) if shown.timestamp() == wanted.timestamp())
}

/// One campaign's part in the answer to a run or a pause of many.
pub(super) fn outcome_for(outcomes: &Result<BTreeMap<RemoteId, Outcome>, RemoteError>, id: RemoteId) -> Outcome {
    match outcomes {
        Ok(outcomes) => outcomes
            .get(&id)
            .cloned()
            .unwrap_or_else(|| Outcome::Unclear("the answer does not name the campaign".to_owned())),
        Err(error) => error.outcome(),
    }
}

/// What failed, if that is what a report's answer says.
pub(super) fn failure_of(answer: &SourceAnswer) -> Option<String> {
    match answer {
        SourceAnswer::Failed(reason) => Some(reason.clone()),
        SourceAnswer::Value(_) | SourceAnswer::NoValue | SourceAnswer::NoSource => None,
    }
}
