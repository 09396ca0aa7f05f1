//! Faults in orders: holds, forced actions, disabling, observing.

use super::Fault;

const ACTIONS: &str = "src/domain/machine/actions.rs";
const CONCLUDE: &str = "src/domain/machine/conclude.rs";
const DISABLE: &str = "src/domain/machine/disable.rs";
const FORCE: &str = "src/domain/machine/force.rs";
const HOLD: &str = "src/domain/machine/hold.rs";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "disabled-keeps-its-promise",
        what: "a campaign whose generator is disabled keeps its promise",
        breaks: "Lifecycle",
        file: DISABLE,
        original: "«self.enter(step, Phase::Idle, \"its generator was disabled\");»",
        faulty: "",
    },
    Fault {
        name: "hold-ignored",
        what: "the table decides about a campaign on hold",
        breaks: "2",
        file: CONCLUDE,
        original: "if let Some(hold) = «self.hold(now).cloned()» {",
        faulty: "None",
    },
    Fault {
        name: "hold-keeps-nothing-paused",
        what: "a hold with `pause` does not pause a running campaign",
        breaks: "Operators",
        file: HOLD,
        original: "if «hold.pause && judged.status.may_run()» {",
        faulty: "false",
    },
    Fault {
        name: "hold-ignores-doubt",
        what: "a hold with `pause` does not pause a campaign that is blocked or unknown, and switched on",
        breaks: "Operators",
        file: HOLD,
        original: "if «hold.pause && judged.status.may_run()» {",
        faulty: "hold.pause && judged.status == RemoteStatus::Running",
    },
    Fault {
        name: "force-passes-a-hold",
        what: "a forced activation is sent during a hold",
        breaks: "2",
        file: FORCE,
        original: "if let Some(hold) = «self.hold(now)» {",
        faulty: "self.hold(now).filter(|_| false)",
    },
    Fault {
        name: "force-passes-the-cooldown",
        what: "a forced activation is sent during the cool-down",
        breaks: "2",
        file: FORCE,
        original: "if let Some(until) = self.phase.cooling_down_until().filter(|&until| «until > now») {",
        faulty: "false",
    },
    Fault {
        name: "force-passes-a-block",
        what: "a forced activation runs a blocked campaign",
        breaks: "2",
        file: FORCE,
        original: "match «status» {
            Some(RemoteStatus::Blocked { reason, .. }) => {",
        faulty: "status.filter(|status| !matches!(status, RemoteStatus::Blocked { .. }))",
    },
    Fault {
        name: "force-passes-a-lack-of-funds",
        what: "a forced activation runs a campaign that is out of funds",
        breaks: "2",
        file: FORCE,
        original: "match «status» {
            Some(RemoteStatus::Blocked { reason, .. }) => {",
        faulty: "status.filter(|status| !matches!(status, RemoteStatus::Blocked { reason, .. } if reason == \"out of funds\"))",
    },
    Fault {
        name: "force-passes-an-unknown-status",
        what: "a forced activation runs a campaign of unknown status",
        breaks: "1",
        file: FORCE,
        original: "match «status» {
            Some(RemoteStatus::Blocked { reason, .. }) => {",
        faulty: "status.filter(|status| !matches!(status, RemoteStatus::Unknown { .. }))",
    },
    Fault {
        name: "forced-pause-reads-first",
        what: "a forced pause is not sent where the campaign is seen stopped",
        breaks: "Operators",
        file: FORCE,
        original: "let at_once = force.kind == ForceKind::Pause && «!force.unless_stopped»;",
        faulty: "false",
    },
    Fault {
        name: "observe-mode-sends",
        what: "observe mode sends requests that change campaigns",
        breaks: "Operators",
        file: ACTIONS,
        original: "match «step.policy.mode» {
            Mode::Act => {
                self.last.forget_observed();",
        faulty: "Mode::Act",
    },
    Fault {
        name: "disabled-with-an-action-under-way",
        what: "a generator is disabled while an action of its campaign is under way",
        breaks: "Operators",
        file: DISABLE,
        original: "self.disabling.filter(|_| «!self.last.is_under_way()»)",
        faulty: "true",
    },
    Fault {
        name: "disabling-drops-the-cooldown",
        what: "disabling a generator ends the cool-down",
        breaks: "Operators",
        file: DISABLE,
        original: "if «self.phase.cooling_down_until().is_none_or(|until| until <= step.now)» {",
        faulty: "true",
    },
    Fault {
        name: "force-passes-the-day-end",
        what: "a forced activation is sent after the day end",
        breaks: "2",
        file: FORCE,
        original: "if «policy.past_day_end(now)» {",
        faulty: "false",
    },
    Fault {
        name: "hold-hides-a-pausing-one",
        what: "of two holds, the one without `pause` counts",
        breaks: "Operators",
        file: HOLD,
        original: "lasting().find(|hold| «hold.pause»)",
        faulty: "!hold.pause",
    },
];
