//! The program `sim`: runs seeds, prints what it found, and ends with 0 only if it found nothing.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a rule picks the few kinds of events that it is about; the rest is for other rules"
)]

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
