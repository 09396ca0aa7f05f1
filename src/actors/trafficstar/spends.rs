//! Reads of spend from the reports: one report for all who tick together, whenever each comes to ask. Where there is none,
//! each campaign has a report of its own. Those wait here for their turn, one for each campaign: at the gate they would
//! become more with each tick where the limit does not reach for all.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::prelude::*;
use chrono::{DateTime, NaiveDate, Utc};

use super::round::{Askers, DIED, Round};
use super::{MOMENT, TrafficStarActor, work};
use crate::domain::ids::RemoteId;
use crate::domain::spend::SourceAnswer;
use crate::trafficstar::batch::serves;
use crate::trafficstar::budget::Urgency;
use crate::trafficstar::error::RemoteError;

/// So many campaigns' own reports are asked for at once.
const SINGLES_AT_ONCE: usize = 8;

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

/// Those who wait for a campaign's own report that is not asked for yet.
#[derive(Debug)]
struct Waiting {
    number: u64,
    askers: Askers<SourceAnswer>,
}

/// Those who ask for spend, the reports under way, and the one that came last.
#[derive(Debug)]
pub(super) struct Spends {
    round: Round<SourceAnswer>,
    under_way: BTreeMap<u64, UnderWay>,
    last_number: u64,
    last: Option<Report>,
    waiting: BTreeMap<RemoteId, Waiting>,
    singles_under_way: usize,
}

impl Spends {
    pub(super) fn new() -> Self {
        Self {
            round: Round::new(MOMENT),
            under_way: BTreeMap::new(),
            last_number: 0,
            last: None,
            waiting: BTreeMap::new(),
            singles_under_way: 0,
        }
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn wait(&mut self, remote: RemoteId, askers: Askers<SourceAnswer>) {
        let number = self.next_number();
        match self.waiting.get_mut(&remote) {
            Some(waiting) => waiting.askers.extend(askers),
            None => drop(self.waiting.insert(remote, Waiting { number, askers })),
        }
    }

    /// Whose report is asked for next: the most urgent; of these, who waits longest. One that a pause waits for is asked
    /// for at once: those under way may wait at the gate for minutes.
    fn next_single(&mut self) -> Option<(RemoteId, Askers<SourceAnswer>)> {
        let first = self.waiting.iter().min_by_key(|(_, waiting)| (waiting.askers.urgency(), waiting.number));
        let (remote, waiting) = first?;
        if self.singles_under_way >= SINGLES_AT_ONCE && waiting.askers.urgency() != Urgency::Pause {
            return None;
        }
        let remote = *remote;
        let waiting = self.waiting.remove(&remote)?;
        self.singles_under_way += 1;
        Some((remote, waiting.askers))
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
        let number = self.spends.next_number();
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
                // One that was there may be back in a moment: the reports of each would use up the limit meanwhile.
                Err(RemoteError::NoEndpoint { .. }) if actor.client.has_no_report_of_all() => {
                    for (remote, askers) in askers.by_campaign() {
                        actor.spends.wait(remote, askers);
                    }
                    actor.read_spends_singly(ctx);
                }
                Err(error) => {
                    let reason = error.in_full();
                    askers.answer(|_| SourceAnswer::Failed(reason.clone()));
                    actor.note(Some(reason));
                }
            }
        }));
    }

    /// Without a report of all, each has one of its own, and is answered as soon as it comes.
    fn read_spends_singly(&mut self, ctx: &mut Context<Self>) {
        while let Some((remote, askers)) = self.spends.next_single() {
            let (client, urgency, day) = (Arc::clone(&self.client), askers.urgency(), self.clock.now().date_naive());
            let read = async move { client.day_spend(day, remote, urgency).await };
            ctx.spawn(read.into_actor(self).map(move |answer, actor, ctx| {
                actor.spends.singles_under_way -= 1;
                actor.note(work::failure_of(&answer));
                askers.answer(|_| answer.clone());
                actor.read_spends_singly(ctx);
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
