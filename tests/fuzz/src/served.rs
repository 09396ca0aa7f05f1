//! A real control server on a socket of its own, in a thread of its own: its orders are answered as a supervisor without a
//! campaign would.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use serde_json::Value;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{self, Receiver};
use traffic_generator::board::Board;
use traffic_generator::clock::Clock;
use traffic_generator::config::LogFilter;
use traffic_generator::control::server::{Shared, Socket};
use traffic_generator::control::{
    AdminOrder, Ask, CampaignOrder, CampaignPatch, HeldAll, Order, Refusal, Released, Reloaded, Stopping, UrlOrder,
    UrlPatch,
};
use traffic_generator::domain::ids::CampaignId;
use traffic_generator::domain::status::Hold;

use super::peers::runtime;

/// Far longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whoever writes to a connection that the other side has closed gets an error, as in any program of Rust, and not the
/// signal by which libFuzzer's would end. To be called within a runtime.
pub(crate) fn outlive_closed_pipes() {
    // Once listened for, it stays so.
    drop(signal(SignalKind::pipe()).expect("a signal"));
}

/// No head of an answer is longer.
const LONGEST_HEAD: usize = 1024;

/// So many orders have come through to somebody who carries them out.
static ORDERS: AtomicUsize = AtomicUsize::new(0);

/// The server that all inputs of this process meet.
pub(crate) struct Served {
    folder: TempDir,
    /// What the server says of itself.
    openapi: OnceLock<Value>,
    /// One input at a time: whatever goes wrong is its own.
    turn: Mutex<()>,
}

impl Served {
    pub(crate) fn get() -> &'static Self {
        static SERVED: OnceLock<Served> = OnceLock::new();
        SERVED.get_or_init(Self::start)
    }

    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let (opened, is_open) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            runtime().block_on(serve(path, opened));
        });
        is_open.recv().expect("it is open");
        Self { folder, openapi: OnceLock::new(), turn: Mutex::default() }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// How many orders have come through so far.
    pub(crate) fn orders(&self) -> usize {
        ORDERS.load(Ordering::SeqCst)
    }

    /// Runs `body` while no other input is served.
    pub(crate) fn alone<T>(&self, body: impl FnOnce() -> T) -> T {
        let turn = self.turn.lock();
        let done = body();
        drop(turn);
        done
    }

    /// Sends these bytes and reads what is answered, as a client that then has nothing more to say, or reads on.
    pub(crate) fn answer(&self, bytes: &[u8], says_more: bool) -> Vec<u8> {
        let mut stream = UnixStream::connect(self.socket()).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        // It may close the connection before it has read everything.
        let _ = stream.write_all(bytes);
        if !says_more {
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
        let mut answer = Vec::new();
        let mut piece = [0; 16 * 1024];
        loop {
            let seen = answer.len();
            match stream.read(&mut piece) {
                Ok(0) => return answer,
                Ok(length) => answer.extend_from_slice(piece.get(..length).expect("so much was read")),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return answer,
                // libFuzzer's timer.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => panic!("no end to the answer: {error}: {}", String::from_utf8_lossy(&answer)),
            }
            if is_stream(answer.get(seen.saturating_sub(LONGEST_HEAD)..).unwrap_or_default()) {
                return answer;
            }
        }
    }

    /// The statuses that are documented for a request.
    pub(crate) fn documented(&self, method: &str, path: &str) -> Option<Vec<u16>> {
        let openapi = self.openapi.get_or_init(|| {
            let answer =
                self.answer(b"GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", true);
            let text = String::from_utf8(answer).expect("a text");
            serde_json::from_str(text.split_once("\r\n\r\n").expect("a body").1).expect("a document")
        });
        let paths = openapi["paths"].as_object().expect("paths");
        let segments = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
        let is_it = |pattern: &str| {
            let (pattern, path) = (segments(pattern), segments(path));
            pattern.len() == path.len()
                && pattern.iter().zip(&path).all(|(wanted, found)| wanted == found || wanted.starts_with('{'))
        };
        let (_, operations) = paths.iter().find(|(pattern, _)| is_it(pattern))?;
        let answers = operations.get(method.to_lowercase())?["responses"].as_object()?;
        Some(answers.keys().filter_map(|status| status.parse().ok()).collect())
    }
}

/// Events never end, and they may be the answer to a later request of several: only what came with the last piece is
/// looked at, for a connection's answers can be many.
fn is_stream(latest: &[u8]) -> bool {
    const KIND: &[u8] = b"content-type: text/event-stream\r\n";
    latest.windows(KIND.len()).any(|bytes| bytes == KIND)
}

async fn serve(path: PathBuf, opened: std::sync::mpsc::Sender<()>) {
    outlive_closed_pipes();
    let (socket, _file) = Socket::open(&path, 0o600).await.expect("a socket");
    let (orders, heard) = mpsc::channel(8);
    let (operations, asked) = mpsc::channel(8);
    let shared = Shared { board: Board::new(Utc::now()), clock: Clock::system(), orders, operations };
    tokio::spawn(answer_orders(heard));
    tokio::spawn(answer_operations(asked));
    opened.send(()).expect("somebody waits");
    socket.serve(shared, std::future::pending()).await;
}

/// What is wrong with a question that should not have come through.
type Problem = Option<&'static str>;

