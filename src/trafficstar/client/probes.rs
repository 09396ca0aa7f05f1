//! Open circuits: a request that only reads is sent as a probe where no question comes in time, and what becomes of a circuit
//! is told. A write that waits for its circuit is let through by the scheduler itself.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::reports::{self, ReportJob};
use super::{Client, Now, Output, statuses};
use crate::domain::ids::RemoteId;
use crate::domain::operator_event::{OperatorEvent, Part};
use crate::domain::read_priority::Urgency;
use crate::trafficstar::circuit::{CircuitChange, Circuits, Operation, PROBE_INTERVAL};

/// When a probe of our own may be sent again, by operation.
#[derive(Debug, Default)]
pub(super) struct Probes(BTreeMap<Operation, DateTime<Utc>>);

impl Probes {
    /// When the next one is due. Nothing is probed before a campaign is known.
    pub(super) fn next_at(&self, any: Option<RemoteId>, circuits: &Circuits) -> Option<DateTime<Utc>> {
        any?;
        let at = |operation| {
            let probe_at = circuits.probe_at(operation)?;
            Some(self.0.get(&operation).map_or(probe_at, |until| probe_at.max(*until)))
        };
        Operation::ALL.into_iter().filter(|operation| operation.only_reads()).filter_map(at).min()
    }
}

impl Client {
    pub(super) fn tell_of_circuit(&mut self, now: Now, news: CircuitChange) {
        let event = match news {
            CircuitChange::Opened(operation, reason) => {
                let operation = operation.as_str();
                tracing::warn!(
                    operation,
                    reason,
                    "TrafficStars fails again and again: it is left alone but for a probe at every tick and every 15 s, and for pauses"
                );
                let reason = format!("the circuit of {operation} is open: {reason}");
                OperatorEvent::error(now.wall, Part::TrafficStar, &reason)
            }
            CircuitChange::Closed(operation) => {
                tracing::info!(operation = operation.as_str(), "TrafficStars answers again");
                OperatorEvent::recovery(now.wall, Part::TrafficStar)
            }
        };
        self.outputs.push(Output::Tell(event));
    }

    pub(super) fn probe_what_is_due(&mut self, now: Now) {
        let Some(any) = self.statuses.last_asked() else { return };
        for operation in Operation::ALL.into_iter().filter(|operation| operation.only_reads()) {
            if !self.begins_own_probe(now, operation) {
                continue;
            }
            // What it brings is for the circuit alone, which hears of it at the scheduler.
            match operation {
                // What stands in for the list meanwhile costs more: it is as urgent as the list itself.
                Operation::List => self.read_page(now, statuses::For::Probe, 1, Urgency::Sweep),
                Operation::Campaign => self.read_single(now, statuses::For::Probe, any, Urgency::Read),
                Operation::Report => {
                    let job = ReportJob::new(&mut self.known, now, reports::For::Probe(any), Urgency::Read);
                    self.go_on_with_report(now, job);
                }
                Operation::Token | Operation::Run | Operation::Pause | Operation::EndTime => {}
            }
        }
    }

    /// Whether a probe of our own begins now. Whatever becomes of it: one that fails before it comes to the scheduler must not be
    /// followed at once.
    pub(super) fn begins_own_probe(&mut self, now: Now, operation: Operation) -> bool {
        let rests = self.probes.0.get(&operation).is_some_and(|until| now.steady < *until);
        let begins = !rests && self.requests.scheduler().circuits().is_probe_due(now.steady, operation);
        if begins {
            self.probes.0.insert(operation, now.steady + PROBE_INTERVAL.min(self.tick));
        }
        begins
    }
}
