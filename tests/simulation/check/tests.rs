//! Every checker against a log that holds and one that breaks its rule.
//!
//! [`Story`] writes a log of one campaign, as a driver would.

mod doubts;
mod refusals;
mod rules;
mod story;
