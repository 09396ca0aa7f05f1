//! Excerpts of answers that are safe to show: the beginning, printable, without personal data.
//!
//! Personal data is everything that looks like an e-mail address, and the value of a field whose name contains "user"
//! or "mail". In JSON, only that value is hidden. In any other answer (cut off, HTML, JSON inside other text) the end
//! of the value is not known, so everything after the field's name is hidden.
//!
//! Deliberately absent: the account's secrets. `http` knows and hides them.

use serde_json::Value;

use crate::printable::printable;

/// The number of characters that an error quotes of an answer.
const SHOWN_CHARACTERS: usize = 120;
/// The number of characters that are examined of a text that is not JSON.
const READ_CHARACTERS: usize = 4096;
/// The replacement for personal data.
const HIDDEN: &str = "[hidden]";
/// The characters that are, or are read as, the `@` of an address.
const AT: [char; 3] = ['@', '\u{ff20}', '\u{fe6b}'];

/// Returns the beginning of a status word. Nothing is trimmed, and hidden parts leave a mark. Otherwise an unknown word
/// could become a word that the program knows.
pub(super) fn word(text: &str) -> String {
    beginning(&impersonal_text(text))
}

/// Returns the beginning of a text, without personal data.
pub(super) fn excerpt(text: &str) -> String {
    beginning(&impersonal(text))
}

/// Returns the beginning of a value as JSON, without personal data.
pub(super) fn excerpt_of(value: &Value) -> String {
    beginning(&impersonal_value(value).to_string())
}

/// Returns the beginning of a text that has no personal data, on one line.
pub(super) fn beginning(text: &str) -> String {
    let mut characters = text.chars();
    let mut beginning: String = characters.by_ref().take(SHOWN_CHARACTERS).collect();
    if characters.next().is_some() {
        beginning.push('…');
    }
    printable(&beginning)
}

/// Returns the text without personal data and without line breaks.
pub(super) fn impersonal(text: &str) -> String {
    let text = text.trim();
    let json = text.starts_with(['{', '[', '"']).then(|| serde_json::from_str::<Value>(text).ok()).flatten();
    let on_one_line = || text.replace(|character: char| character.is_ascii_whitespace(), " ");
    json.map_or_else(|| impersonal_text(&on_one_line()), |value| impersonal_value(&value).to_string())
}

