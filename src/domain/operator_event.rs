//! The events of `GET /v1/events`: plain data for operators and their programs, sent as things happen.
//!
//! Deliberately absent: past events. A reader that was not connected finds them in the journal and in the dump.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::action::ActionKind;
use super::another_guard::AnotherGuard;
use super::event::{ActionUpdate, Note};
use super::ids::CampaignId;
use super::lease::Epoch;
use super::money::Money;
use super::phase::PhaseWord;
use super::shared_limit::{SharedLimitReport, sharers};
use super::status::Role;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorEvent {
    /// The dump's `sequence` when this happened. A larger one is later, and a dump with at least this `sequence`
    /// includes the event. `None` if it concerns only one reader ([`EventKind::Lost`]).
    pub id: Option<u64>,
    /// The time (UTC) when it happened.
    pub at: DateTime<Utc>,
    /// The campaign's database id; `None` if the event is about the program.
    pub campaign_id: Option<CampaignId>,
    /// The campaign's name.
    pub name: Option<String>,
    /// Whether an operator should look at it.
    pub warning: bool,
    /// The event, in words.
    pub text: String,
    /// The event's kind, for programs.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The kinds of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EventKind {
    /// The state changed.
    Transition {
        /// The state before.
        from: PhaseWord,
        /// The state after.
        to: PhaseWord,
        /// The reason, for operators.
        reason: String,
    },
    /// An action reached a step.
    Action {
        /// The kind of the action.
        action: ActionKind,
        /// The step that it reached.
        step: ActionStage,
        /// The reason of the action or of its failure; `None` if there is nothing to add.
        reason: Option<String>,
    },
    /// Somebody else changed the campaign.
    ForeignChange {
        /// Whether the campaign runs since then.
        running: bool,
    },
    /// Others change the campaign again and again.
    Contested {
        /// `true` at the beginning, `false` at the end.
        began: bool,
    },
    /// The spend has reached the part of its limit from which on it is reported (`warn_at`). It comes once for each day and
    /// limit.
    Warned {
        /// Today's spend.
        spend: Money,
        /// The spend limit.
        limit: Money,
    },
    /// The sum of today's spends of several campaigns has reached their limit, or the part of it from which on it is
    /// reported. It comes once for each day and limit.
    GroupLimit {
        /// The group; `None` for all campaigns of the account.
        group: Option<String>,
        /// The sum of today's spends.
        spend: Money,
        /// The limit.
        limit: Money,
        /// Whether the limit is reached.
        reached: bool,
    },
    /// The spend limit was reached; or it no longer is, such as on a new day.
    HighSpend {
        /// `true` at the beginning, `false` at the end.
        began: bool,
    },
    /// The campaign runs with its clicks used up or its limit reached, and no promise is in force.
    Unguarded,
    /// TrafficStars will not run the campaign, or will run it again.
    Blocked {
        /// The reason why TrafficStars will not run it; `None` if it can run again.
        reason: Option<String>,
    },
    /// An activation is due and waits.
    Waiting {
        /// The reason, for operators.
        reason: String,
    },
    /// An operator put the campaign on hold, or the hold has ended.
    Hold {
        /// The hold in words: the operator who ordered it, its end and its reason; `None` if it ended.
        hold: Option<String>,
    },
    /// The campaign runs and its clicks go down, but its spend has not changed for long.
    SpendStandsStill {
        /// The time (UTC) since which the spend is unchanged.
        since: DateTime<Utc>,
    },
    /// The day's budget should be raised and is not.
    TopUp {
        /// The reason why no top-up is sent; `None` if the standing budget is enough.
        refused: Option<String>,
    },
    /// Another program like this one works on the account.
    AnotherGuard {
        /// The sign of it, in words.
        sign: String,
    },
    /// Something failed.
    Error {
        /// The part that failed.
        part: Part,
        /// The reason, for operators.
        reason: String,
    },
    /// A part that had failed works again.
    Recovery {
        /// The part that works again.
        part: Part,
    },
    /// This supervisor's role changed.
    Leadership {
        /// The new role.
        role: Role,
        /// The epoch of the leadership that began or ended.
        epoch: Option<Epoch>,
    },
    /// TrafficStars serves an operation by another endpoint than before.
    Endpoint {
        /// The operation, by the dump's word.
        operation: String,
        /// The endpoint that worked before; `None` if no known one did.
        before: Option<String>,
        /// The endpoint that works now; `None` if no known one works.
        now: Option<String>,
    },
    /// The reader was too slow, so that events were dropped for it.
    Lost {
        /// The number of dropped events of all campaigns.
        count: u64,
    },
}

