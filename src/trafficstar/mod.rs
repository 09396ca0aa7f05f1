//! Everything about the remote except actors: the only place that knows HTTP and TrafficStars' JSON.
//!
//! | file | holds | used by |
//! | --- | --- | --- |
//! | [`endpoints`] | the operations, as methods of [`http::RemoteClient`], and the candidates for each | the client actor; `check`; `pause-all --direct` |
//! | `switching` | runs and pauses, as methods of the same, and the ways to ask for them | the client actor; `pause-all --direct` |
//! | `candidates` | which candidate is tried next, which works, what does not exist | `endpoints`, `switching` |
//! | [`http`] | one request: token, time-outs, bounds, status codes to errors | `endpoints`, `switching` |
//! | `date` | PURE: how far our clock is from the one that answers | `http` |
//! | `token` | PURE: what a refused token request says of the API key | `http` |
//! | [`wire`] | the shapes of requests and answers; money parsed, once | `endpoints`, `switching`, `http` |
//! | `excerpt` | PURE: what of an answer is shown to people | `wire`, `http` |
//! | [`error`] | what can go wrong, and whether a write may have happened all the same | everybody who asks |
//! | [`gate`] | where every request waits for its turn, and the keeper's side of it | `http` asks, the client actor keeps |
//! | [`circuit`] | PURE: which operations fail, and are left alone but for probes | `gate` |
//! | [`budget`] | PURE: how many requests may leave, and which one next | `gate` |
//! | [`batch`] | PURE: who is served together, by which pages and single reads, and who first | the client actor |
//!
//! A request that leaves has passed the gate, the token's and a repeat after a 401 included: so the budget counts all.
//!
//! Deliberately absent: actors and timers (`actors`), what a campaign's fields mean (`domain::remote`), which spend is
//! believed (`domain::spend`), retries (the next tick is the retry), a cache of anything but the token, and a way to
//! reach TrafficStars past the gate.

pub mod batch;
pub mod budget;
mod candidates;
pub mod circuit;
pub mod date;
pub mod endpoints;
pub mod error;
mod excerpt;
pub mod gate;
pub mod http;
pub mod proxy;
mod switching;
mod token;
pub mod wire;

#[cfg(test)]
mod tests;
