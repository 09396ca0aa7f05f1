//! Those who asked within one moment, and are answered together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use crate::domain::facts::RemoteId;
use crate::trafficstar::batch::Gathering;
use crate::trafficstar::budget::Urgency;

/// What an asker hears who gets no answer: the actor panicked.
pub(super) const DIED: &str = "the TrafficStar client died over this";

#[derive(Debug)]
struct Asker<T> {
    remote: RemoteId,
    urgency: Urgency,
    valid_until: Option<DateTime<Utc>>,
    reply: oneshot::Sender<T>,
}

/// A round that still gathers.
#[derive(Debug)]
pub(super) struct Round<T> {
    gathering: Gathering,
    askers: Vec<Asker<T>>,
}

/// A round that is being served.
#[derive(Debug)]
pub(super) struct Askers<T>(Vec<Asker<T>>);

impl<T> Round<T> {
    pub(super) fn new(moment: Duration) -> Self {
        let moment = chrono::Duration::from_std(moment).unwrap_or_default();
        Self { gathering: Gathering::new(moment), askers: Vec::new() }
    }

    /// Joins the round. The first of it is told after how long to take it.
    pub(super) fn ask(
        &mut self,
        now: DateTime<Utc>,
        remote: RemoteId,
        urgency: Urgency,
        valid_until: Option<DateTime<Utc>>,
    ) -> (oneshot::Receiver<T>, Option<Duration>) {
        let first = self.askers.is_empty();
        let due_at = self.gathering.ask(now, remote);
        let (reply, answer) = oneshot::channel();
        self.askers.push(Asker { remote, urgency, valid_until, reply });
        let wait = first.then(|| due_at.signed_duration_since(now).to_std().unwrap_or_default());
        (answer, wait)
    }

    /// The round, if it is due; otherwise after how long to try again, if anybody waits: the clock was set back.
    pub(super) fn take(&mut self, now: DateTime<Utc>) -> Result<Askers<T>, Option<Duration>> {
        if self.gathering.take(now).is_some() {
            return Ok(Askers(std::mem::take(&mut self.askers)));
        }
        let due_at = self.gathering.due_at();
        Err(due_at.map(|due_at| due_at.signed_duration_since(now).to_std().unwrap_or_default()))
    }
}
