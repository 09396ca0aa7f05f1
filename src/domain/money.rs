//! Money and clicks.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::ids::UrlId;

/// An amount in the account's currency, in millionths of its unit. Never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money {
    micros: i64,
}

/// The reason why a text is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// The text is neither digits nor digits with a decimal point.
    #[error("`{0}` is not an amount: write it like 10.00")]
    NotDecimal(String),
    /// The amount needs more than 64 bits of micro-units.
    #[error("`{0}` is too large for this program")]
    TooLarge(String),
}

/// The currency marks that may be written beside an amount. Each names a whole unit; `¢` and the like are left out.
const CURRENCIES: [&str; 22] = [
    "$", "€", "£", "¥", "₹", "₽", "₴", "₺", "₩", "USD", "EUR", "GBP", "JPY", "CNY", "CHF", "CAD", "AUD", "INR", "RUB",
    "UAH", "TRY", "KRW",
];

impl Money {
    /// No money.
    pub const ZERO: Self = Self { micros: 0 };
    /// The largest amount.
    pub const MAX: Self = Self { micros: i64::MAX };
    /// The number of micro-units in one unit of the currency.
    pub const MICROS_PER_UNIT: i64 = 1_000_000;

    /// Returns an amount of `micros` millionths; `None` if it is negative.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Option<Self> {
        if micros < 0 { None } else { Some(Self { micros }) }
    }

    /// Returns the amount in millionths of the currency unit.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.micros
    }

    /// Returns the amount rounded half up to cents, as TrafficStars shows a campaign's spend. An amount too large for
    /// that stays as it is.
    #[must_use]
    pub fn rounded_to_cents(self) -> Self {
        const MICROS_PER_CENT: i64 = 10_000;
        let cents = self.micros.checked_add(MICROS_PER_CENT / 2).map(|micros| micros / MICROS_PER_CENT);
        let micros = cents.and_then(|cents| cents.checked_mul(MICROS_PER_CENT));
        Self { micros: micros.unwrap_or(self.micros) }
    }

    /// Returns the amount rounded up to cents; `None` if it is too large for that.
    #[must_use]
    pub fn rounded_up_to_cents(self) -> Option<Self> {
        self.rounded_up(10_000)
    }

    /// Returns the price of clicks at this price per thousand, rounded up to a hundredth of a cent. `None` if it is too
    /// large.
    #[must_use]
    pub fn per_thousand(self, clicks: Clicks) -> Option<Self> {
        let micros = (i128::from(self.micros) * i128::from(clicks.0)).checked_add(999)? / 1_000;
        Self::from_micros(i64::try_from(micros).ok()?)?.rounded_up_as_kept()
    }

    /// Returns the amount rounded up to a hundredth of a cent: TrafficStars was seen to keep four decimals. `None` if it
    /// is too large for that.
    #[must_use]
    pub fn rounded_up_as_kept(self) -> Option<Self> {
        self.rounded_up(100)
    }

    /// Returns this part of the amount, rounded up.
    #[must_use]
    pub fn part(self, Percent(percent): Percent) -> Self {
        let micros = (i128::from(self.micros) * i128::from(percent) + 99) / 100;
        Self { micros: i64::try_from(micros).unwrap_or(i64::MAX) }
    }

    fn rounded_up(self, step: i64) -> Option<Self> {
        let steps = self.micros.checked_add(step - 1)? / step;
        steps.checked_mul(step).map(|micros| Self { micros })
    }

    /// Reads what `from_str` reads, with the sign or the code of one well-known currency before or after it: `€12.34`,
    /// `12.34 EUR`. The currency is dropped: it may differ from the account's. Any other word is refused: it may be a
    /// unit of another size, such as cents.
    ///
    /// # Errors
    /// The text is not an amount, or the amount is too large.
    pub fn with_currency(text: &str) -> Result<Self, MoneyError> {
        let trimmed = text.trim();
        let without = |currency: &&str| trimmed.strip_prefix(currency).or_else(|| trimmed.strip_suffix(currency));
        Self::decimal(CURRENCIES.iter().find_map(without).unwrap_or(trimmed).trim(), text)
    }

    /// Reads the amount in `digits`, a part of `text`.
    fn decimal(digits: &str, text: &str) -> Result<Self, MoneyError> {
        let not_decimal = || MoneyError::NotDecimal(text.to_owned());
        let too_large = || MoneyError::TooLarge(text.to_owned());
        let (units, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(units) || !all_digits(decimals) {
            return Err(not_decimal());
        }
        let units: i64 = units.parse().map_err(|_| too_large())?;
        let six_decimals: String = decimals.chars().chain(std::iter::repeat('0')).take(6).collect();
        let micros: i64 = six_decimals.parse().map_err(|_| not_decimal())?;
        units
            .checked_mul(Self::MICROS_PER_UNIT)
            .and_then(|whole| whole.checked_add(micros))
            .map(|micros| Self { micros })
            .ok_or_else(too_large)
    }

    /// Returns the sum; `None` if it is too large.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.micros.checked_add(other.micros).map(|micros| Self { micros })
    }

    /// Returns the difference; `None` if the other amount is larger.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.micros.checked_sub(other.micros).and_then(Self::from_micros)
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    /// Reads `12`, `12.34`, or `$12.34`. Digits after the sixth decimal are cut off.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let trimmed = text.trim();
        Self::decimal(trimmed.strip_prefix('$').unwrap_or(trimmed), text)
    }
}

impl fmt::Display for Money {
    /// Writes two decimals, or more if the amount has more: `10.00`, `66.270003`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = self.micros / Self::MICROS_PER_UNIT;
        let six_decimals = format!("{:06}", self.micros % Self::MICROS_PER_UNIT);
        let (cents, rest) = six_decimals.split_at(2);
        write!(f, "{units}.{cents}{}", rest.trim_end_matches('0'))
    }
}

impl Serialize for Money {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A part of an amount, in hundredths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent(pub u8);

/// A number of clicks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Clicks(pub u64);

impl fmt::Display for Clicks {
    /// Writes the number with separators: `15,000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
        for (position, digit) in digits.chars().enumerate() {
            if position > 0 && (digits.len() - position).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        f.pad(&grouped)
    }
}

/// One URL of a campaign, of any status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UrlCount {
    /// The URL's id.
    pub id: UrlId,
    /// Its click limit.
    pub limit: Clicks,
    /// The clicks that it has had.
    pub clicks: Clicks,
    /// Whether its status is `active`.
    pub is_active: bool,
}

/// The remaining clicks of a campaign's active URLs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemainingClicks {
    /// The sum of `max(click_limit - clicks, 0)`. An invalid row counts as 0.
    pub count: Clicks,
    /// The number of active URLs. Without one no clicks are left, and the reasons mention that.
    pub active_urls: u64,
    /// The fault of a row, such as a negative click limit; `None` if all rows are valid. A sum with a fault may stop a
    /// campaign, but never start it.
    pub defect: Option<String>,
    /// Each URL of the campaign, of any status; `None` if they were not asked for.
    pub urls: Option<Vec<UrlCount>>,
    /// The time (UTC) when the database was read.
    pub at: DateTime<Utc>,
}
