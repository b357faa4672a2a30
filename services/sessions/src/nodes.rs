//! [`Between`]: delivery between nodes.
//!
//! A room has one home at a time, the node that its actor runs on. Every other node with sessions that watch
//! the room subscribes there, and is told of each event once, however many sessions it has: from there on it
//! is the relay's. A subscription lasts as long as the link and the home do. After each new one the node reads
//! from the store how far the room has come, and its sessions read what they missed: so no event has to arrive.
//!
//! What happens to a room is told at its home; what is said in passing, of whatever node, goes through it.
//! Who became a member, and how present people are, every node is told.
//!
//! Invariant: a node to which a link stands is told everything that it may not find by `seq`, or that something was
//! left out: events of its rooms, memberships, presence. What a break takes is looked up after it.
//!
//! Leaves out: links and who has which room, which are behind [`Nodes`].

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use cluster_types::{AccountId, NodeId, RoomId, Seq, Shard};
use parking_lot::Mutex;
use proto::cluster::v1;
use services_rooms::{Published, ReadMark, Standing};
use tokio::sync::Notify;

use crate::limits::SUBSCRIBE_AT_ONCE;
use crate::outbox::{Event, Missed};
use crate::presence::State as Present;
use crate::wire::frame::Frame;

mod interests;
mod owed;
mod presence;
mod subscribers;
pub(crate) mod subscribing;
pub(crate) mod wire;

pub use interests::Home;
use interests::{Interests, Turn, Waiting};
use owed::Owed;
use presence::Unknowing;
use subscribers::Subscribers;

/// The other nodes, and which of them has a room.
#[async_trait]
pub trait Nodes: fmt::Debug + Send + Sync + 'static {
    /// Who owns a shard's rooms, as far as is known here, whether or not they can be served there now.
    fn home(&self, shard: Shard) -> Home;

    /// Looks again who has what.
    async fn look(&self);

    /// Those to which a link stands.
    fn linked(&self) -> Vec<NodeId>;

    /// Tells a node something, an encoded [`v1::Told`], after all that it was told before. Must not wait.
    /// Returns whether it is on its way.
    fn tell(&self, node: NodeId, told: Bytes) -> bool;

    /// Asks a node to tell of rooms from now on. `None`: there is no answer.
    async fn subscribe(&self, node: NodeId, rooms: v1::Subscribe) -> Option<v1::Subscribed>;
}

/// No other nodes: every room is here.
#[derive(Clone, Copy, Debug)]
pub struct Alone;

#[async_trait]
impl Nodes for Alone {
    fn home(&self, _shard: Shard) -> Home {
        Home::Here(cluster_types::Epoch(0))
    }

    async fn look(&self) {}

    fn linked(&self) -> Vec<NodeId> {
        Vec::new()
    }

    fn tell(&self, _node: NodeId, _told: Bytes) -> bool {
        false
    }

    async fn subscribe(&self, _node: NodeId, _rooms: v1::Subscribe) -> Option<v1::Subscribed> {
        None
    }
}

#[derive(Debug)]
pub(crate) struct Between {
    nodes: std::sync::Arc<dyn Nodes>,
    interests: Mutex<Interests>,
    subscribers: Subscribers,
    owed: Owed,
    unknowing: Unknowing,
    /// Whoever subscribes has something to do.
    news: Notify,
}

impl Between {
    pub(crate) fn new(nodes: std::sync::Arc<dyn Nodes>) -> Self {
        Self {
            nodes,
            interests: Mutex::default(),
            subscribers: Subscribers::default(),
            owed: Owed::default(),
            unknowing: Unknowing::default(),
            news: Notify::new(),
        }
    }

    // --- What this node watches ---

    /// A part of the relay watches a room from now on. Called under the lock of its topics.
    pub(crate) fn watch(&self, room: RoomId) {
        let home = |shard| self.nodes.home(shard);
        self.news_of(self.interests.lock().more(room, home));
    }

