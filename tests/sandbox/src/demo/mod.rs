//! `sandbox demo`: the Traffic Generator against the sandbox, with nothing to set up first.
//!
//! - `script` is the play as data: who takes part, and what happens when.
//! - `player` plays it and tells what comes of it.
//! - `guard` is the main program: built, run as a child, asked for its status, ended.
//! - `stage` is the folder that all of it happens in: config, database, socket.

mod guard;
mod player;
mod script;
mod stage;

use std::error::Error;
use std::io::Write;
use std::time::Duration;

use sandbox::{Options, Sandbox};

use guard::{Guard, Program};
use player::Player;
use stage::Stage;

/// How long to watch.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long the demo runs.
    #[arg(long = "for", default_value = "150s", value_parser = humantime::parse_duration)]
    length: Duration,
}

/// Who says a line.
#[derive(Clone, Copy)]
enum Voice {
    /// The demo itself: TrafficStars, visitors, interfering people.
    Sandbox,
    /// The supervisor's log.
    Guard,
    /// The table that `traffic-generator status` prints.
    Status,
}

/// Prints lines, together. A reader who has gone (`| head`) is no reason to leave a child behind.
fn say(voice: Voice, lines: &str) {
    let prefix = match voice {
        Voice::Sandbox => "[sandbox]",
        Voice::Guard => "[guard]  ",
        Voice::Status => "[status] ",
    };
    let prefixed: String = lines.lines().map(|line| format!("{prefix} {line}\n")).collect();
    let _ = std::io::stdout().lock().write_all(prefixed.as_bytes());
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let stage = Stage::new()?;
    // Loopback and a short tick: the limit of the live API would leave nothing to see.
    let options = Options {
        requests_per_minute: stage::REQUESTS_PER_MINUTE,
        database: Some(stage.file("guard.db")),
        keep_requests: 10_000,
        ..Options::default()
    };
    let program = Program::build(&stage, options.api_key.clone()).await?;
    let sandbox = Sandbox::start_in_thread(options)?;
    stage.write_config(&sandbox.base_url())?;
    program.migrate().await?;
    let tracker = script::set_up(&sandbox, &stage.file("guard.db"))?;

    say(Voice::Sandbox, script::INTRODUCTION);
    say(Voice::Sandbox, &script::invitation(&program.shown()));
    if let Some(warning) = script::warning(chrono::Utc::now(), arguments.length) {
        say(Voice::Sandbox, warning);
    }
    let mut guard = Guard::start(program)?;
    let mut player = Player::new(&sandbox, tracker);
    let played = tokio::select! {
        played = player.play(&mut guard, arguments.length) => played,
        result = crate::interrupted() => {
            say(Voice::Sandbox, "Interrupted: ending everything.");
            result.map_err(Into::into)
        }
    };
    guard.stop().await?;
    player.sum_up();
    say(Voice::Sandbox, script::WHAT_NEXT);
    played
}
