//! Campaigns of each kind that an operator sees, for the tests of screens.

use std::path::PathBuf;

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use crate::domain::explain::Explanation;
use crate::domain::health::{Degradation, DegradationKind, Health, HealthWord};
use crate::domain::status::{CampaignStatus, Dump};

pub(super) fn noon() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// Returns the time `seconds` after noon (before it, if negative), as the dump writes it.
pub(super) fn noon_plus(seconds: i64) -> String {
    (noon() + Duration::seconds(seconds)).to_rfc3339()
}

/// Returns a campaign that runs and needs no attention, with some of its fields replaced.
pub(super) fn campaign(id: i64, name: &str, changes: &Value) -> Value {
    let mut campaign = json!({
        "id": id, "name": name, "trafficstar_id": 1000 + id,
        "state": "active-guarded", "since": noon_plus(-3725), "cooling_down_until": null, "next_tick_at": noon_plus(42),
        "limits": {"spend": "10.00", "activate_clicks": 15_000, "pause_clicks": 5_000, "cooldown_seconds": 120},
        "high_spend": false, "contested": false, "unguarded": false, "blocked": null,
        "ordered": {"generator_enabled": true, "mode": "act", "hold": null},
        "observed": {
            "status": "running", "remote_status": "enabled", "remote_active": true,
            "schedule_end_time": "2026-11-22 23:59:00", "status_at": noon_plus(-18),
            "spend": "3.21", "spend_source": "campaign", "spend_day": "2026-11-22", "spend_at": noon_plus(-18),
            "remaining_clicks": 20_000, "clicks_at": noon_plus(-18),
        },
        "action": {
            "kind": "activate", "step": "confirmed", "reason": "18,000 clicks left, 15,000 or more run it",
            "requested_at": noon_plus(-3725), "accepted_at": noon_plus(-3724), "confirmed_at": noon_plus(-3720),
            "error": null,
        },
        "stored": {"state": "active-guarded", "at": noon_plus(-3725)},
        "actor": {
            "status": "running", "incarnation": 1, "restarts": 0, "ticks": 120, "skipped_ticks": 0,
            "last_tick_at": noon_plus(-18), "last_tick_ms": 84, "handling": null,
        },
        "last_error": null,
    });
    replace(&mut campaign, changes);
    campaign
}

/// Replaces the fields that `changes` has. Panics if the campaign has no such field.
fn replace(fields: &mut Value, changes: &Value) {
    for (name, change) in changes.as_object().unwrap() {
        let field = fields.get_mut(name).unwrap_or_else(|| panic!("no {name}"));
        if field.is_object() && change.is_object() { replace(field, change) } else { *field = change.clone() }
    }
}

pub(super) fn dump(campaigns: &[Value]) -> Dump {
    let dump = json!({
        "version": 1, "program": "0.1.0", "pid": 4242, "sequence": 17,
        "captured_at": noon_plus(0), "started_at": noon_plus(-86_400), "uptime_seconds": 86_400,
        "supervisor": {"campaigns": campaigns.len(), "restarts": 0, "last_sync_at": noon_plus(-18)},
        "trafficstar": {
            "circuit": "closed", "token_expires_at": noon_plus(3600),
            "queue": {"pause": 0, "read_back": 1, "sweep": 20, "activate": 0, "read": 0},
            "requests_last_minute": 40, "requests_per_minute": 90, "blocked_until": null, "last_error": null,
        },
        "database": {"kind": "sqlite", "last_error": null},
        "campaigns": campaigns,
    });
    let dump: Dump = serde_json::from_value(dump).unwrap();
    Dump { campaigns: dump.campaigns.into_iter().map(CampaignStatus::judged).collect(), ..dump }
}

/// Returns the health with these reasons.
pub(super) fn health(reasons: &[&str]) -> Health {
    let reasons = reasons.iter().map(|reason| Degradation {
        kind: DegradationKind::Database,
        since: noon(),
        reason: (*reason).to_owned(),
        campaigns: Vec::new(),
    });
    let reasons: Vec<Degradation> = reasons.collect();
    let status = if reasons.is_empty() { HealthWord::Ok } else { HealthWord::Degraded };
    Health { status, leadership: None, reasons }
}

