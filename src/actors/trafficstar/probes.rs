//! Open circuits: a request that only reads is sent as a probe where nobody asks in time, and what becomes of a circuit
//! is told. A write that waits for its circuit is let through by the gate itself.

use std::sync::Arc;

use actix::prelude::*;
use chrono::{DateTime, Utc};

use super::TrafficStarActor;
use crate::domain::live::{LiveEvent, Part};
use crate::trafficstar::budget::Urgency;
use crate::trafficstar::circuit::{CircuitNews, Operation, PROBE_INTERVAL};
use crate::trafficstar::error::RemoteError;

impl TrafficStarActor {
    pub(super) fn tell_of_circuit(&mut self, news: CircuitNews) {
        let now = self.clock.now();
        match news {
            CircuitNews::Opened(operation, reason) => {
                let operation = operation.as_str();
                tracing::warn!(
                    operation,
                    reason,
                    "TrafficStars fails again and again: it is left alone but for a probe at every tick and every 15 s, and for pauses"
                );
                let reason = format!("the circuit of {operation} is open: {reason}");
                self.board.tell(LiveEvent::error(now, Part::TrafficStar, &reason));
            }
            CircuitNews::Closed(operation) => {
                tracing::info!(operation = operation.as_str(), "TrafficStars answers again");
                self.board.tell(LiveEvent::recovery(now, Part::TrafficStar));
            }
        }
    }

    /// When the next probe of our own is due.
    pub(super) fn next_probe_at(&self) -> Option<DateTime<Utc>> {
        let at = |operation| {
            let probe_at = self.keeper.circuits().probe_at(operation)?;
            Some(self.probed_until.get(&operation).map_or(probe_at, |until| probe_at.max(*until)))
        };
        self.probed().filter_map(at).min()
    }

    pub(super) fn probe_what_is_due(&mut self, ctx: &mut Context<Self>) {
        let now = self.gate_time();
        let due: Vec<Operation> = self.probed().filter(|operation| self.is_own_probe_due(now, *operation)).collect();
        for operation in due {
            self.note_own_probe(now, operation);
            let (client, any) = (Arc::clone(&self.client), self.statuses.last_asked());
            let day = self.clock.now().date_naive();
            let probe = async move {
                // What it brings is for the circuit alone, which hears of it at the gate.
                match (operation, any) {
                    // What stands in for the list meanwhile costs more: it is as urgent as the list itself.
                    (Operation::List, _) => drop(client.campaigns_page(1, Urgency::Sweep).await),
                    (Operation::Campaign, Some(any)) => drop(client.campaign(any, Urgency::Read).await),
                    (Operation::Report, Some(any)) => {
                        if let Err(RemoteError::NoEndpoint { .. }) = client.spend_report(day, Urgency::Read).await {
                            drop(client.day_spend(day, any, Urgency::Read).await);
                        }
                    }
                    (
                        Operation::Campaign
                        | Operation::Report
                        | Operation::Token
                        | Operation::Run
                        | Operation::Pause
                        | Operation::EndTime,
                        _,
                    ) => {}
                }
            };
            ctx.spawn(probe.into_actor(self).map(|(), actor, ctx| actor.open_gate(ctx)));
        }
    }

    fn probed(&self) -> impl Iterator<Item = Operation> {
        let known = self.statuses.last_asked().is_some();
        Operation::ALL.into_iter().filter(move |operation| operation.only_reads() && known)
    }

    /// Whatever becomes of it: one that fails before it comes to the gate must not be followed at once.
    pub(super) fn note_own_probe(&mut self, now: DateTime<Utc>, operation: Operation) {
        self.probed_until.insert(operation, now + PROBE_INTERVAL.min(self.tick));
    }

    pub(super) fn is_own_probe_due(&self, now: DateTime<Utc>, operation: Operation) -> bool {
        let rests = self.probed_until.get(&operation).is_some_and(|until| now < *until);
        !rests && self.keeper.circuits().is_probe_due(now, operation)
    }
}
