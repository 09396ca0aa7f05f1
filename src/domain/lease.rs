//! Leader election among several supervisors on one database: who leads, until when the leader may send requests, and
//! when a standby may take over.
//!
//! The leader holds a lease: a database row with an epoch and a heartbeat. No clock is trusted alone:
//! - The leader decides by its own monotonic clock whether it may send. It counts from the time before it requested the
//!   heartbeat. So a slow answer, a frozen process or a sleeping machine can only shorten the lease.
//! - A standby takes over only when the lease has run out by the database's clock *and* the standby has seen no
//!   heartbeat for as long by its own clock. So a jump of a wall clock does not move the leadership.
//! - Every record of the guard is stored only if the epoch is still the same, checked in the same transaction.
//!
//! Deliberately absent: a clock and the database. What was read, and when, are arguments.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The interval at which the leader renews its lease.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// The duration of a lease, from the moment its renewal was requested.
pub const LEASE: Duration = Duration::from_secs(5);
/// The time that a standby waits after the end of the lease. In that time late requests arrive, and small differences
/// between clocks do not matter.
pub const MARGIN: Duration = Duration::from_secs(2);
/// A request is sent only if at least this much of the lease is left. It is cancelled when the lease ends, even before
/// its own time-out.
pub const LEAST_LEFT: Duration = Duration::from_secs(1);
/// The interval at which a standby reads the lease. A killed leader is replaced within lease, margin and two reads.
pub const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A point of a monotonic clock that also counts while the machine sleeps, as the time since that clock began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Duration);

/// The number of a leadership on one database: each new leadership has the next larger number. This is the fencing
/// token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Epoch(pub i64);

/// The supervisor that leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Leader {
    /// The name of its machine.
    pub host: String,
    /// Its process id on that machine.
    pub pid: u32,
    /// The time (UTC) since which it leads, by the database's clock.
    pub since: DateTime<Utc>,
}

/// The lease's row as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// The last leadership, whether it has ended or not.
    pub epoch: Epoch,
    /// The number of heartbeats in this leadership.
    pub beats: i64,
    /// The holder of the lease, even past its end; `None` if the lease was given up or never held.
    pub holder: Option<Leader>,
    /// The time (UTC) when the lease ends or ended, by the database's clock.
    pub ends_at: Option<DateTime<Utc>>,
    /// The time since the lease ran out, by the database's clock; `None` while it lasts.
    pub run_out_for: Option<Duration>,
}

impl LeaseRow {
    /// Returns the leader; `None` if the lease has run out by the database's clock.
    #[must_use]
    pub fn leader(&self) -> Option<&Leader> {
        self.holder.as_ref().filter(|_| self.run_out_for.is_none())
    }
}

/// The standby's knowledge of the lease.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    /// The last heartbeat, and when this standby saw it first.
    heartbeat: Option<(Epoch, i64, Moment)>,
    /// Whether it has seen a new heartbeat.
    has_seen_a_heartbeat: bool,
}

impl Watch {
    /// Whether the lease may be taken. `now` is the time after `row` was read. The attempt to take it must fail if the
    /// row has changed since.
    pub fn may_take(&mut self, now: Moment, row: &LeaseRow) -> bool {
        if row.holder.is_none() && row.run_out_for.is_some() {
            return true;
        }
        match self.heartbeat {
            Some((epoch, beats, first_seen)) if (epoch, beats) == (row.epoch, row.beats) => {
                is_silent(first_seen, now) && row.run_out_for.is_some_and(|run_out| run_out >= MARGIN)
            }
            before @ (Some(_) | None) => {
                self.has_seen_a_heartbeat |= before.is_some();
                self.heartbeat = Some((row.epoch, row.beats, now));
                false
            }
        }
    }

    /// Whether no supervisor leads, by our own clock: for the length of a lease and the margin no heartbeat was seen.
    /// Then the holder may not send, even if the lease lasts by the database's clock.
    #[must_use]
    pub fn sees_no_leader(&self, now: Moment) -> bool {
        self.heartbeat.is_some_and(|(_, _, first_seen)| is_silent(first_seen, now))
    }

    /// Whether a new heartbeat was seen, so that a leader is alive. A lease that lasts proves less: its holder may have
    /// just died.
    #[must_use]
    pub const fn has_seen_a_heartbeat(&self) -> bool {
        self.has_seen_a_heartbeat
    }
}

fn is_silent(last_heard: Moment, now: Moment) -> bool {
    now.0.saturating_sub(last_heard.0) >= LEASE + MARGIN
}

/// The lease as its holder knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    epoch: Epoch,
    ends_at: Moment,
}

impl Lease {
    /// Builds a lease that was requested at `asked_at`, before the request was sent.
    #[must_use]
    pub fn granted(epoch: Epoch, asked_at: Moment) -> Self {
        Self { epoch, ends_at: Moment(asked_at.0 + LEASE) }
    }

    /// Returns the lease after a successful heartbeat that was requested at `asked_at`.
    #[must_use]
    pub fn renewed(self, asked_at: Moment) -> Self {
        Self { ends_at: self.ends_at.max(Moment(asked_at.0 + LEASE)), ..self }
    }

