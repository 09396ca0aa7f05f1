//! The board holds what the actors publish: their status, events and counters. The control server and the daemon read
//! it. It leaves messages to the actors, such as orders, to `control`.
//!
//! A reader never waits for an actor, so that a stuck actor still shows. The board also distributes events. A reader
//! that is too slow loses the oldest events and learns how many; actors never wait for a reader. Deliberately absent:
//! any way back; actors never read the board.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{broadcast, watch};

use crate::domain::action::ActionKind;
use crate::domain::alert::ReceiverTrouble;
use crate::domain::another_guard::Sign;
use crate::domain::clock_difference::ClockDifference;
use crate::domain::explain::{ActorBackoff, Explanation, Snapshot, explain, explain_from_standby};
use crate::domain::failure::RemoteFault;
use crate::domain::health::{Failing, GuardedCampaign, Health, ReadFailure, Vitals, health};
use crate::domain::ids::CampaignId;
use crate::domain::money::Money;
use crate::domain::operator_event::OperatorEvent;
use crate::domain::shared_limit::SharedLimitReport;
use crate::domain::status::{
    ActorStatus, CampaignStatus, DUMP_VERSION, DatabaseStatus, Dump, LeadershipStatus, Observed, RemoteClientStatus,
    Role, SupervisorStatus,
};
use crate::metrics::{self, Metrics};

/// The number of events that are kept for a slow reader. A thousand campaigns that act at the same moment have room for
/// a few events each.
const EVENTS_KEPT: usize = 4096;

/// The published state.
#[derive(Debug, Default)]
struct Published {
    sequence: u64,
    leadership: LeadershipStatus,
    supervisor: SupervisorStatus,
    trafficstar: RemoteClientStatus,
    database: DatabaseStatus,
    failing: Failing,
    /// The reports of today about limits that campaigns share.
    shared_limits: BTreeMap<SharedLimitReport, (DateTime<Utc>, Money)>,
    campaigns: BTreeMap<CampaignId, Arc<CampaignStatus>>,
    snapshots: BTreeMap<CampaignId, Arc<Snapshot>>,
    backoffs: BTreeMap<CampaignId, ActorBackoff>,
    /// For each campaign, the time (UTC) since which it has had no actor that completed a tick. An actor that dies in
    /// its first tick does not end this.
    tickless_since: BTreeMap<CampaignId, DateTime<Utc>>,
}

/// A handle to the one board of a running program.
#[derive(Debug, Clone)]
pub struct Board {
    published: watch::Sender<Published>,
    events: broadcast::Sender<Arc<OperatorEvent>>,
    /// Counts the transactions that have stored occasions of alerts.
    occasions: watch::Sender<u64>,
    started_at: DateTime<Utc>,
    metrics: Metrics,
}

impl Board {
    /// Creates an empty board for a program that started at `started_at`.
    #[must_use]
    pub fn new(started_at: DateTime<Utc>) -> Self {
        let events = broadcast::Sender::new(EVENTS_KEPT);
        // Until the role is known, this supervisor does not lead.
        let leadership = LeadershipStatus { role: Role::Standby, ..LeadershipStatus::default() };
        let published = Published { leadership, ..Published::default() };
        let (published, occasions) = (watch::Sender::new(published), watch::Sender::new(0));
        Self { published, events, occasions, started_at, metrics: Metrics::default() }
    }

    /// Returns all metrics at `now` as text; those of single campaigns only if `per_campaign` says so.
    #[must_use]
    pub fn metrics_text(&self, now: DateTime<Utc>, per_campaign: bool) -> String {
        let (dump, health) = (self.dump(now), self.health(now));
        let published = self.published.borrow();
        let guarded = published
            .snapshots
            .iter()
            .filter_map(|(id, snapshot)| Some(last_reading(published.campaigns.get(id)?, snapshot)));
        let snapshots = published.snapshots.values();
        let exposed = metrics::Published {
            dump: &dump,
            health: &health,
            oldest_reading: guarded.min(),
            journal_backlog: snapshots.clone().map(|snapshot| snapshot.unstored_records as u64).sum(),
            stopping_since: snapshots.filter_map(|snapshot| snapshot.pausing_since).min(),
        };
        drop(published);
        self.metrics.text(&exposed, per_campaign)
    }

