//! What a long order says of itself on a terminal while its answer is waited for, and what its interruption means.
//!
//! The order is the supervisor's as soon as it is given: to stop waiting stops nothing. A pipe gets the result alone.

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

/// Waits for the answer to an order. On a terminal a line is rewritten at every look; none leaves it as it is.
pub(super) async fn followed<T>(
    client: &Client,
    order: impl Future<Output = Result<T, ClientError>>,
    mut line: impl FnMut(&Dump) -> Option<String>,
) -> Result<T, CommandError> {
    answered(order, async || {
        if std::io::stderr().is_terminal()
            && let Ok(dump) = client.state().await
            && let Some(text) = line(&dump)
        {
            rewrite(&text);
        }
    })
    .await
}

/// The same for an order that mostly is answered at once: after a second it says what it waits for.
pub(super) async fn waited<T>(
    order: impl Future<Output = Result<T, CommandError>>,
    what_for: &str,
) -> Result<T, CommandError> {
    let mut looks = 0;
    answered(order, async || {
        if looks > 0 {
            rewrite(&format!("waiting for {what_for}…"));
        }
        looks += 1;
    })
    .await
}

async fn answered<T, E: Into<CommandError>>(
    order: impl Future<Output = Result<T, E>>,
    mut look: impl AsyncFnMut(),
) -> Result<T, CommandError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::Signals)?;
    let mut order = std::pin::pin!(order);
    loop {
        let looking = async {
            look().await;
            tokio::time::sleep(LOOK_EVERY).await;
        };
        tokio::select! {
            // The order goes first: nothing is looked at before it has left.
            biased;
            answer = &mut order => {
                rewrite("");
                return answer.map_err(Into::into);
            }
            _ = interrupt.recv() => {
                rewrite("");
                return Err(CommandError::OrderStands);
            }
            () = looking => {}
        }
    }
}

/// Writes the line anew. Where nobody can read it, nothing is left to do about it.
fn rewrite(text: &str) {
    let mut stderr = std::io::stderr().lock();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r{}\x1b[K", printable(text)).and_then(|()| stderr.flush());
    }
}

/// How far a pause of everything has come: those that ran when it was looked at first.
#[derive(Debug, Default)]
pub(super) struct Pausing(Option<(Vec<CampaignId>, DateTime<Utc>)>);

impl Pausing {
    /// The line about it. The first look says for good how many run.
    pub(super) fn line(&mut self, dump: &Dump) -> String {
        let (running, since) = self.0.get_or_insert_with(|| {
            let running: Vec<CampaignId> = dump.campaigns.iter().filter(|one| runs(one)).map(|one| one.id).collect();
            remark(&format!("{} run; pausing…", Clicks(running.len() as u64)));
            // The order may be on its way still.
            (running, dump.supervisor.hold.as_ref().map_or(dump.captured_at, |hold| hold.since))
        });
        let of_them = || dump.campaigns.iter().filter(|one| running.contains(&one.id));
        let count = |steps: &[Step]| Clicks(of_them().filter(|one| is_paused(one, *since, steps)).count() as u64);
        let (stopped, confirmed) = (count(&[Step::Accepted, Step::Confirmed]), count(&[Step::Confirmed]));
        format!("stopped {stopped} of {}, confirmed {confirmed}", Clicks(running.len() as u64))
    }
}

/// Whether it was seen running.
pub(super) fn runs(campaign: &CampaignStatus) -> bool {
    campaign.observed.status == Some(StatusWord::Running)
}

/// How many run, for a question before an order; those of which that is not known are told, too.
pub(super) fn running_in_words(dump: &Dump) -> String {
    let (all, running) = (dump.campaigns.len(), dump.campaigns.iter().filter(|one| runs(one)).count());
    let is_unknown =
        |one: &&CampaignStatus| !matches!(one.observed.status, Some(StatusWord::Running | StatusWord::Stopped));
    let unknown = dump.campaigns.iter().filter(is_unknown).count();
    let known = format!("{} of {} run now", Clicks(running as u64), Clicks(all as u64));
    if unknown == 0 { known } else { format!("{known}, and of {} that is not known", Clicks(unknown as u64)) }
}

fn is_paused(campaign: &CampaignStatus, since: DateTime<Utc>, steps: &[Step]) -> bool {
    campaign.action.as_ref().is_some_and(|action| {
        action.kind == ActionKind::Pause && action.requested_at >= since && steps.contains(&action.step)
    })
}

/// How many guarded campaigns have completed a tick since it was looked at first, to be shown from the second look on.
#[derive(Debug, Default)]
pub(super) struct Ticking(Option<DateTime<Utc>>);

impl Ticking {
    /// The line about it.
    pub(super) fn line(&mut self, dump: &Dump) -> Option<String> {
        let Some(since) = self.0 else {
            self.0 = Some(dump.captured_at);
            return None;
        };
        let actors = || dump.campaigns.iter().filter_map(|campaign| campaign.actor.as_ref());
        let done = actors().filter(|actor| actor.last_tick_at.is_some_and(|at| at >= since)).count() as u64;
        Some(format!("looked at {} of {}", Clicks(done), Clicks(actors().count() as u64)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A status, and the step of its last pause and when that was.
    type Seen<'s> = (&'s str, Option<(&'s str, &'s str)>);

    /// Campaigns at a pause of everything at noon.
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
    fn a_pause_of_everything_counts_those_that_ran_and_the_pauses_that_it_sent() {
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
