//! [`Load`]: what the nodes have to do, for operators.
//!
//! Leaves out: how much of machines and networks that takes, which is what telemetry is for.

use std::collections::BTreeMap;

use cluster_types::NodeId;
use futures::future::join_all;
use services_rooms::{HotRoom, Rooms};
use services_sessions::Hub;

use crate::Node;
use crate::limits::HOT_ROOMS;

/// What one node has to do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Load {
    /// Streams of clients that are open.
    pub sessions: u64,
    /// Rooms that are in memory.
    pub active_rooms: u64,
    /// The rooms there in which most has happened within the last minute, that one first; five at most.
    pub hottest: Vec<HotRoom>,
}

impl Load {
    pub(crate) fn of(hub: &Hub, rooms: &Rooms) -> Self {
        Self {
            sessions: hub.count(),
            active_rooms: rooms.active() as u64,
            hottest: rooms.hottest(HOT_ROOMS),
        }
    }
}

impl Node {
    /// What this node has to do, and those of the others that say so within a second.
    pub async fn loads(&self) -> BTreeMap<NodeId, Load> {
        let ask = |node| async move { Some((node, self.others.load(node).await?)) };
        let others = join_all(self.linked().into_iter().map(ask)).await;
        let own = Load::of(&self.hub, &self.rooms);
        let own = (self.membership.view().me().node, own);
        others.into_iter().flatten().chain([own]).collect()
    }
}
