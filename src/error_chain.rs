//! This room writes an error and its causes as one line of text. It leaves the wording to each error.

use std::error::Error;

use crate::printable::printable;

/// The beginnings of errors of the HTTP libraries that come between the failure and its cause and add no information.
const EMPTY_LAYERS: [&str; 7] = [
    "error sending request",
    "error decoding response body",
    "request or response body error",
    "client error (",
    "tcp connect error",
    "connection error",
    "error reading a body from connection",
];
/// The beginning of the error number at the end of the operating system's errors.
const ERROR_NUMBER: &str = " (os error ";

/// Returns the message with all its causes, like `failure: its cause: the cause's cause`. Some errors repeat the text
/// of their cause; it appears once. The text may quote a server or a file, so dangerous characters are replaced.
#[must_use]
pub fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        cause = error.source();
        let is_empty_layer = cause.is_some() && EMPTY_LAYERS.iter().any(|layer| message.starts_with(layer));
        if !is_empty_layer && text != message && !text.ends_with(&format!(": {message}")) {
            text = format!("{text}: {message}");
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
    fn each_cause_appears_once() {
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
