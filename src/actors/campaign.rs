//! One campaign's actor: the mailbox and the timer of its session, whose outputs it carries out in their order.
//!
//! Deliberately absent: decisions, which are the machine's, and what follows from an answer, which the session says
//! (`guard`).

mod asking;
mod events;
mod orders;
mod reports;
mod status;

pub use self::orders::{
    AskOutlook, ChangeHold, ForceNow, HoldChanged, HoldOnAll, OutlookAnswer, PauseAllNow, ProcessNow,
};
pub use self::reports::{Died, DisableEnded, Ended};
pub(crate) use self::status::without_actor;

use std::sync::Arc;

use actix::prelude::*;
use tokio::sync::oneshot;

use self::orders::OrderBook;
use super::database::{ReadTick, Save, SaveSpend};
use super::trafficstar::{MakeChange, ReadAccount, ReadSpend, ReadStatus, SetTick};
use crate::board::Board;
use crate::clock::Clock;
use crate::domain::another_guard::Sign;
use crate::domain::event::Event;
use crate::domain::explain::Snapshot;
use crate::domain::explain::earlier::Earlier;
use crate::domain::failure::DatabaseFailure;
use crate::domain::ids::{CampaignId, RemoteId};
use crate::domain::machine::Machine;
use crate::domain::operator_event::{OperatorEvent, Part};
use crate::domain::order::DisableRefusal;
use crate::domain::policy::{Policy, PolicyNumbers};
use crate::domain::repeats::Repeats;
use crate::domain::status::Hold;
use crate::guard::session::{Beginning, Output, Session};
use crate::guard::tick::Reading;
use crate::store::{CampaignRow, StoredCampaign, StoredPromise};
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
    /// Reads the account's list.
    pub read_account: Recipient<ReadAccount>,
    /// Changes a campaign.
    pub change: Recipient<MakeChange>,
    /// What TrafficStars' answers say of our clock.
    pub clock: SeenClock,
}

