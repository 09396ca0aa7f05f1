//! How soon a campaign may cross a threshold: who is read first where the budget does not reach for all. PURE.
//!
//! An estimate from the last two readings: how fast clicks are used and money is spent. It decides about the order of
//! reads alone, never about a campaign.

use chrono::{DateTime, Duration, Utc};

use super::money::{Clicks, Money};
use super::policy::{HighSpend, PolicyNumbers};
use super::remote::{RemoteStatus, StatusWord};

/// Farther away than anything is estimated.
pub const FAR: Duration = Duration::days(1);

/// A number that grows or shrinks, and how fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reading {
    at: DateTime<Utc>,
    value: i64,
    /// By how much it changed between the last two readings, and in which time.
    changed: Option<(i64, Duration)>,
}

/// What was read of a campaign lately.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trend {
    clicks: Option<Reading>,
    spend: Option<Reading>,
    /// The last one that was no doubt, and when it was read.
    status: Option<(StatusWord, DateTime<Utc>)>,
}

/// What a machine would make of used-up clicks, as far as the urgency of its reads depends on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Intent {
    /// It is promised to run, and nothing keeps it from running: what was seen stopped before may run by now.
    pub promised_to_run: bool,
    /// A hold keeps everything from being sent, pauses too.
    pub on_hold: bool,
}

/// A campaign that was seen stopped is taken for stopped for this long while it cannot be read.
const BELIEVED_FOR: Duration = Duration::minutes(5);

impl Trend {
    /// Takes note of a tick's facts; what is unknown leaves the last ones. What may run counts as running, since used-up
    /// clicks pause it, too.
    pub fn saw(&mut self, now: DateTime<Utc>, clicks: Option<Clicks>, spend: Option<Money>, status: &RemoteStatus) {
        let clicks = clicks.map(|clicks| i64::try_from(clicks.0).unwrap_or(i64::MAX));
        note(&mut self.clicks, now, clicks);
        note(&mut self.spend, now, spend.map(Money::micros));
        let word = if status.may_run() { StatusWord::Running } else { status.word() };
        if word != StatusWord::Unknown {
            self.status = Some((word, now));
        }
    }

    /// Whether the campaign was seen stopped or blocked lately.
    #[must_use]
    pub fn is_known_stopped(&self, now: DateTime<Utc>) -> bool {
        self.status_at(now).is_some_and(|status| matches!(status, StatusWord::Stopped | StatusWord::Blocked))
    }

    /// Whether today's spend has reached the limit, past which nothing is done: spend never falls within a day.
    #[must_use]
    pub fn is_left_alone(&self, now: DateTime<Utc>, policy: &PolicyNumbers) -> bool {
        match policy.high_spend {
            HighSpend::Observe => self.spent_on(now) >= policy.spend_limit.micros(),
        }
    }

    fn status_at(&self, now: DateTime<Utc>) -> Option<StatusWord> {
        let (status, at) = self.status?;
        let is_old = now.signed_duration_since(at) >= BELIEVED_FOR;
        Some(if is_old { StatusWord::Unknown } else { status })
    }

    /// In millionths; a spend of another day is not this day's.
    fn spent_on(&self, now: DateTime<Utc>) -> i64 {
        self.spend.filter(|spend| spend.at.date_naive() == now.date_naive()).map_or(0, |spend| spend.value)
    }

    /// In how long a decision may fall due, if the clicks are now these and all goes on as it did. Nothing is known of a
    /// campaign that was never read, so that may be at once.
    #[must_use]
    pub fn threshold_in(&self, now: DateTime<Utc>, policy: &PolicyNumbers, clicks: Option<Clicks>) -> Duration {
        let (Some(status), Some(clicks)) = (self.status_at(now), clicks) else { return Duration::zero() };
        if self.is_left_alone(now, policy) {
            return FAR;
        }
        let remaining = i64::try_from(clicks.0).unwrap_or(i64::MAX);
        let [activate, pause] =
            [policy.activate_clicks, policy.pause_clicks].map(|clicks| i64::try_from(clicks.0).unwrap_or(i64::MAX));
        let limit = policy.spend_limit.micros();
        let spent = self.spent_on(now);
        match status {
            StatusWord::Blocked => FAR,
            StatusWord::Stopped if remaining >= activate => Duration::zero(),
            StatusWord::Stopped => FAR,
            StatusWord::Running | StatusWord::Unknown => {
                let by_clicks = time_for(remaining.saturating_sub(pause), self.clicks, activate);
                let by_spend = time_for(limit.saturating_sub(spent), self.spend, limit);
                by_clicks.min(by_spend)
            }
        }
    }
}

fn note(last: &mut Option<Reading>, at: DateTime<Utc>, value: Option<i64>) {
    let Some(value) = value else { return };
    let changed = last.map(|last| {
        let elapsed = at.signed_duration_since(last.at);
        if elapsed > Duration::zero() {
            Some((value.saturating_sub(last.value).saturating_abs(), elapsed))
        } else {
            last.changed
        }
    });
    *last = Some(Reading { at, value, changed: changed.flatten() });
}

