//! Draws the fate of each request: how long it takes, whether it arrives, its answer, and whether the answer arrives.

use std::ops::Range;

use chrono::{DateTime, Duration, Utc};

use super::random::Random;
use super::remote::{Call, Mood};
use super::wire::{Failure, TIMEOUT};

/// How often each fault occurs, in percent of the requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Weather {
    /// The connection is refused.
    pub(crate) refused_connections: i64,
    /// The request is lost, and times out.
    pub(crate) lost_requests: i64,
    /// The request takes effect, and the answer is lost.
    pub(crate) lost_answers: i64,
    pub(crate) broken_answers: i64,
    pub(crate) unreadable_answers: i64,
    /// The network sends the request a second time, later.
    pub(crate) sent_twice: i64,
    /// The answer takes up to the whole time-out.
    pub(crate) slow: i64,
    /// 401, except for requests for a token.
    pub(crate) unauthorized: i64,
    /// 401 for requests for a token.
    pub(crate) bad_key: i64,
    /// 429.
    pub(crate) too_many: i64,
    /// 5xx; a third of these requests take effect.
    pub(crate) failing: i64,
    /// 5xx, for reports alone.
    pub(crate) failing_reports: i64,
    /// 404, though the campaign exists.
    pub(crate) missing: i64,
    /// Campaigns that the answer to a run or a pause refuses; and campaigns that it does not name.
    pub(crate) refused_campaigns: i64,
    pub(crate) unnamed_campaigns: i64,
}

/// The fate of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) arrives_at: Option<DateTime<Utc>>,
    /// The answer with which it is refused, if it arrives.
    pub(crate) refused: Option<Failure>,
    /// Whether it takes effect although it is refused.
    pub(crate) takes_effect: bool,
    /// When it takes effect once more, if it does.
    pub(crate) again_at: Option<DateTime<Utc>>,
    /// When the guard has the result, and the failure in place of an answer.
    pub(crate) ends_at: DateTime<Utc>,
    pub(crate) lost: Option<Failure>,
}

impl Weather {
    pub(crate) fn fate(&self, now: DateTime<Utc>, call: &Call, latency_ms: &Range<i64>, random: &mut Random) -> Fate {
        let latency_ms = random.within(latency_ms.clone());
        // TrafficStars may count the request at any moment between sending and answer.
        let there_ms = random.within(0..latency_ms + 1);
        let (arrives_at, ends_at) = (now + Duration::milliseconds(there_ms), now + Duration::milliseconds(latency_ms));
        let fate = Fate {
            arrives_at: Some(arrives_at),
            refused: None,
            takes_effect: true,
            again_at: None,
            ends_at,
            lost: None,
        };
        if *self == Self::default() {
            return fate;
        }
        let fate = if random.chance(self.slow) {
            let latency_ms = random.within(1_000..TIMEOUT.num_milliseconds());
            let arrives_at = now + Duration::milliseconds(random.within(0..latency_ms));
            Fate { arrives_at: Some(arrives_at), ends_at: now + Duration::milliseconds(latency_ms), ..fate }
        } else {
            fate
        };
        let times_out_at = now + TIMEOUT;
        if random.chance(self.refused_connections) {
            return Fate { arrives_at: None, lost: Some(Failure::NotMade), ..fate };
        }
        if random.chance(self.lost_requests) {
            return Fate { arrives_at: None, lost: Some(Failure::TimedOut), ends_at: times_out_at, ..fate };
        }
        if let Some((refused, takes_effect)) = self.refusal(call, random) {
            return Fate { refused: Some(refused), takes_effect, ..fate };
        }
        let again_at =
            random.chance(self.sent_twice).then(|| fate.ends_at + Duration::milliseconds(random.within(0..9_000)));
        let fate = Fate { again_at, ..fate };
        if random.chance(self.lost_answers) {
            Fate { lost: Some(Failure::TimedOut), ends_at: times_out_at, ..fate }
        } else if random.chance(self.broken_answers) {
            Fate { lost: Some(Failure::Broke), ..fate }
        } else if random.chance(self.unreadable_answers) {
            Fate { lost: Some(Failure::Unreadable), ..fate }
        } else {
            fate
        }
    }

    /// Draws a refusal, and whether the request takes effect nevertheless.
    fn refusal(&self, call: &Call, random: &mut Random) -> Option<(Failure, bool)> {
        if *call == Call::Token {
            let refusal = random.chance(self.bad_key).then_some((Failure::Status(401), false));
            return refusal.or(random.chance(self.failing).then_some((Failure::Status(503), false)));
        }
        // If no reports fail, no number is drawn.
        let may_fail = self.failing_reports > 0 && matches!(call, Call::Report { .. } | Call::DayReport(_));
        if may_fail && random.chance(self.failing_reports) {
            return Some((Failure::Status(500), false));
        }
        if random.chance(self.unauthorized) {
            Some((Failure::Status(401), false))
        } else if random.chance(self.too_many) {
            let retry_after = random.chance(50).then(|| Duration::seconds(random.within(1..400)));
            Some((Failure::TooMany(retry_after), false))
        } else if random.chance(self.failing) {
            Some((Failure::Status(502), random.chance(33)))
        } else if random.chance(self.missing) {
            Some((Failure::Status(404), false))
        } else {
            None
        }
    }

    /// Draws how a campaign of a run or a pause is answered.
    pub(crate) fn mood(&self, random: &mut Random) -> Mood {
        if random.chance(self.refused_campaigns) {
            Mood::Refused
        } else if random.chance(self.unnamed_campaigns) {
            Mood::Unnamed { done: random.chance(50) }
        } else {
            Mood::Done
        }
    }
}
