//! This room connects the decisions to the clock, to the database and to TrafficStars, by actors. It leaves decisions
//! to `domain` and `guard`, SQL to `store`, and HTTP and the request limit to `trafficstar`.
//!
//! There is one supervisor, one actor per guarded campaign, one TrafficStar client and one database actor. Each actor
//! owns a mailbox and timers, sends messages to the other actors, and publishes its status on the board. No actor reads
//! the board. Only this folder and `daemon` use actix.
//!
//! The messages:
//!
//! ```text
//! supervisor ── spawns, Disable ──▶ campaign ── ReadTick, Save, SaveSpend ──▶ database
//!     ▲  ▲                            │   │
//!     │  └── Died, DisableEnded ──────┘   └── ReadStatus, ReadSpend, MakeChange ─▶ trafficstar
//!     └── CarryOut (an order from the control socket)
//! all ──▶ board
//! standby ── reads rows and the journal ─▶ database   (replaces the supervisor while another process leads)
//! ```
//!
//! actix guarantees three things. An actor handles one message at a time. A panic ends only the task of its actor. A
//! message to an actor that has ended returns an error.
//!
//! actix does not do the following, so this folder does it:
//! - actix reports no panic. A campaign actor owns a [`campaign::DiedOnDrop`], which reports the end of the actor when
//!   it is dropped. The supervisor also checks `connected()` at every sync.
//! - actix does not build an actor again from stored state. The supervisor does, with a backoff.
//! - actix does not notice an actor that hangs. [`progress`] lets the daemon ask each actor that all others need.
//! - The futures of an actor end with the actor. Each write to the database therefore runs detached inside the store.

pub mod alerts;
pub mod answers;
pub mod campaign;
pub mod database;
pub mod direct;
pub mod progress;
pub mod standby;
pub mod supervisor;
pub mod trafficstar;
