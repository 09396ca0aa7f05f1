//! The program's own commands, as a client of the control API. It uses nothing else than what `curl` could.

mod campaigns;
mod events;
mod operate;
mod orders;

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

pub use self::events::Events;
use super::Problem;
use crate::domain::explain::Explanation;
use crate::domain::ids::CampaignId;
use crate::domain::journal::{JournalEntry, JournalQuery};
use crate::domain::status::{CampaignStatus, Dump};
use crate::printable::printable_json;

/// Longer than the server takes to answer 202.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How often a command that was answered with 202 looks whether it has come about.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often it looks at the most: for three minutes, longer than an action takes to be confirmed or to fail.
const LOOKS: u32 = 360;

/// Why a command got no answer, or not the one hoped for.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no supervisor answers on {}: is `traffic-generator run` running, and is --socket right?", .0.display())]
    NoSupervisor(PathBuf, #[source] reqwest::Error),
    /// The connection broke, or the answer took too long.
    #[error("the supervisor's answer did not arrive: see its log, then try again")]
    Broken(#[source] reqwest::Error),
    /// It was there, and is not any more.
    #[error("the supervisor behind {} has gone: see its log, whether `traffic-generator run` is running, \
         and whether more than 32 read its events", .0.display())]
    Lost(PathBuf, #[source] Option<reqwest::Error>),
    /// The answer makes no sense: another version of the program, perhaps.
    #[error("the supervisor's answer cannot be read: is it of the same version as this command?")]
    Unreadable(#[source] serde_json::Error),
    /// It was begun, and neither came about nor was refused.
    #[error("the command has not come about yet: `traffic-generator status` and the supervisor's log say why")]
    StillPending,
    /// The supervisor says no.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
}

/// A client of the supervisor behind one socket.
///
/// Each call fails where no supervisor answers, the connection breaks or the answer cannot be read, and with whatever the
/// supervisor refuses: an unknown campaign, what makes no sense or is not possible now, a database that does not answer.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    path: PathBuf,
    /// Whether the texts of an answer are made fit to be shown.
    for_people: bool,
}

impl Client {
    /// A client of the socket at `path`; nothing is sent yet.
    ///
    /// # Errors
    /// The HTTP client could not be built.
    pub fn new(path: &Path) -> Result<Self, ClientError> {
        // No TLS is spoken on the socket, but the library wants to be able to.
        crate::tls::install();
        let http = reqwest::Client::builder()
            .unix_socket(path)
            .no_proxy()
            .tls_certs_only([])
            .timeout(ANSWER_WITHIN)
            .build()
            .map_err(ClientError::Broken)?;
        Ok(Self { http, path: path.to_owned(), for_people: false })
    }

    /// The same for people to read: no text of an answer, such as a campaign's name, has a character any more that acts on
    /// a terminal or ends a line. Programs get each text as it is.
    #[must_use]
    pub fn for_people(self) -> Self {
        Self { for_people: true, ..self }
    }

    /// The whole dump.
    pub async fn state(&self) -> Result<Dump, ClientError> {
        self.get("/v1/state").await
    }

    /// One campaign of the dump.
    pub async fn campaign_state(&self, id: CampaignId) -> Result<CampaignStatus, ClientError> {
        self.get(&format!("/v1/campaigns/{id}/state")).await
    }

    /// Why a campaign is (not) running, and what happens next.
    pub async fn explain(&self, id: CampaignId) -> Result<Explanation, ClientError> {
        self.get(&format!("/v1/campaigns/{id}/explain")).await
    }

    /// The journal's entries that fit, newest first.
    pub async fn journal(&self, query: JournalQuery) -> Result<Vec<JournalEntry>, ClientError> {
        let JournalQuery { campaign, since, limit } = query;
        let mut parameters = url::form_urlencoded::Serializer::new(String::new());
        parameters.append_pair("limit", &limit.to_string());
        parameters.extend_pairs(campaign.map(|campaign| ("campaign", campaign.to_string())));
        parameters.extend_pairs(since.map(|since| ("since", since.to_rfc3339())));
        self.get(&format!("/v1/journal?{}", parameters.finish())).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        read(&self.send(Method::GET, path, None::<()>).await?.1)
    }

    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<impl Serialize>,
    ) -> Result<(StatusCode, Vec<u8>), ClientError> {
        let mut request = self.http.request(method, format!("http://localhost{path}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.exchange(request).await
    }

    async fn exchange(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), ClientError> {
        let answer = self.accepted(request.send().await).await?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(ClientError::Broken)?;
        Ok((status, heard(&body, self.for_people)))
    }

    /// An answer of success; any other one is a refusal, with its problem document.
    async fn accepted(&self, answer: Result<Response, reqwest::Error>) -> Result<Response, ClientError> {
        let answer = answer.map_err(|source| self.failure(source))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let body = answer.bytes().await.map_err(ClientError::Broken)?;
        Err(ClientError::Refused(Box::new(read(&heard(&body, self.for_people))?)))
    }

    fn failure(&self, source: reqwest::Error) -> ClientError {
        if source.is_connect() {
            ClientError::NoSupervisor(self.path.clone(), source)
        } else {
            ClientError::Broken(source)
        }
    }
}

/// An answer's JSON as it is, or for people to read.
fn heard(json: &[u8], for_people: bool) -> Vec<u8> {
    if for_people { printable_json(&String::from_utf8_lossy(json)).into_bytes() } else { json.to_vec() }
}

/// The answer to a command after its effect; 202 says that there is none so far.
fn effect<T: DeserializeOwned>((status, body): (StatusCode, Vec<u8>)) -> Result<T, ClientError> {
    if status == StatusCode::ACCEPTED { Err(ClientError::StillPending) } else { read(&body) }
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(ClientError::Unreadable)
}
