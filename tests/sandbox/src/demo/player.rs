//! Carries out the script, prints the requests to TrafficStars, and notices when the guard has undone a change by
//! others.

use std::error::Error;
use std::time::{Duration, Instant};

use chrono::Utc;
use sandbox::{Operation, RequestRecord, Sandbox, Tracker};

use super::guard::Guard;
use super::script::{self, Act, Beat};
use super::{Voice, say};

const LOOK_EVERY: Duration = Duration::from_millis(100);
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// A change by somebody that the guard should undo and has not undone yet.
struct Open {
    campaign: i64,
    undone_by: Operation,
    since: Instant,
}

/// The numbers of the whole demo.
#[derive(Default)]
struct Tally {
    runs: usize,
    pauses: usize,
    end_times: usize,
    budgets: usize,
    answered: usize,
    undone: usize,
}

pub(super) struct Player<'a> {
    sandbox: &'a Sandbox,
    tracker: Tracker,
    open: Vec<Open>,
    tally: Tally,
    seen: u64,
}

impl<'a> Player<'a> {
    pub(super) fn new(sandbox: &'a Sandbox, tracker: Tracker) -> Self {
        Self { sandbox, tracker, open: Vec::new(), tally: Tally::default(), seen: 0 }
    }

    /// Carries out the script for the time `length`, or until the guard ends.
    pub(super) async fn play(&mut self, guard: &mut Guard, length: Duration) -> Result<(), Box<dyn Error>> {
        let start = Instant::now();
        let mut beats = script::beats().into_iter().peekable();
        let mut next_status = STATUS_EVERY;
        let mut clock = tokio::time::interval(LOOK_EVERY);
        while start.elapsed() < length {
            tokio::select! {
                error = guard.ended() => return Err(error),
                _ = clock.tick() => {}
            }
            while let Some(beat) = beats.next_if(|beat| beat.at <= start.elapsed()) {
                self.act(&beat)?;
            }
            self.print_requests();
            if start.elapsed() >= next_status {
                next_status += STATUS_EVERY;
                guard.print_status();
            }
        }
        say(Voice::Sandbox, "The time is up: the guard is stopped.");
        Ok(())
    }

    fn act(&mut self, beat: &Beat) -> Result<(), Box<dyn Error>> {
        say(Voice::Sandbox, &format!(">>> {}", beat.say));
        for interference in beat.act.interferences(Utc::now()) {
            self.sandbox.interfere(beat.campaign, interference)?;
        }
        if let Act::AddUrl(clicks) = beat.act {
            let name = format!("more-{}", beat.at.as_secs());
            self.tracker.add_url(beat.campaign, &name, clicks)?;
        }
        let open = |undone_by| Open { campaign: beat.campaign, undone_by, since: Instant::now() };
        self.open.extend(beat.undone_by.map(open));
        Ok(())
    }

    fn print_requests(&mut self) {
        let requests = self.sandbox.requests_after(self.seen);
        for request in requests.iter().take_while(|request| request.answered_at.is_some()) {
            self.seen = request.sequence;
            self.print_request(request);
        }
    }

    fn print_request(&mut self, request: &RequestRecord) {
        let count = request.changed.len();
        match request.operation {
            Operation::Run => self.tally.runs += count,
            Operation::Pause => self.tally.pauses += count,
            Operation::Edit if field(request, "max_daily").is_some() => self.tally.budgets += count,
            Operation::Edit => self.tally.end_times += count,
            Operation::Token
            | Operation::Campaign
            | Operation::Campaigns
            | Operation::ReportByCampaign
            | Operation::ReportByDay
            | Operation::Other => self.tally.answered += 1,
        }
        if !request.operation.is_change() {
            return;
        }
        for id in &request.campaign_ids {
            let sentence = self.sentence(request, *id);
            say(Voice::Sandbox, &sentence);
            self.notice_undone(request.operation, *id);
        }
    }

    fn sentence(&mut self, request: &RequestRecord, id: i64) -> String {
        let change = match (request.operation, field(request, "schedule_end_time"), field(request, "max_daily")) {
            (Operation::Run, ..) => "run".to_owned(),
            (Operation::Pause, ..) => "pause".to_owned(),
            (_, Some(end_time), _) => format!("set the end time {end_time} on"),
            (_, None, Some(budget)) => format!("set the daily budget {budget} on"),
            (_, None, None) => "change".to_owned(),
        };
        let done = if request.changed.contains(&id) { "done" } else { "refused" };
        let name = self.sandbox.campaign(id).map(|campaign| campaign.name).unwrap_or_default();
        // The count is only for the viewer, so it is left out if the database is busy.
        let remaining = self.tracker.remaining_clicks(id).map(|clicks| format!(", {clicks} clicks remain"));
        format!("TrafficStars was asked to {change} {id} ({name}{}): {done}", remaining.unwrap_or_default())
    }

    fn notice_undone(&mut self, operation: Operation, id: i64) {
        let undone = |open: &Open| open.campaign == id && open.undone_by == operation;
        if let Some(position) = self.open.iter().position(undone) {
            let open = self.open.remove(position);
            self.tally.undone += 1;
            let seconds = open.since.elapsed().as_secs_f32();
            say(Voice::Sandbox, &format!("<<< the guard has undone that, {seconds:.1} s later"));
        }
    }

    /// Prints the numbers of the whole demo.
    pub(super) fn sum_up(&mut self) {
        self.print_requests();
        let Tally { runs, pauses, end_times, budgets, answered, undone } = self.tally;
        let lines = [
            format!("The guard ran campaigns {runs} times, paused them {pauses} times, set {end_times} end times"),
            format!(
                "and {budgets} daily budgets, and has undone {undone} changes by other people; {} are not undone yet.",
                self.open.len()
            ),
            format!(
                "It sent {answered} read requests. TrafficStars answered \"too many requests\" {} times.",
                self.sandbox.too_many_requests()
            ),
        ];
        for line in lines {
            say(Voice::Sandbox, &line);
        }
    }
}

/// Returns a field of a request's body.
fn field<'r>(request: &'r RequestRecord, name: &str) -> Option<&'r serde_json::Value> {
    request.body.as_ref().and_then(|body| body.get(name))
}
