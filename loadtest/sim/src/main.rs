//! The program `sim`: runs seeds, prints what it found, and ends with 0 only if it found nothing.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let options = loadtest_sim::Options::parse();
    match loadtest_sim::main(&options) {
        Ok(code) => code,
        Err(error) => {
            loadtest_sim::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
