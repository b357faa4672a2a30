//! What comes in from other nodes.

use bytes::Bytes;
use cluster_types::{NodeId, RoomId};
use proto::cluster::v1;
use services_rooms::Standing;
use tokio::time::sleep;

use super::{Hub, Inner};
use crate::limits::{DOUBT_AFTER, DOUBT_EVERY, DOUBTED_AT_ONCE};
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
                    inner.gained(published.room, account, published.seq);
                }
            }
            Heard::Missed(room, missed) => {
                if inner.between.wants(room, from) {
                    inner.missed(room, missed);
                }
            }
            Heard::Unsubscribe(rooms) => inner.between.unsubscribed(from, &rooms),
            Heard::Gained(room, account, seq) => inner.gained(room, account, seq),
            Heard::Deleted(room) => inner.gone(room),
            Heard::Read(room, account, mark) => {
                inner.read(room, account, mark);
                if !inner.between.pass_on(room, from, told) {
                    inner.between.owe_read(room, account, mark);
                }
            }
            Heard::Typing(room, account) => {
                inner.typing(room, account);
                let _told = inner.between.pass_on(room, from, told);
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

    /// Has each session look, one after the other, which rooms its account is in.
    fn doubt_rooms(&self) {
        self.0.doubted.notify_one();
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
        if self.0.between.moved() {
            // Until then somebody may have become a member there, of which nobody here was told.
            self.doubt_rooms();
        }
    }
}

impl Inner {
    /// Events of a room were lost on the way here, and among them may be one that says who is a member no more.
    pub(crate) fn missed(&self, room: RoomId, missed: Missed) {
        self.relay.doubt(room, missed);
    }

    /// Whenever word of memberships may have been lost, has all sessions look, some at a time: all at once would keep
    /// the store from everything else.
    pub(crate) async fn doubt_rooms(&self) {
        loop {
            self.doubted.notified().await;
            // Links of several nodes break or stand at the same time.
            sleep(DOUBT_AFTER).await;
            for sessions in self.accounts.all().chunks(DOUBTED_AT_ONCE) {
                for session in sessions {
                    session.change(|state| state.doubt_rooms());
                }
                sleep(DOUBT_EVERY).await;
            }
        }
    }
}
