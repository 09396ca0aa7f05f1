//! The requests of the session to the other actors: reads, records to store, and changes. Each answer goes back to the
//! session.

use actix::MailboxError;
use actix::prelude::*;
use chrono::{DateTime, Utc};

use super::super::answers::of_database;
use super::CampaignActor;
use crate::actors::database::{ReadTick, Save, SaveSpend};
use crate::actors::trafficstar::{MakeChange, ReadSpend, ReadStatus};
use crate::domain::action::{ActionId, Outcome};
use crate::domain::event::{Event, QuestionId, Record};
use crate::domain::failure::{DatabaseFailure, RemoteFault, SourceFailure};
use crate::domain::journal::JournalId;
use crate::domain::read_priority::ReadQuestion;
use crate::domain::remote::RemoteCampaign;
use crate::domain::spend::{Spend, SpendReading};
use crate::error_chain::in_full;
use crate::guard::tick::StoredFacts;
use crate::store::{Entry, SpendRow, TickReading};
use crate::trafficstar::client::Change;

impl CampaignActor {
    pub(super) fn read_database(&self, ctx: &mut Context<Self>, question_id: QuestionId, counts_urls: bool) {
        let defaults = &self.surroundings.defaults;
        let has_shared_limits = defaults.shared_limits().next().is_some();
        let sums_since = self.surroundings.clock.now() - defaults.stored_spend_max_age;
        let sums_since = has_shared_limits.then_some(sums_since);
        let read = ReadTick { campaign: self.row.id, counts_urls, sums_since };
        let read = self.surroundings.database.read_tick.send(read);
        ctx.spawn(read.into_actor(self).map(move |answer, actor, ctx| {
            let answer = of_database(answer);
            let facts = match answer {
                Ok(Some(reading)) => Ok(actor.take_row(reading)),
                Ok(None) => Err(DatabaseFailure::NoCampaign(actor.row.id)),
                Err(failure) => Err(failure),
            };
            actor.session.database_said(actor.surroundings.clock.now(), question_id, facts);
            actor.go_on(ctx);
        }));
    }

    /// Replaces the row, if its generator is enabled and its `trafficstar_id` has not changed; returns the facts.
    fn take_row(&mut self, reading: TickReading) -> StoredFacts {
        let TickReading { row, mut clicks, spends, sums } = reading;
        let (policy, error) = row.policy_or(&self.surroundings.defaults, self.session.last_good_policy());
        // If the row names a group that the config does not have, the campaign stays in its last one.
        let group = policy.groups.first().map(|group| group.name.as_str());
        let shared = sums.map(|sums| sums.of_others(row.id, group));
        if let Some(error) = error {
            clicks.defect = Some(in_full(&error));
        }
        let is_guarded = row.generator_enabled && row.trafficstar_id == self.row.trafficstar_id;
        if is_guarded {
            self.row = row;
        }
        StoredFacts {
            is_guarded,
            policy,
            clicks,
            history: spends.map_err(|bad| DatabaseFailure::BadValue(in_full(&bad))),
            shared,
        }
    }

    pub(super) fn read_status(&self, ctx: &mut Context<Self>, question_id: QuestionId, question: ReadQuestion) {
        let read = self.surroundings.remote.read_status.send(ReadStatus(question));
        ctx.spawn(read.into_actor(self).map(move |answer, actor, ctx| {
            let (now, clock) = (actor.surroundings.clock.now(), actor.surroundings.remote.clock.difference());
            actor.session.status_came(now, question_id, of_status(answer), clock);
            actor.go_on(ctx);
        }));
    }

    pub(super) fn read_back(&self, ctx: &mut Context<Self>, question_id: QuestionId, question: ReadQuestion) {
        let read = self.surroundings.remote.read_status.send(ReadStatus(question));
        ctx.spawn(read.into_actor(self).map(move |answer, actor, ctx| {
            let (now, clock) = (actor.surroundings.clock.now(), actor.surroundings.remote.clock.difference());
            actor.session.read_back_came(now, question_id, of_status(answer), clock);
            actor.go_on(ctx);
        }));
    }

    pub(super) fn read_spend(
        &self,
        ctx: &mut Context<Self>,
        question_id: QuestionId,
        question: ReadQuestion,
        since: DateTime<Utc>,
    ) {
        let ReadQuestion { remote, urgency, .. } = question;
        let read = self.surroundings.remote.read_spend.send(ReadSpend { remote, urgency, since });
        ctx.spawn(read.into_actor(self).map(move |answer, actor, ctx| {
            let answer = answer.unwrap_or_else(|gone| SpendReading::Failed(SourceFailure::Failed(client_gone(gone))));
            actor.session.spend_came(actor.surroundings.clock.now(), question_id, answer);
            actor.go_on(ctx);
        }));
    }

    pub(super) fn save_spend(&self, spend: Spend) {
        let row = SpendRow { campaign: self.row.id, remote: self.row.trafficstar_id, spend };
        self.surroundings.database.save_spend.do_send(SaveSpend(row));
    }

    pub(super) fn save(&self, ctx: &mut Context<Self>, record: Record, entry: Option<JournalId>) {
        let Record { promise, entry: action, by, hold, budget, occasions } = record;
        let message = Save(crate::store::Record {
            campaign: self.row.id,
            remote: self.row.trafficstar_id,
            promise,
            entry: action.map(|action| Entry { id: entry, action, by }),
            hold,
            budget,
            name: self.row.name.clone(),
            occasions,
        });
        let save = self.surroundings.database.save.send(message);
        ctx.spawn(save.into_actor(self).map(|answer, actor, ctx| {
            let answer = of_database(answer);
            actor.session.saved(actor.surroundings.clock.now(), answer);
            actor.go_on(ctx);
        }));
    }

    pub(super) fn send(&self, ctx: &mut Context<Self>, action: ActionId, change: Change) {
        // The new state is stored by now. It must be visible before the request leaves.
        self.publish();
        let change = self.change(change);
        ctx.spawn(change.into_actor(self).map(move |outcome, actor, ctx| {
            actor.step(ctx, Event::Applied { action, outcome });
        }));
    }

    pub(super) fn set_end_time(&self, ctx: &mut Context<Self>, action: ActionId, change: Change) {
        let change = self.change(change);
        ctx.spawn(change.into_actor(self).map(move |outcome, actor, ctx| {
            actor.step(ctx, Event::EndTimeSet { action, outcome });
        }));
    }

    fn change(&self, change: Change) -> impl Future<Output = Outcome> + use<> {
        let sent = self.surroundings.remote.change.send(MakeChange(change));
        // If the client has ended, it is unknown whether the request left. The read-back shows it.
        async move { sent.await.unwrap_or_else(|gone| Outcome::Unclear(client_gone(gone))) }
    }
}

fn of_status(answer: Result<Result<RemoteCampaign, RemoteFault>, MailboxError>) -> Result<RemoteCampaign, RemoteFault> {
    answer.unwrap_or_else(|gone| Err(RemoteFault::Failed(client_gone(gone))))
}

fn client_gone(gone: MailboxError) -> String {
    format!("the TrafficStar client has ended: {gone}")
}
