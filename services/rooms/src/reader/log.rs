//! Reading a room's log, in pages, in either direction, from a place or a moment.
//!
//! A page is bounded by events and by bytes of bodies and of what comes with them. An edit is shown with the message that it is
//! about as that stands now, whose body lies in another row: it weighs as much as a message.

use std::collections::BTreeMap;

use cluster_store::schema::RoomEvent;
use cluster_store::{RowRange, Scan, StoreError, Transaction};
use cluster_types::{AccountId, FileId, RoomId, Seq, UnixMillis};

use super::rows;
use crate::limits::{EDITED_AT_ONCE, EVENTS_PAGE_BYTES_MAX};
use crate::store::{self, Opener};
use crate::{Attachment, Event, EventKind, FutureSeq, Message, ReadError, Rooms};

/// Which way to read a log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// Newest first.
    Backward,
    /// Oldest first.
    Forward,
}

/// Where to start to read a log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Start {
    /// At the end that the direction leads away from.
    End,
    /// At this event.
    Seq(Seq),
    /// At the first event at or after this moment (forward), or the last at or before it (backward).
    Time(UnixMillis),
}

/// Some events of a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EventPage {
    /// In the direction asked for.
    pub events: Vec<Event>,
    /// Where to go on; `None` at the end.
    pub next: Option<Seq>,
    /// The newest event at that moment.
    pub head: Seq,
}

impl Rooms {
    /// A page of the log, of at most `limit` events.
    ///
    /// # Errors
    /// [`ReadError::NoSuchRoom`] also for who is not in it; [`ReadError::FutureSeq`]. The place after
    /// the newest event is not in the future for who reads forward: there the next one will be.
    pub async fn events(
        &self,
        account: AccountId,
        room: RoomId,
        start: Start,
        direction: Direction,
        limit: usize,
    ) -> Result<EventPage, ReadError> {
        let read = |tx: Transaction| async move {
            let (opener, head) = self.enter_log(&tx, account, room).await?;
            let page = page(&tx, &opener, head, start, direction, limit).await?;
            Ok::<_, ReadError>((page, opener.has_forgotten()))
        };
        let (page, has_forgotten) = self.with.store.read(read).await?;
        self.check_kept(room, has_forgotten).await?;
        Ok(page)
    }

    /// One event.
    ///
    /// # Errors
    /// [`ReadError::NoSuchRoom`] also for who is not in it; [`ReadError::NoSuchEvent`].
    pub async fn event(
        &self,
        account: AccountId,
        room: RoomId,
        seq: Seq,
    ) -> Result<Event, ReadError> {
        let read = |tx: Transaction| async move {
            let opener = self.enter(&tx, account, room).await?.opener;
            let event = event_at(&tx, &opener, seq).await?;
            let event = event.ok_or(ReadError::NoSuchEvent)?;
            Ok::<_, ReadError>((event, opener.has_forgotten()))
        };
        let (event, has_forgotten) = self.with.store.read(read).await?;
        self.check_kept(room, has_forgotten).await?;
        Ok(event)
    }

    /// The keys of a room go with it, and are looked for outside of the snapshot that is read. So if some were not there, the
    /// room is looked at once more: to whoever read it while it was deleted it does not exist, and nobody is shown
    /// messages of it as if each had been deleted.
    async fn check_kept(&self, room: RoomId, has_forgotten: bool) -> Result<(), ReadError> {
        if !has_forgotten {
            return Ok(());
        }
        let read = |tx: Transaction| async move { store::exists(&tx, room).await };
        match self.with.store.read(read).await? {
            true => Ok(()),
            false => Err(ReadError::NoSuchRoom),
        }
    }

    /// What is needed to read a file that the message at `seq` carries.
    ///
    /// # Errors
    /// [`ReadError::NoSuchRoom`] also for who is not in it; [`ReadError::NoSuchEvent`];
    /// [`ReadError::NoSuchAttachment`] also where the message was deleted.
    pub async fn attachment(
        &self,
        account: AccountId,
        room: RoomId,
        seq: Seq,
        file: FileId,
    ) -> Result<Attachment, ReadError> {
        let read = |tx: Transaction| async move {
            let opener = self.enter(&tx, account, room).await?.opener;
            let event = store::event(&tx, &opener, seq).await?;
            let EventKind::Message(message) = event.ok_or(ReadError::NoSuchEvent)?.kind else {
                return Err(ReadError::NoSuchAttachment);
            };
            let mut carried = message.attachments.into_iter();
            let found = carried.find(|attachment| attachment.file == file);
            found.ok_or(ReadError::NoSuchAttachment)
        };
        self.with.store.read(read).await
    }
}

/// The event at `seq`, for whoever may see it.
pub(crate) async fn event_at(
    tx: &Transaction,
    opener: &Opener<'_>,
    seq: Seq,
) -> Result<Option<Event>, StoreError> {
    let event = store::event(tx, opener, seq).await?;
    let mut events: Vec<_> = event.into_iter().collect();
    fill_edits(tx, opener, &mut events).await?;
    Ok(events.pop())
}

