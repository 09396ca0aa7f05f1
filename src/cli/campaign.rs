//! `campaign list`, `add`, `set` and `remove`; `enable` and `disable`.

use std::fmt;
use std::io::IsTerminal;
use std::str::FromStr;

use clap::{Args, Subcommand};

use super::{Arguments, CommandError, account, render};
use crate::control::{self, Campaign, CampaignPatch, Cooldown, Count, SpendLimit};
use crate::domain::ids::{CampaignId, RemoteId};
use crate::domain::money::Money;
use crate::domain::policy::{HighSpend, Mode};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show every campaign's settings
    #[command(after_help = "Example: traffic-generator campaign list --json")]
    List,
    /// Add a campaign of the account: `traffic-generator account` lists them
    ///
    /// TrafficStars is asked for its name, and whether the account holds it at all.
    #[command(after_help = "Example: traffic-generator campaign add 995224 --enable")]
    Add {
        /// Its id at TrafficStars
        #[arg(value_name = "TRAFFICSTAR_ID", value_parser = control::remote_id,
              required_unless_present = "trafficstar_id", conflicts_with = "trafficstar_id")]
        id: Option<RemoteId>,
        /// The same
        #[arg(long, value_name = "N", value_parser = control::remote_id)]
        trafficstar_id: Option<RemoteId>,
        /// What people call it [default: its name at TrafficStars]
        #[arg(long, value_name = "TEXT", value_parser = control::name, required_if_eq("unchecked", "true"))]
        name: Option<String>,
        /// Do not ask TrafficStars for it
        #[arg(long)]
        unchecked: bool,
        /// Guard it at once
        #[arg(long)]
        enable: bool,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Change a campaign's settings; what is not named stays
    #[command(after_help = "Example: traffic-generator campaign set 1 --spend-limit 25.00 --cooldown default")]
    Set {
        /// The campaign's id
        #[arg(value_name = "ID")]
        id: i64,
        /// What people call it
        #[arg(long, value_name = "TEXT", value_parser = control::name)]
        name: Option<String>,
        /// Link it to this campaign at TrafficStars; refused while the present one runs, unless with --pause
        #[arg(long, value_name = "N", value_parser = control::remote_id)]
        trafficstar_id: Option<RemoteId>,
        /// Pause the campaign at TrafficStars that it is linked to so far; nothing changes if that fails
        #[arg(long, requires = "trafficstar_id")]
        pause: bool,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Remove a campaign and its URLs; its journal stays
    #[command(after_help = "Example: traffic-generator campaign remove 1 --pause")]
    Remove {
        /// The campaign's id
        #[arg(value_name = "ID")]
        id: i64,
        /// Pause it first; it stays guarded if that fails. Without, a guarded campaign that runs is not removed
        #[arg(long)]
        pause: bool,
    },
}

/// Settings of one campaign that stand in for the config's.
#[derive(Debug, Clone, Args)]
pub(super) struct Overrides {
    /// act, or observe: decide and journal, send nothing that changes anything; `default`: the config's
    #[arg(long, value_name = "MODE")]
    mode: Option<OrDefault<Mode>>,
    /// From this spend on it is left alone, like 10.00, above 0; `default`: the config's
    #[arg(long, value_name = "MONEY")]
    spend_limit: Option<OrDefault<SpendLimit>>,
    /// With this many remaining clicks or more it is run; `default`: the config's
    #[arg(long, value_name = "N")]
    activate_clicks: Option<OrDefault<Count>>,
    /// With this many remaining clicks or fewer it is paused; `default`: the config's
    #[arg(long, value_name = "N")]
    pause_clicks: Option<OrDefault<Count>>,
    /// How long after a pause it is kept stopped, like 2m; `default`: the config's
    #[arg(long, value_name = "DURATION")]
    cooldown: Option<OrDefault<Cooldown>>,
    /// The policy from the spend limit on; `default`: the config's
    #[arg(long, value_name = "POLICY")]
    high_spend: Option<OrDefault<HighSpend>>,
    /// What a thousand clicks cost, like 1.20: stored and shown, without effect yet; `default`: none
    #[arg(long, value_name = "MONEY")]
    price_per_thousand: Option<OrDefault<Money>>,
    /// More remaining clicks than this count as unknown, so that a wrong click limit starts nothing; `default`: the config's
    #[arg(long, value_name = "N")]
    implausible_clicks: Option<OrDefault<Count>>,
}

impl Overrides {
    fn patch(&self) -> CampaignPatch {
        CampaignPatch {
            mode: self.mode.map(|mode| mode.0),
            spend_limit: self.spend_limit.map(|limit| limit.0),
            activate_clicks: self.activate_clicks.map(|clicks| clicks.0),
            pause_clicks: self.pause_clicks.map(|clicks| clicks.0),
            cooldown: self.cooldown.map(|cooldown| cooldown.0),
            high_spend: self.high_spend.map(|policy| policy.0),
            price_per_thousand: self.price_per_thousand.map(|price| price.0),
            implausible_clicks: self.implausible_clicks.map(|clicks| clicks.0),
            ..CampaignPatch::default()
        }
    }
}

/// A value, or the word `default`, which clears the override.
#[derive(Debug, Clone, Copy)]
struct OrDefault<T>(Option<T>);

impl<T: FromStr> FromStr for OrDefault<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text == "default" { Ok(Self(None)) } else { text.parse().map(|value| Self(Some(value))) }
    }
}

