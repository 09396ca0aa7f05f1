//! Faults in what is asked together, in which order, and how much, and in the client that asks it.

use super::Fault;

const BUDGET: &str = "src/trafficstar/budget.rs";
const GATE: &str = "src/trafficstar/scheduler.rs";
const PRIORITY: &str = "src/domain/read_priority.rs";
const READS: &str = "src/trafficstar/batch/reads.rs";
const BATCH: &str = "src/trafficstar/batch/mod.rs";
const SPLIT: &str = "src/trafficstar/batch/split.rs";
const CHANGES: &str = "src/trafficstar/client/changes.rs";
const REQUESTS: &str = "src/trafficstar/client/requests.rs";
const RESERVATION: &str = "src/trafficstar/reservation.rs";
const ROUNDS: &str = "src/trafficstar/client/switch_batches.rs";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "limit-off-by-one",
        what: "one request more than the limit",
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
        name: "slots-free-from-the-leaving",
        what: "a slot is held from the request's leaving, not from its answer",
        breaks: "6",
        file: BUDGET,
        original: "«self.in_flight.insert(request_id, slot);
            self.held.add(slot);»",
        faulty: "self.hold_until(now + WINDOW, slot);",
    },
    Fault {
        name: "silence-ignored",
        what: "a 429 silences nobody",
        breaks: "6",
        file: BUDGET,
        original: "self.blocked_until = «self.blocked_until.max(Some(until))»;",
        faulty: "self.blocked_until",
    },
    Fault {
        name: "pause-behind-reads",
        what: "a pause is queued behind the reads",
        breaks: "3",
        file: GATE,
        original: "self.budget.ask(now, «asking.urgency», asking.rank, request_id);",
        faulty: "if asking.operation == Operation::Pause { Urgency::Read } else { asking.urgency }",
    },
    Fault {
        name: "stale-page-serves",
        what: "a page that was asked for before a tick began serves it",
        breaks: "One tick",
        file: READS,
        original: "asking.partition(|requester| «requester.0 < read.0»);",
        faulty: "true",
    },
    Fault {
        name: "page-read-by-position",
        what: "the campaigns of a page are answered by their places on it, not by their ids",
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
        what: "of several that ask within one moment the last one is not served",
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
                    «self.set_end_time(now, requester, change, end_time)»;",
        faulty: "{ let _ = end_time; self.end_time_ended(now, requester, change, Outcome::Accepted) }",
    },
    Fault {
        name: "too-late-leaves-all-the-same",
        what: "an activation whose facts are too old leaves all the same",
        breaks: "2",
        file: REQUESTS,
        original: "«self.too_late.insert((now.steady + patience, request_id));»",
        faulty: "",
    },
    Fault {
        name: "pause-is-forgotten",
        what: "a pause that waits for others to go with it is forgotten",
        breaks: "3",
        file: CHANGES,
        original: "if let Some(requesters) = self.changes.pauses.take_due(now.steady) {
            «self.begin_batch(now, Switch::Pause, requesters);»",
        faulty: "drop(requesters);",
    },
    Fault {
        name: "pause-waits-for-an-idle-minute",
        what: "a pause leaves only where nothing has left for a minute",
        breaks: "3",
        file: BUDGET,
        original: "Urgency::Pause if rank == Rank::FIRST => return «self.held.all < self.limit»,",
        faulty: "self.held.all == 0",
    },
    Fault {
        name: "leaves-uncounted",
        what: "a request leaves before it is counted, though the database answers",
        breaks: "6",
        file: RESERVATION,
        original: "if «self.lets_go» {
            return usize::MAX;",
        faulty: "true",
    },
    Fault {
        name: "gives-back-what-left",
        what: "what a block has used is taken from the count, too",
        breaks: "6",
        file: RESERVATION,
        original: "map(|closed| (closed.by, «closed.left()»));",
        faulty: "closed.size",
    },
    Fault {
        name: "last-of-a-round-is-not-told",
        what: "of several that are run or paused together the last one hears nothing",
        breaks: "Decisions",
        file: ROUNDS,
        original: "for (id, outcome) in «settled» {",
        faulty: "{ let mut settled = settled; if settled.len() > 1 { settled.pop(); } settled }",
    },
    Fault {
        name: "given-up-keeps-its-slot",
        what: "a request that was given up is granted all the same, and its slot is never free again",
        breaks: "3",
        file: GATE,
        original: "«self.budget.cancel(request_id);»
        self.forget_gathered(request_id);",
        faulty: "",
    },
    Fault {
        name: "used-up-is-not-urgent",
        what: "the reads that a pause needs wait with all others",
        breaks: "3",
        file: PRIORITY,
        original: "let urgency = if «needs_pause» {",
        faulty: "false",
    },
    Fault {
        name: "batch-is-not-split",
        what: "a batch that is refused as a whole is refused for each of its campaigns",
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
        what: "of a batch that is split the second half is forgotten",
        breaks: "Decisions",
        file: SPLIT,
        original: "«self.tasks.extend([later, task]);»",
        faulty: "self.tasks.extend([task]);",
    },
    Fault {
        name: "named-in-both-halves",
        what: "of a batch that is split both halves name the same campaign",
        breaks: "5",
        file: SPLIT,
        original: "ids: «task.ids.split_off(&middle)»,",
        faulty: "{ let later = task.ids.split_off(&middle); task.ids.insert(middle); later }",
    },
    Fault {
        name: "reason-of-a-refusal-is-lost",
        what: "of a campaign that is refused by itself the reason is lost",
        breaks: "Decisions",
        file: SPLIT,
        original: "Some(reason) => self.settle([id].into(), &Outcome::Failed(«reason»)),",
        faulty: "drop(reason); String::new()",
    },
    Fault {
        name: "server-error-is-not-repeated",
        what: "a batch that is answered with 5xx has failed for each of its campaigns",
        breaks: "Decisions",
        file: SPLIT,
        original: "if «task.whole && !task.broke» {
                    self.tasks.push(",
        faulty: "{ self.settle(task.ids, &Outcome::Failed(reason)); return; }",
    },
];
