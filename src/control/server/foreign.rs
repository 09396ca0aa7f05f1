//! Which requests are refused for where they come from. Pure.
//!
//! Behind `ssh -L` a browser reaches the socket, and with it every web page that is open there. A page cannot choose what
//! the browser says of it in `Host`, `Origin` and `Sec-Fetch-Site`, and can send a few types of a body without asking first.
//!
//! Deliberately absent: tower-http's layer for this, which also lets changes pass whose `Origin` is the same as their `Host`,
//! or whose `Sec-Fetch-Site` is empty. Here a request from a browser says `same-origin` or `none`, or changes nothing.

use std::net::Ipv4Addr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

use super::answer::Answer;

/// What a browser writes there; <https://www.w3.org/TR/fetch-metadata/>.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The values of it that no foreign page's request has.
const OWN_SITES: [&str; 2] = ["same-origin", "none"];
/// What curl's `-d` sends, whatever the body is.
const CURLS_TYPE: &str = "application/x-www-form-urlencoded";
/// As much of a header as is shown.
const SHOWN_CHARACTERS: usize = 100;
/// So many of a request's headers of one name are shown.
const SHOWN_VALUES: usize = 3;

/// Why a request is not for this server, or is a change that a foreign page may have sent.
pub(super) fn refusal(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Answer> {
    if !is_for_this_machine(uri, headers) {
        return Some(misdirected(uri, headers));
    }
    (!method.is_safe() && may_be_a_foreign_pages(headers)).then(|| forbidden(headers))
}

/// An attacker's DNS name can lead to this machine, so that only local names pass. A request with several `Host` headers is
/// refused: a proxy may choose another one than we do. An empty one counts as absent (RFC 9110, 7.2).
fn is_for_this_machine(uri: &Uri, headers: &HeaderMap) -> bool {
    let host_is_local = match values(headers, header::HOST).as_slice() {
        [] => true,
        [host] => host.is_empty() || is_local(host.as_bytes()),
        _ => false,
    };
    host_is_local && uri.authority().is_none_or(|authority| is_local(authority.as_str().as_bytes()))
}

/// Whether it is `localhost`, an address of 127.0.0.0/8 or `[::1]`, each perhaps with a port.
fn is_local(authority: &[u8]) -> bool {
    let Ok(authority) = std::str::from_utf8(authority) else { return false };
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        // Without a port, as an address in brackets may be.
        Some(_) | None => authority,
    };
    host.eq_ignore_ascii_case("localhost")
        || host == "[::1]"
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// curl and the program's own commands send neither header. A browser of the last years sends the first with every
/// request to this machine; an older one sends the second with every change.
fn may_be_a_foreign_pages(headers: &HeaderMap) -> bool {
    match values(headers, SEC_FETCH_SITE).as_slice() {
        [] => headers.contains_key(header::ORIGIN),
        [site] => !OWN_SITES.iter().any(|own| site == own),
        _ => true,
    }
}

/// Why the body of a change is not read: a page can send other types without asking first, and others mean other things.
pub(super) fn type_refusal(headers: &HeaderMap) -> Option<Answer> {
    match values(headers, header::CONTENT_TYPE).as_slice() {
        [kind] if kind.to_str().is_ok_and(is_json_or_curls) => None,
        kinds => Some(unsupported(kinds)),
    }
}

fn is_json_or_curls(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = |subtype: &str| subtype == "json" || subtype.ends_with("+json");
    essence == CURLS_TYPE || essence.strip_prefix("application/").is_some_and(is_json)
}

fn misdirected(uri: &Uri, headers: &HeaderMap) -> Answer {
    let authority = uri.authority().map(|authority| beginning(authority.as_str().as_bytes()));
    let hosts = values(headers, header::HOST).into_iter().map(shown);
    let names = listed(authority.into_iter().chain(hosts));
    let detail = format!(
        "this supervisor answers for localhost, 127.0.0.0/8 and [::1] alone, and the request is for {names}: ask for \
         http://localhost, with the port if there is one"
    );
    Answer::problem(StatusCode::MISDIRECTED_REQUEST, "not for this server", &detail)
}

fn forbidden(headers: &HeaderMap) -> Answer {
    let said = |name: &'static str, header: HeaderName| {
        values(headers, header).into_iter().map(move |value| format!("{name}: {}", shown(value)))
    };
    let said = listed(said("Sec-Fetch-Site", SEC_FETCH_SITE).chain(said("Origin", header::ORIGIN)));
    let detail = format!(
        "a web page of another site may have sent this ({said}), and such a page changes nothing here: use the program's \
         own commands, or curl without these headers"
    );
    Answer::problem(StatusCode::FORBIDDEN, "from another site", &detail)
}

