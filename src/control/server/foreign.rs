//! Refuses requests by their origin. Pure.
//!
//! Through `ssh -L` a browser reaches the socket, and so does every web page that is open in it. A page cannot choose
//! what the browser writes into `Host`, `Origin` and `Sec-Fetch-Site`. It can send a few types of bodies without a
//! preflight.
//!
//! Deliberately absent: tower-http's layer for this. It also accepts changes whose `Origin` equals their `Host`, or
//! whose `Sec-Fetch-Site` is empty. Here a change from a browser is accepted only with `same-origin` or `none`.

use std::net::Ipv4Addr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

use super::answer::Answer;

/// The header in which a browser says where a request comes from; <https://www.w3.org/TR/fetch-metadata/>.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The values of that header that a request of a foreign page never has.
const OWN_SITES: [&str; 2] = ["same-origin", "none"];
/// The type that curl's `-d` sends for every body.
const CURLS_TYPE: &str = "application/x-www-form-urlencoded";
/// The number of characters that are shown of a header.
const SHOWN_CHARACTERS: usize = 100;
/// The number of headers that are shown of those with one name in a request.
const SHOWN_VALUES: usize = 3;

/// Returns a refusal for a request that is not for this server, or for a change that a foreign page may have sent.
pub(super) fn refusal(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Answer> {
    if !is_for_this_machine(uri, headers) {
        return Some(misdirected(uri, headers));
    }
    (!method.is_safe() && may_be_a_foreign_pages(headers)).then(|| forbidden(headers))
}

/// Whether a request names this machine. An attacker's DNS name can lead to this machine, so only local names are
/// accepted. A request with several `Host` headers is refused: a proxy may choose another one than this server. An
/// empty one counts as absent (RFC 9110, 7.2).
fn is_for_this_machine(uri: &Uri, headers: &HeaderMap) -> bool {
    let host_is_local = match values(headers, header::HOST).as_slice() {
        [] => true,
        [host] => host.is_empty() || is_local(host.as_bytes()),
        _ => false,
    };
    host_is_local && uri.authority().is_none_or(|authority| is_local(authority.as_str().as_bytes()))
}

/// Whether it is `localhost`, an address of 127.0.0.0/8 or `[::1]`, with or without a port.
fn is_local(authority: &[u8]) -> bool {
    let Ok(authority) = std::str::from_utf8(authority) else { return false };
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        // There is no port. The colon may belong to an address in brackets.
        Some(_) | None => authority,
    };
    host.eq_ignore_ascii_case("localhost")
        || host == "[::1]"
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a foreign page may have sent the request. curl and the program's own commands send neither header. A current
/// browser sends `Sec-Fetch-Site` with every request to this machine; an older one sends `Origin` with every change.
fn may_be_a_foreign_pages(headers: &HeaderMap) -> bool {
    match values(headers, SEC_FETCH_SITE).as_slice() {
        [] => headers.contains_key(header::ORIGIN),
        [site] => !OWN_SITES.iter().any(|own| site == own),
        _ => true,
    }
}

/// Returns a refusal for the body of a change that is sent neither as JSON nor as curl's `-d` does. A foreign page can
/// send some other types without a preflight.
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
        "this supervisor answers only for localhost, 127.0.0.0/8 and [::1], but the request is for {names}: use \
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
        "a web page of another site may have sent this ({said}), and such pages may not change anything: use the \
         program's own commands, or curl without these headers"
    );
    Answer::problem(StatusCode::FORBIDDEN, "from another site", &detail)
}

fn unsupported(kinds: &[&HeaderValue]) -> Answer {
    let kinds = listed(kinds.iter().copied().map(shown));
    let sent = if kinds.is_empty() { "without a Content-Type".to_owned() } else { format!("as {kinds}") };
    let detail = format!(
        "the body was sent {sent}: send it with `Content-Type: application/json`, or as curl's -d does ({CURLS_TYPE})"
    );
    Answer::problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "body of another type", &detail)
}

fn values(headers: &HeaderMap, name: HeaderName) -> Vec<&HeaderValue> {
    headers.get_all(name).iter().collect()
}

fn listed(texts: impl Iterator<Item = String>) -> String {
    let mut texts: Vec<String> = texts.take(SHOWN_VALUES).collect();
    // A correct client repeats the target's name in `Host`, which is shown once.
    texts.dedup();
    texts.join(", ")
}

/// Returns a header's value, escaped and cut for a terminal and a log, since its sender is not trusted.
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
    fn only_names_of_this_machine_are_local() {
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
    fn only_json_and_the_type_of_curl_are_accepted() {
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
    fn a_shown_header_is_short_and_has_no_control_characters() {
        let shown = |bytes: &[u8]| shown(&HeaderValue::from_bytes(bytes).unwrap());
        assert_eq!(shown(b"http://evil.example"), "http://evil.example");
        assert_eq!(shown("\u{202e}\t".as_bytes()), r"\xe2\x80\xae\t");
        assert_eq!(shown(&[b'x'; 5000]).chars().count(), SHOWN_CHARACTERS + 1);
    }
}
