//! Faults in requests: which are sent together, in which order and how many, and in the client that sends them.

use super::Fault;

const BUDGET: &str = "src/trafficstar/budget.rs";
const SCHEDULER: &str = "src/trafficstar/scheduler.rs";
const PRIORITY: &str = "src/domain/read_priority.rs";
const READS: &str = "src/trafficstar/batch/reads.rs";
const BATCH: &str = "src/trafficstar/batch/mod.rs";
const SPLIT: &str = "src/trafficstar/batch/split.rs";
const CHANGES: &str = "src/trafficstar/client/changes.rs";
const REQUESTS: &str = "src/trafficstar/client/requests.rs";
const RESERVATION: &str = "src/trafficstar/reservation.rs";
const SWITCH_BATCHES: &str = "src/trafficstar/client/switch_batches.rs";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "limit-off-by-one",
        what: "one request more than the limit is sent",
        breaks: "6",
        file: BUDGET,
        original: "let limit = «usize::try_from(limit).unwrap_or(usize::MAX)»;",
        faulty: "usize::try_from(limit).unwrap_or(usize::MAX) + 1",
    },
    Fault {
        name: "window-of-59-seconds",
        what: "a slot is free again a second too early",
        breaks: "6",
        file: BUDGET,
        original: "self.hold_until(now + «WINDOW», slot);",
        faulty: "Duration::seconds(59)",
    },
    Fault {
        name: "slots-free-from-the-sending",
        what: "a slot's minute counts from the request's sending, not from its answer",
        breaks: "6",
        file: BUDGET,
        original: "«self.in_flight.insert(request_id, slot);
            self.held.add(slot);»",
        faulty: "self.hold_until(now + WINDOW, slot);",
    },
    Fault {
        name: "block-after-429-ignored",
        what: "requests are sent while a 429 blocks them",
        breaks: "6",
        file: BUDGET,
        original: "self.blocked_until = «self.blocked_until.max(Some(until))»;",
        faulty: "self.blocked_until",
    },
    Fault {
        name: "pause-behind-reads",
        what: "a pause is queued behind the reads",
        breaks: "3",
        file: SCHEDULER,
        original: "self.budget.ask(now, «terms.urgency», terms.rank, request_id);",
        faulty: "if terms.operation == Operation::Pause { Urgency::Read } else { terms.urgency }",
    },
    Fault {
        name: "stale-page-serves",
        what: "a page that was requested before a tick began answers that tick",
        breaks: "One tick",
        file: READS,
        original: "requesters.partition(|requester| «requester.0 < read.0»);",
        faulty: "true",
    },
    Fault {
        name: "page-read-by-position",
        what: "a page's campaigns are identified by their places on it, not by their ids",
        breaks: "One tick",
        file: READS,
        original: "let mut answers = «self.answer(id, campaigns.iter().map(|(remote, answer)| (*remote, answer)))»;",
        faulty: "{
                    let on_it: Vec<_> = self.by_remote.keys().copied().filter(|remote| self.list.place(*remote) == Place::Page(page)).collect();
                    self.answer(id, on_it.into_iter().zip(campaigns.values()))
                }",
    },
    Fault {
        name: "last-of-a-batch-forgotten",
        what: "of several requesters within one moment, the last one gets no answer",
        breaks: "Decisions",
        file: BATCH,
        original: "Some(«std::mem::take(&mut self.requesters)»)",
        faulty: "{ let mut requesters = std::mem::take(&mut self.requesters); if requesters.len() > 1 { requesters.pop(); } requesters }",
    },
    Fault {
        name: "run-before-end-time",
        what: "a campaign is run before its end time is set",
        breaks: "Decisions",
        file: CHANGES,
        original: "if self.may_run(now) {
                    «self.edit(now, requester, change, Edit::EndTime(end_time))»;",
        faulty: "{ let _ = end_time; self.edit_ended(now, requester, change, Outcome::Accepted) }",
    },
    Fault {
        name: "too-late-is-sent",
        what: "an activation is sent though its facts are too old",
        breaks: "2",
        file: REQUESTS,
        original: "«self.too_late.insert((now.steady + patience, request_id));»",
        faulty: "",
    },
    Fault {
        name: "pause-is-forgotten",
        what: "a pause that waits for others of its switch batch is never sent",
        breaks: "3",
        file: CHANGES,
        original: "if let Some(requesters) = self.changes.pauses.take_due(now.steady) {
            «self.begin_batch(now, Switch::Pause, requesters);»",
        faulty: "drop(requesters);",
    },
    Fault {
        name: "pause-waits-for-an-idle-minute",
        what: "a pause is sent only after a minute without any request",
        breaks: "3",
        file: BUDGET,
        original: "Urgency::Pause if rank == Rank::FIRST => return «self.held.all < self.limit»,",
        faulty: "self.held.all == 0",
    },
    Fault {
        name: "sent-uncounted",
        what: "a request is sent before it is counted, though the database answers",
        breaks: "6",
        file: RESERVATION,
        original: "if «self.sends_uncounted» {
            return usize::MAX;",
        faulty: "true",
    },
    Fault {
        name: "returns-used-slots",
        what: "the used slots of a reserved block are subtracted from the count, too",
        breaks: "6",
        file: RESERVATION,
        original: "map(|closed| (closed.by, «closed.left()»));",
        faulty: "closed.size",
    },
    Fault {
        name: "last-of-a-switch-batch-gets-no-answer",
        what: "of several campaigns in one switch batch, the last one gets no answer",
        breaks: "Decisions",
        file: SWITCH_BATCHES,
        original: "for (id, outcome) in «settled» {",
        faulty: "{ let mut settled = settled; if settled.len() > 1 { settled.pop(); } settled }",
    },
    Fault {
        name: "given-up-keeps-its-slot",
        what: "a cancelled request is granted, and its slot is never free again",
        breaks: "3",
        file: SCHEDULER,
        original: "«self.budget.cancel(request_id);»
        self.forget_gathered(request_id);",
        faulty: "",
    },
    Fault {
        name: "used-up-is-not-urgent",
        what: "the reads that a pause needs wait behind all others",
        breaks: "3",
        file: PRIORITY,
        original: "let urgency = if «needs_pause» {",
        faulty: "false",
    },
    Fault {
        name: "batch-is-not-split",
        what: "a batch that is refused as a whole fails for each of its campaigns",
        breaks: "Decisions",
        file: SPLIT,
        original: "} else if perhaps_the_way && task.whole {
            self.try_next_way(task);
        } else {
            «self.halve(task);»",
        faulty: "self.settle(task.ids, &Outcome::Failed(reason));",
    },
    Fault {
        name: "half-of-a-batch-forgotten",
        what: "of a batch that is split, the second half is never sent",
        breaks: "Decisions",
        file: SPLIT,
        original: "«self.tasks.extend([later, task]);»",
        faulty: "self.tasks.extend([task]);",
    },
    Fault {
        name: "named-in-both-halves",
        what: "of a batch that is split, both halves name the same campaign",
        breaks: "5",
        file: SPLIT,
        original: "ids: «task.ids.split_off(&middle)»,",
        faulty: "{ let later = task.ids.split_off(&middle); task.ids.insert(middle); later }",
    },
    Fault {
        name: "reason-of-a-refusal-is-lost",
        what: "a campaign that is refused alone loses the reason of the refusal",
        breaks: "Decisions",
        file: SPLIT,
        original: "Some(reason) => self.settle([id].into(), &Outcome::Failed(«reason»)),",
        faulty: "drop(reason); String::new()",
    },
    Fault {
        name: "server-error-is-not-repeated",
        what: "a batch that is answered with 5xx fails for each of its campaigns",
        breaks: "Decisions",
        file: SPLIT,
        original: "if «task.whole && !task.broke» {
                    self.tasks.push(",
        faulty: "{ self.settle(task.ids, &Outcome::Failed(reason)); return; }",
    },
];
