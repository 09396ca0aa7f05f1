//! `status`, `health`, `explain`, `history`, `watch` and `manual` on a terminal of 80 by 24 characters: every line
//! fits, and colours appear only where they are wanted. The exact screens are compared with files in `src/cli`.

use crate::helper::{Terminal, World};

const ID: i64 = 1001;
/// The beginning of each escape sequence that sets a colour.
const ESCAPE: &str = "\u{1b}[";

/// Starts a world with three campaigns: one that runs as promised, one whose clicks are used up while it is on hold,
/// and one that the guard has started.
fn world() -> World {
    let mut world = World::new();
    world.add_guarded(ID);
    world.add_guarded(ID + 1);
    world.add(sandbox::CampaignSpec::paused(ID + 2), 20_000);
    world.wait_for_state(ID + 2, "active-guarded");
    world.done(&["hold", "2", "--reason", "creatives"]);
    world.database.set_remaining_clicks(ID + 1, 0);
    world.wait_until(ID + 1, "unguarded", |campaign| campaign.text("/verdict") == "unguarded");
    world
}

/// Waits until a command has ended and has written these words to its terminal, and returns what it wrote.
fn written(world: &mut World, terminal: &mut Terminal, said: &[&str]) -> String {
    world.wait_for("the end of the command", |_| terminal.ended());
    // The last output may arrive after the end of the command.
    world.wait_for("its words", |_| {
        // A long text is wrapped at the width of the terminal.
        let text = without_colours(&terminal.written()).replace('\r', "").replace("\n           ", " ");
        if said.iter().all(|words| text.contains(words)) { Ok(()) } else { Err(text) }
    });
    terminal.written().replace('\r', "")
}

fn without_colours(text: &str) -> String {
    let parts = text.split(ESCAPE).enumerate();
    parts.map(|(part, text)| if part == 0 { text } else { text.split_once('m').map_or("", |(_, text)| text) }).collect()
}

#[test]
fn on_a_terminal_every_line_fits_and_no_meaning_is_in_colours_alone() {
    let mut world = world();
    for (arguments, said) in [
        (
            &["status"][..],
            &["✗ DEGRADED, guarding 3 campaigns", "RUNS, on hold", "1 of 3 campaigns needs attention"][..],
        ),
        (&["health"], &["✗ degraded", "campaign 2 runs with its clicks used up"]),
        (&["explain", "2"], &["RUNS, and nothing pauses it", "traffic-generator hold 2 --pause"]),
        (&["history"], &["WHEN (UTC)", "activate"]),
    ] {
        let mut terminal = world.in_terminal(arguments);
        let colored = written(&mut world, &mut terminal, said);
        assert!(colored.contains(ESCAPE), "{arguments:?}: {colored:?}");
        let text = without_colours(&colored);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{arguments:?}: {text}");
        let mut terminal = world.in_terminal_without_colours(arguments);
        let plain = written(&mut world, &mut terminal, said);
        assert!(!plain.contains(ESCAPE), "{arguments:?}: {plain:?}");
        let piped = world.run(arguments).stdout;
        assert!(!piped.contains(ESCAPE), "{arguments:?}: {piped:?}");
    }
}

#[test]
fn the_manual_has_bold_headings_on_a_terminal_and_is_plain_text_elsewhere() {
    let mut world = World::new();
    let arguments = &["manual", "limit"][..];
    let said = &["The account's limit of requests", "tests/README.md"][..];
    let mut terminal = world.in_terminal(arguments);
    let colored = written(&mut world, &mut terminal, said);
    assert!(colored.starts_with("\u{1b}[1mThe account's limit of requests\u{1b}[0m\n"), "{colored:?}");
    let mut terminal = world.in_terminal_without_colours(arguments);
    let plain = written(&mut world, &mut terminal, said);
    let piped = world.done(arguments);
    assert!(piped.starts_with("# The account's limit of requests\n\nThis page "), "{piped}");
    assert_eq!(plain, piped);
}

#[test]
fn the_manual_prints_its_contents_each_topic_all_of_them_and_refuses_an_unknown_one() {
    let world = World::new();
    let contents = world.done(&["manual"]);
    let lines = contents.lines().filter_map(|line| line.strip_prefix("  "));
    let topics: Vec<&str> = lines.filter_map(|line| line.split(' ').next()).collect();
    assert!(topics.len() > 10 && topics.contains(&"two-machines"), "{contents}");
    let all = world.done(&["manual", "--all"]);
    let mut from = 0;
    for topic in &topics {
        let page = world.done(&["manual", topic]);
        let place = all[from..].find(&page);
        from += place.unwrap_or_else(|| panic!("{topic} is not in its place among all topics")) + page.len();
    }
    world.refused(&["manual", "nonsense"], 2, &["'nonsense'", &topics.join(", ")]);
    world.refused(&["manual", "limit", "--all"], 2, &["cannot be used with"]);
}

#[test]
fn watch_colours_warnings_on_a_terminal_with_colours_only() {
    let mut world = World::new();
    world.add_guarded(ID);
    let mut colored = world.in_terminal(&["watch"]);
    let mut plain = world.in_terminal_without_colours(&["watch"]);
    for terminal in [&colored, &plain] {
        world.wait_for("the first line", |_| terminal.shows("Ctrl-C ends it"));
    }
    world.sandbox.interfere(ID, sandbox::Interference::Stop).unwrap();
    let warning = format!("! 1 campaign {ID}: ");
    for terminal in [&mut colored, &mut plain] {
        world.wait_for("the warning", |_| terminal.shows(&warning));
        terminal.type_in("\x03");
        let mut ended = None;
        world.wait_for("its end", |_| terminal.ended().map(|status| ended = status.code()));
        assert_eq!(ended, Some(0));
    }
    let written = colored.written();
    let is_colored = |line: &&str| line.starts_with(&format!("{ESCAPE}33m")) && line.contains(&warning);
    assert!(written.lines().any(|line| is_colored(&line)), "{written:?}");
    assert!(!plain.written().contains(ESCAPE), "{:?}", plain.written());
}
