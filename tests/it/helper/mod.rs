//! The harness of the tests: [`World`] is a sandbox, a database, a config and a guard.

mod background;
mod clock;
mod config;
mod database;
mod dump;
mod fleet;
mod front;
mod guard;
mod http;
mod kinds;
mod line;
mod receiver;
mod service_manager;
mod terminal;
mod writes;

use std::fmt;
use std::time::{Duration, Instant};

use chrono::{DateTime, Timelike, Utc};
use sandbox::{CampaignSpec, Fault, FaultId, Operation, Options, Sandbox};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) use self::background::{Background, Text, gather};
use self::clock::Clock;
pub(crate) use self::config::{Config, TICK};
pub(crate) use self::database::{Database, Entry, TimedEntry};
pub(crate) use self::dump::Campaign;
pub(crate) use self::fleet::Fleet;
pub(crate) use self::front::Front;
pub(crate) use self::guard::{Done, Guard, behind};
pub(crate) use self::http::{Reply, ask, ask_port, ask_with, say};
pub(crate) use self::kinds::on_both_databases;
pub(crate) use self::line::Line;
pub(crate) use self::receiver::{Answer, Post, Receiver};
pub(crate) use self::service_manager::ServiceManager;
pub(crate) use self::terminal::Terminal;
pub(crate) use self::writes::{ACTIVATION, PAUSE, Write};

/// The longest time that a test waits for anything: far more than anything takes, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// The time between two looks of a test that waits. Each look is a request to the guard, whose answer costs more than
/// anything else that the tests do.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The number of further ticks without a request after which a test concludes that no request follows.
const TICKS_WITHOUT_REQUESTS: u64 = 2;

/// A folder, a sandbox, a database and a guard. The fields that a test may change are public.
///
/// When a test fails, it prints the guard's log and what the sandbox received.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) database: Database,
    pub(crate) guard: Guard,
    /// The folder of the guard's files. It is the last field, so that it is removed after everything that uses it.
    folder: TempDir,
}

/// The expected or actual result for one campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The state in the dump.
    pub(crate) state: String,
    /// The requests in the sandbox's log that change the campaign.
    pub(crate) writes: Vec<Write>,
    /// The journal's entries, as [`Entry`] prints them.
    pub(crate) journal: Vec<String>,
}

impl Outcome {
    pub(crate) fn new(state: &str, writes: &[Write], journal: &[&str]) -> Self {
        let journal = journal.iter().map(|entry| (*entry).to_owned()).collect();
        Self { state: state.to_owned(), writes: writes.to_vec(), journal }
    }

    /// The outcome for a campaign that was idle and that the guard's first decision activated.
    pub(crate) fn activated() -> Self {
        Self::new("active-guarded", &ACTIVATION, &["activate by tick: confirmed, idle → active-guarded"])
    }

    /// The outcome for a campaign that was idle and that the guard's first decision paused. Its cool-down has not
    /// ended.
    pub(crate) fn paused() -> Self {
        Self::new("cooling-down", &PAUSE, &["pause by tick: confirmed, idle → cooling-down"])
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, requests {:?}, journal {:#?}", self.state, self.writes, self.journal)
    }
}

impl World {
    /// Starts a world whose guard runs and that has no campaign yet.
    pub(crate) fn new() -> Self {
        Self::configured(Config::default())
    }

    /// Does the same with another config.
    pub(crate) fn configured(config: Config) -> Self {
        Self::with(config, Options::default())
    }

    /// Does the same with other options for the sandbox, too. The sandbox's request limit is lifted unless `options`
    /// set one.
    pub(crate) fn with(config: Config, options: Options) -> Self {
        Self::prepared(config, options, |_, _| {})
    }

    /// Does the same, and calls `prepare` before the guard starts. The database has no tables at that time.
    pub(crate) fn prepared(config: Config, options: Options, prepare: impl FnOnce(&Sandbox, &mut Database)) -> Self {
        wait_until_midnight_is_far();
        let mut world = Self::unstarted(config, options, prepare);
        world.start();
        world
    }

