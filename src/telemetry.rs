//! This room writes the program's log: lines on stderr, as text or JSON, filtered as the config says. It leaves the
//! decision what to log to each part of the program, and metrics to `metrics`.
//!
//! The audit trail says who gave which command. It passes every filter, so that an operator cannot switch it off;
//! messages of panics pass, too.
//!
//! A separate thread writes the lines (`telemetry::queue`), so that no other thread waits for the log's reader. A
//! panic's message goes the same way. If the service manager's journal reads them, they begin with a priority instead of
//! the time (`telemetry::journal`).

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;
use thiserror::Error;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::{DefaultFields, Format, Full, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{MakeWriter, SubscriberBuilder};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use self::queue::Queue;
use crate::config::{LogConfig, LogFilter, LogFormat};
use crate::printable::{printable, printable_json};

pub mod journal;
mod queue;

pub use self::queue::lost_lines;

/// The directives that are added to every filter.
const ALWAYS: &str = "audit=info,panic=error";
/// The longest time that the end of the program waits for the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(1);
/// The longest time that a panic waits for its message to be written, since the panic may end the program.
const PANIC_MESSAGE: Duration = Duration::from_millis(200);

/// The reason why logging could not be set up or changed.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter is invalid, although the config has checked it.
    #[error("log.filter is not a valid filter: write a level, such as \"info\"")]
    Filter(#[source] ParseError),
    /// Logging was already set up in this process.
    #[error("logging is already set up in this process")]
    Twice(#[source] TryInitError),
    /// The thread that writes the log could not be started.
    #[error(
        "the thread that writes the log could not be started: raise the limit of threads for this program or this user"
    )]
    Thread(#[source] io::Error),
    /// The filter could not be changed.
    #[error("the log filter could not be changed: set it in the config and restart")]
    Reload(#[source] tracing_subscriber::reload::Error),
}

type SetFilter = dyn Fn(EnvFilter) -> Result<(), tracing_subscriber::reload::Error> + Send + Sync;

/// Changes the log filter while the program runs.
#[derive(Clone)]
pub struct LogControl {
    filter: Arc<Mutex<LogFilter>>,
    queue: Option<Queue>,
    set: Arc<SetFilter>,
}

impl LogControl {
    /// Returns the filter in force.
    #[must_use]
    pub fn filter(&self) -> LogFilter {
        self.filter.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits up to a second until all lines are written, before the program ends. Returns false if they are not: then
    /// stderr is not being read.
    #[must_use]
    pub fn finish(&self) -> bool {
        self.queue.as_ref().is_none_or(|queue| queue.flush(LAST_LINES))
    }

    /// Sets another filter.
    ///
    /// # Errors
    /// Logging has ended, or the filter is invalid.
    pub fn set_filter(&self, filter: &LogFilter) -> Result<(), TelemetryError> {
        (self.set)(env_filter(filter)?).map_err(TelemetryError::Reload)?;
        *self.filter.lock().unwrap_or_else(PoisonError::into_inner) = filter.clone();
        Ok(())
    }
}

impl fmt::Debug for LogControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogControl").field("filter", &self.filter()).finish_non_exhaustive()
    }
}

fn env_filter(filter: &LogFilter) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(format!("{},{ALWAYS}", filter.as_str())).map_err(TelemetryError::Filter)
}

/// Starts logging to stderr.
///
/// # Errors
/// Logging was already set up, the filter is invalid, or no thread could be started.
pub fn init(log: &LogConfig) -> Result<LogControl, TelemetryError> {
    let reader = match (journal::reads_stderr(), has_colours(io::stderr().is_terminal())) {
        (true, _) => Reader::Journal,
        (false, true) => Reader::Terminal,
        (false, false) => Reader::File,
    };
    let queue = Queue::to(io::stderr()).map_err(TelemetryError::Thread)?;
    let (subscriber, control) = subscriber(log, reader, queue.clone())?;
    subscriber.try_init().map_err(TelemetryError::Twice)?;
    // The standard hook would write to stderr directly, and block while the log is not read.
    let panics = queue.clone();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!(target: "panic", "{panic}");
        panics.flush(PANIC_MESSAGE);
    }));
    Ok(LogControl { queue: Some(queue), ..control })
}

