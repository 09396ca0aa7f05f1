//! The read model: actors publish their status here, the control server reads it, and nobody else.
//!
//! A reader never waits for an actor, so that a stuck one still shows. What happens is told here, too: a reader who is too
//! slow for it loses events and learns how many, and no actor waits for one. Deliberately absent: any way back; actors
//! never read the board.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{broadcast, watch};

use crate::domain::another_guard::Sign;
use crate::domain::clock_difference::ClockDifference;
use crate::domain::explain::{ActorBackoff, Explanation, Snapshot, explain, explain_from_standby};
use crate::domain::health::{Failing, GuardedCampaign, Health, ReadFailure, Vitals, health};
use crate::domain::ids::CampaignId;
use crate::domain::operator_event::OperatorEvent;
use crate::domain::status::{
    ActorStatus, CampaignStatus, DUMP_VERSION, DatabaseStatus, Dump, LeadershipStatus, Observed, RemoteClientStatus,
    Role, SupervisorStatus,
};
use crate::metrics::Metrics;

/// So many events are kept for a reader who is behind: some for each of a thousand campaigns that act in one moment.
const EVENTS_KEPT: usize = 4096;

/// What is published now.
#[derive(Debug, Default)]
struct Published {
    sequence: u64,
    leadership: LeadershipStatus,
    supervisor: SupervisorStatus,
    trafficstar: RemoteClientStatus,
    database: DatabaseStatus,
    failing: Failing,
    campaigns: BTreeMap<CampaignId, Arc<CampaignStatus>>,
    insights: BTreeMap<CampaignId, Arc<Snapshot>>,
    rests: BTreeMap<CampaignId, ActorBackoff>,
    /// Since when an actor is missing that completes a tick: one that dies of its first tick does not end that.
    tickless_since: BTreeMap<CampaignId, DateTime<Utc>>,
}

/// A handle to the one board of a running program.
#[derive(Debug, Clone)]
pub struct Board {
    published: watch::Sender<Published>,
    events: broadcast::Sender<Arc<OperatorEvent>>,
    started_at: DateTime<Utc>,
    metrics: Metrics,
}

impl Board {
    /// An empty board of a program that started at `started_at`.
    #[must_use]
    pub fn new(started_at: DateTime<Utc>) -> Self {
        let events = broadcast::Sender::new(EVENTS_KEPT);
        // Nobody leads before that is known.
        let leadership = LeadershipStatus { role: Role::Standby, ..LeadershipStatus::default() };
        let published = Published { leadership, ..Published::default() };
        Self { published: watch::Sender::new(published), events, started_at, metrics: Metrics::default() }
    }

    /// What is counted as it happens.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Publishes one campaign that nobody guards. What was seen and done last is kept, with its times, of one whose generator
    /// is disabled: nobody looks any more.
    pub fn publish_campaign(&self, mut status: CampaignStatus) {
        self.publish(|published| {
            let is_same = |before: &&Arc<CampaignStatus>| before.trafficstar_id == status.trafficstar_id;
            let before = published.campaigns.get(&status.id).filter(is_same);
            if let Some(before) = before.filter(|_| !status.ordered.generator_enabled).map(Arc::clone) {
                status.observed = Observed { spend_unchanged_since: None, ..before.observed.clone() };
                status.action.clone_from(&before.action);
                status = status.judged();
            }
            published.insights.remove(&status.id);
            published.rests.remove(&status.id);
            published.tickless_since.remove(&status.id);
            published.campaigns.insert(status.id, Arc::new(status));
        });
    }

    /// Publishes one campaign with what its actor knows beside the status.
    pub fn publish_guarded(&self, status: CampaignStatus, snapshot: Snapshot) {
        self.publish(|published| {
            published.rests.remove(&status.id);
            if status.actor.as_ref().is_some_and(|actor| actor.last_tick_at.is_some()) {
                published.tickless_since.remove(&status.id);
            }
            published.insights.insert(status.id, Arc::new(snapshot));
            published.campaigns.insert(status.id, Arc::new(status));
        });
    }

    /// The key of a guarded campaign's newest journal entry, if it has one.
    #[must_use]
    pub fn journal_id(&self, id: CampaignId) -> Option<i64> {
        self.published.borrow().insights.get(&id).and_then(|snapshot| snapshot.journal_id)
    }

