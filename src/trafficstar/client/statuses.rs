//! Reads of statuses: gives the questions to the plan, and the plan's requests to the scheduler.
//!
//! Deliberately absent: which pages and single campaigns are read (`batch::reads`), and whether the limit is large
//! enough (`batch::capacity`).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};

use super::{Client, MOMENT, Now, Output, Purpose, Requester, is_held_back};
use crate::domain::failure::RemoteFault;
use crate::domain::ids::RemoteId;
use crate::domain::read_priority::{ReadQuestion, Urgency};
use crate::domain::remote::RemoteCampaign;
use crate::domain::status::ReadingStatus;
use crate::trafficstar::batch::by_id::ListReads;
use crate::trafficstar::batch::capacity;
use crate::trafficstar::batch::reads::{PlannedRead, ReadAnswer, ReadId, Reads, RequesterId};
use crate::trafficstar::batch::request::ReadRequest;
use crate::trafficstar::call::{Answer, Call, LISTS, LISTS_BY_ID, list_line};
use crate::trafficstar::circuit::Operation;
use crate::trafficstar::endpoint_discovery::{Endpoint, Trial};
use crate::trafficstar::error::RemoteError;
use crate::trafficstar::scheduler::RequestTerms;
use crate::trafficstar::wire::CampaignPage;

/// The result of a read of a status.
type Status = Result<RemoteCampaign, RemoteFault>;

/// The purpose of a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum For {
    /// It is a planned read.
    Plan(ReadId),
    /// It probes a circuit, which learns from the scheduler how it ended.
    Probe,
}

/// A request for statuses.
#[derive(Debug)]
pub(super) enum Job {
    Page { reads_for: For, number: u64, urgency: Urgency, trial: Trial, sizes: usize },
    ById { id: ReadId, remotes: BTreeSet<RemoteId>, urgency: Urgency, trial: Trial, way: usize },
    Single { reads_for: For },
}

/// The questions for statuses, and the plan by which they are answered.
#[derive(Debug)]
pub(super) struct Statuses {
    tick: Duration,
    reads: Reads<Status>,
    requesters: BTreeMap<RequesterId, Requester>,
    /// The time (steady clock) until which more questions are gathered; `None` if no questions are being gathered.
    gathers_until: Option<DateTime<Utc>>,
    /// The campaign that was asked for last. Probes read it.
    last_asked: Option<RemoteId>,
    /// The last estimate of whether the limit is large enough.
    reading: ReadingStatus,
}

impl Statuses {
    pub(super) fn new(tick: Duration) -> Self {
        Self {
            tick,
            reads: Reads::new(tick),
            requesters: BTreeMap::new(),
            gathers_until: None,
            last_asked: None,
            reading: ReadingStatus::default(),
        }
    }

    pub(super) const fn set_tick(&mut self, tick: Duration) {
        self.tick = tick;
        self.reads.set_tick(tick);
    }

    /// Whether questions wait that are not being gathered. They may be read as soon as there is room.
    pub(super) fn waits_for_room(&self) -> bool {
        self.reads.waiting() > 0 && self.gathers_until.is_none()
    }

    pub(super) const fn due_at(&self) -> Option<DateTime<Utc>> {
        self.gathers_until
    }

    pub(super) const fn last_asked(&self) -> Option<RemoteId> {
        self.last_asked
    }

    pub(super) fn status(&self) -> ReadingStatus {
        ReadingStatus { waiting: self.reads.waiting() as u64, ..self.reading.clone() }
    }
}

impl Client {
    /// Reads one campaign's status by a request that leaves after this call: no cached value. Answered by
    /// [`Output::Status`].
    pub fn read_status(&mut self, now: Now, question: ReadQuestion) -> Requester {
        let requester = self.next_requester();
        let id = self.statuses.reads.ask(now.steady, question);
        self.statuses.requesters.insert(id, requester);
        self.statuses.last_asked = Some(question.remote);
        self.statuses.gathers_until.get_or_insert(now.steady + MOMENT);
        requester
    }

    /// Plans reads when the moment for gathering questions is over.
    pub(super) fn serve_statuses(&mut self, now: Now) {
        if self.statuses.gathers_until.take_if(|until| *until <= now.steady).is_some() {
            self.estimate_reading(now);
            self.plan_reads(now);
        }
    }

    /// Plans reads for questions that still wait, unless questions are being gathered. Returns whether a read was
    /// planned.
    pub(super) fn plan_further_reads(&mut self, now: Now) -> bool {
        self.statuses.waits_for_room() && self.plan_reads(now)
    }

