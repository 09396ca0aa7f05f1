//! The program's entry point: it calls the command line interface.

use std::process::ExitCode;

fn main() -> ExitCode {
    traffic_generator::cli::main()
}
