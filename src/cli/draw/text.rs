//! Breaks text into lines that fit, and puts two texts on one line.

use ratatui::text::{Line, Span};

/// Breaks a text between words into lines of at most `width` columns; a longer word is cut.
pub(in crate::cli) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
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

/// Puts the items on lines, with `between` between two items of one line. A new line begins if the next item does not
/// fit. An item that is longer than a line is broken between words. Without a width there is one line.
pub(in crate::cli) fn flow(
    items: Vec<Span<'static>>,
    between: &'static str,
    width: Option<usize>,
) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = vec![Line::default()];
    for item in items {
        let has_room = |line: &Line<'_>| {
            line.spans.is_empty()
                || width.is_none_or(|width| line.width() + Span::raw(between).width() + item.width() <= width)
        };
        if !lines.last().is_some_and(has_room) {
            lines.push(Line::default());
        }
        let Some(line) = lines.last_mut() else { continue };
        if !line.spans.is_empty() {
            line.push_span(Span::raw(between));
        }
        let Some(width) = width.filter(|&width| item.width() > width) else {
            line.push_span(item);
            continue;
        };
        let mut parts = wrap(&item.content, width).into_iter().map(|part| Span::styled(part, item.style));
        lines.pop();
        lines.extend(parts.by_ref().map(Line::from));
    }
    lines
}

/// Returns the line, or its beginning and `…` if it has more than `width` columns.
pub(in crate::cli) fn shortened(line: &Line<'static>, width: usize) -> Line<'static> {
    if line.width() <= width {
        return line.clone();
    }
    let mut left = width.saturating_sub(1);
    let mut short = Line { spans: Vec::new(), ..line.clone() };
    for span in &line.spans {
        let mut content = String::new();
        for letter in span.content.chars() {
            let columns = columns(letter.encode_utf8(&mut [0; 4]));
            if columns > left {
                left = 0;
                break;
            }
            left -= columns;
            content.push(letter);
        }
        short.push_span(Span::styled(content, span.style));
        if left == 0 {
            break;
        }
    }
    if let Some(last) = short.spans.last_mut() {
        last.content.to_mut().push('…');
    }
    short
}

fn columns(text: &str) -> usize {
    Span::raw(text).width()
}

/// Returns a line with one text at the left and one at the right.
pub(in crate::cli) fn both_ends(left: Line<'static>, right: String, width: u16) -> Line<'static> {
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
