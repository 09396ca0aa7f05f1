//! The book of alerts: each occasion that is not settled, and what each receiver was told of it.
//!
//! It takes in what is found, stored, ordered and answered, and says what has to be stored. Each step of an occasion is put
//! into one message to a receiver, and the message is stored before it is sent. So a crash repeats a message at most under
//! the same id, and loses none.
//!
//! Deliberately absent: the clock, the database and the sending (`actors::alerts`). Which message is due to which receiver
//! is in [`outgoing`].

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use chrono_tz::Tz;

use super::SendFailure;
use super::due::{Circumstances, Due};
use super::receiver::Receiver;
use crate::domain::alert::{Ack, AlertChanges, Delivery, Mute, Occasion, OccasionId, ReceiverState, StoredAlerts};
use crate::domain::ids::CampaignId;
use crate::domain::occasion::{Finding, OccasionCampaign, OccasionChange, OccasionKey, Severity};
use crate::domain::supervisor_occasions::Knowledge;

/// The wait after the first failed attempt. It doubles with each further one.
const FIRST_BACKOFF: TimeDelta = TimeDelta::seconds(5);
/// The longest wait between two attempts, unless the receiver wants a longer one.
const LONGEST_BACKOFF: TimeDelta = TimeDelta::minutes(10);
/// The longest wait that a receiver may want.
const LONGEST_RETRY_AFTER: TimeDelta = TimeDelta::hours(6);
/// A message that could not be delivered for this long is given up.
const GIVE_UP_AFTER: TimeDelta = TimeDelta::hours(24);
/// A message that the receiver will not take as it is is given up after this many attempts, so that it holds up no other.
const MOST_ATTEMPTS_IN_VAIN: u32 = 5;
pub mod outgoing;

/// What identifies an occasion, whether it is stored or not.
type Identity = (Option<CampaignId>, OccasionKey, DateTime<Utc>);

#[derive(Debug, Clone)]
struct Entry {
    occasion: Occasion,
    told: BTreeMap<String, Delivery>,
    /// When the supervisor found it (UTC), if that is later than its beginning. Gathering begins then.
    found_at: Option<DateTime<Utc>>,
}

impl Entry {
    const fn new(occasion: Occasion) -> Self {
        Self { occasion, told: BTreeMap::new(), found_at: None }
    }
}

/// The book.
#[derive(Debug, Default)]
pub struct Book {
    entries: BTreeMap<Identity, Entry>,
    receivers: BTreeMap<String, ReceiverState>,
    mutes: Vec<Mute>,
    /// Whether it has been read from the database.
    is_loaded: bool,
    /// The time (UTC) since which receivers count that are new at the first plan; `None` later.
    begins_at: Option<DateTime<Utc>>,
    /// The receivers to which a message is being sent.
    sending: BTreeSet<String>,
    /// The times (UTC) before which receivers want nothing, by their `Retry-After`.
    not_before: BTreeMap<String, DateTime<Utc>>,
    /// The occasions of the supervisor that are over at once, and that this process has found before.
    found_once: BTreeSet<OccasionKey>,
    unsaved: Unsaved,
}

/// What has changed and is not stored.
#[derive(Debug, Default)]
struct Unsaved {
    occasions: Vec<(Option<OccasionCampaign>, OccasionChange)>,
    deliveries: BTreeSet<(Identity, String)>,
    receivers: BTreeSet<String>,
    settled: Vec<OccasionId>,
    acked: Vec<(OccasionId, Ack)>,
    mutes: Vec<Mute>,
}

fn identity(occasion: &Occasion) -> Identity {
    (occasion.campaign.as_ref().map(|campaign| campaign.id), occasion.key.clone(), occasion.since)
}

impl Book {
    /// Returns an empty book of a supervisor that leads since `begins_at`. What happens from then on is told also to
    /// receivers that are new, such as that it leads.
    #[must_use]
    pub fn new(begins_at: DateTime<Utc>) -> Self {
        Self { begins_at: Some(begins_at), ..Self::default() }
    }

