//! Traffic Generator guards TrafficStars campaigns: it runs and pauses them by today's spend and the remaining clicks.
//!
//! # Where things are
//!
//! Each top-level module is a *room*. Its first paragraph says what it does and what it leaves to others.
//!
//! | room | what it does | what it leaves to others |
//! | --- | --- | --- |
//! | [`domain`] | decides: the rules, the state machine of one campaign, which spend is believed | time, network, database, actors |
//! | [`guard`] | drives one campaign's machine without I/O: the questions of a tick, the outbox | timers, actors, decisions |
//! | [`trafficstar`] | speaks with TrafficStars: requests and answers, token, request limit, batches, endpoints | actors, retries |
//! | [`store`] | all SQL: one `Store` over SQLite and PostgreSQL, the migrations | decisions |
//! | [`alerts`] | tells people about occasions: which message is due to which receiver, its text, and sending it | finding occasions: `domain` does; storing them, timers |
//! | [`actors`] | all of actix: the supervisor, the campaign actors, the TrafficStar client, the database | decisions, SQL, HTTP |
//! | [`board`], [`metrics`] | hold what the actors publish: status, events, counters | sending anything to the actors |
//! | [`control`] | the control API on the Unix socket: its types, server and client; the metrics on a TCP port | carrying orders out: `actors` does |
//! | [`cli`] | the commands, the screens, the manual | all work: it asks the supervisor; `run`, `check`, `migrate`, `pause-all --direct`, and `account` without a supervisor, call `daemon` |
//! | [`config`] | `config.toml` and its overrides; reports every problem at once | the rules' default numbers: `domain` has them |
//! | [`daemon`] | starts and connects everything: actors, control server, leadership, signals, service manager and its watchdog | the work itself, except the lease and `pause-all --direct` |
//! | [`leadership`] | answers whether this process may send, before each request | taking and renewing the lease: `daemon` does |
//! | [`clock`], [`telemetry`], [`error_chain`], [`operator`], [`printable`], `tls` | the time; log lines; an error with its causes; an operator's name; text from outside made safe to print; the TLS provider | |
//!
//! # Where to look
//!
//! | to find | look at |
//! | --- | --- |
//! | a rule, and where it is carried out | [`domain`]'s RULES.md (its table "Where each rule is"), then the file in `src/domain` |
//! | one tick, from the timer to the journal | [`guard`]'s page ONE_TICK.md |
//! | an operator's order, such as `hold` | "An order", below |
//! | what happens on a status code of TrafficStars | `trafficstar/http.rs`, `refusal` makes the error, `trafficstar/error.rs` says what it means; [`trafficstar`], "After a 429" |
//! | a config key | [`config`], "A new key" |
//! | whether the program counts as alive for systemd | `daemon/watchdog.rs`, then `actors/progress.rs` |
//! | the package, its units, the alerts | `packaging/README.md` |
//! | a test | `tests/README.md` |
//!
//! # An order
//!
//! Most orders have a file of their name in each room that they pass. This is the way of `hold`:
//!
//! 1. `cli/mod.rs` parses the command, and `cli/hold.rs` asks. The types are in `control/hold.rs`.
//! 2. `control/client/hold.rs` and `control/server/hold.rs` carry it over the socket.
//! 3. `daemon/order_router.rs` gives it to the supervisor, if this process leads; `actors/supervisor/orders.rs` to the
//!    supervisor's `actors/supervisor/hold.rs`. Without an actor, the hold is stored there (`store/hold.rs`).
//! 4. `actors/campaign/orders.rs` makes it an event of the campaign's machine.
//! 5. `domain/machine/hold.rs`, `set_hold` puts it in force; `conclude_on_hold` decides at each tick. The first pause
//!    of `--pause` is a forced action: `domain/machine/force.rs`.
//! 6. `guard/session.rs` hands the record to the database (`store/records.rs`, `save`), and then answers the order.
//!
//! # Who may import whom
//!
//! `tests/house` checks this table: an import that it does not permit is an error, and so is a permission that no file
//! needs. The files of a room form no circle of imports; `tests/house/circles.rs` lists the modules that share items
//! with their own files.
//!
//! | room | may import |
//! | --- | --- |
//! | `daemon` | everything |
//! | `cli` | `clock`, `config`, `control`, `control::client`, `daemon`, `domain`, `error_chain`, `operator`, `printable`, `telemetry` |
//! | `actors` | `alerts`, `board`, `clock`, `control`, `domain`, `error_chain`, `guard`, `store`, `trafficstar` |
//! | `guard` | `domain`, `trafficstar` |
//! | `control::server` | `board`, `clock`, `control`, `domain`, `error_chain`, `metrics`, `operator`, `printable` |
//! | `control::client` | `control`, `domain`, `printable`, `tls` |
//! | `control` | `domain` |
//! | `trafficstar` | `domain`, `error_chain`, `printable`, `leadership`, `tls` |
//! | `leadership` | `clock`, `domain` |
//! | `store` | `domain` |
//! | `board` | `domain`, `metrics` |
//! | `metrics` | `domain`, `telemetry` |
//! | `config` | `alerts`, `domain`, `error_chain`, `store` |
//! | `alerts` | `domain`, `error_chain`, `printable`, `tls` |
//! | `telemetry` | `config`, `printable` |
//! | `error_chain`, `operator` | `printable` |
//! | `domain`, `clock`, `printable`, `tls` | nothing |
//!
//! `domain` uses only std, serde, thiserror, chrono's types and utoipa's derive. Actors import `control`'s types for
//! the orders that they carry out; they never read the board.

#![cfg_attr(not(test), warn(clippy::disallowed_macros, clippy::unreachable, reason = "what can fail is answered"))]

pub mod actors;
pub mod alerts;
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
