//! What the shadow remembers of one campaign in addition to `world`: when a failed run may be tried again, which end
//! times are owed, and whether it is contested.

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::action::{ActionId, ActionKind, Outcome, Step as ActionStep};
use traffic_generator::domain::event::{Effect, Event, Note};
use traffic_generator::domain::failure::RemoteFault;
use traffic_generator::domain::phase::Phase;
use traffic_generator::domain::policy::Policy;
use traffic_generator::domain::remote::{EndTime, RemoteCampaign};

use super::doubts::out_of_funds;
use super::judge::{self, Remote};
use super::world::{Place, Stage, Step, World};
use crate::model::log::{Restored, Seen};

/// The minutes after which a failed run is tried again; the last number repeats.
const RETRY_MINUTES: [i64; 5] = [1, 2, 4, 8, 15];

/// Whether an activation that is due waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wait {
    MustNot,
    May,
    Must,
}

/// The fields of a campaign whose change lets a failed run be tried again at once. The end time is not one of them,
/// since the failed attempt itself has set it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Looks(Option<bool>, [Option<String>; 3], bool, bool);

impl Looks {
    fn of(read: &RemoteCampaign) -> Self {
        let words = [&read.status, &read.approved, &read.stopped].map(Clone::clone);
        Self(read.active, words, read.no_funds, read.archived)
    }
}

/// The wait after a failed run.
#[derive(Debug, Clone)]
struct Backoff {
    /// Until when it has to wait, unless the remote changes; `None` if the rules do not say.
    must_until: Option<DateTime<Utc>>,
    /// Until when it may wait.
    may_until: DateTime<Utc>,
    line: usize,
    /// Whether the read that showed the failure said that the funds are gone: then the run waits for funds alone.
    without_funds: bool,
}

/// An end time that has to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owed {
    /// Whether it is certain that it is not set.
    pub(super) certain: bool,
    /// Whether it is owed because the campaign was adopted running without one: then it is the day end. Else it follows
    /// a pause, and is the moment of the pause.
    pub(super) adopted: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    /// Failed runs in a row: those that certainly count, and all that may count by RULES.md.
    failures: (usize, usize),
    backoff: Option<Backoff>,
    /// The remote's fields from the decision to run until the run failed.
    looked: Vec<Looks>,
    /// The remote's fields in the reads that showed the failure.
    doubtful: Vec<Looks>,
    pub(super) owed: Option<Owed>,
    last_pause: Option<ActionId>,
    /// The last end time that the guard set with an activation, or alone in a campaign that is promised to run.
    own_end_time: Option<DateTime<Utc>>,
    contested: bool,
    last_activation: Option<DateTime<Utc>>,
    /// The decision that observe mode last journalled: its kind and its row.
    pub(super) observed_only: Option<(ActionKind, usize)>,
}

impl Memory {
    pub(super) fn restored(restored: &Restored) -> Self {
        let promise = restored.promise.filter(|promise| promise.end_time_owed);
        let owed = promise.map(|promise| Owed { certain: false, adopted: promise.phase == Phase::ActiveGuarded });
        Self { owed, own_end_time: restored.own_end_time, ..Self::default() }
    }

    /// Takes in a tick's read, before its decision. The read may show a change, or end an action.
    pub(super) fn take_reading(&mut self, place: &Place<'_>, step: &Step<'_>) {
        for (_, effect) in &step.effects {
            if let Effect::Note(Note::Contested { began }) = effect {
                self.contested = *began;
            }
        }
        let read = place.read_of(step);
        self.take_end(place, step, read);
        let Some(read) = read else { return };
        // While the funds are gone nothing is sent; once they are back, the next tick may run it.
        self.backoff.take_if(|backoff| backoff.without_funds && !out_of_funds(read));
        let looks = Looks::of(read);
        let runs = judge::remote(&Ok(read.clone()), step.wall) == Remote::Running;
        let ended = place.doing.and_then(|doing| step.end_of(doing.id));
        let runs_open = place.open().is_some_and(|doing| doing.kind == ActionKind::Activate);
        if matches!(step.event, Event::ReadBack { .. }) {
            match (runs_open, ended) {
                (true, None) => self.looked.push(looks),
                (true, Some(_)) => self.doubtful.push(looks),
                (false, _) => {}
            }
            return;
        }
        if runs_open && ended.is_none() {
            self.looked.push(looks);
        } else if let Some(backoff) = &mut self.backoff {
            // "At once when the remote changes": a new process does not know the fields before its start. A campaign
            // that is seen running did start after all, even if a wrong clock makes its fields look unchanged.
            if self.looked.is_empty() || (runs && self.looked.contains(&looks)) {
                backoff.must_until = None;
            } else if !self.looked.contains(&looks) && !self.doubtful.contains(&looks) {
                self.backoff = None;
            } else if self.looked.iter().chain(&self.doubtful).any(|other| *other != looks) {
                backoff.must_until = None;
            }
        }
    }

