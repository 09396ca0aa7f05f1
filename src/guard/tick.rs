//! The questions of one tick: the database first, since it takes milliseconds and says how urgent the rest is, then the
//! status, then a report where the status does not tell the spend, then the clicks again where they have grown old.
//!
//! What has not come by the tick's end has failed: a report that is late must not keep a pause back, nor a status that is
//! late the next tick. Deliberately absent: what follows from what was read, and who asks.

use chrono::{DateTime, Duration, NaiveDate, Utc};

use crate::domain::clock_difference::ClockDifference;
use crate::domain::event::QuestionId;
use crate::domain::failure::{DatabaseFailure, RemoteFault, SourceFailure};
use crate::domain::ids::RemoteId;
use crate::domain::money::{Clicks, RemainingClicks};
use crate::domain::observation::Observation;
use crate::domain::policy::Policy;
use crate::domain::read_priority::ReadQuestion;
use crate::domain::remote::{RemoteCampaign, counters_of};
use crate::domain::spend::{Counters, Sightings, Spend, SpendHistory, SpendQuestion, SpendReading, SpendUnknown};
use crate::domain::trend::{Intent, Trend};

/// Clicks that were read longer ago are read again before they are decided on.
const OLD_CLICKS: Duration = Duration::seconds(1);
/// For that the database has so long, though the tick should have ended: it is asked when everything else has come.
const READ_AGAIN_WITHIN: Duration = Duration::seconds(2);

/// What the database says of a campaign at a tick.
#[derive(Debug, Clone)]
pub struct StoredFacts {
    /// Its generator is enabled, for the campaign at TrafficStars that this session is about.
    pub is_guarded: bool,
    /// Overrides that make no policy leave the last good one in force, under which a campaign may be stopped, never started.
    pub policy: Policy,
    /// The remaining clicks.
    pub clicks: RemainingClicks,
    /// What was spent, as far as it was stored.
    pub history: Result<SpendHistory, DatabaseFailure>,
}

/// What a tick asks next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: an answer is on its way, or the answer was to no question of this tick.
    Wait,
    /// The status.
    Status(ReadQuestion),
    /// The report. The tick began at `since`.
    Spend(ReadQuestion),
    /// The database again; the tick ends after this time.
    DatabaseAgain(Duration),
    /// All that can be known is.
    Done,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    ReadingDatabase,
    AwaitingStatus,
    AwaitingSpend,
    /// Everything is there, and the clicks had grown old.
    ReadingAgain,
}

/// A tick that is under way.
#[derive(Debug)]
pub(super) struct Tick {
    pub(super) operation: QuestionId,
    pub(super) began_at: DateTime<Utc>,
    reads_remote: bool,
    is_gone: bool,
    stage: Stage,
    question: ReadQuestion,
    pub(super) policy: Policy,
    /// When the database was asked last.
    stored_at: DateTime<Utc>,
    is_guarded: bool,
    first_clicks: Option<Clicks>,
    clicks: Result<RemainingClicks, DatabaseFailure>,
    history: Result<SpendHistory, DatabaseFailure>,
    remote: Result<RemoteCampaign, RemoteFault>,
    remote_at: DateTime<Utc>,
    report: Option<SpendReading>,
    /// The day on which the spend was looked for.
    day: Option<NaiveDate>,
    /// The status or the clicks did not come before the tick's end.
    is_late: bool,
}

/// What a tick has read, before anything was decided by it.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The tick's number.
    pub operation: QuestionId,
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// The database still wants the campaign to be guarded, as far as it answered.
    pub is_guarded: bool,
    /// The policy by which it is decided.
    pub policy: Policy,
    /// How many clicks remained when the tick began.
    pub first_clicks: Option<Clicks>,
    /// The database's memory of what was spent.
    pub history: Result<SpendHistory, DatabaseFailure>,
    /// The report's answer, where one was asked for.
    pub report: Option<SpendReading>,
    /// The day on which the spend was looked for.
    pub day: Option<NaiveDate>,
    /// The status or the clicks did not come before the tick's end.
    pub is_late: bool,
    /// What it amounts to.
    pub observation: Observation,
}

impl Reading {
    /// Nobody could be read, this campaign among them. Its spend is unknown for the same reason.
    #[must_use]
    pub fn is_shared_failure(&self) -> bool {
        matches!(self.observation.remote, Err(RemoteFault::Shared(_))) && self.observation.clicks.is_ok()
    }

    /// What went wrong, in words, the most important first.
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