/// Compares a drawing with the file of this name below `tests/data`. `UPDATE_SCREENS=1` rewrites the file: review the
/// difference before you keep it.
pub(super) fn assert_drawn(name: &str, drawn: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/{name}.txt"));
    if std::env::var_os("UPDATE_SCREENS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, drawn).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(drawn == expected, "{} differs; it should be\n{expected}\nand is\n{drawn}", file.display());
}

/// Returns one campaign of each kind that an operator sees.
pub(super) fn several() -> Vec<Value> {
    let travel = json!({
        "state": "cooling-down", "since": noon_plus(-6), "cooling_down_until": noon_plus(114),
        "observed": {"status": "stopped", "remote_status": "paused", "remaining_clicks": 3_996, "spend": "1.667"},
        "action": {
            "kind": "pause", "reason": "it runs with 4,134 clicks left, 5,000 or fewer pause it (spend 1.66)",
            "requested_at": noon_plus(-6), "accepted_at": noon_plus(-6), "confirmed_at": noon_plus(-5),
        },
    });
    let watches = json!({"state": "idle", "high_spend": true, "unguarded": true, "observed": {"spend": "10.87"}});
    let insurance = json!({
        "observed": {"spend": null, "spend_source": null, "status": "unknown"},
        "last_error": "TrafficStars answered 503 to the status",
    });
    let garden = json!({"action": {"step": "accepted", "requested_at": noon_plus(-12)}});
    let music = json!({
        "actor": null, "ordered": {"generator_enabled": false}, "state": "idle",
        "observed": {"remaining_clicks": 0, "status": "stopped"},
    });
    let books = json!({"ordered": {"hold": {
        "reason": "new landing page", "since": noon_plus(-600), "until": noon_plus(6600), "by": "1000 (anna)",
        "pause": false,
    }}});
    let blocked = json!({
        "blocked": "out of funds: pay some in", "last_error": "out of funds", "observed": {"status": "blocked"},
    });
    vec![
        campaign(1, "shoes", &json!({})),
        campaign(2, "travel", &travel),
        campaign(3, "half way to its pause", &json!({"observed": {"remaining_clicks": 8_000}})),
        campaign(4, "watches", &watches),
        campaign(5, "insurance", &insurance),
        campaign(6, "garden", &garden),
        campaign(7, "music", &music),
        campaign(8, "books", &books),
        campaign(9, "blocked one", &blocked),
    ]
}

/// Returns the explanation of a campaign that is stopped although it was to run.
pub(super) fn explanation(id: i64) -> Explanation {
    let at = |time: &str| format!("2026-11-22T{time}Z");
    let explanation = json!({
        "id": id, "name": "Autumn", "trafficstar_id": 995_224, "at": at("12:03:10"), "verdict": "stopped",
        "summary": "It is stopped. Last decision: 16,000 clicks left.",
        "promise": {
            "state": "active-guarded", "since": at("12:00:00"),
            "meaning": "it runs; if anybody else stops it, the guard starts it again",
        },
        "attention": ["The last activation failed."],
        "facts": {
            "status": {
                "judged": "stopped", "reason": "it is switched off", "remote_status": "paused",
                "remote_active": false, "remote_approved": "approved", "at": at("12:03:00"),
            },
            "end_time": {"end_time": at("23:59:00"), "unset": false, "owed": false, "at": at("12:03:00")},
            "spend": {"doubt": "the report: 502"},
            "clicks": {"remaining": 16_000, "at": at("12:03:00")},
        },
        "thresholds": {
            "pause_clicks": 5_000, "clicks_to_pause": 11_000, "activate_clicks": 15_000, "clicks_to_activation": 0,
            "spend_limit": "10.00",
        },
        "timers": [{"kind": "next-tick", "at": at("12:04:00")}],
        "decisions": [{
            "conclusion": "held-back", "reason": "16,000 clicks left", "since": at("12:01:00"),
            "last_at": at("12:03:00"), "times": 3,
        }],
        "action": {
            "kind": "activate", "trigger": "tick", "reason": "enough clicks", "step": "failed",
            "requested_at": at("12:00:00"), "failed_at": at("12:00:01"), "error": "TrafficStars answered 500",
        },
        "next": {
            "at": at("12:04:00"), "then": "it is read again",
            "unless": ["with 5,000 clicks left or fewer it is paused"],
        },
    });
    serde_json::from_value(explanation).unwrap()
}
