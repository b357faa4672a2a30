//! `cargo xtask`: one command for everything that is done to this repository.
//!
//! Owns the order in which things are checked, what is installed for it, and how a person reads the
//! result. Invariant: nothing in CI that a developer cannot run with the same one command.
//!
//! Left out: what the checks check. Rules live in `ops/tidy`, measurements in `loadtest`.

mod balancer;
mod cli;
mod console;
mod fdb;
mod k6;
mod programs;
mod root;
mod server;
mod steps;
mod stopwatch;
mod suite;
mod tools;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Task};
use crate::console::Console;
use crate::root::Root;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let console = Console::new();
    match run(cli, &console) {
        Ok(code) => code,
        Err(error) => {
            console.error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli, console: &Console) -> anyhow::Result<ExitCode> {
    let root = Root::find();
    match cli.task {
        Task::Test(options) => suite::run(&root, console, &options),
        Task::CheckFdb => fdb::check(&root, console),
        Task::Sim(rest) => programs::sim(&root, &rest.arguments),
        Task::Bench(rest) => programs::loadtest(&root, &["bench"], &rest.arguments),
        Task::Replay(rest) => programs::loadtest(&root, &["replay"], &rest.arguments),
        Task::Crash(rest) => programs::loadtest(&root, &["crash"], &rest.arguments),
        Task::K6(options) => k6::run(&root, console, &options),
        Task::Balancer(options) => balancer::run(&root, console, &options),
        Task::Power(images) => {
            programs::loadtest(&root, &["crash", "--power"], &images.arguments())
        }
    }
}