/// Whether output has colours: only on a terminal, and only if the environment allows it.
#[must_use]
pub fn has_colours(is_terminal: bool) -> bool {
    let is_dumb = env::var_os("TERM").is_some_and(|name| name == "dumb");
    wants_colour(env::var_os("NO_COLOR").as_deref(), is_terminal && !is_dumb)
}

/// Whether `NO_COLOR` allows colours. See <https://no-color.org>: if it is set and not empty, there are none.
fn wants_colour(no_color: Option<&OsStr>, is_terminal: bool) -> bool {
    is_terminal && no_color.is_none_or(OsStr::is_empty)
}

/// The reader of the lines, which decides what each line has beside its message and fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// A terminal that shows colours: the lines have the time, the level and colours.
    Terminal,
    /// Anything else that is not the journal: the lines have the time and the level.
    File,
    /// The service manager's journal, which has the time of each line: the lines begin with their priority.
    Journal,
}

type BoxedSubscriber = Box<dyn Subscriber + Send + Sync>;

fn subscriber<W>(log: &LogConfig, reader: Reader, writer: W) -> Result<(BoxedSubscriber, LogControl), TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = env_filter(&log.filter)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(PrintableLines { writer, format: log.format, reader, priority: "" })
        .with_ansi(reader == Reader::Terminal && log.format == LogFormat::Text)
        // A log that cannot be written must not end the guard: the library would report the error on stderr, and panic.
        .log_internal_errors(false);
    let (subscriber, set) = match reader {
        Reader::Terminal | Reader::File => formatted(lines.with_timer(utc_seconds as Clock), log.format),
        Reader::Journal => formatted(lines.without_time().with_level(log.format == LogFormat::Json), log.format),
    };
    Ok((subscriber, LogControl { filter: Arc::new(Mutex::new(log.filter.clone())), queue: None, set }))
}

type Lines<T, W> = SubscriberBuilder<DefaultFields, Format<Full, T>, EnvFilter, W>;

/// Returns the subscriber for lines of this format, and the function that changes its filter.
fn formatted<T, W>(lines: Lines<T, W>, format: LogFormat) -> (BoxedSubscriber, Arc<SetFilter>)
where
    T: FormatTime + Send + Sync + 'static,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    match format {
        LogFormat::Text => {
            // The compact format puts the message before the fields of the spans around it.
            let lines = lines.with_target(false).compact().with_filter_reloading();
            let handle = lines.reload_handle();
            (Box::new(lines.finish()), Arc::new(move |filter| handle.reload(filter)))
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_span_list(false).with_filter_reloading();
            let handle = lines.reload_handle();
            (Box::new(lines.finish()), Arc::new(move |filter| handle.reload(filter)))
        }
    }
}

/// Replaces dangerous characters in each line, which may contain text from outside. The library writes each event with
/// one call.
struct PrintableLines<W> {
    writer: W,
    format: LogFormat,
    reader: Reader,
    /// The beginning of each line, for the journal.
    priority: &'static str,
}

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for PrintableLines<W> {
    type Writer = PrintableLines<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        self.lines_of(Level::INFO)
    }

    fn make_writer_for(&'w self, event: &Metadata<'_>) -> Self::Writer {
        self.lines_of(*event.level())
    }
}

impl<W> PrintableLines<W> {
    /// Returns a writer of lines with this level.
    fn lines_of<'w>(&'w self, level: Level) -> PrintableLines<W::Writer>
    where
        W: MakeWriter<'w>,
    {
        let priority = if self.reader == Reader::Journal { journal::priority(level) } else { "" };
        PrintableLines { writer: self.writer.make_writer(), format: self.format, reader: self.reader, priority }
    }
}

