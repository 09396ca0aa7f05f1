//! `campaign list`, `add`, `set` and `remove`.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, Subcommand};
use ratatui::text::Line;

use super::confirm::Confirmation;
use super::draw::columns::{self, Column};
use super::draw::paper::Paper;
use super::progress::waited;
use super::{Arguments, CommandError, One, account, render, values};
use crate::control::{self, Campaign, CampaignPatch, Cooldown, Count, SpendLimit, Url, UrlPatch};
use crate::domain::ids::RemoteId;
use crate::domain::money::Money;
use crate::domain::policy::{HighSpend, Mode};

/// The options of `set` that change something; at least one must be given.
const CHANGES: [&str; 15] = [
    "name",
    "trafficstar_id",
    "mode",
    "spend_limit",
    "activate_clicks",
    "pause_clicks",
    "cooldown",
    "high_spend",
    "high_activate_clicks",
    "high_pause_clicks",
    "top_up_ceiling",
    "daily_budget",
    "price_per_thousand",
    "implausible_clicks",
    "group",
];

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show every campaign's settings
    #[command(after_help = "Example: traffic-generator campaign list --json")]
    List,
    /// Add a campaign of the account; `traffic-generator account` lists them
    ///
    /// Reads the campaign from TrafficStars first: its name, and whether the account has it.
    #[command(
        after_help = "Example: traffic-generator campaign add 995224 --url https://example.com/ --click-limit 20000 --enable"
    )]
    Add {
        /// The campaign's id at TrafficStars
        #[arg(value_name = "TRAFFICSTAR_ID", value_parser = control::remote_id, allow_negative_numbers = true,
              required_unless_present = "trafficstar_id", conflicts_with = "trafficstar_id")]
        id: Option<RemoteId>,
        /// The campaign's id at TrafficStars, as an option
        #[arg(long, value_name = "N", value_parser = control::remote_id, allow_hyphen_values = true)]
        trafficstar_id: Option<RemoteId>,
        /// The campaign's name [default: its name at TrafficStars]
        #[arg(long, value_name = "TEXT", value_parser = control::name, required_if_eq("unchecked", "true"))]
        name: Option<String>,
        /// Do not read the campaign from TrafficStars first
        #[arg(long)]
        unchecked: bool,
        /// Guard it at once; it then needs a URL
        #[arg(long)]
        enable: bool,
        /// Guard it even without a URL: it then has no remaining clicks, and is paused at once if it runs
        #[arg(long, requires = "enable")]
        anyway: bool,
        #[command(flatten)]
        first_url: FirstUrl,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Change a campaign's settings; options that are not given leave their settings unchanged
    #[command(
        group = ArgGroup::new("change").args(CHANGES).required(true).multiple(true),
        override_usage = "traffic-generator campaign set [OPTIONS] <ID>",
        after_help = "Example: traffic-generator campaign set 1 --spend-limit 25.00 --cooldown default"
    )]
    Set {
        #[command(flatten)]
        one: One,
        /// The campaign's name
        #[arg(long, value_name = "TEXT", value_parser = control::name)]
        name: Option<String>,
        /// Link it to this campaign at TrafficStars; without --pause, refused while the present one runs
        #[arg(long, value_name = "N", value_parser = control::remote_id, allow_hyphen_values = true)]
        trafficstar_id: Option<RemoteId>,
        /// Pause the presently linked campaign at TrafficStars first; if the pause fails, nothing changes
        #[arg(long, requires = "trafficstar_id")]
        pause: bool,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Remove a campaign and its URLs; its journal entries stay
    #[command(after_help = "Example: traffic-generator campaign remove 1 --pause")]
    Remove {
        #[command(flatten)]
        one: One,
        /// Pause it first; if the pause fails, it stays guarded. Without --pause, a guarded campaign that runs is not
        /// removed
        #[arg(long)]
        pause: bool,
        #[command(flatten)]
        sure: Confirmation,
    },
}

/// A new campaign's first URL.
#[derive(Debug, Clone, Args)]
pub(super) struct FirstUrl {
    /// The campaign's first URL, to which visitors are sent: http or https
    #[arg(long = "url", value_name = "URL", value_parser = control::target_url, requires = "click_limit")]
    target_url: Option<String>,
    /// The number of clicks that this URL is to receive
    #[arg(long, value_name = "N", requires = "target_url")]
    click_limit: Option<Count>,
    /// That URL's name [default: the campaign's name]
    #[arg(long, value_name = "TEXT", value_parser = control::name, requires = "target_url")]
    url_name: Option<String>,
}

impl FirstUrl {
    fn patch(&self) -> Option<UrlPatch> {
        let Self { target_url, click_limit, url_name } = self;
        target_url.as_ref().map(|target_url| UrlPatch {
            name: url_name.clone(),
            target_url: Some(target_url.clone()),
            click_limit: *click_limit,
            ..UrlPatch::default()
        })
    }
}

