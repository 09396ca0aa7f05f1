//! Signs that another program like this one works on the account (RULES.md, "Contested"), and for how long they count.
//!
//! A second copy of the program with an older database undoes what this one does, and each calls the other's changes
//! foreign. Its changes are typical of a guard: it sets the end time to the day end when it runs a campaign, and to the
//! current second when it pauses one. Its requests count against the same limit, too. Deliberately absent: a reaction.
//! Operators stop one of the two programs.

use std::fmt;

use chrono::{DateTime, Duration, Utc};

use super::ids::CampaignId;
use super::policy::{Policy, PolicyNumbers};
use super::remote::{EndTime, RemoteStatus};
use super::text::date;

/// The time for which a sign counts.
const MEMORY: Duration = Duration::hours(1);
/// A single 429 may be chance. Another program causes more of them.
const FEWEST_RATE_LIMITS: usize = 2;
/// TrafficStars' clock and ours may differ by this much when a campaign is stopped.
const CLOCKS_DIFFER: Duration = Duration::seconds(2);

/// A change of a campaign's end time that is typical of a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndTimeSign {
    /// The end time became the day end, and this program did not set it.
    DayEnd(DateTime<Utc>),
    /// The campaign was stopped, and its end time was set to that very moment.
    MomentOfStop(DateTime<Utc>),
}

impl EndTimeSign {
    /// Judges an end time that this program did not set and that appeared since `last_seen_at`. `None` if it is not
    /// typical of a guard.
    #[must_use]
    pub fn of(
        now: DateTime<Utc>,
        policy: &Policy,
        status: &RemoteStatus,
        end_time: &EndTime,
        last_seen_at: DateTime<Utc>,
    ) -> Option<Self> {
        let EndTime::At(end) = *end_time else { return None };
        // Another copy may have another `day_end` than this one, most likely the default.
        let usual_day_end = now.date_naive().and_time(PolicyNumbers::default().day_end).and_utc();
        if end == policy.day_end_on(now) || end == usual_day_end {
            return Some(Self::DayEnd(end));
        }
        let since_last_seen = last_seen_at - CLOCKS_DIFFER <= end && end <= now + CLOCKS_DIFFER;
        let is_stopped = matches!(status, RemoteStatus::Stopped(_));
        (is_stopped && since_last_seen).then_some(Self::MomentOfStop(end))
    }
}

/// A sign of another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A campaign's end time was changed as a guard does it.
    EndTime(CampaignId, EndTimeSign),
    /// TrafficStars answered 429, although this program had sent fewer requests than it may.
    RateLimited {
        /// The requests that this program had sent within the limit's window.
        sent: usize,
        /// The requests that this program may send within that window.
        limit: u32,
    },
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndTime(campaign, EndTimeSign::DayEnd(end)) => {
                write!(f, "the end time of campaign {campaign} became {}, as by a guard's activation", date(*end))
            }
            Self::EndTime(campaign, EndTimeSign::MomentOfStop(end)) => {
                write!(
                    f,
                    "campaign {campaign} was stopped and its end time set to that second ({}), as by a guard's pause",
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

/// The belief that another program like this one works on the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnotherGuard {
    /// The time (UTC) since which it is believed.
    pub since: DateTime<Utc>,
    /// The latest sign of it.
    pub sign: Sign,
}

impl fmt::Display for AnotherGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "another program like this one works on this account: {}; stop it, or give each program its own campaigns",
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
    /// Records a sign. Returns the belief if there was none before; the caller reports it.
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

    /// Returns the belief in force at `now`, if any.
    #[must_use]
    pub fn another_guard(&self, now: DateTime<Utc>) -> Option<AnotherGuard> {
        self.believed.filter(|(_, seen_at)| lasts(now, *seen_at)).map(|(another, _)| another)
    }
}

/// Whether a sign still counts. A sign later than `now` was seen before the clock was set back, and counts, too.
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
    fn an_end_time_at_the_day_end_or_at_the_moment_of_a_stop_is_a_sign() {
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
    fn the_belief_is_reported_once_and_lasts_an_hour_from_the_last_sign() {
        let sign = Sign::EndTime(CampaignId(3), EndTimeSign::DayEnd(at("23:59:00")));
        let mut signs = Signs::default();
        assert_eq!(signs.another_guard(at("12:00:00")), None);
        let reported = signs.note(at("12:00:00"), sign).expect("nothing was believed before");
        assert!(reported.to_string().contains("campaign 3 became 2026-11-22 23:59:00"), "{reported}");
        assert_eq!(signs.note(at("12:40:00"), sign), None, "it is believed already");
        assert_eq!(signs.another_guard(at("13:39:59")).map(|another| another.since), Some(at("12:00:00")));
        assert_eq!(signs.another_guard(at("13:40:00")), None);
        assert!(signs.note(at("13:40:00"), sign).is_some(), "the belief had ended");
    }

    #[test]
    fn one_429_below_our_own_limit_is_no_sign_and_two_within_an_hour_are() {
        let sign = Sign::RateLimited { sent: 12, limit: 90 };
        let mut signs = Signs::default();
        for (time, is_reported) in [("12:00:00", false), ("13:00:00", false), ("13:59:59", true), ("14:00:30", false)] {
            assert_eq!(signs.note(at(time), sign).is_some(), is_reported, "{time}");
        }
        assert!(Sign::to_string(&sign).contains("12 of its 90"));
    }
}
