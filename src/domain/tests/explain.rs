//! Each situation as `explain` describes it: whether the campaign runs and why, what a person should know, and what
//! comes next.

use std::sync::Arc;

use super::*;
use crate::domain::explain::{ActionProgress, ActorBackoff, Explanation, Snapshot, explain};
use crate::domain::ids::CampaignId;
use crate::domain::policy::Mode;
use crate::domain::queue_place::QueuePlace;
use crate::domain::status::{
    ActorStatus, CampaignStatus, Handling, Hold, Liveness, Observed, Ordered, RemoteClientStatus, StoredStatus,
};
use crate::domain::timer::TimerKind;
use crate::domain::verdict::Verdict;

impl Rig {
    fn status(&self) -> CampaignStatus {
        let machine = &self.machine;
        CampaignStatus {
            budget: None,
            shared_limits: Vec::new(),
            id: CampaignId(1),
            name: "Autumn".to_owned(),
            trafficstar_id: RemoteId(995_224),
            verdict: Verdict::Unknown,
            state: self.phase(),
            since: machine.since(),
            cooling_down_until: machine.phase().cooling_down_until(),
            next_tick_at: Some(machine.next_tick_at()),
            high_spend: machine.high_spend(),
            contested: machine.contested(),
            unguarded: machine.unguarded(),
            blocked: machine.blocked().map(str::to_owned),
            limits: None,
            ordered: Ordered { generator_enabled: true, mode: self.policy.mode, hold: None },
            observed: Observed::default(),
            action: None,
            stored: Some(StoredStatus { state: self.phase(), at: machine.since() }),
            actor: Some(ActorStatus {
                status: Liveness::Running,
                incarnation: 1,
                restarts: 0,
                ticks: machine.counters().ticks,
                skipped_ticks: 0,
                last_tick_at: None,
                last_tick_ms: None,
                handling: None,
            }),
            last_error: None,
        }
    }

    /// Returns the explanation ten seconds after the last event.
    fn explain_with(&self, change: impl FnOnce(&mut CampaignStatus), backoff: Option<ActorBackoff>) -> Explanation {
        let mut status = self.status();
        change(&mut status);
        let (now, snapshot) = (self.now + Duration::seconds(10), self.machine.snapshot(self.now, &self.policy));
        explain(now, &status, Some(&snapshot), backoff, &RemoteClientStatus::default())
    }

    fn explained(&self) -> Explanation {
        self.explain_with(|_| {}, None)
    }
}

/// Returns the summary, what a person should know, and what comes next.
fn in_words(explanation: &Explanation) -> String {
    let next = explanation.next.at.map(|at| at.format("at %d %H:%M:%S ").to_string()).unwrap_or_default();
    let attention: String = explanation.attention.iter().map(|line| format!("\n! {line}")).collect();
    format!("{}{attention}\n> {next}{}", explanation.summary, explanation.next.then)
}

#[track_caller]
fn assert_explained(what: &str, explanation: &Explanation, expected: &[&str]) {
    assert_eq!(in_words(explanation), expected.join("\n"), "{what}");
}

#[track_caller]
fn assert_timers(explanation: &Explanation, expected: &[(TimerKind, &str)]) {
    let timers: Vec<_> = explanation.timers.iter().map(|timer| (timer.kind, timer.at)).collect();
    let expected: Vec<_> = expected.iter().map(|(kind, time)| (*kind, at(time))).collect();
    assert_eq!(timers, expected);
}

