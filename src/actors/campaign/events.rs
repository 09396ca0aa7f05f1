//! What one campaign actor tells as it happens: to the log, and to whoever listens.
//!
//! What fails again and again in one way is told less and less often. The journal and the dump have it all.

use chrono::{DateTime, Utc};

use super::CampaignActor;
use crate::domain::event::{ActionUpdate, Note};
use crate::domain::operator_event::{OperatorEvent, Part};
use crate::domain::repeats::{is_same_kind, say_times};
use crate::guard::tick::Reading;

impl CampaignActor {
    /// Remembers what a tick could not read: shown until a tick goes well. What keeps everybody from being read is told
    /// once for the account, and not here.
    pub(super) fn note_error(&mut self, now: DateTime<Utc>, reading: &Reading) {
        self.last_error = reading.error();
        let event = match (&self.told_error, &self.last_error) {
            (None, None) => return,
            (_, Some(_)) if reading.is_shared_failure() => return,
            (Some(told), Some(error)) if is_same_kind(told, error) => return,
            (_, Some(error)) => OperatorEvent::error(now, Part::Tick, error),
            (Some(_), None) => OperatorEvent::recovery(now, Part::Tick),
        };
        self.told_error.clone_from(&self.last_error);
        self.tell(event);
    }

    /// Counts what the machine has to tell, and tells it, unless it was told before.
    pub(super) fn note(&mut self, note: &Note) {
        let now = self.surroundings.clock.now();
        let mut event = OperatorEvent::note(now, note);
        if let Note::Action { kind, news } = note {
            self.surroundings.board.metrics().action(*kind, news);
            match news {
                // An action that came about has a beginning that was told.
                ActionUpdate::Confirmed => self.repeats.clear(),
                // The machine says it once for each decision.
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
        self.tell(event);
    }

    /// Tells the log and whoever listens.
    pub(super) fn tell(&self, event: OperatorEvent) {
        let (campaign, name, text) = (self.row.id, &self.row.name, &event.text);
        if event.warning {
            tracing::warn!(%campaign, name, "{text}");
        } else {
            tracing::info!(%campaign, name, "{text}");
        }
        self.tell_listeners(event);
    }

    /// Those who hear of it find it in the dump.
    pub(super) fn tell_listeners(&self, event: OperatorEvent) {
        self.publish();
        self.surroundings.board.tell(event.about(self.row.id, &self.row.name));
    }
}