    /// Takes in what the database has. The first time it is all that is known. Later the book knows better what each
    /// receiver was told, and the database which occasions there are.
    pub fn load(&mut self, stored: StoredAlerts) {
        let StoredAlerts { occasions, receivers, mutes } = stored;
        if !self.is_loaded {
            self.receivers.extend(receivers.into_iter().map(|receiver| (receiver.name.clone(), receiver)));
            self.mutes = mutes;
            self.is_loaded = true;
        }
        let settling: BTreeSet<OccasionId> = self.unsaved.settled.iter().copied().collect();
        let mut stored = BTreeSet::new();
        for (occasion, deliveries) in occasions {
            let key = identity(&occasion);
            stored.insert(key.clone());
            if occasion.id.is_some_and(|id| settling.contains(&id)) {
                continue;
            }
            match self.entries.get_mut(&key) {
                Some(entry) => {
                    if entry.occasion.id.is_none() {
                        // It was told while it could not be stored.
                        let told = entry.told.keys().map(|receiver| (key.clone(), receiver.clone()));
                        self.unsaved.deliveries.extend(told);
                    }
                    let acked = occasion.acked.clone().or(entry.occasion.acked.take());
                    entry.occasion = Occasion { acked, ..occasion };
                }
                None => {
                    self.entries.insert(key, Entry { told: deliveries.into_iter().collect(), ..Entry::new(occasion) });
                }
            }
        }
        self.entries.retain(|key, entry| entry.occasion.id.is_none() || stored.contains(key));
    }

    /// Whether the database has been read.
    #[must_use]
    pub const fn is_loaded(&self) -> bool {
        self.is_loaded
    }

    /// Takes in what the supervisor has found: all of its occasions that there are now, and the campaigns that it guards.
    /// An occasion that is no longer found is over, and so is one of a campaign that is no longer guarded.
    pub fn found(
        &mut self,
        now: DateTime<Utc>,
        findings: Vec<(Option<OccasionCampaign>, Finding)>,
        guarded: &BTreeSet<CampaignId>,
        knowledge: Knowledge,
    ) {
        let is_found = |campaign: Option<CampaignId>, key: &OccasionKey| {
            let of = |other: &Option<OccasionCampaign>| other.as_ref().map(|campaign| campaign.id);
            findings.iter().any(|(other, finding)| of(other) == campaign && finding.key == *key)
        };
        let mut ended = Vec::new();
        for ((campaign, key, _), entry) in &mut self.entries {
            let is_supervisors = campaign.is_none() || key.kind.is_of_supervisor();
            let is_over = if is_supervisors {
                !is_found(*campaign, key) && knowledge.can_end(key)
            } else {
                campaign.is_some_and(|campaign| !guarded.contains(&campaign))
            };
            if entry.occasion.is_open() && is_over {
                entry.occasion.resolved_at = Some(now);
                ended.push((entry.occasion.campaign.clone(), OccasionChange::Ended(key.clone(), now)));
            }
        }
        self.unsaved.occasions.extend(ended);
        for (campaign, finding) in findings.into_iter().map(storable) {
            let id = campaign.as_ref().map(|campaign| campaign.id);
            if finding.lasts {
                let is_open = |((of, key, _), entry): (&Identity, &Entry)| {
                    *of == id && *key == finding.key && entry.occasion.is_open()
                };
                if self.entries.iter().any(is_open) {
                    continue;
                }
                let occasion = begun(campaign.clone(), &finding);
                let entry = Entry { found_at: Some(now), ..Entry::new(occasion) };
                self.entries.insert(identity(&entry.occasion), entry);
            } else if !self.found_once.insert(finding.key.clone()) {
                continue;
            }
            self.unsaved.occasions.push((campaign, OccasionChange::Began(finding)));
        }
    }

    /// Adds occasions that are over at once, such as the end of the program. They are sent even if they cannot be stored.
    pub fn add(&mut self, findings: Vec<(Option<OccasionCampaign>, Finding)>) {
        for (campaign, finding) in findings.into_iter().map(storable) {
            let occasion = begun(campaign.clone(), &finding);
            self.entries.insert(identity(&occasion), Entry::new(occasion));
            self.unsaved.occasions.push((campaign, OccasionChange::Began(finding)));
        }
    }

