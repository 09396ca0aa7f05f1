//! `watch`: events as they happen, a line each, until it is interrupted.

use std::io::Write;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::signal::unix::{SignalKind, signal};

use super::target::Target;
use super::{Arguments, CommandError, remark, to_line};
use crate::control::client::{Client, ClientError, Events};
use crate::domain::ids::CampaignId;
use crate::domain::operator_event::OperatorEvent;
use crate::domain::text::date;
use crate::printable::printable;

/// How long it waits before it asks for a supervisor that is away.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often it asks again whether the same supervisor goes on.
const LOOKS_AT_THE_SAME: u32 = 3;

/// Goes on over a restart of the supervisor. One that is not even there at first is not waited for.
pub(super) async fn watch(arguments: &Arguments, target: Option<&Target>) -> Result<(), CommandError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::Signals)?;
    let client = arguments.client()?;
    let campaign = match target {
        Some(target) => Some(target.ask(&client, async |id| Ok(client.campaign_state(id).await?.id)).await?),
        None => None,
    };
    let mut events = client.events(campaign).await?;
    let mut supervisor = client.state().await?.started_at;
    // It may be quiet for hours.
    let whom = target.map_or_else(|| "all campaigns".to_owned(), |target| format!("campaign {target}"));
    remark(&format!("Watching {whom}; Ctrl-C ends it."));
    loop {
        let event = tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            event = events.next() => event,
        };
        match event {
            Ok(event) => print(arguments, &event)?,
            Err(ended @ ClientError::Lost(..)) => {
                let next = tokio::select! {
                    _ = interrupt.recv() => return Ok(()),
                    next = next_supervisor(&client, campaign, supervisor) => next?,
                };
                (supervisor, events) = next.ok_or(ended)?;
                remark("--- the supervisor was restarted; what happened meanwhile is in `history` ---");
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// When the supervisor started that answers next, and its events; none where the one that started at `before` goes on. It
/// has let this reader go then: the reader is too slow, or there are too many. Says so where another one has to be waited for.
async fn next_supervisor(
    client: &Client,
    campaign: Option<CampaignId>,
    before: DateTime<Utc>,
) -> Result<Option<(DateTime<Utc>, Events)>, CommandError> {
    let (mut looks, mut is_told) = (0, false);
    loop {
        let answered =
            async { Ok::<_, ClientError>((client.state().await?.started_at, client.events(campaign).await?)) };
        match answered.await {
            Ok((started_at, events)) if started_at != before => return Ok(Some((started_at, events))),
            Ok(_) if looks >= LOOKS_AT_THE_SAME => return Ok(None),
            // One that is about to end answers until it has ended.
            Ok(_) => looks += 1,
            Err(error) if error.is_absence() => {
                if !is_told {
                    remark("--- the supervisor has ended: NOTHING IS GUARDED; waiting for the next one ---");
                }
                is_told = true;
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(ASK_AGAIN_AFTER).await;
    }
}

fn print(arguments: &Arguments, event: &OperatorEvent) -> Result<(), CommandError> {
    let printed = if arguments.json { to_line(event)? } else { printable(&line(event)) };
    writeln!(std::io::stdout().lock(), "{printed}").map_err(CommandError::Print)
}

/// `2026-11-22 12:00:00Z ! 2 travel: somebody else stopped it`; the mark is for what somebody should look at.
fn line(event: &OperatorEvent) -> String {
    let time = date(event.at) + "Z";
    let mark = if event.warning { '!' } else { ' ' };
    let text = &event.text;
    match (event.campaign_id, &event.name) {
        (Some(id), Some(name)) => format!("{time} {mark} {id} {name}: {text}"),
        (Some(id), None) => format!("{time} {mark} {id}: {text}"),
        (None, Some(_) | None) => format!("{time} {mark} {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Note;
    use crate::domain::ids::CampaignId;
    use crate::domain::operator_event::Part;

    #[test]
    fn a_line_says_when_about_whom_and_what_and_marks_what_needs_attention() {
        let at = "2026-11-22T12:00:00.5Z".parse().unwrap();
        let foreign = OperatorEvent::note(at, &Note::ForeignChange { running: false });
        let cases = [
            (foreign.about(CampaignId(2), "travel"), "2026-11-22 12:00:00Z ! 2 travel: somebody else stopped it"),
            (OperatorEvent::recovery(at, Part::Database), "2026-11-22 12:00:00Z   the database answers again"),
        ];
        for (event, wanted) in cases {
            assert_eq!(line(&event), wanted);
        }
    }
}