    /// A campaign has no actor until then. Since when is kept until one completes a tick.
    pub fn publish_backoff(&self, id: CampaignId, rest: ActorBackoff) {
        self.publish(|published| {
            let since = *published.tickless_since.entry(id).or_insert(rest.since);
            published.rests.insert(id, ActorBackoff { since, ..rest });
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
        self.publish(|published| {
            published.campaigns.retain(|id, _| keep(*id));
            published.insights.retain(|id, _| keep(*id));
            published.rests.retain(|id, _| keep(*id));
            published.tickless_since.retain(|id, _| keep(*id));
        });
    }

    /// Publishes who leads, as it is at `now`, and tells it where this supervisor's role is another one than before.
    pub fn publish_leadership(&self, now: DateTime<Utc>, status: LeadershipStatus) {
        let before = self.published.borrow().leadership.clone();
        if before == status {
            return;
        }
        let (role, epoch) = (status.role, status.epoch);
        self.publish(|published| {
            let failing = role == Role::CutOff || status.nobody_leads.is_some();
            published.failing.lease_since = since(published.failing.lease_since, failing, now);
            published.leadership = status;
        });
        if before.role != role {
            self.tell(OperatorEvent::leadership(now, role, epoch));
        }
    }

    /// Who leads, as last published.
    #[must_use]
    pub fn leadership(&self) -> LeadershipStatus {
        self.published.borrow().leadership.clone()
    }

    /// Publishes the supervisor.
    pub fn publish_supervisor(&self, status: SupervisorStatus) {
        self.publish(|published| published.supervisor = status);
    }

    /// Publishes the client of TrafficStars' API, as it is at `now`, and whether statuses cannot be read.
    pub fn publish_trafficstar(&self, now: DateTime<Utc>, status: RemoteClientStatus, reads: Option<ReadFailure>) {
        self.publish(|published| {
            let failing = &mut published.failing;
            failing.reads = reads;
            failing.blocked_since = since(failing.blocked_since, status.blocked_until.is_some(), now);
            let too_small = !status.reading.reaches();
            failing.budget_too_small_since = since(failing.budget_too_small_since, too_small, now);
            let clock = status.clock_ahead_seconds.map(|seconds| ClockDifference(TimeDelta::seconds(seconds)));
            let is_apart = clock.is_some_and(ClockDifference::is_apart);
            failing.clock_since = since(failing.clock_since, is_apart, now);
            published.trafficstar = status;
        });
    }

    /// Publishes the database, as it is at `now`.
    pub fn publish_database(&self, now: DateTime<Utc>, status: DatabaseStatus) {
        self.publish(|published| {
            let failing = &mut published.failing;
            failing.database_since = since(failing.database_since, status.last_error.is_some(), now);
            published.database = status;
        });
    }

    /// Takes note of what looks like another program on the account, and tells it where that is news.
    pub fn publish_sign(&self, now: DateTime<Utc>, sign: Sign) {
        let mut news = None;
        self.publish(|published| news = published.failing.signs.note(now, sign));
        if let Some(another) = news {
            tracing::warn!("{another}");
            self.tell(OperatorEvent::another_guard(now, &another));
        }
    }

    /// Tells what happened to those who listen. Publish first what it is about: who hears of it finds it in the dump.
    pub fn tell(&self, event: OperatorEvent) {
        // Within the publication, so that the ids rise in the order of the events.
        self.publish(|published| {
            // Nobody may listen.
            let _ = self.events.send(Arc::new(OperatorEvent { id: Some(published.sequence), ..event }));
        });
    }

    /// What happens from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Arc<OperatorEvent>> {
        self.events.subscribe()
    }

    /// Everything, as of now.
    #[must_use]
    pub fn dump(&self, now: DateTime<Utc>) -> Dump {
        let (dump, campaigns) = self.dump_and_campaigns(now);
        Dump { campaigns: campaigns.into_iter().map(Arc::unwrap_or_clone).collect(), ..dump }
    }

    /// The same, with the campaigns beside it, which nobody has copied.
    #[must_use]
    pub fn dump_and_campaigns(&self, now: DateTime<Utc>) -> (Dump, Vec<Arc<CampaignStatus>>) {
        // Only pointers are cloned under the lock: publishers do not wait for 10,000 campaigns to be copied.
        let (sequence, leadership, supervisor, trafficstar, database, campaigns) = {
            let published = self.published.borrow();
            let campaigns: Vec<_> = published.campaigns.values().cloned().collect();
            (
                published.sequence,
                published.leadership.clone(),
                published.supervisor.clone(),
                published.trafficstar.clone(),
                published.database.clone(),
                campaigns,
            )
        };
        let uptime = now.signed_duration_since(self.started_at).num_seconds();
        let dump = Dump {
            version: DUMP_VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            sequence,
            captured_at: now,
            started_at: self.started_at,
            uptime_seconds: u64::try_from(uptime).unwrap_or(0),
            leadership,
            supervisor,
            trafficstar,
            database,
            campaigns: Vec::new(),
        };
        (dump, campaigns)
    }

    /// One campaign, as of now.
    #[must_use]
    pub fn campaign(&self, id: CampaignId) -> Option<Arc<CampaignStatus>> {
        self.published.borrow().campaigns.get(&id).cloned()
    }

    /// Why one campaign is (not) running, and what happens next, as of now.
    #[must_use]
    pub fn explain(&self, id: CampaignId, now: DateTime<Utc>) -> Option<Explanation> {
        let (leadership, status, snapshot, rest, another_guard, trafficstar) = {
            let published = self.published.borrow();
            let status = published.campaigns.get(&id).cloned()?;
            let (snapshot, rest) = (published.insights.get(&id).cloned(), published.rests.get(&id).copied());
            let another_guard = published.failing.signs.another_guard(now);
            (published.leadership.clone(), status, snapshot, rest, another_guard, published.trafficstar.clone())
        };
        if leadership.role == Role::Standby && snapshot.is_none() {
            return Some(explain_from_standby(now, &status, leadership.leader.as_ref()));
        }
        let line = another_guard.map(|another| format!("Degraded: {another}."));
        Some(explain(now, &status, snapshot.as_deref(), rest, &trafficstar).with_attention(line))
    }

    /// Whether every promise can be kept, as of now.
    #[must_use]
    pub fn health(&self, now: DateTime<Utc>) -> Health {
        let (campaigns, left_unguarded, leadership, database, trafficstar, failing) = {
            let published = self.published.borrow();
            let left = published.campaigns.values().filter(|status| !status.ordered.generator_enabled);
            let left_unguarded: Vec<_> =
                left.filter(|status| status.unguarded && status.is_used_up()).map(Arc::clone).collect();
            let campaigns: Vec<_> = published
                .insights
                .iter()
                .filter_map(|(id, snapshot)| {
                    let status = published.campaigns.get(id)?;
                    Some((Arc::clone(status), Arc::clone(snapshot), published.tickless_since.get(id).copied()))
                })
                .collect();
            (
                campaigns,
                left_unguarded,
                published.leadership.clone(),
                published.database.clone(),
                published.trafficstar.clone(),
                published.failing.clone(),
            )
        };
        let left_unguarded = left_unguarded.iter().map(|status| (status.id, status.observed.status_at.unwrap_or(now)));
        let guarded = campaigns.iter().filter_map(|(status, snapshot, tickless_since)| {
            let actor = status.actor.as_ref()?;
            let (id, remote, tickless_since) = (status.id, status.trafficstar_id, *tickless_since);
            Some(GuardedCampaign { id, remote, actor, snapshot, tickless_since })
        });
        let vitals = Vitals {
            campaigns: guarded.collect(),
            left_unguarded: left_unguarded.collect(),
            leadership: &leadership,
            database: &database,
            trafficstar: &trafficstar,
            failing,
        };
        health(now, &vitals)
    }

    fn publish(&self, change: impl FnOnce(&mut Published)) {
        self.published.send_modify(|published| {
            published.sequence += 1;
            change(published);
        });
    }
}

#[cfg(test)]
mod live_tests {
    use tokio::sync::broadcast::error::TryRecvError;

