//! An error and its causes in one line, for whoever handles it.

use std::error::Error;

use crate::printable::printable;

/// The floors of the libraries for HTTP between what failed and why: they tell nobody anything.
const LIBRARY_FLOORS: [&str; 7] = [
    "error sending request",
    "error decoding response body",
    "request or response body error",
    "client error (",
    "tcp connect error",
    "connection error",
    "error reading a body from connection",
];
/// With which the operating system's errors end.
const ERROR_NUMBER: &str = " (os error ";

/// The message with all its causes: `what failed: why: why that`. Some errors say what their cause says: it is said once. It
/// may quote a server or a file, so it is made fit to be shown here, where it becomes a text.
#[must_use]
pub fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let why = error.to_string();
        cause = error.source();
        let is_floor = cause.is_some() && LIBRARY_FLOORS.iter().any(|floor| why.starts_with(floor));
        if !is_floor && text != why && !text.ends_with(&format!(": {why}")) {
            text = format!("{text}: {why}");
        }
    }
    if let Some((words, number)) = text.rsplit_once(ERROR_NUMBER)
        && number.ends_with(')')
    {
        text.truncate(words.len());
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
        let cases: [(&[&str], &str); 8] = [
            (&["locked"], "locked"),
            (&["no connection", "refused", "port 1"], "no connection: refused: port 1"),
            (&["no connection", "expired", "expired", "expired"], "no connection: expired"),
            (&["no connection: expired", "expired"], "no connection: expired"),
            (&["it expired", "expired"], "it expired: expired"),
            (&["no file", "Permission denied (os error 13)"], "no file: Permission denied"),
            (
                &[
                    "no connection",
                    "error sending request for url (http://a/)",
                    "client error (Connect)",
                    "tcp connect error",
                    "refused",
                ],
                "no connection: refused",
            ),
            (&["no connection", "client error (Connect)"], "no connection: client error (Connect)"),
        ];
        for (texts, wanted) in cases {
            let chain = texts.iter().rev().fold(None, |cause, text| Some(Box::new(Failure(text, cause))));
            assert_eq!(in_full(&*chain.unwrap()), wanted);
        }
    }
}
