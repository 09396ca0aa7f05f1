//! Election among several supervisors on one database: who leads, until when requests may leave, and when a standby may
//! take over.
//!
//! The leader holds a lease, a row of the database with an epoch and a heartbeat. No clock is believed alone:
//! - the leader sends by its own monotonic clock, counted from before it asked for the heartbeat, so that an answer that was
//!   long on its way, a frozen process or a sleeping machine only make the lease shorter;
//! - a standby takes over when the lease has run out by the database's clock *and* the standby has seen no heartbeat for as
//!   long by its own, so that a wall clock that jumps hands nothing over;
//! - every record of the guard is stored on condition of the epoch, in the same transaction.
//!
//! Deliberately absent: a clock and the database; what was read, and when, are arguments.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How often the leader renews its lease.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// How long a lease lasts from the moment that its renewal was asked for.
pub const LEASE: Duration = Duration::from_secs(5);
/// How long past the lease's end a standby waits on: for what left in time and arrives late, and for clocks that do not go
/// alike.
pub const MARGIN: Duration = Duration::from_secs(2);
/// A request leaves only if so much of the lease is left. It is given up when the lease ends, whatever its own time-out.
pub const LEAST_ROOM: Duration = Duration::from_secs(1);
/// How often a standby looks. A leader that was killed is replaced within lease, margin and two looks.
pub const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A point of a monotonic clock that goes on while the machine sleeps, as the time since that clock began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Duration);

/// Counts the reigns on one database: each one that begins has the next larger number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Epoch(pub i64);

/// Who leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Leader {
    /// The machine's name.
    pub host: String,
    /// The supervisor's process id there.
    pub pid: u32,
    /// Since when, by the database's clock.
    pub since: DateTime<Utc>,
}

/// What the lease's row said when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// The last leadership, whether it lasts or not.
    pub epoch: Epoch,
    /// How many heartbeats it has had.
    pub beats: i64,
    /// Who holds the lease, perhaps beyond its end; none where it was given up, or nobody ever held it.
    pub holder: Option<Leader>,
    /// When the lease ends, or ended, by the database's clock.
    pub ends_at: Option<DateTime<Utc>>,
    /// For how long it has run out, by the database's clock; none while it lasts.
    pub run_out_for: Option<Duration>,
}

impl LeaseRow {
    /// Who leads, as far as the database's clock says.
    #[must_use]
    pub fn leader(&self) -> Option<&Leader> {
        self.holder.as_ref().filter(|_| self.run_out_for.is_none())
    }
}

/// What a standby has seen of the lease.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    /// The last heartbeat, and when it was first seen.
    heartbeat: Option<(Epoch, i64, Moment)>,
    heard: bool,
}

impl Watch {
    /// Whether the lease may be taken: `row` was read at `now`, after the answer had come. Taking it must fail if the row
    /// has changed since.
    pub fn may_take(&mut self, now: Moment, row: &LeaseRow) -> bool {
        if row.holder.is_none() && row.run_out_for.is_some() {
            return true;
        }
        match self.heartbeat {
            Some((epoch, beats, first_seen)) if (epoch, beats) == (row.epoch, row.beats) => {
                is_silent(first_seen, now) && row.run_out_for.is_some_and(|run_out| run_out >= MARGIN)
            }
            before @ (Some(_) | None) => {
                self.heard |= before.is_some();
                self.heartbeat = Some((row.epoch, row.beats, now));
                false
            }
        }
    }

    /// Whether nobody leads, by our own clock: no heartbeat was heard for as long as a lease and the margin last. Whatever the
    /// database's clock says of the lease, its holder has had no right to send since.
    #[must_use]
    pub fn hears_nobody(&self, now: Moment) -> bool {
        self.heartbeat.is_some_and(|(_, _, first_seen)| is_silent(first_seen, now))
    }

