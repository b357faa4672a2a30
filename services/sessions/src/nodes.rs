//! [`Between`]: delivery between nodes.
//!
//! A room has one home at a time, the node that its actor runs on. Every other node with sessions that watch
//! the room subscribes there, and is told of each event once, however many sessions it has: from there on it
//! is the relay's. A subscription lasts as long as the link and the home do. After each new one the node reads
//! from the store how far the room has come, and its sessions read what they missed: so nothing that is told
//! between nodes has to be reliable.
//!
//! What happens to a room is told at its home; what is said in passing, of whatever node, goes through it.
//! Who became a member, and how present people are, every node is told.
//!
//! Leaves out: links and who has which room, which are behind [`Nodes`].

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use cluster_types::{AccountId, NodeId, RoomId};
use parking_lot::Mutex;
use proto::cluster::v1;
use services_rooms::{Published, ReadMark, Standing};
use tokio::sync::Notify;

use crate::limits::{PRESENCE_TOLD_MAX, SUBSCRIBE_AT_ONCE};
use crate::outbox::{Event, Missed};
use crate::presence::State as Present;
use crate::wire::frame::Frame;

mod interests;
mod subscribers;
pub(crate) mod subscribing;
pub(crate) mod wire;

pub use interests::Home;
use interests::{Interests, Turn, Waiting};
use subscribers::Subscribers;

/// The other nodes, and which of them has a room.
#[async_trait]
pub trait Nodes: fmt::Debug + Send + Sync + 'static {
    /// Who has a room, as far as is known here.
    fn home(&self, room: RoomId) -> Home;

    /// Whether this node owns a room, also while it does not serve it.
    fn owns(&self, room: RoomId) -> bool;

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
    fn home(&self, _room: RoomId) -> Home {
        Home::Here(cluster_types::Epoch(0))
    }

    fn owns(&self, _room: RoomId) -> bool {
        true
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
    /// Nodes that were not told of a membership.
    doubted: Mutex<BTreeSet<NodeId>>,
    /// Nodes that are to be told how present everybody here is.
    presence_owed: Mutex<BTreeSet<NodeId>>,
    news: Notify,
}

impl Between {
    pub(crate) fn new(nodes: std::sync::Arc<dyn Nodes>) -> Self {
        Self {
            nodes,
            interests: Mutex::default(),
            subscribers: Subscribers::default(),
            doubted: Mutex::default(),
            presence_owed: Mutex::default(),
            news: Notify::new(),
        }
    }

    // --- What this node watches ---

    /// A part of the relay watches a room from now on. Called under the lock of its topics.
    pub(crate) fn watch(&self, room: RoomId) {
        let home = || self.nodes.home(room);
        if self.interests.lock().more(room, home).is_some() {
            self.news.notify_one();
        }
    }

    /// A part of the relay watches a room no more. Called under the lock of its topics.
    pub(crate) fn unwatch(&self, room: RoomId) {
        // Told under the lock: whoever watches the room next subscribes after it.
        let mut interests = self.interests.lock();
        if let Some(node) = interests.fewer(room) {
            self.unsubscribe(room, node);
        }
    }

    /// A node that goes on telling is told again. Only under the lock of the interests.
    fn unsubscribe(&self, room: RoomId, node: NodeId) {
        let _told = self.nodes.tell(node, wire::unsubscribe(room));
    }

    /// Whether anybody here wants to hear of a room. If not, whoever tells of it is told so.
    pub(crate) fn wants(&self, room: RoomId, from: NodeId) -> bool {
        let interests = self.interests.lock();
        let wants = interests.contains(room);
        if !wants {
            self.unsubscribe(room, from);
        }
        wants
    }

    /// Rooms have other homes than before.
    pub(crate) fn moved(&self) {
        let home = |room| self.nodes.home(room);
        let turns = self.interests.lock().moved(home);
        // One that cannot serve for a moment goes on under the same epoch, and nobody subscribes anew.
        self.subscribers.keep(|room| self.nodes.owns(room));
        if !turns.is_empty() {
            self.news.notify_one();
        }
    }

    /// A link stands.
    pub(crate) fn linked(&self, node: NodeId) {
        self.presence_owed.lock().insert(node);
        if self.interests.lock().relinked(node).is_some() {
            self.news.notify_one();
        }
    }

    /// A link has broken.
    pub(crate) fn unlinked(&self, node: NodeId) {
        self.subscribers.remove_node(node);
        // Once it is back, it looks by itself.
        self.doubted.lock().remove(&node);
        self.presence_owed.lock().remove(&node);
        if self.interests.lock().relinked(node).is_some() {
            self.news.notify_one();
        }
    }

    fn turns(&self) -> Vec<Turn> {
        self.interests.lock().turns()
    }

    fn next(&self, turn: Turn) -> Vec<Waiting> {
        self.interests.lock().next(turn, SUBSCRIBE_AT_ONCE)
    }

