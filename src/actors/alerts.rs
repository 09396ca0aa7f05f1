//! The alerts actor: it keeps the book of alerts with the database, and sends what is due.
//!
//! It has a thread of its own, and no other actor waits for it. If it dies, the daemon starts it again, and it goes on
//! from what is stored. Deliberately absent: what is due (`alerts::book`), and finding occasions (`domain`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use chrono::{DateTime, NaiveTime, Utc};
use chrono_tz::Tz;
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::answers::{Answer, of_database, send_reply};
use super::database::{ReadAlerts, SaveAlerts};
use crate::alerts::SendFailure;
use crate::alerts::book::Book;
use crate::alerts::book::outgoing::{Outgoing, Situation};
use crate::alerts::command;
use crate::alerts::message::{Item, Message};
use crate::alerts::receiver::{Receiver, WayOut};
use crate::alerts::webhook::Webhooks;
use crate::board::Board;
use crate::clock::Clock;
use crate::control::{
    AlertOrder, AlertView, Alerts, Ask, NEWEST_ALERTS, ReceiverView, Refusal, Reply, TestAlert, TestResult,
};
use crate::domain::alert::{AlertChanges, AlertStep, Occasion, OccasionId, ReceiverTrouble, StoredAlerts};
use crate::domain::ids::CampaignId;
use crate::domain::occasion::{OccasionKey, OccasionKind, Severity};
use crate::domain::supervisor_occasions::{Found, Knowledge};
use crate::error_chain::in_full;

/// The longest time between two looks at the clock while something waits. It is short, because the clock may be set.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The time after which a database that failed is asked again.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// The time between two reads of what campaigns have stored.
const READ_AGAIN_FROM: Duration = Duration::from_millis(500);

/// The receivers, and the time zone of their texts.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct SetReceivers {
    /// The receivers.
    pub receivers: Arc<Vec<Receiver>>,
    /// The time zone for people.
    pub zone: Tz,
    /// The local time of the daily digest; `None` for no digest.
    pub digest: Option<NaiveTime>,
}

/// What the supervisor has found: all of its occasions that there are now, and the campaigns that it guards.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Findings {
    /// The occasions.
    pub found: Vec<Found>,
    /// The guarded campaigns.
    pub guarded: BTreeSet<CampaignId>,
    /// How much the supervisor has seen.
    pub knowledge: Knowledge,
}

/// The campaigns' actors have stored occasions.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct OccasionsStored;

/// Carries out an operator's order.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CarryOutAlerts(pub AlertOrder);

/// Stores and sends what is due at the end of the program. The actor answers when the receivers have answered.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct SendLast(pub Vec<Found>);

/// Tells the receivers that what only this process has told them is over, because another supervisor leads. The actor
/// answers when the receivers have answered.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct EndUnstored;

/// The messages to the database that the alerts actor sends.
#[derive(Debug, Clone)]
pub struct AlertsPort {
    /// Reads what is kept of alerts.
    pub read: Recipient<ReadAlerts>,
    /// Stores changes of alerts.
    pub save: Recipient<SaveAlerts>,
}

/// Whether this supervisor leads now.
pub type Leads = Arc<dyn Fn() -> bool + Send + Sync>;

/// Answers an order, once it is known whether its effect could be stored.
type Unanswered = Box<dyn FnOnce(Answer<()>)>;

/// The alerts actor.
pub struct AlertsActor {
    clock: Clock,
    board: Board,
    /// Whether this supervisor leads now.
    leads: Leads,
    database: AlertsPort,
    webhooks: Webhooks,
    settings: SetReceivers,
    book: Book,
    /// Whether the database has occasions that the book does not know.
    must_read: bool,
    /// Whether it was read a moment ago for this reason, and whether it has to be read again.
    has_just_read: bool,
    must_read_again: bool,
    /// Whether the database is being asked. The answer ends with another round if something has changed meanwhile.
    is_busy: bool,
    must_go_on: bool,
    timer: Option<SpawnHandle>,
    /// The number of messages that are being sent.
    sending: usize,
    /// The orders whose effect is not stored yet.
    unanswered: Vec<Unanswered>,
    /// Those who wait until the last messages are sent, because the program ends.
    waiting_for_end: Vec<oneshot::Sender<()>>,
}

