//! The guard under a service manager, such as systemd: readiness, a line about the status, the watchdog, the end, and
//! log lines for the journal.

use std::io::{PipeWriter, Read};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::unistd::Pid;
use rustix::fs::fstat;
use sandbox::{CampaignSpec, Fault, FaultKind};

use crate::away::Away;
use crate::helper::{Config, Fleet, PATIENCE, ServiceManager, World, assert_says, in_parallel};

const ID: i64 = 995_001;
/// The time within which the service manager of a test wants to hear that the guard lives. The guard says so four times
/// as often, which leaves room for a busy machine.
const WITHIN: Duration = Duration::from_secs(8);
/// The number of signs of life for which a test waits.
const SIGNS: usize = 5;

fn wait_for_signs_of_life(world: &mut World, service_manager: &ServiceManager, what: &str) {
    let since = Instant::now();
    world.wait_for(&format!("{SIGNS} signs of life: {what}"), |_| match service_manager.signs_of_life(since) {
        SIGNS.. => Ok(()),
        fewer => Err(fewer.to_string()),
    });
    let longest = service_manager.longest_silence();
    assert!(longest < WITHIN, "{what}: the service manager heard nothing for {longest:?}");
}

#[test]
fn the_guard_is_ready_when_its_socket_answers_and_says_what_it_does_and_that_it_stops() {
    let (mut world, service_manager) = World::managed(Config::default(), WITHIN);
    assert_eq!(service_manager.messages().first().map(String::as_str), Some("STATUS=starting"));
    world.add_guarded(ID);
    let status = |world: &mut World, wanted: &str| {
        world.wait_for(wanted, |_| {
            let status = service_manager.status();
            if status.starts_with(wanted) { Ok(()) } else { Err(status) }
        });
    };
    status(&mut world, "guarding 1 campaign, 1 running; health ok");
    assert!(service_manager.has("READY=1") && !service_manager.has("STOPPING=1"));
    world.let_reads_fail();
    status(&mut world, "guarding 1 campaign, 0 running, 1 unknown; degraded: ");
    world.guard.stop();
    let messages = service_manager.messages();
    assert_eq!(messages.iter().filter(|message| *message == "READY=1").count(), 1, "{messages:?}");
    assert!(service_manager.has("STOPPING=1"), "{messages:?}");
}

/// A client that connects as soon as the service manager hears of readiness gets an answer.
#[test]
fn the_socket_answers_from_the_moment_of_readiness() {
    let (mut world, _) = World::managed(Config::default(), WITHIN);
    for _ in 0..3 {
        world.guard.stop();
        let folder = tempfile::TempDir::new().unwrap();
        let service_manager = ServiceManager::listen(folder.path());
        world.guard.variables = service_manager.variables(WITHIN).into();
        world.guard.start();
        let start = Instant::now();
        while !service_manager.has("READY=1") {
            assert!(start.elapsed() < PATIENCE, "{}", world.guard.log());
            std::thread::yield_now();
        }
        world.guard.try_state().unwrap();
    }
}

#[test]
fn a_standby_is_ready_too_and_names_the_leader() {
    let Some(mut fleet) = Fleet::of(2) else { return };
    fleet.members[1].guard.stop();
    let folder = tempfile::TempDir::new().unwrap();
    let service_manager = ServiceManager::listen(folder.path());
    fleet.members[1].guard.variables.extend(service_manager.variables(WITHIN));
    fleet.start(1);
    let since = Instant::now();
    fleet.wait_for("readiness, status and signs of life", PATIENCE, |_| {
        let is_ready = service_manager.has("READY=1") && service_manager.signs_of_life(since) >= SIGNS;
        (is_ready && service_manager.status().starts_with("standing by: the supervisor on ")).then_some(())
    });
    // The same while the lease of a dead leader is waited out.
    fleet.members[0].guard.kill();
    fleet.execute("UPDATE leadership SET ends_at = ends_at + INTERVAL '1 hour'");
    let since = Instant::now();
    fleet.wait_for("the wait for the lease", PATIENCE, |_| {
        let waits = service_manager.status().starts_with("standing by: no supervisor leads; degraded: ");
        (waits && service_manager.signs_of_life(since) >= SIGNS).then_some(())
    });
}

#[test]
fn the_watchdog_hears_of_the_guard_while_trafficstars_does_not_answer() {
    let (mut world, service_manager) = World::managed(Config::default(), WITHIN);
    world.add_guarded(ID);
    world.sandbox.inject(Fault::always(FaultKind::DelayBeforeAnswer(Duration::from_hours(1))));
    world.wait_for("degraded health", |world| match world.guard.get("/v1/health").status {
        503 => Ok(()),
        other => Err(other.to_string()),
    });
    wait_for_signs_of_life(&mut world, &service_manager, "TrafficStars does not answer");
}

#[test]
fn the_watchdog_hears_of_the_guard_while_the_database_fails() {
    in_parallel(Away::all(), |(name, mut away)| {
        let (mut world, service_manager) = World::managed(away.applied_to(Config::default()), WITHIN);
        world.add_guarded(ID);
        away.begin(&mut world);
        world.wait_for("the database's failure in the dump", |world| {
            let state = world.guard.state();
            if state["database"]["last_error"].is_null() { Err(name.to_owned()) } else { Ok(()) }
        });
        wait_for_signs_of_life(&mut world, &service_manager, name);
        away.end(&mut world);
    });
}

