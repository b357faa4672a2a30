//! The rows of a room: how its state is loaded, and how a decision is written.
//!
//! The only place of this crate that knows stored values. A body lies in exactly one row, that of its
//! message: edits and deletions change that row, and their own events only point to it. So whatever
//! removes the row, or the key that it is sealed under, has removed what was said. All that is made of a
//! body and lies elsewhere is a digest under a salt, and the salt lies in that row too.

use std::collections::BTreeMap;

use cluster_store::limits::RANGE_BYTES_MAX;
use cluster_store::schema::{
    AccountRoom, ClientMessage, DirectRoom, ReadMark as ReadMarkRow, Room, RoomBan, RoomDeletion,
    RoomEvent, RoomHead, RoomLink, RoomMember, Row, Table,
};
use cluster_store::{RowRange, Scan, StoreError, Transaction};
use cluster_types::{AccountId, Day, LogId, RoomId, Seq, UnixMillis};
use proto::storage::v1;
use services_vault::{Nonces, Pair, Sealer, Vault};

use crate::limits::{LOAD_PAGE, ROOMS_PER_ACCOUNT_MAX};
use crate::state::{Change, Digest, Head, Prepared, Salt, Salted, State, Used};
use crate::{
    ClientMessageId, Event, EventKind, Kind, LinkHash, Member, MembershipChange, MembershipKind,
    Message, ReadMark, Role, RoomChange,
};

mod deletion;
mod sealing;
mod secrets;
#[cfg(test)]
mod tests;
mod upgrade;
mod values;

pub(crate) use deletion::{clear_some, forget_files, next_deletion};
pub(crate) use sealing::{Opener, is_message, message_keys};
pub(crate) use upgrade::{
    drop_key_of_erased, forget_time, forget_time_of_head, seal_event, seal_member, seal_room,
};
pub(crate) use values::{direct_room, kind, link_room, peer, read_mark, used};

use secrets::Sealable;

/// All rooms of an account in one page.
pub(crate) const ALL_ROOMS: Scan = Scan {
    limit_rows: ROOMS_PER_ACCOUNT_MAX,
    limit_bytes: RANGE_BYTES_MAX,
    reverse: false,
    snapshot: false,
};

/// What a room is, without what it is about and who is in it: what is not sealed of it.
#[derive(Clone, Debug)]
pub(crate) struct Info {
    pub(crate) kind: Kind,
    pub(crate) archived: bool,
    /// The newest event that changed what it is about.
    pub(crate) changed: Option<Seq>,
    pub(crate) log_id: LogId,
    pub(crate) created: Day,
    pub(crate) link: Option<LinkHash>,
}

/// What a transaction seals with.
#[derive(Debug)]
pub(crate) struct Seals {
    /// For everything but messages.
    pub(crate) fields: Sealer,
    /// For what members say now.
    pub(crate) said: BTreeMap<AccountId, Pair>,
    /// For the message that is edited or deleted, if there is one and its key is.
    pub(crate) rewritten: Option<Pair>,
}

/// Whether there is such a room, and it is not deleted.
pub(crate) async fn exists(tx: &Transaction, room: RoomId) -> Result<bool, StoreError> {
    let row = tx.row(&Room { room }).await?;
    Ok(row.is_some_and(|row| !row.deleted))
}

/// What this row says of its room, unless that is deleted.
pub(crate) fn info(row: &v1::Room) -> Result<Option<Info>, StoreError> {
    (!row.deleted).then(|| values::info(row)).transpose()
}

/// The room and what it is about, unless there is none or it is deleted.
pub(crate) async fn room(
    tx: &Transaction,
    vault: &Vault,
    room: RoomId,
) -> Result<Option<(Info, RoomChange)>, StoreError> {
    match tx.row(&Room { room }).await? {
        Some(row) => info_and_about(&Opener::of(vault, room).await?, row),
        None => Ok(None),
    }
}

/// What this row says of its room and of what that is about, unless it is deleted.
pub(crate) fn info_and_about(
    opener: &Opener<'_>,
    row: v1::Room,
) -> Result<Option<(Info, RoomChange)>, StoreError> {
    let Some(info) = info(&row)? else {
        return Ok(None);
    };
    let row = opener.open(
        &Room {
            room: opener.room(),
        },
        row,
    )?;
    Ok(Some((info, values::about(row))))
}

/// The member that this row is about.
pub(crate) fn member(
    opener: &Opener<'_>,
    account: AccountId,
    row: v1::RoomMember,
) -> Result<Member, StoreError> {
    let room = opener.room();
    values::member(&opener.open(&RoomMember { room, account }, row)?)
}

