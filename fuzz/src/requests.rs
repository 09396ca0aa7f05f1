//! One request to the control API: `METHOD /path?query`, lines of headers, an empty line, the body.

use serde_json::Value;
use traffic_generator::control::Problem;

use super::served::Served;

/// What every request can be answered with.
const ALWAYS: [u16; 4] = [400, 404, 405, 413];
const LONGEST_TARGET: usize = 4096;
/// What the framing of the request is made of.
const OWN_HEADERS: [&str; 6] = ["host", "connection", "content-length", "transfer-encoding", "expect", "upgrade"];

/// Whatever is asked for, one documented answer comes, and an error is a problem document.
pub fn check(bytes: &[u8]) {
    let end = bytes.windows(2).position(|two| two == b"\n\n").unwrap_or(bytes.len());
    let (head, body) = (bytes.get(..end).unwrap_or_default(), bytes.get(end + 2..).unwrap_or_default());
    let Ok(head) = std::str::from_utf8(head) else { return };
    let mut lines = head.lines();
    let Some((method, target)) = lines.next().and_then(|line| line.split_once(' ')) else { return };
    let is_method = (3..=10).contains(&method.len()) && method.bytes().all(|byte| byte.is_ascii_uppercase());
    let is_target = target.starts_with('/')
        && target.len() <= LONGEST_TARGET
        && target.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte));
    if !is_method || !is_target || method == "CONNECT" {
        return;
    }
    let mut request = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    for header in lines.filter(|line| is_header(line)).take(20) {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let whole = [request.as_bytes(), body].concat();
    let served = Served::get();
    let answer = served.alone(|| served.answer(&whole, true));
    check_answer(served, method, target, &answer);
}

fn is_header(line: &str) -> bool {
    line.split_once(": ").is_some_and(|(name, value)| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !OWN_HEADERS.contains(&name.to_lowercase().as_str())
            && value.len() <= 200
            && value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
    })
}

fn check_answer(served: &Served, method: &str, target: &str, answer: &[u8]) {
    let shown = String::from_utf8_lossy(answer);
    let asked = format!("{method} {target}");
    let (head, body) = shown.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {asked}: {shown}"));
    let status: u16 = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
    let path = target.split('?').next().unwrap_or_default();
    let documented = served.documented(if method == "HEAD" { "GET" } else { method }, path).unwrap_or_default();
    assert!(
        documented.contains(&status) || ALWAYS.contains(&status),
        "{asked}: {status} is none of {documented:?}: {body}"
    );
    let kind = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let kind = kind.map_or("", |(_, kind)| kind);
    if method == "HEAD" {
        assert!(body.is_empty(), "{asked}: {body}");
    } else if status < 300 || status == 503 {
        let is_json = kind == "application/json" && serde_json::from_str::<Value>(body).is_ok();
        assert!(is_json || kind.starts_with("text/event-stream") || path == "/metrics", "{asked}: {kind}: {body}");
    } else {
        assert_eq!(kind, "application/problem+json", "{asked}: {shown}");
        let problem: Problem = serde_json::from_str(body).unwrap_or_else(|error| panic!("{asked}: {error}: {body}"));
        assert!(problem.status == status && !problem.title.is_empty() && !problem.detail.is_empty(), "{asked}: {body}");
        assert_eq!(problem.field.is_some(), status == 422 || problem.title == "taken", "{asked}: {body}");
    }
}
