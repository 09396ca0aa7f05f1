//! The questions of one tick, and what their answers amount to. No actor state: a future that asks and returns.

use std::pin::Pin;
use std::sync::Arc;

use actix::MailboxError;
use chrono::{DateTime, Duration, Utc};

use super::Surroundings;
use crate::actors::database::{ReadTick, SaveSpend};
use crate::actors::trafficstar::{ReadSpend, ReadStatus};
use crate::clock::Clock;
use crate::domain::facts::{CampaignId, Observation, RemainingClicks, Spend, SpendSource};
use crate::domain::nearness::{Stance, Trend};
use crate::domain::policy::Policy;
use crate::domain::remote::{RemoteCampaign, RemoteFault};
use crate::domain::spend::{Counters, Sightings, SourceAnswer, SpendHistory, SpendQuestion, of_late_report};
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

/// For that the database has so long, though the tick should have ended: it is asked when everything else has come.
const READ_AGAIN_WITHIN: Duration = Duration::seconds(2);

/// What a tick has read.
pub(super) struct Reading {
    /// The row, where the database had one to give.
    pub(super) row: Option<CampaignRow>,
    pub(super) policy: Policy,
    pub(super) observation: Observation,
    /// What the campaign's own counters have shown since midnight, this tick included.
    pub(super) sightings: Sightings,
    /// The status or the clicks did not come before the tick's end.
    pub(super) is_late: bool,
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
            Err(RemoteFault::Late) => Some(format!("its status is unknown: {}", RemoteFault::LATE)),
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
            Ok(_) | Err(RemoteFault::NotFound | RemoteFault::Gone | RemoteFault::Late) => {
                format!("today's spend is unknown: {reason}")
            }
        })
    }
}

/// Finds the facts of one tick. The database first: it takes milliseconds, and says how urgent the rest is. What has not
/// come by the tick's end has failed: a report that is late must not keep a pause back, nor a status that is late the next
/// tick.
pub(super) async fn observe(mut question: Question, read_remote: bool, is_gone: bool) -> Reading {
    let clock = question.surroundings.clock.clone();
    let asked_at = clock.now();
    let end = End { clock: clock.clone(), at: question.policy.tick_ends_by(asked_at) };
    let mut stored = read_stored(&mut question, &end).await;
    let mut is_late = stored.is_late;
    let (remote, remote_at) = if read_remote {
        let status = end.before(question.surroundings.remote.read_status.send(ReadStatus(question.read))).await;
        is_late |= status.is_err();
        let remote = status.map_or(Err(RemoteFault::Late), |answer| of_status(answer, &question.surroundings));
        (remote.map_err(|fault| fault.of_campaign(is_gone)), clock.now())
    } else {
        (Err(RemoteFault::Gone), asked_at)
    };
    let day = clock.now().date_naive();
    let counters = Counters::of(&remote, day, asked_at, remote_at);
    question.sightings.saw(day, &counters);
    // A campaign that is gone has spent nothing that a report could tell.
    let may_have_report = remote != Err(RemoteFault::Gone);
    let needs_report = may_have_report && spend_question(&question, &counters, &stored.history).needs_report();
    let report = if needs_report { read_report(&question, asked_at, &end).await } else { SourceAnswer::NoSource };
    if !stored.is_late && clock.now().signed_duration_since(stored.at) > OLD_CLICKS {
        let soon = End { at: end.at.max(clock.now() + READ_AGAIN_WITHIN), ..end };
        let again = read_stored(&mut question, &soon).await;
        // Whether a report was needed has been judged by the history that was read before.
        stored = Stored { history: stored.history, ..again.or_used_up(stored.clicks, &question.policy) };
    }
    let spend = if clock.now().date_naive() == day {
        spend_question(&question, &counters, &stored.history).resolve(&report)
    } else {
        Err("it was read across midnight".to_owned())
    };
    if let Ok(spend) = &spend {
        store_spend(&question, *spend, &stored.history);
    }
    let Stored { row, clicks, .. } = stored;
    let clock = question.surroundings.remote.clock.difference();
    let observation = Observation { remote, remote_at, spend, clicks, clock };
    Reading { row, policy: question.policy, observation, sightings: question.sightings, is_late }
}

/// When a tick ends at the latest.
struct End {
    clock: Clock,
    at: DateTime<Utc>,
}

impl End {
    /// The answer, if it comes before the tick's end; otherwise the question, whose answer may be of use later.
    async fn before<T, F: Future<Output = T>>(&self, answer: F) -> Result<T, Pin<Box<F>>> {
        let mut answer = Box::pin(answer);
        let wait = self.at.signed_duration_since(self.clock.now()).to_std().unwrap_or_default();
        tokio::time::timeout(wait, &mut answer).await.map_err(|_| answer)
    }
}

/// Reads the campaign at TrafficStars, to see whether an action shows.
pub(super) async fn read_back(question: Question) -> Result<RemoteCampaign, RemoteFault> {
    of_status(question.surroundings.remote.read_status.send(ReadStatus(question.read)).await, &question.surroundings)
}

