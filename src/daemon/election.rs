//! The election of a leader: this process reads the lease, takes it, renews it and gives it up, and publishes its role.
//!
//! Deliberately absent: the rules of the lease ([`crate::domain::lease`]), and the work of a leader or of a standby
//! (`roles`).

use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::host_name;
use crate::board::Board;
use crate::clock::Clock;
use crate::domain::lease::{Epoch, HEARTBEAT_EVERY, LEASE, LOOK_EVERY, Leader, Lease, LeaseRow, MARGIN, Moment, Watch};
use crate::domain::status::{LeadershipStatus, Role};
use crate::domain::text::date;
use crate::error_chain::in_full;
use crate::leadership::{Leadership, moment};
use crate::store::{LeaseCandidate, LeaseStore, LeaseTerm, Store, StoreError, SupervisorLock};

/// This process's candidacy for the leadership of a database.
pub(super) struct Election {
    store: Store,
    /// The lock on the SQLite file; `None` for a database with a lease. The process that has the lock leads.
    lock: Option<Arc<SupervisorLock>>,
    /// The row of the lease; `None` if the database has a lock instead.
    lease_store: Option<LeaseStore>,
    candidate: LeaseCandidate,
    watch: Watch,
    /// Whether the last look failed, which is logged once.
    failing: bool,
    board: Board,
    clock: Clock,
}

/// The result of a look at the lease.
pub(super) enum Look {
    /// This process leads from now on.
    Won(HeldLease),
    /// Another process leads, or led a moment ago: its lease must end first.
    HeldByAnother,
}

/// The leadership that this process has. If it is dropped, the lease is given up; if the process ends before that, the
/// lease ends by itself.
pub(super) struct HeldLease {
    /// The database. It takes writes only while this leadership lasts.
    pub(super) store: Store,
    /// Allows requests while the leadership lasts.
    pub(super) leadership: Leadership,
    lock: Option<Arc<SupervisorLock>>,
    /// The task that renews the lease; `None` if there is no lease.
    renewer: Option<LeaseRenewer>,
}

/// The task that renews the lease.
struct LeaseRenewer {
    give_up: oneshot::Sender<()>,
    lost: oneshot::Receiver<()>,
    task: JoinHandle<()>,
}

impl Election {
    pub(super) fn new(store: &Store, lock: Option<Arc<SupervisorLock>>, board: Board, clock: Clock) -> Self {
        let host = host_name();
        let pid = std::process::id();
        // The start time makes the name unique: containers may have the same host name and the same process id.
        let name = format!("{host} {pid} {}", clock.now().timestamp_nanos_opt().unwrap_or_default());
        let candidate = LeaseCandidate { name, host, pid };
        let lease_store = store.lease_store(candidate.clone());
        let (store, watch) = (store.clone(), Watch::default());
        Self { store, lock, lease_store, candidate, watch, failing: false, board, clock }
    }

    /// Looks at the lease once, and takes it if that is allowed. A database with a lock needs no look: this process has
    /// the lock.
    ///
    /// # Errors
    /// The database does not answer.
    pub(super) async fn look(&mut self) -> Result<Look, StoreError> {
        let Some(lease_store) = self.lease_store.clone() else { return Ok(Look::Won(self.sole())) };
        let row = lease_store.look().await?;
        let now = moment();
        if !self.watch.may_take(now, &row) {
            let silence = self.watch.sees_no_leader(now).then(|| silence(&row));
            let leader = row.leader().filter(|_| silence.is_none()).cloned();
            self.publish(Role::Standby, Some(row.epoch), leader, silence);
            return Ok(Look::HeldByAnother);
        }
        let asked_at = moment();
        let Some(term) = lease_store.take(&row).await? else { return Ok(Look::HeldByAnother) };
        Ok(Look::Won(self.hold(lease_store, term, asked_at)))
    }

