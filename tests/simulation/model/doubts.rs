//! Troubles that put facts in doubt: yesterday's counters after midnight, fields of odd types, funds that run out and
//! return, ids that TrafficStars refuses.
//!
//! They have random numbers of their own, and only newer seeds have them, so that the storms of older seeds stay the
//! same.

use chrono::{DateTime, Duration, NaiveTime, Utc};
use traffic_generator::domain::order::ForceKind;

use super::random::Random;
use super::remote::{Funds, LateCounter, ODD_NAMES, Odd, REFUSALS};
use super::storm::{Storm, Trouble};

/// The first seed whose storms have these troubles.
pub(crate) const FIRST_SEED: u64 = 20_000_000;

/// Turns a storm's seed into the seed of these troubles.
const OTHER_NUMBERS: u64 = 0x0064_6F75_6274_7321;
/// Turns a storm's seed into the seed of its beginning.
const BEGIN_NUMBERS: u64 = 0x006D_6964_6E69_6768;

/// How long a counter may be late.
const LATEST: Duration = Duration::minutes(119);

/// Returns when this seed's storm begins, if it is one around midnight.
pub(super) fn around_midnight(seed: u64) -> Option<DateTime<Utc>> {
    let mut random = Random::new(seed ^ BEGIN_NUMBERS);
    if seed < FIRST_SEED || !random.chance(50) {
        return None;
    }
    // 2026-11-23T00:00:00Z, or the end of a month or of a year.
    let first = DateTime::from_timestamp(1_795_392_000, 0).unwrap_or(DateTime::UNIX_EPOCH);
    let midnight = first + Duration::days(random.one_of(&[0, 0, 8, 39]));
    let before = random.chance(75);
    let seconds = if before { random.within(20..2_400) } else { -random.within(1..3_600) };
    Some(midnight - Duration::seconds(seconds) + Duration::milliseconds(random.within(0..1_000)))
}

struct Doubts<'a> {
    storm: &'a mut Storm,
    random: Random,
}

impl Storm {
    /// Adds these troubles to the others.
    pub(super) fn add_doubts(&mut self, seed: u64) {
        if seed >= FIRST_SEED {
            Doubts { random: Random::new(seed ^ OTHER_NUMBERS), storm: self }.draw();
        }
    }
}

