//! A campaign whose id makes the requests that name it fail as a whole.

use serde::{Deserialize, Serialize};

use crate::log::Operation;

/// Requests that run or pause a campaign are refused, and those of other campaigns in the same request with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The status that answers them.
    pub status: u16,
    /// [`Operation::Run`] or [`Operation::Pause`]; `None` is both.
    pub operation: Option<Operation>,
    /// The ways that refuse; none named is all of them.
    #[serde(default)]
    pub ways: Vec<Way>,
}

/// A way to run and pause campaigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// `PUT /v2/campaigns/run` and `/pause`.
    V2,
    /// `PUT /v1.1/campaigns/run` and `/pause`.
    V1,
    /// `PUT /v1.1/campaigns/{id}/run` and `/pause`.
    Single,
    /// `PATCH /v1.1/campaigns/{id}` with `active`.
    Edit,
}

impl Refusal {
    /// Every run and pause is refused with `status`.
    #[must_use]
    pub fn of_all(status: u16) -> Self {
        Self { status, operation: None, ways: Vec::new() }
    }

    /// The same for runs or pauses alone.
    #[must_use]
    pub fn on(self, operation: Operation) -> Self {
        Self { operation: Some(operation), ..self }
    }

    /// The same for this way, beside those already named.
    #[must_use]
    pub fn by(mut self, way: Way) -> Self {
        self.ways.push(way);
        self
    }

    pub(crate) fn meets(&self, on: bool, way: Way) -> bool {
        let operation = if on { Operation::Run } else { Operation::Pause };
        self.operation.is_none_or(|refused| refused == operation) && (self.ways.is_empty() || self.ways.contains(&way))
    }
}
