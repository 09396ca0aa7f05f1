//! Colours, or none of them: everything that a colour says stands there as a word or a sign, too.

use ratatui::style::{Color, Modifier, Style};

use crate::domain::phase::PhaseWord;
use crate::domain::remote::StatusWord;
use crate::telemetry;

/// How things are marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli::top) struct Theme {
    colored: bool,
}

impl Theme {
    /// With colours.
    pub(in crate::cli::top) const COLORED: Self = Self { colored: true };
    /// Without.
    pub(in crate::cli::top) const PLAIN: Self = Self { colored: false };

    /// Without colours where `NO_COLOR` is set to anything.
    pub(in crate::cli::top) fn from_environment() -> Self {
        // It is drawn on a terminal alone.
        if telemetry::has_colours(true) { Self::COLORED } else { Self::PLAIN }
    }

    fn color(self, color: Color) -> Style {
        if self.colored { Style::new().fg(color) } else { Style::new() }
    }

    pub(super) fn good(self) -> Style {
        self.color(Color::Green)
    }

    pub(super) fn warning(self) -> Style {
        self.color(Color::Yellow)
    }

    pub(super) fn bad(self) -> Style {
        self.color(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// What has to be seen from across the room.
    pub(super) fn alarm(self) -> Style {
        self.bad().add_modifier(Modifier::REVERSED)
    }

    pub(super) fn label(self) -> Style {
        self.color(Color::DarkGray)
    }

    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(super) fn state(self, state: PhaseWord, guarded: bool) -> Style {
        match state {
            _ if !guarded => self.label(),
            PhaseWord::Idle => Style::new(),
            PhaseWord::ActiveGuarded => self.good(),
            PhaseWord::PausedGuarded => self.color(Color::Blue),
            PhaseWord::CoolingDown => self.color(Color::Cyan),
        }
    }

    pub(super) fn remote(self, status: StatusWord) -> Style {
        match status {
            StatusWord::Running => self.good(),
            StatusWord::Stopped => self.color(Color::Blue),
            StatusWord::Blocked => self.bad(),
            StatusWord::Unknown => self.warning(),
        }
    }
}
