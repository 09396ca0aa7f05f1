//! Traffic Generator: guards TrafficStars campaigns, running and pausing them by today's spend and the clicks that
//! remain.
//!
//! # The map of the house
//!
//! | room | what is there | what is deliberately absent |
//! | --- | --- | --- |
//! | [`domain`] | the rules: the state machine, the decision table, what a remote's fields mean, whose word on spend counts | a clock, sockets, actors, a database: it decides and never acts |
//! | [`trafficstar`] | everything about the remote: requests and answers, the token, the request budget, what is asked together, which operations are left alone | actors, retries, a cache of anything but the token |
//! | [`guard`] | one campaign's shell without I/O: the tick's questions, what waits for the database, what is sent next | actors, timers, decisions |
//! | [`store`] | the only SQL: one `Store` over SQLite and PostgreSQL, the migrations | decisions |
//! | [`actors`] | the only actix: supervisor, campaign, TrafficStar client, database | decisions, SQL, HTTP |
//! | [`board`], [`metrics`] | the read model: actors publish their status, count and tell what happens, the control server reads and listens | a way back |
//! | [`control`] | the control API on the Unix socket: its types, server and client | actors: a command is an order with a reply slot |
//! | [`cli`] | the commands, status as text, and the full-screen view | anything but asking the supervisor, `run`, `check`, `migrate` and `account` apart |
//! | [`config`] | the config file and its overrides, every problem reported at once | defaults of the rules: they are `domain`'s |
//! | [`daemon`] | the composition root: the only file that sees everything | |
//! | [`leadership`] | whether this process leads, asked right before each request leaves | taking and renewing the lease: `daemon` does, by `domain`'s rules |
//! | [`clock`], [`telemetry`], [`error_chain`], [`operator`], [`printable`], `tls` | the time, log lines, an error with its causes, an operator's name, text from outside fit to be shown, the one choice of cryptography | |
//!
//! # Who may import whom
//!
//! `tests/house` holds the code to this table: it forbids what is not in it, and what nobody needs. Within a room it forbids
//! circles: two files never need each other.
//!
//! | room | may import |
//! | --- | --- |
//! | `daemon` | everything |
//! | `cli` | `clock`, `config`, `control`, `control::client`, `daemon`, `domain`, `error_chain`, `operator`, `printable`, `telemetry` |
//! | `actors` | `board`, `clock`, `control`, `domain`, `error_chain`, `guard`, `store`, `trafficstar` |
//! | `guard` | `domain`, `trafficstar` |
//! | `control::server` | `board`, `clock`, `control`, `domain`, `error_chain`, `metrics`, `operator`, `printable` |
//! | `control::client` | `control`, `domain`, `printable`, `tls` |
//! | `control` | `domain` |
//! | `trafficstar` | `domain`, `error_chain`, `printable`, `leadership`, `tls` |
//! | `leadership` | `clock`, `domain` |
//! | `store` | `domain` |
//! | `board` | `domain`, `metrics` |
//! | `metrics` | `domain`, `telemetry` |
//! | `config` | `domain`, `store` |
//! | `telemetry` | `config`, `printable` |
//! | `error_chain`, `operator` | `printable` |
//! | `domain`, `clock`, `printable`, `tls` | nobody |
//!
//! `domain` uses std, serde, thiserror, chrono's types and utoipa's derive alone, which describes its types for the control
//! API as serde's does. Actors import `control`'s types for the orders that they carry out, and never read the board.
//!
//! # One tick
//!
//! ```text
//! timer (the next point of the shared grid) → campaign actor: step(now, policy, Wake) → [Observe]
//!   → database actor: settings, clicks, stored spend   (asked together by all who tick now: one query)
//!   → client actor: status, then a report if the status tells no spend   (as few requests as serve all; where the
//!     limit does not reach, what a pause needs first, then who waits longest and who is nearest to a threshold)
//!   ← step(now, policy, Observed) → [Note, Store, Send]
//!   → database actor: one transaction, journal entry and promise; then the board; then the request
//!   → client actor: end time and run, or pause, in order of urgency
//!   ← step(now, policy, Applied) → [Note, Store], then ReadBack until the remote shows it, or the time for that is over
//! ```
//!
//! `now` is always an argument. A question carries a number; an answer to another one is counted and dropped. A tick
//! takes no hint of what changed, does the same work each time and retries nothing: the next tick is the retry. What a
//! crash must not lose is stored before it is acted upon: see [`domain::machine`] for the life of a campaign and of an
//! action.

#![cfg_attr(not(test), warn(clippy::disallowed_macros, clippy::unreachable, reason = "what can fail is answered"))]

pub mod actors;
pub mod board;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod domain;
pub mod error_chain;
pub mod guard;
pub mod leadership;
pub mod metrics;
pub mod operator;
pub mod printable;
pub mod store;
pub mod telemetry;
mod tls;
pub mod trafficstar;
