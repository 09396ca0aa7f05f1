//! Promises and the journal: what must outlive a crash.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::Store;
use super::connection::StoreConnection;
use super::error::{Fault, StoreError};
use super::hold::HoldRow;
use super::pools::{db, db_write};
use super::rows::{LeaseState, LeaseTerm};
use super::schema::{campaigns, holds, journal, journal_steps, promises};
use super::values::{BadValue, OptionalTrackerText, Place, Stamp, TrackerText, column_clicks};
use crate::domain::action::{Action, ActionId, ActionKind, Step};
use crate::domain::ids::{CampaignId, RemoteId};
use crate::domain::journal::JournalId;
use crate::domain::order::HoldChange;
use crate::domain::phase::{Phase, PhaseWord, Promise};
use crate::domain::status::Hold;
use crate::domain::text::word;

/// A promise, and when it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredPromise {
    /// What was promised.
    pub promise: Promise,
    /// When it was stored.
    pub stored_at: DateTime<Utc>,
}

/// What an actor starts from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredCampaign {
    /// The promise, if one was ever stored for this `trafficstar_id`.
    pub promise: Option<StoredPromise>,
    /// The newest action that was sent, or about to be, and whose end was not seen. Its [`ActionId`] is 0: numbers belong
    /// to an actor's life, which ended.
    pub unfinished: Option<(JournalId, Action)>,
    /// The operator's hold on it; one whose time is up may still be there.
    pub hold: Option<Hold>,
    /// The end time of its newest entry that is no pause: of its last activation, or of an end time that was set alone.
    pub own_end_time: Option<DateTime<Utc>>,
    /// The newest entries, the newest first, each with the operator who ordered it, if one did: to be shown. One that cannot
    /// be read is left out.
    pub recent: Vec<(Action, Option<String>)>,
}

/// So many of the newest entries are shown of a campaign whose actor is built anew.
const RECENT: i64 = 5;

/// A transition to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whose.
    pub campaign: CampaignId,
    /// The campaign at TrafficStars that the promise is about.
    pub remote: RemoteId,
    /// What is promised from now on.
    pub promise: Promise,
    /// What is done about it.
    pub entry: Option<Entry>,
    /// What becomes of the operator's hold.
    pub hold: HoldChange,
}

/// A journal entry to write or to bring up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `None` writes a new entry; of one that is there already only how far it got is changed.
    pub id: Option<JournalId>,
    /// What, why, and how far.
    pub action: Action,
    /// The operator who ordered it, if one did: uid and name.
    pub by: Option<String>,
}

impl Record {
    /// What is left to store of a leadership that is over: the entry of a pause that was sent before it could be stored, and
    /// whose further steps are nobody's any more. None: there is no such thing.
    fn sent_unstored(&self, now: DateTime<Utc>) -> Option<Entry> {
        let may_have_left = |action: &Action| action.accepted_at.is_some() || action.step == Step::Requested;
        let mut entry = self
            .entry
            .clone()
            .filter(|entry| entry.id.is_none() && entry.action.late && may_have_left(&entry.action))?;
        if matches!(entry.action.step, Step::Requested | Step::Accepted) {
            entry.action.step = Step::Failed;
            entry.action.failed_at = Some(now);
            entry.action.error = Some("its end was not seen: another supervisor leads since then".to_owned());
        }
        Some(entry)
    }
}

/// Steps after which something is still to come, written as the index on them is: the databases use it for no other text.
pub(super) const IS_UNFINISHED: &str = "step IN ('requested', 'accepted')";

impl Store {
    /// What was stored for a campaign. `None`: there is no such row. A promise made, and an action sent, for another
    /// `trafficstar_id` than the row's present one are not this campaign's.
    ///
    /// # Errors
    /// The database does not answer, or holds a value of our own that makes no sense.
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
                let recent = recent.into_iter().filter_map(|(id, mut decision, steps)| {
                    let by = decision.by.take();
                    action(id, decision, steps).ok().map(|action| (action, by))
                });
                let hold: Option<HoldRow> =
                    holds::table.find(id.0).select(HoldRow::as_select()).first(connection).optional()?;
                Ok(Some(StoredCampaign {
                    hold: hold.map(|row| row.read(id.0)),
                    recent: recent.collect(),
                    // One that cannot be read keeps no campaign unguarded.
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

    /// Every promise that is stored for its campaign's present `trafficstar_id`; for one that makes no sense, what is
    /// wrong with it.
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

    /// Stores a transition: the promise and the journal entry together or not at all. On return it outlives a power cut.
    /// The entry's id, if there is one. A campaign whose row has gone keeps its journal alone. Of a leadership that is over,
    /// which may have sent a pause while the database was away, that pause's entry is stored and nothing else: the rest is
    /// the next leader's.
    ///
    /// # Errors
    /// The database does not answer, or the store's leadership does not last; then nothing was stored.
    pub async fn save(&self, record: Record, now: DateTime<Utc>) -> Result<Option<JournalId>, StoreError> {
        let term = self.term.clone();
        db_write!(self, move |connection| {
            let lease_state = term.as_ref().map_or(Ok(LeaseState::Lasts), |term| connection.lease_state(term))?;
            let entry = match lease_state {
                LeaseState::Lasts => record.entry.clone(),
                LeaseState::Over => Some(record.sent_unstored(now).ok_or(Fault::NotLeading)?),
                LeaseState::RunOut => return Err(Fault::NotLeading),
            };
            if lease_state == LeaseState::Lasts && !connection.hold_campaigns(&[record.campaign.0])?.is_empty() {
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
            }
            let Some(entry) = &entry else { return Ok(None) };
            let steps = StepRow::new(&entry.action);
            let id = match entry.id {
                Some(JournalId(id)) => Some(id),
                // A connection that broke over the commit may have stored it, and nobody was told.
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
                // An entry that somebody deleted is written anew: what was sent has one, always.
                if changed > 0 {
                    // What waited for its turn sets another end time in the end: the journal says what was sent.
                    if entry.action.step == Step::Requested {
                        let end_time = journal::end_time.eq(Stamp::from(entry.action.end_time));
                        diesel::update(journal::table.find(id)).set(end_time).execute(connection)?;
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

/// A row of `journal`: what was decided, and why.
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
        }
    }
}

/// A row of `journal_steps`: how far it got.
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

/// The action of a journal entry.
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
        step: place_of_steps.word("step", &steps.step)?,
        late: decision.late,
        requested_at: place.time("requested_at", decision.requested_at)?,
        accepted_at: place_of_steps.time_if_any("accepted_at", steps.accepted_at)?,
        confirmed_at: place_of_steps.time_if_any("confirmed_at", steps.confirmed_at)?,
        failed_at: place_of_steps.time_if_any("failed_at", steps.failed_at)?,
        error: steps.error,
    })
}
