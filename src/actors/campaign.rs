//! The actor of one campaign. It owns the mailbox and the timer of the campaign's session, and carries out the
//! session's outputs in their order.
//!
//! Deliberately absent: decisions, which the machine takes (`domain::machine`), and what follows from an answer, which
//! the session decides (`guard`).

mod events;
mod orders;
mod reports;
mod requests;
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
use super::answers::send_reply;
use super::database::{ReadTick, Save, SaveSpend};
use super::trafficstar::{MakeChange, ReadAccount, ReadSpend, ReadStatus, SetTick};
use crate::board::Board;
use crate::clock::Clock;
use crate::domain::another_guard::Sign;
use crate::domain::campaign_occasions::CampaignOccasions;
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

/// The messages to the database that a campaign actor sends.
#[derive(Debug, Clone)]
pub struct DatabasePort {
    /// Reads the facts of a tick.
    pub read_tick: Recipient<ReadTick>,
    /// Stores a promise and its journal entry.
    pub save: Recipient<Save>,
    /// Stores a spend.
    pub save_spend: Recipient<SaveSpend>,
}

/// The messages to the TrafficStar client that the campaign actors and the supervisor send.
#[derive(Debug, Clone)]
pub struct RemotePort {
    /// Reads a campaign.
    pub read_status: Recipient<ReadStatus>,
    /// Changes the length of a tick, and with it the points of the grid.
    pub set_tick: Recipient<SetTick>,
    /// Reads today's spend from the reports.
    pub read_spend: Recipient<ReadSpend>,
    /// Reads the list of all campaigns of the account.
    pub read_account: Recipient<ReadAccount>,
    /// Changes a campaign.
    pub change: Recipient<MakeChange>,
    /// The difference between our clock and the `Date` of TrafficStars' answers.
    pub clock: SeenClock,
}

/// The reports to the supervisor that a campaign actor sends.
#[derive(Debug, Clone)]
pub struct SupervisorPort {
    /// Receives the end of an actor, orderly or by a panic.
    pub died: Recipient<Died>,
    /// Receives the result of a disable.
    pub disable_ended: Recipient<DisableEnded>,
}

/// The parts of the program that every campaign actor uses.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The clock of this process.
    pub clock: Clock,
    /// The board on which the actor publishes its status.
    pub board: Board,
    /// The numbers that a row may override.
    pub defaults: PolicyNumbers,
    /// The messages to the database.
    pub database: DatabasePort,
    /// The messages to TrafficStars.
    pub remote: RemotePort,
    /// The reports to the supervisor.
    pub supervisor: SupervisorPort,
    /// The hold on all campaigns at the time when the actor is built; `None` if there is no such hold.
    pub hold_all: Option<Hold>,
}

/// Counts the actors of one campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incarnation {
    /// The number of this actor: how many were built for the campaign, this one included.
    pub number: u64,
    /// The number of earlier actors that died.
    pub deaths: u64,
}

/// Reports the end of its actor to the supervisor when it is dropped. A panic drops it, and so does an orderly stop.
#[derive(Debug)]
pub struct DiedOnDrop {
    campaign: CampaignId,
    incarnation: u64,
    supervisor: Recipient<Died>,
}

impl Drop for DiedOnDrop {
    fn drop(&mut self) {
        self.supervisor.do_send(Died { campaign: self.campaign, incarnation: self.incarnation });
    }
}

/// Disables the generator: ends the promise, and then the actor.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Disable {
    /// Whether to pause the campaign before that.
    pub pause: bool,
}

/// Disables the generator only if the campaign is seen stopped.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct DisableIfStopped;

/// Replaces the config's defaults that a row may override, from the next tick on.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct SetDefaults(pub PolicyNumbers);

/// Prepares the end of the program: begins nothing new, and answers when nothing is in flight.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Finish;

/// The actor of one campaign.
#[derive(Debug)]
pub struct CampaignActor {
    surroundings: Arc<Surroundings>,
    row: CampaignRow,
    session: Session,
    /// The actions that were taken before this actor was built.
    earlier: Earlier,
    incarnation: Incarnation,
    /// The timer of the next attempt to store a record that could not be stored.
    save_again: Option<SpawnHandle>,
    stored: Option<StoredPromise>,
    timer: Option<SpawnHandle>,
    orders: OrderBook,
    finishers: Vec<oneshot::Sender<()>>,
    finishing: bool,
    last_tick: Option<LastTick>,
    /// The number of skipped ticks that the metrics have counted already.
    skips_counted: u64,
    last_error: Option<String>,
    /// The failure that was reported last; `None` if none was, or if the recovery was reported.
    reported_error: Option<String>,
    /// Counts equal reports about actions since an action was last confirmed.
    repeats: Repeats,
    _died_on_drop: DiedOnDrop,
}

/// The last tick whose status came in time.
#[derive(Debug, Clone, Copy)]
struct LastTick {
    /// The time (UTC) when it was completed.
    at: chrono::DateTime<chrono::Utc>,
    /// Its duration, in milliseconds.
    took_ms: u64,
}

