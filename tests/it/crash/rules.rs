//! The rules of "What must hold always" in RULES.md. Each is a function that checks the evidence after a run: the
//! sandbox's log, the journal, and the record of the disturbances.
//!
//! The functions need only the evidence, and do not depend on how a run was made.

use chrono::{DateTime, Duration, Utc};
use sandbox::{Operation, RequestRecord, busiest_window};

use super::chaos::{Barrier, ClicksSet};
use crate::helper::TimedEntry;

/// The evidence that the rules are checked against.
pub(super) struct Evidence {
    /// The sandbox's log.
    pub(super) requests: Vec<RequestRecord>,
    /// The journal, oldest first.
    pub(super) journal: Vec<TimedEntry>,
    /// The changes of the remaining clicks, oldest first.
    pub(super) clicks: Vec<ClicksSet>,
    /// The periods in which nothing could be stored.
    pub(super) barriers: Vec<Barrier>,
    /// The end time of today's activations, in the form that requests carry.
    pub(super) day_end: String,
    /// The length of the cool-down.
    pub(super) cooldown: Duration,
    /// The limit of requests in a minute.
    pub(super) requests_per_minute: usize,
}

const ACTIVATE_CLICKS: i64 = 15_000;
const PAUSE_CLICKS: i64 = 5_000;
/// The most that a count of clicks may be older than its decision: a tick waits for TrafficStars, and the machine may
/// be busy.
const OLDEST_FACT: Duration = Duration::seconds(5);

/// Checks the evidence against every rule.
pub(super) fn assert_all_rules(evidence: &Evidence) {
    every_action_has_ended(evidence);
    every_request_was_journalled_before(evidence);
    no_request_is_repeated(evidence);
    nothing_is_activated_in_doubt(evidence);
    nothing_runs_without_an_end_time(evidence);
    nothing_runs_while_it_cools_down(evidence);
    one_action_at_a_time(evidence);
    no_promise_is_lost(evidence);
    within_the_limit(evidence);
}

/// Whether a request was meant to change a campaign.
pub(super) fn changes(request: &RequestRecord, id: i64) -> bool {
    request.operation.is_change() && request.campaign_ids.contains(&id)
}

/// Returns the end time that a request sets, if it sets one.
fn end_time(request: &RequestRecord) -> Option<&str> {
    request.body.as_ref()?.get("schedule_end_time")?.as_str()
}

/// Whether a request belongs to an entry of the journal.
fn is_of(action: &TimedEntry, id: i64, request: &RequestRecord) -> bool {
    let kind = action.entry.kind.as_str();
    let fits = if request.operation == Operation::Edit {
        // An activation sets its end time before the run, and a pause sets it afterwards.
        end_time(request) == Some(&action.end_time.format("%Y-%m-%d %H:%M:%S").to_string())
    } else {
        [(Operation::Run, "activate"), (Operation::Pause, "pause")].contains(&(request.operation, kind))
    };
    let received_at = request.received_at.naive_utc();
    let ended_before = action.ended_at.is_some_and(|ended| ended < received_at);
    let follows_pause = kind == "pause" && request.operation == Operation::Edit;
    action.trafficstar_id == id && fits && action.requested_at <= received_at && (!ended_before || follows_pause)
}

/// Returns each request that changes campaigns, once for each of its campaigns, with the campaign's id.
fn writes(evidence: &Evidence) -> impl Iterator<Item = (i64, &RequestRecord)> {
    let changes = evidence.requests.iter().filter(|request| request.operation.is_change());
    changes.flat_map(|request| request.campaign_ids.iter().map(move |id| (*id, request)))
}

impl Evidence {
    /// Returns the number of requests that were received while nothing could be stored.
    pub(super) fn sent_while_nothing_could_be_stored(&self) -> usize {
        writes(self).filter(|(_, request)| self.barrier_at(request.received_at).is_some()).count()
    }

    fn barrier_at(&self, time: DateTime<Utc>) -> Option<&Barrier> {
        self.barriers.iter().find(|barrier| barrier.from <= time && time <= barrier.to)
    }

    fn journal_of(&self, id: i64) -> impl Iterator<Item = &TimedEntry> {
        self.journal.iter().filter(move |action| action.trafficstar_id == id)
    }

    fn ids(&self) -> std::collections::BTreeSet<i64> {
        self.journal.iter().map(|action| action.trafficstar_id).collect()
    }
}

fn every_action_has_ended(evidence: &Evidence) {
    for action in &evidence.journal {
        assert!(action.ended_at.is_some(), "the action was left unfinished: {action:?}");
        assert!(!action.entry.late, "the database never failed, but the entry is late: {action:?}");
    }
}

/// Checks rule 9, and the part of rule 7 that the journal knows every sent request.
fn every_request_was_journalled_before(evidence: &Evidence) {
    for (id, request) in writes(evidence) {
        let newest = evidence.barrier_at(request.received_at).map(|barrier| barrier.newest_entry);
        let stored = |action: &&TimedEntry| newest.is_none_or(|newest| action.id <= newest);
        let entry = evidence.journal_of(id).filter(stored).find(|action| is_of(action, id, request));
        let journal: Vec<_> = evidence.journal_of(id).filter(|action| near(action, request)).collect();
        assert!(entry.is_some(), "campaign {id}: no entry was stored before {request:#?}\nnear it: {journal:#?}");
    }
}

fn near(action: &TimedEntry, request: &RequestRecord) -> bool {
    (action.requested_at - request.received_at.naive_utc()).abs() < Duration::seconds(5)
}

