//! A run or a pause of many that is refused as a whole: which requests come next, and what became of each campaign
//! (RULES.md, "Sent is not done"). PURE.
//!
//! One bad id spoils the whole request, and the answer does not say which. The batch is halved until the refused ids are left
//! alone; each of them is then asked by the other ways that are not [`Way::EachUnlessRefused`]. A 400 may mean that the way is not understood, so that the whole batch
//! is tried by the other ways first; a 404 says that the way does not exist. A 5xx is repeated once, since it may be over.
//! What is refused by itself while others are taken is asked by itself for a while, or every tick would pay for the halving.
//!
//! Halves go side by side, [`MOST_AT_ONCE`] of them: none waits for another's time-out. Where nearly everything is refused it is
//! not the ids: a round ends at [`MOST_IN_VAIN`] refusals, and at [`MOST_REFUSALS`] in any case.
//!
//! Deliberately absent: the requests and the ways by name (`trafficstar::call`), and what is refused inside a 200: there
//! TrafficStars has an opinion of that campaign, and no other way is tried.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};

use crate::domain::action::Outcome;
use crate::domain::ids::RemoteId;

/// The most campaigns that one request names: a limit on ids, or on a request's length, must not fail a pause of all.
pub const MOST_IDS: usize = 100;
/// Of the requests that follow a refusal so many are under way at once.
pub const MOST_AT_ONCE: usize = 3;
/// A round ends after so many refusals while no campaign was taken. It is enough to halve a thousand campaigns down to one, or
/// to ask for six refused ones by three ways each.
pub const MOST_IN_VAIN: usize = 32;
/// A round ends after so many refusals in any case: the rest is left to the next tick.
pub const MOST_REFUSALS: usize = 60;
/// A campaign that was refused by itself is asked by itself for so long.
pub const ASIDE_FOR: Duration = Duration::minutes(15);

/// How a way of switching takes campaigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// All that one request names.
    Together,
    /// One a request.
    Each,
    /// One a request, and never for a campaign that another way has refused: it may force what TrafficStars does not want.
    EachUnlessRefused,
}

/// Names one request of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttemptId(u64);

/// A request that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its name.
    pub id: AttemptId,
    /// The way's place among those of [`Split::new`].
    pub way: usize,
    /// The campaigns that it names.
    pub ids: BTreeSet<RemoteId>,
    /// It repeats what has failed, in this round or, by itself, in one before.
    pub is_repeat: bool,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// By an answer that tells of each campaign.
    Answered(BTreeMap<RemoteId, Outcome>),
    /// Refused as a whole: nothing has happened.
    Refused {
        /// In words.
        reason: String,
        /// It may be the way that is not understood (400).
        perhaps_the_way: bool,
    },
    /// By a failure of TrafficStars' own (5xx): it may have happened.
    Broke(String),
    /// There is no such way (404, 405). Of a way that has answered in this round, it is a refusal with this reason.
    NoSuchWay(String),
    /// TrafficStars wants to hear nothing for a while (429).
    Silenced(Outcome),
    /// Otherwise: it says nothing of the campaigns that it named.
    Else(Outcome),
}

/// Campaigns that are asked by themselves for a while.
#[derive(Debug, Default)]
pub struct SetAside {
    until: BTreeMap<RemoteId, DateTime<Utc>>,
}

impl SetAside {
    /// Those of `ids` that are asked by themselves.
    #[must_use]
    pub fn of(&self, now: DateTime<Utc>, ids: &BTreeSet<RemoteId>) -> BTreeSet<RemoteId> {
        // One from further ahead is of before the clock was set back.
        let is_aside = |id: &&RemoteId| self.until.get(id).is_some_and(|at| *at > now && *at <= now + ASIDE_FOR);
        ids.iter().filter(is_aside).copied().collect()
    }

    /// Learns from a round that is over.
    pub fn learn(&mut self, now: DateTime<Utc>, round: &Split) {
        self.until.retain(|_, until| *until > now);
        for id in &round.taken {
            self.until.remove(id);
        }
        if !round.taken.is_empty() {
            self.until.extend(round.refused_alone.iter().map(|id| (*id, now + ASIDE_FOR)));
        }
    }
}

