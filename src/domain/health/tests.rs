//! Which facts degrade health, since when, and with which reason.

use std::sync::Arc;

use super::*;
use crate::domain::action::{Action, ActionId, Step, Trigger};
use crate::domain::machine::Machine;
use crate::domain::phase::PhaseWord;
use crate::domain::policy::{Policy, PolicyNumbers};
use crate::domain::queue_place::QueuePlace;
use crate::domain::remote::StatusWord;
use crate::domain::status::{CircuitStatus, Liveness, ReadingStatus};
use crate::domain::unguarded::Unguarded;

const NOON: i64 = 12 * 60;

/// Returns the time this many minutes after noon.
fn at(minute: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::minutes(NOON + minute)
}

/// One campaign, a database and a client. At noon all are well.
struct World {
    actor: ActorStatus,
    snapshot: Snapshot,
    tickless_since: Option<DateTime<Utc>>,
    left_unguarded: Vec<(CampaignId, DateTime<Utc>)>,
    leadership: LeadershipStatus,
    database: DatabaseStatus,
    trafficstar: RemoteClientStatus,
    failing: Failing,
}

fn activation(requested_at: DateTime<Utc>) -> Action {
    Action {
        id: ActionId(1),
        kind: ActionKind::Activate,
        trigger: Trigger::Tick,
        reason: "20,000 clicks left".to_owned(),
        spend: None,
        remaining_clicks: None,
        remote_status: StatusWord::Stopped,
        state_before: PhaseWord::Idle,
        state_after: PhaseWord::ActiveGuarded,
        end_time: requested_at,
        budget: None,
        step: Step::Requested,
        late: false,
        requested_at,
        accepted_at: None,
        confirmed_at: None,
        failed_at: None,
        error: None,
    }
}

impl World {
    fn new() -> Self {
        let policy: Policy = PolicyNumbers::default().validate().unwrap();
        let snapshot = Machine::new(at(0), &policy, None, None).snapshot(at(0), &policy);
        let actor = ActorStatus {
            status: Liveness::Running,
            incarnation: 1,
            restarts: 0,
            ticks: 1,
            skipped_ticks: 0,
            last_tick_at: Some(at(0)),
            last_tick_ms: Some(84),
            handling: None,
        };
        Self {
            actor,
            snapshot,
            tickless_since: None,
            left_unguarded: Vec::new(),
            leadership: LeadershipStatus::default(),
            database: DatabaseStatus::default(),
            trafficstar: RemoteClientStatus::default(),
            failing: Failing::default(),
        }
    }

    fn health(&self, minute: i64) -> Health {
        let campaign = GuardedCampaign {
            id: CampaignId(1),
            remote: RemoteId(1001),
            actor: &self.actor,
            snapshot: &self.snapshot,
            tickless_since: self.tickless_since,
        };
        let vitals = Vitals {
            left_unguarded: self.left_unguarded.clone(),
            campaigns: vec![campaign],
            leadership: &self.leadership,
            database: &self.database,
            trafficstar: &self.trafficstar,
            failing: self.failing.clone(),
        };
        health(at(minute), &vitals)
    }
}

/// Asserts that health is ok at the first minute, and degraded with this one reason at the second.
#[track_caller]
fn assert_degrades(world: &World, ok_at: Option<i64>, degraded_at: i64, kind: DegradationKind, since: i64, why: &str) {
    if let Some(ok_at) = ok_at {
        assert_eq!((world.health(ok_at).status, world.health(ok_at).reasons), (HealthWord::Ok, Vec::new()));
    }
    let health = world.health(degraded_at);
    assert_eq!(health.status, HealthWord::Degraded);
    let found: Vec<_> =
        health.reasons.iter().map(|reason| (reason.kind, reason.since, reason.reason.as_str())).collect();
    assert_eq!(found, [(kind, at(since), why)]);
}

#[test]
fn three_tick_intervals_without_a_completed_tick_degrade_health() {
    let why = "campaign 1 has not completed a tick for three tick intervals";
    let mut world = World::new();
    assert_degrades(&world, Some(3), 4, DegradationKind::NoTick, 0, why);
    world.actor.last_tick_at = None;
    assert_degrades(&world, Some(3), 4, DegradationKind::NoTick, 0, why);
    world.tickless_since = Some(at(2));
    assert_degrades(&world, Some(5), 6, DegradationKind::NoTick, 2, why);
}

