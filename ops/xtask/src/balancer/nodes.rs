//! Three nodes as one process, told what to do with each.
//!
//! Leaves out: what a node is (`rookery dev-cluster` says).

use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::root::Root;
use crate::server::Server;
use crate::stopwatch::Stopwatch;

/// How many: one to kill, one to drain, and one that has to do for all.
pub(super) const COUNT: usize = 3;

/// The longest that anything takes that is done to a node, on a slow day.
const DONE_WITHIN: Duration = Duration::from_secs(60);

/// How often the answer is looked for.
const POLL: Duration = Duration::from_millis(50);

/// Shards of a cluster.
const SHARDS: u64 = 1_024;

/// Running nodes. They end with this.
pub(super) struct Nodes {
    server: Server,
}

/// One of them.
struct Node {
    address: SocketAddr,
    runs: bool,
    shards: u64,
}

impl Nodes {
    /// Starts them, and waits until they have shared the rooms among them.
    ///
    /// # Errors
    ///
    /// If they do not start.
    pub(super) fn start(root: &Root, program: &Path) -> anyhow::Result<Self> {
        let server = Server::nodes(root, program, "balancer", COUNT)?;
        Ok(Self { server })
    }

    /// What they keep and what they said.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Where each of them listens.
    ///
    /// # Errors
    ///
    /// If they do not say.
    pub(super) fn addresses(&mut self) -> anyhow::Result<[SocketAddr; COUNT]> {
        let nodes = self.wish("status")?;
        let addresses: Vec<_> = nodes.iter().map(|node| node.address).collect();
        addresses.try_into().ok().context("there are other nodes")
    }

    /// Has something done to one of them, and returns when it is done.
    ///
    /// # Errors
    ///
    /// If it is not.
    pub(super) fn have(&mut self, what: &str, number: usize) -> anyhow::Result<()> {
        let nodes = self.wish(&format!("{what} {number}"))?;
        let node = number.checked_sub(1).and_then(|place| nodes.get(place));
        let runs = node.context("no such node")?.runs;
        ensure!(runs == (what == "restart"), "node {number}: no {what}");
        Ok(())
    }

    /// Waits until those that run have all shards, each its share or nearly so.
    ///
    /// # Errors
    ///
    /// If that takes too long.
    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        let watch = Stopwatch::start();
        loop {
            let nodes = self.wish("status")?;
            let shards: Vec<u64> = nodes.iter().filter(|n| n.runs).map(|n| n.shards).collect();
            let share = SHARDS / shards.len().max(1) as u64 / 2;
            if shards.iter().sum::<u64>() == SHARDS && shards.iter().all(|has| *has > share) {
                return Ok(());
            }
            ensure!(
                watch.elapsed() < DONE_WITHIN,
                "the nodes do not share the rooms among them"
            );
            thread::sleep(POLL);
        }
    }

    fn wish(&mut self, wish: &str) -> anyhow::Result<Vec<Node>> {
        let said = self.server.log().len();
        self.server.say(&format!("{wish}\nstatus json"))?;
        let watch = Stopwatch::start();
        loop {
            if let Some(nodes) = status_in(self.server.log().get(said..).unwrap_or_default()) {
                return nodes.context("a status that nobody understands");
            }
            ensure!(
                watch.elapsed() < DONE_WITHIN,
                "the nodes do not answer to `{wish}`"
            );
            thread::sleep(POLL);
        }
    }
}

/// The first whole line with an array; `None` while there is none.
fn status_in(said: &str) -> Option<Option<Vec<Node>>> {
    let lines = said
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let line = lines.into_iter().find(|line| line.starts_with('['))?;
    let nodes: Option<Vec<Value>> = serde_json::from_str(line).ok();
    Some(nodes.and_then(|nodes| nodes.iter().map(node).collect()))
}

fn node(node: &Value) -> Option<Node> {
    Some(Node {
        address: node.get("address")?.as_str()?.parse().ok()?,
        runs: node.get("standing")?.as_str()? == "running",
        shards: node.get("shards")?.as_u64()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = r#"{"address":"127.0.0.1:1","standing":"killed","shards":7}"#;

    #[test]
    fn a_status_is_found_among_what_else_was_said() {
        let said = format!("INFO claimed shards\n  node  is\n[{NODE}]\n");
        let nodes = status_in(&said).expect("said").expect("understood");
        assert!(nodes.len() == 1 && !nodes[0].runs && nodes[0].shards == 7);
        assert!(status_in("[{}]\n").expect("said").is_none());
    }

    #[test]
    fn half_a_line_is_waited_for() {
        assert!(status_in(&format!("[{NODE}]")).is_none());
    }
}
