//! The alerts of a leader: it starts the alerts actor, starts it again if it dies, and tells it what the board shows.
//!
//! The actor has a thread of its own, and its mailbox is bounded: a message that finds no room is sent again a second
//! later. So nothing about alerts can hold up the guard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::prelude::*;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::RunError;
use crate::actors::alerts::{
    AlertsActor, AlertsPort, CarryOutAlerts, EndUnstored, Findings, Leads, OccasionsStored, SendLast, SetReceivers,
};
use crate::alerts::digest::{self, DueDigest};
use crate::alerts::webhook::Webhooks;
use crate::board::Board;
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{AlertOrder, Refusal};
use crate::domain::alert::Occasion;
use crate::domain::digest::DaySummary;
use crate::domain::ids::CampaignId;
use crate::domain::occasion::OccasionCampaign;
use crate::domain::status::CampaignStatus;
use crate::domain::supervisor_occasions::{
    ActorRestarts, Found, Knowledge, Process, of_health, of_shared_limits, started, stopped,
};
use crate::error_chain::in_full;
use crate::leadership::Leadership;
use crate::store::{Store, StoreError};

/// The interval at which the board is read for occasions.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The time after which a digest is tried again, if the database did not answer.
const DIGEST_AGAIN_AFTER: TimeDelta = TimeDelta::minutes(1);
/// The longest time that the end of a lost leadership waits for the receivers.
const END_UNSTORED_WITHIN: Duration = Duration::from_secs(2);
/// The longest time that the start waits to learn how the last supervisor ended.
const START_READ_WITHIN: Duration = Duration::from_secs(5);
/// The longest time that the end of the program waits for the last messages. What is not delivered by then is delivered
/// by the next supervisor.
const SEND_LAST_WITHIN: Duration = Duration::from_secs(2);

/// The alerts actor of a leader. Clones share it.
#[derive(Clone)]
pub(super) struct Alerting {
    shared: Arc<Shared>,
}

struct Shared {
    current: Mutex<Current>,
    database: AlertsPort,
    leadership: Leadership,
    webhooks: Webhooks,
    board: Board,
    clock: Clock,
}

struct Current {
    arbiter: Option<Arbiter>,
    actor: Addr<AlertsActor>,
    settings: SetReceivers,
}

impl Alerting {
    /// Starts the actor.
    pub(super) fn start(
        database: AlertsPort,
        leadership: Leadership,
        board: Board,
        clock: Clock,
        settings: SetReceivers,
    ) -> Result<Self, RunError> {
        let webhooks = Webhooks::new().map_err(RunError::Webhooks)?;
        let arbiter = Arbiter::try_new().map_err(RunError::ActorThread)?;
        let actor = spawned(&arbiter, &database, &leadership, &webhooks, (&board, &clock), &settings);
        let current = Mutex::new(Current { arbiter: Some(arbiter), actor, settings });
        Ok(Self { shared: Arc::new(Shared { current, database, leadership, webhooks, board, clock }) })
    }

    fn actor(&self) -> Addr<AlertsActor> {
        self.shared.current.lock().unwrap_or_else(PoisonError::into_inner).actor.clone()
    }

    /// Replaces the receivers.
    pub(super) fn set_receivers(&self, settings: SetReceivers) {
        let mut current = self.shared.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.settings = settings.clone();
        current.actor.do_send(settings);
    }

    /// Gives the actor an order.
    pub(super) fn carry_out(&self, order: AlertOrder) {
        if let Err(full) = self.actor().try_send(CarryOutAlerts(order)) {
            let CarryOutAlerts(order) = full.into_inner();
            order.refuse(Refusal::NotNow("the alerts are busy: try again in a few seconds".to_owned()));
        }
    }

    /// Tells the actor, every second and when campaigns have stored occasions, what there is. It first tells that this
    /// supervisor leads. Never returns.
    pub(super) async fn watch(&self, store: &Store, process: &Process) {
        let Shared { board, clock, .. } = &*self.shared;
        let start = self.start_of_leadership(store, process).await;
        let (mut stored, mut restarts) = (board.stored_occasions(), ActorRestarts::default());
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut digests = Digests::default();
        let mut seen = Seen { leads_since: clock.now(), has_read_all: false };
        // What the actor could not take yet.
        let mut untold = false;
        loop {
            tokio::select! {
                _ = look.tick() => {
                    let digest = digests.latest(clock.now(), &self.settings(), store);
                    self.tell_findings(&mut restarts, &mut seen, [Some(start.clone()), digest].into_iter().flatten());
                }
                // The board outlives this.
                _ = stored.changed() => untold = true,
            }
            if untold {
                untold = self.actor().try_send(OccasionsStored).is_err();
            }
            self.respawn_if_dead(board, clock);
        }
    }