#[test]
fn the_result_of_one_tick_is_explained_with_what_the_next_one_does() {
    let cases: &[(&str, Phase, Facts, &[&str])] = &[
        (
            "idle, stopped between the thresholds",
            Phase::Idle,
            stopped(),
            &[
                "It is stopped. Last decision: 10,000 clicks left, between 5,000 and 15,000: nothing changes.",
                "> at 22 12:01:00 it is read again; if nothing has changed until then, nothing is sent: its clicks are \
                 between the thresholds, and no promise is broken",
            ],
        ),
        (
            "adopted running",
            Phase::Idle,
            running().clicks(20_000),
            &[
                "It runs. Last decision: it runs, with 20,000 clicks left as it should (spend 3.21).",
                "> at 22 12:01:00 it is read again; if nothing has changed until then, nothing is sent: it runs as it \
                 should",
            ],
        ),
        (
            "paused, kept stopped",
            Phase::PausedGuarded,
            stopped().clicks(1_000),
            &[
                "It is stopped. Last decision: it is stopped, with 1,000 clicks left as it should.",
                "> at 22 12:01:00 it is read again; if nothing has changed until then, nothing is sent: it is stopped \
                 as it should",
            ],
        ),
        (
            "high spend, unguarded",
            Phase::ActiveGuarded,
            running().clicks(1_000).spend("12.50"),
            &[
                "It runs. Last decision: 10.00 or more is spent today (12.50): it is left alone.",
                "! 10.00 or more is spent today: the guard leaves it alone, and does not pause it. If it runs, it \
                 keeps running, regardless of its clicks. That ends when its spend is below 10.00 again: at midnight \
                 UTC at the latest.",
                "! Unguarded: it runs, and the guard does not pause it: 1,000 clicks are left, and 5,000 \
                 or fewer pause it; its limit of 10.00 is reached (12.50). It goes on spending money.",
                "> at 22 12:01:00 it is read again; if nothing has changed until then, nothing is sent: its spend \
                 limit is reached, so that it is left alone",
            ],
        ),
        (
            "blocked",
            Phase::ActiveGuarded,
            blocked().clicks(20_000),
            &[
                "It is blocked at TrafficStars. Last decision: TrafficStars will not run it: out of funds.",
                "! Blocked, TrafficStars will not run it: out of funds.",
                "> at 22 12:01:00 it is read again; if nothing has changed until then, nothing is sent: TrafficStars \
                 will not run it",
            ],
        ),
        (
            "unknown status",
            Phase::ActiveGuarded,
            unread(),
            &[
                "Whether it runs is unknown. Last decision: its status is unknown: TrafficStars answered 502.",
                "> at 22 12:01:00 it is read again; if nothing has changed until then, nothing is sent: while its \
                 status is unknown, nothing is decided",
            ],
        ),
        (
            "unknown spend",
            Phase::Idle,
            stopped().clicks(20_000).spend_unknown(),
            &[
                "It is stopped. Last decision: its spend is unknown.",
                "> at 22 12:01:00 it is read again; if nothing has changed until then, nothing is sent: while its \
                 spend is unknown, it is not activated",
            ],
        ),
        (
            "unknown clicks",
            Phase::Idle,
            stopped().clicks_unknown(),
            &[
                "It is stopped. Last decision: its remaining clicks are unknown.",
                "> at 22 12:01:00 it is read again; if nothing has changed until then, nothing is sent: while its \
                 clicks are unknown, it is not activated",
            ],
        ),
    ];
    for (what, phase, facts, expected) in cases {
        let mut rig = Rig::new(*phase);
        rig.tick("12:00:00", facts);
        assert_explained(what, &rig.explained(), expected);
    }
}

#[test]
fn before_the_first_read_nothing_is_claimed() {
    let rig = Rig::new(Phase::ActiveGuarded);
    let explanation = rig.explain_with(|_| {}, None);
    assert_eq!(explanation.summary, "It has not been read yet since its actor was built.");
    assert_eq!(explanation.facts.status.judged, None);
    assert!(explanation.decisions.is_empty());
}