fn unsupported(kinds: &[&HeaderValue]) -> Answer {
    let kinds = listed(kinds.iter().copied().map(shown));
    let sent = if kinds.is_empty() { "without a Content-Type".to_owned() } else { format!("as {kinds}") };
    let detail = format!(
        "the body is sent {sent}: send it with `Content-Type: application/json`, or as curl's -d does ({CURLS_TYPE})"
    );
    Answer::problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "body of another type", &detail)
}

fn values(headers: &HeaderMap, name: HeaderName) -> Vec<&HeaderValue> {
    headers.get_all(name).iter().collect()
}

fn listed(texts: impl Iterator<Item = String>) -> String {
    let mut texts: Vec<String> = texts.take(SHOWN_VALUES).collect();
    // A client that knows what it does repeats the target's name in `Host`.
    texts.dedup();
    texts.join(", ")
}

/// A header's value, fit for a terminal and a log: its sender may be anybody.
pub(super) fn shown(value: &HeaderValue) -> String {
    beginning(value.as_bytes())
}

fn beginning(bytes: &[u8]) -> String {
    let mut characters = bytes.escape_ascii().map(char::from);
    let mut beginning: String = characters.by_ref().take(SHOWN_CHARACTERS).collect();
    if characters.next().is_some() {
        beginning.push('…');
    }
    beginning
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_are_local_and_no_others() {
        let local = "localhost LocalHost localhost:8080 localhost: 127.0.0.1 127.0.0.1:80 127.255.255.254:65535 [::1] \
                     [::1]:8080";
        for name in local.split(' ') {
            assert!(is_local(name.as_bytes()), "{name}");
        }
        let foreign = "evil.example evil.example:8080 localhost.evil.example localhost. 127.0.0.1.evil.example \
                       evil.example:80:localhost localhost:80:80 localhost:port localhost:+80 evil@localhost \
                       localhost@evil.example localhost/ 128.0.0.1 126.255.255.255 0.0.0.0 10.0.0.1 127.1 127.0.0.01 \
                       0x7f000001 2130706433 ::1 [::1 ::1] [::2] [::ffff:127.0.0.1] [::] :8080 localhost\u{202e}";
        let others: [&[u8]; 3] = [b"localhost, evil.example", b" localhost", b"\xff"];
        for name in foreign.split(' ').map(str::as_bytes).chain(others) {
            assert!(!is_local(name), "{}", name.escape_ascii());
        }
    }

    #[test]
    fn json_and_curls_form_are_read_and_no_other_type() {
        let read = "application/json|Application/JSON|application/json; charset=utf-8|application/json;charset=utf-8|\
                    application/merge-patch+json|application/x-www-form-urlencoded|\
                    application/x-www-form-urlencoded; charset=UTF-8";
        let refused = "|json|text/plain|text/plain; application/json|text/plain;charset=UTF-8|text/json|\
                       multipart/form-data; boundary=x|application/octet-stream|application/jsonp|\
                       application/json, text/plain|x-application/json";
        for (kinds, expected) in [(read, true), (refused, false)] {
            for kind in kinds.split('|') {
                assert_eq!(is_json_or_curls(kind), expected, "{kind}");
            }
        }
    }

    #[test]
    fn what_is_shown_of_a_header_is_short_and_harms_no_terminal() {
        let shown = |bytes: &[u8]| shown(&HeaderValue::from_bytes(bytes).unwrap());
        assert_eq!(shown(b"http://evil.example"), "http://evil.example");
        assert_eq!(shown("\u{202e}\t".as_bytes()), r"\xe2\x80\xae\t");
        assert_eq!(shown(&[b'x'; 5000]).chars().count(), SHOWN_CHARACTERS + 1);
    }
}
