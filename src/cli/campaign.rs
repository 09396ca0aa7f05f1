//! `campaign list`, `add`, `set` and `remove`; `enable` and `disable`.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, Subcommand};
use ratatui::text::Line;

use super::attention::unguarded;
use super::confirm::Confirmation;
use super::draw::columns::{self, Column};
use super::draw::paper::Paper;
use super::progress::waited;
use super::target::Target;
use super::{Arguments, CommandError, One, account, render, url, values};
use crate::control::client::Client;
use crate::control::{self, Campaign, CampaignPatch, Cooldown, Count, SpendLimit, Url, UrlPatch};
use crate::domain::ids::RemoteId;
use crate::domain::money::{Clicks, Money};
use crate::domain::policy::{HighSpend, Mode};
use crate::domain::remote::StatusWord;
use crate::domain::status::{CampaignStatus, Observed};

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
    /// Add a campaign of the account: `traffic-generator account` lists them
    ///
    /// TrafficStars is asked for its name, and whether the account holds it at all.
    #[command(
        after_help = "Example: traffic-generator campaign add 995224 --url https://example.com/ --click-limit 20000 --enable"
    )]
    Add {
        /// Its id at TrafficStars
        #[arg(value_name = "TRAFFICSTAR_ID", value_parser = control::remote_id, allow_negative_numbers = true,
              required_unless_present = "trafficstar_id", conflicts_with = "trafficstar_id")]
        id: Option<RemoteId>,
        /// The same
        #[arg(long, value_name = "N", value_parser = control::remote_id, allow_hyphen_values = true)]
        trafficstar_id: Option<RemoteId>,
        /// What people call it [default: its name at TrafficStars]
        #[arg(long, value_name = "TEXT", value_parser = control::name, required_if_eq("unchecked", "true"))]
        name: Option<String>,
        /// Do not ask TrafficStars for it
        #[arg(long)]
        unchecked: bool,
        /// Guard it at once; it needs a URL then
        #[arg(long)]
        enable: bool,
        /// Guard it without a URL: no clicks remain then, so that it is paused at once where it runs
        #[arg(long, requires = "enable")]
        anyway: bool,
        #[command(flatten)]
        first_url: FirstUrl,
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
        #[command(flatten)]
        sure: Confirmation,
    },
}

/// A new campaign's first URL.
#[derive(Debug, Clone, Args)]
pub(super) struct FirstUrl {
    /// Its first URL, where visitors are sent: http or https
    #[arg(long = "url", value_name = "URL", value_parser = control::target_url, requires = "click_limit")]
    target_url: Option<String>,
    /// How many clicks are wanted of that URL
    #[arg(long, value_name = "N", requires = "target_url")]
    click_limit: Option<Count>,
    /// What people call that URL [default: the campaign's name]
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
            let campaign = client.add_campaign(&patch).await?;
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
            // What goes with it is worth saying, and no reason to keep it.
            let lost = client.urls(campaign.id).await.map(|urls| with_urls(&urls)).unwrap_or_default();
            sure.ask(&format!("Campaign {} ({}) is removed{lost}.", campaign.id, campaign.name))?;
            let order = async { Ok(client.remove_campaign(campaign.id, *pause).await?) };
            let campaign = waited(order, "the campaign to be let go").await?;
            let done = if *pause { "was paused and removed" } else { "was removed" };
            arguments.print(&campaign, || format!("Campaign {} ({}) {done}{lost}.", campaign.id, campaign.name))
        }
    }
}

/// What goes with a campaign that is removed.
fn with_urls(urls: &[Url]) -> String {
    let clicks = urls.iter().map(|url| url.clicks.max(0)).fold(0, i64::saturating_add);
    let clicks = render::count(clicks);
    match urls.len() {
        0 => String::new(),
        1 => format!(", with its 1 URL and {clicks} clicks counted"),
        many => format!(", with its {many} URLs and {clicks} clicks counted"),
    }
}

pub(super) async fn set_generator(
    arguments: &Arguments,
    target: &Target,
    patch: &CampaignPatch,
) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let order = target.ask(&client, async |id| client.patch_campaign(id, patch).await);
    let campaign = waited(order, "the campaign to be as ordered").await?;
    let told = of_generator(&client, &campaign, patch).await;
    arguments.print(&campaign, || told)
}

/// What came of guarding a campaign, or of guarding it no more.
pub(super) async fn of_generator(client: &Client, campaign: &Campaign, patch: &CampaignPatch) -> String {
    let state = client.campaign_state(campaign.id).await.ok();
    if let Some(state) = state.as_ref().filter(|_| campaign.generator_enabled) {
        let urls = client.urls(campaign.id).await.unwrap_or_default();
        return format!("Campaign {} ({}) is guarded.{}", campaign.id, campaign.name, paused_soon(state, &urls));
    }
    let left = state.filter(|_| !campaign.generator_enabled);
    let done = match (campaign.generator_enabled, patch.pause) {
        (true, _) => "is guarded",
        (false, true) => "is paused, and is not guarded any more",
        (false, false) => "is not guarded any more",
    };
    let past = |state: &CampaignStatus| if state.unguarded { format!(" {}!", unguarded(state)) } else { String::new() };
    let left = left.map(|state| format!(" {}{}", left_as(&state.observed), past(&state))).unwrap_or_default();
    format!("Campaign {} ({}) {done}.{left}", campaign.id, campaign.name)
}

/// A campaign that is guarded with too few clicks is paused if it runs.
fn paused_soon(state: &CampaignStatus, urls: &[Url]) -> String {
    let left = urls.iter().map(url::remaining).fold(0, i64::saturating_add);
    let left = Clicks(u64::try_from(left).unwrap_or(0));
    let too_few = state.limits.map(|limits| limits.pause_clicks).filter(|pause| left <= *pause);
    let told = too_few.map(|pause| format!(" It has {left} clicks left, and {pause} or fewer pause it where it runs."));
    told.unwrap_or_default()
}

/// What becomes of a campaign that nobody guards any more.
fn left_as(seen: &Observed) -> String {
    match seen.status {
        Some(StatusWord::Running) => match &seen.schedule_end_time {
            Some(end) => {
                format!("It RUNS at TrafficStars until {end} UTC (its end time), and nothing will stop it before.")
            }
            None => "It RUNS at TrafficStars without an end time, and nothing will stop it.".to_owned(),
        },
        Some(StatusWord::Stopped) => "It is stopped at TrafficStars.".to_owned(),
        Some(StatusWord::Blocked) => "It is blocked at TrafficStars.".to_owned(),
        Some(StatusWord::Unknown) | None => "Whether it runs at TrafficStars is not known: look there.".to_owned(),
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
    ];
    let settings: Vec<String> = settings.into_iter().flatten().collect();
    format!("Campaign {} ({}) was changed: {}.", campaign.id, campaign.name, settings.join(", "))
}

/// What is set most seldom leaves first where room is short.
const COLUMNS: [Column; 12] = [
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
];

/// Settings as a table; a dash stands for the config's default.
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
        ];
        cells.map(Line::from)
    });
    columns::table(&COLUMNS, &rows.collect::<Vec<_>>(), paper.width, paper.theme.label())
}
