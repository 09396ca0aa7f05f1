//! `wait`: returns when a campaign has reached a state.
//!
//! It subscribes to the events before it reads the state, so that it misses no transition. A state that the campaign
//! leaves at once counts as reached. If the supervisor ends meanwhile, `wait` waits for the next one, which continues
//! from what was stored.

use std::time::Duration;

use super::target::Target;
use super::{Arguments, CommandError, remark};
use crate::control::client::{Client, ClientError};
use crate::domain::ids::CampaignId;
use crate::domain::operator_event::EventKind;
use crate::domain::phase::PhaseWord;
use crate::domain::status::CampaignStatus;

/// The pause between two tries to reach a supervisor that does not answer.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// The campaign's last known status, or why it could not be read.
type Last = Result<CampaignStatus, ClientError>;

pub(super) async fn wait(
    arguments: &Arguments,
    target: &Target,
    until: PhaseWord,
    limit: Duration,
) -> Result<(), CommandError> {
    let client = arguments.client()?;
    // At the first request a missing supervisor is an error: only later ones are retried.
    let status = target.ask(&client, async |id| client.campaign_state(id).await).await?;
    let id = status.id;
    let status = if status.state == until {
        status
    } else {
        let span = humantime::format_duration(limit);
        let (name, state) = (&status.name, status.state);
        remark(&format!("Campaign {id} ({name}) is {state}; waiting for {until}, at most {span}."));
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

/// Returns when the state is reached. `last` then holds the campaign's status at that time or a moment later.
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

/// Waits for the state while one supervisor answers.
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
                | EventKind::Warned { .. }
                | EventKind::HighSpend { .. }
                | EventKind::GroupLimit { .. }
                | EventKind::Unguarded
                | EventKind::Blocked { .. }
                | EventKind::Waiting { .. }
                | EventKind::Hold { .. }
                | EventKind::SpendStandsStill { .. }
                | EventKind::TopUp { .. }
                | EventKind::AnotherGuard { .. }
                | EventKind::Leadership { .. }
                | EventKind::Endpoint { .. }
                | EventKind::Error { .. }
                | EventKind::Recovery { .. } => {}
            }
        }
    }
}