    fn take_end(&mut self, place: &Place<'_>, step: &Step<'_>, read: Option<&RemoteCampaign>) {
        let Some(doing) = place.doing.filter(|doing| doing.is_open() || doing.stage == Stage::Postponed) else {
            return;
        };
        let Some((_, end)) = step.end_of(doing.id) else { return };
        if end == ActionStep::Confirmed && doing.kind == ActionKind::SetEndTime {
            self.owed = None;
        }
        if doing.kind != ActionKind::Activate {
            return;
        }
        if end == ActionStep::Confirmed {
            (self.failures, self.backoff) = ((0, 0), None);
            return;
        }
        let unsent = matches!(step.event, Event::Applied { outcome: Outcome::NotSent(_) | Outcome::Postponed(_), .. });
        if unsent || doing.stage == Stage::Postponed {
            return;
        }
        let reads = matches!(step.event, Event::Observed { .. } | Event::ReadBack { .. });
        let refused = matches!(step.event, Event::Applied { outcome: Outcome::Failed(_), .. });
        // A run that a pause overtook did not visibly fail. RULES.md does not say whether it counts.
        let surely = (reads || refused) && step.sent().all(|sent| sent.request.kind != ActionKind::Pause);
        let wait = |failures: usize| {
            let minutes = RETRY_MINUTES.get(failures).or(RETRY_MINUTES.last()).copied().unwrap_or_default();
            step.wall + Duration::minutes(minutes)
        };
        let (sure, possible) = self.failures;
        let must_until = surely.then(|| wait(sure));
        // If an odd field makes the status unknown, the read does not prove that the funds are gone.
        let shows_it = |read: &RemoteCampaign| {
            out_of_funds(read) && matches!(judge::remote(&Ok(read.clone()), step.wall), Remote::Blocked { .. })
        };
        let without_funds = surely && read.is_some_and(shows_it);
        self.backoff = Some(Backoff { must_until, may_until: wait(possible), line: step.line, without_funds });
        self.failures = (sure + usize::from(surely), possible + 1);
    }

    /// Whether an activation that is due waits for a backoff.
    pub(super) fn backs_off(&self, world: &World<'_>, wall: DateTime<Utc>, policy: &Policy) -> Wait {
        let after_failure = match &self.backoff {
            Some(backoff) if world.clock_set_since(backoff.line) => Wait::May,
            Some(backoff) if backoff.must_until.is_some_and(|until| wall < until) => Wait::Must,
            Some(backoff) if wall < backoff.may_until => Wait::May,
            Some(_) | None => Wait::MustNot,
        };
        // Activations back off only if `contested_backoff` is set, for at most that time.
        let contested = match (policy.contested_backoff, self.last_activation) {
            (Some(most), Some(last)) if self.contested && wall < last + most => Wait::May,
            (Some(_) | None, Some(_) | None) => Wait::MustNot,
        };
        after_failure.max(contested)
    }

    /// Takes in the whole step.
    pub(super) fn take_step(&mut self, place: &Place<'_>, step: &Step<'_>) {
        for sent in step.sent() {
            match sent.request.kind {
                ActionKind::Activate => {
                    self.own_end_time = Some(sent.request.end_time);
                    self.owed = None;
                    self.last_activation = Some(step.wall);
                    self.doubtful.clear();
                    self.looked =
                        step.seen.and_then(|seen| seen.remote.as_ref().ok()).map(Looks::of).into_iter().collect();
                }
                ActionKind::Pause => {
                    // After a pause the end time is owed until it is known to be set.
                    self.owed = Some(Owed { certain: true, adopted: false });
                    self.last_pause = Some(sent.request.action);
                }
                ActionKind::SetEndTime | ActionKind::TopUp | ActionKind::DailyBudget => {}
            }
        }
        match step.event {
            // An event that is delivered twice says nothing about a newer debt.
            Event::EndTimeSet { action, outcome: Outcome::Accepted }
                if self.last_pause == Some(*action) && place.end_times_underway.contains(action) =>
            {
                self.owed = None;
            }
            Event::Applied { action, outcome: outcome @ (Outcome::Accepted | Outcome::Unclear(_)) } => {
                let sets = place.open().filter(|doing| doing.id == *action && doing.kind == ActionKind::SetEndTime);
                if let Some(doing) = sets {
                    self.own_end_time = Some(doing.end_time);
                    self.owed = self.owed.filter(|_| *outcome != Outcome::Accepted);
                }
            }
            Event::Observed { .. } => self.take_adoption(place, step),
            Event::Wake
            | Event::ReadBack { .. }
            | Event::Applied { .. }
            | Event::EndTimeSet { .. }
            | Event::SentUnstored { .. }
            | Event::Disable { .. }
            | Event::DisableIfStopped
            | Event::Process { .. }
            | Event::Force { .. }
            | Event::Hold { .. }
            | Event::HoldAll(_) => {}
        }
    }

    fn take_adoption(&mut self, place: &Place<'_>, step: &Step<'_>) {
        let Some(seen) = step.seen else { return };
        let activates = step.sent().any(|sent| sent.request.kind == ActionKind::Activate);
        if step.phase == Phase::ActiveGuarded && place.phase != Phase::ActiveGuarded && !activates {
            self.owed = Self::owed_on_adoption(&seen.policy, &seen.remote);
        }
        let passed = judge::remote(&seen.remote, step.wall) == Remote::Stopped { by_end_time: true };
        if let Some(owed) = &mut self.owed
            && passed
        {
            // The end time is set, though the answer may not have said so.
            owed.certain = false;
        }
    }

    /// Whether the guard itself has set an end time that is later than today's day end: such an end time is set again.
    pub(super) fn has_set_too_late_an_end_time(&self, seen: &Seen, wall: DateTime<Utc>) -> bool {
        let shown = seen.remote.as_ref().ok().map(|campaign| &campaign.end_time);
        let day_end = wall.date_naive().and_time(seen.policy.day_end).and_utc();
        self.own_end_time.is_some_and(|own| own > day_end && shown == Some(&EndTime::At(own)))
    }

    /// `adopt_sets_end_time`: a campaign that is adopted running without an end time gets one (RULES.md, "Decisions").
    pub(super) fn owed_on_adoption(policy: &Policy, read: &Result<RemoteCampaign, RemoteFault>) -> Option<Owed> {
        let unset = read.as_ref().is_ok_and(|campaign| campaign.end_time == EndTime::Unset);
        (policy.adopt_sets_end_time && unset).then_some(Owed { certain: true, adopted: true })
    }
}
