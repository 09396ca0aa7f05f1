//! This room makes text from outside safe to show: names of rows, and words and messages of TrafficStars, the database
//! and operators. It leaves to its callers which part of a text is shown.
//!
//! Dangerous characters are invisible and have an effect: they could move a terminal's cursor, forge a line of the log
//! or of a table, or reverse the text around them. They are the control characters (line breaks, DEL and C1 included),
//! the formatting characters of bidirectional text, and the separators of lines and paragraphs. Joiners and combining
//! marks are kept, since scripts and emoji need them.
//!
//! Deliberately absent: which part of an answer is quoted (`trafficstar::excerpt`).

/// The replacement for a dangerous character.
const REPLACEMENT: char = '\u{fffd}';

/// Whether a character is dangerous.
fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

fn replaced(character: char) -> char {
    if is_dangerous(character) { REPLACEMENT } else { character }
}

/// Returns the text with each dangerous character replaced. No character is removed: otherwise a word could turn into
/// one that the program knows.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(replaced).collect()
}

/// Returns the JSON with each dangerous character in its texts replaced, as in [`printable`]; names of fields are
/// texts, too. White space between its parts is kept.
#[must_use]
pub fn printable_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    let mut rest = json.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            shown.push(if is_within_text(character) { replaced(character) } else { character });
            continue;
        }
        let (escaped, length) = escaped(rest.as_str());
        let (escape, behind) = rest.as_str().split_at(length);
        if escaped.is_some_and(is_dangerous) {
            shown.push(REPLACEMENT);
        } else {
            shown.push('\\');
            shown.push_str(escape);
        }
        rest = behind.chars();
    }
    shown
}

/// Returns the character that an escape stands for, if it may be dangerous, and the number of bytes after its
/// backslash.
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

/// Returns JSON of the same meaning, with each dangerous character written as an escape. So a program gets the value
/// unchanged, and the JSON is safe to print on a terminal.
#[must_use]
pub fn escaped_json(json: String) -> String {
    if !json.chars().any(|character| is_within_text(character) && is_dangerous(character)) {
        return json;
    }
    json.chars().fold(String::with_capacity(json.len()), |mut escaped, character| {
        if is_within_text(character) && is_dangerous(character) {
            // The code of each dangerous character has at most four digits.
            escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            escaped.push(character);
        }
        escaped
    })
}

/// Whether a character can be part of a text in JSON. Characters below the space occur only as white space between its
/// parts: within a text JSON requires an escape for them.
const fn is_within_text(character: char) -> bool {
    character >= ' '
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Returns every dangerous character, listed by kind.
    fn dangerous() -> impl Iterator<Item = char> {
        let control = ('\0'..='\u{1f}').chain('\u{7f}'..='\u{9f}');
        let bidirectional =
            "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
        control.chain(bidirectional.chars()).chain("\u{2028}\u{2029}".chars())
    }

    #[test]
    fn only_dangerous_characters_are_replaced() {
        let all = ('\0'..=char::MAX).filter(|character| printable(&character.to_string()) != character.to_string());
        let mut expected: Vec<char> = dangerous().collect();
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
    fn dangerous_characters_are_replaced_only_within_the_texts_of_json() {
        for (json, shown) in [
            ("{\"a\": [1,\n\t\"b\"]}\n", "{\"a\": [1,\n\t\"b\"]}\n"),
            (r#""two\nlines\r\t\b\f""#, "\"two\u{fffd}lines\u{fffd}\u{fffd}\u{fffd}\u{fffd}\""),
            (r#""\u001b[31m \u202E \u0085""#, "\"\u{fffd}[31m \u{fffd} \u{fffd}\""),
            ("\"\u{7f}\u{85}\u{2028}\"", "\"\u{fffd}\u{fffd}\u{fffd}\""),
            (r#""\\n \" \\\n \/ \u00fc""#, "\"\\\\n \\\" \\\\\u{fffd} \\/ \\u00fc\""),
            // Invalid JSON, which is kept as it is.
            (r#""\u12"#, r#""\u12"#),
            (r#""\uzzzz""#, r#""\uzzzz""#),
            ("\"\\ü\"", "\"\\ü\""),
            ("\"\\", "\"\\"),
        ] {
            assert_eq!(printable_json(json), shown, "{json}");
        }
    }

    #[test]
    fn escaped_json_has_the_same_meaning_and_no_dangerous_characters_except_its_own_line_breaks() {
        let text: String = dangerous().chain("ü\u{200d}👧\\\"".chars()).collect();
        let value = serde_json::json!({"name": text, text.as_str(): [1]});
        for json in [serde_json::to_string(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap()] {
            let escaped = escaped_json(json);
            assert_eq!(serde_json::from_str::<Value>(&escaped).unwrap(), value);
            assert!(!escaped.chars().any(|character| is_dangerous(character) && character != '\n'), "{escaped:?}");
        }
    }
}
