//! Text in lines that fit, and two texts on one line.

use ratatui::text::{Line, Span};

/// Breaks a text between words into lines of at most `width` columns; a longer word is cut.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    let columns = |text: &str| Span::raw(text).width();
    for word in text.split(' ') {
        let fits = lines.last().is_some_and(|line| line.is_empty() || columns(line) + 1 + columns(word) <= width);
        if !fits {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut().filter(|line| word.is_empty() && !line.is_empty()) {
            line.push(' ');
        }
        for (place, letter) in word.chars().enumerate() {
            let Some(line) = lines.last_mut() else { break };
            if place == 0 && !line.is_empty() {
                line.push(' ');
            }
            if columns(line) + columns(letter.encode_utf8(&mut [0; 4])) > width {
                lines.push(letter.to_string());
            } else {
                line.push(letter);
            }
        }
    }
    lines
}

/// One text at the left and one at the right of a line.
pub(super) fn both_ends(left: Line<'static>, right: String, width: u16) -> Line<'static> {
    let right = Span::raw(right);
    let between = usize::from(width).saturating_sub(left.width() + right.width());
    let mut line = left;
    line.push_span(Span::raw(" ".repeat(between)));
    line.push_span(right);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_broken_between_words_and_within_one_that_is_too_long() {
        let cases: [(&str, &[&str]); 7] = [
            ("", &[""]),
            ("a   b", &["a   b"]),
            ("one two", &["one two"]),
            ("one two three", &["one two", "three"]),
            ("a extraordinary", &["a", "extraord", "inary"]),
            ("über größe", &["über", "größe"]),
            ("漢字漢字漢字", &["漢字漢字", "漢字"]),
        ];
        for (text, expected) in cases {
            assert_eq!(wrap(text, 8), *expected, "{text}");
        }
    }
}