/// Loads all that an actor has to know; `None` if there is no such room.
pub(crate) async fn load(
    tx: &Transaction,
    vault: &Vault,
    room: RoomId,
) -> Result<Option<State>, StoreError> {
    let Some((info, about)) = self::room(tx, vault, room).await? else {
        return Ok(None);
    };
    let opener = &Opener::of(vault, room).await?;
    let mut state = State {
        room,
        kind: info.kind,
        log_id: info.log_id,
        created: info.created,
        about,
        changed: info.changed,
        link: info.link,
        head: timed_head(tx, opener).await?,
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
            let member = member(opener, key.account, value)?;
            state.members.insert(key.account, member);
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

/// The head as stored, read so that a concurrent append conflicts. The time of the newest event is not
/// stored there: `at` stands for it.
pub(crate) async fn stored_head(
    tx: &Transaction,
    room: RoomId,
    at: UnixMillis,
) -> Result<Head, StoreError> {
    let row = tx.row(&RoomHead { room }).await?.unwrap_or_default();
    Ok(values::head(&row, at))
}

/// The head with the time of its newest event.
async fn timed_head(tx: &Transaction, opener: &Opener<'_>) -> Result<Head, StoreError> {
    let head = stored_head(tx, opener.room(), UnixMillis::default()).await?;
    let newest = event(tx, opener, head.seq).await?;
    let table = Table::RoomEvent;
    let at = newest.ok_or(StoreError::Corrupt { table })?.at;
    Ok(Head { at, ..head })
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

/// Those of the events at `seqs` that there are, in this order, with their salts, in one read.
pub(crate) async fn events(
    tx: &Transaction,
    opener: &Opener<'_>,
    seqs: &[Seq],
) -> Result<Vec<Salted>, StoreError> {
    let room = opener.room();
    let keys = seqs.iter().map(|seq| RoomEvent { room, seq: *seq });
    let rows = tx.rows(&keys.collect::<Vec<_>>()).await?;
    let rows = seqs.iter().zip(rows);
    let found = rows.filter_map(|(seq, row)| Some((*seq, row?)));
    opener.events(found).await
}

/// The event at `seq`.
pub(crate) async fn event(
    tx: &Transaction,
    opener: &Opener<'_>,
    seq: Seq,
) -> Result<Option<Event>, StoreError> {
    let found = events(tx, opener, &[seq]).await?.pop();
    Ok(found.map(|found| found.event))
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
    seals: &Seals,
    nonces: &mut Nonces,
) -> Result<(), StoreError> {
    let room = state.room;
    let fields = &seals.fields;
    let Some(change) = &prepared.change else {
        return Ok(());
    };
    if let Some(event) = prepared.clone().into_event() {
        if let Change::Message(_, salt) = change {
            let pair = seals.said.get(&event.actor);
            let pair = pair.expect("only members say something, and each that asks to has a pair");
            write_message(tx, room, event, Some(*salt), pair, nonces)?;
        } else {
            write_event(tx, room, event, fields)?;
        }
    }
    if let Some((id, used)) = prepared.used {
        remember(tx, prepared.actor, id, used)?;
    }
    match change {
        // Who says something has seen what was said before.
        Change::Message(..) => set_mark(tx, room, prepared.actor, mark_at(prepared.head)),
        Change::Edit(message) | Change::Deletion(message) => {
            // Its key was destroyed while it was read: the next one who asks finds it deleted.
            let pair = seals.rewritten.as_ref().ok_or(StoreError::Contended)?;
            write_message(tx, room, message.event(), message.salt, pair, nonces)
        }
        // Its row is changed where its files are released.
        Change::Release { .. } => Ok(()),
        Change::Membership(change) => write_membership(tx, prepared.head, *change, state, fields),
        Change::Room(about) => {
            let changed = Some(prepared.head.seq);
            let row = values::stored_room(state, about, changed, state.link);
            set_sealed(tx, &Room { room }, row, fields)
        }
        Change::Link(link) => {
            move_link(tx, room, state.link, *link)?;
            write_room(tx, state, *link, fields)
        }
        Change::Delete => deletion::write_deletion(tx, state, fields),
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
    fields: &Sealer,
) -> Result<(), StoreError> {
    let room = state.room;
    write_room(tx, state, state.link, fields)?;
    write_head(tx, room, state.head)?;
    for event in events {
        write_event(tx, room, event, fields)?;
    }
    for (account, member) in &state.members {
        set_member(tx, *account, *member, state, fields)?;
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

/// Writes an event that is no message.
fn write_event(
    tx: &Transaction,
    room: RoomId,
    event: Event,
    fields: &Sealer,
) -> Result<(), StoreError> {
    let key = RoomEvent {
        room,
        seq: event.seq,
    };
    set_sealed(tx, &key, values::stored_event(event, None), fields)
}

/// Writes an event that is a message.
fn write_message(
    tx: &Transaction,
    room: RoomId,
    event: Event,
    salt: Option<Salt>,
    pair: &Pair,
    nonces: &mut Nonces,
) -> Result<(), StoreError> {
    let (seq, author) = (event.seq, event.actor);
    let key = RoomEvent { room, seq };
    let row = values::stored_event(event, salt);
    tx.set_row(
        &key,
        &sealing::seal_message(pair, nonces, &key, author, row),
    )
}

fn set_sealed<K>(
    tx: &Transaction,
    key: &K,
    row: K::Value,
    fields: &Sealer,
) -> Result<(), StoreError>
where
    K: Row<Value: Sealable>,
{
    tx.set_row(key, &sealing::seal(fields, key, row))
}

fn write_membership(
    tx: &Transaction,
    head: Head,
    change: MembershipChange,
    state: &State,
    fields: &Sealer,
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
        Some(member) => set_member(tx, account, member, state, fields),
        None => clear_member(tx, room, account),
    }
}

fn set_member(
    tx: &Transaction,
    account: AccountId,
    member: Member,
    state: &State,
    fields: &Sealer,
) -> Result<(), StoreError> {
    let room = state.room;
    let key = RoomMember { room, account };
    set_sealed(tx, &key, values::stored_member(member), fields)?;
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
fn write_room(
    tx: &Transaction,
    state: &State,
    link: Option<LinkHash>,
    fields: &Sealer,
) -> Result<(), StoreError> {
    let room = state.room;
    let row = values::stored_room(state, &state.about, state.changed, link);
    set_sealed(tx, &Room { room }, row, fields)
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
