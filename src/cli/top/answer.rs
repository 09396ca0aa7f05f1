//! What the bottom line says about an order's answer. Pure.
//!
//! It looks for the fields that matter to an operator, above all for what was not done, and shows an answer that has none
//! of them as it is: an answer of another version is still an answer.

use serde_json::Value;

use super::app::Notice;
use super::keys::order_words;
use crate::control::client::top::{TopAnswer, TopOrder};

/// The line about an answer, or about the problem that came in its place.
pub(super) fn notice(order: &TopOrder, answer: Result<TopAnswer, String>) -> Notice {
    let order = order_words(order);
    match answer {
        Ok(TopAnswer::Done(body)) => {
            let troubles = troubles(&body);
            let is_problem = !troubles.is_empty();
            let mut said = facts(&body);
            said.extend(troubles);
            if said.is_empty() && !body.is_null() {
                said.push(body.to_string());
            }
            let colon = if said.is_empty() { "" } else { ": " };
            Notice { text: format!("{order} done{colon}{}", said.join("; ")), is_problem }
        }
        Ok(TopAnswer::Begun(_)) => {
            Notice { text: format!("{order} begun, and not done yet: watch the list"), is_problem: true }
        }
        Err(problem) => Notice { text: format!("{order} failed: {problem}"), is_problem: true },
    }
}

/// What came of it.
fn facts(body: &Value) -> Vec<String> {
    let words = |key: &str| body.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
    let paused = body.get("paused").and_then(Value::as_u64).map(|paused| format!("{paused} paused now"));
    let released = body.get("released").map(|hold| match hold {
        Value::Null => "it was not on hold".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            "its hold has ended".to_owned()
        }
    });
    let reason = words("reason").map(|reason| format!("on hold: {reason}"));
    [words("state"), words("decision"), paused, released, reason].into_iter().flatten().collect()
}

/// What the operator has to know, since it did not go as asked or will not stay so.
fn troubles(body: &Value) -> Vec<String> {
    let list = |key: &str| body.get(key).and_then(Value::as_array).into_iter().flatten();
    let not_paused = list("not_paused").map(|campaign| {
        let of = |key: &str| campaign.get(key).map_or_else(|| "?".to_owned(), plain);
        format!("{} ({}) was NOT PAUSED: {}", of("id"), of("name"), of("reason"))
    });
    let error = body.get("error").and_then(Value::as_str).map(ToOwned::to_owned);
    let still = body.get("still_on_hold").filter(|hold| !hold.is_null());
    let still = still.map(|_| "all campaigns are on hold still: `traffic-generator release-all` ends that".to_owned());
    not_paused.chain(error).chain(still).chain(list("warnings").map(plain)).collect()
}

/// A text without its quotation marks; anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::ids::CampaignId;

    #[test]
    fn an_answer_is_said_in_words_and_what_was_not_done_is_a_problem() {
        let done = |body| Ok(TopAnswer::Done(body));
        let cases = [
            (done(Value::Null), "done", false),
            (done(json!({"ticks": 4})), r#"done: {"ticks":4}"#, false),
            (
                done(json!({"id": 1, "state": "idle", "decision": "nothing is due", "warnings": [], "error": null})),
                "done: idle; nothing is due",
                false,
            ),
            (
                done(json!({"state": "idle", "error": "the status is unknown"})),
                "done: idle; the status is unknown",
                true,
            ),
            (
                done(json!({"reason": "new page", "warnings": ["it runs on"]})),
                "done: on hold: new page; it runs on",
                true,
            ),
            (
                done(json!({"paused": 3, "not_paused": [{"id": 7, "name": "music", "reason": "503"}], "warnings": []})),
                "done: 3 paused now; 7 (music) was NOT PAUSED: 503",
                true,
            ),
            (done(json!({"released": null, "still_on_hold": null})), "done: it was not on hold", false),
            (
                done(json!({"released": {"pause": false}, "still_on_hold": {"pause": true}})),
                "done: its hold has ended; all campaigns are on hold still: `traffic-generator release-all` ends that",
                true,
            ),
            (Ok(TopAnswer::Begun(json!({"pending": true}))), "begun, and not done yet: watch the list", true),
            (Err("409 not possible now: on hold".to_owned()), "failed: 409 not possible now: on hold", true),
        ];
        for (answer, text, is_problem) in cases {
            let expected = Notice { text: format!("process 1 {text}"), is_problem };
            assert_eq!(notice(&TopOrder::Process(CampaignId(1)), answer), expected);
        }
    }
}
