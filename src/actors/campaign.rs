//! One campaign's actor: owns its state machine and its timer, and carries the machine's effects out in their order.
//!
//! Deliberately absent: decisions. The machine decides; this file asks, stores, sends, publishes.

mod news;
mod observe;
mod orders;
mod status;
mod storing;

pub use self::orders::{ChangeHold, ForceNow, HoldChanged, HoldOnAll, ProcessNow};
pub(crate) use self::status::without_actor;

use std::collections::VecDeque;
use std::sync::Arc;

use actix::prelude::*;
use tokio::sync::oneshot;

use self::observe::Reading;
use self::orders::OrderBook;
use super::database::{ReadTick, Save, SaveSpend};
use super::supervisor::{Died, Ended, ReleaseEnded};
use super::trafficstar::{Change, ChangeKind, ReadSpend, ReadStatus, SetTick};
use crate::board::Board;
use crate::clock::Clock;
use crate::domain::action::{ActionId, ActionKind, Outcome};
use crate::domain::another_guard::Sign;
use crate::domain::event::{Effect, Event, Record, Request};
use crate::domain::explain::Insight;
use crate::domain::facts::{CampaignId, RemoteId};
use crate::domain::machine::Machine;
use crate::domain::nearness::Trend;
use crate::domain::policy::{Policy, PolicyNumbers};
use crate::domain::remote::judge;
use crate::domain::repeats::Repeats;
use crate::domain::spend::Sightings;
use crate::domain::status::{Handling, Hold};
use crate::store::{CampaignRow, JournalId, StoredCampaign, StoredPromise};
use crate::trafficstar::batch::reads::ReadQuestion;
use crate::trafficstar::budget::Rank;
use crate::trafficstar::date::SeenClock;

/// The database, as far as a campaign actor needs it.
#[derive(Debug, Clone)]
pub struct DatabasePort {
    /// Reads the facts of a tick.
    pub read_tick: Recipient<ReadTick>,
    /// Stores a promise and an entry.
    pub save: Recipient<Save>,
    /// Stores a spend.
    pub save_spend: Recipient<SaveSpend>,
}

/// TrafficStars, as far as a campaign actor needs it.
#[derive(Debug, Clone)]
pub struct RemotePort {
    /// Reads a campaign.
    pub read_status: Recipient<ReadStatus>,
    /// Is told of another grid.
    pub set_tick: Recipient<SetTick>,
    /// Reads today's spend from the reports.
    pub read_spend: Recipient<ReadSpend>,
    /// Changes a campaign.
    pub change: Recipient<Change>,
    /// What TrafficStars' answers say of our clock.
    pub clock: SeenClock,
}

/// The supervisor, as far as a campaign actor needs it.
#[derive(Debug, Clone)]
pub struct SupervisorPort {
    /// Hears of an actor's end.
    pub died: Recipient<Died>,
    /// Hears how a release ended.
    pub release_ended: Recipient<ReleaseEnded>,
}

/// Whom and what every campaign actor works with.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The time.
    pub clock: Clock,
    /// Where status is published.
    pub board: Board,
    /// The numbers that a row may override.
    pub defaults: PolicyNumbers,
    /// The database.
    pub database: DatabasePort,
    /// TrafficStars.
    pub remote: RemotePort,
    /// The supervisor.
    pub supervisor: SupervisorPort,
    /// The hold on all campaigns that is in force when the actor is built.
    pub hold_all: Option<Hold>,
}

/// Which actor of a campaign this is, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incarnation {
    /// Counts every actor that was built for the campaign.
    pub number: u64,
    /// Counts those that died.
    pub deaths: u64,
}

/// Tells the supervisor that its actor is gone, whatever the way: a panic drops it like an orderly stop does.
#[derive(Debug)]
pub struct DeathNotice {
    campaign: CampaignId,
    incarnation: u64,
    supervisor: Recipient<Died>,
}

impl Drop for DeathNotice {
    fn drop(&mut self) {
        self.supervisor.do_send(Died { campaign: self.campaign, incarnation: self.incarnation });
    }
}

/// Ends the promise: the generator was disabled.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Release {
    /// Whether to pause the campaign first.
    pub pause: bool,
}

/// Ends the promise if the campaign is seen stopped: its row is about to go.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct ReleaseStopped;
/// Takes over the numbers that a row may override, from the next tick on.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct SetDefaults(pub PolicyNumbers);

/// Begins nothing new, and answers when nothing is on its way any more: the program shuts down.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Finish;

