//! Probes of open circuits: if no request of a reading operation comes in time, the client sends a read of its own as a
//! probe. Changes of circuits are reported here. Writes that wait are sent as probes by the scheduler itself.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::reports::{self, ReportJob};
use super::{Client, Now, Output, statuses};
use crate::domain::ids::RemoteId;
use crate::domain::operator_event::{OperatorEvent, Part};
use crate::domain::read_priority::Urgency;
use crate::trafficstar::circuit::{CircuitChange, Circuits, Operation, PROBE_INTERVAL};

/// The earliest time (steady clock) of the client's next own probe, by operation.
#[derive(Debug, Default)]
pub(super) struct Probes(BTreeMap<Operation, DateTime<Utc>>);

impl Probes {
    /// Returns when the next probe is due. No probe is sent before a campaign is known.
    pub(super) fn next_at(&self, any: Option<RemoteId>, circuits: &Circuits) -> Option<DateTime<Utc>> {
        any?;
        let at = |operation| {
            let probe_at = circuits.probe_at(operation)?;
            Some(self.0.get(&operation).map_or(probe_at, |earliest| probe_at.max(*earliest)))
        };
        Operation::ALL.into_iter().filter(|operation| operation.only_reads()).filter_map(at).min()
    }
}

impl Client {
    /// Logs and reports that a circuit opened or closed.
    pub(super) fn report_circuit(&mut self, now: Now, change: CircuitChange) {
        let event = match change {
            CircuitChange::Opened(operation, reason) => {
                let operation = operation.as_str();
                tracing::warn!(
                    operation,
                    reason,
                    "TrafficStars keeps failing: only pauses and probes are sent, a probe at every tick and at least every 15 s"
                );
                let reason = format!("the circuit of {operation} is open: {reason}");
                OperatorEvent::error(now.wall, Part::TrafficStar, &reason)
            }
            CircuitChange::Closed(operation) => {
                tracing::info!(operation = operation.as_str(), "TrafficStars answers again");
                OperatorEvent::recovery(now.wall, Part::TrafficStar)
            }
        };
        self.outputs.push(Output::Event(event));
    }

    pub(super) fn probe_what_is_due(&mut self, now: Now) {
        let Some(any) = self.statuses.last_asked() else { return };
        for operation in Operation::ALL.into_iter().filter(|operation| operation.only_reads()) {
            if !self.begins_own_probe(now, operation) {
                continue;
            }
            // The answers are only for the circuit, which the scheduler informs.
            match operation {
                // Without the list, single reads replace it and cost more. So this probe is as urgent as the list
                // itself.
                Operation::List => self.read_page(now, statuses::For::Probe, 1, Urgency::Sweep),
                Operation::Campaign => self.read_single(now, statuses::For::Probe, any, Urgency::Read),
                Operation::Report => {
                    let job = ReportJob::new(&mut self.known, now, reports::For::Probe(any), Urgency::Read);
                    self.go_on_with_report(now, job);
                }
                Operation::Token | Operation::Run | Operation::Pause | Operation::EndTime | Operation::Budget => {}
            }
        }
    }

    /// Whether an own probe begins now. The next own probe waits, even if this one fails before it comes to the
    /// scheduler.
    pub(super) fn begins_own_probe(&mut self, now: Now, operation: Operation) -> bool {
        let is_too_early = self.probes.0.get(&operation).is_some_and(|earliest| now.steady < *earliest);
        let begins = !is_too_early && self.requests.scheduler().circuits().is_probe_due(now.steady, operation);
        if begins {
            self.probes.0.insert(operation, now.steady + PROBE_INTERVAL.min(self.tick));
        }
        begins
    }
}
