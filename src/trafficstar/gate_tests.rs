//! What passes the gate, in which order, and what becomes of those who give up.

use futures_util::FutureExt;

use super::*;

/// A request that waits for as long as it takes.
fn asking(operation: Operation, urgency: Urgency) -> Asking {
    Asking { operation, urgency, rank: Rank::ANY, leave_by: None, is_repeat: false }
}

fn a_read() -> Asking {
    asking(Operation::Campaign, Urgency::Read)
}

fn keeper_of(requests_per_minute: u32) -> Gatekeeper {
    Gatekeeper::new(Budget::new(requests_per_minute), Duration::minutes(1))
}

fn ask(
    keeper: &mut Gatekeeper,
    now: DateTime<Utc>,
    ticket: u64,
    asking: Asking,
) -> oneshot::Receiver<Result<(), NotAdmitted>> {
    let (admit, admitted) = oneshot::channel();
    keeper.hear(now, GateMessage::Ask { ticket: Ticket(ticket), asking, admit });
    admitted
}

fn hear_all(
    keeper: &mut Gatekeeper,
    heard: &mut mpsc::UnboundedReceiver<GateMessage>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    while let Ok(message) = heard.try_recv() {
        keeper.hear(now, message);
    }
    let granted = keeper.grant(now);
    keeper.let_go(now, granted);
    keeper.next_grant_at(now)
}

#[test]
fn a_pause_that_comes_while_a_read_is_being_counted_leaves_before_it() {
    let now = DateTime::UNIX_EPOCH;
    let mut keeper = keeper_of(10);
    let mut ask = |ticket, asking| {
        let admitted = ask(&mut keeper, now, ticket, asking);
        (keeper.grant(now), admitted)
    };
    let (granted, _read) = ask(1, a_read());
    let (_, _urgent_read) = ask(2, Asking::read(Operation::Report, Urgency::Pause));
    let (_, _pause) = ask(3, Asking::pause());
    assert_eq!(keeper.let_go(now, granted), [(Ticket(3), Urgency::Pause)], "before what a pause needs, too");
    assert_eq!(keeper.let_go(now, 2), [(Ticket(2), Urgency::Pause), (Ticket(1), Urgency::Read)]);
}

#[test]
fn who_holds_a_slot_when_a_429_is_heard_waits_the_silence_out() {
    let now = DateTime::UNIX_EPOCH;
    let mut keeper = keeper_of(10);
    let (admit, _admitted) = oneshot::channel();
    keeper.hear(now, GateMessage::Ask { ticket: Ticket(1), asking: a_read(), admit });
    assert_eq!(keeper.grant(now), 1);
    let ends_at = now + Duration::seconds(30);
    keeper.hear(now, GateMessage::RateLimited { retry_after: Some(Duration::seconds(30)) });
    assert_eq!((keeper.let_go(now, 1), keeper.grant(now)), (Vec::new(), 0));
    assert_eq!(keeper.next_grant_at(now), Some(ends_at));
    assert_eq!(keeper.grant(ends_at), 1);
    assert_eq!(keeper.let_go(ends_at, 1), [(Ticket(1), Urgency::Read)]);
}

#[test]
fn a_pause_takes_the_slot_of_who_has_not_left_yet() {
    let now = DateTime::UNIX_EPOCH;
    for silent in [false, true] {
        let mut keeper = keeper_of(4);
        let _reads = [1, 2].map(|ticket| ask(&mut keeper, now, ticket, asking(Operation::List, Urgency::Sweep)));
        assert_eq!(keeper.grant(now), 2);
        let ends_at = now + Duration::seconds(if silent { 30 } else { 0 });
        if silent {
            keeper.hear(now, GateMessage::RateLimited { retry_after: Some(Duration::seconds(30)) });
        }
        let _pauses = [3, 4, 5].map(|ticket| ask(&mut keeper, now, ticket, Asking::pause()));
        assert_eq!(keeper.grant(now), if silent { 0 } else { 4 });
        let left = keeper.let_go(ends_at, 4).into_iter().map(|(ticket, _)| ticket.0).collect::<Vec<_>>();
        assert_eq!(left, [3, 4, 5, 1], "silent: {silent}");
    }
}

