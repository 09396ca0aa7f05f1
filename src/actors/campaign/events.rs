//! The events of one campaign: written to the log, and published for the clients that follow events.
//!
//! A failure that repeats is reported less and less often. The journal and the dump hold all of them.

use chrono::{DateTime, Utc};

use super::CampaignActor;
use crate::domain::event::{ActionUpdate, Note};
use crate::domain::operator_event::{OperatorEvent, Part};
use crate::domain::repeats::{is_same_kind, say_times};
use crate::guard::tick::Reading;

impl CampaignActor {
    /// Keeps what a tick could not read, until a tick can read all. A failure that concerns every campaign is reported
    /// once for the account, and not here.
    pub(super) fn note_error(&mut self, now: DateTime<Utc>, reading: &Reading) {
        self.last_error = reading.error();
        let event = match (&self.reported_error, &self.last_error) {
            (None, None) => return,
            (_, Some(_)) if reading.is_shared_failure() => return,
            (Some(reported), Some(error)) if is_same_kind(reported, error) => return,
            (_, Some(error)) => OperatorEvent::error(now, Part::Tick, error),
            (Some(_), None) => OperatorEvent::recovery(now, Part::Tick),
        };
        self.reported_error.clone_from(&self.last_error);
        self.report(event);
    }

    /// Counts a note of the machine in the metrics, and reports it. A note that repeats is not reported each time.
    pub(super) fn note(&mut self, note: &Note) {
        let now = self.surroundings.clock.now();
        let mut event = OperatorEvent::note(now, note);
        if let Note::Action { kind, update } = note {
            self.surroundings.board.metrics().action(*kind, update);
            match update {
                // A confirmed action ends a series of failures: the next failure is reported at once.
                ActionUpdate::Confirmed => self.repeats.clear(),
                // The machine sends this note once for each decision.
                ActionUpdate::ObservedOnly(_) => {}
                ActionUpdate::Requested(_)
                | ActionUpdate::Accepted
                | ActionUpdate::Unclear(_)
                | ActionUpdate::Failed(_)
                | ActionUpdate::Superseded(_)
                | ActionUpdate::EndTimeOwed(_) => {
                    let Some(times) = self.repeats.count(now, &event.text) else { return };
                    say_times(&mut event.text, times);
                }
            }
        }
        self.report(event);
    }

    /// Logs and publishes an event.
    pub(super) fn report(&self, event: OperatorEvent) {
        let (campaign, name, text) = (self.row.id, &self.row.name, &event.text);
        if event.warning {
            tracing::warn!(%campaign, name, "{text}");
        } else {
            tracing::info!(%campaign, name, "{text}");
        }
        self.publish_event(event);
    }

    /// Publishes an event, after the status: a client that receives the event finds its effect in the dump.
    pub(super) fn publish_event(&self, event: OperatorEvent) {
        self.publish();
        self.surroundings.board.publish_event(event.about(self.row.id, &self.row.name));
    }
}
