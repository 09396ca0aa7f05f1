//! The requests behind a round. No actor state: futures that ask and return.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::action::Outcome;
use crate::domain::ids::RemoteId;
use crate::domain::remote::EndTime;
use crate::domain::spend::SourceAnswer;
use crate::trafficstar::budget::Rank;
use crate::trafficstar::http::RemoteClient;

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

/// What failed, if that is what a report's answer says.
pub(super) fn failure_of(answer: &SourceAnswer) -> Option<String> {
    match answer {
        SourceAnswer::Failed(reason) => Some(reason.clone()),
        SourceAnswer::Value(_) | SourceAnswer::NoValue | SourceAnswer::NoSource => None,
    }
}
