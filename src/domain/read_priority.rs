//! How urgent a request is, and how urgent the read of a campaign's status is.
//!
//! Deliberately absent: how many requests may be sent, and which one is next (`trafficstar::budget`).

use chrono::{DateTime, Duration, Utc};

use super::ids::RemoteId;
use super::money::Clicks;
use super::policy::{Mode, PolicyNumbers};
use super::trend::{Intent, Trend};

/// The classes of urgency, the most urgent first. Within a class the oldest request goes first, unless a rank says
/// otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// It stops money from being spent. The token request belongs here, too, because no other request can be sent
    /// without it.
    Pause,
    /// It confirms an action.
    ReadBack,
    /// It reads many campaigns at once, for the ticks of all.
    Sweep,
    /// It starts a campaign or sets its end time.
    Activate,
    /// Any other read.
    Read,
}

impl Urgency {
    /// All classes, the most urgent first.
    pub const ALL: [Self; 5] = [Self::Pause, Self::ReadBack, Self::Sweep, Self::Activate, Self::Read];

    /// Returns the class's word in the dump and in the metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::ReadBack => "read_back",
            Self::Sweep => "sweep",
            Self::Activate => "activate",
            Self::Read => "read",
        }
    }
}

/// A request to read one campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadQuestion {
    /// The campaign's id at TrafficStars.
    pub remote: RemoteId,
    /// Its urgency.
    pub urgency: Urgency,
    /// The time for which its facts are expected to stay on this side of each threshold.
    pub threshold_in: Duration,
}

impl ReadQuestion {
    /// Builds a tick's read, by the clicks from the database and by what earlier ticks saw. A read that a pause depends
    /// on is as urgent as the pause, if a pause would be sent at all.
    #[must_use]
    pub fn of_tick(
        now: DateTime<Utc>,
        remote: RemoteId,
        policy: &PolicyNumbers,
        trend: &Trend,
        clicks: Option<Clicks>,
        intent: Intent,
    ) -> Self {
        let known_stopped = trend.is_known_stopped(now) && !intent.promised_to_run;
        let would_pause = policy.mode == Mode::Act && !intent.on_hold;
        let thresholds = policy.thresholds(trend.at_limit(now, policy));
        let used_up = clicks.is_some_and(|clicks| clicks <= thresholds.pause);
        let is_past_threshold = trend.must_be_stopped(now, policy) || used_up && !trend.is_left_alone(now, policy);
        let needs_pause = is_past_threshold && would_pause && !known_stopped;
        let urgency = if needs_pause { Urgency::Pause } else { Urgency::Read };
        Self { remote, urgency, threshold_in: trend.threshold_in(now, policy, clicks) }
    }

    /// Builds an operator's read. It never delays a read that guards.
    #[must_use]
    pub const fn of_operator(remote: RemoteId) -> Self {
        Self { remote, urgency: Urgency::Read, threshold_in: Duration::days(1) }
    }

    /// Builds a read that an action waits for.
    #[must_use]
    pub const fn of_read_back(remote: RemoteId) -> Self {
        Self { remote, urgency: Urgency::ReadBack, threshold_in: Duration::zero() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Money;
    use crate::domain::policy::HighSpend;
    use crate::domain::remote::{RemoteStatus, StopCause};

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::seconds(seconds)
    }

    #[test]
    fn a_ticks_read_is_as_urgent_as_a_pause_only_if_a_pause_would_be_sent() {
        let act = PolicyNumbers::default();
        let observe = PolicyNumbers { mode: Mode::Observe, ..act.clone() };
        let (high_spend, high_pause_clicks) = (HighSpend::Guard, Some(Clicks(1_000)));
        let guard = PolicyNumbers { high_spend, high_pause_clicks, ..act.clone() };
        let pause = PolicyNumbers { high_spend: HighSpend::Pause, ..act.clone() };
        let promised = Intent { promised_to_run: true, on_hold: false };
        let on_hold = Intent { on_hold: true, ..promised };
        let of = |status: RemoteStatus, spent: i64| {
            let mut trend = Trend::default();
            trend.saw(at(0), Some(Clicks(5_000)), Money::from_micros(spent), &status);
            trend
        };
        let blocked = |may_run| of(RemoteStatus::Blocked { reason: "out of funds".to_owned(), may_run }, 0);
        let (runs, stopped) = (of(RemoteStatus::Running, 0), of(RemoteStatus::Stopped(StopCause::SwitchedOff), 0));
        let rich = of(RemoteStatus::Running, 10_000_000);
        let rich_and_stopped = of(RemoteStatus::Stopped(StopCause::SwitchedOff), 10_000_000);
        let table = [
            ("used up and running", &act, runs, 5_000, Intent::default(), Urgency::Pause),
            ("one click more", &act, runs, 5_001, Intent::default(), Urgency::Read),
            ("it was never seen", &act, Trend::default(), 0, Intent::default(), Urgency::Pause),
            ("it was seen blocked and may run", &act, blocked(true), 5_000, Intent::default(), Urgency::Pause),
            ("it was seen blocked and switched off", &act, blocked(false), 5_000, Intent::default(), Urgency::Read),
            ("it was seen stopped", &act, stopped, 0, Intent::default(), Urgency::Read),
            ("it was seen stopped, and promised to run", &act, stopped, 0, promised, Urgency::Pause),
            ("past the spend limit it is left alone", &act, rich, 0, promised, Urgency::Read),
            ("past it, `guard` and its pause threshold", &guard, rich, 1_000, promised, Urgency::Pause),
            ("past it, `guard` and one click more", &guard, rich, 1_001, promised, Urgency::Read),
            ("below it, `guard` and the low threshold", &guard, runs, 5_000, promised, Urgency::Pause),
            ("past it, `pause`", &pause, rich, 90_000, promised, Urgency::Pause),
            ("past it, `pause`, and seen stopped", &pause, rich_and_stopped, 0, Intent::default(), Urgency::Read),
            ("a hold sends no pause", &act, runs, 0, on_hold, Urgency::Read),
            ("observe mode sends no pause", &observe, runs, 0, promised, Urgency::Read),
        ];
        for (case, policy, trend, clicks, intent, urgency) in table {
            let question = ReadQuestion::of_tick(at(60), RemoteId(1), policy, &trend, Some(Clicks(clicks)), intent);
            assert_eq!(question.urgency, urgency, "{case}");
        }
    }
}
