//! The rows of a room: how its state is loaded, and how a decision is written.
//!
//! The only place of this crate that knows stored values. A body lies in exactly one row, that of its
//! message: edits and deletions change that row, and their own events only point to it. So whatever
//! removes the row has removed what was said. All that is made of a body and lies elsewhere is a digest
//! under a salt, and the salt lies in that row too.

use cluster_store::limits::RANGE_BYTES_MAX;
use cluster_store::schema::{
    AccountRoom, ClientMessage, DirectRoom, ReadMark as ReadMarkRow, Room, RoomBan, RoomDeletion,
    RoomEvent, RoomHead, RoomLink, RoomMember,
};
use cluster_store::{RowRange, Scan, StoreError, Transaction};
use cluster_types::{AccountId, Day, LogId, RoomId, Seq, UnixMillis};
use proto::storage::v1;

use crate::limits::{LOAD_PAGE, ROOMS_PER_ACCOUNT_MAX};
use crate::state::{Change, Digest, Head, Prepared, Salt, Salted, State, Used};
use crate::{
    ClientMessageId, Event, EventKind, Kind, LinkHash, Member, MembershipChange, MembershipKind,
    Message, ReadMark, Role, RoomChange,
};

mod deletion;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use deletion::{clear_some, next_deletion};
pub(crate) use values::{direct_room, event, head, kind, link_room, member, peer, read_mark, used};

/// All rooms of an account in one page.
pub(crate) const ALL_ROOMS: Scan = Scan {
    limit_rows: ROOMS_PER_ACCOUNT_MAX,
    limit_bytes: RANGE_BYTES_MAX,
    reverse: false,
    snapshot: false,
};

/// What a room is, without who is in it.
#[derive(Clone, Debug)]
pub(crate) struct Info {
    pub(crate) kind: Kind,
    pub(crate) about: RoomChange,
    /// The newest event that changed what it is about.
    pub(crate) changed: Option<Seq>,
    pub(crate) log_id: LogId,
    pub(crate) created: Day,
    pub(crate) link: Option<LinkHash>,
}

/// The room, unless there is none or it is deleted.
pub(crate) async fn info(tx: &Transaction, room: RoomId) -> Result<Option<Info>, StoreError> {
    let row = tx.row(&Room { room }).await?;
    Ok(row.map(existing).transpose()?.flatten())
}

/// What this row says of its room, unless that is deleted.
pub(crate) fn existing(row: v1::Room) -> Result<Option<Info>, StoreError> {
    (!row.deleted).then(|| values::info(row)).transpose()
}

/// Loads all that an actor has to know; `None` if there is no such room.
pub(crate) async fn load(tx: &Transaction, room: RoomId) -> Result<Option<State>, StoreError> {
    let Some(Info {
        kind,
        about,
        changed,
        log_id,
        created,
        link,
    }) = info(tx, room).await?
    else {
        return Ok(None);
    };
    let head = tx.row(&RoomHead { room }).await?.unwrap_or_default();
    let mut state = State {
        room,
        kind,
        log_id,
        created,
        about,
        changed,
        link,
        head: self::head(&head),
        members: Default::default(),
        bans: Default::default(),
    };
    let page = Scan {
        limit_rows: LOAD_PAGE,
        ..Scan::default()
    };
    let mut members = RoomMember::of(room);
    loop {
        let found = tx.scan(members, page).await?;
        let last = found.rows.last().map(|(key, _)| key.clone());
        for (key, value) in found.rows {
            state.members.insert(key.account, member(&value)?);
        }
        match last {
            Some(last) if found.more => members = RoomMember::of(room).after(&last),
            Some(_) | None => break,
        }
    }
    let mut bans = RoomBan::of(room);
    loop {
        let found = tx.scan(bans, page).await?;
        state
            .bans
            .extend(found.rows.iter().map(|(key, _)| key.account));
        match found.rows.last() {
            Some((last, _)) if found.more => bans = RoomBan::of(room).after(last),
            Some(_) | None => break,
        }
    }
    Ok(Some(state))
}

