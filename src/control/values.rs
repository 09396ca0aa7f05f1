//! Values in requests. They are checked while they are parsed, so that a refusal names the field.

use std::fmt;
use std::num::IntErrorKind;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};
use thiserror::Error;
use url::Url;
use utoipa::ToSchema;

use crate::domain::ids::RemoteId;
use crate::domain::money::{Clicks, Money, MoneyError};
use crate::domain::policy::LONGEST_OWN_COOLDOWN_SECONDS;
use crate::domain::text::LONGEST_NAME;

/// The largest number of decimals of an amount of money.
const MONEY_DECIMALS: usize = 6;

/// The reason why a value is invalid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ValueError {
    /// A count that is not a whole number, or is negative.
    #[error("`{0}` is not a count: give a whole number, 0 or more")]
    NotACount(String),
    /// A count that the database's column cannot hold.
    #[error("`{0}` is more than the database can hold, {max}", max = i64::MAX)]
    TooMany(String),
    /// A text that is not a duration.
    #[error("`{0}` is not a duration: write one like \"90s\", \"2m\" or \"1h 30m\"")]
    NotADuration(String),
    /// A cool-down of more than 24 hours or with parts of a second, probably a typing error.
    #[error("`{0}` is not a cool-down: give whole seconds, from 0s to 24h")]
    CooldownRange(String),
    /// A hold that would end at once or last more than a century, probably a typing error.
    #[error("`{0}` is not a duration for a hold: give more than 0s, and at most a century")]
    HoldRange(String),
    /// A text that is not an amount of money.
    #[error(transparent)]
    NotMoney(#[from] MoneyError),
    /// An amount whose decimals after the sixth would be cut off.
    #[error("`{0}` has more than six decimals: write an amount like 10.00")]
    TooFine(String),
    /// A spend limit of 0, which is reached before anything is spent.
    #[error(
        "a spend limit of `{0}` is reached before anything is spent: give an amount above 0, or disable the campaign's \
         generator"
    )]
    NoSpend(String),
    /// A name that is empty, too long, or would break a line of the log.
    #[error("give a name with 1 to {LONGEST_NAME} characters, without control characters or line breaks")]
    Name,
    /// A text that is not a TrafficStars id.
    #[error("`{0}` is not a TrafficStars id: give a whole number from 1")]
    NotARemoteId(String),
    /// A text that is not a web address.
    #[error("`{0}` is not an address: write one like https://example.com/landing")]
    NotAnAddress(String),
}

/// A spend limit as operators give it: above 0, with at most six decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub struct SpendLimit(Money);

impl SpendLimit {
    /// Returns the limit, which is never 0.
    #[must_use]
    pub const fn get(self) -> Money {
        self.0
    }
}

impl FromStr for SpendLimit {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let decimals = text.trim().split_once('.').map_or(0, |(_, decimals)| decimals.len());
        match text.parse()? {
            _ if decimals > MONEY_DECIMALS => Err(ValueError::TooFine(text.to_owned())),
            Money::ZERO => Err(ValueError::NoSpend(text.to_owned())),
            limit => Ok(Self(limit)),
        }
    }
}

impl fmt::Display for SpendLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for SpendLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A number of clicks that fits the database's column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(transparent)]
pub struct Count(i64);

impl Count {
    /// Returns the number, which is never negative.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl FromStr for Count {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.trim().parse() {
            Ok(count) if count >= 0 => Ok(Self(count)),
            Err(error) if *error.kind() == IntErrorKind::PosOverflow => Err(ValueError::TooMany(text.to_owned())),
            Ok(_) | Err(_) => Err(ValueError::NotACount(text.to_owned())),
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_json::Number::deserialize(deserializer)?.to_string().parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Clicks(self.0.unsigned_abs()).fmt(f)
    }
}

/// A campaign's own cool-down, in whole seconds. As text it looks like `2m 30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cooldown {
    seconds: u32,
}

impl Cooldown {
    /// Returns the cool-down in seconds.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.seconds
    }
}

impl FromStr for Cooldown {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let span = humantime::parse_duration(text).map_err(|_| ValueError::NotADuration(text.to_owned()))?;
        let seconds = u32::try_from(span.as_secs())
            .ok()
            .filter(|seconds| span.subsec_nanos() == 0 && i64::from(*seconds) <= LONGEST_OWN_COOLDOWN_SECONDS);
        seconds.map(|seconds| Self { seconds }).ok_or_else(|| ValueError::CooldownRange(text.to_owned()))
    }
}

impl fmt::Display for Cooldown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(Duration::from_secs(self.seconds.into())).fmt(f)
    }
}

