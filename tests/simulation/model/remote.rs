//! A model of TrafficStars: a list in pages, single reads, the report by campaigns, run, pause, end times; and its own
//! count of requests.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, Duration, NaiveTime, Utc};
use traffic_generator::domain::facts::{Money, RemoteId};
use traffic_generator::domain::remote::{EndTime, RemoteCampaign};
use traffic_generator::domain::spend::SourceAnswer;
use traffic_generator::trafficstar::batch::ListSize;

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Page(u64),
    Campaign(RemoteId),
    /// Rows of the report by campaigns, of today.
    Report {
        offset: usize,
        limit: usize,
    },
    /// One campaign's spend, by a report of its own.
    Spend(RemoteId),
    EndTime {
        id: RemoteId,
        at: DateTime<Utc>,
    },
    Run(BTreeSet<RemoteId>),
    Pause(BTreeSet<RemoteId>),
}

impl Call {
    pub(crate) const fn is_write(&self) -> bool {
        matches!(self, Self::EndTime { .. } | Self::Run(_) | Self::Pause(_))
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Page {
        campaigns: BTreeMap<RemoteId, RemoteCampaign>,
        size: ListSize,
    },
    Campaign(RemoteCampaign),
    Report(Vec<(RemoteId, SourceAnswer)>),
    /// Each of the campaigns named is as asked.
    Done,
}

/// A request as the remote counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) at: DateTime<Utc>,
    pub(crate) call: Call,
}

/// What a request has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Switched {
    pub(crate) campaign: usize,
    pub(crate) runs: bool,
}

#[derive(Debug, Clone)]
struct Campaign {
    active: bool,
    end_time: Option<DateTime<Utc>>,
    /// Today's spend at that moment, in millionths.
    spent: i64,
    since: DateTime<Utc>,
    micros_an_hour: i64,
}

#[derive(Debug)]
pub(crate) struct Remote {
    page_size: usize,
    campaigns: Vec<Campaign>,
    log: Vec<Arrival>,
}

/// The row of a campaign.
pub(crate) fn row_of(id: RemoteId) -> usize {
    usize::try_from(id.0 - 1).unwrap_or(usize::MAX)
}

/// The campaign of a row.
pub(crate) fn id_of(row: usize) -> RemoteId {
    RemoteId(i64::try_from(row).unwrap_or(i64::MAX).saturating_add(1))
}

impl Remote {
    pub(crate) const fn new(page_size: usize) -> Self {
        Self { page_size, campaigns: Vec::new(), log: Vec::new() }
    }

    /// A campaign that runs, until `end_time` where it has one. One that spends nothing has no spend on record.
    pub(crate) fn add(&mut self, now: DateTime<Utc>, end_time: Option<DateTime<Utc>>, micros_an_hour: i64) {
        let since_midnight = now.signed_duration_since(midnight_before(now));
        let spent = micros_an_hour * since_midnight.num_milliseconds() / 3_600_000;
        self.campaigns.push(Campaign { active: true, end_time, spent, since: now, micros_an_hour });
    }

    /// A request arrives: it is counted, and takes effect.
    pub(crate) fn serve(&mut self, now: DateTime<Utc>, call: &Call) -> (Answer, Vec<Switched>) {
        self.log.push(Arrival { at: now, call: call.clone() });
        match call {
            Call::Page(page) => (self.page(now, *page), Vec::new()),
            Call::Campaign(id) => {
                let row = row_of(*id);
                let answer =
                    self.campaigns.get(row).map_or(Answer::Done, |found| Answer::Campaign(found.show(now, row)));
                (answer, Vec::new())
            }
            Call::Report { offset, limit } => {
                let rows = self.campaigns.iter().enumerate();
                let spends = rows.filter_map(|(row, found)| match found.spend(now) {
                    value @ SourceAnswer::Value(_) => Some((id_of(row), value)),
                    SourceAnswer::NoValue | SourceAnswer::NoSource | SourceAnswer::Failed(_) => None,
                });
                (Answer::Report(spends.skip(*offset).take(*limit).collect()), Vec::new())
            }
            Call::Spend(_) => (Answer::Done, Vec::new()),
            Call::EndTime { id, at } => {
                (Answer::Done, self.change(now, row_of(*id), |found| found.end_time = Some(*at)))
            }
            Call::Run(ids) => (Answer::Done, self.switch(now, ids, true)),
            Call::Pause(ids) => (Answer::Done, self.switch(now, ids, false)),
        }
    }

