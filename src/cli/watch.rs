//! `watch`: events as they happen, a line each, until it is interrupted.

use std::io::Write;

use tokio::signal::unix::{SignalKind, signal};

use super::target::Target;
use super::{Arguments, CommandError, remark, to_line};
use crate::domain::live::LiveEvent;
use crate::domain::text::date;
use crate::printable::printable;

pub(super) async fn watch(arguments: &Arguments, target: Option<&Target>) -> Result<(), CommandError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::Signals)?;
    let client = arguments.client()?;
    let mut events = match target {
        Some(target) => target.ask(&client, async |id| client.events(Some(id)).await).await?,
        None => client.events(None).await?,
    };
    // It may be quiet for hours.
    let whom = target.map_or_else(|| "all campaigns".to_owned(), |target| format!("campaign {target}"));
    remark(&format!("Watching {whom}; Ctrl-C ends it."));
    loop {
        let event = tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            event = events.next() => event?,
        };
        let printed = if arguments.json { to_line(&event)? } else { printable(&line(&event)) };
        writeln!(std::io::stdout().lock(), "{printed}").map_err(CommandError::Print)?;
    }
}

/// `2026-11-22 12:00:00Z ! 2 travel: somebody else stopped it`; the mark is for what somebody should look at.
fn line(event: &LiveEvent) -> String {
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
    use crate::domain::live::Part;

    #[test]
    fn a_line_says_when_about_whom_and_what_and_marks_what_needs_attention() {
        let at = "2026-11-22T12:00:00.5Z".parse().unwrap();
        let foreign = LiveEvent::note(at, &Note::ForeignChange { running: false });
        let cases = [
            (foreign.about(CampaignId(2), "travel"), "2026-11-22 12:00:00Z ! 2 travel: somebody else stopped it"),
            (LiveEvent::recovery(at, Part::Database), "2026-11-22 12:00:00Z   the database answers again"),
        ];
        for (event, wanted) in cases {
            assert_eq!(line(&event), wanted);
        }
    }
}
