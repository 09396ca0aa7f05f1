//! The rows of `campaigns`: settings that operators and trackers write.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use thiserror::Error;

use super::Store;
use super::error::StoreError;
use super::pools::{db, db_write};
use super::schema::campaigns;
use super::values::{Id, OptionalTrackerText, Stamp, TrackerName};
use crate::domain::ids::{CampaignId, RemoteId};
use crate::domain::money::{Clicks, Money};
use crate::domain::policy::{LONGEST_OWN_COOLDOWN_SECONDS, Mode, Policy, PolicyError, PolicyNumbers, UnknownWord};

/// A row of `campaigns`, as stored: the overrides are not validated before [`CampaignRow::policy`].
///
/// Without the row's times, which trackers may write in forms of their own.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = campaigns)]
pub struct CampaignRow {
    /// The key.
    #[diesel(deserialize_as = Id)]
    pub id: CampaignId,
    /// For people; cut where it is longer than a name may be.
    #[diesel(deserialize_as = TrackerName)]
    pub name: String,
    /// The campaign at TrafficStars.
    #[diesel(deserialize_as = Id)]
    pub trafficstar_id: RemoteId,
    /// Whether the campaign is guarded.
    pub generator_enabled: bool,
    /// `act` or `observe`.
    #[diesel(deserialize_as = OptionalTrackerText)]
    pub mode: Option<String>,
    /// In millionths of the currency unit.
    pub spend_limit_micros: Option<i64>,
    /// From this many remaining clicks on it should run.
    pub activate_clicks: Option<i64>,
    /// Down to this many remaining clicks it may run.
    pub pause_clicks: Option<i64>,
    /// In seconds.
    pub cooldown_seconds: Option<i64>,
    /// The high-spend policy's word.
    #[diesel(deserialize_as = OptionalTrackerText)]
    pub high_spend: Option<String>,
    /// In millionths of the currency unit; no policy uses it yet.
    pub price_per_thousand_micros: Option<i64>,
    /// More remaining clicks than this are unknown.
    pub implausible_clicks: Option<i64>,
}

/// Why a campaign's own settings make no policy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OverrideError {
    /// A word that is none of those allowed.
    #[error(
        "campaign {campaign}: the column `{column}` holds an unknown word; correct it, or set it to NULL for the default"
    )]
    Word {
        /// Whose row.
        campaign: CampaignId,
        /// Which column.
        column: &'static str,
        /// The word, and those allowed.
        #[source]
        source: UnknownWord,
    },
    /// A number outside its range.
    #[error(
        "campaign {campaign}: the column `{column}` holds {value}; it must be 0 or more, and no more than {maximum}"
    )]
    Range {
        /// Whose row.
        campaign: CampaignId,
        /// Which column.
        column: &'static str,
        /// What it holds.
        value: i64,
        /// What it may hold.
        maximum: i64,
    },
    /// The numbers do not go together.
    #[error("campaign {0}: its columns and the config's defaults do not go together")]
    Numbers(CampaignId, #[source] PolicyError),
}

impl CampaignRow {
    /// The rules for this campaign: the defaults, and what the row sets otherwise. Observe wins, wherever it is set.
    ///
    /// # Errors
    /// A column holds what makes no sense.
    pub fn policy(&self, defaults: &PolicyNumbers) -> Result<Policy, OverrideError> {
        let mut numbers = defaults.clone();
        self.word::<Mode>("mode", self.mode.as_deref())?;
        numbers.mode = self.mode(defaults.mode);
        numbers.high_spend = self.word("high_spend", self.high_spend.as_deref())?.unwrap_or(numbers.high_spend);
        let spend_limit = self.number("spend_limit_micros", self.spend_limit_micros, i64::MAX)?;
        let spend_limit = spend_limit.map(|micros| Money::from_micros(micros).unwrap_or(Money::ZERO));
        numbers.spend_limit = spend_limit.unwrap_or(numbers.spend_limit);
        let activate_clicks = self.clicks("activate_clicks", self.activate_clicks)?;
        numbers.activate_clicks = activate_clicks.unwrap_or(numbers.activate_clicks);
        numbers.pause_clicks = self.clicks("pause_clicks", self.pause_clicks)?.unwrap_or(numbers.pause_clicks);
        let cooldown = self.number("cooldown_seconds", self.cooldown_seconds, LONGEST_OWN_COOLDOWN_SECONDS)?;
        numbers.cooldown = cooldown.map_or(numbers.cooldown, Duration::seconds);
        let implausible_clicks = self.clicks("implausible_clicks", self.implausible_clicks)?;
        numbers.implausible_clicks = implausible_clicks.or(numbers.implausible_clicks);
        numbers.validate().map_err(|source| OverrideError::Numbers(self.id, source))
    }

    /// Whether decisions about this campaign become requests, though its other columns may make no sense. An unknown word
    /// counts as the default: such a row is never activated, and must still be paused.
    #[must_use]
    pub fn mode(&self, default: Mode) -> Mode {
        self.mode_after(default, default)
    }

    /// The same, but an unknown word keeps the mode `last`.
    fn mode_after(&self, default: Mode, last: Mode) -> Mode {
        match self.mode.as_deref().map(str::parse) {
            _ if default == Mode::Observe => Mode::Observe,
            None | Some(Ok(Mode::Act)) => default,
            Some(Ok(Mode::Observe)) => Mode::Observe,
            Some(Err(_)) => last,
        }
    }

    /// The policy. If the columns make none: `last`, which was in force before, in the row's own mode if that can be read,
    /// and what is wrong.
    #[must_use]
    pub fn policy_or(&self, defaults: &PolicyNumbers, last: &Policy) -> (Policy, Option<OverrideError>) {
        match self.policy(defaults) {
            Ok(policy) => (policy, None),
            Err(error) => (last.in_mode(self.mode_after(defaults.mode, last.mode)), Some(error)),
        }
    }

    fn word<T: std::str::FromStr<Err = UnknownWord>>(
        &self,
        column: &'static str,
        word: Option<&str>,
    ) -> Result<Option<T>, OverrideError> {
        word.map(str::parse).transpose().map_err(|source| OverrideError::Word { campaign: self.id, column, source })
    }

    fn number(&self, column: &'static str, value: Option<i64>, maximum: i64) -> Result<Option<i64>, OverrideError> {
        match value {
            Some(value) if !(0..=maximum).contains(&value) => {
                Err(OverrideError::Range { campaign: self.id, column, value, maximum })
            }
            fitting => Ok(fitting),
        }
    }

    fn clicks(&self, column: &'static str, value: Option<i64>) -> Result<Option<Clicks>, OverrideError> {
        Ok(self.number(column, value, i64::MAX)?.map(|clicks| Clicks(clicks.unsigned_abs())))
    }
}

impl Store {
    /// Every campaign, by its id.
    pub async fn campaigns(&self) -> Result<Vec<CampaignRow>, StoreError> {
        db!(self, move |connection| {
            Ok(campaigns::table.order(campaigns::id).select(CampaignRow::as_select()).load(connection)?)
        })
        .map_err(StoreError::ReadCampaigns)
    }

    /// Switches a campaign's generator on or off. False: there is no such campaign.
    pub async fn set_generator_enabled(
        &self,
        id: CampaignId,
        enabled: bool,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        db_write!(self, move |connection| {
            let changed = diesel::update(campaigns::table.find(id.0))
                .set((campaigns::generator_enabled.eq(enabled), campaigns::updated_at.eq(Stamp::from(now))))
                .execute(connection)?;
            Ok(changed > 0)
        })
        .map_err(StoreError::SetGeneratorEnabled)
    }
}
