//! One campaign's shell without I/O: told what was read, stored and answered, it says what is to be asked, stored and sent
//! next. The campaign actor carries that out, and so does the simulation.
//!
//! [`session`] is the whole, [`tick`] the questions of one tick, [`outbox`] the records that wait for the database.
//! Deliberately absent: decisions (`domain::machine`), timers, mailboxes, and the client of an account.

pub mod outbox;
pub mod session;
pub mod tick;
