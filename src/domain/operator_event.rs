//! What happens, as it happens: the events of `GET /v1/events`, plain data for operators and their programs.
//!
//! Deliberately absent: the past. Whoever was not listening finds it in the journal and in the dump.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::action::ActionKind;
use super::another_guard::AnotherGuard;
use super::event::{ActionUpdate, Note};
use super::ids::CampaignId;
use super::lease::Epoch;
use super::phase::PhaseWord;
use super::status::Role;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorEvent {
    /// The dump's `sequence` at that moment: larger is later, and a dump whose `sequence` is as large knows of it. None
    /// where it is about one reader alone ([`EventKind::Lost`]).
    pub id: Option<u64>,
    /// When.
    pub at: DateTime<Utc>,
    /// The campaign that it is about; none where it is about the program.
    pub campaign_id: Option<CampaignId>,
    /// That campaign's name.
    pub name: Option<String>,
    /// Whether somebody should look at it.
    pub warning: bool,
    /// What happened, in words.
    pub text: String,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EventKind {
    /// The state changed.
    Transition {
        /// From.
        from: PhaseWord,
        /// To.
        to: PhaseWord,
        /// Why.
        reason: String,
    },
    /// An action took a step.
    Action {
        /// What.
        action: ActionKind,
        /// What happened to it.
        step: ActionStage,
        /// Why it is due or what went wrong, where there is something to say.
        reason: Option<String>,
    },
    /// Somebody else changed the campaign.
    ForeignChange {
        /// Whether it runs since then.
        running: bool,
    },
    /// Others change it again and again.
    Contested {
        /// Whether that began; it ended otherwise.
        began: bool,
    },
    /// The spend limit was reached, or a new day has begun.
    HighSpend {
        /// Whether that began; it ended otherwise.
        began: bool,
    },
    /// It runs with its clicks used up or the limit reached, and no promise is in force.
    Unguarded,
    /// Running it cannot help, for this reason; or, without one, it can again.
    Blocked {
        /// Why.
        reason: Option<String>,
    },
    /// An activation is due and held back.
    Waiting {
        /// Why.
        reason: String,
    },
    /// An operator put it on hold, or the hold has ended.
    Hold {
        /// Whose, until when and why; none: it ended.
        hold: Option<String>,
    },
    /// It runs, its clicks go on, and its spend has been the same for long.
    SpendStandsStill {
        /// Since when.
        since: DateTime<Utc>,
    },
    /// Another program like this one works on the account.
    AnotherGuard {
        /// What gave it away.
        sign: String,
    },
    /// Something failed.
    Error {
        /// What.
        part: Part,
        /// Why.
        reason: String,
    },
    /// What had failed works again.
    Recovery {
        /// What.
        part: Part,
    },
    /// This supervisor leads from now on, or does not.
    Leadership {
        /// What it is now.
        role: Role,
        /// The leadership that has begun or ended.
        epoch: Option<Epoch>,
    },
    /// TrafficStars serves an operation by another endpoint than before.
    Endpoint {
        /// Which operation, by the dump's word.
        operation: String,
        /// What worked before; none: nothing did.
        before: Option<String>,
        /// What works now; none: nothing does any more.
        now: Option<String>,
    },
    /// The reader was too slow, and events were dropped.
    Lost {
        /// How many, those of other campaigns included.
        count: u64,
    },
}

/// What happened to an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionStage {
    /// It is due.
    Requested,
    /// TrafficStars took it.
    Accepted,
    /// The answer was lost or unclear.
    Unclear,
    /// A read shows it.
    Confirmed,
    /// It failed.
    Failed,
    /// It is not wanted any more.
    Superseded,
    /// Observe mode: it would be due, and is not sent.
    ObservedOnly,
    /// The end time that follows the pause could not be set yet.
    EndTimeOwed,
}