    /// Ends the open occasions that could not be stored, and forgets all others: they belong to the next leader, which knows
    /// nothing of these.
    pub fn end_unstored(&mut self, now: DateTime<Utc>) {
        self.entries.retain(|_, entry| entry.occasion.id.is_none() && !entry.told.is_empty());
        for entry in self.entries.values_mut().filter(|entry| entry.occasion.is_open()) {
            entry.occasion.resolved_at = Some(now.trunc_subsecs(6));
        }
    }

    /// Whether something has changed that is not stored.
    #[must_use]
    pub fn has_unsaved(&self) -> bool {
        let Unsaved { occasions, deliveries, receivers, settled, acked, mutes } = &self.unsaved;
        let lists = [occasions.is_empty(), settled.is_empty(), acked.is_empty(), mutes.is_empty()];
        !deliveries.is_empty() || !receivers.is_empty() || lists.contains(&false)
    }

    /// Takes what has changed, to store it. If that fails, the caller gives it back.
    pub fn take_unsaved(&mut self) -> AlertChanges {
        let unsaved = std::mem::take(&mut self.unsaved);
        let delivery = |(key, receiver): &(Identity, String)| {
            let entry = self.entries.get(key)?;
            Some((entry.occasion.id?, receiver.clone(), entry.told.get(receiver)?.clone()))
        };
        AlertChanges {
            deliveries: unsaved.deliveries.iter().filter_map(delivery).collect(),
            receivers: unsaved.receivers.iter().filter_map(|name| self.receivers.get(name).cloned()).collect(),
            occasions: unsaved.occasions,
            settled: unsaved.settled,
            acked: unsaved.acked,
            mutes: unsaved.mutes,
        }
    }

    /// Takes back what could not be stored. What has changed since then comes after it.
    pub fn give_back(&mut self, changes: AlertChanges) {
        let AlertChanges { occasions, deliveries, receivers, settled, acked, mutes } = changes;
        self.unsaved.occasions.splice(0..0, occasions);
        self.unsaved.settled.splice(0..0, settled);
        self.unsaved.acked.splice(0..0, acked);
        self.unsaved.mutes.splice(0..0, mutes);
        self.unsaved.receivers.extend(receivers.into_iter().map(|receiver| receiver.name));
        let by_id: BTreeMap<OccasionId, &Identity> =
            self.entries.iter().filter_map(|(key, entry)| Some((entry.occasion.id?, key))).collect();
        let keys = deliveries.into_iter().filter_map(|(id, receiver, _)| Some(((*by_id.get(&id)?).clone(), receiver)));
        self.unsaved.deliveries.extend(keys);
    }

    /// Takes the result of sending a message.
    pub fn answered(&mut self, now: DateTime<Utc>, receiver: &str, message_id: &str, result: &Result<(), SendFailure>) {
        self.sending.remove(receiver);
        match result.as_ref().err().and_then(SendFailure::retry_after) {
            Some(wait) => {
                let wait = TimeDelta::from_std(wait).unwrap_or(LONGEST_RETRY_AFTER).min(LONGEST_RETRY_AFTER);
                self.not_before.insert(receiver.to_owned(), now + wait);
            }
            None => drop(self.not_before.remove(receiver)),
        }
        let mut given_up = 0;
        for (key, entry) in &mut self.entries {
            let Some(told) = entry.told.get_mut(receiver).filter(|told| told.is_pending()) else { continue };
            let is_it = told.message_id == message_id;
            if is_it {
                told.attempts = told.attempts.saturating_add(1);
                told.last_sent_at = Some(now);
            }
            match result {
                Ok(()) if is_it => {
                    (told.delivered_at, told.next_attempt_at, told.error) = (Some(now), None, None);
                }
                Err(failure @ SendFailure::Gone) => {
                    (told.given_up_at, told.error) = (Some(now), Some(failure.to_string()));
                    given_up += 1;
                }
                Err(failure) if is_it => {
                    told.error = Some(failure.to_string());
                    let is_in_vain = failure.is_of_the_message() && told.attempts >= MOST_ATTEMPTS_IN_VAIN;
                    if is_in_vain || now.signed_duration_since(told.gathered_at) >= GIVE_UP_AFTER {
                        told.given_up_at = Some(now);
                        given_up += 1;
                    } else {
                        told.next_attempt_at = Some(now + backoff(message_id, told.attempts, failure));
                    }
                }
                Ok(()) | Err(_) => continue,
            }
            self.unsaved.deliveries.insert((key.clone(), receiver.to_owned()));
        }
        self.count_lost(receiver, given_up);
        self.noted(now, receiver, result);
    }

