//! Amounts of money in the API. The sandbox shares no code with the program that it tests, so it has its own type.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use thiserror::Error;

/// An amount in the account's currency, in millionths of its unit. It is written to JSON as a text, and read from a
/// text or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize)]
#[serde(try_from = "Value")]
pub struct Amount(i64);

/// The error for a text that is not a decimal number with at most six decimals.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not an amount: write it like 10.00")]
pub struct NotAnAmount(String);

impl Amount {
    const MICROS_PER_UNIT: i64 = 1_000_000;
    const MICROS_PER_CENT: i64 = 10_000;

    /// Returns an amount of `micros` millionths.
    #[must_use]
    pub const fn micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Returns an amount of `cents` hundredths.
    #[must_use]
    pub const fn cents(cents: i64) -> Self {
        Self(cents.saturating_mul(Self::MICROS_PER_CENT))
    }

    /// Returns the amount in millionths.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns the amount rounded to whole cents, half a cent rounded up.
    #[must_use]
    pub const fn rounded_to_cents(self) -> Self {
        let cents = self.0.saturating_add(Self::MICROS_PER_CENT / 2).div_euclid(Self::MICROS_PER_CENT);
        Self::cents(cents)
    }

    /// Returns the JSON number with the same digits as the decimal text.
    #[must_use]
    pub fn to_number(self) -> serde_json::Value {
        serde_json::from_str(&self.to_string()).unwrap_or_default()
    }
}

impl FromStr for Amount {
    type Err = NotAnAmount;

    fn from_str(text: &str) -> Result<Self, NotAnAmount> {
        let wrong = || NotAnAmount(text.to_owned());
        let (units, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(units) || !all_digits(decimals) || decimals.len() > 6 {
            return Err(wrong());
        }
        let units: i64 = units.parse().map_err(|_| wrong())?;
        let micros: i64 = format!("{decimals:0<6}").parse().map_err(|_| wrong())?;
        units.checked_mul(Self::MICROS_PER_UNIT).and_then(|whole| whole.checked_add(micros)).map(Self).ok_or_else(wrong)
    }
}

impl TryFrom<Value> for Amount {
    type Error = NotAnAmount;

    fn try_from(value: Value) -> Result<Self, NotAnAmount> {
        value.as_str().map_or_else(|| value.to_string().parse(), str::parse)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Amount {
    /// Writes two decimals, and more only if the amount has them: `10.00`, `66.270003`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let six_decimals = format!("{:06}", self.0.rem_euclid(Self::MICROS_PER_UNIT));
        let (cents, rest) = six_decimals.split_at(2);
        write!(f, "{}.{cents}{}", self.0.div_euclid(Self::MICROS_PER_UNIT), rest.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::Amount;

    #[test]
    fn an_amount_prints_as_it_was_written() {
        for (text, micros) in [("9.999999", 9_999_999), ("10.00", 10_000_000), ("0.05", 50_000)] {
            let amount: Amount = text.parse().unwrap();
            assert_eq!((amount.as_micros(), amount.to_string()), (micros, text.to_owned()));
        }
        assert!("ten".parse::<Amount>().is_err());
    }

    #[test]
    fn half_a_cent_and_more_is_rounded_up() {
        for (exact, rounded) in [
            ("22.896472", "22.90"),
            ("37.701788", "37.70"),
            ("9.996", "10.00"),
            ("9.995", "10.00"),
            ("9.994999", "9.99"),
            ("0.004999", "0.00"),
        ] {
            let amount: Amount = exact.parse().unwrap();
            assert_eq!(amount.rounded_to_cents().to_string(), rounded, "{exact}");
        }
    }
}
