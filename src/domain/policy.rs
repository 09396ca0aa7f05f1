//! The thresholds and times that one campaign is guarded by, validated when they are built.
//!
//! The defaults of RULES.md are here. Deliberately absent: `config.toml`, which may change them (`config`), and a
//! campaign's own numbers (`store`).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::calendar;
use super::money::{Clicks, Money, Percent, RemainingClicks};
use super::text::cut;

/// Whether decisions are sent as requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Decide, journal, and send.
    Act,
    /// Decide and journal, but send no request that changes anything.
    Observe,
}

/// The guard's conduct when the spend limit is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HighSpend {
    /// Mark the campaign, and leave it alone.
    #[default]
    Observe,
    /// Go on guarding by the remaining clicks, with the thresholds for above the limit.
    Guard,
    /// Pause the campaign, and keep it paused until its spend is below the limit again.
    Pause,
    /// Pause the campaign, set the day's real budget, and go on as with `guard`.
    TopUp,
}

/// The click thresholds in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClickThresholds {
    /// At or above this number of remaining clicks the campaign is activated.
    pub activate: Clicks,
    /// At or below this number of remaining clicks the campaign is paused.
    pub pause: Clicks,
}

/// A limit on the sum of today's spends of several campaigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedLimit {
    /// From this sum on each of the campaigns is at the limit.
    pub spend_limit: Money,
    /// What the guard does from then on. It is never [`HighSpend::TopUp`].
    pub high_spend: HighSpend,
}

/// A group of campaigns, as the config describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The name, which `campaigns.group_name` refers to.
    pub name: String,
    /// The limit on the sum of its campaigns' spends; `None` if there is none.
    pub limit: Option<SharedLimit>,
    /// The policy of its campaigns at their own spend limits; `None` for the config's.
    pub high_spend: Option<HighSpend>,
}

/// The error for a word that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{word}` is not one of: {allowed}")]
pub struct UnknownWord {
    word: String,
    allowed: &'static str,
}

impl UnknownWord {
    /// Builds the error from the word and the list of allowed words.
    #[must_use]
    pub fn new(word: &str, allowed: &'static str) -> Self {
        Self { word: cut(word), allowed }
    }
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 2] = [Self::Act, Self::Observe];

    /// Returns the word in the config, in the tables and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::Observe => "observe",
        }
    }
}

impl HighSpend {
    /// All policies.
    pub const ALL: [Self; 4] = [Self::Observe, Self::Guard, Self::Pause, Self::TopUp];

    /// Returns the word in the config, in the tables and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Guard => "guard",
            Self::Pause => "pause",
            Self::TopUp => "top-up",
        }
    }

    /// Whether the campaign is guarded by its clicks from the spend limit on, with the thresholds for above the limit.
    #[must_use]
    pub const fn guards_by_clicks(self) -> bool {
        matches!(self, Self::Guard | Self::TopUp)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for HighSpend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "act" => Ok(Self::Act),
            "observe" => Ok(Self::Observe),
            _ => Err(UnknownWord::new(word, "act, observe")),
        }
    }
}

impl FromStr for HighSpend {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "observe" => Ok(Self::Observe),
            "guard" => Ok(Self::Guard),
            "pause" => Ok(Self::Pause),
            "top-up" => Ok(Self::TopUp),
            _ => Err(UnknownWord::new(word, "observe, guard, pause, top-up")),
        }
    }
}

/// The rules' numbers for one campaign. Only [`PolicyNumbers::validate`] builds it, so that it is always valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    numbers: PolicyNumbers,
}

