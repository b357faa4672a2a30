//! Links: one connection between any two nodes, and on it one ordered, bounded stream in each direction.
//!
//! # What it gives
//!
//! - **One link per pair.** The node with the lower id dials, again and again with jitter; a newer connection of a
//!   node takes the place of the older one. Whom to be linked with is told from outside ([`Links::set_peers`]).
//! - **Asks** have a deadline and one outcome. An [`AskError`] says whether the ask may have had an effect.
//! - **Tells** are not answered and never wait: if too much waits already, [`TellError::Full`].
//! - **Order.** Asks and tells reach the other's [`Handler`] in the order of the calls here. Answers come when
//!   they come, and may overtake asks and tells.
//! - **`linked` and `unlinked` alternate** for each node, and what a node says lies between the two. What was told
//!   before `unlinked` may be lost: whoever needs it all numbers it and reads what is missing elsewhere.
//! - **Bounds.** What waits to be sent, what has been asked, and what the other node may have under way here, in
//!   number and in bytes ([`Limits`]). Who sends more than it has credit for is cut off.
//! - **Silence is noticed**: a link says something several times a second, and one on which nothing is heard for a
//!   second is broken, in each direction by itself.
//!
//! Bodies are opaque bytes. The rules on the wire stand in `rookery/cluster/v1/link.proto`, the bounds in
//! `limits.rs`.
//!
//! # What whoever uses it must do
//!
//! Answer asks from elsewhere than the handler, which must not wait; subscribe anew after `linked`; stop with
//! [`Links::stop`] before the tasks are stopped.
//!
//! Leaves out: what is said, and who is a member.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster_runtime::{TaskKind, Tasks};
use cluster_types::{DeploymentId, Life, NodeId, Rng};
use tokio::time::timeout;

mod accept;
mod books;
mod carry;
pub mod certificates;
mod complaints;
mod dial;
mod error;
mod hello;
mod http;
pub mod limits;
mod line;
mod memory;
mod network;
mod shared;
#[cfg(test)]
mod tests;
mod tls;

pub use error::{AskError, TellError};
pub use limits::{BODY_BYTES_MAX, Limits};
pub use line::Answer;
pub use memory::{MemoryNetwork, MemoryNode};
pub use network::{Incoming, Network, Stream};
pub use tls::TlsNetwork;

use limits::FAREWELL_WITHIN;
use shared::Shared;

/// What the links of a node are made of.
#[derive(Debug)]
pub struct Parts {
    /// This node, in this life.
    pub myself: Life,
    /// What it belongs to; a node of another deployment is refused.
    pub deployment: DeploymentId,
    /// Opens and takes connections.
    pub network: Arc<dyn Network>,
    /// Hears what other nodes say.
    pub handler: Arc<dyn Handler>,
    /// Runs the links. When they are stopped, so are the links.
    pub tasks: Tasks,
    /// For the jitter of attempts.
    pub rng: Rng,
    /// Bounds.
    pub limits: Limits,
}

/// A node to be linked with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Peer {
    /// Its life: no other one is let in.
    pub life: Life,
    /// Where it takes links, as its [`Network`] reads it.
    pub address: String,
}

/// Hears what other nodes say. It is called from the tasks that read links, one call at a time for each
/// node, and must not wait.
pub trait Handler: fmt::Debug + Send + Sync {
    /// There is a link to `peer`: asks and tells are taken from now on.
    fn linked(&self, peer: NodeId);

    /// There is none any more; every ask has had its outcome, or has it now.
    fn unlinked(&self, peer: NodeId);

    /// `peer` tells something. It counts against its credit until this returns.
    fn told(&self, peer: NodeId, body: Bytes);

    /// `peer` asks something. It counts against its credit until the answer has left.
    fn asked(&self, peer: NodeId, body: Bytes, answer: Answer);
}

/// The links of this node. Clones are the same links.
#[derive(Clone, Debug)]
pub struct Links {
    shared: Arc<Shared>,
}

impl Links {
    /// Takes links from now on, and opens some once there are peers.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(parts: Parts) -> Self {
        let shared = Shared::new(parts);
        let accepting = accept::accept_all(Arc::clone(&shared));
        drop(
            shared
                .tasks
                .spawn(TaskKind::Accept, "links accepted", accepting),
        );
        Self { shared }
    }

    /// The nodes to be linked with, as the membership has them now; this node itself does not count. Links to
    /// nodes that are not in it, or in another life, end.
    pub fn set_peers(&self, peers: BTreeMap<NodeId, Peer>) {
        self.shared.set_peers(peers);
    }

    /// Asks `node`, and waits for the answer, for `within` at most (and an hour at most). If this is dropped, the ask may have been
    /// sent all the same.
    ///
    /// # Errors
    /// See [`AskError`], which says whether it may have happened.
    pub async fn ask(
        &self,
        node: NodeId,
        body: Bytes,
        within: Duration,
    ) -> Result<Bytes, AskError> {
        let line = self.shared.line(node).ok_or(AskError::NotLinked)?;
        line.ask(body, within).await
    }

    /// Tells `node` something. Does not wait.
    ///
    /// # Errors
    /// See [`TellError`]: nothing was told. Without an error it may still get lost with the link.
    pub fn tell(&self, node: NodeId, body: Bytes) -> Result<(), TellError> {
        let line = self.shared.line(node).ok_or(TellError::NotLinked)?;
        line.with(|books| books.tell(body))
    }

    /// Whether there is a link to `node`.
    pub fn is_linked(&self, node: NodeId) -> bool {
        self.shared.is_linked(node)
    }

    /// The nodes to which there is a link, in order.
    pub fn linked(&self) -> Vec<NodeId> {
        self.shared.linked()
    }

    /// Ends all links in good order: takes nothing new, refuses what is asked, sends what waits and what is
    /// answered until `within`, and says farewell.
    pub async fn stop(&self, within: Duration) {
        self.shared.leaving.cancel();
        for node in self.shared.linked() {
            if let Some(line) = self.shared.line(node) {
                line.with(|books| books.leave());
            }
        }
        // Links that end by then have ended in good order; the others are told why.
        let _ = timeout(within, self.shared.none_linked()).await;
        self.shared.ended.cancel();
        let _ = timeout(FAREWELL_WITHIN, self.shared.none_linked()).await;
    }
}
