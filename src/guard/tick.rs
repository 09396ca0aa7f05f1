//! The reads of one tick, in this order:
//! 1. the database, because it takes milliseconds and shows how urgent the other reads are;
//! 2. the status;
//! 3. a report, if the status does not show the spend;
//! 4. the clicks again, if they are old.
//!
//! An answer that has not come by the tick's end counts as failed. A late report must not delay a pause, and a late
//! status must not delay the next tick. Deliberately absent: the decision, and the requests.

use chrono::{DateTime, Duration, NaiveDate, Utc};

use crate::domain::clock_difference::ClockDifference;
use crate::domain::decision::{ClickLevel, Judgement};
use crate::domain::event::QuestionId;
use crate::domain::failure::{DatabaseFailure, RemoteFault, SourceFailure};
use crate::domain::ids::RemoteId;
use crate::domain::money::{Clicks, RemainingClicks};
use crate::domain::observation::{Observation, SharedSpends};
use crate::domain::policy::Policy;
use crate::domain::read_priority::ReadQuestion;
use crate::domain::remote::{RemoteCampaign, counters_of};
use crate::domain::spend::{Counters, Sightings, Spend, SpendHistory, SpendQuestion, SpendReading, SpendUnknown};
use crate::domain::trend::{Intent, Trend};

/// Clicks that are older than this are read again before a decision.
const OLD_CLICKS: Duration = Duration::seconds(1);
/// The time that the database has at least to read the clicks again, even if the tick should have ended.
const READ_AGAIN_WITHIN: Duration = Duration::seconds(2);

/// The facts about a campaign that the database gives to a tick.
#[derive(Debug, Clone)]
pub struct StoredFacts {
    /// Whether the generator is enabled, and the row is still linked to this session's campaign at TrafficStars.
    pub is_guarded: bool,
    /// The policy. If the row's overrides make no valid policy, the last good one stays in force; by it a campaign may
    /// be stopped, never started.
    pub policy: Policy,
    /// The remaining clicks.
    pub clicks: RemainingClicks,
    /// The stored spend of the last days, or why it could not be read.
    pub history: Result<SpendHistory, DatabaseFailure>,
    /// Today's spends of the campaigns that share limits with it; `None` if it shares none.
    pub shared: Option<SharedSpends>,
}

/// The next read of a tick.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: an answer is still to come, or the last answer was to no read of this tick.
    Wait,
    /// Read the status.
    Status(ReadQuestion),
    /// Read the report.
    Spend(ReadQuestion),
    /// Read the database again. The tick ends after this time.
    DatabaseAgain(Duration),
    /// All reads are done.
    Done,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    ReadingDatabase,
    AwaitingStatus,
    AwaitingSpend,
    /// All other answers are there, and the clicks are read again because they are old.
    ReadingAgain,
}

/// A tick under way.
#[derive(Debug)]
pub(super) struct Tick {
    pub(super) question_id: QuestionId,
    pub(super) began_at: DateTime<Utc>,
    reads_remote: bool,
    is_gone: bool,
    /// Whether the database is asked for each URL.
    pub(super) counts_urls: bool,
    stage: Stage,
    question: ReadQuestion,
    pub(super) policy: Policy,
    /// The time (UTC) when the database was last asked.
    stored_at: DateTime<Utc>,
    is_guarded: bool,
    first_clicks: Option<Clicks>,
    clicks: Result<RemainingClicks, DatabaseFailure>,
    history: Result<SpendHistory, DatabaseFailure>,
    shared: Option<SharedSpends>,
    remote: Result<RemoteCampaign, RemoteFault>,
    remote_at: DateTime<Utc>,
    report: Option<SpendReading>,
    /// The UTC day for which the spend was read; `None` if the tick ended before.
    day: Option<NaiveDate>,
    /// Whether the status or the clicks did not come before the tick's end.
    is_late: bool,
}

/// The facts that a tick has read, before the decision.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The number of the question that the tick answers.
    pub question_id: QuestionId,
    /// The time (UTC) when the tick began.
    pub began_at: DateTime<Utc>,
    /// Whether the database still wants the campaign to be guarded. `true` if it did not answer.
    pub is_guarded: bool,
    /// The policy for the decision.
    pub policy: Policy,
    /// The remaining clicks at the tick's beginning; `None` if they could not be read.
    pub first_clicks: Option<Clicks>,
    /// The stored spend, or why it could not be read.
    pub history: Result<SpendHistory, DatabaseFailure>,
    /// The report's answer; `None` if no report was read.
    pub report: Option<SpendReading>,
    /// The UTC day for which the spend was read; `None` if the tick ended before.
    pub day: Option<NaiveDate>,
    /// Whether the status or the clicks did not come before the tick's end.
    pub is_late: bool,
    /// The facts for the decision.
    pub observation: Observation,
}

impl Reading {
    /// Whether the status could not be read because reads fail for all campaigns. The spend is then unknown for the
    /// same reason.
    #[must_use]
    pub fn is_shared_failure(&self) -> bool {
        matches!(self.observation.remote, Err(RemoteFault::Shared(_))) && self.observation.clicks.is_ok()
    }

