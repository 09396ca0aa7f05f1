//! What a session owes beside its decisions: its pauses wait for no database, and it starts nothing on old clicks.

use std::collections::BTreeSet;

use chrono::Duration;
use traffic_generator::domain::action::{ActionId, ActionKind, Outcome, Trigger};
use traffic_generator::domain::event::{Effect, Event};

use super::world::{Sent, Step, World};
use super::{Checker, Findings};
use crate::model::log::{Line, What};

/// `pause-waits-for-no-database`: rule 9. A pause whose record cannot be stored is sent all the same.
#[derive(Debug, Default)]
pub(super) struct PauseWaitsForNoDatabase {
    /// Not tried yet.
    asked: BTreeSet<(usize, ActionId)>,
    /// Could not be stored, and the database has not taken anything since.
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
            What::OrderReport { campaign, event: Event::Applied { action, outcome: Outcome::NotSent(reason) } }
                if self.asked.remove(&(*campaign, *action)) && self.refused.contains(campaign) =>
            {
                let text = format!("campaign {campaign}: its pause was never tried: {reason}");
                found.report("pause-waits-for-no-database", index, text);
            }
            _ => {}
        }
    }
}

/// Clicks are read again when they are older than a second, for which the database has two.
const FRESH_FOR: Duration = Duration::milliseconds(3_100);

/// `clicks-are-fresh`: "the remaining clicks are read last" before something is started by them.
pub(super) struct ClicksAreFresh;

impl Checker for ClicksAreFresh {
    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let (Some(place), Some(seen)) = (world.place(step.campaign), step.seen) else { return };
        let (Some(question), Ok(clicks)) = (place.observing, &seen.clicks) else { return };
        // An order starts a campaign whatever its clicks are.
        let by_clicks = |sent: &Sent<'_>| sent.entry.is_none_or(|entry| entry.trigger == Trigger::Tick);
        let starts = step.sent().any(|sent| sent.request.kind == ActionKind::Activate && by_clicks(&sent));
        let age = step.wall.signed_duration_since(clicks.at);
        if starts && age > FRESH_FOR && !world.clock_set_since(question.line) {
            let text = format!("campaign {}: it is started by clicks of {age} ago", step.campaign);
            found.report("clicks-are-fresh", step.line, text);
        }
    }
}