#[test]
fn who_gives_its_slot_to_a_pause_keeps_its_place() {
    let now = DateTime::UNIX_EPOCH;
    let mut keeper = keeper_of(2);
    let _earlier = ask(&mut keeper, now, 1, a_read());
    assert_eq!(keeper.grant(now), 1);
    let _later = ask(&mut keeper, now, 2, a_read());
    let _pauses = [3, 4].map(|ticket| ask(&mut keeper, now, ticket, Asking::pause()));
    let left =
        |keeper: &mut Gatekeeper| keeper.let_go(now, 2).into_iter().map(|(ticket, _)| ticket.0).collect::<Vec<_>>();
    assert_eq!(left(&mut keeper), [3, 4]);
    for ticket in [3, 4] {
        keeper.hear(now, GateMessage::GaveUp(Ticket(ticket)));
    }
    assert_eq!(left(&mut keeper), [1], "the other slot is for pauses");
}

#[test]
fn a_request_waits_for_its_slot_and_its_answer_counts_for_a_minute() {
    let now = DateTime::UNIX_EPOCH;
    let (gate, mut heard) = Gate::new();
    let mut keeper = keeper_of(1);
    let mut first = Box::pin(gate.pass(a_read()));
    let mut second = Box::pin(gate.pass(a_read()));
    assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
    hear_all(&mut keeper, &mut heard, now);
    let pass = first.now_or_never().unwrap().unwrap();
    assert!(second.as_mut().now_or_never().is_none());
    drop(pass);
    assert_eq!(hear_all(&mut keeper, &mut heard, now), Some(now + WINDOW));
    assert!(second.as_mut().now_or_never().is_none());
    hear_all(&mut keeper, &mut heard, now + WINDOW);
    assert!(second.now_or_never().is_some());
}

#[test]
fn whoever_gives_up_before_leaving_holds_no_slot_even_if_just_admitted() {
    let now = DateTime::UNIX_EPOCH;
    let (gate, mut heard) = Gate::new();
    let mut keeper = keeper_of(1);
    let mut leaver = Box::pin(gate.pass(a_read()));
    assert!(leaver.as_mut().now_or_never().is_none());
    hear_all(&mut keeper, &mut heard, now);
    drop(leaver);
    hear_all(&mut keeper, &mut heard, now);
    assert_eq!(keeper.budget().used(now), 0);
}

#[tokio::test]
async fn whoever_is_too_late_leaves_no_more_and_holds_no_place() {
    let (gate, mut heard) = Gate::new();
    let mut keeper = keeper_of(1);
    let soon = Utc::now() + chrono::Duration::milliseconds(20);
    for leave_by in [soon, soon - chrono::Duration::hours(1)] {
        assert_eq!(
            gate.pass(Asking { leave_by: Some(leave_by), ..asking(Operation::Run, Urgency::Activate) })
                .await
                .unwrap_err(),
            NotAdmitted::TooLate
        );
    }
    hear_all(&mut keeper, &mut heard, DateTime::UNIX_EPOCH);
    assert_eq!(keeper.budget().queue_lengths().activate, 0);
    assert_eq!(keeper.budget().used(DateTime::UNIX_EPOCH), 0);
}

#[test]
fn a_429_blocks_for_a_window_where_it_names_no_time_and_for_minutes_at_the_most() {
    let now = DateTime::UNIX_EPOCH;
    let mut keeper = keeper_of(1);
    keeper.hear(now, GateMessage::RateLimited { retry_after: None });
    assert_eq!(keeper.budget().blocked_until(now), Some(now + WINDOW));
    keeper.hear(now, GateMessage::RateLimited { retry_after: Some(Duration::days(50_000)) });
    assert_eq!(keeper.budget().blocked_until(now), Some(now + LONGEST_SILENCE));
}

