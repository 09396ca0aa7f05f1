//! Endpoint discovery, for operations with several known paths: which candidate is tried next, which one works, and
//! which operation has none that exists. The dump shows this, and a change is reported. PURE.
//!
//! Another candidate is tried only after a 404, 405 or 400, because then nothing has happened. The candidate that
//! worked is tried first from then on. A missing one is tried again every [`LOOK_AGAIN_AFTER`]. Runs and pauses have
//! rules of their own (`batch::split`), because a refusal may be for one id among many. They report here which way
//! works.
//!
//! Deliberately absent: the paths (`call`), and the requests (`client`).

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};

use super::error::RemoteError;
use crate::domain::operator_event::OperatorEvent;
use crate::domain::status::EndpointStatus;

/// A missing endpoint is tried again after this long. Until then a report that does not exist costs no request. This is
/// also how long an endpoint that has worked must be missing before it counts as absent. Until then a 404 counts as a
/// failure, because the endpoint may be back in a moment.
const LOOK_AGAIN_AFTER: Duration = Duration::minutes(15);

/// An operation for which candidate paths are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Endpoint {
    List,
    ListById,
    Run,
    Pause,
    SpendByCampaign,
    SpendByDay,
}

impl Endpoint {
    /// Returns the operation's name in the dump.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::ListById => "list-by-id",
            Self::Run => "run",
            Self::Pause => "pause",
            Self::SpendByCampaign => "spend-by-campaign",
            Self::SpendByDay => "spend-by-day",
        }
    }

    /// Returns what the endpoint does, for a sentence such as "TrafficStars has no endpoint to …".
    pub(super) const fn purpose(self) -> &'static str {
        match self {
            Self::List => "list campaigns",
            Self::ListById => "list campaigns by their ids",
            Self::Run => "run campaigns",
            Self::Pause => "pause campaigns",
            Self::SpendByCampaign => "report the spend of campaigns",
            Self::SpendByDay => "report a campaign's spend",
        }
    }

    /// Whether it is not tried while it is absent. Spend can be read without reports, and campaigns without the filter
    /// by id. Without the other operations no campaign is guarded, so they are tried each time.
    const fn is_left_alone_while_absent(self) -> bool {
        match self {
            Self::ListById | Self::SpendByCampaign | Self::SpendByDay => true,
            Self::List | Self::Run | Self::Pause => false,
        }
    }
}

/// The state of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    /// A candidate works.
    Works {
        position: usize,
        path: String,
        since: DateTime<Utc>,
        /// The time (UTC) when the candidates before it were last tried.
        others_tried_at: DateTime<Utc>,
        /// The time (UTC) since which every candidate has been missing; `None` if this one answers.
        missed_since: Option<DateTime<Utc>>,
    },
    /// No candidate exists.
    Absent { since: DateTime<Utc>, tried_at: DateTime<Utc> },
}

/// The state of all operations of one account, and the events that were not handed out yet.
#[derive(Debug, Default)]
pub(super) struct KnownEndpoints {
    known: BTreeMap<Endpoint, Known>,
    events: Vec<OperatorEvent>,
}

impl KnownEndpoints {
    /// Returns the positions of an operation's candidates in the order in which to try them. The list is empty if the
    /// operation is absent and not to be tried yet.
    pub(super) fn order(&mut self, now: DateTime<Utc>, operation: Endpoint, candidates: usize) -> Vec<usize> {
        let in_order = (0..candidates).collect();
        match self.known.get_mut(&operation) {
            Some(Known::Works { position, others_tried_at, .. }) => {
                let first = *position;
                if first > 0 && now - *others_tried_at >= LOOK_AGAIN_AFTER {
                    *others_tried_at = now;
                    return in_order;
                }
                std::iter::once(first).chain((0..candidates).filter(|other| *other != first)).collect()
            }
            Some(Known::Absent { tried_at, .. })
                if operation.is_left_alone_while_absent() && now - *tried_at < LOOK_AGAIN_AFTER =>
            {
                Vec::new()
            }
            Some(Known::Absent { .. }) | None => in_order,
        }
    }

