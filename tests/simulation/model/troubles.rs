//! Carries out a storm's troubles, one by one.

use chrono::{Duration, NaiveTime};
use traffic_generator::domain::action::Trigger;
use traffic_generator::domain::event::Event;
use traffic_generator::domain::money::{Clicks, Money};
use traffic_generator::domain::order::{Force, ForceKind, OrderId};
use traffic_generator::domain::policy::{Mode, PolicyNumbers};
use traffic_generator::domain::spend::{Spend, SpendSource};
use traffic_generator::domain::status::Hold;

use super::guard::Guard;
use super::log::{By, Row, What};
use super::remote::Ways;
use super::storm::{Storm, Trouble};
use super::weather::Weather;

/// In calm, too, a change shows only after a moment.
const CALM_WAYS: Ways = Ways { shows_after: Duration::seconds(2), ..Ways::PROMPT };

impl Storm {
    pub(super) fn strike(&mut self, guard: &mut Guard, trouble: Trouble) {
        let at = guard.now().at;
        match trouble {
            Trouble::Weather(weather) => guard.outside.weather = weather,
            Trouble::Ways(ways) => guard.outside.remote.set_ways(at, ways),
            Trouble::Foreign(campaign) => self.interfere(guard, campaign),
            Trouble::Block(campaign, block) => guard.outside.set_block(at, campaign, block),
            Trouble::Exists(campaign, exists) => {
                let switched = guard.outside.remote.set_exists(at, campaign, exists);
                guard.outside.switched(at, switched, By::TrafficStars);
            }
            Trouble::UnknownWord(campaign, is_unknown) => {
                guard.outside.remote.set_unknown_word(at, campaign, is_unknown);
            }
            Trouble::Odd(campaign, odd) => guard.outside.remote.set_odd(at, campaign, odd),
            Trouble::Funds(campaign, funds) => guard.outside.set_funds(at, campaign, funds),
            Trouble::LateCounter(campaign, late) => guard.outside.remote.set_late_counter(at, campaign, late),
            Trouble::RefusedId(campaign, status) => {
                guard.outside.remote.set_refused(campaign, status);
                guard.note(What::RefusedId { campaign, status });
            }
            Trouble::KnownYesterday(campaign, micros) => know_yesterday(guard, campaign, micros),
            Trouble::FailingReports(percent) => guard.outside.weather.failing_reports = percent,
            Trouble::Clicks(campaign) => self.change_clicks(guard, campaign),
            Trouble::Defect(campaign, true) => drop(self.defects.insert(campaign)),
            Trouble::Defect(campaign, false) => drop(self.defects.remove(&campaign)),
            Trouble::Money(campaign) => {
                let micros = self.random.within(0..self.policy.spend_limit.micros() / 2 + 1);
                guard.outside.remote.spend(at, campaign, micros);
            }
            Trouble::Order(campaign) => self.order(guard, campaign),
            Trouble::Force(campaign, kind) if guard.has_machine(campaign) => self.force(guard, campaign, kind),
            Trouble::Tick(campaign) if guard.has_machine(campaign) => {
                let order = self.number();
                guard.deliver(campaign, Event::Process { order });
            }
            Trouble::Force(..) | Trouble::Tick(_) => {}
            Trouble::UsedUp(campaign, used_up) => {
                let clicks = if used_up { self.policy.pause_clicks } else { self.policy.activate_clicks };
                let clicks = i64::try_from(clicks.0).unwrap_or(0);
                let present = guard.outside.tracker.clicks(at, campaign);
                guard.outside.tracker.add_clicks(at, campaign, clicks - present);
            }
            Trouble::LimitReached(campaign) => {
                let limit = guard.database.row(campaign).map_or(0, |row| row.policy.spend_limit.micros());
                guard.outside.remote.spend_up_to(at, campaign, limit);
            }
            Trouble::ClicksAt(campaign, clicks) => {
                let clicks = i64::try_from(clicks.0).unwrap_or(0);
                let present = guard.outside.tracker.clicks(at, campaign);
                guard.outside.tracker.add_clicks(at, campaign, clicks - present);
            }
            Trouble::Urls(campaign) => guard.outside.change_urls(at, campaign, &mut self.budgets.random),
            Trouble::PersonsBudget(campaign) => {
                let policy = guard.database.row(campaign).map(|row| row.policy.clone());
                let amount = policy.and_then(|policy| self.budgets.of_a_person(&policy));
                if let Some(amount) = amount {
                    let switched = guard.outside.remote.set_budget(at, campaign, amount);
                    guard.outside.switched(at, switched, By::Others);
                    guard.note(What::Touched { campaign });
                }
            }
            Trouble::HoldAll => self.hold_all(guard),
            Trouble::ReleaseAll => self.release_all(guard),
            Trouble::Row(campaign) => self.change_numbers(guard, campaign),
            Trouble::Limits(campaign) => self.change_limits(guard, campaign),
            Trouble::Disable(campaign) => self.disable(guard, campaign),
            Trouble::Disabled(campaign, life) => self.disabled(guard, campaign, life),
            Trouble::Enable(campaign) => enable(guard, campaign),
            Trouble::ClockSet(by_ms) => {
                guard.clock.set(Duration::milliseconds(by_ms));
                guard.note(What::ClockSet { by_ms });
            }
            Trouble::DatabaseAway(away) => self.set_database(guard, away),
            Trouble::Crash => self.crash(guard),
            Trouble::Start if guard.is_alive() => {}
            Trouble::Start if at < self.may_start_at => self.troubles.push((self.may_start_at, Trouble::Start)),
            Trouble::Start => guard.start(),
            Trouble::Calm => self.calm(guard),
            Trouble::Still => {
                for campaign in 0..self.campaigns {
                    guard.outside.tracker.set_speed(at, campaign, 0);
                    guard.outside.remote.set_speed(at, campaign, 0);
                }
            }
        }
        guard.outside.follow_budgets(at);
    }

