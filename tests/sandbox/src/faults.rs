//! What goes wrong, by rule.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::log::{Operation, RequestRecord};
use crate::options::RetryAfter;

/// One thing that goes wrong with the requests that match.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The operation it happens to; `None` is every one.
    pub operation: Option<Operation>,
    /// The campaign it happens to; `None` is every one. A request that names no campaign matches no id.
    pub campaign: Option<i64>,
    /// What the path of the requests begins with, such as `/v2/`; `None` is every path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How many matching requests it happens to; `None` is all of them.
    pub times: Option<usize>,
    /// What happens.
    pub kind: FaultKind,
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// No effect, this answer instead.
    Status {
        /// The status code.
        code: u16,
        /// The body.
        #[serde(default)]
        body: String,
    },
    /// No effect, a 429 instead, which asks for this much silence in this form.
    TooManyRequests {
        /// How long nothing is to come.
        #[serde(with = "crate::lengths")]
        wait: Duration,
        /// How the answer says so.
        form: RetryAfter,
    },
    /// No effect, a 403 with a page of HTML instead: a wall stands before the service.
    Wall,
    /// No effect. The answer is that of a token request while the identity provider behind the API is in trouble: a 400
    /// with the wrapper of a wrong key and another message.
    IdentityProviderDown,
    /// No effect, a 302 to there instead.
    Redirect(String),
    /// The effect comes this much later, and the answer after it, even to a caller who has gone.
    DelayBeforeEffect(#[serde(with = "crate::lengths")] Duration),
    /// The effect happens, the answer comes this much later.
    DelayBeforeAnswer(#[serde(with = "crate::lengths")] Duration),
    /// The effect happens, and the connection is dropped without an answer.
    LoseAnswer,
    /// No effect, and the connection is dropped without an answer.
    DropRequest,
    /// The effect happens; the answer is a web page.
    GarbageBody,
    /// The effect happens; the connection is dropped in the middle of the answer's body.
    TruncatedBody,
    /// The effect happens; the answer trickles from its status line on, a byte in each such interval, and so does all that
    /// follows on that connection.
    SlowHeaders(#[serde(with = "crate::lengths")] Duration),
    /// The effect happens; the answer's body trickles, a byte in each such interval.
    SlowBody(#[serde(with = "crate::lengths")] Duration),
    /// The effect happens; the answer's body is this many spaces before the JSON.
    HugeBody(usize),
    /// Run and pause: no effect on the campaign (or all of the request), its id under `failed`.
    FailedInside200,
    /// Run and pause: the campaign's id (or all of the request's) is in neither list.
    InNeitherList {
        /// Whether the effect happens.
        effect: bool,
    },
    /// Run and pause: the effect happens, and shows in reads only this much later.
    EffectLate(#[serde(with = "crate::lengths")] Duration),
}

impl FaultKind {
    /// No effect, an empty answer of this status instead.
    #[must_use]
    pub const fn status(code: u16) -> Self {
        Self::Status { code, body: String::new() }
    }
}

/// Names an injected fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct FaultId(pub(crate) u64);

impl Fault {
    /// A fault of every request.
    #[must_use]
    pub const fn always(kind: FaultKind) -> Self {
        Self { operation: None, campaign: None, path: None, times: None, kind }
    }

    /// Every request is answered with this status, no body and without an effect.
    #[must_use]
    pub const fn status(code: u16) -> Self {
        Self::always(FaultKind::status(code))
    }

    /// The same for one operation alone.
    #[must_use]
    pub fn on(self, operation: Operation) -> Self {
        Self { operation: Some(operation), ..self }
    }

    /// The same for one campaign alone.
    #[must_use]
    pub fn campaign(self, id: i64) -> Self {
        Self { campaign: Some(id), ..self }
    }

    /// The same for paths alone that begin so.
    #[must_use]
    pub fn below(self, path: &str) -> Self {
        Self { path: Some(path.to_owned()), ..self }
    }

    /// The same for so many requests alone.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times: Some(times), ..self }
    }

    fn matches(&self, request: &RequestRecord) -> bool {
        self.times != Some(0)
            && self.operation.is_none_or(|operation| operation == request.operation)
            && self.campaign.is_none_or(|id| request.campaign_ids.contains(&id))
            && self.path.as_ref().is_none_or(|path| request.path.starts_with(path))
    }
}

/// A fault that a request has met: its kind, and the campaign that it is about.
#[derive(Debug, Clone)]
pub(crate) struct Met {
    pub(crate) campaign: Option<i64>,
    pub(crate) kind: FaultKind,
}

impl Met {
    pub(crate) fn is_about(&self, campaign: i64) -> bool {
        self.campaign.is_none_or(|id| id == campaign)
    }
}

/// The injected faults, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<(FaultId, Fault)>,
    next: u64,
}

impl Faults {
    pub(crate) fn inject(&mut self, fault: Fault) -> FaultId {
        let id = FaultId(self.next);
        self.next += 1;
        self.rules.push((id, fault));
        id
    }

    /// False if no fault has that number.
    pub(crate) fn remove(&mut self, id: FaultId) -> bool {
        let before = self.rules.len();
        self.rules.retain(|(each, _)| *each != id);
        self.rules.len() < before
    }

    pub(crate) fn list(&self) -> &[(FaultId, Fault)] {
        &self.rules
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// Every fault that `request` meets, each counted down by one.
    pub(crate) fn meet(&mut self, request: &RequestRecord) -> Vec<Met> {
        let mut met = Vec::new();
        for (_, fault) in &mut self.rules {
            if fault.matches(request) {
                fault.times = fault.times.map(|times| times.saturating_sub(1));
                met.push(Met { campaign: fault.campaign, kind: fault.kind.clone() });
            }
        }
        self.rules.retain(|(_, fault)| fault.times != Some(0));
        met
    }
}