#[test]
fn a_request_that_is_not_sent_yet_is_not_called_unanswered() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &stopped().clicks(20_000));
    let snapshot = rig.machine.snapshot(rig.now, &rig.policy);
    let turn = QueuePlace { before: 1_379, leaves_about: Some(at("12:40:00")) };
    let waits = RemoteClientStatus {
        requests_per_minute: 90,
        running_again_by: Some(at("13:10:00")),
        queue_places: Arc::new([((RemoteId(995_224), ActionKind::Activate), turn)].into()),
        ..RemoteClientStatus::default()
    };
    let rate_limited = RemoteClientStatus { blocked_until: Some(at("12:05:00")), ..waits.clone() };
    let nothing_waits = RemoteClientStatus { queue_places: Arc::default(), ..waits.clone() };
    let limit = "its turn within the account's limit of 90 requests a minute";
    let cases = [
        (
            ActionProgress::InFlight,
            &waits,
            format!("it waits for {limit}: 1,379 requests are before it; it is sent about 12:40:00"),
            "the activation is sent when its turn comes; then a read checks whether it took effect",
        ),
        (
            ActionProgress::InFlight,
            &rate_limited,
            "it waits: TrafficStars has asked us to send nothing until 12:05:00".to_owned(),
            "the activation is sent when its turn comes; then a read checks whether it took effect",
        ),
        (
            ActionProgress::Unstored,
            &nothing_waits,
            "it waits for the database: it is sent as soon as it is stored".to_owned(),
            "the activation is sent as soon as it is stored",
        ),
        (
            ActionProgress::Postponed,
            &nothing_waits,
            "it waits: the account's limit of 90 requests a minute; the next tick decides again; all queued \
             activations are sent by about 13:10:00"
                .to_owned(),
            "it is read again; if nothing has changed until then, it is activated",
        ),
    ];
    for (progress, trafficstar, waits, next) in cases {
        let snapshot = Snapshot { progress, ..snapshot.clone() };
        let explained = explain(rig.now, &rig.status(), Some(&snapshot), None, trafficstar);
        let expected = format!("It is stopped, as last read, and is to be activated since 12:00:00; {waits}.");
        assert_eq!((explained.summary, explained.next.then.as_str()), (expected, next), "{progress:?}");
        assert_eq!(explained.promise.meaning, "it runs, once its activation is confirmed", "{progress:?}");
    }
}

#[test]
fn an_activation_is_explained_from_its_request_to_its_confirmation() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &stopped().clicks(20_000));
    assert_explained(
        "in flight",
        &rig.explained(),
        &[
            "It is stopped, as last read, and is to be activated since 12:00:00; it was sent, and TrafficStars has not \
             answered yet.",
            "> the answer of TrafficStars to the activation is awaited; then a read checks whether it took effect",
        ],
    );
    rig.applied(Outcome::Accepted);
    let unconfirmed = rig.explained();
    assert_explained(
        "activated, unconfirmed",
        &unconfirmed,
        &[
            "It is stopped, as last read, and is to be activated since 12:00:00; no read has confirmed it yet.",
            "> at 22 12:00:01 a read checks whether the activation took effect; if not by 12:00:30, it has failed, \
             and is tried again after one minute or more",
        ],
    );
    assert_timers(
        &unconfirmed,
        &[
            (TimerKind::ReadBack, "12:00:01"),
            (TimerKind::ConfirmBy, "12:00:30"),
            (TimerKind::NextTick, "12:01:00"),
            (TimerKind::DayEnd, "23:59:00"),
        ],
    );
    rig.read_back(&running().clicks(20_000).ends(at("23:59:00")));
    let confirmed = rig.explained();
    let action = confirmed.action.as_ref().unwrap();
    assert_eq!(
        (action.requested_at, action.accepted_at, action.confirmed_at),
        (at("12:00:00"), Some(at("12:00:00")), Some(at("12:00:01")))
    );
    assert_eq!(confirmed.facts.end_time.end_time, Some(at("23:59:00")));
}

#[test]
fn a_run_that_failed_says_when_it_is_tried_again() {
    let mut rig = Rig::new(Phase::Idle);
    for time in ["12:00:00", "12:01:00", "12:03:00"] {
        rig.tick(time, &stopped().clicks(20_000));
        rig.applied(Outcome::Failed("TrafficStars answered 500".to_owned()));
    }
    let explanation = rig.explained();
    assert_explained(
        "backing off",
        &explanation,
        &[
            "It is stopped. Last decision: its last activation failed: 20,000 clicks left, 15,000 or more \
             run it (spend 3.21 of 10.00).",
            "! The last activation failed at 2026-11-22 12:03:00: TrafficStars answered 500.",
            "> at 22 12:04:00 it is read again; if nothing has changed until then, it is not activated yet: its last \
             run failed; it is tried again from 12:07:00 on, or as soon as TrafficStars shows a change of it",
        ],
    );
    assert_timers(
        &explanation,
        &[(TimerKind::NextTick, "12:04:00"), (TimerKind::RunBackoff, "12:07:00"), (TimerKind::DayEnd, "23:59:00")],
    );
}

