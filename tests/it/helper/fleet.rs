//! Several guards on one PostgreSQL database and one sandbox, and who of them led when.

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

/// TrafficStars' ids of the campaigns.
const IDS: [i64; 3] = [995_001, 995_002, 995_003];
/// What remains of each, by turns: so that there is always something to do.
const SWINGING: [i64; 2] = [20_000, 1_000];

/// The guards, with what they share.
pub(crate) struct Fleet {
    sandbox: Sandbox,
    pub(crate) members: Vec<Member>,
    database: Database,
    /// Every process of every member that ever ran.
    pids: Vec<(u32, usize)>,
    swinging: Arc<AtomicBool>,
    swinger: Option<JoinHandle<()>>,
    _folder: TempDir,
}

/// One guard, with its line to the database.
pub(crate) struct Member {
    pub(crate) guard: Guard,
    pub(crate) line: Line,
}

/// When a leadership began, and whose it was.
#[derive(Debug, Clone, QueryableByName)]
struct Leadership {
    #[diesel(sql_type = BigInt)]
    epoch: i64,
    #[diesel(sql_type = BigInt)]
    pid: i64,
    #[diesel(sql_type = Timestamp)]
    since: NaiveDateTime,
}

/// What the journal says of an action.
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

/// Notes each leadership as it begins, whoever begins it.
const NOTE_REIGNS: &str = "CREATE TABLE test_reigns (epoch BIGINT, pid BIGINT, since TIMESTAMP);
    CREATE FUNCTION note_reign() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO test_reigns VALUES (NEW.epoch, NEW.pid, NEW.since); RETURN NEW; END $$;
    CREATE TRIGGER note_reign AFTER UPDATE ON leadership FOR EACH ROW
        WHEN (OLD.epoch IS DISTINCT FROM NEW.epoch) EXECUTE FUNCTION note_reign();";

