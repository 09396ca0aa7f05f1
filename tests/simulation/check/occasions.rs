//! The occasions of alerts: RULES.md, "Alerts".

use std::collections::{BTreeMap, BTreeSet};

use traffic_generator::domain::event::{Effect, Event, Record};
use traffic_generator::domain::failure::RemoteFault;
use traffic_generator::domain::occasion::{Finding, KnownOccasion, OccasionChange, OccasionKey, OccasionKind};

use super::world::{Step, World};
use super::{Checker, Findings};
use crate::model::log::{Line, Restored, What};

/// An occasion begins once and ends once: also over a restart, and as the database has stored it.
#[derive(Debug, Default)]
pub(super) struct OnceUntilOver {
    /// The open occasions of each campaign, as its session has them.
    open: BTreeMap<usize, BTreeSet<OccasionKey>>,
    /// The open occasions of each campaign, as the database has them.
    stored: BTreeMap<usize, BTreeSet<OccasionKey>>,
    /// The records of each campaign that are not stored yet, oldest first.
    unstored: BTreeMap<usize, Vec<Record>>,
}

const NAME: &str = "an-occasion-lasts-until-it-is-over";

impl Checker for OnceUntilOver {
    fn line(&mut self, _world: &World<'_>, index: usize, line: &Line, found: &mut Findings) {
        match &line.what {
            What::Asked { campaign, effect: Effect::Store(record) } => {
                self.unstored.entry(*campaign).or_default().push((**record).clone());
                let open = self.open.entry(*campaign).or_default();
                for change in &record.occasions {
                    if let Some(text) = broken_by(open, change) {
                        found.report(NAME, index, format!("campaign {campaign}: {text}"));
                    }
                }
            }
            What::Asked { campaign, effect: Effect::Disabled { .. } } => {
                let left = self.open.get(campaign).filter(|open| !open.is_empty());
                if let Some(left) = left {
                    let text = format!("campaign {campaign}: it is no longer guarded, and {left:?} are open");
                    found.report(NAME, index, text);
                }
            }
            What::Stored { campaign, record } => {
                if let Some(text) = self.store(*campaign, record) {
                    found.report(NAME, index, format!("campaign {campaign}: {text}"));
                }
            }
            What::Started { campaigns } => campaigns.iter().for_each(|restored| self.restore(restored)),
            What::Enabled(restored) => self.restore(restored),
            What::Crashed => self.unstored.clear(),
            _ => {}
        }
    }

    /// A tick that could not read the status ends nothing that only the status shows.
    fn step(&mut self, _world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let has_read = match step.event {
            Event::Observed { observation, .. } => is_read(&observation.remote),
            Event::ReadBack { remote, .. } => is_read(remote),
            _ => true,
        };
        let is_over = step.effects.iter().any(|(_, effect)| matches!(effect, Effect::Disabled { .. }));
        for (line, effect) in step.effects.iter().filter(|_| !has_read && !is_over) {
            let Effect::Store(record) = effect else { continue };
            for change in &record.occasions {
                if let OccasionChange::Ended(key, _) = change
                    && matches!(key.kind, OccasionKind::Blocked | OccasionKind::NoFunds | OccasionKind::Unguarded)
                {
                    let text = format!("campaign {}: {key} ends, and the status was not read", step.campaign);
                    found.report("unread-ends-no-occasion", *line, text);
                }
            }
        }
    }
}

impl OnceUntilOver {
    /// The database has stored a record. Returns what it breaks: once a campaign's last record is stored, the database
    /// and the session have the same open occasions.
    fn store(&mut self, campaign: usize, record: &Record) -> Option<String> {
        let stored = self.stored.entry(campaign).or_default();
        for change in &record.occasions {
            // A record whose answer was lost is stored again, which changes nothing more.
            let _ = broken_by(stored, change);
        }
        let unstored = self.unstored.entry(campaign).or_default();
        let asked = unstored.iter().rposition(|asked| is_stored_by(asked, record))?;
        // A record replaces the older ones of its action.
        unstored.drain(..=asked);
        let open = self.open.entry(campaign).or_default();
        (unstored.is_empty() && stored != open).then(|| format!("{open:?} are open, and {stored:?} are stored"))
    }

    /// A new session knows what is stored.
    fn restore(&mut self, restored: &Restored) {
        let open =
            restored.occasions.iter().filter(|known| known.is_open).map(|known: &KnownOccasion| known.key.clone());
        let open: BTreeSet<OccasionKey> = open.collect();
        self.open.insert(restored.campaign, open.clone());
        self.stored.insert(restored.campaign, open);
    }
}

/// Returns whether the answer shows the campaign's status. A campaign that is gone has one: it is blocked.
fn is_read<T>(remote: &Result<T, RemoteFault>) -> bool {
    remote.is_ok() || matches!(remote, Err(RemoteFault::Gone))
}

/// Whether storing `record` stores what `asked` says. The changes of replaced records come first.
fn is_stored_by(asked: &Record, record: &Record) -> bool {
    asked.promise == record.promise && asked.entry == record.entry && record.occasions.ends_with(&asked.occasions)
}

/// Applies a change. Returns what it breaks.
fn broken_by(open: &mut BTreeSet<OccasionKey>, change: &OccasionChange) -> Option<String> {
    match change {
        OccasionChange::Began(Finding { key, lasts: true, .. }) => {
            (!open.insert(key.clone())).then(|| format!("{key} begins while it is open"))
        }
        OccasionChange::Began(_) => None,
        OccasionChange::Ended(key, _) => (!open.remove(key)).then(|| format!("{key} ends and is not open")),
    }
}
