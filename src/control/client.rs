//! The client sends the requests of the program's own commands over the control socket; `curl` can send the same ones.
//! It leaves showing the answers to `cli`.

mod account;
mod admin;
mod alerts;
mod campaigns;
mod effect;
mod events;
mod hold;
mod process;

use std::error::Error as _;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

pub use self::events::Events;
use super::Problem;
use crate::domain::explain::Explanation;
use crate::domain::health::Health;
use crate::domain::ids::CampaignId;
use crate::domain::journal::{JournalEntry, JournalQuery};
use crate::domain::status::{CampaignStatus, Dump};
use crate::printable::printable_json;

/// The longest time for a request: longer than the server takes to answer 202.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// After an answer of 202, the client checks at this interval whether the command has taken effect.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The largest number of such checks: three minutes in all, longer than an action takes to be confirmed or to fail.
const LOOKS: u32 = 360;

/// The reason why a request got no answer, or an unexpected one.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No process listens on the socket.
    #[error(
        "the supervisor is not running (nothing listens on {}). NOTHING IS GUARDED. Start it: traffic-generator run. If it \
         runs, give its socket with --socket",
        .0.display()
    )]
    NoSupervisor(PathBuf),
    /// The socket exists, but this user may not use it.
    #[error(
        "you may not use {}{}. Give the command as that user or with sudo, or set [control] mode = \"0660\" and join its group",
        path.display(),
        owner.map(|(user, mode)| format!(", which belongs to the user {user} and has the mode {mode:04o}")).unwrap_or_default()
    )]
    NotAllowed {
        /// The socket's path.
        path: PathBuf,
        /// The uid of its owner, and its permissions, if they can be read.
        owner: Option<(u32, u32)>,
    },
    /// The path is too long for a socket.
    #[error("{} has {} bytes: the path of a socket can have 107 at most", .0.display(), .0.as_os_str().len())]
    PathTooLong(PathBuf),
    /// The socket cannot be used for another reason.
    #[error("the socket {} cannot be used", .0.display())]
    NoConnection(PathBuf, #[source] std::io::Error),
    /// The connection broke, or the answer took too long.
    #[error("the supervisor's answer did not arrive: {0}; see its log, then try again")]
    Broken(Break),
    /// The supervisor was there, and the stream of its events has ended.
    #[error(
        "the supervisor on {} no longer sends events ({}): see its log, and check whether `traffic-generator run` is \
         running, and whether more than 32 clients read its events",
        .0.display(),
        .1
    )]
    Lost(PathBuf, Break),
    /// The answer cannot be parsed: the supervisor may be another version of the program.
    #[error("the supervisor's answer cannot be read: does it have the same version as this command?")]
    Unreadable(#[source] serde_json::Error),
    /// The command was accepted, and has neither taken effect nor failed yet.
    #[error("the command has had no effect yet: `traffic-generator status` and the supervisor's log say why")]
    StillPending,
    /// The supervisor refused the request.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
}

/// The way in which a connection broke. The library's own text is not used, since it names a host, and a Unix socket
/// has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Break {
    /// Nothing arrived for too long.
    #[error("it took too long")]
    TooLong,
    /// The operating system reported this error.
    #[error("{0}")]
    System(ErrorKind),
    /// The supervisor closed the connection.
    #[error("the connection was closed")]
    Closed,
}

impl Break {
    fn of(error: &reqwest::Error) -> Self {
        match system_error(error) {
            _ if error.is_timeout() => Self::TooLong,
            // If an answer ends too early, the library itself makes such an error.
            Some(error) if error.kind() != ErrorKind::UnexpectedEof && error.raw_os_error().is_some() => {
                Self::System(error.kind())
            }
            Some(_) | None => Self::Closed,
        }
    }
}

