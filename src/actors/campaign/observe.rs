//! The questions of one tick, and what their answers amount to. No actor state: a future that asks and returns.

use std::sync::Arc;

use actix::MailboxError;
use chrono::{DateTime, Duration, NaiveDate, Utc};

use super::Surroundings;
use crate::actors::database::{ReadTick, SaveSpend};
use crate::actors::trafficstar::{ReadSpend, ReadStatus, RemindStatus};
use crate::domain::facts::{CampaignId, Observation, RemainingClicks, Spend, SpendSource};
use crate::domain::nearness::{Stance, Trend};
use crate::domain::policy::Policy;
use crate::domain::remote::{RemoteCampaign, RemoteFault};
use crate::domain::spend::{Counters, Sightings, SourceAnswer, SpendHistory, SpendQuestion};
use crate::error_chain::in_full;
use crate::store::{CampaignRow, SpendRow, TickReading};
use crate::trafficstar::batch::reads::ReadQuestion;

/// Who asks, and about whom.
pub(super) struct Question {
    pub(super) surroundings: Arc<Surroundings>,
    pub(super) campaign: CampaignId,
    /// Who is read, how urgent that is, and in how long a decision may fall due.
    pub(super) read: ReadQuestion,
    /// The policy that was good last; it stays where the row's overrides make none.
    pub(super) policy: Policy,
    pub(super) trend: Trend,
    pub(super) stance: Stance,
    /// What the campaign's own counters have shown since midnight, up to the last tick.
    pub(super) sightings: Sightings,
}

/// Clicks that were read longer ago are read again before they are decided on.
const OLD_CLICKS: Duration = Duration::seconds(1);

/// What a tick has read.
pub(super) struct Reading {
    /// The row, where the database had one to give.
    pub(super) row: Option<CampaignRow>,
    pub(super) policy: Policy,
    pub(super) observation: Observation,
    /// What the campaign's own counters have shown since midnight, this tick included.
    pub(super) sightings: Sightings,
}

impl Reading {
    /// Nobody could be read, this campaign among them. Its spend is unknown for the same reason.
    pub(super) fn is_shared_failure(&self) -> bool {
        matches!(self.observation.remote, Err(RemoteFault::Shared(_))) && self.observation.clicks.is_ok()
    }

