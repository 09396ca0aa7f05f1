//! The requests of one switch batch: several campaigns paused or run together. If TrafficStars refuses the batch as a
//! whole, this decides which requests come next, and the outcome of each campaign (RULES.md, "Sent is not done"). PURE.
//!
//! One bad id makes TrafficStars refuse the whole request, and the answer does not name it. The batch is halved until
//! each refused id is alone. Each refused id is then sent by the other ways, except [`Way::EachUnlessRefused`].
//! - A 400 may mean that TrafficStars does not understand the way. So the whole batch is sent by the other ways first.
//! - A 404 means that the way does not exist.
//! - A 5xx is repeated once, because the failure may be over.
//! - A campaign that is refused by itself while others are accepted is sent by itself for a while. Otherwise the batch
//!   would be halved again at every tick.
//!
//! Up to [`MOST_AT_ONCE`] halves are in flight at once, so that none waits for another's time-out. If nearly everything
//! is refused, the ids are not the cause: a batch ends after [`MOST_WITHOUT_SUCCESS`] refusals if no campaign was
//! accepted, and after [`MOST_REFUSALS`] in any case.
//!
//! Deliberately absent: the requests and the names of the ways (`trafficstar::call`), and another way for a campaign
//! that a 200 lists as failed: then TrafficStars has judged that campaign itself.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};

use crate::domain::action::Outcome;
use crate::domain::ids::RemoteId;

/// The most campaigns in one request. TrafficStars may limit the ids or the length of a request, and a pause of all
/// campaigns must not fail by that.
pub const MOST_IDS: usize = 100;
/// The most requests after a refusal that are in flight at once.
pub const MOST_AT_ONCE: usize = 3;
/// A batch ends after this many refusals if no campaign was accepted. This is enough to halve a thousand campaigns down
/// to one, or to send six refused campaigns by three ways each.
pub const MOST_WITHOUT_SUCCESS: usize = 32;
/// A batch ends after this many refusals in any case. The rest is sent at the next tick.
pub const MOST_REFUSALS: usize = 60;
/// The time for which a campaign that was refused by itself is sent by itself.
pub const ASIDE_FOR: Duration = Duration::minutes(15);

/// A way of switching: many campaigns in one request, or each campaign by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Many campaigns in one request.
    Together,
    /// One campaign in each request.
    Each,
    /// One campaign in each request, and never one that another way has refused: this way may force what TrafficStars
    /// refuses.
    EachUnlessRefused,
}

/// The id of one request of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttemptId(u64);

/// A request to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The request's id.
    pub id: AttemptId,
    /// The way's index in the ways given to [`Split::new`].
    pub way: usize,
    /// The campaigns of the request.
    pub ids: BTreeSet<RemoteId>,
    /// Whether it repeats a failed request: of this batch or, for a campaign sent by itself, of an earlier batch.
    pub is_repeat: bool,
}

/// The end of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// TrafficStars answered for each campaign.
    Answered(BTreeMap<RemoteId, Outcome>),
    /// TrafficStars refused the whole request: nothing has happened.
    Refused {
        /// The reason, for operators.
        reason: String,
        /// Whether TrafficStars may not understand the way (400).
        perhaps_the_way: bool,
    },
    /// TrafficStars failed (5xx). The request may have taken effect.
    Broke(String),
    /// The way does not exist (404, 405). If the way has answered in this batch, this counts as a refusal with this
    /// reason.
    NoSuchWay(String),
    /// TrafficStars answered 429: no request may be sent for a while.
    RateLimited(Outcome),
    /// Any other end. It says nothing about the campaigns of the request.
    Other(Outcome),
}

/// The campaigns that are sent by themselves for a while.
#[derive(Debug, Default)]
pub struct SetAside {
    until: BTreeMap<RemoteId, DateTime<Utc>>,
}

