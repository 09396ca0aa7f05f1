//! The requests of a report: its candidate paths one after the other, and its pages to the last one.
//!
//! Deliberately absent: the questions that it answers (`spends`).

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
use crate::trafficstar::scheduler::RequestTerms;
use crate::trafficstar::wire::{self, DayRows, WireError};

/// The most pages that a report is believed to have.
const MOST_REPORT_PAGES: usize = 200;

/// The purpose of a report.
#[derive(Debug, Clone, Copy)]
pub(super) enum For {
    /// It answers the questions that `spends` keeps under this number.
    Requesters(u64),
    /// It probes a circuit, which learns from the scheduler how it ended. If there is no report of all, this campaign's
    /// own report is read.
    Probe(RemoteId),
}

/// A request for a report.
#[derive(Debug)]
pub(super) enum Job {
    OfAll(ReportJob),
    OfOne(DayJob),
}

/// A report of all campaigns, as far as it is read.
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

    /// Adds a page. Returns whether it is the last one.
    fn take(&mut self, page: Vec<(RemoteId, SpendReading)>) -> Result<bool, RemoteError> {
        let (rows, offset) = (page.len(), self.rows);
        let new = take_rows(&mut self.spends, page);
        self.rows += rows;
        self.pages += 1;
        let is_last = is_last(rows, new, offset)?;
        if !is_last && self.pages == MOST_REPORT_PAGES {
            return Err(WireError::CutShort(format!("the report has more than {MOST_REPORT_PAGES} pages")).into());
        }
        Ok(is_last)
    }
}

/// A report of one campaign's days, as far as it is read.
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

    /// Requests the next page. If no candidate path is known to work yet, the next candidate is tried.
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
        self.requests.ask(now, RequestTerms::report_of_all(job.urgency), call, Purpose::Spend(Job::OfAll(job)));
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
            (For::Requesters(number), report) => self.report_came(now, number, report),
            (For::Probe(any), Err(RemoteError::NoEndpoint { .. })) => {
                let job = DayJob::new(&mut self.known, now, job.reads_for, any, job.urgency);
                self.go_on_with_day(now, job);
            }
            (For::Probe(_), Ok(_) | Err(_)) => {}
        }
    }

    /// Requests the next page. If no candidate path is known to work yet, the next candidate is tried.
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
        let terms = RequestTerms::read(Operation::Report, job.urgency);
        self.requests.ask(now, terms, call, Purpose::Spend(Job::OfOne(job)));
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

    /// Ends the report of one campaign. If no report exists, the answer is [`SpendReading::NoSource`]. A report that
    /// has worked and now answers 404 is a failure at first: it may be back in a moment, or not know this one campaign.
    /// After a while it counts as absent.
    fn day_ended(&mut self, now: Now, job: &DayJob, spend: Result<SpendReading, RemoteError>) {
        let For::Requesters(number) = job.reads_for else { return };
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

/// Whether a report ends with this page of `rows` rows, of which `new` campaigns were on no earlier page.
///
/// A page shorter than our limit may have been cut to TrafficStars' own limit. Then the missing rows would be taken for
/// a spend of 0. So a page is the last one only if it is shorter than the smallest known page, or if it has no new
/// campaign.
fn is_last(rows: usize, new: usize, offset: usize) -> Result<bool, WireError> {
    if offset > 0 && new == 0 && rows >= REPORT_LIMIT {
        return Err(WireError::CutShort("the offset is ignored, and a page is full".to_owned()));
    }
    Ok((rows as u64) < SMALLEST_PAGE || new == 0)
}

/// Adds a page's rows. Returns how many campaigns are new. A campaign that moved to another page while the pages were
/// read counts with its larger spend. A row that cannot be read stays a failure.
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
