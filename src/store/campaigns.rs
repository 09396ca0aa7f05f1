//! The rows of the table `campaigns`: settings that operators and trackers write.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use thiserror::Error;

use super::Store;
use super::connection::StoreConnection;
use super::error::StoreError;
use super::hold::HoldRow;
use super::pools::{db, db_write};
use super::schema::{campaigns, holds};
use super::values::{Id, OptionalTrackerText, Stamp, TrackerName};
use crate::domain::ids::{CampaignId, RemoteId};
use crate::domain::money::{Clicks, Money};
use crate::domain::policy::{
    Group, LONGEST_OWN_COOLDOWN_SECONDS, Mode, Policy, PolicyError, PolicyNumbers, UnknownWord,
};
use crate::domain::status::Hold;
use crate::domain::text::cut;

/// A row of `campaigns`, as stored. [`CampaignRow::policy`] validates the overrides.
///
/// It leaves out the columns `created_at` and `updated_at`: trackers may write them in a form that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = campaigns)]
pub struct CampaignRow {
    /// The campaign's database id.
    #[diesel(deserialize_as = Id)]
    pub id: CampaignId,
    /// The campaign's name, for people, cut to the longest length that a name may have.
    #[diesel(deserialize_as = TrackerName)]
    pub name: String,
    /// The id of the campaign at TrafficStars.
    #[diesel(deserialize_as = Id)]
    pub trafficstar_id: RemoteId,
    /// Whether the campaign is guarded.
    pub generator_enabled: bool,
    /// The campaign's own mode, `act` or `observe`.
    #[diesel(deserialize_as = OptionalTrackerText)]
    pub mode: Option<String>,
    /// The campaign's own daily spend limit, in millionths of the currency unit.
    pub spend_limit_micros: Option<i64>,
    /// The campaign is run when this many clicks or more remain.
    pub activate_clicks: Option<i64>,
    /// The campaign is paused when this many clicks or fewer remain.
    pub pause_clicks: Option<i64>,
    /// The length of the campaign's own cool-down, in seconds.
    pub cooldown_seconds: Option<i64>,
    /// The name of the campaign's own high-spend policy.
    #[diesel(deserialize_as = OptionalTrackerText)]
    pub high_spend: Option<String>,
    /// The price of a thousand clicks, in millionths of the currency unit, for the high-spend policy `top-up`.
    pub price_per_thousand_micros: Option<i64>,
    /// More remaining clicks than this count as unknown.
    pub implausible_clicks: Option<i64>,
    /// `activate_clicks` from the spend limit on, for the high-spend policies `guard` and `top-up`.
    pub high_activate_clicks: Option<i64>,
    /// `pause_clicks` from the spend limit on, for the high-spend policies `guard` and `top-up`.
    pub high_pause_clicks: Option<i64>,
    /// The most that a day may cost, in millionths of the currency unit, for `top-up`.
    pub top_up_ceiling_micros: Option<i64>,
    /// `max_daily` is set back to it each day, in millionths of the currency unit, for `top-up`.
    pub daily_budget_micros: Option<i64>,
    /// The name of the campaign's group, which the config describes.
    #[diesel(deserialize_as = OptionalTrackerText)]
    pub group_name: Option<String>,
}

/// The reason why a campaign's own settings and the defaults give no valid policy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OverrideError {
    /// A column holds an unknown word.
    #[error(
        "campaign {campaign}: the column `{column}` holds an unknown word; correct it, or set it to NULL for the default"
    )]
    Word {
        /// The campaign's database id.
        campaign: CampaignId,
        /// The column's name.
        column: &'static str,
        /// The word, and the words that are allowed.
        #[source]
        source: UnknownWord,
    },
    /// A column holds a number outside its range.
    #[error(
        "campaign {campaign}: the column `{column}` holds {value}; set it to a number from 0 to {maximum}, or to NULL for \
         the default"
    )]
    Range {
        /// The campaign's database id.
        campaign: CampaignId,
        /// The column's name.
        column: &'static str,
        /// The number in the column.
        value: i64,
        /// The largest number that is allowed.
        maximum: i64,
    },
    /// The column `group_name` names a group that the config does not have.
    #[error(
        "campaign {campaign}: the column `group_name` holds {group:?}, and the config has no [[groups]] of this name; \
         correct it, add the group, or set the column to NULL for no group"
    )]
    NoGroup {
        /// The campaign's database id.
        campaign: CampaignId,
        /// The name in the column.
        group: String,
    },
    /// The numbers contradict each other.
    #[error("campaign {0}: its columns and the config's defaults contradict each other")]
    Numbers(CampaignId, #[source] PolicyError),
}

