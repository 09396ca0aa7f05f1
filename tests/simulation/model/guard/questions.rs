//! The guard's questions to the database, and their answers: late, after two delays, or lost.

use chrono::Duration;
use traffic_generator::domain::event::{QuestionId, Record};
use traffic_generator::domain::failure::DatabaseFailure;
use traffic_generator::domain::journal::JournalId;
use traffic_generator::domain::money::{Clicks, RemainingClicks};
use traffic_generator::domain::spend::Spend;
use traffic_generator::guard::tick::StoredFacts;
use traffic_generator::trafficstar::reservation::Reservation;

use super::{Guard, Happening, Own};
use crate::model::campaign::Life;
use crate::model::clock::Moment;
use crate::model::database::no_answer;
use crate::model::log::What;
use crate::model::urls::Urls;

/// A question to the database.
#[derive(Debug)]
pub(super) enum Question {
    ReadTick(Life, QuestionId, bool),
    Save(Life, Box<Record>, Option<JournalId>),
    SaveSpend(usize, Spend),
    Reserve(Reservation),
}

impl Guard {
    pub(super) fn ask_database(&mut self, question: Question) {
        let after_ms = self.outside.random.within(self.database_ms.clone());
        if after_ms == 0 {
            self.database_hears(self.processes, question);
        } else {
            let at = self.agenda.now() + Duration::milliseconds(after_ms);
            self.agenda.note(at, Happening::Database(self.processes, question));
        }
    }

    /// Lets the database answer a question, even if the process has ended meanwhile.
    pub(super) fn database_hears(&mut self, process: u64, question: Question) {
        let now = self.now();
        let away = self.database.away;
        // A connection may break after a commit, so that the process gets no answer.
        let is_answered = !away && self.storm.as_mut().is_none_or(|storm| storm.answers_commit());
        let own = match question {
            Question::ReadTick(life, question_id, counts_urls) => {
                let read = if away { Err(no_answer()) } else { self.read_tick(life.campaign, now, counts_urls) };
                Own::Read(life, question_id, Box::new(read))
            }
            Question::Save(life, record, entry) => {
                let campaign = life.campaign;
                let saved = (!away).then(|| self.database.save(campaign, &record, entry));
                if saved.is_some() {
                    self.note(What::Stored { campaign, record: *record });
                }
                Own::Saved(life, saved.filter(|_| is_answered).ok_or_else(no_answer))
            }
            Question::SaveSpend(campaign, spend) => {
                if !away {
                    self.database.save_spend(campaign, &spend);
                    self.note(What::SpendStored { campaign, spend });
                }
                return;
            }
            Question::Reserve(reservation) => {
                if !away {
                    self.database.count_requests(now.wall, &reservation);
                }
                Own::Reserved(reservation.number, is_answered)
            }
        };
        let back_ms = self.outside.random.within(self.database_ms.clone());
        if back_ms > 0 {
            self.agenda.note(now.at + Duration::milliseconds(back_ms), Happening::Own(process, own));
        } else if process == self.processes {
            self.own_happens(own);
        }
    }

    fn read_tick(&mut self, campaign: usize, now: Moment, counts_urls: bool) -> Result<StoredFacts, DatabaseFailure> {
        let row = self.database.row(campaign).cloned();
        let row = row.ok_or_else(|| DatabaseFailure::Failed("the database has no such campaign".to_owned()))?;
        let count = Clicks(self.outside.tracker.clicks(now.at, campaign).max(0).unsigned_abs());
        let defect = self.storm.as_ref().and_then(|storm| storm.defect(campaign));
        let urls = self.outside.urls(now.at, campaign);
        let active_urls = urls.map_or(1, Urls::active);
        let urls = urls.filter(|_| counts_urls).map(Urls::counts);
        let clicks = RemainingClicks { count, active_urls, defect, urls, at: now.wall };
        let history = Ok(self.database.spends(campaign, now.wall.date_naive()));
        Ok(StoredFacts { is_guarded: row.enabled, policy: row.policy, clicks, history, shared: None })
    }
}
