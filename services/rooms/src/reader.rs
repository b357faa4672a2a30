//! Reading: a room as a member sees it, its log, its members.
//!
//! Reads do not go through the actor: each is one snapshot of the store, in which the reader's
//! membership is checked together with what is read. So a node that does not own a room can read it,
//! and who has been removed reads nothing from the next snapshot on.

use cluster_store::schema::{
    AccountRoom, ReadMark as ReadMarkRow, Room, RoomBan, RoomEvent, RoomHead, RoomMember,
};
use cluster_store::{RowRange, Scan, StoreError, Transaction};
use cluster_types::{AccountId, RoomId, Seq, UnixMillis};

use crate::limits::{EVENTS_PAGE_BYTES_MAX, ROOMS_PAGE_MAX};
use crate::store::{self, Info};
use crate::{
    Event, EventKind, Kind, Member, ReadError, ReadMark, Role, RoomView, Rooms, ServerRoomView,
};

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
    /// The room as `account` sees it.
    ///
    /// # Errors
    /// [`ReadError::NoSuchRoom`] also for who is not in it.
    pub async fn view(&self, account: AccountId, room: RoomId) -> Result<RoomView, ReadError> {
        let read = |tx| async move { view(&tx, account, room).await };
        self.with.store.read(read).await
    }

    /// The rooms of an account, by id, and the room to go on after if there are more.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn list(
        &self,
        account: AccountId,
        after: Option<RoomId>,
        limit: usize,
    ) -> Result<(Vec<RoomView>, Option<RoomId>), ReadError> {
        let read = |tx: Transaction| async move {
            let range = AccountRoom::of(account);
            let range = match after {
                Some(room) => range.after(&AccountRoom { account, room }),
                None => range,
            };
            let found = tx.scan(range, rows(limit)).await?;
            let next = found
                .rows
                .last()
                .map(|(key, _)| key.room)
                .filter(|_| found.more);
            let mut rooms = Vec::with_capacity(found.rows.len());
            for (key, _) in found.rows {
                match view(&tx, account, key.room).await {
                    Ok(room) => rooms.push(room),
                    // Deleted, and its rows are still being cleared.
                    Err(ReadError::NoSuchRoom) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok((rooms, next))
        };
        self.with.store.read(read).await
    }

    /// A page of the log.
    ///
    /// # Errors
    /// [`ReadError::NoSuchRoom`] also for who is not in it; [`ReadError::FutureSeq`].
    pub async fn events(
        &self,
        account: AccountId,
        room: RoomId,
        start: Start,
        direction: Direction,
        limit: usize,
    ) -> Result<EventPage, ReadError> {
        let read = |tx: Transaction| async move {
            membership(&tx, account, room).await?;
            events(&tx, room, start, direction, limit).await
        };
        self.with.store.read(read).await
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
            membership(&tx, account, room).await?;
            let row = tx.row_snapshot(&RoomEvent { room, seq }).await?;
            let event = row.map(|row| store::event(seq, row)).transpose()?;
            let mut events: Vec<_> = event.into_iter().collect();
            fill_edits(&tx, room, &mut events).await?;
            events.pop().ok_or(ReadError::NoSuchEvent)
        };
        self.with.store.read(read).await
    }

    /// Moves a read mark forward, and tells those who follow the room. Returns where it stands and how
    /// many messages come after it.
    ///
    /// # Errors
    /// [`ReadError::NoSuchRoom`] also for who is not in it; [`ReadError::FutureSeq`].
    pub async fn mark_read(
        &self,
        account: AccountId,
        room: RoomId,
        seq: Seq,
    ) -> Result<(ReadMark, u64), ReadError> {
        let mark = |tx: Transaction, _maybe_committed| async move {
            membership(&tx, account, room).await?;
            let head = tx.row_snapshot(&RoomHead { room }).await?;
            let head = head.as_ref().map(store::head).unwrap_or_default();
            if seq > head.seq {
                return Err(ReadError::FutureSeq {
                    field: "seq",
                    seq,
                    head: head.seq,
                });
            }
            let row = tx.row(&ReadMarkRow { room, account }).await?;
            let old = row.as_ref().map(store::read_mark).unwrap_or_default();
            let unread = |mark: ReadMark| head.message_count.saturating_sub(mark.message_count);
            if seq <= old.seq {
                return Ok((old, unread(old), false));
            }
            let at = tx.row_snapshot(&RoomEvent { room, seq }).await?;
            let message_count = at.map_or(head.message_count, |event| event.message_count);
            let new = ReadMark { seq, message_count };
            store::set_mark(&tx, room, account, new)?;
            Ok((new, unread(new), true))
        };
        let (mark, unread, moved) = self.with.store.run(mark).await?;
        if moved {
            self.with.publisher.read(room, account, mark);
        }
        Ok((mark, unread))
    }

    /// Tells those who follow the room that a member writes.
    ///
    /// # Errors
    /// [`ReadError::NoSuchRoom`] also for who is not in it. Who may not write is not shown to write,
    /// and gets no error for it.
    pub async fn typing(&self, account: AccountId, room: RoomId) -> Result<(), ReadError> {
        let now = self.with.clock.now();
        let read = |tx: Transaction| async move {
            let member = membership(&tx, account, room).await?;
            let info = store::info(&tx, room).await?.ok_or(ReadError::NoSuchRoom)?;
            Ok::<_, ReadError>(!member.is_muted(now) && !info.about.archived)
        };
        if self.with.store.read(read).await? {
            self.with.publisher.typing(room, account);
        }
        Ok(())
    }

    /// The members of a room, by account.
    ///
    /// # Errors
    /// [`ReadError::NoSuchRoom`] also for who is not in it.
    pub async fn members(
        &self,
        account: AccountId,
        room: RoomId,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<(Vec<(AccountId, Member)>, bool), ReadError> {
        let read = |tx: Transaction| async move {
            membership(&tx, account, room).await?;
            let found = tx.scan(members_after(room, after), rows(limit)).await?;
            let members = found
                .rows
                .iter()
                .map(|(key, row)| Ok((key.account, store::member(row)?)));
            Ok((members.collect::<Result<_, StoreError>>()?, found.more))
        };
        self.with.store.read(read).await
    }

    /// The accounts that are kept out of a room. `Ok(None)`: the caller's role does not let it know.
    ///
    /// # Errors
    /// [`ReadError::NoSuchRoom`] also for who is not in it.
    pub async fn bans(
        &self,
        account: AccountId,
        room: RoomId,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Option<(Vec<AccountId>, bool)>, ReadError> {
        let read = |tx: Transaction| async move {
            if membership(&tx, account, room).await?.role < Role::Moderator {
                return Ok(None);
            }
            let range = match after {
                Some(account) => RoomBan::of(room).after(&RoomBan { room, account }),
                None => RoomBan::of(room),
            };
            let found = tx.scan(range, rows(limit)).await?;
            let bans = found.rows.iter().map(|(key, _)| key.account).collect();
            Ok::<_, ReadError>(Some((bans, found.more)))
        };
        self.with.store.read(read).await
    }

    /// The members that have read up to an event, by account. `last` is where to go on.
    ///
    /// # Errors
    /// [`ReadError::NoSuchRoom`] also for who is not in it; [`ReadError::FutureSeq`].
    pub async fn readers(
        &self,
        account: AccountId,
        room: RoomId,
        seq: Seq,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<(Vec<AccountId>, Option<AccountId>), ReadError> {
        let read = |tx: Transaction| async move {
            membership(&tx, account, room).await?;
            not_future(&tx, room, "seq", seq).await?;
            let range = match after {
                Some(account) => ReadMarkRow::of(room).after(&ReadMarkRow { room, account }),
                None => ReadMarkRow::of(room),
            };
            let found = tx.scan(range, rows(limit)).await?;
            let last = found
                .rows
                .last()
                .map(|(key, _)| key.account)
                .filter(|_| found.more);
            let readers = found.rows.into_iter().filter(|(_, mark)| mark.seq >= seq.0);
            Ok::<_, ReadError>((readers.map(|(key, _)| key.account).collect(), last))
        };
        self.with.store.read(read).await
    }

    /// Every room of the server, by id, without what it is about, and the room to go on after.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn list_server(
        &self,
        after: Option<RoomId>,
        limit: usize,
    ) -> Result<(Vec<ServerRoomView>, Option<RoomId>), ReadError> {
        let read = |tx: Transaction| async move {
            let range = match after {
                Some(room) => RowRange::all().after(&Room { room }),
                None => RowRange::all(),
            };
            let found = tx.scan::<Room>(range, rows(limit)).await?;
            let next = found
                .rows
                .last()
                .map(|(key, _)| key.room)
                .filter(|_| found.more);
            let mut rooms = Vec::with_capacity(found.rows.len());
            for (Room { room }, row) in found.rows.into_iter().filter(|(_, row)| !row.deleted) {
                let head = tx
                    .row_snapshot(&RoomHead { room })
                    .await?
                    .unwrap_or_default();
                rooms.push(ServerRoomView {
                    room,
                    kind: store::kind(row.kind),
                    archived: row.archived,
                    head: Seq(head.seq),
                });
            }
            Ok::<_, ReadError>((rooms, next))
        };
        self.with.store.read(read).await
    }

    /// The ids of all rooms of an account, with what a session has to know of each.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn memberships(&self, account: AccountId) -> Result<Vec<RoomView>, ReadError> {
        let mut rooms = Vec::new();
        let mut after = None;
        loop {
            let (page, next) = self.list(account, after, ROOMS_PAGE_MAX).await?;
            rooms.extend(page);
            after = next;
            if next.is_none() {
                return Ok(rooms);
            }
        }
    }

    /// Whether `account` is in the room now.
    pub(crate) async fn is_member(
        &self,
        account: AccountId,
        room: RoomId,
    ) -> Result<bool, StoreError> {
        let read = |tx: Transaction| async move {
            Ok::<_, StoreError>(
                tx.row_snapshot(&RoomMember { room, account })
                    .await?
                    .is_some(),
            )
        };
        self.with.store.read(read).await
    }
}

fn rows(limit: usize) -> Scan {
    Scan {
        limit_rows: limit,
        limit_bytes: EVENTS_PAGE_BYTES_MAX,
        reverse: false,
        snapshot: true,
    }
}

fn members_after(room: RoomId, after: Option<AccountId>) -> RowRange<RoomMember> {
    match after {
        Some(account) => RoomMember::of(room).after(&RoomMember { room, account }),
        None => RoomMember::of(room),
    }
}

/// The reader's membership. Everything that is read stands in the same snapshot.
async fn membership(
    tx: &Transaction,
    account: AccountId,
    room: RoomId,
) -> Result<Member, ReadError> {
    let row = tx
        .row(&RoomMember { room, account })
        .await?
        .ok_or(ReadError::NoSuchRoom)?;
    Ok(store::member(&row)?)
}

async fn view(tx: &Transaction, account: AccountId, room: RoomId) -> Result<RoomView, ReadError> {
    let member = membership(tx, account, room).await?;
    let info = store::info(tx, room).await?.ok_or(ReadError::NoSuchRoom)?;
    let Info {
        kind,
        about,
        log_id,
        ..
    } = info;
    let head = tx
        .row_snapshot(&RoomHead { room })
        .await?
        .unwrap_or_default();
    let mark = tx.row_snapshot(&ReadMarkRow { room, account }).await?;
    let peer = match kind {
        Kind::Group => None,
        Kind::Direct => {
            let row = tx
                .row_snapshot(&AccountRoom { account, room })
                .await?
                .unwrap_or_default();
            AccountId::try_from(&row.peer_id[..]).ok()
        }
    };
    Ok(RoomView {
        room,
        kind,
        about,
        log_id,
        head: Seq(head.seq),
        message_count: head.message_count,
        member_count: head.member_count,
        role: member.role,
        mark: mark.as_ref().map(store::read_mark).unwrap_or_default(),
        peer,
    })
}

async fn head_of(tx: &Transaction, room: RoomId) -> Result<Seq, StoreError> {
    Ok(Seq(tx
        .row_snapshot(&RoomHead { room })
        .await?
        .unwrap_or_default()
        .seq))
}

async fn not_future(
    tx: &Transaction,
    room: RoomId,
    field: &'static str,
    seq: Seq,
) -> Result<Seq, ReadError> {
    let head = head_of(tx, room).await?;
    if seq > head {
        Err(ReadError::FutureSeq { field, seq, head })
    } else {
        Ok(head)
    }
}

async fn events(
    tx: &Transaction,
    room: RoomId,
    start: Start,
    direction: Direction,
    limit: usize,
) -> Result<EventPage, ReadError> {
    let head = head_of(tx, room).await?;
    let from = match (start, direction) {
        (Start::End, Direction::Backward) => head,
        (Start::End, Direction::Forward) => Seq(1),
        // One past the newest event is where a reader waits for the next one.
        (Start::Seq(seq), Direction::Forward) if seq == head.next() => seq,
        (Start::Seq(seq), _) => {
            not_future(tx, room, "from_seq", seq).await?;
            seq.max(Seq(1))
        }
        (Start::Time(at), _) => at_time(tx, room, head, at, direction).await?,
    };
    let end = match direction {
        Direction::Forward => RoomEvent {
            room,
            seq: head.next(),
        },
        Direction::Backward => RoomEvent {
            room,
            seq: from.next(),
        },
    };
    let begin = match direction {
        Direction::Forward => RoomEvent { room, seq: from },
        Direction::Backward => RoomEvent {
            room,
            seq: Seq::ZERO,
        },
    };
    let scan = Scan {
        reverse: direction == Direction::Backward,
        ..rows(limit)
    };
    let found = tx.scan(RowRange::between(&begin, &end), scan).await?;
    let mut events = Vec::with_capacity(found.rows.len());
    for (key, row) in found.rows {
        events.push(store::event(key.seq, row)?);
    }
    fill_edits(tx, room, &mut events).await?;
    let next = events
        .last()
        .filter(|_| found.more)
        .map(|last| match direction {
            Direction::Forward => last.seq.next(),
            Direction::Backward => last.seq.previous(),
        });
    Ok(EventPage { events, next, head })
}

/// Where a moment lies in a log, by bisection: times never run backwards within a room.
async fn at_time(
    tx: &Transaction,
    room: RoomId,
    head: Seq,
    at: UnixMillis,
    direction: Direction,
) -> Result<Seq, StoreError> {
    // Forward: the first event at or after the moment. Backward: the one before the first after it.
    let is_before = |time: u64| match direction {
        Direction::Forward => time < at.0,
        Direction::Backward => time <= at.0,
    };
    let (mut low, mut high) = (1, head.0 + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let row = tx
            .row_snapshot(&RoomEvent {
                room,
                seq: Seq(middle),
            })
            .await?;
        if row.is_some_and(|row| is_before(row.time_ms)) {
            low = middle + 1
        } else {
            high = middle
        }
    }
    Ok(match direction {
        Direction::Forward => Seq(low),
        Direction::Backward => Seq(low).previous(),
    })
}

/// Puts the edited messages into the events of their edits: the body lies in the message's row.
async fn fill_edits(
    tx: &Transaction,
    room: RoomId,
    events: &mut [Event],
) -> Result<(), StoreError> {
    let targets: Vec<_> = events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::Edit { target, .. } => Some(RoomEvent { room, seq: target }),
            EventKind::Message(_)
            | EventKind::Deletion { .. }
            | EventKind::Membership(_)
            | EventKind::Room(_) => None,
        })
        .collect();
    if targets.is_empty() {
        return Ok(());
    }
    let mut rows = tx.rows(&targets).await?.into_iter();
    for event in events {
        let EventKind::Edit { target, message } = &mut event.kind else {
            continue;
        };
        let Some(row) = rows.next().flatten() else {
            continue;
        };
        if let EventKind::Message(current) = store::event(*target, row)?.kind {
            *message = Some(current);
        }
    }
    Ok(())
}