    /// Notes that a candidate has worked. `shown` returns its method and path.
    pub(super) fn worked(
        &mut self,
        now: DateTime<Utc>,
        operation: Endpoint,
        worked_at: usize,
        shown: impl FnOnce() -> String,
    ) {
        let before = match self.known.get_mut(&operation) {
            Some(Known::Works { position, missed_since, .. }) if *position == worked_at => {
                *missed_since = None;
                return;
            }
            Some(Known::Works { path, .. }) => Some(Some(path.clone())),
            Some(Known::Absent { .. }) => Some(None),
            None => None,
        };
        let path = shown();
        match before {
            Some(before) => self.report(now, operation, before, Some(path.clone())),
            None if worked_at > 0 => {
                tracing::info!(
                    operation = operation.as_str(),
                    path,
                    "TrafficStars serves this operation at another known endpoint"
                );
            }
            None => {}
        }
        let works = Known::Works { position: worked_at, path, since: now, others_tried_at: now, missed_since: None };
        self.known.insert(operation, works);
    }

    /// Notes that all candidates were tried and none exists. Returns the error for it.
    pub(super) fn none_of(&mut self, now: DateTime<Utc>, operation: Endpoint) -> RemoteError {
        self.missing(now, operation);
        RemoteError::NoEndpoint { operation: operation.purpose() }
    }

    fn missing(&mut self, now: DateTime<Utc>, operation: Endpoint) {
        let lost = match self.known.get_mut(&operation) {
            Some(Known::Absent { tried_at, .. }) => {
                *tried_at = now;
                return;
            }
            Some(Known::Works { path, missed_since, .. }) => {
                // Another way to read costs no more than a few requests, and each further trial does.
                let is_waited_for = operation != Endpoint::ListById;
                if is_waited_for && now - *missed_since.get_or_insert(now) < LOOK_AGAIN_AFTER {
                    return;
                }
                Some(path.clone())
            }
            None => None,
        };
        match lost {
            Some(path) => self.report(now, operation, Some(path), None),
            None => {
                tracing::info!(
                    operation = operation.as_str(),
                    "TrafficStars has no endpoint for this operation: no known one exists"
                );
            }
        }
        self.known.insert(operation, Known::Absent { since: now, tried_at: now });
    }

    /// Returns the events since the last call.
    pub(super) fn take_events(&mut self) -> Vec<OperatorEvent> {
        std::mem::take(&mut self.events)
    }

    fn report(&mut self, now: DateTime<Utc>, operation: Endpoint, before: Option<String>, path: Option<String>) {
        let event = OperatorEvent::endpoint(now, operation.as_str(), operation.purpose(), before, path);
        if event.warning {
            tracing::warn!("{}", event.text);
        } else {
            tracing::info!("{}", event.text);
        }
        self.events.push(event);
    }

    /// Whether the operation counts as absent. One that has worked must be missing for [`LOOK_AGAIN_AFTER`] before.
    pub(super) fn is_absent(&self, operation: Endpoint) -> bool {
        matches!(self.known.get(&operation), Some(Known::Absent { .. }))
    }

    /// Whether an operation that is left alone while it is absent may be tried now.
    pub(super) fn may_be_tried(&self, now: DateTime<Utc>, operation: Endpoint) -> bool {
        match self.known.get(&operation) {
            Some(Known::Absent { tried_at, .. }) => now - *tried_at >= LOOK_AGAIN_AFTER,
            Some(Known::Works { .. }) | None => true,
        }
    }

    /// Returns the position of the candidate that works; `None` if none is known to work.
    pub(super) fn working(&self, operation: Endpoint) -> Option<usize> {
        match self.known.get(&operation) {
            Some(Known::Works { position, .. }) => Some(*position),
            Some(Known::Absent { .. }) | None => None,
        }
    }

    /// Returns the state of each operation that was tried, for the dump.
    pub(super) fn status(&self) -> Vec<EndpointStatus> {
        let status = |(operation, known): (&Endpoint, &Known)| {
            let (path, since, asked_again_at) = match known {
                Known::Works { path, since, .. } => (Some(path.clone()), *since, None),
                Known::Absent { since, tried_at } => {
                    let left_alone = operation.is_left_alone_while_absent();
                    (None, *since, left_alone.then(|| *tried_at + LOOK_AGAIN_AFTER))
                }
            };
            EndpointStatus { operation: operation.as_str().to_owned(), path, since, asked_again_at }
        };
        self.known.iter().map(status).collect()
    }
}