async fn page(
    tx: &Transaction,
    opener: &Opener<'_>,
    head: Seq,
    start: Start,
    direction: Direction,
    limit: usize,
) -> Result<EventPage, ReadError> {
    let from = match (start, direction) {
        (Start::End, Direction::Backward) => head,
        (Start::End, Direction::Forward) => Seq(1),
        (Start::Seq(seq), Direction::Forward) if seq == head.next() => seq,
        (Start::Seq(seq), _) => {
            FutureSeq::check("from_seq", seq, head)?;
            seq
        }
        (Start::Time(at), _) => at_time(tx, opener, head, at, direction).await?,
    };
    let room = opener.room();
    let (begin, end) = match direction {
        Direction::Forward => (from, head.next()),
        Direction::Backward => (Seq::ZERO, from.next()),
    };
    let range = RowRange::between(
        &RoomEvent { room, seq: begin },
        &RoomEvent { room, seq: end },
    );
    let scan = Scan {
        reverse: direction == Direction::Backward,
        ..rows(limit)
    };
    let found = tx.scan(range, scan).await?;
    let count = found.rows.len();
    let events = found.rows.into_iter().map(|(key, row)| (key.seq, row));
    let events = opener.events(events).await?.into_iter();
    let mut events: Vec<_> = events.map(|found| found.event).collect();
    fill_edits(tx, opener, &mut events).await?;
    let more = found.more || events.len() < count;
    let last = events.last().filter(|_| more);
    let next = last.map(|last| match direction {
        Direction::Forward => last.seq.next(),
        Direction::Backward => last.seq.previous(),
    });
    Ok(EventPage { events, next, head })
}

/// Where a moment lies in a log, by bisection: times never run backwards within a room. A message whose
/// key was destroyed has the beginning of its day; where it is probed, what is found is right to the day.
async fn at_time(
    tx: &Transaction,
    opener: &Opener<'_>,
    head: Seq,
    at: UnixMillis,
    direction: Direction,
) -> Result<Seq, StoreError> {
    // Forward: the first event at or after the moment. Backward: the one before the first after it.
    let is_before = |event: &Event| match direction {
        Direction::Forward => event.at < at,
        Direction::Backward => event.at <= at,
    };
    let (mut low, mut high) = (Seq(1), head.next());
    while low < high {
        let seq = Seq(low.0 + (high.0 - low.0) / 2);
        let event = store::event(tx, opener, seq).await?;
        if event.as_ref().is_some_and(is_before) {
            low = seq.next();
        } else {
            high = seq;
        }
    }
    Ok(match direction {
        Direction::Forward => low,
        Direction::Backward => low.previous(),
    })
}

/// Puts the edited messages into the events of their edits, and ends the page where it has become too
/// long by that.
async fn fill_edits(
    tx: &Transaction,
    opener: &Opener<'_>,
    events: &mut Vec<Event>,
) -> Result<(), StoreError> {
    let mut edited = Edited::default();
    let mut bytes = 0;
    for place in 0..events.len() {
        if let EventKind::Edit { target, .. } = events[place].kind {
            if !edited.messages.contains_key(&target) {
                edited.read(tx, opener, &events[place..]).await?;
            }
            let message = edited.messages.get(&target).cloned().flatten();
            events[place].kind = EventKind::Edit { target, message };
        }
        bytes += body_bytes(&events[place]);
        if bytes > EVENTS_PAGE_BYTES_MAX && place > 0 {
            events.truncate(place);
            break;
        }
    }
    Ok(())
}

/// Messages that have been edited, as they stand now.
#[derive(Default)]
struct Edited {
    messages: BTreeMap<Seq, Option<Message>>,
}

impl Edited {
    /// Reads the next few that these events are about.
    async fn read(
        &mut self,
        tx: &Transaction,
        opener: &Opener<'_>,
        events: &[Event],
    ) -> Result<(), StoreError> {
        let mut seqs = Vec::with_capacity(EDITED_AT_ONCE);
        for event in events {
            if let EventKind::Edit { target, .. } = event.kind
                && !self.messages.contains_key(&target)
                && seqs.len() < EDITED_AT_ONCE
            {
                seqs.push(target);
                self.messages.insert(target, None);
            }
        }
        for found in store::events(tx, opener, &seqs).await? {
            if let EventKind::Message(message) = found.event.kind {
                self.messages.insert(found.event.seq, Some(message));
            }
        }
        Ok(())
    }
}

/// What an event weighs, beside what all events do.
fn body_bytes(event: &Event) -> usize {
    match &event.kind {
        EventKind::Message(message)
        | EventKind::Edit {
            message: Some(message),
            ..
        } => {
            let files = message.attachments.iter().map(Attachment::bytes);
            message.body.len() + files.sum::<usize>()
        }
        EventKind::Edit { message: None, .. }
        | EventKind::Deletion { .. }
        | EventKind::Membership(_)
        | EventKind::Room(_) => 0,
    }
}
