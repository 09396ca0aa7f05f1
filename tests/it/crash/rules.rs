//! What must hold always, each rule a function over what is left when all is over: the sandbox's log, the journal, and the
//! record of what was done to the world.
//!
//! Deliberately absent: how the evidence came about. Whoever has such evidence can hold it against these.

use chrono::{DateTime, Duration, Utc};
use sandbox::{Operation, RequestRecord, busiest_window};

use super::chaos::{Barrier, ClicksSet};
use crate::helper::Deed;

/// All that the rules are held against.
pub(super) struct Evidence {
    /// The sandbox's log.
    pub(super) requests: Vec<RequestRecord>,
    /// The journal, oldest first.
    pub(super) journal: Vec<Deed>,
    /// What clicks remained, and from when on, oldest first.
    pub(super) clicks: Vec<ClicksSet>,
    /// When nothing could be stored.
    pub(super) barriers: Vec<Barrier>,
    /// The end time of today's activations, as it travels.
    pub(super) day_end: String,
    /// How long a paused campaign is kept stopped.
    pub(super) cooldown: Duration,
    /// The limit of requests.
    pub(super) requests_per_minute: usize,
}

const ACTIVATE_CLICKS: i64 = 15_000;
const PAUSE_CLICKS: i64 = 5_000;
/// How much older than its decision a count of clicks may be: a tick waits for the remote, and a busy machine.
const OLDEST_FACT: Duration = Duration::seconds(5);

