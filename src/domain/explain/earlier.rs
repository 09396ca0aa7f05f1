//! What a new actor can still show of the time before it was built: its campaign's newest journal entries.
//!
//! Deliberately absent: decisions by these entries. They are only shown.

use std::sync::Arc;

use super::Snapshot;
use crate::domain::action::{Action, ActionKind, Step};
use crate::domain::decision_log::{Conclusion, PastDecision, REMEMBERED};

/// The actions before the present actor was built.
#[derive(Debug, Clone, Default)]
pub struct Earlier {
    last: Option<(Action, Option<String>)>,
    decisions: Vec<Arc<PastDecision>>,
}

impl Earlier {
    /// Builds it from journal entries, the newest first, each with the operator who ordered it, if there is one.
    #[must_use]
    pub fn new(entries: Vec<(Action, Option<String>)>) -> Self {
        let decisions = entries.iter().filter_map(|(action, _)| decision(action)).map(Arc::new).collect();
        Self { last: entries.into_iter().next(), decisions }
    }

    /// The last action.
    #[must_use]
    pub fn action(&self) -> Option<&Action> {
        self.last.as_ref().map(|(action, _)| action)
    }

    /// Returns the snapshot, completed by these actions where the actor has no own ones.
    #[must_use]
    pub fn beneath(&self, mut snapshot: Snapshot) -> Snapshot {
        if snapshot.action.is_none()
            && let Some((action, by)) = &self.last
        {
            (snapshot.action, snapshot.action_by) = (Some(action.clone()), by.clone());
        }
        // If the actor has dropped decisions of its own, adding these would leave a gap.
        if snapshot.decisions.len() < REMEMBERED {
            snapshot.decisions.extend(self.decisions.iter().cloned());
            snapshot.decisions.truncate(REMEMBERED);
        }
        snapshot
    }
}

fn decision(action: &Action) -> Option<PastDecision> {
    let conclusion = match (action.kind, action.step == Step::ObservedOnly) {
        (ActionKind::Activate, false) => Conclusion::Activate,
        (ActionKind::Activate, true) => Conclusion::WouldActivate,
        (ActionKind::Pause, false) => Conclusion::Pause,
        (ActionKind::Pause, true) => Conclusion::WouldPause,
        (ActionKind::TopUp | ActionKind::DailyBudget, false) => Conclusion::SetBudget,
        (ActionKind::TopUp | ActionKind::DailyBudget, true) => Conclusion::WouldSetBudget,
        // It follows from another action, and is not a decision.
        (ActionKind::SetEndTime, _) => return None,
    };
    let (since, last_at) = (action.requested_at, action.requested_at);
    Some(PastDecision { conclusion, reason: action.reason.clone(), since, last_at, times: 1 })
}