#[test]
fn a_pause_unconfirmed_for_two_minutes_degrades_health() {
    let mut world = World::new();
    world.snapshot.pausing_since = Some(at(0));
    let why = "a pause of campaign 1 has been unconfirmed for 2 minutes";
    assert_degrades(&world, Some(1), 2, DegradationKind::PauseUnconfirmed, 0, why);
}

#[test]
fn a_status_or_clicks_unread_for_fifteen_minutes_degrade_health() {
    let why = "the status or the clicks of campaign 1 could not be read for 15 minutes";
    let read_by_status: fn(&mut Snapshot) = |snapshot| snapshot.status_unknown_since = Some(at(0));
    let read_by_clicks: fn(&mut Snapshot) = |snapshot| snapshot.clicks_unknown_since = Some(at(0));
    for unread in [read_by_status, read_by_clicks] {
        let mut world = World::new();
        world.actor.last_tick_at = Some(at(15));
        unread(&mut world.snapshot);
        assert_degrades(&world, Some(14), 15, DegradationKind::Unreadable, 0, why);
    }
}

#[test]
fn a_lease_that_is_not_renewed_degrades_health_and_a_standby_is_healthy() {
    let mut world = World::new();
    world.leadership.role = Role::Standby;
    assert_eq!(world.health(0).status, HealthWord::Ok);
    world.leadership.role = Role::CutOff;
    world.failing.lease_since = Some(at(0));
    let why = "the lease has ended and the database does not renew it: this supervisor sends nothing, and another \
               supervisor may lead";
    assert_degrades(&world, None, 1, DegradationKind::CutOff, 0, why);
}

#[test]
fn a_standby_without_a_leader_degrades_health() {
    let mut world = World::new();
    world.leadership.role = Role::Standby;
    world.leadership.no_leader = Some("the leader is dead".to_owned());
    world.failing.lease_since = Some(at(0));
    let why = "no supervisor leads, and no campaign is guarded: the leader is dead";
    assert_degrades(&world, None, 1, DegradationKind::NoLeader, 0, why);
}

#[test]
fn a_database_failure_degrades_health_at_once() {
    let mut world = World::new();
    world.database.last_error = Some("it is locked".to_owned());
    world.failing.database_since = Some(at(0));
    assert_degrades(&world, None, 1, DegradationKind::Database, 0, "the database fails: it is locked");
}

#[test]
fn failed_reads_degrade_health_only_after_three_tick_intervals() {
    let mut world = World::new();
    world.actor.last_tick_at = Some(at(4));
    world.failing.reads = Some(ReadFailure { since: at(0), reason: "502".to_owned() });
    let why = "statuses cannot be read from TrafficStars: 502";
    assert_degrades(&world, Some(3), 4, DegradationKind::TrafficStars, 0, why);
}

#[test]
fn a_wait_ordered_by_trafficstars_degrades_health_until_it_ends() {
    let mut world = World::new();
    world.trafficstar.blocked_until = Some(at(2));
    world.failing.blocked_since = Some(at(1));
    let why = "TrafficStars has asked us to wait until 12:02:00: nothing is sent";
    assert_degrades(&world, None, 1, DegradationKind::TrafficStars, 1, why);
    assert_eq!(world.health(2).status, HealthWord::Ok);
}

#[test]
fn an_open_circuit_degrades_health_with_its_reason() {
    let mut world = World::new();
    let closed = CircuitStatus { operation: "run".to_owned(), last_error: "503".to_owned(), ..Default::default() };
    let open = CircuitStatus { operation: "list".to_owned(), since: Some(at(1)), ..closed.clone() };
    world.trafficstar.circuits = vec![closed.clone()];
    assert_eq!(world.health(2).status, HealthWord::Ok);
    world.trafficstar.circuits = vec![open, closed];
    let why = "TrafficStars fails again and again at: list (503)";
    assert_degrades(&world, None, 2, DegradationKind::CircuitOpen, 1, why);
}

