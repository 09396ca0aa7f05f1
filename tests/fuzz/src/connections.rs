//! All that a client sends to the control socket before it says nothing more.
//!
//! It then closes its half of the connection, so that no time-out comes into it: a client that leaves it open and sends
//! no more of a body is waited for, for ten seconds, and for thirty within a head. That is the server's patience, not a
//! stall; its own tests hold both times.

use super::served::Served;

/// What the server says, in the order of the statuses; nothing else may come, 500 above all.
const KNOWN: [u16; 17] = [100, 200, 201, 202, 400, 403, 404, 405, 408, 409, 413, 414, 415, 421, 422, 431, 503];
const HEALTH: &[u8] = b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Each answer has a known status, the connection ends, and the next client is served.
pub fn check(bytes: &[u8]) {
    let served = Served::get();
    let (answer, health) = served.alone(|| (served.answer(bytes, false), served.answer(HEALTH, true)));
    let answer = String::from_utf8_lossy(&answer);
    if !answer.is_empty() {
        assert!(status(&answer).is_some_and(|status| KNOWN.contains(&status)), "{answer}");
    }
    assert!(!answer.contains("HTTP/1.1 500"), "{answer}");
    // It leads nobody and has no campaign: all that counts is that it says so.
    let health = String::from_utf8_lossy(&health);
    assert!(matches!(status(&health), Some(200 | 503)) && health.contains("\"status\""), "{health}");
}

fn status(answer: &str) -> Option<u16> {
    let rest = answer.strip_prefix("HTTP/1.1 ").or_else(|| answer.strip_prefix("HTTP/1.0 "))?;
    rest.get(..3)?.parse().ok()
}
