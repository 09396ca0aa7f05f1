//! Which message is due to which receiver.
//!
//! One message to a receiver is under way at a time. What happens while it waits is gathered into the next one, so that a
//! receiver that is away for an hour gets one message, and not a thousand. What is critical does not wait behind a message
//! that is not: it gets a message of its own.
//!
//! Deliberately absent: the single occasion (`due`), and what the answers of receivers mean (`book`).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{Book, Entry, Identity};
use crate::alerts::due::{Circumstances, Due};
use crate::alerts::message::{Item, Message};
use crate::alerts::receiver::Receiver;
use crate::domain::alert::{AlertStep, Delivery, ReceiverState};
use crate::domain::occasion::{OccasionKey, OccasionKind, Severity};

/// The most occasions that wait for one receiver. If there are more, the oldest are given up.
const MOST_WAITING: usize = 10_000;
/// Without gathering, more occasions than this are gathered all the same: a thousand messages would be read by no operator.
const MOST_ALONE: usize = 30;

/// A message that is to be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The receiver's name.
    pub receiver: String,
    /// The message.
    pub message: Message,
}

/// The situation in which messages are sent.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    /// The present time (UTC).
    pub now: DateTime<Utc>,
    /// The time zone of quiet hours.
    pub zone: Tz,
    /// Whether this supervisor leads. If it is cut off, another one may lead, which sends what is stored. Then only what
    /// could not be stored and says so is sent.
    pub leads: bool,
    /// Whether the program ends: nothing is gathered any longer.
    pub is_ending: bool,
}

/// A step that is due: the time (UTC) from which on, the step, and the occasion.
type DueStep = (DateTime<Utc>, AlertStep, Identity);

/// A message that is not delivered.
struct Pending {
    message: Message,
    /// When it is to be sent (UTC).
    due_at: DateTime<Utc>,
    is_critical: bool,
}

impl Book {
    /// Returns the messages to send now, and when to ask again. It gathers, gives up and settles.
    pub fn plan(&mut self, situation: Situation, receivers: &[Receiver]) -> (Vec<Outgoing>, Option<DateTime<Utc>>) {
        let mut outgoing = Vec::new();
        let mut next: Option<DateTime<Utc>> = None;
        for receiver in receivers {
            if !self.receivers.contains_key(&receiver.name) {
                let since = self.begins_at.unwrap_or(situation.now).trunc_subsecs(6);
                self.receivers.insert(receiver.name.clone(), ReceiverState::new(receiver.name.clone(), since));
                self.unsaved.receivers.insert(receiver.name.clone());
            }
            if self.sending.contains(&receiver.name) {
                continue;
            }
            self.give_up_oldest(situation, receiver);
            let closes_at = self.gather(situation, receiver);
            let pending = self.pending(situation, receiver).into_iter().min_by_key(|pending| pending.due_at);
            let is_due = pending.as_ref().is_some_and(|pending| pending.due_at <= situation.now);
            let waits_until = pending.as_ref().filter(|_| !is_due).map(|pending| pending.due_at);
            next = [next, closes_at, waits_until].into_iter().flatten().min();
            if let Some(Pending { message, .. }) = pending.filter(|_| is_due) {
                self.sending.insert(receiver.name.clone());
                outgoing.push(Outgoing { receiver: receiver.name.clone(), message });
            }
        }
        self.begins_at = None;
        self.settle(situation.now, receivers, situation.zone);
        (outgoing, next)
    }

    /// Returns the messages to a receiver that are not delivered and that this supervisor may send.
    fn pending(&self, situation: Situation, receiver: &Receiver) -> Vec<Pending> {
        if self.receivers.get(&receiver.name).is_some_and(|state| state.disabled_at.is_some()) {
            return Vec::new();
        }
        let mut by_message: BTreeMap<&str, Vec<(&Entry, &Delivery)>> = BTreeMap::new();
        for entry in self.entries.values() {
            if let Some(told) = entry.told.get(&receiver.name).filter(|told| told.is_pending()) {
                by_message.entry(&told.message_id).or_default().push((entry, told));
            }
        }
        let may_send = |parts: &[(&Entry, &Delivery)]| {
            situation.leads || parts.iter().all(|(entry, _)| says_that_it_is_cut_off(entry))
        };
        by_message
            .into_values()
            .filter(|parts| may_send(parts))
            .filter_map(|parts| self.message(situation, receiver, &parts))
            .collect()
    }

