//! Web pages of other sites that reach the control socket through a browser, over `ssh -L`. They can neither give
//! orders nor read answers. The program still serves requests as curl sends them.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use sandbox::CampaignSpec;
use serde_json::Value;

use crate::helper::{Reply, World, ask, ask_with, assert_says, say};

const OURS: &str = "Host: localhost:8080";
const JSON: &str = "Content-Type: application/json";
/// An order that does nothing if the server accepts it, because the campaign does not exist.
const NOTHING: (&str, &str) = ("/v1/campaigns/999/process", r#"{"force": "activate"}"#);

/// Asserts that the reply is a problem with this status and these words.
fn assert_refused(reply: &Reply, status: u16, words: &[&str]) {
    assert_eq!((reply.status, reply.content_type.as_str()), (status, "application/problem+json"), "{reply:?}");
    let problem = reply.json();
    assert_eq!(problem["status"], status, "{problem}");
    assert_says(problem["detail"].as_str().unwrap(), words);
}

/// Whether the server accepted the request, and only did not find the campaign.
fn is_accepted(reply: &Reply) -> bool {
    reply.status == 404 && reply.json()["title"] == "unknown campaign"
}

#[test]
fn a_foreign_page_gives_no_orders() {
    let mut world = World::new();
    let socket = world.guard.socket();
    world.add(CampaignSpec::paused(901), 10_000);
    world.wait_until(901, "its first tick", |campaign| campaign.ticks() > 0);
    let id = world.database.row_id(901);
    let foreign = [OURS, "Origin: http://evil.example", "Sec-Fetch-Site: cross-site", "Content-Type: text/plain"];
    let words = ["another site", "Sec-Fetch-Site: cross-site", "Origin: http://evil.example"];

    let force = format!("/v1/campaigns/{id}/process");
    for (method, path, body) in [
        ("POST", force.as_str(), r#"{"force":"activate"}"#),
        ("POST", "/v1/process", r#"{"force":"activate"}"#),
        ("PATCH", &format!("/v1/campaigns/{id}"), r#"{"name":"theirs"}"#),
        ("DELETE", &format!("/v1/campaigns/{id}"), ""),
        ("PUT", "/v1/hold", "{}"),
        ("POST", "/v1/reload", ""),
        ("POST", "/v1/shutdown", ""),
    ] {
        assert_refused(&ask_with(&socket, &foreign, method, path, body), 403, &words);
    }

    world.let_ticks_pass(2);
    assert_eq!(world.writes(901), [], "a page of evil.example changed it");
    let row = ask(&socket, "GET", &format!("/v1/campaigns/{id}"), "").json();
    assert_ne!(row["name"], "theirs", "{row}");
    let hold = &world.guard.state()["campaigns"][0]["ordered"]["hold"];
    assert!(hold.is_null(), "{hold}");
    let audited = format!("method=POST path=\"{force}\" status=403 origin=\"http://evil.example\"");
    assert_says(&world.guard.log(), &[&audited, "path=\"/v1/shutdown\" status=403"]);
}

#[test]
fn a_change_is_accepted_from_the_same_site_or_from_other_programs_than_browsers() {
    let world = World::new();
    let socket = world.guard.socket();
    let passing: &[&[&str]] = &[
        &[],
        &["Sec-Fetch-Site: same-origin"],
        &["Sec-Fetch-Site: none"],
        &["Sec-Fetch-Site: same-origin", "Origin: http://localhost:8080"],
        &["Sec-Fetch-Site: none", "Origin: null"],
        &["sec-fetch-site: none", "Sec-Fetch-Mode: navigate"],
    ];
    let refused: &[&[&str]] = &[
        &["Sec-Fetch-Site: cross-site"],
        &["Sec-Fetch-Site: same-site"],
        &["Sec-Fetch-Site: cross-site", "Origin: http://localhost:8080"],
        &["Sec-Fetch-Site: same-site", "Origin: http://localhost:9090"],
        &["Sec-Fetch-Site: Same-Origin"],
        &["Sec-Fetch-Site: NONE"],
        &["Sec-Fetch-Site: none, none"],
        &["Sec-Fetch-Site: same-origin; x"],
        &["Sec-Fetch-Site: elsewhere"],
        &["Sec-Fetch-Site:"],
        &["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"],
        &["Sec-Fetch-Site: none", "Sec-Fetch-Site: none"],
        &["Sec-Fetch-Site: säme-origin"],
        &["Origin: http://evil.example"],
        // This origin is the same as `Host`. But the browser does not send `Sec-Fetch-Site`, so the origin alone is not
        // trusted.
        &["Origin: http://localhost:8080"],
        &["Origin: null"],
        &["ORIGIN: null"],
        &["Origin:"],
        &["Origin: http://evil.example", "Origin: http://localhost:8080"],
        &["Origin: http://évil.example"],
    ];
    let ask = |said: &[&str], method: &str, (path, body): (&str, &str)| {
        ask_with(&socket, &[&[OURS, JSON], said].concat(), method, path, body)
    };
    for said in passing {
        let reply = ask(said, "POST", NOTHING);
        assert!(is_accepted(&reply), "{said:?}: {reply:?}");
    }
    for said in refused {
        for (method, request) in [("POST", NOTHING), ("DELETE", ("/v1/hold", "")), ("BREW", ("/v1/nothing", ""))] {
            assert_refused(&ask(said, method, request), 403, &["another site", "curl"]);
        }
        // These methods change nothing, and the browser does not show the answer to the page.
        for (method, status) in [("GET", 200), ("HEAD", 200), ("OPTIONS", 405)] {
            let reply = ask(said, method, ("/v1/state", ""));
            assert_eq!(reply.status, status, "{method}, {said:?}: {reply:?}");
        }
    }
}

#[test]
fn a_request_needs_a_host_name_of_this_machine() {
    let world = World::new();
    let socket = world.guard.socket();
    let named = |names: &str| names.split(' ').map(|name| vec![format!("Host: {name}")]).collect::<Vec<_>>();
    let headers = |headers: &[&str]| headers.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut local = named("localhost LOCALHOST:8080 localhost: 127.0.0.1 127.0.0.1:8080 127.8.9.10:1 [::1] [::1]:8080");
    local.extend([headers(&[]), headers(&["Host:"])]);
    let mut foreign = named(
        "evil.example evil.example:8080 localhost.evil.example 127.0.0.1.evil.example localhost@evil.example \
         evil@localhost localhost. 128.0.0.1 0.0.0.0:8080 192.168.0.1 127.1 [::2] ::1 [::ffff:127.0.0.1] löcalhost",
    );
    foreign.push(headers(&["Host: localhost, evil.example"]));
    foreign.extend(["Host: evil.example", "host: localhost", "Host:"].map(|host| headers(&["Host: localhost", host])));
    // The host of an absolute target is checked as well as `Host`.
    let targets =
        [("", true), ("http://localhost:8080", true), ("http://evil.example", false), ("http://evil@[::1]", false)];
    for (hosts, host_is_local) in [(local, true), (foreign, false)] {
        for host in &hosts {
            let host: Vec<&str> = host.iter().map(String::as_str).collect();
            for (target, target_is_local) in targets {
                let ask = |headers: &[&str], method: &str, path: &str, body: &str| {
                    ask_with(&socket, &[&host, headers].concat(), method, &format!("{target}{path}"), body)
                };
                let read = ask(&[], "GET", "/v1/state", "");
                let change = ask(&[JSON], "POST", NOTHING.0, NOTHING.1);
                let nothing = ask(&[], "OPTIONS", "/nothing", "");
                if host_is_local && target_is_local {
                    let statuses = (read.status, is_accepted(&change), nothing.status);
                    assert_eq!(statuses, (200, true, 404), "{target} {host:?}: {change:?}");
                } else {
                    for refused in [read, change, nothing] {
                        assert_refused(&refused, 421, &["only for localhost, 127.0.0.0/8 and [::1]"]);
                    }
                }
            }
        }
    }
    let rebound = ask_with(&socket, &["Host: rebound.evil.example:8080"], "GET", "/v1/state", "");
    assert_refused(&rebound, 421, &["the request is for rebound.evil.example:8080:"]);
    let proxied = ask_with(&socket, &["Host: evil.example"], "GET", "http://evil.example/v1/state", "");
    assert_refused(&proxied, 421, &["the request is for evil.example:"]);
    // The host is checked before the site.
    let both = ask_with(&socket, &["Host: evil.example", "Origin: http://evil.example"], "POST", "/v1/shutdown", "");
    assert_refused(&both, 421, &[]);
}

#[test]
fn a_client_of_http_1_0_needs_no_host_name() {
    let world = World::new();
    let mut answer = String::new();
    say(&world.guard.socket(), "GET /v1/state HTTP/1.0\r\n\r\n").read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
}

#[test]
fn the_body_of_a_change_needs_the_type_json_or_the_type_that_curl_sends() {
    let world = World::new();
    let socket = world.guard.socket();
    let read: &[&[&str]] = &[
        &[JSON],
        &["content-type: Application/Json; charset=UTF-8"],
        &["Content-Type: application/merge-patch+json"],
        &["Content-Type: application/x-www-form-urlencoded"],
        &["Content-Type: application/x-www-form-urlencoded; charset=utf-8"],
    ];
    let refused: &[(&[&str], &str)] = &[
        (&[], "without a Content-Type"),
        (&["Content-Type:"], "as "),
        (&["Content-Type: text/plain"], "as text/plain:"),
        (&["Content-Type: text/plain; charset=application/json"], "as text/plain"),
        (&["Content-Type: multipart/form-data; boundary=x"], "as multipart/form-data"),
        (&["Content-Type: text/json"], "as text/json"),
        (&["Content-Type: application/octet-stream"], "as application/octet-stream"),
        (&["Content-Type: application/json, text/plain"], "as application/json, text/plain"),
        (&[JSON, "Content-Type: text/plain"], "as application/json, text/plain"),
        (&["Content-Type: application/jsön"], r"as application/js\xc3\xb6n"),
    ];
    let (path, body) = NOTHING;
    let ask = |said: &[&str], method: &str, path: &str, body: &str| {
        ask_with(&socket, &[&[OURS], said].concat(), method, path, body)
    };
    for said in read {
        let reply = ask(said, "POST", path, body);
        assert!(is_accepted(&reply), "{said:?}: {reply:?}");
    }
    for (said, words) in refused {
        let what_to_do = ["Content-Type: application/json", "application/x-www-form-urlencoded"];
        assert_refused(&ask(said, "POST", path, body), 415, &[&[*words], &what_to_do[..]].concat());
        // A path that reads no body also refuses a body of another type.
        assert_refused(&ask(said, "POST", "/v1/shutdown", " "), 415, &[words]);
        let without = ask(said, "POST", path, "");
        assert!(is_accepted(&without), "there is no body, {said:?}: {without:?}");
        assert_eq!(ask(said, "GET", "/v1/state", body).status, 200, "it changes nothing, {said:?}");
    }
    // With chunks, the server knows whether there is a body only after it has arrived.
    let head = format!("POST {path} HTTP/1.1\r\n{OURS}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (chunks, expected) in [("0\r\n\r\n", 404), ("2\r\n{}\r\n0\r\n\r\n", 415)] {
        let mut answer = String::new();
        say(&socket, &format!("{head}{chunks}")).read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{chunks:?}: {answer}");
    }
}

/// The client sends more than the socket's buffers hold, before the server reads any of it.
#[test]
fn a_client_that_sends_a_large_body_gets_the_reason_of_the_refusal() {
    let world = World::new();
    let large = " ".repeat(2 * 1024 * 1024);
    let reply = ask_with(&world.guard.socket(), &["Host: evil.example"], "POST", "/v1/process", &large);
    assert_refused(&reply, 421, &["evil.example"]);
}

/// A browser shows an answer to a page of another site only if the answer's headers allow that.
#[test]
fn no_answer_allows_a_page_of_another_site_to_read_it() {
    let world = World::new();
    let socket = world.guard.socket();
    let asked = ["Access-Control-Request-Method: PATCH", "Access-Control-Request-Private-Network: true"];
    for path in ["/v1/state", "/v1/health", "/v1/journal", "/v1/campaigns", "/metrics", "/v1/openapi.json", "/nothing"]
    {
        for origin in ["Origin: http://evil.example", "Origin: null", "Origin: http://localhost:8080"] {
            for method in ["GET", "HEAD", "OPTIONS", "POST"] {
                let reply = ask_with(&socket, &[&[OURS, origin], &asked[..]].concat(), method, path, "");
                let head = reply.head.to_lowercase();
                assert!(!head.contains("access-control-"), "{method} {path}, {origin}: {head}");
            }
        }
    }
}

#[test]
fn curl_and_the_programs_own_commands_still_work() {
    let mut world = World::new();
    world.add_guarded(902);
    let id = world.database.row_id(902).to_string();
    let socket = world.guard.socket();

    // Exactly what curl 7.88 sends for: curl --unix-socket S -X PUT -d '{"reason": "curl"}' http://localhost/v1/…
    let body = r#"{"reason": "curl"}"#;
    let sent = format!(
        "PUT /v1/campaigns/{id}/hold HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\
         Content-Length: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
        body.len()
    );
    let mut begun = [0; 15];
    say(&socket, &sent).read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200 OK");
    assert_eq!(world.campaign(902).text("/ordered/hold/reason"), "curl");

    for command in [
        &["release", &id][..],
        &["hold", &id, "--reason", "command"],
        &["release-all"],
        &["release", &id],
        &["process", &id],
        &["campaign", "set", &id, "--name", "ours"],
        &["url", "add", &id, "--name", "page", "--target-url", "https://example.com/", "--click-limit", "9"],
        &["disable", &id, "--leave-running"],
        &["enable", &id],
        &["reload"],
        &["log-filter", "debug"],
    ] {
        world.done(command);
    }
    if let Some(put) = curl(&socket, &["-X", "PUT", "-d", body, &format!("http://localhost/v1/campaigns/{id}/hold")]) {
        assert_eq!(put["reason"], "curl", "{put}");
        let released = curl(&socket, &["-X", "DELETE", &format!("http://127.0.0.1:8080/v1/campaigns/{id}/hold")]);
        assert!(released.is_some(), "it was there a moment ago");
    }
    world.done(&["shutdown"]);
    world.guard.wait_for_end();
}

/// Runs the real curl, and returns the JSON that it gets. `None` if curl is not installed.
fn curl(socket: &Path, arguments: &[&str]) -> Option<Value> {
    let mut curl = Command::new("curl");
    let curl = curl.args(["--silent", "--show-error", "--fail-with-body", "--unix-socket"]).arg(socket);
    let done = match curl.args(arguments).stdin(Stdio::null()).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        done => done.unwrap(),
    };
    assert!(done.status.success(), "{arguments:?}: {done:?}");
    Some(serde_json::from_slice(&done.stdout).unwrap())
}