    /// A part of the relay watches a room no more. Called under the lock of its topics.
    pub(crate) fn unwatch(&self, room: RoomId) {
        self.news_of(self.interests.lock().fewer(room));
    }

    /// Whether anybody here wants to hear of a room. If not, whoever tells of it is told so.
    pub(crate) fn wants(&self, room: RoomId, from: NodeId) -> bool {
        let mut interests = self.interests.lock();
        let wants = interests.contains(room);
        if !wants {
            self.news_of([interests.leave(room, from)]);
        }
        wants
    }

    /// Rooms have other homes than before. Returns whether some were where nothing was heard of what happened there.
    pub(crate) fn moved(&self) -> bool {
        let home = |shard| self.nodes.home(shard);
        let linked = self.nodes.linked();
        let (turns, unheard) = {
            let mut interests = self.interests.lock();
            let turns = interests.moved(home);
            (turns, interests.have_moved_unheard(&linked))
        };
        self.news_of(turns);
        self.subscribers
            .keep(|shard| matches!(home(shard), Home::Here(_)));
        self.retry_owed();
        unheard
    }

    /// A link stands.
    pub(crate) fn linked(&self, node: NodeId) {
        self.unknowing.add(node);
        self.news_of(self.interests.lock().relinked(node));
        self.retry_owed();
    }

    /// A link has broken.
    pub(crate) fn unlinked(&self, node: NodeId) {
        self.subscribers.remove_node(node);
        self.owed.remove(node);
        self.unknowing.remove(node);
        self.news_of(self.interests.lock().relinked(node));
        // A mark that was on its way through that node was for others.
        self.tell_or_doubt(&self.nodes.linked(), wire::doubt);
    }

    fn news_of(&self, turns: impl IntoIterator<Item = Turn>) {
        if turns.into_iter().next().is_some() {
            self.news.notify_one();
        }
    }

    fn turns(&self) -> BTreeSet<Turn> {
        let linked = self.nodes.linked();
        self.interests.lock().turns(&linked)
    }

    fn next(&self, turn: Turn) -> Vec<Waiting> {
        self.interests.lock().next(turn, SUBSCRIBE_AT_ONCE)
    }

    fn stand(&self, rooms: &[Waiting], refused: &[Waiting]) {
        let mut interests = self.interests.lock();
        interests.stand(rooms);
        interests.put_back(refused);
    }

    /// Tells a node which rooms nobody here watches any more. Returns whether it is on its way.
    fn unsubscribe(&self, node: NodeId) -> bool {
        let leaving = self.interests.lock().take_leaving(node);
        let leaving: Vec<_> = leaving.into_iter().collect();
        let tell = |rooms: &&[RoomId]| self.nodes.tell(node, wire::unsubscribe(rooms.to_vec()));
        let told = leaving.chunks(SUBSCRIBE_AT_ONCE).take_while(tell);
        let told: usize = told.map(<[_]>::len).sum();
        let mut interests = self.interests.lock();
        for room in &leaving[told..] {
            interests.leave(*room, node);
        }
        told == leaving.len()
    }

    // --- What other nodes watch ---

    /// Another node subscribes. Returns the rooms that are not here.
    pub(crate) fn subscribe(&self, node: NodeId, rooms: &[RoomId]) -> Vec<RoomId> {
        let is_here = |room: &RoomId| matches!(self.home(*room), Home::Here(_));
        let (here, elsewhere): (Vec<_>, Vec<_>) = rooms.iter().partition(|room| is_here(room));
        for room in here {
            self.subscribers.add(room, node);
        }
        elsewhere
    }

    /// Another node wants to hear of rooms no more.
    pub(crate) fn unsubscribed(&self, node: NodeId, rooms: &[RoomId]) {
        for room in rooms {
            self.subscribers.remove(*room, node);
        }
    }

    fn home(&self, room: RoomId) -> Home {
        self.nodes.home(Shard::of_room(room))
    }

