//! The world around a guard: TrafficStars, the tracker, the network between, and the events there.

use std::ops::Range;

use chrono::{DateTime, Duration, NaiveTime, Utc};

use super::log::{By, What};
use super::random::Random;
use super::remote::{Answer, Block, Call, FirstBudget, Funds, Remote, Switched, Ways, row_of};
use super::tracker::Tracker;
use super::urls::Urls;
use super::weather::{Fate, Weather};
use super::wire::Failure;

/// The settings of a run without faults. Times are drawn from ranges, in milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) begins_at: DateTime<Utc>,
    pub(crate) campaigns: usize,
    pub(crate) page_size: usize,
    /// The number of campaigns that the guard does not know behind each that it knows, in the list.
    pub(crate) strangers: usize,
    /// From sending to the answer.
    pub(crate) latency_ms: Range<i64>,
    /// How many of a hundred campaigns spend nothing: TrafficStars leaves their field out.
    pub(crate) without_spend_percent: i64,
    /// When a campaign falls to the pause threshold, after the beginning.
    pub(crate) crosses_in_ms: Range<i64>,
    /// When new URLs follow a pause, and how long their clicks last.
    pub(crate) refill_in_ms: Range<i64>,
    pub(crate) refill_lasts_ms: Range<i64>,
    /// How many more campaigns have no end time, and when they fall to the threshold.
    pub(crate) endless: usize,
    pub(crate) endless_cross_in_ms: Range<i64>,
}

/// An event outside the guard.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Happening {
    /// An end time may have come.
    End(usize),
    /// New URLs.
    Refill(usize),
    /// A daily budget may be used up, or a new day may have begun.
    Budget(usize),
}

/// When new URLs follow a pause, and how long their clicks last.
#[derive(Debug, Clone)]
struct Refills {
    in_ms: Range<i64>,
    last_ms: Range<i64>,
}

#[derive(Debug)]
pub(crate) struct Outside {
    pub(crate) random: Random,
    pub(crate) remote: Remote,
    pub(crate) tracker: Tracker,
    pub(crate) weather: Weather,
    latency_ms: Range<i64>,
    refills: Option<Refills>,
    /// The URLs of each campaign, in the storms with budgets.
    urls: Vec<Urls>,
    /// When the daily budget of each of them turns next, as noted last.
    budgets_turn_at: Vec<Option<DateTime<Utc>>>,
    campaigns: usize,
    notes: Vec<(DateTime<Utc>, Happening)>,
    lines: Vec<What>,
}

impl Outside {
    pub(crate) fn new(scenario: Scenario) -> Self {
        let random = Random::new(scenario.seed);
        let refills = Refills { in_ms: scenario.refill_in_ms, last_ms: scenario.refill_lasts_ms };
        let mut outside =
            Self::empty(random, (scenario.page_size, scenario.strangers), Ways::PROMPT, scenario.latency_ms);
        outside.refills = Some(refills);
        let (now, campaigns) = (scenario.begins_at, scenario.campaigns + scenario.endless);
        let midnight = now.date_naive().and_time(NaiveTime::MIN).and_utc();
        let day_end = midnight + Duration::minutes(24 * 60 - 1);
        for row in 0..campaigns {
            let is_endless = row >= scenario.campaigns;
            let cross_in = if is_endless { &scenario.endless_cross_in_ms } else { &scenario.crosses_in_ms };
            let crosses_in = Duration::milliseconds(outside.random.within(cross_in.clone()));
            // A day's spend is at most nine tenths of the limit.
            let spends = !outside.random.chance(scenario.without_spend_percent);
            let micros_an_hour = if spends { outside.random.within(40_000..375_000) } else { 0 };
            let spent = micros_an_hour * now.signed_duration_since(midnight).num_milliseconds() / 3_600_000;
            let end_time = (!is_endless).then_some(day_end);
            outside.add(now, true, end_time, spent, micros_an_hour);
            outside.tracker.add(now, crosses_in, &mut outside.random);
        }
        outside
    }