    pub(crate) fn runs(&self, now: DateTime<Utc>, campaign: usize) -> bool {
        self.campaigns.get(campaign).is_some_and(|found| found.runs(now))
    }

    /// When it stops by itself, if it runs until then.
    pub(crate) fn ends_at(&self, campaign: usize) -> Option<DateTime<Utc>> {
        self.campaigns.get(campaign)?.end_time
    }

    /// All that arrived, in its order.
    pub(crate) fn log(&self) -> &[Arrival] {
        &self.log
    }

    /// The most requests that arrived in any 60 seconds.
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

    /// How many requests arrived between these moments.
    pub(crate) fn requests(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> usize {
        self.log.iter().filter(|arrival| from <= arrival.at && arrival.at < to).count()
    }

    fn page(&self, now: DateTime<Utc>, page: u64) -> Answer {
        let first = usize::try_from(page.saturating_sub(1)).unwrap_or(usize::MAX).saturating_mul(self.page_size);
        let listed = self.campaigns.iter().enumerate().skip(first).take(self.page_size);
        let size = ListSize {
            campaigns: Some(self.campaigns.len() as u64),
            page_size: Some(self.page_size as u64),
            pages: Some(self.campaigns.len().div_ceil(self.page_size) as u64),
        };
        Answer::Page { campaigns: listed.map(|(row, found)| (id_of(row), found.show(now, row))).collect(), size }
    }

    fn switch(&mut self, now: DateTime<Utc>, ids: &BTreeSet<RemoteId>, active: bool) -> Vec<Switched> {
        ids.iter().flat_map(|id| self.change(now, row_of(*id), |found| found.active = active)).collect()
    }

    fn change(&mut self, now: DateTime<Utc>, campaign: usize, change: impl FnOnce(&mut Campaign)) -> Vec<Switched> {
        let Some(found) = self.campaigns.get_mut(campaign) else { return Vec::new() };
        let ran = found.runs(now);
        // Nobody knows whether that is so; it is what costs the guard more.
        found.active &= ran;
        (found.spent, found.since) = (found.spent_at(now), now);
        change(found);
        let runs = found.runs(now);
        if ran == runs { Vec::new() } else { vec![Switched { campaign, runs }] }
    }
}

impl Campaign {
    fn runs(&self, now: DateTime<Utc>) -> bool {
        self.active && self.end_time.is_none_or(|end| now < end)
    }

    fn spent_at(&self, now: DateTime<Utc>) -> i64 {
        let midnight = midnight_before(now);
        let (spent, from) = if self.since < midnight { (0, midnight) } else { (self.spent, self.since) };
        let until = self.end_time.map_or(now, |end| end.min(now));
        let ran_ms = if self.active { until.signed_duration_since(from).num_milliseconds().max(0) } else { 0 };
        spent + ran_ms * self.micros_an_hour / 3_600_000
    }

    /// In cents; a campaign without spend lacks the field.
    fn spend(&self, now: DateTime<Utc>) -> SourceAnswer {
        let cents = self.spent_at(now) / 10_000;
        match Money::from_micros(cents * 10_000) {
            Some(spend) if spend > Money::ZERO => SourceAnswer::Value(spend),
            Some(_) | None => SourceAnswer::NoValue,
        }
    }

    fn show(&self, now: DateTime<Utc>, row: usize) -> RemoteCampaign {
        RemoteCampaign {
            id: id_of(row),
            name: None,
            active: Some(self.runs(now)),
            status: Some(if self.runs(now) { "enabled" } else { "paused" }.to_owned()),
            approved: Some("approved".to_owned()),
            no_funds: false,
            archived: false,
            end_time: self.end_time.map_or(EndTime::Unset, EndTime::At),
            schedule_timezone: Some(0),
            account_timezone: Some(0),
            spent: self.spend(now),
        }
    }
}

fn midnight_before(now: DateTime<Utc>) -> DateTime<Utc> {
    now.date_naive().and_time(NaiveTime::MIN).and_utc()
}
