//! What TrafficStars can be asked for: one campaign, a page of all, an end time, the day's spend. Runs and pauses are in
//! `switching`.
//!
//! Where several paths are known for an operation they are candidates: `candidates` says which is tried when.
//!
//! Deliberately absent: when to ask, what belongs into one request (`batch`), and what an answer means (`domain`).

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use reqwest::Method;
use serde_json::{Value, json};

use super::batch::SMALLEST_PAGE;
use super::budget::{Rank, Urgency};
use super::candidates::{Endpoint, Trial};
use super::circuit::Operation;
use super::error::RemoteError;
use super::gate::Asking;
use super::http::{RemoteClient, Request};
use super::wire::{self, CampaignPage, DayRows, WireError};
use crate::domain::ids::RemoteId;
use crate::domain::live::LiveEvent;
use crate::domain::remote::RemoteCampaign;
use crate::domain::spend::SourceAnswer;
use crate::domain::status::EndpointStatus;

const LIST_PATH: &str = "/v1.1/campaigns";
/// The page size that is asked for; the answer says which one it is.
const WANTED_PAGE_SIZE: &str = "100";
/// How many rows of a report are asked for at once.
const REPORT_LIMIT: usize = 500;
/// A report of more pages than this is none that we understand.
const MOST_REPORT_PAGES: usize = 200;

/// The parameters that may enlarge a page; which of them is understood is unknown. Without them where they are refused.
const LIST_CANDIDATES: [&[&str]; 2] = [&["per_page", "page_size", "limit"], &[]];

const CAMPAIGN_REPORTS: [&str; 1] = ["/v1.1/advertiser/custom/report/by-campaign"];

/// A report by days.
#[derive(Debug, Clone, Copy)]
struct DayReport {
    path: &'static str,
    /// The parameter that names the end of the days.
    end: &'static str,
    /// Whether the report holds the day that `end` names.
    holds_end: bool,
}

const DAY_REPORTS: [DayReport; 3] = [
    DayReport { path: "/v1.1/advertiser/custom/report/by-day", end: "date_to", holds_end: true },
    DayReport { path: "/v1.1/advertiser/campaign/report/by-day", end: "date_to", holds_end: true },
    DayReport { path: "/v1/stats/advertiser/day", end: "date_until", holds_end: false },
];

impl RemoteClient {
    /// Which endpoint serves each operation for which several are known, as far as it was asked for, for the dump.
    #[must_use]
    pub fn endpoints(&self) -> Vec<EndpointStatus> {
        self.known.status()
    }

    /// What has changed of them since this was last asked.
    #[must_use]
    pub fn take_endpoint_news(&self) -> Vec<LiveEvent> {
        self.known.take_news()
    }

    /// One campaign, read by itself.
    ///
    /// # Errors
    /// [`RemoteError::NotFound`] where TrafficStars knows no such campaign; any other failure of a request.
    pub async fn campaign(&self, id: RemoteId, urgency: Urgency) -> Result<RemoteCampaign, RemoteError> {
        let answer = self.send(&Request::get(Operation::Campaign, urgency, campaign_path(id), Vec::new())).await?;
        the_campaign(&answer, id)
    }

    /// Page `page` (from 1) of the list of all campaigns; how many there are, the answer says. Archived ones are
    /// believed to be left out: a campaign that no page names has to be read by itself.
    ///
    /// # Errors
    /// Any failure of a request; an answer that is another page than the one asked for.
    pub async fn campaigns_page(&self, page: u64, urgency: Urgency) -> Result<CampaignPage, RemoteError> {
        let answer = match self.list_answer(page, urgency).await {
            // There is a list, and it has become shorter.
            Err(RemoteError::NoEndpoint { .. }) if page > 1 => return Ok(CampaignPage::empty()),
            answer => answer?,
        };
        let list = wire::campaign_page(&answer)?;
        if let Some(other) = list.page.filter(|other| *other != page) {
            return Err(WireError::CutShort(format!("page {page} was asked for, page {other} came")).into());
        }
        for defect in &list.nameless {
            tracing::warn!(defect, "TrafficStars' list of campaigns has an entry that cannot be read");
        }
        Ok(list)
    }

    /// Whether TrafficStars was found to have no list, and not only for a moment.
    #[must_use]
    pub fn has_no_list(&self) -> bool {
        self.known.is_absent(Endpoint::List)
    }

