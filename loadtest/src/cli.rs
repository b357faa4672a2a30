//! The command line, and how a run ends.
//!
//! Invariant: a run that is interrupted or that fails drops what it holds, and with it the servers that
//! it has started.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use crate::bench::{self, Name};
use crate::console::{Console, say};
use crate::limits::SPEEDS;
use crate::{baseline, crash, files, replay};

/// Exit code for mistakes on the command line (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;

/// Exit code of a run that was interrupted, as shells know it.
const EXIT_INTERRUPTED: u8 = 130;

/// Load, and what it does to a server.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one benchmark, or all, against their baselines in the same run
    Bench(BenchOptions),
    /// Feed real conversations through a server that is killed again and again, and compare
    Replay(ReplayOptions),
    /// Kill a server under load, or cut its power, and look for what was acknowledged
    Crash(CrashOptions),
    /// A baseline, as a process of its own
    #[command(name = baseline::SUBCOMMAND, hide = true)]
    Baseline(BaselineOptions),
}

/// Options of `bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchOptions {
    /// Which benchmark
    #[arg(value_name = "NAME")]
    pub(crate) name: Name,
    /// End with one object on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// Seconds instead of minutes: whether it works and keeps its promises, not how fast
    #[arg(long)]
    pub(crate) quick: bool,
    /// Bytes of the file of `attachments` [default: 1 GiB, 8 MiB if quick]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) size: Option<u64>,
    /// Measure `append` even where the files are in memory, and nothing is durable
    #[arg(long)]
    pub(crate) in_memory: bool,
    /// Measure `fanout` to sessions on so many nodes, against one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=9), conflicts_with = "sweep")]
    pub(crate) nodes: Option<u8>,
    /// Measure `fanout` to more and more sessions of one room
    #[arg(long)]
    pub(crate) sweep: bool,
}

/// Options of `replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayOptions {
    /// How often the server is killed with -9 and started again during the conversations
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub(crate) kills: u32,
    /// Conversations as JSON lines, compressed with gzip [default: those that come with this program]
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// How many times faster than they were
    #[arg(long, value_name = "TIMES", default_value_t = 1_440.0, value_parser = speed)]
    pub(crate) speed: f64,
    /// Only the first days
    #[arg(long, value_name = "N")]
    pub(crate) days: Option<usize>,
    /// End with one object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `crash`.
#[derive(Debug, Args)]
pub(crate) struct CrashOptions {
    /// How often the server is killed with -9 under load [default: 50, without --power]
    #[arg(long, value_name = "N")]
    pub(crate) kills: Option<u32>,
    /// How many images of a disk that lost its power are opened
    #[arg(long, value_name = "N")]
    pub(crate) power: Option<u64>,
    /// Where the server that is killed keeps its history: fdb:CLUSTER_FILE [default: embedded]
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<String>,
    /// Several servers as one cluster on that store, which are killed or stopped for longer than a lease
    #[arg(long, value_name = "N", requires = "store", value_parser = clap::value_parser!(u8).range(2..=9))]
    pub(crate) processes: Option<u8>,
    /// Decides when the server is killed, and what the disk keeps
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// End with one object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
struct BaselineOptions {
    kind: BaselineKind,
    folder: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum BaselineKind {
    Wire,
    Store,
}

/// Runs the program with the arguments that it was started with.
pub fn main() -> ExitCode {
    start(std::env::args_os())
}

fn start(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no mistakes, and go where they can be read.
            let mistaken = error.use_stderr();
            let _ = error.print();
            return if mistaken {
                ExitCode::from(EXIT_USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    files::allow_many();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = match runtime.context("no threads") {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let ended = runtime.block_on(until_interrupted(run(cli.command)));
    // A thread that waits for standard input would keep us.
    runtime.shutdown_background();
    match ended {
        Ok(Some(true)) => ExitCode::SUCCESS,
        Ok(Some(false)) => ExitCode::FAILURE,
        Ok(None) => ExitCode::from(EXIT_INTERRUPTED),
        Err(error) => failed(&error),
    }
}

/// How many times faster something is to be, as a factor that a day can be divided by.
fn speed(text: &str) -> Result<f64, String> {
    let times: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
    if SPEEDS.contains(&times) {
        Ok(times)
    } else {
        Err(format!(
            "must be between {} and {}",
            SPEEDS.start(),
            SPEEDS.end()
        ))
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    say(&format!("error: {error:#}"));
    ExitCode::FAILURE
}

/// `None` if somebody asked the run to end. Then it is dropped where it stands.
async fn until_interrupted<T>(
    run: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<Option<T>> {
    let mut terminated = signal(SignalKind::terminate()).context("no signals")?;
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Ok(None),
        _ = terminated.recv() => Ok(None),
        ended = run => ended.map(Some),
    }
}

/// Whether all that was measured is as it has to be.
async fn run(command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Bench(options) => {
            let console = Console::new(options.json);
            let report = bench::run(&options, console).await?;
            console.result(&report, "")?;
            Ok(report.is_met())
        }
        Command::Replay(options) => replay::run(&options).await,
        Command::Crash(options) => crash::run(&options).await,
        Command::Baseline(options) => {
            match options.kind {
                BaselineKind::Wire => baseline::wire::run(&options.folder).await,
                BaselineKind::Store => baseline::store::run(&options.folder).await,
            }?;
            Ok(true)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_the_tasks_of_the_workspace_pass_on_is_understood() {
        for line in [
            "bench all --json",
            "bench append --quick",
            "bench append --in-memory",
            "bench fanout --nodes 3 --json",
            "bench fanout --sweep",
            "bench attachments --size 8388608 --json",
            "replay --kills 10 --json",
            "replay --days 1 --kills 2 --speed 14400",
            "crash --kills 50",
            "crash --power 1000 --json",
            "crash --kills 40 --processes 3 --store fdb:x",
        ] {
            let words = format!("loadtest {line}");
            assert!(Cli::try_parse_from(words.split(' ')).is_ok(), "{line}");
        }
    }

    #[test]
    fn a_speed_that_no_time_can_be_divided_by_is_a_mistake() {
        for speed in ["0", "-1", "NaN", "inf", "1e-300", "fast"] {
            let words = ["loadtest", "replay", "--speed", speed];
            assert!(Cli::try_parse_from(words).is_err(), "{speed}");
        }
    }

    #[test]
    fn baselines_are_known_by_the_names_that_they_are_started_with() {
        for kind in [baseline::wire::KIND, baseline::store::KIND] {
            let words = ["loadtest", baseline::SUBCOMMAND, kind, "folder"];
            assert!(Cli::try_parse_from(words).is_ok(), "{kind}");
        }
    }

    #[test]
    fn a_mistake_is_an_exit_code_of_its_own() {
        let arguments = ["loadtest", "bench", "nonsense"].map(OsString::from);
        let code = format!("{:?}", start(arguments));
        assert_eq!(code, format!("{:?}", ExitCode::from(EXIT_USAGE)));
    }
}
