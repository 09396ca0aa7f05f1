//! Everything about the remote except actors: the only place that knows HTTP and TrafficStars' JSON. API.md, beside
//! this file, has what is known of it.
//!
//! | file | holds | used by |
//! | --- | --- | --- |
//! | [`client`] | PURE: the client of one account, without I/O: what is sent, and what is answered | the client actor, the simulation |
//! | [`call`] | PURE: each request's method, path and body, and what its answer brings | `client`, `http`, `check` |
//! | [`http`] | one request over HTTP: time-outs, bounds, status codes to errors | the client actor, `check` |
//! | `endpoint_discovery` | PURE: which path of several is tried next, which works, what does not exist | `client` |
//! | `date` | PURE: how far our clock is from the one that answers | `http` |
//! | `token` | PURE: what a refused token request says of the API key | `http` |
//! | [`wire`] | PURE: the shapes of requests and answers; money parsed, once | `call` |
//! | `excerpt` | PURE: what of an answer is shown to people | `wire`, `http` |
//! | [`error`] | what can go wrong, and whether a write may have happened all the same | everybody who asks |
//! | [`scheduler`] | PURE: where every request waits for its turn | `client`, `check` |
//! | [`reservation`] | PURE: the count of requests that outlives the process | `client` |
//! | [`circuit`] | PURE: which operations fail, and are left alone but for probes | `scheduler` |
//! | [`budget`] | PURE: how many requests may leave, and which one next | `scheduler` |
//! | [`batch`] | PURE: who is served together, by which pages and single reads, and who first | `client` |
//!
//! A request that leaves has passed the scheduler, the token's and a repeat after a 401 included: so the budget counts all.
//!
//! Deliberately absent: actors and timers (`actors`), what a campaign's fields mean (`domain::remote`), which spend is
//! believed (`domain::spend`), retries (the next tick is the retry), a cache of anything but the token, and a way to
//! reach TrafficStars past the scheduler.

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
