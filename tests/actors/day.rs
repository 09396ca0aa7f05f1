//! A day of a thousand campaigns, from noon to noon, with midnight in between. Each kind of campaign ends in the state
//! that the rules demand. It gets exactly the requests that its kind needs.

use std::collections::BTreeMap;
use std::rc::Rc;

use chrono::{DateTime, Timelike, Utc};
use traffic_generator::domain::action::Step;
use traffic_generator::domain::health::HealthWord;
use traffic_generator::domain::ids::CampaignId;
use traffic_generator::domain::money::Money;
use traffic_generator::domain::phase::PhaseWord;
use traffic_generator::domain::policy::PolicyNumbers;
use traffic_generator::trafficstar::client::ChangeKind;

use crate::stage::{Campaign, OverTime, Stage, at, noon, on_paused_time};

/// The number of campaigns, and the minutes between two ticks of each. Without optimisation, a thousand campaigns that
/// tick each minute take a minute and a half of a core. Only `cargo test --release --test actors` runs them. A debug
/// build runs all campaigns with a fifth of their ticks, and then a tenth of the campaigns with all of their ticks.
const DAYS: &[(i64, u64)] = if cfg!(debug_assertions) { &[(1_000, 5), (100, 1)] } else { &[(1_000, 1)] };
const DAY_SECONDS: u64 = 24 * 60 * 60;
/// The most memory that the whole process may gain, other tests included. If each tick kept an event, it would gain far
/// more.
const GROWTH_KIB: i64 = 48 * 1024;

/// What happens to a campaign in the course of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Runs, with enough clicks and a low spend.
    Steady,
    /// Stopped, with few clicks left.
    UsedUp,
    /// Runs, with clicks between the thresholds.
    Between,
    /// Is archived, so that it cannot run.
    Archived,
    /// Spends 30 dollars a day at a constant rate. Its spend is above the limit from 08:00.
    Spender,
    /// Has only 5,000 clicks left at 08:50, and gets a new URL at 11:00.
    Consumer,
    /// Is stopped at first, though it has enough clicks. Somebody else stops it at 06:04:30.
    Stopped,
}

/// The expected state of a kind at the end, and the requests that changed it until then.
struct Wanted {
    state: PhaseWord,
    runs: bool,
    high_spend: bool,
    writes: &'static [&'static str],
}

impl Kind {
    fn of(id: i64) -> Self {
        match id % 10 {
            0..=3 => Self::Steady,
            4 => Self::UsedUp,
            5 => Self::Between,
            6 => Self::Archived,
            7 => Self::Spender,
            8 => Self::Consumer,
            _ => Self::Stopped,
        }
    }

    fn wanted(self) -> Wanted {
        let high_spend = self == Self::Spender;
        let (state, runs, writes): (_, _, &[&str]) = match self {
            Self::Steady => (PhaseWord::ActiveGuarded, true, &[]),
            Self::UsedUp => (PhaseWord::PausedGuarded, false, &[]),
            Self::Between | Self::Spender => (PhaseWord::Idle, true, &[]),
            Self::Archived => (PhaseWord::Idle, false, &[]),
            Self::Consumer => {
                let writes = &[
                    "23 08:50:00 pause",
                    "23 08:50:00 end time 23 08:50:00",
                    "23 11:00:00 activate until 23 23:59:00",
                ];
                (PhaseWord::ActiveGuarded, true, writes)
            }
            Self::Stopped => {
                let activations = &[
                    "22 12:00:00 activate until 22 23:59:00",
                    "23 00:00:00 activate until 23 23:59:00",
                    "23 06:05:00 activate until 23 23:59:00",
                ];
                (PhaseWord::ActiveGuarded, true, activations)
            }
        };
        Wanted { state, runs, high_spend, writes }
    }

    fn campaign(self, id: i64) -> Campaign {
        let (running, clicks) = match self {
            Self::Steady | Self::Spender | Self::Consumer => (true, 20_000),
            Self::Stopped => (false, 20_000),
            Self::UsedUp => (false, 100),
            Self::Between => (true, 10_000),
            Self::Archived => (false, 20_000),
        };
        let mut campaign = Campaign::new(id, running, clicks);
        campaign.archived = self == Self::Archived;
        campaign.spent_today = evenly(if self == Self::Spender { 30 } else { 2 });
        if self == Self::Consumer {
            let began_at = noon();
            campaign.remaining_clicks = Rc::new(move |now| {
                let minutes = now.signed_duration_since(began_at).num_minutes().unsigned_abs();
                let new_url = if minutes >= 23 * 60 { 20_000 } else { 0 };
                20_000_u64.saturating_sub(12 * minutes) + new_url
            });
        }
        campaign
    }
}

