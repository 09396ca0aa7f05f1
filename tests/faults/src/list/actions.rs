//! Faults in actions: cool-down, day end, sending, confirming, trying again.

use super::Fault;

const ACTIONS: &str = "src/domain/machine/actions.rs";
const CONCLUDE: &str = "src/domain/machine/conclude.rs";
const END_TIME: &str = "src/domain/machine/end_time.rs";
const FLAGS: &str = "src/domain/machine/flags.rs";
const QUESTIONS: &str = "src/domain/machine/questions.rs";
const READBACK: &str = "src/domain/machine/readback.rs";
const TICK: &str = "src/domain/machine/tick.rs";
const ABSENCE: &str = "src/domain/absence.rs";
const MACHINE: &str = "src/domain/machine.rs";
const CONFIRMATION: &str = "src/domain/confirmation.rs";
const CONTEST: &str = "src/domain/contest.rs";
const POLICY: &str = "src/domain/policy.rs";
const CLOCK_DIFFERENCE: &str = "src/domain/clock_difference.rs";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "cooldown-half-as-long",
        what: "the cool-down ends at half its length",
        breaks: "States",
        file: CONCLUDE,
        original: "is_some_and(|until| «asked_at.min(now) < until»);",
        faulty: "asked_at + step.policy.cooldown / 2 < until",
    },
    Fault {
        name: "cooldown-from-the-request",
        what: "the cool-down counts from the request, not from the acceptance",
        breaks: "Decisions",
        file: ACTIONS,
        original: "self.phase = Phase::CoolingDown { until: «self.cool_down_end(step)» };",
        faulty: "self.last.action().map_or(now, |action| action.requested_at) + policy.cooldown",
    },
    Fault {
        name: "cooldown-ends-at-the-grid",
        what: "no tick falls due at the end of the cool-down",
        breaks: "Decisions",
        file: TICK,
        original: "self.next_tick_at = «cooled_down_at.map_or(grid_point, |until| until.max(now).min(grid_point))»;",
        faulty: "grid_point",
    },
    Fault {
        name: "table-decides-in-cooldown",
        what: "spend and clicks decide during the cool-down",
        breaks: "2",
        file: CONCLUDE,
        original: "if «cools_down» {
            self.conclude_cooling_down",
        faulty: "false",
    },
    Fault {
        name: "start-in-cooldown-is-left",
        what: "a foreign start during the cool-down is not undone",
        breaks: "Decisions",
        file: CONCLUDE,
        original: "if «judged.status.may_run()» {",
        faulty: "last_pause_failed && judged.status.may_run()",
    },
    Fault {
        name: "pause-backs-off",
        what: "a pause that failed is tried again a minute and a half later",
        breaks: "Decisions",
        file: CONCLUDE,
        original: "if «judged.status.may_run()» {",
        faulty: "judged.status.may_run()
            && !self.last.action().and_then(|action| action.failed_at).is_some_and(|at| step.now < at + chrono::Duration::seconds(90))",
    },
    Fault {
        name: "cooldown-ignores-doubt",
        what: "during the cool-down a campaign that is blocked or unknown, and switched on, is not paused",
        breaks: "Decisions",
        file: CONCLUDE,
        original: "if «judged.status.may_run()» {",
        faulty: "judged.status == RemoteStatus::Running",
    },
    Fault {
        name: "day-end-dropped",
        what: "activations are sent after the day end",
        breaks: "2",
        file: CONCLUDE,
        original: "if «policy.past_day_end(now)» {
            return Some(",
        faulty: "false",
    },
    Fault {
        name: "end-time-of-tomorrow",
        what: "an activation sets tomorrow's day end",
        breaks: "Decisions",
        file: CONCLUDE,
        original: "let (kind, end_time) = (ActionKind::Activate, «step.policy.day_end_on(now)»);",
        faulty: "step.policy.day_end_on(now) + chrono::Duration::days(1)",
    },
    Fault {
        name: "pause-ends-at-the-day-end",
        what: "a pause sets the end time to the day end, not to now",
        breaks: "Decisions",
        file: ACTIONS,
        original: "end_time: «step.now.trunc_subsecs(0)»,
            next: Phase::CoolingDown",
        faulty: "step.policy.day_end_on(step.now)",
    },
    Fault {
        name: "end-time-not-owed",
        what: "an end time that could not be set after a pause is forgotten",
        breaks: "Decisions",
        file: END_TIME,
        original: "self.owed = «true»;",
        faulty: "false",
    },
    Fault {
        name: "end-time-owed-for-ever",
        what: "the end time is set again at every tick",
        breaks: "4",
        file: END_TIME,
        original: "RemoteStatus::Stopped(StopCause::EndTimePassed) if promised_stopped => {«»",
        faulty: "if true {
                    let due = Due { trigger: Trigger::Recovery, kind: ActionKind::SetEndTime, ..self.pause_due(step, String::new()) };
                    let due = Due { next: self.phase, ..due };
                    self.send(step, Some(judged), due);
                    return;
                }",
    },
    Fault {
        name: "activation-while-an-end-time-is-in-flight",
        what: "a campaign is run while a request is in flight that sets its end time to now",
        breaks: "Decisions",
        file: CONCLUDE,
        original: "if «self.is_end_time_in_flight()» {
            return Some(",
        faulty: "false",
    },
    Fault {
        name: "run-never-backs-off",
        what: "a run that failed is tried again at every tick",
        breaks: "Decisions",
        file: CONFIRMATION,
        original: "self.not_before = «Some(now + Duration::minutes(minutes))»;",
        faulty: "None",
    },
    Fault {
        name: "activation-never-grows-old",
        what: "an activation is sent after any wait",
        breaks: "2",
        file: ACTIONS,
        original: "ActionKind::Activate => «Some(latest.min(step.policy.day_end_on(now)))»,",
        faulty: "None",
    },
    Fault {
        name: "sent-twice",
        what: "a decision is taken while an action is under way",
        breaks: "5",
        file: TICK,
        original: "        «!self.last.is_under_way()» || (self.last.gives_way_to_pause()",
        faulty: "true",
    },
    Fault {
        name: "late-effect-repeated",
        what: "an accepted action is sent again while no read shows its effect",
        breaks: "Decisions",
        file: TICK,
        original: "        «!self.last.is_under_way()» || (self.last.gives_way_to_pause()",
        faulty: "self.last.in_flight().is_none()",
    },
    Fault {
        name: "late-effect-is-foreign",
        what: "a late effect of the program's own action counts as a foreign change",
        breaks: "Contested",
        file: TICK,
        original: "if «may_decide» {
            self.watch_others",
        faulty: "true",
    },
    Fault {
        name: "confirmed-without-a-read",
        what: "an accepted action counts as confirmed",
        breaks: "Decisions",
        file: ACTIONS,
        original: "«self.last.await_effect(awaiting, last_number);»",
        faulty: "self.finish(step, Ending::Confirmed);",
    },
    Fault {
        name: "earlier-read-confirms",
        what: "a read that was sent before the acceptance confirms the action",
        breaks: "Decisions",
        file: READBACK,
        original: "if «!question.is_after(awaiting.after)» {",
        faulty: "false",
    },
    Fault {
        name: "unreadable-confirms-a-pause",
        what: "a failed read confirms a pause",
        breaks: "Decisions",
        file: CONFIRMATION,
        original: "ActionKind::Pause => «is_stopped(remote, status)»,",
        faulty: "*status != RemoteStatus::Running",
    },
    Fault {
        name: "never-called-failed",
        what: "an action whose effect no read shows never fails",
        breaks: "Decisions",
        file: CONFIRMATION,
        original: "if «asked_at < awaiting.deadline || *remote == Err(RemoteFault::Late)» {",
        faulty: "true",
    },
    Fault {
        name: "called-failed-at-once",
        what: "an action fails at the first read that does not show its effect",
        breaks: "Decisions",
        file: CONFIRMATION,
        original: "if «asked_at < awaiting.deadline || *remote == Err(RemoteFault::Late)» {",
        faulty: "false",
    },
    Fault {
        name: "out-of-funds-waits-for-its-effect",
        what: "a run that is read back as out of funds fails only after `confirm_within`",
        breaks: "Decisions",
        file: CONFIRMATION,
        original: "RemoteStatus::Blocked { reason, .. }) = «(action.kind, status)» {",
        faulty: "(ActionKind::SetEndTime, status)",
    },
    Fault {
        name: "backoff-outlasts-a-change",
        what: "a run that failed backs off though the remote has changed",
        breaks: "Decisions",
        file: CONFIRMATION,
        original: "if «has_changed || *status == RemoteStatus::Running» {",
        faulty: "{ let _ = has_changed; *status == RemoteStatus::Running }",
    },
    Fault {
        name: "outdated-tick-decides",
        what: "a tick decides by a read that is older than the answer to the action",
        breaks: "Decisions",
        file: TICK,
        original: "let outdated = «self.last.outdates(question.question_id.0)»;",
        faulty: "false",
    },
    Fault {
        name: "answer-to-an-older-question",
        what: "an observation for an older question counts as an answer to the present one",
        breaks: "One tick",
        file: QUESTIONS,
        original: "self.tick.take_if(|question| «question.question_id == question_id»)",
        faulty: "true",
    },
    Fault {
        name: "answer-to-an-older-action",
        what: "the answer to an older action counts as an answer to the present one",
        breaks: "Decisions",
        file: ACTIONS,
        original: "filter(|action| «action.id == id»)",
        faulty: "true",
    },
    Fault {
        name: "two-404s-are-gone",
        what: "a campaign counts as gone at its second 404",
        breaks: "Words",
        file: ABSENCE,
        original: "self.missing_since.is_some_and(|since| «now.signed_duration_since(since) >= GONE_AFTER - TOLERANCE»)",
        faulty: "now >= since",
    },
    Fault {
        name: "a-404-is-never-gone",
        what: "a campaign never counts as gone",
        breaks: "Words",
        file: ABSENCE,
        original: "«self.missing_since.get_or_insert(asked_at);»",
        faulty: "self.missing_since = Some(asked_at);",
    },
    Fault {
        name: "a-late-read-ends-the-404s",
        what: "a tick that ended before its answer came interrupts the series of 404s",
        breaks: "Words",
        file: ABSENCE,
        original: "Err(RemoteFault::Late) => «{}»",
        faulty: "*self = Self::default()",
    },
    Fault {
        name: "seen-again-is-forgotten",
        what: "a campaign that was seen between two 404s counts as gone",
        breaks: "Words",
        file: ABSENCE,
        original: "Ok(_) | Err(RemoteFault::Failed(_) | RemoteFault::Shared(_)) => «*self = Self::default()»,",
        faulty: "self.read_again_at = None",
    },
    Fault {
        name: "a-404-is-a-stop",
        what: "an order that pauses takes a 404 as proof of a stop",
        breaks: "Operators",
        file: CONFIRMATION,
        original: "«*remote == Err(RemoteFault::Gone)» || is_stopped(remote, status)",
        faulty: "matches!(remote, Err(RemoteFault::Gone | RemoteFault::NotFound))",
    },
    Fault {
        name: "gone-read-at-every-tick",
        what: "a campaign that is gone is read at every tick",
        breaks: "Decisions",
        file: ABSENCE,
        original: "self.read_again_at = «Some(point + GONE_AFTER)»;",
        faulty: "None",
    },
    Fault {
        name: "set-back-clock-stops-the-ticks",
        what: "after the clock was set back, no tick falls due until the old time is reached again",
        breaks: "3",
        file: MACHINE,
        original: "«self.next_tick_at = self.next_tick_at.min(policy.next_grid_point(now));»",
        faulty: "",
    },
    Fault {
        name: "set-back-clock-prolongs-the-cooldown",
        what: "after the clock was set back, the cool-down lasts until its old end",
        breaks: "Clock",
        file: MACHINE,
        original: "if «self.phase.cooling_down_until().is_some_and(|until| until > longest)» {",
        faulty: "false",
    },
    Fault {
        name: "far-clock-activates",
        what: "an activation is sent although the clocks are five minutes apart",
        breaks: "Clock",
        file: CONCLUDE,
        original: "if «self.readings.is_clock_far_apart()» {
            return Some(ClockDifference::ACTIVATES_NOTHING",
        faulty: "false",
    },
    Fault {
        name: "near-clock-activates-nothing",
        what: "no activation is sent while the clocks are a minute apart",
        breaks: "Clock",
        file: CLOCK_DIFFERENCE,
        original: "self.0.abs() >= «FAR_APART»",
        faulty: "APART",
    },
    Fault {
        name: "tick-outlasts-the-grid",
        what: "a tick waits for its answers for the time of three ticks",
        breaks: "One tick",
        file: POLICY,
        original: "self.next_grid_point(began_at + «self.answer_within»)",
        faulty: "self.tick * 3",
    },
    Fault {
        name: "late-tick-skips-the-next",
        what: "after a tick that waited up to its end, the next point of the grid is skipped",
        breaks: "One tick",
        file: TICK,
        original: "let grid_point = if waited { «now» } else",
        faulty: "policy.next_grid_point(now)",
    },
    Fault {
        name: "high-spend-sticks",
        what: "the mark of a high spend stays when a new day begins",
        breaks: "High spend",
        file: FLAGS,
        original: "SpendLevel::Below => self.high_spend_on = «None»,",
        faulty: "self.high_spend_on",
    },
    Fault {
        name: "six-changes-contest",
        what: "six foreign changes in an hour mark a campaign contested",
        breaks: "Contested",
        file: CONTEST,
        original: "!self.contested && «self.changes.len() > limit»;",
        faulty: "self.changes.len() >= limit",
    },
];
