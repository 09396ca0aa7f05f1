//! What one campaign actor tells as it happens: to the log, and to whoever listens.

use chrono::{DateTime, Utc};

use super::CampaignActor;
use crate::domain::live::{LiveEvent, Part};

impl CampaignActor {
    /// Remembers what a tick could not read: shown until a tick goes well.
    pub(super) fn note_error(&mut self, now: DateTime<Utc>, error: Option<String>) {
        if self.last_error == error {
            return;
        }
        let event = match &error {
            Some(reason) => LiveEvent::error(now, Part::Tick, reason),
            None => LiveEvent::recovery(now, Part::Tick),
        };
        self.last_error = error;
        self.tell(event);
    }

    /// Tells the log and whoever listens.
    pub(super) fn tell(&self, event: LiveEvent) {
        let (campaign, name, text) = (self.row.id, &self.row.name, &event.text);
        if event.warning {
            tracing::warn!(%campaign, name, "{text}");
        } else {
            tracing::info!(%campaign, name, "{text}");
        }
        self.tell_listeners(event);
    }

    /// Those who hear of it find it in the dump.
    pub(super) fn tell_listeners(&self, event: LiveEvent) {
        self.publish();
        self.surroundings.board.tell(event.about(self.row.id, &self.row.name));
    }
}