    fn unstarted(config: Config, options: Options, prepare: impl FnOnce(&Sandbox, &mut Database)) -> Self {
        let live_limit = Options::default().requests_per_minute;
        let requests_per_minute =
            if options.requests_per_minute == live_limit { 1_000_000 } else { options.requests_per_minute };
        let sandbox = Sandbox::start_in_thread(Options { requests_per_minute, ..options }).unwrap();
        let folder = TempDir::new().unwrap();
        let guard = Guard::new(folder.path(), &sandbox.base_url(), config);
        let mut database = Database::open(guard.config.database_url());
        prepare(&sandbox, &mut database);
        guard.run(&["migrate"]).succeeded();
        Self { sandbox, database, guard, folder }
    }

    /// Starts a world whose guard was started by a service manager, which wants to hear within `within` that it lives.
    pub(crate) fn managed(config: Config, within: Duration) -> (Self, ServiceManager) {
        wait_until_midnight_is_far();
        let mut world = Self::unstarted(config, Options::default(), |_, _| {});
        let service_manager = ServiceManager::listen(world.folder.path());
        world.guard.variables.extend(service_manager.variables(within));
        world.start();
        (world, service_manager)
    }

    /// Starts a world whose guard uses TLS, with a server in front of the sandbox that a test can let hang.
    pub(crate) fn behind_tls(config: Config) -> (Self, Front) {
        Self::behind_front(config, false)
    }

    /// Does the same with a certificate that has expired.
    pub(crate) fn behind_expired_tls(config: Config) -> (Self, Front) {
        Self::behind_front(config, true)
    }

    fn behind_front(config: Config, is_expired: bool) -> (Self, Front) {
        wait_until_midnight_is_far();
        let mut world = Self::unstarted(config, Options::default(), |_, _| {});
        let front = Front::before(&world.sandbox.base_url(), world.folder.path(), is_expired);
        world.guard.certificate = Some(front.certificate.clone());
        world.guard.config = world.guard.config.clone().set("trafficstar", "base_url", front.base_url());
        world.start();
        (world, front)
    }

    /// Starts a world in which the time is `now`, for the guard and for TrafficStars. Calls `prepare` before the guard
    /// starts.
    pub(crate) fn at(
        now: DateTime<Utc>,
        config: Config,
        options: Options,
        prepare: impl FnOnce(&Sandbox, &mut Database),
    ) -> Self {
        let mut world = Self::unstarted(config, options, prepare);
        world.guard.clock = Some(Clock::new(world.folder.path()));
        world.set_clock(now);
        world.start();
        world
    }

    /// Sets the time to `now`, for TrafficStars and for a guard that was started by [`World::at`].
    pub(crate) fn set_clock(&self, now: DateTime<Utc>) {
        self.set_own_clock(now);
        self.sandbox.set_clock(now);
    }

    /// Sets the guard's clock alone.
    pub(crate) fn set_own_clock(&self, now: DateTime<Utc>) {
        self.guard.clock.as_ref().unwrap().set(now);
    }

    /// Returns another guard on the same account, with a database of its own.
    pub(crate) fn another_guard(&self, config: Config) -> (Guard, Database) {
        let folder = self.folder.path().join("another");
        std::fs::create_dir(&folder).unwrap();
        let guard = Guard::new(&folder, &self.sandbox.base_url(), config);
        guard.run(&["migrate"]).succeeded();
        let database = Database::open(guard.config.database_url());
        (guard, database)
    }

    /// Starts the guard, and returns when its socket answers.
    pub(crate) fn start(&mut self) {
        self.guard.start();
        self.wait_for_an_answer();
    }

    /// Waits until the guard's socket answers.
    pub(crate) fn wait_for_an_answer(&mut self) {
        self.wait_for("the guard's answer on its socket", |world| {
            world.guard.try_state().map(drop).map_err(|error| error.to_string())
        });
    }