    /// Returns the lease as ended: somebody else holds it, or may hold it.
    #[must_use]
    pub const fn ended(self) -> Self {
        Self { ends_at: Moment(Duration::ZERO), ..self }
    }

    /// Returns the number of the leadership.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Returns how much of the lease is left.
    #[must_use]
    pub const fn left(&self, now: Moment) -> Duration {
        self.ends_at.0.saturating_sub(now.0)
    }

    /// Whether the lease lasts, so that the answer to a sent request may be awaited.
    #[must_use]
    pub const fn lasts(&self, now: Moment) -> bool {
        !self.left(now).is_zero()
    }

    /// Whether a request may be sent.
    #[must_use]
    pub fn may_send(&self, now: Moment) -> bool {
        self.left(now) >= LEAST_LEFT
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> Moment {
        Moment(Duration::from_millis(ms))
    }

    fn row(beats: i64, run_out_ms: Option<u64>) -> LeaseRow {
        let holder = Leader { host: "a".to_owned(), pid: 1, since: DateTime::UNIX_EPOCH };
        let run_out_for = run_out_ms.map(Duration::from_millis);
        LeaseRow { epoch: Epoch(3), beats, holder: Some(holder), ends_at: None, run_out_for }
    }

    #[test]
    fn a_request_is_sent_while_a_second_is_left_and_is_cancelled_at_the_end() {
        let lease = Lease::granted(Epoch(1), at(10_000));
        let cases = [
            (10_000, true, true),
            (14_000, true, true),
            (14_001, false, true),
            (14_999, false, true),
            (15_000, false, false),
            (99_000, false, false),
        ];
        for (now, may_send, lasts) in cases {
            assert_eq!((lease.may_send(at(now)), lease.lasts(at(now))), (may_send, lasts), "at {now} ms");
        }
    }

    #[test]
    fn a_heartbeat_counts_from_its_request_and_an_older_answer_does_not_shorten_the_lease() {
        let lease = Lease::granted(Epoch(1), at(10_000)).renewed(at(12_000));
        assert_eq!(lease.left(at(12_000)), LEASE);
        assert_eq!(lease.renewed(at(11_000)), lease);
        assert_eq!(lease.epoch(), Epoch(1));
    }

    #[test]
    fn a_lease_that_was_given_up_or_never_held_is_taken_at_once() {
        let free = LeaseRow { holder: None, ..row(7, Some(0)) };
        assert!(Watch::default().may_take(at(0), &free));
    }

    #[test]
    fn a_holder_that_was_deleted_by_hand_keeps_the_lease_until_its_end() {
        let free = LeaseRow { holder: None, ..row(7, None) };
        let mut watch = Watch::default();
        assert!(!watch.may_take(at(0), &free));
        assert!(!watch.may_take(at(99_000), &free), "our clock alone does not end the lease");
        assert!(watch.may_take(at(99_000), &LeaseRow { run_out_for: Some(Duration::ZERO), ..free }));
    }

    #[test]
    fn no_supervisor_leads_without_a_heartbeat_for_lease_and_margin_regardless_of_the_databases_clock() {
        let mut watch = Watch::default();
        assert!(!watch.sees_no_leader(at(99_000)), "nothing was read yet");
        for now in [1_000, 8_000] {
            watch.may_take(at(now), &row(7, None));
        }
        assert!(!watch.sees_no_leader(at(7_999)));
        assert!(watch.sees_no_leader(at(8_000)));
        watch.may_take(at(8_000), &row(8, None));
        assert!(!watch.sees_no_leader(at(8_000)), "a heartbeat");
    }

    #[test]
    fn a_lease_that_ran_out_is_taken_after_lease_and_margin_without_a_heartbeat() {
        let mut watch = Watch::default();
        assert!(!watch.may_take(at(1_000), &row(7, None)));
        assert!(!watch.may_take(at(7_999), &row(7, Some(2_000))));
        assert!(watch.may_take(at(8_000), &row(7, Some(2_000))));
    }

    #[test]
    fn neither_clock_alone_moves_the_lease() {
        let mut watch = Watch::default();
        assert!(!watch.may_take(at(1_000), &row(7, Some(3_600_000))), "the database's clock has jumped");
        assert!(!watch.may_take(at(60_000), &row(7, Some(1_999))), "ours has jumped, or the database's has stopped");
        assert!(watch.may_take(at(60_000), &row(7, Some(2_000))));
    }

    #[test]
    fn each_heartbeat_and_each_leadership_starts_a_new_wait() {
        let mut watch = Watch::default();
        assert!(!watch.may_take(at(0), &row(7, None)));
        assert!(!watch.has_seen_a_heartbeat(), "it may be the last of a leader that has died");
        assert!(!watch.may_take(at(7_000), &row(8, Some(2_000))), "a heartbeat");
        assert!(watch.has_seen_a_heartbeat());
        assert!(!watch.may_take(at(13_999), &row(8, Some(9_000))));
        let next = LeaseRow { epoch: Epoch(4), ..row(8, Some(9_000)) };
        assert!(!watch.may_take(at(14_000), &next), "another leadership");
        assert!(watch.may_take(at(21_000), &next));
    }

    #[test]
    fn the_holder_of_a_lease_that_has_run_out_is_no_leader() {
        assert!(row(1, None).leader().is_some());
        assert!(row(1, Some(0)).leader().is_none());
    }

    /// One step in a test world with one database and some supervisors.
    #[derive(Debug, Clone)]
    enum Happening {
        /// This many milliseconds pass, for all.
        Pass(u64),
        /// The database's wall clock is set forward or back by this many milliseconds.
        ServerClockJumps(i64),
        /// This supervisor sends a request: a leader a heartbeat, a standby a read. Its answer is in flight.
        Ask(usize),
        /// The answer arrives. If this never happens, the supervisor is frozen or cut off.
        Answer(usize),
    }

    #[derive(Debug, Default)]
    struct Supervisor {
        watch: Watch,
        lease: Option<Lease>,
        asked: Option<(Moment, Answer)>,
    }

    #[derive(Debug)]
    enum Answer {
        Beaten(bool),
        Row(LeaseRow),
        Taken(bool, Epoch),
    }

    #[derive(Debug)]
    struct World {
        now_ms: u64,
        server_skew_ms: i64,
        epoch: i64,
        beats: i64,
        held: bool,
        ends_at_server_ms: i64,
        supervisors: [Supervisor; 3],
    }

    impl World {
        fn server_ms(&self) -> i64 {
            i64::try_from(self.now_ms).unwrap() + self.server_skew_ms
        }

        fn lease_ms() -> i64 {
            i64::try_from(LEASE.as_millis()).unwrap()
        }

        fn row(&self) -> LeaseRow {
            let run_out = self.server_ms() - self.ends_at_server_ms;
            let row = row(self.beats, u64::try_from(run_out).ok());
            LeaseRow { epoch: Epoch(self.epoch), holder: row.holder.filter(|_| self.held), ..row }
        }

        /// The database answers at once, and the answer is in flight.
        fn ask(&mut self, who: usize) {
            let now = at(self.now_ms);
            let answer = match self.supervisors[who].lease {
                Some(lease) => {
                    let mine = lease.epoch() == Epoch(self.epoch);
                    if mine {
                        self.beats += 1;
                        self.ends_at_server_ms = self.server_ms() + Self::lease_ms();
                    }
                    Answer::Beaten(mine)
                }
                None => Answer::Row(self.row()),
            };
            self.supervisors[who].asked = Some((now, answer));
        }

        fn answer(&mut self, who: usize) {
            let now = at(self.now_ms);
            let Some((asked_at, answer)) = self.supervisors[who].asked.take() else { return };
            match answer {
                Answer::Beaten(true) => {
                    self.supervisors[who].lease = self.supervisors[who].lease.map(|lease| lease.renewed(asked_at));
                }
                Answer::Beaten(false) => self.supervisors[who].lease = None,
                Answer::Row(row) => {
                    if self.supervisors[who].watch.may_take(now, &row) {
                        let unchanged =
                            (self.epoch, self.beats, self.held) == (row.epoch.0, row.beats, row.holder.is_some());
                        if unchanged {
                            (self.epoch, self.beats, self.held) = (self.epoch + 1, 0, true);
                            self.ends_at_server_ms = self.server_ms() + Self::lease_ms();
                        }
                        self.supervisors[who].asked = Some((now, Answer::Taken(unchanged, Epoch(self.epoch))));
                    }
                }
                Answer::Taken(true, epoch) => {
                    self.supervisors[who].lease = Some(Lease::granted(epoch, asked_at));
                }
                Answer::Taken(false, _) => {}
            }
        }

        /// Returns how many supervisors have a lease that lasts.
        fn lasting(&self) -> usize {
            let lasts = |supervisor: &&Supervisor| supervisor.lease.is_some_and(|lease| lease.lasts(at(self.now_ms)));
            self.supervisors.iter().filter(lasts).count()
        }
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            4 => (0_u64..1_200).prop_map(Happening::Pass),
            1 => (2_000_u64..9_000).prop_map(Happening::Pass),
            1 => (-20_000_i64..20_000).prop_map(Happening::ServerClockJumps),
            6 => (0_usize..3).prop_map(Happening::Ask),
            6 => (0_usize..3).prop_map(Happening::Answer),
        ]
    }

    proptest! {
        #[test]
        fn two_supervisors_never_lead_at_once_even_if_slow_frozen_or_cut_off_or_if_the_servers_clock_jumps(
            happenings in prop::collection::vec(happening(), 1..200)
        ) {
            let mut world = World {
                now_ms: 1_000_000, server_skew_ms: 0, epoch: 0, beats: 0, held: false, ends_at_server_ms: 0,
                supervisors: Default::default(),
            };
            for happening in happenings {
                match happening {
                    Happening::Pass(ms) => world.now_ms += ms,
                    Happening::ServerClockJumps(ms) => world.server_skew_ms += ms,
                    Happening::Ask(who) => world.ask(who),
                    Happening::Answer(who) => world.answer(who),
                }
                prop_assert!(world.lasting() <= 1, "{world:#?}");
            }
        }
    }
}
