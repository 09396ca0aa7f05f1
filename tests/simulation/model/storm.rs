//! A run in which everything goes wrong at once. Its kind and all its troubles are drawn from a seed.
//!
//! After the storm it is calm: no faults, and no others change anything, so that every campaign has to reach the state
//! that its facts demand. In the last minutes the facts do not change. `troubles` carries the troubles out.

use std::collections::BTreeSet;
use std::ops::Range;

use chrono::{DateTime, Duration, NaiveTime, Utc};
use traffic_generator::domain::money::{Clicks, Money};
use traffic_generator::domain::order::ForceKind;
use traffic_generator::domain::phase::{Phase, Promise};
use traffic_generator::domain::policy::{Mode, Policy, PolicyNumbers};

use super::budgets::Budgets;
use super::clock::Clock;
use super::database::Database;
use super::doubts;
use super::guard::Guard;
use super::high_spend::HighSpends;
use super::log::{Line, Row};
use super::outside::Outside;
use super::random::Random;
use super::remote::{Block, Funds, IdFilter, LateCounter, Odd, Ways};
use super::weather::Weather;

/// How long the calm lasts: longer than anything that began in the storm may take, its longest wait included.
const CALM_FOR: Duration = Duration::minutes(75);
/// How long before the end the facts no longer change.
const STILL_FOR: Duration = Duration::minutes(20);

/// Runs a storm, and returns its log.
pub(crate) fn run(storm: Storm) -> Vec<Line> {
    let mut guard = Guard::in_a_storm(storm);
    guard.run();
    guard.log.into_lines()
}

/// A trouble.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    Weather(Weather),
    Ways(Ways),
    /// Others start, stop or edit a campaign.
    Foreign(usize),
    Block(usize, Option<Block>),
    Exists(usize, bool),
    UnknownWord(usize, bool),
    Odd(usize, Odd),
    Funds(usize, Funds),
    LateCounter(usize, LateCounter),
    RefusedId(usize, Option<u16>),
    /// The database knows yesterday's spend, in millionths.
    KnownYesterday(usize, i64),
    /// This share of reports fails, in percent.
    FailingReports(i64),
    /// URLs come or go; clicks come in a burst.
    Clicks(usize),
    /// A URL's row becomes invalid, or valid again.
    Defect(usize, bool),
    Money(usize),
    Order(usize),
    /// An operator forces this.
    Force(usize, ForceKind),
    /// An operator orders a tick.
    Tick(usize),
    /// Its clicks become used up, or plenty.
    UsedUp(usize, bool),
    /// Its spend reaches the limit of its row, if it is below.
    LimitReached(usize),
    /// Its remaining clicks become this number.
    ClicksAt(usize, Clicks),
    HoldAll,
    ReleaseAll,
    /// Its row gets other numbers, or another mode.
    Row(usize),
    /// The owner of its URLs adds, pauses, resumes or finishes one, or changes a limit.
    Urls(usize),
    /// A person sets its daily budget.
    PersonsBudget(usize),
    /// Its row gets another high-spend policy, other high thresholds or another spend limit.
    Limits(usize),
    Disable(usize),
    /// The machine with this number may have paused the campaign, so that its row can be disabled.
    Disabled(usize, u64),
    Enable(usize),
    ClockSet(i64),
    DatabaseAway(bool),
    Crash,
    Start,
    Calm,
    /// From now on no clicks are used and no money is spent.
    Still,
}

/// The number of troubles of each kind that a run draws.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    weathers: i64,
    foreign: i64,
    blocks: i64,
    clicks: i64,
    money: i64,
    orders: i64,
    rows: i64,
    clock: i64,
    databases: i64,
    crashes: i64,
}