    /// Opens new connections to the database, after the server has ended the old ones.
    pub(crate) fn reconnect(&mut self) {
        self.database = Database::open(self.guard.config.database_url());
    }

    /// Makes several changes so that no tick acts on half of them: meanwhile all reads fail, and the guard does
    /// nothing.
    pub(crate) fn change_at_once(&mut self, change: impl FnOnce(&mut Self)) {
        let faults = self.let_reads_fail();
        // A tick that has already read a status would combine it with the changes.
        self.let_ticks_pass(1);
        change(self);
        self.let_ticks_pass(1);
        faults.into_iter().for_each(|fault| self.sandbox.remove_fault(fault));
    }

    /// Lets all reads of campaigns at TrafficStars fail, of single campaigns and of the list.
    pub(crate) fn let_reads_fail(&self) -> [FaultId; 2] {
        [Operation::Campaign, Operation::Campaigns].map(|read| self.sandbox.inject(Fault::status(503).on(read)))
    }

    /// Adds a campaign at TrafficStars, and a disabled row with one URL that has `remaining_clicks` clicks left.
    pub(crate) fn add_disabled(&mut self, spec: CampaignSpec, remaining_clicks: i64) {
        let id = spec.id;
        self.sandbox.add_campaign(spec);
        self.database.add_campaign(id, remaining_clicks);
    }

    /// Does the same with an enabled row.
    pub(crate) fn add(&mut self, spec: CampaignSpec, remaining_clicks: i64) {
        let id = spec.id;
        self.add_disabled(spec, remaining_clicks);
        self.database.enable(id);
    }

    /// Does the same for many campaigns, and enables all at once.
    pub(crate) fn add_all(&mut self, campaigns: impl IntoIterator<Item = (CampaignSpec, i64)>) {
        campaigns.into_iter().for_each(|(spec, remaining_clicks)| self.add_disabled(spec, remaining_clicks));
        self.database.execute("UPDATE campaigns SET generator_enabled = true");
    }

    /// Adds a campaign that runs and has enough clicks. Returns when it is guarded.
    pub(crate) fn add_guarded(&mut self, id: i64) {
        self.add(CampaignSpec::running(id), 20_000);
        self.wait_for_state(id, "active-guarded");
    }

    /// Does the same for many campaigns.
    pub(crate) fn add_many_guarded(&mut self, ids: impl IntoIterator<Item = i64> + Clone) {
        self.add_all(ids.clone().into_iter().map(|id| (CampaignSpec::running(id), 20_000)));
        ids.into_iter().for_each(|id| drop(self.wait_for_state(id, "active-guarded")));
    }

    /// Runs one of the program's commands.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        self.guard.run(arguments)
    }

