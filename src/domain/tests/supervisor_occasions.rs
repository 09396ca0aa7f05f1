//! The occasions of the supervisor: RULES.md, "Alerts". For each kind, when it is found, and when it is not.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::domain::health::{Degradation, DegradationKind, Health, HealthWord};
use crate::domain::ids::CampaignId;
use crate::domain::lease::Epoch;
use crate::domain::occasion::{OccasionCampaign, OccasionKey, OccasionKind};
use crate::domain::shared_limit::SharedLimitReport;
use crate::domain::supervisor_occasions::{
    ActorRestarts, Found, Knowledge, Process, is_stop, of_health, of_shared_limits, started, stopped,
};
use crate::domain::text::word;

/// The guarded campaign of these tests.
const GUARDED: CampaignId = CampaignId(7);

fn reason(kind: DegradationKind, campaigns: &[i64]) -> Degradation {
    let campaigns = campaigns.iter().copied().map(CampaignId).collect();
    Degradation { kind, since: at("12:00:00"), reason: "the reason".to_owned(), campaigns }
}

fn campaign(id: CampaignId) -> OccasionCampaign {
    OccasionCampaign { id, name: "Autumn".to_owned(), trafficstar_id: RemoteId(995_000 + id.0) }
}

/// Returns what was found, for example `degraded/clock warning`.
fn words(found: &[Found]) -> Vec<String> {
    let words = |(campaign, finding): &Found| {
        let campaign = campaign.as_ref().map(|campaign| format!(" of {}", campaign.id.0)).unwrap_or_default();
        format!("{} {}{campaign}", finding.key, finding.severity)
    };
    found.iter().map(words).collect()
}

#[track_caller]
fn assert_found(time: &str, reasons: Vec<Degradation>, expected: &[&str]) {
    let text = format!("{time}: {reasons:?}");
    let health = Health { status: HealthWord::Degraded, leadership: None, reasons };
    let known = [GUARDED, CampaignId(8)].map(|id| (id, campaign(id)));
    let found = of_health(at(time), &health, &BTreeSet::from([GUARDED]), &BTreeMap::from(known));
    assert_eq!(words(&found), expected, "{text}");
    for (campaign, finding) in &found {
        assert!(finding.lasts, "{text}");
        // One of a campaign begins when it is found: health says only since when it holds of the first campaign.
        let since = if campaign.is_some() { at(time) } else { at("12:00:00") };
        assert_eq!((finding.since, finding.text == "the reason"), (since, campaign.is_none()), "{text}");
    }
}

#[test]
fn each_reason_of_degraded_health_is_an_occasion_once_it_has_lasted_for_ten_seconds() {
    let table = [
        (DegradationKind::TrafficStars, "api critical"),
        (DegradationKind::Database, "database critical"),
        (DegradationKind::CutOff, "lease critical"),
        (DegradationKind::AnotherGuard, "another-guard warning"),
        (DegradationKind::CircuitOpen, "degraded/circuit-open warning"),
        (DegradationKind::BudgetTooSmall, "degraded/budget-too-small warning"),
        (DegradationKind::Clock, "degraded/clock warning"),
        (DegradationKind::ActivationsWaiting, "degraded/activations-waiting warning"),
        (DegradationKind::Alerts, "degraded/alerts warning"),
    ];
    for (kind, expected) in table {
        assert_found("12:00:09.9", vec![reason(kind, &[])], &[]);
        assert_found("12:00:10", vec![reason(kind, &[])], &[expected]);
    }
    assert_found("13:00:00", vec![], &[]);
}

#[test]
fn each_campaign_that_health_names_has_an_occasion_of_its_own() {
    for kind in [DegradationKind::NoTick, DegradationKind::Unreadable, DegradationKind::Gone] {
        let of = |id| format!("degraded/{} critical of {id}", word(kind));
        assert_found("12:00:09.9", vec![reason(kind, &[7])], &[]);
        assert_found("13:00:00", vec![reason(kind, &[7])], &[&of(7)]);
        assert_found("13:00:00", vec![reason(kind, &[7, 8])], &[&of(7), &of(8)]);
        assert_found("13:00:00", vec![reason(kind, &[9])], &[]);
    }
}

#[test]
fn health_names_no_occasion_that_a_campaigns_actor_finds_itself_or_that_a_standby_sees() {
    for kind in [DegradationKind::PauseUnconfirmed, DegradationKind::NoLeader] {
        assert_found("13:00:00", vec![reason(kind, &[GUARDED.0])], &[]);
    }
    assert_found("13:00:00", vec![reason(DegradationKind::Unguarded, &[GUARDED.0])], &[]);
    let without_actor = reason(DegradationKind::Unguarded, &[GUARDED.0, 8]);
    assert_found("13:00:00", vec![without_actor], &["degraded/unguarded critical of 8"]);
}

