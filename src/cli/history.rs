//! `history`: the journal, newest entry first.

use std::io::IsTerminal;
use std::time::Duration;

use super::target::Target;
use super::{Arguments, CommandError, render};
use crate::clock::Clock;
use crate::domain::journal::{JournalEntry, JournalQuery};
use crate::domain::text::{date, word};

pub(super) async fn history(
    arguments: &Arguments,
    target: Option<&Target>,
    since: Option<Duration>,
    limit: u32,
) -> Result<(), CommandError> {
    let since = since.and_then(|since| {
        // Longer than time goes back is the same as no bound.
        Clock::system().now().checked_sub_signed(chrono::Duration::from_std(since).ok()?)
    });
    let client = arguments.client()?;
    let entries = match target {
        None => client.journal(JournalQuery { campaign: None, since, limit }).await?,
        Some(target) => {
            let of_one = async |id| {
                let entries = client.journal(JournalQuery { campaign: Some(id), since, limit }).await?;
                // A campaign that was removed has entries still.
                if entries.is_empty() {
                    client.campaign(id).await?;
                }
                Ok(entries)
            };
            target.ask(&client, of_one).await?
        }
    };
    arguments.print(&entries, || table(&entries, std::io::stdout().is_terminal()))
}

/// A row for each entry, and its reason or its error.
fn table(entries: &[JournalEntry], fits_terminal: bool) -> String {
    if entries.is_empty() {
        return "No entries.".to_owned();
    }
    let header = ["REQUESTED", "CAMPAIGN", "ACTION", "BY", "STEP", "STATE", "SPEND", "CLICKS LEFT", "WHY"];
    render::table(header, entries.iter().map(row), fits_terminal)
}

fn row(entry: &JournalEntry) -> [String; 9] {
    let unknown = || "?".to_owned();
    let state = if entry.state_before == entry.state_after {
        entry.state_after.to_string()
    } else {
        format!("{} → {}", entry.state_before, entry.state_after)
    };
    let late = if entry.late { " (journalled late)" } else { "" };
    [
        date(entry.requested_at) + "Z",
        entry.campaign_id.to_string(),
        entry.kind.to_string(),
        entry.by.clone().unwrap_or_else(|| word(entry.trigger)),
        format!("{}{late}", word(entry.step)),
        state,
        entry.spend.map_or_else(unknown, |spend| spend.to_string()),
        entry.remaining_clicks.map_or_else(unknown, |clicks| clicks.to_string()),
        match &entry.error {
            Some(error) => format!("{}; {error}", entry.reason),
            None => entry.reason.clone(),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_line_that_says_what_was_asked_by_whom_and_why_and_what_came_of_it() {
        let tick = serde_json::json!({
            "id": 7, "campaign_id": 1, "trafficstar_id": 995_224, "kind": "pause", "trigger": "tick",
            "reason": "it runs with 4,134 clicks left", "spend": "1.66", "remaining_clicks": 4134,
            "remote_status": "running", "state_before": "active-guarded", "state_after": "cooling-down",
            "step": "confirmed", "by": null, "late": false, "requested_at": "2026-11-22T12:00:00.5Z",
            "accepted_at": null, "confirmed_at": null, "failed_at": null, "error": null,
        });
        let mut operator = tick.clone();
        let changes = serde_json::json!({
            "kind": "activate", "trigger": "operator", "by": "1000 anna", "late": true, "step": "failed",
            "spend": null, "remaining_clicks": null, "state_before": "idle", "state_after": "idle", "error": "503",
        });
        operator.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let entries: Vec<JournalEntry> = serde_json::from_value(serde_json::json!([tick, operator])).unwrap();
        let text = table(&entries, false);
        let cells = |line: &str| {
            line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join(" | ")
        };
        let wanted = [
            "REQUESTED | CAMPAIGN | ACTION | BY | STEP | STATE | SPEND | CLICKS LEFT | WHY",
            "2026-11-22 12:00:00Z | 1 | pause | tick | confirmed | active-guarded → cooling-down | 1.66 | 4,134 \
             | it runs with 4,134 clicks left",
            "2026-11-22 12:00:00Z | 1 | activate | 1000 anna | failed (journalled late) | idle | ? | ? \
             | it runs with 4,134 clicks left; 503",
        ];
        assert_eq!(text.lines().map(cells).collect::<Vec<_>>(), wanted);
        assert_eq!(table(&[], false), "No entries.");
    }
}