/// The lease ends meanwhile: the guard is cut off, and sends nothing.
#[test]
fn the_watchdog_hears_of_the_guard_while_its_postgresql_server_does_not_answer() {
    let Some(mut fleet) = Fleet::of(1) else { return };
    let folder = tempfile::TempDir::new().unwrap();
    let service_manager = ServiceManager::listen(folder.path());
    fleet.members[0].guard.stop();
    fleet.members[0].guard.variables.extend(service_manager.variables(WITHIN));
    fleet.start(0);
    fleet.wait_for_writes_of(0, 5);
    fleet.members[0].line.fall_silent();
    fleet.wait_for_role(0, "cut-off", PATIENCE);
    let since = Instant::now();
    fleet.wait_for("signs of life", PATIENCE, |_| {
        let is_cut_off = service_manager.status().starts_with("cut off: ");
        (is_cut_off && service_manager.signs_of_life(since) >= SIGNS).then_some(())
    });
    assert!(service_manager.longest_silence() < WITHIN);
    fleet.members[0].line.mend();
    fleet.wait_for_role(0, "leader", PATIENCE);
}

/// A debugger stops the thread of the actors, as an endless loop in one of them would. The rest of the program goes on.
#[test]
fn the_watchdog_hears_nothing_while_the_thread_of_the_actors_hangs() {
    let within = Duration::from_secs(2);
    let (mut world, service_manager) = World::managed(Config::default(), within);
    world.add(CampaignSpec::running(ID), 20_000);
    world.wait_for_state(ID, "active-guarded");
    let thread = actors_thread(world.guard.pid());
    match ptrace::seize(thread, ptrace::Options::empty()) {
        Ok(()) => {}
        // The program protects its memory, so another user than root cannot debug it.
        Err(Errno::EPERM) if !rustix::process::geteuid().is_root() => {
            return eprintln!("skipped: only root may stop a thread of another program");
        }
        Err(error) => panic!("{error}"),
    }
    ptrace::interrupt(thread).unwrap();
    world.wait_for_log("does not answer: it hangs");
    world.wait_for("the silence that makes a service manager act", |_| match service_manager.silence() {
        silence if silence > within => Ok(()),
        silence => Err(format!("{silence:?}")),
    });
    assert_eq!(world.guard.get("/v1/health").status, 200, "the dump and the health still answer");
    ptrace::detach(thread, None).unwrap();
    world.wait_for_log("all actors make progress again");
    world.wait_for("signs of life", |_| match service_manager.silence() {
        silence if silence < within => Ok(()),
        silence => Err(format!("{silence:?}")),
    });
}

/// Returns the thread on which the actors of a guard run.
fn actors_thread(pid: u32) -> Pid {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|thread| thread.unwrap().path());
    let is_actors = |thread: &std::path::PathBuf| {
        std::fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.starts_with("actix"))
    };
    let thread = threads.into_iter().find(is_actors).unwrap();
    Pid::from_raw(thread.file_name().unwrap().to_str().unwrap().parse().unwrap())
}

/// Returns the variable with which systemd says that a stream leads to the journal.
fn journal_stream(stream: &PipeWriter) -> (&'static str, String) {
    let found = fstat(stream).unwrap();
    ("JOURNAL_STREAM", format!("{}:{}", found.st_dev, found.st_ino))
}

#[test]
fn on_the_journal_each_line_has_its_priority_and_neither_time_nor_colour() {
    let mut world = World::new();
    world.guard.stop();
    let (mut log, stream) = std::io::pipe().unwrap();
    world.guard.variables.push(journal_stream(&stream));
    world.guard.start_unread(&stream);
    world.wait_for_an_answer();
    world.add_guarded(ID);
    world.done(&["log-filter", "debug"]);
    world.guard.stop();
    // An error before the log begins, and the errors of other commands of the unit, such as its reload.
    let unknown = ("TRAFFIC_GENERATOR__GENERATOR__TICKS", "1m".to_owned());
    for (arguments, variable) in [(&["run"][..], Some(unknown)), (&["reload"], None)] {
        let mut program = world.guard.program(arguments);
        program.envs(variable).env("FORCE_COLOR", "1").stderr(stream.try_clone().unwrap());
        assert!(!program.status().unwrap().success());
    }
    drop(stream);
    let mut lines = String::new();
    log.read_to_string(&mut lines).unwrap();
    assert_says(
        &lines,
        &[
            "<6>guarding",
            "<6>idle → active-guarded",
            "<3>error: ",
            "TRAFFIC_GENERATOR__GENERATOR__TICKS",
            "<6>stopped\n",
        ],
    );
    for line in lines.lines() {
        let text = ["<3>", "<4>", "<6>", "<7>"].iter().find_map(|priority| line.strip_prefix(priority));
        let text = text.unwrap_or_else(|| panic!("no priority: {line}"));
        assert!(!text.starts_with("20") && !text.contains('\u{1b}'), "{line}");
    }
}