    fn interfere(&mut self, guard: &mut Guard, campaign: usize) {
        let at = guard.now().at;
        let choice = self.random.within(0..8);
        if choice < 6 {
            let active = if choice < 2 { choice == 0 } else { !guard.outside.remote.runs(at, campaign) };
            let switched = guard.outside.remote.set_active(at, campaign, active);
            guard.outside.switched(at, switched, By::Others);
            if self.budgets.are_there {
                guard.note(What::Touched { campaign });
            }
        }
        if choice > 3 {
            let in_minutes = self.random.one_of(&[None, Some(-10), Some(3), Some(40), Some(3_000)]);
            guard.outside.set_end(at, campaign, in_minutes.map(|minutes| at + Duration::minutes(minutes)));
        }
    }

    fn change_clicks(&mut self, guard: &mut Guard, campaign: usize) {
        let at = guard.now().at;
        if self.random.chance(30) {
            guard.outside.tracker.set_speed(at, campaign, self.random.one_of(&[0, 500, 10_000, 200_000]));
        } else {
            let present = guard.outside.tracker.clicks(at, campaign);
            let numbers = &self.policy;
            let low = i64::try_from(numbers.pause_clicks.0).unwrap_or(0);
            let high = i64::try_from(numbers.activate_clicks.0).unwrap_or(0);
            let clicks = self.random.one_of(&[0, low, low + 1, (low + high) / 2, high - 1, high, high + 5_000]);
            guard.outside.tracker.add_clicks(at, campaign, clicks - present);
        }
    }

    fn number(&mut self) -> OrderId {
        self.last_order += 1;
        OrderId(self.last_order)
    }

    /// An operator's order to one campaign, as the supervisor passes it on.
    fn order(&mut self, guard: &mut Guard, campaign: usize) {
        if !guard.has_machine(campaign) {
            return;
        }
        let order = self.number();
        match self.random.within(0..6) {
            0 => guard.deliver(campaign, Event::Process { order }),
            1 => self.force(guard, campaign, ForceKind::Activate),
            2 => self.force(guard, campaign, ForceKind::Pause),
            3 | 4 => {
                let pause = self.random.chance(50);
                let hold = self.hold(guard, pause);
                guard.deliver(campaign, Event::Hold { order, hold: Some(hold.clone()) });
                if pause {
                    self.pause_for(guard, campaign, &hold, true);
                }
            }
            _ => guard.deliver(campaign, Event::Hold { order, hold: None }),
        }
    }

