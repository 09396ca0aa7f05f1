//! This process's part in leadership: looks at the lease, takes it, renews it, gives it up, and says so.
//!
//! Deliberately absent: what the numbers mean ([`crate::domain::lease`]), and what is done as a leader or a standby.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::board::Board;
use crate::clock::Clock;
use crate::domain::lease::{Epoch, HEARTBEAT_EVERY, LEASE, LOOK_EVERY, Leader, Lease, LeaseRow, MARGIN, Moment, Watch};
use crate::domain::status::{LeadershipStatus, Role};
use crate::domain::text::date;
use crate::error_chain::in_full;
use crate::leadership::{Leadership, moment};
use crate::store::{LeaseCandidate, LeaseStore, LeaseTerm, Store, StoreError, SupervisorLock};

/// LeaseCandidate for the leadership of a database.
pub(super) struct Election {
    store: Store,
    /// The lock on the file, where there is one. It has decided already.
    lock: Option<Arc<SupervisorLock>>,
    /// None where there is a lock instead.
    router: Option<LeaseStore>,
    me: LeaseCandidate,
    watch: Watch,
    failing: bool,
    board: Board,
    clock: Clock,
}

/// What a look has shown.
pub(super) enum Look {
    /// This process leads from now on.
    Won(HeldLease),
    /// Another one leads, or did a moment ago: its lease is waited out.
    HeldLease,
}

