//! Tests of the scheduler: which requests leave, in which order, and what happens to requests that are given up.

use super::*;

/// The terms of a request that has no deadline.
fn terms(operation: Operation, urgency: Urgency) -> RequestTerms {
    RequestTerms { operation, urgency, rank: Rank::ANY, leave_by: None, is_repeat: false }
}

fn a_read() -> RequestTerms {
    terms(Operation::Campaign, Urgency::Read)
}

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn at(seconds: i64) -> DateTime<Utc> {
    NOW + Duration::seconds(seconds)
}

fn scheduler_of(requests_per_minute: u32) -> RequestScheduler {
    RequestScheduler::new(Budget::new(requests_per_minute), Duration::minutes(1))
}

fn failed() -> Ended {
    Ended::Failed("502".to_owned())
}

impl RequestScheduler {
    fn ask_now(&mut self, request_id: u64, terms: RequestTerms) {
        self.ask(NOW, RequestId(request_id), terms);
    }

    fn admit_at(&mut self, now: DateTime<Utc>) -> Vec<u64> {
        self.admit(now, usize::MAX).into_iter().map(|request_id| request_id.0).collect()
    }

    /// Sends a request at the beginning of time, and lets it fail.
    fn fail(&mut self, request_id: u64, terms: RequestTerms) {
        self.ask_now(request_id, terms);
        assert_eq!(self.admit_at(NOW), [request_id]);
        self.answered(NOW, RequestId(request_id), failed());
    }
}

#[test]
fn no_more_requests_leave_than_the_database_has_counted_and_a_pause_that_comes_meanwhile_goes_first() {
    let mut scheduler = scheduler_of(10);
    scheduler.ask_now(1, a_read());
    scheduler.ask_now(2, RequestTerms::read(Operation::Report, Urgency::Pause));
    assert_eq!(scheduler.admit(NOW, 0), []);
    scheduler.ask_now(3, RequestTerms::pause());
    assert_eq!(scheduler.admit(NOW, 1), [RequestId(3)], "it also goes ahead of the reads that a pause needs");
    assert_eq!(scheduler.admit_at(NOW), [2, 1]);
}

#[test]
fn a_request_waits_for_its_slot_and_its_answer_counts_for_a_minute() {
    let mut scheduler = scheduler_of(1);
    scheduler.ask_now(1, a_read());
    scheduler.ask_now(2, a_read());
    assert_eq!(scheduler.admit_at(NOW), [1]);
    scheduler.answered(NOW, RequestId(1), Ended::Answered);
    assert_eq!(scheduler.next_admission_at(NOW), Some(NOW + WINDOW));
    assert_eq!(scheduler.admit_at(at(59)), [0; 0]);
    assert_eq!(scheduler.admit_at(NOW + WINDOW), [2]);
}

#[test]
fn a_request_that_is_given_up_leaves_the_queue() {
    let mut scheduler = scheduler_of(1);
    scheduler.ask_now(1, terms(Operation::Run, Urgency::Activate));
    scheduler.give_up(NOW, RequestId(1));
    assert_eq!((scheduler.admit_at(NOW), scheduler.budget().queue_lengths().activate), (Vec::new(), 0));
    assert_eq!(scheduler.budget().used(NOW), 0);
}

#[test]
fn a_429_without_a_time_blocks_for_one_window_and_one_with_a_time_for_at_most_five_minutes() {
    let mut scheduler = scheduler_of(1);
    scheduler.ask_now(1, RequestTerms::pause());
    for (retry_after, expected) in [(None, WINDOW), (Some(Duration::days(50_000)), LONGEST_RATE_LIMIT)] {
        assert_eq!(scheduler.rate_limited(NOW, retry_after), NOW + expected);
        assert_eq!(scheduler.next_admission_at(NOW), Some(NOW + expected));
        assert_eq!(scheduler.admit_at(NOW), [0; 0], "not even a pause");
    }
    assert_eq!(scheduler.admit_at(NOW + LONGEST_RATE_LIMIT), [1]);
}

/// Returns a scheduler whose reads of campaigns, runs and pauses each failed three times at the beginning of time.
fn broken_scheduler() -> RequestScheduler {
    let mut scheduler = scheduler_of(1_000);
    for operation in [Operation::Campaign, Operation::Run, Operation::Pause] {
        for request_id in 101..=103 {
            scheduler.fail(request_id, terms(operation, Urgency::Pause));
        }
        assert_eq!(scheduler.take_circuit_changes(), [CircuitChange::Opened(operation, "502".to_owned())]);
    }
    scheduler
}