    fn stand(&self, rooms: &[Waiting]) {
        self.interests.lock().stand(rooms);
    }

    // --- What other nodes watch ---

    /// Another node subscribes. Returns the rooms that are not here.
    pub(crate) fn subscribe(&self, node: NodeId, rooms: &[RoomId]) -> Vec<RoomId> {
        let is_here = |room: &RoomId| matches!(self.nodes.home(*room), Home::Here(_));
        let (here, elsewhere): (Vec<_>, Vec<_>) = rooms.iter().partition(|room| is_here(room));
        for room in here {
            self.subscribers.add(room, node);
        }
        elsewhere
    }

    /// Another node wants to hear of a room no more.
    pub(crate) fn unsubscribed(&self, node: NodeId, room: RoomId) {
        self.subscribers.remove(room, node);
    }

    /// Tells of an event whoever subscribes.
    pub(crate) fn event(&self, published: &Published, event: &Event) {
        let nodes = self.subscribers.of(published.room);
        if let Some(Standing::Gained(account)) = published.standing {
            self.gained(published.room, account, &nodes);
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
    pub(crate) fn gained(&self, room: RoomId, account: AccountId, besides: &[NodeId]) {
        let mut others = self.nodes.linked();
        others.retain(|node| !besides.contains(node));
        self.tell_or_doubt(&others, || wire::gained(room, account));
    }

    /// Tells whoever subscribes that a room is no more.
    pub(crate) fn deleted(&self, room: RoomId) {
        self.tell_or_doubt(&self.subscribers.of(room), || wire::deleted(room));
    }

    /// Tells how far a member has read: whoever subscribes, or the room's home.
    pub(crate) fn read(&self, room: RoomId, account: AccountId, mark: ReadMark) {
        let nodes = self.hint_to(room, None);
        self.tell_all(&nodes, || wire::read(room, account, mark));
    }

    /// Tells that a member writes, as [`Between::read`].
    pub(crate) fn typing(&self, room: RoomId, account: AccountId) {
        let nodes = self.hint_to(room, None);
        self.tell_all(&nodes, || wire::typing(room, account));
    }

    /// Tells on what was said in passing on another node, if this is the room's home.
    pub(crate) fn pass_on(&self, room: RoomId, from: NodeId, told: Bytes) {
        if let Home::Here(_) = self.nodes.home(room) {
            let nodes = self.hint_to(room, Some(from));
            self.tell_all(&nodes, || told);
        }
    }

    fn hint_to(&self, room: RoomId, from: Option<NodeId>) -> Vec<NodeId> {
        match self.nodes.home(room) {
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
            self.doubted.lock().extend(lost);
            self.news.notify_one();
        }
    }

    /// What has no place on the way is forgotten.
    fn tell_all(&self, nodes: &[NodeId], told: impl FnOnce() -> Bytes) {
        if nodes.is_empty() {
            return;
        }
        let told = told();
        for node in nodes {
            let _told = self.nodes.tell(*node, told.clone());
        }
    }

    /// Tells what was missed, as far as there is a place for it now.
    fn catch_up(&self) {
        let tell = |node, room, missed: Missed| self.nodes.tell(node, wire::missed(room, missed));
        self.subscribers.catch_up(tell);
        let mut doubted = self.doubted.lock();
        doubted.retain(|node| !self.nodes.tell(*node, wire::doubt()));
    }

    fn has_missed(&self) -> bool {
        self.subscribers.has_missed() || !self.doubted.lock().is_empty()
    }

    // --- Presence ---

    /// Tells every node who has become how present here; `all` is everybody, for those who do not know yet.
    pub(crate) fn presence(
        &self,
        news: &[(AccountId, Present)],
        all: impl FnOnce() -> Vec<(AccountId, Present)>,
    ) {
        let mut owed: BTreeSet<_> = std::mem::take(&mut *self.presence_owed.lock());
        let linked = self.nodes.linked();
        let (new, known): (Vec<_>, Vec<_>) =
            linked.into_iter().partition(|node| owed.contains(node));
        owed.retain(|node| !new.contains(node));
        self.presence_owed.lock().append(&mut owed);
        for node in known {
            self.tell_presence(node, news, false);
        }
        if !new.is_empty() {
            let all = all();
            for node in new {
                self.tell_presence(node, &all, true);
            }
        }
    }

    /// What has no place on the way is told anew, with everything else.
    fn tell_presence(&self, node: NodeId, people: &[(AccountId, Present)], is_all: bool) {
        // Also if there is nobody: those who were told of before are gone.
        let nobody = (is_all && people.is_empty()).then_some(people);
        let mut some = people.chunks(PRESENCE_TOLD_MAX).chain(nobody).enumerate();
        let is_told = some.all(|(n, some)| {
            let told = wire::presence(some, is_all && n == 0);
            self.nodes.tell(node, told)
        });
        if !is_told {
            self.presence_owed.lock().insert(node);
        }
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