/// Campaigns that are to be switched by one request.
#[derive(Debug, Clone)]
struct Task {
    way: usize,
    ids: BTreeSet<RemoteId>,
    /// Nothing of it was refused yet: it is as it was asked for, but for [`MOST_IDS`].
    whole: bool,
    /// A refusal has led to it, in this round or in one before.
    in_doubt: bool,
    /// It was sent, and answered with 5xx.
    broke: bool,
    /// So often it was answered with 429.
    silenced: u8,
}

/// What is known of a way in this round.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    exists: bool,
    is_absent: bool,
    has_taken: bool,
}

/// One round: the campaigns that are to run, or to be paused, and what became of them so far.
#[derive(Debug, Default)]
pub struct Split {
    ways: Vec<(Way, Known)>,
    /// A request that is answered with 429 is sent so often.
    patience: u8,
    /// The last one goes first.
    tasks: Vec<Task>,
    under_way: BTreeMap<AttemptId, Task>,
    last_number: u64,
    refusals: usize,
    /// The first refusal of each: the way that is preferred has the say.
    refused: BTreeMap<RemoteId, String>,
    /// A request that named it may have had its effect.
    doubt: BTreeMap<RemoteId, String>,
    /// Those for whom no way was found.
    unserved: BTreeSet<RemoteId>,
    settled: Vec<(RemoteId, Outcome)>,
    failure: Option<String>,
    /// Taken by the first way that exists.
    taken: BTreeSet<RemoteId>,
    refused_alone: BTreeSet<RemoteId>,
}

impl Split {
    /// Nothing is sent yet. `aside` are those of `ids` that are asked by themselves. The ways are tried in their order. What
    /// is answered with 429 is sent `patience` times, each time when the silence is over.
    #[must_use]
    pub fn new(ids: BTreeSet<RemoteId>, aside: &BTreeSet<RemoteId>, ways: &[Way], patience: u8) -> Self {
        let task = |ids, whole| Task { way: 0, ids, whole, in_doubt: !whole, broke: false, silenced: 0 };
        let mut tasks: Vec<Task> = ids.intersection(aside).map(|id| task([*id].into(), false)).collect();
        let together: Vec<RemoteId> = ids.difference(aside).copied().collect();
        // The last one goes first.
        tasks.extend(together.chunks(MOST_IDS).rev().map(|ids| task(ids.iter().copied().collect(), true)));
        Self { ways: ways.iter().map(|way| (*way, Known::default())).collect(), patience, tasks, ..Self::default() }
    }

    /// The next request that may leave now; `None` while answers have to come first, and when all is over.
    pub fn next_attempt(&mut self) -> Option<Attempt> {
        loop {
            let in_doubt = self.under_way.values().filter(|task| task.in_doubt).count();
            let bound = if self.has_taken() { MOST_REFUSALS } else { MOST_IN_VAIN };
            let may_leave = in_doubt < MOST_AT_ONCE && self.refusals + in_doubt < bound;
            let position = self.tasks.iter().rposition(|task| may_leave || !task.in_doubt);
            let Some(task) = position.map(|position| self.tasks.remove(position)) else {
                if self.under_way.is_empty() {
                    self.give_up();
                }
                return None;
            };
            let task = self.by_a_way_that_takes(task);
            match self.ways.get(task.way) {
                Some((Way::EachUnlessRefused, _)) if task.ids.iter().any(|id| self.refused.contains_key(id)) => {
                    self.try_next_way(task);
                }
                Some((Way::Each | Way::EachUnlessRefused, _)) if task.ids.len() > 1 => {
                    let each = task.ids.iter().rev().map(|id| Task { ids: [*id].into(), ..task.clone() });
                    self.tasks.extend(each);
                }
                Some((Way::Together, Known { exists: false, is_absent: true, .. })) => self.try_next_way(task),
                Some(_) => {
                    self.last_number += 1;
                    let id = AttemptId(self.last_number);
                    let is_repeat = task.in_doubt || task.broke;
                    let attempt = Attempt { id, way: task.way, ids: task.ids.clone(), is_repeat };
                    self.under_way.insert(id, task);
                    return Some(attempt);
                }
                None => self.end_without(task),
            }
        }
    }

