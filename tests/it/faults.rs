//! Failures between the guard and TrafficStars, at every kind of request.
//!
//! After each failure the guard still runs, logs what happened, starts nothing in doubt, and soon reaches the right
//! state.

mod reads;
mod refused;
mod token;
mod waiting;
mod writes;

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use sandbox::FaultKind;

use crate::helper::{Config, World, in_parallel};

/// The guard's time-out for one request. A huge body arrives within it, even on a busy machine.
const TIMEOUT: &str = "2500ms";
/// Longer than the time-out.
const TOO_LONG: Duration = Duration::from_secs(5);
/// Shorter than the time-out, so that only the time of all bytes together is too long.
const PER_BYTE: Duration = Duration::from_millis(400);
/// More than any answer of TrafficStars has.
const TOO_MANY_BYTES: usize = 17 * 1024 * 1024;
/// The number of worlds that run at once. Each tries some of the failures one after the other. The slow failures are in
/// different worlds.
const WORLDS: usize = 6;

/// One way in which a request can go wrong.
struct Failure {
    name: &'static str,
    kind: FaultKind,
    /// The effect on a request that changes something.
    change: Change,
    /// The guard's words for the failure.
    words: &'static str,
}

/// The effect of a failure on a request that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// The request has no effect, and the answer says so.
    Refused,
    /// The request has no effect, and no answer says so.
    Lost,
    /// The request has no effect. The guard sends a run or a pause once more at once.
    Repeated,
    /// The request has its effect, and no answer says so.
    Made,
}

fn failures(elsewhere: &Elsewhere) -> Vec<Failure> {
    let failure = |name, kind, change, words| Failure { name, kind, change, words };
    let status = |code, body: &str| FaultKind::Status { code, body: body.to_owned() };
    let broke = "the connection to TrafficStars broke";
    let too_late = "TrafficStars did not answer in time";
    vec![
        failure("forbidden", status(403, "{}"), Change::Repeated, "TrafficStars rejects the request (403)"),
        failure("an internal error", status(500, "{}"), Change::Repeated, "TrafficStars has an internal error (500)"),
        failure("too late an answer", FaultKind::DelayBeforeAnswer(TOO_LONG), Change::Made, too_late),
        failure("a lost request", FaultKind::DropRequest, Change::Lost, broke),
        failure("a lost answer", FaultKind::LoseAnswer, Change::Made, broke),
        failure("headers that trickle", FaultKind::SlowHeaders(PER_BYTE), Change::Made, too_late),
        failure("half an answer", FaultKind::TruncatedBody, Change::Made, broke),
        failure("a web page", FaultKind::GarbageBody, Change::Made, "answer cannot be read: it is not JSON"),
        failure("a redirect", FaultKind::Redirect(elsewhere.url()), Change::Refused, "rejects the request (302)"),
        failure("a body that trickles", FaultKind::SlowBody(PER_BYTE), Change::Made, too_late),
        failure("a proxy's web page", status(502, "<html>"), Change::Repeated, "has an internal error (502)"),
        failure("a huge body", FaultKind::HugeBody(TOO_MANY_BYTES), Change::Made, "it is larger than 16777216 bytes"),
    ]
}

fn config() -> Config {
    Config::default().set("trafficstar", "timeout", TIMEOUT).generator("cooldown", "10m")
}

/// Tries every failure. Each world that `set_up` makes tries some of them, one after the other.
fn try_each(set_up: impl Fn() -> World + Sync, check: impl Fn(&mut World, i64, &Failure) + Sync) {
    let elsewhere = Elsewhere::new();
    let failures: Vec<_> = (0..).zip(failures(&elsewhere)).collect();
    in_parallel(0..WORLDS, |first| {
        let mut world = set_up();
        for (number, failure) in failures.iter().skip(first).step_by(WORLDS) {
            check(&mut world, *number, failure);
        }
        assert!(!world.guard.log().contains("sandbox-api-key"));
    });
    elsewhere.assert_no_connection();
}

/// Another host. The guard must not follow a redirect to it, because it would get the token.
struct Elsewhere(TcpListener);

impl Elsewhere {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn url(&self) -> String {
        format!("http://{}/v1.1/campaigns", self.0.local_addr().unwrap())
    }

    fn assert_no_connection(&self) {
        let error = self.0.accept().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
}