/// Election that is held. Dropped, it is given up soon, or runs out by itself where the process ends first.
pub(super) struct HeldLease {
    /// The database, in the name of this leadership.
    pub(super) store: Store,
    /// The right to send.
    pub(super) leadership: Leadership,
    lock: Option<Arc<SupervisorLock>>,
    /// None where there is a lock instead, or nothing to keep.
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
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let pid = std::process::id();
        // No two processes on machines of one name have both the same id and the same birth, containers included.
        let name = format!("{host} {pid} {}", clock.now().timestamp_nanos_opt().unwrap_or_default());
        let me = LeaseCandidate { name, host, pid };
        let router = store.lease_store(me.clone());
        Self { store: store.clone(), lock, router, me, watch: Watch::default(), failing: false, board, clock }
    }

    /// Looks once, and takes the lease where that is allowed.
    ///
    /// # Errors
    /// The database does not answer.
    pub(super) async fn look(&mut self) -> Result<Look, StoreError> {
        let Some(router) = self.router.clone() else { return Ok(Look::Won(self.sole())) };
        let row = router.look().await?;
        let now = moment();
        if !self.watch.may_take(now, &row) {
            let silence = self.watch.hears_nobody(now).then(|| silence(&row));
            let leader = row.leader().filter(|_| silence.is_none()).cloned();
            self.publish(Role::Standby, Some(row.epoch), leader, silence);
            return Ok(Look::HeldLease);
        }
        let asked_at = moment();
        let Some(term) = router.take(&row).await? else { return Ok(Look::HeldLease) };
        Ok(Look::Won(self.hold(router, term, asked_at)))
    }

    /// Whether it is a lock that decides who leads: one that is lost does not come back.
    pub(super) const fn is_by_lock(&self) -> bool {
        self.router.is_none()
    }

    /// Whether a leader was seen to be alive.
    pub(super) const fn has_heard_a_heartbeat(&self) -> bool {
        self.watch.has_heard_a_heartbeat()
    }

    /// Looks until it is won. What fails is said once.
    pub(super) async fn win(&mut self) -> HeldLease {
        loop {
            match self.look().await {
                Ok(Look::Won(held)) => return held,
                Ok(Look::HeldLease) => self.failing = false,
                Err(error) => self.cannot_look(&error),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn cannot_look(&mut self, error: &StoreError) {
        let reason = in_full(error);
        if !self.failing {
            tracing::warn!(reason, "who leads cannot be seen: standing by");
        }
        self.failing = true;
        let nobody_leads = Some(format!("who leads cannot be seen: {reason}"));
        self.publish(Role::Standby, self.board.leadership().epoch, None, nobody_leads);
    }

    fn sole(&self) -> HeldLease {
        let (host, pid) = (self.me.host.clone(), self.me.pid);
        let leader = Some(Leader { host, pid, since: self.clock.now() });
        self.publish(Role::Leader, None, leader, None);
        let lock = self.lock.clone();
        let leadership =
            lock.clone().map_or_else(Leadership::sole, |lock| Leadership::by_lock(move || lock.is_in_place()));
        HeldLease { store: self.store.clone(), leadership, lock, renewer: None }
    }

    fn hold(&self, router: LeaseStore, term: LeaseTerm, asked_at: Moment) -> HeldLease {
        let (lease, held_lease) = watch::channel(Lease::granted(term.epoch, asked_at));
        let leader = Leader { host: self.me.host.clone(), pid: self.me.pid, since: term.since };
        let Epoch(epoch) = term.epoch;
        tracing::info!(epoch, host = leader.host, "leadership is taken: this supervisor guards the campaigns");
        self.publish(Role::Leader, Some(term.epoch), Some(leader.clone()), None);
        let store = self.store.in_term(term.clone());
        let (give_up, given_up) = oneshot::channel();
        let (lose, lost) = oneshot::channel();
        let keeping =
            LeaseRenewal { router, term, lease, leader, board: self.board.clone(), clock: self.clock.clone() };
        let task = actix::spawn(keeping.until(given_up, lose));
        let renewer = LeaseRenewer { give_up, lost, task };
        HeldLease { store, leadership: Leadership::by_lease(held_lease), lock: None, renewer: Some(renewer) }
    }

    fn publish(&self, role: Role, epoch: Option<Epoch>, leader: Option<Leader>, nobody_leads: Option<String>) {
        let status = LeadershipStatus { role, epoch, leader, nobody_leads };
        self.board.publish_leadership(self.clock.now(), status);
    }
}

/// Why nobody leads who holds the lease, and what is waited for.
fn silence(row: &LeaseRow) -> String {
    let ends_at = row.ends_at.map_or_else(|| "long ago".to_owned(), |at| date(at) + " UTC");
    format!(
        "the last leader has sent no heartbeat for {}, and its lease ends only at {ends_at} by the database's clock, which is \
         waited for. Was that clock set back? Set it right; or, where no supervisor is left that leads, end the lease: \
         `UPDATE leadership SET ends_at = NULL`",
        humantime::format_duration(LEASE + MARGIN)
    )
}

impl HeldLease {
    /// Resolves when another supervisor leads, or could.
    pub(super) async fn lost(&mut self) {
        match &mut self.renewer {
            // A renewer that died renews nothing, either.
            Some(renewer) => drop((&mut renewer.lost).await),
            None => self.lock_lost().await,
        }
    }

    async fn lock_lost(&self) {
        let Some(lock) = &self.lock else { return std::future::pending().await };
        while lock.is_in_place() {
            tokio::time::sleep(HEARTBEAT_EVERY).await;
        }
    }

    /// The right to act without leading: for pauses, which harm nobody.
    pub(super) fn by_nobody(store: &Store) -> Self {
        Self { store: store.clone(), leadership: Leadership::sole(), lock: None, renewer: None }
    }

    /// Ends the leadership, so that a standby takes over at once. Nothing may be on its way any more.
    pub(super) async fn give_up(self) {
        let Some(LeaseRenewer { give_up, task, .. }) = self.renewer else { return };
        // It has ended already where the leadership is lost.
        let _ = give_up.send(());
        let _ = task.await;
    }
}

/// What renewing the lease takes.
struct LeaseRenewal {
    router: LeaseStore,
    term: LeaseTerm,
    lease: watch::Sender<Lease>,
    leader: Leader,
    board: Board,
    clock: Clock,
}

impl LeaseRenewal {
    /// Renews the lease until it is to be given up or another one has it.
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
            match self.router.beat(&self.term).await {
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
                        "leadership is lost: another supervisor leads, or could, and this one stands by"
                    );
                    self.publish(Role::Standby, None);
                    // The daemon may be stopping.
                    let _ = lose.send(());
                    return;
                }
                Err(error) => {
                    let lasts_ms = self.lease.borrow().rest(moment()).as_millis();
                    if !failing {
                        tracing::warn!(epoch, lasts_ms, reason = in_full(&error), "the lease could not be renewed");
                    }
                    failing = true;
                }
            }
            self.publish_own();
        }
    }

    /// That it leads, or that its lease has ended without anybody having it, as far as it knows.
    fn publish_own(&self) {
        if self.lease.borrow().lasts(moment()) {
            self.publish(Role::Leader, Some(self.leader.clone()));
        } else {
            self.publish(Role::CutOff, None);
        }
    }

    fn publish(&self, role: Role, leader: Option<Leader>) {
        let status = LeadershipStatus { role, epoch: Some(self.term.epoch), leader, nobody_leads: None };
        self.board.publish_leadership(self.clock.now(), status);
    }

    async fn give_up(&self) {
        self.lease.send_modify(|lease| *lease = lease.ended());
        match self.router.give_up(&self.term).await {
            Ok(()) => tracing::info!(epoch = self.term.epoch.0, "leadership is given up"),
            Err(error) => tracing::warn!(reason = in_full(&error), "leadership could not be given up: it runs out"),
        }
    }
}
