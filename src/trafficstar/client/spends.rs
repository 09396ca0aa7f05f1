//! Reads of spend from the reports. One report serves all campaigns that tick together. If TrafficStars has no such
//! report, each campaign's own report is read.
//!
//! Own reports wait here, at most one for each campaign. In the scheduler's queue they would grow with every tick if
//! the limit is too small for all.
//!
//! Deliberately absent: how a report is read page by page (`reports`), and which source of spend is believed
//! (`domain::spend`).

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use super::reports::{DayJob, For, ReportJob};
use super::{Client, MOMENT, Now, Output, Requester};
use crate::domain::failure::SourceFailure;
use crate::domain::ids::RemoteId;
use crate::domain::read_priority::Urgency;
use crate::domain::spend::SpendReading;
use crate::trafficstar::batch::{Gathering, serves};
use crate::trafficstar::endpoint_discovery::Endpoint;
use crate::trafficstar::error::RemoteError;

/// The number of campaigns whose own reports are read at once.
const SINGLES_AT_ONCE: usize = 8;

/// A question for a campaign's spend.
#[derive(Debug, Clone, Copy)]
struct Question {
    requester: Requester,
    remote: RemoteId,
    urgency: Urgency,
}

/// The last report of every campaign's spend.
#[derive(Debug)]
struct Report {
    sent_at: DateTime<Utc>,
    day: NaiveDate,
    spends: BTreeMap<RemoteId, SpendReading>,
}

/// A report under way, and the questions that it will answer.
#[derive(Debug)]
struct UnderWay {
    sent_at: DateTime<Utc>,
    day: NaiveDate,
    questions: Vec<Question>,
}

/// The questions that wait for a campaign's own report, which was not requested yet.
#[derive(Debug)]
struct Waiting {
    number: u64,
    questions: Vec<Question>,
}

/// The questions for spend, the reports under way, and the last report.
#[derive(Debug)]
pub(super) struct Spends {
    gathering: Gathering<Question>,
    under_way: BTreeMap<u64, UnderWay>,
    last_number: u64,
    last: Option<Report>,
    waiting: BTreeMap<RemoteId, Waiting>,
    /// The questions whose campaigns' own reports are under way, by the report's number.
    singles: BTreeMap<u64, Vec<Question>>,
}

fn most_urgent(questions: &[Question]) -> Urgency {
    questions.iter().map(|question| question.urgency).min().unwrap_or(Urgency::Read)
}

impl Spends {
    pub(super) const fn new() -> Self {
        Self {
            gathering: Gathering::new(MOMENT),
            under_way: BTreeMap::new(),
            last_number: 0,
            last: None,
            waiting: BTreeMap::new(),
            singles: BTreeMap::new(),
        }
    }

    pub(super) fn due_at(&self) -> Option<DateTime<Utc>> {
        self.gathering.due_at()
    }

    const fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn wait(&mut self, question: Question) {
        let number = self.next_number();
        let waiting = self.waiting.entry(question.remote).or_insert(Waiting { number, questions: Vec::new() });
        waiting.questions.push(question);
    }

    /// Returns the campaign whose own report is requested next, and its questions: the most urgent, and of these the
    /// one that has waited longest. A report that a pause needs is requested at once, because the reports under way may
    /// wait in the queue for minutes.
    fn next_single(&mut self) -> Option<(RemoteId, Vec<Question>)> {
        let rank = |waiting: &Waiting| (most_urgent(&waiting.questions), waiting.number);
        let (remote, first) = self.waiting.iter().min_by_key(|(_, waiting)| rank(waiting))?;
        if self.singles.len() >= SINGLES_AT_ONCE && most_urgent(&first.questions) != Urgency::Pause {
            return None;
        }
        let remote = *remote;
        Some((remote, self.waiting.remove(&remote)?.questions))
    }

    /// Returns what the last report says about a campaign, if that report serves the campaign's tick.
    fn known(&self, now: Now, remote: RemoteId, since: DateTime<Utc>) -> Option<SpendReading> {
        let last = self.last.as_ref().filter(|last| serves(now.wall, since, last.sent_at, last.day))?;
        Some(of(&last.spends, remote))
    }