impl AlertsActor {
    /// Returns an actor that knows nothing yet, of a supervisor that leads since `begins_at`.
    #[must_use]
    pub fn new(
        clock: Clock,
        board: Board,
        leads: Leads,
        database: AlertsPort,
        webhooks: Webhooks,
        settings: SetReceivers,
        begins_at: DateTime<Utc>,
    ) -> Self {
        Self {
            clock,
            board,
            leads,
            database,
            webhooks,
            settings,
            book: Book::new(begins_at),
            must_read: true,
            has_just_read: false,
            must_read_again: false,
            is_busy: false,
            must_go_on: false,
            timer: None,
            sending: 0,
            unanswered: Vec::new(),
            waiting_for_end: Vec::new(),
        }
    }

    /// Answers an order when its effect is stored. If the database is away, the order is in force, and is stored later.
    fn answer_when_stored<A: 'static>(&mut self, reply: Reply<A>, answer: A) {
        self.unanswered
            .push(Box::new(move |saved| send_reply(reply, saved.map(|()| answer).map_err(Refusal::NotStored))));
    }

    /// Stores what has changed, reads what others have stored, and then sends what is due.
    fn go_on(&mut self, ctx: &mut Context<Self>) {
        if self.is_busy {
            self.must_go_on = true;
            return;
        }
        self.is_busy = true;
        let (changes, unanswered) = (self.book.take_unsaved(), std::mem::take(&mut self.unanswered));
        let must_read = std::mem::take(&mut self.must_read) || !changes.occasions.is_empty();
        let database = self.database.clone();
        let work = async move {
            let saved = save(&database, &changes).await;
            // If that failed, the database would show less than the book knows.
            let read = if must_read && saved.is_ok() { Some(read(&database).await) } else { None };
            (changes, saved, must_read, read)
        };
        ctx.spawn(work.into_actor(self).map(|(changes, saved, must_read, read), actor, ctx| {
            unanswered.into_iter().for_each(|answer| answer(saved.clone()));
            if saved.is_err() {
                actor.book.give_back(changes);
            }
            match read {
                Some(Ok(stored)) => actor.book.load(stored),
                Some(Err(_)) | None => actor.must_read |= must_read,
            }
            actor.send_due(ctx);
        }));
    }

    /// Reads what campaigns have stored: at once, and then not again for a moment. So a thousand campaigns that store
    /// something are a few reads.
    fn read_stored(&mut self, ctx: &mut Context<Self>) {
        if self.has_just_read {
            self.must_read_again = true;
            return;
        }
        (self.has_just_read, self.must_read) = (true, true);
        ctx.run_later(READ_AGAIN_FROM, |actor, ctx| {
            actor.has_just_read = false;
            if std::mem::take(&mut actor.must_read_again) {
                actor.read_stored(ctx);
            }
        });
        self.go_on(ctx);
    }

    /// Stores the messages that are due, and sends them.
    fn send_due(&mut self, ctx: &mut Context<Self>) {
        if !self.book.is_loaded() {
            self.is_busy = false;
            self.look_again(ctx, READ_AGAIN_AFTER);
            return;
        }
        let SetReceivers { receivers, zone, digest: _ } = &self.settings;
        let (now, zone, is_ending) = (self.clock.now(), *zone, !self.waiting_for_end.is_empty());
        let situation = Situation { now, zone, leads: (self.leads)(), is_ending };
        let (outgoing, next) = self.book.plan(situation, receivers);
        let changes = self.book.take_unsaved();
        let database = self.database.clone();
        let work = async move {
            let saved = save(&database, &changes).await;
            (changes, saved)
        };
        ctx.spawn(work.into_actor(self).map(move |(changes, saved), actor, ctx| {
            // Occasions that were found meanwhile are stored now, and have to be read to be told.
            let must_read = saved.is_ok() && !changes.occasions.is_empty();
            (actor.must_read, actor.must_go_on) = (actor.must_read || must_read, actor.must_go_on || must_read);
            // A message that could not be stored is sent all the same: it may say that the database is away.
            if saved.is_err() {
                actor.book.give_back(changes);
            }
            // Another supervisor may lead by now, and send the same.
            let may_send = !situation.leads || (actor.leads)();
            for outgoing in outgoing {
                if may_send {
                    actor.send(ctx, outgoing);
                } else {
                    actor.book.not_sent(&outgoing.receiver);
                }
            }
            actor.is_busy = false;
            actor.publish();
            let is_settled = saved.is_err() || !(actor.must_go_on || actor.book.has_unsaved());
            if actor.sending == 0 && is_settled {
                // At the end everything that was due has been tried.
                actor.waiting_for_end.drain(..).for_each(|waiter| send_reply(waiter, ()));
            }
            if std::mem::take(&mut actor.must_go_on) {
                actor.go_on(ctx);
            } else if saved.is_err() || actor.must_read {
                actor.look_again(ctx, READ_AGAIN_AFTER);
            } else if next.is_some() {
                actor.look_again(ctx, LOOK_EVERY);
            }
        }));
    }

    fn look_again(&mut self, ctx: &mut Context<Self>, after: Duration) {
        let timer = ctx.run_later(after, |actor, ctx| {
            actor.timer = None;
            actor.go_on(ctx);
        });
        self.timer.replace(timer).map(|earlier| ctx.cancel_future(earlier));
    }

    fn send(&mut self, ctx: &mut Context<Self>, Outgoing { receiver, message }: Outgoing) {
        let Some(found) = self.settings.receivers.iter().find(|known| known.name == receiver).cloned() else {
            // A reload has removed it meanwhile.
            self.book.not_sent(&receiver);
            return;
        };
        self.sending += 1;
        let id = message.id.clone();
        let sent = deliver(self.webhooks.clone(), found, message, self.clock.now(), self.settings.zone);
        ctx.spawn(sent.into_actor(self).map(move |result, actor, ctx| {
            actor.sending -= 1;
            actor.note(&receiver, &id, &result);
            actor.book.answered(actor.clock.now(), &receiver, &id, &result);
            actor.publish();
            actor.go_on(ctx);
        }));
    }

    /// Sends all that is due, without gathering. The future ends when the receivers have answered.
    fn end(&mut self, ctx: &mut Context<Self>) -> ResponseFuture<()> {
        let (done, ended) = oneshot::channel();
        self.waiting_for_end.push(done);
        self.go_on(ctx);
        Box::pin(async move {
            // An actor that died has nothing to send either.
            let _ = ended.await;
        })
    }

    /// Logs and counts the result of sending a message.
    fn note(&self, receiver: &str, message_id: &str, result: &Result<(), SendFailure>) {
        self.board.metrics().alert_sent(receiver, result.is_ok());
        match result {
            Ok(()) => tracing::info!(receiver, message_id, "an alert was delivered"),
            Err(error) => tracing::warn!(receiver, message_id, reason = in_full(error), "an alert was not delivered"),
        }
    }

    /// Publishes how the receivers are.
    fn publish(&self) {
        let now = self.clock.now();
        let troubles = self.settings.receivers.iter().filter_map(|receiver| {
            let state = self.book.receiver(&receiver.name)?;
            let since = state.disabled_at.or(state.failing_since)?;
            Some(ReceiverTrouble {
                name: receiver.name.clone(),
                since,
                is_disabled: state.disabled_at.is_some(),
                reason: state.last_error.clone().unwrap_or_default(),
            })
        });
        self.board.publish_alerts(troubles.collect());
        let lost = self.settings.receivers.iter().filter_map(|receiver| self.book.receiver(&receiver.name));
        let waiting = self.settings.receivers.iter();
        self.board.metrics().alerts(
            &self.book.open_by_severity(),
            waiting.map(|receiver| (receiver.name.clone(), self.book.waiting(now, receiver, self.settings.zone))),
            lost.map(|state| (state.name.clone(), state.lost)),
        );
    }

    /// Returns the occasions and the receivers. `stored` has settled occasions, too.
    fn list(&self, stored: StoredAlerts) -> Alerts {
        let now = self.clock.now();
        let mut all = self.book.occasions();
        let known: BTreeSet<Option<OccasionId>> = all.iter().map(|(occasion, _)| occasion.id).collect();
        all.extend(stored.occasions.into_iter().filter(|(occasion, _)| !known.contains(&occasion.id)));
        let receivers = self.settings.receivers.iter().map(|receiver| {
            let state = self.book.receiver(&receiver.name);
            ReceiverView {
                name: receiver.name.clone(),
                way_out: receiver.way_out.to_string(),
                severity: receiver.severity,
                waiting: self.book.waiting(now, receiver, self.settings.zone),
                lost: state.map_or(0, |state| state.lost),
                delivered_at: state.and_then(|state| state.delivered_at),
                failing_since: state.and_then(|state| state.failing_since),
                disabled_at: state.and_then(|state| state.disabled_at),
                last_error: state.and_then(|state| state.last_error.clone()),
            }
        });
        Alerts { alerts: Alerts::views(all), receivers: receivers.collect(), mutes: self.book.mutes(now) }
    }

    /// Sends a test message to a receiver or to all, and answers when each of them has answered.
    fn test(&self, test: &TestAlert) -> Result<ResponseActFuture<Self, Vec<TestResult>>, Refusal> {
        let now = self.clock.now();
        let chosen = self.settings.receivers.iter();
        let chosen: Vec<Receiver> =
            chosen.filter(|known| test.receiver.as_ref().is_none_or(|name| *name == known.name)).cloned().collect();
        if chosen.is_empty() {
            let names: Vec<&str> = self.settings.receivers.iter().map(|receiver| receiver.name.as_str()).collect();
            let problem = match (&test.receiver, names.as_slice()) {
                (_, []) => "there is no receiver: write one into the config as [[alerts]]".to_owned(),
                (Some(name), names) => format!("there is no receiver {name}: the receivers are {}", names.join(", ")),
                (None, _) => "there is no receiver".to_owned(),
            };
            return Err(Refusal::BadField { field: "receiver", problem });
        }
        let by = test.by.clone().map(|by| format!(", ordered by {by}")).unwrap_or_default();
        let sends = chosen.into_iter().map(|receiver| {
            let message = test_message(now, &receiver.name, &by);
            let (name, way_out) = (receiver.name.clone(), receiver.way_out.to_string());
            let sent = deliver(self.webhooks.clone(), receiver, message, now, self.settings.zone);
            async move { (name, way_out, sent.await) }
        });
        let all = join_all(sends).into_actor(self);
        Ok(Box::pin(all.map(|results, actor, ctx| {
            let now = actor.clock.now();
            let results = results.into_iter().map(|(receiver, way_out, result)| {
                actor.note(&receiver, "a test", &result);
                actor.book.noted(now, &receiver, &result);
                TestResult {
                    receiver,
                    way_out,
                    delivered: result.is_ok(),
                    error: result.err().map(|error| in_full(&error)),
                }
            });
            let results = results.collect();
            // A receiver that was disabled and takes messages again gets what waits for it.
            actor.go_on(ctx);
            results
        })))
    }
}

