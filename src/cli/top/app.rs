//! What the view knows and shows. Pure: data and keys come in, an order may come out; it reads no clock and no socket.

use std::collections::HashMap;
use std::fmt;

use chrono::{DateTime, Utc};

use super::attention::{self, Urgency};
use super::history::History;
use super::limits::Limits;
use crate::domain::ids::CampaignId;
use crate::domain::status::{CampaignStatus, Dump};

/// The last dump, and when it arrived.
#[derive(Debug)]
pub(super) struct Data {
    pub(super) dump: Dump,
    pub(super) received_at: DateTime<Utc>,
    /// By the campaigns' places in the dump.
    urgencies: Vec<Urgency>,
}

/// What an operator can order from the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// Let one campaign decide now.
    Process(CampaignId),
    /// Send nothing for one campaign until it is released, for a reason.
    Hold(CampaignId, String),
    /// End a campaign's hold.
    Release(CampaignId),
    /// Pause every campaign and keep them paused, for a reason.
    PauseAll(String),
}

impl fmt::Display for Order {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(campaign) => write!(formatter, "process {campaign}"),
            Self::Hold(campaign, _) => write!(formatter, "hold {campaign}"),
            Self::Release(campaign) => write!(formatter, "release {campaign}"),
            Self::PauseAll(_) => formatter.write_str("pause all"),
        }
    }
}

/// What has the keyboard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Focus {
    /// The list of campaigns.
    #[default]
    List,
    /// The filter is being typed.
    Filter,
    /// An order waits for a yes.
    Dialog(Dialog),
    /// The help is shown.
    Help,
}

/// An order that waits for a yes. It keeps its campaign, whatever the list does meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dialog {
    /// What would be ordered, without its reason.
    pub(super) order: Order,
    /// The campaign as people call it, `1 (shoes)`; empty where it is for all.
    pub(super) campaign: String,
    /// Whether the last yes came without the reason that it needs.
    pub(super) reason_missing: bool,
}

/// A line about the last order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) text: String,
    pub(super) is_problem: bool,
}

/// Everything the view knows.
#[derive(Debug, Default)]
pub(super) struct App {
    pub(super) limits: Limits,
    pub(super) data: Option<Data>,
    /// Why there is no newer data, if so.
    pub(super) trouble: Option<String>,
    pub(super) filter: String,
    pub(super) focus: Focus,
    pub(super) notice: Option<Notice>,
    /// Whether the details have the whole screen.
    pub(super) details_enlarged: bool,
    /// How many of their lines are scrolled away.
    pub(super) details_scroll: usize,
    /// Whether the view is to end.
    pub(super) ended: bool,
    /// Places in the dump, as they are listed.
    listed: Vec<usize>,
    /// None: whatever is first in the list.
    selected: Option<CampaignId>,
    histories: HashMap<CampaignId, History>,
    explanation: Option<(CampaignId, String)>,
}

impl App {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes a new dump in.
    pub(super) fn receive(&mut self, dump: Dump, now: DateTime<Utc>) {
        let is_another = |data: &Data| data.dump.started_at != dump.started_at;
        if self.data.as_ref().is_some_and(is_another) {
            self.notice =
                Some(Notice { text: format!("the supervisor was restarted (pid {})", dump.pid), is_problem: false });
        }
        self.trouble = None;
        let mut histories = std::mem::take(&mut self.histories);
        for campaign in &dump.campaigns {
            // Moved over, so that nothing is kept of campaigns that are gone.
            let mut history = histories.remove(&campaign.id).unwrap_or_default();
            history.add(&campaign.observed);
            self.histories.insert(campaign.id, history);
        }
        let captured_at = dump.captured_at;
        let urgencies =
            dump.campaigns.iter().map(|campaign| Urgency::of(campaign, &self.limits, captured_at)).collect();
        self.data = Some(Data { dump, received_at: now, urgencies });
        self.list();
    }

    /// Takes in why a campaign is as it is; `None` where the supervisor has no such text.
    pub(super) fn explain(&mut self, campaign: CampaignId, text: Option<String>) {
        self.explanation = text.map(|text| (campaign, text));
    }

    /// Chooses and sorts what is listed. The order changes with the data alone, never between two dumps.
    pub(super) fn list(&mut self) {
        let Some(data) = &self.data else { return };
        let wanted = self.filter.to_lowercase();
        let campaigns = data.dump.campaigns.iter().zip(&data.urgencies).enumerate();
        let mut listed: Vec<(Urgency, usize)> = campaigns
            .filter(|(_, (campaign, _))| wanted.is_empty() || matches(campaign, &wanted, data.dump.captured_at))
            .map(|(place, (_, urgency))| (*urgency, place))
            .collect();
        listed.sort_unstable();
        self.listed = listed.into_iter().map(|(_, place)| place).collect();
    }

    /// How many campaigns are listed.
    pub(super) fn listed_count(&self) -> usize {
        self.listed.len()
    }

    /// The listed campaigns from `first` on.
    pub(super) fn listed_from(&self, first: usize) -> impl Iterator<Item = &CampaignStatus> {
        let campaigns = self.data.as_ref().map_or(&[][..], |data| &data.dump.campaigns);
        self.listed.iter().skip(first).filter_map(|place| campaigns.get(*place))
    }

    /// How many campaigns need attention, listed or not.
    pub(super) fn attention_count(&self) -> usize {
        let urgencies = self.data.as_ref().map_or(&[][..], |data| &data.urgencies);
        urgencies.iter().filter(|urgency| urgency.needs_attention()).count()
    }

    /// The selected campaign's place in the list. One that is not listed any more leaves the selection to the first.
    pub(super) fn selected_place(&self) -> usize {
        let is_selected = |campaign: &CampaignStatus| Some(campaign.id) == self.selected;
        self.listed_from(0).position(is_selected).unwrap_or(0)
    }

    /// The selected campaign.
    pub(super) fn selected(&self) -> Option<&CampaignStatus> {
        self.listed_from(self.selected_place()).next()
    }

    /// Selects by place, or the first again for place 0, which then stays the first whatever becomes most urgent.
    pub(super) fn select(&mut self, place: usize) {
        let place = place.min(self.listed.len().saturating_sub(1));
        let id = self.listed_from(place).next().map(|campaign| campaign.id);
        self.selected = id.filter(|_| place > 0);
        self.details_scroll = 0;
    }

    /// Draws the scrolling of the details back to where there is something to see.
    pub(super) fn bound_scroll(&mut self, furthest: usize) {
        self.details_scroll = self.details_scroll.min(furthest);
    }

    /// What was seen of a campaign while the view runs.
    pub(super) fn history(&self, campaign: CampaignId) -> Option<&History> {
        self.histories.get(&campaign)
    }

    /// Why the campaign is as it is, in the supervisor's words, if it was told.
    pub(super) fn explanation(&self, campaign: CampaignId) -> Option<&str> {
        self.explanation.as_ref().filter(|(of, _)| *of == campaign).map(|(_, text)| text.as_str())
    }
}

/// Whether a campaign has the wanted text, in lower case, in what is shown of it.
fn matches(campaign: &CampaignStatus, wanted: &str, now: DateTime<Utc>) -> bool {
    let has = |text: &str| text.to_lowercase().contains(wanted);
    campaign.id.to_string() == wanted
        || campaign.trafficstar_id.to_string() == wanted
        || has(&campaign.name)
        || has(campaign.state.as_str())
        || campaign.observed.status.is_some_and(|status| has(status.as_str()))
        || attention::remarks(campaign).into_iter().any(has)
        || attention::reasons(campaign, now).iter().any(|(_, reason)| has(reason))
}
