//! One campaign's session, and what the log needs besides: true times, and the values that the counter has shown.

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::campaign_occasions::CampaignOccasions;
use traffic_generator::domain::clock_difference::ClockDifference;
use traffic_generator::domain::event::{Event, QuestionId};
use traffic_generator::domain::failure::RemoteFault;
use traffic_generator::domain::journal::JournalId;
use traffic_generator::domain::machine::Machine;
use traffic_generator::domain::phase::PhaseWord;
use traffic_generator::domain::policy::Policy;
use traffic_generator::domain::remote::RemoteCampaign;
use traffic_generator::domain::spend::SpendReading;
use traffic_generator::guard::session::{Beginning, Output, Session};
use traffic_generator::guard::tick::Reading;

use super::clock::Moment;
use super::log::{CounterSeen, Restored, Seen};
use super::remote::id_of;

/// One machine of a campaign. Answers for it do not reach a later machine of the same campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) campaign: usize,
    pub(crate) number: u64,
}

#[derive(Debug)]
pub(crate) struct Campaign {
    pub(crate) life: Life,
    pub(crate) session: Session,
    /// When it is woken next; wakes at other times are out of date.
    pub(crate) wakes_at: Option<DateTime<Utc>>,
    /// When the tick began.
    began: Option<Moment>,
    /// When the request for the tick's status was sent, and when its answer came.
    answered: Option<(Option<DateTime<Utc>>, Moment)>,
    /// The values that its counter has shown.
    counter: Option<CounterSeen>,
    /// How far the guard's clock was ahead when the last status was answered, by the answer's `Date`.
    clock_ahead_by: Option<Duration>,
    /// The tick whose reading is next delivered to the machine for the first time.
    just_read: Option<QuestionId>,
}

impl Campaign {
    pub(crate) fn new(
        now: Moment,
        policy: &Policy,
        restored: Restored,
        entry: Option<JournalId>,
        life: Life,
        shows_steps: bool,
    ) -> Self {
        let unfinished = restored.unfinished.clone();
        let entry = unfinished.as_ref().map(|action| action.id).zip(entry);
        let machine = Machine::new(now.wall, policy, restored.promise, unfinished)
            .having_set(restored.own_end_time)
            .having_budget(restored.budget, None)
            .having_done(restored.newest.as_deref())
            .on_hold(restored.hold, restored.hold_on_all);
        let (remote, policy) = (id_of(life.campaign), policy.clone());
        let occasions = CampaignOccasions::new(now.wall, restored.occasions);
        Self {
            life,
            session: Session::new(Beginning { remote, policy, machine, occasions, entry, shows_steps }),
            wakes_at: None,
            began: None,
            answered: None,
            counter: None,
            clock_ahead_by: None,
            just_read: None,
        }
    }

    pub(crate) fn phase(&self) -> PhaseWord {
        self.session.machine().phase().word()
    }

    /// Returns the session's outputs, and after how long it has to be woken, if that has changed.
    pub(crate) fn go_on(&mut self, now: Moment) -> (Vec<Output>, Option<Duration>) {
        let outputs = self.session.take_outputs();
        let wakes = self.session.wakes_after(now.wall);
        if self.wakes_at.is_some() && wakes.is_some_and(|wakes| wakes.unless_armed) {
            return (outputs, None);
        }
        let wakes_at = wakes.map(|wakes| now.at + wakes.after);
        let is_new = std::mem::replace(&mut self.wakes_at, wakes_at) != wakes_at;
        (outputs, wakes.map(|wakes| wakes.after).filter(|_| is_new))
    }

    /// Notes that a tick reads from the database: at its start, or again because its clicks are too old. Only the read
    /// at its start begins the tick.
    pub(crate) fn asks_database(&mut self, now: Moment) {
        if self.session.ticking_since() == Some(now.wall) {
            (self.began, self.answered) = (Some(now), None);
        }
    }

    /// Delivers the status. `sent_at` is when its request was sent.
    pub(crate) fn status_came(
        &mut self,
        now: Moment,
        question_id: QuestionId,
        sent_at: Option<DateTime<Utc>>,
        status: Result<RemoteCampaign, RemoteFault>,
    ) {
        let clock = self.clock(now, sent_at);
        self.answered = Some((sent_at, now));
        self.session.status_came(now.wall, question_id, status, clock);
    }

    /// Returns the clock difference that the answer shows.
    pub(crate) fn clock(&mut self, now: Moment, sent_at: Option<DateTime<Utc>>) -> Option<ClockDifference> {
        if sent_at.is_some() {
            self.clock_ahead_by = Some(now.ahead_by());
        }
        self.clock_ahead_by.map(ClockDifference)
    }

    /// Returns what a tick has read, for the log.
    pub(crate) fn seen(&mut self, now: Moment, reading: &Reading) -> Seen {
        self.just_read = Some(reading.question_id);
        let began = self.began.unwrap_or(now);
        let remote_at = reading.observation.remote_at;
        // Without an answer: when it was known that there would be none.
        let (sent_at, answered) =
            self.answered.take().filter(|(_, answered)| answered.wall == remote_at).unwrap_or_else(|| {
                (None, Moment { at: now.at - now.wall.signed_duration_since(remote_at), wall: remote_at, ..now })
            });
        let counter = self.counter;
        self.note_counter(reading, began, answered);
        Seen {
            question_id: reading.question_id,
            began_at: began.at,
            sent_at,
            answered_at: answered.at,
            began_at_wall: began.wall,
            answered_at_wall: answered.wall,
            spend_day: reading.day,
            remote: reading.observation.remote.clone(),
            report: reading.report.clone(),
            counter,
            stored: reading.history.clone(),
            clicks: reading.observation.clicks.clone(),
            first_clicks: reading.first_clicks,
            spend: reading.observation.spend.clone(),
            policy: reading.policy.clone(),
            clock_ahead_by: self.clock_ahead_by,
        }
    }

    /// Whether this event is delivered for the first time, so that a storm may deliver it again.
    pub(crate) fn is_first_delivery(&mut self, event: &Event) -> bool {
        let Event::Observed { question_id, .. } = event else { return false };
        self.just_read.take_if(|read| read == question_id).is_some()
    }

    /// Keeps the counter's raw values for the log, so that checkers can judge them by themselves.
    fn note_counter(&mut self, reading: &Reading, began: Moment, answered: Moment) {
        let Ok(campaign) = &reading.observation.remote else { return };
        let day = answered.wall.date_naive();
        if began.wall.date_naive() != day || reading.day != Some(day) {
            return;
        }
        let shown = match campaign.spent_today {
            SpendReading::Value(amount) => Some(amount),
            SpendReading::NoValue => None,
            SpendReading::NoSource | SpendReading::Failed(_) => return,
        };
        let new = CounterSeen { day, least: shown, last: shown, fell_to: None };
        let seen = self.counter.filter(|known| known.day == day).unwrap_or(new);
        let falls = (shown < seen.last).then(|| seen.fell_to.map_or(shown, |least| least.min(shown)));
        let fell_to = falls.or(seen.fell_to);
        self.counter = Some(CounterSeen { day, least: seen.least.min(shown), last: shown, fell_to });
    }
}