impl SetAside {
    /// Returns those of `ids` that are sent by themselves.
    #[must_use]
    pub fn of(&self, now: DateTime<Utc>, ids: &BTreeSet<RemoteId>) -> BTreeSet<RemoteId> {
        // A time further ahead was set before the clock was set back.
        let is_aside = |id: &&RemoteId| self.until.get(id).is_some_and(|at| *at > now && *at <= now + ASIDE_FOR);
        ids.iter().filter(is_aside).copied().collect()
    }

    /// Learns from a batch that is over.
    pub fn learn(&mut self, now: DateTime<Utc>, batch: &Split) {
        self.until.retain(|_, until| *until > now);
        for id in &batch.taken {
            self.until.remove(id);
        }
        if !batch.taken.is_empty() {
            self.until.extend(batch.refused_alone.iter().map(|id| (*id, now + ASIDE_FOR)));
        }
    }
}

/// Campaigns to switch by one request.
#[derive(Debug, Clone)]
struct Task {
    way: usize,
    ids: BTreeSet<RemoteId>,
    /// Whether it holds the campaigns as the caller gave them, up to [`MOST_IDS`]. A part that was split off after a
    /// refusal is not whole, nor is a campaign that is sent by itself.
    whole: bool,
    /// Whether it follows a refusal, in this batch or in an earlier one.
    in_doubt: bool,
    /// Whether it was sent and answered with 5xx.
    broke: bool,
    /// The number of answers of 429.
    rate_limited: u8,
}

/// The known facts about a way in this batch.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    exists: bool,
    is_absent: bool,
    has_taken: bool,
}

/// One switch batch: the campaigns to run or to pause, and their outcomes so far.
#[derive(Debug, Default)]
pub struct Split {
    ways: Vec<(Way, Known)>,
    /// The number of attempts at a request that is answered with 429.
    patience: u8,
    /// The tasks that are not sent yet, the next one last.
    tasks: Vec<Task>,
    in_flight: BTreeMap<AttemptId, Task>,
    last_number: u64,
    /// The number of refused requests.
    refusals: usize,
    /// Each campaign's first refusal. It is reported, because it comes from the preferred way.
    refused: BTreeMap<RemoteId, String>,
    /// The campaigns for which a failed request may have taken effect, each with the failure.
    doubt: BTreeMap<RemoteId, String>,
    /// The campaigns for which no way was found.
    unserved: BTreeSet<RemoteId>,
    /// The outcomes that were not handed out yet.
    settled: Vec<(RemoteId, Outcome)>,
    /// The last failure that ended a campaign's requests.
    failure: Option<String>,
    /// The campaigns that the first existing way accepted.
    taken: BTreeSet<RemoteId>,
    /// The campaigns that were refused by themselves.
    refused_alone: BTreeSet<RemoteId>,
}

impl Split {
    /// Returns a batch of which nothing is sent yet. `aside` are the campaigns of `ids` that are sent by themselves.
    /// The ways are tried in their order. A request that is answered with 429 is sent `patience` times in total.
    #[must_use]
    pub fn new(ids: BTreeSet<RemoteId>, aside: &BTreeSet<RemoteId>, ways: &[Way], patience: u8) -> Self {
        let task = |ids, whole| Task { way: 0, ids, whole, in_doubt: !whole, broke: false, rate_limited: 0 };
        let mut tasks: Vec<Task> = ids.intersection(aside).map(|id| task([*id].into(), false)).collect();
        let together: Vec<RemoteId> = ids.difference(aside).copied().collect();
        // The last task goes first.
        tasks.extend(together.chunks(MOST_IDS).rev().map(|ids| task(ids.iter().copied().collect(), true)));
        Self { ways: ways.iter().map(|way| (*way, Known::default())).collect(), patience, tasks, ..Self::default() }
    }

