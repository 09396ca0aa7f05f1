//! The log: how often a lasting failure is logged, the operator of a command, and a log whose reader has stopped
//! reading. Such a reader is a log shipper that hangs, or a terminal after Ctrl-S.

use std::io::Write as _;

use sandbox::{CampaignSpec, Fault, FaultKind, Operation};

use crate::helper::{Config, World, Write};

const FIRST: i64 = 995_001;
const CAMPAIGNS: i64 = 12;
const TICKS: u64 = 5;
/// The number of bytes that a pipe takes before a writer has to wait.
const FULL: u64 = 65_536;

fn lines(log: &str, words: &[&str]) -> Vec<String> {
    log.lines().filter(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned).collect()
}

/// The error text of each attempt differs: it holds the seconds since the certificate expired.
#[test]
fn an_expired_certificate_is_logged_for_the_account_and_not_for_each_campaign_and_tick() {
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
    let warned = lines(&log, &["WARN", "certificate expired"]);
    assert!((1..=11).contains(&warned.len()), "{} lines: {warned:#?}", warned.len());
    assert!(lines(&log, &["WARN", "certificate expired", "campaign="]).is_empty(), "{warned:#?}");
    assert!(warned.iter().all(|line| line.matches("certificate expired").count() == 1), "{warned:#?}");
}

#[test]
fn a_pause_that_fails_at_every_tick_is_logged_less_and_less_often_and_each_attempt_is_journalled() {
    let mut world = World::configured(Config::default().generator("cooldown", "10m"));
    world.sandbox.inject(Fault::always(FaultKind::FailedInside200).on(Operation::Pause));
    world.add(CampaignSpec::running(FIRST), 1_000);
    let attempts = world.wait_for("ten attempts", |world| match world.writes(FIRST).len() {
        0..10 => Err("fewer".to_owned()),
        attempts => Ok(attempts),
    });
    let log = world.guard.log();
    let failed = world.database.unmerged_journal(FIRST).iter().filter(|entry| entry.step == "failed").count();
    assert!(failed + 1 >= attempts, "{attempts} attempts, {failed} failures in the journal");
    assert!(world.writes(FIRST).iter().all(|write| *write == Write::Pause));
    for words in ["INFO pause requested: it runs, because", "WARN pause failed: "] {
        let found = lines(&log, &[words]);
        assert!((2..=5).contains(&found.len()), "{words}: {found:#?}");
    }
    assert_eq!(lines(&log, &["WARN pause failed", "(4 times by now)"]).len(), 1, "{log}");
    world.sandbox.clear_faults();
    world.wait_for("the confirmed pause", |world| match lines(&world.guard.log(), &["pause confirmed"]).len() {
        1 => Ok(()),
        other => Err(other.to_string()),
    });
}

#[test]
fn a_log_that_is_not_read_blocks_no_tick_no_pause_no_order_and_no_shutdown() {
    let mut world = World::configured(Config::default().set("log", "filter", "trace"));
    world.add_guarded(FIRST);
    world.guard.stop();
    let (unread, mut log) = std::io::pipe().unwrap();
    world.guard.start_unread(&log);
    // The guard alone would need a minute to fill the pipe. The thread stays blocked on the full pipe until the test
    // ends.
    let filling = std::thread::spawn(move || log.write_all(&[b'.'; 2 * FULL as usize]));
    world.wait_for("a full pipe", |_| match rustix::io::ioctl_fionread(&unread).unwrap() {
        FULL.. => Ok(()),
        bytes => Err(bytes.to_string()),
    });
    world.database.execute("UPDATE urls SET click_limit = clicks");
    world.wait_for_stop(FIRST);
    world.done(&["pause-all", "--reason", "a test"]);
    assert_eq!(world.health().0, 200);
    assert_eq!(rustix::io::ioctl_fionread(&unread).unwrap(), FULL, "the pipe is still full");
    world.guard.stop();
    drop(unread);
    filling.join().unwrap().unwrap_err();
}

#[test]
fn every_log_filter_keeps_the_audit_lines_of_commands() {
    let mut world = World::configured(Config::default().set("log", "filter", "off"));
    world.done(&["log-filter", "off"]);
    world.done(&["pause-all", "--reason", "a test"]);
    world.wait_for("both in the log", |world| {
        let log = world.guard.log();
        let audited = |path: &str| log.lines().any(|line| line.contains("audit") && line.contains(path));
        if audited("/v1/log-filter") && audited("/v1/hold") { Ok(()) } else { Err(log) }
    });
}