impl Doubts<'_> {
    fn draw(&mut self) {
        let campaigns = i64::try_from(self.storm.campaigns).unwrap_or(1);
        for _ in 0..self.up_to(2 * campaigns) {
            self.odd_types();
        }
        for _ in 0..self.up_to(2 * campaigns) {
            self.funds();
        }
        for _ in 0..self.up_to(4) {
            self.refused_ids();
        }
        let begins_at = self.storm.begins_at;
        let midnight = begins_at.date_naive().and_time(NaiveTime::MIN).and_utc();
        if begins_at - midnight < Duration::hours(2) {
            self.morning(midnight);
        }
        let next = midnight + Duration::days(1);
        if next < self.storm.calm_at {
            self.midnight(next);
        }
    }

    /// Returns a number up to `most`; 0 in a third of the storms.
    fn up_to(&mut self, most: i64) -> i64 {
        if self.random.chance(33) { 0 } else { self.random.within(1..most + 1) }
    }

    fn any_time(&mut self) -> DateTime<Utc> {
        let raging_ms = self.storm.calm_at.signed_duration_since(self.storm.begins_at).num_milliseconds();
        self.storm.begins_at + Duration::milliseconds(self.random.within(0..raging_ms))
    }

    /// Returns one campaign, or sometimes all of them.
    fn any_campaigns(&mut self, all_percent: i64) -> Vec<usize> {
        let campaigns = i64::try_from(self.storm.campaigns).unwrap_or(1);
        if self.random.chance(all_percent) {
            (0..self.storm.campaigns).collect()
        } else {
            vec![usize::try_from(self.random.within(0..campaigns)).unwrap_or(0)]
        }
    }

    /// Adds a trouble, unless it would be in the calm part.
    fn add(&mut self, at: DateTime<Utc>, trouble: Trouble) {
        if at >= self.storm.begins_at && at < self.storm.calm_at {
            self.storm.troubles.push((at, trouble));
        }
    }

    fn until(&mut self, from: DateTime<Utc>, most_seconds: i64) -> DateTime<Utc> {
        let lasts = Duration::milliseconds(self.random.within(1_000..most_seconds * 1_000));
        (from + lasts).min(self.storm.calm_at - Duration::milliseconds(1))
    }

    /// Adds one or two fields of an unreadable type, for one campaign or, like a change of the API, for all. Meanwhile
    /// clicks run out.
    fn odd_types(&mut self) {
        let (from, campaigns) = (self.any_time(), self.any_campaigns(25));
        let until = self.until(from, 1_800);
        let names = i64::try_from(ODD_NAMES.len()).unwrap_or(1);
        let mut fields = vec![self.random.within(0..names)];
        if self.random.chance(30) {
            fields.push(self.random.within(0..names));
        }
        let fields: Vec<usize> = fields.into_iter().filter_map(|field| usize::try_from(field).ok()).collect();
        for campaign in campaigns {
            self.add(from, Trouble::Odd(campaign, Odd::of(&fields)));
            self.add(until, Trouble::Odd(campaign, Odd::default()));
            if self.random.chance(50) {
                let later = from + Duration::seconds(self.random.within(1..300));
                let used_up = self.random.chance(70);
                self.add(later, Trouble::UsedUp(campaign, used_up));
            }
        }
    }

    /// Takes away the funds of a campaign, or of the whole account, for a while. Meanwhile clicks change, and an
    /// operator forces an activation.
    fn funds(&mut self) {
        let (from, campaigns) = (self.any_time(), self.any_campaigns(35));
        let until = self.until(from, 2_400);
        let gone = self.random.one_of(&[Funds::Gone, Funds::GoneUnseen, Funds::GoneUnseen]);
        for campaign in campaigns {
            self.add(from, Trouble::Funds(campaign, gone));
            self.add(until, Trouble::Funds(campaign, Funds::There));
            for _ in 0..self.random.within(0..3) {
                let later = from + Duration::seconds(self.random.within(-30..400));
                let used_up = self.random.chance(40);
                self.add(later, Trouble::UsedUp(campaign, used_up));
            }
            if self.random.chance(40) {
                let later = from + Duration::seconds(self.random.within(-3..120));
                self.add(later, Trouble::Force(campaign, ForceKind::Activate));
            }
            if self.random.chance(30) {
                let later = from + Duration::seconds(self.random.within(1..400));
                self.add(later, Trouble::Foreign(campaign));
            }
        }
    }

    /// Makes TrafficStars refuse one or two campaigns, while many have to be paused or run at once.
    fn refused_ids(&mut self) {
        let from = self.any_time();
        let until = self.until(from, 1_800);
        for _ in 0..self.random.one_of(&[1, 1, 1, 2]) {
            let campaign = self.any_campaigns(0);
            let status = self.random.one_of(&REFUSALS);
            for campaign in campaign {
                self.add(from, Trouble::RefusedId(campaign, Some(status)));
                self.add(until, Trouble::RefusedId(campaign, None));
            }
        }
        let point = self.storm.policy.next_grid_point(from);
        for minutes in [0, 4, 8] {
            let (later, used_up) = (point + Duration::minutes(minutes), self.random.chance(50));
            for campaign in 0..self.storm.campaigns {
                let before = Duration::milliseconds(self.random.within(1..900));
                self.add(later - before, Trouble::UsedUp(campaign, used_up));
            }
        }
    }

    /// Adds late counters to a storm that begins after midnight. The guard has not seen yesterday's final values; an
    /// earlier value of yesterday may be stored.
    fn morning(&mut self, midnight: DateTime<Utc>) {
        for campaign in 0..self.storm.campaigns {
            if !self.random.chance(70) {
                continue;
            }
            let limit = self.storm.policy.spend_limit.micros();
            let shares = [limit / 20, limit / 2, limit * 95 / 100, limit - 10_000, limit, limit * 3 / 2];
            let ended_with = self.random.one_of(&shares);
            if self.random.chance(60) {
                let known = ended_with - self.random.one_of(&[0, 10_000, limit / 20, limit / 4]);
                self.add(self.storm.begins_at, Trouble::KnownYesterday(campaign, known.max(0)));
            }
            let late = self.late_counter(midnight, self.storm.begins_at, Some(ended_with));
            self.add(self.storm.begins_at, Trouble::LateCounter(campaign, late));
        }
        self.reports(self.storm.begins_at);
    }

    /// Adds late counters to a storm through midnight. The database may be away before, so that yesterday's spend is
    /// unknown.
    fn midnight(&mut self, midnight: DateTime<Utc>) {
        for campaign in 0..self.storm.campaigns {
            if self.random.chance(70) {
                let late = self.late_counter(midnight, midnight, None);
                self.add(midnight - Duration::milliseconds(1), Trouble::LateCounter(campaign, late));
            }
            if self.random.chance(30) {
                let before = midnight - Duration::seconds(self.random.within(1..600));
                self.add(before, Trouble::Money(campaign));
            }
        }
        if self.random.chance(30) {
            let away = self.random.one_of(&[self.storm.begins_at, midnight - Duration::minutes(3)]);
            let back = midnight + Duration::milliseconds(self.random.within(-60_000..120_000));
            self.add(away, Trouble::DatabaseAway(true));
            self.add(back, Trouble::DatabaseAway(false));
        }
        if self.random.chance(30) {
            let crash = midnight + Duration::milliseconds(self.random.within(-60_000..300_000));
            self.add(crash, Trouble::Crash);
        }
        self.reports(midnight);
    }

    /// Makes reports fail while the counters are late.
    fn reports(&mut self, from: DateTime<Utc>) {
        for _ in 0..self.random.within(0..3) {
            let from = from + Duration::seconds(self.random.within(-60..1_800));
            let from = from.max(self.storm.begins_at);
            let until = self.until(from, 3_600);
            let percent = self.random.one_of(&[30, 100, 100]);
            self.add(from, Trouble::FailingReports(percent));
            self.add(until, Trouble::FailingReports(0));
        }
    }

    fn late_counter(&mut self, midnight: DateTime<Utc>, from: DateTime<Utc>, ended_with: Option<i64>) -> LateCounter {
        let most = self.random.one_of(&[90, 600, 2_400, LATEST.num_seconds()]);
        let falls_at = (from + Duration::seconds(self.random.within(1..most))).min(midnight + LATEST);
        let lasts_ms = falls_at.signed_duration_since(from).num_milliseconds().max(1);
        let limit = self.storm.policy.spend_limit.micros();
        let mut late_clicks = Vec::new();
        for _ in 0..self.random.within(0..7) {
            // Most late clicks come soon.
            let within_ms = self.random.one_of(&[lasts_ms.min(5_000), lasts_ms.min(300_000), lasts_ms]);
            let at = from + Duration::milliseconds(self.random.within(0..within_ms));
            late_clicks.push((at, self.random.one_of(&[10_000, 10_000, limit / 50, limit / 5])));
        }
        let absent_for = Duration::milliseconds(self.random.within(0..lasts_ms));
        let absent_from = self.random.chance(30).then(|| falls_at - absent_for);
        LateCounter { midnight, ended_with, late_clicks, absent_from, falls_at }
    }
}
