//! The end of a room: one transaction takes it from everybody, and small ones take its rows away. And what is taken of a
//! row that cannot be opened any more.
//!
//! Invariant: as long as any row of a deleted room is left, the room is on the list of deletions, and
//! its own row says that it is deleted. What stays is its entry in the ledger of erasures, and the places
//! that client message ids were used for, which tell a retry, with digests whose salts are gone.

use cluster_store::erasures::{self, Erased};

use super::{
    DirectRoom, Kind, Room, RoomBan, RoomChange, RoomDeletion, RoomEvent, RoomHead, RoomId,
    RoomMember, RowRange, Scan, Sealer, Seq, State, StoreError, Transaction, clear_member,
    move_link, set_sealed, v1, values,
};
use crate::Attachments;
use crate::limits::CLEAR_FILES;

/// Deletes a room. Name and topic go at once, and so do the ways into it.
pub(super) fn write_deletion(
    tx: &Transaction,
    state: &State,
    fields: &Sealer,
) -> Result<(), StoreError> {
    let room = state.room;
    move_link(tx, room, state.link, None)?;
    if state.kind == Kind::Direct {
        let mut members = state.members.keys();
        if let Some(one) = members.next() {
            // Who talks with oneself is on both sides.
            tx.clear_row(&DirectRoom::between(*one, *members.next().unwrap_or(one)))?;
        }
    }
    let mut row = values::stored_room(state, &RoomChange::default(), None, None);
    row.deleted = true;
    set_sealed(tx, &Room { room }, row, fields)?;
    // Whoever still holds the old head cannot append to it any more.
    tx.clear_row(&RoomHead { room })?;
    // Nor does it come back with a backup.
    erasures::record(tx, Erased::Room(room))?;
    tx.set_row(&RoomDeletion { room }, &v1::RoomDeletion {})
}

/// The first room on the list of deletions after `after`.
pub(crate) async fn next_deletion(
    tx: &Transaction,
    after: Option<RoomId>,
) -> Result<Option<RoomId>, StoreError> {
    let range = match after {
        Some(room) => RowRange::all().after(&RoomDeletion { room }),
        None => RowRange::all(),
    };
    let first = Scan {
        limit_rows: 1,
        ..Scan::default()
    };
    let found = tx.scan(range, first).await?;
    Ok(found.rows.first().map(|(RoomDeletion { room }, _)| *room))
}

/// Clears about `rows` rows of a room that is on the list, fewer if they carry many files. Returns whether any are
/// left.
pub(crate) async fn clear_some(
    tx: &Transaction,
    files: &dyn Attachments,
    room: RoomId,
    rows: usize,
) -> Result<bool, StoreError> {
    if tx.row(&RoomDeletion { room }).await?.is_none() {
        return Ok(false);
    }
    let page = Scan {
        limit_rows: rows,
        ..Scan::default()
    };
    let members = tx.scan(RoomMember::of(room), page).await?;
    for (key, _) in &members.rows {
        clear_member(tx, room, key.account)?;
    }
    if members.more {
        return Ok(true);
    }
    let events = tx.scan(RoomEvent::of(room), page).await?;
    if let Some((last, _)) = events.rows.last() {
        let end = release_files(tx, files, &events.rows).await?;
        let begin = RoomEvent {
            room,
            seq: Seq::ZERO,
        };
        tx.clear_rows(RowRange::between(&begin, &RoomEvent { room, seq: end }))?;
        if events.more || end <= last.seq {
            return Ok(true);
        }
    }
    let bans = tx.scan(RoomBan::of(room), page).await?;
    for (key, _) in &bans.rows {
        tx.clear_row(key)?;
    }
    if bans.more {
        return Ok(true);
    }
    tx.clear_row(&RoomHead { room })?;
    tx.clear_row(&Room { room })?;
    tx.clear_row(&RoomDeletion { room })?;
    Ok(false)
}

/// Has the row of a message whose key was destroyed name its files no more.
pub(crate) async fn forget_files(
    tx: &Transaction,
    room: RoomId,
    seq: Seq,
) -> Result<(), StoreError> {
    let key = RoomEvent { room, seq };
    let Some(mut row) = tx.row(&key).await? else {
        return Ok(());
    };
    if let Some(v1::room_event::Kind::Message(message)) = &mut row.kind {
        message.file_ids.clear();
    }
    tx.set_row(&key, &row)
}

/// Releases the files of events from the first one on. Returns the place of the event after those.
async fn release_files(
    tx: &Transaction,
    files: &dyn Attachments,
    events: &[(RoomEvent, v1::RoomEvent)],
) -> Result<Seq, StoreError> {
    let (mut released, mut end) = (0, Seq::ZERO);
    for (key, row) in events {
        let carried = values::file_ids(row)?;
        if released > 0 && released + carried.len() > CLEAR_FILES {
            break;
        }
        released += carried.len();
        for file in carried {
            files.release(tx, file).await?;
        }
        end = key.seq.next();
    }
    Ok(end)
}
