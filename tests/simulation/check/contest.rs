//! Contested campaigns (RULES.md, "Contested"). Each change that the program did not request counts. More than
//! `contested_after` (6) in an hour mark the campaign, with one event. An hour without a foreign change lifts the mark.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::action::{ActionKind, Step as ActionStep};
use traffic_generator::domain::event::{Effect, Event, Note};
use traffic_generator::domain::policy::Mode;
use traffic_generator::domain::remote::{EndTime, RemoteCampaign};

use super::judge::{self, Remote};
use super::world::{Place, Stage, Step, World};
use super::{Checker, Findings};
use crate::model::log::{By, Line, Seen, What};

const HOUR: Duration = Duration::hours(1);
/// How long changes are kept. After the clock was set back, older ones may be within the last hour again.
const REMEMBERED_FOR: Duration = Duration::hours(3);
/// How long an action that failed, or that a killed process sent, may still take effect. In this time no change counts
/// with certainty as a change of others.
const LATE_EFFECT: Duration = Duration::minutes(10);
/// How long a change may be in force before a read shows it.
const SHOWN_LATE: Duration = Duration::minutes(1);

#[derive(Debug, Clone, Default)]
struct History {
    /// Whether it runs, by the last read or the last confirmed action; `None` while unknown.
    known: Option<bool>,
    /// When `known` was last set.
    known_at: Option<DateTime<Utc>>,
    /// The last change by others.
    others_at: Option<DateTime<Utc>>,
    /// When its end time last passed.
    ended_at: Option<DateTime<Utc>>,
    /// The last change by an action of the guard.
    own_at: Option<DateTime<Utc>>,
    /// When it was last uncertain what the guard's own requests had done.
    doubt_at: Option<DateTime<Utc>>,
    our_end_times: VecDeque<DateTime<Utc>>,
    end_time: Option<EndTime>,
    /// The last seen end time that alone kept it stopped.
    ended_by: Option<EndTime>,
    /// Whether it was blocked or unreadable since `known` was last set.
    unseen: bool,
    /// The line at which `known` was last set.
    known_line: usize,
    changes: VecDeque<(DateTime<Utc>, usize)>,
    changed_line: usize,
    contested: bool,
}

/// `foreign-is-foreign`, `contested-is-counted`.
#[derive(Debug, Default)]
pub(super) struct Contested {
    histories: BTreeMap<usize, History>,
}

impl Checker for Contested {
    fn line(&mut self, _world: &World<'_>, _index: usize, line: &Line, _found: &mut Findings) {
        match &line.what {
            What::Switched { campaign, by, .. } => {
                let history = self.histories.entry(*campaign).or_default();
                match by {
                    // The guard cannot tell its own late or repeated requests from the changes of others.
                    By::Others | By::TrafficStars | By::Again => history.others_at = Some(line.at),
                    By::EndTime => history.ended_at = Some(line.at),
                    By::Guard => history.own_at = Some(line.at),
                }
            }
            What::Touched { campaign } => self.histories.entry(*campaign).or_default().others_at = Some(line.at),
            What::Started { .. } | What::Crashed => {
                self.histories.values_mut().for_each(|history| history.begin(line.at));
            }
            What::Enabled(restored) => self.histories.entry(restored.campaign).or_default().begin(line.at),
            What::Gone { campaign } => self.histories.entry(*campaign).or_default().begin(line.at),
            _ => {}
        }
    }

    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let Some(place) = world.place(step.campaign) else { return };
        let history = self.histories.entry(step.campaign).or_default();
        let mut report = |checker: &'static str, text: String| {
            found.report(checker, step.line, format!("campaign {}: {text}", step.campaign));
        };
        let foreign = step.effects.iter().find_map(|(_, effect)| match effect {
            Effect::Note(Note::ForeignChange { running }) => Some(*running),
            _ => None,
        });
        let shown =
            step.seen.filter(|_| is_decided(place, step)).map(|seen| (seen, judge::remote(&seen.remote, step.wall)));
        if let Some(running) = foreign {
            if let Some(text) = history.not_foreign(world, step, shown, running) {
                report("foreign-is-foreign", text);
            }
            history.changes.push_back((step.wall, step.line));
            history.changed_line = step.line;
        } else if let Some((_, remote)) = shown
            && let Some(text) = history.missed(world, place, step, remote)
        {
            report("foreign-is-foreign", text);
        }
        history.count(world, place, step, shown.is_some(), &mut report);
        history.learn(place, step, shown);
    }
}