/// The numbers before validation. The defaults are those of RULES.md.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyNumbers {
    /// The period of the grid on which every campaign ticks.
    pub tick: Duration,
    /// The time after an accepted pause in which spend and clicks decide nothing.
    pub cooldown: Duration,
    /// From this spend on `high_spend` decides.
    pub spend_limit: Money,
    /// At or above this number of remaining clicks the campaign should run.
    pub activate_clicks: Clicks,
    /// At or below this number of remaining clicks the campaign should be paused.
    pub pause_clicks: Clicks,
    /// The end time of every activation. From then to midnight (UTC) no activation is sent.
    pub day_end: NaiveTime,
    /// From this part of the spend limit on an event reports the spend, once a day; `None` for no event.
    pub warn_at: Option<Percent>,
    /// The guard's conduct when the spend limit is reached.
    pub high_spend: HighSpend,
    /// `activate_clicks` from the spend limit on, for [`HighSpend::Guard`] and [`HighSpend::TopUp`]. `None` if it is the
    /// same as below the limit.
    pub high_activate_clicks: Option<Clicks>,
    /// `pause_clicks` from the spend limit on, for [`HighSpend::Guard`] and [`HighSpend::TopUp`]. `None` if it is the
    /// same as below the limit.
    pub high_pause_clicks: Option<Clicks>,
    /// The price of a thousand clicks, for [`HighSpend::TopUp`]. `None` for the campaign's price at TrafficStars.
    pub price_per_thousand: Option<Money>,
    /// The most that a day may cost. Without it [`HighSpend::TopUp`] sets no budget.
    pub top_up_ceiling: Option<Money>,
    /// The time from the pause at the limit to the first top-up, in which TrafficStars' spend catches up.
    pub top_up_wait: Duration,
    /// The time for which URLs are gathered that come after the first top-up, from the first one's coming on.
    pub top_up_interval: Duration,
    /// `max_daily` is set back to it each day. `None` leaves it as it is.
    pub daily_budget: Option<Money>,
    /// The groups of the config; in a campaign's policy its own group, if it has one.
    pub groups: Arc<[Group]>,
    /// The limit on the sum of all campaigns' spends; `None` if there is none.
    pub account_limit: Option<SharedLimit>,
    /// The time after an accepted action in which a read may still show the old state.
    pub confirm_within: Duration,
    /// The longest time in which TrafficStars may answer.
    pub answer_within: Duration,
    /// More foreign changes than this in an hour mark the campaign contested.
    pub contested_after: u32,
    /// The longest delay between activations of a contested campaign; `None` for no delay.
    pub contested_backoff: Option<Duration>,
    /// The time for which a stored spend below the limit counts.
    pub stored_spend_max_age: Duration,
    /// The time after midnight (UTC) in which a campaign's own counter may still show yesterday's spend.
    pub midnight_doubt: Duration,
    /// More remaining clicks than this count as unknown, because a limit must be wrong; `None` for no bound.
    pub implausible_clicks: Option<Clicks>,
    /// Whether a running campaign without an end time gets one when it is adopted.
    pub adopt_sets_end_time: bool,
    /// Whether decisions are sent as requests.
    pub mode: Mode,
}

/// The reason why numbers are not a valid policy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// With equal thresholds the campaign would be run and paused again and again.
    #[error("activate_clicks ({activate}) must be above pause_clicks ({pause})")]
    ThresholdsMeet {
        /// `activate_clicks` as given.
        activate: Clicks,
        /// `pause_clicks` as given.
        pause: Clicks,
    },
    /// The same for the thresholds from the spend limit on.
    #[error(
        "high_activate_clicks ({activate}) must be above high_pause_clicks ({pause}); each is the number below the \
         limit if it is not set"
    )]
    HighThresholdsMeet {
        /// `high_activate_clicks` in force.
        activate: Clicks,
        /// `high_pause_clicks` in force.
        pause: Clicks,
    },
    /// No campaign could ever be activated.
    #[error("implausible_clicks ({implausible}) must be above activate_clicks and high_activate_clicks ({activate})")]
    ImplausibleTooLow {
        /// `implausible_clicks` as given.
        implausible: Clicks,
        /// The larger one of `activate_clicks` and `high_activate_clicks`.
        activate: Clicks,
    },
    /// No top-up could ever be sent.
    #[error(
        "top_up_ceiling ({ceiling}) must be above spend_limit ({limit}): a day is topped up when the limit is reached"
    )]
    CeilingTooLow {
        /// `top_up_ceiling` as given.
        ceiling: Money,
        /// `spend_limit` as given.
        limit: Money,
    },
    /// The spend limit would never be reached.
    #[error("daily_budget ({budget}) must not be below spend_limit ({limit}): the limit would never be reached")]
    DailyBudgetTooLow {
        /// `daily_budget` as given.
        budget: Money,
        /// `spend_limit` as given.
        limit: Money,
    },
    /// A day could begin with a budget that no top-up may set.
    #[error("daily_budget ({budget}) must not be above top_up_ceiling ({ceiling}), the most that a day may cost")]
    DailyBudgetAboveCeiling {
        /// `daily_budget` as given.
        budget: Money,
        /// `top_up_ceiling` as given.
        ceiling: Money,
    },
    /// Ticks without length would follow each other without a pause.
    #[error("tick must be 100ms or longer")]
    TickTooShort,
    /// The time span is negative.
    #[error("{key} must not be negative")]
    Negative {
        /// The key's name.
        key: &'static str,
    },
    /// The time span is longer than a year. Times could overflow with it.
    #[error("{key} must not be longer than 365 days")]
    TooLong {
        /// The key's name.
        key: &'static str,
    },
}

