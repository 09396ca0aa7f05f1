//! The sandbox's log, read for what was sent to change a campaign.

use chrono::{Duration, NaiveDateTime};
use sandbox::{Operation, RequestRecord};

/// A request that was meant to change a campaign, whatever became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// Its end time was to be the day end.
    EndAtDayEnd,
    /// It was to run.
    Run,
    /// It was to be paused.
    Pause,
    /// Its end time was to be the moment of the request.
    EndNow,
    /// Anything else, which no rule asks for: the request of this number.
    Strange(u64),
}

/// What both halves of an activation look like.
pub(crate) const ACTIVATION: [Write; 2] = [Write::EndAtDayEnd, Write::Run];
/// What both halves of a pause look like.
pub(crate) const PAUSE: [Write; 2] = [Write::Pause, Write::EndNow];

/// How much older than its request an end time that means "now" may be: its text has whole seconds, and a request waits
/// for the pause before it.
const NOW_IS_WITHIN: Duration = Duration::seconds(15);

/// The requests about campaign `id`, oldest first. An activation whose second half was too late to leave begins anew at
/// the next tick: of the same end time set several times in a row, one counts.
pub(super) fn of(requests: &[RequestRecord], id: i64, day_end: &str) -> Vec<Write> {
    let changes = requests.iter().filter(|request| request.operation.is_change() && request.campaign_ids.contains(&id));
    let mut writes: Vec<Write> = changes.map(|request| write(request, day_end)).collect();
    writes.dedup_by(|later, earlier| *later == Write::EndAtDayEnd && *earlier == Write::EndAtDayEnd);
    writes
}

fn write(request: &RequestRecord, day_end: &str) -> Write {
    let strange = || Write::Strange(request.sequence);
    if request.operation == Operation::Run {
        return Write::Run;
    }
    if request.operation == Operation::Pause {
        return Write::Pause;
    }
    let Some(fields) = request.body.as_ref().and_then(|body| body.as_object()).filter(|fields| fields.len() == 1)
    else {
        return strange();
    };
    let Some(end) = fields.get("schedule_end_time").and_then(|end| end.as_str()) else { return strange() };
    if end == day_end {
        return Write::EndAtDayEnd;
    }
    match NaiveDateTime::parse_from_str(end, "%Y-%m-%d %H:%M:%S") {
        Ok(end) => {
            let age = request.received_at_by_api - end.and_utc();
            if age >= Duration::zero() && age <= NOW_IS_WITHIN { Write::EndNow } else { strange() }
        }
        Err(_) => strange(),
    }
}

/// One line for each request.
pub(super) fn describe(requests: &[RequestRecord]) -> String {
    requests.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
