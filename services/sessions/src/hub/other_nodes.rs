//! What comes in from other nodes.

use bytes::Bytes;
use cluster_types::{NodeId, RoomId, Seq};
use proto::cluster::v1;
use services_rooms::Standing;

use super::{Hub, Inner};
use crate::limits::CAUGHT_UP_AT_ONCE;
use crate::nodes;
use crate::nodes::wire::{self, Heard};
use crate::outbox::Missed;

impl Hub {
    /// Another node tells something, an encoded [`v1::Told`]. Calls come one after the other, in the order in
    /// which it was told, and do not wait.
    pub fn told(&self, from: NodeId, told: Bytes) {
        let inner = &self.0;
        let Some(heard) = wire::heard(told.clone()) else {
            return;
        };
        match heard {
            Heard::Event(published) => {
                if inner.between.wants(published.room, from) {
                    let event = nodes::event(&published);
                    inner.deliver(&published, event);
                } else if let Some(Standing::Gained(account)) = published.standing {
                    // Whoever is told of events hears of new members by them alone.
                    inner.gained(published.room, account);
                }
            }
            Heard::Missed(room, missed) => {
                if inner.between.wants(room, from) {
                    inner.missed(room, missed);
                }
            }
            Heard::Unsubscribe(room) => inner.between.unsubscribed(from, room),
            Heard::Gained(room, account) => inner.gained(room, account),
            Heard::Deleted(room) => inner.gone(room),
            Heard::Read(room, account, mark) => {
                inner.read(room, account, mark);
                inner.between.pass_on(room, from, told);
            }
            Heard::Typing(room, account) => {
                inner.typing(room, account);
                inner.between.pass_on(room, from, told);
            }
            Heard::Doubt => self.doubt_rooms(),
            Heard::Presence(people, is_all) => inner.presence.told(from, &people, is_all),
        }
    }

    /// Another node wants to be told of rooms from now on.
    pub fn subscribe(&self, from: NodeId, asked: &v1::Subscribe) -> v1::Subscribed {
        let rooms = wire::subscribed_for(asked);
        wire::elsewhere(&self.0.between.subscribe(from, &rooms))
    }

    /// A link to another node stands. What it told while there was none is looked up.
    pub fn linked(&self, node: NodeId) {
        self.0.between.linked(node);
        // Somebody may have become a member there of a room that nobody here watches.
        self.doubt_rooms();
    }

    /// Has each session look which rooms its account is in.
    fn doubt_rooms(&self) {
        for session in self.0.accounts.all() {
            session.change(|state| state.doubt_rooms());
        }
    }

    /// The link to another node has broken.
    pub fn unlinked(&self, node: NodeId) {
        self.0.between.unlinked(node);
        self.0.presence.node_ended(node);
        // What it has done last it may have told nobody.
        self.doubt_rooms();
    }

    /// Rooms have other homes than before.
    pub fn moved(&self) {
        self.0.between.moved();
    }
}

impl Inner {
    /// Events of a room were lost on the way here, and among them may be one that says who is a member no more.
    fn missed(&self, room: RoomId, missed: Missed) {
        for session in self.relay.watchers(room) {
            session.change(|state| state.doubt(room, missed));
        }
    }

    /// A room had come this far when this node was told of it again.
    pub(crate) async fn caught_up(&self, room: RoomId, head: Seq, message_count: u64) {
        let missed = Missed {
            head,
            message_count,
            priority: None,
        };
        for sessions in self.relay.watchers(room).chunks(CAUGHT_UP_AT_ONCE) {
            for session in sessions {
                session.change(|state| state.doubt(room, missed));
            }
            tokio::task::yield_now().await;
        }
    }
}
