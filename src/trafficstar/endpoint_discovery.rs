//! The candidates of each operation for which several paths are known: which is tried next, which works, and which
//! operation has none that exists. What is remembered is shown in the dump, and a change is told.
//!
//! Another candidate follows only on 404, 405 and 400: then nothing has happened. The one that worked is tried first from
//! then on, and what TrafficStars was found not to have is looked for again every [`LOOK_AGAIN_AFTER`]. Runs and pauses,
//! where a refusal may be for one id among many, have rules of their own (`batch::split`), and tell here what they learned.
//! PURE.
//!
//! Deliberately absent: the paths (`call`), and the requests (`client`).

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};

use super::error::RemoteError;
use crate::domain::operator_event::OperatorEvent;
use crate::domain::status::EndpointStatus;

/// What was found missing is looked for again after this long: a report that does not exist costs nothing meanwhile. And
/// so long an endpoint that has worked has to be missed before it is believed to be gone: until then its absence is a
/// failure, so that a moment without it starts nothing.
const LOOK_AGAIN_AFTER: Duration = Duration::minutes(15);

/// What there are candidates for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Endpoint {
    List,
    Run,
    Pause,
    SpendByCampaign,
    SpendByDay,
}

impl Endpoint {
    /// The word by which the dump names it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Run => "run",
            Self::Pause => "pause",
            Self::SpendByCampaign => "spend-by-campaign",
            Self::SpendByDay => "spend-by-day",
        }
    }

    /// What TrafficStars has, or has not, an endpoint for.
    pub(super) const fn purpose(self) -> &'static str {
        match self {
            Self::List => "list campaigns",
            Self::Run => "run campaigns",
            Self::Pause => "pause campaigns",
            Self::SpendByCampaign => "report the spend of campaigns",
            Self::SpendByDay => "report a campaign's spend",
        }
    }

    /// Whether nobody asks for it while it is absent. There is a spend without reports; without the others nothing is
    /// guarded, so that they are asked for each time.
    const fn is_left_alone_while_absent(self) -> bool {
        match self {
            Self::SpendByCampaign | Self::SpendByDay => true,
            Self::List | Self::Run | Self::Pause => false,
        }
    }
}

/// What is known of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    /// This candidate works.
    Works {
        position: usize,
        path: String,
        since: DateTime<Utc>,
        /// When the candidates before it were tried last.
        others_tried_at: DateTime<Utc>,
        /// Since when neither it nor any other answers.
        missed_since: Option<DateTime<Utc>>,
    },
    /// None of them exists.
    Absent { since: DateTime<Utc>, tried_at: DateTime<Utc> },
}

/// What is known of all operations of one account, and the changes of it that were not told yet.
#[derive(Debug, Default)]
pub(super) struct KnownEndpoints {
    known: BTreeMap<Endpoint, Known>,
    news: Vec<OperatorEvent>,
}

impl KnownEndpoints {
    /// The positions of an operation's candidates in the order in which to try them; none where it is known to have no
    /// endpoint.
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

    /// A candidate has worked.
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
            Some(before) => self.tell(now, operation, before, Some(path.clone())),
            None if worked_at > 0 => {
                tracing::info!(
                    operation = operation.as_str(),
                    path,
                    "TrafficStars serves this by another of its known endpoints"
                );
            }
            None => {}
        }
        let works = Known::Works { position: worked_at, path, since: now, others_tried_at: now, missed_since: None };
        self.known.insert(operation, works);
    }

    /// All candidates were tried, and none exists.
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
                if now - *missed_since.get_or_insert(now) < LOOK_AGAIN_AFTER {
                    return;
                }
                Some(path.clone())
            }
            None => None,
        };
        match lost {
            Some(path) => self.tell(now, operation, Some(path), None),
            None => {
                tracing::info!(
                    operation = operation.as_str(),
                    "TrafficStars has no endpoint for this: none of those known exists"
                );
            }
        }
        self.known.insert(operation, Known::Absent { since: now, tried_at: now });
    }

    /// The changes since this was last asked.
    pub(super) fn take_news(&mut self) -> Vec<OperatorEvent> {
        std::mem::take(&mut self.news)
    }

    fn tell(&mut self, now: DateTime<Utc>, operation: Endpoint, before: Option<String>, path: Option<String>) {
        let event = OperatorEvent::endpoint(now, operation.as_str(), operation.purpose(), before, path);
        if event.warning {
            tracing::warn!("{}", event.text);
        } else {
            tracing::info!("{}", event.text);
        }
        self.news.push(event);
    }

    /// Whether the operation is believed to have no endpoint. One that has worked is missed for a while before that.
    pub(super) fn is_absent(&self, operation: Endpoint) -> bool {
        matches!(self.known.get(&operation), Some(Known::Absent { .. }))
    }

    /// What is known of each operation that was asked for, for the dump.
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

/// Tries the candidates of an operation, one after the other.
#[derive(Debug)]
pub(super) struct Trial {
    operation: Endpoint,
    /// Their positions, the next one last.
    untried: Vec<usize>,
    tried: Option<usize>,
    has_begun: bool,
    bad_request: Option<RemoteError>,
}

