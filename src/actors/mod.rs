//! The only actix: a supervisor, one actor per guarded campaign, one TrafficStar client, one database actor.
//!
//! Who talks to whom:
//!
//! ```text
//! supervisor ── spawns, releases ──▶ campaign ── ReadTick, Save, SaveSpend ──▶ database
//!     ▲  ▲                            │   │
//!     │  └──── Died, Released ────────┘   └── ReadStatus, ReadSpend, MakeChange ─▶ trafficstar
//!     └── Command (from the control port)
//! all ──▶ board
//! standby ── reads rows and the journal ─▶ database   (in place of the supervisor, while another process leads)
//! ```
//!
//! What the runtime guarantees: one actor handles one message at a time; a panic ends that actor's task and no other; a
//! question to an actor that is gone is answered with an error. What it does not, and who does it instead:
//! - it tells nobody of a panic: a campaign actor owns a [`campaign::DeathNotice`] that speaks when it is dropped, and
//!   the supervisor looks at `connected()` at every sync, too;
//! - it does not build an actor anew from stored state: the supervisor does, with backoff;
//! - an actor's futures die with it: whatever writes to the database runs detached inside the store.
//!
//! Deliberately absent: decisions (`domain`), SQL (`store`), HTTP (`trafficstar`), and any reading of the board.

pub mod answers;
pub mod campaign;
pub mod database;
pub mod direct;
pub mod standby;
pub mod supervisor;
pub mod trafficstar;
