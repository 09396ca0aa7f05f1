//! The records that wait for the database, in their order, and what becomes of a request whose entry it does not take.
//!
//! Deliberately absent: what a record says. The machine decides that.

use actix::prelude::*;

use super::CampaignActor;
use crate::actors::database::Save;
use crate::domain::action::{ActionId, ActionKind, Outcome};
use crate::domain::event::{Effect, Event, Record, Request};
use crate::domain::live::{LiveEvent, Part};
use crate::domain::order::HoldChange;
use crate::store::{Entry, StoredPromise};

/// How soon what could not be stored is tried again.
const STORE_RETRY: std::time::Duration = std::time::Duration::from_secs(1);

impl CampaignActor {
    /// Queues a record. One that an unstored, older one of the same action makes superfluous takes its place.
    pub(super) fn remember(&mut self, mut record: Record) {
        let action = |record: &Record| record.entry.as_ref().map(|action| action.id);
        if let Some(last) = self.unstored.pop_back_if(|last| action(last) == action(&record))
            && record.hold == HoldChange::Keep
        {
            record.hold = last.hold;
        }
        self.unstored.push_back(record);
    }

    /// Stores the oldest record that is not stored yet; the effects behind it wait for it.
    pub(super) fn store_next(&mut self, ctx: &mut Context<Self>) {
        if self.storing {
            return;
        }
        let Some(record) = self.unstored.front() else { return };
        let action = record.entry.as_ref().map(|action| action.id);
        let id = self.entry.filter(|(stored, _)| Some(*stored) == action).map(|(_, id)| id);
        let entry = record.entry.clone().map(|action| Entry { id, action, by: record.by.clone() });
        let message = Save(crate::store::Record {
            campaign: self.row.id,
            remote: self.row.trafficstar_id,
            promise: record.promise,
            entry,
            hold: record.hold.clone(),
        });
        let promise = record.promise;
        self.storing = true;
        let save = self.surroundings.database.save.send(message);
        ctx.spawn(save.into_actor(self).map(move |answer, actor, ctx| {
            actor.storing = false;
            match answer.unwrap_or_else(|gone| Err(format!("the database actor is gone: {gone}"))) {
                Ok(id) => {
                    actor.entry = action.zip(id).or(actor.entry);
                    actor.stored = Some(StoredPromise { promise, stored_at: actor.surroundings.clock.now() });
                    actor.unstored.pop_front();
                    if let Some(retry) = actor.store_retry.take() {
                        ctx.cancel_future(retry);
                        tracing::info!(campaign = %actor.row.id, name = actor.row.name, "the promise is stored again");
                        actor.tell(LiveEvent::recovery(actor.surroundings.clock.now(), Part::Promise));
                    }
                    actor.store_next(ctx);
                }
                Err(reason) => actor.not_stored(ctx, &reason),
            }
            actor.go_on(ctx);
        }));
    }

    /// The database is away: it is tried again until it takes what is kept in memory.
    fn not_stored(&mut self, ctx: &mut Context<Self>, reason: &str) {
        let newest = self.unstored.back().and_then(|record| record.entry.as_ref());
        if self.store_retry.is_none() {
            tracing::error!(campaign = %self.row.id, name = self.row.name, reason, "the promise could not be stored; it is kept in memory");
            self.tell_listeners(LiveEvent::error(self.surroundings.clock.now(), Part::Promise, reason));
        }
        if self.finishing {
            tracing::error!(campaign = %self.row.id, name = self.row.name, reason, entry = ?newest, "the program stops, and this is not stored yet");
        }
        if let Some(retry) = self.store_retry.take() {
            ctx.cancel_future(retry);
        }
        self.store_retry = Some(ctx.run_later(STORE_RETRY, |actor, ctx| actor.store_next(ctx)));
        self.store_error = Some(reason.to_owned());
    }

    /// Whether its journal entry could not be stored, and nothing has been made of that yet.
    pub(super) fn awaits_storing(&self, action: ActionId) -> bool {
        let entries = self.unstored.iter().filter_map(|record| record.entry.as_ref());
        entries.filter(|entry| entry.id == action).any(|entry| !entry.late)
    }

    /// The database is away. A pause goes out all the same and is journalled late; nothing else does.
    pub(super) fn cannot_store_first(&mut self, request: Request) {
        let event = if request.kind == ActionKind::Pause {
            for action in self.unstored.iter_mut().filter_map(|record| record.entry.as_mut()) {
                action.late |= action.id == request.action;
            }
            self.outbox.push_front(Effect::Send(request));
            Event::SentUnstored { action: request.action }
        } else {
            let reason = self.store_error.as_deref().unwrap_or("the database is away");
            let outcome = Outcome::NotSent(format!("its journal entry could not be stored: {reason}"));
            Event::Applied { action: request.action, outcome }
        };
        let effects = self.machine.step(self.surroundings.clock.now(), &self.policy, event);
        self.outbox.extend(effects);
        // What follows is stored when that is tried again: asking a database that is away again at once would not end. A
        // pause in it leaves late, untried. What was decided earlier goes first: stored later, it would take back what
        // this step promises.
        for effect in std::mem::take(&mut self.outbox) {
            if let Effect::Store(record) = effect {
                self.remember(*record);
            } else {
                self.outbox.push_back(effect);
            }
        }
    }
}
