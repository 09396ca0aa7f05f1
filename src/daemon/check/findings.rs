//! What a check has looked at, and what it found.

use serde::Serialize;

/// All that was looked at, in this order.
#[derive(Debug, Default)]
pub struct Findings(Vec<Check>);

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is called.
    pub what: &'static str,
    /// How it was found.
    pub result: CheckResult,
    /// What was found, in words that stand by themselves.
    pub detail: String,
    /// What to do about it, if anything.
    pub advice: Option<String>,
}

/// How something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckResult {
    /// As it should be.
    Ok,
    /// Worth knowing, and no problem.
    Note,
    /// The guard cannot do its work like this.
    Problem,
}

impl Check {
    /// It is as it should be.
    pub(super) fn ok(what: &'static str, detail: impl Into<String>) -> Self {
        Self { what, result: CheckResult::Ok, detail: detail.into(), advice: None }
    }

    /// It is worth knowing.
    pub(super) fn note(what: &'static str, detail: impl Into<String>) -> Self {
        Self { result: CheckResult::Note, ..Self::ok(what, detail) }
    }

    /// It is wrong.
    pub(super) fn problem(what: &'static str, detail: impl Into<String>) -> Self {
        Self { result: CheckResult::Problem, ..Self::ok(what, detail) }
    }

    /// The same with what to do about it.
    pub(super) fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }

    /// All of it in a sentence.
    fn in_words(&self) -> String {
        let advice = self.advice.as_ref().map(|advice| format!(": {advice}")).unwrap_or_default();
        format!("{}{advice}", self.detail)
    }
}

impl Findings {
    /// Adds what was looked at last.
    pub(super) fn add(&mut self, check: Check) {
        self.0.push(check);
    }

    /// Each of them.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.0
    }

    /// Those that were found like this, a sentence each.
    #[must_use]
    pub fn that_are(&self, result: CheckResult) -> Vec<String> {
        self.0.iter().filter(|check| check.result == result).map(Check::in_words).collect()
    }
}