    /// Whether a lock decides which process leads. A lost lock cannot be taken again.
    pub(super) const fn is_by_lock(&self) -> bool {
        self.lease_store.is_none()
    }

    /// Whether a heartbeat of another leader was seen.
    pub(super) const fn has_seen_a_heartbeat(&self) -> bool {
        self.watch.has_seen_a_heartbeat()
    }

    /// Looks at the lease until this process leads. A series of failures is logged once.
    pub(super) async fn win(&mut self) -> HeldLease {
        loop {
            match self.look().await {
                Ok(Look::Won(held)) => return held,
                Ok(Look::HeldByAnother) => self.failing = false,
                Err(error) => self.cannot_look(&error),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Publishes, and logs once, that the lease cannot be read.
    fn cannot_look(&mut self, error: &StoreError) {
        let reason = in_full(error);
        if !self.failing {
            tracing::warn!(reason, "the lease on leadership cannot be read: standing by");
        }
        self.failing = true;
        let no_leader = Some(format!("the lease on leadership cannot be read: {reason}"));
        self.publish(Role::Standby, self.board.leadership().epoch, None, no_leader);
    }

    /// Returns the leadership of the process that has the lock, or of the only process on the database.
    fn sole(&self) -> HeldLease {
        let (host, pid) = (self.candidate.host.clone(), self.candidate.pid);
        let leader = Some(Leader { host, pid, since: self.clock.now() });
        self.publish(Role::Leader, None, leader, None);
        let lock = self.lock.clone();
        let leadership =
            lock.clone().map_or_else(Leadership::sole, |lock| Leadership::by_lock(move || lock.is_in_place()));
        HeldLease { store: self.store.clone(), leadership, lock, renewer: None }
    }

    /// Returns the leadership by a lease that was just taken, and starts the task that renews it.
    fn hold(&self, lease_store: LeaseStore, term: LeaseTerm, asked_at: Moment) -> HeldLease {
        let (lease, held_lease) = watch::channel(Lease::granted(term.epoch, asked_at));
        let leader = Leader { host: self.candidate.host.clone(), pid: self.candidate.pid, since: term.since };
        let Epoch(epoch) = term.epoch;
        tracing::info!(epoch, host = leader.host, "this supervisor has taken the leadership, and guards the campaigns");
        self.publish(Role::Leader, Some(term.epoch), Some(leader.clone()), None);
        let store = self.store.in_term(term.clone());
        let (give_up, given_up) = oneshot::channel();
        let (lose, lost) = oneshot::channel();
        let (board, clock) = (self.board.clone(), self.clock.clone());
        let renewal = LeaseRenewal { lease_store, term, lease, leader, board, clock };
        let task = actix::spawn(renewal.until(given_up, lose));
        let renewer = LeaseRenewer { give_up, lost, task };
        HeldLease { store, leadership: Leadership::by_lease(held_lease), lock: None, renewer: Some(renewer) }
    }

    fn publish(&self, role: Role, epoch: Option<Epoch>, leader: Option<Leader>, no_leader: Option<String>) {
        let status = LeadershipStatus { role, epoch, leader, no_leader };
        self.board.publish_leadership(self.clock.now(), status);
    }
}

/// Returns the reason for which no supervisor leads although the lease is held, and what this supervisor waits for.
fn silence(row: &LeaseRow) -> String {
    let ends_at = row.ends_at.map_or_else(|| "long ago".to_owned(), |at| date(at) + " UTC");
    format!(
        "the last leader has sent no heartbeat for {}. This supervisor waits until its lease ends: at {ends_at} by the \
         database's clock. If that clock was set back, set it right. If no supervisor leads, you can end the lease: \
         `UPDATE leadership SET ends_at = NULL`",
        humantime::format_duration(LEASE + MARGIN)
    )
}

impl HeldLease {
    /// Resolves when the leadership is lost: another supervisor leads, or may lead.
    pub(super) async fn lost(&mut self) {
        match &mut self.renewer {
            // If the task has ended by a panic, the lease is not renewed, so it counts as lost, too.
            Some(renewer) => drop((&mut renewer.lost).await),
            None => self.lock_lost().await,
        }
    }

    /// Resolves when the lock file was removed or replaced; never if there is no lock.
    async fn lock_lost(&self) {
        let Some(lock) = &self.lock else { return std::future::pending().await };
        while lock.is_in_place() {
            tokio::time::sleep(HEARTBEAT_EVERY).await;
        }
    }

    /// Allows requests without leadership. Only for pauses: a needless pause costs one request.
    pub(super) fn without_leadership(store: &Store) -> Self {
        Self { store: store.clone(), leadership: Leadership::sole(), lock: None, renewer: None }
    }

    /// Ends the leadership, so that a standby takes over at once. The caller makes sure that nothing is in flight.
    pub(super) async fn give_up(self) {
        let Some(LeaseRenewer { give_up, task, .. }) = self.renewer else { return };
        // The task has ended already if the leadership was lost.
        let _ = give_up.send(());
        let _ = task.await;
    }
}

/// Renews the lease, and publishes the role.
struct LeaseRenewal {
    lease_store: LeaseStore,
    term: LeaseTerm,
    lease: watch::Sender<Lease>,
    leader: Leader,
    board: Board,
    clock: Clock,
}

impl LeaseRenewal {
    /// Renews the lease until `given_up` resolves or another process has taken it.
    async fn until(self, mut given_up: oneshot::Receiver<()>, lose: oneshot::Sender<()>) {
        let mut heartbeat = tokio::time::interval(HEARTBEAT_EVERY);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let Epoch(epoch) = self.term.epoch;
        let mut failing = false;
        loop {
            tokio::select! {
                _ = heartbeat.tick() => {}
                _ = &mut given_up => return self.give_up().await,
            }
            let asked_at = moment();
            match self.lease_store.beat(&self.term).await {
                Ok(true) => {
                    self.lease.send_modify(|lease| *lease = lease.renewed(asked_at));
                    if failing {
                        tracing::info!(epoch, "the lease on leadership is renewed again");
                    }
                    failing = false;
                }
                Ok(false) => {
                    self.lease.send_modify(|lease| *lease = lease.ended());
                    tracing::warn!(
                        epoch,
                        "leadership is lost: another supervisor leads or may lead, and this one stands by"
                    );
                    self.publish(Role::Standby, None);
                    // The daemon may be stopping.
                    let _ = lose.send(());
                    return;
                }
                Err(error) => {
                    let lasts_ms = self.lease.borrow().left(moment()).as_millis();
                    if !failing {
                        tracing::warn!(
                            epoch,
                            lasts_ms,
                            reason = in_full(&error),
                            "the lease could not be renewed, it is tried every second"
                        );
                    }
                    failing = true;
                }
            }
            self.publish_own();
        }
    }

    /// Publishes that this process leads; or that it is cut off, if its lease has ended and no other leader is known.
    fn publish_own(&self) {
        if self.lease.borrow().lasts(moment()) {
            self.publish(Role::Leader, Some(self.leader.clone()));
        } else {
            self.publish(Role::CutOff, None);
        }
    }

    fn publish(&self, role: Role, leader: Option<Leader>) {
        let status = LeadershipStatus { role, epoch: Some(self.term.epoch), leader, no_leader: None };
        self.board.publish_leadership(self.clock.now(), status);
    }

    async fn give_up(&self) {
        self.lease.send_modify(|lease| *lease = lease.ended());
        match self.lease_store.give_up(&self.term).await {
            Ok(()) => tracing::info!(epoch = self.term.epoch.0, "leadership is given up"),
            Err(error) => tracing::warn!(
                reason = in_full(&error),
                "the lease could not be given up: it ends by itself in a few seconds"
            ),
        }
    }
}