    /// Returns the occasion that this supervisor leads, and whether the last one ended in order.
    async fn start_of_leadership(&self, store: &Store, process: &Process) -> Found {
        let Shared { board, clock, .. } = &*self.shared;
        let leadership = board.leadership();
        let since: DateTime<Utc> = clock.now();
        // If the database does not answer, the start is told without that.
        let before = timeout(START_READ_WITHIN, store.last_run_ended_in_order()).await;
        let before = before.ok().and_then(Result::ok).flatten();
        started(since, process, leadership.epoch, before)
    }

    fn settings(&self) -> SetReceivers {
        self.shared.current.lock().unwrap_or_else(PoisonError::into_inner).settings.clone()
    }

    fn tell_findings(&self, restarts: &mut ActorRestarts, seen: &mut Seen, others: impl Iterator<Item = Found>) {
        let Shared { board, clock, .. } = &*self.shared;
        let now = clock.now();
        let (_, campaigns) = board.dump_and_campaigns(now);
        let with_actor = || campaigns.iter().filter_map(|status| Some((status, status.actor.as_ref()?)));
        // A campaign whose actor could not be built yet is guarded, too: its occasions are not over.
        let is_guarded = |status: &&Arc<CampaignStatus>| status.actor.is_some() || status.ordered.generator_enabled;
        let guarded: BTreeSet<CampaignId> = campaigns.iter().filter(is_guarded).map(|status| status.id).collect();
        let deaths = with_actor().map(|(status, actor)| (occasion_campaign(status), actor.restarts));
        let is_read = |at: Option<DateTime<Utc>>| at.is_some_and(|at| at >= seen.leads_since);
        let has_campaigns = with_actor().next().is_some();
        seen.has_read_all |= has_campaigns && with_actor().all(|(status, _)| is_read(status.observed.status_at));
        let leads_for = now.signed_duration_since(seen.leads_since);
        let knowledge = Knowledge { leads_for, has_read_all: seen.has_read_all };
        let known: BTreeMap<CampaignId, OccasionCampaign> =
            campaigns.iter().map(|status| (status.id, occasion_campaign(status))).collect();
        let mut found = of_health(now, &board.health(now), &guarded, &known);
        found.extend(of_shared_limits(board.shared_limits().iter()));
        found.extend(restarts.saw(now, deaths));
        found.extend(others);
        // A mailbox without room gets the next ones: each message has all that there is.
        let _ = self.actor().try_send(Findings { found, guarded, knowledge });
    }

    /// Starts the actor again on a new thread. It goes on from what is stored.
    fn respawn_if_dead(&self, board: &Board, clock: &Clock) {
        let mut current = self.shared.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.actor.connected() || current.arbiter.is_none() {
            return;
        }
        tracing::error!("the alerts actor died (a panic): it is started again, and goes on from what is stored");
        let Ok(arbiter) = Arbiter::try_new() else { return };
        let Shared { database, leadership, webhooks, .. } = &*self.shared;
        current.actor = spawned(&arbiter, database, leadership, webhooks, (board, clock), &current.settings);
        if let Some(old) = current.arbiter.replace(arbiter) {
            old.stop();
        }
    }

    /// Tells the receivers that this supervisor stops, and ends the actor.
    pub(super) async fn stop(&self, process: &Process) {
        let last = SendLast(vec![stopped(self.shared.clock.now(), process)]);
        // What is not delivered in time is stored, and delivered by the next supervisor.
        let _ = timeout(SEND_LAST_WITHIN, self.actor().send(last)).await;
        self.end_thread();
    }

    /// Ends the actor because another supervisor leads.
    pub(super) async fn abandon(&self) {
        let _ = timeout(END_UNSTORED_WITHIN, self.actor().send(EndUnstored)).await;
        self.end_thread();
    }

