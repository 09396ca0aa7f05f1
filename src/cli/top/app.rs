//! The state of the view. Pure: data and keys come in, an order may come out; it reads no clock and no socket.

use std::collections::HashMap;
use std::fmt;

use chrono::{DateTime, Utc};

use super::history::History;
use crate::cli::attention::{self, Urgency};
use crate::cli::condition::Condition;
use crate::control::{AlertView, Alerts};
use crate::domain::alert::OccasionId;
use crate::domain::explain::Explanation;
use crate::domain::health::Health;
use crate::domain::ids::CampaignId;
use crate::domain::money::Clicks;
use crate::domain::status::{CampaignStatus, Dump, Role};

/// The supervisor's dump and health at one moment.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) dump: Dump,
    pub(super) health: Health,
    pub(super) alerts: Alerts,
}

/// The last dump, and when it arrived.
#[derive(Debug)]
pub(super) struct Data {
    pub(super) dump: Dump,
    pub(super) health: Health,
    pub(super) alerts: Alerts,
    pub(super) received_at: DateTime<Utc>,
    /// The urgency of each campaign, in the order of the dump.
    urgencies: Vec<Urgency>,
}

/// An order that the operator can give from the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// Let one campaign decide now.
    Process(CampaignId),
    /// Send nothing for one campaign until it is released, for a reason.
    Hold(CampaignId, String),
    /// End a campaign's hold.
    Release(CampaignId),
    /// Guard a campaign.
    Enable(CampaignId),
    /// Stop guarding a campaign; refused while it runs.
    Disable(CampaignId),
    /// Pause every campaign and keep them paused, for a reason.
    PauseAll(String),
    /// End the hold on all campaigns.
    ReleaseAll,
    /// Take an alert over.
    Ack(OccasionId),
    /// Send no alerts of one campaign for a while; `None`: no alerts at all.
    Mute(Option<CampaignId>),
    /// Send a test message to every receiver of alerts.
    TestAlerts,
}

impl fmt::Display for Order {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(campaign) => write!(formatter, "process {campaign}"),
            Self::Hold(campaign, _) => write!(formatter, "hold {campaign}"),
            Self::Release(campaign) => write!(formatter, "release {campaign}"),
            Self::Enable(campaign) => write!(formatter, "enable {campaign}"),
            Self::Disable(campaign) => write!(formatter, "disable {campaign}"),
            Self::PauseAll(_) => formatter.write_str("pause all"),
            Self::ReleaseAll => formatter.write_str("release all"),
            Self::Ack(alert) => write!(formatter, "alert ack {alert}"),
            Self::Mute(Some(campaign)) => write!(formatter, "alert mute {campaign}"),
            Self::Mute(None) => formatter.write_str("alert mute"),
            Self::TestAlerts => formatter.write_str("alert test"),
        }
    }
}

/// The order of the campaigns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Sorting {
    /// First campaigns that need attention, then those nearest to a threshold.
    #[default]
    Urgency,
    /// By name.
    Name,
    /// The highest spend first.
    Spend,
    /// The fewest clicks first.
    Clicks,
}

impl Sorting {
    /// Returns the next sorting; after the last comes the first.
    pub(super) const fn next(self) -> Self {
        match self {
            Self::Urgency => Self::Name,
            Self::Name => Self::Spend,
            Self::Spend => Self::Clicks,
            Self::Clicks => Self::Urgency,
        }
    }

    /// Returns the sorting in words.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Urgency => "trouble first",
            Self::Name => "by name",
            Self::Spend => "by spend",
            Self::Clicks => "by clicks",
        }
    }
}

/// The part of the view that receives the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Focus {
    /// The list of campaigns.
    #[default]
    List,
    /// The line in which the filter is typed.
    Filter,
    /// The question before an order.
    Dialog(Dialog),
    /// The help.
    Help,
    /// The alerts, with the place of the selected one.
    Alerts(usize),
}

/// The question before an order. Its campaign does not change when the list does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dialog {
    /// The order, with the reason that is typed so far.
    pub(super) order: Order,
    /// The campaign's id and name, `1 (shoes)`; empty for an order about all campaigns.
    pub(super) campaign: String,
    /// Whether Enter was pressed without the reason that the order needs.
    pub(super) reason_missing: bool,
}

/// A message about the last order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) text: String,
    pub(super) is_problem: bool,
}

/// The state of the view.
#[derive(Debug, Default)]
pub(super) struct App {
    pub(super) data: Option<Data>,
    /// The reason why no newer data arrives; `None` if it does.
    pub(super) trouble: Option<String>,
    pub(super) filter: String,
    /// Whether only campaigns that need attention are listed.
    pub(super) only_attention: bool,
    pub(super) sorting: Sorting,
    pub(super) focus: Focus,
    pub(super) notice: Option<Notice>,
    /// Whether the details fill the whole screen.
    pub(super) details_enlarged: bool,
    /// The number of lines of the details that are scrolled away.
    pub(super) details_scroll: usize,
    /// Whether the terminal is too small for questions; then none is asked.
    pub(super) is_small: bool,
    /// Whether the view must end.
    pub(super) ended: bool,
    /// The places in the dump of the listed campaigns, in the order of the list.
    listed: Vec<usize>,
    /// The selected campaign; `None` selects the first of the list.
    selected: Option<CampaignId>,
    histories: HashMap<CampaignId, History>,
    explanation: Option<Explanation>,
}

