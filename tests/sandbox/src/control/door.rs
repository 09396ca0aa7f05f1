//! Which requests are accepted: those of programs and people on this machine, but not those of web pages in a browser
//! there.

use std::net::{IpAddr, Ipv4Addr};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tower_http::csrf::{CsrfLayer, ProtectionError};

use super::bodies::Complaint;

/// Adds the checks to every route.
pub(super) fn guard<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    let foreign = |_: ProtectionError| -> Response<Body> {
        Complaint::new(StatusCode::FORBIDDEN, "a web page of another site may not change anything here").into_response()
    };
    // The check that is added last runs first.
    router
        .layer(from_fn(check_content_type))
        .layer(CsrfLayer::new().with_rejection_response(foreign))
        .layer(from_fn(check_host))
}

/// Refuses host names other than this machine's own. A web page may let its own name point to 127.0.0.1, to read the
/// answers.
async fn check_host(request: Request, next: Next) -> Response {
    let named = request.headers().get_all(HOST).iter().map(HeaderValue::as_bytes);
    let in_target = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    if named.chain(in_target).all(is_loopback) {
        next.run(request).await
    } else {
        let message = "Host is not this machine's: use localhost, 127.0.0.1 or [::1]";
        Complaint::new(StatusCode::MISDIRECTED_REQUEST, message).into_response()
    }
}

fn is_loopback(host: &[u8]) -> bool {
    Authority::try_from(host).is_ok_and(|authority| {
        let host = authority.host();
        !authority.as_str().contains('@')
            && (host.eq_ignore_ascii_case("localhost")
                || host == "[::1]"
                || host.parse::<Ipv4Addr>().is_ok_and(|address| IpAddr::from(address).is_loopback()))
    })
}

/// Accepts JSON and the content type of `curl -d`. Refuses all other types that a web page can send without a preflight
/// request.
async fn check_content_type(request: Request, next: Next) -> Response {
    let understood = |kind: &HeaderValue| {
        let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        ["application/json", "application/x-www-form-urlencoded"].iter().any(|known| kind.eq_ignore_ascii_case(known))
    };
    if request.headers().get_all(CONTENT_TYPE).iter().all(understood) {
        next.run(request).await
    } else {
        let message = "send JSON, as application/json or as curl's -d does";
        Complaint::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_this_machines_own_names_are_let_in() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.9.8.7:1", "[::1]", "[::1]:8080"] {
            assert!(is_loopback(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "10.0.0.1",
        ] {
            assert!(!is_loopback(host.as_bytes()), "{host}");
        }
    }
}
