//! Those who asked within one moment, and are answered together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use crate::domain::ids::RemoteId;
use crate::trafficstar::batch::Gathering;
use crate::trafficstar::budget::{Budget, Urgency};

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
pub(super) struct Round<T>(Gathering<Asker<T>>);

/// A round that is being served.
#[derive(Debug)]
pub(super) struct Askers<T>(Vec<Asker<T>>);

impl<T> Round<T> {
    pub(super) fn new(moment: Duration) -> Self {
        Self(Gathering::new(chrono::Duration::from_std(moment).unwrap_or_default()))
    }

    /// Joins the round. The first of it is told after how long to take it.
    pub(super) fn ask(
        &mut self,
        now: DateTime<Utc>,
        remote: RemoteId,
        urgency: Urgency,
        valid_until: Option<DateTime<Utc>>,
    ) -> (oneshot::Receiver<T>, Option<Duration>) {
        let (reply, answer) = oneshot::channel();
        let wait = self.0.ask(now, Asker { remote, urgency, valid_until, reply });
        (answer, wait.and_then(|wait| wait.to_std().ok()))
    }

    /// Gathers for one more moment while end times are on their way. Answers for how long.
    pub(super) fn wait_for_end_times(&mut self, now: DateTime<Utc>, budget: &Budget) -> Option<Duration> {
        self.0.wait_for_end_times(now, budget)?.to_std().ok()
    }

    /// The round, whose time is over.
    pub(super) fn take(&mut self) -> Askers<T> {
        Askers(self.0.take())
    }
}

impl<T> Askers<T> {
    /// The campaigns that are asked for.
    pub(super) fn ids(&self) -> BTreeSet<RemoteId> {
        self.0.iter().map(|asker| asker.remote).collect()
    }

    /// One more joins while it is being served.
    pub(super) fn join(&mut self, remote: RemoteId, urgency: Urgency) -> oneshot::Receiver<T> {
        let (reply, answer) = oneshot::channel();
        self.0.push(Asker { remote, urgency, valid_until: None, reply });
        answer
    }

    /// More join while nobody is being served.
    pub(super) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// The askers of each campaign by themselves.
    pub(super) fn by_campaign(self) -> BTreeMap<RemoteId, Self> {
        let mut by_campaign = BTreeMap::new();
        for asker in self.0 {
            by_campaign.entry(asker.remote).or_insert_with(|| Self(Vec::new())).0.push(asker);
        }
        by_campaign
    }

    /// The urgency of the most urgent asker.
    pub(super) fn urgency(&self) -> Urgency {
        self.0.iter().map(|asker| asker.urgency).min().unwrap_or(Urgency::Read)
    }

    /// When the first of them becomes too late.
    pub(super) fn leave_by(&self) -> Option<DateTime<Utc>> {
        self.0.iter().filter_map(|asker| asker.valid_until).min()
    }

    /// Answers everybody.
    pub(super) fn answer(self, answer: impl Fn(RemoteId) -> T) {
        for asker in self.0 {
            // Whoever asked may be gone.
            let _ = asker.reply.send(answer(asker.remote));
        }
    }
}