impl App {
    /// Takes over a new dump.
    pub(super) fn receive(&mut self, State { dump, health, alerts }: State, now: DateTime<Utc>) {
        let is_another = |data: &Data| data.dump.started_at != dump.started_at;
        if self.data.as_ref().is_some_and(is_another) {
            self.notice =
                Some(Notice { text: format!("the supervisor was restarted (pid {})", dump.pid), is_problem: false });
        }
        self.trouble = None;
        let mut histories = std::mem::take(&mut self.histories);
        for campaign in &dump.campaigns {
            // Histories are moved one by one, so that those of removed campaigns are dropped.
            let mut history = histories.remove(&campaign.id).unwrap_or_default();
            history.add(&campaign.observed);
            self.histories.insert(campaign.id, history);
        }
        let captured_at = dump.captured_at;
        let urgencies = dump.campaigns.iter().map(|campaign| Urgency::of(campaign, captured_at)).collect();
        self.data = Some(Data { dump, health, alerts, received_at: now, urgencies });
        self.list();
    }

    /// Takes over the explanation of the selected campaign; `None` if the supervisor gave none.
    pub(super) fn explain(&mut self, explanation: Option<Explanation>) {
        self.explanation = explanation;
    }

    /// Chooses and sorts the listed campaigns. Without a key, the order changes only with new data.
    pub(super) fn list(&mut self) {
        let Some(data) = &self.data else { return };
        let wanted = self.filter.to_lowercase();
        let today = data.dump.captured_at.date_naive();
        let campaigns = data.dump.campaigns.iter().zip(&data.urgencies).enumerate();
        let mut listed: Vec<(usize, &CampaignStatus, Urgency)> = campaigns
            .filter(|(_, (_, urgency))| !self.only_attention || urgency.needs_attention())
            .filter(|(_, (campaign, _))| wanted.is_empty() || matches(campaign, &wanted, data.dump.captured_at))
            .map(|(place, (campaign, urgency))| (place, campaign, *urgency))
            .collect();
        listed.sort_by(|(_, one, urgency), (_, other, others_urgency)| {
            let by_urgency = urgency.cmp(others_urgency);
            match self.sorting {
                Sorting::Urgency => by_urgency,
                Sorting::Name => one.name.cmp(&other.name).then(by_urgency),
                Sorting::Spend => other.observed.spend_on(today).cmp(&one.observed.spend_on(today)).then(by_urgency),
                Sorting::Clicks => {
                    let clicks =
                        |campaign: &CampaignStatus| campaign.observed.remaining_clicks.unwrap_or(Clicks(u64::MAX));
                    clicks(one).cmp(&clicks(other)).then(by_urgency)
                }
            }
        });
        self.listed = listed.into_iter().map(|(place, ..)| place).collect();
    }

    /// Returns how many campaigns are listed.
    pub(super) fn listed_count(&self) -> usize {
        self.listed.len()
    }

    /// Returns the listed campaigns from `first` on.
    pub(super) fn listed_from(&self, first: usize) -> impl Iterator<Item = &CampaignStatus> {
        let campaigns = self.data.as_ref().map_or(&[][..], |data| &data.dump.campaigns);
        self.listed.iter().skip(first).filter_map(|place| campaigns.get(*place))
    }

    /// Whether the supervisor is a standby, which shows what the leader has stored.
    pub(super) fn stands_by(&self) -> bool {
        self.data.as_ref().is_some_and(|data| data.dump.leadership.role == Role::Standby)
    }

    /// Returns how many campaigns need attention, listed or not.
    pub(super) fn attention_count(&self) -> usize {
        let urgencies = self.data.as_ref().map_or(&[][..], |data| &data.urgencies);
        urgencies.iter().filter(|urgency| urgency.needs_attention()).count()
    }

    /// Returns the alerts, the open ones first.
    pub(super) fn alerts(&self) -> &[AlertView] {
        self.data.as_ref().map_or(&[], |data| &data.alerts.alerts)
    }

    /// Returns the selected campaign's place in the list; the first place if that campaign is no longer listed.
    pub(super) fn selected_place(&self) -> usize {
        let is_selected = |campaign: &CampaignStatus| Some(campaign.id) == self.selected;
        self.listed_from(0).position(is_selected).unwrap_or(0)
    }

    /// Returns the selected campaign.
    pub(super) fn selected(&self) -> Option<&CampaignStatus> {
        self.listed_from(self.selected_place()).next()
    }

    /// Selects by place. Place 0 selects the first campaign, also if another one becomes the first.
    pub(super) fn select(&mut self, place: usize) {
        let place = place.min(self.listed.len().saturating_sub(1));
        let id = self.listed_from(place).next().map(|campaign| campaign.id);
        self.selected = id.filter(|_| place > 0);
        self.details_scroll = 0;
    }

    /// Takes over how far the drawn details can be scrolled; `None` if the terminal is too small for questions.
    pub(super) fn drawn(&mut self, furthest: Option<usize>) {
        self.is_small = furthest.is_none();
        self.details_scroll = self.details_scroll.min(furthest.unwrap_or(0));
    }

    /// Returns the readings of a campaign since the view was opened.
    pub(super) fn history(&self, campaign: CampaignId) -> Option<&History> {
        self.histories.get(&campaign)
    }

    /// Returns the campaign's explanation, if the supervisor has given one.
    pub(super) fn explanation(&self, campaign: CampaignId) -> Option<&Explanation> {
        self.explanation.as_ref().filter(|explanation| explanation.id == campaign)
    }
}

/// Whether what is shown of a campaign contains the wanted text, which is in lower case.
fn matches(campaign: &CampaignStatus, wanted: &str, now: DateTime<Utc>) -> bool {
    let has = |text: &str| text.to_lowercase().contains(wanted);
    campaign.id.to_string() == wanted
        || campaign.trafficstar_id.to_string() == wanted
        || has(&campaign.name)
        || has(campaign.state.as_str())
        || attention::remarks(campaign).into_iter().any(has)
        || attention::reasons(campaign, now).iter().any(|(_, reason)| has(reason))
        || has(&Condition::of(campaign, now, false).state)
}
