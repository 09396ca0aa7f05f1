//! The server answers HTTP with JSON on the Unix socket, and serves the metrics on a TCP port. It reads the board, and
//! sends commands to channels. It leaves carrying them out to the actors and the daemon.

mod account;
mod admin;
mod alerts;
mod answer;
mod campaigns;
mod connections;
mod events;
mod explain;
mod foreign;
mod hold;
mod journal;
mod metrics_port;
mod middleware;
mod openapi;
mod process;
mod query;
mod route;
mod socket;
mod state;
#[cfg(test)]
mod tests;
mod urls;

use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::{Extension, Router};

use self::answer::Answer;
pub use self::metrics_port::{MetricsPort, MetricsPortError};
use self::route::Route;
pub use self::socket::{Socket, SocketError, SocketFile, refuse_if_taken};
use super::{AdminPort, OrderPort};
use crate::board::Board;
use crate::clock::Clock;

/// The parts that the handlers share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The published state.
    pub board: Board,
    /// The clock.
    pub clock: Clock,
    /// The channel for commands to the supervisor.
    pub orders: OrderPort,
    /// The channel for commands to the daemon.
    pub admin_orders: AdminPort,
    /// Whether `/metrics` has the metrics of each single campaign.
    pub per_campaign_metrics: bool,
}

fn routes() -> Vec<Route> {
    let groups = [
        state::routes(),
        campaigns::routes(),
        urls::routes(),
        account::routes(),
        journal::routes(),
        events::routes(),
        process::routes(),
        hold::routes(),
        explain::routes(),
        openapi::routes(),
        admin::routes(),
        alerts::routes(),
    ];
    groups.into_iter().flatten().collect()
}

fn router(shared: Shared) -> Router {
    let routes = routes().into_iter().fold(Router::new(), |router, route| router.route(route.path, route.handler));
    let routes = routes
        .layer(Extension(state::Pieces::default()))
        .layer(Extension(events::Readers::default()))
        .fallback(not_found)
        .method_not_allowed_fallback(|| async {
            Answer::problem(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", "this path has other methods")
        });
    framed(routes).with_state(shared)
}

async fn not_found() -> Answer {
    Answer::problem(StatusCode::NOT_FOUND, "no such resource", "this path does not exist")
}

/// Adds the steps for every request on the control socket; the last one added runs first.
fn framed<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    guarded(routes).layer(from_fn(middleware::audit))
}

/// Adds the steps for every request on the metrics port, too. No command can be given there, so the audit log has none:
/// otherwise every user of this machine could fill it.
fn guarded<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes
        .layer(from_fn(middleware::only_problems))
        .layer(from_fn(middleware::refuse_other_types))
        .layer(from_fn(middleware::read_body))
        .layer(from_fn(middleware::refuse_foreign))
}
