//! Duties of a session besides its decisions: pauses do not wait for the database, and old clicks start nothing.

use std::collections::BTreeSet;

use chrono::Duration;
use traffic_generator::domain::action::{ActionId, ActionKind, Outcome, Trigger};
use traffic_generator::domain::event::{Effect, Event};

use super::world::{Sent, Step, World};
use super::{Checker, Findings};
use crate::model::log::{Line, What};

/// `pause-waits-for-no-database`: rule 9. A pause is sent even if its record cannot be stored.
#[derive(Debug, Default)]
pub(super) struct PauseWaitsForNoDatabase {
    /// Pauses that are not queued yet.
    asked: BTreeSet<(usize, ActionId)>,
    /// Campaigns with a record that could not be stored, until the next one is stored.
    refused: BTreeSet<usize>,
}

impl Checker for PauseWaitsForNoDatabase {
    fn line(&mut self, _world: &World<'_>, index: usize, line: &Line, found: &mut Findings) {
        match &line.what {
            What::Started { .. } | What::Crashed => *self = Self::default(),
            What::Asked { campaign, effect: Effect::Send(request) } if request.kind == ActionKind::Pause => {
                self.asked.insert((*campaign, request.action));
            }
            What::Queued { carries, .. } => {
                for carried in carries {
                    self.asked.remove(&(carried.campaign, carried.action));
                }
            }
            What::NotStored { campaign } => {
                self.refused.insert(*campaign);
            }
            What::Stored { campaign, .. } => {
                self.refused.remove(campaign);
            }
            What::Delivered { campaign, event: Event::Applied { action, outcome: Outcome::NotSent(reason) } }
                if self.asked.remove(&(*campaign, *action)) && self.refused.contains(campaign) =>
            {
                let text = format!("campaign {campaign}: its pause was never sent: {reason}");
                found.report("pause-waits-for-no-database", index, text);
            }
            _ => {}
        }
    }
}

/// How old clicks may be: they are read again after a second, and the database may take two.
const FRESH_FOR: Duration = Duration::milliseconds(3_100);

/// `clicks-are-fresh`: the remaining clicks are read last, before they start a campaign.
pub(super) struct ClicksAreFresh;

impl Checker for ClicksAreFresh {
    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let (Some(place), Some(seen)) = (world.place(step.campaign), step.seen) else { return };
        let (Some(question), Ok(clicks)) = (place.observing, &seen.clicks) else { return };
        // An order starts a campaign without regard to its clicks.
        let by_clicks = |sent: &Sent<'_>| sent.entry.is_none_or(|entry| entry.trigger == Trigger::Tick);
        let starts = step.sent().any(|sent| sent.request.kind == ActionKind::Activate && by_clicks(&sent));
        let age = step.wall.signed_duration_since(clicks.at);
        if starts && age > FRESH_FOR && !world.clock_set_since(question.line) {
            let text = format!("campaign {}: it is started by clicks that were read {age} ago", step.campaign);
            found.report("clicks-are-fresh", step.line, text);
        }
    }
}