/// One pass through an operation's candidates, one after the other.
#[derive(Debug)]
pub(super) struct Trial {
    operation: Endpoint,
    /// The positions of the candidates that were not tried yet, the next one last.
    untried: Vec<usize>,
    /// The position of the candidate that is being tried.
    tried: Option<usize>,
    /// Whether a candidate was tried.
    has_begun: bool,
    /// The first 400; `None` if there was none.
    bad_request: Option<RemoteError>,
}

impl Trial {
    /// Returns a trial of this many candidates, of which none was tried yet.
    pub(super) fn of(known: &mut KnownEndpoints, now: DateTime<Utc>, operation: Endpoint, candidates: usize) -> Self {
        let mut untried = known.order(now, operation, candidates);
        untried.reverse();
        Self { operation, untried, tried: None, has_begun: false, bad_request: None }
    }

    /// Returns the position of the next candidate; `None` if all were tried.
    pub(super) fn next_candidate(&mut self) -> Option<usize> {
        self.tried = self.untried.pop();
        self.has_begun |= self.tried.is_some();
        self.tried
    }

    /// Whether the candidate that is being tried is the one that has worked before.
    pub(super) fn has_worked(&self, known: &KnownEndpoints) -> bool {
        self.tried.is_some() && self.tried == known.working(self.operation)
    }

    /// Returns the operation's answer; `None` if the next candidate is to be tried. `shown` returns the candidate's
    /// method and path.
    pub(super) fn judge<T>(
        &mut self,
        known: &mut KnownEndpoints,
        now: DateTime<Utc>,
        answer: Result<T, RemoteError>,
        shown: impl FnOnce() -> String,
    ) -> Option<Result<T, RemoteError>> {
        match answer {
            Ok(_) => {
                if let Some(position) = self.tried {
                    known.worked(now, self.operation, position, shown);
                }
                Some(answer)
            }
            Err(error) if error.is_bad_request() => {
                self.bad_request.get_or_insert(error);
                None
            }
            Err(error) if error.is_absence() => None,
            Err(_) => Some(answer),
        }
    }

