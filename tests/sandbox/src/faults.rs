//! The faults: rules by which requests go wrong.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::log::{Operation, RequestRecord};
use crate::options::RetryAfter;

/// A rule by which matching requests go wrong.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The operation that the requests have; `None` matches every operation.
    pub operation: Option<Operation>,
    /// The campaign that the requests name; `None` matches every request. A request that names no campaign matches no
    /// id.
    pub campaign: Option<i64>,
    /// The beginning of the requests' path, such as `/v2/`; `None` matches every path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The number of matching requests to which the fault happens; `None` is all of them.
    pub times: Option<usize>,
    /// What happens to the requests.
    pub kind: FaultKind,
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The request has no effect, and gets this answer.
    Status {
        /// The status code.
        code: u16,
        /// The body.
        #[serde(default)]
        body: String,
    },
    /// The request has no effect, and gets a 429 that names this wait in this form.
    TooManyRequests {
        /// How long the client has to wait.
        #[serde(with = "crate::lengths")]
        wait: Duration,
        /// The form in which the answer names the wait.
        form: RetryAfter,
    },
    /// The request has no effect, and gets a 403 with a page of HTML, as from a web application firewall.
    Wall,
    /// The request has no effect. It gets the answer of a token request while the identity provider behind the API
    /// fails: a 400 with the same wrapper as for a wrong key, and another message.
    IdentityProviderDown,
    /// The request has no effect, and gets a 302 to this address.
    Redirect(String),
    /// The effect comes this much later, even if the client has disconnected. The answer comes after it.
    DelayBeforeEffect(#[serde(with = "crate::lengths")] Duration),
    /// The effect happens, and the answer comes this much later.
    DelayBeforeAnswer(#[serde(with = "crate::lengths")] Duration),
    /// The effect happens, and the connection is dropped without an answer.
    LoseAnswer,
    /// The request has no effect, and the connection is dropped without an answer.
    DropRequest,
    /// The effect happens, and the answer is a web page.
    GarbageBody,
    /// The effect happens, and the connection is dropped in the middle of the answer's body.
    TruncatedBody,
    /// The effect happens. The answer comes one byte per interval, from its status line on, and so does everything that
    /// follows on that connection.
    SlowHeaders(#[serde(with = "crate::lengths")] Duration),
    /// The effect happens. The answer's body comes one byte per interval.
    SlowBody(#[serde(with = "crate::lengths")] Duration),
    /// The effect happens. The answer's body has this many spaces before the JSON.
    HugeBody(usize),
    /// Only for run and pause: the request has no effect on the fault's campaign, or on all of its campaigns, and their
    /// ids are listed under `failed`.
    FailedInside200,
    /// Only for run and pause: the id of the fault's campaign, or all ids of the request, are in neither list.
    InNeitherList {
        /// Whether the effect happens.
        effect: bool,
    },
    /// Only for run and pause: the effect happens, and reads show it only this much later.
    EffectLate(#[serde(with = "crate::lengths")] Duration),
}

impl FaultKind {
    /// Returns the fault by which a request has no effect and gets an empty answer with this status.
    #[must_use]
    pub const fn status(code: u16) -> Self {
        Self::Status { code, body: String::new() }
    }
}

/// The id of an injected fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct FaultId(pub(crate) u64);

impl Fault {
    /// Returns a fault of every request.
    #[must_use]
    pub const fn always(kind: FaultKind) -> Self {
        Self { operation: None, campaign: None, path: None, times: None, kind }
    }

    /// Returns a fault by which every request has no effect and gets an empty answer with this status.
    #[must_use]
    pub const fn status(code: u16) -> Self {
        Self::always(FaultKind::status(code))
    }

    /// Returns the same fault for one operation only.
    #[must_use]
    pub fn on(self, operation: Operation) -> Self {
        Self { operation: Some(operation), ..self }
    }

    /// Returns the same fault for one campaign only.
    #[must_use]
    pub fn campaign(self, id: i64) -> Self {
        Self { campaign: Some(id), ..self }
    }

    /// Returns the same fault only for paths that begin with `path`.
    #[must_use]
    pub fn below(self, path: &str) -> Self {
        Self { path: Some(path.to_owned()), ..self }
    }

    /// Returns the same fault for only the next `times` matching requests.
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

/// A fault that applies to a request: its kind, and the campaign that it names.
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

    /// Removes a fault. Returns false if no fault has that id.
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

    /// Returns every fault that applies to `request`, and counts down how often each still happens.
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
