//! The steps of an action, and that a campaign has one action at a time (RULES.md, "Sent is not done").

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::action::{ActionKind, Outcome, Step as ActionStep};
use traffic_generator::domain::event::{Event, QuestionId};
use traffic_generator::domain::failure::RemoteFault;
use traffic_generator::domain::money::Money;
use traffic_generator::domain::remote::{EndTime, RemoteCampaign};

use super::judge::{self, Remote};
use super::ledger::is_enough;
use super::world::{Doing, Place, Question, Stage, Step, World, is_end};
use super::{Checker, Findings};

/// Rule 5: at most one action per campaign is in flight. Exceptions: nothing waits for a request that sets an end time
/// alone, and a forced pause waits for an answer, but not for a read that shows its effect.
pub(super) struct OneActionInFlight;

impl Checker for OneActionInFlight {
    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let Some(place) = world.place(step.campaign) else { return };
        let mut sent_before = false;
        for sent in step.sent() {
            let pauses = sent.request.kind == ActionKind::Pause;
            let open = place.open().filter(|_| !answers(step, place));
            let ended = open.is_some_and(|doing| step.end_of(doing.id).is_some());
            let in_the_way = open.is_some_and(|doing| match doing.kind {
                ActionKind::SetEndTime | ActionKind::TopUp | ActionKind::DailyBudget => !pauses && !ended,
                ActionKind::Activate | ActionKind::Pause => doing.stage == Stage::InFlight || !ended,
            });
            if in_the_way || sent_before {
                let text =
                    format!("campaign {}: {:?} is sent while {open:?} is under way", step.campaign, sent.request);
                found.report("one-action-in-flight", sent.line, text);
            }
            sent_before = true;
        }
    }
}

/// Whether this step is the answer to the action in flight.
fn answers(step: &Step<'_>, place: &Place<'_>) -> bool {
    let open = place.open().filter(|doing| doing.stage == Stage::InFlight);
    open.is_some_and(|doing| matches!(step.event, Event::Applied { action, .. } if *action == doing.id))
}

/// One read, by which an action may be judged.
struct Reading<'a> {
    question: Question,
    remote: Result<&'a RemoteCampaign, &'a RemoteFault>,
}

impl<'a> Reading<'a> {
    fn of(place: &Place<'_>, step: &Step<'a>) -> Option<Self> {
        let asked = |question: Option<Question>, question_id: QuestionId| {
            question.filter(|question| question.question_id == question_id)
        };
        if let Event::Observed { question_id, observation } = step.event {
            let remote = observation.remote.as_ref();
            return asked(place.observing, *question_id).map(|question| Self { question, remote });
        }
        if let Event::ReadBack { question_id, remote } = step.event {
            let remote = remote.as_ref().map(Box::as_ref);
            return asked(place.reading_back, *question_id).map(|question| Self { question, remote });
        }
        None
    }

    fn shows(&self, doing: &Doing, wall: DateTime<Utc>) -> bool {
        let read = self.remote.cloned().map_err(Clone::clone);
        match doing.kind {
            ActionKind::Activate => judge::remote(&read, wall) == Remote::Running,
            ActionKind::Pause => judge::shows_stopped(&read, wall),
            ActionKind::SetEndTime => {
                self.remote.is_ok_and(|campaign| campaign.end_time == EndTime::At(doing.end_time))
            }
            // More than a top-up is enough: a person may have raised it.
            ActionKind::TopUp => self.budget().is_some_and(|shown| is_enough(shown, doing.max_daily)),
            ActionKind::DailyBudget => self
                .budget()
                .is_some_and(|shown| is_enough(shown, doing.max_daily) && is_enough(doing.max_daily, shown)),
        }
    }

    fn budget(&self) -> Option<Money> {
        self.remote.ok()?.max_daily
    }

    fn is_blocked(&self, wall: DateTime<Utc>) -> bool {
        matches!(judge::remote(&self.remote.cloned().map_err(Clone::clone), wall), Remote::Blocked { .. })
    }
}

/// `requested`, then `accepted`, then `confirmed`; or `failed` with the reason. A read confirms if it was sent after
/// the answer and shows the effect. A refusal fails the action, and so does a read without the effect after
/// `confirm_within`.
pub(super) struct ConfirmedByARead;

impl Checker for ConfirmedByARead {
    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let Some(place) = world.place(step.campaign) else { return };
        let Some(doing) = place.doing.filter(|doing| doing.is_open() || doing.stage == Stage::Postponed) else {
            return;
        };
        let reading = Reading::of(place, step);
        let end = step.end_of(doing.id);
        let judged = Judgement { world, place, step, doing, reading };
        let (line, text) = match end {
            Some((line, ActionStep::Confirmed)) => (line, judged.wrongly_confirmed()),
            Some((line, _)) => (line, judged.wrongly_failed()),
            None => (step.line, judged.wrongly_waits()),
        };
        if let Some(text) = text {
            found.report("confirmed-by-a-read", line, format!("campaign {}: {} {text}", step.campaign, doing.kind));
        }
    }
}

struct Judgement<'a, 'b> {
    world: &'b World<'a>,
    place: &'b Place<'a>,
    step: &'b Step<'a>,
    doing: Doing,
    reading: Option<Reading<'a>>,
}

