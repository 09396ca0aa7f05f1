//! The way out by HTTP: one POST, signed by Standard Webhooks 1.0.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode, redirect, retry};

use super::SendFailure;
use super::receiver::HookUrl;
use super::signature::Secrets;
use super::template::Written;
use crate::error_chain::in_full;
use crate::printable::printable;

/// The longest time for one attempt.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The most characters of an answer that are shown.
const SHOWN: usize = 200;
/// A part of an address that is shorter than this is no secret. It would hide ordinary words of an answer.
const SHORTEST_SECRET: usize = 4;
/// The addresses of `localhost`. Port 0 means the port of the URL.
const LOOPBACK: [SocketAddr; 2] =
    [SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0), SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0)];

/// Sends the webhooks of all receivers.
#[derive(Debug, Clone)]
pub struct Webhooks {
    /// For addresses on this machine: without a proxy.
    local: reqwest::Client,
    remote: reqwest::Client,
}

impl Webhooks {
    /// Prepares the clients.
    ///
    /// # Errors
    /// The HTTP library cannot be set up.
    pub fn new() -> Result<Self, reqwest::Error> {
        crate::tls::install();
        let builder = || {
            reqwest::Client::builder()
                .user_agent(concat!("traffic-generator/", env!("CARGO_PKG_VERSION")))
                .timeout(TIMEOUT)
                // A redirect could lead to a server for which the signed message is not meant.
                .redirect(redirect::Policy::none())
                .retry(retry::never())
                .http1_only()
        };
        let local = builder().no_proxy().tls_certs_only([]).resolve_to_addrs("localhost", &LOOPBACK).build()?;
        Ok(Self { local, remote: builder().build()? })
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The receiver did not take it.
    pub async fn send(
        &self,
        url: &HookUrl,
        secrets: Option<&Secrets>,
        id: &str,
        now: DateTime<Utc>,
        written: Written,
    ) -> Result<(), SendFailure> {
        let Written { body, content_type } = written;
        let client = if url.exposed().scheme() == "http" { &self.local } else { &self.remote };
        let mut request = client
            .post(url.exposed().clone())
            .header(CONTENT_TYPE, content_type)
            .header("webhook-id", id)
            .header("webhook-timestamp", now.timestamp());
        if let Some(secrets) = secrets {
            request = request.header("webhook-signature", secrets.sign(id, now, body.as_bytes()));
        }
        let sent = request.body(body).send().await;
        let response = sent.map_err(|error| SendFailure::NotReached(in_full(&error.without_url())))?;
        let status = response.status();
        if status.is_success() {
            Ok(())
        } else if status == StatusCode::GONE {
            Err(SendFailure::Gone)
        } else if status.is_redirection() {
            Err(SendFailure::Redirect(status.as_u16()))
        } else {
            let retry_after = retry_after(&response, now);
            Err(SendFailure::Refused { status: status.as_u16(), retry_after, said: said(response, url).await })
        }
    }
}

/// Returns how long the receiver wants us to wait: a number of seconds, or a date.
fn retry_after(response: &Response, now: DateTime<Utc>) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    let until = || DateTime::parse_from_rfc2822(text).ok()?.signed_duration_since(now).to_std().ok();
    text.parse().ok().map(Duration::from_secs).or_else(until)
}

/// Returns the beginning of an answer, for operators.
async fn said(mut response: Response, url: &HookUrl) -> String {
    let beginning = response.chunk().await.ok().flatten().unwrap_or_default();
    let text = without_secrets(&String::from_utf8_lossy(&beginning), url);
    printable(&text.trim().chars().take(SHOWN).collect::<String>())
}

/// Hides the parts of the address that may be secret: many servers repeat the path in an answer such as `Cannot POST
/// /services/T0/secret`.
fn without_secrets(text: &str, url: &HookUrl) -> String {
    let url = url.exposed();
    let pairs = url.query_pairs().flat_map(|(name, value)| [name.into_owned(), value.into_owned()]);
    let segments = url.path_segments().into_iter().flatten().map(str::to_owned);
    let whole = [url.path().to_owned(), url.query().unwrap_or_default().to_owned(), url.username().to_owned()];
    let password = url.password().map(str::to_owned);
    let mut parts: Vec<String> = whole.into_iter().chain(password).chain(pairs).chain(segments).collect();
    parts.retain(|part| part.len() >= SHORTEST_SECRET);
    // The longest first, so that no part of one is left.
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts.iter().fold(text.to_owned(), |text, part| text.replace(part.as_str(), "…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_repeats_the_address_is_shown_without_it() {
        let url = |text: &str| HookUrl::new(text.parse().unwrap());
        let table = [
            ("https://hooks.example/services/T0/swordfish", "Cannot POST /services/T0/swordfish", "Cannot POST …"),
            ("https://hooks.example/services/T0/swordfish", "no hook swordfish in T0", "no hook … in T0"),
            ("https://api.example/bot12:swordfish/send", "bot12:swordfish is unknown", "… is unknown"),
            ("https://hooks.example/?token=sword%20fish", "bad token sword fish (token=sword%20fish)", "bad … … (…)"),
            ("https://me:swordfish@hooks.example/", "not you, swordfish", "not you, …"),
            ("https://hooks.example/", "500 / internal", "500 / internal"),
        ];
        for (address, said, shown) in table {
            assert_eq!(without_secrets(said, &url(address)), shown, "{address}");
        }
    }
}
