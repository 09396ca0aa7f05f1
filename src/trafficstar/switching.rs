//! Runs and pauses: the ways to switch campaigns on and off, and the requests of a round, which [`Split`] plans.
//!
//! Deliberately absent: which request comes next (`batch::split`), and when to ask (`actors`).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use reqwest::Method;
use serde_json::json;

use super::batch::split::{Attempt, Ended, Split, Way};
use super::candidates::Endpoint;
use super::endpoints::{campaign_path, the_campaign};
use super::error::RemoteError;
use super::gate::Asking;
use super::http::{RemoteClient, Request};
use super::wire::{self, SwitchAnswer};
use crate::domain::action::Outcome;
use crate::domain::ids::RemoteId;

/// A pause that met a 429 goes first when the silence is over: so often, before it is left to the next tick.
const PAUSE_ATTEMPTS: u8 = 3;

/// A way to switch campaigns on and off.
#[derive(Debug, Clone, Copy)]
enum Candidate {
    /// All at once: `PUT` of the ids.
    Together(&'static str),
    /// `PATCH` of `active`, each by itself.
    Each,
}

const RUN_CANDIDATES: [Candidate; 3] =
    [Candidate::Together("/v2/campaigns/run"), Candidate::Together("/v1.1/campaigns/run"), Candidate::Each];

const PAUSE_CANDIDATES: [Candidate; 3] =
    [Candidate::Together("/v2/campaigns/pause"), Candidate::Together("/v1.1/campaigns/pause"), Candidate::Each];

/// What is asked of campaigns.
#[derive(Debug, Clone, Copy)]
enum Switch {
    Run,
    Pause,
}

impl RemoteClient {
    /// Switches campaigns on. Their end times have to be set before. Each is told of as soon as it is known what became of
    /// it: a 200 can hold failures, and an id that the answer does not name is unclear. What no request brought, since its
    /// turn did not come before `leave_by`, is postponed.
    ///
    /// Answers with why a request failed that was the last one for some campaign.
    pub async fn run(
        &self,
        ids: &BTreeSet<RemoteId>,
        leave_by: Option<DateTime<Utc>>,
        tell: impl FnMut(RemoteId, Outcome),
    ) -> Option<String> {
        self.switch(Switch::Run, ids, leave_by, tell).await
    }

    /// Switches campaigns off, before everything else that waits. Told and answered as for [`RemoteClient::run`].
    pub async fn pause(&self, ids: &BTreeSet<RemoteId>, tell: impl FnMut(RemoteId, Outcome)) -> Option<String> {
        self.switch(Switch::Pause, ids, None, tell).await
    }

    async fn switch(
        &self,
        switch: Switch,
        ids: &BTreeSet<RemoteId>,
        leave_by: Option<DateTime<Utc>>,
        mut tell: impl FnMut(RemoteId, Outcome),
    ) -> Option<String> {
        let (endpoint, candidates) = (switch.endpoint(), switch.candidates());
        let order: Vec<(usize, Candidate)> = self.known.order(endpoint, candidates);
        let ways: Vec<Way> = order.iter().map(|(_, candidate)| switch.way(*candidate)).collect();
        let aside = self.known.set_aside(endpoint, ids);
        let mut split = Split::new(ids.clone(), &aside, &ways, switch.patience());
        let mut under_way = FuturesUnordered::new();
        loop {
            while let Some(attempt) = split.next_attempt() {
                let Some((_, candidate)) = order.get(attempt.way).copied() else { break };
                under_way.push(self.attempt(switch, candidate, attempt, leave_by));
            }
            for (id, outcome) in split.take_settled() {
                tell(id, outcome);
            }
            let Some((attempt, ended)) = under_way.next().await else { break };
            split.ended(attempt.id, ended);
        }
        if let Some((position, candidate)) = split.working_way().and_then(|way| order.get(way)) {
            self.known.worked(endpoint, *position, || candidate.line());
        }
        self.known.learn(endpoint, &split);
        let mut failure = split.failure().map(str::to_owned);
        if !split.unserved().is_empty() {
            let error = if split.has_no_way() { self.known.none_of(endpoint) } else { RemoteError::NotFound };
            split.unserved().iter().for_each(|id| tell(*id, error.outcome()));
            failure = Some(error.in_full());
        }
        failure
    }

