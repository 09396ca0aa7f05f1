//! The real supervisor and its campaign actors on paused time. TrafficStars and the database are in memory. When no
//! actor has anything to do, time jumps to the next timer.

mod outside;
mod remote;
mod store;
mod world;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use actix::prelude::*;
use chrono::{DateTime, Utc};
use tokio::sync::{broadcast, oneshot};
use tokio::time::Instant;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;
use traffic_generator::actors::supervisor::{CarryOut, Supervisor, SyncNow};
use traffic_generator::board::Board;
use traffic_generator::clock::Clock;
use traffic_generator::control::{Ask, Order, Process, Processed, Refusal, Reply};
use traffic_generator::domain::ids::CampaignId;
use traffic_generator::domain::operator_event::{EventKind, OperatorEvent, Part};
use traffic_generator::domain::policy::PolicyNumbers;
use traffic_generator::domain::status::{ActorStatus, CampaignStatus, LeadershipStatus};

pub(crate) use self::outside::{Outside, Wedge};
pub(crate) use self::world::{Call, Campaign, Fault, OverTime, Shared, World};
use crate::defect::{Defect, Log};

/// The time at which every test begins: a point of the grid, far from midnight.
pub(crate) fn noon() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// Returns the moment `seconds` seconds after the beginning.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    noon() + chrono::Duration::seconds(seconds)
}

/// Runs a test on one thread. Its time does not move while any actor has something to do.
pub(crate) fn on_paused_time<T>(test: impl Future<Output = T>) -> T {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    System::with_tokio_rt(runtime).block_on(test)
}

/// Everything that a test works with.
pub(crate) struct Stage {
    pub(crate) clock: Clock,
    pub(crate) board: Board,
    pub(crate) world: Shared,
    pub(crate) defect: Defect,
    pub(crate) log: Log,
    pub(crate) database: Addr<Outside>,
    pub(crate) remote: Addr<Outside>,
    pub(crate) supervisor: Addr<Supervisor>,
    began: Instant,
    set_by: Arc<AtomicI64>,
    events: RefCell<broadcast::Receiver<Arc<OperatorEvent>>>,
    _listening: DefaultGuard,
}

impl Stage {
    /// Starts the actors, and returns when every campaign has its actor.
    pub(crate) async fn set(campaigns: Vec<Campaign>) -> Self {
        Self::set_by(PolicyNumbers::default(), campaigns).await
    }

    /// Does the same with other policy numbers.
    pub(crate) async fn set_by(numbers: PolicyNumbers, campaigns: Vec<Campaign>) -> Self {
        let stage = Self::begin(numbers, campaigns, |_| {});
        stage.supervisor.send(SyncNow).await.unwrap().unwrap();
        stage
    }

    /// Starts the supervisor in a world that `prepare` has changed.
    pub(crate) fn begin(numbers: PolicyNumbers, campaigns: Vec<Campaign>, prepare: impl FnOnce(&mut World)) -> Self {
        let (began, began_at) = (Instant::now(), noon());
        let set_by = Arc::new(AtomicI64::new(0));
        let seconds = Arc::clone(&set_by);
        let set = move || chrono::Duration::seconds(seconds.load(Ordering::Relaxed));
        let clock = Clock::new(move || began_at + began.elapsed() + set());
        let board = Board::new(clock.now());
        board.publish_leadership(clock.now(), LeadershipStatus::default());
        let events = RefCell::new(board.listen());
        let (defect, log) = (Defect::default(), Log::default());
        let subscriber = tracing_subscriber::registry().with(log.clone()).with(defect.clone());
        let _listening = tracing::subscriber::set_default(subscriber);
        let mut world = World::new(clock.clone(), campaigns);
        prepare(&mut world);
        let world = Rc::new(RefCell::new(world));
        let database = Outside(Rc::clone(&world)).start();
        let remote = Outside(Rc::clone(&world)).start();
        let supervisor = Supervisor::new(
            clock.clone(),
            board.clone(),
            numbers.validate().unwrap(),
            store::database_port(&database),
            store::rows_port(&database),
            remote::remote_port(&remote),
        )
        .start();
        Self { clock, board, world, defect, log, database, remote, supervisor, began, set_by, events, _listening }
    }

