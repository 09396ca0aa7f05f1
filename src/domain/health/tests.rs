//! What degrades health, from when on, and in which words.

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

/// So many minutes after noon.
fn at(minute: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::minutes(NOON + minute)
}

/// One campaign, a database and a client, all well at noon.
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

/// Ok up to one minute, degraded for this reason at another.
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
fn three_ticks_without_a_completed_one_are_too_many() {
    let why = "no tick has been completed in three by campaign 1";
    let mut world = World::new();
    assert_degrades(&world, Some(3), 4, DegradationKind::NoTick, 0, why);
    world.actor.last_tick_at = None;
    assert_degrades(&world, Some(3), 4, DegradationKind::NoTick, 0, why);
    world.tickless_since = Some(at(2));
    assert_degrades(&world, Some(5), 6, DegradationKind::NoTick, 2, why);
}

#[test]
fn a_pause_unconfirmed_for_two_minutes_is_too_late() {
    let mut world = World::new();
    world.snapshot.pausing_since = Some(at(0));
    let why = "a pause has not been confirmed for two minutes of campaign 1";
    assert_degrades(&world, Some(1), 2, DegradationKind::PauseUnconfirmed, 0, why);
}

#[test]
fn a_status_or_clicks_unread_for_fifteen_minutes_guard_nothing() {
    let why = "the status or the remaining clicks could not be read for 15 minutes of campaign 1";
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
fn a_lease_that_is_not_renewed_is_named_and_standing_by_is_no_fault() {
    let mut world = World::new();
    world.leadership.role = Role::Standby;
    assert_eq!(world.health(0).status, HealthWord::Ok);
    world.leadership.role = Role::CutOff;
    world.failing.lease_since = Some(at(0));
    let why = "the lease on leadership has ended and the database does not renew it: nothing is sent, and another \
               supervisor may lead";
    assert_degrades(&world, None, 1, DegradationKind::CutOff, 0, why);
}

#[test]
fn a_standby_beside_whom_nobody_leads_is_no_standby() {
    let mut world = World::new();
    world.leadership.role = Role::Standby;
    world.leadership.nobody_leads = Some("the leader is dead".to_owned());
    world.failing.lease_since = Some(at(0));
    let why = "nobody leads, and no campaign is guarded: the leader is dead";
    assert_degrades(&world, None, 1, DegradationKind::NobodyLeads, 0, why);
}

#[test]
fn a_database_that_fails_is_named_at_once() {
    let mut world = World::new();
    world.database.last_error = Some("it is locked".to_owned());
    world.failing.database_since = Some(at(0));
    assert_degrades(&world, None, 1, DegradationKind::Database, 0, "the database fails: it is locked");
}

#[test]
fn one_failure_of_trafficstars_says_little_and_three_ticks_of_it_say_enough() {
    let mut world = World::new();
    world.actor.last_tick_at = Some(at(4));
    world.failing.reads = Some(ReadFailure { since: at(0), reason: "502".to_owned() });
    let why = "statuses cannot be read from TrafficStars: 502";
    assert_degrades(&world, Some(3), 4, DegradationKind::TrafficStars, 0, why);
}

#[test]
fn after_a_429_nothing_may_leave_which_is_named_at_once_and_ends_by_itself() {
    let mut world = World::new();
    world.trafficstar.blocked_until = Some(at(2));
    world.failing.blocked_since = Some(at(1));
    let why = "TrafficStars has told us to wait until 12:02:00: nothing is sent";
    assert_degrades(&world, None, 1, DegradationKind::TrafficStars, 1, why);
    assert_eq!(world.health(2).status, HealthWord::Ok);
}

#[test]
fn an_open_circuit_is_named_with_its_reason() {
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
fn a_limit_that_does_not_reach_for_all_is_named_with_the_figures() {
    let mut world = World::new();
    world.failing.budget_too_small_since = Some(at(1));
    world.trafficstar.reading =
        ReadingStatus { campaigns: 1_000, requests: 63, requests_per_tick: 63, within_seconds: 60, waiting: 0 };
    assert_eq!(world.health(2).status, HealthWord::Ok);
    world.trafficstar.reading =
        ReadingStatus { campaigns: 1_000, requests: 100, requests_per_tick: 63, within_seconds: 240, waiting: 0 };
    let why = "the limit of requests is too small: to read 1,000 campaigns takes 100 requests, and 63 are to be had in \
               each tick; each campaign is read within 4m, those nearest to a threshold first";
    assert_degrades(&world, None, 2, DegradationKind::BudgetTooSmall, 1, why);
}

#[test]
fn a_campaign_that_runs_on_with_its_clicks_used_up_degrades_unless_it_is_left_alone_on_purpose() {
    let mut world = World::new();
    let unguarded = |clicks_used_up| Some(Unguarded { since: at(1), clicks_used_up, why: "it is on hold".to_owned() });
    world.snapshot.unguarded = unguarded(false);
    assert_eq!(world.health(2).status, HealthWord::Ok);
    world.snapshot.unguarded = unguarded(true);
    let why = "nothing pauses what runs with its clicks used up: campaign 1";
    assert_degrades(&world, None, 2, DegradationKind::Unguarded, 1, why);
    let numbers = PolicyNumbers { mode: Mode::Observe, ..PolicyNumbers::default() };
    world.snapshot.policy = numbers.validate().unwrap();
    assert_eq!(world.health(2).status, HealthWord::Ok, "observe mode leaves it alone on purpose");
}

#[test]
fn an_activation_that_has_not_left_for_two_ticks_degrades_and_one_that_was_sent_does_not() {
    let mut world = World::new();
    world.actor.last_tick_at = Some(at(3));
    world.trafficstar.running_again_by = Some(at(40));
    world.snapshot.action = Some(activation(at(0)));
    for progress in [ActionProgress::Settled, ActionProgress::InFlight, ActionProgress::Awaiting] {
        world.snapshot.progress = progress;
        assert_eq!(world.health(3).status, HealthWord::Ok, "{progress:?}");
    }
    let why = "activations have waited for two ticks, which all leave by about 12:40, of campaign 1";
    for progress in [ActionProgress::Postponed, ActionProgress::Unstored] {
        world.snapshot.progress = progress;
        assert_degrades(&world, Some(2), 3, DegradationKind::ActivationsWaiting, 0, why);
    }
    world.snapshot.progress = ActionProgress::InFlight;
    world.trafficstar.turns =
        Arc::new([((RemoteId(1001), ActionKind::Activate), QueuePlace { before: 0, leaves_about: None })].into());
    assert_degrades(&world, Some(2), 3, DegradationKind::ActivationsWaiting, 0, why);
    let numbers = PolicyNumbers { tick: Duration::minutes(2), ..PolicyNumbers::default() };
    world.snapshot.policy = numbers.validate().unwrap();
    assert_eq!(world.health(3).status, HealthWord::Ok);
}

#[test]
fn many_campaigns_are_one_reason_that_names_a_few() {
    let ids: Vec<CampaignId> = (1..=7).map(CampaignId).collect();
    assert_eq!(Named(&ids).to_string(), "campaigns 1, 2, 3, 4, 5 and 2 more");
}

#[test]
fn a_disabled_campaign_that_was_seen_running_with_its_clicks_used_up_degrades_health() {
    let mut world = World::new();
    world.left_unguarded.push((CampaignId(7), at(1)));
    let health = world.health(2);
    let reason = &health.reasons[0];
    assert_eq!(
        (reason.kind, reason.since, reason.campaigns.as_slice()),
        (DegradationKind::Unguarded, at(1), [CampaignId(7)].as_slice())
    );
}