impl Trial {
    /// A trial of so many candidates that has tried nothing yet.
    pub(super) fn of(known: &mut KnownEndpoints, now: DateTime<Utc>, operation: Endpoint, candidates: usize) -> Self {
        let mut untried = known.order(now, operation, candidates);
        untried.reverse();
        Self { operation, untried, tried: None, has_begun: false, bad_request: None }
    }

    /// The position of the candidate whose turn it is.
    pub(super) fn next_candidate(&mut self) -> Option<usize> {
        self.tried = self.untried.pop();
        self.has_begun |= self.tried.is_some();
        self.tried
    }

    /// The operation's answer, unless it is the next candidate's turn. `shown` says the candidate's method and path.
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

    /// Why none of them worked. An endpoint that refused the request exists.
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
    const NOBODY: [usize; 0] = [];

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

        /// The path that the dump shows for the one operation that was asked for, and since which minute.
        fn shown(&self) -> (Option<String>, i64) {
            let [shown] = &self.status()[..] else { panic!("{:?}", self.status()) };
            (shown.path.clone(), (shown.since - at(0)).num_minutes())
        }

        fn news(&mut self) -> Vec<String> {
            self.take_news().into_iter().map(|event| event.text).collect()
        }
    }

    #[test]
    fn the_one_that_works_is_tried_first_and_the_others_in_their_order() {
        let mut memory = KnownEndpoints::default();
        assert_eq!(memory.order_at(0, Endpoint::Pause), [0, 1, 2]);
        assert_eq!(memory.status(), [], "nothing is known yet");
        memory.worked_at(1, Endpoint::Pause, 1);
        assert_eq!(memory.order_at(2, Endpoint::Pause), [1, 0, 2]);
        memory.worked_at(3, Endpoint::Pause, 1);
        assert_eq!(memory.shown(), (Some("GET /1".to_owned()), 1));
        assert_eq!(memory.news(), [""; 0], "the first find is no change");
        assert_eq!(memory.order_at(4, Endpoint::Run), [0, 1, 2], "one operation says nothing of another");
    }

    #[test]
    fn a_change_is_told_whichever_way_it_goes() {
        let mut memory = KnownEndpoints::default();
        memory.worked_at(0, Endpoint::Pause, 0);
        memory.worked_at(5, Endpoint::Pause, 2);
        assert_eq!(memory.shown(), (Some("GET /2".to_owned()), 5));
        let changed = |from, to| {
            format!(
                "TrafficStars' endpoint to pause campaigns has changed: `GET /{to}` works now, instead of `GET /{from}`"
            )
        };
        assert_eq!(memory.news(), [changed(0, 2)]);
        memory.worked_at(6, Endpoint::Pause, 0);
        assert_eq!(memory.news(), [changed(2, 0)]);
    }

    #[test]
    fn what_comes_before_the_working_one_is_looked_for_again_every_quarter_of_an_hour() {
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
    fn a_report_that_does_not_exist_is_asked_for_every_quarter_of_an_hour() {
        let mut memory = KnownEndpoints::default();
        memory.missing(at(0), REPORT);
        assert!(memory.is_absent(REPORT));
        assert_eq!(memory.status()[0].asked_again_at, Some(at(15)));
        assert_eq!(memory.order_at(14, REPORT), NOBODY);
        assert_eq!(memory.order_at(15, REPORT), [0, 1, 2]);
        memory.missing(at(15), REPORT);
        assert_eq!(memory.order_at(16, REPORT), NOBODY);
        assert_eq!(memory.shown(), (None, 0));
        assert_eq!(memory.news(), [""; 0], "it was never there");

        memory.worked_at(30, REPORT, 1);
        assert_eq!(memory.news(), ["TrafficStars has an endpoint to report a campaign's spend now: `GET /1`"]);
        assert!(!memory.is_absent(REPORT));
    }

    #[test]
    fn what_nothing_can_do_without_is_asked_for_each_time() {
        for operation in [Endpoint::List, Endpoint::Run, Endpoint::Pause] {
            let mut memory = KnownEndpoints::default();
            memory.missing(at(0), operation);
            assert_eq!(memory.shown(), (None, 0));
            assert_eq!(memory.status()[0].asked_again_at, None);
            assert_eq!(memory.order_at(0, operation), [0, 1, 2], "{operation:?}");
        }
    }

    #[test]
    fn what_has_worked_is_missed_for_a_quarter_of_an_hour_before_it_is_believed_to_be_gone() {
        let mut memory = KnownEndpoints::default();
        memory.worked_at(0, REPORT, 1);
        memory.missing(at(1), REPORT);
        memory.missing(at(15), REPORT);
        assert!(!memory.is_absent(REPORT));
        assert_eq!(memory.order_at(15, REPORT)[..], [0, 1, 2], "it is asked for meanwhile");
        memory.worked_at(15, REPORT, 1);
        memory.missing(at(16), REPORT);
        memory.missing(at(30), REPORT);
        assert!(!memory.is_absent(REPORT), "it was there in between");
        assert_eq!(memory.news(), [""; 0]);

        memory.missing(at(31), REPORT);
        assert!(memory.is_absent(REPORT));
        assert_eq!(memory.shown(), (None, 31));
        let gone = "TrafficStars has no endpoint to report a campaign's spend any more: `GET /1` worked, and none of the \
                    known ones does";
        assert_eq!(memory.news(), [gone]);
    }
}
