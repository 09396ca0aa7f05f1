//! Promises and the journal: the data that must survive a crash.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::Store;
use super::budget::{BudgetColumns, DayBudgetRow};
use super::connection::StoreConnection;
use super::error::{Fault, StoreError};
use super::hold::HoldRow;
use super::occasions::{OccasionRow, change_occasions, known};
use super::pools::{db, db_write};
use super::rows::{LeaseState, LeaseTerm};
use super::schema::{campaigns, day_budgets, holds, journal, journal_steps, occasions, promises};
use super::values::{BadValue, OptionalTrackerText, Place, Stamp, TrackerText, column_clicks};
use crate::domain::action::{Action, ActionId, ActionKind, Step};
use crate::domain::budget::DayBudget;
use crate::domain::ids::{CampaignId, RemoteId};
use crate::domain::journal::JournalId;
use crate::domain::occasion::{KnownOccasion, OccasionCampaign, OccasionChange};
use crate::domain::order::HoldChange;
use crate::domain::phase::{Phase, PhaseWord, Promise};
use crate::domain::status::Hold;
use crate::domain::text::word;

/// A promise with the time when it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredPromise {
    /// The promise.
    pub promise: Promise,
    /// The time (UTC) when the promise was stored.
    pub stored_at: DateTime<Utc>,
}

/// The stored data from which an actor starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredCampaign {
    /// The promise. `None` if no promise is stored for this `trafficstar_id`.
    pub promise: Option<StoredPromise>,
    /// The newest action that was sent, or was about to be sent, and whose outcome is unknown. Its [`ActionId`] is 0:
    /// action ids count within one actor, and that actor is gone.
    pub unfinished: Option<(JournalId, Action)>,
    /// The operator's hold on the campaign. It may have expired.
    pub hold: Option<Hold>,
    /// The end time that the program set last: that of the newest activation, or of the newest action that set only an
    /// end time.
    pub own_end_time: Option<DateTime<Utc>>,
    /// What is remembered of the day's budget. `None` if nothing is stored for this `trafficstar_id`, or if it cannot be
    /// read: then the day is counted anew.
    pub budget: Option<DayBudget>,
    /// The newest journal entries, the newest first, to show them. Each has the operator who ordered it, if one did. An
    /// entry that cannot be read is left out.
    pub recent: Vec<(Action, Option<String>)>,
    /// The occasions for alerts that are open, and the newest of those that do not last.
    pub occasions: Vec<KnownOccasion>,
}

/// The number of the newest journal entries that a new actor gets, to show them.
const RECENT: i64 = 5;

/// The number of occasions that do not last, and that a new actor gets so that it does not find them again. They are those
/// of its day; even one that is not among them is stored only once.
const TOLD: i64 = 30;

/// A transition to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The campaign's database id.
    pub campaign: CampaignId,
    /// The id of the campaign at TrafficStars to which the promise applies.
    pub remote: RemoteId,
    /// The promise that is in force from now on.
    pub promise: Promise,
    /// The journal entry of the action that the transition needs. `None` if it needs no action.
    pub entry: Option<Entry>,
    /// The change of the operator's hold.
    pub hold: HoldChange,
    /// The day's budget; `None` leaves the stored one.
    pub budget: Option<DayBudget>,
    /// The campaign's name, for its occasions.
    pub name: String,
    /// The occasions that began or ended.
    pub occasions: Vec<OccasionChange>,
}

/// A journal entry to insert or to update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The entry's id. `None` inserts a new entry; of an existing entry only the steps and a waiting end time are
    /// updated.
    pub id: Option<JournalId>,
    /// The action, with its reason and its step.
    pub action: Action,
    /// The operator who ordered the action: uid and name. `None` if no operator did.
    pub by: Option<String>,
}