    fn plan_reads(&mut self, now: Now) -> bool {
        let list_reads = self.list_reads(now);
        let scheduler = self.requests.scheduler_mut();
        let queued_requests = scheduler.count(&[Operation::List, Operation::Campaign]);
        let room = capacity::room(&self.statuses.reads, scheduler.budget_mut(), now.steady, queued_requests);
        let planned = self.statuses.reads.plan(now.steady, room, list_reads);
        if !planned.is_empty() {
            let (requests, waiting) = (planned.len(), self.statuses.reads.waiting());
            tracing::debug!(requests, ?room, waiting, "reads are planned");
        }
        let is_planned = !planned.is_empty();
        for PlannedRead { id, read, urgency } in planned {
            match read {
                ReadRequest::Page(number) => self.read_page(now, For::Plan(id), number, urgency),
                ReadRequest::ById(remotes) => self.read_by_id(now, id, remotes, urgency),
                ReadRequest::Single(remote) => self.read_single(now, For::Plan(id), remote, urgency),
            }
        }
        is_planned
    }

    fn list_reads(&self, now: Now) -> ListReads {
        if !self.requests.scheduler().circuits().is_closed(Operation::List) {
            ListReads::Fail
        } else if self.known.working(Endpoint::ListById).is_some() {
            ListReads::ById
        } else if self.known.may_be_tried(now.wall, Endpoint::ListById) {
            ListReads::Untested
        } else {
            ListReads::Pages
        }
    }

    /// Estimates whether the limit is large enough, and logs a change.
    fn estimate_reading(&mut self, now: Now) {
        let list_reads = self.list_reads(now);
        let budget = self.requests.scheduler_mut().budget_mut();
        let reading = capacity::estimate(&self.statuses.reads, budget, self.statuses.tick, list_reads);
        let (reached, reaches) = (self.statuses.reading.reaches(), reading.reaches());
        if reached && !reaches {
            tracing::warn!("{reading}");
        } else if reaches && !reached {
            tracing::info!("the request limit is large enough again to read every campaign at every tick");
        }
        self.statuses.reading = reading;
    }

    pub(super) fn read_page(&mut self, now: Now, reads_for: For, number: u64, urgency: Urgency) {
        let trial = Trial::of(&mut self.known, now.wall, Endpoint::List, LISTS.len());
        self.read_page_by(now, reads_for, number, urgency, trial);
    }

    fn read_page_by(&mut self, now: Now, reads_for: For, number: u64, urgency: Urgency, mut trial: Trial) {
        let next = trial.next_candidate().and_then(|position| Some((position, *LISTS.get(position)?)));
        let Some((position, sizes)) = next else {
            let failure = trial.failure(&mut self.known, now.wall);
            self.page_came(now, reads_for, number, None, Err(failure));
            return;
        };
        let job = Job::Page { reads_for, number, urgency, trial, sizes: position };
        let call = Call::Page { number, sizes };
        self.requests.ask(now, RequestTerms::read(Operation::List, urgency), call, Purpose::Status(job));
    }

    fn read_by_id(&mut self, now: Now, id: ReadId, remotes: BTreeSet<RemoteId>, urgency: Urgency) {
        let trial = Trial::of(&mut self.known, now.wall, Endpoint::ListById, LISTS_BY_ID.len());
        self.read_by_id_in_a_way(now, id, remotes, urgency, trial);
    }

    fn read_by_id_in_a_way(
        &mut self,
        now: Now,
        id: ReadId,
        remotes: BTreeSet<RemoteId>,
        urgency: Urgency,
        mut trial: Trial,
    ) {
        let next = trial.next_candidate().and_then(|position| Some((position, *LISTS_BY_ID.get(position)?)));
        let Some((position, way)) = next else {
            // A 400 for every way says the same: the list has no such filter.
            self.known.none_of(now.wall, Endpoint::ListById);
            self.came(now, id, None, ReadAnswer::NotFiltered, None);
            return;
        };
        let call = Call::ListById { remotes: remotes.clone(), way };
        let job = Job::ById { id, remotes, urgency, trial, way: position };
        self.requests.ask(now, RequestTerms::read(Operation::List, urgency), call, Purpose::Status(job));
    }

    pub(super) fn read_single(&mut self, now: Now, reads_for: For, remote: RemoteId, urgency: Urgency) {
        let (terms, job) = (RequestTerms::read(Operation::Campaign, urgency), Job::Single { reads_for });
        self.requests.ask(now, terms, Call::Campaign(remote), Purpose::Status(job));
    }

