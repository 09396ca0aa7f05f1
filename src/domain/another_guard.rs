//! Signs that another program like this one works on the account (RULES.md, "Contested"), and for how long they count.
//!
//! A second copy with an older database undoes what this one does, and each calls the other's changes foreign. What gives
//! it away is how a guard works: it sets an end time of the day end with a run, and one of the very second with a pause; and
//! its requests count against the same limit. Deliberately absent: doing anything about it. People stop one of the two.

use std::fmt;

use chrono::{DateTime, Duration, Utc};

use super::ids::CampaignId;
use super::policy::{Policy, PolicyNumbers};
use super::remote::{EndTime, RemoteStatus};
use super::text::date;

/// For how long a sign counts.
const MEMORY: Duration = Duration::hours(1);
/// One 429 may be chance. Another program causes more of them.
const FEWEST_RATE_LIMITS: usize = 2;
/// TrafficStars and this machine may disagree by so much about when a campaign was stopped.
const CLOCKS_DIFFER: Duration = Duration::seconds(2);

/// What a campaign's change has in common with a guard's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndTimeSign {
    /// Its end time became the day end, and this program did not ask for that.
    DayEnd(DateTime<Utc>),
    /// It was stopped, and its end time was set to that very moment.
    MomentOfStop(DateTime<Utc>),
}

impl EndTimeSign {
    /// Whether an end time that this program did not set, seen since `last_seen_at`, is one that a guard would set.
    #[must_use]
    pub fn of(
        now: DateTime<Utc>,
        policy: &Policy,
        status: &RemoteStatus,
        end_time: &EndTime,
        last_seen_at: DateTime<Utc>,
    ) -> Option<Self> {
        let EndTime::At(end) = *end_time else { return None };
        // Another copy may have another `day_end` than this one: most have the default.
        let usual_day_end = now.date_naive().and_time(PolicyNumbers::default().day_end).and_utc();
        if end == policy.day_end_on(now) || end == usual_day_end {
            return Some(Self::DayEnd(end));
        }
        let since_last_seen = last_seen_at - CLOCKS_DIFFER <= end && end <= now + CLOCKS_DIFFER;
        let is_stopped = matches!(status, RemoteStatus::Stopped(_));
        (is_stopped && since_last_seen).then_some(Self::MomentOfStop(end))
    }
}

/// What gave another program away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A change of a campaign that looks like a guard's.
    EndTime(CampaignId, EndTimeSign),
    /// TrafficStars counted too many requests, though this program had sent fewer than it may.
    RateLimited {
        /// What this program had sent within the limit's window.
        sent: usize,
        /// What it may send.
        limit: u32,
    },
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndTime(campaign, EndTimeSign::DayEnd(end)) => {
                write!(f, "the end time of campaign {campaign} became {}, as a guard sets it with a run", date(*end))
            }
            Self::EndTime(campaign, EndTimeSign::MomentOfStop(end)) => {
                write!(
                    f,
                    "campaign {campaign} was stopped and its end time set to that second ({}), as a guard pauses",
                    date(*end)
                )
            }
            Self::RateLimited { sent, limit } => write!(
                f,
                "TrafficStars answered 429 when this program had sent {sent} of its {limit} requests within a minute"
            ),
        }
    }
}

/// Another program like this one is believed to work on the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnotherGuard {
    /// Since when.
    pub since: DateTime<Utc>,
    /// What gave it away last.
    pub sign: Sign,
}

impl fmt::Display for AnotherGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "another program like this one works on this account: {}; find it and stop it, or give each its own campaigns",
            self.sign
        )
    }
}

/// The signs of the last hour.
#[derive(Debug, Clone, Default)]
pub struct Signs {
    believed: Option<(AnotherGuard, DateTime<Utc>)>,
    rate_limits: Vec<DateTime<Utc>>,
}

impl Signs {
    /// Takes note of a sign. Answers what is to be told where nothing was believed before.
    pub fn note(&mut self, now: DateTime<Utc>, sign: Sign) -> Option<AnotherGuard> {
        let before = self.another_guard(now);
        if matches!(sign, Sign::RateLimited { .. }) {
            self.rate_limits.retain(|at| lasts(now, *at));
            self.rate_limits.push(now);
            if before.is_none() && self.rate_limits.len() < FEWEST_RATE_LIMITS {
                return None;
            }
        }
        let another = AnotherGuard { since: before.map_or(now, |known| known.since), sign };
        self.believed = Some((another, now));
        before.is_none().then_some(another)
    }

