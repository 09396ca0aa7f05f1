//! `manual`: the operator's manual. Each topic is a Markdown file below `src/cli/manual`.
//!
//! Deliberately absent: the rules and the control API, whose pages are beside their code (`src/domain/RULES.md`,
//! `src/control/API.md`), and the first steps, which are in README.md.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io::Write as _;

use clap::ValueEnum;
use ratatui::text::{Line, Span};

use super::CommandError;
use super::draw::paper::{Paper, written};
use super::draw::theme::Theme;

/// The topics, in the order in which they are listed and printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Topic {
    /// The rules of all commands: ids, numbers, options, exit statuses
    Commands,
    /// The config file, the environment, the API key, and a reload
    Config,
    /// The screens of status, health, explain and top
    Screens,
    /// Process, force, hold, pause all, enable and disable
    Orders,
    /// Campaigns and URLs: by command, and by the tables that a tracker writes
    Campaigns,
    /// The past and the present of campaigns: history, watch and wait
    Journal,
    /// The control API: curl, events, health, metrics
    Api,
    /// The control API in a browser, and how text from outside is shown
    Browser,
    /// The program's conduct in a crash, a fault or an outage
    Failures,
    /// Alerts: of what operators are told, and when
    Alerts,
    /// Receivers of alerts: webhooks, chats, commands, and templates
    AlertReceivers,
    /// The account's limit of requests, and what is sent first
    Limit,
    /// SQLite and PostgreSQL: set-up, trouble, history, back-up, upgrade
    Database,
    /// Several supervisors on one database: leader and standby
    TwoMachines,
    /// The Debian package and systemd: install, upgrade, watchdog, journal
    Deployment,
    /// An HTTP proxy between the program and TrafficStars
    Proxy,
    /// Features that are planned, and absent so far
    NotYet,
}

impl Topic {
    /// Returns the topic's word on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Returns the topic's subject, in one line.
    pub(super) fn about(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// Returns the topic's page, in Markdown.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Commands => include_str!("manual/commands.md"),
            Self::Config => include_str!("manual/config.md"),
            Self::Screens => include_str!("manual/screens.md"),
            Self::Orders => include_str!("manual/orders.md"),
            Self::Campaigns => include_str!("manual/campaigns.md"),
            Self::Journal => include_str!("manual/journal.md"),
            Self::Api => include_str!("manual/api.md"),
            Self::Browser => include_str!("manual/browser.md"),
            Self::Failures => include_str!("manual/failures.md"),
            Self::Alerts => include_str!("manual/alerts.md"),
            Self::AlertReceivers => include_str!("manual/alert-receivers.md"),
            Self::Limit => include_str!("manual/limit.md"),
            Self::Database => include_str!("manual/database.md"),
            Self::TwoMachines => include_str!("manual/two-machines.md"),
            Self::Deployment => include_str!("manual/deployment.md"),
            Self::Proxy => include_str!("manual/proxy.md"),
            Self::NotYet => include_str!("manual/not-yet.md"),
        }
    }
}

/// Prints a topic, all of them, or the table of contents.
pub(super) fn manual(topic: Option<Topic>, all: bool) -> Result<(), CommandError> {
    let text = match topic {
        Some(topic) => topic.text().to_owned(),
        None if all => Topic::value_variants().iter().map(|topic| topic.text()).collect::<Vec<_>>().join("\n"),
        None => contents(),
    };
    let drawn = drawn(&text, Paper::of_stdout().theme);
    std::io::stdout().lock().write_all(drawn.as_bytes()).map_err(CommandError::Print)
}

/// Returns the table of contents: each topic with its subject, and how to read one.
fn contents() -> String {
    let topics = Topic::value_variants();
    let longest = topics.iter().map(|topic| topic.name().len()).max().unwrap_or_default();
    let mut text = "# The manual of Traffic Generator\n\n".to_owned();
    for topic in topics {
        // Writing to a string succeeds.
        let _ = writeln!(text, "  {:<longest$}  {}", topic.name(), topic.about());
    }
    text + "\nOne topic:  traffic-generator manual limit\n\
            All topics: traffic-generator manual --all | less\n\
            A command:  traffic-generator explain --help\n\n\
            The source has the rules (src/domain/RULES.md), the states (src/domain/LIFECYCLE.md) and the\n\
            control API (src/control/API.md).\n"
}

/// Returns the text unchanged or, on a terminal that has colours, with bold headings.
fn drawn(text: &str, theme: Theme) -> String {
    if theme == Theme::PLAIN {
        return text.to_owned();
    }
    let mut is_code = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        is_code ^= line.starts_with("```");
        let heading = line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#') && !is_code);
        lines.push(match heading {
            Some(heading) => Line::from(Span::styled(heading, theme.strong())),
            None => Line::raw(line),
        });
    }
    written(&lines, theme)
}