impl<W: Write> Write for PrintableLines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let shown = match self.format {
            // The only escapes here are the library's own colours: it removes the escapes in messages and fields.
            LogFormat::Text if self.reader == Reader::Terminal => {
                line.split('\u{1b}').map(printable).collect::<Vec<_>>().join("\u{1b}")
            }
            LogFormat::Text => printable(line),
            LogFormat::Json => printable_json(line),
        };
        self.writer.write_all(format!("{}{shown}\n", self.priority).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
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

    /// Returns the text that the log contains after `say` has logged its lines.
    fn written(format: LogFormat, filter: &str, reader: Reader, say: impl FnOnce(&Written, &LogControl)) -> String {
        let written = Written::default();
        let writer = written.clone();
        let log = LogConfig { filter: filter.parse().unwrap(), format };
        let (subscriber, control) = subscriber(&log, reader, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || say(&written, &control));
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// Returns the log of a program that logs one line at `info` and one at `debug`.
    fn logged(format: LogFormat, filter: &str, reader: Reader) -> String {
        written(format, filter, reader, |_, _| {
            tracing::info!(campaign = 7, "paused");
            tracing::debug!("a detail");
        })
    }

    fn is_utc_to_the_second(time: &str) -> bool {
        NaiveDateTime::parse_from_str(time, "%Y-%m-%dT%H:%M:%SZ").is_ok()
    }

    #[test]
    fn a_text_line_has_time_level_message_and_fields() {
        let text = logged(LogFormat::Text, "info", Reader::File);
        let (time, rest) = text.split_once(' ').unwrap();
        assert!(is_utc_to_the_second(time), "{time}");
        assert_eq!(rest, " INFO paused campaign=7\n");
    }

    #[test]
    fn a_json_line_has_message_and_fields_at_the_same_level() {
        let line: serde_json::Value = serde_json::from_str(&logged(LogFormat::Json, "info", Reader::Terminal)).unwrap();
        assert!(is_utc_to_the_second(line["timestamp"].as_str().unwrap()), "{line}");
        assert_eq!(
            (&line["level"], &line["message"], &line["campaign"]),
            (&"INFO".into(), &"paused".into(), &7.into())
        );
    }

    #[test]
    fn a_line_for_the_journal_begins_with_its_priority_and_has_no_time_and_no_colour() {
        let said = |format| {
            written(format, "trace", Reader::Journal, |_, _| {
                tracing::error!("an error\n<0>of two lines");
                tracing::warn!(campaign = 7, "a warning");
                tracing::info!("a message");
                tracing::debug!("a detail");
                tracing::trace!("a trace");
            })
        };
        let wanted = [
            "<3>an error\u{fffd}<0>of two lines",
            "<4>a warning campaign=7",
            "<6>a message",
            "<7>a detail",
            "<7>a trace",
        ];
        assert_eq!(said(LogFormat::Text).lines().collect::<Vec<_>>(), wanted);
        let json = said(LogFormat::Json);
        for (line, priority) in json.lines().zip(["<3>", "<4>", "<6>", "<7>", "<7>"]) {
            let object: serde_json::Value = serde_json::from_str(line.strip_prefix(priority).unwrap()).unwrap();
            assert!(object["message"].is_string() && object["timestamp"].is_null(), "{line}");
        }
    }

    #[test]
    fn the_filter_decides_which_lines_are_written() {
        for (filter, lines) in [("off", 0), ("warn", 0), ("info", 1), ("info,traffic_generator=debug", 2)] {
            assert_eq!(logged(LogFormat::Text, filter, Reader::File).lines().count(), lines, "{filter}");
        }
    }

    #[test]
    fn the_audit_trail_passes_every_filter() {
        for filter in ["off", "warn", "traffic_generator=off", "[{uid}]=off"] {
            let text =
                written(LogFormat::Text, filter, Reader::File, |_, _| tracing::info!(target: "audit", "a command"));
            assert!(!text.is_empty(), "{filter}");
        }
    }

    #[test]
    fn the_filter_can_be_changed_while_the_program_runs() {
        for format in [LogFormat::Text, LogFormat::Json] {
            written(format, "info", Reader::File, |written, control| {
                for (filter, say) in
                    [("debug", true), ("warn", false), ("off", false), ("info,traffic_generator=debug", true)]
                {
                    written.0.lock().unwrap().clear();
                    control.set_filter(&filter.parse().unwrap()).unwrap();
                    tracing::debug!("a detail");
                    assert_eq!(!written.0.lock().unwrap().is_empty(), say, "{filter}");
                    assert_eq!(control.filter().as_str(), filter);
                }
            });
        }
    }

    #[test]
    fn only_a_terminal_gets_colours_and_no_color_turns_them_off() {
        let table = [(None, true, true), (None, false, false), (Some("1"), true, false), (Some(""), true, true)];
        for (no_color, is_terminal, wanted) in table {
            assert_eq!(wants_colour(no_color.map(OsStr::new), is_terminal), wanted, "{no_color:?} {is_terminal}");
        }
        assert!(logged(LogFormat::Text, "info", Reader::Terminal).contains('\u{1b}'));
        assert!(!logged(LogFormat::Text, "info", Reader::File).contains('\u{1b}'));
    }
}
