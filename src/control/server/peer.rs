//! Who is at the other end of a connection: the uid that the operating system vouches for.

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::net::UnixListener;

use crate::operator;

/// The process at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    /// None where the operating system does not tell.
    uid: Option<u32>,
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self { uid: stream.io().peer_cred().ok().map(|credentials| credentials.uid()) }
    }
}

impl Peer {
    /// The operator, as the journal and holds call them.
    pub(super) async fn operator(self) -> Option<String> {
        let uid = self.uid?;
        // Asking for the name may block; without it the number alone says whose order it was.
        let named = tokio::task::spawn_blocking(move || operator::describe(uid)).await;
        Some(named.unwrap_or_else(|_| uid.to_string()))
    }
}