    /// Runs a command that has to succeed, and returns what it prints.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        self.run(arguments).succeeded()
    }

    /// Does the same with `--json`, and returns the printed JSON.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// Runs a command that has to fail: it prints nothing to stdout, ends with this status, and all the words of `said`
    /// are in its error.
    #[track_caller]
    pub(crate) fn refused(&self, arguments: &[&str], code: i32, said: &[&str]) {
        let Done { code: ended, stdout, stderr } = self.run(arguments);
        assert_eq!((ended, stdout.as_str()), (code, ""), "{arguments:?}: {stderr}");
        assert_says(&stderr, said);
    }

    /// Changes a value of the config file. A guard that runs uses it only after a reload.
    pub(crate) fn configure(&mut self, section: &str, key: &str, value: impl Into<toml::Value>) {
        self.guard.config = self.guard.config.clone().set(section, key, value);
        self.guard.write_config();
    }

    /// Starts `watch`, and returns when it is connected, so that it shows all later events.
    pub(crate) fn watch(&mut self, arguments: &[&str]) -> Background {
        let watch = self.guard.begin(&[&["watch"], arguments].concat());
        self.wait_for("watch to say that it watches", |_| {
            if watch.stderr().starts_with("Watching") { Ok(()) } else { Err(watch.stderr()) }
        });
        watch
    }

    /// Starts one of the program's commands in a terminal.
    pub(crate) fn in_terminal(&self, arguments: &[&str]) -> Terminal {
        let mut program = self.guard.program(arguments);
        Terminal::start(program.env("TERM", "xterm-256color").env_remove("NO_COLOR"))
    }

    /// Does the same without colours.
    pub(crate) fn in_terminal_without_colours(&self, arguments: &[&str]) -> Terminal {
        let mut program = self.guard.program(arguments);
        Terminal::start(program.env("TERM", "xterm-256color").env("NO_COLOR", "1"))
    }

    pub(crate) fn campaign(&self, id: i64) -> Campaign {
        Campaign::find(&self.guard.state(), id).unwrap_or_else(|| panic!("the dump has no campaign {id}"))
    }

    /// Returns the requests that the sandbox received for a campaign and that were meant to change it.
    pub(crate) fn writes(&self, id: i64) -> Vec<Write> {
        writes::of(&self.sandbox.requests(), id, &self.day_end())
    }

    fn day_end(&self) -> String {
        self.guard.config.day_end_on(self.sandbox.clock().date_naive())
    }

    /// Returns the outcome for a campaign so far.
    pub(crate) fn outcome(&mut self, id: i64) -> Outcome {
        self.outcomes(&[id]).remove(0)
    }

    /// Does the same for many campaigns, at about the same moment.
    fn outcomes(&mut self, ids: &[i64]) -> Vec<Outcome> {
        let (dump, requests, day_end) = (self.guard.state(), self.sandbox.requests(), self.day_end());
        let outcome = |id: &i64| Outcome {
            state: Campaign::find(&dump, *id).map_or_else(|| "not in the dump".to_owned(), |found| found.state()),
            writes: writes::of(&requests, *id, &day_end),
            journal: self.database.journal(*id).iter().map(Entry::to_string).collect(),
        };
        ids.iter().map(outcome).collect()
    }

    /// Waits until `look` returns `Ok`. All tests with a [`World`] wait here.
    pub(crate) fn wait_for<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Result<T, String>) -> T {
        let start = Instant::now();
        loop {
            let missing = match look(self) {
                Ok(found) => return found,
                Err(missing) => missing,
            };
            self.guard.assert_alive();
            assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {what}: {missing}");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits for words in the guard's log.
    pub(crate) fn wait_for_log(&mut self, words: &str) {
        self.wait_for(words, |world| {
            let log = world.guard.log();
            if log.contains(words) { Ok(()) } else { Err(log) }
        });
    }

    /// Waits until a command has ended, and returns its exit status.
    pub(crate) fn wait_for_end(&mut self, background: &mut Background) -> Option<i32> {
        self.wait_for("its end", |_| background.ended().map(|status| status.code()).ok_or_else(|| "it runs".to_owned()))
    }

    /// Waits until `wanted` is true for a campaign's element of the dump.
    pub(crate) fn wait_until(&mut self, id: i64, what: &str, wanted: impl Fn(&Campaign) -> bool) -> Campaign {
        self.wait_for(&format!("campaign {id}: {what}"), |world| {
            let campaign = Campaign::find(&world.guard.state(), id).ok_or("the dump does not have it")?;
            if wanted(&campaign) { Ok(campaign) } else { Err(campaign.to_string()) }
        })
    }

    pub(crate) fn wait_for_state(&mut self, id: i64, state: &str) -> Campaign {
        self.wait_until(id, state, |campaign| campaign.state() == state)
    }

    /// Waits until TrafficStars has stopped a campaign.
    pub(crate) fn wait_for_stop(&mut self, id: i64) {
        self.wait_for(&format!("campaign {id} to be stopped"), |world| {
            if world.sandbox.is_running(id) { Err("it runs".to_owned()) } else { Ok(()) }
        });
    }

    /// Waits until a campaign's last action has reached this step.
    pub(crate) fn wait_for_step(&mut self, id: i64, step: &str) -> Campaign {
        self.wait_until(id, step, |campaign| campaign.text("/action/step") == step)
    }

    /// Waits until the guard has sent exactly these requests for a campaign.
    pub(crate) fn wait_for_writes(&mut self, id: i64, wanted: &[Write]) {
        self.wait_for(&format!("the requests {wanted:?} for campaign {id}"), |world| {
            let writes = world.writes(id);
            if writes == wanted { Ok(()) } else { Err(format!("there are {writes:?}")) }
        });
    }

    /// Waits until the guard has sent a pause as its first request for a campaign.
    pub(crate) fn wait_for_a_pause(&mut self, id: i64) {
        self.wait_for(&format!("the pause of campaign {id}"), |world| {
            let writes = world.writes(id);
            if writes.first() == Some(&Write::Pause) { Ok(()) } else { Err(format!("{writes:?}")) }
        });
    }

    /// Waits until every guarded campaign has completed `count` ticks that began after this call.
    pub(crate) fn let_ticks_pass(&mut self, count: u64) {
        let before = dump::ticks(&self.guard.state());
        // The first tick that completes may have begun before this call.
        self.wait_for(&format!("{count} further ticks"), |world| {
            let now = dump::ticks(&world.guard.state());
            let behind: Vec<_> = before
                .iter()
                .filter(|(id, ticks)| now.get(id).is_some_and(|now| *now <= **ticks + count))
                .map(|(id, _)| *id)
                .collect();
            if behind.is_empty() { Ok(()) } else { Err(format!("{behind:?} are behind")) }
        });
    }

    /// Waits until a campaign's outcome is the expected one, and looks once more after further ticks, so that it also
    /// finds late requests.
    pub(crate) fn expect(&mut self, id: i64, expected: &Outcome) {
        self.expect_all(&[(id, "the campaign", expected.clone())]);
    }

    /// Does the same for many campaigns at once, each with a name for messages.
    pub(crate) fn expect_all(&mut self, expected: &[(i64, &str, Outcome)]) {
        self.wait_for("the expected outcomes", |world| world.compare(expected));
        self.let_ticks_pass(TICKS_WITHOUT_REQUESTS);
        if let Err(differences) = self.compare(expected) {
            panic!("{TICKS_WITHOUT_REQUESTS} ticks after all was as expected: {differences}");
        }
    }

    fn compare(&mut self, expected: &[(i64, &str, Outcome)]) -> Result<(), String> {
        let ids: Vec<i64> = expected.iter().map(|(id, _, _)| *id).collect();
        let mut differences = String::new();
        for (seen, (id, name, expected)) in self.outcomes(&ids).iter().zip(expected) {
            if seen != expected {
                differences += &format!("\n{name} ({id})\n  expected {expected}\n  found    {seen}");
            }
        }
        if differences.is_empty() { Ok(()) } else { Err(differences) }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.guard.kill();
        if std::thread::panicking() {
            eprintln!("\nthe guard's log:\n{}", self.guard.log());
            eprintln!("what the sandbox received:\n{}", writes::describe(&self.sandbox.requests()));
        }
    }
}

/// Asserts that the text contains all of these words.
#[track_caller]
pub(crate) fn assert_says(text: &str, said: &[&str]) {
    for words in said {
        assert!(text.contains(words), "`{words}` is not in\n{text}");
    }
}

/// Checks all cases at once, each in a world of its own, because they mostly wait.
pub(crate) fn in_parallel<T: Send>(cases: impl IntoIterator<Item = T>, check: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| check(case));
        }
    });
}

/// Waits for the next day in the last minutes of a UTC day. From the day end to midnight nothing is activated, and at
/// midnight the spend starts anew, so that tests would fail.
fn wait_until_midnight_is_far() {
    const LAST_MINUTES: u32 = 3;
    let is_near = || {
        let now = Utc::now();
        now.hour() == 23 && now.minute() >= 60 - LAST_MINUTES
    };
    while is_near() {
        std::thread::sleep(Duration::from_millis(500));
    }
}