    async fn attempt(
        &self,
        switch: Switch,
        candidate: Candidate,
        attempt: Attempt,
        leave_by: Option<DateTime<Utc>>,
    ) -> (Attempt, Ended) {
        let asking = Asking { is_repeat: attempt.is_repeat, ..switch.asking(leave_by) };
        let answered = match candidate {
            Candidate::Together(path) => self.switch_together(asking, path, &attempt.ids).await,
            Candidate::Each => self.switch_each(asking, switch.active(), &attempt.ids).await,
        };
        let ended = answered.map_or_else(|error| error.ended_switch(), Ended::Answered);
        (attempt, ended)
    }

    async fn switch_together(
        &self,
        asking: Asking,
        path: &'static str,
        ids: &BTreeSet<RemoteId>,
    ) -> Result<BTreeMap<RemoteId, Outcome>, RemoteError> {
        let body = json!({ "campaign_ids": ids });
        let answer = self.send(&Request::write(asking, Method::PUT, path, body)).await?;
        let answer = wire::switch_answer(&answer)?;
        Ok(ids.iter().map(|id| (*id, outcome_of(&answer, *id))).collect())
    }

    /// A request of this kind is planned for one campaign at a time.
    async fn switch_each(
        &self,
        asking: Asking,
        active: bool,
        ids: &BTreeSet<RemoteId>,
    ) -> Result<BTreeMap<RemoteId, Outcome>, RemoteError> {
        let mut outcomes = BTreeMap::new();
        for id in ids {
            let body = json!({ "active": active });
            let request = Request::write(asking, Method::PATCH, campaign_path(*id), body);
            let campaign = the_campaign(&self.send(&request).await?, *id)?;
            let outcome = if campaign.active == Some(active) {
                Outcome::Accepted
            } else {
                Outcome::Unclear("the answer shows the campaign unchanged".to_owned())
            };
            outcomes.insert(*id, outcome);
        }
        Ok(outcomes)
    }
}

impl Switch {
    const fn endpoint(self) -> Endpoint {
        match self {
            Self::Run => Endpoint::Run,
            Self::Pause => Endpoint::Pause,
        }
    }

    const fn candidates(self) -> &'static [Candidate] {
        match self {
            Self::Run => &RUN_CANDIDATES,
            Self::Pause => &PAUSE_CANDIDATES,
        }
    }

    /// A pause is tried in every way. A run that a documented way refuses is not forced by a `PATCH`: doubt stops, never starts.
    const fn way(self, candidate: Candidate) -> Way {
        match (self, candidate) {
            (_, Candidate::Together(_)) => Way::Together,
            (Self::Run, Candidate::Each) => Way::EachUnlessRefused,
            (Self::Pause, Candidate::Each) => Way::Each,
        }
    }

    const fn active(self) -> bool {
        match self {
            Self::Run => true,
            Self::Pause => false,
        }
    }

    const fn asking(self, leave_by: Option<DateTime<Utc>>) -> Asking {
        match self {
            Self::Run => Asking::run(leave_by),
            Self::Pause => Asking::pause(),
        }
    }

    /// TrafficStars has not heard of what it answered with 429, and the facts of a pause never grow too old: it waits at the
    /// gate, ahead of all others, for the silence to end.
    const fn patience(self) -> u8 {
        match self {
            Self::Run => 1,
            Self::Pause => PAUSE_ATTEMPTS,
        }
    }
}

impl Candidate {
    /// As the dump shows it.
    fn line(self) -> String {
        match self {
            Self::Together(path) => format!("PUT {path}"),
            Self::Each => "PATCH /v1.1/campaigns/{id}".to_owned(),
        }
    }
}

impl RemoteError {
    /// What it says of the campaigns that a run or a pause named. A 3xx, a missing token or a time-out says nothing of them.
    fn ended_switch(&self) -> Ended {
        if self.is_absence() {
            return Ended::NoSuchWay(self.in_full());
        }
        if let Self::Rejected { status: 400..=499, .. } = self {
            return Ended::Refused { reason: self.in_full(), perhaps_the_way: self.is_bad_request() };
        }
        if let Self::Unavailable { .. } = self {
            return Ended::Broke(self.in_full());
        }
        if let Self::RateLimited { .. } = self {
            return Ended::Silenced(self.outcome());
        }
        Ended::Else(self.outcome())
    }
}

fn outcome_of(answer: &SwitchAnswer, id: RemoteId) -> Outcome {
    match (answer.success.contains(&id), answer.failed.contains(&id)) {
        (true, false) => Outcome::Accepted,
        (false, true) => Outcome::Failed("TrafficStars lists the campaign under `failed`".to_owned()),
        (true, true) => Outcome::Unclear("the answer lists the campaign under both success and failed".to_owned()),
        (false, false) => Outcome::Unclear("the answer does not name the campaign".to_owned()),
    }
}
