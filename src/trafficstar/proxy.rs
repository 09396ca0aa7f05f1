//! The proxy that the environment names for TrafficStars, so that it can be shown. The HTTP client uses the same
//! library.
//!
//! Deliberately absent: using it (`http`).

use hyper_util::client::proxy::matcher::Matcher;

/// Returns the proxy for requests to `base_url`, without user and password. `None` if there is no proxy. Plain http
/// uses none, because it stays on this machine.
#[must_use]
pub fn proxy_of(base_url: &str) -> Option<String> {
    proxy_by(&Matcher::from_system(), base_url)
}

fn proxy_by(proxies: &Matcher, base_url: &str) -> Option<String> {
    if !base_url.starts_with("https://") {
        return None;
    }
    let found = proxies.intercept(&base_url.parse().ok()?)?;
    let proxy = found.uri();
    Some(format!("{}://{}", proxy.scheme_str().unwrap_or("http"), proxy.authority()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_shown_without_its_password_and_only_if_it_is_used() {
        let proxies = Matcher::builder().all("http://alice:secret@proxy.example:3128").no("inside.example").build();
        for (base_url, proxy) in [
            ("https://api.trafficstars.com", Some("http://proxy.example:3128")),
            ("https://inside.example/api", None),
            ("http://127.0.0.1:8080", None),
        ] {
            assert_eq!(proxy_by(&proxies, base_url).as_deref(), proxy, "{base_url}");
        }
        assert_eq!(proxy_by(&Matcher::builder().build(), "https://api.trafficstars.com"), None);
    }
}
