//! A report's requests: its candidates one after the other, and its pages to the last one.
//!
//! Deliberately absent: who asked for it (`spends`).

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{Client, Now, Purpose};
use crate::domain::failure::SourceFailure;
use crate::domain::ids::RemoteId;
use crate::domain::read_priority::Urgency;
use crate::domain::spend::SpendReading;
use crate::trafficstar::batch::SMALLEST_PAGE;
use crate::trafficstar::call::{Answer, CAMPAIGN_REPORTS, Call, DAY_REPORTS, REPORT_LIMIT};
use crate::trafficstar::circuit::Operation;
use crate::trafficstar::endpoint_discovery::{Endpoint, KnownEndpoints, Trial};
use crate::trafficstar::error::RemoteError;
use crate::trafficstar::scheduler::Asking;
use crate::trafficstar::wire::{self, DayRows, WireError};

/// A report of more pages than this is none that we understand.
const MOST_REPORT_PAGES: usize = 200;

/// What a report is read for.
#[derive(Debug, Clone, Copy)]
pub(super) enum For {
    /// The requesters that are kept under this number.
    Askers(u64),
    /// A circuit, which hears at the scheduler how it ended. Where there is no report of all, this campaign's own is read.
    Probe(RemoteId),
}

/// A request for a report.
#[derive(Debug)]
pub(super) enum Job {
    OfAll(ReportJob),
    OfOne(DayJob),
}

/// A report of all campaigns, as far as it was read.
#[derive(Debug)]
pub(super) struct ReportJob {
    reads_for: For,
    day: NaiveDate,
    urgency: Urgency,
    trial: Trial,
    path: Option<&'static str>,
    pages: usize,
    rows: usize,
    spends: BTreeMap<RemoteId, SpendReading>,
}

impl ReportJob {
    pub(super) fn new(known: &mut KnownEndpoints, now: Now, reads_for: For, urgency: Urgency) -> Self {
        let trial = Trial::of(known, now.wall, Endpoint::SpendByCampaign, CAMPAIGN_REPORTS.len());
        let (day, spends) = (now.wall.date_naive(), BTreeMap::new());
        Self { reads_for, day, urgency, trial, path: None, pages: 0, rows: 0, spends }
    }

    /// Adds a page. Answers whether the report ends here.
    fn take(&mut self, page: Vec<(RemoteId, SpendReading)>) -> Result<bool, RemoteError> {
        let (rows, offset) = (page.len(), self.rows);
        let new = take_rows(&mut self.spends, page);
        self.rows += rows;
        self.pages += 1;
        let is_last = is_last(rows, new, offset)?;
        if !is_last && self.pages == MOST_REPORT_PAGES {
            return Err(WireError::CutShort(format!("no end after {MOST_REPORT_PAGES} pages")).into());
        }
        Ok(is_last)
    }
}

/// A report of one campaign's days, as far as it was read.
#[derive(Debug)]
pub(super) struct DayJob {
    reads_for: For,
    remote: RemoteId,
    day: NaiveDate,
    urgency: Urgency,
    trial: Trial,
    position: Option<usize>,
    page: u64,
    rows: DayRows,
}

impl DayJob {
    pub(super) fn new(
        known: &mut KnownEndpoints,
        now: Now,
        reads_for: For,
        remote: RemoteId,
        urgency: Urgency,
    ) -> Self {
        let trial = Trial::of(known, now.wall, Endpoint::SpendByDay, DAY_REPORTS.len());
        let (day, rows) = (now.wall.date_naive(), DayRows::default());
        Self { reads_for, remote, day, urgency, trial, position: None, page: 1, rows }
    }
}

impl Client {
    pub(super) fn spend_ended(&mut self, now: Now, job: Job, result: Result<Answer, RemoteError>) {
        match job {
            Job::OfAll(job) => self.report_page_came(now, job, result),
            Job::OfOne(job) => self.day_page_came(now, job, result),
        }
    }

    /// Asks for the next page, by the next candidate where none has been found to work.
    pub(super) fn go_on_with_report(&mut self, now: Now, mut job: ReportJob) {
        if job.path.is_none() {
            job.path = job.trial.next_candidate().and_then(|position| CAMPAIGN_REPORTS.get(position).copied());
        }
        let Some(path) = job.path else {
            let failure = job.trial.failure(&mut self.known, now.wall);
            self.report_ended(now, &job, Err(failure));
            return;
        };
        let call = Call::Report { path, day: job.day, offset: job.rows };
        self.requests.ask(now, Asking::report_of_all(job.urgency), call, Purpose::Spend(Job::OfAll(job)));
    }

