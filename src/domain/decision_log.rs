//! The last decisions, including decisions to do nothing. A repeated decision is one entry.
//!
//! Deliberately absent: the deciding (`decision`), and what was sent (the journal).

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::decision::Row;

/// The number of distinct decisions that are kept.
pub(super) const REMEMBERED: usize = 10;

/// The result of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// Do nothing.
    Nothing,
    /// Promise the present state.
    Adopt,
    /// Activate the campaign.
    Activate,
    /// Pause the campaign.
    Pause,
    /// Activate the campaign, but not now.
    HeldBack,
    /// Observe mode: the campaign would be activated.
    WouldActivate,
    /// Observe mode: the campaign would be paused.
    WouldPause,
    /// Set the daily budget.
    SetBudget,
    /// Observe mode: the daily budget would be set.
    WouldSetBudget,
}

/// One decision, with the number of ticks in a row that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PastDecision {
    /// The result.
    pub conclusion: Conclusion,
    /// The reason, for operators. It is the latest one, because numbers change while the decision stays the same.
    pub reason: String,
    /// The time (UTC) when it was made first.
    pub since: DateTime<Utc>,
    /// The time (UTC) when it was made last.
    pub last_at: DateTime<Utc>,
    /// The number of times in a row that it was made.
    pub times: u64,
}

/// The last distinct decisions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DecisionLog {
    /// The oldest first, each with the row that makes it distinct, or `None` if the table was not used. The entries are
    /// shared with what is published, which happens many times between two decisions.
    entries: VecDeque<(Option<Row>, Arc<PastDecision>)>,
}

impl DecisionLog {
    /// Records the decision of one tick.
    pub(super) fn note(&mut self, now: DateTime<Utc>, conclusion: Conclusion, row: Option<Row>, reason: String) {
        match self.entries.back_mut() {
            Some((last_row, last)) if *last_row == row && last.conclusion == conclusion => {
                let last = Arc::make_mut(last);
                last.reason = reason;
                last.last_at = now;
                last.times = last.times.saturating_add(1);
            }
            Some(_) | None => {
                let decision = PastDecision { conclusion, reason, since: now, last_at: now, times: 1 };
                self.entries.push_back((row, Arc::new(decision)));
            }
        }
        if self.entries.len() > REMEMBERED {
            self.entries.pop_front();
        }
    }

    /// Returns the last decision.
    pub(super) fn last(&self) -> Option<&PastDecision> {
        self.entries.back().map(|(_, decision)| decision.as_ref())
    }

    /// Returns all entries, the newest first.
    pub(super) fn newest_first(&self) -> Vec<Arc<PastDecision>> {
        self.entries.iter().rev().map(|(_, decision)| Arc::clone(decision)).collect()
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::minutes(minute)
    }

    #[test]
    fn a_repeated_decision_is_one_entry_with_the_last_reason() {
        let mut log = DecisionLog::default();
        for (minute, clicks) in [(0, 9_000), (1, 8_000), (2, 7_000)] {
            log.note(at(minute), Conclusion::Nothing, Some(Row::Between), format!("{clicks} left"));
        }
        let expected = PastDecision {
            conclusion: Conclusion::Nothing,
            reason: "7000 left".to_owned(),
            since: at(0),
            last_at: at(2),
            times: 3,
        };
        assert_eq!(log.newest_first(), [Arc::new(expected)]);
    }

    #[test]
    fn another_row_or_conclusion_is_a_new_entry_and_the_oldest_entries_are_dropped() {
        let mut log = DecisionLog::default();
        for minute in 0..12 {
            let row = if minute % 2 == 0 { Row::EnoughClicks } else { Row::Between };
            log.note(at(minute), Conclusion::Nothing, Some(row), String::new());
        }
        log.note(at(12), Conclusion::Activate, Some(Row::Between), String::new());
        let since: Vec<_> = log.newest_first().iter().map(|decision| decision.since).collect();
        assert_eq!(since, (3..=12).rev().map(at).collect::<Vec<_>>());
    }
}
