//! The high-spend policies, the high click thresholds, and troubles around the spend limit.
//!
//! They have random numbers of their own, and only newer seeds have them, so that the storms of older seeds stay the
//! same.

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::money::{Clicks, Money};
use traffic_generator::domain::policy::{HighSpend, Policy, PolicyNumbers};

use super::doubts::FIRST_SEED;
use super::random::Random;
use super::storm::{Storm, Trouble};

/// Turns a storm's seed into the seed of these numbers.
const OTHER_NUMBERS: u64 = 0x6869_6768_2073_7064;

/// The most times that a campaign is brought to its limit.
const MOST_LIMITS: i64 = 3;

/// The numbers that a storm draws about the spend limit.
#[derive(Debug)]
pub(super) struct HighSpends {
    random: Random,
    /// Whether the seed is one of the newer ones.
    is_newer: bool,
    /// Whether rows get other policies, thresholds and limits in the course of the storm.
    changes: bool,
}

impl HighSpends {
    pub(super) const fn of(seed: u64) -> Self {
        Self { random: Random::new(seed ^ OTHER_NUMBERS), is_newer: seed >= FIRST_SEED, changes: false }
    }

    /// Draws the high-spend policy, and whether rows get other ones in the storm. Older seeds keep their policy.
    pub(super) fn policy(&mut self, policy: Policy) -> Policy {
        if !self.is_newer {
            return policy;
        }
        self.changes = self.random.chance(40);
        let mut numbers = PolicyNumbers::clone(&policy);
        numbers.high_spend = self.any_policy();
        if numbers.high_spend != HighSpend::Observe || self.changes {
            self.draw_thresholds(&mut numbers);
        }
        numbers.validate().unwrap_or_else(|error| unreachable!("{error}"))
    }

    /// Whether rows get other policies, thresholds and limits in the course of the storm.
    pub(super) const fn changes(&self) -> bool {
        self.changes
    }

    fn any_policy(&mut self) -> HighSpend {
        self.random.one_of(&[HighSpend::Observe, HighSpend::Observe, HighSpend::Guard, HighSpend::Pause])
    }

    /// Draws the high thresholds. Both are unset if the drawn ones contradict each other.
    fn draw_thresholds(&mut self, numbers: &mut PolicyNumbers) {
        let pause = self.random.one_of(&[None, Some(0), Some(2_500), Some(8_000)]).map(Clicks);
        let activate = self.random.one_of(&[None, Some(9_000), Some(17_000), Some(30_000)]).map(Clicks);
        let meet = activate.unwrap_or(numbers.activate_clicks) <= pause.unwrap_or(numbers.pause_clicks);
        (numbers.high_pause_clicks, numbers.high_activate_clicks) = if meet { (None, None) } else { (pause, activate) };
    }

    /// Changes a row's high-spend policy, its high thresholds or its spend limit.
    pub(super) fn change(&mut self, numbers: &mut PolicyNumbers) {
        match self.random.within(0..4) {
            0 | 1 => numbers.high_spend = self.any_policy(),
            2 => self.draw_thresholds(numbers),
            _ => numbers.spend_limit = self.other_limit(numbers.spend_limit),
        }
    }

    /// Returns another limit, mostly a higher one.
    fn other_limit(&mut self, limit: Money) -> Money {
        let percent = self.random.one_of(&[200, 200, 120, 50]);
        Money::from_micros(limit.micros() / 100 * percent).unwrap_or(limit)
    }
}

impl Storm {
    /// Adds troubles around the limit: campaigns reach it, and then their clicks are at or near a threshold.
    pub(super) fn add_high_spends(&mut self) {
        if self.policy.high_spend == HighSpend::Observe && !self.high_spends.changes {
            return;
        }
        let raging_ms = self.calm_at.signed_duration_since(self.begins_at).num_milliseconds();
        for campaign in 0..self.campaigns {
            for _ in 0..self.high_spends.random.within(0..MOST_LIMITS + 1) {
                let random = &mut self.high_spends.random;
                let at = self.begins_at + Duration::milliseconds(random.within(0..raging_ms));
                self.bring_to_the_limit(at, campaign);
            }
        }
    }

    fn bring_to_the_limit(&mut self, at: DateTime<Utc>, campaign: usize) {
        let policy = self.policy.clone();
        let high_pause = policy.high_pause_clicks.unwrap_or(policy.pause_clicks).0;
        let high_activate = policy.high_activate_clicks.unwrap_or(policy.activate_clicks).0;
        let (low_pause, low_activate) = (policy.pause_clicks.0, policy.activate_clicks.0);
        let near = [
            high_pause,
            high_pause + 1,
            u64::midpoint(high_pause, high_activate),
            high_activate - 1,
            high_activate,
            low_pause,
            low_activate,
        ];
        let random = &mut self.high_spends.random;
        let mut troubles = vec![(at, Trouble::LimitReached(campaign))];
        let mut later = at;
        for _ in 0..random.within(1..4) {
            later += Duration::milliseconds(random.within(1_000..300_000));
            troubles.push((later, Trouble::ClicksAt(campaign, Clicks(random.one_of(&near)))));
        }
        if self.high_spends.changes && random.chance(60) {
            let later = at + Duration::milliseconds(random.within(1_000..900_000));
            troubles.push((later, Trouble::Limits(campaign)));
        }
        // No trouble may be in the calm part.
        let calm_at = self.calm_at;
        self.troubles.extend(troubles.into_iter().filter(|(at, _)| *at < calm_at));
    }
}