/// The actor.
#[derive(Debug)]
pub struct CampaignActor {
    surroundings: Arc<Surroundings>,
    row: CampaignRow,
    policy: Policy,
    machine: Machine,
    trend: Trend,
    /// What the campaign's own counters of spend have shown since midnight.
    sightings: Sightings,
    incarnation: Incarnation,
    /// Effects that wait for the one before them.
    outbox: VecDeque<Effect>,
    /// Records that are not stored yet, the oldest first. While the database is away they wait here.
    unstored: VecDeque<Record>,
    storing: bool,
    /// Set while the database is away.
    store_retry: Option<SpawnHandle>,
    /// Why the last record could not be stored.
    store_error: Option<String>,
    /// The journal entry of the newest stored action.
    entry: Option<(ActionId, JournalId)>,
    stored: Option<StoredPromise>,
    timer: Option<SpawnHandle>,
    orders: OrderBook,
    finishers: Vec<oneshot::Sender<()>>,
    finishing: bool,
    handling: Option<Handling>,
    last_tick: Option<LastTick>,
    last_error: Option<String>,
    /// The failure that listeners know of.
    told_error: Option<String>,
    /// What actions have met since one was confirmed.
    repeats: Repeats,
    _death_notice: DeathNotice,
}

/// The end time after a pause may wait this long for its turn, however short the tick is.
const END_TIME_LEAVES_WITHIN: chrono::Duration = chrono::Duration::seconds(10);

/// When the last tick was completed for which the status came in time, and how long it took.
#[derive(Debug, Clone, Copy)]
struct LastTick {
    at: chrono::DateTime<chrono::Utc>,
    took_ms: u64,
}

impl CampaignActor {
    /// An actor for a row, standing where the stored promise says; a row whose generator was just enabled starts there
    /// as well, since a promise ends when its generator is disabled.
    #[must_use]
    pub fn new(
        surroundings: Surroundings,
        row: CampaignRow,
        policy: Policy,
        stored: Option<StoredCampaign>,
        incarnation: Incarnation,
    ) -> Self {
        let StoredCampaign { promise: stored, unfinished, hold, own_end_time } = stored.unwrap_or_default();
        let entry = unfinished.as_ref().map(|(id, action)| (action.id, *id));
        let promise = stored.as_ref().map(|stored| stored.promise);
        let machine = Machine::new(surroundings.clock.now(), &policy, promise, unfinished.map(|(_, action)| action))
            .having_set(own_end_time)
            .on_hold(hold, surroundings.hold_all.clone());
        let death_notice = DeathNotice {
            campaign: row.id,
            incarnation: incarnation.number,
            supervisor: surroundings.supervisor.died.clone(),
        };
        Self {
            surroundings: Arc::new(surroundings),
            row,
            policy,
            machine,
            trend: Trend::default(),
            sightings: Sightings::default(),
            incarnation,
            outbox: VecDeque::new(),
            unstored: VecDeque::new(),
            storing: false,
            store_retry: None,
            store_error: None,
            entry,
            stored,
            timer: None,
            orders: OrderBook::default(),
            finishers: Vec::new(),
            finishing: false,
            handling: None,
            last_tick: None,
            last_error: None,
            told_error: None,
            repeats: Repeats::default(),
            _death_notice: death_notice,
        }
    }

    /// Publishes what is known of the campaign.
    pub fn publish(&self) {
        let journal_id = self.entry.map(|(_, id)| id.0);
        let insight = self.machine.insight(self.surroundings.clock.now(), &self.policy);
        let insight = Insight { journal_id, ..insight };
        self.surroundings.board.publish_guarded(self.status(), insight);
    }

    fn step(&mut self, ctx: &mut Context<Self>, event: Event) {
        let effects = self.machine.step(self.surroundings.clock.now(), &self.policy, event);
        self.outbox.extend(effects);
        self.go_on(ctx);
    }

