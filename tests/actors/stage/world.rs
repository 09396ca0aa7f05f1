//! The world outside of the actors: the rows and promises in the database, the campaigns at TrafficStars, and the
//! faults of both.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use traffic_generator::clock::Clock;
use traffic_generator::domain::ids::{CampaignId, RemoteId};
use traffic_generator::domain::journal::JournalId;
use traffic_generator::domain::money::Money;
use traffic_generator::domain::read_priority::Urgency;
use traffic_generator::domain::remote::{EndTime, RemoteCampaign};
use traffic_generator::domain::spend::SpendReading;
use traffic_generator::domain::status::Hold;
use traffic_generator::store::{CampaignRow, Entry, StoredPromise};
use traffic_generator::trafficstar::client::ChangeKind;

use super::at;

/// Returns the campaign's id at TrafficStars, which follows from its database id.
pub(crate) fn remote_of(id: CampaignId) -> RemoteId {
    RemoteId(900_000 + id.0)
}

pub(crate) fn id_of(remote: RemoteId) -> CampaignId {
    CampaignId(remote.0 - 900_000)
}

/// A value that changes by itself as time passes.
pub(crate) type OverTime<T> = Rc<dyn Fn(DateTime<Utc>) -> T>;

/// One campaign, in the database and at TrafficStars.
#[derive(Clone)]
pub(crate) struct Campaign {
    pub(crate) row: CampaignRow,
    pub(crate) remaining_clicks: OverTime<u64>,
    pub(crate) running: bool,
    pub(crate) end_time: EndTime,
    pub(crate) max_daily: Option<Money>,
    pub(crate) archived: bool,
    pub(crate) spent_today: OverTime<Money>,
}

impl Campaign {
    /// Returns a guarded campaign. None of its values changes by itself.
    pub(crate) fn new(id: i64, running: bool, remaining_clicks: u64) -> Self {
        let id = CampaignId(id);
        let row = CampaignRow {
            id,
            name: format!("campaign {id}"),
            trafficstar_id: remote_of(id),
            generator_enabled: true,
            mode: None,
            spend_limit_micros: None,
            activate_clicks: None,
            pause_clicks: None,
            cooldown_seconds: None,
            high_spend: None,
            price_per_thousand_micros: None,
            implausible_clicks: None,
            high_activate_clicks: None,
            high_pause_clicks: None,
            top_up_ceiling_micros: None,
            daily_budget_micros: None,
            group_name: None,
        };
        Self {
            row,
            remaining_clicks: Rc::new(move |_| remaining_clicks),
            running,
            end_time: EndTime::Unset,
            max_daily: None,
            archived: false,
            spent_today: Rc::new(|_| Money::from_micros(1_000_000).unwrap()),
        }
    }

    /// Returns the same campaign, with `clicks` clicks left from the second `seconds` on.
    pub(crate) fn with_clicks_from(mut self, seconds: i64, clicks: u64) -> Self {
        let before = self.remaining_clicks;
        self.remaining_clicks = Rc::new(move |now| if now < at(seconds) { before(now) } else { clicks });
        self
    }

    pub(crate) fn runs_at(&self, now: DateTime<Utc>) -> bool {
        self.running && !matches!(self.end_time, EndTime::At(end) if end <= now)
    }

    fn seen_at(&self, now: DateTime<Utc>) -> RemoteCampaign {
        RemoteCampaign {
            id: self.row.trafficstar_id,
            name: Some(self.row.name.clone()),
            active: Some(self.running),
            status: Some(if self.running { "enabled" } else { "paused" }.to_owned()),
            approved: Some("approved".to_owned()),
            stopped: None,
            no_funds: false,
            archived: self.archived,
            end_time: self.end_time.clone(),
            schedule_timezone: Some(0),
            account_timezone: Some(0),
            spent_today: SpendReading::Value((self.spent_today)(now)),
            spent: SpendReading::NoValue,
            odd_fields: Vec::new(),
            max_daily: self.max_daily,
            price_per_thousand: None,
            our_clock: None,
        }
    }
}

/// A call from an actor to the database or to TrafficStars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Call {
    ReadTick,
    ReadStored,
    Save,
    ReadStatus,
    Change,
}

