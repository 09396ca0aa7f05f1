//! Compares README.md and the manual with the program: the tests run each shown command, and compare its output with
//! the shown output.
//!
//! Numbers, times, paths and the width of columns vary, so both texts are compared without them. A shown line `…` stands
//! for any lines, and a `…` at the end of a line for any end of it. Two other tests are elsewhere:
//! `src/cli/documents/tests.rs` parses each shown command, and `tests/house/pages.rs` looks up the words of the outputs
//! that no test here compares.

use std::collections::BTreeSet;
use std::path::Path;

use sandbox::{Amount, CampaignSpec, Interference};

use crate::helper::{Config, Done, World};

const README: &str = "README.md";
const CONFIG: &str = "src/cli/manual/config.md";
const CAMPAIGNS: &str = "src/cli/manual/campaigns.md";
const ORDERS: &str = "src/cli/manual/orders.md";
const JOURNAL: &str = "src/cli/manual/journal.md";

/// The pages whose outputs are all compared here.
const COMPARED: [&str; 5] = [README, CONFIG, CAMPAIGNS, ORDERS, JOURNAL];
/// The pages whose outputs are not compared here, each with the reason. `tests/house/pages.rs` looks up their words.
const ONLY_READ: [(&str, &str); 3] = [
    ("src/cli/manual/screens.md", "`src/cli` compares the screens with files below tests/data"),
    ("src/cli/manual/two-machines.md", "it needs two supervisors on PostgreSQL: `leadership` tests them"),
    ("src/cli/manual/database.md", "it needs a full disk"),
];

const SHOES: i64 = 1001;
const TRAVEL: i64 = 1002;
const WATCHES: i64 = 1004;
const BOOKS: i64 = 1005;

/// The commands that a page shows, with their outputs.
struct Page {
    name: &'static str,
    /// The commands that have not been compared yet, each with the lines of its output.
    left: Vec<(String, Vec<String>)>,
}

impl Page {
    fn read(name: &'static str) -> Self {
        let mut left: Vec<(String, Vec<String>)> = Vec::new();
        for block in text_of(name).split("```").skip(1).step_by(2) {
            let mut is_ours = false;
            for line in block.lines().skip(1) {
                if let Some(command) = line.trim_start().strip_prefix("$ ") {
                    is_ours = command.starts_with("traffic-generator ");
                    if is_ours {
                        left.push((command.to_owned(), Vec::new()));
                    }
                } else if let Some((_, output)) = left.last_mut().filter(|_| is_ours) {
                    output.push(masked(line));
                }
            }
        }
        assert!(!left.is_empty(), "{name} shows no command");
        Self { name, left }
    }

    /// Compares what a command of the page printed with what the page shows.
    fn compare(&mut self, command: &str, printed: &str) -> Result<(), String> {
        let command = format!("traffic-generator {command}");
        let place = self.left.iter().position(|(shown, _)| *shown == command);
        let place = place.unwrap_or_else(|| panic!("{} does not show {command}, or shows it once only", self.name));
        let shown: Vec<&String> = self.left[place].1.iter().filter(|line| !line.is_empty()).collect();
        let printed: Vec<String> = printed.lines().map(masked).filter(|line| !line.is_empty()).collect();
        let fits = |shown: &str, line: &String| match shown.strip_suffix('…') {
            Some(begin) => line.starts_with(begin.trim_end()),
            None => line == shown,
        };
        let is_open = shown.iter().any(|line| *line == "…");
        // The lines come in the order of the page: each is searched after the one before.
        let mut rest = printed.iter();
        let missing = shown.iter().filter(|line| **line != "…").find(|line| !rest.any(|printed| fits(line, printed)));
        if missing.is_some() || (!is_open && shown.len() != printed.len()) {
            let name = self.name;
            return Err(format!("{name}, {command}: {missing:?} is missing.\nshown {shown:#?}\nprinted {printed:#?}"));
        }
        self.left.remove(place);
        Ok(())
    }

    /// Runs a command of the page once.
    #[track_caller]
    fn follow(&mut self, world: &World, command: &str) {
        let printed = world.run(&words(command)).output();
        self.compare(command, &printed).unwrap_or_else(|difference| panic!("{difference}"));
    }

    /// Runs a command of the page that changes nothing, until it prints what the page shows.
    fn follow_until_it_fits(&mut self, world: &mut World, command: &str) {
        world.wait_for("the shown output", |world| self.compare(command, &world.run(&words(command)).output()));
    }