    /// Ends the actor's thread, and does not wait for it: a receiver that hangs must not hold up the next leader.
    fn end_thread(&self) {
        let arbiter = self.shared.current.lock().unwrap_or_else(PoisonError::into_inner).arbiter.take();
        if let Some(arbiter) = arbiter {
            arbiter.stop();
        }
    }
}

/// What this supervisor has seen since it leads.
#[derive(Debug, Clone, Copy)]
struct Seen {
    leads_since: DateTime<Utc>,
    has_read_all: bool,
}

/// The daily digests.
#[derive(Debug, Default)]
struct Digests {
    /// The last one that was made.
    made: Option<(DueDigest, Found)>,
    /// The next one, while its facts are read.
    reading: Option<(DueDigest, oneshot::Receiver<Result<DayFacts, StoreError>>)>,
    /// No new one is begun before this time (UTC), because the database did not answer.
    not_before: Option<DateTime<Utc>>,
}

/// The facts of a digest: what the day brought, and the open occasions.
type DayFacts = (DaySummary, Vec<Occasion>);

impl Digests {
    /// Returns the last digest that was due. Its facts are read in the background, and once; the stored occasions show
    /// whether it was sent.
    fn latest(&mut self, now: DateTime<Utc>, settings: &SetReceivers, store: &Store) -> Option<Found> {
        let due = digest::due(now, settings.digest?, settings.zone)?;
        if self.made.as_ref().is_none_or(|(made, _)| *made != due) {
            self.make(now, due, store);
        }
        self.made.as_ref().map(|(_, found)| found.clone())
    }

    fn make(&mut self, now: DateTime<Utc>, due: DueDigest, store: &Store) {
        let Some((of, mut answer)) = self.reading.take() else {
            if self.not_before.is_none_or(|at| at <= now) {
                let (tell, answer) = oneshot::channel();
                let store = store.clone();
                actix::spawn(async move {
                    // If the leadership has ended meanwhile, there is no receiver.
                    let _ = tell.send(summary(&store, due.day).await);
                });
                self.reading = Some((due, answer));
            }
            return;
        };
        match answer.try_recv() {
            Ok(Ok((summary, open))) => self.made = Some((of, (None, digest::finding(&of, &summary, &open)))),
            Ok(Err(error)) => {
                tracing::warn!(reason = in_full(&error), "the daily digest waits: its facts cannot be read");
                self.not_before = Some(now + DIGEST_AGAIN_AFTER);
            }
            Err(TryRecvError::Empty) => self.reading = Some((of, answer)),
            Err(TryRecvError::Closed) => self.not_before = Some(now + DIGEST_AGAIN_AFTER),
        }
    }
}

/// Reads the facts of a digest.
async fn summary(store: &Store, day: NaiveDate) -> Result<DayFacts, StoreError> {
    let summary = store.day_summary(day).await?;
    let kept = store.unsettled_alerts().await?;
    let open = kept.occasions.into_iter().map(|(occasion, _)| occasion).filter(Occasion::is_open);
    Ok((summary, open.collect()))
}

fn occasion_campaign(status: &CampaignStatus) -> OccasionCampaign {
    let (id, name, trafficstar_id) = (status.id, status.name.clone(), status.trafficstar_id);
    OccasionCampaign { id, name, trafficstar_id }
}

/// Returns the receivers of a config.
pub(super) fn receivers_of(config: &Config) -> SetReceivers {
    let (zone, digest) = (config.display.time_zone, config.display.digest);
    SetReceivers { receivers: Arc::new(config.receivers.clone()), zone, digest }
}

fn spawned(
    arbiter: &Arbiter,
    database: &AlertsPort,
    leadership: &Leadership,
    webhooks: &Webhooks,
    (board, clock): (&Board, &Clock),
    settings: &SetReceivers,
) -> Addr<AlertsActor> {
    let (database, webhooks, settings) = (database.clone(), webhooks.clone(), settings.clone());
    let (leadership, board, clock) = (leadership.clone(), board.clone(), clock.clone());
    let leads: Leads = Arc::new(move || leadership.lasts());
    // The thread of the actor may begin later than the supervisor finds something.
    let begins_at = clock.now();
    AlertsActor::start_in_arbiter(&arbiter.handle(), move |_| {
        AlertsActor::new(clock, board, leads, database, webhooks, settings, begins_at)
    })
}