    /// A request has ended.
    pub fn ended(&mut self, attempt: AttemptId, ended: Ended) {
        let Some(task) = self.under_way.remove(&attempt) else { return };
        let way = task.way;
        match ended {
            Ended::Answered(outcomes) => {
                self.know(way, |known| (known.exists, known.has_taken) = (true, true));
                if Some(way) == self.first_way() {
                    let accepted = outcomes.iter().filter(|(_, outcome)| **outcome == Outcome::Accepted);
                    self.taken.extend(accepted.map(|(id, _)| *id));
                }
                let outcomes = outcomes.into_iter().map(|(id, outcome)| (id, self.with_doubt(id, outcome)));
                let outcomes: Vec<_> = outcomes.collect();
                self.settled.extend(outcomes);
            }
            Ended::NoSuchWay(reason) if self.exists(way) && self.is_together(way) => self.refuse(task, reason, false),
            Ended::NoSuchWay(_) => {
                self.know(way, |known| known.is_absent = true);
                self.try_next_way(task);
            }
            Ended::Refused { reason, perhaps_the_way } => self.refuse(task, reason, perhaps_the_way),
            Ended::Broke(reason) => {
                self.doubt.extend(task.ids.iter().map(|id| (*id, reason.clone())));
                if task.whole && !task.broke {
                    self.tasks.push(Task { broke: true, ..task });
                } else {
                    self.refuse(task, reason, false);
                }
            }
            Ended::Silenced(_) if task.silenced + 1 < self.patience => {
                self.tasks.push(Task { silenced: task.silenced + 1, ..task });
            }
            Ended::Silenced(outcome) | Ended::Else(outcome) => self.settle(task.ids, &outcome),
        }
    }

    /// What has become of campaigns since this was last asked. Each is told once.
    pub fn take_settled(&mut self) -> Vec<(RemoteId, Outcome)> {
        std::mem::take(&mut self.settled)
    }