    /// Tells of an event whoever subscribes.
    pub(crate) fn event(&self, published: &Published, event: &Event) {
        let nodes = self.subscribers.of(published.room);
        if let Some(Standing::Gained(account)) = published.standing {
            self.gained(published.room, account, published.seq, &nodes);
        }
        if nodes.is_empty() {
            return;
        }
        let told = wire::event(published);
        for node in nodes {
            if !self.nodes.tell(node, told.clone()) {
                self.subscribers.miss(published.room, node, event);
                self.news.notify_one();
            }
        }
    }

    /// Tells all but `besides`, who hear of it otherwise, that an account is a member of a room.
    pub(crate) fn gained(&self, room: RoomId, account: AccountId, seq: Seq, besides: &[NodeId]) {
        let mut others = self.nodes.linked();
        others.retain(|node| !besides.contains(node));
        self.tell_or_doubt(&others, || wire::gained(room, account, seq));
    }

    /// Tells whoever subscribes that a room is no more.
    pub(crate) fn deleted(&self, room: RoomId) {
        self.tell_or_doubt(&self.subscribers.of(room), || wire::deleted(room));
    }

    /// Tells how far a member has read: whoever subscribes, or the room's home.
    pub(crate) fn read(&self, room: RoomId, account: AccountId, mark: ReadMark) {
        if !self.tell_read(room, account, mark) {
            self.owe_read(room, account, mark);
        }
    }

    /// Owes word of how far a member has read to those who have to hear it.
    pub(crate) fn owe_read(&self, room: RoomId, account: AccountId, mark: ReadMark) {
        self.owed.mark(room, account, mark);
        // In this order: a way that opens behind this look says so itself.
        if self.leads_home(room, &self.nodes.linked()) {
            self.retry_owed();
        }
    }

    /// Whether what is told of a room can go where it is, once there is a place on the way.
    fn leads_home(&self, room: RoomId, linked: &[NodeId]) -> bool {
        match self.home(room) {
            Home::Here(_) => true,
            Home::There(node, _) => linked.contains(&node),
            Home::Nowhere => false,
        }
    }

    fn retry_owed(&self) {
        if self.owed.retry() {
            self.news.notify_one();
        }
    }

    /// Whether it is on its way.
    fn tell_read(&self, room: RoomId, account: AccountId, mark: ReadMark) -> bool {
        let nodes = self.hint_to(room, None);
        let is_told = self.tell_all(&nodes, || wire::read(room, account, mark));
        is_told && self.home(room) != Home::Nowhere
    }

    /// Tells that a member writes, as [`Between::read`].
    pub(crate) fn typing(&self, room: RoomId, account: AccountId) {
        let nodes = self.hint_to(room, None);
        let _told = self.tell_all(&nodes, || wire::typing(room, account));
    }

    /// Tells on what was said in passing on another node, if this is the room's home. Returns whether whoever is to hear
    /// it is told.
    pub(crate) fn pass_on(&self, room: RoomId, from: NodeId, told: Bytes) -> bool {
        match self.home(room) {
            Home::Here(_) => self.tell_all(&self.hint_to(room, Some(from)), || told),
            Home::There(..) | Home::Nowhere => true,
        }
    }

    fn hint_to(&self, room: RoomId, from: Option<NodeId>) -> Vec<NodeId> {
        match self.home(room) {
            Home::Here(_) => {
                let mut nodes = self.subscribers.of(room);
                nodes.retain(|node| Some(*node) != from);
                nodes
            }
            Home::There(node, _) => vec![node],
            Home::Nowhere => Vec::new(),
        }
    }

    /// A node to which there is no place on the way looks, once there is, which rooms its people are in.
    fn tell_or_doubt(&self, nodes: &[NodeId], told: impl FnOnce() -> Bytes) {
        if nodes.is_empty() {
            return;
        }
        let told = told();
        let lost = nodes
            .iter()
            .filter(|node| !self.nodes.tell(**node, told.clone()));
        let lost: Vec<_> = lost.copied().collect();
        if !lost.is_empty() {
            self.owed.doubt(lost);
            self.news.notify_one();
        }
    }