fn test_message(now: DateTime<Utc>, receiver: &str, by: &str) -> Message {
    let occasion = Occasion {
        id: None,
        campaign: None,
        key: OccasionKey::of(OccasionKind::Test),
        severity: Severity::Info,
        text: format!("this is a test of the receiver {receiver}{by}: nothing has happened"),
        lasts: false,
        since: now,
        resolved_at: None,
        acked: None,
    };
    let id = format!("test-{receiver}-{}", now.timestamp_micros());
    Message { id, gathered_at: now, items: vec![Item { occasion, step: AlertStep::Firing, reminder: 0 }] }
}

/// Writes a message and sends it.
async fn deliver(
    webhooks: Webhooks,
    receiver: Receiver,
    message: Message,
    now: DateTime<Utc>,
    zone: Tz,
) -> Result<(), SendFailure> {
    let written = receiver.template.write(&message, zone);
    let written = written.map_err(|error| SendFailure::NotWritten(in_full(&error)))?;
    match &receiver.way_out {
        WayOut::Webhook { url, secrets } => webhooks.send(url, secrets.as_ref(), &message.id, now, written).await,
        WayOut::Command { program, arguments } => command::send(program, arguments, written).await,
    }
}

async fn save(database: &AlertsPort, changes: &AlertChanges) -> Answer<()> {
    if changes.is_empty() { Ok(()) } else { of_database(database.save.send(SaveAlerts(changes.clone())).await) }
}