/// The head as stored, read so that a concurrent append conflicts.
pub(crate) async fn stored_head(tx: &Transaction, room: RoomId) -> Result<Head, StoreError> {
    Ok(tx
        .row(&RoomHead { room })
        .await?
        .as_ref()
        .map(head)
        .unwrap_or_default())
}

/// What these client message ids were used for, in one read.
pub(crate) async fn uses(
    tx: &Transaction,
    ids: &[(AccountId, ClientMessageId)],
) -> Result<Vec<Option<Used>>, StoreError> {
    let keys = ids
        .iter()
        .map(|(account, id)| client_message(*account, *id));
    let rows = tx.rows(&keys.collect::<Vec<_>>()).await?;
    rows.into_iter()
        .map(|row| row.as_ref().map(used).transpose())
        .collect()
}

/// The event at `seq`.
pub(crate) async fn stored_event(
    tx: &Transaction,
    room: RoomId,
    seq: Seq,
) -> Result<Option<Event>, StoreError> {
    let row = tx.row(&RoomEvent { room, seq }).await?;
    row.map(|row| event(seq, row)).transpose()
}

/// The events at `seqs` in their order, with their salts, in one read.
pub(crate) async fn salted_events(
    tx: &Transaction,
    room: RoomId,
    seqs: &[Seq],
) -> Result<Vec<Option<Salted>>, StoreError> {
    let keys: Vec<_> = seqs
        .iter()
        .map(|seq| RoomEvent { room, seq: *seq })
        .collect();
    let rows = tx.rows(&keys).await?.into_iter();
    seqs.iter()
        .zip(rows)
        .map(|(seq, row)| row.map(|row| values::salted_event(*seq, row)).transpose())
        .collect()
}

/// Whether an account is in as many rooms as it can be in. Another room that it comes to at the same
/// time conflicts, so the limit is exact; it costs as many keys as the account has rooms.
pub(crate) async fn has_no_place(tx: &Transaction, account: AccountId) -> Result<bool, StoreError> {
    let rooms = tx.scan(AccountRoom::of(account), ALL_ROOMS).await?.rows;
    Ok(rooms.len() >= ROOMS_PER_ACCOUNT_MAX)
}

/// Writes one decision, all but the head.
pub(crate) fn write(
    tx: &Transaction,
    prepared: &Prepared,
    state: &State,
) -> Result<(), StoreError> {
    let room = state.room;
    let Some(change) = &prepared.change else {
        return Ok(());
    };
    if let Some(event) = prepared.clone().into_event() {
        let salt = if let Change::Message(_, salt) = change {
            Some(*salt)
        } else {
            None
        };
        write_event(tx, room, event, salt)?;
    }
    if let Some((id, used)) = prepared.used {
        remember(tx, prepared.actor, id, used)?;
    }
    match change {
        // Who says something has seen what was said before.
        Change::Message(..) => set_mark(tx, room, prepared.actor, mark_at(prepared.head)),
        Change::Edit(message) | Change::Deletion(message) => {
            write_event(tx, room, message.event(), message.salt)
        }
        Change::Membership(change) => write_membership(tx, prepared.head, *change, state),
        Change::Room(about) => {
            let changed = Some(prepared.head.seq);
            let row = values::stored_room(state, about, changed, state.link);
            tx.set_row(&Room { room }, &row)
        }
        Change::Link(link) => {
            move_link(tx, room, state.link, *link)?;
            write_room(tx, state, *link)
        }
        Change::Delete => deletion::write_deletion(tx, state),
    }
}

/// Writes the head, once per transaction.
pub(crate) fn write_head(tx: &Transaction, room: RoomId, head: Head) -> Result<(), StoreError> {
    tx.set_row(&RoomHead { room }, &values::stored_head(head))
}

/// Writes all rows of a new room. Its state holds the members, its events say how they came.
pub(crate) fn create(
    tx: &Transaction,
    state: &State,
    events: impl Iterator<Item = Event>,
) -> Result<(), StoreError> {
    let room = state.room;
    write_room(tx, state, state.link)?;
    write_head(tx, room, state.head)?;
    for event in events {
        write_event(tx, room, event, None)?;
    }
    for (account, member) in &state.members {
        set_member(tx, *account, *member, state)?;
        set_mark(tx, room, *account, mark_at(state.head))?;
    }
    Ok(())
}

