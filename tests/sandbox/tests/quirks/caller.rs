//! A client of the sandbox, which uses the API as any client of TrafficStars does.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, Method, Response, StatusCode};
use sandbox::{CampaignSpec, Options, Sandbox};
use serde_json::{Value, json};

/// A client with a token, and its sandbox.
pub(crate) struct Caller {
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client,
    token: String,
}

pub(crate) fn client() -> Client {
    static PROVIDER: OnceLock<()> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        // Another test may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

impl Caller {
    pub(crate) async fn new(options: Options) -> Self {
        let sandbox = Sandbox::start_in_thread(options).unwrap();
        let mut caller = Self { sandbox, client: client(), token: String::new() };
        let answer: Value = caller.fetch_token("sandbox-api-key").await.json().await.unwrap();
        caller.token = answer["access_token"].as_str().unwrap().to_owned();
        caller
    }

    /// Does the same with default options, and adds campaigns.
    pub(crate) async fn with(specs: impl IntoIterator<Item = CampaignSpec>) -> Self {
        let caller = Self::new(Options::default()).await;
        specs.into_iter().for_each(|spec| caller.sandbox.add_campaign(spec));
        caller
    }

    pub(crate) async fn fetch_token(&self, key: &str) -> Response {
        let form = [("grant_type", "refresh_token"), ("refresh_token", key)];
        self.client.post(self.url("/v1/auth/token")).form(&form).send().await.unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.base_url())
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.url(path)).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let response = self.request(Method::GET, path).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let response = self.request(method, path).json(&body).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    pub(crate) async fn run(&self, ids: &[i64]) -> Value {
        self.send(Method::PUT, "/v2/campaigns/run", json!({"campaign_ids": ids})).await.1
    }
}

/// Waits until the condition is true, for at most ten seconds.
pub(crate) async fn eventually(condition: impl AsyncFn() -> bool) {
    let asking = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), asking).await.unwrap();
}

pub(crate) fn today() -> String {
    chrono::Utc::now().format("%Y-%m-%d").to_string()
}

pub(crate) fn report(kind: &str) -> String {
    let today = today();
    format!("/v1.1/advertiser/custom/report/by-{kind}?date_from={today}&date_to={today}")
}