/// The supervisor, as far as a campaign actor needs it.
#[derive(Debug, Clone)]
pub struct SupervisorPort {
    /// Hears of an actor's end.
    pub died: Recipient<Died>,
    /// Hears how a release ended.
    pub disable_ended: Recipient<DisableEnded>,
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
pub struct DisableIfStopped;
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
    session: Session,
    /// What was done before this actor was built.
    earlier: Earlier,
    incarnation: Incarnation,
    /// When to try again to store what could not be stored.
    save_again: Option<SpawnHandle>,
    stored: Option<StoredPromise>,
    timer: Option<SpawnHandle>,
    orders: OrderBook,
    finishers: Vec<oneshot::Sender<()>>,
    finishing: bool,
    last_tick: Option<LastTick>,
    /// So many skipped ticks are in the metrics.
    skips_counted: u64,
    last_error: Option<String>,
    /// The failure that listeners know of.
    told_error: Option<String>,
    /// What actions have met since one was confirmed.
    repeats: Repeats,
    _death_notice: DeathNotice,
}

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
        let StoredCampaign { promise: stored, unfinished, hold, own_end_time, recent } = stored.unwrap_or_default();
        let entry = unfinished.as_ref().map(|(id, action)| (action.id, *id));
        let promise = stored.as_ref().map(|stored| stored.promise);
        let machine = Machine::new(surroundings.clock.now(), &policy, promise, unfinished.map(|(_, action)| action))
            .having_set(own_end_time)
            .having_done(recent.first().map(|(action, _)| action))
            .on_hold(hold, surroundings.hold_all.clone());
        let death_notice = DeathNotice {
            campaign: row.id,
            incarnation: incarnation.number,
            supervisor: surroundings.supervisor.died.clone(),
        };
        let shows_steps = tracing::enabled!(tracing::Level::TRACE);
        let session = Session::new(Beginning { remote: row.trafficstar_id, policy, machine, entry, shows_steps });
        Self {
            surroundings: Arc::new(surroundings),
            row,
            session,
            earlier: Earlier::new(recent),
            incarnation,
            save_again: None,
            stored,
            timer: None,
            orders: OrderBook::default(),
            finishers: Vec::new(),
            finishing: false,
            last_tick: None,
            skips_counted: 0,
            last_error: None,
            told_error: None,
            repeats: Repeats::default(),
            _death_notice: death_notice,
        }
    }

    /// Publishes what is known of the campaign.
    pub fn publish(&self) {
        let journal_id = self.session.outbox().entry().map(|id| id.0);
        let snapshot = self.earlier.beneath(self.session.snapshot(self.surroundings.clock.now()));
        let snapshot = Snapshot { journal_id, ..snapshot };
        self.surroundings.board.publish_guarded(self.status(), snapshot);
    }

    fn step(&mut self, ctx: &mut Context<Self>, event: Event) {
        self.session.step(self.surroundings.clock.now(), event);
        self.go_on(ctx);
    }

    /// Carries out what the session asks for.
    fn go_on(&mut self, ctx: &mut Context<Self>) {
        for output in self.session.take_outputs() {
            self.carry_out(ctx, output);
        }
        if self.session.take_change() {
            self.publish();
        }
        self.arm(ctx);
        self.answer_finishers();
    }

    fn carry_out(&mut self, ctx: &mut Context<Self>, output: Output) {
        match output {
            Output::ReadDatabase(operation) => self.read_database(ctx, operation),
            Output::EndTickAfter(wait, operation, is_again) => {
                ctx.run_later(wait.to_std().unwrap_or_default(), move |actor, ctx| {
                    actor.session.tick_ends(actor.surroundings.clock.now(), operation, is_again);
                    actor.go_on(ctx);
                });
            }
            Output::ReadStatus(operation, question) => self.read_status(ctx, operation, question),
            Output::ReadSpend(operation, question, since) => self.read_spend(ctx, operation, question, since),
            Output::ReadBack(operation, question) => self.read_back(ctx, operation, question),
            Output::SaveSpend(spend) => self.save_spend(spend),
            Output::Save(record, entry) => self.save(ctx, *record, entry),
            Output::SaveAgainAfter(wait) => {
                let wait = wait.to_std().unwrap_or_default();
                let again = ctx.run_later(wait, |actor, ctx| {
                    actor.save_again = None;
                    actor.session.save_again();
                    actor.go_on(ctx);
                });
                self.save_again.replace(again).map(|earlier| ctx.cancel_future(earlier));
            }
            Output::Stored { promise, is_again } => {
                self.stored = Some(StoredPromise { promise, stored_at: self.surroundings.clock.now() });
                self.save_again.take().map(|again| ctx.cancel_future(again));
                if is_again {
                    tracing::info!(campaign = %self.row.id, name = self.row.name, "the promise is stored again");
                    self.tell(OperatorEvent::recovery(self.surroundings.clock.now(), Part::Promise));
                }
            }
            Output::NotStored { failure, is_first } => self.not_stored(&failure, is_first),
            Output::Send(action, change) => self.send(ctx, action, change),
            Output::SetEndTime(action, change) => self.set_end_time(ctx, action, change),
            Output::Read(reading) => self.note_reading(&reading),
            Output::Note(note) => self.note(&note),
            Output::Sign(sign) => {
                let sign = Sign::EndTime(self.row.id, sign);
                self.surroundings.board.publish_sign(self.surroundings.clock.now(), sign);
            }
            Output::Processed(order) => self.answer_processed(order),
            Output::ForceEnded(order, result) => self.answer_forced(order, &result),
            Output::Held { order, is_stored } => self.answer_held(order, is_stored),
            Output::Disabled(stopped) => self.end_disabling(ctx, Ok(Ended { stopped })),
            Output::DisableRefused(refusal) => self.end_disabling(ctx, Err(refusal)),
            Output::Step(step) => {
                tracing::trace!(campaign = %self.row.id, event = ?step.event, effects = ?step.effects, "a step");
            }
        }
    }

    fn note_reading(&mut self, reading: &Reading) {
        let now = self.surroundings.clock.now();
        let took_ms = u64::try_from(now.signed_duration_since(reading.began_at).num_milliseconds()).unwrap_or(0);
        // Where the limit does not reach for all, many wait for more than a tick. That is told once for all of them, by the
        // budget's own degradation, and for one that waits for long by its last tick.
        if !reading.is_late {
            self.last_tick = Some(LastTick { at: now, took_ms });
            self.note_error(now, reading);
        }
        let skipped_ticks = self.session.machine().counters().skipped_ticks;
        let skipped = skipped_ticks - std::mem::replace(&mut self.skips_counted, skipped_ticks);
        self.surroundings.board.metrics().tick_completed(std::time::Duration::from_millis(took_ms), skipped);
    }

    /// The database is away, or takes nothing.
    fn not_stored(&self, failure: &DatabaseFailure, is_first: bool) {
        let (campaign, name, reason) = (self.row.id, &self.row.name, failure.to_string());
        if is_first {
            tracing::error!(%campaign, name, reason, "the promise could not be stored; it is kept in memory");
            self.tell_listeners(OperatorEvent::error(self.surroundings.clock.now(), Part::Promise, &reason));
        }
        if self.finishing {
            let entry = self.session.outbox().newest();
            tracing::error!(%campaign, name, reason, ?entry, "the program stops, and this is not stored yet");
        }
    }

    fn end_disabling(&mut self, ctx: &mut Context<Self>, result: Result<Ended, DisableRefusal>) {
        let released = result.is_ok();
        let message = DisableEnded { campaign: self.row.id, incarnation: self.incarnation.number, result };
        self.surroundings.supervisor.disable_ended.do_send(message);
        if released {
            ctx.stop();
        }
    }

    /// Sets the timer to the session's next wake. Nothing is begun while the program shuts down.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        let wakes = self.session.wakes_after(self.surroundings.clock.now());
        if self.timer.is_some() && wakes.is_some_and(|wakes| wakes.unless_armed) {
            return;
        }
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let Some(wakes) = wakes else { return };
        self.timer = Some(ctx.run_later(wakes.after.to_std().unwrap_or_default(), |actor, ctx| {
            actor.timer = None;
            actor.step(ctx, Event::Wake);
        }));
    }

    fn answer_finishers(&mut self) {
        if self.finishing && !self.session.is_busy() {
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
        self.step(ctx, Event::Disable { pause });
    }
}

impl Handler<DisableIfStopped> for CampaignActor {
    type Result = ();

    fn handle(&mut self, DisableIfStopped: DisableIfStopped, ctx: &mut Self::Context) {
        self.step(ctx, Event::DisableIfStopped);
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
        self.session.finish();
        self.finishers.push(done);
        self.arm(ctx);
        self.answer_finishers();
        Box::pin(async move {
            // An actor that died meanwhile has nothing on its way either.
            let _ = answer.await;
        })
    }
}
