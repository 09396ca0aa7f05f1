//! Predicts how soon a campaign may cross a threshold: those that cross first are read first if the budget is too
//! small. PURE.
//!
//! The estimate uses the last two readings: how fast clicks are used and money is spent. It only orders the reads, and
//! decides nothing about a campaign.

use chrono::{DateTime, Duration, Utc};

use super::decision::{Judgement, ReachedLimit};
use super::money::{Clicks, Money};
use super::policy::{HighSpend, PolicyNumbers};
use super::remote::{RemoteStatus, StatusWord};

/// The longest time that is estimated.
pub const FAR: Duration = Duration::days(1);

/// A changing number and its speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reading {
    at: DateTime<Utc>,
    value: i64,
    /// The change between the last two readings, and the time between them.
    changed: Option<(i64, Duration)>,
}

/// The last readings of a campaign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trend {
    clicks: Option<Reading>,
    spend: Option<Reading>,
    /// The last known status, and the time (UTC) when it was read.
    status: Option<(StatusWord, DateTime<Utc>)>,
    /// The policy of a limit that it shares with other campaigns and that is reached, and the time (UTC) of the tick.
    shared: Option<(HighSpend, DateTime<Utc>)>,
}

/// The machine's intent if the clicks are used up, as far as the urgency of its reads depends on that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Intent {
    /// Whether the campaign is promised to run and no hold prevents that. Then it may run although it was last seen
    /// stopped.
    pub promised_to_run: bool,
    /// Whether a hold prevents every request, including pauses.
    pub on_hold: bool,
}

/// The time for which a campaign that was seen stopped still counts as stopped while it cannot be read.
const BELIEVED_FOR: Duration = Duration::minutes(5);

impl Trend {
    /// Records the facts of a tick; an unknown fact leaves the last one. A campaign that may run counts as running,
    /// since used-up clicks pause it, too.
    pub fn saw(&mut self, now: DateTime<Utc>, clicks: Option<Clicks>, spend: Option<Money>, status: &RemoteStatus) {
        let clicks = clicks.map(|clicks| i64::try_from(clicks.0).unwrap_or(i64::MAX));
        note(&mut self.clicks, now, clicks);
        note(&mut self.spend, now, spend.map(Money::micros));
        let word = if status.may_run() { StatusWord::Running } else { status.word() };
        if word != StatusWord::Unknown {
            self.status = Some((word, now));
        }
    }

    /// Whether the campaign was recently seen stopped or blocked.
    #[must_use]
    pub fn is_known_stopped(&self, now: DateTime<Utc>) -> bool {
        self.status_at(now).is_some_and(|status| matches!(status, StatusWord::Stopped | StatusWord::Blocked))
    }

    /// Records the limit that the last tick found to be reached.
    pub fn saw_shared_limit(&mut self, now: DateTime<Utc>, judged: &Judgement) {
        let is_shared = matches!(judged.reached, Some(ReachedLimit::Shared(_)));
        self.shared = judged.at_limit().filter(|_| is_shared).map(|policy| (policy, now));
    }

    /// Whether a spend limit was reached, as read last, and the policy there is to leave the campaign alone.
    #[must_use]
    pub fn is_left_alone(&self, now: DateTime<Utc>, policy: &PolicyNumbers) -> bool {
        self.at_limit(now, policy) == Some(HighSpend::Observe)
    }

    /// Whether a spend limit was reached, as read last, and the policy there is to pause.
    #[must_use]
    pub fn must_be_stopped(&self, now: DateTime<Utc>, policy: &PolicyNumbers) -> bool {
        self.at_limit(now, policy) == Some(HighSpend::Pause)
    }

    /// Returns the policy of the spend limit that was reached, as read last: spend does not fall within a day. `None`
    /// below every limit.
    #[must_use]
    pub fn at_limit(&self, now: DateTime<Utc>, policy: &PolicyNumbers) -> Option<HighSpend> {
        let shared = self.shared.filter(|(_, at)| at.date_naive() == now.date_naive()).map(|(policy, _)| policy);
        let is_reached = self.spend_on(now) >= policy.spend_limit.micros();
        shared.or_else(|| is_reached.then_some(policy.high_spend))
    }

    fn status_at(&self, now: DateTime<Utc>) -> Option<StatusWord> {
        let (status, at) = self.status?;
        let is_old = now.signed_duration_since(at) >= BELIEVED_FOR;
        Some(if is_old { StatusWord::Unknown } else { status })
    }

    /// Returns today's spend in millionths. A spend of another day counts as 0.
    fn spend_on(&self, now: DateTime<Utc>) -> i64 {
        self.spend.filter(|spend| spend.at.date_naive() == now.date_naive()).map_or(0, |spend| spend.value)
    }