impl CampaignRow {
    /// Returns this campaign's policy: the defaults, with the row's overrides. `observe` in either place wins over
    /// `act`.
    ///
    /// # Errors
    /// A column holds an invalid value, or the numbers contradict each other.
    pub fn policy(&self, defaults: &PolicyNumbers) -> Result<Policy, OverrideError> {
        let mut numbers = defaults.clone();
        self.word::<Mode>("mode", self.mode.as_deref())?;
        numbers.mode = self.mode(defaults.mode);
        let group = self.group(defaults)?;
        let high_spend = self.word("high_spend", self.high_spend.as_deref())?;
        let of_group = group.and_then(|group| group.high_spend);
        numbers.high_spend = high_spend.or(of_group).unwrap_or(numbers.high_spend);
        numbers.groups = group.cloned().into_iter().collect();
        let spend_limit = self.money("spend_limit_micros", self.spend_limit_micros)?;
        numbers.spend_limit = spend_limit.unwrap_or(numbers.spend_limit);
        let price = self.money("price_per_thousand_micros", self.price_per_thousand_micros)?;
        numbers.price_per_thousand = price.or(numbers.price_per_thousand);
        let ceiling = self.money("top_up_ceiling_micros", self.top_up_ceiling_micros)?;
        numbers.top_up_ceiling = ceiling.or(numbers.top_up_ceiling);
        let daily_budget = self.money("daily_budget_micros", self.daily_budget_micros)?;
        numbers.daily_budget = daily_budget.or(numbers.daily_budget);
        let activate_clicks = self.clicks("activate_clicks", self.activate_clicks)?;
        numbers.activate_clicks = activate_clicks.unwrap_or(numbers.activate_clicks);
        numbers.pause_clicks = self.clicks("pause_clicks", self.pause_clicks)?.unwrap_or(numbers.pause_clicks);
        let cooldown = self.number("cooldown_seconds", self.cooldown_seconds, LONGEST_OWN_COOLDOWN_SECONDS)?;
        numbers.cooldown = cooldown.map_or(numbers.cooldown, Duration::seconds);
        let implausible_clicks = self.clicks("implausible_clicks", self.implausible_clicks)?;
        numbers.implausible_clicks = implausible_clicks.or(numbers.implausible_clicks);
        let high_activate_clicks = self.clicks("high_activate_clicks", self.high_activate_clicks)?;
        numbers.high_activate_clicks = high_activate_clicks.or(numbers.high_activate_clicks);
        let high_pause_clicks = self.clicks("high_pause_clicks", self.high_pause_clicks)?;
        numbers.high_pause_clicks = high_pause_clicks.or(numbers.high_pause_clicks);
        numbers.validate().map_err(|source| OverrideError::Numbers(self.id, source))
    }

    /// Returns the campaign's mode, which counts even where its other columns are invalid. An unknown word counts as
    /// the default: a campaign with such a row is never activated, and must still be paused.
    #[must_use]
    pub fn mode(&self, default: Mode) -> Mode {
        self.mode_after(default, default)
    }

    /// Like [`CampaignRow::mode`], but an unknown word keeps the mode `last`.
    fn mode_after(&self, default: Mode, last: Mode) -> Mode {
        match self.mode.as_deref().map(str::parse) {
            _ if default == Mode::Observe => Mode::Observe,
            None | Some(Ok(Mode::Act)) => default,
            Some(Ok(Mode::Observe)) => Mode::Observe,
            Some(Err(_)) => last,
        }
    }