    /// Returns what went wrong, for operators, the most important first; `None` if nothing did.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        let Observation { remote, clicks, .. } = &self.observation;
        let clicks = match clicks {
            Ok(clicks) => self.policy.clicks_doubt(clicks),
            Err(failure) => Some(failure.to_string()),
        };
        let remote = remote.as_ref().err().map(|fault| match fault {
            RemoteFault::NotFound | RemoteFault::Gone => fault.to_string(),
            RemoteFault::Failed(_) | RemoteFault::Shared(_) => format!("its status could not be read: {fault}"),
            RemoteFault::Late => format!("its status is unknown: {fault}"),
        });
        let clicks = clicks.map(|doubt| format!("its remaining clicks are in doubt: {doubt}"));
        let all: Vec<String> = remote.into_iter().chain(clicks).chain(self.spend_error()).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Returns why the spend is unknown; `None` if it is known. A reason that the status has named already is left out.
    fn spend_error(&self) -> Option<String> {
        let unknown = self.observation.spend.as_ref().err()?;
        Some(match &self.observation.remote {
            Err(RemoteFault::Shared(_)) => "today's spend is unknown for the same reason".to_owned(),
            Err(fault) => format!("today's spend is unknown: {}", unknown.without(&fault.to_string())),
            Ok(_) => format!("today's spend is unknown: {unknown}"),
        })
    }
}

impl Tick {
    /// Returns a tick that reads the database first.
    pub(super) fn new(
        now: DateTime<Utc>,
        question_id: QuestionId,
        remote: RemoteId,
        (reads_remote, is_gone): (bool, bool),
        policy: Policy,
    ) -> Self {
        Self {
            question_id,
            began_at: now,
            reads_remote,
            is_gone,
            counts_urls: false,
            stage: Stage::ReadingDatabase,
            question: ReadQuestion::of_read_back(remote),
            policy,
            stored_at: now,
            is_guarded: true,
            first_clicks: None,
            clicks: Err(DatabaseFailure::Late),
            history: Err(DatabaseFailure::Late),
            shared: None,
            remote: Err(if reads_remote { RemoteFault::Late } else { RemoteFault::Gone }),
            remote_at: now,
            report: None,
            day: None,
            is_late: false,
        }
    }

    /// Returns the tick, which asks the database for each URL if the flag is set.
    pub(super) fn counting_urls(self, counts_urls: bool) -> Self {
        Self { counts_urls, ..self }
    }

    /// Returns the tick with the spends under shared limits that were read last. They count until the database answers.
    pub(super) fn knowing(self, shared: Option<SharedSpends>) -> Self {
        Self { shared, ..self }
    }

    /// Returns how long after its beginning the tick ends at the latest.
    pub(super) fn ends_after(&self) -> Duration {
        self.policy.tick_ends_by(self.began_at).signed_duration_since(self.began_at)
    }

    /// Takes the database's answer.
    pub(super) fn database_said(
        &mut self,
        now: DateTime<Utc>,
        answer: Result<StoredFacts, DatabaseFailure>,
        trend: &Trend,
        intent: Intent,
        sightings: &mut Sightings,
    ) -> Next {
        let is_first = match self.stage {
            Stage::ReadingDatabase => true,
            Stage::ReadingAgain => false,
            Stage::AwaitingStatus | Stage::AwaitingSpend => return Next::Wait,
        };
        match answer {
            Ok(StoredFacts { is_guarded, policy, clicks, history, shared }) => {
                (self.is_guarded, self.policy, self.clicks) = (is_guarded, policy, Ok(clicks));
                // Sums that could not be read leave the last ones in force.
                self.shared = shared.or(self.shared);
                // The first history has decided whether a report is read. So a later history must not replace it.
                if is_first {
                    self.history = history;
                }
            }
            Err(failure) if is_first => (self.clicks, self.history) = (Err(failure.clone()), Err(failure)),
            Err(failure) => self.could_not_read_again(now, failure, sightings),
        }
        if !is_first {
            return Next::Done;
        }
        self.first_clicks = self.clicks.as_ref().ok().map(|clicks| clicks.count);
        let remote = self.question.remote;
        self.question = ReadQuestion::of_tick(self.stored_at, remote, &self.policy, trend, self.first_clicks, intent);
        if self.reads_remote {
            self.stage = Stage::AwaitingStatus;
            Next::Status(self.question)
        } else {
            self.find_spend(now, sightings)
        }
    }

    /// Notes that the clicks could not be read again. If they were used up at first, by the threshold at today's spend, they
    /// still count: that is enough for a pause.
    fn could_not_read_again(&mut self, now: DateTime<Utc>, failure: DatabaseFailure, sightings: &Sightings) {
        let judged = Judgement::new(&self.observation(now, sightings, None), &self.policy, now);
        if judged.click_level != ClickLevel::UsedUp {
            self.clicks = Err(failure);
        }
    }

    /// Takes the status, or its fault.
    pub(super) fn status_came(
        &mut self,
        now: DateTime<Utc>,
        answer: Result<RemoteCampaign, RemoteFault>,
        sightings: &mut Sightings,
    ) -> Next {
        if self.stage != Stage::AwaitingStatus {
            return Next::Wait;
        }
        (self.remote, self.remote_at) = (answer.map_err(|fault| fault.of_campaign(self.is_gone)), now);
        self.find_spend(now, sightings)
    }

