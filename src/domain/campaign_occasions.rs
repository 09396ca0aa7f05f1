//! The occasions of one campaign: which began and which ended with a step of its machine (RULES.md, "Alerts").
//!
//! They are judged by what holds now, and not by what has just changed. So a step that was lost in a crash loses no
//! occasion: the next tick finds it again, and the key shows whether it is stored already. A reading that shows nothing
//! new ends nothing. Deliberately absent: storing the changes, which the session puts into a record.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use super::action::{ActionKind, Step};
use super::assessment::Assessment;
use super::decision::{Judgement, ReachedLimit, SpendLevel};
use super::decision_log::Conclusion;
use super::machine::Machine;
use super::occasion::{Finding, KnownOccasion, OccasionChange, OccasionKey, OccasionKind, Severity};
use super::policy::{HighSpend, Mode, Policy};
use super::remote::{OUT_OF_FUNDS, RemoteStatus};

/// A pause that is unconfirmed for this long is an occasion, as it degrades health.
const PAUSE_WITHIN: Duration = Duration::minutes(2);
/// Without a foreign change for this long, a campaign is no longer contested (RULES.md).
const CALM_AFTER: Duration = Duration::hours(1);
/// The detail of the key for a campaign that runs with its clicks used up.
const CLICKS: &str = "clicks";
/// The detail of the key for a campaign that runs past its spend limit alone.
const LIMIT: &str = "limit";
/// The detail of the key for a top-up that cannot be sent.
const REFUSED: &str = "refused";

/// The occasions of one campaign that are stored, or are about to be.
#[derive(Debug, Clone, Default)]
pub struct CampaignOccasions {
    open: Vec<KnownOccasion>,
    /// The occasions of today that were over at once.
    told: BTreeSet<OccasionKey>,
    today: NaiveDate,
    /// Whether the campaign is no longer guarded. What its machine still reads is no occasion.
    is_over: bool,
}

impl CampaignOccasions {
    /// Returns the occasions that an earlier actor has stored: those that are open, and those of today.
    #[must_use]
    pub fn new(now: DateTime<Utc>, known: Vec<KnownOccasion>) -> Self {
        let (open, told): (Vec<_>, Vec<_>) = known.into_iter().partition(|occasion| occasion.is_open);
        let told = told.into_iter().map(|occasion| occasion.key).collect();
        Self { open, told, today: now.date_naive(), is_over: false }
    }

    /// Returns what began and what ended with the machine's last step.
    pub fn after_step(&mut self, now: DateTime<Utc>, machine: &Machine, policy: &Policy) -> Vec<OccasionChange> {
        if self.is_over {
            return Vec::new();
        }
        if self.today != now.date_naive() {
            self.today = now.date_naive();
            self.told.clear();
        }
        let step = StepResult { now, machine, policy, facts: machine.assessment() };
        let found = step.findings();
        let ended = self.open.iter().filter(|open| found.iter().all(|found| found.key != open.key));
        let ended: Vec<OccasionKey> =
            ended.filter(|open| step.has_ended(open)).map(|occasion| occasion.key.clone()).collect();
        let began: Vec<Finding> = found.into_iter().filter(|found| !self.knows(&found.key)).collect();
        for finding in &began {
            if finding.lasts {
                let (key, since) = (finding.key.clone(), finding.since);
                self.open.push(KnownOccasion { key, since, is_open: true });
            } else {
                self.told.insert(finding.key.clone());
            }
        }
        self.open.retain(|open| !ended.contains(&open.key));
        let ended = ended.into_iter().map(|key| OccasionChange::Ended(key, now));
        ended.chain(began.into_iter().map(OccasionChange::Began)).collect()
    }

    /// Ends all occasions, because the campaign is no longer guarded.
    pub fn end_all(&mut self, now: DateTime<Utc>) -> Vec<OccasionChange> {
        self.is_over = true;
        self.open.drain(..).map(|open| OccasionChange::Ended(open.key, now)).collect()
    }

    fn knows(&self, key: &OccasionKey) -> bool {
        self.told.contains(key) || self.open.iter().any(|open| open.key == *key)
    }
}

/// The machine after a step, and the facts of its last tick.
struct StepResult<'a> {
    now: DateTime<Utc>,
    machine: &'a Machine,
    policy: &'a Policy,
    /// `None` before the first tick has ended.
    facts: Option<&'a Assessment>,
}