#[test]
fn without_a_keeper_nothing_leaves() {
    let (gate, heard) = Gate::new();
    drop(heard);
    assert_eq!(
        gate.pass(asking(Operation::Pause, Urgency::Pause)).now_or_never().unwrap().unwrap_err(),
        NotAdmitted::Closed
    );
}

type Heard = mpsc::UnboundedReceiver<GateMessage>;

/// A request that leaves at the beginning of time, and fails.
fn fail(gate: &Gate, heard: &mut Heard, keeper: &mut Gatekeeper, asking: Asking) {
    let now = DateTime::UNIX_EPOCH;
    let mut failing = Box::pin(gate.pass(asking));
    assert!(failing.as_mut().now_or_never().is_none());
    hear_all(keeper, heard, now);
    let mut pass = failing.now_or_never().unwrap().unwrap();
    pass.ended(Ended::Failed("502".to_owned()), AnswerWord::Status(502));
    drop(pass);
    hear_all(keeper, heard, now);
}

/// A gate whose reads of campaigns, runs and pauses have failed three times at the beginning of time.
fn broken_gate() -> (Gate, Heard, Gatekeeper) {
    let (gate, mut heard) = Gate::new();
    let mut keeper = keeper_of(1_000);
    for operation in [Operation::Campaign, Operation::Run, Operation::Pause] {
        for _ in 0..3 {
            fail(&gate, &mut heard, &mut keeper, asking(operation, Urgency::Pause));
        }
        assert_eq!(keeper.take_circuit_news(), [CircuitNews::Opened(operation, "502".to_owned())]);
    }
    (gate, heard, keeper)
}

#[test]
fn a_failure_that_repeats_another_one_is_no_news_of_the_operation() {
    let (gate, mut heard) = Gate::new();
    let mut keeper = keeper_of(1_000);
    let run = asking(Operation::Run, Urgency::Pause);
    for _ in 0..2 {
        fail(&gate, &mut heard, &mut keeper, run);
        for _ in 0..5 {
            fail(&gate, &mut heard, &mut keeper, Asking { is_repeat: true, ..run });
        }
    }
    assert_eq!(keeper.take_circuit_news(), [], "two rounds have failed");
    fail(&gate, &mut heard, &mut keeper, run);
    assert_eq!(keeper.take_circuit_news(), [CircuitNews::Opened(Operation::Run, "502".to_owned())]);
}

#[test]
fn an_open_circuit_refuses_a_read_and_holds_back_no_pause_and_no_read_that_a_pause_needs() {
    let (gate, mut heard, mut keeper) = broken_gate();
    let now = DateTime::UNIX_EPOCH;
    let (probe_at, reason) = (now + Duration::seconds(15), "502".to_owned());
    let refused = NotAdmitted::CircuitOpen { operation: "campaign", probe_at, reason };
    let mut read = Box::pin(gate.pass(a_read()));
    let urgent = [asking(Operation::Pause, Urgency::Pause), asking(Operation::Campaign, Urgency::Pause)];
    let mut urgent = urgent.map(|asking| Box::pin(gate.pass(asking)));
    assert!(read.as_mut().now_or_never().is_none());
    assert!(urgent.iter_mut().all(|urgent| urgent.as_mut().now_or_never().is_none()));
    hear_all(&mut keeper, &mut heard, now);
    assert_eq!(read.now_or_never().unwrap().unwrap_err(), refused);
    assert!(urgent.into_iter().all(|urgent| urgent.now_or_never().unwrap().is_ok()));
}