    /// Returns the metrics that are counted as events occur.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Publishes one campaign that is not guarded. If its generator is disabled, the last observations and the last
    /// action are kept, with their times, since the campaign is no longer read.
    pub fn publish_campaign(&self, mut status: CampaignStatus) {
        self.publish(|published| {
            let is_same = |before: &&Arc<CampaignStatus>| before.trafficstar_id == status.trafficstar_id;
            let before = published.campaigns.get(&status.id).filter(is_same);
            if let Some(before) = before.filter(|_| !status.ordered.generator_enabled).map(Arc::clone) {
                status.observed = Observed { spend_unchanged_since: None, ..before.observed.clone() };
                status.shared_limits.clone_from(&before.shared_limits);
                status.action.clone_from(&before.action);
                status = status.judged();
            }
            published.snapshots.remove(&status.id);
            published.backoffs.remove(&status.id);
            published.tickless_since.remove(&status.id);
            published.campaigns.insert(status.id, Arc::new(status));
        });
    }

    /// Publishes one guarded campaign, with the snapshot of its actor's machine.
    pub fn publish_guarded(&self, status: CampaignStatus, snapshot: Snapshot) {
        self.publish(|published| {
            published.backoffs.remove(&status.id);
            if status.actor.as_ref().is_some_and(|actor| actor.last_tick_at.is_some()) {
                published.tickless_since.remove(&status.id);
            }
            let before = published.snapshots.get(&status.id).and_then(|before| before.pausing_since);
            if let Some(lag) = before.and_then(|since| stop_lag(since, &snapshot)) {
                self.metrics.stopped(lag);
            }
            published.snapshots.insert(status.id, Arc::new(snapshot));
            published.campaigns.insert(status.id, Arc::new(status));
        });
    }

    /// Returns the id of a guarded campaign's newest journal entry, if it has one.
    #[must_use]
    pub fn journal_id(&self, id: CampaignId) -> Option<i64> {
        self.published.borrow().snapshots.get(&id).and_then(|snapshot| snapshot.journal_id)
    }

    /// Publishes that a campaign has no actor until its backoff ends. The beginning is kept until an actor completes a
    /// tick.
    pub fn publish_backoff(&self, id: CampaignId, backoff: ActorBackoff) {
        self.publish(|published| {
            let since = *published.tickless_since.entry(id).or_insert(backoff.since);
            published.backoffs.insert(id, ActorBackoff { since, ..backoff });
        });
    }

    /// Changes the published status of a campaign's actor, for an actor that can no longer publish it itself.
    pub fn amend_actor(&self, id: CampaignId, amend: impl FnOnce(&mut ActorStatus)) {
        self.publish(|published| {
            if let Some(actor) =
                published.campaigns.get_mut(&id).and_then(|status| Arc::make_mut(status).actor.as_mut())
            {
                amend(actor);
            }
        });
    }

    /// Removes the campaigns for which `keep` returns false, because their rows were deleted.
    pub fn retain_campaigns(&self, keep: impl Fn(CampaignId) -> bool) {
        self.publish(|published| {
            published.campaigns.retain(|id, _| keep(*id));
            published.snapshots.retain(|id, _| keep(*id));
            published.backoffs.retain(|id, _| keep(*id));
            published.tickless_since.retain(|id, _| keep(*id));
        });
    }

    /// Publishes who leads at `now`. Publishes an event, too, if this supervisor's role has changed.
    pub fn publish_leadership(&self, now: DateTime<Utc>, status: LeadershipStatus) {
        let before = self.published.borrow().leadership.clone();
        if before == status {
            return;
        }
        let (role, epoch) = (status.role, status.epoch);
        self.publish(|published| {
            let failing = role == Role::CutOff || status.no_leader.is_some();
            published.failing.lease_since = since(published.failing.lease_since, failing, now);
            published.leadership = status;
        });
        if before.role != role {
            self.publish_event(OperatorEvent::leadership(now, role, epoch));
        }
    }

    /// Returns who leads, as last published.
    #[must_use]
    pub fn leadership(&self) -> LeadershipStatus {
        self.published.borrow().leadership.clone()
    }

    /// Publishes the supervisor's status.
    pub fn publish_supervisor(&self, status: SupervisorStatus) {
        self.publish(|published| published.supervisor = status);
    }

    /// Publishes the status of the client of TrafficStars' API at `now`. `reads` is the failure if statuses cannot be
    /// read.
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

    /// Publishes the database's status at `now`.
    pub fn publish_database(&self, now: DateTime<Utc>, status: DatabaseStatus) {
        self.publish(|published| {
            let failing = &mut published.failing;
            failing.database_since = since(failing.database_since, status.last_error.is_some(), now);
            published.database = status;
        });
    }

    /// Records a sign of another program on the account. Logs and publishes an event if such a program is now believed
    /// to work on the account and was not before.
    pub fn publish_sign(&self, now: DateTime<Utc>, sign: Sign) {
        let mut first_sign = None;
        self.publish(|published| first_sign = published.failing.signs.note(now, sign));
        if let Some(another) = first_sign {
            tracing::warn!("{another}");
            self.publish_event(OperatorEvent::another_guard(now, &another));
        }
    }