#[derive(Debug)]
pub(crate) struct Storm {
    pub(super) random: Random,
    pub(super) high_spends: HighSpends,
    pub(super) budgets: Budgets,
    pub(crate) begins_at: DateTime<Utc>,
    pub(super) calm_at: DateTime<Utc>,
    pub(crate) ends_at: DateTime<Utc>,
    pub(crate) campaigns: usize,
    pub(crate) page_size: usize,
    strangers: usize,
    id_filter: IdFilter,
    pub(crate) requests_per_minute: u32,
    pub(crate) policy: Policy,
    pub(crate) database_ms: Range<i64>,
    latency_ms: Range<i64>,
    pub(super) rages: bool,
    /// How often an answer arrives twice, in percent.
    twice: i64,
    /// How often the answer to a commit is lost, in percent.
    lost_commits: i64,
    pub(super) defects: BTreeSet<usize>,
    pub(super) last_order: u64,
    pub(super) may_start_at: DateTime<Utc>,
    /// Whether the hold on all could not be stored yet.
    pub(super) unstored_hold: bool,
    pub(super) troubles: Vec<(DateTime<Utc>, Trouble)>,
}

/// What the filter by ids may do. It mostly works, so that reads by id are under way when other troubles come.
const ID_FILTERS: [IdFilter; 9] = [
    IdFilter::Works,
    IdFilter::Works,
    IdFilter::Works,
    IdFilter::Works,
    IdFilter::Ignored,
    IdFilter::LastAlone,
    IdFilter::OneMore,
    IdFilter::EverySecond,
    IdFilter::Miscounted,
];

/// Draws how many campaigns of the list the guard does not know, and what the filter by ids does.
fn list(seed: u64) -> (usize, IdFilter) {
    let mut random = Random::new(seed ^ 0x1157_1157);
    (random.one_of(&[0, 9, 9]), random.one_of(&ID_FILTERS))
}

impl Storm {
    /// Returns how many campaigns that the guard knows are on a page.
    pub(super) fn known_on_a_page(&self) -> usize {
        (self.page_size / (self.strangers + 1)).max(1)
    }