    /// Nothing is to be sent, and no answer is to come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.tasks.is_empty() && self.under_way.is_empty()
    }

    /// Those for whom no way was found: there is none ([`Self::has_no_way`]), or the last one does not know them. To be asked
    /// when all is over.
    #[must_use]
    pub const fn unserved(&self) -> &BTreeSet<RemoteId> {
        &self.unserved
    }

    /// Why a request failed that was the last one for some campaign.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The way that works for all: the only other ways that were tried do not exist. A way that has taken what another one
    /// refused says nothing of the next request.
    #[must_use]
    pub fn working_way(&self) -> Option<usize> {
        let first = self.first_way()?;
        self.ways.get(first).filter(|(_, known)| known.has_taken).map(|_| first)
    }

    /// None of the ways exists.
    #[must_use]
    pub fn has_no_way(&self) -> bool {
        self.ways.iter().all(|(_, known)| known.is_absent && !known.exists)
    }

    fn know(&mut self, way: usize, note: impl FnOnce(&mut Known)) {
        if let Some((_, known)) = self.ways.get_mut(way) {
            note(known);
        }
    }

    fn exists(&self, way: usize) -> bool {
        self.ways.get(way).is_some_and(|(_, known)| known.exists)
    }

    /// The first way that is not known to be missing.
    fn first_way(&self) -> Option<usize> {
        self.ways.iter().position(|(_, known)| known.exists || !known.is_absent)
    }

    /// Where the way has taken nothing, and another one has, it is the way that is refused.
    fn by_a_way_that_takes(&self, task: Task) -> Task {
        let takes = |way: &usize| self.ways.get(*way).is_some_and(|(_, known)| known.has_taken);
        if !task.in_doubt || task.ids.len() < 2 || takes(&task.way) {
            return task;
        }
        let other = (task.way..self.ways.len()).find(takes).unwrap_or(task.way);
        Task { way: other, ..task }
    }

    fn refuse(&mut self, task: Task, reason: String, perhaps_the_way: bool) {
        self.know(task.way, |known| known.exists = true);
        self.refusals += 1;
        for id in &task.ids {
            self.refused.entry(*id).or_insert_with(|| reason.clone());
        }
        let task = Task { in_doubt: true, broke: false, ..task };
        if task.ids.len() < 2 {
            self.refused_alone.extend(&task.ids);
            self.try_next_way(Task { whole: false, ..task });
        } else if perhaps_the_way && task.whole {
            self.try_next_way(task);
        } else {
            self.halve(task);
        }
    }

    fn is_together(&self, way: usize) -> bool {
        matches!(self.ways.get(way), Some((Way::Together, _)))
    }

    /// The same by the next way; but what was refused together is halved before it is asked one by one. Where others are
    /// taken, a campaign that was refused by itself comes last: its further refusals must not use up the bound before the
    /// others were asked.
    fn try_next_way(&mut self, task: Task) {
        if task.in_doubt && task.ids.len() > 1 && !self.is_together(task.way + 1) {
            self.halve(task);
            return;
        }
        let task = Task { way: task.way + 1, ..task };
        if task.in_doubt && task.ids.len() == 1 && self.has_taken() {
            self.tasks.insert(0, task);
        } else {
            self.tasks.push(task);
        }
    }

    fn has_taken(&self) -> bool {
        self.ways.iter().any(|(_, known)| known.has_taken)
    }

    fn halve(&mut self, mut task: Task) {
        let Some(middle) = task.ids.iter().nth(task.ids.len() / 2).copied() else { return };
        (task.way, task.whole) = (self.first_way().unwrap_or(task.way), false);
        let later = Task { ids: task.ids.split_off(&middle), ..task.clone() };
        self.tasks.extend([later, task]);
    }

    /// All ways were tried.
    fn end_without(&mut self, task: Task) {
        for id in task.ids {
            match self.refused.get(&id).or_else(|| self.doubt.get(&id)).cloned() {
                Some(reason) => self.settle([id].into(), &Outcome::Failed(reason)),
                None => drop(self.unserved.insert(id)),
            }
        }
    }

    fn settle(&mut self, ids: BTreeSet<RemoteId>, outcome: &Outcome) {
        for id in ids {
            let outcome = self.with_doubt(id, outcome.clone());
            if let Outcome::Unclear(reason)
            | Outcome::Failed(reason)
            | Outcome::NotSent(reason)
            | Outcome::Postponed(reason) = &outcome
            {
                self.failure = Some(reason.clone());
            }
            self.settled.push((id, outcome));
        }
    }

    /// An earlier request that named the campaign may have had its effect, whatever a later one was answered.
    fn with_doubt(&self, id: RemoteId, outcome: Outcome) -> Outcome {
        match (self.doubt.get(&id), outcome) {
            (None, outcome) | (Some(_), outcome @ (Outcome::Accepted | Outcome::Unclear(_))) => outcome,
            (Some(reason), Outcome::Failed(_) | Outcome::NotSent(_) | Outcome::Postponed(_)) => {
                Outcome::Unclear(reason.clone())
            }
        }
    }

    /// The bound is reached. Where nothing was taken it is not the ids: each ends as the whole did. Else, and for what no
    /// request has named, it is left to the next tick.
    fn give_up(&mut self) {
        let is_left = self.has_taken();
        for task in std::mem::take(&mut self.tasks) {
            for id in task.ids {
                let own = self.refused.get(&id).filter(|_| !is_left || self.refused_alone.contains(&id)).cloned();
                let left = || Outcome::Postponed("it is left to the next tick: many others were refused".to_owned());
                let outcome = own.map_or_else(left, Outcome::Failed);
                self.settle([id].into(), &outcome);
            }
        }
    }
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