async fn read(database: &AlertsPort) -> Answer<StoredAlerts> {
    of_database(database.read.send(ReadAlerts { newest: 0 }).await)
}

impl Actor for AlertsActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.go_on(ctx);
    }
}

impl Handler<Findings> for AlertsActor {
    type Result = ();

    fn handle(&mut self, Findings { found, guarded, knowledge }: Findings, ctx: &mut Self::Context) {
        // Before the stored occasions are known, everything would look new.
        if self.book.is_loaded() {
            self.book.found(self.clock.now(), found, &guarded, knowledge);
            if self.book.has_unsaved() {
                self.go_on(ctx);
            }
        }
    }
}

impl Handler<OccasionsStored> for AlertsActor {
    type Result = ();

    fn handle(&mut self, OccasionsStored: OccasionsStored, ctx: &mut Self::Context) {
        self.read_stored(ctx);
    }
}

impl Handler<SetReceivers> for AlertsActor {
    type Result = ();

    fn handle(&mut self, settings: SetReceivers, ctx: &mut Self::Context) {
        self.settings = settings;
        self.go_on(ctx);
    }
}

impl Handler<SendLast> for AlertsActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, SendLast(found): SendLast, ctx: &mut Self::Context) -> Self::Result {
        self.book.add(found);
        self.end(ctx)
    }
}