    /// Why the spend is unknown. What the status says already is not said again.
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
    /// A tick that asks the database first.
    pub(super) fn new(
        now: DateTime<Utc>,
        operation: QuestionId,
        remote: RemoteId,
        (reads_remote, is_gone): (bool, bool),
        policy: Policy,
    ) -> Self {
        Self {
            operation,
            began_at: now,
            reads_remote,
            is_gone,
            stage: Stage::ReadingDatabase,
            question: ReadQuestion::of_read_back(remote),
            policy,
            stored_at: now,
            is_guarded: true,
            first_clicks: None,
            clicks: Err(DatabaseFailure::Late),
            history: Err(DatabaseFailure::Late),
            remote: Err(if reads_remote { RemoteFault::Late } else { RemoteFault::Gone }),
            remote_at: now,
            report: None,
            day: None,
            is_late: false,
        }
    }

    /// When it ends at the latest, counted from its beginning.
    pub(super) fn ends_after(&self) -> Duration {
        self.policy.tick_ends_by(self.began_at).signed_duration_since(self.began_at)
    }

    /// The database's answer.
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
            Ok(StoredFacts { is_guarded, policy, clicks, history }) => {
                (self.is_guarded, self.policy, self.clicks) = (is_guarded, policy, Ok(clicks));
                // Whether a report was needed has been judged by the history that was read first.
                if is_first {
                    self.history = history;
                }
            }
            Err(failure) if is_first => (self.clicks, self.history) = (Err(failure.clone()), Err(failure)),
            Err(failure) => self.could_not_read_again(failure),
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

    /// Clicks that were used up at first are enough for a pause where they cannot be read again.
    fn could_not_read_again(&mut self, failure: DatabaseFailure) {
        if !self.clicks.as_ref().is_ok_and(|first| self.policy.are_used_up(first.count)) {
            self.clicks = Err(failure);
        }
    }

    /// The status came, or why it does not.
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
        // A campaign that is gone has spent nothing that a report could tell.
        let may_have_report = self.remote != Err(RemoteFault::Gone);
        if may_have_report && self.spend_question(now, &counters, sightings).needs_report() {
            Next::Spend(self.question)
        } else {
            self.all_came(now)
        }
    }

    /// The report's answer.
    pub(super) fn spend_came(&mut self, now: DateTime<Utc>, answer: SpendReading) -> Next {
        if self.stage != Stage::AwaitingSpend {
            return Next::Wait;
        }
        self.report = Some(answer);
        self.all_came(now)
    }

    /// Whether the report is what it waits for.
    pub(super) fn awaits_spend(&self) -> bool {
        self.stage == Stage::AwaitingSpend
    }

    /// Clicks that were read a while ago are read again before they are decided on.
    fn all_came(&mut self, now: DateTime<Utc>) -> Next {
        if now.signed_duration_since(self.stored_at) <= OLD_CLICKS {
            return Next::Done;
        }
        self.stored_at = now;
        self.stage = Stage::ReadingAgain;
        let left = self.policy.tick_ends_by(self.began_at).signed_duration_since(now);
        // Not longer than a tick takes: the clock may have been set back meanwhile.
        Next::DatabaseAgain(left.clamp(READ_AGAIN_WITHIN, self.ends_after().max(READ_AGAIN_WITHIN)))
    }

    /// It ends, with what has come. A question that follows is asked all the same: its answer may serve the next tick. Then
    /// this one ends again.
    pub(super) fn ends(&mut self, now: DateTime<Utc>, is_again: bool, sightings: &mut Sightings) -> Next {
        // The first end is none for the database that is read again.
        if is_again != (self.stage == Stage::ReadingAgain) {
            return Next::Wait;
        }
        match self.stage {
            Stage::ReadingDatabase => {
                self.is_late = true;
                Next::Done
            }
            Stage::ReadingAgain => {
                self.could_not_read_again(DatabaseFailure::Late);
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

    /// Today's spend by its sources in order; a report is asked for only where the campaign's own field is not enough.
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

    /// What it has read.
    pub(super) fn reading(self, now: DateTime<Utc>, sightings: &Sightings, clock: Option<ClockDifference>) -> Reading {
        let spend = self.spend(now, sightings);
        let Self { remote, remote_at, clicks, .. } = self;
        Reading {
            operation: self.operation,
            began_at: self.began_at,
            is_guarded: self.is_guarded,
            policy: self.policy,
            first_clicks: self.first_clicks,
            history: self.history,
            report: self.report,
            day: self.day,
            is_late: self.is_late,
            observation: Observation { remote, remote_at, spend, clicks, clock },
        }
    }
}