    pub(crate) fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let begins_at = begin(&mut random);
        let begins_at = doubts::around_midnight(seed).unwrap_or(begins_at);
        let calm_at = begins_at + Duration::minutes(random.within(30..150));
        let campaigns = if random.chance(8) { random.within(20..40) } else { random.within(1..7) };
        let campaigns = usize::try_from(campaigns).unwrap_or(1);
        let mut high_spends = HighSpends::of(seed);
        let mut budgets = Budgets::of(seed);
        let policy = budgets.policy(high_spends.policy(policy(&mut random)));
        let (slowest_database_ms, slowest_ms) = (random.one_of(&[2, 20, 20, 300]), random.one_of(&[100, 500, 3_000]));
        let (strangers, id_filter) = list(seed);
        let mut storm = Self {
            begins_at,
            calm_at,
            ends_at: end(calm_at + CALM_FOR),
            campaigns,
            page_size: random.one_of(&[10, 10, 100]),
            strangers,
            id_filter,
            requests_per_minute: random.one_of(&[200, 60, 25, 12, 12]),
            policy,
            database_ms: 1..slowest_database_ms,
            latency_ms: 20..slowest_ms,
            rages: true,
            twice: random.one_of(&[0, 0, 3, 20]),
            lost_commits: random.one_of(&[0, 0, 1, 5]),
            defects: BTreeSet::new(),
            last_order: 0,
            may_start_at: begins_at,
            unstored_hold: false,
            troubles: Vec::new(),
            random,
            high_spends,
            budgets,
        };
        storm.schedule();
        storm.add_moments(seed);
        storm.add_doubts(seed);
        storm.add_high_spends();
        storm.add_budgets();
        storm.troubles.push((storm.calm_at, Trouble::Calm));
        storm.troubles.push((storm.ends_at - STILL_FOR, Trouble::Still));
        storm
    }

    /// Returns the world at the beginning, and the database.
    pub(crate) fn build(&mut self) -> (Outside, Database) {
        let random = Random::new(self.random.next());
        let mut outside =
            Outside::empty(random, (self.page_size, self.strangers), self.calm_ways(), self.latency_ms.clone());
        let mut database = Database::new();
        let (now, random) = (self.begins_at, &mut self.random);
        let midnight = now.date_naive().and_time(NaiveTime::MIN).and_utc();
        for _ in 0..self.campaigns {
            let in_minutes = |minutes| Some(now + Duration::minutes(minutes));
            let ends = [None, Some(midnight + Duration::minutes(24 * 60 - 1)), in_minutes(-90), in_minutes(25)];
            let (active, end_time) = (random.chance(60), random.one_of(&ends));
            let limit = self.policy.spend_limit.micros();
            let spent = random.one_of(&[0, 0, limit / 2, limit * 95 / 100, limit - 10_000, limit, limit * 3 / 2]);
            outside.add(now, active, end_time, spent, random.one_of(&[0, limit / 20, limit / 2, limit * 2]));
            let (low, high) = (clicks(self.policy.pause_clicks), clicks(self.policy.activate_clicks));
            let clicks = [0, low - 1, low, low + 1, low + 100, (low + high) / 2, high - 1, high, high + 100, high * 3];
            let (clicks, an_hour) = (random.one_of(&clicks), random.one_of(&[0, 200, 5_000, 30_000]));
            let runs = outside.remote.runs(now, outside.campaigns() - 1);
            outside.tracker.add_with(now, clicks, an_hour, runs);
            if self.budgets.are_there {
                outside.add_budget(now, &self.budgets.first(&self.policy));
            }
            let enabled = random.chance(92);
            let mode = if random.chance(6) { Mode::Observe } else { Mode::Act };
            // A promise ends when its generator is disabled.
            let promise = (enabled && random.chance(40)).then(|| promise(now, self.policy.cooldown, random));
            database.add(Row { enabled, policy: self.policy.in_mode(mode) }, promise);
        }
        (outside, database)
    }

    /// Returns how many troubles were drawn; the two that end the storm do not count.
    pub(crate) fn count_troubles(&self) -> usize {
        self.troubles.len() - 2
    }

    /// Returns the same storm with only these of its troubles.
    pub(crate) fn with_troubles(mut self, kept: &[usize]) -> Self {
        let ends = self.troubles.split_off(self.count_troubles());
        let kept = kept.iter().filter_map(|index| self.troubles.get(*index).cloned());
        self.troubles = kept.chain(ends).collect();
        self
    }

    /// Describes its troubles, in the order of their time.
    pub(crate) fn describe_troubles(mut self) -> Vec<String> {
        self.troubles.sort_by_key(|(at, _)| *at);
        let words = |(at, trouble): &(DateTime<Utc>, Trouble)| format!("{} {trouble:?}", at.format("%d %H:%M:%S%.3f"));
        self.troubles.iter().map(words).collect()
    }

    /// Returns the guard's clock: right at first, unless NTP smears a leap second.
    pub(crate) fn clock(&mut self) -> Clock {
        let clock = Clock::right(self.begins_at);
        if self.random.chance(15) {
            clock.smearing_from(self.begins_at - Duration::minutes(self.random.within(0..20 * 60)))
        } else {
            clock
        }
    }

    pub(crate) fn take_troubles(&mut self) -> Vec<(DateTime<Utc>, Trouble)> {
        std::mem::take(&mut self.troubles)
    }

    /// Whether the answer to a commit arrives.
    pub(crate) fn answers_commit(&mut self) -> bool {
        !(self.rages && self.random.chance(self.lost_commits))
    }

    /// Returns after how long an answer arrives a second time, if it does.
    pub(crate) fn hears_twice(&mut self) -> Option<Duration> {
        let twice = self.rages && self.random.chance(self.twice);
        twice.then(|| Duration::milliseconds(self.random.within(0..20_000)))
    }

    /// Returns what is wrong with a campaign's URLs.
    pub(crate) fn defect(&self, campaign: usize) -> Option<String> {
        self.defects.contains(&campaign).then(|| "a URL's click limit is negative".to_owned())
    }

    /// Draws the number of troubles of each kind, and their times.
    fn schedule(&mut self) {
        let random = &mut self.random;
        let campaigns = i64::try_from(self.campaigns).unwrap_or(1);
        let mut up_to = |most: i64| if random.chance(25) { 0 } else { random.within(0..most + 1) };
        let numbers = Numbers {
            weathers: up_to(8),
            foreign: up_to(12 * campaigns),
            blocks: up_to(3 * campaigns),
            clicks: up_to(8 * campaigns),
            money: up_to(3 * campaigns),
            orders: up_to(5 * campaigns),
            rows: up_to(2 * campaigns),
            clock: up_to(6),
            databases: up_to(5),
            crashes: up_to(10),
        };
        for _ in 0..numbers.weathers {
            self.for_a_while(600, |storm| Trouble::Weather(storm.bad_weather()), Trouble::Weather(Weather::default()));
            let calm_ways = self.calm_ways();
            self.for_a_while(900, |storm| Trouble::Ways(storm.slow_ways()), Trouble::Ways(calm_ways));
        }
        self.times(numbers.foreign, |storm| Trouble::Foreign(storm.any_campaign()));
        for _ in 0..numbers.blocks {
            let campaign = self.any_campaign();
            match self.random.within(0..4) {
                0 => self.for_a_while(2_400, |_| Trouble::Exists(campaign, false), Trouble::Exists(campaign, true)),
                1 => self.for_a_while(
                    900,
                    |_| Trouble::UnknownWord(campaign, true),
                    Trouble::UnknownWord(campaign, false),
                ),
                _ => self.for_a_while(
                    1_800,
                    |storm| Trouble::Block(campaign, Some(storm.any_block())),
                    Trouble::Block(campaign, None),
                ),
            }
        }
        self.times(numbers.clicks, |storm| Trouble::Clicks(storm.any_campaign()));
        self.times(numbers.money, |storm| Trouble::Money(storm.any_campaign()));
        for _ in 0..numbers.rows {
            let campaign = self.any_campaign();
            match self.random.within(0..4) {
                0 => self.for_a_while(1_200, |_| Trouble::Disable(campaign), Trouble::Enable(campaign)),
                1 => self.for_a_while(600, |_| Trouble::Defect(campaign, true), Trouble::Defect(campaign, false)),
                _ => self.times(1, |_| Trouble::Row(campaign)),
            }
        }
        self.times(numbers.orders, |storm| Trouble::Order(storm.any_campaign()));
        if numbers.orders > 0 && self.random.chance(30) {
            self.for_a_while(1_200, |_| Trouble::HoldAll, Trouble::ReleaseAll);
        }
        self.times(numbers.clock, |storm| {
            let most_ms = storm.random.one_of(&[500, 5_000, 90_000, 600_000]);
            Trouble::ClockSet(storm.random.within(-most_ms..most_ms))
        });
        for _ in 0..numbers.databases {
            self.for_a_while(240, |_| Trouble::DatabaseAway(true), Trouble::DatabaseAway(false));
        }
        self.times(numbers.crashes, |_| Trouble::Crash);
    }

    fn times(&mut self, number: i64, trouble: impl Fn(&mut Self) -> Trouble) {
        for _ in 0..number {
            let at = self.any_time();
            let trouble = trouble(self);
            self.troubles.push((at, trouble));
        }
    }

    fn for_a_while(&mut self, most_seconds: i64, begins: impl Fn(&mut Self) -> Trouble, ends: Trouble) {
        let (from, trouble) = (self.any_time(), begins(self));
        let until = from + Duration::milliseconds(self.random.within(200..most_seconds * 1_000));
        self.troubles.push((from, trouble));
        self.troubles.push((until.min(self.calm_at), ends));
    }

    /// Returns a time to the millisecond; often around a point of the grid, when all campaigns are at work.
    fn any_time(&mut self) -> DateTime<Utc> {
        let raging_ms = self.calm_at.signed_duration_since(self.begins_at).num_milliseconds();
        let at = self.begins_at + Duration::milliseconds(self.random.within(0..raging_ms));
        if self.random.chance(40) {
            let point = self.policy.next_grid_point(at);
            (point + Duration::milliseconds(self.random.within(-200..3_000))).min(self.calm_at)
        } else {
            at
        }
    }

    pub(super) fn any_campaign(&mut self) -> usize {
        let campaigns = i64::try_from(self.campaigns).unwrap_or(1);
        usize::try_from(self.random.within(0..campaigns)).unwrap_or(0)
    }

    fn any_block(&mut self) -> Block {
        let all = [Block::Unapproved, Block::NoFunds, Block::Archived, Block::BudgetReached, Block::Timezone];
        self.random.one_of(&all)
    }

    fn calm_ways(&self) -> Ways {
        Ways { id_filter: self.id_filter, ..Ways::PROMPT }
    }

    fn slow_ways(&mut self) -> Ways {
        Ways {
            id_filter: self.random.one_of(&ID_FILTERS),
            shows_after: Duration::seconds(self.random.one_of(&[0, 2, 15, 45])),
            spend_lag: Duration::seconds(self.random.one_of(&[0, 60, 600])),
            ends_switch_off: self.random.chance(50),
        }
    }

    /// Makes one or two kinds of requests fail, rarely or nearly always.
    fn bad_weather(&mut self) -> Weather {
        let mut weather = Weather::default();
        for _ in 0..self.random.within(1..4) {
            let percent = self.random.one_of(&[3, 20, 60, 100]);
            let kinds: [&mut i64; 14] = [
                &mut weather.refused_connections,
                &mut weather.lost_requests,
                &mut weather.lost_answers,
                &mut weather.broken_answers,
                &mut weather.unreadable_answers,
                &mut weather.sent_twice,
                &mut weather.slow,
                &mut weather.unauthorized,
                &mut weather.bad_key,
                &mut weather.too_many,
                &mut weather.failing,
                &mut weather.missing,
                &mut weather.refused_campaigns,
                &mut weather.unnamed_campaigns,
            ];
            let which = self.random.within(0..14);
            if let Some(kind) = kinds.into_iter().nth(usize::try_from(which).unwrap_or(0)) {
                *kind = percent;
            }
        }
        weather
    }
}