impl Record {
    /// After leadership is lost only one thing may still be written: the journal entry of a pause that was sent before
    /// it was stored. This returns that entry. An unfinished step becomes `failed`, since no supervisor follows that
    /// pause further. `None` if this record holds no such entry.
    fn sent_unstored(&self, now: DateTime<Utc>) -> Option<Entry> {
        let may_have_left = |action: &Action| action.accepted_at.is_some() || action.step == Step::Requested;
        let mut entry = self
            .entry
            .clone()
            .filter(|entry| entry.id.is_none() && entry.action.late && may_have_left(&entry.action))?;
        if matches!(entry.action.step, Step::Requested | Step::Accepted) {
            entry.action.step = Step::Failed;
            entry.action.failed_at = Some(now);
            entry.action.error =
                Some("its outcome is unknown: another supervisor has taken over since then".to_owned());
        }
        Some(entry)
    }
}

/// The condition for an unfinished action. Its text must equal that of the index `journal_steps_unfinished`, or the
/// databases do not use the index.
pub(super) const IS_UNFINISHED: &str = "step IN ('requested', 'accepted')";

impl Store {
    /// Reads what is stored for a campaign. `None` if the campaign has no row. It leaves out promises and actions for
    /// another `trafficstar_id` than the row's present one.
    ///
    /// # Errors
    /// The database does not answer, or a stored value of the program's own is invalid.
    pub async fn stored_campaign(&self, id: CampaignId) -> Result<Option<StoredCampaign>, StoreError> {
        db!(self, move |connection| {
            connection.transaction(|connection| {
                let remote: Option<i64> =
                    campaigns::table.find(id.0).select(campaigns::trafficstar_id).first(connection).optional()?;
                let Some(remote) = remote else { return Ok(None) };
                let promise: Option<PromiseRow> = promises::table
                    .filter(promises::campaign_id.eq(id.0).and(promises::trafficstar_id.eq(remote)))
                    .select(PromiseRow::as_select())
                    .first(connection)
                    .optional()?;
                let steps = diesel::alias!(journal_steps as steps);
                let unfinished_entries = steps
                    .filter(diesel::dsl::sql::<Bool>(IS_UNFINISHED))
                    .select(steps.field(journal_steps::journal_id));
                let unfinished: Option<(i64, DecisionRow, StepRow)> = journal::table
                    .inner_join(journal_steps::table)
                    .filter(journal::campaign_id.eq(id.0).and(journal::trafficstar_id.eq(remote)))
                    .filter(journal::id.eq_any(unfinished_entries))
                    .order(journal::id.desc())
                    .select((journal::id, DecisionRow::as_select(), StepRow::as_select()))
                    .first(connection)
                    .optional()?;
                let own_end_time: Option<(i64, Stamp)> = journal::table
                    .inner_join(journal_steps::table)
                    .filter(journal::campaign_id.eq(id.0).and(journal::trafficstar_id.eq(remote)))
                    .filter(
                        (journal::kind.eq(word(ActionKind::Activate))).or(journal::kind
                            .eq(word(ActionKind::SetEndTime))
                            .and(journal_steps::step.ne_all([word(Step::Failed), word(Step::Superseded)]))),
                    )
                    .filter(journal_steps::step.ne(word(Step::ObservedOnly)))
                    .order(journal::id.desc())
                    .select((journal::id, journal::end_time))
                    .first(connection)
                    .optional()?;
                let recent: Vec<(i64, DecisionRow, StepRow)> = journal::table
                    .inner_join(journal_steps::table)
                    .filter(journal::campaign_id.eq(id.0).and(journal::trafficstar_id.eq(remote)))
                    .order(journal::id.desc())
                    .limit(RECENT)
                    .select((journal::id, DecisionRow::as_select(), StepRow::as_select()))
                    .load(connection)?;
                let is_open = occasions::lasts.eq(true).and(occasions::resolved_at.is_null());
                let of_campaign = || {
                    occasions::table
                        .filter(occasions::campaign_id.eq(id.0))
                        .order(occasions::id.desc())
                        .select((occasions::id, OccasionRow::as_select()))
                };
                let mut told: Vec<(i64, OccasionRow)> = of_campaign().filter(is_open).load(connection)?;
                told.extend(
                    of_campaign()
                        .filter(occasions::lasts.eq(false))
                        .limit(TOLD)
                        .load::<(i64, OccasionRow)>(connection)?,
                );
                let recent = recent.into_iter().filter_map(|(id, mut decision, steps)| {
                    let by = decision.by.take();
                    action(id, decision, steps).ok().map(|action| (action, by))
                });
                let hold: Option<HoldRow> =
                    holds::table.find(id.0).select(HoldRow::as_select()).first(connection).optional()?;
                let budget: Option<DayBudgetRow> = day_budgets::table
                    .filter(day_budgets::campaign_id.eq(id.0).and(day_budgets::trafficstar_id.eq(remote)))
                    .select(DayBudgetRow::as_select())
                    .first(connection)
                    .optional()?;
                Ok(Some(StoredCampaign {
                    budget: budget.and_then(|row| row.read().inspect_err(unreadable_budget).ok()),
                    hold: hold.map(|row| row.read(id.0)),
                    recent: recent.collect(),
                    occasions: known(told),
                    // An end time that cannot be read is ignored: it must not keep the campaign from being guarded.
                    own_end_time: own_end_time
                        .and_then(|(row, at)| Place { table: "journal", row }.time("end_time", at).ok()),
                    promise: promise.map(PromiseRow::read).transpose()?,
                    unfinished: unfinished
                        .map(|(id, decision, steps)| Ok::<_, Fault>((JournalId(id), action(id, decision, steps)?)))
                        .transpose()?,
                }))
            })
        })
        .map_err(StoreError::ReadPromises)
    }