#[test]
fn a_request_limit_that_is_too_small_degrades_health_with_the_numbers() {
    let mut world = World::new();
    world.failing.budget_too_small_since = Some(at(1));
    world.trafficstar.reading =
        ReadingStatus { campaigns: 1_000, requests: 63, requests_per_tick: 63, within_seconds: 60, waiting: 0 };
    assert_eq!(world.health(2).status, HealthWord::Ok);
    world.trafficstar.reading =
        ReadingStatus { campaigns: 1_000, requests: 100, requests_per_tick: 63, within_seconds: 240, waiting: 0 };
    let why = "the request limit is too small: reading 1,000 campaigns takes 100 requests, and each tick allows 63; \
               each campaign is read within 4m, those near a threshold first";
    assert_degrades(&world, None, 2, DegradationKind::BudgetTooSmall, 1, why);
}

#[test]
fn a_running_campaign_with_its_clicks_used_up_degrades_health_except_in_observe_mode() {
    let mut world = World::new();
    let unguarded = |clicks_used_up| Some(Unguarded { since: at(1), clicks_used_up, why: "it is on hold".to_owned() });
    world.snapshot.unguarded = unguarded(false);
    assert_eq!(world.health(2).status, HealthWord::Ok);
    world.snapshot.unguarded = unguarded(true);
    let why = "campaign 1 runs with its clicks used up, and the guard does not pause it";
    assert_degrades(&world, None, 2, DegradationKind::Unguarded, 1, why);
    let numbers = PolicyNumbers { mode: Mode::Observe, ..PolicyNumbers::default() };
    world.snapshot.policy = numbers.validate().unwrap();
    assert_eq!(world.health(2).status, HealthWord::Ok, "observe mode leaves it alone on purpose");
}

#[test]
fn an_activation_that_is_unsent_after_two_tick_intervals_degrades_health() {
    let mut world = World::new();
    world.actor.last_tick_at = Some(at(3));
    world.trafficstar.running_again_by = Some(at(40));
    world.snapshot.action = Some(activation(at(0)));
    for progress in [ActionProgress::Settled, ActionProgress::InFlight, ActionProgress::Awaiting] {
        world.snapshot.progress = progress;
        assert_eq!(world.health(3).status, HealthWord::Ok, "{progress:?}");
    }
    let why = "an activation of campaign 1 has been queued for more than two tick intervals; all are sent by about \
               12:40";
    for progress in [ActionProgress::Postponed, ActionProgress::Unstored] {
        world.snapshot.progress = progress;
        assert_degrades(&world, Some(2), 3, DegradationKind::ActivationsWaiting, 0, why);
    }
    world.snapshot.progress = ActionProgress::InFlight;
    world.trafficstar.queue_places =
        Arc::new([((RemoteId(1001), ActionKind::Activate), QueuePlace { before: 0, leaves_about: None })].into());
    assert_degrades(&world, Some(2), 3, DegradationKind::ActivationsWaiting, 0, why);
    let numbers = PolicyNumbers { tick: Duration::minutes(2), ..PolicyNumbers::default() };
    world.snapshot.policy = numbers.validate().unwrap();
    assert_eq!(world.health(3).status, HealthWord::Ok);
}

#[test]
fn a_reason_is_a_sentence_about_one_campaign_or_several_and_names_at_most_five() {
    let ids: Vec<CampaignId> = (1..=7).map(CampaignId).collect();
    assert_eq!(Named(&ids).to_string(), "campaigns 1, 2, 3, 4, 5 and 2 more");
    let unguarded = |count: i64| {
        let mut world = World::new();
        world.left_unguarded.extend((1..=count).map(|id| (CampaignId(id), at(1))));
        world.health(2).reasons.remove(0).reason
    };
    assert_eq!(unguarded(1), "campaign 1 runs with its clicks used up, and the guard does not pause it");
    assert_eq!(unguarded(2), "campaigns 1, 2 run with their clicks used up, and the guard does not pause them");
}

#[test]
fn a_disabled_campaign_last_seen_running_with_its_clicks_used_up_degrades_health() {
    let mut world = World::new();
    world.left_unguarded.push((CampaignId(7), at(1)));
    let health = world.health(2);
    let reason = &health.reasons[0];
    assert_eq!(
        (reason.kind, reason.since, reason.campaigns.as_slice()),
        (DegradationKind::Unguarded, at(1), [CampaignId(7)].as_slice())
    );
}
