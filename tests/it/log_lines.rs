//! Failures that go on, and how much of them is in the log and among the events.

use sandbox::{CampaignSpec, Fault, FaultKind, Operation};

use crate::helper::{Config, World, Write};

const FIRST: i64 = 995_001;
const CAMPAIGNS: i64 = 12;
const TICKS: u64 = 5;

fn lines(log: &str, words: &[&str]) -> Vec<String> {
    log.lines().filter(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned).collect()
}

/// Each attempt says other seconds.
#[test]
fn an_expired_certificate_is_told_for_the_account_and_not_for_each_campaign_and_tick() {
    let (mut world, _front) = World::behind_expired_tls(Config::default());
    for id in FIRST..FIRST + CAMPAIGNS {
        world.add(CampaignSpec::running(id), 20_000);
    }
    world.wait_for("every campaign in the dump", |world| {
        let campaigns = world.guard.state()["campaigns"].as_array().unwrap().len();
        if campaigns == 12 { Ok(()) } else { Err(campaigns.to_string()) }
    });
    world.let_ticks_pass(TICKS);
    let shown = world.campaign(FIRST).text("/last_error");
    assert_eq!(shown.matches("certificate expired").count(), 1, "{shown}");
    let log = world.guard.log();
    let told = lines(&log, &["WARN", "certificate expired"]);
    assert!((1..=8).contains(&told.len()), "{} lines: {told:#?}", told.len());
    assert!(lines(&log, &["WARN", "certificate expired", "campaign="]).is_empty(), "{told:#?}");
    assert!(told.iter().all(|line| line.matches("certificate expired").count() == 1), "{told:#?}");
}

#[test]
fn a_pause_that_fails_at_every_tick_is_told_less_and_less_often_and_each_attempt_is_journalled() {
    let mut world = World::configured(Config::default().generator("cooldown", "10m"));
    world.sandbox.inject(Fault::always(FaultKind::FailedInside200).on(Operation::Pause));
    world.add(CampaignSpec::running(FIRST), 1_000);
    let attempts = world.wait_for("ten attempts", |world| match world.writes(FIRST).len() {
        0..10 => Err("fewer".to_owned()),
        attempts => Ok(attempts),
    });
    let log = world.guard.log();
    let failed = world.database.journal_in_full(FIRST).iter().filter(|entry| entry.step == "failed").count();
    assert!(failed + 1 >= attempts, "{attempts} attempts, {failed} failures in the journal");
    assert!(world.writes(FIRST).iter().all(|write| *write == Write::Pause));
    for words in ["INFO pause requested: it runs, since", "WARN pause failed: "] {
        let told = lines(&log, &[words]);
        assert!((2..=5).contains(&told.len()), "{words}: {told:#?}");
    }
    assert_eq!(lines(&log, &["WARN pause failed", "(4 times by now)"]).len(), 1, "{log}");
    world.sandbox.clear_faults();
    world.wait_for("the confirmed pause", |world| match lines(&world.guard.log(), &["pause confirmed"]).len() {
        1 => Ok(()),
        other => Err(other.to_string()),
    });
}
