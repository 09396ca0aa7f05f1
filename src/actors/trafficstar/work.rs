//! The requests behind a round. No actor state: futures that ask and return.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::action::Outcome;
use crate::domain::facts::RemoteId;
use crate::domain::remote::EndTime;
use crate::domain::spend::SourceAnswer;
use crate::trafficstar::budget::Rank;
use crate::trafficstar::error::RemoteError;
use crate::trafficstar::http::RemoteClient;

/// A pause that met a 429 goes first when the silence is over: so often, before it is left to the next tick.
const PAUSE_ATTEMPTS: usize = 3;

/// Pauses campaigns. TrafficStars has not heard of a pause that it answered with 429, and its facts never grow too old:
/// it waits at the gate, ahead of all others, for the silence to end.
pub(super) async fn pause(
    client: &RemoteClient,
    ids: &BTreeSet<RemoteId>,
) -> Result<BTreeMap<RemoteId, Outcome>, RemoteError> {
    for _ in 1..PAUSE_ATTEMPTS {
        match client.pause(ids).await {
            Err(RemoteError::RateLimited { .. }) => {}
            answered => return answered,
        }
    }
    client.pause(ids).await
}

/// Sets an end time. The answer is the campaign itself: it has to show what was set.
pub(super) async fn set_end_time(
    client: Arc<RemoteClient>,
    remote: RemoteId,
    end_time: DateTime<Utc>,
    rank: Rank,
    leave_by: Option<DateTime<Utc>>,
) -> Outcome {
    match client.set_end_time(remote, end_time, rank, leave_by).await {
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
