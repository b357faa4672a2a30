//! What a client is told first: that its session stands, and what it has missed.
//!
//! Rooms are entered first and read afterwards: whoever is removed in between is not in what is read,
//! and is taken out again. What was read counts for that stay in the room alone: who is removed after
//! it, and put in again by following, is looked up once more.

use std::collections::BTreeMap;

use cluster_rpc::InvalidRequest;
use cluster_types::{AccountId, RoomId, Seq};
use services_rooms::limits::{ROOMS_PAGE_MAX, ROOMS_PER_ACCOUNT_MAX};
use services_rooms::{ReadError, RoomStanding, RoomView};

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
        let standings = self.standings(account).await?;
        for (room, stay) in &stays {
            if !standings.contains_key(room) {
                hub.leave(*room, session, Some(*stay));
            }
        }
        let mut cursors = Vec::with_capacity(follows.len());
        for follow in follows {
            cursors.push(match standings.get(&follow.room) {
                Some(standing) => Ok(self.cursor(&follow, standing)?),
                None => Err(follow.room),
            });
        }
        let ready = item::ready(account, session.id);
        let counts = standings
            .iter()
            .filter_map(|(room, standing)| Some((*room, *stays.get(room)?, counts(standing))));
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

    /// How all rooms of the account stand.
    async fn standings(
        &self,
        account: AccountId,
    ) -> Result<BTreeMap<RoomId, RoomStanding>, ReadError> {
        let (rooms, mut standings, mut after) = (self.sessions.rooms(), BTreeMap::new(), None);
        loop {
            let (page, next) = rooms.standings(account, after, ROOMS_PAGE_MAX).await?;
            standings.extend(page.into_iter().map(|standing| (standing.room, standing)));
            after = next;
            // Whoever comes and goes meanwhile must not make this longer.
            if next.is_none() || standings.len() >= ROOMS_PER_ACCOUNT_MAX {
                return Ok(standings);
            }
        }
    }

    /// The client wants to see one more room.
    pub(super) async fn follow_room(&self, follow: &Follow) -> Result<(), Refusal> {
        let account = self.session.account();
        let view = self.sessions.rooms().view(account, follow.room).await?;
        let standing = standing(&view);
        let cursor = self.cursor(follow, &standing)?;
        let followed = self.session.change(|state| {
            state.learn(follow.room, counts(&standing));
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
    fn cursor(&self, follow: &Follow, room: &RoomStanding) -> Result<Cursor, Refusal> {
        let rebuilt = follow.log_id.is_some_and(|log_id| log_id != room.log_id);
        let after = match follow.from {
            From::Head => room.head,
            From::After(_) if rebuilt => Seq::ZERO,
            From::After(seq) if seq > room.head => {
                let field = format!("{}.after_seq", follow.place);
                let text = format!("must not be after the newest event, {}", room.head);
                return Err(InvalidRequest::field(field, text).into());
            }
            From::After(seq) => seq,
        };
        self.sessions.hub().enter(room.room, &self.session);
        Ok(Cursor {
            room: room.room,
            next: after.next(),
            log_id: room.log_id,
            rebuilt,
        })
    }
}

/// A room without what it is about.
pub(super) const fn standing(view: &RoomView) -> RoomStanding {
    RoomStanding {
        room: view.room,
        log_id: view.log_id,
        head: view.head,
        message_count: view.message_count,
        mark: view.mark,
    }
}

pub(super) const fn counts(standing: &RoomStanding) -> Counts {
    Counts {
        head: standing.head,
        messages: standing.message_count,
        read: standing.mark.message_count,
    }
}
