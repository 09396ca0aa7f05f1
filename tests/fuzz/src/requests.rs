//! One request to the control API: `METHOD /path?query`, lines of headers, an empty line, the body. The target may have
//! `http://` and a name before its path. Without such headers, the request goes to `localhost`, and its body is JSON.

use serde_json::Value;
use traffic_generator::control::Problem;

use super::served::Served;

/// The statuses that every request may get.
const ALWAYS: [u16; 4] = [400, 404, 405, 413];
/// The statuses of requests that are refused before an order is read. No other request gets one.
const REFUSALS: [u16; 3] = [403, 415, 421];
const LONGEST_TARGET: usize = 4096;
const LARGEST_BODY: usize = 64 * 1024;
/// Headers that the test sets itself, since they frame the request.
const OWN_HEADERS: [&str; 5] = ["connection", "content-length", "transfer-encoding", "expect", "upgrade"];

/// A header's name in lower case, and its value.
type Header = (String, String);

/// Every request gets one documented answer, and every error is a problem document. Refused, and never passed on, are
/// requests that a foreign web page can send, those for a foreign host name, and bodies of another type.
pub fn check(bytes: &[u8]) {
    let end = bytes.windows(2).position(|two| two == b"\n\n").unwrap_or(bytes.len());
    let (head, body) = (bytes.get(..end).unwrap_or_default(), bytes.get(end + 2..).unwrap_or_default());
    let Ok(head) = std::str::from_utf8(head) else { return };
    let mut lines = head.lines();
    let Some((method, target)) = lines.next().and_then(|line| line.split_once(' ')) else { return };
    let is_method = (3..=10).contains(&method.len()) && method.bytes().all(|byte| byte.is_ascii_uppercase());
    let is_target = (target.starts_with('/') || target.starts_with("http://"))
        && target.len() <= LONGEST_TARGET
        && target.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte));
    if !is_method || !is_target || method == "CONNECT" {
        return;
    }
    let mut headers: Vec<Header> = lines.filter_map(header).take(20).collect();
    for (name, value) in [("host", "localhost"), ("content-type", "application/json")] {
        if !headers.iter().any(|(given, _)| given == name) {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    let mut request = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in &headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let whole = [request.as_bytes(), body].concat();
    let served = Served::get();
    let (answer, orders) = served.alone(|| {
        let before = served.orders();
        (served.answer(&whole, true), served.orders() - before)
    });
    let (authority, path) = parts(target);
    let refusal = refusal(method, authority, &headers, body.len());
    assert!(refusal.is_none() || orders == 0, "{request} is refused, but its order was passed on");
    if authority.is_some() && answer.starts_with(b"HTTP/1.1 400 ") {
        // hyper does not accept the name in the target.
        return;
    }
    check_answer(served, &format!("{method} {path}"), refusal, &answer);
}

fn header(line: &str) -> Option<Header> {
    let (name, value) = line.split_once(": ")?;
    let name = name.to_lowercase();
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_value = value.len() <= 200 && !value.contains(char::is_control);
    (is_name && !OWN_HEADERS.contains(&name.as_str()) && is_value).then(|| (name, value.to_owned()))
}

/// Returns the name in a target, if it has one, and the path.
fn parts(target: &str) -> (Option<&str>, &str) {
    let Some(rest) = target.strip_prefix("http://") else { return (None, target) };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    (Some(authority), if rest.starts_with('/') { rest } else { "/" })
}

/// Returns the status with which a request has to be refused before its order is read; `None` if it is not refused.
fn refusal(method: &str, authority: Option<&str>, headers: &[Header], body: usize) -> Option<u16> {
    let values = |wanted: &str| {
        let found = headers.iter().filter(|(name, _)| name == wanted);
        found.map(|(_, value)| value.trim_matches(' ')).collect::<Vec<_>>()
    };
    let (hosts, sites, kinds) = (values("host"), values("sec-fetch-site"), values("content-type"));
    let is_local = hosts.len() == 1 && (hosts[0].is_empty() || is_local(hosts[0])) && authority.is_none_or(is_local);
    if !is_local {
        return Some(421);
    }
    if ["GET", "HEAD", "OPTIONS", "TRACE"].contains(&method) {
        return None;
    }
    let is_of_no_page = sites.is_empty() && values("origin").is_empty();
    if !is_of_no_page && sites != ["same-origin"] && sites != ["none"] {
        return Some(403);
    }
    let kind = kinds[0].split(';').next().unwrap_or_default().trim().to_lowercase();
    let is_json = kind.starts_with("application/") && (kind.ends_with("/json") || kind.ends_with("+json"));
    let is_read = kinds.len() == 1 && (is_json || kind == "application/x-www-form-urlencoded");
    (!is_read && (1..=LARGEST_BODY).contains(&body)).then_some(415)
}

fn is_local(name: &str) -> bool {
    let after_brackets = name.rfind(']').unwrap_or(0);
    let colon = name[after_brackets..].find(':').map_or(name.len(), |colon| after_brackets + colon);
    let (host, port) = name.split_at(colon);
    let is_number = |part: &str| part.parse::<u8>().is_ok_and(|number| number.to_string() == part);
    let is_loopback = host.starts_with("127.") && host.split('.').count() == 4 && host.split('.').all(is_number);
    let is_port = port.is_empty() || port[1..].bytes().all(|byte| byte.is_ascii_digit());
    is_port && (host.to_lowercase() == "localhost" || host == "[::1]" || is_loopback)
}

fn check_answer(served: &Served, asked: &str, refusal: Option<u16>, answer: &[u8]) {
    let shown = String::from_utf8_lossy(answer);
    let (method, target) = asked.split_once(' ').expect("both");
    let (head, body) = shown.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {asked}: {shown}"));
    let status: u16 = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
    let path = target.split('?').next().unwrap_or_default();
    let is_refused = REFUSALS.contains(&status).then_some(status);
    assert_eq!(is_refused, refusal, "{asked}: left, the refusal; right, the expected one: {body}");
    let documented = served.documented(if method == "HEAD" { "GET" } else { method }, path);
    let is_documented = documented.as_ref().map_or(refusal.is_some(), |documented| documented.contains(&status));
    assert!(is_documented || ALWAYS.contains(&status), "{asked}: {status} is not one of {documented:?}: {body}");
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
