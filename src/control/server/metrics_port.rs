//! The TCP port of this machine at which a Prometheus reads the metrics. It serves nothing else, and the same checks as on
//! the control socket refuse web pages of other sites.
//!
//! Deliberately absent: who may read. Every user of this machine may.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::connections::{self, Limits};
use super::{Shared, explain, guarded, not_found};

/// The port could not be opened.
#[derive(Debug, Error)]
#[error(
    "the metrics cannot be served on {address}: stop the program that uses this port, or set another [metrics] listen"
)]
pub struct MetricsPortError {
    address: SocketAddr,
    source: std::io::Error,
}

/// An open port.
#[derive(Debug)]
pub struct MetricsPort(TcpListener);

impl MetricsPort {
    /// Opens the port.
    ///
    /// # Errors
    /// The address does not exist, or another program uses the port.
    pub async fn open(address: SocketAddr) -> Result<Self, MetricsPortError> {
        TcpListener::bind(address).await.map(Self).map_err(|source| MetricsPortError { address, source })
    }

    /// Serves until `stop` resolves.
    pub async fn serve(self, shared: Shared, stop: impl Future<Output = ()>) {
        let metrics = Router::new().route("/metrics", get(explain::prometheus)).fallback(not_found);
        // The port is never opened anew.
        let (_renew, renewed) = mpsc::channel(1);
        connections::serve(self.0, renewed, guarded(metrics).with_state(shared), Limits::default(), stop).await;
    }
}