    pub(super) fn status_ended(
        &mut self,
        now: Now,
        job: Job,
        sent_at: Option<DateTime<Utc>>,
        result: Result<Answer, RemoteError>,
    ) {
        match job {
            Job::Page { reads_for, number, urgency, mut trial, sizes } => {
                let shown = || LISTS.get(sizes).map(|sizes| list_line(sizes)).unwrap_or_default();
                let page = result.and_then(Answer::into_page);
                match trial.judge(&mut self.known, now.wall, page, shown) {
                    Some(page) => self.page_came(now, reads_for, number, sent_at, page),
                    None => self.read_page_by(now, reads_for, number, urgency, trial),
                }
            }
            Job::ById { id, remotes, urgency, mut trial, way } => {
                let shown = || LISTS_BY_ID.get(way).map(|way| way.line()).unwrap_or_default();
                let has_worked = trial.has_worked(&self.known);
                let page = result.and_then(Answer::into_page).and_then(|page| filtered(page, &remotes, has_worked));
                match trial.judge(&mut self.known, now.wall, page, shown) {
                    Some(page) => self.list_came(now, id, sent_at, page),
                    None => self.read_by_id_in_a_way(now, id, remotes, urgency, trial),
                }
            }
            Job::Single { reads_for: For::Probe } => {}
            Job::Single { reads_for: For::Plan(id) } => {
                let read = result.and_then(Answer::into_campaign);
                // A missing campaign is no failure of TrafficStars.
                let failure = read.as_ref().err().filter(|error| error.fault() != RemoteFault::NotFound);
                let failure = failure.map(RemoteError::in_full);
                self.note_reads(now, failure.as_deref());
                let answer = ReadAnswer::Single(read.map_err(|error| self.fault_of(&error)));
                self.came(now, id, sent_at, answer, failure);
            }
        }
    }

    fn page_came(
        &mut self,
        now: Now,
        reads_for: For,
        number: u64,
        sent_at: Option<DateTime<Utc>>,
        page: Result<CampaignPage, RemoteError>,
    ) {
        let For::Plan(id) = reads_for else { return };
        let page = match page {
            // The list exists, and has become shorter.
            Err(RemoteError::NoEndpoint { .. }) if number > 1 => Ok(CampaignPage::default()),
            page => page,
        };
        self.list_came(now, id, sent_at, page);
    }

    /// Takes a page of the list, or the entries of some campaigns in it.
    fn list_came(
        &mut self,
        now: Now,
        id: ReadId,
        sent_at: Option<DateTime<Utc>>,
        page: Result<CampaignPage, RemoteError>,
    ) {
        let failure = page.as_ref().err().map(RemoteError::in_full);
        let answer = page_answer(page, self.known.is_absent(Endpoint::List));
        if !matches!(answer, ReadAnswer::NoList | ReadAnswer::NotSent) {
            self.note_reads(now, failure.as_deref());
        }
        self.came(now, id, sent_at, answer, failure);
    }

    /// Returns what a failed read of one campaign says. If the request before it failed in the same way, the failure is
    /// not this campaign's own.
    fn fault_of(&self, error: &RemoteError) -> RemoteFault {
        let fails_for_all = self.error_before.as_ref().is_some_and(|before| before.is_same_outage_as(error));
        match error.fault() {
            RemoteFault::Failed(reason) if fails_for_all => RemoteFault::Shared(reason),
            fault @ (RemoteFault::NotFound
            | RemoteFault::Gone
            | RemoteFault::Failed(_)
            | RemoteFault::Shared(_)
            | RemoteFault::Late) => fault,
        }
    }

    fn came(
        &mut self,
        now: Now,
        id: ReadId,
        sent_at: Option<DateTime<Utc>>,
        answer: ReadAnswer<Status>,
        failure: Option<String>,
    ) {
        for (requester, status) in self.statuses.reads.answered(id, answer) {
            if let Some(requester) = self.statuses.requesters.remove(&requester) {
                self.outputs.push(Output::Status(requester, sent_at, Box::new(status)));
            }
        }
        if self.statuses.reads.under_way() == 0 {
            self.estimate_reading(now);
        }
        self.note(now, failure);
    }
}

/// Returns the answer to a request by id, if the list has filtered by it: it holds no other campaigns. A filter that is
/// spelled wrongly may count for one of the ids alone. So an answer with fewer than two of them is believed only if the
/// same way has worked before.
fn filtered(page: CampaignPage, remotes: &BTreeSet<RemoteId>, has_worked: bool) -> Result<CampaignPage, RemoteError> {
    let holds_others = page.campaigns.keys().any(|remote| !remotes.contains(remote));
    let is_proven = has_worked || page.campaigns.len() >= 2;
    if holds_others || !is_proven { Err(RemoteError::NotFiltered) } else { Ok(page) }
}

/// Returns the plan's answer for a page. A list that answers 404 may be back in a moment. It counts as absent only
/// after a while (`has_no_list`).
fn page_answer(page: Result<CampaignPage, RemoteError>, has_no_list: bool) -> ReadAnswer<Status> {
    match page {
        Ok(page) => ReadAnswer::Page { size: page.list_size(), campaigns: page.campaigns },
        Err(error) if is_held_back(&error) => ReadAnswer::NotSent,
        Err(RemoteError::NoEndpoint { .. }) if has_no_list => ReadAnswer::NoList,
        Err(error) => ReadAnswer::PageFailed {
            answer: Err(RemoteFault::Shared(error.in_full())),
            of_the_page: error.is_of_this_request(),
        },
    }
}