    /// Carries effects out until one has to be waited for.
    fn go_on(&mut self, ctx: &mut Context<Self>) {
        while !self.storing
            && let Some(effect) = self.outbox.pop_front()
        {
            match effect {
                Effect::Store(record) => {
                    self.remember(*record);
                    self.store_next(ctx);
                }
                Effect::Send(request) if self.awaits_storing(request.action) => self.cannot_store_first(request),
                Effect::Send(request) => self.send(ctx, request),
                Effect::Observe { operation, read_remote, is_gone } => {
                    self.begin("tick");
                    let observe = observe::observe(self.question(), read_remote, is_gone);
                    let asked_at = self.surroundings.clock.now();
                    ctx.spawn(observe.into_actor(self).map(move |reading, actor, ctx| {
                        actor.observed(ctx, operation, asked_at, reading);
                    }));
                }
                Effect::ReadBack { operation } => {
                    let read = observe::read_back(self.question());
                    ctx.spawn(read.into_actor(self).map(move |remote, actor, ctx| {
                        actor.step(ctx, Event::ReadBack { operation, remote: remote.map(Box::new) });
                    }));
                }
                Effect::Sign(sign) => {
                    let sign = Sign::EndTime(self.row.id, sign);
                    self.surroundings.board.publish_sign(self.surroundings.clock.now(), sign);
                }
                Effect::Note(note) => {
                    self.note(&note);
                }
                Effect::Processed { order } => self.answer_processed(order),
                Effect::ForceEnded { order, result } => self.answer_forced(order, &result),
                Effect::Held { order } => self.answer_held(order),
                Effect::Released { .. } if !self.unstored.is_empty() => {
                    // What was sent must be in the journal before nobody knows of it any more.
                    self.outbox.push_front(effect);
                    break;
                }
                Effect::Released { stopped } => self.end_release(ctx, Ok(Ended { stopped })),
                Effect::ReleaseRefused(reason) => self.end_release(ctx, Err(reason)),
            }
        }
        self.publish();
        self.arm(ctx);
        self.answer_finishers();
    }

    fn begin(&mut self, what: &str) {
        self.handling = Some(Handling { what: what.to_owned(), since: self.surroundings.clock.now() });
    }

    fn observed(
        &mut self,
        ctx: &mut Context<Self>,
        operation: crate::domain::event::OperationId,
        asked_at: chrono::DateTime<chrono::Utc>,
        reading: Reading,
    ) {
        if self.finishing {
            return;
        }
        let now = self.surroundings.clock.now();
        let took_ms = now.signed_duration_since(asked_at).num_milliseconds();
        let took_ms = u64::try_from(took_ms).unwrap_or(0);
        self.handling = None;
        // Where the limit does not reach for all, many wait for more than a tick. That is told once for all of them, by the
        // budget's own degradation, and for one that waits for long by its last tick.
        if !reading.is_late {
            self.last_tick = Some(LastTick { at: now, took_ms });
            self.note_error(now, &reading);
        }
        if let Some(row) = reading.row {
            if !row.generator_enabled || row.trafficstar_id != self.row.trafficstar_id {
                // The supervisor sees it too, a moment later; nothing may be sent until then.
                self.step(ctx, Event::Release { pause: false });
            } else {
                self.row = row;
            }
        }
        (self.policy, self.sightings) = (reading.policy, reading.sightings);
        let (clicks, spend) = (reading.observation.clicks.as_ref(), reading.observation.spend.as_ref());
        let status = judge(&reading.observation.remote, now);
        self.trend.saw(now, clicks.ok().map(|clicks| clicks.count), spend.ok().map(|spend| spend.amount), &status);
        // What could not be stored while the database was away may be storable now.
        self.store_next(ctx);
        let skipped_before = self.machine.counters().skipped_ticks;
        self.step(ctx, Event::Observed { operation, observation: Box::new(reading.observation) });
        let skipped = self.machine.counters().skipped_ticks - skipped_before;
        self.surroundings.board.metrics().tick_completed(std::time::Duration::from_millis(took_ms), skipped);
    }

    fn send(&mut self, ctx: &mut Context<Self>, request: Request) {
        // The state that is published is the one that was stored, and it is there before the request leaves.
        self.publish();
        let kind = match request.kind {
            ActionKind::Activate => ChangeKind::Activate { end_time: request.end_time },
            ActionKind::Pause => ChangeKind::Pause,
            ActionKind::SetEndTime => ChangeKind::SetEndTime { end_time: request.end_time },
        };
        let clicks = request.remaining_clicks.map_or(0, |clicks| clicks.0);
        let due_for = self.surroundings.clock.now().signed_duration_since(request.due_since);
        let change = self.change(kind, Rank::of_activation(clicks, due_for), request.valid_until);
        ctx.spawn(change.into_actor(self).map(move |outcome, actor, ctx| {
            let accepted_pause = request.kind == ActionKind::Pause && outcome == Outcome::Accepted;
            actor.step(ctx, Event::Applied { action: request.action, outcome });
            if accepted_pause {
                actor.set_end_time_after_pause(ctx, request);
            }
        }));
    }