/// The steps of an action, and what else can happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionStage {
    /// The action is due.
    Requested,
    /// TrafficStars accepted it.
    Accepted,
    /// The answer was lost or unclear.
    Unclear,
    /// A read shows its result.
    Confirmed,
    /// It failed.
    Failed,
    /// It is no longer needed.
    Superseded,
    /// Observe mode: it would be due, and is not sent.
    ObservedOnly,
    /// The end time that follows the pause could not be set yet.
    EndTimeOwed,
}

/// The parts that can fail and recover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Reading a campaign's facts in its tick.
    Tick,
    /// Storing a campaign's promise.
    Promise,
    /// A campaign's actor.
    Actor,
    /// Requests to TrafficStars.
    TrafficStar,
    /// The database.
    Database,
}

impl OperatorEvent {
    /// Builds the event for a note of a campaign's machine.
    #[must_use]
    pub fn note(at: DateTime<Utc>, note: &Note) -> Self {
        let (warning, text) = (note.is_warning(), note.to_string());
        Self { id: None, at, campaign_id: None, name: None, warning, text, kind: note.into() }
    }

    /// Builds the event for a failure of a part.
    #[must_use]
    pub fn error(at: DateTime<Utc>, part: Part, reason: &str) -> Self {
        let text = match part {
            Part::Tick => reason.to_owned(),
            Part::Promise => format!("the promise could not be stored; it is kept in memory: {reason}"),
            Part::Actor => format!("its actor failed and is respawned: {reason}"),
            Part::TrafficStar => format!("a request to TrafficStars failed: {reason}"),
            Part::Database => format!("the database failed: {reason}"),
        };
        let kind = EventKind::Error { part, reason: reason.to_owned() };
        Self { id: None, at, campaign_id: None, name: None, warning: true, text, kind }
    }

    /// Builds the event for the recovery of a part.
    #[must_use]
    pub fn recovery(at: DateTime<Utc>, part: Part) -> Self {
        let text = match part {
            Part::Tick => "its status, spend and clicks can be read again",
            Part::Promise => "the promise that was kept in memory is stored now",
            Part::Actor => "its actor was respawned from the stored promise",
            Part::TrafficStar => "TrafficStars answers again",
            Part::Database => "the database answers again",
        };
        let kind = EventKind::Recovery { part };
        Self { id: None, at, campaign_id: None, name: None, warning: false, text: text.to_owned(), kind }
    }

    /// Builds the event for a new role of this supervisor.
    #[must_use]
    pub fn leadership(at: DateTime<Utc>, role: Role, epoch: Option<Epoch>) -> Self {
        let leadership = epoch.map(|Epoch(epoch)| format!(" (epoch {epoch})")).unwrap_or_default();
        let (warning, text) = match role {
            Role::Leader => (false, format!("this supervisor leads{leadership}: it guards the campaigns")),
            Role::Standby => {
                (true, format!("this supervisor no longer leads{leadership}: another one does, this one is a standby"))
            }
            Role::CutOff => {
                let why = "its lease has ended and the database does not renew it: nothing is sent";
                (true, format!("this supervisor is cut off{leadership}: {why}"))
            }
        };
        let kind = EventKind::Leadership { role, epoch };
        Self { id: None, at, campaign_id: None, name: None, warning, text, kind }
    }

    /// Builds the event for a new endpoint of `operation`. `purpose` is a verb phrase such as "run campaigns".
    #[must_use]
    pub fn endpoint(
        at: DateTime<Utc>,
        operation: &str,
        purpose: &str,
        before: Option<String>,
        now: Option<String>,
    ) -> Self {
        let text = match (&before, &now) {
            (Some(before), Some(now)) => {
                format!("TrafficStars' endpoint to {purpose} has changed: `{now}` works now, instead of `{before}`")
            }
            (Some(before), None) => {
                format!(
                    "TrafficStars no longer has an endpoint to {purpose}: `{before}` worked, but now no known one does"
                )
            }
            (None, Some(now)) => format!("TrafficStars has an endpoint to {purpose} now: `{now}`"),
            (None, None) => format!("TrafficStars has no endpoint to {purpose}"),
        };
        let warning = before.is_some();
        let kind = EventKind::Endpoint { operation: operation.to_owned(), before, now };
        Self { id: None, at, campaign_id: None, name: None, warning, text, kind }
    }

    /// Builds the event for a limit that campaigns share and that is reached or near.
    #[must_use]
    pub fn group_limit(at: DateTime<Utc>, report: &SharedLimitReport, spend: Money) -> Self {
        let SharedLimitReport { day: _, group, limit, is_reached } = report;
        let sharers = sharers(group.as_deref());
        let text = if *is_reached {
            format!("the limit of {sharers} is reached: {spend} of {limit} is spent today")
        } else {
            format!("{spend} of the limit of {sharers}, {limit}, is spent today")
        };
        let kind = EventKind::GroupLimit { group: group.clone(), spend, limit: *limit, reached: *is_reached };
        Self { id: None, at, campaign_id: None, name: None, warning: true, text, kind }
    }