    fn find_spend(&mut self, now: DateTime<Utc>, sightings: &mut Sightings) -> Next {
        let day = now.date_naive();
        (self.stage, self.day) = (Stage::AwaitingSpend, Some(day));
        let counters = self.counters(day);
        sightings.saw(day, &counters);
        // A report has no spend for a campaign that is gone.
        let may_have_report = self.remote != Err(RemoteFault::Gone);
        if may_have_report && self.spend_question(now, &counters, sightings).needs_report() {
            Next::Spend(self.question)
        } else {
            self.all_came(now)
        }
    }

    /// Takes the report's answer.
    pub(super) fn spend_came(&mut self, now: DateTime<Utc>, answer: SpendReading) -> Next {
        if self.stage != Stage::AwaitingSpend {
            return Next::Wait;
        }
        self.report = Some(answer);
        self.all_came(now)
    }

    /// Whether the tick waits for the report.
    pub(super) fn awaits_spend(&self) -> bool {
        self.stage == Stage::AwaitingSpend
    }

    /// Ends the reads, unless the clicks are old and have to be read again.
    fn all_came(&mut self, now: DateTime<Utc>) -> Next {
        if now.signed_duration_since(self.stored_at) <= OLD_CLICKS {
            return Next::Done;
        }
        self.stored_at = now;
        self.stage = Stage::ReadingAgain;
        let left = self.policy.tick_ends_by(self.began_at).signed_duration_since(now);
        // At most the length of a tick: the clock may have been set back meanwhile.
        Next::DatabaseAgain(left.clamp(READ_AGAIN_WITHIN, self.ends_after().max(READ_AGAIN_WITHIN)))
    }

    /// Ends the tick with the answers that have come. A read that follows is still sent, because its answer may serve
    /// the next tick. Then the caller ends this tick again.
    pub(super) fn ends(&mut self, now: DateTime<Utc>, is_again: bool, sightings: &mut Sightings) -> Next {
        // The time for the whole tick does not end the second read of the database, which has a time of its own.
        if is_again != (self.stage == Stage::ReadingAgain) {
            return Next::Wait;
        }
        match self.stage {
            Stage::ReadingDatabase => {
                self.is_late = true;
                Next::Done
            }
            Stage::ReadingAgain => {
                self.could_not_read_again(now, DatabaseFailure::Late, sightings);
                self.is_late |= self.clicks.is_err();
                Next::Done
            }
            Stage::AwaitingStatus => {
                self.is_late = true;
                self.status_came(now, Err(RemoteFault::Late), sightings)
            }
            Stage::AwaitingSpend => self.spend_came(now, SpendReading::Failed(SourceFailure::Late)),
        }
    }

    fn counters(&self, day: NaiveDate) -> Counters {
        counters_of(&self.remote, day, self.began_at, self.remote_at)
    }

    /// Returns the question for today's spend, with its sources. A report is read only if the campaign's own field is
    /// not enough.
    fn spend_question<'a>(
        &'a self,
        now: DateTime<Utc>,
        counters: &'a Counters,
        sightings: &'a Sightings,
    ) -> SpendQuestion<'a> {
        SpendQuestion {
            counters,
            sightings,
            history: &self.history,
            limit: self.policy.spend_limit,
            stored_max_age: self.policy.stored_spend_max_age,
            midnight_doubt: self.policy.midnight_doubt,
            now,
        }
    }

    fn spend(&self, now: DateTime<Utc>, sightings: &Sightings) -> Result<Spend, SpendUnknown> {
        let Some(day) = self.day else { return Err(SpendUnknown::Late) };
        if day != now.date_naive() {
            return Err(SpendUnknown::AcrossMidnight);
        }
        let report = self.report.as_ref().unwrap_or(&SpendReading::NoSource);
        self.spend_question(now, &self.counters(day), sightings).resolve(report)
    }

    fn observation(&self, now: DateTime<Utc>, sightings: &Sightings, clock: Option<ClockDifference>) -> Observation {
        let stored = self.history.as_ref().ok().and_then(|history| history.today);
        let stored = stored.filter(|stored| stored.at.date_naive() == now.date_naive());
        Observation {
            remote: self.remote.clone(),
            remote_at: self.remote_at,
            spend: self.spend(now, sightings),
            stored_spend: stored.map(|stored| stored.amount),
            shared: self.shared,
            clicks: self.clicks.clone(),
            clock,
        }
    }

    /// Returns what the tick has read.
    pub(super) fn reading(self, now: DateTime<Utc>, sightings: &Sightings, clock: Option<ClockDifference>) -> Reading {
        Reading {
            observation: self.observation(now, sightings, clock),
            question_id: self.question_id,
            began_at: self.began_at,
            is_guarded: self.is_guarded,
            policy: self.policy,
            first_clicks: self.first_clicks,
            history: self.history,
            report: self.report,
            day: self.day,
            is_late: self.is_late,
        }
    }
}