    /// Waits until `seconds` seconds have passed since the beginning, and a millisecond more, so that all work that was
    /// due then is done.
    pub(crate) async fn pass(&self, seconds: u64) {
        tokio::time::sleep_until(self.began + Duration::from_secs(seconds) + Duration::from_millis(1)).await;
    }

    /// Sets the clock ahead by `seconds`, or back if that is negative.
    pub(crate) fn set_clock(&self, seconds: i64) {
        self.set_by.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) fn campaign(&self, id: i64) -> CampaignStatus {
        (*self.board.campaign(CampaignId(id)).expect("it is on the board")).clone()
    }

    pub(crate) fn actor(&self, id: i64) -> ActorStatus {
        self.campaign(id).actor.expect("it is guarded")
    }

    pub(crate) fn fault(&self, call: Call, id: i64, fault: Fault) {
        self.world.borrow_mut().faults.insert((call, CampaignId(id)), fault);
    }

    pub(crate) fn mend(&self, call: Call, id: i64) {
        self.world.borrow_mut().faults.remove(&(call, CampaignId(id)));
    }

    /// Gives an order. The caller may wait for the answer, or drop it.
    pub(crate) fn order<A>(&self, order: impl FnOnce(Reply<A>) -> Order) -> oneshot::Receiver<Result<A, Refusal>> {
        let (reply, answer) = oneshot::channel();
        self.supervisor.do_send(CarryOut(order(reply)));
        answer
    }

    pub(crate) fn tick_now(&self, id: i64) -> oneshot::Receiver<Result<Processed, Refusal>> {
        let question = Process { campaign: CampaignId(id), force: None, by: None };
        self.order(|reply| Order::Process(Ask { question, reply }))
    }

    /// Lets every actor of the campaign die of its next tick: a failed read makes the tick log a line, and that panics.
    pub(crate) fn doom(&self, id: i64) {
        self.fault(Call::ReadStatus, id, Fault::Fails);
        self.defect.arm_for_good(CampaignId(id));
    }

    /// Ends the effect of `doom`: the next actor lives.
    pub(crate) fn spare(&self, id: i64) {
        self.mend(Call::ReadStatus, id);
        self.defect.mend(CampaignId(id));
    }

    /// Lets the campaign's actor die now.
    pub(crate) async fn kill(&self, id: i64) {
        self.doom(id);
        let answer = self.tick_now(id).await.unwrap();
        assert!(answer.is_err(), "its actor died over this tick: {answer:?}");
        self.spare(id);
    }

    /// Returns the events since the last call, and the number of events that were lost because they were not read in
    /// time.
    pub(crate) fn new_events(&self) -> (Vec<Arc<OperatorEvent>>, u64) {
        let (mut receiver, mut events, mut lost) = (self.events.borrow_mut(), Vec::new(), 0);
        loop {
            match receiver.try_recv() {
                Ok(event) => events.push(event),
                Err(broadcast::error::TryRecvError::Lagged(count)) => lost += count,
                Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => {
                    return (events, lost);
                }
            }
        }
    }
}

/// The times at which a campaign's actors died, and at which they were respawned, in milliseconds since the beginning.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lives {
    pub(crate) died: Vec<i64>,
    pub(crate) respawned: Vec<i64>,
}

impl Lives {
    pub(crate) fn of(id: i64, events: &[Arc<OperatorEvent>]) -> Self {
        let mut lives = Self::default();
        for event in events.iter().filter(|event| event.campaign_id == Some(CampaignId(id))) {
            let at_ms = event.at.signed_duration_since(noon()).num_milliseconds();
            if matches!(event.kind, EventKind::Error { part: Part::Actor, .. }) {
                lives.died.push(at_ms);
            } else if event.kind == (EventKind::Recovery { part: Part::Actor }) {
                lives.respawned.push(at_ms);
            }
        }
        lives
    }
}