    /// Builds the event for another program like this one on the account.
    #[must_use]
    pub fn another_guard(at: DateTime<Utc>, another: &AnotherGuard) -> Self {
        let kind = EventKind::AnotherGuard { sign: another.sign.to_string() };
        Self { id: None, at, campaign_id: None, name: None, warning: true, text: another.to_string(), kind }
    }

    /// Builds the event for a reader that was too slow for this many events.
    #[must_use]
    pub fn lost(at: DateTime<Utc>, count: u64) -> Self {
        let text = format!("this reader was too slow for {count} events: see the journal and the dump");
        let kind = EventKind::Lost { count };
        Self { id: None, at, campaign_id: None, name: None, warning: true, text, kind }
    }

    /// Returns the event with the campaign that it is about.
    #[must_use]
    pub fn about(self, campaign: CampaignId, name: &str) -> Self {
        Self { campaign_id: Some(campaign), name: Some(name.to_owned()), ..self }
    }
}

impl EventKind {
    /// Returns the word of this kind in the API.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Transition { .. } => "transition",
            Self::Action { .. } => "action",
            Self::ForeignChange { .. } => "foreign-change",
            Self::Contested { .. } => "contested",
            Self::Warned { .. } => "warned",
            Self::HighSpend { .. } => "high-spend",
            Self::GroupLimit { .. } => "group-limit",
            Self::Unguarded => "unguarded",
            Self::Blocked { .. } => "blocked",
            Self::Waiting { .. } => "waiting",
            Self::Hold { .. } => "hold",
            Self::SpendStandsStill { .. } => "spend-stands-still",
            Self::TopUp { .. } => "top-up",
            Self::AnotherGuard { .. } => "another-guard",
            Self::Error { .. } => "error",
            Self::Recovery { .. } => "recovery",
            Self::Leadership { .. } => "leadership",
            Self::Endpoint { .. } => "endpoint",
            Self::Lost { .. } => "lost",
        }
    }
}

impl From<&Note> for EventKind {
    fn from(note: &Note) -> Self {
        match note {
            Note::Transition { from, to, reason } => Self::Transition { from: *from, to: *to, reason: reason.clone() },
            Note::Action { kind, update } => {
                let (step, reason) = step(update);
                Self::Action { action: *kind, step, reason: reason.cloned() }
            }
            Note::ForeignChange { running } => Self::ForeignChange { running: *running },
            Note::Contested { began } => Self::Contested { began: *began },
            Note::Warned { spend, limit } => Self::Warned { spend: *spend, limit: *limit },
            Note::HighSpend { began } => Self::HighSpend { began: *began },
            Note::Unguarded(_) => Self::Unguarded,
            Note::Blocked(reason) => Self::Blocked { reason: reason.clone() },
            Note::Waiting(reason) => Self::Waiting { reason: reason.clone() },
            Note::Hold(hold) => Self::Hold { hold: hold.clone() },
            Note::BudgetLeft(_) => Self::TopUp { refused: None },
            Note::TopUpRefused(reason) => Self::TopUp { refused: Some(reason.clone()) },
            Note::SpendStandsStill(still) => Self::SpendStandsStill { since: still.since },
        }
    }
}