    use super::*;
    use crate::domain::lease::Epoch;
    use crate::domain::operator_event::{EventKind, Part};

    fn noon() -> DateTime<Utc> {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn events_are_numbered_by_the_dumps_sequence() {
        let board = Board::new(noon());
        let mut listener = board.listen();
        board.publish_database(noon(), DatabaseStatus::default());
        let before = board.dump(noon()).sequence;
        board.tell(OperatorEvent::recovery(noon(), Part::Database));
        board.tell(OperatorEvent::error(noon(), Part::Database, "locked"));
        let ids = [listener.try_recv(), listener.try_recv()].map(|event| event.unwrap().id);
        assert_eq!(ids, [Some(before + 1), Some(before + 2)]);
        assert_eq!(board.dump(noon()).sequence, before + 2);
    }

    #[test]
    fn a_change_of_role_is_told_once_and_a_leader_elsewhere_not_at_all() {
        let board = Board::new(noon());
        let mut listener = board.listen();
        let status = |role, epoch| LeadershipStatus { role, epoch: Some(Epoch(epoch)), ..LeadershipStatus::default() };
        let roles = [
            (Role::Standby, 1),
            (Role::Standby, 2),
            (Role::Leader, 3),
            (Role::Leader, 3),
            (Role::CutOff, 3),
            (Role::Leader, 3),
            (Role::Standby, 4),
        ];
        for (role, epoch) in roles {
            board.publish_leadership(noon(), status(role, epoch));
        }
        let told = std::iter::from_fn(|| listener.try_recv().ok()).map(|event| event.kind.clone());
        let wanted = [(Role::Leader, 3), (Role::CutOff, 3), (Role::Leader, 3), (Role::Standby, 4)];
        let wanted = wanted.map(|(role, epoch)| EventKind::Leadership { role, epoch: Some(Epoch(epoch)) });
        assert_eq!(told.collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn a_slow_listener_loses_the_oldest_events_and_learns_how_many_and_holds_nobody_up() {
        let board = Board::new(noon());
        let (mut slow, mut late) = (board.listen(), None);
        for number in 0..EVENTS_KEPT + 7 {
            board.tell(OperatorEvent::recovery(noon(), Part::Database));
            if number == EVENTS_KEPT {
                late = Some(board.listen());
            }
        }
        assert_eq!(slow.try_recv().unwrap_err(), TryRecvError::Lagged(7));
        assert_eq!(slow.try_recv().unwrap().id, Some(8));
        assert_eq!(late.unwrap().try_recv().unwrap().id, Some(EVENTS_KEPT as u64 + 2), "others lose nothing");
    }
}

/// Since when it has been so: `now`, where it was not before.
fn since(known: Option<DateTime<Utc>>, is_so: bool, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    is_so.then(|| known.unwrap_or(now))
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::*;
    use crate::domain::explain::ActionProgress;
    use crate::domain::health::{DegradationKind, HealthWord};
    use crate::domain::machine::Machine;
    use crate::domain::policy::PolicyNumbers;
    use crate::domain::status::Liveness;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::hours(12) + Duration::seconds(seconds)
    }

    /// An actor's first publication.
    fn publish(board: &Board, now: DateTime<Utc>) {
        let status = serde_json::json!({
            "id": 1, "name": "Autumn", "trafficstar_id": 995_224, "state": "idle", "since": now,
            "high_spend": false, "contested": false, "unguarded": false,
            "ordered": {"generator_enabled": true, "mode": "act"}, "observed": {},
            "actor": {"status": "running", "incarnation": 1, "restarts": 0, "ticks": 0, "skipped_ticks": 0},
        });
        let policy = PolicyNumbers::default().validate().unwrap();
        let snapshot = Machine::new(now, &policy, None, None).snapshot(now, &policy);
        assert_eq!(snapshot.progress, ActionProgress::Settled);
        board.publish_guarded(serde_json::from_value(status).unwrap(), snapshot);
    }

    fn summary(board: &Board, now: DateTime<Utc>) -> String {
        board.explain(CampaignId(1), now).unwrap().summary
    }

    #[test]
    fn a_dead_actor_is_explained_since_its_death_until_another_speaks() {
        let board = Board::new(at(0));
        publish(&board, at(0));
        board.amend_actor(CampaignId(1), |actor| actor.status = Liveness::Restarting);
        board.publish_backoff(CampaignId(1), ActorBackoff { since: at(5), until: at(6) });
        board.publish_backoff(CampaignId(1), ActorBackoff { since: at(6), until: at(8) });
        let explanation = board.explain(CampaignId(1), at(7)).unwrap();
        assert!(explanation.summary.starts_with("Nobody guards it since 12:00:05"), "{}", explanation.summary);
        assert_eq!(explanation.next.at, Some(at(8)));
        publish(&board, at(8));
        assert!(summary(&board, at(9)).starts_with("It has not been read yet"), "{}", summary(&board, at(9)));
    }

    #[test]
    fn a_failing_database_is_failing_since_its_first_failure_in_a_row() {
        let board = Board::new(at(0));
        let report = |seconds: i64, failure: Option<&str>| {
            let last_error = failure.map(str::to_owned);
            board.publish_database(at(seconds), DatabaseStatus { kind: "sqlite".to_owned(), last_error });
        };
        for (seconds, failure) in [(1, Some("locked")), (2, None), (3, Some("locked")), (4, Some("gone"))] {
            report(seconds, failure);
        }
        let health = board.health(at(5));
        let reasons: Vec<_> = health.reasons.iter().map(|reason| (reason.kind, reason.since)).collect();
        assert_eq!(reasons, [(DegradationKind::Database, at(3))]);
        report(6, None);
        assert_eq!(board.health(at(7)).status, HealthWord::Ok);
    }
}