    /// What is believed at `now`.
    #[must_use]
    pub fn another_guard(&self, now: DateTime<Utc>) -> Option<AnotherGuard> {
        self.believed.filter(|(_, seen_at)| lasts(now, *seen_at)).map(|(another, _)| another)
    }
}

/// A sign from the future is of before the clock was set back.
fn lasts(now: DateTime<Utc>, seen_at: DateTime<Utc>) -> bool {
    now.signed_duration_since(seen_at).abs() < MEMORY
}

#[cfg(test)]
mod tests {
    use chrono::NaiveTime;

    use super::*;
    use crate::domain::remote::StopCause;

    fn at(time: &str) -> DateTime<Utc> {
        format!("2026-11-22T{time}Z").parse().unwrap()
    }

    #[test]
    fn an_end_time_of_the_day_end_and_one_of_the_moment_of_a_stop_are_a_guards() {
        let policy = PolicyNumbers::default().validate().unwrap();
        let stopped = RemoteStatus::Stopped(StopCause::EndTimePassed);
        let (day_end, moment) = (EndTimeSign::DayEnd, EndTimeSign::MomentOfStop);
        let cases = [
            (&RemoteStatus::Running, "23:59:00", Some(day_end(at("23:59:00")))),
            (&stopped, "23:59:00", Some(day_end(at("23:59:00")))),
            (&RemoteStatus::Running, "23:58:59", None),
            (&RemoteStatus::Running, "12:00:30", None),
            (&stopped, "12:00:30", Some(moment(at("12:00:30")))),
            (&stopped, "12:00:00", Some(moment(at("12:00:00")))),
            (&stopped, "12:01:01", Some(moment(at("12:01:01")))),
            (&stopped, "11:59:57", None),
            (&stopped, "12:30:00", None),
        ];
        for (status, end, expected) in cases {
            let sign = EndTimeSign::of(at("12:01:00"), &policy, status, &EndTime::At(at(end)), at("12:00:00"));
            assert_eq!(sign, expected, "{status:?}, {end}");
        }
        assert_eq!(EndTimeSign::of(at("12:01:00"), &policy, &stopped, &EndTime::Unset, at("12:00:00")), None);

        let earlier = PolicyNumbers { day_end: NaiveTime::from_hms_opt(22, 0, 0).unwrap(), ..PolicyNumbers::default() };
        let earlier = earlier.validate().unwrap();
        let of = |end| {
            let end = EndTime::At(at(end));
            EndTimeSign::of(at("12:01:00"), &earlier, &RemoteStatus::Running, &end, at("12:00:00"))
        };
        assert_eq!(of("22:00:00"), Some(day_end(at("22:00:00"))), "our own day end");
        assert_eq!(of("23:59:00"), Some(day_end(at("23:59:00"))), "the usual one");
    }

    #[test]
    fn it_is_told_once_and_lasts_an_hour_from_the_last_sign() {
        let sign = Sign::EndTime(CampaignId(3), EndTimeSign::DayEnd(at("23:59:00")));
        let mut signs = Signs::default();
        assert_eq!(signs.another_guard(at("12:00:00")), None);
        let told = signs.note(at("12:00:00"), sign).expect("it is news");
        assert!(told.to_string().contains("campaign 3 became 2026-11-22 23:59:00"), "{told}");
        assert_eq!(signs.note(at("12:40:00"), sign), None, "it is known");
        assert_eq!(signs.another_guard(at("13:39:59")).map(|another| another.since), Some(at("12:00:00")));
        assert_eq!(signs.another_guard(at("13:40:00")), None);
        assert!(signs.note(at("13:40:00"), sign).is_some(), "it has come back");
    }

    #[test]
    fn one_429_below_our_own_limit_may_be_chance_and_two_within_an_hour_are_not() {
        let sign = Sign::RateLimited { sent: 12, limit: 90 };
        let mut signs = Signs::default();
        for (time, news) in [("12:00:00", false), ("13:00:00", false), ("13:59:59", true), ("14:00:30", false)] {
            assert_eq!(signs.note(at(time), sign).is_some(), news, "{time}");
        }
        assert!(Sign::to_string(&sign).contains("12 of its 90"));
    }
}
