//! The query parameters of a request. Unknown ones are refused: a mistyped parameter must not be ignored.

use std::str::FromStr;

use super::answer::Answer;

/// The parameters of a query that have not been read yet.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn new(query: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// Returns the value of a parameter, if it is given; `wanted` says in words what it must be.
    pub(super) fn take<T: FromStr>(&mut self, name: &str, wanted: &str) -> Result<Option<T>, Answer> {
        let Some(position) = self.0.iter().position(|(given, _)| given == name) else { return Ok(None) };
        let (_, value) = self.0.remove(position);
        if self.0.iter().any(|(given, _)| given == name) {
            return Err(Answer::bad_field(name, "it is given more than once".to_owned()));
        }
        match value.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(Answer::bad_field(name, format!("`{value}` is not {wanted}"))),
        }
    }

    /// Refuses parameters that were not read.
    pub(super) fn finish(self, known: &[&str]) -> Result<(), Answer> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let detail = format!("unknown parameter `{name}`; this path has: {}", known.join(", "));
                Err(Answer::bad_field(name, detail))
            }
        }
    }
}
