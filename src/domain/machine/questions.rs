//! The questions that are not answered: at most one of a tick, and one that reads an action back.
//!
//! Questions and actions share one series of growing numbers. So it is known which of two came first.

use chrono::{DateTime, Utc};

use super::invariants::{Broken, must};
use crate::domain::event::QuestionId;

/// A question that is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) question_id: QuestionId,
    pub(super) asked_at: DateTime<Utc>,
    pub(super) reads_remote: bool,
}

impl Question {
    /// Whether it was asked later than the question or action with this number.
    pub(super) const fn is_after(self, number: u64) -> bool {
        self.question_id.0 > number
    }
}

/// The questions of one machine.
#[derive(Debug, Clone)]
pub(super) struct Questions {
    tick: Option<Question>,
    read_back: Option<Question>,
    last_number: u64,
}

impl Questions {
    /// Builds it without questions. New numbers follow this one.
    pub(super) const fn after(last_number: u64) -> Self {
        Self { tick: None, read_back: None, last_number }
    }

    pub(super) const fn last_number(&self) -> u64 {
        self.last_number
    }

    pub(super) const fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(super) const fn is_ticking(&self) -> bool {
        self.tick.is_some()
    }

    pub(super) const fn is_reading_back(&self) -> bool {
        self.read_back.is_some()
    }

    /// Begins a tick.
    pub(super) const fn tick(&mut self, now: DateTime<Utc>, reads_remote: bool) -> QuestionId {
        let question_id = QuestionId(self.next_number());
        self.tick = Some(Question { question_id, asked_at: now, reads_remote });
        question_id
    }

    /// Begins a read of this one campaign. The answer to an earlier such read is then dropped.
    pub(super) const fn read_back(&mut self, now: DateTime<Utc>) -> QuestionId {
        let question_id = QuestionId(self.next_number());
        self.read_back = Some(Question { question_id, asked_at: now, reads_remote: true });
        question_id
    }

    /// Returns the tick's question if this number answers it, and ends it.
    pub(super) fn take_tick(&mut self, question_id: QuestionId) -> Option<Question> {
        self.tick.take_if(|question| question.question_id == question_id)
    }

    /// Returns the question that reads an action back if this number answers it, and ends it.
    pub(super) fn take_read_back(&mut self, question_id: QuestionId) -> Option<Question> {
        self.read_back.take_if(|asked| asked.question_id == question_id)
    }

    pub(super) fn invariants(&self) -> Result<(), Broken> {
        let numbers = [self.tick, self.read_back].map(|question| question.map(|question| question.question_id.0));
        must(
            numbers.iter().flatten().all(|&number| number <= self.last_number),
            "a question has a number that was not given out",
        )?;
        let [tick, read_back] = numbers;
        must(tick.is_none() || tick != read_back, "two questions have one number")?;
        must(self.read_back.is_none_or(|question| question.reads_remote), "a read-back does not read")
    }
}
