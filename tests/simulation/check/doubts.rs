//! A campaign that is unknown or blocked, but switched on, is paused; one that is out of funds is not run.

use std::collections::BTreeMap;

use traffic_generator::domain::action::{ActionKind, Step as ActionStep};
use traffic_generator::domain::event::Event;
use traffic_generator::domain::failure::RemoteFault;
use traffic_generator::domain::policy::Mode;
use traffic_generator::domain::remote::{EndTime, RemoteCampaign};

use super::judge::{self, ClickClass, Remote, SpendClass};
use super::world::{Place, Stage, Step, World};
use super::{Checker, Findings};
use crate::model::log::{Line, Seen, What};

/// `may-run-is-paused`: while `active: true` is known, the row of used-up clicks pauses, and so does the policy `pause`
/// from the limit on. Other odd or missing fields, and blocks, do not matter.
#[derive(Debug, Default)]
pub(super) struct MayRunIsPaused;

impl Checker for MayRunIsPaused {
    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let (Some(place), Some(seen)) = (world.place(step.campaign), step.seen) else { return };
        if !demands_a_pause(seen, step) || !may_be_decided(place, step, seen) {
            return;
        }
        if step.sent().all(|sent| sent.request.kind != ActionKind::Pause) {
            let text = format!("campaign {}: switched on, must stop, not paused: {:?}", step.campaign, seen.remote);
            found.report("may-run-is-paused", step.line, text);
        }
    }
}

/// Whether the raw fields alone demand a pause.
fn demands_a_pause(seen: &Seen, step: &Step<'_>) -> bool {
    let Ok(campaign) = &seen.remote else { return false };
    let timezone_known = campaign.odd_fields.iter().all(|field| field.name != "schedule_timezone");
    // In another time zone an end time means another moment; the checker of the decision table covers that.
    let may_have_ended = matches!(campaign.end_time, EndTime::At(end) if end <= judge::theirs(campaign, step.wall))
        || (timezone_known && campaign.schedule_timezone.is_some_and(|hours| hours != 0));
    let spend = judge::spend_class(judge::spend(seen, step.wall), &seen.policy);
    let used_up = judge::clicks(&seen.clicks, spend, &seen.policy) == ClickClass::UsedUp;
    let must_stop = match spend {
        SpendClass::Standstill => true,
        SpendClass::Reached => false,
        SpendClass::Unknown | SpendClass::Below | SpendClass::Above => used_up,
    };
    campaign.active == Some(true) && campaign.status.as_deref() != Some("paused") && !may_have_ended && must_stop
}

/// Whether the guard may decide: no order is under way, no hold without `pause` is in force, and no action is under
/// way.
fn may_be_decided(place: &Place<'_>, step: &Step<'_>, seen: &Seen) -> bool {
    let Event::Observed { question_id, .. } = step.event else { return false };
    let asked = place.observing.filter(|question| question.question_id == *question_id);
    let is_new = asked.is_some_and(|question| question.line >= place.changed_line);
    let busy = place.open().is_some_and(|doing| {
        doing.kind != ActionKind::SetEndTime && (doing.stage == Stage::InFlight || step.end_of(doing.id).is_none())
    });
    let held = place.holding(step.wall).is_some_and(|hold| !hold.pause);
    is_new && !busy && !held && !place.disabling && place.forced.is_none() && seen.policy.mode == Mode::Act
}

/// `out-of-funds-fails-at-once`: a run that is read back as out of funds has failed at once.
/// `no-run-without-funds`: no run is sent while the latest read shows that the funds are gone.
#[derive(Debug, Default)]
pub(super) struct OutOfFunds {
    /// By campaign: whether the latest read showed it out of funds.
    without: BTreeMap<usize, bool>,
}

impl Checker for OutOfFunds {
    fn line(&mut self, _world: &World<'_>, _index: usize, line: &Line, _found: &mut Findings) {
        match &line.what {
            What::Started { .. } | What::Crashed => self.without.clear(),
            What::Gone { campaign } => drop(self.without.remove(campaign)),
            _ => {}
        }
    }

    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let Some(place) = world.place(step.campaign) else { return };
        if let Some((asked_line, read)) = reading(place, step) {
            let shown = judge::remote(&read.cloned().map_err(Clone::clone), step.wall);
            let without = read.is_ok_and(out_of_funds) && matches!(shown, Remote::Blocked { .. });
            let run = place.open().filter(|doing| doing.kind == ActionKind::Activate);
            let waits = run.filter(|run| matches!(run.stage, Stage::Awaiting { line, .. } if asked_line > line));
            if let Some(run) = waits.filter(|_| without)
                && step.end_of(run.id).map(|(_, end)| end) != Some(ActionStep::Failed)
            {
                let text = format!("campaign {}: {run:?} is read back out of funds, and has not failed", step.campaign);
                found.report("out-of-funds-fails-at-once", step.line, text);
            }
            if read.is_ok() {
                self.without.insert(step.campaign, without);
            }
        }
        let without = self.without.get(&step.campaign).copied().unwrap_or_default();
        if let Some(sent) = step.sent().find(|sent| without && sent.request.kind == ActionKind::Activate) {
            let text = format!("campaign {}: it is run, though the latest read showed it out of funds", step.campaign);
            found.report("no-run-without-funds", sent.line, text);
        }
    }
}

/// Returns the step's read, and the line at which it was requested.
fn reading<'a>(place: &Place<'a>, step: &Step<'a>) -> Option<(usize, Result<&'a RemoteCampaign, &'a RemoteFault>)> {
    match step.event {
        Event::Observed { question_id, observation } => {
            let question = place.observing.filter(|question| question.question_id == *question_id)?;
            Some((question.line, observation.remote.as_ref()))
        }
        Event::ReadBack { question_id, remote } => {
            let question = place.reading_back.filter(|question| question.question_id == *question_id)?;
            Some((question.line, remote.as_ref().map(Box::as_ref)))
        }
        _ => None,
    }
}

/// Whether it is out of funds: `no_funds`, `no_funds_paused`, `no_funds_active`, `stopped: no_funds`.
pub(super) fn out_of_funds(campaign: &RemoteCampaign) -> bool {
    let word = campaign.status.as_deref();
    campaign.no_funds
        || campaign.stopped.as_deref() == Some("no_funds")
        || word.is_some_and(|word| word.starts_with("no_funds_"))
}
