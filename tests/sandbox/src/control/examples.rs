//! Requests that can be pasted, one table for `sandbox serve --help` and for `GET /sandbox`. They fit the campaigns of
//! `sandbox serve` and work in this order; a test sends each.

use serde_json::{Value, json};

use super::PATH;

/// What is wanted, and the requests that do it: method, path below [`PATH`], body.
struct Example(&'static str, &'static [(&'static str, &'static str, &'static str)]);

const PATHS: [(&str, &str); 10] = [
    ("GET, PATCH /sandbox/options", "what the API is like: limits, pages, which endpoints exist, late counters"),
    ("GET, PUT, DELETE /sandbox/clock", "the API's clock: read it, set it, let it be the real one again"),
    ("GET, POST, DELETE /sandbox/faults", "what goes wrong: list, add, end all"),
    ("DELETE /sandbox/faults/{id}", "end one of them"),
    ("DELETE /sandbox/tokens", "revoke every access token"),
    ("GET, POST /sandbox/campaigns", "list the campaigns, add one"),
    ("GET, PATCH, DELETE /sandbox/campaigns/{id}", "one of them: look, change fields, remove"),
    ("POST /sandbox/campaigns/{id}/interfere", "do to it what somebody else would do, or change what it answers"),
    ("PUT /sandbox/campaigns/{id}/spend", "set what it has spent today, yesterday, or on a date; null is nothing"),
    ("GET /sandbox", "this"),
];

const EXAMPLES: [Example; 18] = [
    Example(
        "Look around: what there is, the campaigns, the options",
        &[("GET", "", ""), ("GET", "/campaigns", ""), ("GET", "/campaigns/1001", ""), ("GET", "/options", "")],
    ),
    Example(
        "Somebody starts a campaign by hand, and stops another",
        &[("POST", "/campaigns/1001/interfere", r#""start""#), ("POST", "/campaigns/1002/interfere", r#""stop""#)],
    ),
    Example(
        "Another guard sets an end time of its own",
        &[("POST", "/campaigns/1002/interfere", r#"{"set_end_time": "2030-01-01 23:59:00"}"#)],
    ),
    Example(
        "A campaign runs out of funds, and has some again",
        &[
            ("POST", "/campaigns/1002/interfere", r#"{"set_no_funds": true}"#),
            ("POST", "/campaigns/1002/interfere", r#"{"set_no_funds": false}"#),
        ],
    ),
    Example(
        "A field is of an odd type, is left out, and is itself again",
        &[
            ("POST", "/campaigns/1003/interfere", r#"{"set_field": {"field": "schedule_timezone", "value": "0"}}"#),
            ("POST", "/campaigns/1003/interfere", r#"{"set_field": {"field": "schedule_timezone"}}"#),
            ("POST", "/campaigns/1003/interfere", r#"{"clear_field": "schedule_timezone"}"#),
        ],
    ),
    Example(
        "Every pause that names 1004 is refused, whatever else it names; then only what PUT /v2 would do to it",
        &[
            ("POST", "/faults", r#"{"operation": "pause", "campaign": 1004, "kind": {"status": {"code": 422}}}"#),
            ("DELETE", "/faults", ""),
            ("POST", "/faults", r#"{"campaign": 1004, "path": "/v2/", "kind": {"status": {"code": 409}}}"#),
        ],
    ),
    Example(
        "The counter is yesterday's until an hour after midnight (24h: at any time), late clicks included",
        &[
            ("PATCH", "/options", r#"{"counter_falls_after": "1h", "late_clicks": "0.20"}"#),
            ("PUT", "/campaigns/1001/spend", r#"{"day": "yesterday", "amount": "54.90"}"#),
        ],
    ),
    Example(
        "It is nearly midnight; what time is it; the real time again",
        &[("PUT", "/clock", r#"{"time": "23:59:50"}"#), ("GET", "/clock", ""), ("DELETE", "/clock", "")],
    ),
    Example(
        "The field says 10.00 and the report 9.996; nothing is on record",
        &[
            ("PUT", "/campaigns/1003/spend", r#"{"amount": "9.996"}"#),
            ("PUT", "/campaigns/1003/spend", r#"{"amount": null}"#),
        ],
    ),
    Example(
        "A `spent` that is the lifetime's, beside a report without a row",
        &[("POST", "/campaigns/1003/interfere", r#"{"set_field": {"field": "spent", "value": 412.50}}"#)],
    ),
    Example(
        "The daily budget stops it, and reads show a word of your choice",
        &[
            ("PATCH", "/options", r#"{"daily_budget_word": "daily_budget_is_reached"}"#),
            ("PATCH", "/campaigns/1003", r#"{"active": true, "max_daily": "10.15", "spent_today": "10.15"}"#),
        ],
    ),
    Example(
        "It says that it runs, visitors click, and its spend stands still",
        &[("PATCH", "/campaigns/1001", r#"{"active": true, "spend_per_second": "0", "clicks_per_second": 50}"#)],
    ),
    Example(
        "A name that turns the text after it round",
        &[("PATCH", "/campaigns/1001", r#"{"name": "shoes \u202e\u0007 sale"}"#)],
    ),
    Example(
        "The reports that clients prefer are gone, the oldest is there",
        &[("PATCH", "/options", r#"{"custom_reports": false, "column_report": false, "day_stats": true}"#)],
    ),
    Example(
        "No token is to be had: the next three requests meet trouble, the three after them a wall",
        &[
            ("POST", "/faults", r#"{"operation": "token", "times": 3, "kind": "identity_provider_down"}"#),
            ("POST", "/faults", r#"{"operation": "token", "times": 6, "kind": "wall"}"#),
            ("DELETE", "/tokens", ""),
        ],
    ),
    Example(
        "429 below the limit; a 503 for each read of 1002; pauses whose answers are lost",
        &[
            ("POST", "/faults", r#"{"times": 2, "kind": {"too_many_requests": {"wait": "7s", "form": "seconds"}}}"#),
            ("POST", "/faults", r#"{"operation": "campaign", "campaign": 1002, "kind": {"status": {"code": 503}}}"#),
            ("POST", "/faults", r#"{"operation": "pause", "kind": "lose_answer"}"#),
        ],
    ),
    Example(
        "Which faults are there; end one; end all",
        &[("GET", "/faults", ""), ("DELETE", "/faults/2", ""), ("DELETE", "/faults", "")],
    ),
    Example(
        "Add a campaign, and remove it: it answers 404 then",
        &[
            ("POST", "/campaigns", r#"{"id": 2001, "name": "hats", "active": false, "spent_today": "9.40"}"#),
            ("DELETE", "/campaigns/2001", ""),
        ],
    ),
];

impl Example {
    fn commands(&self, base_url: &str) -> impl Iterator<Item = String> {
        let url = format!("{base_url}{PATH}");
        self.1.iter().map(move |(method, path, body)| match (*method, *body) {
            ("GET", "") => format!("curl {url}{path}"),
            (_, "") => format!("curl -X {method} {url}{path}"),
            ("POST", body) => format!("curl {url}{path} -d '{body}'"),
            (_, body) => format!("curl -X {method} {url}{path} -d '{body}'"),
        })
    }
}

/// What `GET /sandbox` answers.
pub(super) fn overview(base_url: &str) -> Value {
    let paths = PATHS.iter().map(|(path, what)| json!({"path": path, "what": what}));
    let examples = EXAMPLES
        .iter()
        .map(|example| json!({"what": example.0, "commands": example.commands(base_url).collect::<Vec<_>>()}));
    json!({
        "what": "the control interface of a sandbox: what a person plays here, the API at the same port then shows",
        "paths": paths.collect::<Vec<_>>(),
        "examples": examples.collect::<Vec<_>>(),
    })
}

/// Commands that play one thing after the other with a sandbox of campaigns 1001 to 1004 at `base_url`: a line that begins
/// with `#` says what, the lines below it are the commands.
#[must_use]
pub fn curl_examples(base_url: &str) -> String {
    let mut text = String::new();
    for example in &EXAMPLES {
        text.push_str(&format!("  # {}\n", example.0));
        for command in example.commands(base_url) {
            text.push_str(&format!("  {command}\n"));
        }
    }
    text
}
