//! An error and its causes in one line, for whoever handles it.

use std::error::Error;

use crate::printable::printable;

/// The message with all its causes: `what failed: why: why that`. Some errors say what their cause says: it is said once. It
/// may quote a server or a file, so it is made fit to be shown here, where it becomes a text.
#[must_use]
pub fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let why = error.to_string();
        if text != why && !text.ends_with(&format!(": {why}")) {
            text = format!("{text}: {why}");
        }
        cause = error.source();
    }
    printable(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Failure(&'static str, Option<Box<Failure>>);

    impl std::fmt::Display for Failure {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Failure {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn each_cause_is_said_once() {
        let cases: [(&[&str], &str); 5] = [
            (&["locked"], "locked"),
            (&["no connection", "refused", "port 1"], "no connection: refused: port 1"),
            (&["no connection", "expired", "expired", "expired"], "no connection: expired"),
            (&["no connection: expired", "expired"], "no connection: expired"),
            (&["it expired", "expired"], "it expired: expired"),
        ];
        for (texts, wanted) in cases {
            let chain = texts.iter().rev().fold(None, |cause, text| Some(Box::new(Failure(text, cause))));
            assert_eq!(in_full(&*chain.unwrap()), wanted);
        }
    }
}
