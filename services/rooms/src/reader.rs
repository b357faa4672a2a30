//! Reading: rooms as a member sees them, and how far it has read.
//!
//! Reads do not go through the actor: each is one snapshot of the store, in which the reader's
//! membership is checked together with what is read. So a node that does not own a room can read it,
//! and who has been removed, or whose room has been deleted, reads nothing from the next snapshot on.

use cluster_store::schema::{
    AccountRoom, ReadMark as ReadMarkRow, Room, RoomEvent, RoomHead, RoomMember,
};
use cluster_store::{RowRange, Scan, StoreError, Transaction};
use cluster_types::{AccountId, RoomId, Seq};
use proto::storage::v1;

use crate::limits::{EVENTS_PAGE_BYTES_MAX, ROOMS_PAGE_MAX, ROOMS_PER_ACCOUNT_MAX};
use crate::state::may_write;
use crate::store::{self, Info, Opener};
use crate::{
    CommandError, FutureSeq, Kind, Member, ReadError, ReadMark, RoomStanding, RoomView, Rooms,
    ServerRoomView,
};

mod log;
mod people;

pub(crate) use log::event_at;
pub use log::{Direction, EventPage, Start};

impl Rooms {
    /// The room as `account` sees it.
    ///
    /// # Errors
    /// [`ReadError::NoSuchRoom`] also for who is not in it.
    pub async fn view(&self, account: AccountId, room: RoomId) -> Result<RoomView, ReadError> {
        let read = |tx: Transaction| async move {
            let row = tx.row(&AccountRoom { account, room }).await?;
            let rows = vec![(room, row.ok_or(ReadError::NoSuchRoom)?)];
            self.views(&tx, account, rows)
                .await?
                .pop()
                .ok_or(ReadError::NoSuchRoom)
        };
        self.with.store.read(read).await
    }

