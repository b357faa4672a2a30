//! [`Cluster`]: the nodes besides this one, and what keeps them in step.
//!
//! Links follow the membership, and the services follow both: whenever the view changes, links to new members are
//! opened and those to former ones closed, and rooms are looked for where they are now.
//!
//! Invariant: links are of this node's life of now. One that was evicted comes back in another life, with new
//! links.
//!
//! Leaves out: who is a member (`cluster-membership`), how links work (`cluster-rpc`), and what is said on them
//! (`answering`, `others`).

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_membership::{Membership, View};
use cluster_rpc::link::{Limits, Links, Network, Parts, Peer};
use cluster_runtime::{TaskKind, Tasks};
use cluster_types::{DeploymentId, Life, NodeId, Rng};
use services_sessions::Hub;

use crate::limits::FAREWELL_WITHIN;
use crate::ties::Weakly;

mod answering;
mod others;
mod reach;
mod wire;

pub(crate) use answering::Answering;
pub(crate) use others::Others;

/// What links are made of.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) membership: Membership,
    /// None: nobody else may come.
    pub(crate) network: Option<Arc<dyn Network>>,
    pub(crate) deployment: DeploymentId,
    pub(crate) tasks: Tasks,
    pub(crate) rng: Rng,
}

impl Cluster {
    /// Keeps links and services in step with the membership, until the node stops.
    pub(crate) fn follow(self, others: Others, answering: Arc<Answering>, hub: Hub) {
        if self.network.is_some() {
            // Until it is known, and before the membership is told to serve.
            self.membership.set_cut_off(true);
            let reach = reach::follow(self.membership.clone(), others.clone());
            let stopping = self.tasks.stopping().clone();
            let reach = async move { _ = stopping.run_until_cancelled(reach).await };
            self.tasks.spawn(TaskKind::Membership, "node: reach", reach);
        }
        let stopping = self.tasks.stopping().clone();
        let tasks = self.tasks.clone();
        let follow = async move {
            let _stopped = stopping
                .run_until_cancelled(self.keep_up(others, answering, hub))
                .await;
        };
        tasks.spawn(TaskKind::Membership, "node: cluster", follow);
    }

    async fn keep_up(self, others: Others, answering: Arc<Answering>, hub: Hub) {
        let mut view = self.membership.view();
        let mut life = None;
        loop {
            if let Some(network) = &self.network {
                if life != Some(view.me()) {
                    life = Some(view.me());
                    self.link(network, view.me(), &others, &answering).await;
                }
                others.set_peers(peers(&view));
            }
            hub.moved();
            view = self.membership.view_after(&view).await;
        }
    }

    /// Replaces the links of an earlier life.
    async fn link(
        &self,
        network: &Arc<dyn Network>,
        myself: Life,
        others: &Others,
        answering: &Arc<Answering>,
    ) {
        if let Some(former) = others.links() {
            former.stop(FAREWELL_WITHIN).await;
        }
        others.use_links(Links::start(Parts {
            myself,
            deployment: self.deployment,
            network: Arc::clone(network),
            handler: Weakly::of(answering),
            tasks: self.tasks.clone(),
            rng: self.rng.fork(),
            limits: Limits::default(),
        }));
    }
}

/// All members but this node that can be reached.
fn peers(view: &View) -> BTreeMap<NodeId, Peer> {
    let others = view.members().filter(|member| member.life != view.me());
    let reachable = others.filter(|member| !member.addresses.cluster.is_empty());
    let peer = |member: &Arc<cluster_membership::Member>| {
        let peer = Peer {
            life: member.life,
            address: member.addresses.cluster.clone(),
        };
        (member.life.node, peer)
    };
    reachable.map(peer).collect()
}
