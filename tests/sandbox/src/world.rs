//! The sandbox's whole state: the campaigns, the tokens, the rate limit, the faults and the log.
//!
//! The API's clock may differ from the real one. Days, end times and answers follow the API's clock. Lengths of time
//! (the rate limit, the lifetime of a token) are measured by the real clock, so that setting the API's clock does not
//! end them.
//!
//! This module uses no sockets, no threads and no clock: its callers pass the time.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::amount::Amount;
use crate::campaign::{Campaign, CampaignSpec, CampaignView};
use crate::faults::{Faults, Met};
use crate::limit::RateLimit;
use crate::log::{Operation, RequestRecord};
use crate::options::Options;

/// The error if the sandbox has no campaign with that id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the sandbox has no campaign {0}")]
pub struct NoSuchCampaign(pub i64);

/// A change of a campaign by somebody other than the guard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interference {
    /// Switches the campaign on. Its end time stays. If that has passed, the campaign stays stopped: set it to `None`
    /// first.
    Start,
    /// Switches the campaign off.
    Stop,
    /// Sets the end time, or removes it.
    SetEndTime(Option<String>),
    /// Changes only the status word.
    SetStatus(String),
    /// Changes the moderation word.
    SetApproved(String),
    /// Removes the campaign's funds, or gives them back. A campaign that is switched on then runs again by itself.
    SetNoFunds(bool),
    /// Archives the campaign, or ends that.
    SetArchived(bool),
    /// From now on every answer shows `field` as `value`, in every state of the campaign; `None` leaves the field out.
    SetField {
        /// The field's name.
        field: String,
        /// The value that is shown.
        #[serde(default, deserialize_with = "present")]
        value: Option<serde_json::Value>,
    },
    /// Ends the effect of [`Interference::SetField`] and of [`CampaignSpec::with_field`] on this field.
    ClearField(String),
    /// Changes the daily budget.
    SetMaxDaily(Amount),
}

/// Reads JSON's null as a value. Only a missing field is `None`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(deserializer).map(Some)
}

/// The sandbox's state.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) campaigns: BTreeMap<i64, Campaign>,
    pub(crate) faults: Faults,
    pub(crate) log: Vec<RequestRecord>,
    /// The access tokens, each with the time at which it expires and the API key for which it was issued.
    tokens: HashMap<String, (DateTime<Utc>, String)>,
    random: RandomState,
    tokens_issued: u64,
    limit: RateLimit,
    too_many: usize,
    received: u64,
    real_now: DateTime<Utc>,
    /// How far the API's clock is ahead of the real one.
    ahead: TimeDelta,
}

impl World {
    pub(crate) fn new(options: Options, real_now: DateTime<Utc>) -> Self {
        Self {
            options,
            campaigns: BTreeMap::new(),
            faults: Faults::default(),
            log: Vec::new(),
            tokens: HashMap::new(),
            random: RandomState::new(),
            tokens_issued: 0,
            limit: RateLimit::default(),
            too_many: 0,
            received: 0,
            real_now,
            ahead: TimeDelta::zero(),
        }
    }

    /// Returns every request that was received so far, oldest first.
    pub(crate) fn requests(&self) -> &[RequestRecord] {
        &self.log
    }

    /// Returns the number of requests with this operation.
    pub(crate) fn count(&self, operation: Operation) -> usize {
        self.log.iter().filter(|request| request.operation == operation).count()
    }

    /// Returns a campaign's present state.
    pub(crate) fn campaign(&self, id: i64) -> Option<CampaignView> {
        self.campaigns.get(&id).map(|campaign| campaign.view(self.now()))
    }

    /// Whether a campaign runs; false if it does not exist.
    pub(crate) fn is_running(&self, id: i64) -> bool {
        self.campaigns.get(&id).is_some_and(|campaign| campaign.is_running(self.now()))
    }

    /// Returns the number of requests that the rate limit answered with 429.
    pub(crate) fn too_many_requests(&self) -> usize {
        self.too_many
    }

    /// Brings every campaign up to the present time of the real clock.
    pub(crate) fn settle(&mut self, real_now: DateTime<Utc>) {
        self.real_now = real_now;
        let now = self.now();
        for campaign in self.campaigns.values_mut() {
            campaign.settle(now, &self.options);
        }
    }

