//! Where the program's log lines go: to stderr, for people or for programs, filtered as the config says.
//!
//! Deliberately absent: metrics, and what is worth a line; each part logs its own.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, IsTerminal};

use chrono::Utc;
use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{LogConfig, LogFormat};

/// Why nothing is logged.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter of the config, which was checked there, is refused here.
    #[error("log.filter is not a filter: write a level, such as \"info\"")]
    Filter(#[source] ParseError),
    /// Logging can be set up once in a process.
    #[error("logging has been set up already")]
    Twice(#[source] TryInitError),
}

/// Starts logging to stderr.
///
/// # Errors
/// Logging was set up before, or the filter is no filter.
pub fn init(log: &LogConfig) -> Result<(), TelemetryError> {
    let colour = wants_colour(env::var_os("NO_COLOR").as_deref(), io::stderr().is_terminal());
    subscriber(log, colour, io::stderr)?.try_init().map_err(TelemetryError::Twice)
}

/// See <https://no-color.org>: set, and not empty, means none.
fn wants_colour(no_color: Option<&OsStr>, is_terminal: bool) -> bool {
    is_terminal && no_color.is_none_or(OsStr::is_empty)
}

fn subscriber<W>(log: &LogConfig, colour: bool, writer: W) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(log.filter.as_str()).map_err(TelemetryError::Filter)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_timer(utc_seconds as Clock)
        // A log that cannot be written must not end the guard: complaining about it on stderr would panic.
        .log_internal_errors(false);
    Ok(match log.format {
        // Compact, because it puts the message before the fields of the spans around it.
        LogFormat::Text => Box::new(lines.with_ansi(colour).with_target(false).compact().finish()),
        LogFormat::Json => Box::new(lines.with_ansi(false).json().flatten_event(true).with_span_list(false).finish()),
    })
}

type Clock = fn(&mut Writer<'_>) -> fmt::Result;

fn utc_seconds(line: &mut Writer<'_>) -> fmt::Result {
    write!(line, "{}", Utc::now().format("%Y-%m-%dT%H:%M:%SZ"))
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::{Arc, Mutex};

    use chrono::NaiveDateTime;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a program logs that says one thing at `info` and another at `debug`.
    fn logged(format: LogFormat, filter: &str, colour: bool) -> String {
        let written = Written::default();
        let writer = written.clone();
        let log = LogConfig { filter: filter.parse().unwrap(), format };
        let subscriber = subscriber(&log, colour, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(campaign = 7, "paused");
            tracing::debug!("a detail");
        });
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn is_utc_to_the_second(time: &str) -> bool {
        NaiveDateTime::parse_from_str(time, "%Y-%m-%dT%H:%M:%SZ").is_ok()
    }

    #[test]
    fn a_text_line_is_time_level_message_fields() {
        let text = logged(LogFormat::Text, "info", false);
        let (time, rest) = text.split_once(' ').unwrap();
        assert!(is_utc_to_the_second(time), "{time}");
        assert_eq!(rest, " INFO paused campaign=7\n");
    }

    #[test]
    fn a_json_line_has_message_and_fields_side_by_side() {
        let line: serde_json::Value = serde_json::from_str(&logged(LogFormat::Json, "info", true)).unwrap();
        assert!(is_utc_to_the_second(line["timestamp"].as_str().unwrap()), "{line}");
        assert_eq!(
            (&line["level"], &line["message"], &line["campaign"]),
            (&"INFO".into(), &"paused".into(), &7.into())
        );
    }

    #[test]
    fn the_filter_decides_which_lines_are_written() {
        for (filter, lines) in [("off", 0), ("warn", 0), ("info", 1), ("info,traffic_generator=debug", 2)] {
            assert_eq!(logged(LogFormat::Text, filter, false).lines().count(), lines, "{filter}");
        }
    }

    #[test]
    fn colour_is_for_terminals_and_never_under_no_color() {
        let table = [(None, true, true), (None, false, false), (Some("1"), true, false), (Some(""), true, true)];
        for (no_color, is_terminal, wanted) in table {
            assert_eq!(wants_colour(no_color.map(OsStr::new), is_terminal), wanted, "{no_color:?} {is_terminal}");
        }
        assert!(logged(LogFormat::Text, "info", true).contains('\u{1b}'));
        assert!(!logged(LogFormat::Text, "info", false).contains('\u{1b}'));
    }
}