/// What can fail, and work again.
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
    /// What a campaign's machine has to tell.
    #[must_use]
    pub fn note(at: DateTime<Utc>, note: &Note) -> Self {
        let (warning, text) = (note.is_warning(), note.to_string());
        Self { id: None, at, campaign_id: None, name: None, warning, text, kind: note.into() }
    }

    /// Something failed.
    #[must_use]
    pub fn error(at: DateTime<Utc>, part: Part, reason: &str) -> Self {
        let text = match part {
            Part::Tick => reason.to_owned(),
            Part::Promise => format!("the promise could not be stored; it is kept in memory: {reason}"),
            Part::Actor => format!("its actor failed and is built anew: {reason}"),
            Part::TrafficStar => format!("a request to TrafficStars failed: {reason}"),
            Part::Database => format!("the database failed: {reason}"),
        };
        let kind = EventKind::Error { part, reason: reason.to_owned() };
        Self { id: None, at, campaign_id: None, name: None, warning: true, text, kind }
    }

    /// What had failed works again.
    #[must_use]
    pub fn recovery(at: DateTime<Utc>, part: Part) -> Self {
        let text = match part {
            Part::Tick => "its status, spend and clicks can be read again",
            Part::Promise => "what was kept in memory is stored",
            Part::Actor => "its actor was built anew from what was stored",
            Part::TrafficStar => "TrafficStars answers again",
            Part::Database => "the database answers again",
        };
        let kind = EventKind::Recovery { part };
        Self { id: None, at, campaign_id: None, name: None, warning: false, text: text.to_owned(), kind }
    }

    /// This supervisor has another role from now on.
    #[must_use]
    pub fn leadership(at: DateTime<Utc>, role: Role, epoch: Option<Epoch>) -> Self {
        let leadership = epoch.map(|Epoch(epoch)| format!(" (epoch {epoch})")).unwrap_or_default();
        let (warning, text) = match role {
            Role::Leader => (false, format!("this supervisor leads{leadership}: it guards the campaigns")),
            Role::Standby => {
                (true, format!("this supervisor leads no more{leadership}: another one does, and it stands by"))
            }
            Role::CutOff => {
                let why = "its lease has ended and the database does not renew it: nothing is sent";
                (true, format!("this supervisor is cut off{leadership}: {why}"))
            }
        };
        let kind = EventKind::Leadership { role, epoch };
        Self { id: None, at, campaign_id: None, name: None, warning, text, kind }
    }

    /// TrafficStars serves `operation`, whose `purpose` is a verb, by another endpoint than before.
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
                    "TrafficStars has no endpoint to {purpose} any more: `{before}` worked, and none of the known ones does"
                )
            }
            (None, Some(now)) => format!("TrafficStars has an endpoint to {purpose} now: `{now}`"),
            (None, None) => format!("TrafficStars has no endpoint to {purpose}"),
        };
        let warning = before.is_some();
        let kind = EventKind::Endpoint { operation: operation.to_owned(), before, now };
        Self { id: None, at, campaign_id: None, name: None, warning, text, kind }
    }

    /// Another program like this one works on the account.
    #[must_use]
    pub fn another_guard(at: DateTime<Utc>, another: &AnotherGuard) -> Self {
        let kind = EventKind::AnotherGuard { sign: another.sign.to_string() };
        Self { id: None, at, campaign_id: None, name: None, warning: true, text: another.to_string(), kind }
    }

    /// A reader was too slow for so many events.
    #[must_use]
    pub fn lost(at: DateTime<Utc>, count: u64) -> Self {
        let text = format!("{count} events came too fast for this reader: see the journal and the dump");
        let kind = EventKind::Lost { count };
        Self { id: None, at, campaign_id: None, name: None, warning: true, text, kind }
    }

    /// The same about one campaign.
    #[must_use]
    pub fn about(self, campaign: CampaignId, name: &str) -> Self {
        Self { campaign_id: Some(campaign), name: Some(name.to_owned()), ..self }
    }
}

impl EventKind {
    /// The word by which the API names it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Transition { .. } => "transition",
            Self::Action { .. } => "action",
            Self::ForeignChange { .. } => "foreign-change",
            Self::Contested { .. } => "contested",
            Self::HighSpend { .. } => "high-spend",
            Self::Unguarded => "unguarded",
            Self::Blocked { .. } => "blocked",
            Self::Waiting { .. } => "waiting",
            Self::Hold { .. } => "hold",
            Self::SpendStandsStill { .. } => "spend-stands-still",
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
            Note::Action { kind, news } => {
                let (step, reason) = step(news);
                Self::Action { action: *kind, step, reason: reason.cloned() }
            }
            Note::ForeignChange { running } => Self::ForeignChange { running: *running },
            Note::Contested { began } => Self::Contested { began: *began },
            Note::HighSpend { began } => Self::HighSpend { began: *began },
            Note::Unguarded(_) => Self::Unguarded,
            Note::Blocked(reason) => Self::Blocked { reason: reason.clone() },
            Note::Waiting(reason) => Self::Waiting { reason: reason.clone() },
            Note::Hold(hold) => Self::Hold { hold: hold.clone() },
            Note::SpendStandsStill(still) => Self::SpendStandsStill { since: still.since },
        }
    }
}

const fn step(news: &ActionUpdate) -> (ActionStage, Option<&String>) {
    match news {
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

    /// The event as it travels; it must come back as it was, and name itself in one way alone.
    #[track_caller]
    fn travels_as(event: &OperatorEvent, wanted: &Value) {
        let sent = serde_json::to_value(event).unwrap();
        assert_eq!(&sent, wanted);
        assert_eq!(sent["kind"], event.kind.word());
        assert_eq!(serde_json::from_value::<OperatorEvent>(sent).unwrap(), *event);
    }

    #[test]
    fn an_event_says_who_when_and_what_in_words_and_in_fields() {
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
        let action = |news| Note::Action { kind: ActionKind::Pause, news };
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
    fn a_change_of_leadership_says_which_reign_has_begun_or_ended() {
        let cases = [
            (Role::Leader, false, "this supervisor leads (epoch 7): it guards the campaigns"),
            (Role::Standby, true, "this supervisor leads no more (epoch 7): another one does, and it stands by"),
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
    fn errors_recoveries_and_losses_belong_to_no_campaign_unless_one_is_named() {
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
                common("12 events came too fast for this reader: see the journal and the dump", true),
                json!({"kind": "lost", "count": 12}),
            ),
        );
    }
}