    /// Reads every promise that is stored for its campaign's present `trafficstar_id`. For an invalid one, returns the
    /// error.
    pub async fn stored_promises(&self) -> Result<HashMap<CampaignId, Result<StoredPromise, BadValue>>, StoreError> {
        db!(self, move |connection| {
            let rows: Vec<PromiseRow> = promises::table
                .inner_join(campaigns::table)
                .filter(promises::trafficstar_id.eq(campaigns::trafficstar_id))
                .select(PromiseRow::as_select())
                .load(connection)?;
            Ok(rows.into_iter().map(|row| (CampaignId(row.campaign_id), row.read())).collect())
        })
        .map_err(StoreError::ReadPromises)
    }

    /// Stores a transition: the promise and the journal entry, both or neither. Once this returns, they survive a power
    /// cut. Returns the entry's id, if the record has an entry. For a campaign whose row was deleted, only the entry is
    /// stored. After the leadership is over, only the entry of a pause that was sent while the database was away is
    /// stored: the rest belongs to the next leader.
    ///
    /// # Errors
    /// The database does not answer, or the store's leadership has ended. Then nothing was stored.
    pub async fn save(&self, record: Record, now: DateTime<Utc>) -> Result<Option<JournalId>, StoreError> {
        let term = self.term.clone();
        db_write!(self, move |connection| {
            let lease_state = term.as_ref().map_or(Ok(LeaseState::Lasts), |term| connection.lease_state(term))?;
            let entry = match lease_state {
                LeaseState::Lasts => record.entry.clone(),
                LeaseState::Over => Some(record.sent_unstored(now).ok_or(Fault::NotLeading)?),
                LeaseState::Expired => return Err(Fault::NotLeading),
            };
            if lease_state == LeaseState::Lasts {
                let (id, name, trafficstar_id) = (record.campaign, record.name.clone(), record.remote);
                let campaign = OccasionCampaign { id, name, trafficstar_id };
                change_occasions!(connection, Some(&campaign), &record.occasions);
            }
            if lease_state == LeaseState::Lasts && !connection.lock_campaigns(&[record.campaign.0])?.is_empty() {
                let row = PromiseRow::new(&record, now);
                diesel::insert_into(promises::table)
                    .values(&row)
                    .on_conflict(promises::campaign_id)
                    .do_update()
                    .set(&row)
                    .execute(connection)?;
                match &record.hold {
                    HoldChange::Keep => {}
                    HoldChange::Set(hold) => {
                        let row = HoldRow::from(hold);
                        diesel::insert_into(holds::table)
                            .values((holds::campaign_id.eq(record.campaign.0), &row))
                            .on_conflict(holds::campaign_id)
                            .do_update()
                            .set(&row)
                            .execute(connection)?;
                    }
                    HoldChange::Release => {
                        diesel::delete(holds::table.find(record.campaign.0)).execute(connection)?;
                    }
                }
                if let Some(budget) = &record.budget {
                    let row = DayBudgetRow::new(record.campaign, record.remote, budget);
                    diesel::insert_into(day_budgets::table)
                        .values(&row)
                        .on_conflict(day_budgets::campaign_id)
                        .do_update()
                        .set(&row)
                        .execute(connection)?;
                }
            }
            let Some(entry) = &entry else { return Ok(None) };
            let steps = StepRow::new(&entry.action);
            let id = match entry.id {
                Some(JournalId(id)) => Some(id),
                // An earlier attempt may have stored the entry, if its connection broke after the commit.
                None => journal::table
                    .inner_join(journal_steps::table)
                    .filter(journal::campaign_id.eq(record.campaign.0))
                    .filter(journal::trafficstar_id.eq(record.remote.0))
                    .filter(journal::requested_at.eq(Stamp::from(entry.action.requested_at)))
                    .filter(journal::kind.eq(word(entry.action.kind)))
                    .filter(diesel::dsl::sql::<Bool>(IS_UNFINISHED))
                    .select(journal::id)
                    .first(connection)
                    .optional()?,
            };
            if let Some(id) = id {
                let changed = diesel::update(journal_steps::table.find(id)).set(&steps).execute(connection)?;
                // An entry that somebody deleted is inserted again below, since every sent request must have an entry.
                if changed > 0 {
                    // An action that waited for its turn may set a later end time, or another budget: the journal must
                    // hold what is sent.
                    if entry.action.step == Step::Requested {
                        let end_time = journal::end_time.eq(Stamp::from(entry.action.end_time));
                        let budget = BudgetColumns::new(entry.action.budget.as_ref());
                        diesel::update(journal::table.find(id)).set((end_time, budget)).execute(connection)?;
                    }
                    return Ok(Some(JournalId(id)));
                }
            }
            let id: i64 = diesel::insert_into(journal::table)
                .values(DecisionRow::new(&record, entry, term.as_ref()))
                .returning(journal::id)
                .get_result(connection)?;
            diesel::insert_into(journal_steps::table)
                .values((journal_steps::journal_id.eq(id), &steps))
                .execute(connection)?;
            Ok(Some(JournalId(id)))
        })
        .map_err(StoreError::Save)
    }
}

