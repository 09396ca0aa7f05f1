//! A receiver of alerts: an HTTP server that records each message, and answers it as a test wants.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use serde_json::Value;
use standardwebhooks::{Webhook, WebhookError};

/// The receiver. It listens until it goes away or is dropped.
pub(crate) struct Receiver {
    port: u16,
    /// A socket that never listens. It keeps the port while the receiver is away, so that no other program gets it.
    _place: TcpListener,
    shared: Arc<Shared>,
    /// The thread that takes connections. `None` while the receiver is away.
    listening: Option<JoinHandle<()>>,
}

/// What a receiver does with a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It takes the message, and answers 200.
    #[default]
    Take,
    /// It answers with this status.
    Status(u16),
    /// It answers with this status and one more header.
    With(u16, &'static str, String),
    /// It never answers, and keeps the connection open.
    Hang,
    /// It breaks the connection without an answer.
    Break,
}

/// A message as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) at: Instant,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// Whether it was answered with 200.
    pub(crate) is_taken: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    is_away: bool,
    /// The answer to each message that `next` has no answer for.
    answer: Answer,
    /// The answers to the next messages.
    next: VecDeque<Answer>,
    posts: Vec<Post>,
    /// The connections that are never answered.
    hanging: Vec<TcpStream>,
}

impl Receiver {
    /// Starts a receiver that takes every message.
    pub(crate) fn start() -> Self {
        let place = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        // Otherwise the receiver could not listen on the port beside this socket.
        sockopt::set_socket_reuseaddr(&place, true).unwrap();
        bind(&place, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let place = TcpListener::from(place);
        let port = place.local_addr().unwrap().port();
        let mut receiver = Self { port, _place: place, shared: Arc::default(), listening: None };
        receiver.come_back();
        receiver
    }

    /// Returns the address of its webhook.
    pub(crate) fn url(&self) -> String {
        format!("{}/hook", self.origin())
    }

    /// Returns its address without the path, as the program shows it.
    pub(crate) fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Answers each message like this from now on.
    pub(crate) fn set_answer(&self, answer: Answer) {
        self.shared.state.lock().unwrap().answer = answer;
    }

    /// Answers the next messages like this, one after the other.
    pub(crate) fn answer_next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.state.lock().unwrap().next.extend(answers);
    }

    /// Returns every message that has come in, the oldest first, also those that it did not take.
    pub(crate) fn posts(&self) -> Vec<Post> {
        self.shared.state.lock().unwrap().posts.clone()
    }

    /// Waits until this number of messages has come in, but at most for this time.
    pub(crate) fn wait_for_posts(&self, count: usize, at_most: Duration) {
        let state = self.shared.state.lock().unwrap();
        drop(self.shared.arrived.wait_timeout_while(state, at_most, |state| state.posts.len() < count).unwrap());
    }

    /// Ends the server: connections to its port are refused.
    pub(crate) fn go_away(&mut self) {
        let Some(listening) = self.listening.take() else { return };
        self.shared.state.lock().unwrap().is_away = true;
        // The thread waits for a connection, and sees only then that it has to end.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        // A thread that has panicked has ended, too.
        let _ = listening.join();
    }

    /// Starts the server again, on the same port.
    pub(crate) fn come_back(&mut self) {
        assert!(self.listening.is_none(), "the receiver is not away");
        self.shared.state.lock().unwrap().is_away = false;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let shared = Arc::clone(&self.shared);
        self.listening = Some(std::thread::spawn(move || listen(&listener, &shared)));
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.go_away();
    }
}

impl Post {
    /// Returns a header's value; `""` if there is no such header.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the message's id.
    pub(crate) fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Judges the signature as a receiver with this secret does.
    pub(crate) fn verify(&self, secret: &str) -> Result<(), WebhookError> {
        Webhook::new(secret)?.verify(self.body.as_bytes(), &self.headers)
    }
}

fn listen(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming().map_while(Result::ok) {
        if shared.state.lock().unwrap().is_away {
            return;
        }
        let shared = Arc::clone(shared);
        std::thread::spawn(move || serve(&shared, stream));
    }
}

fn serve(shared: &Shared, stream: TcpStream) {
    // A guard that is killed leaves a part of a message, which no receiver could use.
    let Some((headers, body)) = read_message(&stream) else { return };
    let answer = {
        let mut state = shared.state.lock().unwrap();
        let next = state.next.pop_front();
        let answer = next.unwrap_or_else(|| state.answer.clone());
        let is_taken = answer == Answer::Take;
        state.posts.push(Post { at: Instant::now(), headers, body, is_taken });
        answer
    };
    shared.arrived.notify_all();
    match answer {
        Answer::Take => reply(stream, 200, ""),
        Answer::Status(status) => reply(stream, status, ""),
        Answer::With(status, name, value) => reply(stream, status, &format!("{name}: {value}\r\n")),
        Answer::Hang => shared.state.lock().unwrap().hanging.push(stream),
        Answer::Break => drop(stream),
    }
}

/// Reads a request. Returns `None` if the connection ends before the end of the request.
fn read_message(stream: &TcpStream) -> Option<(HeaderMap, String)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut headers = HeaderMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line == "\r\n" {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.append(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value.trim()).ok()?);
    }
    let length = headers.get("content-length")?.to_str().ok()?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((headers, String::from_utf8(body).ok()?))
}

fn reply(mut stream: TcpStream, status: u16, header: &str) {
    let answer = format!("HTTP/1.1 {status} Answer\r\n{header}Content-Length: 0\r\nConnection: close\r\n\r\n");
    // The guard may have been killed meanwhile.
    let _ = stream.write_all(answer.as_bytes());
}
