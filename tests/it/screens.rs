//! `status`, `explain` and `history` on a terminal of 80 by 24: lines that fit, colours, and none where they are not wanted.
//! What they look like to the letter is held against files (`src/cli`).

use crate::helper::{Terminal, World};

const ID: i64 = 1001;
/// Begins each of the program's colours.
const ESCAPE: &str = "\u{1b}[";

/// A campaign that runs as it should, one that was started by the guard, and one whose clicks are used up while it is on hold.
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

/// What a command writes to a terminal until it ends, with these words in it.
fn written(world: &mut World, terminal: &mut Terminal, said: &[&str]) -> String {
    world.wait_for("the end of the command", |_| terminal.ended());
    // What was written last may still be on its way to the person.
    world.wait_for("its words", |_| {
        // A line may end where the terminal ends.
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
fn on_a_terminal_every_line_fits_and_colours_say_what_words_say_too() {
    let mut world = world();
    for (arguments, said) in [
        (
            &["status"][..],
            &["✗ DEGRADED, guarding 3 campaigns", "RUNS, on hold", "1 of 3 campaigns needs attention"][..],
        ),
        (&["health"], &["✗ degraded", "nothing pauses what runs with its clicks"]),
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