/// Logs that a stored day cannot be read. The day begins anew: its first top-up sets an absolute amount, so that nothing
/// is paid for twice.
fn unreadable_budget(bad: &BadValue) {
    tracing::warn!("what was remembered of the day's budget is lost: {bad}");
}

/// A row of `promises`.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = promises, treat_none_as_null = true)]
struct PromiseRow {
    campaign_id: i64,
    trafficstar_id: i64,
    #[diesel(deserialize_as = TrackerText)]
    phase: String,
    since: Stamp,
    cooling_down_until: Option<Stamp>,
    end_time_owed: bool,
    stored_at: Stamp,
}

impl PromiseRow {
    fn new(record: &Record, now: DateTime<Utc>) -> Self {
        let Promise { phase, since, end_time_owed } = record.promise;
        Self {
            campaign_id: record.campaign.0,
            trafficstar_id: record.remote.0,
            phase: word(phase.word()),
            since: since.into(),
            cooling_down_until: phase.cooling_down_until().map(Stamp::from),
            end_time_owed,
            stored_at: now.into(),
        }
    }

    fn read(self) -> Result<StoredPromise, BadValue> {
        let place = Place { table: "promises", row: self.campaign_id };
        let cooling_down_until = place.time_if_any("cooling_down_until", self.cooling_down_until)?;
        let phase = match (place.word("phase", &self.phase)?, cooling_down_until) {
            (PhaseWord::Idle, _) => Phase::Idle,
            (PhaseWord::ActiveGuarded, _) => Phase::ActiveGuarded,
            (PhaseWord::PausedGuarded, _) => Phase::PausedGuarded,
            (PhaseWord::CoolingDown, Some(until)) => Phase::CoolingDown { until },
            (PhaseWord::CoolingDown, None) => {
                return Err(place.bad("cooling_down_until", "it is NULL while the phase is `cooling-down`"));
            }
        };
        let promise = Promise { phase, since: place.time("since", self.since)?, end_time_owed: self.end_time_owed };
        Ok(StoredPromise { promise, stored_at: place.time("stored_at", self.stored_at)? })
    }
}

