//! The findings of `check`.

use serde::Serialize;

/// All findings, in the order in which they were made.
#[derive(Debug, Default)]
pub struct Findings(Vec<Check>);

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The name of the thing that was examined.
    pub what: &'static str,
    /// The result.
    pub result: CheckResult,
    /// The finding, as text that can be read by itself.
    pub detail: String,
    /// The advice for the operator; `None` if there is nothing to do.
    pub advice: Option<String>,
}

/// The result of one finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckResult {
    /// The checked item is in order.
    Ok,
    /// The checked item is worth knowing, but no problem.
    Note,
    /// The guard cannot do its work like this.
    Problem,
}

impl Check {
    /// Returns a finding without a problem.
    pub(super) fn ok(what: &'static str, detail: impl Into<String>) -> Self {
        Self { what, result: CheckResult::Ok, detail: detail.into(), advice: None }
    }

    /// Returns a finding that is worth knowing.
    pub(super) fn note(what: &'static str, detail: impl Into<String>) -> Self {
        Self { result: CheckResult::Note, ..Self::ok(what, detail) }
    }

    /// Returns a problem.
    pub(super) fn problem(what: &'static str, detail: impl Into<String>) -> Self {
        Self { result: CheckResult::Problem, ..Self::ok(what, detail) }
    }

    /// Adds what the operator should do about it.
    pub(super) fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }

    /// Returns the finding and its advice as one sentence.
    fn in_words(&self) -> String {
        let advice = self.advice.as_ref().map(|advice| format!(": {advice}")).unwrap_or_default();
        format!("{}{advice}", self.detail)
    }
}

impl Findings {
    /// Adds a finding.
    pub(super) fn add(&mut self, check: Check) {
        self.0.push(check);
    }

    /// Returns all findings.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.0
    }

    /// Returns the findings with this result, a sentence each.
    #[must_use]
    pub fn that_are(&self, result: CheckResult) -> Vec<String> {
        self.0.iter().filter(|check| check.result == result).map(Check::in_words).collect()
    }
}