    /// The rooms of an account, by id, and the room to go on after if there are more. A page may hold
    /// less than `limit`, and more may follow all the same.
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
            let (found, next) = page_of(&tx, account, after, limit).await?;
            Ok((self.views(&tx, account, found).await?, next))
        };
        self.with.store.read(read).await
    }

    /// All rooms of an account, by id, at most [`ROOMS_PER_ACCOUNT_MAX`]. With their names and topics,
    /// so that many of them weigh megabytes: who only counts goes through [`Rooms::standings`].
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
            // Whoever comes and goes meanwhile must not make this longer.
            if next.is_none() || rooms.len() >= ROOMS_PER_ACCOUNT_MAX {
                rooms.truncate(ROOMS_PER_ACCOUNT_MAX);
                return Ok(rooms);
            }
        }
    }

    /// How the rooms of an account stand, by id, and the room to go on after if there are more. A page
    /// may hold less than `limit`, and more may follow all the same.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn standings(
        &self,
        account: AccountId,
        after: Option<RoomId>,
        limit: usize,
    ) -> Result<(Vec<RoomStanding>, Option<RoomId>), ReadError> {
        let read = |tx: Transaction| async move {
            let (found, next) = page_of(&tx, account, after, limit).await?;
            let ids: Vec<_> = found.into_iter().map(|(room, _)| room).collect();
            Ok((standings(&tx, account, ids).await?, next))
        };
        self.with.store.read(read).await
    }

    /// How far rooms have come, at most [`ROOMS_PAGE_MAX`]: the newest event of each, and the messages up to
    /// there; `None` for one that is no more. Whoever asks knows already that there are such rooms.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Option<(Seq, u64)>>, StoreError> {
        let infos = keys(rooms, |room| Room { room });
        let heads = keys(rooms, |room| RoomHead { room });
        let (infos, heads) = (infos.as_slice(), heads.as_slice());
        let read = |tx: Transaction| async move { tx.look_up((infos, heads)).await };
        let (infos, heads) = self.with.store.read(read).await?;
        let head = |(info, head): (Option<v1::Room>, Option<v1::RoomHead>)| {
            info.filter(|info| !info.deleted)?;
            let head = head.unwrap_or_default();
            Some((Seq(head.seq), head.message_count))
        };
        Ok(infos.into_iter().zip(heads).map(head).collect())
    }

    /// Every room of the server, by id, without what it is about, and the room to go on after. A page
    /// may hold less than `limit`, and more may follow all the same.
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
            let last = found.rows.last().map(|(key, _)| key.room);
            let next = last.filter(|_| found.more);
            let rooms = found.rows.into_iter().filter(|(_, row)| !row.deleted);
            let rooms: Vec<_> = rooms.collect();
            let keys = rooms
                .iter()
                .map(|(Room { room }, _)| RoomHead { room: *room });
            let heads = tx.rows(&keys.collect::<Vec<_>>()).await?;
            let view = |((Room { room }, row), head): ((Room, v1::Room), Option<v1::RoomHead>)| {
                Ok::<_, StoreError>(ServerRoomView {
                    room,
                    kind: store::kind(row.kind)?,
                    archived: row.archived,
                    head: Seq(head.unwrap_or_default().seq),
                })
            };
            let views = rooms.into_iter().zip(heads).map(view);
            Ok::<_, ReadError>((views.collect::<Result<_, _>>()?, next))
        };
        self.with.store.read(read).await
    }

    /// Moves a read mark forward, and tells those who follow the room; where it stands already, it tells
    /// them again. Returns where it stands and how many messages come after it.
    ///
    /// # Errors
    /// [`ReadError::NoSuchRoom`] also for who is not in it; [`ReadError::FutureSeq`].
    pub async fn mark_read(
        &self,
        account: AccountId,
        room: RoomId,
        seq: Seq,
    ) -> Result<(ReadMark, u64), ReadError> {
        let mark = |tx: Transaction, _| async move {
            self.enter(&tx, account, room).await?;
            // Who only reads does not get in the way of those who write.
            let head = tx.row_snapshot(&RoomHead { room }).await?;
            let head = head.unwrap_or_default();
            FutureSeq::check("seq", seq, Seq(head.seq))?;
            let row = tx.row(&ReadMarkRow { room, account }).await?;
            let old = row.as_ref().map(store::read_mark).unwrap_or_default();
            let unread = |mark: ReadMark| head.message_count.saturating_sub(mark.message_count);
            if seq <= old.seq {
                // A mark may stand here without anybody having been told: the commit of this call, or
                // of the one that it repeats, had an unknown outcome. To be told twice does no harm.
                return Ok::<_, ReadError>((old, unread(old), seq == old.seq));
            }
            let at = tx.row_snapshot(&RoomEvent { room, seq }).await?;
            let message_count = at.map_or(head.message_count, |event| event.message_count);
            let new = ReadMark { seq, message_count };
            store::set_mark(&tx, room, account, new)?;
            Ok((new, unread(new), true))
        };
        let (mark, unread, is_news) = self.with.store.run(mark).await?;
        if is_news {
            self.with.publisher.read(room, account, mark);
        }
        Ok((mark, unread))
    }

    /// How far an account has read these rooms, at most [`ROOMS_PAGE_MAX`]; of one that it is not in, nothing.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn marks(
        &self,
        account: AccountId,
        rooms: &[RoomId],
    ) -> Result<Vec<ReadMark>, ReadError> {
        let marks = keys(rooms, |room| ReadMarkRow { room, account });
        let marks = marks.as_slice();
        let read = |tx: Transaction| async move { tx.rows(marks).await };
        let rows = self.with.store.read(read).await?;
        let mark = |row: &Option<v1::ReadMark>| row.as_ref().map(store::read_mark);
        Ok(rows
            .iter()
            .map(|row| mark(row).unwrap_or_default())
            .collect())
    }

    /// Tells those who follow the room that a member writes.
    ///
    /// # Errors
    /// [`ReadError::NoSuchRoom`] also for who is not in it. Who may not write is not shown to write,
    /// and gets no error for it.
    pub async fn typing(&self, account: AccountId, room: RoomId) -> Result<(), ReadError> {
        let read = |tx| async move {
            let entered = self.enter(&tx, account, room).await?;
            Ok::<_, ReadError>((entered.member, entered.info.archived))
        };
        let (member, archived) = self.with.store.read(read).await?;
        if !member.is_muted(self.with.clock.now()) && !archived {
            self.with.publisher.typing(room, account);
        }
        Ok(())
    }

    /// Whether `account` may send into the room now.
    ///
    /// # Errors
    /// As a message of its own would be refused.
    pub async fn check_may_send(
        &self,
        account: AccountId,
        room: RoomId,
    ) -> Result<(), CommandError> {
        let read = |tx| async move {
            let entered = self.enter(&tx, account, room).await?;
            Ok::<_, ReadError>((entered.member, entered.info.archived))
        };
        let (member, archived) = self.with.store.read(read).await?;
        may_write(&member, archived, self.with.clock.now())
    }

    /// Whether `account` is in the room now.
    pub(crate) async fn is_member(
        &self,
        account: AccountId,
        room: RoomId,
    ) -> Result<bool, StoreError> {
        let key = &RoomMember { room, account };
        let read = |tx: Transaction| async move { tx.row(key).await };
        Ok(self.with.store.read(read).await?.is_some())
    }

    /// The room, for a member. Everything that is read stands in the same snapshot.
    async fn enter(
        &self,
        tx: &Transaction,
        account: AccountId,
        room: RoomId,
    ) -> Result<Entered<'_>, ReadError> {
        let rows = (&RoomMember { room, account }, &Room { room });
        let (member, info) = tx.look_up(rows).await?;
        self.admit(account, room, member, info).await
    }

    /// As [`Rooms::enter`], for who reads up to the newest event, which is returned.
    async fn enter_log(
        &self,
        tx: &Transaction,
        account: AccountId,
        room: RoomId,
    ) -> Result<(Opener<'_>, Seq), ReadError> {
        let member = &RoomMember { room, account };
        let rows = (member, &Room { room }, &RoomHead { room });
        let (member, info, head) = tx.look_up(rows).await?;
        let entered = self.admit(account, room, member, info).await?;
        Ok((entered.opener, Seq(head.unwrap_or_default().seq)))
    }

    async fn admit(
        &self,
        account: AccountId,
        room: RoomId,
        member: Option<v1::RoomMember>,
        info: Option<v1::Room>,
    ) -> Result<Entered<'_>, ReadError> {
        // The members' rows of a deleted room go one after the other.
        let info = info.as_ref().map(store::info).transpose()?.flatten();
        let (member, info) = member.zip(info).ok_or(ReadError::NoSuchRoom)?;
        let opener = Opener::of(&self.with.vault, room).await?;
        Ok(Entered {
            member: store::member(&opener, account, member)?,
            info,
            opener,
        })
    }

    /// These rooms of an account, without those that are deleted.
    async fn views(
        &self,
        tx: &Transaction,
        account: AccountId,
        rooms: Vec<(RoomId, v1::AccountRoom)>,
    ) -> Result<Vec<RoomView>, ReadError> {
        let ids: Vec<_> = rooms.iter().map(|(room, _)| *room).collect();
        let members = keys(&ids, |room| RoomMember { room, account });
        let infos = keys(&ids, |room| Room { room });
        let heads = keys(&ids, |room| RoomHead { room });
        let marks = keys(&ids, |room| ReadMarkRow { room, account });
        let rows = (
            members.as_slice(),
            infos.as_slice(),
            heads.as_slice(),
            marks.as_slice(),
        );
        let (members, infos, heads, marks) = tx.look_up(rows).await?;
        let openers = Opener::of_each(&self.with.vault, &ids).await?;
        let places = rooms.into_iter().zip(openers);
        let rows = members.into_iter().zip(infos).zip(heads).zip(marks);
        let mut views = Vec::with_capacity(ids.len());
        for (((room, row), opener), (((member, info), head), mark)) in places.zip(rows) {
            let info = info.map(|info| store::info_and_about(&opener, info));
            let Some((member, (info, about))) = member.zip(info.transpose()?.flatten()) else {
                continue;
            };
            let head = head.unwrap_or_default();
            views.push(RoomView {
                room,
                kind: info.kind,
                about,
                log_id: info.log_id,
                head: Seq(head.seq),
                message_count: head.message_count,
                member_count: head.member_count,
                role: store::member(&opener, account, member)?.role,
                mark: mark.as_ref().map(store::read_mark).unwrap_or_default(),
                peer: match info.kind {
                    Kind::Group => None,
                    Kind::Direct => Some(store::peer(&row)?),
                },
            });
        }
        Ok(views)
    }
}