/// What arrives in spite of its bounds is a failure, which no request may be answered with.
fn answer<Q, A>(ask: Ask<Q, A>, problem: fn(&Q) -> Problem, answer: impl FnOnce(Q) -> Result<A, Refusal>) {
    let answer = match problem(&ask.question) {
        Some(problem) => Err(Refusal::Failed(format!("it should not have come through: {problem}"))),
        None => answer(ask.question),
    };
    let _ = ask.reply.send(answer);
}

fn accept<Q, A>(ask: Ask<Q, A>, accepted: A) {
    answer(ask, |_| None, |_| Ok(accepted));
}

const NOBODY: Refusal = Refusal::UnknownCampaign(CampaignId(7));

async fn answer_orders(mut orders: Receiver<Order>) {
    while let Some(order) = orders.recv().await {
        ORDERS.fetch_add(1, Ordering::SeqCst);
        match order {
            Order::Campaigns(CampaignOrder::List(ask)) => accept(ask, Vec::new()),
            Order::Campaigns(CampaignOrder::Add(ask)) => {
                answer(ask, |new| bad_patch(new, true), |_| Err(Refusal::Taken("another campaign has it".to_owned())));
            }
            Order::Campaigns(CampaignOrder::Change(ask)) => {
                answer(ask, |change| bad_patch(&change.patch, false), |_| Err(NOBODY));
            }
            Order::Urls(UrlOrder::Add(ask)) => answer(ask, |add| bad_url(&add.patch), |_| Err(NOBODY)),
            Order::Urls(UrlOrder::Change(ask)) => {
                answer(ask, |change| bad_url(&change.patch), |change| Err(Refusal::UnknownUrl(change.url)));
            }
            Order::Urls(UrlOrder::Remove(ask)) => answer(ask, |_| None, |url| Err(Refusal::UnknownUrl(url))),
            Order::ReadJournal(ask) => {
                answer(ask, |query| (!(1..=10_000).contains(&query.limit)).then_some("a limit"), |_| Ok(Vec::new()));
            }
            Order::ReadAccount(ask) => {
                answer(ask, |id| id.is_some_and(|id| id.0 < 1).then_some("a trafficstar_id"), |_| Ok(Vec::new()));
            }
            Order::ProcessAll(ask) => accept(ask, Vec::new()),
            Order::ReleaseAll(ask) => accept(ask, Released::default()),
            Order::Hold(ask) => answer(ask, |set| bad_hold(&set.hold), |_| Err(NOBODY)),
            Order::HoldAll(ask) => {
                let (not_paused, warnings) = (Vec::new(), Vec::new());
                answer(ask, bad_hold, |hold| {
                    Ok(HeldAll {
                        hold,
                        campaigns: 0,
                        paused: 0,
                        stopped_already: 0,
                        observed_only: 0,
                        not_paused,
                        warnings,
                    })
                });
            }
            Order::SetGenerator(_)
            | Order::Campaigns(CampaignOrder::Show(_) | CampaignOrder::Remove(_))
            | Order::Urls(UrlOrder::List(_))
            | Order::Process(_)
            | Order::Release(_) => order.refuse(NOBODY),
        }
    }
}

async fn answer_operations(mut operations: Receiver<AdminOrder>) {
    while let Some(operation) = operations.recv().await {
        ORDERS.fetch_add(1, Ordering::SeqCst);
        match operation {
            AdminOrder::Reload(ask) => accept(ask, Reloaded::default()),
            AdminOrder::SetLogFilter(ask) => answer(
                ask,
                |_| None,
                |setting| match setting.filter.parse::<LogFilter>() {
                    Ok(_) => Ok(setting),
                    Err(error) => Err(Refusal::BadField { field: "filter", problem: error.to_string() }),
                },
            ),
            AdminOrder::Shutdown(ask) => accept(ask, Stopping { pid: 1 }),
        }
    }
}

fn bad_name(name: Option<&String>) -> Problem {
    name.is_some_and(|name| name.trim().is_empty() || name.contains(char::is_control)).then_some("a name")
}

fn bad_patch(patch: &CampaignPatch, is_new: bool) -> Problem {
    let cooldown = patch.cooldown.flatten().is_some_and(|cooldown| cooldown.seconds() > 24 * 3600);
    bad_name(patch.name.as_ref())
        .or((is_new && patch.name.is_none()).then_some("no name"))
        .or(patch.trafficstar_id.is_some_and(|id| id.0 < 1).then_some("a trafficstar_id"))
        .or(cooldown.then_some("a cooldown"))
}

fn bad_url(patch: &UrlPatch) -> Problem {
    let is_negative = |count: Option<traffic_generator::control::Count>| count.is_some_and(|count| count.get() < 0);
    let is_web = |url: &String| ["http:", "https:"].iter().any(|scheme| url.to_lowercase().starts_with(scheme));
    bad_name(patch.name.as_ref())
        .or(patch.target_url.as_ref().is_some_and(|url| !is_web(url)).then_some("a target_url"))
        .or((is_negative(patch.click_limit) || is_negative(patch.clicks)).then_some("a count"))
}

/// Whose it is, the operating system says; it ends within a century.
fn bad_hold(hold: &Hold) -> Problem {
    let is_endless = hold.until.is_some_and(|until| until < hold.since || until - hold.since > TimeDelta::days(36_526));
    is_endless.then_some("an end").or(hold.by.is_none().then_some("nobody's"))
}
