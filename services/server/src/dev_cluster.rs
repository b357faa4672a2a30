//! `rookery dev-cluster`: several whole servers in one process, on one embedded store, to try a cluster and to
//! break it on purpose.
//!
//! Each node has a port, a runtime and a membership of its own; they reach each other over a network in memory,
//! which can be cut. For development and tests: on one machine, a store of its own for all of them has one disk and
//! one process to lose.
//!
//! Leaves out: nodes on several machines, which need FoundationDB (`ops/cluster.md`).

use std::io::{BufRead as _, IsTerminal as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tokio::sync::mpsc;

use crate::cli::EXIT_SOFTWARE;
use crate::config::Config;
use crate::logging;
use crate::serve;

mod balancer;
mod console;
mod nodes;

pub use nodes::{DevCluster, DevError, NodeStatus, Standing};

/// Lines that were typed and not read yet.
const TYPED_MAX: usize = 16;

/// How to run several nodes.
#[derive(Args, Debug)]
pub struct DevClusterArgs {
    /// How many.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub nodes: u8,
    /// Where clients reach all of them; the nodes themselves listen on the ports after it. With port 0, each
    /// takes any.
    #[arg(long, default_value = "127.0.0.1:7443", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,
    /// Where to keep everything.
    #[arg(long, default_value = "rookery-dev-cluster", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Let anybody register without an invitation.
    #[arg(long)]
    pub self_registration: bool,
    /// What to log: a level, or targets with theirs.
    #[arg(long, default_value = "warn", value_parser = log_filter)]
    pub log: String,
}

/// Runs several nodes until the terminal says quit, or ctrl-c.
pub fn dev_cluster(args: DevClusterArgs) -> ExitCode {
    let config = Config {
        listen: args.listen,
        data_dir: args.data_dir,
        self_registration: args.self_registration,
        log: args.log,
        ..Config::default()
    };
    logging::start(&config);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return serve::fail(&error, EXIT_SOFTWARE),
    };
    let code = runtime.block_on(async {
        let mut cluster = match DevCluster::start(config, args.nodes).await {
            Ok(cluster) => cluster,
            Err(error) => return serve::fail(&error, error.code()),
        };
        let outcome = console::run(&mut cluster, typed()).await;
        cluster.stop().await;
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => serve::fail(&error, EXIT_SOFTWARE),
        }
    });
    // What reads the terminal cannot be cancelled, and is not waited for.
    runtime.shutdown_background();
    code
}

fn log_filter(text: &str) -> Result<String, String> {
    match text.parse::<tracing_subscriber::filter::Targets>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{error}: `info`, or `rookery=debug,warn`")),
    }
}

/// What is typed, line by line. Ends with the input.
fn typed() -> mpsc::Receiver<String> {
    let (lines, typed) = mpsc::channel(TYPED_MAX);
    tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    typed
}

/// Whether a person types.
fn is_terminal() -> bool {
    std::io::stdin().is_terminal()
}
