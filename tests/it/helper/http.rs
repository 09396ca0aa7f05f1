//! Requests to the control socket and to the metrics port: as `curl` sends them, or as the bytes that a test chooses.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// The longest time that an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer of the control server.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The status line and the headers.
    pub(crate) head: String,
    pub(crate) content_type: String,
    /// The body.
    pub(crate) text: String,
}

impl Reply {
    /// Returns the body as JSON. Fails the test if it is not JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns the kinds of the reasons in the health that this answer holds.
    pub(crate) fn degradations(&self) -> Vec<String> {
        let health = self.json();
        let reasons = health["reasons"].as_array().unwrap().iter();
        reasons.map(|reason| reason["kind"].as_str().unwrap().to_owned()).collect()
    }
}

/// Connects and sends `bytes`, and nothing more.
pub(crate) fn say(socket: &Path, bytes: &str) -> UnixStream {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes.as_bytes()).unwrap();
    stream
}

/// The content type that `curl -d` gives every body.
const CURLS_TYPE: &str = "Content-Type: application/x-www-form-urlencoded";

/// Sends a request with a body, perhaps an empty one, and waits for the answer.
pub(crate) fn ask(socket: &Path, method: &str, path: &str, body: &str) -> Reply {
    let headers: &[&str] = if body.is_empty() { &["Host: localhost"] } else { &["Host: localhost", CURLS_TYPE] };
    ask_with(socket, headers, method, path, body)
}

/// Does the same with these headers. Only the headers `Connection` and `Content-Length` are added.
pub(crate) fn ask_with(socket: &Path, headers: &[&str], method: &str, path: &str, body: &str) -> Reply {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    exchange(stream, headers, method, path, body)
}

/// Sends a request without a body to a TCP port of this machine, and waits for the answer.
pub(crate) fn ask_port(port: u16, host: &str, method: &str, path: &str) -> Reply {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    exchange(stream, &[&format!("Host: {host}")], method, path, "")
}

fn exchange(mut stream: impl Read + Write, headers: &[&str], method: &str, path: &str, body: &str) -> Reply {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {length}");
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, text) =
        answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {method} {path}: {answer}"));
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_lowercase().starts_with(name))?;
        line.split_once(": ").map(|(_, value)| value.to_owned())
    };
    assert!(header("transfer-encoding").is_none(), "an answer in chunks: {head}");
    Reply {
        head: head.to_owned(),
        status: head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap(),
        content_type: header("content-type").unwrap_or_default(),
        text: text.to_owned(),
    }
}
