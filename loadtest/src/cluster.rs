//! Several servers of our own as the nodes of one cluster, each a process: with certificates as an operator
//! issues them, one key and one folder of files for all.
//!
//! Leaves out: the store that they share, which is somebody else's.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use cluster_types::Rng;
use rookery_client::{Server, Tuning};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::folder;
use crate::limits::{SETTLE_WITHIN, TRY_AGAIN};
use crate::people::{self, Person};
use crate::rookery::{self, Rookery};

/// Shards of a cluster.
const SHARDS: usize = 1_024;

/// Running nodes and what they share.
#[derive(Debug)]
pub(crate) struct Cluster {
    // Before the folder, so that they are gone when it goes.
    nodes: Vec<Rookery>,
    administrator: Person,
    _folder: TempDir,
}

impl Cluster {
    /// Starts so many nodes on `store` (`fdb:CLUSTER_FILE`), in a part of their own, and waits until they
    /// have shared the rooms among them.
    ///
    /// # Errors
    /// If they do not start in time.
    pub(crate) async fn start(count: usize, store: &str) -> anyhow::Result<Self> {
        let folder = folder::new()?;
        let authority = folder.path().join("authority");
        cluster_command("init", &authority)?;
        let part = u64::from_be_bytes(Rng::from_os().bytes());
        let shared = format!(
            "store = \"{store}\"\nfdb = {{ prefix = \"load-{part:016x}\" }}\nkey_file = {:?}\nfiles = {{ folder = {:?} }}\n",
            folder.path().join("keys"),
            folder.path().join("files"),
        );
        let mut nodes = Vec::new();
        for _ in 0..count {
            let issued = cluster_command("issue", &authority)?;
            let certificates = issued["certificates"].as_str();
            let certificates = PathBuf::from(certificates.context("no certificates")?);
            let listen = rookery::free_address()?;
            let settings = format!(
                "{shared}cluster = {{ listen = \"{listen}\", certificates = {certificates:?} }}\n"
            );
            nodes.push(Rookery::prepare(&settings)?);
        }
        // The first makes the key. While there is no administrator, each start takes back the invitation
        // before it.
        let (first, others) = nodes.split_first_mut().context("no node")?;
        first.launch().await?;
        let invitation = first.first_invitation().await?;
        let server = first.server(Tuning::NORMAL)?;
        let administrator = people::administrator(&server, &invitation).await?;
        for node in others {
            node.launch().await?;
        }
        let cluster = Self {
            nodes,
            administrator,
            _folder: folder,
        };
        cluster.settle().await?;
        Ok(cluster)
    }

    /// Who may ask for everything, at the first node.
    pub(crate) const fn administrator(&self) -> &Person {
        &self.administrator
    }

    /// One of the nodes, from 0 on.
    pub(crate) fn node(&mut self, place: usize) -> &mut Rookery {
        &mut self.nodes[place]
    }

    /// All nodes for the SDK.
    ///
    /// # Errors
    /// If a certificate cannot be remembered.
    pub(crate) fn servers(&self, tuning: Tuning) -> anyhow::Result<Vec<Server>> {
        self.nodes.iter().map(|node| node.server(tuning)).collect()
    }

    /// Makes sure that none of them has ended by itself.
    ///
    /// # Errors
    /// If one has: how it ended, and its last words.
    pub(crate) fn lives(&mut self) -> anyhow::Result<()> {
        self.nodes.iter_mut().try_for_each(Rookery::lives)
    }

    /// Waits until all nodes are members, and each has a fair share of the rooms.
    ///
    /// # Errors
    /// If that takes too long.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        while !self.is_settled().await {
            ensure!(
                began.elapsed() < SETTLE_WITHIN,
                "the nodes do not share the rooms among them\n{}",
                self.nodes
                    .iter()
                    .map(Rookery::log_end)
                    .collect::<Vec<_>>()
                    .join("\n")
            );
            sleep(TRY_AGAIN).await;
        }
        Ok(())
    }

    async fn is_settled(&self) -> bool {
        let nodes = self.administrator.client.server_nodes().await;
        let shards: Vec<_> = nodes
            .iter()
            .flatten()
            .map(|node| node.shards as usize)
            .collect();
        let share = SHARDS / self.nodes.len() / 2;
        shards.len() == self.nodes.len()
            && shards.iter().sum::<usize>() == SHARDS
            && shards.iter().all(|has| *has > share)
    }
}

/// Has an authority made, or a certificate for another node. What the program says of it.
fn cluster_command(what: &str, authority: &Path) -> anyhow::Result<Value> {
    let mut command = Command::new(rookery::program()?);
    command.args(["cluster", what]).arg(authority).arg("--json");
    let output = command.output().context("the program cannot be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cluster {what} failed: {said}");
    serde_json::from_slice(&output.stdout).context("cluster says something else than JSON")
}
