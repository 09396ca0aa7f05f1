//! `watch`: prints events as they happen, one line each, until it is interrupted.

use std::io::Write;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ratatui::style::Style;
use ratatui::text::Line;
use tokio::signal::unix::{SignalKind, signal};

use super::draw::paper::{Paper, written};
use super::draw::theme::Theme;
use super::target::Target;
use super::{Arguments, CommandError, remark, to_line};
use crate::control::client::{Client, ClientError, Events};
use crate::domain::ids::CampaignId;
use crate::domain::operator_event::OperatorEvent;
use crate::domain::text::date;

/// The pause between two tries to reach a supervisor that does not answer.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// The number of checks whether the same supervisor continues.
const LOOKS_AT_THE_SAME: u32 = 3;

/// Prints events also after a restart of the supervisor. If no supervisor answers at first, it fails.
pub(super) async fn watch(arguments: &Arguments, target: Option<&Target>) -> Result<(), CommandError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::Signals)?;
    let client = arguments.client()?;
    let campaign = match target {
        Some(target) => Some(target.ask(&client, async |id| Ok(client.campaign_state(id).await?.id)).await?),
        None => None,
    };
    let mut events = client.events(campaign).await?;
    let mut supervisor = client.state().await?.started_at;
    // Without this line nothing might appear for hours.
    let watched = target.map_or_else(|| "all campaigns".to_owned(), |target| format!("campaign {target}"));
    remark(&format!("Watching {watched}; Ctrl-C ends it."));
    let theme = Paper::of_stdout().theme;
    loop {
        let event = tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            event = events.next() => event,
        };
        match event {
            Ok(event) => print(arguments, &event, theme)?,
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

/// Returns when the next supervisor started, and its events. `None` if the supervisor that started at `before`
/// continues: it closed this stream since the reader is too slow or there are too many readers. Prints a line if it has
/// to wait for the next supervisor.
async fn next_supervisor(
    client: &Client,
    campaign: Option<CampaignId>,
    before: DateTime<Utc>,
) -> Result<Option<(DateTime<Utc>, Events)>, CommandError> {
    let (mut looks, mut is_said) = (0, false);
    loop {
        let answered =
            async { Ok::<_, ClientError>((client.state().await?.started_at, client.events(campaign).await?)) };
        match answered.await {
            Ok((started_at, events)) if started_at != before => return Ok(Some((started_at, events))),
            Ok(_) if looks >= LOOKS_AT_THE_SAME => return Ok(None),
            // A supervisor that is stopping answers until it has stopped.
            Ok(_) => looks += 1,
            Err(error) if error.is_absence() => {
                if !is_said {
                    remark("--- the supervisor has ended: NOTHING IS GUARDED; waiting for the next one ---");
                }
                is_said = true;
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(ASK_AGAIN_AFTER).await;
    }
}

fn print(arguments: &Arguments, event: &OperatorEvent, theme: Theme) -> Result<(), CommandError> {
    let printed = if arguments.json { to_line(event)? + "\n" } else { written(&[line(event, theme)], theme) };
    std::io::stdout().lock().write_all(printed.as_bytes()).map_err(CommandError::Print)
}

/// Returns the line of an event: time, campaign and text. A warning has the mark `!` and the colour of warnings.
fn line(event: &OperatorEvent, theme: Theme) -> Line<'static> {
    Line::styled(text(event), if event.warning { theme.warning() } else { Style::new() })
}

fn text(event: &OperatorEvent) -> String {
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
    use crate::cli::tests::assert_drawn;
    use crate::domain::event::Note;
    use crate::domain::ids::CampaignId;
    use crate::domain::operator_event::Part;

    #[test]
    fn a_line_has_time_campaign_and_text_and_a_warning_has_a_mark_and_a_colour() {
        let at = "2026-11-22T12:00:00.5Z".parse().unwrap();
        let foreign = OperatorEvent::note(at, &Note::ForeignChange { running: false });
        let escaping = foreign.clone().about(CampaignId(3), "a\u{1b}[31m");
        let cases = [
            (foreign.about(CampaignId(2), "travel"), "2026-11-22 12:00:00Z ! 2 travel: somebody else stopped it"),
            (OperatorEvent::recovery(at, Part::Database), "2026-11-22 12:00:00Z   the database answers again"),
        ];
        for (event, wanted) in &cases {
            assert_eq!(text(event), *wanted);
        }
        let events = cases.into_iter().map(|(event, _)| event).chain([escaping]).collect::<Vec<_>>();
        for (theme, kind) in [(Theme::PLAIN, "plain"), (Theme::COLORED, "colored")] {
            let lines: Vec<Line<'_>> = events.iter().map(|event| line(event, theme)).collect();
            assert_drawn(&format!("watch/{kind}"), &written(&lines, theme));
        }
    }
}