impl Fleet {
    /// So many guards, of which the first leads. `None`, said loudly, on a machine without PostgreSQL.
    pub(crate) fn of(size: usize) -> Option<Self> {
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
            let config = config.set("database", "url", url(&line.folder(), &name));
            let mut guard = Guard::new(&own, &sandbox.base_url(), config);
            guard.api_key.clone_from(api_key);
            Member { guard, line }
        };
        let members: Vec<Member> = options.more_api_keys.iter().enumerate().map(member).collect();
        members[0].guard.run(&["migrate"]).succeeded();
        let mut database = Database::open(&url(&server, &name));
        database.execute(NOTE_REIGNS);
        for id in IDS {
            sandbox.add_campaign(CampaignSpec::paused(id));
            database.add_campaign(id, SWINGING[0]);
            database.enable(id);
        }
        let swinging = Arc::new(AtomicBool::new(true));
        let swinger = swing(Database::open(&url(&server, &name)), Arc::clone(&swinging));
        let (pids, swinger) = (Vec::new(), Some(swinger));
        let mut fleet = Self { sandbox, members, database, pids, swinging, swinger, _folder: folder };
        (0..size).for_each(|member| fleet.start(member));
        Some(fleet)
    }

    /// Starts a member, and returns when its socket answers.
    pub(crate) fn start(&mut self, member: usize) {
        self.members[member].guard.start();
        self.pids.push((self.members[member].guard.pid(), member));
        self.wait_for("an answer on the socket", PATIENCE, |fleet| fleet.role(member).map(drop));
    }

    /// What somebody does to the database by hand.
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

    /// Waits until one of these leads, and answers which.
    pub(crate) fn wait_for_leader(&mut self, among: &[usize], within: Duration) -> usize {
        self.wait_for(&format!("a leader among {among:?}"), within, |fleet| {
            among.iter().copied().find(|member| fleet.role(*member).as_deref() == Some("leader"))
        })
    }

    /// Waits until a member has changed so many campaigns at TrafficStars since this call.
    pub(crate) fn wait_for_writes_of(&mut self, member: usize, count: usize) {
        let before = self.writes_of(member).len();
        self.wait_for(&format!("{count} requests of member {member}"), PATIENCE, |fleet| {
            (fleet.writes_of(member).len() >= before + count).then_some(())
        });
    }

    /// Freezes a leader that has a pause in its journal and is about to send it: its access token was refused, and the new
    /// one has not come yet. Nothing but the lease keeps that pause from leaving when the process goes on.
    pub(crate) fn freeze_before_a_pause_leaves(&mut self, member: usize) {
        let refused = FaultKind::Status { code: 401, body: String::new() };
        self.sandbox.inject(Fault::always(refused).on(Operation::Pause).times(1));
        let slow = FaultKind::DelayBeforeAnswer(Duration::from_millis(1_500));
        self.sandbox.inject(Fault::always(slow).on(Operation::Token).times(1));
        let before = self.sandbox.requests().last().map_or(0, |request| request.sequence);
        self.wait_for("a pause that waits for its token", PATIENCE, |fleet| {
            let since = fleet.sandbox.requests_after(before);
            since.iter().any(|request| request.operation == Operation::Token).then_some(())
        });
        self.members[member].guard.signal(Signal::STOP);
        let since = self.sandbox.requests_after(before);
        let token = since.iter().find(|request| request.operation == Operation::Token).unwrap();
        assert_eq!(token.answered_at, None, "it was frozen too late");
    }

    pub(crate) fn wait_for_all_stopped(&mut self) {
        self.wait_for("all campaigns to be stopped", PATIENCE, |fleet| {
            IDS.iter().all(|id| !fleet.sandbox.is_running(*id)).then_some(())
        });
    }

    /// What a member has sent to change campaigns.
    pub(crate) fn writes_of(&self, member: usize) -> Vec<RequestRecord> {
        let key = &self.members[member].guard.api_key;
        let requests = self.sandbox.requests().into_iter();
        requests.filter(|request| request.operation.is_change() && request.api_key.as_ref() == Some(key)).collect()
    }

    /// Waits until `look` finds what it looks for.
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

    /// Holds the sandbox's log against the reigns: whatever changed a campaign came from the one who reigned when it was
    /// received, after an entry of that leadership in the journal.
    pub(crate) fn assert_one_at_a_time(&mut self) {
        self.assert_reigns(|_| true);
    }

    /// The same, where leaders were taken out by hand. A pause that a leader sends in the moment before it notices that is in
    /// nobody's journal: the database stores nothing in its name any more. Nothing is run like that.
    pub(crate) fn assert_one_at_a_time_by_hand(&mut self) {
        self.assert_reigns(|request| request.operation == Operation::Run);
    }

    fn assert_reigns(&mut self, is_journalled: impl Fn(&RequestRecord) -> bool) {
        self.swinging.store(false, Ordering::SeqCst);
        let requests = self.sandbox.requests();
        let reigns: Vec<Leadership> = self.database.load("SELECT epoch, pid, since FROM test_reigns ORDER BY epoch");
        let mut journal = self.journal();
        let changes: Vec<&RequestRecord> = requests.iter().filter(|request| request.operation.is_change()).collect();
        assert!(changes.len() > 10 && reigns.len() > 1, "too little has happened: {reigns:#?}");
        for request in changes {
            let at = request.received_at;
            let leadership = reigns.iter().rev().find(|leadership| leadership.since.and_utc() <= at);
            let leadership = leadership.unwrap_or_else(|| panic!("nobody reigned yet: {request:?}"));
            let member = self.pids.iter().find(|(pid, _)| i64::from(*pid) == leadership.pid).unwrap().1;
            let sender = request.api_key.as_ref();
            assert_eq!(
                sender,
                Some(&self.members[member].guard.api_key),
                "in {leadership:?}: {request:?}, of {reigns:#?}"
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
            let next = reigns.iter().find(|leadership| leadership.epoch == decided.epoch + 1);
            let in_its_reign = next.is_none_or(|next| decided.requested_at < next.since);
            assert!(in_its_reign, "decided after the leadership: {decided:?}, of {reigns:#?}");
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

/// Lets every campaign's clicks be used up and topped up, again and again.
fn swing(mut database: Database, swinging: Arc<AtomicBool>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for turn in 0.. {
            for (position, id) in IDS.iter().enumerate() {
                database.set_remaining_clicks(*id, SWINGING[(turn + position) % 2]);
            }
            std::thread::sleep(Duration::from_millis(1_300));
            if !swinging.load(Ordering::SeqCst) {
                return;
            }
        }
    })
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.swinging.store(false, Ordering::SeqCst);
        for member in &mut self.members {
            member.guard.kill();
        }
        if std::thread::panicking() {
            for (index, member) in self.members.iter().enumerate() {
                eprintln!("\nthe log of guard {index}:\n{}", member.guard.log());
            }
            eprintln!("what the sandbox received:\n{}", writes::describe(&self.sandbox.requests()));
        }
        if let Some(swinger) = self.swinger.take() {
            // It may have panicked with the test.
            let _ = swinger.join();
        }
    }
}
