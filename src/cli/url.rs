//! `url list`, `add`, `set` and `remove`.

use clap::{ArgGroup, Subcommand};
use ratatui::text::Line;

use super::draw::columns::{self, Column};
use super::draw::paper::Paper;
use super::target::Target;
use super::{Arguments, CommandError, render, values};
use crate::control::{self, Count, Url, UrlPatch, UrlStatus};
use crate::domain::ids::UrlId;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show a campaign's URLs and their clicks
    #[command(after_help = "Example: traffic-generator url list 1")]
    List {
        /// The campaign's id, its name, or `ts:` and its id at TrafficStars
        #[arg(value_name = "CAMPAIGN", allow_negative_numbers = true)]
        campaign: Target,
    },
    /// Add a URL to a campaign
    #[command(
        after_help = "Example: traffic-generator url add 1 --name landing --target-url https://example.com/ --click-limit 20000"
    )]
    Add {
        /// The campaign's id, its name, or `ts:` and its id at TrafficStars
        #[arg(value_name = "CAMPAIGN", allow_negative_numbers = true)]
        campaign: Target,
        /// The URL's name
        #[arg(long, value_name = "TEXT", value_parser = control::name)]
        name: String,
        /// The address to which visitors are sent: http or https
        #[arg(long, value_name = "URL", value_parser = control::target_url)]
        target_url: String,
        /// The number of clicks that the URL is to receive
        #[arg(long, value_name = "N", value_parser = values::count, allow_hyphen_values = true)]
        click_limit: Count,
    },
    /// Change a URL; options that are not given leave their fields unchanged
    #[command(
        group = ArgGroup::new("change")
            .args(["name", "target_url", "click_limit", "clicks", "status"])
            .required(true)
            .multiple(true),
        override_usage = "traffic-generator url set [OPTIONS] <URL_ID>",
        after_help = "Example: traffic-generator url set 1 --click-limit 50000 --status active"
    )]
    Set {
        /// The URL's id
        #[arg(value_name = "URL_ID")]
        id: i64,
        /// The URL's name
        #[arg(long, value_name = "TEXT", value_parser = control::name)]
        name: Option<String>,
        /// The address to which visitors are sent: http or https
        #[arg(long, value_name = "URL", value_parser = control::target_url)]
        target_url: Option<String>,
        /// The number of clicks that the URL is to receive
        #[arg(long, value_name = "N", value_parser = values::count, allow_hyphen_values = true)]
        click_limit: Option<Count>,
        /// Set the number of counted clicks; this overwrites clicks that a tracker counts at the same moment
        #[arg(long, value_name = "N", value_parser = values::count, allow_hyphen_values = true)]
        clicks: Option<Count>,
        /// The URL's status; only the clicks of an active URL count as remaining
        #[arg(long, value_name = "STATUS", value_parser = values::one_of::<UrlStatus>(UrlStatus::ALL.map(UrlStatus::as_str)))]
        status: Option<UrlStatus>,
    },
    /// Remove a URL
    #[command(after_help = "Example: traffic-generator url remove 1")]
    Remove {
        /// The URL's id
        #[arg(value_name = "URL_ID")]
        id: i64,
    },
}

pub(super) async fn carry_out(arguments: &Arguments, verb: &Verb) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let (url, done) = match verb {
        Verb::List { campaign } => {
            let urls = campaign.ask(&client, async |id| client.urls(id).await).await?;
            return arguments.draw(&urls, |paper| table(&urls, paper));
        }
        Verb::Add { campaign, name, target_url, click_limit } => {
            let patch = UrlPatch {
                name: Some(name.clone()),
                target_url: Some(target_url.clone()),
                click_limit: Some(*click_limit),
                ..UrlPatch::default()
            };
            (campaign.ask(&client, async |id| client.add_url(id, &patch).await).await?, "added")
        }
        Verb::Set { id, name, target_url, click_limit, clicks, status } => {
            let patch = UrlPatch {
                name: name.clone(),
                target_url: target_url.clone(),
                click_limit: *click_limit,
                clicks: *clicks,
                status: *status,
                ..UrlPatch::default()
            };
            (client.patch_url(UrlId(*id), &patch).await?, "changed")
        }
        Verb::Remove { id } => (client.remove_url(UrlId(*id)).await?, "removed"),
    };
    arguments.print(&url, || outcome(&url, done))
}

fn outcome(url: &Url, done: &str) -> String {
    let Url { id, campaign_id, name, click_limit, clicks, status, .. } = url;
    let (clicks, limit) = (render::count(*clicks), render::count(*click_limit));
    format!("URL {id} ({name}) of campaign {campaign_id} was {done}: {status}, {clicks} of {limit} clicks.")
}

/// Returns the remaining clicks of a URL, as the guard counts them: an invalid row counts 0.
pub(super) fn remaining(url: &Url) -> i64 {
    let counts = url.status == UrlStatus::Active.as_str() && url.click_limit >= 0 && url.clicks >= 0;
    if counts { url.click_limit.saturating_sub(url.clicks).max(0) } else { 0 }
}

const COLUMNS: [Column; 7] = [
    Column::new("ID").right(),
    Column::new("NAME").cut_to(10),
    Column::new("STATUS"),
    Column::new("CLICKS").right(),
    Column::new("LIMIT").right(),
    Column::new("LEFT").right(),
    Column::new("TARGET URL").cut_to(16).leaves(1),
];

fn table(urls: &[Url], paper: Paper) -> Vec<Line<'static>> {
    if urls.is_empty() {
        return vec![Line::from("No URLs: `traffic-generator url add` adds one.")];
    }
    let rows = urls.iter().map(|url| {
        let cells = [
            url.id.to_string(),
            url.name.clone(),
            url.status.clone(),
            render::count(url.clicks),
            render::count(url.click_limit),
            render::count(remaining(url)),
            url.target_url.clone(),
        ];
        cells.map(Line::from)
    });
    columns::table(&COLUMNS, &rows.collect::<Vec<_>>(), paper.width, paper.theme.label())
}