    /// Returns the time of the API's clock.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.real_now + self.ahead
    }

    pub(crate) fn real_now(&self) -> DateTime<Utc> {
        self.real_now
    }

    /// Sets how far the API's clock is ahead of the real one.
    pub(crate) fn set_ahead(&mut self, ahead: TimeDelta) {
        let by = ahead - self.ahead;
        self.ahead = ahead;
        for campaign in self.campaigns.values_mut() {
            campaign.jump(by, &self.options);
        }
        self.settle(self.real_now);
    }

    pub(crate) fn add(&mut self, spec: CampaignSpec) {
        self.campaigns.insert(spec.id, Campaign::new(spec, self.now()));
    }

    /// Sets the spend of a campaign on a day; `None` removes it.
    pub(crate) fn set_spend(&mut self, id: i64, day: NaiveDate, spend: Option<Amount>) -> Result<(), NoSuchCampaign> {
        self.find(id)?.set_spend(spend, day);
        Ok(())
    }

    pub(crate) fn interfere(&mut self, id: i64, what: Interference) -> Result<(), NoSuchCampaign> {
        let now = self.now();
        let campaign = self.find(id)?;
        campaign.touch(now);
        match what {
            Interference::Start => campaign.switch(true, now),
            Interference::Stop => campaign.switch(false, now),
            Interference::SetEndTime(end) => campaign.spec.schedule_end_time = end,
            Interference::SetStatus(word) => campaign.spec.status = word,
            Interference::SetApproved(word) => campaign.spec.approved = word,
            Interference::SetNoFunds(no_funds) => campaign.set_no_funds(no_funds),
            Interference::SetArchived(archived) => campaign.spec.archived = archived,
            Interference::SetField { field, value } => campaign.spec.overrides.push((field, value)),
            Interference::ClearField(field) => campaign.spec.overrides.retain(|(name, _)| *name != field),
            Interference::SetMaxDaily(amount) => campaign.spec.max_daily = amount,
        }
        Ok(())
    }

    pub(crate) fn find(&mut self, id: i64) -> Result<&mut Campaign, NoSuchCampaign> {
        self.campaigns.get_mut(&id).ok_or(NoSuchCampaign(id))
    }

    /// Writes a request into the log. Returns its number and the faults that apply to it. If the rate limit refuses the
    /// request, the error is the time at which there is room again, by the real clock.
    pub(crate) fn receive(&mut self, mut request: RequestRecord) -> (u64, Result<Vec<Met>, DateTime<Utc>>) {
        self.received += 1;
        let sequence = self.received;
        request.sequence = sequence;
        let met = self.admit().map(|()| self.faults.meet(&request));
        if self.log.len() >= self.options.keep_requests {
            self.log.drain(..self.log.len() / 2);
        }
        self.log.push(request);
        (sequence, met)
    }

    /// Returns the log's entry of a request.
    pub(crate) fn request(&mut self, sequence: u64) -> Option<&mut RequestRecord> {
        self.log.iter_mut().rev().find(|request| request.sequence == sequence)
    }

    /// Changes the log's entry of a request.
    pub(crate) fn note(&mut self, sequence: u64, change: impl FnOnce(&mut RequestRecord)) {
        if let Some(request) = self.request(sequence) {
            change(request);
        }
    }

    fn admit(&mut self) -> Result<(), DateTime<Utc>> {
        let admitted = self.limit.admit(self.real_now, self.options.requests_per_minute, self.options.rate_window);
        if admitted.is_err() {
            self.too_many += 1;
        }
        admitted
    }

    /// Issues a new access token. Earlier ones stay valid.
    pub(crate) fn issue_token(&mut self, api_key: &str) -> String {
        self.tokens_issued += 1;
        let token = format!("eyJhbGciOiJub25lIn0.sandbox-{:016x}", self.random.hash_one(self.tokens_issued));
        self.tokens.insert(token.clone(), (self.real_now + self.options.token_lifetime, api_key.to_owned()));
        token
    }

    pub(crate) fn is_good_token(&self, token: &str) -> bool {
        self.tokens.get(token).is_some_and(|(expires, _)| *expires > self.real_now)
    }

    /// Returns the API key for which a token was issued.
    pub(crate) fn key_of(&self, token: &str) -> Option<&str> {
        self.tokens.get(token).map(|(_, api_key)| api_key.as_str())
    }

    pub(crate) fn revoke_tokens(&mut self) {
        self.tokens.clear();
    }
}
