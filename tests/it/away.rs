//! The database fails while the guard runs, and works again later. Meanwhile the guard keeps the known promises and
//! starts nothing. Afterwards it stores everything that it did. An unreachable PostgreSQL server is different: the
//! lease ends, and the guard stops sending. Those tests are in `leadership` and `databases`.

use sandbox::{CampaignSpec, Interference};
use serde_json::Value;

use crate::helper::{ACTIVATION, Config, Entry, Outcome, PAUSE, World, Write, in_parallel};
use crate::postgres::Server;

const TO_RUN: i64 = 995_001;
const TO_STAY_STOPPED: i64 = 995_002;

/// A way in which a database fails.
pub(crate) enum Away {
    /// Another program keeps the database locked, so that it can only be read. Holds the PostgreSQL server, if it is
    /// one.
    Locked(Option<Server>),
    /// The database's file was moved.
    Moved,
}

impl Away {
    /// Returns every way in which a database fails, with its name. PostgreSQL is left out where it is not installed.
    pub(crate) fn all() -> Vec<(&'static str, Self)> {
        let mut all = vec![("a locked file", Self::Locked(None)), ("a moved file", Self::Moved)];
        all.extend(Server::start(None).map(|server| ("a locked table", Self::Locked(Some(server)))));
        all
    }

    /// Returns the config with the URL of the database, if it is a server.
    pub(crate) fn applied_to(&self, config: Config) -> Config {
        match self {
            Self::Locked(Some(server)) => config.set("database", "url", server.url("postgres")),
            Self::Locked(None) | Self::Moved => config,
        }
    }

    /// Returns how often the test starts the campaign, so that the guard has to pause it. At the second time it is
    /// cooling down. With a lock once is enough: each database operation takes seconds to fail, and a pause has
    /// several.
    fn pauses(&self) -> usize {
        match self {
            Self::Moved => 2,
            Self::Locked(_) => 1,
        }
    }

    pub(crate) fn begin(&mut self, world: &mut World) {
        match self {
            Self::Locked(_) => drop(world.database.lock()),
            Self::Moved => world.guard.move_file("guard.db", "moved.db"),
        }
    }

    pub(crate) fn end(&mut self, world: &mut World) {
        match self {
            Self::Locked(_) => world.database.unlock(),
            Self::Moved => world.guard.move_file("moved.db", "guard.db"),
        }
    }
}

/// Returns health's reason about the database and the time since which it lasts. `None` if health has none.
fn complaint(world: &World) -> Option<(String, String)> {
    let health: Value = world.guard.get("/v1/health").json();
    let reason = health["reasons"].as_array()?.iter().find(|reason| reason["kind"] == "database")?.clone();
    Some((reason["reason"].as_str()?.to_owned(), reason["since"].as_str()?.to_owned()))
}

fn wait_for_no_complaint(world: &mut World, name: &str) {
    world.wait_for("health without a reason about the database", |world| match complaint(world) {
        None => Ok(()),
        Some(complaint) => Err(format!("{name}: {complaint:?}")),
    });
}

#[test]
fn while_the_database_fails_stopped_campaigns_are_kept_stopped_and_nothing_is_started() {
    in_parallel(Away::all(), |(name, away)| keep_promises(name, away));
}

fn keep_promises(name: &str, mut away: Away) {
    let config = away.applied_to(Config::default().generator("cooldown", "10m"));
    let mut world = World::configured(config);
    world.add(CampaignSpec::running(TO_RUN), 20_000);
    world.add(CampaignSpec::paused(TO_STAY_STOPPED), 1_000);
    for (id, state) in [(TO_RUN, "active-guarded"), (TO_STAY_STOPPED, "paused-guarded")] {
        world.wait_until(id, "its promise to be stored", |campaign| campaign.text("/stored/state") == state);
    }
    wait_for_no_complaint(&mut world, name);

    away.begin(&mut world);
    let (why, since) =
        world.wait_for("health to report the database", |world| complaint(world).ok_or_else(|| name.to_owned()));
    assert!(why.starts_with("the database fails: "), "{name}: {why}");
    world.sandbox.interfere(TO_RUN, Interference::Stop).unwrap();
    let pauses = away.pauses();
    for pauses in 1..=pauses {
        world.sandbox.interfere(TO_STAY_STOPPED, Interference::SetEndTime(None)).unwrap();
        world.sandbox.interfere(TO_STAY_STOPPED, Interference::Start).unwrap();
        world.wait_for("a pause", |world| {
            let writes = world.writes(TO_STAY_STOPPED);
            let sent = writes.iter().filter(|write| **write == Write::Pause).count();
            if sent == pauses && writes.len() == 2 * pauses { Ok(()) } else { Err(format!("{name}: {writes:?}")) }
        });
        world.wait_for_step(TO_STAY_STOPPED, "confirmed");
    }
    assert_eq!(world.writes(TO_RUN), [], "{name}: no activation without its journal entry");
    assert_eq!(complaint(&world).map(|(_, since)| since), Some(since), "{name}: it failed all the time");
    assert_eq!(
        world.campaign(TO_STAY_STOPPED).text("/stored/state"),
        "paused-guarded",
        "{name}: the dump shows the old promise as stored"
    );

    away.end(&mut world);
    world.wait_for_writes(TO_RUN, &ACTIVATION);
    wait_for_no_complaint(&mut world, name);
    let late = [
        "pause by guard: confirmed, paused-guarded → cooling-down, late",
        "pause by guard: confirmed, cooling-down → cooling-down, late",
    ];
    world.expect(TO_STAY_STOPPED, &Outcome::new("cooling-down", &PAUSE.repeat(pauses), &late[..pauses]));
    assert_eq!(world.campaign(TO_STAY_STOPPED).text("/stored/state"), "cooling-down", "{name}");
    let run = world.database.unmerged_journal(TO_RUN);
    let (last, before) = run.split_last().unwrap();
    assert_eq!((last.kind.as_str(), last.step.as_str(), last.late), ("activate", "confirmed", false), "{name}");
    let unsent = |entry: &Entry| entry.error.as_deref().is_some_and(|error| error.contains("could not be stored"));
    assert!(before.iter().all(|entry| entry.step == "failed" && unsent(entry)), "{name}: {before:?}");
    // The cool-down was only in memory until the database worked again. Now it survives a crash.
    let until = world.campaign(TO_STAY_STOPPED).text("/cooling_down_until");
    world.guard.kill();
    world.start();
    let kept = world.campaign(TO_STAY_STOPPED).text("/cooling_down_until");
    assert_eq!(until[..23], kept[..23], "{name}");
}