impl ClientError {
    /// Whether the supervisor answered that the requested thing does not exist (404).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(problem) if problem.status == StatusCode::NOT_FOUND)
    }

    /// Whether the supervisor does not answer, but may answer again in a moment, as during a restart.
    #[must_use]
    pub const fn is_absence(&self) -> bool {
        match self {
            Self::NoSupervisor(_) | Self::NoConnection(..) | Self::Lost(..) | Self::Broken(_) => true,
            Self::NotAllowed { .. }
            | Self::PathTooLong(_)
            | Self::Refused(_)
            | Self::Unreadable(_)
            | Self::StillPending => false,
        }
    }
}

/// A client of the supervisor on one socket.
///
/// Each call fails if no supervisor answers, the connection breaks, the answer cannot be read, or the supervisor
/// refuses. Reasons to refuse are an unknown campaign, an invalid request, an order that is not possible now, and a
/// database that does not answer.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    path: PathBuf,
    /// Whether control characters in the texts of answers are replaced, so that a terminal can show them.
    for_people: bool,
}

impl Client {
    /// Returns a client of the socket at `path`; nothing is sent yet.
    ///
    /// # Errors
    /// The HTTP client could not be built.
    pub fn new(path: &Path) -> Result<Self, ClientError> {
        // The socket uses no TLS, but the library requires a TLS provider.
        crate::tls::install();
        let http = reqwest::Client::builder()
            .unix_socket(path)
            .no_proxy()
            .tls_certs_only([])
            .timeout(ANSWER_WITHIN)
            .build()
            .map_err(|error| ClientError::NoConnection(path.to_owned(), std::io::Error::other(error)))?;
        // Messages show the absolute path, which is valid in every folder.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(Self { http, path, for_people: false })
    }

    /// Returns the same client for people: in texts of answers, such as a campaign's name, characters that control a
    /// terminal or end a line are replaced. Without this, as for programs, each text stays as it is.
    #[must_use]
    pub fn for_people(self) -> Self {
        Self { for_people: true, ..self }
    }

    /// Reads the whole dump.
    pub async fn state(&self) -> Result<Dump, ClientError> {
        self.get("/v1/state").await
    }

    /// Reads one campaign of the dump.
    pub async fn campaign_state(&self, id: CampaignId) -> Result<CampaignStatus, ClientError> {
        self.get(&format!("/v1/campaigns/{id}/state")).await
    }

    /// Reads why a campaign is (not) running, and what happens next.
    pub async fn explain(&self, id: CampaignId) -> Result<Explanation, ClientError> {
        self.get(&format!("/v1/campaigns/{id}/explain")).await
    }

    /// Reads whether every promise can be kept.
    pub async fn health(&self) -> Result<Health, ClientError> {
        let sent = self.http.request(Method::GET, "http://localhost/v1/health").send().await;
        let mut answer = sent.map_err(|source| self.failure(source))?;
        // Both 200 and 503 have the same kind of body.
        if answer.status() != StatusCode::SERVICE_UNAVAILABLE {
            answer = self.accepted(Ok(answer)).await?;
        }
        let body = answer.bytes().await.map_err(|error| ClientError::Broken(Break::of(&error)))?;
        read(&shown(&body, self.for_people))
    }

    /// Reads the matching entries of the journal, newest first.
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
        let body = answer.bytes().await.map_err(|error| ClientError::Broken(Break::of(&error)))?;
        Ok((status, shown(&body, self.for_people)))
    }

    /// Returns a successful answer; turns any other answer into a refusal, with its problem document.
    async fn accepted(&self, answer: Result<Response, reqwest::Error>) -> Result<Response, ClientError> {
        let answer = answer.map_err(|source| self.failure(source))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let body = answer.bytes().await.map_err(|error| ClientError::Broken(Break::of(&error)))?;
        Err(ClientError::Refused(Box::new(read(&shown(&body, self.for_people))?)))
    }

    fn failure(&self, source: reqwest::Error) -> ClientError {
        match system_error(&source) {
            Some(error) if source.is_connect() => no_connection(&self.path, error),
            Some(_) | None if source.is_connect() => ClientError::NoSupervisor(self.path.clone()),
            Some(_) | None => ClientError::Broken(Break::of(&source)),
        }
    }
}