impl Handler<EndUnstored> for AlertsActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, EndUnstored: EndUnstored, ctx: &mut Self::Context) -> Self::Result {
        self.book.end_unstored(self.clock.now());
        self.end(ctx)
    }
}

impl Handler<CarryOutAlerts> for AlertsActor {
    type Result = ();

    fn handle(&mut self, CarryOutAlerts(order): CarryOutAlerts, ctx: &mut Self::Context) {
        match order {
            AlertOrder::List(ask) => {
                let read = self.database.read.send(ReadAlerts { newest: NEWEST_ALERTS });
                ctx.spawn(read.into_actor(self).map(|answer, actor, _| {
                    // While the database is away the book has what matters.
                    let stored = of_database(answer).unwrap_or_default();
                    send_reply(ask.reply, Ok(actor.list(stored)));
                }));
            }
            AlertOrder::Ack(Ask { question: (id, ack), reply }) => match self.book.ack(id, ack) {
                Some((occasion, deliveries)) => {
                    self.answer_when_stored(reply, AlertView::new(occasion, deliveries));
                    self.go_on(ctx);
                }
                None => send_reply(reply, Err(Refusal::UnknownAlert(id))),
            },
            AlertOrder::Mute(Ask { question, reply }) => {
                self.book.mute(question);
                let mutes = self.book.mutes(self.clock.now());
                self.answer_when_stored(reply, mutes);
                self.go_on(ctx);
            }
            AlertOrder::Test(ask) => match self.test(&ask.question) {
                Ok(tested) => {
                    ctx.spawn(tested.map(|results, _, _| send_reply(ask.reply, Ok(results))));
                }
                Err(refusal) => send_reply(ask.reply, Err(refusal)),
            },
        }
    }
}
