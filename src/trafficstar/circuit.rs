//! Circuit breakers: which operations of TrafficStars work, and which get only probes for a while. PURE.
//!
//! The circuit of an operation opens after several failures in a row. Then its requests are held back, because each
//! failure costs a slot of the budget and the wait for a time-out. One request may leave as a probe at every point of
//! the grid, and at least every [`PROBE_INTERVAL`]. The first answer closes the circuit.
//!
//! A pause, and the reads that it needs, pass an open circuit (RULES.md, "Sent is not done"). Deliberately absent: a
//! clock, and the requests themselves; [`super::scheduler`] asks here before it asks the budget.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};

use crate::domain::calendar::next_grid_point;
use crate::domain::status::CircuitStatus;

/// This many failures in a row open a circuit: one failure may be chance, three are not.
const FAILURES_TO_OPEN: u32 = 3;
/// An open circuit is probed at least this often.
pub const PROBE_INTERVAL: Duration = Duration::seconds(15);

/// The state of an operation that was not tried for this long is forgotten: no request needs the operation.
const FORGOTTEN_AFTER: Duration = Duration::minutes(10);

/// An operation of TrafficStars. Each has a circuit of its own: a report that hangs says nothing about pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// An access token.
    Token,
    /// A page of the list of campaigns.
    List,
    /// One campaign by itself.
    Campaign,
    /// A report of spend.
    Report,
    /// Runs of campaigns.
    Run,
    /// Pauses of campaigns.
    Pause,
    /// An end time.
    EndTime,
    /// A daily budget.
    Budget,
}

impl Operation {
    /// All operations.
    pub const ALL: [Self; 8] =
        [Self::Token, Self::List, Self::Campaign, Self::Report, Self::Run, Self::Pause, Self::EndTime, Self::Budget];

    /// Returns the operation's name in the dump and the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::List => "list",
            Self::Campaign => "campaign",
            Self::Report => "report",
            Self::Run => "run",
            Self::Pause => "pause",
            Self::EndTime => "end_time",
            Self::Budget => "budget",
        }
    }

    /// Whether its requests change nothing, so that one can be sent only as a probe.
    #[must_use]
    pub const fn only_reads(self) -> bool {
        match self {
            Self::List | Self::Campaign | Self::Report => true,
            // A token is fetched with every probe of the others.
            Self::Token | Self::Run | Self::Pause | Self::EndTime | Self::Budget => false,
        }
    }
}

/// The end of a request, for the operation's circuit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// An answer, which may be a refusal: the operation works.
    Answered,
    /// No answer, a 5xx, or an answer that cannot be read; with the reason.
    Failed(String),
    /// It says nothing about the operation: TrafficStars answered 429, or the request was given up.
    Inconclusive,
}

/// Whether a request may leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CircuitVerdict {
    /// The request may leave.
    Admitted,
    /// The request must wait, because the circuit is open.
    Open {
        /// The time (UTC) when the next probe may leave.
        probe_at: DateTime<Utc>,
        /// The reason of the last failure.
        reason: String,
    },
}

#[derive(Debug, Clone, Default)]
struct Circuit {
    failures: u32,
    reason: String,
    /// The time (UTC) when the last failed request ended, or the last probe began.
    last_try_at: DateTime<Utc>,
    /// The time (UTC) when the circuit opened; `None` if it is closed.
    open_since: Option<DateTime<Utc>>,
    /// Whether a probe is under way. The other requests wait for its result.
    probing: bool,
}

/// The circuits of all operations. An operation that is not listed has a closed circuit without failures.
#[derive(Debug, Default)]
pub struct Circuits {
    tick: Duration,
    circuits: BTreeMap<Operation, Circuit>,
}

/// A change of an operation's circuit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CircuitChange {
    /// It has opened, for this reason.
    Opened(Operation, String),
    /// It has closed again.
    Closed(Operation),
}

impl Circuits {
    /// Returns closed circuits. `tick` is the distance between two points of the guard's grid.
    #[must_use]
    pub const fn new(tick: Duration) -> Self {
        Self { tick, circuits: BTreeMap::new() }
    }

