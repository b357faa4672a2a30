//! [`Balancer`]: one address for all nodes, as a load balancer gives them. It hands connections on as they are, TLS
//! and all, to one running node after the other.
//!
//! Leaves out: what real ones do besides (`ops/deploy/haproxy`).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cluster_runtime::{TaskKind, Tasks};
use parking_lot::Mutex;
use services_gateway::Handle;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a node gets to take a connection before another one is asked.
const CONNECT_WITHIN: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Balancer {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Tasks,
}

#[derive(Debug, Default)]
struct Shared {
    nodes: Mutex<Vec<Handle>>,
    taken: AtomicUsize,
    /// The node whose connections were ended last.
    ended: watch::Sender<Option<SocketAddr>>,
}

impl Balancer {
    pub(super) async fn start(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let (shared, tasks) = (Arc::new(Shared::default()), Tasks::new());
        let balancer = Self {
            address: listener.local_addr()?,
            shared: Arc::clone(&shared),
            tasks: tasks.clone(),
        };
        let (accepting, stopping) = (tasks.clone(), tasks.stopping().clone());
        tasks.spawn(TaskKind::Accept, "dev-cluster: balance", async move {
            while let Some(accepted) = stopping.run_until_cancelled(listener.accept()).await {
                // One that is gone before it was taken is nobody's loss.
                if let Ok((client, _peer)) = accepted {
                    let (shared, stopping) = (Arc::clone(&shared), stopping.clone());
                    accepting.spawn(
                        TaskKind::Connection,
                        "dev-cluster: connection",
                        async move {
                            let carry = carry(&shared, client);
                            let _ended = stopping.run_until_cancelled(carry).await;
                        },
                    );
                }
            }
        });
        Ok(balancer)
    }

    /// From now on, connections go to those of these nodes that are ready, or to any if none is; those that stand stay.
    pub(super) fn use_nodes(&self, nodes: Vec<Handle>) {
        *self.shared.nodes.lock() = nodes;
    }

    /// Ends the connections to a node that does not answer, as a balancer does that checks its nodes' health.
    pub(super) fn end(&self, node: SocketAddr) {
        self.shared.ended.send_replace(Some(node));
    }

    pub(super) fn stop(&self) {
        self.tasks.stop();
    }
}

async fn carry(shared: &Shared, mut client: TcpStream) {
    let nodes = shared.nodes.lock().clone();
    let (ready, others): (Vec<_>, Vec<_>) = nodes.into_iter().partition(Handle::is_ready);
    let nodes = if ready.is_empty() { others } else { ready };
    let first = shared.taken.fetch_add(1, Ordering::Relaxed);
    for place in 0..nodes.len() {
        let address = nodes[(first + place) % nodes.len()].local_addr();
        let mut ended = shared.ended.subscribe();
        if let Ok(Ok(mut node)) = timeout(CONNECT_WITHIN, TcpStream::connect(address)).await {
            let _nodelay = (client.set_nodelay(true), node.set_nodelay(true));
            // However it ends, both ends see it.
            tokio::select! {
                _carried = copy_bidirectional(&mut client, &mut node) => {}
                () = until_ended(&mut ended, address) => {}
            }
            return;
        }
    }
}

async fn until_ended(ended: &mut watch::Receiver<Option<SocketAddr>>, node: SocketAddr) {
    while ended.changed().await.is_ok() {
        if *ended.borrow_and_update() == Some(node) {
            return;
        }
    }
}
