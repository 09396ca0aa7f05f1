//! How results look: colours, bars, columns and lines, on paper (`status`, `explain`, `history`) and on a screen (`top`).
//!
//! Pure, but for [`paper`], which asks the terminal for its width. Everything that a colour says stands there as a word
//! or a sign, too.

pub(super) mod bars;
pub(super) mod columns;
pub(super) mod paper;
pub(super) mod text;
pub(super) mod theme;