    /// Logs and publishes that a limit which campaigns share is reached or near, with the sum of their spends. Each of them
    /// reports it; the first report of a day counts.
    pub fn publish_shared_limit(&self, now: DateTime<Utc>, report: SharedLimitReport, spend: Money) {
        let mut is_first = false;
        self.publish(|published| {
            published.shared_limits.retain(|earlier, _| earlier.day == report.day);
            is_first = !published.shared_limits.contains_key(&report);
            published.shared_limits.entry(report.clone()).or_insert((now, spend));
        });
        if is_first {
            let event = OperatorEvent::group_limit(now, &report, spend);
            tracing::warn!("{}", event.text);
            self.publish_event(event);
        }
    }

    /// Publishes that occasions of alerts were stored.
    pub fn publish_occasions(&self) {
        self.occasions.send_modify(|count| *count += 1);
    }

    /// Returns a receiver that changes when occasions of alerts were stored.
    #[must_use]
    pub fn stored_occasions(&self) -> watch::Receiver<u64> {
        self.occasions.subscribe()
    }

    /// Publishes the receivers of alerts that take no messages.
    pub fn publish_alerts(&self, receivers: Vec<ReceiverTrouble>) {
        self.publish(|published| published.failing.receivers = receivers);
    }

    /// Returns the limits that campaigns share and that are reached or near today, each with the time of the first report
    /// and the sum of the spends then.
    #[must_use]
    pub fn shared_limits(&self) -> BTreeMap<SharedLimitReport, (DateTime<Utc>, Money)> {
        self.published.borrow().shared_limits.clone()
    }

    /// Sends an event to all listeners. Publish the state that it is about first: a listener then finds that state in
    /// the dump.
    pub fn publish_event(&self, event: OperatorEvent) {
        // The event is sent within the publication, so that the ids rise in the order of the events.
        self.publish(|published| {
            // An error means that there is no listener.
            let _ = self.events.send(Arc::new(OperatorEvent { id: Some(published.sequence), ..event }));
        });
    }

