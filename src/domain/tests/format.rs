//! The dump's format, compared with a copy that never changes: other people's dashboards and scripts read it.
//!
//! To remove or rename a field, make a new version: raise `DUMP_VERSION`, add a `tests/data/dump-vN.json` with every
//! field set and every word used, and read that file here. The copies of older versions stay, to show what they were.
//! An edited copy would make this test pass, and break those readers without notice. A new field breaks no reader: add
//! it to the copy, and give it a default for programs that read an older dump.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::domain::status::{DUMP_VERSION, Dump};

const FROZEN: &str = include_str!("../../../tests/data/dump-v1.json");

/// Collects the path of every field of the dump. A list has the fields of its elements.
fn fields(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let path = format!("{path}/{name}");
                into.insert(path.clone());
                fields(value, &path, into);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| fields(element, path, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn fields_of(value: &Value) -> BTreeSet<String> {
    let mut into = BTreeSet::new();
    fields(value, "", &mut into);
    into
}

#[test]
fn version_1_never_changes() {
    let frozen: Value = serde_json::from_str(FROZEN).unwrap();
    let dump: Dump = serde_json::from_str(FROZEN).unwrap();
    let written = serde_json::to_value(&dump).unwrap();
    assert_eq!(frozen["version"], DUMP_VERSION, "a new version has a frozen copy of its own");
    let (then, now) = (fields_of(&frozen), fields_of(&written));
    let added: Vec<_> = now.difference(&then).collect();
    let removed: Vec<_> = then.difference(&now).collect();
    assert!(
        added.is_empty() && removed.is_empty(),
        "version 1 has changed: added {added:?}, removed {removed:?}. A change needs a new version: see above"
    );
    assert_eq!(written, frozen, "a value is written differently than before: see above");
}

#[test]
fn version_1_has_every_field_of_the_contract() {
    let frozen: Value = serde_json::from_str(FROZEN).unwrap();
    let campaign = &frozen["campaigns"][0];
    let table: &[(&Value, &[&str])] = &[
        (
            &frozen,
            &["version", "program", "pid", "sequence", "captured_at", "started_at", "uptime_seconds", "supervisor"],
        ),
        (&frozen, &["trafficstar", "database", "campaigns"]),
        (&frozen["supervisor"], &["campaigns", "restarts", "last_sync_at"]),
        (&frozen["trafficstar"], &["circuit", "token_expires_at", "queue", "requests_last_minute"]),
        (&frozen["trafficstar"], &["requests_per_minute", "blocked_until", "last_error", "endpoints"]),
        (&frozen["trafficstar"]["queue"], &["pause", "read_back", "sweep", "activate", "read"]),
        (&frozen["database"], &["kind", "last_error"]),
        (campaign, &["id", "name", "trafficstar_id", "state", "since", "cooling_down_until", "next_tick_at"]),
        (campaign, &["high_spend", "contested", "unguarded", "blocked", "ordered", "observed", "action", "stored"]),
        (campaign, &["actor", "last_error"]),
        (&campaign["ordered"], &["generator_enabled", "mode", "hold"]),
        (&campaign["ordered"]["hold"], &["reason", "since", "until", "by", "pause"]),
        (&campaign["observed"], &["status", "remote_status", "remote_active", "schedule_end_time", "status_at"]),
        (&campaign["observed"], &["spend", "spend_source", "spend_day", "spend_at", "remaining_clicks", "clicks_at"]),
        (&campaign["action"], &["kind", "step", "reason", "requested_at", "accepted_at", "confirmed_at", "error"]),
        (&campaign["stored"], &["state", "at"]),
        (&campaign["actor"], &["status", "incarnation", "restarts", "ticks", "skipped_ticks", "last_tick_at"]),
        (&campaign["actor"], &["last_tick_ms", "handling"]),
        (&campaign["actor"]["handling"], &["what", "since"]),
    ];
    for (object, fields) in table {
        for field in *fields {
            assert!(object.get(field).is_some_and(|value| !value.is_null()), "`{field}` is missing: {object}");
        }
    }
}
