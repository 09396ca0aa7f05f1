//! What goes wrong between the guard and TrafficStars, at every kind of request.
//!
//! For each failure the guard lives on, says what happened, starts nothing on doubt, and is as it should be soon after.

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

/// The guard's patience with one request. A huge body comes within it, on a machine with much to do, too.
const TIMEOUT: &str = "2500ms";
/// Longer than that.
const TOO_LONG: Duration = Duration::from_secs(5);
/// Shorter, so that only the time of all bytes together is too long.
const PER_BYTE: Duration = Duration::from_millis(400);
/// More than any answer of TrafficStars has.
const TOO_MANY_BYTES: usize = 17 * 1024 * 1024;
/// So many worlds at once, each with some of the failures one after the other: those that take time in different ones.
const WORLDS: usize = 6;

/// One way in which a request can go wrong.
struct Failure {
    name: &'static str,
    kind: FaultKind,
    /// What becomes of a request that is to change something.
    change: Change,
    /// What the guard says of it.
    words: &'static str,
}

/// What becomes of a request that is to change something, and goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// The answer says that it had no effect.
    Refused,
    /// It had none, and no answer says so.
    Lost,
    /// It had none, and a run or a pause is sent once more at once.
    Repeated,
    /// It had its effect, and no answer says so.
    Made,
}

fn failures(elsewhere: &Elsewhere) -> Vec<Failure> {
    let failure = |name, kind, change, words| Failure { name, kind, change, words };
    let status = |code, body: &str| FaultKind::Status { code, body: body.to_owned() };
    let broke = "the connection to TrafficStars broke";
    let too_late = "TrafficStars did not answer in time";
    vec![
        failure("forbidden", status(403, "{}"), Change::Repeated, "TrafficStars rejects the request (403)"),
        failure(
            "a failure of its own",
            status(500, "{}"),
            Change::Repeated,
            "TrafficStars has a failure of its own (500)",
        ),
        failure("too late an answer", FaultKind::DelayBeforeAnswer(TOO_LONG), Change::Made, too_late),
        failure("a lost request", FaultKind::DropRequest, Change::Lost, broke),
        failure("a lost answer", FaultKind::LoseAnswer, Change::Made, broke),
        failure("headers that trickle", FaultKind::SlowHeaders(PER_BYTE), Change::Made, too_late),
        failure("half an answer", FaultKind::TruncatedBody, Change::Made, broke),
        failure("a web page", FaultKind::GarbageBody, Change::Made, "answer cannot be read: it is not JSON"),
        failure("a redirect", FaultKind::Redirect(elsewhere.url()), Change::Refused, "rejects the request (302)"),
        failure("a body that trickles", FaultKind::SlowBody(PER_BYTE), Change::Made, too_late),
        failure("a proxy's web page", status(502, "<html>"), Change::Repeated, "has a failure of its own (502)"),
        failure("a huge body", FaultKind::HugeBody(TOO_MANY_BYTES), Change::Made, "it is larger than 16777216 bytes"),
    ]
}

fn config() -> Config {
    Config::default().set("trafficstar", "timeout", TIMEOUT).generator("cooldown", "10m")
}

/// Tries every failure, some of them one after the other in a world that `set_up` has made.
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
    elsewhere.assert_that_nobody_came();
}

/// Another host, which is not to see a token.
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

    fn assert_that_nobody_came(&self) {
        let nobody = self.0.accept().unwrap_err();
        assert_eq!(nobody.kind(), ErrorKind::WouldBlock);
    }
}
