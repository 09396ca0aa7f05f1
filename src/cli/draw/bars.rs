//! Draws numbers: bars against a threshold, and sparklines over time.

use ratatui::text::Span;

use super::theme::Theme;
use crate::domain::money::{Clicks, Money};

/// The last cell of a bar, in steps of an eighth.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
/// The columns of a sparkline, from the lowest to the highest.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Returns `value` of `full` as a bar of `width` cells; more than full is drawn as full. `mark` is a second threshold,
/// drawn if the bar does not cover it.
pub(in crate::cli) fn bar(value: u64, full: u64, mark: Option<u64>, width: usize) -> String {
    let cells = |value: u64, parts: u128| {
        let parts = u128::from(value.min(full)) * width as u128 * parts / u128::from(full.max(1));
        usize::try_from(parts).unwrap_or(usize::MAX)
    };
    let eighths = cells(value, 8);
    let marked = mark.map(|mark| cells(mark, 1));
    let cell = |place: usize| match eighths.saturating_sub(place * 8) {
        // A small value must not look like 0.
        0 if place == 0 && value > 0 => '▏',
        0 if marked == Some(place) => '┊',
        0 => '·',
        covered => EIGHTHS.get(covered.min(8) - 1).copied().unwrap_or('█'),
    };
    (0..width).map(cell).collect()
}

/// Returns the values as a sparkline, scaled between the smallest and the largest value.
pub(in crate::cli) fn spark(values: impl Iterator<Item = u64> + Clone) -> String {
    let least = values.clone().min().unwrap_or(0);
    let span = u128::from(values.clone().max().unwrap_or(0) - least);
    let level = |value: u64| match (u128::from(value - least) * 7).checked_div(span) {
        Some(level) => LEVELS.get(usize::try_from(level).unwrap_or(7)).copied().unwrap_or('█'),
        // All values are equal.
        None => '▁',
    };
    values.map(level).collect()
}

/// Returns an amount with two decimals. It is cut, not rounded: 9.999 must not look like a limit of 10.00.
pub(in crate::cli) fn to_cents(amount: Money) -> String {
    let text = amount.to_string();
    text.split_once('.').map_or_else(
        || text.clone(),
        |(units, decimals)| format!("{units}.{}", decimals.chars().take(2).collect::<String>()),
    )
}

/// Returns a bar of today's spend against its limit.
pub(in crate::cli) fn spend_bar<'c>(spend: Money, limit: Money, theme: Theme, width: usize) -> Span<'c> {
    let micros = |amount: Money| u64::try_from(amount.micros()).unwrap_or(0);
    let (spend, limit) = (micros(spend), micros(limit));
    let style = if spend >= limit {
        theme.bad()
    } else if spend >= limit - limit / 5 {
        theme.warning()
    } else {
        theme.good()
    };
    Span::styled(bar(spend, limit, None, width), style)
}

/// Returns a bar of the remaining clicks against the `[activate, pause]` thresholds, with a mark at the pause
/// threshold.
pub(in crate::cli) fn clicks_bar<'c>(
    clicks: Clicks,
    [activate, pause]: [Clicks; 2],
    theme: Theme,
    width: usize,
) -> Span<'c> {
    let style = if clicks <= pause {
        theme.bad()
    } else if clicks < activate {
        theme.warning()
    } else {
        theme.good()
    };
    Span::styled(bar(clicks.0, activate.0, Some(pause.0), width), style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_shows_its_share_and_an_uncovered_mark() {
        let cases = [
            ((0, 100, None, 4), "····"),
            ((1, 100_000, None, 4), "▏···"),
            ((50, 100, None, 4), "██··"),
            ((55, 100, None, 4), "██▏·"),
            ((100, 100, None, 4), "████"),
            ((500, 100, None, 4), "████"),
            ((20, 100, Some(50), 4), "▊·┊·"),
            ((80, 100, Some(50), 4), "███▏"),
            ((5, 0, None, 4), "▏···"),
            ((u64::MAX, u64::MAX, None, 4), "████"),
            ((1, 2, None, 0), ""),
        ];
        for ((value, full, mark, width), expected) in cases {
            assert_eq!(bar(value, full, mark, width), *expected, "{value} of {full}");
        }
    }

    #[test]
    fn a_sparkline_is_scaled_from_the_smallest_to_the_largest_value() {
        let cases: [(&[u64], &str); 5] =
            [(&[], ""), (&[7], "▁"), (&[3, 3, 3], "▁▁▁"), (&[0, 1, 2, 7], "▁▂▃█"), (&[u64::MAX, 0], "█▁")];
        for (values, expected) in cases {
            assert_eq!(spark(values.iter().copied()), expected, "{values:?}");
        }
    }
}