/// Whether this tick's read may count as a change of others: no action is under way.
fn is_decided(place: &Place<'_>, step: &Step<'_>) -> bool {
    let Event::Observed { question_id, .. } = step.event else { return false };
    let Some(question) = place.observing.filter(|question| question.question_id == *question_id) else { return false };
    let settled = place.open().is_none_or(|doing| {
        let over = matches!(doing.stage, Stage::Awaiting { .. }) && step.end_of(doing.id).is_some();
        let mode = step.seen.map(|seen| seen.policy.mode);
        over || (doing.kind == ActionKind::SetEndTime && mode == Some(Mode::Act))
    });
    settled && question.line >= place.changed_line
}

/// Returns the end time; `None` if the campaign is switched off.
fn end_time_if_switched_on(campaign: &RemoteCampaign) -> Option<EndTime> {
    let is_on = campaign.active == Some(true) && campaign.status.as_deref() != Some("paused");
    is_on.then(|| campaign.end_time.clone())
}

impl History {
    fn begin(&mut self, at: DateTime<Utc>) {
        self.doubt_at = Some(at);
        (self.known, self.ended_by, self.contested) = (None, None, false);
        self.changes.clear();
    }

    fn is_doubtful(&self, at: DateTime<Utc>) -> bool {
        self.doubt_at.is_some_and(|doubt_at| at - doubt_at < LATE_EFFECT)
    }

    fn not_foreign(
        &self,
        world: &World<'_>,
        step: &Step<'_>,
        shown: Option<(&Seen, Remote)>,
        running: bool,
    ) -> Option<String> {
        let Some((seen, remote)) = shown else {
            return Some("a foreign change is reported without a read that shows one".to_owned());
        };
        if (remote == Remote::Running) != running || !(running || remote.is_stopped()) {
            return Some(format!("a foreign change to running: {running} is reported, but the campaign is {remote:?}"));
        }
        // A report is wrong only where the guard itself or the end time certainly made the change.
        let since = self.known_at? - SHOWN_LATE;
        // If a change of ours soon followed one of theirs, either may show in a read that is older than the other.
        let since = self.own_at.filter(|at| *at >= since).map_or(since, |at| since.min(at - SHOWN_LATE));
        let by_others = self.others_at.is_some_and(|at| at >= since);
        let end_is_ours = seen.remote.as_ref().is_ok_and(|campaign| match campaign.end_time {
            // With a late clock the guard does not see that the end time has passed, so it cannot name the cause.
            EndTime::At(end) => end <= step.wall && self.our_end_times.contains(&end),
            EndTime::Unset | EndTime::Unreadable(_) => false,
        });
        // An end time that the guard did not set is a foreign change, before it passes and after, by any clock.
        let has_passed =
            seen.remote.as_ref().is_ok_and(|remote| matches!(remote.end_time, EndTime::At(end) if end <= step.at));
        let shows_end = remote == Remote::Stopped { by_end_time: true };
        let ended = shows_end || has_passed || self.ended_at.is_some_and(|at| at >= since);
        let edited = self.end_time != seen.remote.as_ref().ok().map(|campaign| campaign.end_time.clone());
        let by_end_time = (ended || edited) && !end_is_ours;
        let doubtful = self.is_doubtful(step.at) || self.unseen || world.clock_set_since(self.known_line);
        (!doubtful && !by_others && !by_end_time)
            .then(|| "a change that no one else made counts as a foreign change".to_owned())
    }

    fn missed(&self, world: &World<'_>, place: &Place<'_>, step: &Step<'_>, remote: Remote) -> Option<String> {
        // The late effect of an action that failed is the guard's own change.
        let cut_short = place.doing.is_some_and(|doing| {
            doing.kind == ActionKind::Activate && matches!(doing.stage, Stage::Failed | Stage::Postponed)
        });
        if self.is_doubtful(step.at) || cut_short || world.clock_set_since(self.known_line) {
            return None;
        }
        let runs = match remote {
            Remote::Running => true,
            Remote::Stopped { by_end_time: false } => false,
            Remote::Stopped { by_end_time: true } | Remote::Blocked { .. } | Remote::Unknown { .. } => return None,
        };
        // An end time passes once. If the campaign runs with the end time by which it had ended, it never ended. Then
        // the clock was set between the read and the decision, so the known clock difference was wrong. Another end
        // time is foreign.
        let end_time = step.seen.and_then(|seen| seen.remote.as_ref().ok()).map(|campaign| &campaign.end_time);
        if runs && self.ended_by.is_some() && self.ended_by.as_ref() == end_time {
            return None;
        }
        (self.known == Some(!runs)).then(|| format!("it is {remote:?}, not by the guard, and is not counted"))
    }