#[test]
fn writes_wait_for_an_open_circuit_one_of_them_probes_it_and_the_others_follow_its_success() {
    let (gate, mut heard, mut keeper) = broken_gate();
    let now = DateTime::UNIX_EPOCH;
    let run = Asking { rank: Rank::FIRST, ..asking(Operation::Run, Urgency::Activate) };
    let mut runs = [1, 2, 3].map(|_| Box::pin(gate.pass(run)));
    assert!(runs.iter_mut().all(|run| run.as_mut().now_or_never().is_none()));
    let probe_at = now + Duration::seconds(15);
    assert_eq!(hear_all(&mut keeper, &mut heard, now), Some(probe_at));
    assert!(runs.iter_mut().all(|run| run.as_mut().now_or_never().is_none()));

    hear_all(&mut keeper, &mut heard, probe_at);
    let [first, mut second, third] = runs;
    let mut probe = first.now_or_never().unwrap().unwrap();
    assert!(second.as_mut().now_or_never().is_none(), "one probe at a time");
    probe.ended(Ended::Failed("502".to_owned()), AnswerWord::Status(502));
    drop(probe);
    assert_eq!(hear_all(&mut keeper, &mut heard, probe_at), Some(probe_at + Duration::seconds(15)));

    hear_all(&mut keeper, &mut heard, probe_at + Duration::seconds(15));
    let mut probe = second.now_or_never().unwrap().unwrap();
    probe.ended(Ended::Answered, AnswerWord::Status(200));
    drop(probe);
    hear_all(&mut keeper, &mut heard, probe_at + Duration::seconds(16));
    assert!(third.now_or_never().unwrap().is_ok());
    assert_eq!(keeper.take_circuit_news(), [CircuitNews::Closed(Operation::Run)]);
}

#[test]
fn of_a_burst_of_end_times_the_most_remaining_clicks_leave_first_in_whatever_order_they_came() {
    let (gate, mut heard) = Gate::new();
    let mut keeper = keeper_of(4);
    let now = DateTime::UNIX_EPOCH;
    let end_time = |clicks| Asking {
        rank: Rank::of_activation(clicks, Duration::zero()),
        ..asking(Operation::EndTime, Urgency::Activate)
    };
    let mut passes: Vec<_> =
        [15_000, 90_000, 20_000, 30_000].map(|clicks| Box::pin(gate.pass(end_time(clicks)))).into_iter().collect();
    for pass in &mut passes {
        assert!(pass.as_mut().now_or_never().is_none());
        assert_eq!(hear_all(&mut keeper, &mut heard, now), Some(now + QUIET_FOR));
    }
    assert_eq!(keeper.held_back(), 4);
    hear_all(&mut keeper, &mut heard, now + QUIET_FOR);
    // One of the four slots is kept for pauses, one for the run.
    let left: Vec<bool> = passes.into_iter().map(|pass| pass.now_or_never().is_some()).collect();
    assert_eq!(left, [false, true, false, true]);
}

#[test]
fn what_waits_when_a_circuit_opens_is_stopped_as_well() {
    let (gate, mut heard) = Gate::new();
    let mut keeper = keeper_of(3);
    let now = DateTime::UNIX_EPOCH;
    let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(gate.pass(asking(Operation::List, Urgency::Sweep)))).collect();
    assert!(waiting.iter_mut().all(|read| read.as_mut().now_or_never().is_none()));
    keeper.budget_mut().keep_for_sweeps(0);
    for second in [0, 60, 120] {
        let now = now + Duration::seconds(second);
        hear_all(&mut keeper, &mut heard, now);
        let mut pass = waiting.remove(0).now_or_never().unwrap().unwrap();
        pass.ended(Ended::Failed("502".to_owned()), AnswerWord::Status(502));
        drop(pass);
        hear_all(&mut keeper, &mut heard, now);
    }
    let refused = waiting.remove(0).now_or_never().unwrap().unwrap_err();
    assert!(matches!(refused, NotAdmitted::CircuitOpen { operation: "list", .. }), "{refused:?}");
    assert_eq!(keeper.budget().queue_lengths().sweep, 0);
}