/// A spend of `dollars_a_day` dollars a day, at a constant rate.
fn evenly(dollars_a_day: i64) -> OverTime<Money> {
    Rc::new(move |now| {
        let seconds = i64::from(now.num_seconds_from_midnight());
        Money::from_micros(dollars_a_day * 1_000_000 * seconds / 86_400).unwrap()
    })
}

fn in_words(at: DateTime<Utc>, kind: ChangeKind) -> String {
    let time = |at: DateTime<Utc>| at.format("%d %H:%M:%S").to_string();
    let what = match kind {
        ChangeKind::Activate { end_time } => format!("activate until {}", time(end_time)),
        ChangeKind::Pause => "pause".to_owned(),
        ChangeKind::SetEndTime { end_time } => format!("end time {}", time(end_time)),
        ChangeKind::SetBudget { max_daily, .. } => format!("budget {max_daily}"),
    };
    format!("{} {what}", time(at))
}

/// Returns the memory that this process holds, in KiB.
fn resident_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

#[test]
fn after_a_day_a_thousand_campaigns_are_in_the_right_state_and_got_no_needless_request() {
    for &(campaigns, tick_minutes) in DAYS {
        on_paused_time(async {
            let tick = chrono::Duration::minutes(tick_minutes.cast_signed());
            let numbers = PolicyNumbers { tick, ..PolicyNumbers::default() };
            let stage = Stage::set_by(numbers, (1..=campaigns).map(|id| Kind::of(id).campaign(id)).collect()).await;
            stage.pass(60 * 60).await;
            let memory_then = resident_kib();
            stage.pass(18 * 60 * 60 + 4 * 60 + 30).await;
            for id in (1..=campaigns).filter(|id| Kind::of(*id) == Kind::Stopped) {
                stage.world.borrow_mut().campaign(id).running = false;
            }
            stage.pass(DAY_SECONDS).await;
            let grown_by = resident_kib() - memory_then;
            assert!(grown_by < GROWTH_KIB, "grown by {grown_by} KiB since the first hour");
            judge(&stage, campaigns.unsigned_abs(), tick_minutes);
        });
    }
}

/// Returns the expected number of ticks: one at the start, and one at each point of the grid. The end of a cool-down
/// adds one if it lies between two points.
fn wanted_ticks(kind: Kind, tick_minutes: u64) -> u64 {
    let between = kind == Kind::Consumer && !2_u64.is_multiple_of(tick_minutes);
    DAY_SECONDS / 60 / tick_minutes + 1 + u64::from(between)
}

fn judge(stage: &Stage, campaigns: u64, tick_minutes: u64) {
    let now = stage.clock.now();
    let health = stage.board.health(now);
    assert_eq!(health.status, HealthWord::Ok, "{health:?}");
    let dump = stage.board.dump(now);
    assert_eq!((dump.supervisor.campaigns, dump.supervisor.restarts), (campaigns, 0));
    assert_eq!(dump.supervisor.last_sync_at, Some(at(86_400)));
    let world = stage.world.borrow();
    let mut writes: BTreeMap<CampaignId, Vec<String>> = BTreeMap::new();
    for write in &world.writes {
        writes.entry(write.campaign).or_default().push(in_words(write.at, write.kind));
    }
    for campaign in &dump.campaigns {
        let kind = Kind::of(campaign.id.0);
        let Wanted { state, runs, high_spend, writes: wanted } = kind.wanted();
        let runs_now = world.campaigns[&campaign.id].runs_at(now);
        let is = (campaign.state, runs_now, campaign.high_spend, writes.remove(&campaign.id).unwrap_or_default());
        let wanted = (state, runs, high_spend, wanted.iter().map(ToString::to_string).collect());
        assert_eq!(is, wanted, "{kind:?} {}", campaign.id);
        let actor = campaign.actor.as_ref().expect("all are guarded");
        let did = (actor.ticks, actor.skipped_ticks, actor.last_tick_at, &campaign.last_error);
        let wanted = (wanted_ticks(kind, tick_minutes), 0, Some(at(86_400)), &None);
        assert_eq!(did, wanted, "{kind:?} {}", campaign.id);
    }
    let unconfirmed = world.journal.iter().filter(|(_, entry)| entry.action.step != Step::Confirmed).count();
    let actions = campaigns.div_euclid(10) * (2 + 3);
    let journalled = (world.journal.len() as u64, unconfirmed);
    assert_eq!(journalled, (actions, 0), "each action has an entry, and each is confirmed");
    drop(world);
    let (events, lost) = stage.new_events();
    assert!(events.len() <= 4_096, "a listener that never read holds {} events, and lost {lost}", events.len());
}
