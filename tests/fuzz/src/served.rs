//! A real control server in a thread, on a socket in a new folder. Its orders are answered like those of a supervisor
//! without campaigns.

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
    AdminOrder, AlertOrder, Alerts, Ask, CampaignOrder, CampaignPatch, HeldAll, Order, Refusal, Released, Reloaded,
    Stopping, UrlOrder, UrlPatch,
};
use traffic_generator::domain::alert::Mute;
use traffic_generator::domain::ids::CampaignId;
use traffic_generator::domain::status::Hold;

use super::peers::runtime;

/// A time-out that is far longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes writes to a connection that the peer has closed return an error, as in any Rust program. Under libFuzzer the
/// signal would end the process. Call it within a runtime.
pub(crate) fn outlive_closed_pipes() {
    // Registering the signal once is enough for the whole process.
    drop(signal(SignalKind::pipe()).expect("a signal"));
}

/// The longest head of an answer.
const LONGEST_HEAD: usize = 1024;

/// The number of orders that reached the code that carries them out.
static ORDERS: AtomicUsize = AtomicUsize::new(0);

/// The one server for all inputs of this process.
pub(crate) struct Served {
    folder: TempDir,
    /// The OpenAPI document that the server serves.
    openapi: OnceLock<Value>,
    /// The lock for one input at a time, so that a failure belongs to that input.
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

    /// Returns the number of orders so far.
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

    /// Sends these bytes and returns the answer. With `says_more` the client keeps its half of the connection open.
    pub(crate) fn answer(&self, bytes: &[u8], says_more: bool) -> Vec<u8> {
        let mut stream = UnixStream::connect(self.socket()).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        // The server may close the connection before it has read everything.
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
                Ok(length) => answer.extend_from_slice(piece.get(..length).expect("as many bytes as were read")),
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

    /// Returns the statuses that are documented for a request.
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

/// Whether the latest piece begins a stream of events, which never ends. A connection can have many answers, and events
/// may answer a later request, so only the latest piece is searched.
fn is_stream(latest: &[u8]) -> bool {
    const KIND: &[u8] = b"content-type: text/event-stream\r\n";
    latest.windows(KIND.len()).any(|bytes| bytes == KIND)
}

async fn serve(path: PathBuf, opened: std::sync::mpsc::Sender<()>) {
    outlive_closed_pipes();
    let (socket, _file) = Socket::open(&path, 0o600).await.expect("a socket");
    let (orders, heard) = mpsc::channel(8);
    let (admin_orders, waiting_admin_orders) = mpsc::channel(8);
    let shared = Shared {
        board: Board::new(Utc::now()),
        clock: Clock::system(),
        orders,
        admin_orders,
        per_campaign_metrics: true,
    };
    tokio::spawn(answer_orders(heard));
    tokio::spawn(answer_admin_orders(waiting_admin_orders));
    opened.send(()).expect("the caller waits");
    socket.serve(shared, std::future::pending()).await;
}

/// The defect of an order that the server should have refused.
type Problem = Option<&'static str>;

/// Answers an order. An order with a defect that the server should have refused is answered as failed, which the checks
/// count as wrong.
fn answer<Q, A>(ask: Ask<Q, A>, problem: fn(&Q) -> Problem, answer: impl FnOnce(Q) -> Result<A, Refusal>) {
    let answer = match problem(&ask.question) {
        Some(problem) => Err(Refusal::Failed(format!("the server should have refused this order: {problem}"))),
        None => answer(ask.question),
    };
    let _ = ask.reply.send(answer);
}

fn accept<Q, A>(ask: Ask<Q, A>, accepted: A) {
    answer(ask, |_| None, |_| Ok(accepted));
}

const UNKNOWN: Refusal = Refusal::UnknownCampaign(CampaignId(7));

async fn answer_orders(mut orders: Receiver<Order>) {
    while let Some(order) = orders.recv().await {
        ORDERS.fetch_add(1, Ordering::SeqCst);
        match order {
            Order::Campaigns(CampaignOrder::List(ask)) => accept(ask, Vec::new()),
            Order::Campaigns(CampaignOrder::Add(ask)) => {
                answer(ask, |new| bad_patch(new, true), |_| Err(Refusal::Taken("another campaign has it".to_owned())));
            }
            Order::Campaigns(CampaignOrder::Change(ask)) => {
                answer(ask, |change| bad_patch(&change.patch, false), |_| Err(UNKNOWN));
            }
            Order::Urls(UrlOrder::Add(ask)) => answer(ask, |add| bad_url(&add.patch), |_| Err(UNKNOWN)),
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
            Order::Hold(ask) => answer(ask, |set| bad_hold(&set.hold), |_| Err(UNKNOWN)),
            Order::Alerts(AlertOrder::List(ask)) => accept(ask, Alerts::default()),
            Order::Alerts(AlertOrder::Ack(ask)) => {
                answer(
                    ask,
                    |(_, ack)| ack.by.is_none().then_some("no operator"),
                    |(id, _)| Err(Refusal::UnknownAlert(id)),
                );
            }
            Order::Alerts(AlertOrder::Mute(ask)) => answer(ask, bad_mute, |mute| Ok(vec![mute])),
            Order::Alerts(AlertOrder::Test(ask)) => {
                answer(ask, |test| test.by.is_none().then_some("no operator"), |_| Ok(Vec::new()));
            }
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
            | Order::Release(_) => order.refuse(UNKNOWN),
        }
    }
}

async fn answer_admin_orders(mut admin_orders: Receiver<AdminOrder>) {
    while let Some(order) = admin_orders.recv().await {
        ORDERS.fetch_add(1, Ordering::SeqCst);
        match order {
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

/// Returns the defect of a hold. The server itself sets the operator, and a hold ends within a century.
fn bad_hold(hold: &Hold) -> Problem {
    let is_endless = hold.until.is_some_and(|until| until < hold.since || until - hold.since > TimeDelta::days(36_526));
    is_endless.then_some("an end").or(hold.by.is_none().then_some("no operator"))
}

/// Returns the defect of a mute. It lasts as long as a hold can. The server has no campaign that could be muted.
fn bad_mute(mute: &Mute) -> Problem {
    let Mute { campaign, since, until, reason: _, by } = mute;
    let is_endless = until < since || *until - *since > TimeDelta::days(36_526);
    let problem = is_endless.then_some("an end").or(by.is_none().then_some("no operator"));
    problem.or(campaign.is_some().then_some("an unknown campaign"))
}