    /// What went wrong, in words, the most important first.
    pub(super) fn error(&self) -> Option<String> {
        let Observation { remote, clicks, .. } = &self.observation;
        let clicks = match clicks {
            Ok(clicks) => self.policy.clicks_doubt(clicks),
            Err(reason) => Some(reason.clone()),
        };
        let remote = match remote {
            Ok(_) => None,
            Err(RemoteFault::NotFound) => Some(RemoteFault::NOT_FOUND.to_owned()),
            Err(RemoteFault::Gone) => Some(RemoteFault::GONE.to_owned()),
            Err(RemoteFault::Failed(reason) | RemoteFault::Shared(reason)) => {
                Some(format!("its status could not be read: {reason}"))
            }
        };
        let clicks = clicks.map(|reason| format!("its remaining clicks are in doubt: {reason}"));
        let all: Vec<String> = remote.into_iter().chain(clicks).chain(self.spend_error()).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Why the spend is unknown. What the status says already is not said again.
    fn spend_error(&self) -> Option<String> {
        let reason = self.observation.spend.as_ref().err()?;
        Some(match &self.observation.remote {
            Err(RemoteFault::Shared(_)) => "today's spend is unknown for the same reason".to_owned(),
            Err(RemoteFault::Failed(same)) => {
                format!("today's spend is unknown: {}", reason.replace(same.as_str(), "for the same reason"))
            }
            Ok(_) | Err(RemoteFault::NotFound | RemoteFault::Gone) => format!("today's spend is unknown: {reason}"),
        })
    }
}

/// Finds the facts of one tick. The database first: it takes milliseconds, and says how urgent the rest is.
pub(super) async fn observe(mut question: Question, read_remote: bool, is_gone: bool) -> Reading {
    let asked_at = question.surroundings.clock.now();
    let mut stored = read_stored(&mut question).await;
    let (remote, remote_at) = if read_remote {
        let remote = await_status(&mut question, &mut stored).await;
        (remote.map_err(|fault| fault.of_campaign(is_gone)), question.surroundings.clock.now())
    } else {
        (Err(RemoteFault::Gone), asked_at)
    };
    let Stored { row, clicks, history, .. } = stored;
    let day = question.surroundings.clock.now().date_naive();
    let counters = Counters::of(&remote, day, asked_at, remote_at);
    question.sightings.saw(day, &counters);
    // A campaign that is gone has spent nothing that a report could tell.
    let may_have_report = remote != Err(RemoteFault::Gone);
    let spend = find_spend(&question, day, &counters, may_have_report, asked_at, &history).await;
    if let Ok(spend) = &spend {
        store_spend(&question, *spend, &history);
    }
    let observation = Observation { remote, remote_at, spend, clicks };
    Reading { row, policy: question.policy, observation, sightings: question.sightings }
}

/// Reads the campaign at TrafficStars, to see whether an action shows.
pub(super) async fn read_back(question: Question) -> Result<RemoteCampaign, RemoteFault> {
    of_status(question.surroundings.remote.read_status.send(ReadStatus(question.read)).await)
}

fn of_status(answer: Result<Result<RemoteCampaign, RemoteFault>, MailboxError>) -> Result<RemoteCampaign, RemoteFault> {
    answer.unwrap_or_else(|gone| Err(RemoteFault::Failed(format!("the TrafficStar client is gone: {gone}"))))
}

/// Reads the campaign at TrafficStars: no cached value. Where its turn is long in coming, the clicks are read anew at
/// every point of the grid, since they may make it urgent, and once more in the end, since they are what is decided on.
async fn await_status(question: &mut Question, stored: &mut Stored) -> Result<RemoteCampaign, RemoteFault> {
    let surroundings = Arc::clone(&question.surroundings);
    let remote = &surroundings.remote;
    let mut answer = std::pin::pin!(remote.read_status.send(ReadStatus(question.read)));
    loop {
        let now = question.surroundings.clock.now();
        let wait = question.policy.next_grid_point(now).signed_duration_since(now).to_std().unwrap_or_default();
        let Ok(answer) = tokio::time::timeout(wait, &mut answer).await else {
            // The hold may be released by now, and whatever it kept from being sent is decided at the end of this tick.
            question.stance.on_hold = false;
            *stored = read_stored(question).await;
            remote.remind_status.do_send(RemindStatus(question.read));
            continue;
        };
        let age = question.surroundings.clock.now().signed_duration_since(stored.at);
        if age > OLD_CLICKS {
            *stored = read_stored(question).await;
        }
        return of_status(answer);
    }
}

/// What the database says; from it follows how urgent the status is.
async fn read_stored(question: &mut Question) -> Stored {
    let at = question.surroundings.clock.now();
    let read = question.surroundings.database.read_tick.send(ReadTick(question.campaign)).await;
    let stored = match read {
        Ok(Ok(Some(reading))) => Ok(reading),
        Ok(Ok(None)) => Err(format!("the database has no campaign {} any more", question.campaign)),
        Ok(Err(reason)) => Err(reason),
        Err(gone) => Err(format!("the database actor is gone: {gone}")),
    };
    let (stored, policy) = judge_stored(question, stored, at);
    let clicks = stored.clicks.as_ref().ok().map(|clicks| clicks.count);
    let Question { read, trend, stance, .. } = &*question;
    question.read = ReadQuestion::of_tick(at, read.remote, &policy, trend, clicks, *stance);
    question.policy = policy;
    stored
}

/// What the database said, and when.
struct Stored {
    at: DateTime<Utc>,
    row: Option<CampaignRow>,
    clicks: Result<RemainingClicks, String>,
    history: Result<SpendHistory, String>,
}

/// Overrides that make no policy leave the last good one in force, under which a campaign may be stopped, never started.
fn judge_stored(question: &Question, stored: Result<TickReading, String>, at: DateTime<Utc>) -> (Stored, Policy) {
    let TickReading { row, mut clicks, spends } = match stored {
        Ok(reading) => reading,
        Err(reason) => {
            let stored = Stored { at, row: None, clicks: Err(reason.clone()), history: Err(reason) };
            return (stored, question.policy.clone());
        }
    };
    let (policy, error) = row.policy_or(&question.surroundings.defaults, &question.policy);
    if let Some(error) = error {
        clicks.defect = Some(in_full(&error));
    }
    let stored = Stored { at, row: Some(row), clicks: Ok(clicks), history: spends.map_err(|bad| in_full(&bad)) };
    (stored, policy)
}

/// Today's spend by its sources in order; a report is asked for only where the campaign's own field is not enough.
async fn find_spend(
    question: &Question,
    day: NaiveDate,
    counters: &Counters,
    may_have_report: bool,
    asked_at: DateTime<Utc>,
    history: &Result<SpendHistory, String>,
) -> Result<Spend, String> {
    let clock = &question.surroundings.clock;
    let ask = |now| SpendQuestion {
        counters,
        sightings: &question.sightings,
        history,
        limit: question.policy.spend_limit,
        stored_max_age: question.policy.stored_spend_max_age,
        midnight_doubt: question.policy.midnight_doubt,
        now,
    };
    let needs_report = may_have_report && ask(clock.now()).needs_report();
    let report = if needs_report { read_report(question, asked_at).await } else { SourceAnswer::NoSource };
    let now = clock.now();
    if now.date_naive() != day {
        return Err("it was read across midnight".to_owned());
    }
    ask(now).resolve(&report)
}

async fn read_report(question: &Question, since: DateTime<Utc>) -> SourceAnswer {
    let read = ReadSpend { remote: question.read.remote, urgency: question.read.urgency, since };
    let answer = question.surroundings.remote.read_spend.send(read).await;
    answer.unwrap_or_else(|gone| SourceAnswer::Failed(format!("the TrafficStar client is gone: {gone}")))
}

/// Off the decision's path: nobody waits for it, and one that is lost is replaced by the next tick's.
fn store_spend(question: &Question, spend: Spend, history: &Result<SpendHistory, String>) {
    let max_age = question.policy.stored_spend_max_age;
    if history.as_ref().is_ok_and(|history| !history.lacks(&spend, max_age)) {
        return;
    }
    match spend.source {
        SpendSource::Campaign | SpendSource::Report => {
            let row = SpendRow { campaign: question.campaign, remote: question.read.remote, spend };
            question.surroundings.database.save_spend.do_send(SaveSpend(row));
        }
        SpendSource::Database | SpendSource::None => {}
    }
}