    fn force(&mut self, guard: &mut Guard, campaign: usize, kind: ForceKind) {
        let force = Force {
            kind,
            trigger: Trigger::Force,
            reason: "an operator's order".to_owned(),
            by: None,
            unless_stopped: false,
            once: false,
        };
        let order = self.number();
        guard.deliver(campaign, Event::Force { order, force: Box::new(force) });
    }

    /// The pause that a hold orders, as `actors::supervisor::hold` does.
    fn pause_for(&mut self, guard: &mut Guard, campaign: usize, hold: &Hold, unless_stopped: bool) {
        let force = Force {
            kind: ForceKind::Pause,
            trigger: Trigger::Operator,
            reason: format!("an operator's order, kept {}", hold.in_words()),
            by: None,
            unless_stopped,
            once: false,
        };
        let order = self.number();
        guard.deliver(campaign, Event::Force { order, force: Box::new(force) });
    }

    fn hold(&mut self, guard: &Guard, pause: bool) -> Hold {
        let since = guard.now().wall;
        let minutes = self.random.one_of(&[None, Some(1), Some(7), Some(30)]);
        Hold { reason: None, since, until: minutes.map(|minutes| since + Duration::minutes(minutes)), by: None, pause }
    }

    /// Holds all campaigns, mostly with a pause, as `pause-all` does.
    fn hold_all(&mut self, guard: &mut Guard) {
        if !guard.is_alive() {
            return;
        }
        let pause = self.random.chance(80);
        let hold = self.hold(guard, pause);
        for campaign in 0..self.campaigns {
            guard.deliver(campaign, Event::HoldAll(Some(hold.clone())));
            if pause && guard.has_machine(campaign) {
                self.pause_for(guard, campaign, &hold, false);
            }
        }
        guard.hold_on_all = Some(hold);
        self.unstored_hold = true;
        self.store_hold_all(guard);
    }

    /// Releases the hold on all. The release is stored first, since a restart would otherwise undo it.
    fn release_all(&mut self, guard: &mut Guard) {
        if !guard.is_alive() || guard.database.away {
            return;
        }
        guard.hold_on_all = None;
        self.unstored_hold = true;
        self.store_hold_all(guard);
        for campaign in 0..self.campaigns {
            guard.deliver(campaign, Event::HoldAll(None));
        }
    }

    fn store_hold_all(&mut self, guard: &mut Guard) {
        if self.unstored_hold && guard.is_alive() && !guard.database.away {
            self.unstored_hold = false;
            guard.database.hold_on_all.clone_from(&guard.hold_on_all);
            let hold = guard.hold_on_all.clone();
            guard.note(What::HoldOnAllStored { hold });
        }
    }

    fn change_numbers(&mut self, guard: &mut Guard, campaign: usize) {
        let Some(row) = guard.database.row(campaign).cloned() else { return };
        let mut numbers: PolicyNumbers = (*row.policy).clone();
        match self.random.within(0..4) {
            0 => numbers.mode = if numbers.mode == Mode::Act { Mode::Observe } else { Mode::Act },
            1 => numbers.cooldown = Duration::seconds(self.random.one_of(&[10, 120, 240])),
            2 => numbers.activate_clicks = Clicks(numbers.pause_clicks.0 + 1 + self.random.one_of(&[0, 4_000, 15_000])),
            _ => numbers.spend_limit = self.policy.spend_limit,
        }
        if self.high_spends.changes() {
            self.high_spends.change(&mut numbers);
        }
        change_row(guard, campaign, row, numbers);
    }

    /// Changes what the row says about the spend limit.
    fn change_limits(&mut self, guard: &mut Guard, campaign: usize) {
        let Some(row) = guard.database.row(campaign).cloned() else { return };
        let mut numbers: PolicyNumbers = (*row.policy).clone();
        if self.budgets.are_there {
            self.budgets.change(&mut numbers);
        } else {
            self.high_spends.change(&mut numbers);
        }
        change_row(guard, campaign, row, numbers);
    }

