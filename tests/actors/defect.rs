//! A defect of our own in one campaign's actor: the next thing that it has to say of its campaign panics. And a log, so
//! that tests read what operators are told.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer};
use traffic_generator::domain::ids::CampaignId;

/// Only what a campaign's actor says is deadly, not what others say of it.
const ITS_ACTOR: &str = "traffic_generator::actors::campaign";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strikes {
    Once,
    Always,
}

/// The defect. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Defect(Arc<Mutex<BTreeMap<i64, Strikes>>>);

impl Defect {
    /// The next thing that its actor says is its last.
    pub(crate) fn arm(&self, campaign: CampaignId) {
        self.0.lock().unwrap().insert(campaign.0, Strikes::Once);
    }

    /// Whatever its actor says is its last, and so with those that are built anew.
    pub(crate) fn arm_for_good(&self, campaign: CampaignId) {
        self.0.lock().unwrap().insert(campaign.0, Strikes::Always);
    }

    pub(crate) fn mend(&self, campaign: CampaignId) {
        self.0.lock().unwrap().remove(&campaign.0);
    }

    fn strikes(&self, campaign: i64) -> bool {
        let mut armed = self.0.lock().unwrap();
        let strikes = armed.get(&campaign).copied();
        if strikes == Some(Strikes::Once) {
            armed.remove(&campaign);
        }
        strikes.is_some()
    }
}

impl<S: tracing::Subscriber> Layer<S> for Defect {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if !event.metadata().target().starts_with(ITS_ACTOR) {
            return;
        }
        let line = Line::of(event);
        let campaign = line.split(' ').find_map(|word| word.strip_prefix("campaign=")?.parse().ok());
        assert!(!campaign.is_some_and(|campaign| self.strikes(campaign)), "a defect on purpose");
    }
}

/// Every warning and error that was logged, its fields included.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// The lines that hold `part`.
    pub(crate) fn lines(&self, part: &str) -> Vec<String> {
        self.0.lock().unwrap().iter().filter(|line| line.contains(part)).cloned().collect()
    }
}

impl<S: tracing::Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() <= tracing::Level::WARN {
            self.0.lock().unwrap().push(Line::of(event));
        }
    }
}

/// An event's fields.
struct Line(String);

impl Line {
    fn of(event: &tracing::Event<'_>) -> String {
        let mut line = Self(String::new());
        event.record(&mut line);
        line.0
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write;
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}
