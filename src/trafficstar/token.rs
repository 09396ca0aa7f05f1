//! Reads the answer to a refused token request: whether the API key is bad, and the request id for TrafficStars'
//! support. PURE.
//!
//! Deliberately absent: the rest of such an answer, which may repeat the key, and the request (`http`).

use serde_json::Value;

use super::error::RemoteError;

/// The identity provider's error code for a bad key. The rest of TrafficStars' answer is the same for a bad key and for
/// an outage of that provider.
const BAD_KEY: &str = "invalid_grant";
/// The number of characters that are shown of a request id. A UUID has 36 characters.
const REQUEST_ID_CHARACTERS: usize = 64;
/// A part of the key of this length in a request id is no coincidence.
const REVEALING_PART_BYTES: usize = 8;

/// Returns why a token request was refused. `header` is the answer's `x-request-id`. `api_key` must not be shown.
pub(super) fn refusal(status: u16, header: Option<&str>, body: &[u8], api_key: &str) -> RemoteError {
    // An answer that is not JSON, such as the page of a firewall before the service, says nothing about the key.
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = body.get("message").map(ToString::to_string).unwrap_or_default();
    if message.contains(BAD_KEY) || body.get("error").and_then(Value::as_str) == Some(BAD_KEY) {
        return RemoteError::BadApiKey;
    }
    let request_id = body.get("requestId").and_then(Value::as_str).or(header).and_then(|id| shown_id(id, api_key));
    RemoteError::TokenRefused { status, request_id }
}

/// Returns a request id as it may be shown; `None` if nothing of it is left, or if it holds a part of the key.
fn shown_id(id: &str, api_key: &str) -> Option<String> {
    let harmless = |c: &char| c.is_ascii_alphanumeric() || ['-', '_', '.', ':'].contains(c);
    let id: String = id.chars().filter(harmless).collect();
    let part_length = REVEALING_PART_BYTES.min(api_key.len()).max(1);
    let mut parts = api_key.as_bytes().windows(part_length);
    let reveals_key = parts.any(|part| id.as_bytes().windows(part_length).any(|of_id| of_id == part));
    (!id.is_empty() && !reveals_key).then(|| id.chars().take(REQUEST_ID_CHARACTERS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P";
    const WRAPPED: &str =
        r#"{"status": 400, "error": "EXTERNAL_SERVICE_ERROR", "message": "MESSAGE", "requestId": "ID"}"#;

    fn said(body: &str) -> String {
        refusal(400, Some("from-the-header"), body.as_bytes(), KEY).in_full()
    }

    fn wrapped(message: &str, id: &str) -> String {
        said(&WRAPPED.replace("MESSAGE", message).replace("ID", id))
    }

    #[test]
    fn only_the_providers_error_code_says_that_the_key_is_bad() {
        let bad = [
            said(r#"{"error": "invalid_grant"}"#),
            said(r#"{"error": "invalid_grant", "error_description": "Token is not active"}"#),
            wrapped("400 Bad Request: {\\\"error\\\":\\\"invalid_grant\\\"}", "1"),
            said(r#"{"message": {"error": "invalid_grant"}}"#),
        ];
        for text in bad {
            assert!(text.starts_with("TrafficStars refuses the API key"), "{text}");
        }
        let not_had = [
            wrapped("503 Service Unavailable", "1"),
            wrapped("", "1"),
            said(r#"{"error": "EXTERNAL_SERVICE_ERROR"}"#),
            said(r#"{"error": "required"}"#),
            said("<html><h1>Attention required</h1>invalid_grant</html>"),
            said("[]"),
            said(""),
        ];
        for text in not_had {
            assert!(text.contains("does not say that the API key is bad"), "{text}");
        }
    }

    #[test]
    fn only_the_request_id_of_the_answer_is_shown() {
        let long = "1234567890".repeat(10);
        let cases = [
            (wrapped("down", "5f0e-77"), " (request id 5f0e-77)"),
            (wrapped("down", r"a\u001b[31m\u202eb c"), " (request id a31mbc)"),
            (wrapped("down", &long), &format!(" (request id {})", &long[..64])),
            (wrapped("down", KEY), ""),
            (wrapped("down", &KEY[..20]), ""),
            (wrapped("down", &format!("key-{KEY}")), ""),
            (wrapped("down", &format!("key-{}", &KEY[30..50])), ""),
            (said("<html>"), " (request id from-the-header)"),
            (said(r#"{"requestId": 7}"#), " (request id from-the-header)"),
        ];
        for (text, expected) in cases {
            let expected = format!("TrafficStars rejects the request (400){expected}, and does not say");
            assert!(text.starts_with(&expected), "{text} instead of {expected}");
            assert!(!text.contains("down"), "{text}");
        }
    }
}
