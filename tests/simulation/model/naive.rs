//! A naive client, for comparison. Each minute it reads the status and the spend of each campaign, one after the other
//! within the limit. The request of a decision waits behind all requests that wait already.
//!
//! It has advantages. It knows the clicks of every moment as the guard does, and never queues a second read for a
//! campaign. It sets no end times, and does not read back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, Duration, Utc};

use super::agenda::Agenda;
use super::outside::{self, Outside};
use super::remote::{Answer, Call, id_of};
use super::tracker::PAUSE_CLICKS;
use super::weather::Fate;
use traffic_generator::domain::ids::RemoteId;

const ACTIVATE_CLICKS: i64 = 15_000;

#[derive(Debug)]
enum Happening {
    /// A minute has passed for a campaign.
    Tick(usize),
    Slot,
    Arrives(usize, Call, Fate),
    Answers(usize, Call, Answer),
    Outside(outside::Happening),
}

/// What a campaign waits for, and whether its last read showed it running.
#[derive(Debug, Default)]
struct Busy {
    requests: usize,
    runs: bool,
}

#[derive(Debug)]
pub(crate) struct Naive {
    agenda: Agenda<Happening>,
    pub(crate) outside: Outside,
    limit: usize,
    /// Used slots: by requests in flight, and for a minute after their answers.
    held: usize,
    queue: VecDeque<(usize, Call)>,
    busy: BTreeMap<usize, Busy>,
}

impl Naive {
    pub(crate) fn new(outside: Outside, requests_per_minute: u32, now: DateTime<Utc>) -> Self {
        let limit = usize::try_from(requests_per_minute).unwrap_or(usize::MAX);
        let mut agenda = Agenda::new(now);
        for row in 0..outside.campaigns() {
            agenda.note(now, Happening::Tick(row));
        }
        Self { agenda, outside, limit, held: 0, queue: VecDeque::new(), busy: BTreeMap::new() }
    }

    /// Runs all events up to `until`.
    pub(crate) fn run_until(&mut self, until: DateTime<Utc>) {
        while let Some(happening) = self.agenda.next(until) {
            self.happen(happening);
            self.send();
            for (at, happening) in self.outside.take_notes() {
                self.agenda.note(at, Happening::Outside(happening));
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.agenda.now();
        match happening {
            Happening::Tick(campaign) => {
                self.agenda.note(now + Duration::minutes(1), Happening::Tick(campaign));
                if !self.busy.contains_key(&campaign) {
                    self.queue(campaign, [Call::Campaign(id_of(campaign)), Call::Report { offset: 0, limit: 1 }]);
                }
            }
            Happening::Slot => self.held = self.held.saturating_sub(1),
            Happening::Arrives(campaign, call, fate) => {
                // Without bad weather, every request is answered.
                if let Ok(answer) = self.outside.serve(now, &call, &fate) {
                    self.agenda.note(fate.ends_at, Happening::Answers(campaign, call, answer));
                }
            }
            Happening::Answers(campaign, call, answer) => {
                self.agenda.note(now + Duration::seconds(60), Happening::Slot);
                self.answered(now, campaign, &call, answer);
            }
            Happening::Outside(happening) => self.outside.happen(now, happening),
        }
    }

    fn queue(&mut self, campaign: usize, calls: impl IntoIterator<Item = Call>) {
        for call in calls {
            self.busy.entry(campaign).or_default().requests += 1;
            self.queue.push_back((campaign, call));
        }
    }

    fn answered(&mut self, now: DateTime<Utc>, campaign: usize, call: &Call, answer: Answer) {
        let Some(busy) = self.busy.get_mut(&campaign) else { return };
        busy.requests -= 1;
        if let Answer::Campaign(shown) = answer {
            busy.runs = shown.active == Some(true);
        }
        if busy.requests > 0 {
            return;
        }
        let runs = busy.runs;
        self.busy.remove(&campaign);
        let clicks = self.outside.tracker.clicks(now, campaign);
        let ids: BTreeSet<RemoteId> = [id_of(campaign)].into();
        if call.is_write() {
            // The next minute reads the campaign again.
        } else if runs && clicks <= PAUSE_CLICKS {
            self.queue(campaign, [Call::Pause(ids)]);
        } else if !runs && clicks >= ACTIVATE_CLICKS {
            self.queue(campaign, [Call::Run(ids)]);
        }
    }

    fn send(&mut self) {
        let now = self.agenda.now();
        while self.held < self.limit
            && let Some((campaign, call)) = self.queue.pop_front()
        {
            self.held += 1;
            let fate = self.outside.fate(now, &call);
            self.agenda.note(fate.arrives_at.unwrap_or(now), Happening::Arrives(campaign, call, fate));
        }
    }
}