fn impersonal_value(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(impersonal_text(text)),
        Value::Array(values) => values.iter().map(impersonal_value).collect(),
        Value::Object(fields) => {
            let shown = |(name, value): (&String, &Value)| {
                let value = if is_personal(name) { Value::from(HIDDEN) } else { impersonal_value(value) };
                (without_addresses(name), value)
            };
            Value::Object(fields.iter().map(shown).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Returns a text that is not JSON, or a text inside JSON, without personal data. The characters behind its escapes are
/// examined and never shown: they may be one of the account's secrets, which are only hidden in the form that was sent.
fn impersonal_text(text: &str) -> String {
    let mut characters = text.chars();
    let mut read: String = characters.by_ref().take(READ_CHARACTERS).collect();
    if characters.next().is_some() {
        read.truncate(end_of_whole_words(&read));
        read.push('…');
    }
    let plain = unescaped(&read);
    if without_personal(&plain) == plain || read == plain {
        return without_personal(&read);
    }
    // After the first escape, the place of the personal part in the text is not known.
    let common = read.char_indices().zip(plain.chars()).find(|((_, read), plain)| read != plain);
    let before = common.and_then(|((at, _), _)| read.get(..at)).unwrap_or(&read);
    let before = before.get(..end_of_whole_words(before)).unwrap_or_default();
    let shown = without_personal(before);
    if shown.ends_with(HIDDEN) { shown } else { shown + HIDDEN }
}

/// Returns the position at which a cut-off text ends without what might be half an address.
fn end_of_whole_words(text: &str) -> usize {
    text.trim_end_matches(|character| !ends_address(character)).len()
}

fn without_personal(text: &str) -> String {
    match end_of_personal_name(text).and_then(|end| text.split_at_checked(end)) {
        Some((before, _)) => without_addresses(before) + HIDDEN,
        None => without_addresses(text),
    }
}

/// Whether a field of this name holds personal data.
fn is_personal(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    PERSONAL.iter().any(|word| name.contains(word))
}

const PERSONAL: [&str; 2] = ["user", "mail"];

/// Returns the position after the first personal field's name and separator, such as `"user":`, `\"email\": `,
/// `mailto:`, `user[name]=`, `<user>`.
fn end_of_personal_name(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let end_of = |(start, word): (usize, &str)| {
        let (before, after) = lower.split_at_checked(start + word.len())?;
        let is_element = before.strip_suffix(word).is_some_and(|before| before.ends_with('<'));
        let behind_name =
            after.trim_start_matches(|character: char| character.is_alphanumeric() || "_-.[]$".contains(character));
        let behind_quotes =
            behind_name.trim_start_matches(|character: char| character.is_whitespace() || "\\\"'`".contains(character));
        let separated = behind_quotes.strip_prefix([':', '=', '>']);
        separated.or(is_element.then_some(after)).map(|value| lower.len() - value.len())
    };
    PERSONAL.iter().flat_map(|word| lower.match_indices(word)).filter_map(end_of).min()
}

/// Returns the text with e-mail addresses hidden: an `@` and everything directly before and after it.
fn without_addresses(text: &str) -> String {
    let shown = |run: &str| {
        let is_address = run.contains(AT) && !run.chars().all(|character| AT.contains(&character));
        if is_address { HIDDEN.to_owned() } else { run.to_owned() }
    };
    text.split_inclusive(ends_address)
        .map(|run| match run.char_indices().next_back() {
            Some((end, last)) if ends_address(last) => shown(run.get(..end).unwrap_or_default()) + &last.to_string(),
            Some(_) | None => shown(run),
        })
        .collect()
}

/// Whether the character cannot be part of an address.
fn ends_address(character: char) -> bool {
    character.is_whitespace() || "\"<>()[]{},;:\\".contains(character)
}

/// Returns the text with the escapes of JSON (`\u0040`), HTML (`&#64;`, `&quot;`) and URLs (`%40`) replaced by their
/// characters.
fn unescaped(text: &str) -> String {
    const ENTITIES: [(&str, &str); 7] = [
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#x22;", "\""),
        ("&commat;", "@"),
        ("&#64;", "@"),
        ("&#x40;", "@"),
        ("&amp;", "&"),
    ];
    let text = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
    let text = ENTITIES.iter().fold(text.into_owned(), |text, (entity, plain)| text.replace(entity, plain));
    let mut parts = text.split("\\u");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        match code.zip(part.get(4..)) {
            Some((character, rest)) => {
                // JSON inside JSON has more backslashes.
                plain.truncate(plain.trim_end_matches('\\').len());
                plain.push(character);
                plain.push_str(rest);
            }
            None => plain = plain + "\\u" + part,
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_excerpt_is_one_bounded_line() {
        assert_eq!(excerpt("\n two\nlines\r"), "two lines");
        assert_eq!(excerpt("\u{1b}[31m\u{202e}"), "\u{fffd}[31m\u{fffd}");
        assert_eq!(excerpt(&"x".repeat(121)), "x".repeat(120) + "…");
        assert_eq!(word(" enabled\n"), " enabled\u{fffd}");
        assert_eq!(word(&"x".repeat(READ_CHARACTERS + 1)), "…");
        assert_eq!(word("joe@example.com"), "[hidden]");
        assert_eq!(word("{\"user\":\n\"Joe"), "{\"user\":[hidden]");
    }

    #[test]
    fn a_text_without_personal_data_is_quoted_unchanged() {
        for text in [
            r#"{"error":"later"}"#,
            "<html>down</html>",
            "the user is not allowed",
            "@ 12",
            "100% of 3",
            "no \\u of ours",
            r#"caf\u00e9 %20 &quot;"#,
            "",
        ] {
            assert_eq!(excerpt(text), text);
        }
    }

    #[test]
    fn personal_data_of_an_answer_is_hidden() {
        for (text, shown) in [
            (r#"{"error": "no", "email": "joe@example.com"}"#, r#"{"email":"[hidden]","error":"no"}"#),
            (
                r#"{"a": [{"user": {"name": "Joe", "tags": ["}"]}, "active": 1}]}"#,
                r#"{"a":[{"active":1,"user":"[hidden]"}]}"#,
            ),
            (r#"{"note": "write to joe@example.com, please"}"#, r#"{"note":"write to [hidden], please"}"#),
            (r#"{"joe@example.com": 1}"#, r#"{"[hidden]":1}"#),
            (r#"{"\u0075ser": "Joe", "b": "joe\u0040example.com"}"#, r#"{"b":"[hidden]","user":"[hidden]"}"#),
            // JSON inside a text.
            (r#"{"body": "{\"user\": {\"name\": \"Joe\"}, \"b\": 1}"}"#, r#"{"body":"{\"user\":[hidden]"}"#),
            (r#"{"body": "got {\"user\": {\"name\": \"Joe\"}}"}"#, r#"{"body":"got {\"user\":[hidden]"}"#),
            // No JSON: cut off, in quotes, in HTML.
            (r#"{"a": 1, "user": {"name": "Jo"#, r#"{"a": 1, "user":[hidden]"#),
            (r#"{"a": 1, "email": "joe.d"#, r#"{"a": 1, "email":[hidden]"#),
            (r#"{"a": 1, "mail": "joe.doe@exam"#, r#"{"a": 1, "mail":[hidden]"#),
            (r#"{"a": "joe.doe@exam"#, r#"{"a": "[hidden]"#),
            (r#"{"a": "joe\u0040example.com", "\u0075ser" : {"#, r#"{"a": "[hidden]"#),
            (r#""{\\\"user\\\": {\\\"name\\\": \\\"Joe"#, r#""{\\\"user\\\":[hidden]"#),
            ("<p>{&quot;user&quot;: {&quot;name&quot;", "<p>{[hidden]"),
            ("<p>ask joe&#64;example.com</p>", "<p>ask [hidden]"),
            (r#"<a href="mailto:joe@example.com">Joe</a>"#, r#"<a href="mailto:[hidden]"#),
            ("<user id=\"7\">Joe</user>", "<user[hidden]"),
            ("Unknown user: Joe Doe", "Unknown user:[hidden]"),
            ("next=/?user[name]=Joe", "next=/?user[name]=[hidden]"),
            ("to=joe%40example.com", "[hidden]"),
            ("joe＠example.com", "[hidden]"),
        ] {
            assert_eq!(excerpt(text), shown, "{text}");
        }
        let value = json!({"b": ["joe@example.com"], "user": {"name": "Joe"}});
        assert_eq!(excerpt_of(&value), r#"{"b":["[hidden]"],"user":"[hidden]"}"#);
    }

    #[test]
    fn half_an_address_at_the_end_of_the_examined_text_is_not_shown() {
        let text = ("x".repeat(405) + "@b ").repeat(10) + "joe.doe.of.example@example.com";
        assert!(!excerpt(&text).contains("joe"), "{}", excerpt(&text));
    }
}
