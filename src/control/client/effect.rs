//! Requests that are answered after an effect at TrafficStars.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Client, ClientError, effect};

/// The longest time that a command waits for its effect: longer than an action takes to be confirmed or to fail.
const EFFECT_WITHIN: Duration = Duration::from_secs(180);
/// The longest time that the answer may take in addition.
const ANSWER_AFTER_EFFECT: Duration = Duration::from_secs(10);

impl Client {
    /// Sends an order, and waits for its effect.
    pub(super) async fn order<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.patiently(self.request(method, path).json(body)).await
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://localhost{path}"))
    }

    pub(super) async fn patiently<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let request = request
            .header("prefer", format!("wait={}", EFFECT_WITHIN.as_secs()))
            .timeout(EFFECT_WITHIN + ANSWER_AFTER_EFFECT);
        effect(self.exchange(request).await?)
    }
}