/// A campaign's own cool-down of more than a day is taken for a typing error.
pub const LONGEST_OWN_COOLDOWN_SECONDS: i64 = 24 * 60 * 60;

const LONGEST_SPAN: Duration = Duration::days(365);

impl PolicyNumbers {
    /// Returns the click thresholds in force. `at_limit` is the policy of the spend limit that is reached; `None` below
    /// every limit.
    #[must_use]
    pub fn thresholds(&self, at_limit: Option<HighSpend>) -> ClickThresholds {
        let low = ClickThresholds { activate: self.activate_clicks, pause: self.pause_clicks };
        let high = ClickThresholds {
            activate: self.high_activate_clicks.unwrap_or(low.activate),
            pause: self.high_pause_clicks.unwrap_or(low.pause),
        };
        if at_limit.is_some_and(HighSpend::guards_by_clicks) { high } else { low }
    }

    /// Returns the limits that the campaign shares with others.
    pub fn shared_limits(&self) -> impl Iterator<Item = SharedLimit> {
        self.groups.iter().filter_map(|group| group.limit).chain(self.account_limit)
    }

    /// Validates the numbers and builds the policy.
    ///
    /// # Errors
    /// The first rule that the numbers break.
    pub fn validate(self) -> Result<Policy, PolicyError> {
        if self.activate_clicks <= self.pause_clicks {
            return Err(PolicyError::ThresholdsMeet { activate: self.activate_clicks, pause: self.pause_clicks });
        }
        // Under another policy the thresholds from the limit on have no effect, and must not make a campaign's row invalid.
        let policies = [self.high_spend].into_iter().chain(self.shared_limits().map(|limit| limit.high_spend));
        let by_clicks = policies.filter(|policy| policy.guards_by_clicks()).last();
        let high = self.thresholds(by_clicks);
        if high.activate <= high.pause {
            return Err(PolicyError::HighThresholdsMeet { activate: high.activate, pause: high.pause });
        }
        let activate = self.activate_clicks.max(high.activate);
        if let Some(implausible) = self.implausible_clicks.filter(|implausible| *implausible <= activate) {
            return Err(PolicyError::ImplausibleTooLow { implausible, activate });
        }
        self.validate_budgets()?;
        if self.tick < Duration::milliseconds(100) {
            return Err(PolicyError::TickTooShort);
        }
        let spans = [
            ("tick", Some(self.tick)),
            ("cooldown", Some(self.cooldown)),
            ("confirm_within", Some(self.confirm_within)),
            ("contested_backoff", self.contested_backoff),
            ("stored_spend_max_age", Some(self.stored_spend_max_age)),
            ("midnight_doubt", Some(self.midnight_doubt)),
            ("top_up_wait", Some(self.top_up_wait)),
            ("top_up_interval", Some(self.top_up_interval)),
        ];
        for (key, span) in spans {
            if span.is_some_and(|span| span < Duration::zero()) {
                return Err(PolicyError::Negative { key });
            }
            if span.is_some_and(|span| span > LONGEST_SPAN) {
                return Err(PolicyError::TooLong { key });
            }
        }
        Ok(Policy { numbers: self })
    }

    /// Checks the amounts of the policy `top-up`. Under another policy they have no effect, and must not make a campaign's
    /// row invalid.
    fn validate_budgets(&self) -> Result<(), PolicyError> {
        if self.high_spend != HighSpend::TopUp {
            return Ok(());
        }
        let limit = self.spend_limit;
        if let Some(ceiling) = self.top_up_ceiling.filter(|ceiling| *ceiling <= limit) {
            return Err(PolicyError::CeilingTooLow { ceiling, limit });
        }
        let Some(budget) = self.daily_budget else { return Ok(()) };
        if budget < limit {
            return Err(PolicyError::DailyBudgetTooLow { budget, limit });
        }
        match self.top_up_ceiling {
            Some(ceiling) if budget > ceiling => Err(PolicyError::DailyBudgetAboveCeiling { budget, ceiling }),
            Some(_) | None => Ok(()),
        }
    }
}

