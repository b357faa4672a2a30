//! Nodes, as operators see them.

use std::collections::BTreeMap;

use cluster_membership::{Member, NodeState, View};
use cluster_rpc::name;
use cluster_types::NodeId;
use proto::v1;
use proto::v1::server_node::State;
use services_node::Load;
use services_rooms::HotRoom;

/// The members after one, by their ids, and after which the next page begins.
pub(super) fn page(
    view: &View,
    loads: &BTreeMap<NodeId, Load>,
    after: Option<NodeId>,
    limit: usize,
) -> (Vec<v1::ServerNode>, Option<NodeId>) {
    let id = |member: &Member| member.life.node;
    let mut rest = view.members().filter(|member| Some(id(member)) > after);
    let found: Vec<_> = rest.by_ref().take(limit).collect();
    let last = found.last().map(|member| id(member));
    let next = last.filter(|_| rest.next().is_some());
    (
        found
            .into_iter()
            .map(|member| node(view, member, loads.get(&id(member))))
            .collect(),
        next,
    )
}

fn node(view: &View, member: &Member, load: Option<&Load>) -> v1::ServerNode {
    let epochs: Vec<u64> = view
        .shards_of(member.life)
        .map(|shard| view.owner(shard).epoch.0)
        .collect();
    let state = match member.state {
        NodeState::Joining => State::Joining,
        NodeState::Serving => State::Serving,
        NodeState::Draining => State::Draining,
    };
    v1::ServerNode {
        name: name::of_node(member.life.node),
        version: member.version.clone(),
        state: state.into(),
        cluster_address: member.addresses.cluster.clone(),
        public_address: member.addresses.public.clone(),
        voice_address: member.addresses.voice.clone(),
        shards: u32::try_from(epochs.len()).unwrap_or(u32::MAX),
        epoch_max: epochs.into_iter().max().unwrap_or_default(),
        answering: member.life == view.me(),
        load: load.map(of_load),
    }
}

fn of_load(load: &Load) -> v1::NodeLoad {
    let hot = |hot: &HotRoom| v1::HotRoom {
        name: name::of_room(hot.room),
        events_per_minute: hot.events,
    };
    v1::NodeLoad {
        sessions: load.sessions,
        active_rooms: load.active_rooms,
        hottest_rooms: load.hottest.iter().map(hot).collect(),
    }
}

#[cfg(test)]
mod tests {
    use cluster_membership::{Membership, Parts};
    use cluster_runtime::Tasks;
    use cluster_store::{Simulated, Store};
    use cluster_types::{Rng, SHARDS};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_alone_is_one_node_with_all_shards() {
        let (store, id) = (
            Store::new(Simulated::reliable()),
            NodeId::from_bytes([7; 16]),
        );
        let parts = Parts::unreachable(store, id, Rng::seeded(1), Tasks::new());
        let membership = Membership::alone(parts).await.expect("is alone");
        let (nodes, next) = page(&membership.view(), &BTreeMap::new(), None, 10);
        assert_eq!(next, None);
        let [node] = &nodes[..] else {
            panic!("not one: {nodes:?}");
        };
        assert_eq!(node.name, name::of_node(id));
        assert_eq!((node.shards, node.epoch_max), (u32::from(SHARDS), 1));
        assert_eq!(node.state(), State::Serving);
        assert!(node.answering);
        let (nodes, _) = page(&membership.view(), &BTreeMap::new(), Some(id), 10);
        assert!(nodes.is_empty(), "behind the last");
    }
}