impl Serialize for Cooldown {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cooldown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The longest hold. A longer one is probably a typing error: an endless hold has no duration at all.
const LONGEST_HOLD: Duration = Duration::from_secs(36_525 * 24 * 60 * 60);

/// Parses how long a hold lasts, from text like `2h`.
///
/// # Errors
/// The text is not a duration, or the duration is 0 or longer than a century.
pub fn hold_span(text: &str) -> Result<Duration, ValueError> {
    let span = humantime::parse_duration(text).map_err(|_| ValueError::NotADuration(text.to_owned()))?;
    let fits = !span.is_zero() && span <= LONGEST_HOLD;
    fits.then_some(span).ok_or_else(|| ValueError::HoldRange(text.to_owned()))
}

/// Checks a name and removes the space around it.
///
/// # Errors
/// The name is empty, too long, or has control characters, such as a line break.
pub fn name(text: &str) -> Result<String, ValueError> {
    let name = text.trim();
    if name.is_empty() || name.chars().nth(LONGEST_NAME).is_some() || name.contains(char::is_control) {
        return Err(ValueError::Name);
    }
    Ok(name.to_owned())
}

/// Parses a campaign's id at TrafficStars.
///
/// # Errors
/// The text is not a whole number from 1.
pub fn remote_id(text: &str) -> Result<RemoteId, ValueError> {
    let id = text.trim().parse().ok().filter(|id| *id >= 1);
    id.map(RemoteId).ok_or_else(|| ValueError::NotARemoteId(text.to_owned()))
}

/// Checks the address to which visitors are sent. It is kept as given, since trackers put placeholders into it.
///
/// # Errors
/// The text is not an http or https address.
pub fn target_url(text: &str) -> Result<String, ValueError> {
    let address = text.trim();
    match Url::parse(address) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) => Ok(address.to_owned()),
        Ok(_) | Err(_) => Err(ValueError::NotAnAddress(text.to_owned())),
    }
}

/// Reads a field that may be left out, but must not be null.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads an override: if it is left out, it stays; null clears it.
pub(super) fn given_or_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

pub(super) fn given_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    name(&String::deserialize(deserializer)?).map(Some).map_err(de::Error::custom)
}

pub(super) fn given_remote_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RemoteId>, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    remote_id(&number.to_string()).map(Some).map_err(de::Error::custom)
}

pub(super) fn given_target_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    target_url(&String::deserialize(deserializer)?).map(Some).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_read<T: std::fmt::Debug, E: std::fmt::Debug>(
        read: fn(&str) -> Result<T, E>,
        good: &[&str],
        bad: &[&str],
    ) {
        for text in good {
            assert!(read(text).is_ok(), "{text:?}: {:?}", read(text));
        }
        for text in bad {
            assert!(read(text).is_err(), "{text:?}: {:?}", read(text));
        }
    }

    #[test]
    fn valid_values_are_read_and_invalid_ones_are_refused() {
        assert_read(
            Count::from_str,
            &["0", "9223372036854775807"],
            &["-1", "1.5", "1e3", "9223372036854775808", "", "x"],
        );
        assert_read(
            Cooldown::from_str,
            &["0s", "90s", "1h 30m", "24h"],
            &["", "90", "soon", "1500ms", "24h 1s", "-2m", "9999999999999y"],
        );
        let (longest, too_long) = ("ü".repeat(200), "ü".repeat(201));
        assert_read(
            name,
            &["shoes", " red shoes ", "Ünïcode", longest.as_str()],
            &["", "  ", "two\nlines", "bell\u{7}", too_long.as_str()],
        );
        assert_read(hold_span, &["1s", "2h", "36525days"], &["", "2", "0s", "-1h", "36525days 1s", "9999999999999y"]);
        assert_read(remote_id, &["1", "9223372036854775807"], &["0", "-1", "1.0", "x", ""]);
        assert_read(
            target_url,
            &["https://example.com/", "http://example.com?c={click_id}", "HTTPS://EXAMPLE.COM"],
            &["", "example.com", "ftp://example.com", "javascript:alert(1)", "https://", "https://exa mple.com"],
        );
    }

    #[test]
    fn a_cooldown_is_shown_in_a_form_that_can_be_read_again() {
        for (text, shown) in [("90s", "1m 30s"), ("0s", "0s"), ("24h", "1day")] {
            let cooldown: Cooldown = text.parse().unwrap();
            assert_eq!(cooldown.to_string(), shown);
            assert_eq!(shown.parse(), Ok(cooldown));
        }
    }
}