#[test]
fn a_shared_limit_has_one_occasion_for_each_day_and_stage() {
    let report = |group: Option<&str>, is_reached| SharedLimitReport {
        day: at("12:00:00").date_naive(),
        group: group.map(str::to_owned),
        limit: money("50"),
        is_reached,
    };
    let since = (at("11:00:00"), money("50.50"));
    let reports: BTreeMap<_, _> = [report(Some("autumn"), false), report(Some("autumn"), true), report(None, true)]
        .map(|report| (report, since))
        .into();
    let found = of_shared_limits(reports.iter());
    let expected = [
        "group-limit/account/2026-11-22/reached/50.00 warning",
        "group-limit/autumn/2026-11-22/near/50.00 warning",
        "group-limit/autumn/2026-11-22/reached/50.00 warning",
    ];
    assert_eq!(words(&found), expected);
    assert!(found.iter().all(|(_, finding)| !finding.lasts && finding.since == at("11:00:00")));
    assert!(of_shared_limits(BTreeMap::new().iter()).is_empty());
}

#[test]
fn a_start_is_a_warning_if_the_leader_before_it_did_not_say_that_it_stops() {
    let process = Process { host: "vm-1".to_owned(), pid: 42 };
    for (ended_in_order, severity) in [(None, "info"), (Some(true), "info"), (Some(false), "warning")] {
        let found = started(at("12:00:00"), &process, Some(Epoch(3)), ended_in_order);
        assert_eq!(words(std::slice::from_ref(&found)), [format!("restarted/started/1795348800000000 {severity}")]);
        assert!(!found.1.lasts && found.1.text.contains("on vm-1, pid 42, epoch 3"), "{}", found.1.text);
        assert_eq!(is_stop(&found.1.key), Some(false));
    }
    let found = stopped(at("12:00:01"), &process);
    assert_eq!(words(std::slice::from_ref(&found)), ["restarted/stopped/1795348801000000 info"]);
    assert_eq!(is_stop(&found.1.key), Some(true));
    assert_eq!(is_stop(&OccasionKey::of(OccasionKind::Restarted)), None);
}

#[test]
fn an_actor_that_died_is_an_occasion_until_it_has_lived_for_ten_minutes() {
    let campaign = campaign(GUARDED);
    let mut restarts = ActorRestarts::default();
    let mut saw = |time: &str, deaths| words(&restarts.saw(at(time), [(campaign.clone(), deaths)].into_iter()));
    let died = ["restarted warning of 7"];
    assert_eq!(saw("12:00:00", 0), [""; 0]);
    assert_eq!(saw("12:01:00", 1), died);
    assert_eq!(saw("12:09:00", 2), died);
    assert_eq!(saw("12:18:59", 2), died);
    assert_eq!(saw("12:19:00", 2), [""; 0]);
    assert_eq!(saw("12:30:00", 3), died);
}

#[test]
fn a_new_leader_ends_an_occasion_when_it_has_seen_enough_to_know() {
    let with = |kind, detail: &str| OccasionKey::with(kind, detail);
    // The key; after how many seconds of leading it can end if every campaign was read at once, and if none was.
    let table = [
        (OccasionKey::of(OccasionKind::Database), 0, 0),
        (OccasionKey::of(OccasionKind::Lease), 0, 0),
        (OccasionKey::of(OccasionKind::Api), 20, 1_200),
        (with(OccasionKind::Degraded, "clock"), 20, 1_200),
        (with(OccasionKind::Degraded, "unreadable"), 1_200, 1_200),
        (with(OccasionKind::Degraded, "gone"), 1_200, 1_200),
        (OccasionKey::of(OccasionKind::AnotherGuard), 1_200, 1_200),
        (OccasionKey::of(OccasionKind::Restarted), 600, 600),
    ];
    for (key, if_read, if_unread) in table {
        for (has_read_all, from) in [(true, if_read), (false, if_unread)] {
            let can_end = |seconds| Knowledge { leads_for: Duration::seconds(seconds), has_read_all }.can_end(&key);
            assert!(can_end(from), "{key}, {has_read_all}: after {from} s");
            assert!(from == 0 || !can_end(from - 1), "{key}, {has_read_all}: before {from} s");
        }
    }
}
