//! Colours, or none. Every meaning of a colour is also shown as a word or a sign.

use ratatui::style::{Color, Modifier, Style};

use crate::telemetry;

/// The styles of results, with or without colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Theme {
    colored: bool,
}

impl Theme {
    /// With colours.
    pub(in crate::cli) const COLORED: Self = Self { colored: true };
    /// Without colours.
    pub(in crate::cli) const PLAIN: Self = Self { colored: false };

    /// Returns the theme for a terminal: without colours if `NO_COLOR` is set or `TERM` is `dumb`.
    pub(in crate::cli) fn from_environment() -> Self {
        // Callers use a theme on a terminal only, which `true` says.
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

    /// The most urgent style: lost contact with the supervisor, and `pause-all`.
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

    /// A state that ends at a known time.
    pub(in crate::cli) fn waiting(self) -> Style {
        self.color(Color::Cyan)
    }

    /// A campaign that is stopped as promised.
    pub(in crate::cli) fn stopped(self) -> Style {
        self.color(Color::Blue)
    }
}