    /// Returns the world without campaigns.
    pub(crate) fn empty(random: Random, list: (usize, usize), ways: Ways, latency_ms: Range<i64>) -> Self {
        let (page_size, strangers) = list;
        Self {
            random,
            remote: Remote::new(page_size, strangers, ways),
            tracker: Tracker::default(),
            weather: Weather::default(),
            latency_ms,
            refills: None,
            urls: Vec::new(),
            budgets_turn_at: Vec::new(),
            campaigns: 0,
            notes: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Adds a campaign at TrafficStars. The tracker needs a call of its own.
    pub(crate) fn add(
        &mut self,
        now: DateTime<Utc>,
        active: bool,
        end_time: Option<DateTime<Utc>>,
        spent: i64,
        micros_an_hour: i64,
    ) {
        self.remote.add(now, active, end_time, spent, micros_an_hour);
        self.notes.extend(end_time.map(|end| (end, Happening::End(self.campaigns))));
        self.campaigns += 1;
    }

    pub(crate) const fn campaigns(&self) -> usize {
        self.campaigns
    }

    pub(crate) fn take_notes(&mut self) -> Vec<(DateTime<Utc>, Happening)> {
        std::mem::take(&mut self.notes)
    }

    pub(crate) fn take_lines(&mut self) -> Vec<What> {
        std::mem::take(&mut self.lines)
    }

    /// Gives the campaign that was added last a daily budget, and URLs.
    pub(crate) fn add_budget(&mut self, now: DateTime<Utc>, budget: &FirstBudget) {
        let campaign = self.campaigns.saturating_sub(1);
        self.remote.begin_budget(campaign, budget);
        self.urls.push(Urls::of(self.tracker.clicks(now, campaign)));
        self.budgets_turn_at.push(None);
        self.note_budget(now, campaign);
    }

    /// Returns the URLs of a campaign, if the storm has any.
    pub(crate) fn urls(&mut self, now: DateTime<Utc>, campaign: usize) -> Option<&Urls> {
        let left = self.tracker.clicks(now, campaign);
        let urls = self.urls.get_mut(campaign)?;
        urls.settle(left);
        Some(urls)
    }

    /// Changes the URLs of a campaign.
    pub(crate) fn change_urls(&mut self, now: DateTime<Utc>, campaign: usize, random: &mut Random) {
        let before = self.tracker.clicks(now, campaign);
        let Some(urls) = self.urls.get_mut(campaign) else { return };
        urls.settle(before);
        let after = urls.change(random);
        self.tracker.add_clicks(now, campaign, after - before);
    }

    /// Stops each campaign whose daily budget is used up, and notes when that happens next.
    pub(crate) fn follow_budgets(&mut self, now: DateTime<Utc>) {
        for campaign in 0..self.urls.len() {
            self.turn_budget(now, campaign);
        }
    }

    fn turn_budget(&mut self, now: DateTime<Utc>, campaign: usize) {
        let switched = self.remote.turn_budget(now, campaign);
        self.switched(now, switched, By::TrafficStars);
        self.note_budget(now, campaign);
    }

    fn note_budget(&mut self, now: DateTime<Utc>, campaign: usize) {
        let turns_at = self.remote.budget_turns_at(now, campaign);
        let Some(noted) = self.budgets_turn_at.get_mut(campaign) else { return };
        if std::mem::replace(noted, turns_at) != turns_at {
            self.notes.extend(turns_at.map(|at| (at, Happening::Budget(campaign))));
        }
    }

    /// Draws the fate of a request that is sent now.
    pub(crate) fn fate(&mut self, now: DateTime<Utc>, call: &Call) -> Fate {
        self.weather.fate(now, call, &self.latency_ms, &mut self.random)
    }

    /// Serves a request that arrives.
    pub(crate) fn serve(&mut self, now: DateTime<Utc>, call: &Call, fate: &Fate) -> Result<Answer, Failure> {
        if let Some(refused) = fate.refused {
            self.remote.refuse(now, call);
            if fate.takes_effect {
                self.take_effect(now, call, By::Guard);
            }
            return Err(refused);
        }
        let (weather, random) = (self.weather, &mut self.random);
        let (answer, switched) = self.remote.serve(now, call, |_| weather.mood(random));
        self.served(now, call, switched, By::Guard);
        let old = answer.as_ref().map(|answer| self.remote.old_counters(now, answer)).unwrap_or_default();
        self.lines.extend(old.into_iter().map(What::OldCounter));
        answer.map_err(Failure::Status)
    }

    /// Carries out a request that is neither counted nor answered.
    pub(crate) fn take_effect(&mut self, now: DateTime<Utc>, call: &Call, by: By) {
        let (weather, random) = (self.weather, &mut self.random);
        let (_, switched) = self.remote.take_effect(now, call, |_| weather.mood(random));
        self.served(now, call, switched, by);
    }

    fn served(&mut self, now: DateTime<Utc>, call: &Call, switched: Vec<Switched>, by: By) {
        self.switched(now, switched, by);
        if let Call::EndTime { id, .. } = call {
            self.note_end(row_of(*id));
        }
        if call.is_write() {
            self.follow_budgets(now);
        }
    }

    /// Takes in that campaigns were started or stopped.
    pub(crate) fn switched(&mut self, now: DateTime<Utc>, switched: Vec<Switched>, by: By) {
        for Switched { campaign, runs } in switched {
            self.lines.push(What::Switched { campaign, runs, by });
            let is_awaited_pause = self.tracker.switch(now, campaign, runs);
            if let Some(refills) = self.refills.as_ref().filter(|_| is_awaited_pause) {
                let in_ms = self.random.within(refills.in_ms.clone());
                self.notes.push((now + Duration::milliseconds(in_ms), Happening::Refill(campaign)));
            }
        }
    }

    /// Sets an end time, as others do.
    pub(crate) fn set_end(&mut self, now: DateTime<Utc>, campaign: usize, end: Option<DateTime<Utc>>) {
        let switched = self.remote.set_end(now, campaign, end);
        self.switched(now, switched, By::Others);
        self.note_end(campaign);
    }

    /// Blocks a campaign, or unblocks it. Its end time may then mean another moment.
    pub(crate) fn set_block(&mut self, now: DateTime<Utc>, campaign: usize, block: Option<Block>) {
        let switched = self.remote.set_block(now, campaign, block);
        self.switched(now, switched, By::TrafficStars);
        self.note_end(campaign);
    }

    /// Takes a campaign's funds away, or returns them.
    pub(crate) fn set_funds(&mut self, now: DateTime<Utc>, campaign: usize, funds: Funds) {
        let switched = self.remote.set_funds(now, campaign, funds);
        self.switched(now, switched, By::TrafficStars);
    }

    fn note_end(&mut self, campaign: usize) {
        self.notes.extend(self.remote.ends_at(campaign).map(|end| (end, Happening::End(campaign))));
    }

    pub(crate) fn happen(&mut self, now: DateTime<Utc>, happening: Happening) {
        match happening {
            Happening::End(campaign) => {
                let is_over = self.remote.ends_at(campaign).is_some_and(|end| end <= now);
                if is_over && self.tracker.end(now, campaign) {
                    self.lines.push(What::Switched { campaign, runs: false, by: By::EndTime });
                }
            }
            Happening::Budget(campaign) => self.turn_budget(now, campaign),
            Happening::Refill(campaign) => {
                let Some(refills) = self.refills.clone() else { return };
                let lasts = Duration::milliseconds(self.random.within(refills.last_ms));
                let clicks = self.random.within(15_000..60_000);
                self.tracker.refill(now, campaign, clicks, lasts);
            }
        }
    }
}