/// Settings of one campaign that override the config's.
#[derive(Debug, Clone, Args)]
pub(super) struct Overrides {
    /// act, or observe: decide and write the journal, but change nothing at TrafficStars; `default`: the config's
    #[arg(long, value_name = "MODE", value_parser = word_or_default::<Mode>(Mode::ALL.map(Mode::as_str)))]
    mode: Option<OrDefault<Mode>>,
    /// From this spend on the policy `--high-spend` decides: an amount above 0, like 10.00; `default`: the config's
    #[arg(long, value_name = "MONEY", value_parser = or_default(values::spend_limit), allow_hyphen_values = true)]
    spend_limit: Option<OrDefault<SpendLimit>>,
    /// The guard activates the campaign at this many remaining clicks or more; `default`: the config's
    #[arg(long, value_name = "N", value_parser = or_default(values::count), allow_hyphen_values = true)]
    activate_clicks: Option<OrDefault<Count>>,
    /// The guard pauses the campaign at this many remaining clicks or fewer; `default`: the config's
    #[arg(long, value_name = "N", value_parser = or_default(values::count), allow_hyphen_values = true)]
    pause_clicks: Option<OrDefault<Count>>,
    /// The time for which the guard keeps the campaign stopped after a pause, like 2m; `default`: the config's
    #[arg(long, value_name = "DURATION", value_parser = or_default(Cooldown::from_str), allow_hyphen_values = true)]
    cooldown: Option<OrDefault<Cooldown>>,
    /// The policy from the spend limit on. observe: leave the campaign alone; guard: go on by its remaining clicks;
    /// pause: keep it paused; top-up: set the day's real budget and go on; `default`: the config's
    #[arg(long, value_name = "POLICY", value_parser = word_or_default::<HighSpend>(HighSpend::ALL.map(HighSpend::as_str)))]
    high_spend: Option<OrDefault<HighSpend>>,
    /// The price of a thousand clicks for the policy top-up, like 0.111; `default`: the config's, else the price at
    /// TrafficStars
    #[arg(long, value_name = "MONEY", value_parser = or_default(values::money), allow_hyphen_values = true)]
    price_per_thousand: Option<OrDefault<Money>>,
    /// More remaining clicks than this count as unknown, so that a wrong click limit activates nothing; `default`: the
    /// config's
    #[arg(long, value_name = "N", value_parser = or_default(values::count), allow_hyphen_values = true)]
    implausible_clicks: Option<OrDefault<Count>>,
    /// `--activate-clicks` from the spend limit on, with the policies guard and top-up; `default`: the config's
    #[arg(long, value_name = "N", value_parser = or_default(values::count), allow_hyphen_values = true)]
    high_activate_clicks: Option<OrDefault<Count>>,
    /// `--pause-clicks` from the spend limit on, with the policies guard and top-up; `default`: the config's
    #[arg(long, value_name = "N", value_parser = or_default(values::count), allow_hyphen_values = true)]
    high_pause_clicks: Option<OrDefault<Count>>,
    /// The most that a day may cost, with the policy top-up, like 60.00; `default`: the config's
    #[arg(long, value_name = "MONEY", value_parser = or_default(values::money), allow_hyphen_values = true)]
    top_up_ceiling: Option<OrDefault<Money>>,
    /// The daily budget at TrafficStars with which each day begins, with the policy top-up, like 10.15; `default`: the
    /// config's
    #[arg(long, value_name = "MONEY", value_parser = or_default(values::money), allow_hyphen_values = true)]
    daily_budget: Option<OrDefault<Money>>,
    /// The campaign's group, one of the config's [[groups]]; `default`: no group
    #[arg(long, value_name = "NAME", value_parser = or_default(String::from_str))]
    group: Option<OrDefault<String>>,
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
            high_activate_clicks: self.high_activate_clicks.map(|clicks| clicks.0),
            high_pause_clicks: self.high_pause_clicks.map(|clicks| clicks.0),
            top_up_ceiling: self.top_up_ceiling.map(|ceiling| ceiling.0),
            daily_budget: self.daily_budget.map(|budget| budget.0),
            group_name: self.group.clone().map(|group| group.0),
            ..CampaignPatch::default()
        }
    }
}

/// A value, or `None` for the word `default`, which clears the override.
#[derive(Debug, Clone, Copy)]
struct OrDefault<T>(Option<T>);

const DEFAULT: &str = "default";

/// Returns a parser of a value or the word `default`.
fn or_default<T, E>(read: fn(&str) -> Result<T, E>) -> impl Fn(&str) -> Result<OrDefault<T>, E> + Clone {
    move |text| if text == DEFAULT { Ok(OrDefault(None)) } else { read(text).map(|value| OrDefault(Some(value))) }
}