    /// Whether TrafficStars was found to have no report of all campaigns' spends, and not only for a moment.
    #[must_use]
    pub fn has_no_report_of_all(&self) -> bool {
        self.known.is_absent(Endpoint::SpendByCampaign)
    }

    async fn list_answer(&self, page: u64, urgency: Urgency) -> Result<Value, RemoteError> {
        let mut trial = Trial::of(&self.known, Endpoint::List, &LIST_CANDIDATES, |sizes| list_line(sizes));
        while let Some(sizes) = trial.next_candidate() {
            let sizes = sizes.iter().map(|name| (*name, WANTED_PAGE_SIZE.to_owned()));
            let query = std::iter::once(("page", page.to_string())).chain(sizes).collect();
            let answer = self.send(&Request::get(Operation::List, urgency, LIST_PATH, query)).await;
            if let Some(answer) = trial.judge(answer) {
                return answer;
            }
        }
        Err(trial.failure())
    }

    /// Sets when a campaign stops by itself. Answers with the whole campaign as it is now.
    ///
    /// # Errors
    /// [`RemoteError::NotFound`] where TrafficStars knows no such campaign; any other failure of a request.
    pub async fn set_end_time(
        &self,
        id: RemoteId,
        at: DateTime<Utc>,
        rank: Rank,
        leave_by: Option<DateTime<Utc>>,
    ) -> Result<RemoteCampaign, RemoteError> {
        let body = json!({ "schedule_end_time": wire::end_time_text(at) });
        let request = Request::write(Asking::end_time(rank, leave_by), Method::PATCH, campaign_path(id), body);
        let answer = self.send(&request).await?;
        the_campaign(&answer, id)
    }

    /// Every campaign's spend on one UTC day, in one report. A campaign that it does not name has none on record.
    ///
    /// # Errors
    /// [`RemoteError::NoEndpoint`] where there is no report of all: each then has one of its own, [`Self::day_spend`].
    /// Any failure of a request; a report cut short by its paging.
    pub async fn spend_report(
        &self,
        day: NaiveDate,
        urgency: Urgency,
    ) -> Result<BTreeMap<RemoteId, SourceAnswer>, RemoteError> {
        self.report_by_campaign(day, Asking::report_of_all(urgency).urgency).await
    }

    /// One campaign's spend on one UTC day, where there is no report of all.
    ///
    /// [`SourceAnswer::NoSource`] where no report exists. One that has worked and answers 404 is no such case, until it
    /// was missed for a while: it may be back in a moment, or not know this one campaign.
    pub async fn day_spend(&self, day: NaiveDate, id: RemoteId, urgency: Urgency) -> SourceAnswer {
        let no_report =
            || self.known.is_absent(Endpoint::SpendByCampaign) && self.known.is_absent(Endpoint::SpendByDay);
        match self.report_by_day(day, id, urgency).await {
            Ok(answer) => answer,
            Err(RemoteError::NoEndpoint { .. }) if no_report() => SourceAnswer::NoSource,
            Err(error) => SourceAnswer::Failed(error.in_full()),
        }
    }

    async fn report_by_campaign(
        &self,
        day: NaiveDate,
        urgency: Urgency,
    ) -> Result<BTreeMap<RemoteId, SourceAnswer>, RemoteError> {
        let shown = |path: &&str| format!("GET {path}");
        let mut trial = Trial::of(&self.known, Endpoint::SpendByCampaign, &CAMPAIGN_REPORTS, shown);
        while let Some(path) = trial.next_candidate() {
            let spends = self.whole_report(path, day, urgency).await;
            if let Some(spends) = trial.judge(spends) {
                return spends;
            }
        }
        Err(trial.failure())
    }

    /// Every campaign's spend on `day`. The report's `date_from` and `date_to` are both that day: the vendor's reports
    /// name whole days and hold both ends. A later `date_to` would let the next day's spend into a sum that is
    /// answered past midnight, and rows by campaign do not say which day they are of.
    async fn whole_report(
        &self,
        path: &str,
        day: NaiveDate,
        urgency: Urgency,
    ) -> Result<BTreeMap<RemoteId, SourceAnswer>, RemoteError> {
        let mut spends = BTreeMap::new();
        let mut offset = 0;
        for _ in 0..MOST_REPORT_PAGES {
            let query = vec![
                ("date_from", day.to_string()),
                ("date_to", day.to_string()),
                ("offset", offset.to_string()),
                ("limit", REPORT_LIMIT.to_string()),
            ];
            let answer = self.send(&Request::get(Operation::Report, urgency, path, query)).await?;
            let rows = wire::campaign_spends(&answer)?;
            let page = ReportPage { rows: rows.len(), new: take_rows(&mut spends, rows) };
            if page.is_last(offset)? {
                return Ok(spends);
            }
            offset += page.rows;
        }
        Err(WireError::CutShort(format!("no end after {MOST_REPORT_PAGES} pages")).into())
    }

