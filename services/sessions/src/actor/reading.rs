//! Reading from the store what an outbox is missing, pages of logs and counts; and who of those that
//! are watched may be.

use std::collections::BTreeSet;

use cluster_types::{RoomId, Seq};
use services_rooms::limits::ROOMS_PAGE_MAX;
use services_rooms::{Direction, Event, EventPage, ReadError, ReadMark, Start};

use super::greeting::{counts, standing};
use super::{Reading, SessionActor};
use crate::error::Refusal;
use crate::limits::CATCH_UP_PAGE;
use crate::outbox::{Filled, Read, ToRead};
use crate::wire::item;

impl SessionActor {
    /// Looks which rooms the account is in and how far it has read them, if word of that may have been lost.
    pub(super) async fn check_rooms(&self) -> Reading {
        if !self.session.change(|state| state.takes_rooms_doubted()) {
            return Reading::Done;
        }
        match self.look().await {
            Ok((rooms, marks)) => {
                self.session.change(|state| {
                    state.doubt_others(&rooms);
                    for (room, mark) in marks {
                        state.mark(room, mark.message_count);
                    }
                });
                for room in rooms {
                    self.sessions.hub().gain(room, &self.session, Seq::ZERO);
                }
                Reading::More
            }
            Err(error) => {
                tracing::debug!(%error, "looking up rooms waits for the store");
                self.session.change(|state| state.doubt_rooms());
                Reading::Later
            }
        }
    }

    /// The rooms that the account is in, and its marks where something is unread: nowhere else is a lost one missed.
    async fn look(&self) -> Result<(BTreeSet<RoomId>, Vec<(RoomId, ReadMark)>), ReadError> {
        let (account, rooms) = (self.session.account(), self.sessions.rooms());
        let ids = rooms.room_ids(account).await?;
        let unread = self.session.change(|state| state.unread());
        let mut marks = Vec::with_capacity(unread.len());
        for page in unread.chunks(ROOMS_PAGE_MAX) {
            let read = rooms.marks(account, page).await?;
            marks.extend(page.iter().copied().zip(read));
        }
        Ok((ids, marks))
    }

    /// Reads what the outbox wants next.
    pub(super) async fn read_next(&self) -> Reading {
        let Some(read) = self.session.change(|state| state.next_read()) else {
            return Reading::Done;
        };
        let done = match read.what {
            ToRead::Counts => self.read_counts(read).await,
            ToRead::Events(next) => self.read_events(read, next).await,
        };
        match done {
            Ok(reading) => reading,
            Err(ReadError::Store(error)) => {
                tracing::debug!(%error, "reading on waits for the store");
                self.session.change(|state| state.put_back(read));
                Reading::Later
            }
            // The account is not in the room any more. If it has come back since, that stays.
            Err(
                ReadError::NoSuchRoom
                | ReadError::NoSuchEvent
                | ReadError::NoSuchAttachment
                | ReadError::FutureSeq { .. }
                | ReadError::RoleTooLow { .. },
            ) => {
                let hub = self.sessions.hub();
                hub.leave(read.room, &self.session, Some(read.stay));
                Reading::More
            }
        }
    }

    /// Looks up some of the accounts that the session watches and that may be strangers.
    pub(super) async fn check_watched(&self) -> Reading {
        let (account, presence) = (self.session.account(), &self.sessions.hub().presence);
        let asked = presence.next_doubted(self.session.id);
        if asked.is_empty() {
            return Reading::Done;
        }
        match self.sessions.rooms().neighbours(account, &asked).await {
            Ok(neighbours) => {
                presence.settle(self.session.id, &asked, &neighbours);
                Reading::More
            }
            Err(error) => {
                tracing::debug!(%error, "looking up who is watched waits for the store");
                presence.put_back(self.session.id, &asked);
                Reading::Later
            }
        }
    }

    async fn read_counts(&self, read: Read) -> Result<Reading, ReadError> {
        let account = self.session.account();
        let view = self.sessions.rooms().view(account, read.room).await?;
        self.session
            .change(|state| state.checked(read, counts(&standing(&view))));
        Ok(Reading::More)
    }

    async fn read_events(&self, read: Read, next: Seq) -> Result<Reading, ReadError> {
        let (account, rooms) = (self.session.account(), self.sessions.rooms());
        let (start, forward) = (Start::Seq(next), Direction::Forward);
        let page = rooms.events(account, read.room, start, forward, CATCH_UP_PAGE);
        match page.await {
            Ok(page) => Ok(self.fill(read, page)),
            // The log is another one than the cursor's.
            Err(ReadError::FutureSeq { .. }) => {
                let view = rooms.view(account, read.room).await?;
                self.session
                    .change(|state| state.start_over(read, view.log_id));
                Ok(Reading::More)
            }
            Err(error) => Err(error),
        }
    }

    fn fill(&self, read: Read, page: EventPage) -> Reading {
        let encode = |event: Event| (event.seq, item::event(read.room, event));
        // Outside of the outbox's lock.
        let events: Vec<_> = page.events.into_iter().map(encode).collect();
        let filled = self
            .session
            .change(|state| state.fill(read, events, page.head));
        match filled {
            Filled::Taken => Reading::More,
            Filled::Early => Reading::Later,
            Filled::Hole => {
                self.fail(Refusal::Hole);
                Reading::Done
            }
        }
    }
}