fn of_status(
    answer: Result<Result<RemoteCampaign, RemoteFault>, MailboxError>,
    surroundings: &Surroundings,
) -> Result<RemoteCampaign, RemoteFault> {
    let read =
        answer.unwrap_or_else(|gone| Err(RemoteFault::Failed(format!("the TrafficStar client is gone: {gone}"))));
    read.map(|campaign| RemoteCampaign { our_clock: surroundings.remote.clock.difference(), ..campaign })
}

/// What the database says; from it follows how urgent the status is.
async fn read_stored(question: &mut Question, end: &End) -> Stored {
    let at = question.surroundings.clock.now();
    let read = end.before(question.surroundings.database.read_tick.send(ReadTick(question.campaign))).await;
    let is_late = read.is_err();
    let stored = match read {
        Ok(Ok(Ok(Some(reading)))) => Ok(reading),
        Ok(Ok(Ok(None))) => Err(format!("the database has no campaign {} any more", question.campaign)),
        Ok(Ok(Err(reason))) => Err(reason),
        Ok(Err(gone)) => Err(format!("the database actor is gone: {gone}")),
        Err(_) => Err(RemoteFault::LATE.to_owned()),
    };
    let (stored, policy) = judge_stored(question, stored, at);
    let stored = Stored { is_late, ..stored };
    let clicks = stored.clicks.as_ref().ok().map(|clicks| clicks.count);
    let Question { read, trend, stance, .. } = &*question;
    question.read = ReadQuestion::of_tick(at, read.remote, &policy, trend, clicks, *stance);
    question.policy = policy;
    stored
}

/// What the database said, and when.
struct Stored {
    at: DateTime<Utc>,
    /// The database did not answer before the tick's end.
    is_late: bool,
    row: Option<CampaignRow>,
    clicks: Result<RemainingClicks, String>,
    history: Result<SpendHistory, String>,
}

impl Stored {
    /// Clicks that were used up at first are enough for a pause where they could not be read again.
    fn or_used_up(self, first: Result<RemainingClicks, String>, policy: &Policy) -> Self {
        match first {
            Ok(first) if self.clicks.is_err() && policy.are_used_up(first.count) => Self { clicks: Ok(first), ..self },
            Ok(_) | Err(_) => self,
        }
    }
}

/// Overrides that make no policy leave the last good one in force, under which a campaign may be stopped, never started.
fn judge_stored(question: &Question, stored: Result<TickReading, String>, at: DateTime<Utc>) -> (Stored, Policy) {
    let TickReading { row, mut clicks, spends } = match stored {
        Ok(reading) => reading,
        Err(reason) => {
            let stored = Stored { at, is_late: false, row: None, clicks: Err(reason.clone()), history: Err(reason) };
            return (stored, question.policy.clone());
        }
    };
    let (policy, error) = row.policy_or(&question.surroundings.defaults, &question.policy);
    if let Some(error) = error {
        clicks.defect = Some(in_full(&error));
    }
    let stored =
        Stored { at, is_late: false, row: Some(row), clicks: Ok(clicks), history: spends.map_err(|bad| in_full(&bad)) };
    (stored, policy)
}

/// Today's spend by its sources in order; a report is asked for only where the campaign's own field is not enough.
fn spend_question<'a>(
    question: &'a Question,
    counters: &'a Counters,
    history: &'a Result<SpendHistory, String>,
) -> SpendQuestion<'a> {
    SpendQuestion {
        counters,
        sightings: &question.sightings,
        history,
        limit: question.policy.spend_limit,
        stored_max_age: question.policy.stored_spend_max_age,
        midnight_doubt: question.policy.midnight_doubt,
        now: question.surroundings.clock.now(),
    }
}

async fn read_report(question: &Question, since: DateTime<Utc>, end: &End) -> SourceAnswer {
    let Question { surroundings, campaign, read, .. } = question;
    let report = surroundings.remote.read_spend.send(ReadSpend { remote: read.remote, urgency: read.urgency, since });
    match end.before(report).await {
        Ok(answer) => {
            answer.unwrap_or_else(|gone| SourceAnswer::Failed(format!("the TrafficStar client is gone: {gone}")))
        }
        Err(report) => {
            let (surroundings, campaign, remote) = (Arc::clone(surroundings), *campaign, read.remote);
            actix::spawn(async move {
                // Where each campaign has a report of its own and the limit does not reach for all, each comes late. The
                // next tick finds it stored.
                let answer = report.await;
                if let Ok(answer) = answer
                    && let Some(spend) = of_late_report(&answer, since, surroundings.clock.now())
                {
                    let row = SpendRow { campaign, remote, spend };
                    surroundings.database.save_spend.do_send(SaveSpend(row));
                }
            });
            SourceAnswer::Failed(RemoteFault::LATE.to_owned())
        }
    }
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
