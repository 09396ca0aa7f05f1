//! The command `top`: the full-screen view, in a terminal.

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
fn top_shows_the_campaigns_gives_orders_and_survives_a_restart_of_the_supervisor() {
    let mut world = world();
    let mut view = world.in_terminal(&["top"]);
    wait_until_shown(&mut world, &view, "● guarding 1 campaign · 1 running");
    // Each order shows the answer of the command that gives the same order.
    for (keys, question, confirmation, answer) in [
        ("p", "Run a tick of campaign", "\r", ") is active-guarded: "),
        ("h", "Put campaign 1 (campaign 1001) on hold?", "new page\r", "is on hold until released"),
        ("r", "End the hold", "\r", "is released: it was on hold"),
        ("P", "Pause EVERY campaign", "wrong page\r", "Paused now: 1 of 1"),
        ("R", "End the hold on all", "\r", "All campaigns are released"),
        ("d", "Stop guarding campaign 1 (campaign 1001)?", "\r", "is no longer guarded"),
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
fn top_restores_the_terminal_in_every_way_of_ending() {
    let mut world = world();
    // The view ends by a key, by Ctrl-C, and by a signal.
    for keys in [Some("q"), Some("\x03"), None] {
        let mut view = world.in_terminal(&["top"]);
        wait_until_shown(&mut world, &view, "1 running");
        assert!(view.left_as_it_was().is_err(), "the view uses the whole terminal");
        match keys {
            Some(keys) => view.type_in(keys),
            None => view.terminate(),
        }
        wait_for_the_end(&mut world, &mut view, 0);
    }
}

#[test]
fn without_a_supervisor_top_says_so_and_ends_with_3() {
    let mut world = World::new();
    world.guard.stop();
    let mut view = world.in_terminal(&["top"]);
    wait_until_shown(&mut world, &view, "the supervisor is not running");
    wait_for_the_end(&mut world, &mut view, 3);
}

#[test]
fn without_a_terminal_top_prints_an_error() {
    let world = World::new();
    world.refused(&["top"], 1, &["`top` needs a terminal"]);
}
