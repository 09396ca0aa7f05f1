//! Arguments, one call, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    traffic_generator::cli::main()
}
