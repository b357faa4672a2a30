//! `rookery dev-cluster`: several whole servers in one process, on one embedded store, to try a cluster and to
//! break it on purpose.
//!
//! Each node has a port, a runtime and a membership of its own; they reach each other over a network in memory,
//! which can be cut. For development and tests: on one machine, a store of its own for all of them has one disk and
//! one process to lose.
//!
//! Leaves out: nodes on several machines, which need FoundationDB (`ops/cluster.md`).

use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;

use clap::Args;
use tokio::sync::mpsc;

use crate::cli::{EXIT_SOFTWARE, EXIT_USAGE, ServeOptions};
use crate::config::Config;
use crate::stores::StoreAt;
use crate::{descriptors, logging, serve};

mod balancer;
mod console;
mod nodes;

pub use nodes::{DevCluster, DevError, NodeStatus, Standing};

/// Lines that were typed and not read yet.
const TYPED_MAX: usize = 16;

/// How to run several nodes. What each of them is told is what a server is told.
#[derive(Args, Debug)]
pub struct DevClusterArgs {
    /// How many. They listen on the ports after the one where clients reach all of them; with port 0, on any.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub nodes: u8,
    /// How each of them serves.
    #[command(flatten)]
    pub serve: ServeOptions,
}

/// Runs several nodes until the terminal says quit, or ctrl-c.
pub fn dev_cluster(args: DevClusterArgs) -> ExitCode {
    let config = match Config::load(&args.serve) {
        Ok(config) => config,
        Err(mistakes) => return serve::fail(&mistakes, EXIT_USAGE),
    };
    if config.store != StoreAt::Embedded {
        return serve::fail(&NotEmbedded, EXIT_USAGE);
    }
    logging::start(&config);
    descriptors::raise(config.limits.connections.count_max);
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

/// Several nodes in one process share its store.
#[derive(Debug, thiserror::Error)]
#[error("a dev-cluster keeps everything in its own data directory: leave --store out")]
struct NotEmbedded;

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
