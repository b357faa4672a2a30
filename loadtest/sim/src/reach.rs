//! [`Reach`]: how clients reach a node, and [`Nodes`]: all that can be reached.
//!
//! Of several nodes each has a runtime of its own. What a client asks for runs there, as it would behind a
//! socket: it stands still while the node is paused, and is gone without an answer when the node dies.

use std::sync::Arc;

use cluster_runtime::{TaskKind, Tasks};
use cluster_types::Rng;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::node::Node;

/// A node that clients reach. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    pub(crate) node: Node,
    /// `None`: the clients' own.
    runtime: Option<Handle>,
    /// What clients have under way there.
    connections: Tasks,
    /// The node has died: known to all who wait for it in the order in which they began to, which is not that
    /// in which a runtime drops its tasks.
    died: CancellationToken,
}

/// All nodes, by their number. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Nodes(Arc<Mutex<Vec<Option<Reach>>>>);

impl Reach {
    /// A node on the runtime of its clients.
    pub(crate) fn here(node: Node) -> Self {
        Self {
            node,
            runtime: None,
            connections: Tasks::new(),
            died: CancellationToken::new(),
        }
    }

    /// A node on a runtime of its own.
    pub(crate) fn there(node: Node, runtime: Handle) -> Self {
        Self {
            runtime: Some(runtime),
            ..Self::here(node)
        }
    }

    /// Whether the node can die without its clients.
    pub(crate) const fn is_remote(&self) -> bool {
        self.runtime.is_some()
    }

    /// What clients have under way there.
    pub(crate) fn connections(&self) -> usize {
        self.connections.count()
    }

    /// Has the node do something for a client; dropping this ends it. `None`: the node died.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        if !self.is_remote() {
            return Some(work.await);
        }
        let (done, result) = oneshot::channel();
        let work = async move {
            // The client may have hung up.
            let _result = done.send(work.await);
        };
        let _ends_with_this = self.spawn(work);
        self.died.run_until_cancelled(result).await?.ok()
    }

    /// Once the node has died.
    pub(crate) const fn died(&self) -> &CancellationToken {
        &self.died
    }

    /// The same in the background. `None` where the node is on the clients' runtime.
    pub(crate) fn spawn(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Option<AbortOnDropHandle<()>> {
        let _inside = self.runtime.as_ref()?.enter();
        let task = self
            .connections
            .spawn(TaskKind::Connection, "sim: connection", work);
        Some(AbortOnDropHandle::new(task))
    }
}

impl Nodes {
    /// This one.
    pub(crate) fn only(node: Reach) -> Self {
        Self(Arc::new(Mutex::new(vec![Some(node)])))
    }

    /// So many, of which none is reached yet.
    pub(crate) fn none_of(count: usize) -> Self {
        Self(Arc::new(Mutex::new(vec![None; count])))
    }

    /// From here on a node is reached, or is not.
    pub(crate) fn set(&self, number: usize, node: Option<Reach>) {
        if let Some(place) = self.0.lock().get_mut(number) {
            *place = node;
        }
    }

    /// How many are reached.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().iter().flatten().count()
    }

    /// Any that is reached, each as likely as the others.
    pub(crate) fn any(&self, rng: &Rng) -> Option<Reach> {
        let nodes = self.0.lock();
        let mut up = nodes.iter().flatten();
        let count = up.clone().count();
        let at = if count > 1 {
            rng.below(count as u64)
        } else {
            0
        };
        up.nth(usize::try_from(at).ok()?).cloned()
    }
}