    fn count(
        &mut self,
        world: &World<'_>,
        place: &Place<'_>,
        step: &Step<'_>,
        shown: bool,
        report: &mut impl FnMut(&'static str, String),
    ) {
        let doubtful = self.changes.front().is_some_and(|(_, line)| world.clock_set_since(*line));
        let last = self.changes.back().copied();
        while self.changes.front().is_some_and(|(at, _)| *at <= step.wall - REMEMBERED_FOR) {
            self.changes.pop_front();
        }
        let in_an_hour = self.changes.iter().filter(|(at, _)| *at > step.wall - HOUR).count();
        let reported = step.effects.iter().find_map(|(_, effect)| match effect {
            Effect::Note(Note::Contested { began }) => Some(*began),
            _ => None,
        });
        let most = place
            .policies()
            .map(|policy| policy.contested_after)
            .chain(step.seen.map(|seen| seen.policy.contested_after));
        let (least, most) = most.fold((u32::MAX, 0), |(least, most), after| (least.min(after), most.max(after)));
        let count = u32::try_from(in_an_hour).unwrap_or(u32::MAX);
        match reported {
            Some(true) if count <= least && !doubtful => {
                report("contested-is-counted", format!("contested by {count} changes"))
            }
            Some(true) if self.contested => report("contested-is-counted", "contested, and reported again".to_owned()),
            Some(false) if last.is_some_and(|(at, _)| at > step.wall - HOUR) && !doubtful => {
                report("contested-is-counted", "no longer contested within an hour of the last change".to_owned());
            }
            None if !self.contested && count > most && !doubtful => {
                report("contested-is-counted", format!("{count} changes in an hour do not mark it contested"));
            }
            None if self.contested && shown && count == 0 && !world.clock_set_since(self.changed_line) => {
                report("contested-is-counted", "still contested after an hour without a change".to_owned());
            }
            Some(_) | None => {}
        }
        self.contested = reported.unwrap_or(self.contested);
        if reported == Some(false) {
            self.changes.clear();
        }
    }

    fn learn(&mut self, place: &Place<'_>, step: &Step<'_>, shown: Option<(&Seen, Remote)>) {
        // An action that sets an end time alone does not change whether the campaign runs.
        if let Some(doing) = place.doing.filter(|doing| doing.kind != ActionKind::SetEndTime)
            && let Some((_, end)) = step.end_of(doing.id)
        {
            match (end, doing.kind) {
                (ActionStep::Confirmed, ActionKind::Activate) => self.known = Some(true),
                (ActionStep::Confirmed, ActionKind::Pause) => self.known = Some(false),
                (ActionStep::Failed | ActionStep::Superseded, ActionKind::Activate | ActionKind::Pause) => {
                    self.known = None;
                }
                (_, _) => {}
            }
            (self.known_at, self.known_line, self.ended_by) = (Some(step.at), step.line, None);
            if end.came_to_nothing() {
                self.doubt_at = Some(step.at);
            }
        }
        if let Some((seen, remote)) = shown {
            self.end_time = seen.remote.as_ref().ok().map(|campaign| campaign.end_time.clone());
            self.unseen = matches!(remote, Remote::Blocked { .. } | Remote::Unknown { .. });
            if !self.unseen {
                (self.known, self.known_at) = (Some(remote == Remote::Running), Some(seen.answered_at));
                self.known_line = step.line;
                let ended = seen.remote.as_ref().ok().filter(|_| remote == Remote::Stopped { by_end_time: true });
                self.ended_by = ended.and_then(end_time_if_switched_on);
            }
        }
        for sent in step.sent() {
            self.our_end_times.push_back(sent.request.end_time);
            if self.our_end_times.len() > 8 {
                self.our_end_times.pop_front();
            }
            if sent.request.kind != ActionKind::SetEndTime {
                (self.known, self.ended_by) = (None, None);
            }
        }
        if place.doing.is_some_and(|doing| matches!(doing.stage, Stage::Postponed)) {
            self.doubt_at = Some(step.at);
        }
    }
}
