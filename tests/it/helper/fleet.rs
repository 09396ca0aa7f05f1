//! Several guards on one PostgreSQL database and one sandbox, with a record of which guard was the leader at which
//! time.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chrono::NaiveDateTime;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text, Timestamp};
use rustix::process::Signal;
use sandbox::{CampaignSpec, Fault, FaultKind, Operation, Options, RequestRecord, Sandbox};
use serde_json::Value;
use tempfile::TempDir;

use super::guard::Guard;
use super::kinds::new_postgres_database;
use super::line::Line;
use super::{Config, Database, LOOK_EVERY, PATIENCE, wait_until_midnight_is_far, writes};
use crate::postgres::shared_socket_folder;

/// The campaigns' ids at TrafficStars.
const IDS: [i64; 3] = [995_001, 995_002, 995_003];
/// The remaining clicks of each campaign, which alternate between these values. So the guards always have something to
/// do.
const ALTERNATING: [i64; 2] = [20_000, 1_000];

/// The guards, with the sandbox and the database that they share.
pub(crate) struct Fleet {
    pub(crate) sandbox: Sandbox,
    pub(crate) members: Vec<Member>,
    database: Database,
    /// The process id of every process that ever ran, and the index of its member.
    pids: Vec<(u32, usize)>,
    alternating: Arc<AtomicBool>,
    click_thread: Option<JoinHandle<()>>,
    _folder: TempDir,
}

/// One guard, with its connection to the database.
pub(crate) struct Member {
    pub(crate) guard: Guard,
    pub(crate) line: Line,
}

/// A leadership: its epoch, the process of the leader, and the time at which it began.
#[derive(Debug, Clone, QueryableByName)]
struct Leadership {
    #[diesel(sql_type = BigInt)]
    epoch: i64,
    #[diesel(sql_type = BigInt)]
    pid: i64,
    #[diesel(sql_type = Timestamp)]
    since: NaiveDateTime,
}

/// An action as the journal records it.
#[derive(Debug, Clone, QueryableByName)]
struct Decided {
    #[diesel(sql_type = BigInt)]
    epoch: i64,
    #[diesel(sql_type = BigInt)]
    trafficstar_id: i64,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Timestamp)]
    requested_at: NaiveDateTime,
}

/// A trigger that records the beginning of each leadership, of a supervisor or of a command.
const RECORD_LEADERSHIPS: &str = "CREATE TABLE test_leaderships (epoch BIGINT, pid BIGINT, since TIMESTAMP);
    CREATE FUNCTION record_leadership() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO test_leaderships VALUES (NEW.epoch, NEW.pid, NEW.since); RETURN NEW; END $$;
    CREATE TRIGGER record_leadership AFTER UPDATE ON leadership FOR EACH ROW
        WHEN (OLD.epoch IS DISTINCT FROM NEW.epoch) EXECUTE FUNCTION record_leadership();";

impl Fleet {
    /// Starts `size` guards. The first one is the leader. Returns `None` on a machine without PostgreSQL, and prints a
    /// message then.
    pub(crate) fn of(size: usize) -> Option<Self> {
        Self::configured(size, |config| config)
    }

    /// Does the same with what `change` makes of each guard's config.
    pub(crate) fn configured(size: usize, change: impl Fn(Config) -> Config) -> Option<Self> {
        let (name, server) = (new_postgres_database()?, shared_socket_folder()?);
        wait_until_midnight_is_far();
        let more_api_keys: Vec<String> = (0..size).map(|member| format!("key-of-guard-{member}")).collect();
        let options = Options { requests_per_minute: 1_000_000, more_api_keys, ..Options::default() };
        let sandbox = Sandbox::start_in_thread(options.clone()).unwrap();
        let folder = TempDir::new().unwrap();
        let member = |(index, api_key): (usize, &String)| {
            let own = folder.path().join(index.to_string());
            std::fs::create_dir(&own).unwrap();
            let line = Line::to(&server);
            let config = Config::default().generator("cooldown", "500ms");
            let config = change(config.set("database", "url", url(&line.folder(), &name)));
            let mut guard = Guard::new(&own, &sandbox.base_url(), config);
            guard.api_key.clone_from(api_key);
            Member { guard, line }
        };
        let members: Vec<Member> = options.more_api_keys.iter().enumerate().map(member).collect();
        members[0].guard.run(&["migrate"]).succeeded();
        let mut database = Database::open(&url(&server, &name));
        database.execute(RECORD_LEADERSHIPS);
        for id in IDS {
            sandbox.add_campaign(CampaignSpec::paused(id));
            database.add_campaign(id, ALTERNATING[0]);
            database.enable(id);
        }
        let alternating = Arc::new(AtomicBool::new(true));
        let click_thread = alternate_clicks(Database::open(&url(&server, &name)), Arc::clone(&alternating));
        let (pids, click_thread) = (Vec::new(), Some(click_thread));
        let mut fleet = Self { sandbox, members, database, pids, alternating, click_thread, _folder: folder };
        (0..size).for_each(|member| fleet.start(member));
        Some(fleet)
    }