#[test]
fn a_failed_repeat_does_not_count_against_the_operation() {
    let mut scheduler = scheduler_of(1_000);
    let run = terms(Operation::Run, Urgency::Pause);
    for _ in 0..2 {
        scheduler.fail(1, run);
        for _ in 0..5 {
            scheduler.fail(2, RequestTerms { is_repeat: true, ..run });
        }
    }
    assert_eq!(scheduler.take_circuit_changes(), [], "only two requests that are no repeats have failed");
    scheduler.fail(3, run);
    assert_eq!(scheduler.take_circuit_changes(), [CircuitChange::Opened(Operation::Run, "502".to_owned())]);
}

#[test]
fn an_open_circuit_refuses_a_read_but_no_pause_and_no_read_that_a_pause_needs() {
    let mut scheduler = broken_scheduler();
    let (probe_at, reason) = (at(15), "502".to_owned());
    scheduler.ask_now(1, a_read());
    scheduler.ask_now(2, terms(Operation::Pause, Urgency::Pause));
    scheduler.ask_now(3, terms(Operation::Campaign, Urgency::Pause));
    let refused = NotAdmitted::CircuitOpen { operation: "campaign", probe_at, reason };
    assert_eq!(scheduler.take_refused(), [(RequestId(1), refused)]);
    assert_eq!(scheduler.admit_at(NOW), [2, 3]);
}

#[test]
fn writes_wait_for_an_open_circuit_one_of_them_probes_it_and_the_others_leave_after_its_success() {
    let mut scheduler = broken_scheduler();
    let run = RequestTerms { rank: Rank::FIRST, ..terms(Operation::Run, Urgency::Activate) };
    for request_id in 1..=3 {
        scheduler.ask_now(request_id, run);
    }
    assert_eq!((scheduler.admit_at(NOW), scheduler.next_admission_at(NOW)), (Vec::new(), Some(at(15))));
    assert_eq!(scheduler.admit_at(at(15)), [1], "one probe at a time");
    scheduler.answered(at(15), RequestId(1), failed());
    assert_eq!((scheduler.admit_at(at(15)), scheduler.next_admission_at(at(15))), (Vec::new(), Some(at(30))));
    assert_eq!(scheduler.admit_at(at(30)), [2]);
    scheduler.answered(at(31), RequestId(2), Ended::Answered);
    assert_eq!(scheduler.admit_at(at(31)), [3]);
    assert_eq!(scheduler.take_circuit_changes(), [CircuitChange::Closed(Operation::Run)]);
}

#[test]
fn of_a_burst_of_end_times_the_most_remaining_clicks_leave_first_in_any_order_of_arrival() {
    let mut scheduler = scheduler_of(4);
    for (request_id, clicks) in (1..).zip([15_000, 90_000, 20_000, 30_000]) {
        let rank = Rank::of_activation(clicks, Duration::zero());
        scheduler.ask_now(request_id, RequestTerms { rank, ..terms(Operation::EndTime, Urgency::Activate) });
        assert_eq!((scheduler.admit_at(NOW), scheduler.next_admission_at(NOW)), (Vec::new(), Some(NOW + QUIET_FOR)));
    }
    assert_eq!(scheduler.held_back(), 4);
    // Of the four slots, one is kept for pauses and one for the run.
    assert_eq!(scheduler.admit_at(NOW + QUIET_FOR), [2, 4]);
}

#[test]
fn requests_that_wait_when_a_circuit_opens_are_refused_as_well() {
    let mut scheduler = scheduler_of(3);
    for request_id in 1..=4 {
        scheduler.ask_now(request_id, terms(Operation::List, Urgency::Sweep));
    }
    scheduler.budget_mut().keep_for_sweeps(0);
    for (request_id, second) in (1..).zip([0, 60, 120]) {
        assert_eq!(scheduler.admit_at(at(second)), [request_id]);
        scheduler.answered(at(second), RequestId(request_id), failed());
    }
    let refused = scheduler.take_refused();
    assert!(matches!(refused[..], [(RequestId(4), NotAdmitted::CircuitOpen { operation: "list", .. })]), "{refused:?}");
    assert_eq!(scheduler.budget().queue_lengths().sweep, 0);
}
