//! A model of TrafficStars: a list in pages, single reads, the report by campaigns, runs, pauses, end times, and its
//! own count of requests. The status and the spend that it answers may be older than the true ones.
//!
//! `state` is one campaign and what a read shows of it; `counter` is a spend counter that still counts for yesterday.

mod counter;
mod state;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use traffic_generator::domain::ids::RemoteId;
use traffic_generator::domain::money::Money;
use traffic_generator::domain::remote::{EndTime, RemoteCampaign};
use traffic_generator::domain::spend::SpendReading;
use traffic_generator::trafficstar::batch::ListSize;

pub(crate) use self::counter::LateCounter;
pub(crate) use self::state::{Block, Funds, ODD_NAMES, Odd};
use self::state::{Campaign, State, in_cents, midnight_before};
use super::log::Truth;
use super::wire::bare;

/// A request, as the model sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Token,
    Page(u64),
    /// The entries of these campaigns in the list.
    ListById(BTreeSet<RemoteId>),
    Campaign(RemoteId),
    /// Rows of today's report by campaigns.
    Report {
        offset: usize,
        limit: usize,
    },
    /// One campaign's spend of today.
    DayReport(RemoteId),
    EndTime {
        id: RemoteId,
        at: DateTime<Utc>,
    },
    Budget {
        id: RemoteId,
        max_daily: Money,
    },
    Run(BTreeSet<RemoteId>),
    Pause(BTreeSet<RemoteId>),
}

impl Call {
    pub(crate) const fn is_write(&self) -> bool {
        matches!(self, Self::EndTime { .. } | Self::Budget { .. } | Self::Run(_) | Self::Pause(_))
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Token,
    Page {
        campaigns: BTreeMap<RemoteId, RemoteCampaign>,
        size: ListSize,
    },
    Campaign(Box<RemoteCampaign>),
    Report(Vec<(RemoteId, SpendReading)>),
    DayReport(SpendReading),
    /// The campaign's end time, as it is now.
    EndTime(EndTime),
    /// The campaign's daily budget, as it is now.
    Budget(Money),
    /// The requested campaigns; the result of one in neither list is unclear.
    Named {
        done: BTreeSet<RemoteId>,
        refused: BTreeSet<RemoteId>,
    },
}

/// A request as the remote counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) at: DateTime<Utc>,
    pub(crate) call: Call,
}

/// A campaign that was started or stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Switched {
    pub(crate) campaign: usize,
    pub(crate) runs: bool,
}

/// A campaign's counter that shows an earlier day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OldCounter {
    pub(crate) campaign: usize,
    pub(crate) amount: Money,
    pub(crate) day: NaiveDate,
}

/// How TrafficStars takes a run or a pause of one campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Done,
    Refused,
    /// The answer does not name the campaign, whether or not the change was made.
    Unnamed {
        done: bool,
    },
}

/// What the list's filter by ids does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdFilter {
    Works,
    /// It is ignored: all campaigns are listed.
    Ignored,
    /// It counts for the last id alone.
    LastAlone,
    /// The answer holds one campaign more.
    OneMore,
    /// The answer leaves out every second one.
    EverySecond,
    /// The answer says that there is one more than it holds.
    Miscounted,
}

/// Properties of TrafficStars that are not documented.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ways {
    pub(crate) id_filter: IdFilter,
    /// How long a change does not show.
    pub(crate) shows_after: Duration,
    /// How old the answered spend is.
    pub(crate) spend_lag: Duration,
    /// Whether a campaign is switched off once its end time has passed, so that a new end time does not start it again.
    pub(crate) ends_switch_off: bool,
}

impl Ways {
    /// Changes show at once. For the undocumented property: the choice that costs the guard more.
    pub(crate) const PROMPT: Self = Self {
        id_filter: IdFilter::Works,
        shows_after: Duration::zero(),
        spend_lag: Duration::zero(),
        ends_switch_off: true,
    };
}

/// A campaign's daily budget at the beginning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FirstBudget {
    pub(crate) max_daily: Option<Money>,
    pub(crate) price_per_thousand: Option<Money>,
    /// The word that it shows while its daily budget is used up.
    pub(crate) used_up_word: Option<&'static str>,
}

#[derive(Debug)]
pub(crate) struct Remote {
    page_size: usize,
    /// The number of campaigns that the guard does not know behind each that it knows, in the list.
    strangers: usize,
    ways: Ways,
    /// What was shown, and the spend that was answered, never become older when `ways` change.
    shown_from: DateTime<Utc>,
    spend_from: DateTime<Utc>,
    campaigns: Vec<Campaign>,
    /// A run or a pause that names one of these is refused as a whole, with this status.
    refused: BTreeMap<RemoteId, u16>,
    log: Vec<Arrival>,
}

