//! This server among others: who it is, how it is reached, and how it joins them.
//!
//! Invariant: which node this is stands in its certificate, so a server cannot take another one's place by its
//! configuration alone; and a store that does not answer is waited for.
//!
//! Leaves out: membership and links themselves (`cluster-membership`, `cluster-rpc`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cluster_membership::{Addresses, JoinError, Membership, Myself, Parts, Timing};
use cluster_rpc::link::certificates::{Certificates, NodeFiles, node_in};
use cluster_rpc::link::{Network, TlsNetwork};
use cluster_runtime::{TaskKind, Tasks};
use cluster_store::Store;
use cluster_types::{Clock, DeploymentId, NodeId};
use services_gateway::Handle;
use services_node::Node;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::app::{Base, StartError};
use crate::config::{Config, NodesConfig};
use crate::stores::may_pass;

/// How long after the store has not answered a join is tried again. Each time takes seconds by itself.
const JOIN_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How often it is looked whether this node serves. A load balancer asks less often.
const READY_LOOKED_AT_EVERY: Duration = Duration::from_millis(100);

/// How long after a node has said that it is not ready it sends its clients away, and how long after that again, since
/// a balancer that has not asked meanwhile sends some of them back. Then after twice as long each time.
const SEND_AWAY_AGAIN: Duration = Duration::from_secs(1);

/// The longest between two times: who comes back for a day has nowhere else to go.
const SEND_AWAY_AGAIN_MAX: Duration = Duration::from_mins(10);

/// What a server shares with the others of its process.
#[derive(Clone, Debug)]
pub struct Among {
    /// The store of all of them.
    pub store: Store,
    /// Which of them it is.
    pub node: NodeId,
    /// How they reach each other.
    pub network: Arc<dyn Network>,
}

/// This server, as a node.
#[derive(Debug)]
pub(crate) struct Place {
    node: NodeId,
    /// How it reaches others; `None` if there are none.
    pub(crate) network: Option<Arc<dyn Network>>,
    addresses: Addresses,
}

impl Place {
    /// The only node of its deployment, whose id it has.
    pub(crate) fn alone(deployment: DeploymentId) -> Self {
        Self {
            node: NodeId::from_bytes(*deployment.as_bytes()),
            network: None,
            addresses: Addresses::default(),
        }
    }

    /// One of several in this process. In a network in memory a node is found by its id.
    pub(crate) fn among(others: Among, address: Option<SocketAddr>) -> Self {
        Self {
            node: others.node,
            network: Some(others.network),
            addresses: Addresses {
                cluster: others.node.to_string(),
                public: address.map_or_else(String::new, |address| address.to_string()),
                ..Addresses::default()
            },
        }
    }

    /// One of several, each with a process of its own, if the configuration says so. Listens for the others.
    pub(crate) async fn configured(
        config: &Config,
        clock: &Arc<dyn Clock>,
        tasks: &Tasks,
    ) -> Result<Option<Self>, StartError> {
        let NodesConfig {
            listen: Some(listen),
            certificates: Some(dir),
            address,
            public_address,
            voice_address,
        } = &config.cluster
        else {
            return Ok(None);
        };
        let (files, reading) = (NodeFiles::in_dir(dir), Arc::clone(clock));
        let read = tokio::task::spawn_blocking(move || {
            let node = node_in(&files)?;
            Ok((node, Certificates::load(files, node, reading)?))
        });
        let failed = |panic| StartError::DataDir {
            path: dir.clone(),
            source: std::io::Error::other(panic),
        };
        let read: Result<_, StartError> = read.await.map_err(failed)?;
        let (node, certificates) = read?;
        let certificates = Arc::new(certificates);
        certificates.keep_fresh(tasks);
        let failed = |source| StartError::ListenForNodes {
            address: *listen,
            source,
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let network = TlsNetwork::new(listener, certificates).map_err(failed)?;
        let listens = network.local_addr();
        tracing::info!(%node, %listens, "listens for other nodes");
        Ok(Some(Self {
            node,
            network: Some(Arc::new(network)),
            addresses: Addresses {
                cluster: address.clone().unwrap_or_else(|| listens.to_string()),
                public: public_address
                    .clone()
                    .unwrap_or_else(|| config.listen.to_string()),
                voice: voice_address.clone().unwrap_or_default(),
            },
        }))
    }

    /// Has load balancers know when this node serves no rooms: it cannot renew its membership, or drains. Who drains
    /// sends its clients away.
    pub(crate) fn tell_ready(&self, node: &Node, gateway: &Handle, tasks: &Tasks) {
        if self.network.is_none() {
            return;
        }
        let (membership, hub) = (node.membership.clone(), node.hub.clone());
        let gateway = gateway.clone();
        let tell = async move {
            let (mut ready, mut next, mut pause) = (true, Instant::now(), SEND_AWAY_AGAIN);
            // A stop says the same in an order of its own.
            while !gateway.goes_down() {
                sleep(READY_LOOKED_AT_EVERY).await;
                let drains = membership.gives_away();
                let serves = membership.is_serving() && !drains;
                if serves != ready {
                    ready = serves;
                    gateway.set_ready(ready).await;
                    (next, pause) = (Instant::now() + SEND_AWAY_AGAIN, SEND_AWAY_AGAIN);
                }
                if drains && next <= Instant::now() {
                    next = Instant::now() + pause;
                    pause = (2 * pause).min(SEND_AWAY_AGAIN_MAX);
                    hub.send_away();
                    gateway.send_away();
                }
            }
        };
        let stopping = tasks.stopping().clone();
        tasks.spawn(TaskKind::Housekeeping, "node: ready", async move {
            let _stopped: Option<()> = stopping.run_until_cancelled(tell).await;
        });
    }

    /// Takes its place on the store: among others, or alone.
    pub(crate) async fn take(&self, base: &Base) -> Result<Membership, JoinError> {
        let parts = Parts {
            store: base.store.clone(),
            rng: base.rng.fork(),
            tasks: base.tasks.clone(),
            myself: Myself {
                node: self.node,
                addresses: self.addresses.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            timing: Timing::default(),
        };
        let mut told = false;
        loop {
            let parts = parts.clone();
            let taken = match self.network {
                Some(_) => Membership::join(parts).await,
                None => Membership::alone(parts).await,
            };
            match taken {
                Err(JoinError::Store(error)) if may_pass(&error) => {
                    if !std::mem::replace(&mut told, true) {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(
                            error,
                            "cannot take its place on the store yet, and goes on trying"
                        );
                    }
                    sleep(JOIN_AGAIN_AFTER).await;
                }
                taken => return taken,
            }
        }
    }
}

#[cfg(test)]
mod tests;
