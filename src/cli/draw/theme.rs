//! Colours, or none of them: everything that a colour says stands there as a word or a sign, too.

use ratatui::style::{Color, Modifier, Style};

use crate::telemetry;

/// How things are marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Theme {
    colored: bool,
}

impl Theme {
    /// With colours.
    pub(in crate::cli) const COLORED: Self = Self { colored: true };
    /// Without.
    pub(in crate::cli) const PLAIN: Self = Self { colored: false };

    /// Without colours where `NO_COLOR` is set to anything, and on a terminal that has none.
    pub(in crate::cli) fn from_environment() -> Self {
        // What has a theme is drawn on a terminal.
        if telemetry::has_colours(true) { Self::COLORED } else { Self::PLAIN }
    }

    fn color(self, color: Color) -> Style {
        if self.colored { Style::new().fg(color) } else { Style::new() }
    }

    pub(in crate::cli) fn good(self) -> Style {
        self.color(Color::Green)
    }

    pub(in crate::cli) fn warning(self) -> Style {
        self.color(Color::Yellow)
    }

    pub(in crate::cli) fn bad(self) -> Style {
        self.color(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// What has to be seen from across the room.
    pub(in crate::cli) fn alarm(self) -> Style {
        self.bad().add_modifier(Modifier::REVERSED)
    }

    pub(in crate::cli) fn label(self) -> Style {
        self.color(Color::DarkGray)
    }

    pub(in crate::cli) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(in crate::cli) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// What waits for an end that is known.
    pub(in crate::cli) fn waiting(self) -> Style {
        self.color(Color::Cyan)
    }

    /// What stands still, as it should.
    pub(in crate::cli) fn stopped(self) -> Style {
        self.color(Color::Blue)
    }
}
