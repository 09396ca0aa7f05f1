//! `account`: the account's campaigns at TrafficStars, read by the supervisor or, without one, by this command.

use ratatui::text::Line;

use super::draw::columns::{self, Column};
use super::draw::paper::Paper;
use super::{Arguments, CommandError, Complaint, complain, progress};
use crate::config::process_environment;
use crate::control::client::{Client, ClientError};
use crate::control::{self, AccountCampaign};
use crate::daemon;
use crate::domain::ids::RemoteId;
use crate::domain::remote::StatusWord;

/// The HTTP status of the supervisor's answer to a request that failed.
const FAILED: u16 = 500;

/// Lists the account's campaigns. If no supervisor answers on the config's socket, this command reads them itself.
pub(super) async fn account(arguments: &Arguments) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let campaigns = async {
        match client.account().await {
            Err(ClientError::NoSupervisor(_)) if arguments.socket.is_none() => {
                let read = daemon::account::account(&arguments.load_config()?, &process_environment()).await;
                read.map_err(CommandError::Account)
            }
            answer => Ok(answer?),
        }
    };
    let campaigns = progress::read(campaigns, "TrafficStars' answers").await?;
    arguments.draw(&campaigns, |paper| table(&campaigns, paper))
}

/// Reads from TrafficStars a campaign that is to be added. If the read fails, a campaign with a name is added all the
/// same, with a warning.
pub(super) async fn look_up(
    client: &Client,
    wanted: RemoteId,
    is_named: bool,
) -> Result<Option<AccountCampaign>, CommandError> {
    let answer = async { Ok(client.account_campaign(wanted).await) };
    let reason = match progress::read(answer, "TrafficStars' answer").await? {
        Err(ClientError::Refused(problem)) if problem.status == FAILED => problem.detail,
        Err(ClientError::StillPending) => "TrafficStars has not answered yet".to_owned(),
        answer => return Ok(answer?),
    };
    if !is_named {
        return Err(CommandError::NoName { wanted, reason });
    }
    complain(Complaint::Warning, &format!("campaign {wanted} could not be read from TrafficStars: {reason}"));
    Ok(None)
}

/// Returns the name for a campaign that is to be added: the given one, or its name at TrafficStars.
pub(super) fn name_of(given: Option<String>, found: Option<&AccountCampaign>) -> Result<String, CommandError> {
    let of_trafficstars = |found: &AccountCampaign| {
        let name = found.name.as_deref().and_then(|name| control::name(name).ok());
        name.ok_or(CommandError::Nameless(found.trafficstar_id))
    };
    // Without a look-up the parser requires a name.
    given.map_or_else(|| found.map_or(Ok(String::new()), of_trafficstars), Ok)
}

/// Warns of a time zone other than UTC. End times would be misread there, so the guard never activates such a campaign.
pub(super) fn warn_of_schedule(found: Option<&AccountCampaign>) {
    if let Some(hours) = found.and_then(|found| found.schedule_timezone).filter(|hours| *hours != 0) {
        let warning = format!(
            "its schedule_timezone at TrafficStars is {hours:+}, so the guard treats it as blocked: set it to 0 there"
        );
        complain(Complaint::Warning, &warning);
    }
}

const COLUMNS: [Column; 5] = [
    Column::new("TS ID"),
    Column::new("NAME").cut_to(12),
    Column::new("STATUS").cut_to(12),
    Column::new("SPEND").right().leaves(1),
    Column::new("GUARDED").cut_to(8),
];

fn table(campaigns: &[AccountCampaign], paper: Paper) -> Vec<Line<'static>> {
    if campaigns.is_empty() {
        return vec![Line::from("The account holds no campaign.")];
    }
    let rows = campaigns.iter().map(|campaign| {
        let cells = [
            campaign.trafficstar_id.to_string(),
            campaign.name.clone().unwrap_or_else(|| "-".to_owned()),
            status(campaign),
            campaign.spent_today.map_or_else(|| "-".to_owned(), |spend| spend.to_string()),
            guarded(campaign),
        ];
        cells.map(Line::from)
    });
    columns::table(&COLUMNS, &rows.collect::<Vec<_>>(), paper.width, paper.theme.label())
}

fn status(campaign: &AccountCampaign) -> String {
    let word = match campaign.status {
        StatusWord::Running => "runs",
        StatusWord::Stopped => "stopped",
        StatusWord::Blocked => "blocked",
        StatusWord::Unknown => "unknown",
    };
    campaign.reason.as_ref().map_or_else(|| word.to_owned(), |reason| format!("{word}: {reason}"))
}

fn guarded(campaign: &AccountCampaign) -> String {
    match (campaign.id, campaign.guarded) {
        (Some(id), true) => format!("as campaign {id}"),
        (Some(id), false) => format!("no (campaign {id})"),
        (None, _) => "no".to_owned(),
    }
}
