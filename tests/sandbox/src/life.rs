//! The visitors: a thread that brings the campaigns up to date and counts their clicks in the guard's database.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::server::Shared;
use crate::tracker::Tracker;

const BEAT: Duration = Duration::from_millis(100);

/// Lives until `stop` fires or its other end is dropped. Clicks that could not be counted are kept for the next beat.
pub(crate) fn live(shared: &Arc<Shared>, stop: &Receiver<()>) {
    let mut tracker = None;
    let mut owed: BTreeMap<i64, i64> = BTreeMap::new();
    while matches!(stop.recv_timeout(BEAT), Err(RecvTimeoutError::Timeout)) {
        let database = shared.change(|world| {
            for (id, campaign) in &mut world.campaigns {
                *owed.entry(*id).or_default() += campaign.take_clicks();
            }
            world.options.database.clone()
        });
        owed.retain(|_, clicks| *clicks > 0);
        match database {
            Some(path) => count(&mut tracker, &path, &mut owed),
            None => owed.clear(),
        }
    }
}

fn count(tracker: &mut Option<Tracker>, path: &Path, owed: &mut BTreeMap<i64, i64>) {
    if tracker.is_none() && !owed.is_empty() {
        match Tracker::open(path) {
            Ok(opened) => *tracker = Some(opened),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "the visitors' clicks wait"),
        }
    }
    let Some(tracker) = tracker else {
        return;
    };
    owed.retain(|campaign, clicks| match tracker.visit(*campaign, *clicks) {
        Ok(()) => false,
        Err(error) => {
            tracing::warn!(campaign, error = &error as &dyn std::error::Error, "clicks could not be counted");
            true
        }
    });
}