    /// Takes back a message that was not sent, because the receiver is no longer in the config or this supervisor no longer
    /// leads.
    pub fn not_sent(&mut self, receiver: &str) {
        self.sending.remove(receiver);
    }

    /// Notes whether a receiver took a message.
    pub fn noted(&mut self, now: DateTime<Utc>, receiver: &str, result: &Result<(), SendFailure>) {
        let Some(state) = self.receivers.get_mut(receiver) else { return };
        match result {
            Ok(()) => {
                state.delivered_at = Some(now);
                (state.failing_since, state.last_error, state.disabled_at) = (None, None, None);
            }
            Err(failure) => {
                state.failing_since.get_or_insert(now);
                state.last_error = Some(failure.to_string());
                if *failure == SendFailure::Gone {
                    state.disabled_at.get_or_insert(now);
                }
            }
        }
        self.unsaved.receivers.insert(receiver.to_owned());
    }

    fn count_lost(&mut self, receiver: &str, count: u64) {
        if let Some(state) = self.receivers.get_mut(receiver).filter(|_| count > 0) {
            state.lost = state.lost.saturating_add(count);
            self.unsaved.receivers.insert(receiver.to_owned());
        }
    }

    /// Drops the occasions that are over and of which no receiver has to be told anything more.
    fn settle(&mut self, now: DateTime<Utc>, receivers: &[Receiver], zone: Tz) {
        let circumstances = Circumstances { now, zone, mutes: &self.mutes };
        let is_done = |entry: &Entry, receiver: &Receiver| {
            let told = entry.told.get(&receiver.name);
            let state = self.receivers.get(&receiver.name);
            state.is_none_or(|state| circumstances.due(&entry.occasion, told, receiver, state) == Due::Done)
        };
        let is_saved = |key: &Identity| !self.unsaved.deliveries.iter().any(|(of, _)| of == key);
        let over = self.entries.iter().filter(|(key, entry)| {
            let is_over = !entry.occasion.is_open() && receivers.iter().all(|receiver| is_done(entry, receiver));
            is_over && is_saved(key)
        });
        let settled: Vec<(Identity, Option<OccasionId>)> =
            over.map(|(key, entry)| (key.clone(), entry.occasion.id)).collect();
        for (key, _) in &settled {
            let Some(entry) = self.entries.get(key) else { continue };
            for receiver in
                receivers.iter().filter(|one| one.wants(&entry.occasion) && !entry.told.contains_key(&one.name))
            {
                // It came and went while the receiver wanted no messages.
                if let Some(state) = self.receivers.get_mut(&receiver.name).filter(|state| state.disabled_at.is_some())
                {
                    state.lost = state.lost.saturating_add(1);
                    self.unsaved.receivers.insert(receiver.name.clone());
                }
            }
        }
        for (key, id) in settled {
            // One that could not be stored stays until it is, since its end has to be stored, too.
            if let Some(id) = id {
                self.entries.remove(&key);
                self.unsaved.settled.push(id);
            }
        }
    }

    /// Acknowledges an occasion. Returns it and what each receiver was told; `None` if no open occasion has this number.
    pub fn ack(&mut self, id: OccasionId, ack: Ack) -> Option<(Occasion, Vec<(String, Delivery)>)> {
        let of_id = |entry: &&mut Entry| entry.occasion.id == Some(id) && entry.occasion.is_open();
        let entry = self.entries.values_mut().find(of_id)?;
        if entry.occasion.acked.is_none() {
            entry.occasion.acked = Some(ack.clone());
            self.unsaved.acked.push((id, ack));
        }
        Some((entry.occasion.clone(), entry.told.clone().into_iter().collect()))
    }