/// How long the distance takes at the speed of the last reading, or at `in_a_day` where that is faster.
fn time_for(distance: i64, reading: Option<Reading>, in_a_day: i64) -> Duration {
    if distance <= 0 {
        return Duration::zero();
    }
    let at_speed = |(change, elapsed): (i64, Duration)| {
        let elapsed_ms = i128::from(elapsed.num_milliseconds().max(1));
        let needed_ms = (i128::from(distance) * elapsed_ms).checked_div(i128::from(change))?;
        i64::try_from(needed_ms).ok().and_then(Duration::try_milliseconds)
    };
    let moving = reading.and_then(|reading| reading.changed).and_then(at_speed);
    let at_least = at_speed((in_a_day.max(1), FAR)).unwrap_or(FAR);
    moving.unwrap_or(FAR).min(at_least).min(FAR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::remote::{StatusDoubt, StopCause};

    const RUNNING: RemoteStatus = RemoteStatus::Running;
    const STOPPED: RemoteStatus = RemoteStatus::Stopped(StopCause::SwitchedOff);

    fn blocked(may_run: bool) -> RemoteStatus {
        RemoteStatus::Blocked { reason: "out of funds".to_owned(), may_run }
    }

    fn unknown(may_run: bool) -> RemoteStatus {
        RemoteStatus::Unknown { doubt: StatusDoubt::BadField("a word nobody taught us".to_owned()), may_run }
    }

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::minutes(minutes)
    }

    fn usd(text: &str) -> Option<Money> {
        Some(text.parse().unwrap())
    }

    /// In how many minutes a threshold may be crossed, after two ticks a minute apart.
    fn minutes(status: &RemoteStatus, clicks: [u64; 2], spend: [&str; 2]) -> i64 {
        let mut trend = Trend::default();
        let [first, second] = clicks.map(|clicks| Some(Clicks(clicks)));
        trend.saw(at(0), first, usd(spend[0]), status);
        trend.saw(at(1), second, usd(spend[1]), status);
        trend.threshold_in(at(1), &PolicyNumbers::default(), second).num_minutes()
    }

    #[test]
    fn the_nearest_threshold_by_clicks_spend_and_their_speed_counts() {
        let day = FAR.num_minutes();
        let (running, stopped) = (&RUNNING, &STOPPED);
        let cases = [
            ("a hundred clicks a minute", running, [6_100, 6_000], ["0", "0"], 10),
            ("1.00 a minute", running, [90_000, 90_000], ["4", "5"], 5),
            ("the sooner of both", running, [6_100, 6_000], ["4", "5"], 5),
            ("past the limit of clicks already", running, [5_100, 5_000], ["0", "0"], 0),
            ("past the limit of money it is left alone", running, [90_000, 5_000], ["0", "10"], day),
            ("nothing moves: as if a day used it up", running, [12_500, 12_500], ["0", "0"], day / 2),
            ("to be activated", stopped, [20_000, 20_000], ["0", "0"], 0),
            ("stopped, and stays so", stopped, [9_000, 9_000], ["0", "0"], day),
            ("stopped with its limit reached", stopped, [20_000, 20_000], ["0", "10"], day),
            ("blocked, switched off", &blocked(false), [5_100, 5_000], ["0", "0"], day),
            ("blocked, and may run", &blocked(true), [6_100, 6_000], ["0", "0"], 10),
            ("unknown, and may run", &unknown(true), [6_100, 6_000], ["0", "0"], 10),
        ];
        for (name, status, clicks, spend, expected) in cases {
            assert_eq!(minutes(status, clicks, spend), expected, "{name}");
        }
    }

    #[test]
    fn what_was_never_read_may_need_a_decision_at_once() {
        let policy = PolicyNumbers::default();
        assert_eq!(Trend::default().threshold_in(at(0), &policy, Some(Clicks(20_000))), Duration::zero());
        let mut trend = Trend::default();
        trend.saw(at(0), Some(Clicks(20_000)), usd("0"), &RUNNING);
        assert_eq!(trend.threshold_in(at(0), &policy, None), Duration::zero(), "clicks that cannot be read");
    }

    #[test]
    fn what_was_seen_stopped_is_taken_for_stopped_for_a_while_in_which_it_cannot_be_read() {
        let mut trend = Trend::default();
        assert!(!trend.is_known_stopped(at(0)), "it was never read");
        trend.saw(at(0), None, None, &STOPPED);
        trend.saw(at(1), None, None, &unknown(false));
        assert!(trend.is_known_stopped(at(4)) && !trend.is_known_stopped(at(5)));
        for (minute, status) in (6..).zip([RUNNING, blocked(true), unknown(true)]) {
            trend.saw(at(minute), None, None, &STOPPED);
            trend.saw(at(minute), None, None, &status);
            assert!(!trend.is_known_stopped(at(minute)), "{status:?}");
        }
    }

    #[test]
    fn yesterdays_spend_leaves_nobody_alone_today() {
        let policy = PolicyNumbers::default();
        let mut trend = Trend::default();
        trend.saw(at(0), Some(Clicks(20_000)), usd("10"), &STOPPED);
        assert!(trend.is_left_alone(at(1_439), &policy) && !trend.is_left_alone(at(1_440), &policy));
    }

    #[test]
    fn no_number_is_too_large() {
        let day = FAR.num_minutes();
        assert_eq!(minutes(&RUNNING, [u64::MAX, 0], ["0", "9000000000000"]), day);
        assert_eq!(minutes(&RUNNING, [u64::MAX, 0], ["0", "9"]), 0);
        assert_eq!(minutes(&RUNNING, [0, u64::MAX], ["0", "0"]), 0, "it moves that fast");
    }
}
