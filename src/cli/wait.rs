//! `wait`: returns when a campaign has reached a state.
//!
//! It listens before it looks, so that no transition falls between the two, and a state that is left at once again counts
//! as reached. A supervisor that goes meanwhile is waited for as well: after a restart it goes on from what was stored.

use std::time::Duration;

use super::target::Target;
use super::{Arguments, CommandError, remark};
use crate::control::client::{Client, ClientError};
use crate::domain::ids::CampaignId;
use crate::domain::operator_event::EventKind;
use crate::domain::phase::PhaseWord;
use crate::domain::status::CampaignStatus;

/// How long it waits before it asks for a supervisor that is away.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// What was heard last of the campaign: its state, or why there is none to be had.
type Last = Result<CampaignStatus, ClientError>;

pub(super) async fn wait(
    arguments: &Arguments,
    target: &Target,
    until: PhaseWord,
    limit: Duration,
) -> Result<(), CommandError> {
    let client = arguments.client()?;
    // A supervisor that is not even there at first is not waited for.
    let status = target.ask(&client, async |id| client.campaign_state(id).await).await?;
    let id = status.id;
    let status = if status.state == until {
        status
    } else {
        let span = humantime::format_duration(limit);
        let (name, state) = (&status.name, status.state);
        remark(&format!("Campaign {id} ({name}) is {state}; waiting for {until}, {span} at the most."));
        let mut last = Ok(status);
        match tokio::time::timeout(limit, reach(&client, id, until, &mut last)).await {
            Ok(reached) => reached?,
            Err(_) => {
                return Err(CommandError::NotReached { campaign: id, wanted: until, limit, state: last?.state });
            }
        }
        last?
    };
    arguments.print(&status, || format!("Campaign {} ({}) has reached {until}.", status.id, status.name))
}

/// Returns when the state is reached, with the campaign's status at that time or a moment later in `last`.
async fn reach(client: &Client, id: CampaignId, until: PhaseWord, last: &mut Last) -> Result<(), ClientError> {
    loop {
        match follow(client, id, until, last).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_absence() => {
                *last = Err(error);
                tokio::time::sleep(ASK_AGAIN_AFTER).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// The same, as long as there is one supervisor.
async fn follow(client: &Client, id: CampaignId, until: PhaseWord, last: &mut Last) -> Result<(), ClientError> {
    let mut events = client.events(Some(id)).await?;
    loop {
        let status = client.campaign_state(id).await?;
        let reached = status.state == until;
        *last = Ok(status);
        if reached {
            return Ok(());
        }
        loop {
            match events.next().await?.kind {
                EventKind::Transition { to, .. } if to == until => {
                    *last = Ok(client.campaign_state(id).await?);
                    return Ok(());
                }
                EventKind::Transition { .. } | EventKind::Lost { .. } => break,
                EventKind::Action { .. }
                | EventKind::ForeignChange { .. }
                | EventKind::Contested { .. }
                | EventKind::HighSpend { .. }
                | EventKind::Unguarded
                | EventKind::Blocked { .. }
                | EventKind::Waiting { .. }
                | EventKind::Hold { .. }
                | EventKind::SpendStandsStill { .. }
                | EventKind::AnotherGuard { .. }
                | EventKind::Leadership { .. }
                | EventKind::Endpoint { .. }
                | EventKind::Error { .. }
                | EventKind::Recovery { .. } => {}
            }
        }
    }
}
