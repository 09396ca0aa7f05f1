//! The requests behind a round. No actor state: futures that ask and return.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::action::Outcome;
use crate::domain::facts::RemoteId;
use crate::domain::remote::{EndTime, RemoteCampaign, RemoteFault};
use crate::domain::spend::SourceAnswer;
use crate::trafficstar::batch::ListSize;
use crate::trafficstar::budget::Urgency;
use crate::trafficstar::error::RemoteError;
use crate::trafficstar::http::RemoteClient;

/// A list of more pages than this is none that we understand: 20,000 campaigns in the smallest pages.
const MOST_PAGES: u64 = 2_000;

/// What a sweep of the list brought.
pub(super) struct Sweep {
    pub(super) campaigns: BTreeMap<RemoteId, Result<RemoteCampaign, RemoteFault>>,
    /// The list's size, as last seen.
    pub(super) list: ListSize,
    /// Why it ended before the last page, if so. What the pages before gave is good.
    pub(super) failure: Option<RemoteError>,
}

/// Reads the list from its first page to its last, or to one that brings nothing new.
pub(super) async fn sweep(client: Arc<RemoteClient>, urgency: Urgency) -> Sweep {
    let mut sweep = Sweep { campaigns: BTreeMap::new(), list: ListSize::default(), failure: None };
    for number in 1..=MOST_PAGES {
        match client.campaigns_page(number, urgency).await {
            Ok(page) => {
                let known = sweep.campaigns.len();
                sweep.list = page.list_size();
                let last = page.is_last(number);
                sweep.campaigns.extend(page.campaigns);
                if last || sweep.campaigns.len() == known {
                    break;
                }
            }
            Err(error) => {
                sweep.failure = Some(error);
                break;
            }
        }
    }
    sweep
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