impl StepResult<'_> {
    fn judged(&self) -> Option<&Judgement> {
        self.facts.map(|facts| &facts.judged)
    }

    /// Whether the last tick has read the status.
    fn knows_status(&self) -> bool {
        self.judged().is_some_and(|judged| !matches!(judged.status, RemoteStatus::Unknown { .. }))
    }

    /// Returns the occasions that there are now.
    fn findings(&self) -> Vec<Finding> {
        let found = [
            self.contested(),
            self.blocked(),
            self.unguarded(),
            self.high_spend(),
            self.warned(),
            self.topped_up(),
            self.top_up_refused(),
            self.action_failed(),
            self.unconfirmed(),
        ];
        found.into_iter().flatten().collect()
    }

    /// Whether an occasion that is not found has ended. A status or a spend that is unknown ends nothing, and neither
    /// does a restart by itself.
    fn has_ended(&self, open: &KnownOccasion) -> bool {
        match open.key.kind {
            OccasionKind::Contested => self.is_calm(),
            OccasionKind::HighSpend => {
                let is_known = self.judged().is_some_and(|judged| judged.spend_level != SpendLevel::Unknown);
                is_known || open.since.date_naive() != self.now.date_naive()
            }
            OccasionKind::ActionFailed => self.is_as_promised(),
            // The budget is judged by a tick that knows the status.
            OccasionKind::Blocked
            | OccasionKind::NoFunds
            | OccasionKind::Unguarded
            | OccasionKind::TopUp
            | OccasionKind::Unconfirmed => self.knows_status(),
            // These are no lasting occasions of a campaign's machine.
            OccasionKind::Warned
            | OccasionKind::GroupLimit
            | OccasionKind::AnotherGuard
            | OccasionKind::Api
            | OccasionKind::Database
            | OccasionKind::Lease
            | OccasionKind::Degraded
            | OccasionKind::Restarted
            | OccasionKind::Digest
            | OccasionKind::Test => false,
        }
    }

    fn contested(&self) -> Option<Finding> {
        let text = "contested: others start or stop it again and again, and each time it is corrected".to_owned();
        self.machine.contested().then(|| self.lasting(OccasionKind::Contested, Severity::Warning, text))
    }

    /// Whether others have not changed the campaign for an hour, as far as this actor has seen. An actor that was just
    /// built has seen nothing.
    fn is_calm(&self) -> bool {
        let last_change = self.machine.last_foreign_change_at().unwrap_or(self.machine.built_at());
        let since = last_change.max(self.machine.built_at());
        self.knows_status() && self.now.signed_duration_since(since) >= CALM_AFTER
    }

    fn blocked(&self) -> Option<Finding> {
        let reason = self.machine.blocked()?;
        let (kind, severity) = if reason == OUT_OF_FUNDS {
            (OccasionKind::NoFunds, Severity::Critical)
        } else {
            (OccasionKind::Blocked, Severity::Warning)
        };
        Some(self.lasting(kind, severity, format!("TrafficStars will not run it: {reason}")))
    }

    fn unguarded(&self) -> Option<Finding> {
        let unguarded = self.machine.unguarded_state().filter(|_| self.policy.mode == Mode::Act)?;
        let (detail, severity) =
            if unguarded.clicks_used_up { (CLICKS, Severity::Critical) } else { (LIMIT, Severity::Warning) };
        let text = format!("it runs, and nothing pauses it: {}", unguarded.why);
        let key = OccasionKey::with(OccasionKind::Unguarded, detail);
        Some(Finding { key, severity, since: unguarded.since, text, lasts: true })
    }

    fn high_spend(&self) -> Option<Finding> {
        if !self.machine.high_spend() {
            return None;
        }
        let judged = self.judged()?;
        let reached = match &judged.reached {
            Some(ReachedLimit::Shared(sum)) => format!("the limit of {} is reached ({sum})", sum.sharers()),
            Some(ReachedLimit::Own(_)) | None => {
                let spend = judged.spend.map_or_else(|| "an unknown amount".to_owned(), |spend| spend.to_string());
                format!("{spend} is spent today, and its limit is {}", self.policy.spend_limit)
            }
        };
        let is_observed = self.policy.mode == Mode::Observe;
        let (severity, then) = match judged.at_limit().unwrap_or(self.policy.high_spend) {
            _ if is_observed => (Severity::Warning, "it is in observe mode: nothing is sent"),
            HighSpend::Observe => (Severity::Warning, "it is left alone: nothing starts or stops it"),
            HighSpend::Guard => (Severity::Info, "it is guarded by its clicks as before"),
            HighSpend::Pause => (Severity::Info, "it is kept paused until midnight UTC"),
            HighSpend::TopUp => (Severity::Info, "its budget is set to what its clicks cost"),
        };
        Some(self.lasting(OccasionKind::HighSpend, severity, format!("high spend: {reached}; {then}")))
    }

    fn warned(&self) -> Option<Finding> {
        let (part, facts) = self.policy.warn_at.zip(self.facts)?;
        // After midnight the last tick's spend is yesterday's, until the next tick has read today's.
        let of_today = facts.observation.spend.as_ref().ok().filter(|spend| spend.day == self.now.date_naive());
        let (spend, limit) = (of_today?.amount, self.policy.spend_limit);
        let from = limit.part(part);
        let detail = format!("{}/{from}", self.now.date_naive());
        let text = format!("{spend} of its limit of {limit} is spent today");
        let key = OccasionKey::with(OccasionKind::Warned, detail);
        (spend >= from).then(|| self.at_once(key, Severity::Warning, text))
    }

    fn topped_up(&self) -> Option<Finding> {
        let action = self.machine.action().filter(|action| action.kind == ActionKind::TopUp)?;
        // The action stays the last one, perhaps over midnight, when the occasions of the day are forgotten.
        let is_of_today = action.confirmed_at.is_some_and(|at| at.date_naive() == self.now.date_naive());
        let budget = action.budget.as_ref().filter(|_| action.step == Step::Confirmed && is_of_today)?;
        let key = OccasionKey::with(OccasionKind::TopUp, action.requested_at.timestamp_micros().to_string());
        Some(self.at_once(key, Severity::Info, format!("topped up: its daily budget is {} now", budget.after)))
    }

    fn top_up_refused(&self) -> Option<Finding> {
        let refused = self.machine.budget_status(self.now, self.policy)?.refused?;
        let key = OccasionKey::with(OccasionKind::TopUp, REFUSED);
        let (since, text) = (self.now, format!("not topped up: {refused}"));
        Some(Finding { key, severity: Severity::Warning, since, text, lasts: true })
    }

    fn action_failed(&self) -> Option<Finding> {
        let action = self.machine.action().filter(|action| action.step == Step::Failed)?;
        let error = action.error.as_deref().unwrap_or("it is not known why");
        let severity = if action.kind == ActionKind::Pause { Severity::Critical } else { Severity::Warning };
        let text = format!("{} failed, and is tried again while it is due: {error}", action.kind);
        // A failed action of a campaign that is as it should be does no harm.
        (!self.is_as_promised()).then(|| self.lasting(OccasionKind::ActionFailed, severity, text))
    }

    /// Whether the last action was confirmed, or the last tick found nothing to do after it.
    fn is_as_promised(&self) -> bool {
        let action = self.machine.action();
        if action.is_some_and(|action| action.step == Step::Confirmed) {
            return true;
        }
        let failed_at = action.and_then(|action| action.failed_at).unwrap_or(self.machine.built_at());
        let decision = self.machine.newest_decision().filter(|decision| decision.last_at > failed_at);
        let nothing_due =
            decision.is_some_and(|decision| matches!(decision.conclusion, Conclusion::Nothing | Conclusion::Adopt));
        nothing_due && self.knows_status() && !self.machine.is_action_in_flight()
    }

    fn unconfirmed(&self) -> Option<Finding> {
        let since = self.machine.pausing_since()?;
        let text = format!("a pause is unconfirmed since {} UTC: it may still run", since.format("%H:%M:%S"));
        (self.now.signed_duration_since(since) >= PAUSE_WITHIN)
            .then(|| self.lasting(OccasionKind::Unconfirmed, Severity::Critical, text))
    }

    fn lasting(&self, kind: OccasionKind, severity: Severity, text: String) -> Finding {
        Finding { key: OccasionKey::of(kind), severity, since: self.now, text, lasts: true }
    }

    fn at_once(&self, key: OccasionKey, severity: Severity, text: String) -> Finding {
        Finding { key, severity, since: self.now, text, lasts: false }
    }
}
