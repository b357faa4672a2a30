//! Several nodes of our own: `rookery dev-cluster` as a process, told what to do with its nodes.
//!
//! Leaves out: what a cluster is (the program says), and what is measured.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rookery_client::{KnownServers, Server, Tuning};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::folder;
use crate::limits::{SETTLE_WITHIN, START_MAX, TRY_AGAIN};
use crate::process::{Process, Usage};
use crate::rookery::{self, LIMITS};

/// Lines that were printed and not read yet.
const LINES_MAX: usize = 256;

/// Shards of a cluster.
const SHARDS: u64 = 1_024;

/// Running nodes and their folder.
#[derive(Debug)]
pub(crate) struct DevCluster {
    // Before the folder, so that it is gone when the folder goes.
    process: Process,
    wishes: ChildStdin,
    printed: mpsc::Receiver<String>,
    invitation: String,
    folder: TempDir,
}

/// One of the nodes.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    /// Whether it runs and is reached.
    pub(crate) runs: bool,
    shards: u64,
}

impl DevCluster {
    /// Starts so many nodes, and waits until they have shared the rooms among them.
    ///
    /// # Errors
    /// If they do not start in time.
    pub(crate) async fn start(nodes: u8) -> anyhow::Result<Self> {
        let folder = folder::new()?;
        let config = folder.path().join("limits.toml");
        std::fs::write(&config, LIMITS).context("cannot write the configuration")?;
        let mut command = Command::new(rookery::program()?);
        command
            .args(["dev-cluster", "--listen", "127.0.0.1:0", "--nodes"])
            .arg(nodes.to_string())
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = Process::start(command, &folder.path().join("nodes.log"))?;
        let wishes = process.take_stdin().context("its input is piped")?;
        let output = process.take_stdout().context("its output is piped")?;
        let (lines, mut printed) = mpsc::channel(LINES_MAX);
        tokio::task::spawn_blocking(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if lines.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        let invitation = async {
            while let Some(line) = printed.recv().await {
                if let Some(invitation) = rookery::invitation_in(&format!("{line}\n")) {
                    return Some(invitation);
                }
            }
            None
        };
        let invitation = timeout(START_MAX, invitation).await;
        let invitation = invitation.ok().flatten().with_context(|| {
            let said = process.log_end();
            format!("the nodes printed no invitation\n{said}")
        })?;
        Ok(Self {
            process,
            wishes,
            printed,
            invitation,
            folder,
        })
    }

    /// The first administrator's invitation, good once.
    pub(crate) fn invitation(&self) -> &str {
        &self.invitation
    }

    /// One of the nodes for the SDK.
    ///
    /// # Errors
    /// If its certificate cannot be remembered.
    pub(crate) fn server(&self, node: &Node, tuning: Tuning) -> anyhow::Result<Server> {
        let known = KnownServers::open(self.folder.path().join("known_servers"))?;
        Ok(rookery::server(node.address, known, tuning)?)
    }

    /// Has something done to a node, or to all: `kill 1`. Returns when it is done.
    ///
    /// # Errors
    /// If the nodes have ended.
    pub(crate) async fn wish(&mut self, wish: &str) -> anyhow::Result<Vec<Node>> {
        writeln!(self.wishes, "{wish}\nstatus json").context("the nodes have ended")?;
        loop {
            let line = self.line().await?;
            if line.starts_with('[') {
                return nodes(&line).with_context(|| format!("no status: {line}"));
            }
        }
    }

    /// All nodes.
    ///
    /// # Errors
    /// As [`DevCluster::wish`].
    pub(crate) async fn nodes(&mut self) -> anyhow::Result<Vec<Node>> {
        self.wish("status").await
    }

    /// The number of the node that has a room; `None` if nobody has it now.
    ///
    /// # Errors
    /// As [`DevCluster::wish`].
    pub(crate) async fn owner(&mut self, room: &str) -> anyhow::Result<Option<u64>> {
        writeln!(self.wishes, "owner {room}").context("the nodes have ended")?;
        Ok(self.line().await?.parse().ok())
    }

    /// Waits until the running nodes have all shards, each a fair share.
    ///
    /// # Errors
    /// If that takes too long.
    pub(crate) async fn settle(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let nodes = self.nodes().await?;
            let runs: Vec<_> = nodes.iter().filter(|node| node.runs).collect();
            let share = SHARDS / runs.len().max(1) as u64 / 2;
            let all: u64 = runs.iter().map(|node| node.shards).sum();
            if all == SHARDS && runs.iter().all(|node| node.shards > share) {
                return Ok(());
            }
            ensure!(
                began.elapsed() < SETTLE_WITHIN,
                "the nodes do not share the rooms among them"
            );
            sleep(TRY_AGAIN).await;
        }
    }

    /// What all nodes together have used.
    ///
    /// # Errors
    /// If they have ended.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        self.process.usage()
    }

    /// The last words of the nodes, for whoever looks for the reason of something.
    pub(crate) fn log_end(&self) -> String {
        self.process.log_end()
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        let line = timeout(ANSWERS_WITHIN, self.printed.recv()).await;
        line.context("the nodes do not answer")?
            .context("the nodes have ended")
    }
}

/// The longest that anything takes that is done to a node.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

fn nodes(line: &str) -> Option<Vec<Node>> {
    let nodes: Vec<Value> = serde_json::from_str(line).ok()?;
    let node = |node: &Value| {
        Some(Node {
            address: node["address"].as_str()?.parse().ok()?,
            runs: node["standing"].as_str()? == "running",
            shards: node["shards"].as_u64()?,
        })
    };
    nodes.iter().map(node).collect()
}
