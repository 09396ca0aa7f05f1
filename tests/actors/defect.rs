//! An artificial defect in one campaign's actor: the actor panics when it logs its next line about its campaign. Also a
//! log, by which tests read the program's warnings and errors.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer};
use traffic_generator::domain::ids::CampaignId;

/// The module whose log lines trigger the defect: the campaign actor. Lines of other modules about the campaign do not.
const ITS_ACTOR: &str = "traffic_generator::actors::campaign";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strikes {
    Once,
    Always,
}

/// The defect. All clones share one list of campaigns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Defect(Arc<Mutex<BTreeMap<i64, Strikes>>>);

impl Defect {
    /// Makes the campaign's actor panic at its next log line. Later actors of the campaign are spared.
    pub(crate) fn arm(&self, campaign: CampaignId) {
        self.0.lock().unwrap().insert(campaign.0, Strikes::Once);
    }

    /// Makes every actor of the campaign panic at its first log line, respawned ones included.
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

/// Every warning and error that was logged, with its fields.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Returns the lines that contain `part`.
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

/// The text of an event: its fields.
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