const fn step(update: &ActionUpdate) -> (ActionStage, Option<&String>) {
    match update {
        ActionUpdate::Requested(reason) => (ActionStage::Requested, Some(reason)),
        ActionUpdate::Accepted => (ActionStage::Accepted, None),
        ActionUpdate::Unclear(reason) => (ActionStage::Unclear, Some(reason)),
        ActionUpdate::Confirmed => (ActionStage::Confirmed, None),
        ActionUpdate::Failed(reason) => (ActionStage::Failed, Some(reason)),
        ActionUpdate::Superseded(reason) => (ActionStage::Superseded, Some(reason)),
        ActionUpdate::ObservedOnly(reason) => (ActionStage::ObservedOnly, Some(reason)),
        ActionUpdate::EndTimeOwed(reason) => (ActionStage::EndTimeOwed, Some(reason)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn at() -> DateTime<Utc> {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    /// Asserts the event's JSON, that it reads back as the same event, and that its kind is its only name.
    #[track_caller]
    fn travels_as(event: &OperatorEvent, wanted: &Value) {
        let sent = serde_json::to_value(event).unwrap();
        assert_eq!(&sent, wanted);
        assert_eq!(sent["kind"], event.kind.word());
        assert_eq!(serde_json::from_value::<OperatorEvent>(sent).unwrap(), *event);
    }

    #[test]
    fn an_event_has_its_campaign_its_time_and_its_text_in_words_and_in_fields() {
        let reason = "20,000 clicks left".to_owned();
        let note = Note::Transition { from: PhaseWord::Idle, to: PhaseWord::ActiveGuarded, reason };
        travels_as(
            &OperatorEvent { id: Some(17), ..OperatorEvent::note(at(), &note).about(CampaignId(1), "shoes") },
            &json!({
                "id": 17, "at": "2026-11-22T12:00:00Z", "campaign_id": 1, "name": "shoes", "warning": false,
                "text": "idle → active-guarded: 20,000 clicks left",
                "kind": "transition", "from": "idle", "to": "active-guarded", "reason": "20,000 clicks left",
            }),
        );
    }

    #[test]
    fn every_note_becomes_an_event_of_its_kind_with_the_fields_that_a_program_needs() {
        let action = |update| Note::Action { kind: ActionKind::Pause, update };
        let cases = [
            (Note::ForeignChange { running: true }, json!({"kind": "foreign-change", "running": true})),
            (Note::Contested { began: true }, json!({"kind": "contested", "began": true})),
            (Note::HighSpend { began: false }, json!({"kind": "high-spend", "began": false})),
            (Note::Unguarded("it is on hold".to_owned()), json!({"kind": "unguarded"})),
            (Note::Blocked(None), json!({"kind": "blocked", "reason": null})),
            (Note::Blocked(Some("archived".to_owned())), json!({"kind": "blocked", "reason": "archived"})),
            (Note::Waiting("late".to_owned()), json!({"kind": "waiting", "reason": "late"})),
            (
                action(ActionUpdate::Accepted),
                json!({"kind": "action", "action": "pause", "step": "accepted", "reason": null}),
            ),
            (
                action(ActionUpdate::EndTimeOwed("503".to_owned())),
                json!({"kind": "action", "action": "pause", "step": "end-time-owed", "reason": "503"}),
            ),
            (
                action(ActionUpdate::ObservedOnly("why".to_owned())),
                json!({"kind": "action", "action": "pause", "step": "observed-only", "reason": "why"}),
            ),
        ];
        for (note, fields) in cases {
            let mut wanted = json!({
                "id": null, "at": "2026-11-22T12:00:00Z", "campaign_id": 1, "name": "shoes",
                "warning": note.is_warning(), "text": note.to_string(),
            });
            wanted.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            travels_as(&OperatorEvent::note(at(), &note).about(CampaignId(1), "shoes"), &wanted);
        }
    }

    #[test]
    fn a_change_of_leadership_names_the_epoch_that_began_or_ended() {
        let cases = [
            (Role::Leader, false, "this supervisor leads (epoch 7): it guards the campaigns"),
            (Role::Standby, true, "this supervisor no longer leads (epoch 7): another one does, this one is a standby"),
        ];
        for (role, warning, text) in cases {
            travels_as(
                &OperatorEvent::leadership(at(), role, Some(Epoch(7))),
                &json!({
                    "id": null, "at": "2026-11-22T12:00:00Z", "campaign_id": null, "name": null, "warning": warning,
                    "text": text, "kind": "leadership", "role": role, "epoch": 7,
                }),
            );
        }
    }

    #[test]
    fn errors_recoveries_and_losses_have_no_campaign_unless_one_is_given() {
        let common = |text: &str, warning: bool| {
            json!({
                "id": null, "at": "2026-11-22T12:00:00Z", "campaign_id": null, "name": null,
                "warning": warning, "text": text,
            })
        };
        let with = |mut common: Value, fields: Value| {
            common.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            common
        };
        travels_as(
            &OperatorEvent::error(at(), Part::Database, "it is locked"),
            &with(
                common("the database failed: it is locked", true),
                json!({"kind": "error", "part": "database", "reason": "it is locked"}),
            ),
        );
        travels_as(
            &OperatorEvent::recovery(at(), Part::TrafficStar).about(CampaignId(2), "travel"),
            &with(
                common("TrafficStars answers again", false),
                json!({"kind": "recovery", "part": "trafficstar", "campaign_id": 2, "name": "travel"}),
            ),
        );
        let run = |version: &str| Some(format!("PUT /{version}/campaigns/run"));
        travels_as(
            &OperatorEvent::endpoint(at(), "run", "run campaigns", run("v2"), run("v1.1")),
            &with(
                common(
                    "TrafficStars' endpoint to run campaigns has changed: `PUT /v1.1/campaigns/run` works now, instead \
                     of `PUT /v2/campaigns/run`",
                    true,
                ),
                json!({
                    "kind": "endpoint", "operation": "run",
                    "before": "PUT /v2/campaigns/run", "now": "PUT /v1.1/campaigns/run",
                }),
            ),
        );
        travels_as(
            &OperatorEvent::lost(at(), 12),
            &with(
                common("this reader was too slow for 12 events: see the journal and the dump", true),
                json!({"kind": "lost", "count": 12}),
            ),
        );
    }
}
