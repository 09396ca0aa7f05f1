//! The guard is killed again and again, at random moments, while TrafficStars and the database fail. Afterwards the
//! sandbox's log, the journal and the record of the disturbances are checked against the rules.
//!
//! `CRASH_SEED` repeats a run's choices, as far as two machines' timing allows; `CRASH_SECONDS` makes it longer.

mod chaos;
mod rules;

use sandbox::CampaignSpec;

use self::chaos::{Chaos, Random};
use self::rules::{Evidence, assert_all_rules};
use crate::helper::{Config, PATIENCE, World, on_both_databases};

const HELD: i64 = 995_001;
/// Some campaigns start with enough clicks, some with few, and some in between.
const IDS: std::ops::RangeInclusive<i64> = 995_002..=995_007;
const SECONDS: u64 = 22;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn a_guard_that_is_killed_at_random_moments_breaks_no_rule() {
    let any = u64::from(std::process::id()) ^ u64::from(chrono::Utc::now().timestamp_subsec_nanos());
    let seed = from_environment("CRASH_SEED").unwrap_or(any);
    let seconds = from_environment("CRASH_SECONDS").unwrap_or(SECONDS);
    on_both_databases(|config| {
        let message = SeedOnFailure(seed);
        crash_and_check(config, seed, std::time::Duration::from_secs(seconds));
        drop(message);
    });
}

/// Prints how to repeat a failed run.
struct SeedOnFailure(u64);

impl Drop for SeedOnFailure {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("\nto repeat this run: CRASH_SEED={}", self.0);
        }
    }
}

fn crash_and_check(config: Config, seed: u64, lasting: std::time::Duration) {
    let config = config.generator("tick", "300ms").generator("cooldown", "1s");
    let config = config.set("trafficstar", "timeout", "2s").set("trafficstar", "confirm_within", "1s");
    let mut world = World::configured(config);
    for (id, clicks) in std::iter::once(HELD).chain(IDS).zip([20_000, 20_000, 1_000, 10_000].into_iter().cycle()) {
        let spec = if id % 2 == 0 { CampaignSpec::paused(id) } else { CampaignSpec::running(id) };
        world.add(spec, clicks);
    }
    world.wait_for_state(HELD, "active-guarded");
    let row = world.database.row_id(HELD).to_string();
    world.done(&["hold", &row, "--reason", "new creatives"]);
    let held_from = world.sandbox.requests().len();

    let mut chaos = Chaos::new(Random::new(seed), std::iter::once(HELD).chain(IDS).collect());
    let kills = chaos.kill_repeatedly(&mut world, lasting);
    world.sandbox.clear_faults();
    wait_until_settled(&mut world);

    // From here on the guard has to work without any disturbance: it pauses every campaign whose clicks are used up.
    let mut to_pause: Vec<i64> = IDS.filter(|id| world.sandbox.is_running(*id)).collect();
    if to_pause.is_empty() {
        // By chance all campaigns are stopped.
        for id in IDS {
            chaos.set_clicks(&mut world, id, 20_000);
        }
        to_pause = IDS.collect();
        wait_until_settled(&mut world);
    }
    for id in &to_pause {
        chaos.set_clicks(&mut world, *id, 1_000);
    }
    let exhausted_at = chrono::Utc::now();
    world.wait_for("the exhausted ones to be paused", |world| {
        let running: Vec<_> = to_pause.iter().filter(|id| world.sandbox.is_running(**id)).collect();
        if running.is_empty() { Ok(()) } else { Err(format!("{running:?} run")) }
    });
    wait_until_settled(&mut world);

    let evidence = Evidence {
        requests: world.sandbox.requests(),
        journal: world.database.journal_with_times(),
        clicks: chaos.clicks,
        barriers: chaos.barriers,
        day_end: world.guard.config.day_end_on(world.sandbox.clock().date_naive()),
        cooldown: chrono::Duration::seconds(1),
        requests_per_minute: 100_000,
    };
    println!(
        "{kills} kills, {} requests, {} entries, {} of them checked while nothing could be stored",
        evidence.requests.len(),
        evidence.journal.len(),
        evidence.sent_while_nothing_could_be_stored()
    );
    assert_all_rules(&evidence);
    rules::paused_within(&evidence, &to_pause, exhausted_at, 4);
    let touched: Vec<_> =
        evidence.requests[held_from..].iter().filter(|request| rules::changes(request, HELD)).collect();
    assert!(touched.is_empty(), "on hold, and yet: {touched:?}");
    assert_eq!(world.campaign(HELD).text("/ordered/hold/reason"), "new creatives");
    assert!(kills >= 5, "{kills} kills are too few to show anything");
}

/// Waits until every action has ended, no end time is owed, and each campaign is as its promise says. It restarts the
/// guard, because a running guard tries a failed run again only after a minute, and a new one does so at once.
fn wait_until_settled(world: &mut World) {
    world.guard.kill();
    start(world);
    world.wait_for("every action to have ended", |world| match unfinished(world) {
        0 => Ok(()),
        unfinished => Err(format!("{unfinished} entries are unfinished")),
    });
    world.guard.kill();
    start(world);
    world.wait_for("each campaign to be as promised", |world| {
        let dump = world.guard.try_state().map_err(|error| error.to_string())?;
        IDS.into_iter().try_for_each(|id| {
            let campaign = crate::helper::Campaign::find(&dump, id).ok_or("not in the dump yet".to_owned())?;
            let running = world.sandbox.is_running(id);
            let owed = world.database.number(&format!(
                "SELECT COUNT(*) AS number FROM promises WHERE end_time_owed AND trafficstar_id = {id}"
            ));
            // Before its first tick a restarted guard knows nothing, and it may still act.
            let clicks = campaign.0["observed"]["remaining_clicks"].as_i64().ok_or("not read yet".to_owned())?;
            let wanted = match campaign.state().as_str() {
                "active-guarded" => running && clicks > 5_000,
                "paused-guarded" => !running && clicks < 15_000,
                "cooling-down" => false,
                // A campaign may stay idle only between the thresholds, and only if it never had an action.
                _ => (5_001..15_000).contains(&clicks) && world.database.unmerged_journal(id).is_empty(),
            };
            let at_rest = owed == 0 && unfinished(world) == 0;
            if wanted && at_rest {
                Ok(())
            } else {
                Err(format!("running {running}, end times owed {owed}: {campaign}"))
            }
        })
    });
}

fn unfinished(world: &mut World) -> i64 {
    world.database.number("SELECT COUNT(*) AS number FROM journal_steps WHERE step IN ('requested', 'accepted')")
}

/// Starts the guard until it answers. A guard that was killed a moment ago may still seem to hold the database. The
/// start is refused then, and has to be repeated.
pub(crate) fn start(world: &mut World) {
    let begun = std::time::Instant::now();
    world.guard.start();
    while world.guard.try_state().is_err() {
        if world.guard.has_ended() {
            world.guard.kill();
            world.guard.start();
        }
        assert!(begun.elapsed() < PATIENCE, "it does not start");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