    /// Returns the message that has these parts.
    fn message(&self, situation: Situation, receiver: &Receiver, parts: &[(&Entry, &Delivery)]) -> Option<Pending> {
        let (_, first) = parts.first()?;
        let items = parts.iter().map(|(entry, told)| {
            let reminder = if told.step == AlertStep::Reminder { told.reminders } else { 0 };
            Item { occasion: entry.occasion.clone(), step: told.step, reminder }
        });
        let mut items: Vec<Item> = items.collect();
        // The end of an occasion comes before its next beginning: a program that reads them in order then knows what is
        // the case.
        let begins: BTreeSet<String> =
            items.iter().filter(|item| item.step == AlertStep::Firing).map(|item| item.occasion.full_key()).collect();
        let begins_again = |item: &Item| item.step == AlertStep::Resolved && begins.contains(&item.occasion.full_key());
        items.sort_by_key(|item| {
            let urgency = std::cmp::Reverse(item.occasion.severity);
            (!begins_again(item), item.step, urgency, item.occasion.since)
        });
        // A message that is tried again waits while all of it is muted or in quiet hours.
        let circumstances = self.circumstances(situation);
        let held = parts.iter().map(|(entry, _)| circumstances.held_until(&entry.occasion, receiver));
        let held_until = held.min().flatten();
        let wanted_from = self.not_before.get(&receiver.name).copied();
        let attempt_at = first.next_attempt_at.unwrap_or(first.gathered_at);
        let due_at = [held_until, wanted_from].into_iter().flatten().fold(attempt_at, DateTime::max);
        let message = Message { id: first.message_id.clone(), gathered_at: first.gathered_at, items };
        let is_critical = parts.iter().any(|(entry, _)| entry.occasion.severity == Severity::Critical);
        Some(Pending { message, due_at, is_critical })
    }

