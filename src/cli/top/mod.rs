//! `top`: a full-screen view of every campaign, with keys for an operator's orders.
//!
//! `app` is what it knows, `keys` what a key does to that, `draw` how it looks: all three pure. `connection` talks to the
//! supervisor on a thread of its own; here is the loop that brings them together, and the terminal is left as it was.
//! Deliberately absent: anything that the control API does not offer to everybody.

mod app;
mod connection;
mod draw;
pub(super) mod error;
mod history;
mod keys;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEvent};
use tokio::sync::{mpsc as async_mpsc, watch};

use self::app::{App, Notice, State};
use self::connection::Wishes;
use self::error::TopError;
use super::draw::theme::Theme;
use super::{Arguments, CommandError};
use crate::clock::Clock;
use crate::control::client::Client;
use crate::domain::explain::Explanation;

/// Ages are shown in seconds, so the screen is drawn at least this often.
const DRAW_EVERY: Duration = Duration::from_secs(1);

/// What the loop waits for.
enum Message {
    Key(KeyEvent),
    /// Anything else that happened to the terminal: it is drawn anew.
    Redraw,
    KeyboardFailed(io::Error),
    /// What the supervisor says of itself, or why it says nothing.
    State(Result<Box<State>, String>),
    Explanation(Option<Box<Explanation>>),
    /// What became of an order.
    Answer(Notice),
    ConnectionEnded,
}

/// Shows the view until the operator, or a signal, ends it.
pub(super) fn top(arguments: &Arguments) -> Result<(), CommandError> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(TopError::NoTerminal.into());
    }
    // As with every command: a supervisor that is not there is said at once, not on a full screen.
    let state = arguments.wait_for(async { Ok(connection::state(&arguments.client()?).await?) })?;
    let mut app = App::default();
    app.receive(state, Clock::system().now());
    Ok(show(app, arguments.client()?)?)
}

fn show(mut app: App, client: Client) -> Result<(), TopError> {
    let (messages, inbox) = mpsc::channel();
    let (orders, waiting_orders) = async_mpsc::unbounded_channel();
    let (select, selected) = watch::channel(app.selected().map(|campaign| campaign.id));
    let wishes = Wishes { orders: waiting_orders, selected };
    let connection = start_connection(client, wishes, messages.clone())?;
    let mut screen = Screen::open()?;
    start_keyboard(messages)?;
    let theme = Theme::from_environment();
    while !app.ended {
        let mut furthest = None;
        let drawn = screen.terminal.draw(|frame| furthest = draw::draw(frame, &app, theme, Clock::system().now()));
        drawn.map_err(TopError::Terminal)?;
        app.drawn(furthest);
        let first = match inbox.recv_timeout(DRAW_EVERY) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Err(TopError::ConnectionDied),
        };
        // All that has come meanwhile is one change of the screen.
        for message in first.into_iter().chain(inbox.try_iter()) {
            match message {
                Message::Key(key) => {
                    if let Some(order) = app.press(key) {
                        // A connection that has ended says so itself.
                        let _ = orders.send(order);
                    }
                }
                Message::Redraw => {}
                Message::State(Ok(state)) => app.receive(*state, Clock::system().now()),
                Message::State(Err(trouble)) => app.trouble = Some(trouble),
                Message::Explanation(explanation) => app.explain(explanation.map(|explanation| *explanation)),
                Message::Answer(notice) => app.notice = Some(notice),
                Message::KeyboardFailed(error) => return Err(TopError::Terminal(error)),
                Message::ConnectionEnded => return end_of(connection),
            }
        }
        let wanted = app.selected().map(|campaign| campaign.id);
        select.send_if_modified(|selected| std::mem::replace(selected, wanted) != wanted);
    }
    Ok(())
}

fn start_connection(client: Client, wishes: Wishes, messages: Sender<Message>) -> Result<Connection, TopError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(TopError::Connection)?;
    let (ready, is_ready) = mpsc::channel();
    let serve = move || {
        let _notice = EndNotice(messages.clone());
        runtime.block_on(connection::run(client, wishes, messages, ready))
    };
    let started = std::thread::Builder::new().name("connection".to_owned()).spawn(serve).map_err(TopError::Connection);
    // Before the terminal is taken: a signal that comes earlier would leave it as it is then. A connection that could not
    // be started says so itself.
    let _ = is_ready.recv();
    started
}

type Connection = JoinHandle<io::Result<()>>;

/// Says that the connection has ended, by a panic, too: the loop would wait for its answers otherwise.
struct EndNotice(Sender<Message>);

impl Drop for EndNotice {
    fn drop(&mut self) {
        // A view that is gone wants no notice.
        let _ = self.0.send(Message::ConnectionEnded);
    }
}

/// A signal ends the connection as it should be; anything else is an error.
fn end_of(connection: Connection) -> Result<(), TopError> {
    match connection.join() {
        Ok(ended) => ended.map_err(TopError::Connection),
        Err(_) => Err(TopError::ConnectionDied),
    }
}

/// Reads keys on a thread of its own, which ends with the process: reading a terminal cannot be called off.
fn start_keyboard(messages: Sender<Message>) -> Result<(), TopError> {
    let read = move || {
        loop {
            let message = match event::read() {
                Ok(Event::Key(key)) => Message::Key(key),
                Ok(Event::FocusGained | Event::FocusLost | Event::Mouse(_) | Event::Paste(_) | Event::Resize(..)) => {
                    Message::Redraw
                }
                Err(error) => Message::KeyboardFailed(error),
            };
            let failed = matches!(message, Message::KeyboardFailed(_));
            if messages.send(message).is_err() || failed {
                return;
            }
        }
    };
    std::thread::Builder::new().name("keyboard".to_owned()).spawn(read).map(drop).map_err(TopError::Terminal)
}

/// The terminal while the view has it. It is given back when this goes: at the end, on an error, and on a panic, for
/// which the library has set a hook that does so before the panic's message is printed.
struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    fn open() -> Result<Self, TopError> {
        match ratatui::try_init() {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                // It may have come half the way.
                let _ = ratatui::try_restore();
                Err(TopError::Terminal(error))
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // After a panic the hook has done so, and a second time would move the cursor back over the panic's message.
        if !std::thread::panicking() {
            // A terminal that is gone needs nothing.
            let _ = ratatui::try_restore();
        }
    }
}
