//! HTTP with JSON on the Unix socket. It reads the board, and hands commands to the port; it knows no actor.

mod account;
mod admin;
mod answer;
mod campaigns;
mod connections;
mod events;
mod explain;
mod foreign;
mod journal;
mod middleware;
mod openapi;
mod orders;
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
use self::route::Route;
pub use self::socket::{Socket, SocketError, SocketFile, refuse_if_taken};
use super::{AdminPort, OrderPort};
use crate::board::Board;
use crate::clock::Clock;

/// What the server works with.
#[derive(Debug, Clone)]
pub struct Shared {
    /// What it reads.
    pub board: Board,
    /// The time.
    pub clock: Clock,
    /// Where commands to the supervisor go.
    pub orders: OrderPort,
    /// Where commands to the daemon go.
    pub operations: AdminPort,
}

fn routes() -> Vec<Route> {
    let rooms = [
        state::routes(),
        campaigns::routes(),
        urls::routes(),
        account::routes(),
        journal::routes(),
        events::routes(),
        orders::routes(),
        explain::routes(),
        openapi::routes(),
        admin::routes(),
    ];
    rooms.into_iter().flatten().collect()
}

fn router(shared: Shared) -> Router {
    let routes = routes().into_iter().fold(Router::new(), |router, route| router.route(route.path, route.handler));
    let routes = routes
        .layer(Extension(state::Pieces::default()))
        .layer(Extension(events::Readers::default()))
        .fallback(|| async { Answer::problem(StatusCode::NOT_FOUND, "no such resource", "there is nothing here") })
        .method_not_allowed_fallback(|| async {
            Answer::problem(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", "this resource has other methods")
        });
    framed(routes).with_state(shared)
}

/// What is done for every request, from the inside out.
fn framed<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes
        .layer(from_fn(middleware::only_problems))
        .layer(from_fn(middleware::refuse_other_types))
        .layer(from_fn(middleware::read_body))
        .layer(from_fn(middleware::refuse_foreign))
        .layer(from_fn(middleware::audit))
}