/// A room as a member finds it.
struct Entered<'a> {
    member: Member,
    info: Info,
    opener: Opener<'a>,
}

/// A page of this many rows.
fn rows(limit: usize) -> Scan {
    Scan {
        limit_rows: limit,
        limit_bytes: EVENTS_PAGE_BYTES_MAX,
        reverse: false,
        snapshot: true,
    }
}

/// Some rooms of an account, by id, and the room to go on after if there are more.
async fn page_of(
    tx: &Transaction,
    account: AccountId,
    after: Option<RoomId>,
    limit: usize,
) -> Result<(Vec<(RoomId, v1::AccountRoom)>, Option<RoomId>), StoreError> {
    let range = match after {
        Some(room) => AccountRoom::of(account).after(&AccountRoom { account, room }),
        None => AccountRoom::of(account),
    };
    let found = tx.scan(range, rows(limit)).await?;
    let last = found.rows.last().map(|(key, _)| key.room);
    let next = last.filter(|_| found.more);
    let rows = found.rows.into_iter().map(|(key, row)| (key.room, row));
    Ok((rows.collect(), next))
}

/// How these rooms of an account stand, without those that are deleted.
async fn standings(
    tx: &Transaction,
    account: AccountId,
    ids: Vec<RoomId>,
) -> Result<Vec<RoomStanding>, ReadError> {
    let infos = keys(&ids, |room| Room { room });
    let heads = keys(&ids, |room| RoomHead { room });
    let marks = keys(&ids, |room| ReadMarkRow { room, account });
    let rows = (infos.as_slice(), heads.as_slice(), marks.as_slice());
    let (infos, heads, marks) = tx.look_up(rows).await?;
    let mut standings = Vec::with_capacity(ids.len());
    for (((room, info), head), mark) in ids.into_iter().zip(infos).zip(heads).zip(marks) {
        if let Some(info) = info.as_ref().map(store::info).transpose()?.flatten() {
            let head = head.unwrap_or_default();
            standings.push(RoomStanding {
                room,
                log_id: info.log_id,
                head: Seq(head.seq),
                message_count: head.message_count,
                mark: mark.as_ref().map(store::read_mark).unwrap_or_default(),
            });
        }
    }
    Ok(standings)
}

fn keys<K>(rooms: &[RoomId], key: impl Fn(RoomId) -> K) -> Vec<K> {
    rooms.iter().map(|room| key(*room)).collect()
}
