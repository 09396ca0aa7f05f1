//! Colours, bars, columns and lines, for printed results (`status`, `explain`, `history`, `watch`) and for the full
//! screen (`top`).
//!
//! Pure, except for [`paper`], which reads the terminal's width. Every meaning of a colour is also shown as a word or a
//! sign.

pub(super) mod bars;
pub(super) mod columns;
pub(super) mod paper;
pub(super) mod text;
pub(super) mod theme;
