//! What is known of one campaign's budget on a day: what is paid for, what is gathered, and since when it waits. Written
//! from RULES.md, "Top-up".

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use traffic_generator::domain::action::{ActionKind, Outcome, Step as ActionStep};
use traffic_generator::domain::budget::DayBudget;
use traffic_generator::domain::event::{Effect, Event, Note};
use traffic_generator::domain::ids::UrlId;
use traffic_generator::domain::money::{Money, UrlCount};
use traffic_generator::domain::phase::Phase;
use traffic_generator::domain::policy::{HighSpend, Mode};

use super::judge::{self, ClickClass, Remote, SpendClass};
use super::shadow::Facts;
use super::world::{Place, Stage, Step, World};
use crate::model::log::{Line, Seen};

type UrlClicks = BTreeMap<UrlId, u64>;

/// The time that a request and its read-back may take, twice, and two ticks.
const SLACK: Duration = Duration::minutes(10);

/// One campaign's day.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    day: Option<(NaiveDate, Mode)>,
    /// The same day in the other mode. After a crash it may come back.
    other: Option<Box<Ledger>>,
    /// The clicks of each URL that are paid for; `None` before the first top-up.
    paid: Option<UrlClicks>,
    /// The last top-up that was sent, and what is paid for once it has taken effect.
    pending: Option<(Money, UrlClicks)>,
    highest_limits: UrlClicks,
    /// Since when each URL that came later is known to be gathered: the line and the wall clock.
    gathered_since: Option<(usize, DateTime<Utc>)>,
    gathered: UrlClicks,
    /// Since when the campaign is stopped for its first top-up, and whether a read has shown that.
    waits_since: Option<(usize, DateTime<Utc>, bool)>,
    /// The end of the wait as it was stored last, once it is fixed.
    stored_wait: Option<StoredWait>,
    has_first_budget: bool,
    /// Whether the day is one that a crash brought back: since when its URLs are gathered is then not known.
    is_restored: bool,
    /// Since when the first top-up, or the next one, has been due: the true time.
    due_since: Option<DateTime<Utc>>,
}

/// The end of a wait as it was stored: of which day, and whether that is only observed.
#[derive(Debug, Clone, Copy)]
struct StoredWait {
    of: (NaiveDate, bool),
    until: DateTime<Utc>,
    line: usize,
}

/// Whether a budget is the wanted one or more: less than a cent is no difference.
pub(super) fn is_enough(shown: Money, wanted: Money) -> bool {
    shown.micros() + 10_000 > wanted.micros()
}

impl Ledger {
    pub(super) const fn paid(&self) -> Option<&UrlClicks> {
        self.paid.as_ref()
    }

    pub(super) const fn has_first_budget(&self) -> bool {
        self.has_first_budget
    }

    /// A record that was not stored may have said that the day has its first budget.
    pub(super) const fn forget_first_budget(&mut self) {
        self.has_first_budget = false;
    }

    pub(super) fn highest_limit(&self, url: UrlId) -> u64 {
        self.highest_limits.get(&url).copied().unwrap_or(0)
    }

    /// Returns the clicks that are gathered and not paid for, of URLs whose limit was not lowered since.
    pub(super) fn unpaid(&self, urls: &[UrlCount]) -> Vec<(UrlId, u64)> {
        let still = |(url, limit): (&UrlId, &u64)| {
            let present = urls.iter().find(|count| count.id == *url).map_or(*limit, |count| count.limit.0);
            let paid = self.paid.as_ref().and_then(|paid| paid.get(url)).copied().unwrap_or(0);
            let clicks = present.min(*limit).saturating_sub(paid);
            (clicks > 0).then_some((*url, clicks))
        };
        self.gathered.iter().filter_map(still).collect()
    }

    /// Takes in a read, before the step's requests are judged.
    pub(super) fn take_read(&mut self, place: &Place<'_>, step: &Step<'_>) {
        let read = place.read_of(step);
        let asked = |question_id| place.observing.is_some_and(|question| question.question_id == question_id);
        let is_tick = matches!(step.event, Event::Observed { question_id, .. } if asked(*question_id));
        let seen = step.seen.filter(|seen| is_tick && seen.policy.high_spend == HighSpend::TopUp);
        if let Some(seen) = seen {
            self.begin_day(step.wall, seen.policy.mode);
        }
        let is_used = seen.is_some() || matches!(step.event, Event::ReadBack { .. });
        if let (Some((amount, after)), Some(shown)) = (&self.pending, read.and_then(|read| read.max_daily))
            && is_enough(shown, *amount)
            && is_used
        {
            self.pay(after.clone());
        }
        if let (Some((.., is_fixed)), Some(read)) = (&mut self.waits_since, read) {
            *is_fixed = *is_fixed || judge::shows_stopped(&Ok(read.clone()), step.wall);
        }
        let Some(seen) = seen else { return };
        let urls = seen.clicks.as_ref().ok().and_then(|clicks| clicks.urls.as_ref());
        self.take_urls(step, urls.map_or(&[], Vec::as_slice));
        if read.is_some() {
            self.take_wait(place, step, seen);
        }
    }

