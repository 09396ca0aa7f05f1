//! HTTP with JSON on the Unix socket. It reads the board, and hands commands to the port; it knows no actor.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path as UrlPath, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};
use serde::Serialize;
use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;

use super::{CampaignPatch, Command, Order, OrderPort, Problem, Refusal};
use crate::board::Board;
use crate::clock::Clock;
use crate::domain::facts::CampaignId;

/// The largest request body that is read.
const BODY_LIMIT_BYTES: usize = 64 * 1024;
/// A command without effect within this time is answered with 202, and goes on.
const EFFECT_WITHIN: Duration = Duration::from_secs(25);

/// Why the socket could not be opened.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Another supervisor is alive behind it.
    #[error("a supervisor answers on {} already: stop it first, or set another [control] socket", .0.display())]
    Taken(PathBuf),
    /// What lies there is not a socket, and is not ours to remove.
    #[error("{} is no socket: move it away, or set another [control] socket", .0.display())]
    NotASocket(PathBuf),
    /// It could not be made.
    #[error("the control socket {} could not be opened: check that its folder exists and may be written", path.display())]
    Open {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// An open control socket; its file goes when this does.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    file: SocketFile,
}

/// Removes the socket's file when dropped.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may be gone already; there is nobody left to tell.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Socket {
    /// Opens the socket with the permissions `mode`. A stale file is replaced, a live socket never.
    ///
    /// # Errors
    /// The path is taken, or cannot be opened.
    pub async fn open(path: &Path, mode: u32) -> Result<Self, SocketError> {
        let open_error = |source| SocketError::Open { path: path.to_owned(), source };
        refuse_if_taken(path).await?;
        // Made under another name and moved into place once its permissions are right: nobody can connect before.
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(format!(".{}", std::process::id()));
        let fresh = SocketFile(PathBuf::from(fresh));
        let _ = std::fs::remove_file(&fresh.0);
        let listener = UnixListener::bind(&fresh.0).map_err(open_error)?;
        std::fs::set_permissions(&fresh.0, std::fs::Permissions::from_mode(mode)).map_err(open_error)?;
        std::fs::rename(&fresh.0, path).map_err(open_error)?;
        Ok(Self { listener, file: SocketFile(path.to_owned()) })
    }

    /// Serves until `stop` resolves.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn serve(
        self,
        board: Board,
        clock: Clock,
        orders: OrderPort,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let _file = self.file;
        axum::serve(self.listener, router(Shared { board, clock, orders })).with_graceful_shutdown(stop).await
    }
}

async fn refuse_if_taken(path: &Path) -> Result<(), SocketError> {
    use std::os::unix::fs::FileTypeExt;
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(SocketError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(SocketError::Taken(path.to_owned())),
        Err(_) => Ok(()),
    }
}

#[derive(Clone)]
struct Shared {
    board: Board,
    clock: Clock,
    orders: OrderPort,
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/v1/state", get(state))
        .route("/v1/campaigns/{id}/state", get(campaign_state))
        .route("/v1/campaigns/{id}", patch(patch_campaign))
        .fallback(|| async { Answer::problem(StatusCode::NOT_FOUND, "no such resource", "there is nothing here") })
        .method_not_allowed_fallback(|| async {
            Answer::problem(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", "this resource has other methods")
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
        .with_state(shared)
}

async fn state(State(shared): State<Shared>) -> Answer {
    Answer::json(StatusCode::OK, &shared.board.dump(shared.clock.now()))
}

async fn campaign_state(State(shared): State<Shared>, UrlPath(id): UrlPath<String>) -> Answer {
    let id = match campaign_id(&id) {
        Ok(id) => id,
        Err(problem) => return problem,
    };
    match shared.board.campaign(id) {
        Some(status) => Answer::json(StatusCode::OK, &*status),
        None => Answer::refusal(&Refusal::UnknownCampaign(id)),
    }
}

async fn patch_campaign(
    State(shared): State<Shared>,
    UrlPath(id): UrlPath<String>,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Answer {
    let id = match campaign_id(&id) {
        Ok(id) => id,
        Err(problem) => return problem,
    };
    let command = match body.map_err(|rejection| Answer::bad_body(&rejection)).and_then(|body| patch_command(id, &body))
    {
        Ok(command) => command,
        Err(problem) => return problem,
    };
    let (reply, answer) = oneshot::channel();
    if shared.orders.send(Order { command, reply }).await.is_err() {
        return Answer::refusal(&Refusal::Failed("the supervisor is stopping".to_owned()));
    }
    match tokio::time::timeout(EFFECT_WITHIN, answer).await {
        Ok(Ok(Ok(campaign))) => Answer::json(StatusCode::OK, &campaign),
        Ok(Ok(Err(refusal))) => Answer::refusal(&refusal),
        Ok(Err(_)) => Answer::refusal(&Refusal::Failed("the supervisor died over this command: try again".to_owned())),
        Err(_) => Answer::json(StatusCode::ACCEPTED, &serde_json::json!({"id": id, "pending": true})),
    }
}

fn campaign_id(text: &str) -> Result<CampaignId, Answer> {
    text.parse()
        .map(CampaignId)
        .map_err(|_| Answer::bad_field("id", format!("`{text}` is no campaign id: give a number")))
}

fn patch_command(id: CampaignId, body: &[u8]) -> Result<Command, Answer> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let patch: CampaignPatch = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        Answer::bad_field(&field, error.inner().to_string())
    })?;
    match patch {
        CampaignPatch { generator_enabled: Some(true), pause: false } => Ok(Command::Enable(id)),
        CampaignPatch { generator_enabled: Some(false), pause } => Ok(Command::Disable { campaign: id, pause }),
        CampaignPatch { pause: true, .. } => {
            Err(Answer::bad_field("pause", "goes with \"generator_enabled\": false alone".to_owned()))
        }
        CampaignPatch { generator_enabled: None, pause: false } => {
            Err(Answer::bad_field("generator_enabled", "nothing to change: give true or false".to_owned()))
        }
    }
}

/// An answer, ready to be sent.
struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Answer {
    fn json(status: StatusCode, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => Self { status, content_type: "application/json", body },
            Err(error) => Self::problem(StatusCode::INTERNAL_SERVER_ERROR, "not serialisable", &error.to_string()),
        }
    }

    fn problem(status: StatusCode, title: &str, detail: &str) -> Self {
        Self::from_problem(
            status,
            &Problem { title: title.to_owned(), status: status.as_u16(), detail: detail.to_owned(), field: None },
        )
    }

    fn bad_field(field: &str, detail: String) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let problem =
            Problem { title: "bad input".to_owned(), status: status.as_u16(), detail, field: Some(field.to_owned()) };
        Self::from_problem(status, &problem)
    }

    fn bad_body(rejection: &axum::extract::rejection::BytesRejection) -> Self {
        Self::problem(rejection.status(), "body not read", &rejection.body_text())
    }

    fn refusal(refusal: &Refusal) -> Self {
        let (status, title) = match refusal {
            Refusal::UnknownCampaign(_) => (StatusCode::NOT_FOUND, "unknown campaign"),
            Refusal::NotNow(_) => (StatusCode::CONFLICT, "not possible now"),
            Refusal::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        };
        Self::problem(status, title, &refusal.to_string())
    }

    fn from_problem(status: StatusCode, problem: &Problem) -> Self {
        let body = serde_json::to_vec(problem).unwrap_or_default();
        Self { status, content_type: "application/problem+json", body }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let content_type = HeaderValue::from_static(self.content_type);
        (self.status, [(header::CONTENT_TYPE, content_type)], self.body).into_response()
    }
}
