//! `shutdown`: stops the supervisor, and prints how many campaigns keep running unguarded.

use super::confirm::Confirmation;
use super::progress::runs;
use super::{Arguments, CommandError};
use crate::domain::money::Clicks;
use crate::domain::status::{Dump, Role};

pub(super) async fn shutdown(arguments: &Arguments, sure: Confirmation) -> Result<(), CommandError> {
    let client = arguments.client()?;
    // The running campaigns are shown only: without them the shutdown goes on.
    let left = client.state().await.ok().and_then(|dump| left_running(&dump));
    if sure.is_asked() {
        let left = left.as_deref().unwrap_or("As far as it knows, it guards no running campaign.");
        sure.ask(&format!("The supervisor stops. {left}"))?;
    }
    let stopping = client.shutdown().await?;
    let left = left.map(|left| format!("\n{left}")).unwrap_or_default();
    arguments.print(&stopping, || format!("The supervisor (process {}) has stopped.{left}", stopping.pid))
}

/// Returns which campaigns keep running unguarded, in words. `None` for a standby, whose leader keeps guarding.
fn left_running(dump: &Dump) -> Option<String> {
    let running: Vec<_> = dump.campaigns.iter().filter(|one| runs(one)).collect();
    if running.is_empty() || dump.leadership.role != Role::Leader {
        return None;
    }
    let ends = || running.iter().map(|campaign| campaign.observed.schedule_end_time.as_deref());
    let endless = ends().filter(Option::is_none).count();
    let ends = match (ends().flatten().max(), endless) {
        (Some(last), 0) => format!("the last ends at {last} UTC"),
        (Some(last), endless) => format!("{endless} without an end time, the others end by {last} UTC"),
        (None, _) => "without an end time".to_owned(),
    };
    let (run, them) = if running.len() == 1 { ("campaign runs", "it") } else { ("campaigns run", "them") };
    let count = Clicks(running.len() as u64);
    Some(format!("{count} {run}, and no supervisor guards {them} until one is started ({ends})."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::board::Board;
    use crate::domain::status::CampaignStatus;

    #[test]
    fn a_shutdown_says_how_many_campaigns_keep_running_and_until_when() {
        let noon = "2026-11-22T12:00:00Z".parse().unwrap();
        let said = |campaigns: &[(&str, Option<&str>)], role| {
            let mut dump = Board::new(noon).dump(noon);
            dump.leadership.role = role;
            dump.campaigns.extend(campaigns.iter().map(|(status, end)| {
                let campaign = json!({
                    "id": 1, "name": "shoes", "trafficstar_id": 7, "state": "idle", "since": noon, "high_spend": false,
                    "contested": false, "unguarded": false, "ordered": {"generator_enabled": true, "mode": "act"},
                    "observed": {"status": status, "schedule_end_time": end},
                });
                serde_json::from_value::<CampaignStatus>(campaign).unwrap()
            }));
            left_running(&dump)
        };
        let (early, late) = (Some("2026-11-22 18:00:00"), Some("2026-11-22 23:59:00"));
        let cases: [(&[_], _); 4] = [
            (
                &[("running", late)],
                "1 campaign runs, and no supervisor guards it until one is started (the last ends at 2026-11-22 23:59:00 \
                 UTC).",
            ),
            (
                &[("running", late), ("running", early), ("stopped", None)],
                "2 campaigns run, and no supervisor guards them until one is started (the last ends at 2026-11-22 \
                 23:59:00 UTC).",
            ),
            (
                &[("running", None), ("running", early)],
                "2 campaigns run, and no supervisor guards them until one is started (1 without an end time, the others \
                 end by 2026-11-22 18:00:00 UTC).",
            ),
            (
                &[("running", None)],
                "1 campaign runs, and no supervisor guards it until one is started (without an end time).",
            ),
        ];
        for (campaigns, expected) in cases {
            assert_eq!(said(campaigns, Role::Leader).as_deref(), Some(expected));
            assert_eq!(said(campaigns, Role::Standby), None, "the leader keeps guarding");
        }
        assert_eq!(said(&[("stopped", None)], Role::Leader), None);
    }
}
