//! Copying one room so that all its rows are of one moment, while it is written to.
//!
//! A log can be longer than one transaction may last, so it is copied in pages. What keeps that
//! consistent:
//! - Rows of events are only ever added at the end, with two exceptions: an edit and a deletion rewrite the
//!   row of the message that they are about, in the transaction that adds their own event.
//!   Besides, the upgrade of an earlier release's rows gives rows another form: both forms say the same.
//! - So whenever a page holds an edit or a deletion of a message that was copied before, the row of that
//!   message is read again in the snapshot of the page, and goes into the copy once more. Of rows with the
//!   same key the last one counts.
//! - The page that reaches the end of the log is read in one snapshot with everything else that makes up
//!   the room: what it is, its members, bans, read marks and indexes.
//!
//! **Invariant: once the last rows are there, the copy is the room as it stood in the snapshot of the last
//! step.** For every row that was rewritten up to then, its rewriting is an event that was copied, and the
//! row was read at or after it.
//!
//! Not copied: what client message ids were used for, which are rows of accounts.
//!
//! Leaves out: which rooms there are, and where rows go.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use bytes::Bytes;
use cluster_store::schema::{
    AccountRoom, DirectRoom, ReadMark, Room, RoomBan, RoomEvent, RoomHead, RoomLink, RoomMember,
};
use cluster_store::{Page, RangeQuery, Row as _, Store, StoreError, Transaction};
use cluster_types::{AccountId, RoomId, Seq};
use proto::storage::v1::{self, RoomKind};

use crate::RawRow;
use crate::limits::{MEMBERS_AT_ONCE, REWRITTEN_AT_ONCE, ROWS_AT_ONCE};
use crate::wire;

/// A copy that is being made.
#[derive(Debug)]
pub struct RoomCopy {
    room: RoomId,
    // Events before this one have been copied.
    next: Seq,
    page_rows: usize,
}

/// What one step came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Some rows, and more to come.
    Rows(Vec<RawRow>),
    /// The last rows: the copy is the room as it stood at this event.
    Last(Vec<RawRow>, Seq),
    /// The room has been deleted: what was copied of it does not count.
    Gone,
}

impl RoomCopy {
    /// A copy of which nothing has been made.
    pub const fn new(room: RoomId) -> Self {
        Self::in_pages(room, ROWS_AT_ONCE)
    }

    /// The same, with so many events in a step.
    pub(crate) const fn in_pages(room: RoomId, page_rows: usize) -> Self {
        Self {
            room,
            next: Seq(1),
            page_rows,
        }
    }

    /// A copy that goes on at an event, as another one stood there. Any time may have passed.
    pub const fn from(room: RoomId, next: Seq) -> Self {
        Self {
            room,
            next,
            page_rows: ROWS_AT_ONCE,
        }
    }

    /// The room, and the event at which the next step goes on.
    pub const fn place(&self) -> (RoomId, Seq) {
        (self.room, self.next)
    }

    /// Copies on.
    ///
    /// # Errors
    /// If the store fails; the step can be repeated.
    pub async fn step(&mut self, store: &Store) -> Result<Step, StoreError> {
        let (room, next, page_rows) = (self.room, self.next, self.page_rows);
        let read = |tx: Transaction| async move { step(&tx, room, next, page_rows).await };
        let (step, next) = store.read::<_, StoreError, _, _>(read).await?;
        self.next = next;
        Ok(step)
    }
}

async fn step(
    tx: &Transaction,
    room: RoomId,
    next: Seq,
    page_rows: usize,
) -> Result<(Step, Seq), StoreError> {
    let Some(info) = tx.row(&Room { room }).await?.filter(|row| !row.deleted) else {
        return Ok((Step::Gone, next));
    };
    let page = events(tx, room, next, page_rows).await?;
    let Events {
        count,
        after,
        targets,
    } = read_events(&page, next)?;
    let more = page.more || count < page.rows.len();
    let rows = page.rows.into_iter().take(count);
    let mut rows: Vec<RawRow> = rows.map(RawRow::from).collect();
    let targets = targets
        .into_iter()
        .map(|seq| RoomEvent { room, seq }.encode());
    again(tx, targets.collect(), &mut rows).await?;
    if more {
        return Ok((Step::Rows(rows), after));
    }
    rest(tx, room, &info, &mut rows).await?;
    Ok((Step::Last(rows, after.previous()), after))
}

