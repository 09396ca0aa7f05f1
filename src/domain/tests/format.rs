//! The dump's format, held against a copy that never changes: dashboards and scripts of others read it.
//!
//! A field that is removed or renamed is a new version. Whoever means it raises `DUMP_VERSION`, adds a
//! `tests/data/dump-vN.json` with every field set and every word used, and reads that file here; the copies of older
//! versions stay, to show what they were. To go around this test by editing the copy is to break those readers silently.
//! A field that is added breaks nobody: it goes into the copy, and has a default for whoever reads an older dump.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::domain::status::{DUMP_VERSION, Dump};

const FROZEN: &str = include_str!("../../../tests/data/dump-v1.json");

/// Every field of the dump and of what is in it. Lists are told by their elements.
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
fn version_1_is_what_it_always_was() {
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
    assert_eq!(written, frozen, "a value is written otherwise than before: see above");
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
            assert!(object.get(field).is_some_and(|value| !value.is_null()), "`{field}` is not there: {object}");
        }
    }
}
