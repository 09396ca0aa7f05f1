//! The visitors: a thread that brings the campaigns up to date, and counts their visitors' clicks in the guard's
//! database.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::server::Shared;
use crate::tracker::{Tracker, TrackerError};

const BEAT: Duration = Duration::from_millis(100);

/// Runs until `stop` gets a message or its sender is dropped. Clicks that could not be counted are kept for the next
/// beat.
pub(crate) fn run_visitors(shared: &Arc<Shared>, stop: &Receiver<()>) {
    let mut visitors = Visitors::default();
    while matches!(stop.recv_timeout(BEAT), Err(RecvTimeoutError::Timeout)) {
        let database = shared.change(|world| {
            for (id, campaign) in &mut world.campaigns {
                *visitors.owed.entry(*id).or_default() += campaign.take_clicks();
            }
            world.options.database.clone()
        });
        visitors.owed.retain(|_, clicks| *clicks > 0);
        match database {
            Some(path) => visitors.count(&path),
            None => visitors.owed.clear(),
        }
    }
}

/// The visitors, and their clicks that are not in the database yet.
#[derive(Default)]
struct Visitors {
    tracker: Option<Tracker>,
    owed: BTreeMap<i64, i64>,
    /// Whether clicks have waited since the warning about them was logged.
    wait: bool,
}

impl Visitors {
    fn count(&mut self, path: &Path) {
        if self.owed.is_empty() {
            return;
        }
        match self.try_to_count(path) {
            Ok(()) => self.wait = false,
            Err(_) if self.wait => {}
            Err(error) => {
                self.wait = true;
                let error: &dyn std::error::Error = &error;
                let path = path.display();
                tracing::warn!(error, "the visitors' clicks wait for {path}: `traffic-generator migrate` makes it");
            }
        }
    }

    fn try_to_count(&mut self, path: &Path) -> Result<(), TrackerError> {
        let tracker = match &mut self.tracker {
            Some(tracker) => tracker,
            none => none.insert(Tracker::open(path)?),
        };
        while let Some(first) = self.owed.first_entry() {
            tracker.visit(*first.key(), *first.get())?;
            first.remove();
        }
        Ok(())
    }
}