    /// At 00:00 UTC everything is forgotten. What was only observed belongs to another day.
    fn begin_day(&mut self, wall: DateTime<Utc>, mode: Mode) {
        let day = (wall.date_naive(), mode);
        if self.day != Some(day) {
            let is_same_date = self.day.is_some_and(|(date, _)| date == day.0);
            let new = Self { day: Some(day), stored_wait: self.stored_wait, ..Self::default() };
            let old = std::mem::replace(self, new);
            self.other = is_same_date.then(|| Box::new(old));
        }
    }

    /// A process begins with what is stored: maybe the day in the other mode.
    pub(super) fn restore(&mut self, budget: Option<&DayBudget>) {
        let stored = budget.map(|budget| (budget.day, if budget.is_observed { Mode::Observe } else { Mode::Act }));
        if self.day != stored
            && let Some(other) = self.other.take_if(|other| other.day == stored)
        {
            *self = *other;
        }
        // A day that began anew by a change of the mode was not stored.
        if let (Some(counted), None) = (budget.and_then(|budget| budget.counted.as_ref()), &self.paid)
            && self.day == stored
        {
            self.paid = Some(counted.iter().map(|(url, clicks)| (*url, clicks.0)).collect());
            self.is_restored = true;
        }
    }

    fn pay(&mut self, paid: UrlClicks) {
        (self.paid, self.pending, self.gathered_since, self.due_since) = (Some(paid), None, None, None);
        self.gathered.clear();
    }

    fn take_urls(&mut self, step: &Step<'_>, urls: &[UrlCount]) {
        for url in urls {
            let highest = self.highest_limits.entry(url.id).or_default();
            *highest = (*highest).max(url.limit.0);
        }
        let Some(paid) = &self.paid else { return };
        for url in urls {
            let before = paid.get(&url.id).copied().unwrap_or(0);
            let is_new = !paid.contains_key(&url.id);
            // It counts from the moment when it is active; a new one also if it has had clicks.
            let counts = url.is_active || is_new && url.clicks.0 > 0 || self.gathered.contains_key(&url.id);
            if url.limit.0 <= before {
                self.gathered.remove(&url.id);
            } else if counts {
                self.gathered.insert(url.id, url.limit.0);
            }
        }
        if self.gathered.is_empty() {
            (self.gathered_since, self.due_since) = (None, None);
        } else if self.gathered_since.is_none() {
            self.gathered_since = Some((step.line, step.wall));
        }
    }

    /// The wait begins when a tick sees the campaign stopped at the limit, or when the pause is answered.
    fn take_wait(&mut self, place: &Place<'_>, step: &Step<'_>, seen: &Seen) {
        let facts = Facts::of(seen, step.wall);
        let is_stopped = !facts.remote.may_run();
        match (facts.spend, self.waits_since) {
            // The pause has failed: the wait begins again with the next one.
            (_, Some((.., false))) if facts.remote.may_run() && place.open().is_none() => self.waits_since = None,
            (_, Some((line, wall, false))) if is_stopped => self.waits_since = Some((line, wall, true)),
            (SpendClass::Above, None) if is_stopped => self.waits_since = Some((step.line, step.wall, true)),
            (..) => {}
        }
    }

    /// Takes in the whole step.
    pub(super) fn take_step(&mut self, place: &Place<'_>, step: &Step<'_>) {
        self.take_due(place, step);
        for sent in step.sent() {
            let parts = sent.entry.and_then(|entry| entry.budget.as_ref()).map(|budget| &budget.parts.urls);
            if let (ActionKind::TopUp, Some(parts)) = (sent.request.kind, parts) {
                let mut after = self.paid.clone().unwrap_or_else(|| of_first(step));
                for part in parts.iter().filter(|_| self.paid.is_some()) {
                    *after.entry(part.url).or_default() += part.clicks.0;
                }
                self.pending = Some((sent.request.max_daily, after));
            }
        }
        let is_enough = |effect: &Effect| match effect {
            Effect::Note(Note::BudgetLeft(_)) => true,
            Effect::Note(Note::TopUpRefused(why)) => why.contains(" is left: "),
            _ => false,
        };
        if step.has(is_enough) {
            let mut after = self.paid.clone().unwrap_or_else(|| of_first(step));
            after.extend(self.gathered.clone());
            self.pay(after);
        }
        self.take_end(place, step);
        let Event::Applied { action, outcome } = step.event else { return };
        let Some(doing) = place.open().filter(|doing| doing.id == *action && doing.stage == Stage::InFlight) else {
            return;
        };
        match (doing.kind, outcome) {
            (ActionKind::TopUp, Outcome::NotSent(_)) => self.pending = None,
            (ActionKind::Pause, Outcome::Accepted | Outcome::Unclear(_)) => {
                let is_fixed = self.waits_since.is_some_and(|(.., fixed)| fixed);
                let is_reached =
                    place.seen.is_some_and(|(_, seen)| Facts::of(seen, step.wall).spend == SpendClass::Above);
                if !is_fixed && is_reached {
                    self.waits_since = Some((step.line, step.wall, false));
                }
            }
            _ => {}
        }
    }