    /// Starts a member, and returns when its socket answers.
    pub(crate) fn start(&mut self, member: usize) {
        self.members[member].guard.start();
        self.pids.push((self.members[member].guard.pid(), member));
        self.wait_for("an answer on the socket", PATIENCE, |fleet| fleet.role(member).map(drop));
    }

    /// Executes SQL, as somebody may do by hand.
    pub(crate) fn execute(&mut self, sql: &str) {
        self.database.execute(sql);
    }

    pub(crate) fn role(&self, member: usize) -> Option<String> {
        let state = self.members[member].guard.try_state().ok()?;
        Some(state["leadership"]["role"].as_str().unwrap().to_owned())
    }

    pub(crate) fn state(&self, member: usize) -> Value {
        self.members[member].guard.state()
    }

    pub(crate) fn wait_for_role(&mut self, member: usize, role: &str, within: Duration) {
        self.wait_for(&format!("member {member} to be {role}"), within, |fleet| {
            fleet.role(member).filter(|found| found == role).map(drop)
        });
    }

    /// Waits until one of these members is the leader, and returns its index.
    pub(crate) fn wait_for_leader(&mut self, among: &[usize], within: Duration) -> usize {
        self.wait_for(&format!("a leader among {among:?}"), within, |fleet| {
            among.iter().copied().find(|member| fleet.role(*member).as_deref() == Some("leader"))
        })
    }

    /// Waits until a member has sent `count` requests that change campaigns since this call.
    pub(crate) fn wait_for_writes_of(&mut self, member: usize, count: usize) {
        let before = self.writes_of(member).len();
        self.wait_for(&format!("{count} requests of member {member}"), PATIENCE, |fleet| {
            (fleet.writes_of(member).len() >= before + count).then_some(())
        });
    }

    /// Freezes a leader that has a pause in its journal and has not sent it yet: its access token was refused, and the
    /// new one has not come. When the process continues, only the expired lease prevents that pause from being sent.
    pub(crate) fn freeze_before_a_pause_is_sent(&mut self, member: usize) {
        let refused = FaultKind::Status { code: 401, body: String::new() };
        self.sandbox.inject(Fault::always(refused).on(Operation::Pause).times(1));
        let slow = FaultKind::DelayBeforeAnswer(Duration::from_secs(3));
        self.sandbox.inject(Fault::always(slow).on(Operation::Token).times(1));
        let before = self.sandbox.requests().last().map_or(0, |request| request.sequence);
        self.wait_for("a pause that waits for its token", PATIENCE, |fleet| {
            let since = fleet.sandbox.requests_after(before);
            since.iter().any(|request| request.operation == Operation::Token).then_some(())
        });
        self.wait_for_silence();
        self.members[member].guard.signal(Signal::STOP);
        let since = self.sandbox.requests_after(before);
        let token = since.iter().find(|request| request.operation == Operation::Token).unwrap();
        assert_eq!(token.answered_at, None, "it was frozen too late");
    }

    /// Waits until no request has come for a while. The requests of the same tick are in flight when the first of them
    /// comes, and a process that is frozen while it hands one to the network sends it when it continues: the manual says
    /// so (`two-machines`, "Limits of the promises").
    fn wait_for_silence(&mut self) {
        let last = Cell::new((0, Instant::now()));
        self.wait_for("no request in flight", PATIENCE, |fleet| {
            let count = fleet.sandbox.requests().len();
            if count != last.get().0 {
                last.set((count, Instant::now()));
            }
            (last.get().1.elapsed() > Duration::from_millis(400)).then_some(())
        });
    }

    pub(crate) fn wait_for_all_stopped(&mut self) {
        self.wait_for("all campaigns to be stopped", PATIENCE, |fleet| {
            IDS.iter().all(|id| !fleet.sandbox.is_running(*id)).then_some(())
        });
    }

    /// Returns the requests of a member that change campaigns.
    pub(crate) fn writes_of(&self, member: usize) -> Vec<RequestRecord> {
        let key = &self.members[member].guard.api_key;
        let requests = self.sandbox.requests().into_iter();
        requests.filter(|request| request.operation.is_change() && request.api_key.as_ref() == Some(key)).collect()
    }