#[test]
fn after_the_day_end_an_activation_waits_for_the_next_day() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("23:59:00", &stopped().clicks(20_000));
    assert_explained(
        "the next tick is the next day's",
        &rig.explained(),
        &[
            "It is stopped. Last decision: 20,000 clicks left, 15,000 or more run it (spend 3.21 of 10.00); it waits: \
             for the next day, because its end time would be 23:59:00, which has passed.",
            "> at 23 00:00:00 a new UTC day begins, and its spend starts at 0.00; it is read again; if nothing has \
             changed until then, it is activated",
        ],
    );
    let mut rig = Rig::with(Phase::Idle, |numbers| numbers.tick = Duration::seconds(20));
    rig.tick("23:59:00", &stopped().clicks(20_000));
    let explanation = rig.explained();
    let expected = "it is read again; if nothing has changed until then, it is not activated yet: after the day end \
                    (23:59:00) no activation is sent; the first tick of the new day, from 2026-11-23 00:00:00 on, \
                    activates it";
    assert_eq!((explanation.next.at, explanation.next.then.as_str()), (Some(at("23:59:20")), expected));
    assert_timers(&explanation, &[(TimerKind::NextTick, "23:59:20"), (TimerKind::Midnight, "2026-11-23 00:00:00")]);
}

#[test]
fn a_pause_is_explained_through_its_cool_down() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running().clicks(5_000));
    rig.applied(Outcome::Accepted);
    rig.end_time_set(Outcome::Accepted);
    assert_explained(
        "unconfirmed",
        &rig.explained(),
        &[
            "It runs, as last read, and is to be paused since 12:00:00; no read has confirmed it yet.",
            "> at 22 12:00:01 a read checks whether the pause took effect; if not by 12:00:30, it has failed, \
             and is tried again at the next tick",
        ],
    );
    rig.read_back(&stopped().ends(at("12:00:00")));
    let cooling = rig.explained();
    assert_explained(
        "cooling down",
        &cooling,
        &[
            "It is stopped: the guard paused it at 2026-11-22 12:00:00, with 5,000 clicks left.",
            "> at 22 12:01:00 it is read again, and paused again if somebody has started it; spend and clicks decide \
             from 12:02:00 on",
        ],
    );
    assert_timers(
        &cooling,
        &[(TimerKind::NextTick, "12:01:00"), (TimerKind::CoolDownEnd, "12:02:00"), (TimerKind::DayEnd, "23:59:00")],
    );
    rig.tick("12:01:00", &stopped().clicks(16_000));
    assert_explained(
        "its end is near",
        &rig.explained(),
        &[
            "It is stopped: the guard paused it at 2026-11-22 12:00:00, with 5,000 clicks left. Last decision: it \
             cools down after a pause: nothing is decided until that ends.",
            "> at 22 12:02:00 the cool-down ends; it is read again; if nothing has changed until then, it is activated",
        ],
    );
}

#[test]
fn a_campaign_without_urls_is_paused_like_one_without_clicks_and_the_reason_says_so() {
    let mut rig = Rig::new(Phase::Idle);
    let facts = Facts { active_urls: 0, ..running().clicks(0) };
    rig.tick("12:00:00", &facts);
    let explained = rig.explained();
    assert_eq!(explained.action.as_ref().map(|action| action.kind), Some(ActionKind::Pause));
    assert!(explained.facts.clicks.has_no_urls);
    let reason = &explained.decisions[0].reason;
    assert_eq!(reason, "it runs with 0 clicks left (it has no active URLs), 5,000 or fewer pause it (spend 3.21)");
}

#[test]
fn in_observe_mode_the_explanation_says_what_would_be_done() {
    let mut rig = Rig::with(Phase::Idle, |numbers| numbers.mode = Mode::Observe);
    rig.tick("12:00:00", &running().clicks(100));
    assert_explained(
        "observe mode",
        &rig.explained(),
        &[
            "It runs. Last decision: it runs with 100 clicks left, 5,000 or fewer pause it (spend 3.21).",
            "! Unguarded: it runs, and the guard does not pause it: 100 clicks are left, and 5,000 or \
             fewer pause it. It goes on spending money.",
            "! Observe mode: it is read and decided about as always, but no request that changes it is sent.",
            "> at 22 12:01:00 it is read again; if nothing has changed until then, it would be paused; observe mode \
             sends nothing",
        ],
    );
}

