//! What happens in rooms, on its way to who wants to know: the sessions of this node, by the relay, and the
//! nodes that subscribe.

use cluster_types::{AccountId, RoomId, Seq};
use services_rooms::{Published, Publisher, ReadMark, Standing};

use super::{Hub, Inner};
use crate::nodes;
use crate::outbox::{Event, Hint};

impl Publisher for Hub {
    fn event(&self, published: Published) {
        let event = nodes::event(&published);
        self.0.between.event(&published, &event);
        self.0.deliver(&published, event);
    }

    fn gained(&self, room: RoomId, account: AccountId) {
        self.0.between.gained(room, account, Seq::ZERO, &[]);
        self.0.gained(room, account, Seq::ZERO);
    }

    fn deleted(&self, room: RoomId) {
        self.0.between.deleted(room);
        self.0.gone(room);
    }

    fn read(&self, room: RoomId, account: AccountId, mark: ReadMark) {
        self.0.between.read(room, account, mark);
        self.0.read(room, account, mark);
    }

    fn typing(&self, room: RoomId, account: AccountId) {
        if self.0.typing(room, account) {
            self.0.between.typing(room, account);
        }
    }
}

/// To the sessions of this node.
impl Inner {
    pub(super) fn deliver(&self, published: &Published, event: Event) {
        let room = published.room;
        match published.standing {
            Some(Standing::Gained(account)) => self.gained(room, account, published.seq),
            Some(Standing::Lost(account)) => {
                for session in self.accounts.sessions_of(account) {
                    if session.change(|state| state.is_lost_by(room, published.seq)) {
                        self.leave(room, &session, None);
                    }
                }
                self.presence.doubt_of(account);
            }
            None => {}
        }
        let everywhere = self.relay.event(room, event);
        if !everywhere && published.priority.is_some() {
            // Who said it has read it, and might not get it.
            for session in self.accounts.sessions_of(published.actor) {
                session.change(|state| state.mark(room, published.message_count));
            }
        }
    }

    pub(super) fn gained(&self, room: RoomId, account: AccountId, seq: Seq) {
        for session in self.accounts.sessions_of(account) {
            self.gain(room, &session, seq);
        }
    }

    /// A room is no more.
    pub(crate) fn gone(&self, room: RoomId) {
        for session in self.relay.watchers(room) {
            self.leave(room, &session, None);
        }
    }

    pub(super) fn read(&self, room: RoomId, account: AccountId, mark: ReadMark) {
        for session in self.accounts.sessions_of(account) {
            session.change(|state| {
                state.mark(room, mark.message_count);
                let seq = mark.seq;
                state.hint(Hint::Read { room, account, seq });
            });
        }
        self.relay.read(room, account, mark.seq);
    }

    pub(super) fn typing(&self, room: RoomId, account: AccountId) -> bool {
        self.relay.typing(room, account)
    }
}
