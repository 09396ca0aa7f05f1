//! Reads of spend from the reports: one report for all who tick together, whenever each comes to ask. Where there is none,
//! each campaign has a report of its own. Those wait here for their turn, one for each campaign: at the scheduler they would
//! become more with each tick where the limit does not reach for all.
//!
//! Deliberately absent: how a report's pages are put together (`reports`), and which source of spend is believed
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

/// So many campaigns' own reports are asked for at once.
const SINGLES_AT_ONCE: usize = 8;

/// One who asks for a campaign's spend.
#[derive(Debug, Clone, Copy)]
struct Question {
    requester: Requester,
    remote: RemoteId,
    urgency: Urgency,
}

/// A report of every campaign's spend.
#[derive(Debug)]
struct Report {
    sent_at: DateTime<Utc>,
    day: NaiveDate,
    spends: BTreeMap<RemoteId, SpendReading>,
}

/// A report under way, and whom it is for.
#[derive(Debug)]
struct UnderWay {
    sent_at: DateTime<Utc>,
    day: NaiveDate,
    questions: Vec<Question>,
}

/// The questions that wait for a campaign's own report, which is not asked for yet.
#[derive(Debug)]
struct Waiting {
    number: u64,
    questions: Vec<Question>,
}

/// The questions for spend, the reports under way, and the report that came last.
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

    /// Whose report is asked for next: the most urgent; of these, who waits longest. One that a pause waits for is asked
    /// for at once: those under way may wait at the scheduler for minutes.
    fn next_single(&mut self) -> Option<(RemoteId, Vec<Question>)> {
        let rank = |waiting: &Waiting| (most_urgent(&waiting.questions), waiting.number);
        let (remote, first) = self.waiting.iter().min_by_key(|(_, waiting)| rank(waiting))?;
        if self.singles.len() >= SINGLES_AT_ONCE && most_urgent(&first.questions) != Urgency::Pause {
            return None;
        }
        let remote = *remote;
        Some((remote, self.waiting.remove(&remote)?.questions))
    }

    /// What the last report says of a campaign, if it serves it.
    fn known(&self, now: Now, remote: RemoteId, since: DateTime<Utc>) -> Option<SpendReading> {
        let last = self.last.as_ref().filter(|last| serves(now.wall, since, last.sent_at, last.day))?;
        Some(of(&last.spends, remote))
    }

    /// A report under way that will serve it.
    fn coming(&mut self, now: Now, since: DateTime<Utc>) -> Option<&mut UnderWay> {
        self.under_way.values_mut().rev().find(|report| serves(now.wall, since, report.sent_at, report.day))
    }
}

/// No row is no spend on record.
fn of(spends: &BTreeMap<RemoteId, SpendReading>, remote: RemoteId) -> SpendReading {
    spends.get(&remote).cloned().unwrap_or(SpendReading::NoValue)
}

/// What failed, if that is what a report's answer says.
fn failure_of(answer: &SpendReading) -> Option<String> {
    match answer {
        SpendReading::Failed(failure) => Some(failure.to_string()),
        SpendReading::Value(_) | SpendReading::NoValue | SpendReading::NoSource => None,
    }
}

impl Client {
    /// Reads one campaign's spend from the reports, for the UTC day on which the report is asked for. A report that was sent
    /// since `since`, when the campaign's tick began, serves.
    pub fn read_spend(&mut self, now: Now, remote: RemoteId, urgency: Urgency, since: DateTime<Utc>) -> Requester {
        let requester = self.next_asker();
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
        let job = ReportJob::new(&mut self.known, now, For::Askers(number), urgency);
        self.go_on_with_report(now, job);
    }

    /// A report of all has come, or has failed.
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
            // One that was there may be back in a moment: the reports of each would use up the limit meanwhile.
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

    /// Without a report of all, each has one of its own, and is answered as soon as it comes.
    fn read_spends_singly(&mut self, now: Now) {
        while let Some((remote, questions)) = self.spends.next_single() {
            let (urgency, number) = (most_urgent(&questions), self.spends.next_number());
            self.spends.singles.insert(number, questions);
            let job = DayJob::new(&mut self.known, now, For::Askers(number), remote, urgency);
            self.go_on_with_day(now, job);
        }
    }

    /// A campaign's own report has come, or has failed.
    pub(super) fn single_came(&mut self, now: Now, number: u64, answer: &SpendReading) {
        let Some(questions) = self.spends.singles.remove(&number) else { return };
        self.note(now, failure_of(answer));
        for Question { requester, .. } in questions {
            self.outputs.push(Output::Spend(requester, answer.clone()));
        }
        self.read_spends_singly(now);
    }
}
