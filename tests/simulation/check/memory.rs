//! What the shadow remembers of one campaign beyond `world`: when a run that failed may be tried again, which end times
//! are owed, and whether others contest it.

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

/// "A run that fails is tried again after 1, 2, 4, 8, then every 15 minutes".
const RETRY_MINUTES: [i64; 5] = [1, 2, 4, 8, 15];

/// Whether an activation that is due waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wait {
    MustNot,
    May,
    Must,
}

/// What of a campaign "changes" when a run that failed is worth another try at once. The end time is not among it: the
/// attempt itself has set it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Looks(Option<bool>, [Option<String>; 3], bool, bool);

impl Looks {
    fn of(read: &RemoteCampaign) -> Self {
        let words = [&read.status, &read.approved, &read.stopped].map(Clone::clone);
        Self(read.active, words, read.no_funds, read.archived)
    }
}

/// After a run that failed.
#[derive(Debug, Clone)]
struct Backoff {
    /// It must wait until then, unless the remote changes; none where it need not.
    must_until: Option<DateTime<Utc>>,
    may_until: DateTime<Utc>,
    line: usize,
    /// The read that showed the failure said that the funds are gone: it waits for them alone.
    without_funds: bool,
}

/// An end time that is to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owed {
    /// It is known not to be set.
    pub(super) certain: bool,
    /// It was adopted running without one: to the day end. To now after a pause, otherwise.
    pub(super) adopted: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    /// Failed runs in a row: those that surely count, and those that the page leaves open too.
    failures: (usize, usize),
    backoff: Option<Backoff>,
    /// How the remote looked from the run's decision to its failure.
    looked: Vec<Looks>,
    /// How the read looked that showed the failure.
    doubtful: Vec<Looks>,
    pub(super) owed: Option<Owed>,
    last_pause: Option<ActionId>,
    /// The end time of the last activation, or of the last end time that was set alone while it was promised to run.
    own_end_time: Option<DateTime<Utc>>,
    contested: bool,
    last_activation: Option<DateTime<Utc>>,
    /// Observe mode: the decision that was journalled last, by its row.
    pub(super) observed_only: Option<(ActionKind, usize)>,
}

impl Memory {
    pub(super) fn restored(restored: &Restored) -> Self {
        let promise = restored.promise.filter(|promise| promise.end_time_owed);
        let owed = promise.map(|promise| Owed { certain: false, adopted: promise.phase == Phase::ActiveGuarded });
        Self { owed, own_end_time: restored.own_end_time, ..Self::default() }
    }

    /// Before the decision of a tick: what it has read may have changed, and what waited may have ended by it.
    pub(super) fn take_reading(&mut self, place: &Place<'_>, step: &Step<'_>) {
        for (_, effect) in &step.effects {
            if let Effect::Note(Note::Contested { began }) = effect {
                self.contested = *began;
            }
        }
        let read = match step.event {
            // One that is told once more answers no question.
            Event::Observed { operation, observation } => {
                let is_asked = place.observing.is_some_and(|question| question.operation == *operation);
                observation.remote.as_ref().ok().filter(|_| is_asked)
            }
            Event::ReadBack { operation, remote } => {
                let is_asked = place.reading_back.is_some_and(|question| question.operation == *operation);
                remote.as_ref().ok().map(Box::as_ref).filter(|_| is_asked)
            }
            Event::Wake
            | Event::Applied { .. }
            | Event::EndTimeSet { .. }
            | Event::SentUnstored { .. }
            | Event::Disable { .. }
            | Event::DisableIfStopped
            | Event::Process { .. }
            | Event::Force { .. }
            | Event::Hold { .. }
            | Event::HoldAll(_) => None,
        };
        self.take_end(place, step, read);
        let Some(read) = read else { return };
        // "nothing is sent again until funds are back, then within a tick"
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
            // "or at once when the remote changes"; nobody knows how it looked to a process that is gone.
            // What is seen running has come about after all, though a clock that is off shows it as it was.
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
        // One that a pause has overtaken was never seen to fail: the page leaves open whether it counts.
        let surely = (reads || refused) && step.sent().all(|sent| sent.request.kind != ActionKind::Pause);
        let wait = |failures: usize| {
            let minutes = RETRY_MINUTES.get(failures).or(RETRY_MINUTES.last()).copied().unwrap_or_default();
            step.wall + Duration::minutes(minutes)
        };
        let (sure, possible) = self.failures;
        let must_until = surely.then(|| wait(sure));
        // By a read that an odd field keeps from being judged nothing is known of its funds.
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
        // "only where `contested_backoff` is set do activations back off, up to that interval"
        let contested = match (policy.contested_backoff, self.last_activation) {
            (Some(most), Some(last)) if self.contested && wall < last + most => Wait::May,
            (Some(_) | None, Some(_) | None) => Wait::MustNot,
        };
        after_failure.max(contested)
    }

    /// After the whole step.
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
                    // "Pause = pause, then set the end time to now": owed until it is known to be set.
                    self.owed = Some(Owed { certain: true, adopted: false });
                    self.last_pause = Some(sent.request.action);
                }
                ActionKind::SetEndTime => {}
            }
        }
        match step.event {
            // One that is told once more says nothing of what is owed since.
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
            // It is set, whatever became of the answer.
            owed.certain = false;
        }
    }

    /// "an end time that our own activation set beyond today's day end is set anew"
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
