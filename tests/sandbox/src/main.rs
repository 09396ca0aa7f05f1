//! The program `sandbox`. `sandbox serve` runs the API alone. `sandbox demo` also runs the Traffic Generator, which
//! guards a few campaigns there.

mod demo;
mod serve;

use std::error::Error;
use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// A TrafficStars API on loopback, to try the Traffic Generator with.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the API until interrupted. A control interface lets you change campaigns there and cause faults.
    #[command(after_long_help = serve::examples())]
    Serve(serve::Arguments),
    /// Watch the Traffic Generator guard a few campaigns: builds it, sets everything up, and prints what happens.
    Demo(demo::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let is_coloured = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_coloured).with_writer(std::io::stderr).init();
    let result = tokio::runtime::Runtime::new().map_err(Into::into).and_then(|runtime| {
        runtime.block_on(async {
            match arguments.command {
                Command::Serve(arguments) => serve::serve(arguments).await,
                Command::Demo(arguments) => demo::run(arguments).await,
            }
        })
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sandbox: {}", with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Returns an error and its causes as one line.
fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Waits for Ctrl-C or SIGTERM.
async fn interrupted() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}
