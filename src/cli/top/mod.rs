//! `top`: a full-screen view of every campaign, with keys for the operator's orders.
//!
//! `app` has the state, `keys` changes it by keys, `draw` draws it: all three are pure. `connection` sends requests to
//! the supervisor on a thread of its own. This module has the loop, and restores the terminal at the end. Deliberately
//! absent: anything that the control API does not offer to every client.

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

/// The screen is drawn at least this often, since it shows ages in seconds.
const DRAW_EVERY: Duration = Duration::from_secs(1);

/// An input of the loop.
enum Message {
    Key(KeyEvent),
    /// Another event of the terminal, such as a new size: the screen is drawn again.
    Redraw,
    KeyboardFailed(io::Error),
    /// The supervisor's state, or why it did not arrive.
    State(Result<Box<State>, String>),
    Explanation(Option<Box<Explanation>>),
    /// The result of an order.
    Answer(Notice),
    ConnectionEnded,
}

/// Shows the view until the operator, or a signal, ends it.
pub(super) fn top(arguments: &Arguments) -> Result<(), CommandError> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(TopError::NoTerminal.into());
    }
    // As with every command, a missing supervisor is an error on stderr, not on a full screen.
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
        // All messages that have arrived are handled before the screen is drawn once.
        for message in first.into_iter().chain(inbox.try_iter()) {
            match message {
                Message::Key(key) => {
                    if let Some(order) = app.press(key) {
                        // If the connection has ended, its own message says so.
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
    // Wait until signals are received, before the terminal is changed: an earlier signal would end the program without
    // restoring the terminal. If the connection could not be started, its own message says so.
    let _ = is_ready.recv();
    started
}

type Connection = JoinHandle<io::Result<()>>;

/// Reports the end of the connection to the loop, also after a panic. Otherwise the loop would wait forever.
struct EndNotice(Sender<Message>);

impl Drop for EndNotice {
    fn drop(&mut self) {
        // If the view has ended, there is no receiver.
        let _ = self.0.send(Message::ConnectionEnded);
    }
}

/// Returns how the connection ended. After a signal this is no error.
fn end_of(connection: Connection) -> Result<(), TopError> {
    match connection.join() {
        Ok(ended) => ended.map_err(TopError::Connection),
        Err(_) => Err(TopError::ConnectionDied),
    }
}

/// Reads keys on a thread of its own, which ends with the process: a read of a terminal cannot be cancelled.
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

/// The terminal while the view uses it. Dropping this restores the terminal, at the end and on an error. On a panic a
/// hook of the library restores it before the panic's message is printed.
struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    fn open() -> Result<Self, TopError> {
        match ratatui::try_init() {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                // A part of the changes may have been made.
                let _ = ratatui::try_restore();
                Err(TopError::Terminal(error))
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // After a panic the hook has restored it. A second time would move the cursor back over the panic's message.
        if !std::thread::panicking() {
            // A terminal that has been closed needs no restoring.
            let _ = ratatui::try_restore();
        }
    }
}