impl<'a> Judgement<'a, '_> {
    /// Returns the read by which the action may be judged: sent after the action's answer, and answered.
    fn later_reading(&self) -> Option<&Reading<'a>> {
        let Stage::Awaiting { line, .. } = self.doing.stage else { return None };
        let reading = self.reading.as_ref().filter(|reading| reading.question.line > line);
        reading.filter(|reading| reading.remote != Err(&RemoteFault::Late))
    }

    fn wrongly_confirmed(&self) -> Option<String> {
        let accepted = matches!(
            self.step.event,
            Event::Applied { action, outcome: Outcome::Accepted } if *action == self.doing.id
        );
        if accepted && self.doing.kind == ActionKind::SetEndTime {
            return None;
        }
        match self.later_reading() {
            Some(reading) if reading.shows(&self.doing, self.step.wall) => None,
            Some(_) => Some("is confirmed by a read that does not show its effect".to_owned()),
            None => Some("is confirmed without a read that was sent after its answer".to_owned()),
        }
    }

    fn wrongly_failed(&self) -> Option<String> {
        let answered = matches!(
            self.step.event,
            Event::Applied { action, outcome: Outcome::Failed(_) | Outcome::NotSent(_) | Outcome::Postponed(_) | Outcome::Unclear(_) }
                if *action == self.doing.id
        );
        // A pause may overtake an end time; a forced pause may also overtake an activation that was answered.
        let overtaken = self.step.sent().any(|sent| sent.request.kind == ActionKind::Pause);
        if answered || overtaken || self.doing.stage == Stage::Postponed {
            return None;
        }
        let Some(reading) = self.later_reading() else {
            return Some("has failed without an answer or a read that shows it".to_owned());
        };
        if reading.shows(&self.doing, self.step.wall) {
            return Some("has failed by a read that shows its effect".to_owned());
        }
        if self.doing.kind == ActionKind::Activate && reading.is_blocked(self.step.wall) {
            return None;
        }
        let early = self.deadlines().all(|deadline| reading.question.wall < deadline);
        let doubtful = self.since().is_some_and(|line| self.world.clock_set_since(line));
        (early && !doubtful).then(|| "has failed by a read that was sent within `confirm_within`".to_owned())
    }

    fn wrongly_waits(&self) -> Option<String> {
        let reading = self.later_reading()?;
        if reading.shows(&self.doing, self.step.wall) {
            return Some("is not confirmed by a read that shows its effect".to_owned());
        }
        let late = self.deadlines().all(|deadline| reading.question.wall >= deadline);
        let doubtful = self.since().is_some_and(|line| self.world.clock_set_since(line));
        (late && !doubtful).then(|| "has not failed after `confirm_within`".to_owned())
    }

    fn since(&self) -> Option<usize> {
        let Stage::Awaiting { line, .. } = self.doing.stage else { return None };
        Some(line)
    }

    /// Returns the deadline by each policy that the guard may have used, from the moment of acceptance. For an action
    /// of an earlier process that moment is not later than the start of the present one.
    fn deadlines(&self) -> impl Iterator<Item = DateTime<Utc>> {
        let wall = match self.doing.stage {
            Stage::Awaiting { wall, .. } => wall,
            Stage::InFlight | Stage::Postponed | Stage::Confirmed | Stage::Failed => self.step.wall,
        };
        self.place.policies().map(move |policy| wall + policy.confirm_within.max(Duration::zero()))
    }
}

/// The journal keeps each step with its time, and every attempt has an entry of its own.
pub(super) struct JournalSteps;

impl Checker for JournalSteps {
    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let Some(place) = world.place(step.campaign) else { return };
        for (line, entry) in step.entries() {
            let mut report = |text: &str| {
                found.report("journal-steps", line, format!("campaign {}: {entry:?} {text}", step.campaign));
            };
            let timed = match entry.step {
                ActionStep::Requested | ActionStep::ObservedOnly => true,
                ActionStep::Accepted => entry.accepted_at.is_some(),
                ActionStep::Confirmed => entry.confirmed_at.is_some(),
                ActionStep::Failed | ActionStep::Superseded => entry.failed_at.is_some() && entry.error.is_some(),
            };
            if !timed {
                report("lacks the time or the reason of its step");
            }
            let Some(doing) = place.doing.filter(|doing| doing.id == entry.id) else { continue };
            let over = matches!(doing.stage, Stage::Confirmed | Stage::Failed);
            if over && !is_end(entry.step) {
                report("gets another step after its end");
            }
            if doing.kind != entry.kind {
                report("has become another action");
            }
        }
        for sent in step.sent() {
            let Some(entry) = sent.entry else {
                let text = format!(
                    "campaign {}: {:?} is sent without an entry that was stored before it",
                    step.campaign, sent.request
                );
                found.report("journal-before-sending", sent.line, text);
                continue;
            };
            if entry.kind != sent.request.kind || entry.step != ActionStep::Requested {
                let text = format!("campaign {}: {:?} is sent for {entry:?}", step.campaign, sent.request);
                found.report("journal-before-sending", sent.line, text);
            }
        }
    }
}