    #[track_caller]
    fn assert_all_compared(&self) {
        let left: Vec<&String> = self.left.iter().map(|(command, _)| command).collect();
        assert!(left.is_empty(), "{} shows outputs that no test compares: {left:?}", self.name);
    }
}

fn text_of(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Splits a command into its arguments, as a shell does.
fn words(command: &str) -> Vec<&str> {
    let parts = command.split('"').enumerate();
    parts.flat_map(|(part, text)| if part % 2 == 1 { vec![text] } else { text.split_whitespace().collect() }).collect()
}

/// Returns a line without the parts that vary: numbers, times, durations, paths, addresses, operators, and the width of
/// columns.
fn masked(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let word = masked_word(word);
        let is_operator = words.ends_with(&["by".to_owned(), "#".to_owned()]) && word.starts_with('(');
        if is_operator {
            let (_, rest) = word.split_once(')').unwrap_or_default();
            words.push(format!("(operator){rest}"));
        } else if word != "#" || words.last().is_none_or(|last| last != "#") {
            words.push(word);
        }
    }
    words.join(" ")
}

fn masked_word(word: &str) -> String {
    if (word.starts_with('/') && word.len() > 1) || word.contains("://") {
        let end = if word.ends_with(',') { "," } else { "" };
        return format!("PATH{end}");
    }
    let letters: Vec<char> = word.chars().collect();
    let is_digit = |at: usize| letters.get(at).is_some_and(char::is_ascii_digit);
    let mut masked = String::new();
    let mut at = 0;
    while let Some(letter) = letters.get(at) {
        if !is_digit(at) {
            masked.push(*letter);
            at += 1;
            continue;
        }
        while is_digit(at) || (letters.get(at).is_some_and(|letter| ",.:-T".contains(*letter)) && is_digit(at + 1)) {
            at += 1;
        }
        let ends_after_unit = letters.get(at + 1).is_none_or(|letter| !letter.is_alphabetic());
        if letters.get(at).is_some_and(|letter| "smhdZ".contains(*letter)) && ends_after_unit {
            at += 1;
        }
        masked.push('#');
    }
    masked
}

#[test]
fn only_numbers_times_paths_operators_and_widths_are_masked() {
    let cases = [
        ("  ●   1  shoes  1001   runs    1.20  / 10.00", "● # shoes # runs # / #"),
        ("until 2026-11-22 18:23:06 UTC, by 0 (root): why", "until # UTC, by # (operator): why"),
        ("✓ database       sqlite /var/a.db, 3 campaigns", "✓ database sqlite PATH, # campaigns"),
        ("in 35m 49s, at http://127.0.0.1:80", "in # #, at PATH"),
        ("2026-11-22 15:57:18Z ! it runs", "# ! it runs"),
    ];
    for (line, expected) in cases {
        assert_eq!(masked(line), expected, "{line}");
    }
}

#[test]
fn every_page_with_outputs_is_in_one_of_the_two_tables() {
    let folder = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/manual")).unwrap();
    let names = folder.map(|file| format!("src/cli/manual/{}", file.unwrap().file_name().to_str().unwrap()));
    let pages = names.filter(|name| name.ends_with(".md")).chain([README.to_owned()]);
    let with_outputs: BTreeSet<String> = pages.filter(|name| text_of(name).contains("$ traffic-generator ")).collect();
    let listed = COMPARED.into_iter().chain(ONLY_READ.into_iter().map(|(name, _)| name)).map(str::to_owned);
    assert_eq!(with_outputs, listed.collect(), "the pages on the left, the tables above on the right");
}

fn named(name: &str, spec: CampaignSpec, cents: i64) -> CampaignSpec {
    CampaignSpec { name: name.to_owned(), ..spec.spent(Amount::cents(cents)) }
}

/// Adds the campaigns of the account that the pages show.
fn add_account(world: &World) {
    world.sandbox.add_campaign(named("shoes", CampaignSpec::paused(SHOES), 120));
    world.sandbox.add_campaign(named("travel", CampaignSpec::running(TRAVEL), 40));
    let (name, approved) = ("books".to_owned(), "pending".to_owned());
    let books = CampaignSpec { name, approved, active: false, spent_today: None, ..CampaignSpec::blocked(BOOKS) };
    world.sandbox.add_campaign(books);
}

