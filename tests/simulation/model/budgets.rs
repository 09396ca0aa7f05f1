//! Daily budgets that stop campaigns, prices, URLs that come and finish, people who raise and lower budgets, and
//! restarts in each wait of a top-up.
//!
//! They have random numbers of their own, and only the newest seeds have them, so that the storms of older seeds stay the
//! same.

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::money::{Clicks, Money};
use traffic_generator::domain::policy::{HighSpend, Policy, PolicyNumbers};

use super::random::Random;
use super::remote::FirstBudget;
use super::storm::{Storm, Trouble};

/// The first seed whose storms have budgets.
pub(crate) const FIRST_SEED: u64 = 40_000_000;

/// Turns a storm's seed into the seed of these numbers.
const OTHER_NUMBERS: u64 = 0x6461_696C_7920_6275;

/// The numbers that a storm draws about budgets.
#[derive(Debug)]
pub(super) struct Budgets {
    pub(super) random: Random,
    pub(super) are_there: bool,
}

impl Budgets {
    pub(super) const fn of(seed: u64) -> Self {
        Self { random: Random::new(seed ^ OTHER_NUMBERS), are_there: seed >= FIRST_SEED }
    }

    /// Draws the numbers of the policy `top-up`.
    pub(super) fn policy(&mut self, policy: Policy) -> Policy {
        if !self.are_there {
            return policy;
        }
        let mut numbers = PolicyNumbers::clone(&policy);
        numbers.high_spend = HighSpend::TopUp;
        numbers.high_pause_clicks = self.random.one_of(&[None, Some(1_000), Some(0)]).map(Clicks);
        numbers.high_activate_clicks = self.random.one_of(&[None, Some(5_000), Some(9_000)]).map(Clicks);
        let limit = numbers.spend_limit;
        numbers.price_per_thousand = self
            .random
            .one_of(&[Some(111_000), Some(111_000), Some(1_234_567), None, Some(0)])
            .and_then(Money::from_micros);
        numbers.top_up_ceiling = self
            .random
            .one_of(&[Some(600), Some(600), Some(170), Some(110), None])
            .and_then(|percent| part(limit, percent));
        numbers.daily_budget =
            self.random.one_of(&[None, Some(102), Some(100)]).and_then(|percent| part(limit, percent));
        numbers.top_up_wait = Duration::seconds(self.random.one_of(&[600, 600, 150, 30, 0]));
        numbers.top_up_interval = Duration::seconds(self.random.one_of(&[720, 720, 200, 0]));
        numbers.validate().unwrap_or(policy)
    }

    /// Draws a campaign's budget at the beginning.
    pub(super) fn first(&mut self, policy: &Policy) -> FirstBudget {
        let max_daily = self.random.one_of(&[Some(102), Some(102), Some(150), Some(100), None]);
        FirstBudget {
            max_daily: max_daily.and_then(|percent| part(policy.spend_limit, percent)),
            price_per_thousand: self.random.one_of(&[None, Some(90_000), Some(0)]).and_then(Money::from_micros),
            used_up_word: self.random.one_of(&[None, Some("daily_budget_is_reached")]),
        }
    }

    /// Changes a row's price, ceiling, first budget or waits.
    pub(super) fn change(&mut self, numbers: &mut PolicyNumbers) {
        let limit = numbers.spend_limit;
        match self.random.within(0..6) {
            0 => {
                numbers.price_per_thousand =
                    self.random.one_of(&[Some(111_000), Some(50_000), None, Some(0)]).and_then(Money::from_micros)
            }
            1 => {
                numbers.top_up_ceiling =
                    self.random.one_of(&[Some(600), Some(130), None]).and_then(|percent| part(limit, percent))
            }
            2 => numbers.daily_budget = self.random.one_of(&[None, Some(102)]).and_then(|percent| part(limit, percent)),
            3 => {
                numbers.high_spend = self.random.one_of(&[
                    HighSpend::TopUp,
                    HighSpend::TopUp,
                    HighSpend::Pause,
                    HighSpend::Observe,
                    HighSpend::Guard,
                ])
            }
            _ => numbers.high_spend = HighSpend::TopUp,
        }
    }

    /// Draws the budget that a person sets.
    pub(super) fn of_a_person(&mut self, policy: &Policy) -> Option<Money> {
        let percent = self.random.one_of(&[50, 102, 102, 150, 300, 800]);
        part(policy.spend_limit, percent)
    }
}

fn part(money: Money, percent: i64) -> Option<Money> {
    Money::from_micros(money.micros() / 100 * percent)
}

impl Storm {
    /// Adds these troubles to the others. After them nothing about URLs and budgets changes.
    pub(super) fn add_budgets(&mut self) {
        if !self.budgets.are_there {
            return;
        }
        let raging_ms = self.calm_at.signed_duration_since(self.begins_at).num_milliseconds();
        for campaign in 0..self.campaigns {
            let mut troubles = Vec::new();
            let random = &mut self.budgets.random;
            let any_time = |random: &mut Random, begins_at: DateTime<Utc>| {
                begins_at + Duration::milliseconds(random.within(0..raging_ms))
            };
            let at = any_time(random, self.begins_at);
            troubles.push((at, Trouble::LimitReached(campaign)));
            troubles
                .push((at, Trouble::ClicksAt(campaign, Clicks(random.one_of(&[69_745, 20_000, 5_001, 1_001, 200])))));
            // The waits of a top-up begin then: restarts and new URLs in each of them.
            for _ in 0..random.within(0..3) {
                troubles.push((at + Duration::seconds(random.within(1..1_800)), Trouble::Crash));
            }
            for _ in 0..random.within(0..7) {
                troubles.push((at + Duration::seconds(random.within(1..2_400)), Trouble::Urls(campaign)));
            }
            for _ in 0..random.within(0..4) {
                let at = any_time(random, self.begins_at);
                let trouble = random.one_of(&[
                    Trouble::PersonsBudget(campaign),
                    Trouble::Urls(campaign),
                    Trouble::Limits(campaign),
                ]);
                troubles.push((at, trouble));
            }
            let calm_at = self.calm_at;
            self.troubles.extend(troubles.into_iter().filter(|(at, _)| *at < calm_at));
        }
    }
}
