//! [`Others`]: the other nodes, as rooms and sessions need them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use cluster_membership::{Membership, Owner};
use cluster_rpc::link::{AskError, Links, Peer};
use cluster_runtime::{TaskKind, Tasks};
use cluster_types::{NodeId, RoomId, Shard};
use futures::future::join_all;
use proto::cluster::v1;
use services_rooms::{Command, CommandError, OtherNodes, Outcome};
use services_sessions::{Home, Nodes};

use super::wire;
use crate::Load;
use crate::limits::{COMMAND_WITHIN, HANDED_WITHIN, LOAD_WITHIN, LOOK_WITHIN, SUBSCRIBE_WITHIN};

/// The other nodes. Clones are the same.
#[derive(Clone)]
pub(crate) struct Others {
    membership: Membership,
    /// Of this node's life of now, once there are any.
    links: Arc<ArcSwapOption<Links>>,
    tasks: Tasks,
}

impl fmt::Debug for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Others").finish_non_exhaustive()
    }
}

impl Others {
    pub(crate) fn new(membership: Membership, tasks: Tasks) -> Self {
        Self {
            membership,
            links: Arc::default(),
            tasks,
        }
    }

    pub(crate) fn links(&self) -> Option<Arc<Links>> {
        self.links.load_full()
    }

    pub(crate) fn use_links(&self, links: Links) {
        self.links.store(Some(Arc::new(links)));
    }

    pub(crate) fn set_peers(&self, peers: BTreeMap<NodeId, Peer>) {
        if let Some(links) = self.links() {
            links.set_peers(peers);
        }
    }

    /// Has all nodes that can be reached read what was done to sign-ins. The others find out by themselves, or
    /// trust nothing that they remember.
    pub(crate) async fn look_at_sign_ins(&self) {
        let linked = self.links().map_or_else(Vec::new, |links| links.linked());
        let ask = |node| self.ask(node, wire::look_at_sign_ins(), LOOK_WITHIN);
        let _answers = join_all(linked.into_iter().map(ask)).await;
    }

    /// What another node has to do, if it says so.
    pub(crate) async fn load(&self, node: NodeId) -> Option<Load> {
        let answer = self.ask(node, wire::look_at_load(), LOAD_WITHIN).await;
        wire::load(answer.ok()?)
    }

    async fn ask(&self, node: NodeId, asked: Bytes, within: Duration) -> Result<Bytes, AskError> {
        let links = self.links().ok_or(AskError::NotLinked)?;
        links.ask(node, asked, within).await
    }
}

#[async_trait]
impl Nodes for Others {
    fn home(&self, shard: Shard) -> Home {
        let view = self.membership.view();
        let Owner { life, epoch, .. } = view.owner(shard);
        match life.and_then(|life| view.living(life)) {
            Some(member) if member.life == view.me() => Home::Here(epoch),
            Some(member) => Home::There(member.life.node, epoch),
            None => Home::Nowhere,
        }
    }

    async fn look(&self) {
        self.membership.look().await;
    }

    fn linked(&self) -> Vec<NodeId> {
        self.links().map_or_else(Vec::new, |links| links.linked())
    }

    fn tell(&self, node: NodeId, told: Bytes) -> bool {
        let links = self.links();
        links.is_some_and(|links| links.tell(node, told).is_ok())
    }

    async fn subscribe(&self, node: NodeId, rooms: v1::Subscribe) -> Option<v1::Subscribed> {
        let answer = self.ask(node, wire::subscribe(rooms), SUBSCRIBE_WITHIN);
        wire::subscribed(answer.await.ok()?)
    }
}

#[async_trait]
impl OtherNodes for Others {
    async fn command(
        &self,
        node: NodeId,
        room: RoomId,
        command: &Command,
    ) -> Result<Outcome, CommandError> {
        match self
            .ask(node, wire::command(room, command), COMMAND_WITHIN)
            .await
        {
            Ok(answer) => wire::outcome(answer),
            Err(error) if error.may_have_happened() => Err(CommandError::OutcomeUnknown),
            Err(AskError::Full | AskError::TooLarge) => Err(CommandError::Overloaded),
            Err(_nothing_happened) => Err(CommandError::Moving),
        }
    }

    fn handed(&self, handed: &[(Shard, Owner)]) {
        // Those whose shards they are now first; the others have clients who wait for them, or watch their rooms.
        let is_heir = |node: &NodeId| {
            let mut heirs = handed.iter().filter_map(|(_, owner)| owner.life);
            heirs.any(|life| life.node == *node)
        };
        let linked = Nodes::linked(self).into_iter();
        let (mut nodes, others): (Vec<_>, Vec<_>) = linked.partition(is_heir);
        nodes.extend(others);
        let (others, told) = (self.clone(), wire::handed(handed));
        self.tasks
            .spawn(TaskKind::Completion, "node: handed", async move {
                let tell = |node| others.ask(node, told.clone(), HANDED_WITHIN);
                // Who does not hear of it finds out by its next round.
                let _answers = join_all(nodes.into_iter().map(tell)).await;
            });
    }
}

#[cfg(test)]
mod tests {
    use cluster_membership::limits::SERVE_FOR;
    use cluster_membership::{Addresses, Myself, Parts, Place, Tenant, Timing};
    use cluster_store::{Faults, Simulated, SimulatedDisk, Store};
    use cluster_types::Rng;
    use tokio::time::sleep;

    use super::*;

    #[derive(Debug)]
    struct Nothing;

    #[async_trait]
    impl Tenant for Nothing {
        async fn release(&self, _: &[Shard]) {}
        fn handed(&self, _: &[(Shard, Owner)]) {}
        fn lost(&self, _: &[Shard]) {}
        fn gained(&self, _: &[Shard]) {}
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_node_cannot_serve_for_a_moment_is_its_own_all_the_same() {
        let (disk, rng, tasks) = (SimulatedDisk::new(), Rng::seeded(1), Tasks::new());
        let membership = Membership::join(Parts {
            store: Store::new(Simulated::new(disk.clone(), rng.fork())),
            rng: rng.fork(),
            tasks: tasks.clone(),
            myself: Myself {
                node: NodeId::random(&rng),
                addresses: Addresses::default(),
                version: String::new(),
            },
            timing: Timing::default(),
        });
        let membership = membership.await.expect("joins");
        membership.serve(Arc::new(Nothing));
        membership.until_caretaker().await;
        let others = Others::new(membership.clone(), tasks);
        let home = others.home(Shard::FIRST);
        assert!(matches!(home, Home::Here(_)), "{home:?}");
        disk.set_faults(Faults {
            stall: 1_000_000,
            stall_span: SERVE_FOR * 2,
            ..Faults::NONE
        });
        sleep(SERVE_FOR).await;
        assert_eq!(membership.place(Shard::FIRST), Place::Nobody);
        assert_eq!(others.home(Shard::FIRST), home);
    }
}