    /// Changes the distance between two points of the grid.
    pub const fn set_tick(&mut self, tick: Duration) {
        self.tick = tick;
    }

    /// Returns whether a request may leave at `now`. A request that passes an open circuit is its probe.
    pub fn ask(&mut self, now: DateTime<Utc>, operation: Operation) -> CircuitVerdict {
        let tick = self.tick;
        let Some(circuit) = self.circuits.get_mut(&operation).filter(|circuit| circuit.open_since.is_some()) else {
            return CircuitVerdict::Admitted;
        };
        let probe_at = circuit.probe_at(tick);
        if circuit.probing || now < probe_at {
            return CircuitVerdict::Open { probe_at: probe_at.max(now), reason: circuit.reason.clone() };
        }
        circuit.probing = true;
        circuit.last_try_at = now;
        CircuitVerdict::Admitted
    }

    /// Notes how a request of the operation ended. Returns the change of the circuit; `None` if there is no change.
    pub fn ended(&mut self, now: DateTime<Utc>, operation: Operation, ended: Ended) -> Option<CircuitChange> {
        match ended {
            Ended::Answered => {
                let was_open = self.circuits.remove(&operation)?.open_since.is_some();
                was_open.then_some(CircuitChange::Closed(operation))
            }
            Ended::Inconclusive => {
                if let Some(circuit) = self.circuits.get_mut(&operation) {
                    circuit.probing = false;
                }
                None
            }
            Ended::Failed(reason) => {
                let circuit = self.circuits.entry(operation).or_default();
                circuit.failures = circuit.failures.saturating_add(1);
                circuit.reason.clone_from(&reason);
                circuit.last_try_at = now;
                circuit.probing = false;
                let opens = circuit.failures >= FAILURES_TO_OPEN && circuit.open_since.is_none();
                opens.then(|| {
                    circuit.open_since = Some(now);
                    CircuitChange::Opened(operation, reason)
                })
            }
        }
    }

    /// Forgets operations that were not tried for a long time. Otherwise the circuit of a write would stay open for
    /// ever, since a write is not sent only as a probe.
    pub fn forget_untried(&mut self, now: DateTime<Utc>) {
        self.circuits.retain(|_, circuit| now.signed_duration_since(circuit.last_try_at) < FORGOTTEN_AFTER);
    }

    /// Whether the operation's circuit is closed.
    #[must_use]
    pub fn is_closed(&self, operation: Operation) -> bool {
        self.circuits.get(&operation).is_none_or(|circuit| circuit.open_since.is_none())
    }

    /// Whether a probe of an open circuit is due.
    #[must_use]
    pub fn is_probe_due(&self, now: DateTime<Utc>, operation: Operation) -> bool {
        self.probe_at(operation).is_some_and(|at| at <= now)
    }

    /// Returns when an open circuit is to be probed next (UTC); `None` if it is closed or a probe is under way.
    #[must_use]
    pub fn probe_at(&self, operation: Operation) -> Option<DateTime<Utc>> {
        let circuit = self.circuits.get(&operation)?;
        circuit.open_since.filter(|_| !circuit.probing).map(|_| circuit.probe_at(self.tick))
    }

    /// Returns the circuits that are open or have failures, for the dump.
    #[must_use]
    pub fn status(&self) -> Vec<CircuitStatus> {
        let each = |(operation, circuit): (&Operation, &Circuit)| CircuitStatus {
            operation: operation.as_str().to_owned(),
            state: if circuit.open_since.is_some() { "open" } else { "closed" }.to_owned(),
            failures: circuit.failures,
            since: circuit.open_since,
            next_probe_at: self.probe_at(*operation),
            last_error: circuit.reason.clone(),
        };
        self.circuits.iter().map(each).collect()
    }
}