/// Remembers the direct conversation of two accounts.
pub(crate) fn set_direct_room(
    tx: &Transaction,
    key: &DirectRoom,
    room: RoomId,
) -> Result<(), StoreError> {
    tx.set_row(key, &values::stored_direct_room(room))
}

/// Moves a member's read mark.
pub(crate) fn set_mark(
    tx: &Transaction,
    room: RoomId,
    account: AccountId,
    mark: ReadMark,
) -> Result<(), StoreError> {
    tx.set_row(&ReadMarkRow { room, account }, &values::stored_mark(mark))
}

/// The mark of who has read everything.
pub(crate) const fn mark_at(head: Head) -> ReadMark {
    ReadMark {
        seq: head.seq,
        message_count: head.message_count,
    }
}

/// The key under which the use of a client message id is remembered.
const fn client_message(account: AccountId, id: ClientMessageId) -> ClientMessage {
    ClientMessage {
        account,
        client_message_id: id.0,
    }
}

/// Remembers what a client message id was used for.
pub(crate) fn remember(
    tx: &Transaction,
    account: AccountId,
    id: ClientMessageId,
    used: Used,
) -> Result<(), StoreError> {
    let key = client_message(account, id);
    tx.set_row(&key, &values::stored_used(used))
}

fn write_event(
    tx: &Transaction,
    room: RoomId,
    event: Event,
    salt: Option<Salt>,
) -> Result<(), StoreError> {
    let seq = event.seq;
    tx.set_row(&RoomEvent { room, seq }, &values::stored_event(event, salt))
}

fn write_membership(
    tx: &Transaction,
    head: Head,
    change: MembershipChange,
    state: &State,
) -> Result<(), StoreError> {
    let room = state.room;
    let MembershipChange {
        account,
        kind,
        member,
    } = change;
    match kind {
        MembershipKind::Added | MembershipKind::Joined => {
            // History is there to be read, and nobody has to catch up on all of it.
            set_mark(tx, room, account, mark_at(head))?;
        }
        MembershipKind::Banned => {
            tx.set_row(&RoomBan { room, account }, &v1::RoomBan {})?;
        }
        MembershipKind::Unbanned => tx.clear_row(&RoomBan { room, account })?,
        MembershipKind::Left
        | MembershipKind::Removed
        | MembershipKind::RoleSet
        | MembershipKind::Muted
        | MembershipKind::Unmuted => {}
    }
    match member {
        Some(member) => set_member(tx, account, member, state),
        None => clear_member(tx, room, account),
    }
}

fn set_member(
    tx: &Transaction,
    account: AccountId,
    member: Member,
    state: &State,
) -> Result<(), StoreError> {
    let room = state.room;
    tx.set_row(
        &RoomMember { room, account },
        &values::stored_member(member),
    )?;
    tx.set_row(
        &AccountRoom { account, room },
        &values::stored_account_room(account, state),
    )
}

/// Clears all that ties an account to a room, but for what it said.
pub(crate) fn clear_member(
    tx: &Transaction,
    room: RoomId,
    account: AccountId,
) -> Result<(), StoreError> {
    tx.clear_row(&RoomMember { room, account })?;
    tx.clear_row(&AccountRoom { account, room })?;
    tx.clear_row(&ReadMarkRow { room, account })
}

/// Writes what a room is, with this link in force.
fn write_room(tx: &Transaction, state: &State, link: Option<LinkHash>) -> Result<(), StoreError> {
    let room = state.room;
    let row = values::stored_room(state, &state.about, state.changed, link);
    tx.set_row(&Room { room }, &row)
}

fn move_link(
    tx: &Transaction,
    room: RoomId,
    old: Option<LinkHash>,
    new: Option<LinkHash>,
) -> Result<(), StoreError> {
    if let Some(hash) = old {
        tx.clear_row(&RoomLink { hash })?;
    }
    if let Some(hash) = new {
        tx.set_row(&RoomLink { hash }, &values::stored_link(room))?;
    }
    Ok(())
}
