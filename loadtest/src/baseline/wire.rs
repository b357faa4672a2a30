//! The bare server as a process: what it is told, and where it listens.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use rookery_client::{KnownServers, Server, Tuning};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::{Baseline, bare};
use crate::process::Usage;

/// How this baseline is called on the command line.
pub(crate) const KIND: &str = "wire";

/// A bare server that runs.
#[derive(Debug)]
pub(crate) struct Wire {
    baseline: Baseline,
    address: SocketAddr,
}

impl Wire {
    /// Starts it, and waits until it listens.
    ///
    /// # Errors
    /// If it does not.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut baseline = Baseline::start(KIND)?;
        let address = baseline.hear()?;
        let address = address
            .parse()
            .with_context(|| format!("the bare server listens at `{address}`"))?;
        Ok(Self { baseline, address })
    }

    /// The server for the SDK, with connections as `tuning` says.
    ///
    /// # Errors
    /// If its certificate cannot be remembered.
    pub(crate) fn server(&self, tuning: Tuning) -> anyhow::Result<Server> {
        let known = self.baseline.folder.path().join("known_servers");
        Ok(crate::rookery::server(
            self.address,
            KnownServers::open(known)?,
            tuning,
        )?)
    }

    /// What the bare server has used.
    ///
    /// # Errors
    /// If it has ended.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        self.baseline.usage()
    }
}

/// Runs the bare server in this process until standard input ends, with its files in `folder`.
///
/// # Errors
/// If it cannot listen.
pub(crate) async fn run(folder: &Path) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("no free port on 127.0.0.1")?;
    let address = listener.local_addr().context("no address")?;
    writeln!(std::io::stdout().lock(), "{address}").context("standard output is closed")?;
    let mut orders = tokio::io::stdin();
    let mut ignored = [0; 64];
    let ended = async {
        while orders
            .read(&mut ignored)
            .await
            .is_ok_and(|length| length > 0)
        {}
    };
    tokio::select! {
        () = ended => Ok(()),
        served = bare::serve(listener, folder) => served,
    }
}
