//! Reads of spend from the reports: one report for all who tick together, whenever each comes to ask.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::prelude::*;
use chrono::{DateTime, NaiveDate, Utc};

use super::round::{Askers, DIED, Round};
use super::{MOMENT, TrafficStarActor, work};
use crate::domain::facts::RemoteId;
use crate::domain::spend::SourceAnswer;
use crate::trafficstar::batch::serves;
use crate::trafficstar::budget::Urgency;
use crate::trafficstar::error::RemoteError;

/// Reads one campaign's spend from the reports, for the UTC day on which the report is asked for.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "SourceAnswer")]
pub struct ReadSpend {
    /// Which campaign.
    pub remote: RemoteId,
    /// How urgent it is.
    pub urgency: Urgency,
    /// When its tick began: a report that was sent since then serves.
    pub since: DateTime<Utc>,
}

/// A report of every campaign's spend.
#[derive(Debug)]
struct Report {
    sent_at: DateTime<Utc>,
    day: NaiveDate,
    spends: BTreeMap<RemoteId, SourceAnswer>,
}

/// A report under way, and whom it is for.
#[derive(Debug)]
struct UnderWay {
    sent_at: DateTime<Utc>,
    day: NaiveDate,
    askers: Askers<SourceAnswer>,
}

/// Those who ask for spend, the reports under way, and the one that came last.
#[derive(Debug)]
pub(super) struct Spends {
    round: Round<SourceAnswer>,
    under_way: BTreeMap<u64, UnderWay>,
    last_number: u64,
    last: Option<Report>,
}

impl Spends {
    pub(super) fn new() -> Self {
        Self { round: Round::new(MOMENT), under_way: BTreeMap::new(), last_number: 0, last: None }
    }

    /// What the last report says of a campaign, if it serves it.
    fn known(&self, now: DateTime<Utc>, remote: RemoteId, since: DateTime<Utc>) -> Option<SourceAnswer> {
        let last = self.last.as_ref().filter(|last| serves(now, since, last.sent_at, last.day))?;
        Some(of(&last.spends, remote))
    }

    /// A report under way that will serve it.
    fn coming(&mut self, now: DateTime<Utc>, since: DateTime<Utc>) -> Option<&mut UnderWay> {
        self.under_way.values_mut().rev().find(|report| serves(now, since, report.sent_at, report.day))
    }
}

/// No row is no spend on record.
fn of(spends: &BTreeMap<RemoteId, SourceAnswer>, remote: RemoteId) -> SourceAnswer {
    spends.get(&remote).cloned().unwrap_or(SourceAnswer::NoValue)
}

impl TrafficStarActor {
    fn serve_spends(&mut self, ctx: &mut Context<Self>) {
        let sent_at = self.clock.now();
        let askers = self.spends.round.take();
        let (client, day, urgency) = (Arc::clone(&self.client), sent_at.date_naive(), askers.urgency());
        self.spends.last_number += 1;
        let number = self.spends.last_number;
        self.spends.under_way.insert(number, UnderWay { sent_at, day, askers });
        let report = async move { client.spend_report(day, urgency).await };
        ctx.spawn(report.into_actor(self).map(move |report, actor, ctx| {
            let Some(UnderWay { sent_at, day, askers }) = actor.spends.under_way.remove(&number) else { return };
            match report {
                Ok(spends) => {
                    actor.note(None);
                    askers.answer(|remote| of(&spends, remote));
                    actor.spends.last = Some(Report { sent_at, day, spends });
                }
                Err(RemoteError::NoEndpoint { .. }) => actor.read_spends_singly(ctx, askers, day),
                Err(error) => {
                    let reason = error.in_full();
                    askers.answer(|_| SourceAnswer::Failed(reason.clone()));
                    actor.note(Some(reason));
                }
            }
        }));
    }

    /// Without a report of all, each has one of its own, and is answered as soon as it comes.
    fn read_spends_singly(&mut self, ctx: &mut Context<Self>, askers: Askers<SourceAnswer>, day: NaiveDate) {
        for (remote, askers) in askers.by_campaign() {
            let (client, urgency) = (Arc::clone(&self.client), askers.urgency());
            let read = async move { client.day_spend(day, remote, urgency).await };
            ctx.spawn(read.into_actor(self).map(move |answer, actor, _| {
                actor.note(work::failure_of(&answer));
                askers.answer(|_| answer.clone());
            }));
        }
    }
}

impl Handler<ReadSpend> for TrafficStarActor {
    type Result = ResponseFuture<SourceAnswer>;

    fn handle(&mut self, ReadSpend { remote, urgency, since }: ReadSpend, ctx: &mut Self::Context) -> Self::Result {
        let now = self.clock.now();
        if let Some(answer) = self.spends.known(now, remote, since) {
            return Box::pin(std::future::ready(answer));
        }
        let answer = if let Some(coming) = self.spends.coming(now, since) {
            coming.askers.join(remote, urgency)
        } else {
            let (answer, wait) = self.spends.round.ask(now, remote, urgency, None);
            Self::serve_later(ctx, wait, Self::serve_spends);
            answer
        };
        Box::pin(async move { answer.await.unwrap_or_else(|_| SourceAnswer::Failed(DIED.to_owned())) })
    }
}