    /// Returns how soon a decision may be due, with these clicks and the speed of the last readings. For a campaign
    /// that was never read that may be at once.
    #[must_use]
    pub fn threshold_in(&self, now: DateTime<Utc>, policy: &PolicyNumbers, clicks: Option<Clicks>) -> Duration {
        let (Some(status), Some(clicks)) = (self.status_at(now), clicks) else { return Duration::zero() };
        if self.is_left_alone(now, policy) {
            return FAR;
        }
        let remaining = i64::try_from(clicks.0).unwrap_or(i64::MAX);
        let at_limit = self.at_limit(now, policy);
        let thresholds = policy.thresholds(at_limit);
        let [activate, pause] =
            [thresholds.activate, thresholds.pause].map(|clicks| i64::try_from(clicks.0).unwrap_or(i64::MAX));
        let limit = policy.spend_limit.micros();
        let spend = self.spend_on(now);
        match status {
            StatusWord::Blocked => FAR,
            StatusWord::Stopped if self.must_be_stopped(now, policy) => FAR,
            StatusWord::Stopped if remaining >= activate => Duration::zero(),
            StatusWord::Stopped => FAR,
            StatusWord::Running | StatusWord::Unknown => {
                let by_clicks = time_for(remaining.saturating_sub(pause), self.clicks, activate);
                // Above the limit the policy `guard` decides by clicks alone.
                let decides_by_spend = !at_limit.is_some_and(HighSpend::guards_by_clicks);
                let by_spend = time_for(limit.saturating_sub(spend), self.spend, limit);
                if decides_by_spend { by_clicks.min(by_spend) } else { by_clicks }
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

/// Returns how long the distance takes at the speed of the last readings, or at `in_a_day` per day if that is faster.
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
        RemoteStatus::Unknown { doubt: StatusDoubt::BadField("an unknown word".to_owned()), may_run }
    }

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::minutes(minutes)
    }

    fn usd(text: &str) -> Option<Money> {
        Some(text.parse().unwrap())
    }

    /// Returns in how many minutes a threshold may be crossed, after two ticks one minute apart.
    fn minutes(status: &RemoteStatus, clicks: [u64; 2], spend: [&str; 2]) -> i64 {
        minutes_by(&PolicyNumbers::default(), status, clicks, spend)
    }

    fn minutes_by(policy: &PolicyNumbers, status: &RemoteStatus, clicks: [u64; 2], spend: [&str; 2]) -> i64 {
        let mut trend = Trend::default();
        let [first, second] = clicks.map(|clicks| Some(Clicks(clicks)));
        trend.saw(at(0), first, usd(spend[0]), status);
        trend.saw(at(1), second, usd(spend[1]), status);
        trend.threshold_in(at(1), policy, second).num_minutes()
    }

    #[test]
    fn above_the_limit_guard_counts_clicks_alone_and_pause_waits_only_for_a_campaign_that_runs() {
        let (high_spend, high_pause_clicks) = (HighSpend::Guard, Some(Clicks(1_000)));
        let guard = PolicyNumbers { high_spend, high_pause_clicks, ..PolicyNumbers::default() };
        let pause = PolicyNumbers { high_spend: HighSpend::Pause, ..PolicyNumbers::default() };
        let day = FAR.num_minutes();
        let cases = [
            ("guard, a hundred clicks a minute", &guard, &RUNNING, [2_100, 2_000], 10),
            ("guard, to be activated", &guard, &STOPPED, [20_000, 20_000], 0),
            ("pause, and it runs", &pause, &RUNNING, [90_000, 90_000], 0),
            ("pause, and it is stopped", &pause, &STOPPED, [20_000, 20_000], day),
        ];
        for (name, policy, status, clicks, expected) in cases {
            assert_eq!(minutes_by(policy, status, clicks, ["10", "10"]), expected, "{name}");
        }
    }

    #[test]
    fn the_threshold_that_is_crossed_first_counts() {
        let day = FAR.num_minutes();
        let (running, stopped) = (&RUNNING, &STOPPED);
        let cases = [
            ("a hundred clicks a minute", running, [6_100, 6_000], ["0", "0"], 10),
            ("1.00 a minute", running, [90_000, 90_000], ["4", "5"], 5),
            ("the sooner of the two", running, [6_100, 6_000], ["4", "5"], 5),
            ("its clicks are used up already", running, [5_100, 5_000], ["0", "0"], 0),
            ("above the spend limit it is left alone", running, [90_000, 5_000], ["0", "10"], day),
            ("nothing changes: as if one day used it up", running, [12_500, 12_500], ["0", "0"], day / 2),
            ("to be activated", stopped, [20_000, 20_000], ["0", "0"], 0),
            ("stopped, and it stays stopped", stopped, [9_000, 9_000], ["0", "0"], day),
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
    fn a_campaign_that_was_never_read_may_need_a_decision_at_once() {
        let policy = PolicyNumbers::default();
        assert_eq!(Trend::default().threshold_in(at(0), &policy, Some(Clicks(20_000))), Duration::zero());
        let mut trend = Trend::default();
        trend.saw(at(0), Some(Clicks(20_000)), usd("0"), &RUNNING);
        assert_eq!(trend.threshold_in(at(0), &policy, None), Duration::zero(), "clicks that cannot be read");
    }

    #[test]
    fn a_campaign_seen_stopped_counts_as_stopped_for_a_while_when_it_cannot_be_read() {
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
    fn yesterdays_spend_does_not_reach_todays_limit() {
        let policy = PolicyNumbers::default();
        let mut trend = Trend::default();
        trend.saw(at(0), Some(Clicks(20_000)), usd("10"), &STOPPED);
        assert!(trend.is_left_alone(at(1_439), &policy) && !trend.is_left_alone(at(1_440), &policy));
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let day = FAR.num_minutes();
        assert_eq!(minutes(&RUNNING, [u64::MAX, 0], ["0", "9000000000000"]), day);
        assert_eq!(minutes(&RUNNING, [u64::MAX, 0], ["0", "9"]), 0);
        assert_eq!(minutes(&RUNNING, [0, u64::MAX], ["0", "0"]), 0, "at that speed");
    }
}