fn clicks(clicks: Clicks) -> i64 {
    i64::try_from(clicks.0).unwrap_or(i64::MAX)
}

/// Draws when a storm begins: at any time of the day, often shortly before midnight, sometimes on the last day of a
/// year.
fn begin(random: &mut Random) -> DateTime<Utc> {
    let day = random.one_of(&[0, 0, 0, 39, 98]);
    let minute = if random.chance(45) { random.within(21 * 60..24 * 60) } else { random.within(0..24 * 60) };
    // 2026-11-22T00:00:00Z.
    let first = DateTime::from_timestamp(1_795_305_600, 0).unwrap_or(DateTime::UNIX_EPOCH);
    let within_ms = random.within(0..60_000);
    first + Duration::days(day) + Duration::minutes(minute) + Duration::milliseconds(within_ms)
}

/// Returns an end that is not around midnight, when nothing is started, and counters may be yesterday's.
fn end(at: DateTime<Utc>) -> DateTime<Utc> {
    let midnight = at.date_naive().and_time(NaiveTime::MIN).and_utc();
    let (evening, morning) = (midnight + Duration::minutes(23 * 60 + 50), midnight + Duration::minutes(60));
    if at >= evening {
        morning + Duration::days(1)
    } else if at < morning {
        morning
    } else {
        at
    }
}