fn system_error(error: &reqwest::Error) -> Option<&std::io::Error> {
    let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.find_map(|cause| cause.downcast_ref::<std::io::Error>())
}

/// Returns why no connection could be made.
fn no_connection(path: &Path, error: &std::io::Error) -> ClientError {
    let path = path.to_owned();
    let kind = error.kind();
    if matches!(kind, ErrorKind::NotFound | ErrorKind::ConnectionRefused) {
        ClientError::NoSupervisor(path)
    } else if kind == ErrorKind::PermissionDenied {
        let owner = path.metadata().ok().map(|seen| (seen.uid(), seen.mode() & 0o7777));
        ClientError::NotAllowed { path, owner }
    } else if kind == ErrorKind::InvalidInput {
        ClientError::PathTooLong(path)
    } else {
        ClientError::NoConnection(path, kind.into())
    }
}

/// Returns an answer's JSON unchanged, or with texts that a terminal can show.
fn shown(json: &[u8], for_people: bool) -> Vec<u8> {
    if for_people { printable_json(&String::from_utf8_lossy(json)).into_bytes() } else { json.to_vec() }
}

/// Returns the answer to a command. An answer of 202 means that there is no effect so far.
fn effect<T: DeserializeOwned>((status, body): (StatusCode, Vec<u8>)) -> Result<T, ClientError> {
    if status == StatusCode::ACCEPTED { Err(ClientError::StillPending) } else { read(&body) }
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(ClientError::Unreadable)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn each_reason_for_no_connection_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let owner = rustix::process::geteuid().as_raw();
        let shown = path.display();
        let denied = format!(
            "you may not use {shown}, which belongs to the user {owner} and has the mode 0600. Give the command as that user or \
             with sudo, or set [control] mode = \"0660\" and join its group"
        );
        let not_running = format!(
            "the supervisor is not running (nothing listens on {shown}). NOTHING IS GUARDED. Start it: traffic-generator run. \
             If it runs, give its socket with --socket"
        );
        let cases = [
            (ErrorKind::PermissionDenied, denied),
            (ErrorKind::NotFound, not_running.clone()),
            (ErrorKind::ConnectionRefused, not_running),
            (ErrorKind::OutOfMemory, format!("the socket {shown} cannot be used")),
        ];
        for (kind, said) in cases {
            assert_eq!(no_connection(&path, &kind.into()).to_string(), said, "{kind}");
        }
        let long = PathBuf::from(format!("/{}", "s".repeat(120)));
        let said = no_connection(&long, &ErrorKind::InvalidInput.into()).to_string();
        assert!(said.ends_with(" has 121 bytes: the path of a socket can have 107 at most"), "{said}");
    }

    /// Returns the errors of a read and of an event, if the supervisor answers with these bytes and closes the
    /// connection.
    async fn said(answer: &'static str) -> (String, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let client = Client::new(&path).unwrap();
        let state = client.state().await.map(drop).unwrap_err();
        let event = match client.events(None).await {
            Ok(mut events) => events.next().await.map(drop).unwrap_err(),
            Err(error) => error,
        };
        (crate::error_chain::in_full(&state), crate::error_chain::in_full(&event))
    }

    #[tokio::test]
    async fn the_error_of_an_answer_that_ends_too_early_has_no_text_of_a_library() {
        let broken = "the supervisor's answer did not arrive: the connection was closed; see its log, then try again";
        assert_eq!(said("").await, (broken.to_owned(), broken.to_owned()));
        assert_eq!(said("NONSENSE\r\n\r\n").await, (broken.to_owned(), broken.to_owned()));
        let (state, event) = said("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nda").await;
        assert_eq!(state, broken);
        assert!(event.contains(" no longer sends events (the connection was closed): see its log"), "{event}");
    }
}