    /// Returns a receiver of all events from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Arc<OperatorEvent>> {
        self.events.subscribe()
    }

    /// Returns the dump at `now`.
    #[must_use]
    pub fn dump(&self, now: DateTime<Utc>) -> Dump {
        let (dump, campaigns) = self.dump_and_campaigns(now);
        Dump { campaigns: campaigns.into_iter().map(Arc::unwrap_or_clone).collect(), ..dump }
    }

    /// Like [`Board::dump`], but returns the campaigns beside the dump, without copying them.
    #[must_use]
    pub fn dump_and_campaigns(&self, now: DateTime<Utc>) -> (Dump, Vec<Arc<CampaignStatus>>) {
        // Only pointers are cloned under the lock, so that publishers do not wait until 10,000 campaigns are copied.
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

    /// Returns one campaign's status, as last published.
    #[must_use]
    pub fn campaign(&self, id: CampaignId) -> Option<Arc<CampaignStatus>> {
        self.published.borrow().campaigns.get(&id).cloned()
    }

    /// Explains at `now` why one campaign is or is not running, and what happens next.
    #[must_use]
    pub fn explain(&self, id: CampaignId, now: DateTime<Utc>) -> Option<Explanation> {
        let (leadership, status, snapshot, backoff, another_guard, trafficstar) = {
            let published = self.published.borrow();
            let status = published.campaigns.get(&id).cloned()?;
            let (snapshot, backoff) = (published.snapshots.get(&id).cloned(), published.backoffs.get(&id).copied());
            let another_guard = published.failing.signs.another_guard(now);
            (published.leadership.clone(), status, snapshot, backoff, another_guard, published.trafficstar.clone())
        };
        if leadership.role == Role::Standby && snapshot.is_none() {
            return Some(explain_from_standby(now, &status, leadership.leader.as_ref()));
        }
        let line = another_guard.map(|another| format!("Degraded: {another}."));
        Some(explain(now, &status, snapshot.as_deref(), backoff, &trafficstar).with_attention(line))
    }

    /// Returns the health at `now`: whether every promise can be kept, and the reasons if not.
    #[must_use]
    pub fn health(&self, now: DateTime<Utc>) -> Health {
        let (campaigns, left_unguarded, leadership, database, trafficstar, failing) = {
            let published = self.published.borrow();
            let left = published.campaigns.values().filter(|status| !status.ordered.generator_enabled);
            let left_unguarded: Vec<_> =
                left.filter(|status| status.unguarded && status.is_used_up()).map(Arc::clone).collect();
            let campaigns: Vec<_> = published
                .snapshots
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
mod event_tests {
    use tokio::sync::broadcast::error::TryRecvError;

    use super::*;
    use crate::domain::lease::Epoch;
    use crate::domain::operator_event::{EventKind, Part};

    fn noon() -> DateTime<Utc> {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn an_events_id_is_the_dumps_sequence_number() {
        let board = Board::new(noon());
        let mut listener = board.listen();
        board.publish_database(noon(), DatabaseStatus::default());
        let before = board.dump(noon()).sequence;
        board.publish_event(OperatorEvent::recovery(noon(), Part::Database));
        board.publish_event(OperatorEvent::error(noon(), Part::Database, "locked"));
        let ids = [listener.try_recv(), listener.try_recv()].map(|event| event.unwrap().id);
        assert_eq!(ids, [Some(before + 1), Some(before + 2)]);
        assert_eq!(board.dump(noon()).sequence, before + 2);
    }

    #[test]
    fn a_change_of_this_supervisors_role_is_one_event_and_a_change_of_another_leader_is_none() {
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
        let received = std::iter::from_fn(|| listener.try_recv().ok()).map(|event| event.kind.clone());
        let wanted = [(Role::Leader, 3), (Role::CutOff, 3), (Role::Leader, 3), (Role::Standby, 4)];
        let wanted = wanted.map(|(role, epoch)| EventKind::Leadership { role, epoch: Some(Epoch(epoch)) });
        assert_eq!(received.collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn a_slow_listener_loses_the_oldest_events_learns_how_many_and_delays_no_other_listener() {
        let board = Board::new(noon());
        let (mut slow, mut late) = (board.listen(), None);
        for number in 0..EVENTS_KEPT + 7 {
            board.publish_event(OperatorEvent::recovery(noon(), Part::Database));
            if number == EVENTS_KEPT {
                late = Some(board.listen());
            }
        }
        assert_eq!(slow.try_recv().unwrap_err(), TryRecvError::Lagged(7));
        assert_eq!(slow.try_recv().unwrap().id, Some(8));
        assert_eq!(late.unwrap().try_recv().unwrap().id, Some(EVENTS_KEPT as u64 + 2), "others lose nothing");
    }
}

/// Returns the time of a campaign's last reading, or the time since which it cannot be read. A campaign that was not read
/// yet counts from the time when its actor was built. A 404 is a reading.
fn last_reading(status: &CampaignStatus, snapshot: &Snapshot) -> DateTime<Utc> {
    let remote = snapshot.assessment.as_ref().map(|assessment| &assessment.observation.remote);
    let failed = match remote {
        Some(Err(RemoteFault::Failed(_) | RemoteFault::Shared(_) | RemoteFault::Late)) => snapshot.status_unknown_since,
        Some(Ok(_) | Err(RemoteFault::NotFound | RemoteFault::Gone)) | None => None,
    };
    failed.or(status.observed.status_at).unwrap_or(snapshot.built_at)
}

/// Returns how long a pause that was first decided at `since` took, if it is confirmed now.
fn stop_lag(since: DateTime<Utc>, snapshot: &Snapshot) -> Option<std::time::Duration> {
    let pause = snapshot.action.as_ref().filter(|action| action.kind == ActionKind::Pause)?;
    let confirmed_at = pause.confirmed_at.filter(|_| snapshot.pausing_since.is_none())?;
    confirmed_at.signed_duration_since(since).to_std().ok()
}

/// Returns since when a condition holds: the known beginning, or `now` if it holds for the first time. `None` if it
/// does not hold.
fn since(known: Option<DateTime<Utc>>, holds: bool, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    holds.then(|| known.unwrap_or(now))
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

    /// Publishes a campaign as a new actor does.
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
    fn a_dead_actor_is_explained_since_its_death_until_a_new_actor_publishes() {
        let board = Board::new(at(0));
        publish(&board, at(0));
        board.amend_actor(CampaignId(1), |actor| actor.status = Liveness::Restarting);
        board.publish_backoff(CampaignId(1), ActorBackoff { since: at(5), until: at(6) });
        board.publish_backoff(CampaignId(1), ActorBackoff { since: at(6), until: at(8) });
        let explanation = board.explain(CampaignId(1), at(7)).unwrap();
        assert!(explanation.summary.starts_with("It has not been guarded since 12:00:05"), "{}", explanation.summary);
        assert_eq!(explanation.next.at, Some(at(8)));
        publish(&board, at(8));
        assert!(summary(&board, at(9)).starts_with("It has not been read yet"), "{}", summary(&board, at(9)));
    }

    #[test]
    fn a_failing_database_fails_since_the_first_failure_in_a_row() {
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
