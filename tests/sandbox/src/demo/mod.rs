//! `sandbox demo`: the Traffic Generator with the sandbox, without any setup by the user.
//!
//! - `script` is the demo as data: the campaigns, and what happens at which time.
//! - `player` carries out the script, and prints the results.
//! - `guard` builds the main program, runs it as a child process, prints its status, and stops it.
//! - `stage` is the demo's folder, with config, database and socket.

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

/// The arguments of `sandbox demo`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long the demo runs.
    #[arg(long = "for", default_value = "150s", value_parser = humantime::parse_duration)]
    length: Duration,
}

/// The source of a printed line.
#[derive(Clone, Copy)]
enum Voice {
    /// The demo itself: events at TrafficStars, and changes by other people.
    Sandbox,
    /// The supervisor's log.
    Guard,
    /// The table that `traffic-generator status` prints.
    Status,
}

/// Prints lines together. It ignores a closed output (`| head`), so that the demo still stops its child process.
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
    // The ticks are short, so the demo needs a higher limit than the live API's.
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