    fn report_page_came(&mut self, now: Now, mut job: ReportJob, result: Result<Answer, RemoteError>) {
        let taken = result.and_then(Answer::into_report).and_then(|page| job.take(page));
        if matches!(taken, Ok(false)) {
            self.go_on_with_report(now, job);
            return;
        }
        let shown = || format!("GET {}", job.path.unwrap_or_default());
        match job.trial.judge(&mut self.known, now.wall, taken, shown) {
            Some(Ok(_)) => {
                let spends = std::mem::take(&mut job.spends);
                self.report_ended(now, &job, Ok(spends));
            }
            Some(Err(error)) => self.report_ended(now, &job, Err(error)),
            None => {
                let fresh = ReportJob { path: None, pages: 0, rows: 0, spends: BTreeMap::new(), ..job };
                self.go_on_with_report(now, fresh);
            }
        }
    }

    fn report_ended(
        &mut self,
        now: Now,
        job: &ReportJob,
        report: Result<BTreeMap<RemoteId, SpendReading>, RemoteError>,
    ) {
        match (job.reads_for, report) {
            (For::Askers(number), report) => self.report_came(now, number, report),
            (For::Probe(any), Err(RemoteError::NoEndpoint { .. })) => {
                let job = DayJob::new(&mut self.known, now, job.reads_for, any, job.urgency);
                self.go_on_with_day(now, job);
            }
            (For::Probe(_), Ok(_) | Err(_)) => {}
        }
    }

    /// Asks for the next page, by the next candidate where none has been found to work.
    pub(super) fn go_on_with_day(&mut self, now: Now, mut job: DayJob) {
        if job.position.is_none() {
            job.position = job.trial.next_candidate();
        }
        let Some(report) = job.position.and_then(|position| DAY_REPORTS.get(position)) else {
            let failure = job.trial.failure(&mut self.known, now.wall);
            self.day_ended(now, &job, Err(failure));
            return;
        };
        let call = Call::DayReport { report, remote: job.remote, day: job.day, page: job.page };
        let asking = Asking::read(Operation::Report, job.urgency);
        self.requests.ask(now, asking, call, Purpose::Spend(Job::OfOne(job)));
    }

    fn day_page_came(&mut self, now: Now, mut job: DayJob, result: Result<Answer, RemoteError>) {
        let page = result.and_then(Answer::into_day_report);
        let spend = match page.and_then(|page| Ok(job.rows.take(job.page, &page)?)) {
            Ok(true) => {
                job.page += 1;
                self.go_on_with_day(now, job);
                return;
            }
            Ok(false) => wire::day_spend(&std::mem::take(&mut job.rows).into_rows(), job.day).map_err(Into::into),
            Err(error) => Err(error),
        };
        let shown = || job.position.and_then(|position| DAY_REPORTS.get(position)).map(|report| report.line());
        match job.trial.judge(&mut self.known, now.wall, spend, || shown().unwrap_or_default()) {
            Some(spend) => self.day_ended(now, &job, spend),
            None => self.go_on_with_day(now, DayJob { position: None, page: 1, rows: DayRows::default(), ..job }),
        }
    }

    /// [`SpendReading::NoSource`] where no report exists. One that has worked and answers 404 is no such case, until it was
    /// missed for a while: it may be back in a moment, or not know this one campaign.
    fn day_ended(&mut self, now: Now, job: &DayJob, spend: Result<SpendReading, RemoteError>) {
        let For::Askers(number) = job.reads_for else { return };
        let has_no_report = [Endpoint::SpendByCampaign, Endpoint::SpendByDay]
            .into_iter()
            .all(|endpoint| self.known.is_absent(endpoint));
        let answer = match spend {
            Ok(answer) => answer,
            Err(RemoteError::NoEndpoint { .. }) if has_no_report => SpendReading::NoSource,
            Err(error) => SpendReading::Failed(SourceFailure::Failed(error.in_full())),
        };
        self.single_came(now, number, &answer);
    }
}

/// Whether a report ends with this page of so many rows, in which `new` campaigns are named that no page had named before. A
/// page shorter than our limit may only have been cut to a limit of TrafficStars' own, and what is missing would be taken for a
/// spend of 0: so a page counts as the last only if it is shorter than any page that TrafficStars is known to use, or brings
/// nothing new.
fn is_last(rows: usize, new: usize, offset: usize) -> Result<bool, WireError> {
    if offset > 0 && new == 0 && rows >= REPORT_LIMIT {
        return Err(WireError::CutShort("the offset is ignored, and a page is full".to_owned()));
    }
    Ok((rows as u64) < SMALLEST_PAGE || new == 0)
}

/// Adds a page's rows. A campaign that moved from page to page while they were read counts with its larger spend, and a
/// row that can't be read stays unread.
fn take_rows(spends: &mut BTreeMap<RemoteId, SpendReading>, rows: Vec<(RemoteId, SpendReading)>) -> usize {
    let before = spends.len();
    for (id, answer) in rows {
        let larger = match (spends.get(&id), &answer) {
            (Some(SpendReading::Failed(_)), _) => false,
            (Some(SpendReading::Value(earlier)), SpendReading::Value(amount)) => amount > earlier,
            (Some(_) | None, _) => true,
        };
        if larger {
            spends.insert(id, answer);
        }
    }
    spends.len() - before
}
