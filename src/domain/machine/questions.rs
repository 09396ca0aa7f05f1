//! The questions that are out: at most one tick's, and one that reads an action back.
//!
//! Questions and actions share their numbers, which grow: so an answer can be told from one that came before it.

use chrono::{DateTime, Utc};

use super::invariants::{Broken, must};
use crate::domain::event::QuestionId;

/// A question that is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) operation: QuestionId,
    pub(super) asked_at: DateTime<Utc>,
    pub(super) reads_remote: bool,
}

impl Question {
    /// Whether it was asked after the question or action with this number.
    pub(super) const fn is_after(self, number: u64) -> bool {
        self.operation.0 > number
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
    /// None is out, and numbers go on after this one.
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

    /// A tick begins.
    pub(super) const fn tick(&mut self, now: DateTime<Utc>, reads_remote: bool) -> QuestionId {
        let operation = QuestionId(self.next_number());
        self.tick = Some(Question { operation, asked_at: now, reads_remote });
        operation
    }

    /// The campaign is read by itself. The answer to an earlier such question is not waited for any more.
    pub(super) const fn read_back(&mut self, now: DateTime<Utc>) -> QuestionId {
        let operation = QuestionId(self.next_number());
        self.read_back = Some(Question { operation, asked_at: now, reads_remote: true });
        operation
    }

    /// The tick's question, if this answers it.
    pub(super) fn take_tick(&mut self, operation: QuestionId) -> Option<Question> {
        self.tick.take_if(|question| question.operation == operation)
    }

    /// The question that reads an action back, if this answers it.
    pub(super) fn take_read_back(&mut self, operation: QuestionId) -> Option<Question> {
        self.read_back.take_if(|asked| asked.operation == operation)
    }

    pub(super) fn invariants(&self) -> Result<(), Broken> {
        let numbers = [self.tick, self.read_back].map(|question| question.map(|question| question.operation.0));
        must(numbers.iter().flatten().all(|&number| number <= self.last_number), "a question has a number to come")?;
        let [tick, read_back] = numbers;
        must(tick.is_none() || tick != read_back, "two questions have one number")?;
        must(self.read_back.is_none_or(|question| question.reads_remote), "a read-back does not read")
    }
}
