//! Faults in acting: cool-down, day end, sending, confirming, trying again.

use super::Fault;

const ACTING: &str = "src/domain/machine/acting.rs";
const MACHINE: &str = "src/domain/machine.rs";
const PROGRESS: &str = "src/domain/progress.rs";
const SENDING: &str = "src/domain/machine/sending.rs";
const CONTEST: &str = "src/domain/contest.rs";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "cooldown-half-as-long",
        what: "the cool-down is over at half time",
        breaks: "States",
        file: ACTING,
        original: "is_some_and(|until| «asked_at.min(now) < until»);",
        faulty: "asked_at + policy.cooldown / 2 < until",
    },
    Fault {
        name: "cooldown-from-the-request",
        what: "the cool-down counts from the request, not from the acceptance",
        breaks: "Decisions",
        file: SENDING,
        original: "Phase::CoolingDown { until: «now + policy.cooldown» };",
        faulty: "self.action.as_ref().map_or(now, |action| action.requested_at) + policy.cooldown",
    },
    Fault {
        name: "cooldown-ends-at-the-grid",
        what: "no tick falls due at the end of the cool-down",
        breaks: "Decisions",
        file: ACTING,
        original: "self.next_tick_at = «cooled_down_at.map_or(grid_point, |until| until.max(now).min(grid_point))»;",
        faulty: "grid_point",
    },
    Fault {
        name: "table-decides-in-cooldown",
        what: "spend and clicks decide while it cools down",
        breaks: "2",
        file: ACTING,
        original: "if «cools_down» {
            self.conclude_cooling_down",
        faulty: "false",
    },
    Fault {
        name: "start-in-cooldown-is-left",
        what: "a foreign start while it cools down is not undone",
        breaks: "Decisions",
        file: ACTING,
        original: "if «judged.status.may_run()» {\n            let runs",
        faulty: "paused_in_vain && judged.status.may_run()",
    },
    Fault {
        name: "pause-backs-off",
        what: "a pause that failed is tried again a minute and a half later",
        breaks: "Decisions",
        file: ACTING,
        original: "if «judged.status.may_run()» {\n            let runs",
        faulty: "judged.status.may_run()
            && !self.action.as_ref().and_then(|action| action.failed_at).is_some_and(|at| now < at + chrono::Duration::seconds(90))",
    },
    Fault {
        name: "day-end-dropped",
        what: "activations are sent after the day end",
        breaks: "2",
        file: ACTING,
        original: "if «policy.past_day_end(now)» {
            return Some(",
        faulty: "false",
    },
    Fault {
        name: "end-time-of-tomorrow",
        what: "an activation sets tomorrow's day end",
        breaks: "Decisions",
        file: ACTING,
        original: "end_time: «policy.day_end_on(now)»,",
        faulty: "policy.day_end_on(now) + chrono::Duration::days(1)",
    },
    Fault {
        name: "pause-ends-at-the-day-end",
        what: "a pause sets the end time to the day end, not to now",
        breaks: "Decisions",
        file: ACTING,
        original: "end_time: «now.trunc_subsecs(0)»,
            next: Phase::CoolingDown",
        faulty: "policy.day_end_on(now)",
    },
    Fault {
        name: "end-time-not-owed",
        what: "an end time that could not be set after a pause is forgotten",
        breaks: "Decisions",
        file: SENDING,
        original: "self.end_time_owed = «true»;",
        faulty: "false",
    },
    Fault {
        name: "end-time-owed-for-ever",
        what: "an end time is set again at every tick",
        breaks: "4",
        file: ACTING,
        original: "RemoteStatus::Stopped(StopCause::EndTimePassed) if promised_stopped => {«»",
        faulty: "if true {
                    let due = Due { trigger: Trigger::Recovery, kind: ActionKind::SetEndTime, ..self.pause_due(now, policy, String::new()) };
                    let due = Due { next: self.phase, ..due };
                    self.send(now, policy, Some(judged), due, effects);
                    return;
                }",
    },
    Fault {
        name: "activation-while-an-end-time-is-out",
        what: "a campaign is run while an end time is on its way that ends it",
        breaks: "Decisions",
        file: ACTING,
        original: "if «self.is_end_time_on_its_way()» {
            return Some(",
        faulty: "false",
    },
    Fault {
        name: "run-never-backs-off",
        what: "a run that failed is tried again at every tick",
        breaks: "Decisions",
        file: PROGRESS,
        original: "self.not_before = «Some(now + Duration::minutes(minutes))»;",
        faulty: "None",
    },
    Fault {
        name: "activation-never-grows-old",
        what: "an activation leaves however long it has waited",
        breaks: "2",
        file: SENDING,
        original: "ActionKind::Activate => «Some(latest.min(policy.day_end_on(now)))»,",
        faulty: "None",
    },
    Fault {
        name: "sent-twice",
        what: "a decision is taken while an action is on its way",
        breaks: "5",
        file: MACHINE,
        original: "        «self.progress == Progress::Settled» || (self.is_setting_end_time()",
        faulty: "true",
    },
    Fault {
        name: "late-effect-repeated",
        what: "an accepted action that no read shows yet is sent again",
        breaks: "Decisions",
        file: MACHINE,
        original: "        «self.progress == Progress::Settled» || (self.is_setting_end_time()",
        faulty: "self.progress != Progress::InFlight",
    },
    Fault {
        name: "late-effect-is-foreign",
        what: "an effect that shows late is counted as somebody else's doing",
        breaks: "Contested",
        file: MACHINE,
        original: "if «may_decide» {
            self.watch_others",
        faulty: "true",
    },
    Fault {
        name: "confirmed-without-a-read",
        what: "an accepted action is called confirmed",
        breaks: "Decisions",
        file: SENDING,
        original: "«self.progress = Progress::Awaiting(Awaiting::new(now, self.last_number, now + policy.confirm_within, policy));»",
        faulty: "self.finish(now, Ok(()), effects);",
    },
    Fault {
        name: "earlier-read-confirms",
        what: "a read that was sent before the acceptance confirms the action",
        breaks: "Decisions",
        file: MACHINE,
        original: "if «question.operation.0 <= awaiting.after» {",
        faulty: "false",
    },
    Fault {
        name: "unreadable-confirms-a-pause",
        what: "a pause is called confirmed by a read that failed",
        breaks: "Decisions",
        file: PROGRESS,
        original: "ActionKind::Pause => «is_stopped(remote, status)»,",
        faulty: "*status != RemoteStatus::Running",
    },
    Fault {
        name: "never-called-failed",
        what: "an action that no read shows is waited for without end",
        breaks: "Decisions",
        file: PROGRESS,
        original: "if «asked_at < awaiting.deadline» {",
        faulty: "true",
    },
    Fault {
        name: "called-failed-at-once",
        what: "the first read that does not show an action yet calls it failed",
        breaks: "Decisions",
        file: PROGRESS,
        original: "if «asked_at < awaiting.deadline» {",
        faulty: "false",
    },
    Fault {
        name: "outdated-tick-decides",
        what: "a tick decides by a read from before the action was answered",
        breaks: "Decisions",
        file: MACHINE,
        original: "let outdated = «question.operation.0 <= self.changed_after»;",
        faulty: "false",
    },
    Fault {
        name: "answer-to-an-older-question",
        what: "an observation for an older question is taken for the present one's",
        breaks: "One tick",
        file: MACHINE,
        original: "self.observing.take_if(|question| «question.operation == operation»)",
        faulty: "true",
    },
    Fault {
        name: "answer-to-an-older-action",
        what: "the answer to an older action is taken for the present one's",
        breaks: "Decisions",
        file: SENDING,
        original: "filter(|action| «action.id == id && self.progress == Progress::InFlight»)",
        faulty: "true",
    },
    Fault {
        name: "absent-read-at-every-tick",
        what: "a campaign that answers 404 is read at every tick",
        breaks: "Decisions",
        file: MACHINE,
        original: "self.remote_absent_until = «absent.then_some(until)»;",
        faulty: "None",
    },
    Fault {
        name: "set-back-clock-stops-the-ticks",
        what: "after the clock was set back no tick falls due until it is back",
        breaks: "3",
        file: MACHINE,
        original: "«self.next_tick_at = self.next_tick_at.min(policy.next_grid_point(now));»",
        faulty: "",
    },
    Fault {
        name: "high-spend-sticks",
        what: "the mark of a high spend stays when a new day begins",
        breaks: "High spend",
        file: MACHINE,
        original: "SpendLevel::Below => self.high_spend_on = «None»,",
        faulty: "self.high_spend_on",
    },
    Fault {
        name: "six-changes-contest",
        what: "six foreign changes in an hour are too many",
        breaks: "Contested",
        file: CONTEST,
        original: "!self.contested && «self.changes.len() > limit»;",
        faulty: "self.changes.len() >= limit",
    },
];
