//! The token request: `POST /v1/auth/token`.

use serde_json::json;

use super::Answer;
use crate::log::RequestRecord;
use crate::options::{Options, RefusedKey};
use crate::world::World;

/// The size of the `id_token`. The live API sends a large one, which no client needs.
const ID_TOKEN_BYTES: usize = 16 * 1024;

pub(super) fn answer(world: &mut World, request: &RequestRecord) -> Answer {
    let form = request.body.as_ref();
    let field = |name: &str| form.and_then(|form| form.get(name)).and_then(|value| value.as_str());
    if field("grant_type") != Some("refresh_token") {
        return Answer::error(400, json!({"error": "unsupported_grant_type"}));
    }
    let Options { api_key, more_api_keys, .. } = &world.options;
    let mut keys = std::iter::once(api_key).chain(more_api_keys);
    let Some(api_key) = keys.find(|key| field("refresh_token") == Some(key.as_str())).cloned() else {
        let refused = json!({"error": "invalid_grant"});
        return match world.options.refused_key {
            RefusedKey::Bare => Answer::error(400, refused),
            RefusedKey::Wrapped => wrapped(request.sequence, &format!("400 Bad Request: {refused}")),
        };
    };
    Answer::ok(json!({
        "access_token": world.issue_token(&api_key),
        "expires_in": world.options.token_lifetime.as_secs(),
        "token_type": "bearer",
        "refresh_token": api_key,
        "id_token": "x".repeat(ID_TOKEN_BYTES),
    }))
}

/// Returns the answer while the identity provider fails: the same wrapper, and nothing about the key.
pub(crate) fn identity_provider_down(sequence: u64) -> Answer {
    wrapped(sequence, "503 Service Unavailable: upstream connect error")
}

/// Returns the wrapper around an answer of the identity provider. Its own words are the same for every error.
fn wrapped(sequence: u64, answer: &str) -> Answer {
    let body = json!({
        "status": 400,
        "error": "EXTERNAL_SERVICE_ERROR",
        "message": format!("Identity provider answered {answer}"),
        "requestId": format!("request-{sequence}"),
        "path": "/v1/auth/token",
    });
    Answer::error(400, body)
}