    /// Mutes a campaign, or all alerts. A mute whose end is not later than its beginning ends an earlier one.
    pub fn mute(&mut self, mute: Mute) {
        self.mutes.retain(|earlier| earlier.campaign != mute.campaign);
        if mute.until > mute.since {
            self.mutes.push(mute.clone());
        }
        self.unsaved.mutes.push(mute);
    }

    /// Returns the mutes that are in force at `now`.
    #[must_use]
    pub fn mutes(&self, now: DateTime<Utc>) -> Vec<Mute> {
        self.mutes.iter().filter(|mute| mute.until > now).cloned().collect()
    }

    /// Returns what is kept of a receiver.
    #[must_use]
    pub fn receiver(&self, name: &str) -> Option<&ReceiverState> {
        self.receivers.get(name)
    }

    /// Returns the number of open occasions of each severity.
    #[must_use]
    pub fn open_by_severity(&self) -> BTreeMap<Severity, u64> {
        let mut counts = BTreeMap::new();
        for entry in self.entries.values().filter(|entry| entry.occasion.is_open()) {
            *counts.entry(entry.occasion.severity).or_default() += 1;
        }
        counts
    }

    /// Returns every occasion that is not settled, the oldest first, with what each receiver was told.
    #[must_use]
    pub fn occasions(&self) -> Vec<(Occasion, Vec<(String, Delivery)>)> {
        let of = |entry: &Entry| (entry.occasion.clone(), entry.told.clone().into_iter().collect());
        let mut all: Vec<(Occasion, Vec<(String, Delivery)>)> = self.entries.values().map(of).collect();
        all.sort_by_key(|(occasion, _)| occasion.since);
        all
    }

    /// Returns the number of steps that wait for a receiver or are being sent to it.
    #[must_use]
    pub fn waiting(&self, now: DateTime<Utc>, receiver: &Receiver, zone: Tz) -> u64 {
        let Some(state) = self.receivers.get(&receiver.name) else { return 0 };
        let circumstances = Circumstances { now, zone, mutes: &self.mutes };
        let is_waiting = |entry: &&Entry| {
            let told = entry.told.get(&receiver.name);
            match circumstances.due(&entry.occasion, told, receiver, state) {
                Due::Pending => true,
                Due::Step { from, .. } => from <= now,
                Due::Done | Due::Nothing => false,
            }
        };
        self.entries.values().filter(is_waiting).count() as u64
    }
}

/// Cuts the beginning of an occasion to the microseconds that the database stores, so that it is still the same one when
/// it is read back.
fn storable((campaign, finding): (Option<OccasionCampaign>, Finding)) -> (Option<OccasionCampaign>, Finding) {
    (campaign, Finding { since: finding.since.trunc_subsecs(6), ..finding })
}

fn begun(campaign: Option<OccasionCampaign>, finding: &Finding) -> Occasion {
    let Finding { key, severity, since, text, lasts } = finding.clone();
    Occasion { id: None, campaign, key, severity, text, lasts, since, resolved_at: None, acked: None }
}

/// Returns the wait before the next attempt. It varies by a fifth, so that the receivers of many programs are not called
/// at one moment; by the message and the attempt, so that nothing here is random.
fn backoff(message_id: &str, attempts: u32, failure: &SendFailure) -> TimeDelta {
    let doublings = attempts.saturating_sub(1).min(10);
    let wait = (FIRST_BACKOFF * 2_i32.saturating_pow(doublings)).min(LONGEST_BACKOFF);
    let mut hasher = DefaultHasher::new();
    (message_id, attempts).hash(&mut hasher);
    let percent = i32::try_from(hasher.finish() % 41).unwrap_or(20) + 80;
    let wanted = failure.retry_after().and_then(|wait| TimeDelta::from_std(wait).ok()).unwrap_or_default();
    (wait * percent / 100).max(wanted.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
