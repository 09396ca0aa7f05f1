//! The bytes that a client sends to the control socket before it closes its half of the connection.
//!
//! It closes that half so that no time-out matters. For a client that leaves it open, the server waits ten seconds for
//! the rest of a body and thirty for the rest of a head. That is intended; the server's own tests check both times.

use super::served::Served;

/// The statuses that the server may answer with, in ascending order. All others are wrong, above all 500.
const KNOWN: [u16; 17] = [100, 200, 201, 202, 400, 403, 404, 405, 408, 409, 413, 414, 415, 421, 422, 431, 503];
const HEALTH: &[u8] = b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Each answer has a known status, the connection ends, and the next client gets an answer.
pub fn check(bytes: &[u8]) {
    let served = Served::get();
    let (answer, health) = served.alone(|| (served.answer(bytes, false), served.answer(HEALTH, true)));
    let answer = String::from_utf8_lossy(&answer);
    if !answer.is_empty() {
        assert!(status(&answer).is_some_and(|status| KNOWN.contains(&status)), "{answer}");
    }
    assert!(!answer.contains("HTTP/1.1 500"), "{answer}");
    // The supervisor here does not lead and has no campaign, so both statuses are right.
    let health = String::from_utf8_lossy(&health);
    assert!(matches!(status(&health), Some(200 | 503)) && health.contains("\"status\""), "{health}");
}

fn status(answer: &str) -> Option<u16> {
    let rest = answer.strip_prefix("HTTP/1.1 ").or_else(|| answer.strip_prefix("HTTP/1.0 "))?;
    rest.get(..3)?.parse().ok()
}
