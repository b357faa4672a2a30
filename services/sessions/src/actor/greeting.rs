//! What a client is told first: that its session stands, and what it has missed.
//!
//! Rooms are entered first and read afterwards: whoever is removed in between is not in what is read,
//! and is taken out again. What was read counts for that stay in the room alone: who is removed after
//! it, and put in again by following, is looked up once more.

use std::collections::BTreeMap;

use cluster_rpc::InvalidRequest;
use cluster_types::Seq;
use services_rooms::{ReadError, RoomView};

use super::SessionActor;
use crate::command::{Follow, From};
use crate::error::Refusal;
use crate::limits::FOLLOWED_ROOMS_MAX;
use crate::outbox::{Counts, Cursor, Followed};
use crate::presence;
use crate::wire::item;

impl SessionActor {
    /// The client has said what it already has.
    pub(super) async fn greet(&self, follows: Vec<Follow>) -> Result<(), Refusal> {
        let (session, hub, rooms) = (&self.session, self.sessions.hub(), self.sessions.rooms());
        let account = session.account();
        let entered = rooms.room_ids(account).await?;
        let stays: BTreeMap<_, _> = entered
            .into_iter()
            .filter_map(|room| Some((room, hub.enter(room, session)?)))
            .collect();
        let views = rooms.memberships(account).await?;
        let views: BTreeMap<_, _> = views.into_iter().map(|view| (view.room, view)).collect();
        for (room, stay) in &stays {
            if !views.contains_key(room) {
                hub.leave(*room, session, Some(*stay));
            }
        }
        let mut cursors = Vec::with_capacity(follows.len());
        for follow in follows {
            cursors.push(match views.get(&follow.room) {
                Some(view) => Ok(self.cursor(&follow, view)?),
                None => Err(follow.room),
            });
        }
        let ready = item::ready(account, session.id);
        let counts = views
            .values()
            .filter_map(|view| Some((view.room, *stays.get(&view.room)?, counts(view))));
        session.change(|state| {
            state.greet(ready, counts);
            for cursor in cursors {
                // There are not more than can be followed: that was checked where they came in.
                let lost = match cursor {
                    Ok(cursor) => (state.follow(cursor) == Followed::Gone).then_some(cursor.room),
                    // It is gone since the client was here last.
                    Err(room) => Some(room),
                };
                if let Some(room) = lost {
                    state.push(item::lost(room));
                }
            }
        });
        hub.presence.set(session, presence::State::Online);
        Ok(())
    }

    /// The client wants to see one more room.
    pub(super) async fn follow_room(&self, follow: &Follow) -> Result<(), Refusal> {
        let account = self.session.account();
        let view = self.sessions.rooms().view(account, follow.room).await?;
        let cursor = self.cursor(follow, &view)?;
        let followed = self.session.change(|state| {
            state.learn(view.room, counts(&view));
            state.follow(cursor)
        });
        match followed {
            Followed::Yes => Ok(()),
            Followed::Gone => Err(ReadError::NoSuchRoom.into()),
            Followed::TooMany => {
                let text = format!("at most {FOLLOWED_ROOMS_MAX} at a time: unfollow one first");
                Err(InvalidRequest::field(follow.place.to_string(), text).into())
            }
        }
    }

    /// Enters a room that the account was in a moment ago, and says where to begin there.
    fn cursor(&self, follow: &Follow, view: &RoomView) -> Result<Cursor, Refusal> {
        let rebuilt = follow.log_id.is_some_and(|log_id| log_id != view.log_id);
        let after = match follow.from {
            From::Head => view.head,
            From::After(_) if rebuilt => Seq::ZERO,
            From::After(seq) if seq > view.head => {
                let field = format!("{}.after_seq", follow.place);
                let text = format!("must not be after the newest event, {}", view.head);
                return Err(InvalidRequest::field(field, text).into());
            }
            From::After(seq) => seq,
        };
        self.sessions.hub().enter(view.room, &self.session);
        Ok(Cursor {
            room: view.room,
            next: after.next(),
            log_id: view.log_id,
            rebuilt,
        })
    }
}

pub(super) const fn counts(view: &RoomView) -> Counts {
    Counts {
        head: view.head,
        messages: view.message_count,
        read: view.mark.message_count,
    }
}
