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
        let mut campaign = TheCampaign(None);
        event.record(&mut campaign);
        assert!(!campaign.0.is_some_and(|campaign| self.strikes(campaign)), "a defect on purpose");
    }
}

struct TheCampaign(Option<i64>);

impl Visit for TheCampaign {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "campaign" {
            self.0 = format!("{value:?}").parse().ok();
        }
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
            let mut line = Line(String::new());
            event.record(&mut line);
            self.0.lock().unwrap().push(line.0);
        }
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write;
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}