    async fn report_by_day(&self, day: NaiveDate, id: RemoteId, urgency: Urgency) -> Result<SourceAnswer, RemoteError> {
        let mut trial = Trial::of(&self.known, Endpoint::SpendByDay, &DAY_REPORTS, DayReport::line);
        while let Some(report) = trial.next_candidate() {
            let rows = self.rows_of_day(report, day, id, urgency).await;
            let spend = rows.and_then(|rows| Ok(wire::day_spend(&rows, day)?));
            if let Some(spend) = trial.judge(spend) {
                return spend;
            }
        }
        Err(trial.failure())
    }

    async fn rows_of_day(
        &self,
        report: &DayReport,
        day: NaiveDate,
        id: RemoteId,
        urgency: Urgency,
    ) -> Result<Value, RemoteError> {
        let end = if report.holds_end { day } else { day.succ_opt().unwrap_or(day) };
        let mut rows = DayRows::default();
        for page in 1.. {
            let mut query =
                vec![("campaign_id", id.to_string()), ("date_from", day.to_string()), (report.end, end.to_string())];
            if page > 1 {
                query.push(("page", page.to_string()));
            }
            let answer = self.send(&Request::get(Operation::Report, urgency, report.path, query)).await?;
            if !rows.take(page, &answer)? {
                break;
            }
        }
        Ok(rows.into_rows())
    }
}

impl DayReport {
    /// As the dump shows it.
    fn line(&self) -> String {
        format!("GET {}", self.path)
    }
}

/// As the dump shows it.
fn list_line(sizes: &[&str]) -> String {
    let sizes: Vec<String> = sizes.iter().map(|name| format!("{name}={WANTED_PAGE_SIZE}")).collect();
    let mark = if sizes.is_empty() { "" } else { "?" };
    format!("GET {LIST_PATH}{mark}{}", sizes.join("&"))
}

pub(super) fn campaign_path(id: RemoteId) -> String {
    format!("/v1.1/campaigns/{id}")
}

/// The answered campaign, if it is the one that was asked for.
pub(super) fn the_campaign(answer: &Value, id: RemoteId) -> Result<RemoteCampaign, RemoteError> {
    let campaign = wire::campaign(answer)?;
    if campaign.id == id {
        Ok(campaign)
    } else {
        let (place, found) = ("`id` of the campaign".to_owned(), campaign.id.to_string());
        Err(WireError::Field { place, expected: "the id that was asked for", found }.into())
    }
}

/// What a page of a report tells about its paging.
#[derive(Debug, Clone, Copy)]
struct ReportPage {
    rows: usize,
    /// How many campaigns it named that no page had named before.
    new: usize,
}

impl ReportPage {
    /// Whether the report ends here. A page shorter than our limit may only have been cut to a limit of TrafficStars'
    /// own, and what is missing would be taken for a spend of 0: so a page counts as the last only if it is shorter
    /// than any page that TrafficStars is known to use, or brings nothing new.
    fn is_last(self, offset: usize) -> Result<bool, WireError> {
        if offset > 0 && self.new == 0 && self.rows >= REPORT_LIMIT {
            return Err(WireError::CutShort("the offset is ignored, and a page is full".to_owned()));
        }
        Ok((self.rows as u64) < SMALLEST_PAGE || self.new == 0)
    }
}

/// Adds a page's rows. A campaign that moved from page to page while they were read counts with its larger spend, and a
/// row that can't be read stays unread.
fn take_rows(spends: &mut BTreeMap<RemoteId, SourceAnswer>, rows: Vec<(RemoteId, SourceAnswer)>) -> usize {
    let before = spends.len();
    for (id, answer) in rows {
        let larger = match (spends.get(&id), &answer) {
            (Some(SourceAnswer::Failed(_)), _) => false,
            (Some(SourceAnswer::Value(earlier)), SourceAnswer::Value(amount)) => amount > earlier,
            (Some(_) | None, _) => true,
        };
        if larger {
            spends.insert(id, answer);
        }
    }
    spends.len() - before
}
