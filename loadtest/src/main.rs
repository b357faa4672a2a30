//! The program `loadtest`: see [`loadtest::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    loadtest::cli::main()
}