/// Holds the evidence against every rule.
pub(super) fn break_no_rule(evidence: &Evidence) {
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

/// The end time that a request sets.
fn end_time(request: &RequestRecord) -> Option<&str> {
    request.body.as_ref()?.get("schedule_end_time")?.as_str()
}

/// Whether a request is one of those that an entry says are sent.
fn is_of(deed: &Deed, id: i64, request: &RequestRecord) -> bool {
    let kind = deed.entry.kind.as_str();
    let fits = if request.operation == Operation::Edit {
        // An activation sets it first, a pause is followed by it.
        end_time(request) == Some(&deed.end_time.format("%Y-%m-%d %H:%M:%S").to_string())
    } else {
        [(Operation::Run, "activate"), (Operation::Pause, "pause")].contains(&(request.operation, kind))
    };
    let received_at = request.received_at.naive_utc();
    let ended_before = deed.ended_at.is_some_and(|ended| ended < received_at);
    let follows_pause = kind == "pause" && request.operation == Operation::Edit;
    deed.trafficstar_id == id && fits && deed.requested_at <= received_at && (!ended_before || follows_pause)
}

/// Every campaign that a request was to change, with the request.
fn writes(evidence: &Evidence) -> impl Iterator<Item = (i64, &RequestRecord)> {
    let changes = evidence.requests.iter().filter(|request| request.operation.is_change());
    changes.flat_map(|request| request.campaign_ids.iter().map(move |id| (*id, request)))
}

impl Evidence {
    /// How many requests were received while nothing could be stored.
    pub(super) fn sent_behind_barriers(&self) -> usize {
        writes(self).filter(|(_, request)| self.barrier_at(request.received_at).is_some()).count()
    }

    fn barrier_at(&self, time: DateTime<Utc>) -> Option<&Barrier> {
        self.barriers.iter().find(|barrier| barrier.from <= time && time <= barrier.to)
    }

    fn journal_of(&self, id: i64) -> impl Iterator<Item = &Deed> {
        self.journal.iter().filter(move |deed| deed.trafficstar_id == id)
    }

    fn ids(&self) -> std::collections::BTreeSet<i64> {
        self.journal.iter().map(|deed| deed.trafficstar_id).collect()
    }
}

fn every_action_has_ended(evidence: &Evidence) {
    for deed in &evidence.journal {
        assert!(deed.ended_at.is_some(), "it was left unfinished: {deed:?}");
        assert!(!deed.entry.late, "the database was never away: {deed:?}");
    }
}

/// Rule 9, and of rule 7 that nothing sent is unknown.
fn every_request_was_journalled_before(evidence: &Evidence) {
    for (id, request) in writes(evidence) {
        let newest = evidence.barrier_at(request.received_at).map(|barrier| barrier.newest_entry);
        let stored = |deed: &&Deed| newest.is_none_or(|newest| deed.id <= newest);
        let entry = evidence.journal_of(id).filter(stored).find(|deed| is_of(deed, id, request));
        let journal: Vec<_> = evidence.journal_of(id).filter(|deed| near(deed, request)).collect();
        assert!(entry.is_some(), "campaign {id}: no entry was stored before {request:#?}\nnear it: {journal:#?}");
    }
}

fn near(deed: &Deed, request: &RequestRecord) -> bool {
    (deed.requested_at - request.received_at.naive_utc()).abs() < Duration::seconds(5)
}

/// What became of a request is read, never asked for again by the same entry. One that was refused, or met a failure of
/// TrafficStars' own, is repeated.
fn no_request_is_repeated(evidence: &Evidence) {
    for deed in &evidence.journal {
        let id = deed.trafficstar_id;
        let sent = |operation| {
            let requests = evidence.requests.iter().filter(|request| request.operation == operation);
            let requests = requests.filter(|request| request.status.is_none_or(|status| status < 400));
            requests.filter(|request| changes(request, id) && is_of(deed, id, request)).count()
        };
        let (runs, pauses) = (sent(Operation::Run), sent(Operation::Pause));
        assert!(runs <= 1 && pauses <= 1, "{runs} runs and {pauses} pauses for one entry: {deed:?}");
    }
}

/// Rule 1: what an activation was decided on was known, was so a moment before, and was enough.
fn nothing_is_activated_in_doubt(evidence: &Evidence) {
    for deed in evidence.journal.iter().filter(|deed| deed.entry.kind == "activate") {
        assert_eq!(deed.entry.remote_status, "stopped", "{deed:?}");
        assert_eq!(deed.entry.spend_micros, Some(0), "{deed:?}");
        let clicks = deed.entry.remaining_clicks.unwrap_or_else(|| panic!("unknown clicks: {deed:?}"));
        let promised = deed.entry.state_before == "active-guarded" && clicks > PAUSE_CLICKS;
        assert!(clicks >= ACTIVATE_CLICKS || promised, "too few: {deed:?}");
        let set: Vec<&ClicksSet> = evidence.clicks.iter().filter(|set| set.id == deed.trafficstar_id).collect();
        // Those that were in force within the last seconds before: what came before the first change is not known.
        let decided_at = deed.requested_at.and_utc();
        let oldest = decided_at - OLDEST_FACT;
        let newer = set.iter().position(|set| set.at > oldest).unwrap_or(set.len());
        let in_force = set.iter().skip(newer.saturating_sub(1)).take_while(|set| set.at <= decided_at);
        let remained = newer == 0 || in_force.clone().any(|set| set.clicks == clicks);
        assert!(remained, "so many never remained, or long ago: {deed:?}");
    }
}

/// The end time comes first: what it was set to last, before a run, is the day end.
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

/// Of rule 2, and of rule 7: a cool-down is an absolute time that outlives a crash.
fn nothing_runs_while_it_cools_down(evidence: &Evidence) {
    for (id, run) in writes(evidence).filter(|(_, request)| request.operation == Operation::Run) {
        for pause in evidence.journal_of(id).filter(|deed| deed.entry.kind == "pause") {
            let until = pause.accepted_at.unwrap_or(pause.requested_at) + evidence.cooldown;
            let cools_down = (pause.requested_at..until).contains(&run.received_at.naive_utc());
            assert!(!cools_down, "campaign {id} cools down until {until} after {pause:?}: {run:?}");
        }
    }
}

/// Rule 5.
fn one_action_at_a_time(evidence: &Evidence) {
    for id in evidence.ids() {
        let deeds: Vec<&Deed> = evidence.journal_of(id).collect();
        for (earlier, later) in deeds.iter().zip(deeds.iter().skip(1)) {
            let apart = earlier.ended_at.is_some_and(|ended| ended <= later.requested_at);
            assert!(apart, "both at once: {earlier:?} and {later:?}");
        }
    }
}

/// Of rule 7: once something was promised, and spend stays below the limit, there is always a promise.
fn no_promise_is_lost(evidence: &Evidence) {
    for id in evidence.ids() {
        for deed in evidence.journal_of(id).skip(1) {
            assert_ne!(deed.entry.state_before, "idle", "a promise was lost before {deed:?}");
        }
    }
}

/// Rule 6.
fn within_the_limit(evidence: &Evidence) {
    let busiest = busiest_window(&evidence.requests, std::time::Duration::from_secs(60));
    assert!(busiest <= evidence.requests_per_minute, "{busiest} requests in a minute");
}

/// Rule 3: each of these, which ran, was sent a pause after it had been read at most so often since its clicks were used
/// up. Reads are counted, not seconds: a machine may be busy.
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
        let told = "reads after it was used up at";
        assert!(reads <= reads_allowed, "campaign {id}: {reads} {told} {since}, before {pause:?}");
    }
}
