//! Bad moments: several troubles in such a short time that chance alone would hardly ever bring them together.
//!
//! They have random numbers of their own, so that the rest of a storm is the same without them.

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::order::ForceKind;

use super::random::Random;
use super::storm::{Storm, Trouble};
use super::weather::Weather;

/// Turns a storm's seed into the seed of the moments.
const OTHER_NUMBERS: u64 = 0x006D_6F6D_656E_7473;

/// The most moments of one kind.
const MOST_OF_A_KIND: i64 = 3;

/// A limit so low that operators' reads can use it up.
const FEW_REQUESTS: u32 = 12;

struct Moments<'a> {
    storm: &'a mut Storm,
    random: Random,
}

impl Storm {
    /// Adds these moments to the other troubles.
    pub(super) fn add_moments(&mut self, seed: u64) {
        let mut moments = Moments { random: Random::new(seed ^ OTHER_NUMBERS), storm: self };
        if moments.random.chance(25) {
            return;
        }
        moments.draw();
    }
}

impl Moments<'_> {
    fn draw(&mut self) {
        let kinds: [fn(&mut Self, DateTime<Utc>); 6] = [
            Self::pause_is_left_unfinished,
            Self::tick_meets_an_answer,
            Self::pauses_among_reads,
            Self::hold_on_all_and_a_crash,
            Self::debt_and_a_crash,
            Self::block_amid_work,
        ];
        for kind in kinds {
            for _ in 0..self.random.within(0..MOST_OF_A_KIND + 1) {
                let at = self.any_time();
                kind(self, at);
            }
        }
        self.evening();
        if self.storm.requests_per_minute <= FEW_REQUESTS && self.random.chance(40) {
            for _ in 0..2 * MOST_OF_A_KIND {
                let at = self.any_time();
                self.reads_run_short(at);
            }
        }
    }

    fn any_time(&mut self) -> DateTime<Utc> {
        let raging_ms = self.storm.calm_at.signed_duration_since(self.storm.begins_at).num_milliseconds();
        self.storm.begins_at + Duration::milliseconds(self.random.within(0..raging_ms))
    }

    fn any_campaign(&mut self) -> usize {
        let campaigns = i64::try_from(self.storm.campaigns).unwrap_or(1);
        usize::try_from(self.random.within(0..campaigns)).unwrap_or(0)
    }

    /// Adds a trouble, unless it would be in the calm part.
    fn add(&mut self, at: DateTime<Utc>, trouble: Trouble) {
        if at >= self.storm.begins_at && at < self.storm.calm_at {
            self.storm.troubles.push((at, trouble));
        }
    }

    fn add_after_ms(&mut self, at: DateTime<Utc>, later_ms: i64, trouble: Trouble) {
        self.add(at + Duration::milliseconds(later_ms), trouble);
    }

    /// A crash cuts a pause off, and after the restart an operator orders the next one at once.
    fn pause_is_left_unfinished(&mut self, at: DateTime<Utc>) {
        let campaign = self.any_campaign();
        self.add(at, Trouble::Force(campaign, ForceKind::Pause));
        let crash_ms = self.random.within(5..800);
        self.add_after_ms(at, crash_ms, Trouble::Crash);
        let start_ms = crash_ms + self.random.within(1..200);
        self.add_after_ms(at, start_ms, Trouble::Start);
        let again_ms = start_ms + self.random_ms(20);
        self.add_after_ms(at, again_ms, Trouble::Force(campaign, ForceKind::Pause));
    }

    /// Ticks read while an action is under way, and get their answers after it ends.
    fn tick_meets_an_answer(&mut self, at: DateTime<Utc>) {
        let campaign = self.any_campaign();
        let kind = self.random.one_of(&[ForceKind::Activate, ForceKind::Pause]);
        let used_up = self.random.chance(50);
        self.add_after_ms(at, -1_500, Trouble::UsedUp(campaign, used_up));
        self.add(at, Trouble::Force(campaign, kind));
        for _ in 0..4 {
            let later_ms = self.random_ms(2_000);
            self.add_after_ms(at, later_ms, Trouble::Tick(campaign));
        }
    }

    /// Operators pause just when the reads of all campaigns are sent.
    fn pauses_among_reads(&mut self, at: DateTime<Utc>) {
        let point = self.storm.policy.next_grid_point(at);
        for _ in 0..3 {
            let (campaign, later_ms) = (self.any_campaign(), self.random_ms(120));
            self.add_after_ms(point, later_ms, Trouble::Force(campaign, ForceKind::Pause));
        }
    }

    /// A hold on all campaigns has to survive a crash.
    fn hold_on_all_and_a_crash(&mut self, at: DateTime<Utc>) {
        self.add(at, Trouble::HoldAll);
        let crash_ms = self.random.within(1_000..60_000);
        self.add_after_ms(at, crash_ms, Trouble::Crash);
        for campaign in 0..self.storm.campaigns {
            self.add_after_ms(at, crash_ms, Trouble::UsedUp(campaign, false));
        }
        let release_ms = crash_ms + self.random.within(60_000..600_000);
        // The first release may come while the guard or its database is down.
        for later_ms in [0, 120_000, 600_000] {
            self.add_after_ms(at, release_ms + later_ms, Trouble::ReleaseAll);
        }
    }

    /// The pause succeeds, but its end time does not; then a crash.
    fn debt_and_a_crash(&mut self, at: DateTime<Utc>) {
        let campaign = self.any_campaign();
        self.add(at, Trouble::Force(campaign, ForceKind::Pause));
        let fails_ms = self.random.within(40..1_500);
        let failing = Weather { failing: 100, ..Weather::default() };
        self.add_after_ms(at, fails_ms, Trouble::Weather(failing));
        let crash_ms = fails_ms + self.random.within(3_000..90_000);
        self.add_after_ms(at, crash_ms, Trouble::Weather(Weather::default()));
        self.add_after_ms(at, crash_ms, Trouble::Crash);
    }

    /// A 429 while many requests wait: pauses, runs and the ticks of all.
    fn block_amid_work(&mut self, at: DateTime<Utc>) {
        let point = self.storm.policy.next_grid_point(at);
        let too_many = Weather { too_many: 60, ..Weather::default() };
        self.add_after_ms(point, -500, Trouble::Weather(too_many));
        for _ in 0..4 {
            let (campaign, later_ms) = (self.any_campaign(), self.random_ms(3_000));
            self.add_after_ms(point, later_ms, Trouble::Tick(campaign));
        }
        let (campaign, later_ms) = (self.any_campaign(), self.random_ms(3_000));
        self.add_after_ms(point, later_ms, Trouble::Force(campaign, ForceKind::Pause));
        self.add_after_ms(point, 4_000, Trouble::Weather(Weather::default()));
    }

    /// Operators' ticks use up the requests for reads. Then one campaign's clicks run out, while operators pause
    /// others.
    fn reads_run_short(&mut self, at: DateTime<Utc>) {
        let campaign = self.any_campaign();
        self.add(at, Trouble::UsedUp(campaign, false));
        self.add(at, Trouble::Force(campaign, ForceKind::Activate));
        for _ in 0..24 {
            let (campaign, later_ms) = (self.any_campaign(), self.random_ms(30_000));
            self.add_after_ms(at, later_ms, Trouble::Tick(campaign));
        }
        let used_up_ms = 20_000 + self.random_ms(10_000);
        self.add_after_ms(at, used_up_ms, Trouble::UsedUp(campaign, true));
        self.add_after_ms(at, used_up_ms + 10, Trouble::Tick(campaign));
        // A forced pause is sent without a read, and its end time follows.
        for _ in 0..3 {
            let (other, later_ms) = (self.any_campaign(), self.random.within(2_500..9_000));
            self.add_after_ms(at, used_up_ms + later_ms, Trouble::Force(other, ForceKind::Pause));
        }
    }

    /// Activations are ordered in the last moments before the day end, and must not be sent after it.
    fn evening(&mut self) {
        let day_end = self.storm.policy.day_end_on(self.storm.calm_at - Duration::minutes(1));
        let too_many = Weather { too_many: 100, ..Weather::default() };
        if self.random.chance(60) {
            self.add_after_ms(day_end, -4_000, Trouble::Weather(too_many));
            self.add_after_ms(day_end, 2_000, Trouble::Weather(Weather::default()));
        }
        for campaign in 0..self.storm.campaigns {
            self.add_after_ms(day_end, -70_000, Trouble::UsedUp(campaign, false));
            let before_ms = self.random_ms(15_000);
            self.add_after_ms(day_end, -before_ms, Trouble::Force(campaign, ForceKind::Activate));
        }
    }

    fn random_ms(&mut self, most: i64) -> i64 {
        self.random.within(0..most)
    }
}
