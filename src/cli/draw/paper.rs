//! The place where results are printed: its width, its colours, and the text that is written to it.

use std::io::IsTerminal;

use ratatui::crossterm::terminal;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;

use super::theme::Theme;
use crate::printable::printable;

/// The place where results are printed: a terminal, a pipe or a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Paper {
    /// The number of columns; `None` for a pipe or a file, whose lines may have any length.
    pub(in crate::cli) width: Option<usize>,
    /// The colours, or none.
    pub(in crate::cli) theme: Theme,
}

impl Paper {
    /// Returns the place behind standard output. A pipe and a file never get colours.
    pub(in crate::cli) fn of_stdout() -> Self {
        if !std::io::stdout().is_terminal() {
            return Self { width: None, theme: Theme::PLAIN };
        }
        let width = terminal::size().ok().map(|(columns, _)| usize::from(columns)).filter(|&columns| columns > 0);
        Self { width, theme: Theme::from_environment() }
    }
}

/// Returns the lines as text, each with a line break. Only the theme's colours produce escape characters; escape
/// characters within the text are replaced.
pub(in crate::cli) fn written(lines: &[Line<'_>], theme: Theme) -> String {
    let mut text = String::new();
    for line in lines {
        let mut parts = String::new();
        for span in &line.spans {
            let (begin, content) = (codes(line.style.patch(span.style)), printable(&span.content));
            if begin.is_empty() || theme == Theme::PLAIN {
                parts.push_str(&content);
            } else {
                parts.push_str(&format!("\x1b[{}m{content}\x1b[0m", begin.join(";")));
            }
        }
        text.push_str(parts.trim_end());
        text.push('\n');
    }
    text
}

/// Returns the terminal's codes for a style of a [`Theme`].
fn codes(style: Style) -> Vec<&'static str> {
    let modifiers = [(Modifier::BOLD, "1"), (Modifier::REVERSED, "7")];
    let modifiers = modifiers.into_iter().filter(|(modifier, _)| style.add_modifier.contains(*modifier));
    let colors = [
        (Color::Red, "31"),
        (Color::Green, "32"),
        (Color::Yellow, "33"),
        (Color::Blue, "34"),
        (Color::Cyan, "36"),
        (Color::DarkGray, "90"),
    ];
    let color = colors.into_iter().filter(|(color, _)| style.fg == Some(*color));
    modifiers.map(|(_, code)| code).chain(color.map(|(_, code)| code)).collect()
}

#[cfg(test)]
mod tests {
    use ratatui::text::Span;

    use super::*;

    #[test]
    fn only_the_themes_colours_reach_a_terminal_as_escapes() {
        let line = |theme: Theme| [Line::from(vec![Span::styled("a\x1b[2Jb", theme.bad()), Span::raw(" c  ")])];
        let written = |theme| written(&line(theme), theme);
        assert_eq!(written(Theme::COLORED), "\x1b[1;31ma\u{fffd}[2Jb\x1b[0m c\n");
        assert_eq!(written(Theme::PLAIN), "a\u{fffd}[2Jb c\n");
    }
}
