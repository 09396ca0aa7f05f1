//! The line that a command shows on a terminal while it waits for an answer, and what Ctrl-C means then.
//!
//! An order belongs to the supervisor as soon as it is given: Ctrl-C ends the wait, not the order. A read has no order.
//! A pipe gets the result alone.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::signal::unix::{SignalKind, signal};

use super::{CommandError, remark};
use crate::control::client::{Client, ClientError};
use crate::domain::action::{ActionKind, Step};
use crate::domain::ids::CampaignId;
use crate::domain::money::Clicks;
use crate::domain::remote::StatusWord;
use crate::domain::status::{CampaignStatus, Dump};
use crate::printable::printable;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Waits for the answer to an order. On a terminal it rewrites one line every second; `None` leaves the line as it is.
pub(super) async fn followed<T>(
    client: &Client,
    order: impl Future<Output = Result<T, ClientError>>,
    mut line: impl FnMut(&Dump) -> Option<String>,
) -> Result<T, CommandError> {
    let look = async || {
        if std::io::stderr().is_terminal()
            && let Ok(dump) = client.state().await
            && let Some(text) = line(&dump)
        {
            rewrite(&text);
        }
    };
    answered(order, look, CommandError::OrderGiven).await
}

/// Waits for an order that is mostly answered at once; after a second it shows what it waits for. Ctrl-C ends the wait,
/// but not the order.
pub(super) async fn waited<T>(
    order: impl Future<Output = Result<T, CommandError>>,
    what_for: &str,
) -> Result<T, CommandError> {
    answered(order, waiting_for(what_for), CommandError::OrderGiven).await
}

/// Waits for a read; after a second it shows what it waits for. Ctrl-C ends the read, and no order was given.
pub(super) async fn read<T>(
    answer: impl Future<Output = Result<T, CommandError>>,
    what_for: &str,
) -> Result<T, CommandError> {
    answered(answer, waiting_for(what_for), CommandError::Interrupted).await
}

/// Shows from the second look on what the command waits for.
fn waiting_for(what_for: &str) -> impl AsyncFnMut() {
    let mut looks = 0;
    async move || {
        if looks > 0 {
            rewrite(&format!("waiting for {what_for}…"));
        }
        looks += 1;
    }
}

/// Waits for the answer, and looks every second until it comes. Ctrl-C ends the wait with the error `interrupted`.
async fn answered<T, E: Into<CommandError>>(
    request: impl Future<Output = Result<T, E>>,
    mut look: impl AsyncFnMut(),
    interrupted: CommandError,
) -> Result<T, CommandError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::Signals)?;
    let mut request = std::pin::pin!(request);
    loop {
        let looking = async {
            look().await;
            tokio::time::sleep(LOOK_EVERY).await;
        };
        tokio::select! {
            // The request is polled first, so that it is sent before the first look.
            biased;
            answer = &mut request => {
                rewrite("");
                return answer.map_err(Into::into);
            }
            _ = interrupt.recv() => {
                rewrite("");
                return Err(interrupted);
            }
            () = looking => {}
        }
    }
}

/// Rewrites the line on a terminal. If that fails, the result and the exit status remain.
fn rewrite(text: &str) {
    let mut stderr = std::io::stderr().lock();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r{}\x1b[K", printable(text)).and_then(|()| stderr.flush());
    }
}

/// The progress of `pause-all`: the campaigns that ran at the first look, and when the hold began.
#[derive(Debug, Default)]
pub(super) struct Pausing(Option<(Vec<CampaignId>, DateTime<Utc>)>);

impl Pausing {
    /// Returns the line about it. The first look decides which campaigns are counted.
    pub(super) fn line(&mut self, dump: &Dump) -> String {
        let (running, since) = self.0.get_or_insert_with(|| {
            let running: Vec<CampaignId> = dump.campaigns.iter().filter(|one| runs(one)).map(|one| one.id).collect();
            remark(&format!("{} run; pausing…", Clicks(running.len() as u64)));
            // The supervisor may not have received the order yet: then the hold is not in the dump.
            (running, dump.supervisor.hold.as_ref().map_or(dump.captured_at, |hold| hold.since))
        });
        let of_them = || dump.campaigns.iter().filter(|one| running.contains(&one.id));
        let count = |steps: &[Step]| Clicks(of_them().filter(|one| is_paused(one, *since, steps)).count() as u64);
        let (stopped, confirmed) = (count(&[Step::Accepted, Step::Confirmed]), count(&[Step::Confirmed]));
        format!("stopped {stopped} of {}, confirmed {confirmed}", Clicks(running.len() as u64))
    }
}

