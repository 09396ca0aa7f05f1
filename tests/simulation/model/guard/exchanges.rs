//! What the guard's client asks for, and what it answers.

use chrono::{DateTime, Utc};
use traffic_generator::domain::action::ActionKind;
use traffic_generator::domain::clock_difference::ClockDifference;
use traffic_generator::domain::event::Event;
use traffic_generator::domain::failure::RemoteFault;
use traffic_generator::domain::remote::RemoteCampaign;
use traffic_generator::trafficstar::client::{self, Asker, Client, Departure, Now};

use super::questions::Question;
use super::{Asks, Guard, Happening, Own};
use crate::model::log::{Carried, What};
use crate::model::wire::{self, Failure};

impl Guard {
    fn depart(&mut self, Departure { ticket, call, .. }: Departure) {
        self.note(What::Left { ticket });
        let fate = self.outside.fate(self.agenda.now(), &wire::understood(&call));
        match (fate.arrives_at, fate.lost) {
            (Some(arrives_at), _) => {
                self.agenda.note(arrives_at, Happening::Arrives(self.processes, ticket, call, fate));
            }
            (None, lost) => {
                let result = Err(lost.unwrap_or(Failure::TimedOut));
                self.agenda.note(fate.ends_at, Happening::Own(self.processes, Own::Ends(ticket, call, result)));
            }
        }
    }

    /// What the client asks for, and what it answers.
    pub(super) fn hear(&mut self, output: client::Output) {
        let now = self.now();
        match output {
            client::Output::Send(departure) => self.depart(departure),
            client::Output::Reserve(reservation) => self.ask_database(Question::Reserve(reservation)),
            client::Output::Waits { ticket, urgency, call, askers } => {
                let carries = askers.into_iter().filter_map(|asker| self.carried(asker)).collect();
                self.note(What::AtTheGate { ticket, urgency, call: wire::understood(&call), carries });
            }
            client::Output::GivenUp(ticket) => self.note(What::GaveUp { ticket }),
            client::Output::Silence(until) => self.note(What::Silence { until: now.true_time(until) }),
            client::Output::Status(asker, sent_at, status) => {
                let sent_at = sent_at.map(|at| now.true_time(at));
                let asked = self.asked(asker);
                self.status_came(asked, sent_at, *status);
            }
            client::Output::Spend(asker, answer) => {
                if let Some(Asks::Spend(life, operation)) = self.asked(asker) {
                    self.with(life, |found| found.session.spend_came(now.wall, operation, answer));
                }
            }
            client::Output::Changed(asker, outcome) => match self.asked(asker) {
                Some(Asks::Change(life, action, _)) => {
                    self.tell_once_or_twice(life, Event::Applied { action, outcome })
                }
                Some(Asks::EndTime(life, action)) => {
                    self.tell_once_or_twice(life, Event::EndTimeSet { action, outcome });
                }
                Some(Asks::Status(..) | Asks::ReadBack(..) | Asks::Spend(..)) | None => {}
            },
            // No operator asks for the account here.
            client::Output::Account(..)
            | client::Output::Failed
            | client::Output::Tell(_)
            | client::Output::Sign(_) => {}
        }
    }

    fn asked(&mut self, asker: Asker) -> Option<Asks> {
        self.process.as_mut()?.asks.remove(&asker)
    }

    /// The action that one who asks for a change has decided on.
    fn carried(&self, asker: Asker) -> Option<Carried> {
        let (life, action, kind) = match *self.process.as_ref()?.asks.get(&asker)? {
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
            Some(Asks::Status(life, operation)) => {
                self.with(life, |found| found.status_came(now, operation, sent_at, status));
            }
            Some(Asks::ReadBack(life, operation)) if self.lives(life) => {
                self.note(What::SeenBack { campaign: life.campaign, operation, sent_at });
                let clock = sent_at.map(|_| ClockDifference(now.ahead_by()));
                let remote = status.clone().map(|campaign| Box::new(RemoteCampaign { our_clock: clock, ..campaign }));
                self.perhaps_tell_again(life, &Event::ReadBack { operation, remote });
                self.with(life, |found| found.session.read_back_came(now.wall, operation, status, clock));
            }
            Some(Asks::ReadBack(..) | Asks::Spend(..) | Asks::Change(..) | Asks::EndTime(..)) | None => {}
        }
    }

    pub(super) fn ask_client(&mut self, asks: Asks, ask: impl FnOnce(&mut Client, Now) -> Asker) {
        let now = self.now().clocks();
        if let Some(process) = self.process.as_mut() {
            let asker = ask(&mut process.client, now);
            process.asks.insert(asker, asks);
        }
    }
}