/// Checks that no entry repeats a request: the guard reads the effect of a request instead. Only a request that was
/// refused or that failed at TrafficStars may be repeated.
fn no_request_is_repeated(evidence: &Evidence) {
    for action in &evidence.journal {
        let id = action.trafficstar_id;
        let sent = |operation| {
            let requests = evidence.requests.iter().filter(|request| request.operation == operation);
            let requests = requests.filter(|request| request.status.is_none_or(|status| status < 400));
            requests.filter(|request| changes(request, id) && is_of(action, id, request)).count()
        };
        let (runs, pauses) = (sent(Operation::Run), sent(Operation::Pause));
        assert!(runs <= 1 && pauses <= 1, "{runs} runs and {pauses} pauses for one entry: {action:?}");
    }
}

/// Checks rule 1: the facts by which an activation was decided were known, were true a moment before, and were
/// sufficient.
fn nothing_is_activated_in_doubt(evidence: &Evidence) {
    for action in evidence.journal.iter().filter(|action| action.entry.kind == "activate") {
        assert_eq!(action.entry.remote_status, "stopped", "{action:?}");
        assert_eq!(action.entry.spend_micros, Some(0), "{action:?}");
        let clicks = action.entry.remaining_clicks.unwrap_or_else(|| panic!("unknown clicks: {action:?}"));
        let promised = action.entry.state_before == "active-guarded" && clicks > PAUSE_CLICKS;
        assert!(clicks >= ACTIVATE_CLICKS || promised, "too few clicks: {action:?}");
        let set: Vec<&ClicksSet> = evidence.clicks.iter().filter(|set| set.id == action.trafficstar_id).collect();
        // The clicks that were in force within the last seconds before the decision. Those before the first recorded
        // change are not known.
        let decided_at = action.requested_at.and_utc();
        let oldest = decided_at - OLDEST_FACT;
        let newer = set.iter().position(|set| set.at > oldest).unwrap_or(set.len());
        let in_force = set.iter().skip(newer.saturating_sub(1)).take_while(|set| set.at <= decided_at);
        let remained = newer == 0 || in_force.clone().any(|set| set.clicks == clicks);
        assert!(remained, "this number of clicks never remained, or only long ago: {action:?}");
    }
}

/// Checks that the last end time that was set before each run is the day end.
fn nothing_runs_without_an_end_time(evidence: &Evidence) {
    for (id, run) in writes(evidence).filter(|(_, request)| request.operation == Operation::Run) {
        let before = evidence.requests.iter().filter(|request| request.sequence < run.sequence);
        let mut edits = before.filter(|request| request.operation == Operation::Edit && changes(request, id));
        let last = edits.next_back();
        let is_day_end =
            last.is_some_and(|edit| end_time(edit) == Some(&evidence.day_end) && edit.changed.contains(&id));
        assert!(is_day_end, "campaign {id}: {run:?} after {last:?}");
    }
}

/// Checks a part of rule 2 and of rule 7: a cool-down is an absolute time that survives a crash.
fn nothing_runs_while_it_cools_down(evidence: &Evidence) {
    for (id, run) in writes(evidence).filter(|(_, request)| request.operation == Operation::Run) {
        for pause in evidence.journal_of(id).filter(|action| action.entry.kind == "pause") {
            let until = pause.accepted_at.unwrap_or(pause.requested_at) + evidence.cooldown;
            let cools_down = (pause.requested_at..until).contains(&run.received_at.naive_utc());
            assert!(!cools_down, "campaign {id} cools down until {until} after {pause:?}: {run:?}");
        }
    }
}

/// Checks rule 5.
fn one_action_at_a_time(evidence: &Evidence) {
    for id in evidence.ids() {
        let actions: Vec<&TimedEntry> = evidence.journal_of(id).collect();
        for (earlier, later) in actions.iter().zip(actions.iter().skip(1)) {
            let apart = earlier.ended_at.is_some_and(|ended| ended <= later.requested_at);
            assert!(apart, "both at once: {earlier:?} and {later:?}");
        }
    }
}

/// Checks a part of rule 7: after its first promise, a campaign whose spend stays below the limit always has a promise.
fn no_promise_is_lost(evidence: &Evidence) {
    for id in evidence.ids() {
        for action in evidence.journal_of(id).skip(1) {
            assert_ne!(action.entry.state_before, "idle", "a promise was lost before {action:?}");
        }
    }
}

/// Checks rule 6.
fn within_the_limit(evidence: &Evidence) {
    let busiest = busiest_window(&evidence.requests, std::time::Duration::from_secs(60));
    assert!(busiest <= evidence.requests_per_minute, "{busiest} requests in a minute");
}

/// Checks rule 3: each of these campaigns ran, and got a pause after at most `reads_allowed` reads since its clicks
/// were used up. The check counts reads, not seconds, because the machine may be busy.
pub(super) fn paused_within(evidence: &Evidence, ids: &[i64], since: DateTime<Utc>, reads_allowed: usize) {
    let later: Vec<&RequestRecord> =
        evidence.requests.iter().filter(|request| request.received_at >= since - OLDEST_FACT).collect();
    for id in ids {
        let sent = |request: &&&RequestRecord| request.operation == Operation::Pause && changes(request, *id);
        let pause = later.iter().find(sent).unwrap_or_else(|| panic!("campaign {id} was never paused"));
        let is_read = |request: &&&RequestRecord| {
            request.operation == Operation::Campaigns
                || request.operation == Operation::Campaign && request.campaign_ids.contains(id)
        };
        let between =
            |request: &&&RequestRecord| since < request.received_at && request.received_at < pause.received_at;
        let reads = later.iter().filter(between).filter(is_read).count();
        let what = "reads after its clicks were used up at";
        assert!(reads <= reads_allowed, "campaign {id}: {reads} {what} {since}, before {pause:?}");
    }
}
