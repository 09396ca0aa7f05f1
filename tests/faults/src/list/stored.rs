//! Faults in storing, and in what a restart reads back.

use super::Fault;

const ACTIONS: &str = "src/domain/machine/actions.rs";
const CONCLUDE: &str = "src/domain/machine/conclude.rs";
const HOLD: &str = "src/domain/machine/hold.rs";
const LAST_ACTION: &str = "src/domain/machine/last_action.rs";
const MACHINE: &str = "src/domain/machine.rs";
const OCCASIONS: &str = "src/domain/campaign_occasions.rs";
const SESSION: &str = "src/guard/session.rs";
const OUTBOX: &str = "src/guard/outbox.rs";
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "step-without-its-time",
        what: "the journal does not say when an action was confirmed",
        breaks: "Journal",
        file: LAST_ACTION,
        original: "«action.confirmed_at = Some(now);»",
        faulty: "",
    },
    Fault {
        name: "nothing-waits-for-its-record",
        what: "a request is sent before its record is stored",
        breaks: "8",
        file: SESSION,
        original: "while «!self.outbox.is_storing()»",
        faulty: "true",
    },
    Fault {
        name: "pause-waits-for-the-database",
        what: "a pause whose record cannot be stored is not sent",
        breaks: "9",
        file: SESSION,
        original: "let event = if «request.kind == ActionKind::Pause» {",
        faulty: "false",
    },
    Fault {
        name: "late-pause-is-not-marked",
        what: "a pause that was sent before it was stored is not marked late",
        breaks: "9",
        file: LAST_ACTION,
        original: "action.late = «true»;",
        faulty: "false",
    },
    Fault {
        name: "newer-record-overtakes",
        what: "a record that could not be stored is dropped when a newer one is to be stored",
        breaks: "7",
        file: OUTBOX,
        original: "self.unstored.pop_back_if(|last| «action(last) == action(&record)»)",
        faulty: "last.promise != record.promise || action(last).is_none()",
    },
    Fault {
        name: "unstored-is-not-tried-again",
        what: "a record that could not be stored is not tried again",
        breaks: "7",
        file: OUTBOX,
        original: "let record = self.unstored.front().filter(|_| «!self.is_storing»)?;",
        faulty: "!self.is_storing && self.failure.is_none()",
    },
    Fault {
        name: "cooldown-not-stored",
        what: "a cool-down is stored as `paused-guarded`",
        breaks: "7",
        file: MACHINE,
        original: "phase: «self.phase», since: self.since, end_time_owed: self.end_times.is_owed() }",
        faulty: "if matches!(self.phase, Phase::CoolingDown { .. }) { Phase::PausedGuarded } else { self.phase }",
    },
    Fault {
        name: "debt-not-stored",
        what: "the mark that an end time is owed is not stored",
        breaks: "7",
        file: MACHINE,
        original: "since: self.since, end_time_owed: «self.end_times.is_owed()» }",
        faulty: "false",
    },
    Fault {
        name: "restart-forgets-occasions",
        what: "a restart forgets which occasions of alerts are open",
        breaks: "Alerts",
        file: OCCASIONS,
        original: "known.into_iter().partition(|occasion| «occasion.is_open»);",
        faulty: "false",
    },
    Fault {
        name: "unread-ends-occasions",
        what: "an occasion that only the status shows ends when the status cannot be read after a restart",
        breaks: "Alerts",
        file: OCCASIONS,
        original: "self.judged().is_some_and(|judged| «!matches!(judged.status, RemoteStatus::Unknown { .. })»)",
        faulty: "true",
    },
    Fault {
        name: "replaced-record-loses-occasions",
        what: "the occasions of a record that a newer one replaces are not stored",
        breaks: "Alerts",
        file: OUTBOX,
        original: "«record.occasions.splice(0..0, last.occasions);»",
        faulty: "",
    },
    Fault {
        name: "disabled-leaves-occasions-open",
        what: "the occasions of a campaign stay open when its generator is disabled",
        breaks: "Alerts",
        file: SESSION,
        original: "Some(_) => «self.occasions.end_all(now)»,",
        faulty: "Vec::new()",
    },
    Fault {
        name: "cooldown-begins-anew",
        what: "a restart begins the cool-down anew",
        breaks: "7",
        file: MACHINE,
        original: "phase: «promise.phase»,",
        faulty: "if matches!(promise.phase, Phase::CoolingDown { .. }) { Phase::CoolingDown { until: now + policy.cooldown } } else { promise.phase }",
    },
    Fault {
        name: "promise-forgotten",
        what: "a restart begins in the state idle",
        breaks: "7",
        file: MACHINE,
        original: "phase: «promise.phase»,",
        faulty: "Phase::Idle",
    },
    Fault {
        name: "debt-forgotten",
        what: "a restart forgets the end time that is owed",
        breaks: "7",
        file: MACHINE,
        original: "EndTimes::new(«promise.end_time_owed»),",
        faulty: "false",
    },
    Fault {
        name: "unfinished-action-forgotten",
        what: "a restart treats an unfinished action as finished",
        breaks: "Decisions",
        file: MACHINE,
        original: "last: LastAction::new(«unfinished»),",
        faulty: "None",
    },
    Fault {
        name: "hold-forgotten",
        what: "a restart forgets a campaign's own hold",
        breaks: "7",
        file: HOLD,
        original: "(self.holds.own, self.holds.all) = «(own, all)»;",
        faulty: "(None, all)",
    },
    Fault {
        name: "hold-on-all-forgotten",
        what: "a restart forgets the hold on all",
        breaks: "7",
        file: HOLD,
        original: "(self.holds.own, self.holds.all) = «(own, all)»;",
        faulty: "(own, None)",
    },
    Fault {
        name: "sent-before-stored",
        what: "a request is sent before its journal entry is stored",
        breaks: "9",
        file: ACTIONS,
        original: "«step.ask_for(Effect::Send(request));»",
        faulty: "let before = step.effects.len().saturating_sub(1);
            step.effects.insert(before, Effect::Send(request));",
    },
    Fault {
        name: "entry-not-stored",
        what: "a request has no journal entry",
        breaks: "9",
        file: ACTIONS,
        original: "«self.store_with_entry(step);»
        step.ask_for(Effect::Send",
        faulty: "self.store(step);",
    },
    Fault {
        name: "promise-not-stored-with-the-request",
        what: "neither the promise nor the journal entry is stored before a request is sent",
        breaks: "7",
        file: ACTIONS,
        original: "«self.store_with_entry(step);»
        step.ask_for(Effect::Send",
        faulty: "",
    },
    Fault {
        name: "acceptance-not-stored",
        what: "neither the acceptance nor the cool-down that it moves is stored",
        breaks: "Decisions",
        file: ACTIONS,
        original: "self.last.await_effect(awaiting, last_number);
        «self.store_with_entry(step);»",
        faulty: "",
    },
    Fault {
        name: "end-not-stored",
        what: "the end of an action is not stored in the journal",
        breaks: "Decisions",
        file: ACTIONS,
        original: "«self.store_with_entry(step);»
        self.end_force_with_action",
        faulty: "self.store(step);",
    },
    Fault {
        name: "cooldown-end-not-stored",
        what: "the end of a cool-down is not stored",
        breaks: "7",
        file: CONCLUDE,
        original: r#""the cool-down has ended");
            «self.store(step);»"#,
        faulty: "",
    },
    Fault {
        name: "adoption-not-stored",
        what: "a promise that was adopted is not stored",
        breaks: "7",
        file: CONCLUDE,
        original: "        }
        «self.store(step);»
    }",
        faulty: "",
    },
    Fault {
        name: "hold-not-stored",
        what: "a hold is kept in memory alone",
        breaks: "7",
        file: HOLD,
        original: "self.store_record(step, false, «change»);",
        faulty: "HoldChange::Keep",
    },
];
