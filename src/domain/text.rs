//! Names and reasons: how long one may be, and what is kept of a longer one.

/// In characters. A name stands in every log line about its campaign.
pub const LONGEST_NAME: usize = 200;

/// The text, or its beginning and `…` where it is longer than a name may be.
#[must_use]
pub fn cut(text: &str) -> String {
    if text.chars().nth(LONGEST_NAME).is_none() {
        return text.to_owned();
    }
    text.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_than_a_name_may_be_is_cut_and_says_so() {
        for (text, expected) in [
            (String::new(), String::new()),
            ("ü".repeat(200), "ü".repeat(200)),
            ("ü".repeat(201), "ü".repeat(199) + "…"),
            ("x".repeat(60_000), "x".repeat(199) + "…"),
        ] {
            assert_eq!(cut(&text), expected);
        }
    }
}