    /// Returns the next request that may leave now; `None` while answers have to come first, and when the batch is
    /// over.
    pub fn next_attempt(&mut self) -> Option<Attempt> {
        loop {
            let in_doubt = self.in_flight.values().filter(|task| task.in_doubt).count();
            let bound = if self.has_taken() { MOST_REFUSALS } else { MOST_WITHOUT_SUCCESS };
            let may_leave = in_doubt < MOST_AT_ONCE && self.refusals + in_doubt < bound;
            let position = self.tasks.iter().rposition(|task| may_leave || !task.in_doubt);
            let Some(task) = position.map(|position| self.tasks.remove(position)) else {
                if self.in_flight.is_empty() {
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
                    self.in_flight.insert(id, task);
                    return Some(attempt);
                }
                None => self.end_without(task),
            }
        }
    }

    /// Notes how a request has ended.
    pub fn ended(&mut self, attempt: AttemptId, ended: Ended) {
        let Some(task) = self.in_flight.remove(&attempt) else { return };
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
            Ended::RateLimited(_) if task.rate_limited + 1 < self.patience => {
                self.tasks.push(Task { rate_limited: task.rate_limited + 1, ..task });
            }
            Ended::RateLimited(outcome) | Ended::Other(outcome) => self.settle(task.ids, &outcome),
        }
    }

    /// Returns the outcomes since the last call. Each campaign's outcome is returned once.
    pub fn take_settled(&mut self) -> Vec<(RemoteId, Outcome)> {
        std::mem::take(&mut self.settled)
    }

    /// Whether nothing is left to send and no answer is outstanding.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.tasks.is_empty() && self.in_flight.is_empty()
    }

    /// Returns the campaigns for which no way was found: no way exists ([`Self::has_no_way`]), or the last one does not
    /// know the campaigns. Valid when the batch is over.
    #[must_use]
    pub const fn unserved(&self) -> &BTreeSet<RemoteId> {
        &self.unserved
    }

    /// Returns the reason of a failed request that was the last one for some campaign; `None` if there was no such
    /// failure.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Returns the way that works for all campaigns: all ways before it do not exist. A way that only accepted what
    /// another way refused says nothing about the next batch.
    #[must_use]
    pub fn working_way(&self) -> Option<usize> {
        let first = self.first_way()?;
        self.ways.get(first).filter(|(_, known)| known.has_taken).map(|_| first)
    }

    /// Whether no way exists.
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

    /// Returns the first way that is not known to be missing.
    fn first_way(&self) -> Option<usize> {
        self.ways.iter().position(|(_, known)| known.exists || !known.is_absent)
    }

    /// Moves a task after a refusal to a later way that has accepted campaigns, if its own way has accepted none: then
    /// TrafficStars refuses the way, not the ids.
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

    /// Queues the task by the next way. If the next way takes one campaign a request, a refused task is halved instead.
    /// If others were accepted, a campaign that was refused by itself comes last: its further refusals must not reach
    /// the bound before the others were sent.
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

    /// Ends a task for which all ways were tried.
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

    /// Returns the outcome, or an unclear one: an earlier request for the campaign may have taken effect, although a
    /// later one failed.
    fn with_doubt(&self, id: RemoteId, outcome: Outcome) -> Outcome {
        match (self.doubt.get(&id), outcome) {
            (None, outcome) | (Some(_), outcome @ (Outcome::Accepted | Outcome::Unclear(_))) => outcome,
            (Some(reason), Outcome::Failed(_) | Outcome::NotSent(_) | Outcome::Postponed(_)) => {
                Outcome::Unclear(reason.clone())
            }
        }
    }

    /// Ends the batch, because the bound is reached. If no campaign was accepted, the ids are not the cause: each
    /// campaign fails with its refusal. Otherwise only the campaigns that were refused by themselves fail. The other
    /// campaigns, and those without a refusal, wait for the next tick.
    fn give_up(&mut self) {
        let is_left = self.has_taken();
        for task in std::mem::take(&mut self.tasks) {
            for id in task.ids {
                let own = self.refused.get(&id).filter(|_| !is_left || self.refused_alone.contains(&id)).cloned();
                let left =
                    || Outcome::Postponed("it is sent at the next tick: too many others were refused".to_owned());
                let outcome = own.map_or_else(left, Outcome::Failed);
                self.settle([id].into(), &outcome);
            }
        }
    }
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