/// Returns a parser of one of these words or the word `default`.
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
            arguments.draw(&campaigns, |paper| table(&campaigns, paper))
        }
        Verb::Add { id, trafficstar_id, name, unchecked, enable, anyway, first_url, overrides } => {
            let remote = id.or(*trafficstar_id);
            let found = match remote.filter(|_| !unchecked) {
                Some(remote) => account::look_up(&client, remote, name.is_some()).await?,
                None => None,
            };
            let patch = CampaignPatch {
                name: Some(account::name_of(name.clone(), found.as_ref())?),
                trafficstar_id: remote,
                generator_enabled: Some(*enable),
                anyway: *anyway,
                url: first_url.patch(),
                ..overrides.patch()
            };
            let order = async { Ok(client.add_campaign(&patch).await?) };
            let campaign = waited(order, "the campaign to be added").await?;
            account::warn_of_schedule(found.as_ref());
            arguments.print(&campaign, || added(&campaign, patch.url.as_ref()))
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
        Verb::Remove { one: One { id }, pause, sure } => {
            let campaign = id.ask(&client, async |id| client.campaign(id).await).await?;
            // The URLs are shown only: if they cannot be read, the campaign is removed all the same.
            let lost = client.urls(campaign.id).await.map(|urls| with_urls(&urls)).unwrap_or_default();
            sure.ask(&format!("Campaign {} ({}) is removed{lost}.", campaign.id, campaign.name))?;
            let order = async { Ok(client.remove_campaign(campaign.id, *pause).await?) };
            let campaign = waited(order, "the campaign to be removed").await?;
            let done = if *pause { "was paused and removed" } else { "was removed" };
            arguments.print(&campaign, || format!("Campaign {} ({}) {done}{lost}.", campaign.id, campaign.name))
        }
    }
}

/// Returns the URLs that are removed with a campaign, in words.
fn with_urls(urls: &[Url]) -> String {
    let clicks = urls.iter().map(|url| url.clicks.max(0)).fold(0, i64::saturating_add);
    let clicks = render::count(clicks);
    match urls.len() {
        0 => String::new(),
        1 => format!(", with its 1 URL and {clicks} clicks counted"),
        many => format!(", with its {many} URLs and {clicks} clicks counted"),
    }
}

fn added(campaign: &Campaign, url: Option<&UrlPatch>) -> String {
    let Campaign { id, name, trafficstar_id, generator_enabled, .. } = campaign;
    let guarded = if *generator_enabled {
        "is guarded".to_owned()
    } else {
        format!("is not guarded: `traffic-generator enable {id}` guards it")
    };
    let limit = url.and_then(|url| url.click_limit);
    let url = match limit {
        Some(limit) => format!(" with a URL for {} clicks", render::count(limit.get())),
        None if *generator_enabled => String::new(),
        None => format!(" without a URL (`traffic-generator url add {id} …` adds one)"),
    };
    format!("Campaign {id} ({name}), {trafficstar_id} at TrafficStars, was added{url} and {guarded}.")
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
        as_set("high_activate_clicks", patch.high_activate_clicks.as_ref()),
        as_set("high_pause_clicks", patch.high_pause_clicks.as_ref()),
        as_set("top_up_ceiling", patch.top_up_ceiling.as_ref()),
        as_set("daily_budget", patch.daily_budget.as_ref()),
        as_set("group_name", patch.group_name.as_ref()),
    ];
    let settings: Vec<String> = settings.into_iter().flatten().collect();
    format!("Campaign {} ({}) was changed: {}.", campaign.id, campaign.name, settings.join(", "))
}

/// If room is short, the settings that are used least are left out first.
const COLUMNS: [Column; 17] = [
    Column::new("ID").right(),
    Column::new("NAME").cut_to(10),
    Column::new("TS ID"),
    Column::new("GUARDED"),
    Column::new("MODE").leaves(4),
    Column::new("SPEND LIMIT").right().leaves(1),
    Column::new("ACTIVATE").right().leaves(2),
    Column::new("PAUSE").right().leaves(2),
    Column::new("COOLDOWN").leaves(5),
    Column::new("HIGH SPEND").leaves(6),
    Column::new("PER 1,000").right().leaves(7),
    Column::new("IMPLAUSIBLE").right().leaves(8),
    Column::new("HIGH ACTIVATE").right().leaves(9),
    Column::new("HIGH PAUSE").right().leaves(10),
    Column::new("CEILING").right().leaves(11),
    Column::new("DAILY BUDGET").right().leaves(12),
    Column::new("GROUP").leaves(13),
];

/// Returns the settings as a table; a dash means the config's default.
fn table(campaigns: &[Campaign], paper: Paper) -> Vec<Line<'static>> {
    if campaigns.is_empty() {
        return vec![Line::from("No campaigns: `traffic-generator campaign add` adds one.")];
    }
    let own = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let rows = campaigns.iter().map(|campaign| {
        let cells = [
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
            campaign.high_activate_clicks.map_or_else(|| "-".to_owned(), render::count),
            campaign.high_pause_clicks.map_or_else(|| "-".to_owned(), render::count),
            own(campaign.top_up_ceiling.as_deref()),
            own(campaign.daily_budget.as_deref()),
            own(campaign.group_name.as_deref()),
        ];
        cells.map(Line::from)
    });
    columns::table(&COLUMNS, &rows.collect::<Vec<_>>(), paper.width, paper.theme.label())
}