    /// Disables a generator. Without a pause the row is written first; with one, once the campaign is stopped.
    fn disable(&mut self, guard: &mut Guard, campaign: usize) {
        if guard.database.away || !guard.is_alive() {
            return;
        }
        let pause = self.random.chance(40);
        if let Some(life) = guard.machine_of(campaign).filter(|_| pause) {
            guard.deliver(campaign, Event::Disable { pause });
            let later = guard.now().at + Duration::seconds(self.random.within(5..90));
            self.troubles.push((later, Trouble::Disabled(campaign, life)));
        } else {
            set_enabled(guard, campaign, false);
            guard.deliver(campaign, Event::Disable { pause });
        }
    }

    /// Writes the row once the machine is gone. If the machine refuses, or a crash ends it, the row stays.
    fn disabled(&mut self, guard: &mut Guard, campaign: usize, life: u64) {
        let is_gone = match guard.machine_of(campaign) {
            Some(present) if present != life => return,
            None if !guard.is_alive() => return,
            present => present.is_none(),
        };
        if is_gone && !guard.database.away {
            set_enabled(guard, campaign, false);
        } else {
            let later = guard.now().at + Duration::seconds(5);
            self.troubles.push((later, Trouble::Disabled(campaign, life)));
        }
    }

    fn set_database(&mut self, guard: &mut Guard, away: bool) {
        if guard.database.away != away {
            guard.database.away = away;
            guard.note(What::Database { away });
        }
        self.store_hold_all(guard);
    }

    /// Kills the process. It starts again soon, and sometimes crashes again at once.
    fn crash(&mut self, guard: &mut Guard) {
        guard.crash();
        self.unstored_hold = false;
        guard.hold_on_all.clone_from(&guard.database.hold_on_all);
        let most_ms = self.random.one_of(&[50, 1_000, 10_000, 90_000]);
        // The database answers what the process asked before its end, before a new process reads.
        self.may_start_at = guard.now().at + Duration::milliseconds(self.database_ms.end);
        let starts_at = self.may_start_at + Duration::milliseconds(self.random.within(1..most_ms));
        self.troubles.push((starts_at.min(self.calm_at), Trouble::Start));
        if self.random.chance(30) {
            let lives_ms = self.random.one_of(&[20, 200, 2_000]);
            let dies_at = starts_at + Duration::milliseconds(self.random.within(1..lives_ms));
            self.troubles.extend((dies_at < self.calm_at).then_some((dies_at, Trouble::Crash)));
        }
    }

    fn calm(&mut self, guard: &mut Guard) {
        self.rages = false;
        guard.outside.weather = Weather::default();
        let ways = guard.outside.remote.ways();
        let ways = Ways { ends_switch_off: ways.ends_switch_off, id_filter: ways.id_filter, ..CALM_WAYS };
        guard.outside.remote.set_ways(guard.now().at, ways);
        self.defects.clear();
        let by_ms = guard.clock.set_right().num_milliseconds();
        guard.note(What::ClockSet { by_ms });
        self.set_database(guard, false);
        if !guard.is_alive() {
            guard.start();
        }
        guard.note(What::Calm);
    }
}

/// Enables a generator, unless its machine still exists.
fn enable(guard: &mut Guard, campaign: usize) {
    if !guard.database.away && guard.is_alive() && !guard.has_machine(campaign) {
        set_enabled(guard, campaign, true);
        guard.enable(campaign);
    }
}

/// Stores a spend of yesterday, as an earlier process would have.
fn know_yesterday(guard: &mut Guard, campaign: usize, micros: i64) {
    let now = guard.now().wall;
    let Some(amount) = Money::from_micros(micros) else { return };
    let at = now.date_naive().and_time(NaiveTime::MIN).and_utc() - Duration::minutes(2);
    let spend = Spend { amount, source: SpendSource::Campaign, day: at.date_naive(), at };
    guard.database.save_spend(campaign, &spend);
}

/// Gives a row these numbers, unless they are invalid.
fn change_row(guard: &mut Guard, campaign: usize, row: Row, numbers: PolicyNumbers) {
    let Ok(policy) = numbers.validate() else { return };
    let row = Row { policy, ..row };
    guard.database.change_row(campaign, row.clone());
    guard.note(What::RowChanged { campaign, row });
}

fn set_enabled(guard: &mut Guard, campaign: usize, enabled: bool) {
    let Some(row) = guard.database.row(campaign).cloned() else { return };
    let row = Row { enabled, ..row };
    guard.database.change_row(campaign, row.clone());
    guard.note(What::RowChanged { campaign, row });
}
