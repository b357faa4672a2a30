//! What rooms publish, on its way into the relay.

use cluster_types::{AccountId, RoomId};
use services_rooms::{Published, Publisher, ReadMark, Standing};

use super::Hub;
use crate::outbox::{Event, Hint};
use crate::wire::frame::Frame;

impl Publisher for Hub {
    fn event(&self, published: Published) {
        let room = published.room;
        match published.standing {
            Some(Standing::Gained(account)) => self.gained(room, account),
            Some(Standing::Lost(account)) => {
                for session in self.0.accounts.sessions_of(account) {
                    self.0.leave(room, &session, None);
                }
                self.0.presence.doubt_of(account);
            }
            None => {}
        }
        let event = Event {
            seq: published.seq,
            message_count: published.message_count,
            actor: published.actor,
            priority: published.priority,
            frame: Frame::of_encoded(&published.frame),
        };
        let everywhere = self.0.relay.event(room, event);
        if !everywhere && published.priority.is_some() {
            // Who said it has read it, and might not get it.
            for session in self.0.accounts.sessions_of(published.actor) {
                session.change(|state| state.mark(room, published.message_count));
            }
        }
    }

    fn gained(&self, room: RoomId, account: AccountId) {
        for session in self.0.accounts.sessions_of(account) {
            self.0.gain(room, &session);
        }
    }

    fn deleted(&self, room: RoomId) {
        for session in self.0.relay.watchers(room) {
            self.0.leave(room, &session, None);
        }
    }

    fn read(&self, room: RoomId, account: AccountId, mark: ReadMark) {
        for session in self.0.accounts.sessions_of(account) {
            session.change(|state| {
                state.mark(room, mark.message_count);
                let seq = mark.seq;
                state.hint(Hint::Read { room, account, seq });
            });
        }
        self.0.relay.read(room, account, mark.seq);
    }

    fn typing(&self, room: RoomId, account: AccountId) {
        self.0.relay.typing(room, account);
    }
}
