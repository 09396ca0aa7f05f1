//! This room speaks with TrafficStars: requests and answers, the token, the request limit, batches and endpoints. It
//! leaves actors and timers to `actors`, and the meaning of a campaign's fields to `domain`. Only this room knows
//! TrafficStars' HTTP interface and JSON; API.md, beside this file, holds what is known of it.
//!
//! | file | holds | used by |
//! | --- | --- | --- |
//! | [`client`] | PURE: the client of one account, without I/O: what to send, and what each answer means for its requester | the client actor, the simulation |
//! | [`call`] | PURE: each request's method, path and body, and how its answer is read | `client`, `http`, `check` |
//! | [`http`] | one request over HTTP: time-outs, bounds, status codes to errors | the client actor, `check` |
//! | `endpoint_discovery` | PURE: which path of several is tried next, which works, which does not exist | `client` |
//! | `date` | PURE: the difference between our clock and TrafficStars' | `http` |
//! | `token` | PURE: what a refused token request says about the API key | `http` |
//! | [`wire`] | PURE: the shapes of requests and answers; money parsed, once | `call` |
//! | `excerpt` | PURE: the part of an answer that is safe to show | `wire`, `http` |
//! | [`error`] | what can go wrong, and whether a failed write may have taken effect | all callers |
//! | [`scheduler`] | PURE: the queue in which every request waits | `client`, `check` |
//! | [`reservation`] | PURE: the count of requests that outlives the process | `client` |
//! | [`circuit`] | PURE: which operations fail, and get only probes | `scheduler` |
//! | [`budget`] | PURE: how many requests may leave, and which one next | `scheduler` |
//! | [`batch`] | PURE: which campaigns are read or switched together, and which first | `client` |
//!
//! Every request passes the scheduler, including token requests and repeats after a 401. So the budget counts all of
//! them.
//!
//! # After a 429
//!
//! 1. `http.rs`, `refusal` reads the time of `Retry-After`, and makes the error `RateLimited`.
//! 2. `client/requests.rs`, `answered` passes it to `scheduler.rs`, `rate_limited`. Nothing leaves until that time, for
//!    a minute if there is none, and for five minutes at most. Pauses leave first then.
//! 3. `client/mod.rs`, `note_rate_limited` counts it: a second one within an hour, while we are below our own limit, is
//!    a sign of another program like this one.
//! 4. `error.rs`, `outcome` makes an activation `Postponed`: it waits, and the next tick decides again. A pause is sent
//!    up to three times in all (`client/switch_batches.rs`, `PAUSE_ATTEMPTS`), and then fails; the next tick pauses
//!    again.
//!
//! Deliberately absent: which spend is believed (`domain::spend`), retries (the next tick is the retry), and caches,
//! except that of the token. No code reaches TrafficStars around the scheduler.
#![doc = include_str!("API.md")]

pub mod batch;
pub mod budget;
pub mod call;
pub mod circuit;
pub mod client;
pub mod date;
mod endpoint_discovery;
pub mod error;
mod excerpt;
pub mod http;
pub mod proxy;
pub mod reservation;
pub mod scheduler;
mod token;
pub mod wire;

#[cfg(test)]
mod tests;