impl CampaignActor {
    /// Returns an actor for a row. It starts from the stored promise. This is right for a row whose generator was just
    /// enabled, too: the disabling had ended the promise.
    #[must_use]
    pub fn new(
        surroundings: Surroundings,
        row: CampaignRow,
        policy: Policy,
        stored: Option<StoredCampaign>,
        incarnation: Incarnation,
    ) -> Self {
        let StoredCampaign { promise: stored, unfinished, hold, own_end_time, budget, recent, occasions } =
            stored.unwrap_or_default();
        let entry = unfinished.as_ref().map(|(id, action)| (action.id, *id));
        let promise = stored.as_ref().map(|stored| stored.promise);
        let today = surroundings.clock.now().date_naive();
        let mut of_today = recent.iter().filter(|(action, _)| action.requested_at.date_naive() == today);
        let last_change = of_today.find_map(|(action, _)| action.budget.clone());
        let machine = Machine::new(surroundings.clock.now(), &policy, promise, unfinished.map(|(_, action)| action))
            .having_set(own_end_time)
            .having_budget(budget, last_change)
            .having_done(recent.first().map(|(action, _)| action))
            .on_hold(hold, surroundings.hold_all.clone());
        let died_on_drop = DiedOnDrop {
            campaign: row.id,
            incarnation: incarnation.number,
            supervisor: surroundings.supervisor.died.clone(),
        };
        let shows_steps = tracing::enabled!(tracing::Level::TRACE);
        let occasions = CampaignOccasions::new(surroundings.clock.now(), occasions);
        let remote = row.trafficstar_id;
        let session = Session::new(Beginning { remote, policy, machine, occasions, entry, shows_steps });
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
            reported_error: None,
            repeats: Repeats::default(),
            _died_on_drop: died_on_drop,
        }
    }

    /// Publishes the status of the campaign on the board.
    pub fn publish(&self) {
        let journal_id = self.session.outbox().entry().map(|id| id.0);
        let snapshot = self.earlier.beneath(self.session.snapshot(self.surroundings.clock.now()));
        let unstored_records = self.session.outbox().unstored_count();
        let snapshot = Snapshot { journal_id, unstored_records, ..snapshot };
        self.surroundings.board.publish_guarded(self.status(), snapshot);
    }

    fn step(&mut self, ctx: &mut Context<Self>, event: Event) {
        self.session.step(self.surroundings.clock.now(), event);
        self.go_on(ctx);
    }

    /// Carries out the outputs of the session, and sets the timer.
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
            Output::ReadDatabase(question_id, counts_urls) => self.read_database(ctx, question_id, counts_urls),
            Output::EndTickAfter(wait, question_id, is_again) => {
                ctx.run_later(wait.to_std().unwrap_or_default(), move |actor, ctx| {
                    actor.session.tick_ends(actor.surroundings.clock.now(), question_id, is_again);
                    actor.go_on(ctx);
                });
            }
            Output::ReadStatus(question_id, question) => self.read_status(ctx, question_id, question),
            Output::ReadSpend(question_id, question, since) => self.read_spend(ctx, question_id, question, since),
            Output::ReadBack(question_id, question) => self.read_back(ctx, question_id, question),
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
                    let (campaign, name) = (self.row.id, &self.row.name);
                    tracing::info!(%campaign, name, "the promise that was kept in memory is stored now");
                    self.report(OperatorEvent::recovery(self.surroundings.clock.now(), Part::Promise));
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
            Output::SharedLimit(report, spend) => {
                self.surroundings.board.publish_shared_limit(self.surroundings.clock.now(), report, spend);
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
        // If the request limit is too small for all campaigns, the status of many campaigns is late. The budget's own
        // degradation reports that once for all; a campaign that waits for long shows it by its last tick. So a late
        // status is no error of this campaign.
        if !reading.is_late {
            self.last_tick = Some(LastTick { at: now, took_ms });
            self.note_error(now, reading);
        }
        let skipped_ticks = self.session.machine().counters().skipped_ticks;
        let skipped = skipped_ticks - std::mem::replace(&mut self.skips_counted, skipped_ticks);
        self.surroundings.board.metrics().tick_completed(std::time::Duration::from_millis(took_ms), skipped);
    }

    /// Reports that the database could not store the promise: at the first failure, and again if the program stops.
    fn not_stored(&self, failure: &DatabaseFailure, is_first: bool) {
        let (campaign, name, reason) = (self.row.id, &self.row.name, failure.to_string());
        if is_first {
            tracing::error!(%campaign, name, reason, "the promise could not be stored; it is kept in memory");
            self.publish_event(OperatorEvent::error(self.surroundings.clock.now(), Part::Promise, &reason));
        }
        if self.finishing {
            let entry = self.session.outbox().newest();
            tracing::error!(%campaign, name, reason, ?entry, "the program stops, and this record is not stored yet");
        }
    }

    fn end_disabling(&mut self, ctx: &mut Context<Self>, result: Result<Ended, DisableRefusal>) {
        let is_disabled = result.is_ok();
        let message = DisableEnded { campaign: self.row.id, incarnation: self.incarnation.number, result };
        self.surroundings.supervisor.disable_ended.do_send(message);
        if is_disabled {
            ctx.stop();
        }
    }

    /// Sets the timer to the time at which the session wants to be woken. While the program stops, that is never.
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
                send_reply(finisher, ());
            }
        }
    }

    /// Returns the campaign's id at TrafficStars.
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

impl Handler<Disable> for CampaignActor {
    type Result = ();

    fn handle(&mut self, Disable { pause }: Disable, ctx: &mut Self::Context) {
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
        // A tick judges by them what it reads from the database. A tick that has read already keeps the old ones.
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
            // An actor that died meanwhile has nothing in flight either.
            let _ = answer.await;
        })
    }
}