/// Whether the last read showed it running.
pub(super) fn runs(campaign: &CampaignStatus) -> bool {
    campaign.observed.status == Some(StatusWord::Running)
}

/// Returns how many campaigns run, and of how many that is unknown, for the question before an order.
pub(super) fn running_in_words(dump: &Dump) -> String {
    let (all, running) = (dump.campaigns.len(), dump.campaigns.iter().filter(|one| runs(one)).count());
    let is_unknown =
        |one: &&CampaignStatus| !matches!(one.observed.status, Some(StatusWord::Running | StatusWord::Stopped));
    let unknown = dump.campaigns.iter().filter(is_unknown).count();
    let known = format!("{} of {} run now", Clicks(running as u64), Clicks(all as u64));
    if unknown == 0 { known } else { format!("{known}; the status of {} is unknown", Clicks(unknown as u64)) }
}

fn is_paused(campaign: &CampaignStatus, since: DateTime<Utc>, steps: &[Step]) -> bool {
    campaign.action.as_ref().is_some_and(|action| {
        action.kind == ActionKind::Pause && action.requested_at >= since && steps.contains(&action.step)
    })
}

/// The progress of a tick of all guarded campaigns, shown from the second look on: the time of the first look.
#[derive(Debug, Default)]
pub(super) struct Ticking(Option<DateTime<Utc>>);

impl Ticking {
    /// Returns the line about it, or `None` at the first look.
    pub(super) fn line(&mut self, dump: &Dump) -> Option<String> {
        let Some(since) = self.0 else {
            self.0 = Some(dump.captured_at);
            return None;
        };
        let actors = || dump.campaigns.iter().filter_map(|campaign| campaign.actor.as_ref());
        let done = actors().filter(|actor| actor.last_tick_at.is_some_and(|at| at >= since)).count() as u64;
        Some(format!("ticks done: {} of {}", Clicks(done), Clicks(actors().count() as u64)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A campaign's status, and the step and the time of its last pause.
    type Seen<'s> = (&'s str, Option<(&'s str, &'s str)>);

    /// A dump of these campaigns at noon, during a pause of all campaigns.
    fn dump(campaigns: &[Seen<'_>], hold: bool) -> Dump {
        let noon = "2026-11-22T12:00:00Z";
        let campaign = |(id, (status, pause)): (usize, &Seen<'_>)| {
            let action = pause.map(|(step, at)| {
                json!({"kind": "pause", "step": step, "reason": "", "requested_at": format!("2026-11-22T{at}Z")})
            });
            json!({
                "id": id, "name": "shoes", "trafficstar_id": id, "state": "idle", "since": noon, "high_spend": false,
                "contested": false, "unguarded": false, "ordered": {"generator_enabled": true, "mode": "act"},
                "observed": {"status": status}, "action": action,
            })
        };
        let hold = hold.then(|| json!({"since": noon, "pause": true}));
        let mut dump = Dump {
            campaigns: Vec::new(),
            captured_at: noon.parse().unwrap(),
            ..crate::board::Board::new(noon.parse().unwrap()).dump(noon.parse().unwrap())
        };
        dump.supervisor.hold = serde_json::from_value(json!(hold)).unwrap();
        dump.campaigns = (1..).zip(campaigns).map(|one| serde_json::from_value(campaign(one)).unwrap()).collect();
        dump
    }

    #[test]
    fn pause_all_counts_the_campaigns_that_ran_and_its_own_pauses_only() {
        let old = Some(("confirmed", "11:59:00"));
        let mut pausing = Pausing::default();
        let begin = [("running", None), ("running", old), ("running", None), ("stopped", old)];
        assert_eq!(pausing.line(&dump(&begin, true)), "stopped 0 of 3, confirmed 0");
        let new = |step| Some((step, "12:00:01"));
        let later = [
            ("running", new("accepted")),
            ("stopped", new("confirmed")),
            ("running", new("requested")),
            ("stopped", new("confirmed")),
        ];
        assert_eq!(pausing.line(&dump(&later, true)), "stopped 2 of 3, confirmed 1");
    }
}