/// What is wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No answer comes while this fault is in place.
    Silent,
    /// Every call fails.
    Fails,
    /// The next call fails, and later ones succeed.
    FailsOnce,
    /// The answer takes this long.
    Takes(Duration),
}

/// A request that changes something at TrafficStars, with the time of its arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) at: DateTime<Utc>,
    pub(crate) campaign: CampaignId,
    pub(crate) kind: ChangeKind,
}

/// The whole world outside of the actors.
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) campaigns: BTreeMap<CampaignId, Campaign>,
    pub(crate) faults: BTreeMap<(Call, CampaignId), Fault>,
    pub(crate) promises: HashMap<CampaignId, StoredPromise>,
    pub(crate) holds: HashMap<CampaignId, Hold>,
    pub(crate) hold_on_all: Option<Hold>,
    pub(crate) journal: Vec<(CampaignId, Entry)>,
    pub(crate) writes: Vec<Write>,
    pub(crate) status_reads: u64,
    /// The urgency of each request for a status, and of each change of such an urgency.
    pub(crate) status_urgencies: Vec<(CampaignId, Urgency)>,
}

/// The world, shared by the actors and their test on one thread.
pub(crate) type Shared = Rc<RefCell<World>>;

impl World {
    pub(crate) fn new(clock: Clock, campaigns: Vec<Campaign>) -> Self {
        Self {
            clock,
            campaigns: campaigns.into_iter().map(|campaign| (campaign.row.id, campaign)).collect(),
            faults: BTreeMap::new(),
            promises: HashMap::new(),
            holds: HashMap::new(),
            hold_on_all: None,
            journal: Vec::new(),
            writes: Vec::new(),
            status_reads: 0,
            status_urgencies: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn campaign(&mut self, id: i64) -> &mut Campaign {
        self.campaigns.get_mut(&CampaignId(id)).unwrap()
    }

    pub(crate) fn writes_for(&self, id: CampaignId) -> Vec<Write> {
        self.writes.iter().filter(|write| write.campaign == id).copied().collect()
    }

    pub(crate) fn seen(&self, id: CampaignId) -> RemoteCampaign {
        self.campaigns[&id].seen_at(self.now())
    }

    /// Records the arrival of a request that changes something.
    pub(crate) fn note_write(&mut self, id: CampaignId, kind: ChangeKind) {
        let at = self.now();
        self.writes.push(Write { at, campaign: id, kind });
    }

    /// Applies a change to the campaign.
    pub(crate) fn change(&mut self, id: CampaignId, kind: ChangeKind) {
        let campaign = self.campaigns.get_mut(&id).unwrap();
        match kind {
            ChangeKind::Activate { end_time } => {
                campaign.running = true;
                campaign.end_time = EndTime::At(end_time);
            }
            ChangeKind::Pause => campaign.running = false,
            ChangeKind::SetEndTime { end_time } => campaign.end_time = EndTime::At(end_time),
            ChangeKind::SetBudget { max_daily, .. } => campaign.max_daily = Some(max_daily),
        }
    }

    /// Stores a new journal entry, or updates the stored one.
    pub(crate) fn store_entry(&mut self, id: CampaignId, entry: Entry) -> JournalId {
        let known = entry.id.and_then(|JournalId(id)| usize::try_from(id).ok());
        match known.and_then(|place| self.journal.get_mut(place)) {
            Some((_, stored)) => stored.action = entry.action,
            None => self.journal.push((id, entry.clone())),
        }
        entry.id.unwrap_or(JournalId(i64::try_from(self.journal.len() - 1).unwrap()))
    }
}

/// Applies the call's fault, if it has one: waits or fails accordingly.
pub(crate) async fn apply_fault(world: &Shared, call: Call, id: CampaignId) -> Result<(), String> {
    loop {
        let fault = world.borrow().faults.get(&(call, id)).copied();
        match fault {
            None => return Ok(()),
            Some(Fault::Fails) => return Err(format!("{call:?} fails on purpose")),
            Some(Fault::FailsOnce) => {
                world.borrow_mut().faults.remove(&(call, id));
                return Err(format!("{call:?} fails on purpose, once"));
            }
            Some(Fault::Takes(time)) => {
                tokio::time::sleep(time).await;
                return Ok(());
            }
            Some(Fault::Silent) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
}
