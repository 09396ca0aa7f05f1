//! This process's part in leadership: looks at the lease, takes it, renews it, gives it up, and says so.
//!
//! Deliberately absent: what the numbers mean ([`crate::domain::lease`]), and what is done as a leader or a standby.

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::board::Board;
use crate::clock::Clock;
use crate::domain::lease::{Epoch, HEARTBEAT_EVERY, LOOK_EVERY, Leader, Lease, Moment, Watch};
use crate::domain::status::{LeadershipStatus, Role};
use crate::error_chain::in_full;
use crate::reign::{Reign, moment};
use crate::store::{Candidate, LeaseDesk, Store, StoreError, Term};

/// Candidate for the leadership of a database.
pub(super) struct Leadership {
    store: Store,
    /// None where a lock on the file has decided already.
    desk: Option<LeaseDesk>,
    me: Candidate,
    watch: Watch,
    failing: bool,
    board: Board,
    clock: Clock,
}

/// What a look has shown.
pub(super) enum Look {
    /// This process leads from now on.
    Won(Held),
    /// Another one leads, or did a moment ago: its lease is waited out.
    Held,
}

/// Leadership that is held. Dropped, it is given up soon, or runs out by itself where the process ends first.
pub(super) struct Held {
    /// The database, in the name of this reign.
    pub(super) store: Store,
    /// The right to send.
    pub(super) reign: Reign,
    /// None where nobody else can lead.
    keeper: Option<Keeper>,
}

/// The task that renews the lease.
struct Keeper {
    give_up: oneshot::Sender<()>,
    lost: oneshot::Receiver<()>,
    task: JoinHandle<()>,
}

impl Leadership {
    pub(super) fn new(store: &Store, board: Board, clock: Clock) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let pid = std::process::id();
        // No two processes on machines of one name have both the same id and the same birth, containers included.
        let name = format!("{host} {pid} {}", clock.now().timestamp_nanos_opt().unwrap_or_default());
        let me = Candidate { name, host, pid };
        let desk = store.lease_desk(me.clone());
        Self { store: store.clone(), desk, me, watch: Watch::default(), failing: false, board, clock }
    }

    /// Looks once, and takes the lease where that is allowed.
    ///
    /// # Errors
    /// The database does not answer.
    pub(super) async fn look(&mut self) -> Result<Look, StoreError> {
        let Some(desk) = self.desk.clone() else { return Ok(Look::Won(self.sole())) };
        let row = desk.look().await?;
        if !self.watch.may_take(moment(), &row) {
            self.publish(Role::Standby, Some(row.epoch), row.leader().cloned());
            return Ok(Look::Held);
        }
        let asked_at = moment();
        let Some(term) = desk.take(&row).await? else { return Ok(Look::Held) };
        Ok(Look::Won(self.hold(desk, term, asked_at)))
    }

    /// Whether a leader was seen to be alive.
    pub(super) const fn has_heard_a_heartbeat(&self) -> bool {
        self.watch.has_heard_a_heartbeat()
    }

    /// Looks until it is won. What fails is said once.
    pub(super) async fn win(&mut self) -> Held {
        loop {
            match self.look().await {
                Ok(Look::Won(held)) => return held,
                Ok(Look::Held) => self.failing = false,
                Err(error) => {
                    if !self.failing {
                        tracing::warn!(reason = in_full(&error), "who leads cannot be seen: standing by");
                    }
                    self.failing = true;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn sole(&self) -> Held {
        let (host, pid) = (self.me.host.clone(), self.me.pid);
        self.publish(Role::Leader, None, Some(Leader { host, pid, since: self.clock.now() }));
        Held { store: self.store.clone(), reign: Reign::sole(), keeper: None }
    }

    fn hold(&self, desk: LeaseDesk, term: Term, asked_at: Moment) -> Held {
        let (lease, held_lease) = watch::channel(Lease::granted(term.epoch, asked_at));
        let leader = Leader { host: self.me.host.clone(), pid: self.me.pid, since: term.since };
        let Epoch(epoch) = term.epoch;
        tracing::info!(epoch, host = leader.host, "leadership is taken: this supervisor guards the campaigns");
        self.publish(Role::Leader, Some(term.epoch), Some(leader.clone()));
        let store = self.store.in_term(term.clone());
        let (give_up, given_up) = oneshot::channel();
        let (lose, lost) = oneshot::channel();
        let keeping = Keeping { desk, term, lease, leader, board: self.board.clone(), clock: self.clock.clone() };
        let task = actix::spawn(keeping.until(given_up, lose));
        let keeper = Keeper { give_up, lost, task };
        Held { store, reign: Reign::by_lease(held_lease), keeper: Some(keeper) }
    }

    fn publish(&self, role: Role, epoch: Option<Epoch>, leader: Option<Leader>) {
        self.board.publish_leadership(self.clock.now(), LeadershipStatus { role, epoch, leader });
    }
}

impl Held {
    /// Resolves when another supervisor leads, or could.
    pub(super) async fn lost(&mut self) {
        match &mut self.keeper {
            // A keeper that died renews nothing, either.
            Some(keeper) => drop((&mut keeper.lost).await),
            None => std::future::pending().await,
        }
    }

    /// Ends the reign, so that a standby takes over at once. Nothing may be on its way any more.
    pub(super) async fn give_up(self) {
        let Some(Keeper { give_up, task, .. }) = self.keeper else { return };
        // It has ended already where the reign is lost.
        let _ = give_up.send(());
        let _ = task.await;
    }
}

/// What renewing the lease takes.
struct Keeping {
    desk: LeaseDesk,
    term: Term,
    lease: watch::Sender<Lease>,
    leader: Leader,
    board: Board,
    clock: Clock,
}

impl Keeping {
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
            match self.desk.beat(&self.term).await {
                Ok(true) => {
                    self.lease.send_modify(|lease| *lease = lease.renewed(asked_at));
                    if failing {
                        tracing::info!(epoch, "the lease on leadership is renewed again");
                    }
                    failing = false;
                }
                Ok(false) => {
                    self.lease.send_modify(|lease| *lease = lease.ended());
                    tracing::warn!(epoch, "leadership is lost: another supervisor leads, and this one stands by");
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
        let status = LeadershipStatus { role, epoch: Some(self.term.epoch), leader };
        self.board.publish_leadership(self.clock.now(), status);
    }

    async fn give_up(&self) {
        self.lease.send_modify(|lease| *lease = lease.ended());
        match self.desk.give_up(&self.term).await {
            Ok(()) => tracing::info!(epoch = self.term.epoch.0, "leadership is given up"),
            Err(error) => tracing::warn!(reason = in_full(&error), "leadership could not be given up: it runs out"),
        }
    }
}