pub(super) async fn carry_out(arguments: &Arguments, verb: &Verb) -> Result<(), CommandError> {
    let client = arguments.client()?;
    match verb {
        Verb::List => {
            let campaigns = client.campaigns().await?;
            arguments.print(&campaigns, || table(&campaigns, std::io::stdout().is_terminal()))
        }
        Verb::Add { id, trafficstar_id, name, unchecked, enable, overrides } => {
            let remote = id.or(*trafficstar_id);
            let found = match remote.filter(|_| !unchecked) {
                Some(remote) => account::look_up(&client, remote, name.is_some()).await?,
                None => None,
            };
            let patch = CampaignPatch {
                name: Some(account::name_of(name.clone(), found.as_ref())?),
                trafficstar_id: remote,
                generator_enabled: Some(*enable),
                ..overrides.patch()
            };
            let campaign = client.add_campaign(&patch).await?;
            account::warn_of_schedule(found.as_ref());
            arguments.print(&campaign, || added(&campaign))
        }
        Verb::Set { id, name, trafficstar_id, pause, overrides } => {
            let patch = CampaignPatch {
                name: name.clone(),
                trafficstar_id: *trafficstar_id,
                pause: *pause,
                ..overrides.patch()
            };
            let campaign = client.patch_campaign(CampaignId(*id), &patch).await?;
            arguments.print(&campaign, || changed(&campaign, &patch))
        }
        Verb::Remove { id, pause } => {
            let campaign = client.remove_campaign(CampaignId(*id), *pause).await?;
            let done = if *pause { "was paused and removed" } else { "was removed" };
            arguments.print(&campaign, || format!("Campaign {} ({}) {done}.", campaign.id, campaign.name))
        }
    }
}

pub(super) async fn set_generator(arguments: &Arguments, id: i64, patch: &CampaignPatch) -> Result<(), CommandError> {
    let campaign = arguments.client()?.patch_campaign(CampaignId(id), patch).await?;
    arguments.print(&campaign, || {
        let done = match (campaign.generator_enabled, patch.pause) {
            (true, _) => "is guarded",
            (false, true) => "is paused, and is not guarded any more",
            (false, false) => "is not guarded any more",
        };
        format!("Campaign {} ({}) {done}.", campaign.id, campaign.name)
    })
}

fn added(campaign: &Campaign) -> String {
    let Campaign { id, name, trafficstar_id, generator_enabled, .. } = campaign;
    let guarded = if *generator_enabled {
        "is guarded".to_owned()
    } else {
        format!("is not guarded: `traffic-generator enable {id}` guards it")
    };
    format!("Campaign {id} ({name}), {trafficstar_id} at TrafficStars, was added and {guarded}.")
}

fn changed(campaign: &Campaign, patch: &CampaignPatch) -> String {
    fn as_set<T: fmt::Display>(field: &str, value: Option<&Option<T>>) -> Option<String> {
        value.map(|value| match value {
            Some(value) => format!("{field} {value}"),
            None => format!("{field} default"),
        })
    }
    let settings = [
        patch.name.as_ref().map(|name| format!("name {name}")),
        patch.trafficstar_id.map(|id| format!("trafficstar_id {id}")),
        as_set("mode", patch.mode.as_ref()),
        as_set("spend_limit", patch.spend_limit.as_ref()),
        as_set("activate_clicks", patch.activate_clicks.as_ref()),
        as_set("pause_clicks", patch.pause_clicks.as_ref()),
        as_set("cooldown", patch.cooldown.as_ref()),
        as_set("high_spend", patch.high_spend.as_ref()),
        as_set("price_per_thousand", patch.price_per_thousand.as_ref()),
        as_set("implausible_clicks", patch.implausible_clicks.as_ref()),
    ];
    let settings: Vec<String> = settings.into_iter().flatten().collect();
    format!("Campaign {} ({}) was changed: {}.", campaign.id, campaign.name, settings.join(", "))
}

/// Settings as a table; a dash stands for the config's default.
fn table(campaigns: &[Campaign], fits_terminal: bool) -> String {
    if campaigns.is_empty() {
        return "No campaigns: `traffic-generator campaign add` adds one.".to_owned();
    }
    let header = [
        "ID",
        "NAME",
        "TRAFFICSTAR",
        "GUARDED",
        "MODE",
        "SPEND LIMIT",
        "ACTIVATE",
        "PAUSE",
        "COOLDOWN",
        "HIGH SPEND",
        "PER 1,000",
        "IMPLAUSIBLE",
    ];
    let own = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let rows = campaigns.iter().map(|campaign| {
        [
            campaign.id.to_string(),
            campaign.name.clone(),
            campaign.trafficstar_id.to_string(),
            if campaign.generator_enabled { "yes" } else { "no" }.to_owned(),
            own(campaign.mode.as_deref()),
            own(campaign.spend_limit.as_deref()),
            campaign.activate_clicks.map_or_else(|| "-".to_owned(), render::count),
            campaign.pause_clicks.map_or_else(|| "-".to_owned(), render::count),
            own(campaign.cooldown.as_deref()),
            own(campaign.high_spend.as_deref()),
            own(campaign.price_per_thousand.as_deref()),
            campaign.implausible_clicks.map_or_else(|| "-".to_owned(), render::count),
        ]
    });
    render::table(header, rows, fits_terminal)
}
