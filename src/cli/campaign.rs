//! `campaign list`, `add`, `set` and `remove`; `enable` and `disable`.

use std::error::Error;
use std::fmt;
use std::io::IsTerminal;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, Subcommand};

use super::target::Target;
use super::{Arguments, CommandError, One, render, values};
use crate::control::{self, Campaign, CampaignPatch, Cooldown, Count, SpendLimit};
use crate::domain::ids::RemoteId;
use crate::domain::money::Money;
use crate::domain::policy::{HighSpend, Mode};

/// What `set` can change; without any of it there is nothing to do.
const CHANGES: [&str; 10] = [
    "name",
    "trafficstar_id",
    "mode",
    "spend_limit",
    "activate_clicks",
    "pause_clicks",
    "cooldown",
    "high_spend",
    "price_per_thousand",
    "implausible_clicks",
];

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show every campaign's settings
    #[command(after_help = "Example: traffic-generator campaign list --json")]
    List,
    /// Add a campaign
    #[command(after_help = "Example: traffic-generator campaign add --name shoes --trafficstar-id 995224 --enable")]
    Add {
        /// What people call it
        #[arg(long, value_name = "TEXT", value_parser = control::name)]
        name: String,
        /// Its id at TrafficStars
        #[arg(long, value_name = "N", value_parser = control::remote_id, allow_hyphen_values = true)]
        trafficstar_id: RemoteId,
        /// Guard it at once
        #[arg(long)]
        enable: bool,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Change a campaign's settings; what is not named stays
    #[command(
        group = ArgGroup::new("change").args(CHANGES).required(true).multiple(true),
        override_usage = "traffic-generator campaign set [OPTIONS] <ID>",
        after_help = "Example: traffic-generator campaign set 1 --spend-limit 25.00 --cooldown default"
    )]
    Set {
        #[command(flatten)]
        one: One,
        /// What people call it
        #[arg(long, value_name = "TEXT", value_parser = control::name)]
        name: Option<String>,
        /// Link it to this campaign at TrafficStars; refused while the present one runs, unless with --pause
        #[arg(long, value_name = "N", value_parser = control::remote_id, allow_hyphen_values = true)]
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
        #[command(flatten)]
        one: One,
        /// Pause it first; it stays guarded if that fails. Without, a guarded campaign that runs is not removed
        #[arg(long)]
        pause: bool,
    },
}

/// Settings of one campaign that stand in for the config's.
#[derive(Debug, Clone, Args)]
pub(super) struct Overrides {
    /// act, or observe: decide and journal, send nothing that changes anything; `default`: the config's
    #[arg(long, value_name = "MODE", value_parser = word_or_default::<Mode>(Mode::ALL.map(Mode::as_str)))]
    mode: Option<OrDefault<Mode>>,
    /// From this spend on it is left alone, like 10.00, above 0; `default`: the config's
    #[arg(long, value_name = "MONEY", value_parser = or_default(values::spend_limit), allow_hyphen_values = true)]
    spend_limit: Option<OrDefault<SpendLimit>>,
    /// With this many remaining clicks or more it is run; `default`: the config's
    #[arg(long, value_name = "N", value_parser = or_default(values::count), allow_hyphen_values = true)]
    activate_clicks: Option<OrDefault<Count>>,
    /// With this many remaining clicks or fewer it is paused; `default`: the config's
    #[arg(long, value_name = "N", value_parser = or_default(values::count), allow_hyphen_values = true)]
    pause_clicks: Option<OrDefault<Count>>,
    /// How long after a pause it is kept stopped, like 2m; `default`: the config's
    #[arg(long, value_name = "DURATION", value_parser = or_default(Cooldown::from_str), allow_hyphen_values = true)]
    cooldown: Option<OrDefault<Cooldown>>,
    /// The policy from the spend limit on; `default`: the config's
    #[arg(long, value_name = "POLICY", value_parser = word_or_default::<HighSpend>(HighSpend::ALL.map(HighSpend::as_str)))]
    high_spend: Option<OrDefault<HighSpend>>,
    /// What a thousand clicks cost, like 1.20: stored and shown, without effect yet; `default`: none
    #[arg(long, value_name = "MONEY", value_parser = or_default(values::money), allow_hyphen_values = true)]
    price_per_thousand: Option<OrDefault<Money>>,
    /// More remaining clicks than this count as unknown, so that a wrong click limit starts nothing; `default`: the config's
    #[arg(long, value_name = "N", value_parser = or_default(values::count), allow_hyphen_values = true)]
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

const DEFAULT: &str = "default";

/// Reads a value, or the word.
fn or_default<T, E>(read: fn(&str) -> Result<T, E>) -> impl Fn(&str) -> Result<OrDefault<T>, E> + Clone {
    move |text| if text == DEFAULT { Ok(OrDefault(None)) } else { read(text).map(|value| OrDefault(Some(value))) }
}

/// The same for a value that is one of a few words.
fn word_or_default<T>(words: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = OrDefault<T>>
where
    T: FromStr<Err: Error + Send + Sync> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words.into_iter().chain([DEFAULT])).try_map(|word| or_default(T::from_str)(&word))
}

pub(super) async fn carry_out(arguments: &Arguments, verb: &Verb) -> Result<(), CommandError> {
    let client = arguments.client()?;
    match verb {
        Verb::List => {
            let campaigns = client.campaigns().await?;
            arguments.print(&campaigns, || table(&campaigns, std::io::stdout().is_terminal()))
        }
        Verb::Add { name, trafficstar_id, enable, overrides } => {
            let patch = CampaignPatch {
                name: Some(name.clone()),
                trafficstar_id: Some(*trafficstar_id),
                generator_enabled: Some(*enable),
                ..overrides.patch()
            };
            let campaign = client.add_campaign(&patch).await?;
            arguments.print(&campaign, || added(&campaign))
        }
        Verb::Set { one: One { id }, name, trafficstar_id, pause, overrides } => {
            let patch = CampaignPatch {
                name: name.clone(),
                trafficstar_id: *trafficstar_id,
                pause: *pause,
                ..overrides.patch()
            };
            let campaign = id.ask(&client, async |id| client.patch_campaign(id, &patch).await).await?;
            arguments.print(&campaign, || changed(&campaign, &patch))
        }
        Verb::Remove { one: One { id }, pause } => {
            let campaign = id.ask(&client, async |id| client.remove_campaign(id, *pause).await).await?;
            let done = if *pause { "was paused and removed" } else { "was removed" };
            arguments.print(&campaign, || format!("Campaign {} ({}) {done}.", campaign.id, campaign.name))
        }
    }
}

pub(super) async fn set_generator(
    arguments: &Arguments,
    target: &Target,
    patch: &CampaignPatch,
) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let campaign = target.ask(&client, async |id| client.patch_campaign(id, patch).await).await?;
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
