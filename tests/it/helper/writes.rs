//! Finds the requests in the sandbox's log that were meant to change a campaign.

use chrono::{Duration, NaiveDateTime};
use sandbox::{Operation, RequestRecord};

/// A request that was meant to change a campaign, whether it succeeded or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// Sets the end time to the day end.
    EndAtDayEnd,
    /// Runs the campaign.
    Run,
    /// Pauses the campaign.
    Pause,
    /// Sets the end time to the moment of the request.
    EndNow,
    /// Any other request, which no rule allows. It holds the request's sequence number.
    Strange(u64),
}

/// The two requests of an activation.
pub(crate) const ACTIVATION: [Write; 2] = [Write::EndAtDayEnd, Write::Run];
/// The two requests of a pause.
pub(crate) const PAUSE: [Write; 2] = [Write::Pause, Write::EndNow];

/// The most that an end time that means "now" may be older than its request. Its text has whole seconds, and the
/// request waits for the pause before it.
const NOW_IS_WITHIN: Duration = Duration::seconds(15);

/// Returns the requests that change campaign `id`, oldest first. On a slow machine the second request of an activation
/// may be too late to be sent; the next tick then begins the activation again. So several requests in a row that set
/// the end time to the day end count as one.
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

/// Returns one line for each request.
pub(super) fn describe(requests: &[RequestRecord]) -> String {
    requests.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
