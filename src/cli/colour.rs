//! Colour on a terminal. Whatever a colour says stands there as a word or a sign, too.

use std::io::IsTerminal;

use crate::printable::printable;
use crate::telemetry;

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tint {
    /// As it should be.
    Good,
    /// Worth a look.
    Warning,
    /// Wrong.
    Bad,
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    text: String,
    tint: Option<Tint>,
}

impl Span {
    /// In the colour of the terminal's text.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), tint: None }
    }

    /// In a colour.
    pub(super) fn tinted(text: impl Into<String>, tint: Tint) -> Self {
        Self { text: text.into(), tint: Some(tint) }
    }

    /// As it is printed. What came from outside is made fit to be shown here: the colours are ours alone.
    fn painted(&self, is_coloured: bool) -> String {
        let text = printable(&self.text);
        let code = match self.tint.filter(|_| is_coloured) {
            None => return text,
            Some(Tint::Good) => "32",
            Some(Tint::Warning) => "33",
            Some(Tint::Bad) => "1;31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Lines of text for stdout, in colours where a person looks at them.
pub(super) fn painted(lines: &[Vec<Span>]) -> String {
    paint(lines, telemetry::has_colours(std::io::stdout().is_terminal()))
}

fn paint(lines: &[Vec<Span>], is_coloured: bool) -> String {
    let line = |spans: &Vec<Span>| spans.iter().map(|span| span.painted(is_coloured)).collect::<String>();
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_ours_alone_and_left_out_where_nobody_looks() {
        let lines = [vec![Span::tinted("✗", Tint::Bad), Span::plain(" a\x1b[2Jb")], vec![Span::plain("c")]];
        let shown = printable("a\x1b[2Jb");
        assert!(!shown.contains('\x1b'));
        assert_eq!(paint(&lines, false), format!("✗ {shown}\nc"));
        assert_eq!(paint(&lines, true), format!("\x1b[1;31m✗\x1b[0m {shown}\nc"));
    }
}