    /// Whether all of them are told.
    fn tell_all(&self, nodes: &[NodeId], told: impl FnOnce() -> Bytes) -> bool {
        if nodes.is_empty() {
            return true;
        }
        let told = told();
        let tell = |node: &NodeId| self.nodes.tell(*node, told.clone());
        nodes.iter().filter(|node| tell(node)).count() == nodes.len()
    }

    /// Tells what is owed, as far as there is a place for it now.
    fn tell_owed(&self) {
        let tell = |node, room, missed: Missed| self.nodes.tell(node, wire::missed(room, missed));
        self.subscribers.catch_up(tell);
        let linked = self.nodes.linked();
        let doubt = |node| self.nodes.tell(node, wire::doubt());
        let read = |room, account, mark| self.tell_read(room, account, mark);
        self.owed.tell(
            |node| linked.contains(&node),
            doubt,
            |room| self.leads_home(room, &linked),
            read,
        );
    }

    /// Whether something was not told that may have a place soon.
    fn owes(&self) -> bool {
        self.subscribers.has_missed() || self.owed.is_due()
    }

    /// Tells every node who has become how present here; `all` is everybody, for those who do not know yet.
    pub(crate) fn presence(
        &self,
        news: &[(AccountId, Present)],
        all: impl FnOnce() -> Vec<(AccountId, Present)>,
    ) {
        self.unknowing.tell(&*self.nodes, news, all);
    }
}

/// The event as the relay hands it out.
pub(crate) fn event(published: &Published) -> Event {
    Event {
        seq: published.seq,
        message_count: published.message_count,
        actor: published.actor,
        priority: published.priority,
        frame: Frame::of_encoded(&published.frame),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const NEAR: NodeId = NodeId::from_bytes([1; 16]);
    const FAR: NodeId = NodeId::from_bytes([2; 16]);

    /// A link to one node, whether it is full, and what went over it. All rooms are here.
    #[derive(Debug, Default)]
    struct Link(Mutex<(bool, Vec<Bytes>)>);

    #[async_trait]
    impl Nodes for Link {
        fn home(&self, _shard: Shard) -> Home {
            Home::Here(cluster_types::Epoch(1))
        }

        async fn look(&self) {}

        fn linked(&self) -> Vec<NodeId> {
            vec![NEAR]
        }

        fn tell(&self, node: NodeId, told: Bytes) -> bool {
            assert_eq!(node, NEAR);
            let (is_full, went) = &mut *self.0.lock();
            if !*is_full {
                went.push(told);
            }
            !*is_full
        }

        async fn subscribe(&self, _node: NodeId, _rooms: v1::Subscribe) -> Option<v1::Subscribed> {
            None
        }
    }

    fn between() -> (Arc<Link>, Between) {
        let link = Arc::new(Link::default());
        (Arc::clone(&link), Between::new(link))
    }

    #[test]
    fn what_was_on_its_way_through_a_node_that_is_gone_is_looked_up_by_the_others() {
        let (link, between) = between();
        between.linked(FAR);
        assert!(link.0.lock().1.is_empty());
        between.unlinked(FAR);
        assert_eq!(link.0.lock().1, [wire::doubt()]);
    }

    #[test]
    fn a_mark_of_another_node_waits_for_a_place_on_the_way_to_the_next() {
        let (link, between) = between();
        let (room, account) = (RoomId::from_bytes([3; 16]), AccountId::from_bytes([4; 16]));
        let mark = ReadMark {
            seq: Seq(1),
            message_count: 1,
        };
        let told = wire::read(room, account, mark);
        assert!(between.subscribe(NEAR, &[room]).is_empty());
        link.0.lock().0 = true;
        assert!(!between.pass_on(room, FAR, told.clone()));
        between.owe_read(room, account, mark);
        assert!(between.owes());
        link.0.lock().0 = false;
        between.tell_owed();
        assert_eq!(link.0.lock().1, [told]);
        assert!(!between.owes());
    }
}
