//! The read model: actors publish their status here, the control server reads it, and nobody else.
//!
//! A reader never waits for an actor, so that a stuck one still shows. What happens is told here, too: a reader who is too
//! slow for it loses events and learns how many, and no actor waits for one. Deliberately absent: any way back; actors
//! never read the board.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::{broadcast, watch};

use crate::domain::facts::CampaignId;
use crate::domain::live::LiveEvent;
use crate::domain::status::{
    ActorStatus, CampaignStatus, DUMP_VERSION, DatabaseStatus, Dump, RemoteClientStatus, SupervisorStatus,
};

/// So many events are kept for a reader who is behind: some for each of a thousand campaigns that act in one moment.
const EVENTS_KEPT: usize = 4096;

/// What is published now.
#[derive(Debug, Default)]
struct Published {
    sequence: u64,
    supervisor: SupervisorStatus,
    trafficstar: RemoteClientStatus,
    database: DatabaseStatus,
    campaigns: BTreeMap<CampaignId, Arc<CampaignStatus>>,
}

/// A handle to the one board of a running program.
#[derive(Debug, Clone)]
pub struct Board {
    published: watch::Sender<Published>,
    events: broadcast::Sender<Arc<LiveEvent>>,
    started_at: DateTime<Utc>,
}

impl Board {
    /// An empty board of a program that started at `started_at`.
    #[must_use]
    pub fn new(started_at: DateTime<Utc>) -> Self {
        let events = broadcast::Sender::new(EVENTS_KEPT);
        Self { published: watch::Sender::new(Published::default()), events, started_at }
    }

    /// Publishes one campaign.
    pub fn publish_campaign(&self, status: CampaignStatus) {
        self.publish(|published| {
            published.campaigns.insert(status.id, Arc::new(status));
        });
    }

    /// Changes what is said of a campaign's actor, for one that cannot speak for itself any more.
    pub fn amend_actor(&self, id: CampaignId, amend: impl FnOnce(&mut ActorStatus)) {
        self.publish(|published| {
            if let Some(actor) =
                published.campaigns.get_mut(&id).and_then(|status| Arc::make_mut(status).actor.as_mut())
            {
                amend(actor);
            }
        });
    }

    /// Forgets the campaigns of which `keep` says no: their rows are gone.
    pub fn retain_campaigns(&self, keep: impl Fn(CampaignId) -> bool) {
        self.publish(|published| published.campaigns.retain(|id, _| keep(*id)));
    }

    /// Publishes the supervisor.
    pub fn publish_supervisor(&self, status: SupervisorStatus) {
        self.publish(|published| published.supervisor = status);
    }

    /// Publishes the client of TrafficStars' API.
    pub fn publish_trafficstar(&self, status: RemoteClientStatus) {
        self.publish(|published| published.trafficstar = status);
    }

    /// Publishes the database.
    pub fn publish_database(&self, status: DatabaseStatus) {
        self.publish(|published| published.database = status);
    }

    /// Tells what happened to those who listen. Publish first what it is about: who hears of it finds it in the dump.
    pub fn tell(&self, event: LiveEvent) {
        // Within the publication, so that the ids rise in the order of the events.
        self.publish(|published| {
            // Nobody may listen.
            let _ = self.events.send(Arc::new(LiveEvent { id: Some(published.sequence), ..event }));
        });
    }

    /// What happens from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Arc<LiveEvent>> {
        self.events.subscribe()
    }

    /// Everything, as of now.
    #[must_use]
    pub fn dump(&self, now: DateTime<Utc>) -> Dump {
        // Only pointers are cloned under the lock: publishers do not wait for 10,000 campaigns to be copied.
        let (sequence, supervisor, trafficstar, database, campaigns) = {
            let published = self.published.borrow();
            let campaigns: Vec<_> = published.campaigns.values().cloned().collect();
            (
                published.sequence,
                published.supervisor.clone(),
                published.trafficstar.clone(),
                published.database.clone(),
                campaigns,
            )
        };
        let uptime = now.signed_duration_since(self.started_at).num_seconds();
        Dump {
            version: DUMP_VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            sequence,
            captured_at: now,
            started_at: self.started_at,
            uptime_seconds: u64::try_from(uptime).unwrap_or(0),
            supervisor,
            trafficstar,
            database,
            campaigns: campaigns.into_iter().map(Arc::unwrap_or_clone).collect(),
        }
    }

    /// One campaign, as of now.
    #[must_use]
    pub fn campaign(&self, id: CampaignId) -> Option<Arc<CampaignStatus>> {
        self.published.borrow().campaigns.get(&id).cloned()
    }

    fn publish(&self, change: impl FnOnce(&mut Published)) {
        self.published.send_modify(|published| {
            published.sequence += 1;
            change(published);
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast::error::TryRecvError;

    use super::*;
    use crate::domain::live::Part;

    fn noon() -> DateTime<Utc> {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn events_are_numbered_by_the_dumps_sequence() {
        let board = Board::new(noon());
        let mut listener = board.listen();
        board.publish_database(DatabaseStatus::default());
        let before = board.dump(noon()).sequence;
        board.tell(LiveEvent::recovery(noon(), Part::Database));
        board.tell(LiveEvent::error(noon(), Part::Database, "locked"));
        let ids = [listener.try_recv(), listener.try_recv()].map(|event| event.unwrap().id);
        assert_eq!(ids, [Some(before + 1), Some(before + 2)]);
        assert_eq!(board.dump(noon()).sequence, before + 2);
    }

    #[test]
    fn a_slow_listener_loses_the_oldest_events_and_learns_how_many_and_holds_nobody_up() {
        let board = Board::new(noon());
        let (mut slow, mut late) = (board.listen(), None);
        for number in 0..EVENTS_KEPT + 7 {
            board.tell(LiveEvent::recovery(noon(), Part::Database));
            if number == EVENTS_KEPT {
                late = Some(board.listen());
            }
        }
        assert_eq!(slow.try_recv().unwrap_err(), TryRecvError::Lagged(7));
        assert_eq!(slow.try_recv().unwrap().id, Some(8));
        assert_eq!(late.unwrap().try_recv().unwrap().id, Some(EVENTS_KEPT as u64 + 2), "others lose nothing");
    }
}