    fn circumstances(&self, situation: Situation) -> Circumstances<'_> {
        Circumstances { now: situation.now, zone: situation.zone, mutes: &self.mutes }
    }

    /// Returns the steps that are or will be due to a receiver, the oldest first.
    fn due_steps(&self, situation: Situation, receiver: &Receiver) -> Vec<DueStep> {
        let Some(state) = self.receivers.get(&receiver.name) else { return Vec::new() };
        let circumstances = self.circumstances(situation);
        let due = self.entries.iter().filter_map(|(key, entry)| {
            let told = entry.told.get(&receiver.name);
            match circumstances.due(&entry.occasion, told, receiver, state) {
                Due::Step { step, from } => {
                    let found_at = entry.found_at.filter(|_| told.is_none());
                    Some((found_at.map_or(from, |found_at| from.max(found_at)), step, key.clone()))
                }
                Due::Done | Due::Nothing | Due::Pending => None,
            }
        });
        let mut due: Vec<DueStep> = due.collect();
        due.sort();
        due
    }

    /// Puts the steps that are due to a receiver into one message. Returns when to look again.
    fn gather(&mut self, situation: Situation, receiver: &Receiver) -> Option<DateTime<Utc>> {
        let Situation { now, leads, is_ending, .. } = situation;
        let pending = self.pending(situation, receiver);
        let waits_without_need = pending.iter().all(|pending| !pending.is_critical && pending.due_at > now);
        if !waits_without_need {
            return None;
        }
        let may_be_told = |key: &Identity| {
            let Some(entry) = self.entries.get(key) else { return false };
            let is_critical = entry.occasion.severity == Severity::Critical;
            (leads || says_that_it_is_cut_off(entry)) && (pending.is_empty() || is_critical)
        };
        let mut due = self.due_steps(situation, receiver);
        due.retain(|(_, _, key)| may_be_told(key));
        let first = due.first().map(|(from, ..)| *from)?;
        let wait = TimeDelta::from_std(receiver.group_wait).unwrap_or_default();
        if first > now || (first + wait > now && !is_ending) {
            return Some(first + wait);
        }
        due.retain(|(from, ..)| *from <= now);
        if wait.is_zero() && due.len() <= MOST_ALONE {
            due.truncate(1);
        }
        let (_, step, key) = due.first()?;
        let message_id = self.message_id(key, *step, &receiver.name);
        for (_, step, key) in due {
            self.put_into(&message_id, now, step, key, &receiver.name);
        }
        None
    }

    /// Puts a step into a message.
    fn put_into(&mut self, message_id: &str, now: DateTime<Utc>, step: AlertStep, key: Identity, receiver: &str) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let reminders = entry.told.get(receiver).map_or(0, |told| told.reminders);
        let delivery = Delivery {
            step,
            reminders: reminders + u32::from(step == AlertStep::Reminder),
            message_id: message_id.to_owned(),
            gathered_at: now.trunc_subsecs(6),
            attempts: 0,
            last_sent_at: None,
            next_attempt_at: None,
            delivered_at: None,
            given_up_at: None,
            error: None,
        };
        entry.told.insert(receiver.to_owned(), delivery);
        self.unsaved.deliveries.insert((key, receiver.to_owned()));
    }

    /// Returns the id of a message by its first occasion and that occasion's step. No other message to this receiver has
    /// it, since each step is in one message.
    fn message_id(&self, key: &Identity, step: AlertStep, receiver: &str) -> String {
        let (campaign, OccasionKey { kind, detail }, since) = key;
        let told = self.entries.get(key).and_then(|entry| entry.told.get(receiver));
        let step = match step {
            AlertStep::Reminder => format!("reminder{}", told.map_or(1, |told| told.reminders + 1)),
            AlertStep::Firing | AlertStep::Resolved => step.to_string(),
        };
        let campaign = campaign.map(|campaign| format!("-{campaign}")).unwrap_or_default();
        let detail: String = detail.chars().map(|sign| if sign.is_ascii_alphanumeric() { sign } else { '-' }).collect();
        let detail = if detail.is_empty() { detail } else { format!("-{detail}") };
        format!("{kind}{campaign}{detail}-{}-{step}", since.timestamp_micros())
    }

    /// Gives up the oldest steps if too many wait for a receiver.
    fn give_up_oldest(&mut self, situation: Situation, receiver: &Receiver) {
        if self.entries.len() <= MOST_WAITING {
            return;
        }
        let now = situation.now;
        let due = self.due_steps(situation, receiver).into_iter().filter(|(from, ..)| *from <= now);
        let due: Vec<DueStep> = due.collect();
        let too_many = due.len().saturating_sub(MOST_WAITING);
        for (_, step, key) in due.into_iter().take(too_many) {
            let message_id = self.message_id(&key, step, &receiver.name);
            self.put_into(&message_id, now, step, key.clone(), &receiver.name);
            let told = self.entries.get_mut(&key).and_then(|entry| entry.told.get_mut(&receiver.name));
            if let Some(told) = told {
                told.given_up_at = Some(now.trunc_subsecs(6));
                told.error = Some(format!("more than {MOST_WAITING} occasions waited for this receiver"));
            }
            self.count_lost(&receiver.name, 1);
        }
    }
}

/// Whether it says that the database or the lease is lost, and could not be stored for that reason. No other supervisor
/// knows of it.
fn says_that_it_is_cut_off(entry: &Entry) -> bool {
    entry.occasion.id.is_none() && matches!(entry.occasion.key.kind, OccasionKind::Database | OccasionKind::Lease)
}