    /// Whether a heartbeat came while it was watched: somebody lives who leads. A lease that lasts says less: its holder
    /// may have died a moment ago.
    #[must_use]
    pub const fn has_heard_a_heartbeat(&self) -> bool {
        self.heard
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
    /// A lease that was asked for at `asked_at`, before the question left.
    #[must_use]
    pub fn granted(epoch: Epoch, asked_at: Moment) -> Self {
        Self { epoch, ends_at: Moment(asked_at.0 + LEASE) }
    }

    /// The same with a heartbeat that was asked for at `asked_at` and came about.
    #[must_use]
    pub fn renewed(self, asked_at: Moment) -> Self {
        Self { ends_at: self.ends_at.max(Moment(asked_at.0 + LEASE)), ..self }
    }

    /// The same without any rest: somebody else has it, or may have it.
    #[must_use]
    pub const fn ended(self) -> Self {
        Self { ends_at: Moment(Duration::ZERO), ..self }
    }

    /// Whose leadership it is.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How much of it is left.
    #[must_use]
    pub const fn rest(&self, now: Moment) -> Duration {
        self.ends_at.0.saturating_sub(now.0)
    }

    /// Whether what was sent may still be waited for.
    #[must_use]
    pub const fn lasts(&self, now: Moment) -> bool {
        !self.rest(now).is_zero()
    }

    /// Whether a request may leave.
    #[must_use]
    pub fn lets_leave(&self, now: Moment) -> bool {
        self.rest(now) >= LEAST_ROOM
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
    fn a_request_leaves_while_a_second_is_left_and_is_given_up_at_the_end() {
        let lease = Lease::granted(Epoch(1), at(10_000));
        let cases = [
            (10_000, true, true),
            (14_000, true, true),
            (14_001, false, true),
            (14_999, false, true),
            (15_000, false, false),
            (99_000, false, false),
        ];
        for (now, lets_leave, lasts) in cases {
            assert_eq!((lease.lets_leave(at(now)), lease.lasts(at(now))), (lets_leave, lasts), "at {now} ms");
        }
    }

    #[test]
    fn a_heartbeat_counts_from_when_it_was_asked_for_and_an_older_answer_shortens_nothing() {
        let lease = Lease::granted(Epoch(1), at(10_000)).renewed(at(12_000));
        assert_eq!(lease.rest(at(12_000)), LEASE);
        assert_eq!(lease.renewed(at(11_000)), lease);
        assert_eq!(lease.epoch(), Epoch(1));
    }

    #[test]
    fn what_was_given_up_or_never_held_is_taken_at_once() {
        let free = LeaseRow { holder: None, ..row(7, Some(0)) };
        assert!(Watch::default().may_take(at(0), &free));
    }

    #[test]
    fn a_holder_that_was_taken_out_by_hand_may_still_act_until_its_lease_ends() {
        let free = LeaseRow { holder: None, ..row(7, None) };
        let mut watch = Watch::default();
        assert!(!watch.may_take(at(0), &free));
        assert!(!watch.may_take(at(99_000), &free), "our clock alone hands nothing over");
        assert!(watch.may_take(at(99_000), &LeaseRow { run_out_for: Some(Duration::ZERO), ..free }));
    }

    #[test]
    fn nobody_leads_who_was_not_heard_for_lease_and_margin_whatever_the_databases_clock_says() {
        let mut watch = Watch::default();
        assert!(!watch.hears_nobody(at(99_000)), "nothing was read yet");
        for now in [1_000, 8_000] {
            watch.may_take(at(now), &row(7, None));
        }
        assert!(!watch.hears_nobody(at(7_999)));
        assert!(watch.hears_nobody(at(8_000)));
        watch.may_take(at(8_000), &row(8, None));
        assert!(!watch.hears_nobody(at(8_000)), "a heartbeat");
    }

    #[test]
    fn a_lease_that_ran_out_is_taken_after_lease_and_margin_without_a_heartbeat() {
        let mut watch = Watch::default();
        assert!(!watch.may_take(at(1_000), &row(7, None)));
        assert!(!watch.may_take(at(7_999), &row(7, Some(2_000))));
        assert!(watch.may_take(at(8_000), &row(7, Some(2_000))));
    }

    #[test]
    fn neither_clock_hands_the_lease_over_alone() {
        let mut watch = Watch::default();
        assert!(!watch.may_take(at(1_000), &row(7, Some(3_600_000))), "the database's clock has jumped");
        assert!(!watch.may_take(at(60_000), &row(7, Some(1_999))), "ours has, or the database's stands still");
        assert!(watch.may_take(at(60_000), &row(7, Some(2_000))));
    }

    #[test]
    fn each_heartbeat_and_each_reign_is_waited_out_anew() {
        let mut watch = Watch::default();
        assert!(!watch.may_take(at(0), &row(7, None)));
        assert!(!watch.has_heard_a_heartbeat(), "it may be a dead one's last");
        assert!(!watch.may_take(at(7_000), &row(8, Some(2_000))), "a heartbeat");
        assert!(watch.has_heard_a_heartbeat());
        assert!(!watch.may_take(at(13_999), &row(8, Some(9_000))));
        let next = LeaseRow { epoch: Epoch(4), ..row(8, Some(9_000)) };
        assert!(!watch.may_take(at(14_000), &next), "another leadership");
        assert!(watch.may_take(at(21_000), &next));
    }

    #[test]
    fn whose_lease_has_run_out_is_no_leader() {
        assert!(row(1, None).leader().is_some());
        assert!(row(1, Some(0)).leader().is_none());
    }

    /// What happens next, in a world of one database and some supervisors.
    #[derive(Debug, Clone)]
    enum Happening {
        /// So many milliseconds pass for everybody.
        Pass(u64),
        /// The database's wall clock is set.
        ServerClockJumps(i64),
        /// One asks: a leader for a heartbeat, a standby for a look. Its answer is on its way.
        Ask(usize),
        /// The answer arrives; without, it is frozen, or cut off.
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

        /// The database answers at once; the answer travels.
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

        /// Those who may wait for what they sent.
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
        fn however_slow_frozen_or_cut_off_they_are_and_whatever_the_servers_clock_does_two_never_lead(
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
