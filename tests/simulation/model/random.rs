//! Random numbers from a seed, by SplitMix64. They stay the same when a library changes its generators.

use std::ops::Range;

#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number of the range; all are equally likely.
    pub(crate) fn within(&mut self, range: Range<i64>) -> i64 {
        let span = range.end.abs_diff(range.start).max(1);
        range.start.saturating_add_unsigned(self.next() % span)
    }

    pub(crate) fn chance(&mut self, percent: i64) -> bool {
        self.within(0..100) < percent
    }

    /// Returns one of these; all are equally likely.
    pub(crate) fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        let which = self.next() % all.len() as u64;
        all[usize::try_from(which).unwrap_or(0)].clone()
    }
}