#[test]
fn a_contested_campaign_says_when_it_may_be_activated_again() {
    let mut rig = Rig::with(Phase::ActiveGuarded, |numbers| {
        numbers.contested_after = 0;
        numbers.contested_backoff = Some(Duration::minutes(15));
    });
    let end = at("23:59:00");
    rig.tick("12:00:00", &stopped().clicks(20_000).ends(end));
    rig.applied(Outcome::Accepted);
    rig.read_back(&running().ends(end));
    rig.tick("12:01:00", &stopped().clicks(20_000).ends(end));
    let explanation = rig.explained();
    assert_explained(
        "contested",
        &explanation,
        &[
            "It is stopped. Last decision: somebody else stopped it: 20,000 clicks left, 15,000 or more \
             run it (spend 3.21 of 10.00); it waits: it is contested; the next attempt is at 12:02:00.",
            "! Contested: others changed it more than 0 times within an hour. A person or another program works \
             against the guard.",
            "> at 22 12:02:00 it is read again; if nothing has changed until then, it is activated",
        ],
    );
    assert!(explanation.timers.iter().any(|timer| timer.kind == TimerKind::ContestedBackoff));
    assert!(explanation.timers.iter().any(|timer| timer.kind == TimerKind::ContestedEnd));
}

#[test]
fn a_campaign_that_is_gone_says_when_it_is_read_again() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &gone());
    let explanation = rig.explained();
    assert_eq!(
        explanation.next.then,
        "its clicks are read; TrafficStars has no such campaign, and is asked again at the first tick from 12:15:00 on"
    );
}

#[test]
fn a_disabled_campaign_says_so_and_how_to_change_it() {
    let rig = Rig::new(Phase::Idle);
    let mut status = rig.status();
    status.actor = None;
    status.ordered.generator_enabled = false;
    let explanation = explain(rig.now, &status, None, None, &RemoteClientStatus::default());
    assert_explained(
        "disabled",
        &explanation,
        &[
            "Its generator is disabled: nothing checks whether it runs, and nothing is sent for it.",
            "> nothing, until an operator enables it: `traffic-generator enable 1`",
        ],
    );
    assert_eq!(explanation.thresholds, None);
}

#[test]
fn a_dead_actor_says_since_when_and_when_the_next_one_is_built() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running().clicks(20_000));
    let backoff = ActorBackoff { since: at("12:00:05"), until: at("12:00:13") };
    let restarting = |status: &mut CampaignStatus| status.actor.as_mut().unwrap().status = Liveness::Restarting;
    let explanation = rig.explain_with(restarting, Some(backoff));
    assert_explained(
        "restarting",
        &explanation,
        &[
            "It has not been guarded since 12:00:05: its actor died and is respawned. The facts shown here are the \
             last that the actor knew.",
            "> at 22 12:00:13 its actor is respawned from the stored promise, reads the campaign at once, and keeps \
             the promise",
        ],
    );
    assert_timers(&explanation, &[(TimerKind::Respawn, "12:00:13"), (TimerKind::DayEnd, "23:59:00")]);
}

#[test]
fn a_stuck_actor_is_distinguished_from_one_that_waits_for_answers() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running().clicks(20_000));
    rig.now = at("12:05:00");
    let stuck = rig.explained();
    assert_explained(
        "stuck",
        &stuck,
        &[
            "It is not guarded as it should be: the tick that was due at 12:01:00 has not ended. The facts shown here \
             are older.",
            "> unknown: its actor does nothing. If that goes on, see the supervisor's log and restart it; no promise \
             is lost",
        ],
    );
    let handling = Handling { what: "tick".to_owned(), since: at("12:01:00") };
    let waiting = rig.explain_with(|status| status.actor.as_mut().unwrap().handling = Some(handling), None);
    assert_eq!(waiting.next.then, "it is being read since 12:01:00; the decision follows when all answers arrive");
}

