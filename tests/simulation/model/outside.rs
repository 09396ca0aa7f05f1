//! The world around a guard: TrafficStars, the tracker, the network between, and what happens there by itself.

use std::ops::Range;

use chrono::{DateTime, Duration, NaiveTime, Utc};

use super::random::Random;
use super::remote::{Answer, Call, Remote, row_of};
use super::tracker::Tracker;

/// What a world is made of. Times are drawn from ranges, in milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) begins_at: DateTime<Utc>,
    pub(crate) campaigns: usize,
    pub(crate) page_size: usize,
    /// From leaving to the answer.
    pub(crate) latency_ms: Range<i64>,
    /// Of a hundred campaigns, so many spend nothing: TrafficStars then leaves the field out.
    pub(crate) without_spend_percent: i64,
    /// After how long a campaign falls to the pause threshold.
    pub(crate) crosses_in_ms: Range<i64>,
    /// After how long new URLs follow a pause, and how long their clicks last.
    pub(crate) refill_in_ms: Range<i64>,
    pub(crate) refill_lasts_ms: Range<i64>,
    /// So many more campaigns have no end time, and fall to the threshold after this time.
    pub(crate) endless: usize,
    pub(crate) endless_cross_in_ms: Range<i64>,
}

/// What happens by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Happening {
    /// An end time may have come.
    End(usize),
    /// New URLs.
    Refill(usize),
}

#[derive(Debug)]
pub(crate) struct Outside {
    scenario: Scenario,
    random: Random,
    pub(crate) remote: Remote,
    pub(crate) tracker: Tracker,
    campaigns: usize,
    notes: Vec<(DateTime<Utc>, Happening)>,
}

impl Outside {
    pub(crate) fn new(scenario: Scenario) -> Self {
        let mut random = Random::new(scenario.seed);
        let (mut remote, mut tracker) = (Remote::new(scenario.page_size), Tracker::default());
        let (now, campaigns) = (scenario.begins_at, scenario.campaigns + scenario.endless);
        let day_end = now.date_naive().and_time(NaiveTime::MIN).and_utc() + Duration::minutes(24 * 60 - 1);
        let mut notes = Vec::new();
        for row in 0..campaigns {
            let is_endless = row >= scenario.campaigns;
            let cross_in = if is_endless { &scenario.endless_cross_in_ms } else { &scenario.crosses_in_ms };
            let crosses_in = Duration::milliseconds(random.within(cross_in.clone()));
            // At most nine tenths of the spend limit in a day.
            let spends = !random.chance(scenario.without_spend_percent);
            let micros_an_hour = if spends { random.within(40_000..375_000) } else { 0 };
            remote.add(now, (!is_endless).then_some(day_end), micros_an_hour);
            tracker.add(now, crosses_in, &mut random);
            notes.extend((!is_endless).then_some((day_end, Happening::End(row))));
        }
        Self { scenario, random, remote, tracker, campaigns, notes }
    }

    pub(crate) const fn campaigns(&self) -> usize {
        self.campaigns
    }

    pub(crate) fn take_notes(&mut self) -> Vec<(DateTime<Utc>, Happening)> {
        std::mem::take(&mut self.notes)
    }

    /// When a request that leaves now arrives, and when its answer does.
    pub(crate) fn travel(&mut self, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        let latency_ms = self.random.within(self.scenario.latency_ms.clone());
        // Nobody knows when between the two TrafficStars counts it.
        let there_ms = self.random.within(0..latency_ms + 1);
        (now + Duration::milliseconds(there_ms), now + Duration::milliseconds(latency_ms))
    }

    /// A request arrives.
    pub(crate) fn serve(&mut self, now: DateTime<Utc>, call: &Call) -> Answer {
        let (answer, switched) = self.remote.serve(now, call);
        for switched in switched {
            if self.tracker.switch(now, switched.campaign, switched.runs) {
                let in_ms = self.random.within(self.scenario.refill_in_ms.clone());
                self.notes.push((now + Duration::milliseconds(in_ms), Happening::Refill(switched.campaign)));
            }
        }
        if let Call::EndTime { id, at } = call {
            self.notes.push((*at, Happening::End(row_of(*id))));
        }
        answer
    }

    pub(crate) fn happen(&mut self, now: DateTime<Utc>, happening: Happening) {
        match happening {
            Happening::End(campaign) => {
                if self.remote.ends_at(campaign).is_some_and(|end| end <= now) {
                    self.tracker.end(now, campaign);
                }
            }
            Happening::Refill(campaign) => {
                let lasts = Duration::milliseconds(self.random.within(self.scenario.refill_lasts_ms.clone()));
                let clicks = self.random.within(15_000..60_000);
                self.tracker.refill(now, campaign, clicks, lasts);
            }
        }
    }
}
