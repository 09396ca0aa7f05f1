//! The guard is killed again and again, at any moment, while everything around it goes wrong; afterwards the sandbox's log,
//! the journal and what was done to the world are held against the rules.
//!
//! `CRASH_SEED` repeats a run's choices, as far as two machines' timing allows; `CRASH_SECONDS` makes it longer.

mod chaos;
mod rules;

use sandbox::CampaignSpec;

use self::chaos::{Chaos, Random};
use self::rules::{Evidence, break_no_rule};
use crate::helper::{Config, PATIENCE, World, on_both_databases};

const HELD: i64 = 995_001;
/// Some start with clicks enough, some with none, some between.
const IDS: std::ops::RangeInclusive<i64> = 995_002..=995_007;
const SECONDS: u64 = 22;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn a_guard_that_is_killed_at_any_moment_again_and_again_keeps_every_rule() {
    let any = u64::from(std::process::id()) ^ u64::from(chrono::Utc::now().timestamp_subsec_nanos());
    let seed = from_environment("CRASH_SEED").unwrap_or(any);
    let seconds = from_environment("CRASH_SECONDS").unwrap_or(SECONDS);
    on_both_databases(|config| {
        let message = SeedOnFailure(seed);
        survive(config, seed, std::time::Duration::from_secs(seconds));
        drop(message);
    });
}

/// Says how to repeat what failed.
struct SeedOnFailure(u64);

impl Drop for SeedOnFailure {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("\nto repeat it: CRASH_SEED={}", self.0);
        }
    }
}

fn survive(config: Config, seed: u64, lasting: std::time::Duration) {
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
    let kills = chaos.rage(&mut world, lasting);
    world.sandbox.clear_faults();
    come_to_rest(&mut world);

    // Afterwards it guards as if nothing had been.
    let mut to_pause: Vec<i64> = IDS.filter(|id| world.sandbox.is_running(*id)).collect();
    if to_pause.is_empty() {
        // By chance all stand.
        for id in IDS {
            chaos.set_clicks(&mut world, id, 20_000);
        }
        to_pause = IDS.collect();
        come_to_rest(&mut world);
    }
    for id in &to_pause {
        chaos.set_clicks(&mut world, *id, 1_000);
    }
    let exhausted_at = chrono::Utc::now();
    world.wait_for("the exhausted ones to be paused", |world| {
        let running: Vec<_> = to_pause.iter().filter(|id| world.sandbox.is_running(**id)).collect();
        if running.is_empty() { Ok(()) } else { Err(format!("{running:?} run")) }
    });
    come_to_rest(&mut world);

    let evidence = Evidence {
        requests: world.sandbox.requests(),
        journal: world.database.chronicle(),
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
        evidence.sent_behind_barriers()
    );
    break_no_rule(&evidence);
    rules::paused_within(&evidence, &to_pause, exhausted_at, 4);
    let touched: Vec<_> =
        evidence.requests[held_from..].iter().filter(|request| rules::changes(request, HELD)).collect();
    assert!(touched.is_empty(), "on hold, and yet: {touched:?}");
    assert_eq!(world.campaign(HELD).text("/ordered/hold/reason"), "new creatives");
    assert!(kills >= 5, "{kills} kills show little");
}

/// Waits until every action has ended, every debt is paid, and each campaign is as it is promised; a run that failed is
/// tried again after a minute, or by a guard that was started anew.
fn come_to_rest(world: &mut World) {
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
            // Before its first tick a guard that was started anew knows nothing, and may be about to act.
            let clicks = campaign.0["observed"]["remaining_clicks"].as_i64().ok_or("not read yet".to_owned())?;
            let wanted = match campaign.state().as_str() {
                "active-guarded" => running && clicks > 5_000,
                "paused-guarded" => !running && clicks < 15_000,
                "cooling-down" => false,
                // Between the thresholds nothing was ever promised, unless it has been.
                _ => (5_001..15_000).contains(&clicks) && world.database.journal_in_full(id).is_empty(),
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

/// Whoever was killed a moment ago may seem to hold the database still: then a start is refused, and tried again.
fn start(world: &mut World) {
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
