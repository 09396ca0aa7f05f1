//! Text from outside, fit to be shown: names of rows, words and messages of TrafficStars, of the database, of operators.
//!
//! A character that acts instead of being seen could move a terminal's cursor, forge a line of the log or of a table, or
//! turn the text around it: control characters (line breaks, DEL and C1 among them), the formatting characters of
//! bidirectional text, and the separators of lines and paragraphs. Joiners and marks that belong to a letter stay, since
//! scripts and emoji need them.
//!
//! Deliberately absent: what is quoted of an answer, and how much (`trafficstar::excerpt`).

/// Stands in the place of a character that is not shown.
const REPLACEMENT: char = '\u{fffd}';

/// Whether a character acts instead of being seen.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

fn seen(character: char) -> char {
    if acts(character) { REPLACEMENT } else { character }
}

/// The text with a replacement in the place of each character that acts. As many characters as before: no other word
/// becomes one that the program knows.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(seen).collect()
}

/// JSON whose texts are [`printable`], names of fields included. White space between its parts stays.
#[must_use]
pub fn printable_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    let mut rest = json.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            shown.push(if is_within_text(character) { seen(character) } else { character });
            continue;
        }
        let (escaped, length) = escaped(rest.as_str());
        let (escape, behind) = rest.as_str().split_at(length);
        if escaped.is_some_and(acts) {
            shown.push(REPLACEMENT);
        } else {
            shown.push('\\');
            shown.push_str(escape);
        }
        rest = behind.chars();
    }
    shown
}

/// What an escape stands for, where it is known, and how many bytes it has behind its backslash.
fn escaped(behind_backslash: &str) -> (Option<char>, usize) {
    match behind_backslash.chars().next() {
        Some('b' | 'f' | 'n' | 'r' | 't') => (Some('\n'), 1),
        Some('u') => match behind_backslash.get(1..5).map(|digits| u32::from_str_radix(digits, 16)) {
            Some(Ok(code)) => (char::from_u32(code), 5),
            Some(Err(_)) | None => (None, 1),
        },
        Some(other) => (None, other.len_utf8()),
        None => (None, 0),
    }
}

/// JSON that means the same, with an escape in the place of each character that acts: a value reaches programs as it is,
/// and a terminal that the JSON is printed on is safe.
#[must_use]
pub fn escaped_json(json: String) -> String {
    if !json.chars().any(|character| is_within_text(character) && acts(character)) {
        return json;
    }
    json.chars().fold(String::with_capacity(json.len()), |mut escaped, character| {
        if is_within_text(character) && acts(character) {
            // Each of them has a code of four digits.
            escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            escaped.push(character);
        }
        escaped
    })
}

/// What JSON has between its parts is below the space, and within a text it escapes all of that.
const fn is_within_text(character: char) -> bool {
    character >= ' '
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Every character that must not be shown, from the list of what they do.
    fn acting() -> impl Iterator<Item = char> {
        let control = ('\0'..='\u{1f}').chain('\u{7f}'..='\u{9f}');
        let bidirectional =
            "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
        control.chain(bidirectional.chars()).chain("\u{2028}\u{2029}".chars())
    }

    #[test]
    fn each_character_that_acts_is_replaced_and_no_other() {
        let all = ('\0'..=char::MAX).filter(|character| printable(&character.to_string()) != character.to_string());
        let mut expected: Vec<char> = acting().collect();
        expected.sort_unstable();
        assert_eq!(all.collect::<Vec<_>>(), expected);
        for (text, shown) in [
            ("shoes", "shoes"),
            ("\u{1b}[31mred", "\u{fffd}[31mred"),
            (" two\r\nlines ", " two\u{fffd}\u{fffd}lines "),
            ("enabled\u{202e}", "enabled\u{fffd}"),
            ("Füße 鞋 👩\u{200d}👧 e\u{301}", "Füße 鞋 👩\u{200d}👧 e\u{301}"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    #[test]
    fn json_is_printable_in_its_texts_and_otherwise_as_it_was() {
        for (json, shown) in [
            ("{\"a\": [1,\n\t\"b\"]}\n", "{\"a\": [1,\n\t\"b\"]}\n"),
            (r#""two\nlines\r\t\b\f""#, "\"two\u{fffd}lines\u{fffd}\u{fffd}\u{fffd}\u{fffd}\""),
            (r#""\u001b[31m \u202E \u0085""#, "\"\u{fffd}[31m \u{fffd} \u{fffd}\""),
            ("\"\u{7f}\u{85}\u{2028}\"", "\"\u{fffd}\u{fffd}\u{fffd}\""),
            (r#""\\n \" \\\n \/ \u00fc""#, "\"\\\\n \\\" \\\\\u{fffd} \\/ \\u00fc\""),
            // No JSON, which stays none.
            (r#""\u12"#, r#""\u12"#),
            (r#""\uzzzz""#, r#""\uzzzz""#),
            ("\"\\ü\"", "\"\\ü\""),
            ("\"\\", "\"\\"),
        ] {
            assert_eq!(printable_json(json), shown, "{json}");
        }
    }

    #[test]
    fn escaped_json_means_the_same_and_has_nothing_that_acts_but_its_own_line_breaks() {
        let text: String = acting().chain("ü\u{200d}👧\\\"".chars()).collect();
        let value = serde_json::json!({"name": text, text.as_str(): [1]});
        for json in [serde_json::to_string(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap()] {
            let escaped = escaped_json(json);
            assert_eq!(serde_json::from_str::<Value>(&escaped).unwrap(), value);
            assert!(!escaped.chars().any(|character| acts(character) && character != '\n'), "{escaped:?}");
        }
    }
}