    /// Returns why no candidate worked. A 400 is returned first, because an endpoint that answers 400 exists.
    pub(super) fn failure(&mut self, known: &mut KnownEndpoints, now: DateTime<Utc>) -> RemoteError {
        if let Some(bad_request) = self.bad_request.take() {
            return bad_request;
        }
        if self.has_begun {
            return known.none_of(now, self.operation);
        }
        RemoteError::NoEndpoint { operation: self.operation.purpose() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: Endpoint = Endpoint::SpendByDay;
    const NO_CANDIDATES: [usize; 0] = [];

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::minutes(minutes)
    }

    impl KnownEndpoints {
        fn worked_at(&mut self, minutes: i64, operation: Endpoint, position: usize) {
            self.worked(at(minutes), operation, position, || format!("GET /{position}"));
        }

        fn order_at(&mut self, minutes: i64, operation: Endpoint) -> Vec<usize> {
            self.order(at(minutes), operation, 3)
        }

        /// Returns the path that the dump shows for the only operation that was tried, and since which minute.
        fn shown(&self) -> (Option<String>, i64) {
            let [shown] = &self.status()[..] else { panic!("{:?}", self.status()) };
            (shown.path.clone(), (shown.since - at(0)).num_minutes())
        }

        fn event_texts(&mut self) -> Vec<String> {
            self.take_events().into_iter().map(|event| event.text).collect()
        }
    }

    #[test]
    fn the_working_candidate_is_tried_first_and_the_others_in_their_order() {
        let mut memory = KnownEndpoints::default();
        assert_eq!(memory.order_at(0, Endpoint::Pause), [0, 1, 2]);
        assert_eq!(memory.status(), [], "nothing is known yet");
        memory.worked_at(1, Endpoint::Pause, 1);
        assert_eq!(memory.order_at(2, Endpoint::Pause), [1, 0, 2]);
        memory.worked_at(3, Endpoint::Pause, 1);
        assert_eq!(memory.shown(), (Some("GET /1".to_owned()), 1));
        assert_eq!(memory.event_texts(), [""; 0], "the first find is no change");
        assert_eq!(memory.order_at(4, Endpoint::Run), [0, 1, 2], "one operation says nothing about another");
    }

    #[test]
    fn a_change_is_reported_in_both_directions() {
        let mut memory = KnownEndpoints::default();
        memory.worked_at(0, Endpoint::Pause, 0);
        memory.worked_at(5, Endpoint::Pause, 2);
        assert_eq!(memory.shown(), (Some("GET /2".to_owned()), 5));
        let changed = |from, to| {
            format!(
                "TrafficStars' endpoint to pause campaigns has changed: `GET /{to}` works now, instead of `GET /{from}`"
            )
        };
        assert_eq!(memory.event_texts(), [changed(0, 2)]);
        memory.worked_at(6, Endpoint::Pause, 0);
        assert_eq!(memory.event_texts(), [changed(2, 0)]);
    }

    #[test]
    fn candidates_before_the_working_one_are_tried_again_every_quarter_of_an_hour() {
        let mut memory = KnownEndpoints::default();
        memory.worked_at(0, Endpoint::List, 1);
        assert_eq!(memory.order_at(14, Endpoint::List), [1, 0, 2]);
        assert_eq!(memory.order_at(15, Endpoint::List), [0, 1, 2]);
        memory.worked_at(15, Endpoint::List, 1);
        assert_eq!(memory.order_at(16, Endpoint::List), [1, 0, 2]);
        assert_eq!(memory.order_at(30, Endpoint::List), [0, 1, 2]);
        memory.worked_at(30, Endpoint::List, 0);
        assert_eq!(memory.order_at(60, Endpoint::List), [0, 1, 2]);
        assert_eq!(memory.shown(), (Some("GET /0".to_owned()), 30));
    }

    #[test]
    fn a_missing_report_is_tried_again_every_quarter_of_an_hour() {
        let mut memory = KnownEndpoints::default();
        memory.missing(at(0), REPORT);
        assert!(memory.is_absent(REPORT));
        assert_eq!(memory.status()[0].asked_again_at, Some(at(15)));
        assert_eq!(memory.order_at(14, REPORT), NO_CANDIDATES);
        assert_eq!(memory.order_at(15, REPORT), [0, 1, 2]);
        memory.missing(at(15), REPORT);
        assert_eq!(memory.order_at(16, REPORT), NO_CANDIDATES);
        assert_eq!(memory.shown(), (None, 0));
        assert_eq!(memory.event_texts(), [""; 0], "it was never there");

        memory.worked_at(30, REPORT, 1);
        assert_eq!(memory.event_texts(), ["TrafficStars has an endpoint to report a campaign's spend now: `GET /1`"]);
        assert!(!memory.is_absent(REPORT));
    }

    #[test]
    fn a_missing_list_run_or_pause_is_tried_each_time() {
        for operation in [Endpoint::List, Endpoint::Run, Endpoint::Pause] {
            let mut memory = KnownEndpoints::default();
            memory.missing(at(0), operation);
            assert_eq!(memory.shown(), (None, 0));
            assert_eq!(memory.status()[0].asked_again_at, None);
            assert_eq!(memory.order_at(0, operation), [0, 1, 2], "{operation:?}");
        }
    }

    #[test]
    fn an_endpoint_that_has_worked_counts_as_absent_after_a_quarter_of_an_hour() {
        let mut memory = KnownEndpoints::default();
        memory.worked_at(0, REPORT, 1);
        memory.missing(at(1), REPORT);
        memory.missing(at(15), REPORT);
        assert!(!memory.is_absent(REPORT));
        assert_eq!(memory.order_at(15, REPORT)[..], [0, 1, 2], "it is tried meanwhile");
        memory.worked_at(15, REPORT, 1);
        memory.missing(at(16), REPORT);
        memory.missing(at(30), REPORT);
        assert!(!memory.is_absent(REPORT), "it worked in between");
        assert_eq!(memory.event_texts(), [""; 0]);

        memory.missing(at(31), REPORT);
        assert!(memory.is_absent(REPORT));
        assert_eq!(memory.shown(), (None, 31));
        let gone = "TrafficStars no longer has an endpoint to report a campaign's spend: `GET /1` worked, but now no \
            known one does";
        assert_eq!(memory.event_texts(), [gone]);
    }
}