/// Runs a command that reads its API key from a file which the config names, and returns what it prints.
fn with_key_file(world: &mut World, key: &str, arguments: &[&str]) -> String {
    use std::os::unix::fs::PermissionsExt;

    let file = world.guard.config_file().with_file_name("api-key");
    std::fs::write(&file, key).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    world.configure("trafficstar", "api_key_file", file.to_str().unwrap());
    let mut program = world.guard.program(arguments);
    Done::of(program.env_remove("TRAFFICSTAR_API_KEY")).output()
}

#[test]
fn the_first_campaign_of_the_readme_is_guarded_as_it_is_shown() {
    let mut page = Page::read(README);
    let mut world = World::configured(Config::default());
    world.guard.stop();
    add_account(&world);
    let printed = world.guard.run_on_another_database(&["migrate"]).output();
    page.compare("migrate", &printed).unwrap();
    let printed = with_key_file(&mut world, "sandbox-api-key", &["check"]);
    page.compare("check", &printed).unwrap();
    world.start();
    page.follow(&world, "account");
    page.follow(&world, "campaign add 1001 --url https://example.com/ --click-limit 20000 --enable");
    page.follow_until_it_fits(&mut world, "status");
    page.follow_until_it_fits(&mut world, "history");
    page.assert_all_compared();
}

#[test]
fn campaigns_and_urls_are_managed_as_the_manual_shows() {
    let mut page = Page::read(CAMPAIGNS);
    let mut world = World::new();
    add_account(&world);
    page.follow(&world, "account");
    page.follow(&world, "campaign add 1001 --url https://example.com/ --click-limit 20000 --enable");
    page.follow(&world, "url add 1 --name second --target-url https://example.com/second --click-limit 5000");
    page.follow(&world, "campaign set 1 --spend-limit 25.00 --cooldown 3m");
    world.database.add_row("travel", TRAVEL, false);
    page.follow(&world, "campaign set 2 --activate-clicks 4000");
    page.assert_all_compared();
}

/// Adds a campaign with its name at TrafficStars, and an enabled row with one URL.
fn add(world: &mut World, spec: CampaignSpec, clicks: i64) {
    world.database.add_row(&spec.name, spec.id, false);
    world.database.add_url(spec.id, "first", clicks);
    world.database.enable(spec.id);
    world.sandbox.add_campaign(spec);
}

/// Adds the campaign shoes, and waits until the guard has activated it.
fn add_shoes(world: &mut World) {
    add(world, named("shoes", CampaignSpec::paused(SHOES), 5), 20_000);
    world.wait_for_state(SHOES, "active-guarded");
    world.wait_for_step(SHOES, "confirmed");
}

/// Adds the campaign travel, which runs already, and waits until it is guarded.
fn add_travel(world: &mut World) {
    add(world, named("travel", CampaignSpec::running(TRAVEL), 40), 40_000);
    world.wait_for_state(TRAVEL, "active-guarded");
}

#[test]
fn orders_are_answered_as_the_manual_shows() {
    let mut page = Page::read(ORDERS);
    let mut world = World::configured(Config::default().generator("cooldown", "60s"));
    add_shoes(&mut world);
    add_travel(&mut world);
    world.add_disabled(CampaignSpec::running(WATCHES), 20_000);
    page.follow(&world, "process 1");
    world.done(&["process", "2", "--force", "pause"]);
    page.follow(&world, "process 2 --force activate");
    page.follow(&world, "hold 1 --for 2h --reason \"new creatives\"");
    page.follow(&world, "release 1");
    page.follow(&world, "disable 1");
    page.follow(&world, "disable 1 --leave-running");
    world.done(&["enable", "1"]);
    world.guard.stop();
    page.follow(&world, "pause-all --reason \"wrong landing page\" --direct");
    world.start();
    // Before its first tick the supervisor does not know the status of any campaign.
    world.let_ticks_pass(1);
    page.follow(&world, "release-all");
    page.assert_all_compared();
}