impl Circuit {
    /// Returns the next point of the grid, or a while after the last try, by which comes first.
    fn probe_at(&self, tick: Duration) -> DateTime<Utc> {
        let grid_point = next_grid_point(self.last_try_at, tick);
        grid_point.min(self.last_try_at + PROBE_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::seconds(seconds)
    }

    fn open_until(probe_at: DateTime<Utc>) -> CircuitVerdict {
        CircuitVerdict::Open { probe_at, reason: "502".to_owned() }
    }

    fn failed() -> Ended {
        Ended::Failed("502".to_owned())
    }

    /// Returns circuits of which the list's opened at `seconds`.
    fn opened(seconds: i64) -> Circuits {
        let mut circuits = Circuits::new(Duration::minutes(1));
        let changes: Vec<_> = (0..3).filter_map(|_| circuits.ended(at(seconds), Operation::List, failed())).collect();
        assert_eq!(changes, [CircuitChange::Opened(Operation::List, "502".to_owned())]);
        circuits
    }

    #[test]
    fn three_failures_in_a_row_open_a_circuit_and_an_answer_between_them_does_not() {
        let mut circuits = Circuits::new(Duration::minutes(1));
        for ended in [failed(), failed(), Ended::Answered, failed(), Ended::Inconclusive, failed()] {
            assert_eq!(circuits.ended(at(0), Operation::List, ended), None);
            assert_eq!(circuits.ask(at(0), Operation::List), CircuitVerdict::Admitted);
        }
        assert!(circuits.ended(at(0), Operation::List, failed()).is_some());
        assert_eq!(circuits.ask(at(1), Operation::List), open_until(at(15)));
        assert_eq!(
            circuits.ask(at(1), Operation::Pause),
            CircuitVerdict::Admitted,
            "each operation has its own circuit"
        );
    }

    #[test]
    fn an_open_circuit_is_probed_at_every_tick_and_at_least_every_fifteen_seconds() {
        for (opened_at, probe_at) in [(0, 15), (20, 35), (50, 60), (59, 60)] {
            let mut circuits = opened(opened_at);
            assert_eq!(circuits.probe_at(Operation::List), Some(at(probe_at)));
            assert_eq!(circuits.ask(at(probe_at - 1), Operation::List), open_until(at(probe_at)));
            assert_eq!(circuits.ask(at(probe_at), Operation::List), CircuitVerdict::Admitted);
        }
    }

    #[test]
    fn one_probe_at_a_time_passes_and_its_answer_closes_the_circuit() {
        let mut circuits = opened(0);
        assert_eq!(circuits.ask(at(15), Operation::List), CircuitVerdict::Admitted);
        assert_eq!(circuits.ask(at(40), Operation::List), open_until(at(40)));
        assert_eq!(circuits.probe_at(Operation::List), None, "a probe is under way");
        assert_eq!(circuits.ended(at(41), Operation::List, failed()), None);
        assert_eq!(circuits.ask(at(55), Operation::List), open_until(at(56)));
        assert_eq!(circuits.ask(at(56), Operation::List), CircuitVerdict::Admitted);
        assert_eq!(
            circuits.ended(at(57), Operation::List, Ended::Answered),
            Some(CircuitChange::Closed(Operation::List))
        );
        assert_eq!(circuits.ask(at(57), Operation::List), CircuitVerdict::Admitted);
        assert!(circuits.status().is_empty());
    }

    #[test]
    fn after_an_inconclusive_probe_the_next_one_may_leave() {
        let mut circuits = opened(0);
        assert_eq!(circuits.ask(at(15), Operation::List), CircuitVerdict::Admitted);
        assert_eq!(circuits.ended(at(16), Operation::List, Ended::Inconclusive), None);
        assert_eq!(circuits.ask(at(30), Operation::List), CircuitVerdict::Admitted);
    }

    #[test]
    fn an_operation_that_was_not_tried_for_long_is_forgotten() {
        let mut circuits = opened(0);
        circuits.forget_untried(at(599));
        assert_eq!(circuits.status().len(), 1);
        circuits.forget_untried(at(600));
        assert!(circuits.status().is_empty());
    }

    #[test]
    fn the_dump_says_which_circuit_is_open_since_when_and_why() {
        let status = opened(7).status();
        let shown: Vec<_> = status
            .iter()
            .map(|one| (one.operation.as_str(), one.state.as_str(), one.failures, one.since, one.next_probe_at))
            .collect();
        assert_eq!(shown, [("list", "open", 3, Some(at(7)), Some(at(22)))]);
        assert_eq!(status[0].last_error, "502");
    }
}