    /// A top-up that was never sent pays for nothing.
    fn take_end(&mut self, place: &Place<'_>, step: &Step<'_>) {
        let Some(doing) = &place.doing else { return };
        let end = step.end_of(doing.id).map(|(_, end)| end);
        match doing.kind {
            ActionKind::TopUp if end.is_some() && doing.stage == Stage::Postponed => self.pending = None,
            ActionKind::DailyBudget if end == Some(ActionStep::Confirmed) => self.has_first_budget = true,
            _ => {}
        }
    }

    /// Returns why a top-up is too early; `None` if it is not.
    pub(super) fn too_early(
        &self,
        world: &World<'_>,
        place: &Place<'_>,
        step: &Step<'_>,
        seen: &Seen,
    ) -> Option<String> {
        let spans = |span: fn(&traffic_generator::domain::policy::Policy) -> Duration| {
            [span(&seen.policy)].into_iter().chain(place.policies().map(span)).min().unwrap_or_default()
        };
        let (since, span) = if self.paid.is_none() {
            (self.waits_since.map(|(line, wall, _)| (line, wall)), spans(|policy| policy.top_up_wait))
        } else {
            (self.gathered_since, spans(|policy| policy.top_up_interval))
        };
        let Some((line, wall)) = since else {
            return Some("nothing is waited for".to_owned());
        };
        let is_early = step.wall < wall + span && !world.clock_set_since(line) && !self.is_restored;
        is_early.then(|| format!("it waits since {wall}, for {span}"))
    }

    /// Returns why the end of a wait must not have changed; `None` if it may.
    pub(super) fn wrongly_moved_wait(&mut self, world: &World<'_>, index: usize, budget: &DayBudget) -> Option<String> {
        let of = (budget.day, budget.is_observed);
        let fixed = budget.wait.filter(|wait| wait.is_paused);
        let fixed = fixed.map(|wait| StoredWait { of, until: wait.until, line: index });
        let (before, now) = std::mem::replace(&mut self.stored_wait, fixed).zip(fixed)?;
        let is_moved = before.of == now.of && before.until != now.until && !world.clock_set_since(before.line);
        is_moved.then(|| format!("its wait ended at {}, and now at {}", before.until, now.until))
    }

    /// Follows since when a top-up is due and nothing prevents it.
    fn take_due(&mut self, place: &Place<'_>, step: &Step<'_>) {
        let Some(seen) = step.seen.filter(|_| matches!(step.event, Event::Observed { .. })) else { return };
        if seen.policy.high_spend != HighSpend::TopUp {
            self.due_since = None;
            return;
        }
        let facts = Facts::of(seen, step.wall);
        let policy = &seen.policy;
        let campaign = seen.remote.as_ref().ok();
        let price = policy.price_per_thousand.or(campaign.and_then(|campaign| campaign.price_per_thousand));
        let spend = judge::spend(seen, step.wall);
        let has_terms = price.is_some_and(|price| price > Money::ZERO) && policy.top_up_ceiling > spend;
        let is_readable = matches!(facts.remote, Remote::Running | Remote::Stopped { .. });
        let has_clicks = matches!(facts.clicks, ClickClass::Between | ClickClass::Enough);
        let has_budget = campaign.is_some_and(|campaign| campaign.max_daily.is_some());
        let acts = policy.mode == Mode::Act;
        let is_free = place.holding(step.wall).is_none() && step.wall.time() < policy.day_end;
        let is_wanted = if self.paid.is_none() { facts.spend == SpendClass::Above } else { !self.gathered.is_empty() };
        let can = acts && has_terms && is_readable && has_clicks && has_budget && is_free && spend.is_some();
        self.due_since = (can && is_wanted).then(|| self.due_since.unwrap_or(step.at));
    }

    /// After the last fault a top-up that is due comes. Returns what has not come.
    pub(super) fn never_topped_up(&self, world: &World<'_>, place: &Place<'_>, line: &Line) -> Option<String> {
        let (_, seen) = place.seen?;
        let calm_at = world.calm_at?;
        let due_since = self.due_since?.max(calm_at + Duration::minutes(15));
        let wait = seen.policy.top_up_wait.max(seen.policy.top_up_interval);
        let is_late = line.at - due_since > wait + SLACK && world.requests_per_minute >= 25;
        let cools = matches!(place.phase, Phase::CoolingDown { until } if line.wall < until);
        (is_late && !cools && place.lives).then(|| format!("a top-up is due since {due_since}: {self:?}"))
    }
}

/// Returns what is paid for after the first top-up: the whole limits of active URLs, and the clicks of the others.
fn of_first(step: &Step<'_>) -> UrlClicks {
    let urls = step.seen.and_then(|seen| seen.clicks.as_ref().ok()?.urls.as_ref());
    let paid = |url: &UrlCount| {
        let paid = if url.is_active { url.limit.0 } else { url.clicks.0.min(url.limit.0) };
        (url.id, paid)
    };
    urls.into_iter().flatten().map(paid).collect()
}