#[test]
fn a_hold_is_explained_with_its_operator_and_its_end() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running().clicks(20_000));
    let hold = Hold {
        reason: Some("new landing page".to_owned()),
        since: at("11:30:00"),
        until: Some(at("13:30:00")),
        by: Some("1000 alice".to_owned()),
        pause: false,
    };
    let explanation = rig.explain_with(|status| status.ordered.hold = Some(hold), None);
    assert_eq!(
        explanation.attention,
        ["On hold by 1000 alice since 2026-11-22 11:30:00, until 2026-11-22 13:30:00 (new landing page): nothing \
             is sent."]
    );
    assert!(explanation.timers.iter().any(|timer| (timer.kind, timer.at) == (TimerKind::HoldEnd, at("13:30:00"))));
}

#[test]
fn the_distance_to_each_threshold_is_counted_and_unknown_is_not_zero() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running().clicks(12_000).spend("9.25"));
    let near = rig.explained().thresholds.unwrap();
    assert_eq!((near.clicks_to_pause, near.clicks_to_activation), (Some(Clicks(7_000)), Some(Clicks(3_000))));
    assert_eq!(near.spend_to_limit, Some(money("0.75")));
    rig.tick("12:01:00", &running().clicks_unknown().spend_unknown());
    let unknown = rig.explained().thresholds.unwrap();
    assert_eq!((unknown.clicks_to_pause, unknown.spend_to_limit), (None, None));
}

#[test]
fn doubts_have_their_reason_and_their_beginning() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running());
    rig.tick("12:01:00", &unread().with_invalid_row().spend_unknown());
    rig.tick("12:02:00", &unread().with_invalid_row().spend_unknown());
    let facts = rig.explained().facts;
    assert_eq!(facts.status.unknown_since, Some(at("12:01:00")));
    assert_eq!(facts.status.reason.as_deref(), Some("TrafficStars answered 502"));
    assert_eq!(facts.clicks.unknown_since, Some(at("12:01:00")));
    assert_eq!(facts.clicks.doubt.as_deref(), Some("url 7 has a negative click limit"));
    assert_eq!(facts.spend.doubt.as_deref(), Some("the report: timed out"));
    rig.tick("12:03:00", &running());
    let facts = rig.explained().facts;
    assert_eq!((facts.status.unknown_since, facts.clicks.unknown_since), (None, None));
}

#[test]
fn repeated_decisions_to_do_nothing_are_kept_as_one() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &running().clicks(20_000));
    for (time, clicks) in [("12:01:00", 19_000), ("12:02:00", 18_000), ("12:03:00", 17_000)] {
        rig.tick(time, &running().clicks(clicks));
    }
    let decisions = rig.explained().decisions;
    let spans: Vec<_> = decisions.iter().map(|decision| (decision.since, decision.last_at, decision.times)).collect();
    assert_eq!(spans, [(at("12:01:00"), at("12:03:00"), 3), (at("12:00:00"), at("12:00:00"), 1)]);
}

#[test]
fn a_pause_that_fails_repeatedly_is_wanted_since_the_first_attempt() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let snapshot = |rig: &Rig| rig.machine.snapshot(rig.now, &rig.policy);
    for time in ["12:00:00", "12:01:00", "12:02:00"] {
        rig.tick(time, &running().clicks(100));
        rig.applied(Outcome::Failed("TrafficStars answered 500".to_owned()));
        assert_eq!(snapshot(&rig).pausing_since, Some(at("12:00:00")));
    }
    rig.tick("12:03:00", &stopped().clicks(100));
    assert_eq!(snapshot(&rig).pausing_since, None, "it is stopped, by the guard or by others");
}

#[test]
fn a_campaign_whose_generator_is_being_disabled_is_not_called_stuck() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running().clicks(100));
    rig.event(Event::Disable { pause: false });
    rig.now = at("12:05:00");
    rig.applied(Outcome::Accepted);
    let explanation = rig.explained();
    assert_eq!(explanation.attention, ["Its generator is being disabled: no new action begins, and its promise ends."]);
    assert!(
        explanation.summary.starts_with("It runs, as last read, and is to be paused since 12:00:00"),
        "{explanation:?}"
    );
    assert!(explanation.next.then.starts_with("a read checks"), "{explanation:?}");
}