/// Draws a policy: the documented defaults, or other numbers.
fn policy(random: &mut Random) -> Policy {
    let mut numbers = PolicyNumbers::default();
    if random.chance(40) {
        numbers.tick = Duration::seconds(random.one_of(&[60, 60, 30, 120]));
        numbers.cooldown = Duration::seconds(random.one_of(&[120, 45, 300]));
        numbers.confirm_within = Duration::seconds(random.one_of(&[30, 20, 60]));
        numbers.spend_limit =
            Money::from_micros(random.one_of(&[10_000_000, 3_000_000, 250_000_000])).unwrap_or_default();
        numbers.pause_clicks = Clicks(random.one_of(&[5_000, 1_000, 0]));
        numbers.activate_clicks = Clicks(random.one_of(&[15_000, 20_000, 5_001]));
        numbers.contested_after = random.one_of(&[6, 2]);
        numbers.contested_backoff = random.one_of(&[None, Some(Duration::minutes(10))]);
        numbers.adopt_sets_end_time = random.chance(50);
    }
    numbers.validate().unwrap_or_else(|error| unreachable!("{error}"))
}

fn promise(now: DateTime<Utc>, cooldown: Duration, random: &mut Random) -> Promise {
    let until = now + Duration::seconds(random.within(1..cooldown.num_seconds().max(2)));
    let phases = [Phase::Idle, Phase::ActiveGuarded, Phase::PausedGuarded, Phase::CoolingDown { until }];
    Promise { phase: random.one_of(&phases), since: now - Duration::minutes(5), end_time_owed: random.chance(15) }
}