#[test]
fn the_journal_and_events_are_printed_as_the_manual_shows() {
    let mut page = Page::read(JOURNAL);
    let mut world = World::new();
    add_shoes(&mut world);
    add_travel(&mut world);
    world.database.set_remaining_clicks(SHOES, 4_556);
    world.wait_for_state(SHOES, "paused-guarded");
    page.follow_until_it_fits(&mut world, "history --limit 2");

    let waiting = "wait 1 --until cooling-down --timeout 40s";
    let mut wait = world.guard.begin(&words(waiting));
    world.wait_for("the command to wait", |_| {
        if wait.stderr().is_empty() { Err("nothing") } else { Ok(()) }.map_err(str::to_owned)
    });
    for interference in [Interference::SetEndTime(None), Interference::Start] {
        world.sandbox.interfere(SHOES, interference).unwrap();
    }
    assert_eq!(world.wait_for_end(&mut wait), Some(0));
    // A terminal shows the message before the result.
    world.wait_for("its words", |_| page.compare(waiting, &(wait.stderr() + &wait.stdout())));

    let watch = world.watch(&[]);
    world.sandbox.interfere(TRAVEL, Interference::Stop).unwrap();
    world.wait_for("the shown events", |_| page.compare("watch", &(watch.stderr() + &watch.stdout())));
    page.assert_all_compared();
}

#[test]
fn the_config_is_checked_and_reloaded_as_the_manual_shows() {
    let mut page = Page::read(CONFIG);
    let mut world = World::configured(Config::default());
    world.guard.stop();
    add_account(&world);
    for (name, id) in [("shoes", SHOES), ("travel", TRAVEL), ("books", BOOKS)] {
        world.database.add_row(name, id, false);
    }
    let printed = with_key_file(&mut world, "no-key-of-the-sandbox", &["check"]);
    page.compare("check", &printed).unwrap();
    world.start();
    let changes = [("generator", "tick", "800ms"), ("generator", "mode", "observe"), ("log", "filter", "info")];
    for (section, key, value) in changes.into_iter().chain([("trafficstar", "timeout", "9s")]) {
        world.configure(section, key, value);
    }
    let printed = world.run(&["check", "--offline"]).output() + &world.run(&["reload"]).output();
    page.compare("check --offline && traffic-generator reload", &printed).unwrap();
    page.assert_all_compared();
}

/// Returns the lines of the demo that README.md shows with this prefix.
fn demo(voice: &str) -> Vec<String> {
    let text = text_of(README);
    let lines: Vec<String> = text.lines().filter_map(|line| line.strip_prefix(voice)).map(masked).collect();
    let lines: Vec<String> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    assert!(lines.len() > 3, "README.md shows {lines:?} of {voice}");
    lines
}

#[test]
fn the_demo_of_the_readme_shows_lines_of_the_log_and_of_the_status() {
    let mut world = World::configured(Config::default().generator("cooldown", "5s"));
    add_shoes(&mut world);
    add_travel(&mut world);
    add(&mut world, named("watches", CampaignSpec::running(WATCHES), 1_085), 30_000);
    world.wait_until(WATCHES, "unguarded", |campaign| campaign.text("/verdict") == "unguarded");
    world.sandbox.interfere(TRAVEL, Interference::Stop).unwrap();
    world.wait_for_log("somebody else stopped it");
    world.wait_until(TRAVEL, "running", |campaign| campaign.text("/verdict") == "running");
    world.database.set_remaining_clicks(SHOES, 4_134);
    let shown = demo("[status]");
    world.wait_for("the status that README.md shows", |world| {
        let printed: Vec<String> = world.done(&["status"]).lines().map(masked).collect();
        let missing: Vec<&String> = shown.iter().filter(|line| !printed.contains(line)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:#?} are not in {printed:#?}")) }
    });
    world.wait_for_state(SHOES, "paused-guarded");
    let shown = demo("[guard]");
    world.wait_for("the log that README.md shows", |world| {
        let log = world.guard.log();
        let log: Vec<String> = log.lines().map(masked).collect();
        let missing = shown.iter().find(|line| !log.iter().any(|logged| logged.ends_with(line.as_str())));
        missing.map_or(Ok(()), |line| Err(format!("{line} is not in {log:#?}")))
    });
}

/// The demo takes minutes, so its own lines are compared with its source instead.
#[test]
fn the_demo_of_the_readme_shows_lines_of_the_script() {
    let files = ["script.rs", "player.rs", "mod.rs"].map(|file| text_of(&format!("tests/sandbox/src/demo/{file}")));
    let source = files.concat();
    for line in demo("[sandbox]") {
        if let Some(said) = line.strip_prefix(">>> ") {
            assert!(source.contains(&format!("\"{said}\"")), "the demo does not say {said:?}");
        }
        let words = line.split(|letter: char| !letter.is_ascii_alphabetic()).filter(|word| word.len() > 1);
        for word in words {
            let found = source.split(|letter: char| !letter.is_ascii_alphabetic()).any(|known| known == word);
            assert!(found, "the demo does not say `{word}`: {line}");
        }
    }
}
