//! The full-screen view, in a terminal.

use crate::helper::{Terminal, World};

const ID: i64 = 1001;

fn world() -> World {
    let mut world = World::new();
    world.add_guarded(ID);
    world
}

fn wait_until_shown(world: &mut World, view: &Terminal, wanted: &str) {
    world.wait_for(&format!("`{wanted}` on the screen"), |_| view.shows(wanted));
}

fn wait_for_the_end(world: &mut World, view: &mut Terminal, exit_status: i32) {
    let ended = world.wait_for("the end of the view", |_| view.ended());
    assert_eq!(ended.code(), Some(exit_status));
    world.wait_for("the terminal as it was", |_| view.left_as_it_was());
}

#[test]
fn it_shows_the_campaigns_gives_orders_and_survives_a_restart_of_the_supervisor() {
    let mut world = world();
    let mut view = world.in_terminal(&["top"]);
    wait_until_shown(&mut world, &view, "● guarding 1 campaign · 1 running");
    // Each order is answered in the words of its command.
    for (keys, question, confirmation, answer) in [
        ("p", "decide now", "\r", ") is active-guarded: "),
        ("h", "Hold campaign", "new page\r", "is on hold until released"),
        ("r", "End the hold", "\r", "is released: it was on hold"),
        ("P", "Pause EVERY campaign", "wrong page\r", "Paused now: 1 of 1"),
        ("R", "End the hold on all", "\r", "All campaigns are released"),
        ("d", "Guard campaign 1 (campaign 1001) no more", "\r", "is not guarded any more"),
        ("e", "Guard campaign 1 (campaign 1001)?", "\r", "is guarded"),
    ] {
        view.type_in(keys);
        wait_until_shown(&mut world, &view, question);
        view.type_in(confirmation);
        wait_until_shown(&mut world, &view, answer);
    }
    world.guard.kill();
    wait_until_shown(&mut world, &view, "NO SUPERVISOR since");
    world.start();
    wait_until_shown(&mut world, &view, "the supervisor was restarted");
    wait_until_shown(&mut world, &view, "data 0s old");
    view.type_in("q");
    wait_for_the_end(&mut world, &mut view, 0);
}

#[test]
fn however_it_ends_the_terminal_is_left_as_it_was() {
    let mut world = world();
    // By a key, by Ctrl-C, by a signal.
    for keys in [Some("q"), Some("\x03"), None] {
        let mut view = world.in_terminal(&["top"]);
        wait_until_shown(&mut world, &view, "1 running");
        assert!(view.left_as_it_was().is_err(), "the view has the terminal to itself");
        match keys {
            Some(keys) => view.type_in(keys),
            None => view.terminate(),
        }
        wait_for_the_end(&mut world, &mut view, 0);
    }
}

#[test]
fn without_a_supervisor_it_says_so_and_ends_with_3() {
    let mut world = World::new();
    world.guard.stop();
    let mut view = world.in_terminal(&["top"]);
    wait_until_shown(&mut world, &view, "the supervisor is not running");
    wait_for_the_end(&mut world, &mut view, 3);
}

#[test]
fn what_is_no_terminal_gets_a_message() {
    let world = World::new();
    world.refused(&["top"], 1, &["`top` needs a terminal"]);
}