    /// Returns a report under way that will serve the tick.
    fn coming(&mut self, now: Now, since: DateTime<Utc>) -> Option<&mut UnderWay> {
        self.under_way.values_mut().rev().find(|report| serves(now.wall, since, report.sent_at, report.day))
    }
}

/// Returns a campaign's spend in a report. A missing row means that no spend is on record.
fn of(spends: &BTreeMap<RemoteId, SpendReading>, remote: RemoteId) -> SpendReading {
    spends.get(&remote).cloned().unwrap_or(SpendReading::NoValue)
}

/// Returns the failure in a report's answer; `None` if it is no failure.
fn failure_of(answer: &SpendReading) -> Option<String> {
    match answer {
        SpendReading::Failed(failure) => Some(failure.to_string()),
        SpendReading::Value(_) | SpendReading::NoValue | SpendReading::NoSource => None,
    }
}

impl Client {
    /// Reads one campaign's spend from the reports, for the UTC day on which the report is requested. The campaign's
    /// tick began at `since`. A report that was requested after that serves. Answered by [`Output::Spend`].
    pub fn read_spend(&mut self, now: Now, remote: RemoteId, urgency: Urgency, since: DateTime<Utc>) -> Requester {
        let requester = self.next_requester();
        let question = Question { requester, remote, urgency };
        if let Some(answer) = self.spends.known(now, remote, since) {
            self.outputs.push(Output::Spend(requester, answer));
        } else if let Some(coming) = self.spends.coming(now, since) {
            coming.questions.push(question);
        } else {
            self.spends.gathering.ask(now.steady, question);
        }
        requester
    }

    pub(super) fn serve_spends(&mut self, now: Now) {
        let Some(questions) = self.spends.gathering.take_due(now.steady) else { return };
        let (sent_at, urgency, number) = (now.wall, most_urgent(&questions), self.spends.next_number());
        self.spends.under_way.insert(number, UnderWay { sent_at, day: sent_at.date_naive(), questions });
        let job = ReportJob::new(&mut self.known, now, For::Requesters(number), urgency);
        self.go_on_with_report(now, job);
    }

    /// Takes the report of all campaigns, or its failure.
    pub(super) fn report_came(
        &mut self,
        now: Now,
        number: u64,
        report: Result<BTreeMap<RemoteId, SpendReading>, RemoteError>,
    ) {
        let Some(UnderWay { sent_at, day, questions }) = self.spends.under_way.remove(&number) else { return };
        match report {
            Ok(spends) => {
                self.note(now, None);
                for Question { requester, remote, .. } in questions {
                    self.outputs.push(Output::Spend(requester, of(&spends, remote)));
                }
                self.spends.last = Some(Report { sent_at, day, spends });
            }
            // A report that has worked before may work again in a moment. Own reports of all campaigns would use up the
            // limit meanwhile. So they are read only once the report is known to be absent.
            Err(RemoteError::NoEndpoint { .. }) if self.known.is_absent(Endpoint::SpendByCampaign) => {
                questions.into_iter().for_each(|question| self.spends.wait(question));
                self.read_spends_singly(now);
            }
            Err(error) => {
                let reason = error.in_full();
                for Question { requester, .. } in questions {
                    let failure = SourceFailure::Failed(reason.clone());
                    self.outputs.push(Output::Spend(requester, SpendReading::Failed(failure)));
                }
                self.note(now, Some(reason));
            }
        }
    }

    /// Reads campaigns' own reports, without a report of all. Each question is answered as soon as its report comes.
    fn read_spends_singly(&mut self, now: Now) {
        while let Some((remote, questions)) = self.spends.next_single() {
            let (urgency, number) = (most_urgent(&questions), self.spends.next_number());
            self.spends.singles.insert(number, questions);
            let job = DayJob::new(&mut self.known, now, For::Requesters(number), remote, urgency);
            self.go_on_with_day(now, job);
        }
    }

    /// Takes a campaign's own report, or its failure.
    pub(super) fn single_came(&mut self, now: Now, number: u64, answer: &SpendReading) {
        let Some(questions) = self.spends.singles.remove(&number) else { return };
        self.note(now, failure_of(answer));
        for Question { requester, .. } in questions {
            self.outputs.push(Output::Spend(requester, answer.clone()));
        }
        self.read_spends_singly(now);
    }
}