/// A row of `journal`: the decision and its reason.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = journal)]
pub(super) struct DecisionRow {
    pub(super) campaign_id: i64,
    pub(super) trafficstar_id: i64,
    #[diesel(deserialize_as = TrackerText)]
    kind: String,
    #[diesel(deserialize_as = TrackerText)]
    trigger: String,
    #[diesel(deserialize_as = TrackerText)]
    reason: String,
    spend_micros: Option<i64>,
    remaining_clicks: Option<i64>,
    #[diesel(deserialize_as = TrackerText)]
    remote_status: String,
    #[diesel(deserialize_as = TrackerText)]
    state_before: String,
    #[diesel(deserialize_as = TrackerText)]
    state_after: String,
    end_time: Stamp,
    #[diesel(deserialize_as = OptionalTrackerText)]
    pub(super) by: Option<String>,
    late: bool,
    requested_at: Stamp,
    epoch: Option<i64>,
    #[diesel(embed)]
    budget: BudgetColumns,
}

impl DecisionRow {
    fn new(record: &Record, entry: &Entry, term: Option<&LeaseTerm>) -> Self {
        let action = &entry.action;
        Self {
            campaign_id: record.campaign.0,
            trafficstar_id: record.remote.0,
            kind: word(action.kind),
            trigger: word(action.trigger),
            reason: action.reason.clone(),
            spend_micros: action.spend.map(|spend| spend.micros()),
            remaining_clicks: action.remaining_clicks.map(column_clicks),
            remote_status: word(action.remote_status),
            state_before: word(action.state_before),
            state_after: word(action.state_after),
            end_time: action.end_time.into(),
            by: entry.by.clone(),
            late: action.late,
            requested_at: action.requested_at.into(),
            epoch: term.map(|term| term.epoch.0),
            budget: BudgetColumns::new(action.budget.as_ref()),
        }
    }
}

/// A row of `journal_steps`: the step that the action has reached, and the times of its steps.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = journal_steps, treat_none_as_null = true)]
pub(super) struct StepRow {
    #[diesel(deserialize_as = TrackerText)]
    step: String,
    accepted_at: Option<Stamp>,
    confirmed_at: Option<Stamp>,
    failed_at: Option<Stamp>,
    #[diesel(deserialize_as = OptionalTrackerText)]
    error: Option<String>,
}

impl StepRow {
    fn new(action: &Action) -> Self {
        Self {
            step: word(action.step),
            accepted_at: action.accepted_at.map(Stamp::from),
            confirmed_at: action.confirmed_at.map(Stamp::from),
            failed_at: action.failed_at.map(Stamp::from),
            error: action.error.clone(),
        }
    }
}

/// Returns the action of a journal entry.
pub(super) fn action(id: i64, decision: DecisionRow, steps: StepRow) -> Result<Action, BadValue> {
    let place = Place { table: "journal", row: id };
    let place_of_steps = Place { table: "journal_steps", row: id };
    Ok(Action {
        id: ActionId(0),
        kind: place.word("kind", &decision.kind)?,
        trigger: place.word("trigger", &decision.trigger)?,
        reason: decision.reason,
        spend: decision.spend_micros.map(|micros| place.money("spend_micros", micros)).transpose()?,
        remaining_clicks: decision
            .remaining_clicks
            .map(|clicks| place.clicks("remaining_clicks", clicks))
            .transpose()?,
        remote_status: place.word("remote_status", &decision.remote_status)?,
        state_before: place.word("state_before", &decision.state_before)?,
        state_after: place.word("state_after", &decision.state_after)?,
        end_time: place.time("end_time", decision.end_time)?,
        budget: decision.budget.read(place)?,
        step: place_of_steps.word("step", &steps.step)?,
        late: decision.late,
        requested_at: place.time("requested_at", decision.requested_at)?,
        accepted_at: place_of_steps.time_if_any("accepted_at", steps.accepted_at)?,
        confirmed_at: place_of_steps.time_if_any("confirmed_at", steps.confirmed_at)?,
        failed_at: place_of_steps.time_if_any("failed_at", steps.failed_at)?,
        error: steps.error,
    })
}