/// The statuses with which a run or a pause may be refused as a whole because of one id. No weather causes these.
pub(crate) const REFUSALS: [u16; 5] = [400, 403, 409, 422, 500];

/// Returns a campaign's row.
pub(crate) fn row_of(id: RemoteId) -> usize {
    usize::try_from(id.0 - 1).unwrap_or(usize::MAX)
}

/// Returns the id of a row's campaign.
pub(crate) fn id_of(row: usize) -> RemoteId {
    RemoteId(i64::try_from(row).unwrap_or(i64::MAX).saturating_add(1))
}

/// Returns the id of a campaign that the guard does not know.
fn stranger(row: usize, number: usize) -> RemoteId {
    let number = i64::try_from(row.saturating_mul(1_000).saturating_add(number)).unwrap_or(i64::MAX);
    RemoteId(number.saturating_add(10_000_000))
}

impl Remote {
    pub(crate) const fn new(page_size: usize, strangers: usize, ways: Ways) -> Self {
        let (shown_from, spend_from) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH);
        let refused = BTreeMap::new();
        Self { page_size, strangers, ways, shown_from, spend_from, campaigns: Vec::new(), refused, log: Vec::new() }
    }

    pub(crate) const fn ways(&self) -> Ways {
        self.ways
    }

    pub(crate) fn set_ways(&mut self, now: DateTime<Utc>, ways: Ways) {
        (self.shown_from, self.spend_from) = (self.shown_at(now), self.spend_at(now));
        self.ways = ways;
    }

    fn shown_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.shown_from.max(now - self.ways.shows_after)
    }

    fn spend_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.spend_from.max(now - self.ways.spend_lag)
    }

    /// Adds a campaign that runs if `active`, until `end_time` if it has one. Without any spend it has none on record.
    pub(crate) fn add(
        &mut self,
        now: DateTime<Utc>,
        active: bool,
        end_time: Option<DateTime<Utc>>,
        spent: i64,
        micros_an_hour: i64,
    ) {
        let states = VecDeque::from([State::of(now, active, end_time, spent)]);
        self.campaigns.push(Campaign { states, micros_an_hour, late_counter: None });
    }

    /// Counts a request that is refused and has no effect.
    pub(crate) fn refuse(&mut self, now: DateTime<Utc>, call: &Call) {
        self.log.push(Arrival { at: now, call: call.clone() });
    }

    /// Counts a request and carries it out. Whether each campaign of a run or a pause is changed is drawn by `mood`.
    /// The error is a status code other than success.
    pub(crate) fn serve(
        &mut self,
        now: DateTime<Utc>,
        call: &Call,
        mood: impl FnMut(RemoteId) -> Mood,
    ) -> (Result<Answer, u16>, Vec<Switched>) {
        self.log.push(Arrival { at: now, call: call.clone() });
        self.take_effect(now, call, mood)
    }

    /// Carries out a request without counting it, as when the network sends it twice.
    pub(crate) fn take_effect(
        &mut self,
        now: DateTime<Utc>,
        call: &Call,
        mood: impl FnMut(RemoteId) -> Mood,
    ) -> (Result<Answer, u16>, Vec<Switched>) {
        let answer = match call {
            Call::Token => Ok(Answer::Token),
            Call::Page(page) => Ok(self.page(now, *page, &self.listed(now), 0)),
            Call::ListById(ids) => Ok(self.list_by_id(now, ids)),
            Call::Campaign(id) => {
                let row = row_of(*id);
                let exists = self.campaigns.get(row).is_some_and(|found| found.at(self.shown_at(now)).exists);
                let shown = self.shown(now, row).filter(|_| exists);
                shown.map(|campaign| Answer::Campaign(Box::new(campaign))).ok_or(404)
            }
            Call::Report { offset, limit } => Ok(Answer::Report(self.report(now, *offset, *limit))),
            Call::DayReport(id) => {
                let rows = self.report(now, 0, usize::MAX);
                let own = rows.into_iter().find(|(row, _)| row == id);
                Ok(Answer::DayReport(own.map_or(SpendReading::NoValue, |(_, spend)| spend)))
            }
            Call::EndTime { id, at } => {
                let row = row_of(*id);
                if !self.campaigns.get(row).is_some_and(|found| found.now().exists) {
                    return (Err(404), Vec::new());
                }
                let switched = self.change(now, row, |state| state.end_time = Some(*at));
                return (Ok(Answer::EndTime(EndTime::At(*at))), switched);
            }
            Call::Budget { id, max_daily } => {
                let row = row_of(*id);
                if !self.campaigns.get(row).is_some_and(|found| found.now().exists) {
                    return (Err(404), Vec::new());
                }
                let switched = self.change(now, row, |state| state.max_daily = Some(*max_daily));
                return (Ok(Answer::Budget(*max_daily)), switched);
            }
            Call::Run(ids) => return self.switch(now, ids, true, mood),
            Call::Pause(ids) => return self.switch(now, ids, false, mood),
        };
        (answer, Vec::new())
    }

    pub(crate) fn runs(&self, now: DateTime<Utc>, campaign: usize) -> bool {
        self.campaigns.get(campaign).is_some_and(|found| found.now().runs(now))
    }

    pub(crate) fn truth(&self, now: DateTime<Utc>, campaign: usize, remaining_clicks: i64) -> Option<Truth> {
        let found = self.campaigns.get(campaign)?;
        let state = found.now();
        Some(Truth {
            campaign,
            exists: state.exists,
            runs: state.runs(now),
            blocked: state.is_blocked(),
            is_used_up: state.used_up_on == Some(now.date_naive()),
            end_time: state.end_time,
            spent_micros: state.spent_at(now, found.micros_an_hour),
            remaining_clicks,
        })
    }

    /// Returns when it stops by its end time, if it has one.
    pub(crate) fn ends_at(&self, campaign: usize) -> Option<DateTime<Utc>> {
        self.campaigns.get(campaign)?.now().ends_at()
    }

    /// Switches it on or off, as others do.
    pub(crate) fn set_active(&mut self, now: DateTime<Utc>, campaign: usize, active: bool) -> Vec<Switched> {
        self.change(now, campaign, |state| state.active = active)
    }

    /// Sets its end time, as others do.
    pub(crate) fn set_end(&mut self, now: DateTime<Utc>, campaign: usize, end: Option<DateTime<Utc>>) -> Vec<Switched> {
        self.change(now, campaign, |state| state.end_time = end)
    }

    pub(crate) fn set_block(&mut self, now: DateTime<Utc>, campaign: usize, block: Option<Block>) -> Vec<Switched> {
        self.change(now, campaign, |state| state.block = block)
    }

    pub(crate) fn set_exists(&mut self, now: DateTime<Utc>, campaign: usize, exists: bool) -> Vec<Switched> {
        self.change(now, campaign, |state| state.exists = exists)
    }

    pub(crate) fn set_unknown_word(&mut self, now: DateTime<Utc>, campaign: usize, unknown_word: bool) {
        self.change(now, campaign, |state| state.unknown_word = unknown_word);
    }

    /// Takes its funds away, or returns them: a campaign that is switched on then runs again by itself.
    pub(crate) fn set_funds(&mut self, now: DateTime<Utc>, campaign: usize, funds: Funds) -> Vec<Switched> {
        self.change(now, campaign, |state| state.funds = funds)
    }

    pub(crate) fn set_odd(&mut self, now: DateTime<Utc>, campaign: usize, odd: Odd) {
        self.change(now, campaign, |state| state.odd = odd);
    }

    /// From now on refuses every run or pause that names it, with this status; `None` ends that.
    pub(crate) fn set_refused(&mut self, campaign: usize, status: Option<u16>) {
        match status {
            Some(status) => drop(self.refused.insert(id_of(campaign), status)),
            None => drop(self.refused.remove(&id_of(campaign))),
        }
    }

    /// Sets how much it spends per hour of running.
    pub(crate) fn set_speed(&mut self, now: DateTime<Utc>, campaign: usize, micros_an_hour: i64) {
        self.change(now, campaign, |_| {});
        if let Some(found) = self.campaigns.get_mut(campaign) {
            found.micros_an_hour = micros_an_hour;
        }
    }

    /// Adds to its spend.
    pub(crate) fn spend(&mut self, now: DateTime<Utc>, campaign: usize, micros: i64) {
        self.change(now, campaign, |state| state.spent += micros);
    }

    /// Sets what its daily budget begins with, the price that it shows, and the word for a budget that is used up.
    pub(crate) fn begin_budget(&mut self, campaign: usize, budget: &FirstBudget) {
        let state = self.campaigns.get_mut(campaign).and_then(|found| found.states.back_mut());
        if let Some(state) = state {
            state.max_daily = budget.max_daily;
            state.price_per_thousand = budget.price_per_thousand;
            state.used_up_word = budget.used_up_word;
        }
    }

    /// Sets its daily budget, as a person does.
    pub(crate) fn set_budget(&mut self, now: DateTime<Utc>, campaign: usize, max_daily: Money) -> Vec<Switched> {
        self.change(now, campaign, |state| state.max_daily = Some(max_daily))
    }

    /// Returns when its daily budget stops it, or when it runs again because a day begins. `None` if neither is to come.
    pub(crate) fn budget_turns_at(&self, now: DateTime<Utc>, campaign: usize) -> Option<DateTime<Utc>> {
        let found = self.campaigns.get(campaign)?;
        let state = found.now();
        let midnight = midnight_before(now) + Duration::days(1);
        let is_used_up = state.used_up_on == Some(now.date_naive());
        let lasts = state.lasts(now, found.micros_an_hour).filter(|_| state.runs(now))?;
        Some(if is_used_up { midnight } else { (now + lasts).min(midnight) })
    }

    /// Stops a campaign whose daily budget is used up, and runs it again on a new day or with a higher budget.
    pub(crate) fn turn_budget(&mut self, now: DateTime<Utc>, campaign: usize) -> Vec<Switched> {
        let Some(found) = self.campaigns.get(campaign) else { return Vec::new() };
        let (state, today) = (found.now(), now.date_naive());
        let is_over = state.max_daily.is_some_and(|most| state.spent_at(now, found.micros_an_hour) >= most.micros());
        let used_up_on = is_over.then_some(today);
        if state.used_up_on == used_up_on {
            return Vec::new();
        }
        // A new day has begun to run it already; only the tracker does not know.
        let begins_anew = state.used_up_on.is_some_and(|day| day < today) && state.runs(now);
        let switched = self.change(now, campaign, |state| state.used_up_on = used_up_on);
        let again = Switched { campaign, runs: true };
        if begins_anew && !is_over { vec![again] } else { switched }
    }

    /// Raises its spend to this number, if it is lower.
    pub(crate) fn spend_up_to(&mut self, now: DateTime<Utc>, campaign: usize, micros: i64) {
        self.change(now, campaign, |state| state.spent = state.spent.max(micros));
    }

    /// Returns all requests that arrived, in their order.
    pub(crate) fn log(&self) -> &[Arrival] {
        &self.log
    }

    /// Returns the most requests that arrived in any 60 seconds.
    pub(crate) fn busiest_minute(&self) -> usize {
        let mut window = VecDeque::new();
        let mut busiest = 0;
        for arrival in &self.log {
            window.push_back(arrival.at);
            while window.front().is_some_and(|first| *first + Duration::seconds(60) <= arrival.at) {
                window.pop_front();
            }
            busiest = busiest.max(window.len());
        }
        busiest
    }

    /// Returns how many requests arrived between these moments.
    pub(crate) fn requests(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> usize {
        self.log.iter().filter(|arrival| from <= arrival.at && arrival.at < to).count()
    }

    /// Returns the ids of all campaigns in the list, in its order.
    fn listed(&self, now: DateTime<Utc>) -> Vec<RemoteId> {
        let shown_at = self.shown_at(now);
        let is_listed = |row: &usize| self.campaigns.get(*row).is_some_and(|found| found.exists_at(shown_at));
        let with_strangers = |row| {
            let strangers = (0..self.strangers).map(move |number| stranger(row, number));
            std::iter::once(id_of(row)).chain(strangers)
        };
        (0..self.campaigns.len()).filter(is_listed).flat_map(with_strangers).collect()
    }

    /// Returns a page of these campaigns, which says that there are `too_many` more than there are.
    fn page(&self, now: DateTime<Utc>, page: u64, listed: &[RemoteId], too_many: u64) -> Answer {
        let size = ListSize {
            campaigns: Some(listed.len() as u64 + too_many),
            page_size: Some(self.page_size as u64),
            pages: Some(listed.len().div_ceil(self.page_size) as u64),
        };
        let first = usize::try_from(page.saturating_sub(1)).unwrap_or(usize::MAX).saturating_mul(self.page_size);
        let on_page = listed.iter().skip(first).take(self.page_size);
        let show = |id: RemoteId| {
            let own = self.shown(now, row_of(id));
            own.or_else(|| (self.strangers > 0).then(|| bare(id)))
        };
        let shown = on_page.filter_map(|id| Some((*id, show(*id)?)));
        Answer::Page { campaigns: shown.collect(), size }
    }

    fn list_by_id(&self, now: DateTime<Utc>, ids: &BTreeSet<RemoteId>) -> Answer {
        let all = self.listed(now);
        let mut listed: Vec<RemoteId> = all.iter().copied().filter(|id| ids.contains(id)).collect();
        let filter = self.ways.id_filter;
        match filter {
            IdFilter::Works | IdFilter::Miscounted => {}
            IdFilter::Ignored => listed.clone_from(&all),
            IdFilter::LastAlone => listed.retain(|id| Some(id) == ids.last()),
            IdFilter::OneMore => listed.extend(all.iter().copied().find(|id| !ids.contains(id))),
            IdFilter::EverySecond => listed = listed.into_iter().step_by(2).collect(),
        }
        self.page(now, 1, &listed, u64::from(filter == IdFilter::Miscounted))
    }

    /// Returns the report's rows of today. Campaigns without spend have no row. Late counters do not matter here.
    fn report(&self, now: DateTime<Utc>, offset: usize, limit: usize) -> Vec<(RemoteId, SpendReading)> {
        let is_today = self.spend_at(now) >= midnight_before(now);
        let spends = (0..self.campaigns.len()).filter(|_| is_today);
        let spend_at = self.spend_at(now);
        let spends = spends.filter_map(|row| Some((row, in_cents(self.campaigns.get(row)?.spent_at(spend_at)))));
        let rows = spends.filter(|(_, spent)| matches!(spent, SpendReading::Value(_)));
        rows.map(|(row, spent)| (id_of(row), spent)).skip(offset).take(limit).collect()
    }

    /// Returns a campaign as a read shows it.
    fn shown(&self, now: DateTime<Utc>, campaign: usize) -> Option<RemoteCampaign> {
        let state = self.campaigns.get(campaign)?.at(self.shown_at(now));
        let (spent_today, _) = self.counter(now, campaign)?;
        Some(state.show(now, campaign, spent_today))
    }

    /// Returns the counters in an answer that show an earlier day than `now`.
    pub(crate) fn old_counters(&self, now: DateTime<Utc>, answer: &Answer) -> Vec<OldCounter> {
        let shown: Vec<&RemoteCampaign> = match answer {
            Answer::Page { campaigns, .. } => campaigns.values().collect(),
            Answer::Campaign(campaign) => vec![campaign],
            Answer::Token
            | Answer::Report(_)
            | Answer::DayReport(_)
            | Answer::EndTime(_)
            | Answer::Budget(_)
            | Answer::Named { .. } => Vec::new(),
        };
        let old = shown.into_iter().filter_map(|shown| {
            let campaign = row_of(shown.id);
            let (counter, day) = self.counter(now, campaign)?;
            let SpendReading::Value(amount) = counter else { return None };
            (day < now.date_naive()).then_some(OldCounter { campaign, amount, day })
        });
        old.collect()
    }

    fn switch(
        &mut self,
        now: DateTime<Utc>,
        ids: &BTreeSet<RemoteId>,
        active: bool,
        mut mood: impl FnMut(RemoteId) -> Mood,
    ) -> (Result<Answer, u16>, Vec<Switched>) {
        if let Some(status) = ids.iter().find_map(|id| self.refused.get(id)) {
            return (Err(*status), Vec::new());
        }
        let (mut done, mut refused, mut switched) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        for id in ids {
            let exists = self.campaigns.get(row_of(*id)).is_some_and(|found| found.now().exists);
            let mood = if exists { mood(*id) } else { Mood::Refused };
            match mood {
                Mood::Done => done.insert(*id),
                Mood::Refused => refused.insert(*id),
                Mood::Unnamed { .. } => false,
            };
            if matches!(mood, Mood::Done | Mood::Unnamed { done: true }) {
                switched.extend(self.change(now, row_of(*id), |state| state.active = active));
            }
        }
        (Ok(Answer::Named { done, refused }), switched)
    }

    fn change(&mut self, now: DateTime<Utc>, campaign: usize, change: impl FnOnce(&mut State)) -> Vec<Switched> {
        let (ways, oldest) = (self.ways, now - self.ways.shows_after.max(self.ways.spend_lag));
        let Some(found) = self.campaigns.get_mut(campaign) else { return Vec::new() };
        let before = found.now();
        let ran = before.runs(now);
        let has_ended = before.ends_at().is_some_and(|end| end <= now);
        let active = before.active && !(ways.ends_switch_off && has_ended);
        let mut state = State { since: now, active, spent: before.spent_at(now, found.micros_an_hour), ..before };
        change(&mut state);
        state.switch();
        while found.states.get(1).is_some_and(|next| next.since <= oldest) || found.states.len() > 64 {
            found.states.pop_front();
        }
        found.states.push_back(state);
        if found.states.len() == 2 && oldest == now {
            found.states.pop_front();
        }
        let runs = state.runs(now);
        if ran == runs { Vec::new() } else { vec![Switched { campaign, runs }] }
    }
}