async fn events(
    tx: &Transaction,
    room: RoomId,
    next: Seq,
    page_rows: usize,
) -> Result<Page, StoreError> {
    let begin = RoomEvent { room, seq: next }.encode();
    let last = RoomEvent {
        room,
        seq: Seq(u64::MAX),
    };
    let query = RangeQuery::new(begin, last.encode());
    tx.get_range(query.limit_rows(page_rows).snapshot()).await
}

/// The events of one step.
struct Events {
    count: usize,
    /// The place after them.
    after: Seq,
    /// The messages before them that they are about.
    targets: BTreeSet<Seq>,
}

/// The events of a page, from `next` on, that one step takes.
fn read_events(page: &Page, next: Seq) -> Result<Events, StoreError> {
    let mut events = Events {
        count: 0,
        after: next,
        targets: BTreeSet::new(),
    };
    for (key, value) in &page.rows {
        let event = wire::decoded::<RoomEvent>(value)?;
        events.after = wire::key::<RoomEvent>(key)?.seq.next();
        events.count += 1;
        let target = match event.kind {
            Some(v1::room_event::Kind::Edit(edit)) => Seq(edit.target_seq),
            Some(v1::room_event::Kind::Deletion(deletion)) => Seq(deletion.target_seq),
            Some(
                v1::room_event::Kind::Message(_)
                | v1::room_event::Kind::Membership(_)
                | v1::room_event::Kind::Room(_),
            )
            | None => continue,
        };
        if target < next {
            events.targets.insert(target);
        }
        if events.targets.len() == REWRITTEN_AT_ONCE {
            break;
        }
    }
    Ok(events)
}

/// Everything of a room that is not its log, in the snapshot of its last events.
async fn rest(
    tx: &Transaction,
    room: RoomId,
    info: &v1::Room,
    rows: &mut Vec<RawRow>,
) -> Result<(), StoreError> {
    again(
        tx,
        vec![Room { room }.encode(), RoomHead { room }.encode()],
        rows,
    )
    .await?;
    let first = AccountId::from_bytes([0; 16]);
    let last = AccountId::from_bytes([0xff; 16]);
    let member = |account| RoomMember { room, account }.encode();
    let members = scan(tx, member(first), member(last)).await?;
    let mut indexes = Vec::with_capacity(members.len() + 2);
    for RawRow { key, .. } in &members {
        let account = wire::key::<RoomMember>(key)?.account;
        if let (true, RoomKind::Direct) = (indexes.is_empty(), info.kind()) {
            let of = AccountRoom { account, room };
            indexes.extend(direct(tx, of).await?);
        }
        indexes.push(AccountRoom { account, room }.encode());
    }
    if let Ok(hash) = <[u8; 32]>::try_from(&info.link_hash[..]) {
        indexes.push(RoomLink { hash }.encode());
    }
    rows.extend(members);
    again(tx, indexes, rows).await?;
    let ban = |account| RoomBan { room, account }.encode();
    rows.extend(scan(tx, ban(first), ban(last)).await?);
    let mark = |account| ReadMark { room, account }.encode();
    rows.extend(scan(tx, mark(first), mark(last)).await?);
    Ok(())
}

/// The index by which a pair finds its conversation.
async fn direct(tx: &Transaction, of: AccountRoom) -> Result<Option<Bytes>, StoreError> {
    let row = tx.row(&of).await?;
    let peer = row.and_then(|row| <[u8; 16]>::try_from(&row.peer_id[..]).ok());
    let pair = peer.map(|peer| DirectRoom::between(of.account, AccountId::from_bytes(peer)));
    Ok(pair.map(|pair| pair.encode()))
}

/// The rows under these keys, as far as there are any.
async fn again(
    tx: &Transaction,
    keys: Vec<Bytes>,
    rows: &mut Vec<RawRow>,
) -> Result<(), StoreError> {
    let values = tx.get_many(&keys).await?;
    let found = keys.into_iter().zip(values);
    rows.extend(found.filter_map(|(key, value)| Some(RawRow { key, value: value? })));
    Ok(())
}

/// All rows from `first` to `last`.
async fn scan(tx: &Transaction, first: Bytes, last: Bytes) -> Result<Vec<RawRow>, StoreError> {
    let end = [&last[..], &[0]].concat();
    let mut rest = Some(RangeQuery::new(first, end).snapshot());
    let mut rows = Vec::new();
    while let Some(query) = rest {
        let query = query.limit_rows(MEMBERS_AT_ONCE);
        let page = tx.get_range(query.clone()).await?;
        rest = query.after(&page);
        rows.extend(page.rows.into_iter().map(RawRow::from));
    }
    Ok(rows)
}
