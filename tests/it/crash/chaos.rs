//! The disturbances between two kills, and a record of them.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sandbox::{Fault, FaultKind, Interference, Operation};

use crate::helper::World;

/// Numbers that look random and follow from a seed alone (`SplitMix64`).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number of `0..limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()].clone()
    }

    fn millis(&mut self, limit: u64) -> Duration {
        Duration::from_millis(self.below(limit))
    }
}

/// The remaining clicks of a campaign, from this time on.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClicksSet {
    pub(super) id: i64,
    pub(super) at: DateTime<Utc>,
    pub(super) clicks: i64,
}

/// A period in which no journal entry could be stored, with the id of the newest entry before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Barrier {
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
    pub(super) newest_entry: i64,
}

pub(super) struct Chaos {
    random: Random,
    ids: Vec<i64>,
    pub(super) clicks: Vec<ClicksSet>,
    pub(super) barriers: Vec<Barrier>,
}

impl Chaos {
    pub(super) fn new(random: Random, ids: Vec<i64>) -> Self {
        Self { random, ids, clicks: Vec::new(), barriers: Vec::new() }
    }

    /// Kills the guard again and again for the time `lasting`, and returns the number of kills. The guard does not run
    /// afterwards.
    pub(super) fn kill_repeatedly(&mut self, world: &mut World, lasting: Duration) -> usize {
        let end = Instant::now() + lasting;
        let mut kills = 0;
        while Instant::now() < end {
            self.run_and_kill_once(world, end);
            kills += 1;
        }
        kills
    }

    /// Starts the guard and kills it. One in four is killed while it starts; the others some time after they began to
    /// guard.
    fn run_and_kill_once(&mut self, world: &mut World, end: Instant) {
        world.guard.kill();
        world.guard.start();
        let is_killed_at_start = self.random.below(4) == 0;
        while !is_killed_at_start
            && world.guard.try_state().is_err()
            && !world.guard.has_ended()
            && Instant::now() < end
        {
            self.disturb(world);
        }
        let death = Instant::now() + self.random.millis(if is_killed_at_start { 400 } else { 1_200 });
        while Instant::now() < death {
            self.disturb(world);
        }
        world.guard.kill();
    }

    /// Makes a random disturbance, or none, and waits for some milliseconds.
    fn disturb(&mut self, world: &mut World) {
        let id = self.random.one_of(&self.ids);
        match self.random.below(12) {
            0..=3 => {
                let clicks = self.random.one_of(&[0, 1_000, 5_000, 5_001, 10_000, 15_000, 20_000]);
                self.set_clicks(world, id, clicks);
            }
            4 => {
                let what = self.random.one_of(&[Interference::Start, Interference::Stop]);
                world.sandbox.interfere(id, what).unwrap();
            }
            5 | 6 => {
                let (operation, kind) = self.fault();
                let times = 1 + usize::try_from(self.random.below(2)).unwrap();
                world.sandbox.inject(Fault::always(kind).on(operation).times(times));
            }
            7 if self.random.below(2) == 0 => self.block_writes(world),
            _ => {}
        }
        std::thread::sleep(self.random.millis(40));
    }

    fn fault(&mut self) -> (Operation, FaultKind) {
        let late = Duration::from_millis(300);
        let writes = [Operation::Run, Operation::Pause, Operation::Edit];
        let kinds = [
            FaultKind::LoseAnswer,
            FaultKind::DropRequest,
            FaultKind::DelayBeforeEffect(late),
            FaultKind::DelayBeforeAnswer(late),
            FaultKind::EffectLate(late),
            FaultKind::FailedInside200,
            FaultKind::InNeitherList { effect: true },
            FaultKind::Status { code: 500, body: String::new() },
            FaultKind::TruncatedBody,
        ];
        if self.random.below(5) == 0 {
            let read = self.random.one_of(&[Operation::Campaigns, Operation::Campaign]);
            return (read, self.random.one_of(&[FaultKind::LoseAnswer, FaultKind::GarbageBody]));
        }
        (self.random.one_of(&writes), self.random.one_of(&kinds))
    }

    pub(super) fn set_clicks(&mut self, world: &mut World, id: i64, clicks: i64) {
        self.clicks.push(ClicksSet { id, at: Utc::now(), clicks });
        world.database.set_remaining_clicks(id, clicks);
    }

    /// Keeps the guard from writing for a while. Every request that it sends meanwhile must have been stored before.
    fn block_writes(&mut self, world: &mut World) {
        let lasting = self.random.millis(700);
        let newest_entry = world.database.lock();
        let from = Utc::now();
        std::thread::sleep(lasting);
        let to = Utc::now();
        world.database.unlock();
        self.barriers.push(Barrier { from, to, newest_entry });
    }
}
