//! Example requests to paste, for `sandbox serve --help` and for `GET /sandbox`. They fit the campaigns of `sandbox
//! serve`, and work in this order. A test sends each of them.

use serde_json::{Value, json};

use super::PATH;

/// An example: what it does, and its requests, each with method, path below [`PATH`], and body.
struct Example(&'static str, &'static [(&'static str, &'static str, &'static str)]);

const PATHS: [(&str, &str); 10] = [
    ("GET, PATCH /sandbox/options", "the API's options: limits, pages, which endpoints exist, late counters"),
    ("GET, PUT, DELETE /sandbox/clock", "the API's clock: read it, set it, return to the real time"),
    ("GET, POST, DELETE /sandbox/faults", "the faults: list them, add one, end all"),
    ("DELETE /sandbox/faults/{id}", "end one fault"),
    ("DELETE /sandbox/tokens", "revoke every access token"),
    ("GET, POST /sandbox/campaigns", "list the campaigns, add one"),
    ("GET, PATCH, DELETE /sandbox/campaigns/{id}", "one campaign: read it, change fields, remove it"),
    ("POST /sandbox/campaigns/{id}/interfere", "change it as somebody else would do, or change what reads of it show"),
    ("PUT /sandbox/campaigns/{id}/spend", "set its spend of today, yesterday, or a date; null removes it"),
    ("GET /sandbox", "this overview"),
];

const EXAMPLES: [Example; 18] = [
    Example(
        "Read the overview, the campaigns, and the options",
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
        "A campaign runs out of funds, and gets funds again",
        &[
            ("POST", "/campaigns/1002/interfere", r#"{"set_no_funds": true}"#),
            ("POST", "/campaigns/1002/interfere", r#"{"set_no_funds": false}"#),
        ],
    ),
    Example(
        "A field has an odd type, is left out, and is normal again",
        &[
            ("POST", "/campaigns/1003/interfere", r#"{"set_field": {"field": "schedule_timezone", "value": "0"}}"#),
            ("POST", "/campaigns/1003/interfere", r#"{"set_field": {"field": "schedule_timezone"}}"#),
            ("POST", "/campaigns/1003/interfere", r#"{"clear_field": "schedule_timezone"}"#),
        ],
    ),
    Example(
        "Every pause that names 1004 is refused as a whole; then only requests about 1004 below /v2/ are refused",
        &[
            ("POST", "/faults", r#"{"operation": "pause", "campaign": 1004, "kind": {"status": {"code": 422}}}"#),
            ("DELETE", "/faults", ""),
            ("POST", "/faults", r#"{"campaign": 1004, "path": "/v2/", "kind": {"status": {"code": 409}}}"#),
        ],
    ),
    Example(
        "Until an hour after midnight the counter shows yesterday's spend with late clicks (24h: at any time)",
        &[
            ("PATCH", "/options", r#"{"counter_falls_after": "1h", "late_clicks": "0.20"}"#),
            ("PUT", "/campaigns/1001/spend", r#"{"day": "yesterday", "amount": "54.90"}"#),
        ],
    ),
    Example(
        "Set the clock to just before midnight; read it; return to the real time",
        &[("PUT", "/clock", r#"{"time": "23:59:50"}"#), ("GET", "/clock", ""), ("DELETE", "/clock", "")],
    ),
    Example(
        "The field shows 10.00 and the report 9.996; then no spend is recorded",
        &[
            ("PUT", "/campaigns/1003/spend", r#"{"amount": "9.996"}"#),
            ("PUT", "/campaigns/1003/spend", r#"{"amount": null}"#),
        ],
    ),
    Example(
        "A `spent` of the whole lifetime, and a report without a row",
        &[("POST", "/campaigns/1003/interfere", r#"{"set_field": {"field": "spent", "value": 412.50}}"#)],
    ),
    Example(
        "The daily budget stops a campaign, and reads show a status word of your choice",
        &[
            ("PATCH", "/options", r#"{"daily_budget_word": "daily_budget_is_reached"}"#),
            ("PATCH", "/campaigns/1003", r#"{"active": true, "max_daily": "10.15", "spent_today": "10.15"}"#),
        ],
    ),
    Example(
        "A campaign runs and visitors click, but its spend does not change",
        &[("PATCH", "/campaigns/1001", r#"{"active": true, "spend_per_second": "0", "clicks_per_second": 50}"#)],
    ),
    Example(
        "A name that reverses the text after it",
        &[("PATCH", "/campaigns/1001", r#"{"name": "shoes \u202e\u0007 sale"}"#)],
    ),
    Example(
        "The newer reports do not exist, only the oldest one",
        &[("PATCH", "/options", r#"{"custom_reports": false, "column_report": false, "day_stats": true}"#)],
    ),
    Example(
        "No token is issued: the identity provider fails three times, then a firewall refuses three times",
        &[
            ("POST", "/faults", r#"{"operation": "token", "times": 3, "kind": "identity_provider_down"}"#),
            ("POST", "/faults", r#"{"operation": "token", "times": 6, "kind": "wall"}"#),
            ("DELETE", "/tokens", ""),
        ],
    ),
    Example(
        "429s below the limit; a 503 for each read of 1002; pauses whose answers are lost",
        &[
            ("POST", "/faults", r#"{"times": 2, "kind": {"too_many_requests": {"wait": "7s", "form": "seconds"}}}"#),
            ("POST", "/faults", r#"{"operation": "campaign", "campaign": 1002, "kind": {"status": {"code": 503}}}"#),
            ("POST", "/faults", r#"{"operation": "pause", "kind": "lose_answer"}"#),
        ],
    ),
    Example(
        "List the faults; end one; end all",
        &[("GET", "/faults", ""), ("DELETE", "/faults/2", ""), ("DELETE", "/faults", "")],
    ),
    Example(
        "Add a campaign, and remove it: reads of it get 404 then",
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

/// Returns the answer of `GET /sandbox`.
pub(super) fn overview(base_url: &str) -> Value {
    let paths = PATHS.iter().map(|(path, what)| json!({"path": path, "what": what}));
    let examples = EXAMPLES
        .iter()
        .map(|example| json!({"what": example.0, "commands": example.commands(base_url).collect::<Vec<_>>()}));
    json!({
        "what": "the control interface of a sandbox: the API on the same port shows what you change here",
        "paths": paths.collect::<Vec<_>>(),
        "examples": examples.collect::<Vec<_>>(),
    })
}

/// Returns example commands for a sandbox with campaigns 1001 to 1004 at `base_url`. A line that begins with `#` says
/// what the commands below it do.
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