    fn set_end_time_after_pause(&mut self, ctx: &mut Context<Self>, request: Request) {
        // Nothing is activated while it is on its way, so that a point of the grid that is a blink away need not end it.
        let valid_until = self.surroundings.clock.now() + self.policy.tick.max(END_TIME_LEAVES_WITHIN);
        let kind = ChangeKind::SetEndTime { end_time: request.end_time };
        let change = self.change(kind, Rank::LAST, Some(valid_until));
        ctx.spawn(change.into_actor(self).map(move |outcome, actor, ctx| {
            let result = match outcome {
                Outcome::Accepted => Ok(()),
                Outcome::Unclear(reason)
                | Outcome::Failed(reason)
                | Outcome::NotSent(reason)
                | Outcome::Postponed(reason) => Err(reason),
            };
            actor.step(ctx, Event::EndTimeSet { action: request.action, result });
        }));
    }

    fn change(
        &self,
        kind: ChangeKind,
        rank: Rank,
        valid_until: Option<chrono::DateTime<chrono::Utc>>,
    ) -> impl Future<Output = Outcome> + 'static {
        let change = Change { remote: self.row.trafficstar_id, kind, rank, valid_until };
        let sent = self.surroundings.remote.change.send(change);
        // Whether it left cannot be known then: reading back tells.
        async move { sent.await.unwrap_or_else(|gone| Outcome::Unclear(format!("the TrafficStar client is gone: {gone}"))) }
    }

    fn question(&self) -> observe::Question {
        observe::Question {
            surroundings: Arc::clone(&self.surroundings),
            campaign: self.row.id,
            read: ReadQuestion::of_read_back(self.row.trafficstar_id),
            policy: self.policy.clone(),
            trend: self.trend,
            sightings: self.sightings,
            stance: self.machine.stance(self.surroundings.clock.now()),
        }
    }

    fn end_release(&mut self, ctx: &mut Context<Self>, result: Result<Ended, String>) {
        let released = result.is_ok();
        let message = ReleaseEnded { campaign: self.row.id, incarnation: self.incarnation.number, result };
        self.surroundings.supervisor.release_ended.do_send(message);
        if released {
            ctx.stop();
        }
    }

    /// Sets the timer to the machine's next wake, a tick away at the most: the wall clock may be set back meanwhile, and
    /// the machine sees that when it is woken. Nothing is begun while the program shuts down.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        let next_wake = self.machine.next_wake().filter(|_| !self.finishing);
        let wait = next_wake.map(|at| at.signed_duration_since(self.surroundings.clock.now()));
        // The clock was set back. Whatever is heard meanwhile, as from a database that is away, must not put the wake off.
        if self.timer.is_some() && wait.is_some_and(|wait| wait > self.policy.tick) {
            return;
        }
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let Some(wait) = wait else { return };
        let wait = wait.min(self.policy.tick).to_std().unwrap_or_default();
        self.timer = Some(ctx.run_later(wait, |actor, ctx| {
            actor.timer = None;
            actor.step(ctx, Event::Wake);
        }));
    }

    fn answer_finishers(&mut self) {
        let stored = self.unstored.is_empty() && !self.storing;
        let busy = self.machine.is_action_in_flight() || !stored || !self.outbox.is_empty();
        if self.finishing && !busy {
            for finisher in self.finishers.drain(..) {
                // The supervisor may have given up waiting.
                let _ = finisher.send(());
            }
        }
    }

    /// The campaign's id at TrafficStars.
    #[must_use]
    pub const fn remote_id(&self) -> RemoteId {
        self.row.trafficstar_id
    }
}

impl Actor for CampaignActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.arm(ctx);
    }
}

impl Handler<Release> for CampaignActor {
    type Result = ();

    fn handle(&mut self, Release { pause }: Release, ctx: &mut Self::Context) {
        self.step(ctx, Event::Release { pause });
    }
}

impl Handler<ReleaseStopped> for CampaignActor {
    type Result = ();

    fn handle(&mut self, ReleaseStopped: ReleaseStopped, ctx: &mut Self::Context) {
        self.step(ctx, Event::ReleaseStopped);
    }
}

impl Handler<SetDefaults> for CampaignActor {
    type Result = ();

    fn handle(&mut self, SetDefaults(defaults): SetDefaults, _: &mut Self::Context) {
        // What a tick reads is judged by them; one under way goes on by those it began with.
        Arc::make_mut(&mut self.surroundings).defaults = defaults;
    }
}

impl Handler<Finish> for CampaignActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Finish: Finish, ctx: &mut Self::Context) -> Self::Result {
        let (done, answer) = oneshot::channel();
        self.finishing = true;
        self.finishers.push(done);
        self.arm(ctx);
        self.answer_finishers();
        Box::pin(async move {
            // An actor that died meanwhile has nothing on its way either.
            let _ = answer.await;
        })
    }
}