    /// Waits until `look` returns a value.
    pub(crate) fn wait_for<T>(&mut self, what: &str, within: Duration, look: impl Fn(&Self) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(start.elapsed() < within, "waited {within:?} in vain for {what}");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn journal(&mut self) -> Vec<Decided> {
        self.database.load("SELECT epoch, trafficstar_id, kind, requested_at FROM journal")
    }

    /// Compares the sandbox's log with the leaderships. Each request that changes a campaign must come from the guard
    /// that was the leader at its arrival. An entry of that leadership must be in the journal before it.
    pub(crate) fn assert_only_leaders_act(&mut self) {
        self.assert_leaderships(|_| true);
    }

    /// Does the same for a test that deposes leaders by hand. A deposed leader may send a pause before it notices, and
    /// that pause is in no journal: the database no longer stores anything for that leader. It must not run a campaign
    /// like that.
    pub(crate) fn assert_only_leaders_act_when_deposed_by_hand(&mut self) {
        self.assert_leaderships(|request| request.operation == Operation::Run);
    }

    fn assert_leaderships(&mut self, is_journalled: impl Fn(&RequestRecord) -> bool) {
        self.alternating.store(false, Ordering::SeqCst);
        let requests = self.sandbox.requests();
        let leaderships: Vec<Leadership> =
            self.database.load("SELECT epoch, pid, since FROM test_leaderships ORDER BY epoch");
        let mut journal = self.journal();
        let changes: Vec<&RequestRecord> = requests.iter().filter(|request| request.operation.is_change()).collect();
        assert!(changes.len() > 10 && leaderships.len() > 1, "too little has happened: {leaderships:#?}");
        for request in changes {
            let at = request.received_at;
            let leadership = leaderships.iter().rev().find(|leadership| leadership.since.and_utc() <= at);
            let leadership = leadership.unwrap_or_else(|| panic!("no guard was the leader yet: {request:?}"));
            let member = self.pids.iter().find(|(pid, _)| i64::from(*pid) == leadership.pid).unwrap().1;
            let sender = request.api_key.as_ref();
            assert_eq!(
                sender,
                Some(&self.members[member].guard.api_key),
                "in {leadership:?}: {request:?}, of {leaderships:#?}"
            );
            for id in request.campaign_ids.iter().filter(|_| is_journalled(request)) {
                let is_due = |decided: &Decided| {
                    decided.epoch == leadership.epoch
                        && decided.trafficstar_id == *id
                        && decided.requested_at.and_utc() <= at
                        && fits(&decided.kind, request.operation)
                };
                // A pause that was sent while the database could not be reached is stored soon after.
                let begun = Instant::now();
                while !journal.iter().any(is_due) {
                    assert!(begun.elapsed() < PATIENCE, "nothing in the journal of {leadership:?}: {request:?}");
                    std::thread::sleep(LOOK_EVERY);
                    journal = self.journal();
                }
            }
        }
        for decided in &journal {
            let next = leaderships.iter().find(|leadership| leadership.epoch == decided.epoch + 1);
            let is_within = next.is_none_or(|next| decided.requested_at < next.since);
            assert!(is_within, "decided after the leadership had ended: {decided:?}, of {leaderships:#?}");
        }
    }
}

fn fits(kind: &str, operation: Operation) -> bool {
    match kind {
        "activate" => [Operation::Edit, Operation::Run].contains(&operation),
        "pause" => [Operation::Pause, Operation::Edit].contains(&operation),
        "set-end-time" => operation == Operation::Edit,
        strange => panic!("the journal has a {strange}"),
    }
}

fn url(folder: &Path, name: &str) -> String {
    format!("postgres://guard@{}/{name}", folder.display().to_string().replace('/', "%2F"))
}

/// Starts a thread that uses up and tops up every campaign's clicks, until `alternating` is false.
fn alternate_clicks(mut database: Database, alternating: Arc<AtomicBool>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for turn in 0.. {
            for (position, id) in IDS.iter().enumerate() {
                database.set_remaining_clicks(*id, ALTERNATING[(turn + position) % 2]);
            }
            std::thread::sleep(Duration::from_millis(1_300));
            if !alternating.load(Ordering::SeqCst) {
                return;
            }
        }
    })
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.alternating.store(false, Ordering::SeqCst);
        for member in &mut self.members {
            member.guard.kill();
        }
        if std::thread::panicking() {
            for (index, member) in self.members.iter().enumerate() {
                eprintln!("\nthe log of guard {index}:\n{}", member.guard.log());
            }
            eprintln!("what the sandbox received:\n{}", writes::describe(&self.sandbox.requests()));
        }
        if let Some(click_thread) = self.click_thread.take() {
            // The thread may have panicked with the test.
            let _ = click_thread.join();
        }
    }
}