    /// Returns the policy. If the columns are invalid, returns the policy `last`, which was in force before, together
    /// with the error. Its mode is the row's own, if that can be read.
    #[must_use]
    pub fn policy_or(&self, defaults: &PolicyNumbers, last: &Policy) -> (Policy, Option<OverrideError>) {
        match self.policy(defaults) {
            Ok(policy) => (policy, None),
            Err(error) => (last.in_mode(self.mode_after(defaults.mode, last.mode)), Some(error)),
        }
    }

    /// Returns the policy of a campaign that has had none before: its row's, or the defaults if the row is invalid.
    #[must_use]
    pub fn first_policy(&self, defaults: &Policy) -> Policy {
        let group = self.group(defaults).ok().flatten();
        let (policy, _) = self.policy_or(defaults, &defaults.in_groups(group.cloned().into_iter().collect()));
        policy
    }

    fn word<T: std::str::FromStr<Err = UnknownWord>>(
        &self,
        column: &'static str,
        word: Option<&str>,
    ) -> Result<Option<T>, OverrideError> {
        word.map(str::parse).transpose().map_err(|source| OverrideError::Word { campaign: self.id, column, source })
    }

    /// Returns the campaign's group, by the config's groups.
    fn group<'a>(&self, defaults: &'a PolicyNumbers) -> Result<Option<&'a Group>, OverrideError> {
        let Some(name) = &self.group_name else { return Ok(None) };
        let found = defaults.groups.iter().find(|group| group.name == *name);
        found.map(Some).ok_or_else(|| OverrideError::NoGroup { campaign: self.id, group: cut(name) })
    }

    fn number(&self, column: &'static str, value: Option<i64>, maximum: i64) -> Result<Option<i64>, OverrideError> {
        match value {
            Some(value) if !(0..=maximum).contains(&value) => {
                Err(OverrideError::Range { campaign: self.id, column, value, maximum })
            }
            fitting => Ok(fitting),
        }
    }

    fn money(&self, column: &'static str, value: Option<i64>) -> Result<Option<Money>, OverrideError> {
        Ok(self.number(column, value, i64::MAX)?.and_then(Money::from_micros))
    }

    fn clicks(&self, column: &'static str, value: Option<i64>) -> Result<Option<Clicks>, OverrideError> {
        Ok(self.number(column, value, i64::MAX)?.map(|clicks| Clicks(clicks.unsigned_abs())))
    }
}

impl Store {
    /// Reads every campaign, ordered by its id.
    pub async fn campaigns(&self) -> Result<Vec<CampaignRow>, StoreError> {
        db!(self, move |connection| {
            Ok(campaigns::table.order(campaigns::id).select(CampaignRow::as_select()).load(connection)?)
        })
        .map_err(StoreError::ReadCampaigns)
    }

    /// Enables or disables a campaign's generator, and stores a hold together with that, if one is given. Returns false if
    /// there is no such campaign.
    pub async fn set_generator_enabled(
        &self,
        id: CampaignId,
        enabled: bool,
        hold: Option<Hold>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        db_write!(self, move |connection| {
            if let Some(hold) = &hold
                && !connection.lock_campaigns(&[id.0])?.is_empty()
            {
                diesel::delete(holds::table.find(id.0)).execute(connection)?;
                diesel::insert_into(holds::table)
                    .values((holds::campaign_id.eq(id.0), HoldRow::from(hold)))
                    .execute(connection)?;
            }
            let changed = diesel::update(campaigns::table.find(id.0))
                .set((campaigns::generator_enabled.eq(enabled), campaigns::updated_at.eq(Stamp::from(now))))
                .execute(connection)?;
            Ok(changed > 0)
        })
        .map_err(StoreError::SetGeneratorEnabled)
    }
}
