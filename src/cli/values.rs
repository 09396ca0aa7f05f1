//! Parses the values of arguments: fixed words, and numbers and durations as people write them and as the program
//! prints them: `15,000`, `15_000`, `15k`, `1.5m`, `$10,000.00`.
//!
//! The config and the API accept one form only, since programs write them.

use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::control::{self, Count, SpendLimit, ValueError};
use crate::domain::journal::MOST_ENTRIES;
use crate::domain::money::{Money, MoneyError};
use crate::domain::order::ForceKind;

/// Parses a number of clicks.
pub(super) fn count(text: &str) -> Result<Count, ValueError> {
    let plain = ungrouped(text.trim()).and_then(|number| whole(&number)).filter(|number| are_digits(number));
    // A text that is no number is refused by `Count`, with the text as the operator wrote it.
    plain.as_deref().unwrap_or(text).parse()
}

/// Parses the largest number of entries to show.
pub(super) fn entries(text: &str) -> Result<u32, String> {
    let wanted = count(text).map_err(|error| error.to_string())?.get();
    let fits = u32::try_from(wanted).ok().filter(|wanted| (1..=MOST_ENTRIES).contains(wanted));
    fits.ok_or_else(|| format!("give a number from 1 to {MOST_ENTRIES}"))
}

/// Parses an amount of money.
pub(super) fn money(text: &str) -> Result<Money, MoneyError> {
    amount(text).parse()
}

/// Parses a spend limit.
pub(super) fn spend_limit(text: &str) -> Result<SpendLimit, ValueError> {
    amount(text).parse()
}

/// Parses a duration in the form of the library `humantime`.
pub(super) fn duration(text: &str) -> Result<Duration, ValueError> {
    humantime::parse_duration(text).map_err(|_| ValueError::NotADuration(text.to_owned()))
}

/// Returns a parser of one of these words.
pub(super) fn one_of<T>(words: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: std::error::Error + Send + Sync> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse())
}

/// Returns a parser of `--force`.
pub(super) fn force() -> impl TypedValueParser<Value = ForceKind> {
    PossibleValuesParser::new(["activate", "pause"])
        .map(|word| if word == "pause" { ForceKind::Pause } else { ForceKind::Activate })
}

/// Parses the duration of a mute. The text itself is sent.
pub(super) fn mute_span(text: &str) -> Result<String, ValueError> {
    if text.trim() == "0s" { Ok(text.to_owned()) } else { hold_span(text) }
}

/// Checks how long a hold lasts, and returns the text unchanged.
pub(super) fn hold_span(text: &str) -> Result<String, ValueError> {
    control::hold_span(text).map(|_| text.to_owned())
}

/// Parses a reason, which must not be empty.
pub(super) fn reason(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() { Err("give a reason: it is shown with the hold") } else { Ok(text.to_owned()) }
}

fn amount(text: &str) -> String {
    let trimmed = text.trim();
    let grouped = Some(trimmed.strip_prefix('$').unwrap_or(trimmed)).filter(|number| number.contains(SEPARATORS));
    grouped.and_then(ungrouped).unwrap_or_else(|| text.to_owned())
}

/// Returns the number without the separators of its thousands, or `None` if a separator is in another place.
fn ungrouped(number: &str) -> Option<String> {
    let end = number.find(|character: char| !character.is_ascii_digit() && !SEPARATORS.contains(&character));
    let (whole, rest) = number.split_at(end.unwrap_or(number.len()));
    let mut groups = whole.split(SEPARATORS);
    let first = groups.next().unwrap_or_default();
    let are_thousands = groups.clone().next().is_none() || ((1..=3).contains(&first.len()) && groups.all(is_thousand));
    are_thousands.then(|| whole.replace(SEPARATORS, "") + rest)
}

const SEPARATORS: [char; 2] = [',', '_'];

fn are_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_thousand(group: &str) -> bool {
    group.len() == 3
}

/// Returns `15k` and `1.5m` as digits, or `None` if the result is not a whole number.
fn whole(number: &str) -> Option<String> {
    let (number, zeros) = match (number.strip_suffix(['k', 'K']), number.strip_suffix(['m', 'M'])) {
        (Some(thousands), _) => (thousands, 3),
        (None, Some(millions)) => (millions, 6),
        (None, None) => return Some(number.to_owned()),
    };
    let (units, decimals) = number.split_once('.').unwrap_or((number, ""));
    let fits = !units.is_empty() && are_digits(units) && are_digits(decimals) && decimals.len() <= zeros;
    fits.then(|| format!("{units}{decimals:0<zeros$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_as_they_are_printed_and_in_thousands_and_millions() {
        let good = [
            ("0", 0),
            ("15000", 15_000),
            ("15,000", 15_000),
            ("1,234,567", 1_234_567),
            ("15_000", 15_000),
            (" 15k ", 15_000),
            ("1.5m", 1_500_000),
            ("0.25K", 250),
            ("2M", 2_000_000),
            ("1,500k", 1_500_000),
        ];
        for (text, number) in good {
            assert_eq!(count(text).map(Count::get), Ok(number), "{text:?}");
        }
        for text in [
            "1,5", "1,50", ",500", "1,,000", "1000,000", "15,000.5", "1.5", "1.2345k", "k", ".5k", "1.-5k", "15g",
            "-1", "-1k", "",
        ] {
            let said = format!("`{text}` is not a count: give a whole number, 0 or more");
            assert_eq!(count(text).map_err(|error| error.to_string()), Err(said));
        }
        assert!(count("9,223,372,036,854,775,808").is_err_and(|error| error.to_string().contains("more than")));
    }

    #[test]
    fn amounts_are_read_as_they_are_printed_with_or_without_a_dollar_sign() {
        for (text, micros) in
            [("10,000.00", 10_000_000_000), ("$25", 25_000_000), ("$1,000", 1_000_000_000), ("0.5", 500_000)]
        {
            assert_eq!(money(text).map(Money::micros), Ok(micros), "{text}");
            assert_eq!(spend_limit(text).map(|limit| limit.get().micros()), Ok(micros), "{text}");
        }
        for text in ["-5", "1,0.00", "10,00", "1.000,00", "5k", "$", ""] {
            let said = format!("`{text}` is not an amount: write it like 10.00");
            assert_eq!(money(text).map_err(|error| error.to_string()), Err(said));
        }
        for text in ["0", "$0.00", "0.0000001"] {
            assert!(spend_limit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_out_of_range_are_refused_with_an_explanation() {
        assert_eq!(entries("10,000"), Ok(10_000));
        for text in ["0", "10,001", "9999999999"] {
            assert_eq!(entries(text), Err("give a number from 1 to 10000".to_owned()));
        }
        for text in ["-5s", "soon", "5", ""] {
            let said = format!("`{text}` is not a duration: write one like \"90s\", \"2m\" or \"1h 30m\"");
            assert_eq!(duration(text).map_err(|error| error.to_string()), Err(said));
        }
    }
}
