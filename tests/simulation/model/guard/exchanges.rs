//! The outputs of the guard's client: requests to send, and answers.

use chrono::{DateTime, Utc};
use traffic_generator::domain::action::ActionKind;
use traffic_generator::domain::clock_difference::ClockDifference;
use traffic_generator::domain::event::Event;
use traffic_generator::domain::failure::RemoteFault;
use traffic_generator::domain::remote::RemoteCampaign;
use traffic_generator::trafficstar::client::{self, Client, Departure, Now, Requester};

use super::questions::Question;
use super::{Asks, Guard, Happening, Own};
use crate::model::log::{Carried, What};
use crate::model::wire::{self, Failure};

impl Guard {
    fn send(&mut self, Departure { request_id, call, .. }: Departure) {
        self.note(What::Left { request_id });
        let fate = self.outside.fate(self.agenda.now(), &wire::understood(&call));
        match (fate.arrives_at, fate.lost) {
            (Some(arrives_at), _) => {
                self.agenda.note(arrives_at, Happening::Arrives(self.processes, request_id, call, fate));
            }
            (None, lost) => {
                let result = Err(lost.unwrap_or(Failure::TimedOut));
                self.agenda.note(fate.ends_at, Happening::Own(self.processes, Own::Ends(request_id, call, result)));
            }
        }
    }

    /// Carries out one output of the client.
    pub(super) fn hear(&mut self, output: client::Output) {
        let now = self.now();
        match output {
            client::Output::Send(departure) => self.send(departure),
            client::Output::Reserve(reservation) => self.ask_database(Question::Reserve(reservation)),
            client::Output::Waits { request_id, urgency, call, requesters } => {
                let carries = requesters.into_iter().filter_map(|requester| self.carried(requester)).collect();
                self.note(What::Queued { request_id, urgency, call: wire::understood(&call), carries });
            }
            client::Output::GivenUp(request_id) => self.note(What::GaveUp { request_id }),
            client::Output::RateLimited(until) => self.note(What::Blocked { until: now.true_time(until) }),
            client::Output::Status(requester, sent_at, status) => {
                let sent_at = sent_at.map(|at| now.true_time(at));
                let asked = self.asked(requester);
                self.status_came(asked, sent_at, *status);
            }
            client::Output::Spend(requester, answer) => {
                if let Some(Asks::Spend(life, question_id)) = self.asked(requester) {
                    self.with(life, |found| found.session.spend_came(now.wall, question_id, answer));
                }
            }
            client::Output::Changed(requester, outcome) => match self.asked(requester) {
                Some(Asks::Change(life, action, _)) => {
                    self.deliver_once_or_twice(life, Event::Applied { action, outcome })
                }
                Some(Asks::EndTime(life, action)) => {
                    self.deliver_once_or_twice(life, Event::EndTimeSet { action, outcome });
                }
                Some(Asks::Status(..) | Asks::ReadBack(..) | Asks::Spend(..)) | None => {}
            },
            // No operator reads the account here.
            client::Output::Account(..)
            | client::Output::Failed
            | client::Output::Event(_)
            | client::Output::Sign(_) => {}
        }
    }

    fn asked(&mut self, requester: Requester) -> Option<Asks> {
        self.process.as_mut()?.asks.remove(&requester)
    }

    /// Returns the action that a requester's change belongs to.
    fn carried(&self, requester: Requester) -> Option<Carried> {
        let (life, action, kind) = match *self.process.as_ref()?.asks.get(&requester)? {
            Asks::Change(life, action, kind) => (life, action, kind),
            Asks::EndTime(life, action) => (life, action, ActionKind::Pause),
            Asks::Status(..) | Asks::ReadBack(..) | Asks::Spend(..) => return None,
        };
        Some(Carried { campaign: life.campaign, action, kind })
    }

    fn status_came(
        &mut self,
        asked: Option<Asks>,
        sent_at: Option<DateTime<Utc>>,
        status: Result<RemoteCampaign, RemoteFault>,
    ) {
        let now = self.now();
        match asked {
            Some(Asks::Status(life, question_id)) => {
                self.with(life, |found| found.status_came(now, question_id, sent_at, status));
            }
            Some(Asks::ReadBack(life, question_id)) if self.lives(life) => {
                self.note(What::SeenBack { campaign: life.campaign, question_id, sent_at });
                let clock = sent_at.map(|_| ClockDifference(now.ahead_by()));
                let remote = status.clone().map(|campaign| Box::new(RemoteCampaign { our_clock: clock, ..campaign }));
                self.perhaps_deliver_again(life, &Event::ReadBack { question_id, remote });
                self.with(life, |found| found.session.read_back_came(now.wall, question_id, status, clock));
            }
            Some(Asks::ReadBack(..) | Asks::Spend(..) | Asks::Change(..) | Asks::EndTime(..)) | None => {}
        }
    }

    pub(super) fn ask_client(&mut self, asks: Asks, ask: impl FnOnce(&mut Client, Now) -> Requester) {
        let now = self.now().clocks();
        if let Some(process) = self.process.as_mut() {
            let requester = ask(&mut process.client, now);
            process.asks.insert(requester, asks);
        }
    }
}
