//! Completion in real shells: a test types the beginning of a command and a tab, and reads the completed line.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::helper::{Done, Terminal, World};

/// The text that is typed before the tab, and a part of the line after it.
const TYPED: [(&str, &str); 7] = [
    ("campai", "traffic-generator campaign"),
    ("campaign set 1 --mode obs", "--mode observe"),
    ("url set 1 --status rej", "--status rejected"),
    ("wait 1 --until cool", "--until cooling-down"),
    ("explain ts:100", "explain ts:1001"),
    ("hold red", "hold red\\ shoes"),
    ("completions pow", "completions powershell"),
];

fn installed(shell: &str) -> Option<PathBuf> {
    let found =
        std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(shell)).find(|path| path.is_file());
    if found.is_none() {
        eprintln!("{shell} is not installed: its completion is not tested here");
    }
    found
}

/// Types each beginning into the shell, and waits for the completed line.
fn assert_completes(shell: &str, arguments: &[&str], source: &str) {
    let Some(shell) = installed(shell) else { return };
    let mut world = World::new();
    world.database.add_row("red shoes", 1001, false);
    let folder = world.guard.config_file().parent().unwrap().to_owned();
    let built = Path::new(env!("CARGO_BIN_EXE_traffic-generator")).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(built).chain(std::env::split_paths(&path))).unwrap();
    let mut program = Command::new(shell);
    program.args(arguments).current_dir(&folder).env("PATH", path).env("HOME", &folder).env("TERM", "xterm");
    program.env("PS1", "ready> ").env("INPUTRC", "/dev/null");
    let mut terminal = Terminal::start(&program);
    world.wait_for("a prompt", |_| terminal.shows("ready>"));
    terminal.type_in(&format!("{source}; echo sour''ced\n"));
    world.wait_for("the script to be read", |_| terminal.shows("sourced"));
    for (begun, whole) in TYPED {
        // Ctrl-U removes the line before it.
        terminal.type_in(&format!("\u{15}traffic-generator {begun}\t"));
        world.wait_for(&format!("{whole} behind {begun}"), |_| terminal.shows(whole));
    }
}

#[test]
fn bash_completes_commands_words_names_and_ids() {
    assert!(installed("bash").is_some(), "this test needs bash");
    assert_completes("bash", &["--norc", "--noprofile", "-i"], "source <(traffic-generator completions bash)");
}

#[test]
fn zsh_completes_commands_words_names_and_ids() {
    let source = "autoload -U compinit; compinit -u -D; source <(traffic-generator completions zsh)";
    assert_completes("zsh", &["-f", "-i"], source);
}

#[test]
fn fish_completes_commands_words_names_and_ids() {
    let prompt = "function fish_prompt; echo -n 'ready> '; end";
    assert_completes("fish", &["--no-config", "-i", "-C", prompt], "traffic-generator completions fish | source");
}

#[test]
fn without_a_supervisor_completion_prints_no_error() {
    let mut world = World::new();
    world.guard.stop();
    for typed in ["explain ", "hold x", "url list "] {
        let done = world.guard.run(&["complete", "--line", &format!("traffic-generator {typed}")]);
        assert_eq!(done.output(), "", "{typed}");
        assert_eq!(done.code, 0);
    }
    let words = Done::of(&mut world.guard.program_without_config(&["complete", "--", "log-f"])).succeeded();
    assert!(words.starts_with("log-filter\t"), "{words}");
}