impl Default for PolicyNumbers {
    fn default() -> Self {
        Self {
            tick: Duration::minutes(1),
            cooldown: Duration::minutes(2),
            spend_limit: Money::from_micros(10_000_000).unwrap_or(Money::ZERO),
            activate_clicks: Clicks(15_000),
            pause_clicks: Clicks(5_000),
            day_end: NaiveTime::from_hms_opt(23, 59, 0).unwrap_or(NaiveTime::MIN),
            warn_at: None,
            high_spend: HighSpend::Observe,
            high_activate_clicks: None,
            high_pause_clicks: None,
            price_per_thousand: None,
            top_up_ceiling: None,
            top_up_wait: Duration::minutes(10),
            top_up_interval: Duration::minutes(12),
            daily_budget: None,
            groups: Arc::default(),
            account_limit: None,
            confirm_within: Duration::seconds(30),
            answer_within: Duration::seconds(15),
            contested_after: 6,
            contested_backoff: None,
            stored_spend_max_age: Duration::minutes(30),
            midnight_doubt: Duration::hours(3),
            implausible_clicks: None,
            adopt_sets_end_time: false,
            mode: Mode::Act,
        }
    }
}

impl Policy {
    /// Returns the policy with this time for TrafficStars' answers.
    #[must_use]
    pub fn answered_within(mut self, answer_within: Duration) -> Self {
        self.numbers.answer_within = answer_within;
        self
    }

    /// Returns the day end of the UTC day of `now`.
    #[must_use]
    pub fn day_end_on(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now.date_naive().and_time(self.day_end).and_utc()
    }

    /// Returns the policy in this mode.
    #[must_use]
    pub fn in_mode(&self, mode: Mode) -> Self {
        Self { numbers: PolicyNumbers { mode, ..self.numbers.clone() } }
    }

    /// Returns the policy for a campaign of these groups.
    #[must_use]
    pub fn in_groups(&self, groups: Arc<[Group]>) -> Self {
        Self { numbers: PolicyNumbers { groups, ..self.numbers.clone() } }
    }

    /// Whether the end time of an activation sent now would have passed already.
    #[must_use]
    pub fn past_day_end(&self, now: DateTime<Utc>) -> bool {
        now >= self.day_end_on(now)
    }

    /// Returns why the remaining clicks are too doubtful to activate by: a row is invalid, or they are implausibly
    /// many. `None` if they are not.
    #[must_use]
    pub fn clicks_doubt(&self, clicks: &RemainingClicks) -> Option<String> {
        let implausible = || {
            let bound = self.implausible_clicks.filter(|bound| clicks.count > *bound)?;
            // The text has no number: it changes with each click, and each new text would be another event.
            Some(format!(
                "more clicks remain than implausible_clicks ({bound}) allows: correct the click_limit of its URLs, or \
                 raise the bound"
            ))
        };
        clicks.defect.clone().or_else(implausible)
    }

    /// Returns the first point of the shared grid after `now`.
    #[must_use]
    pub fn next_grid_point(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        calendar::next_grid_point(now, self.tick)
    }

    /// Returns when a tick that began at `began_at` ends at the latest, with the answers that have arrived. This is the
    /// first point of the shared grid that leaves TrafficStars the time to answer. Ticks shorter than an answer would
    /// otherwise get none.
    #[must_use]
    pub fn tick_ends_by(&self, began_at: DateTime<Utc>) -> DateTime<Utc> {
        self.next_grid_point(began_at + self.answer_within)
    }

    /// Returns how many points of the shared grid lie after `from`, up to and including `to`.
    #[must_use]
    pub fn grid_points_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> u64 {
        let passed = calendar::grid_index(to, self.tick) - calendar::grid_index(from, self.tick);
        u64::try_from(passed).unwrap_or(0)
    }
}

impl std::ops::Deref for Policy {
    type Target = PolicyNumbers;

    fn deref(&self) -> &PolicyNumbers {
        &self.numbers
    }
}
