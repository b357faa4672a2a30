//! Reading who is in a room, who is kept out, and who has read.

use cluster_store::schema::{ReadMark as ReadMarkRow, RoomBan, RoomMember};
use cluster_store::{StoreError, Transaction};
use cluster_types::{AccountId, RoomId, Seq};

use super::rows;
use crate::{FutureSeq, Member, ReadError, Role, Rooms, store};

impl Rooms {
    /// The members of a room, by account, and whether there are more.
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
            let opener = self.enter(&tx, account, room).await?.opener;
            let range = match after {
                Some(account) => RoomMember::of(room).after(&RoomMember { room, account }),
                None => RoomMember::of(room),
            };
            let found = tx.scan(range, rows(limit)).await?;
            let members = found
                .rows
                .into_iter()
                .map(|(RoomMember { account, .. }, row)| {
                    Ok((account, store::member(&opener, account, row)?))
                });
            Ok((members.collect::<Result<_, StoreError>>()?, found.more))
        };
        self.with.store.read(read).await
    }

    /// The accounts that are kept out of a room, by account, and whether there are more.
    ///
    /// # Errors
    /// [`ReadError::NoSuchRoom`] also for who is not in it; [`ReadError::RoleTooLow`].
    pub async fn bans(
        &self,
        account: AccountId,
        room: RoomId,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<(Vec<AccountId>, bool), ReadError> {
        let read = |tx: Transaction| async move {
            let member = self.enter(&tx, account, room).await?.member;
            let needs = Role::Moderator;
            if member.role < needs {
                return Err(ReadError::RoleTooLow { needs });
            }
            let range = match after {
                Some(account) => RoomBan::of(room).after(&RoomBan { room, account }),
                None => RoomBan::of(room),
            };
            let found = tx.scan(range, rows(limit)).await?;
            let bans = found.rows.iter().map(|(key, _)| key.account).collect();
            Ok((bans, found.more))
        };
        self.with.store.read(read).await
    }

    /// The members whose mark stands at an event or after it, by account, and the account to go on
    /// after if there are more. A page may hold less than `limit`, and more may follow all the same.
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
            let (_, head) = self.enter_log(&tx, account, room).await?;
            FutureSeq::check("seq", seq, head)?;
            let range = match after {
                Some(account) => ReadMarkRow::of(room).after(&ReadMarkRow { room, account }),
                None => ReadMarkRow::of(room),
            };
            let found = tx.scan(range, rows(limit)).await?;
            let last = found.rows.last().map(|(key, _)| key.account);
            let next = last.filter(|_| found.more);
            let readers = found.rows.into_iter().filter(|(_, mark)| mark.seq >= seq.0);
            Ok::<_, ReadError>((readers.map(|(key, _)| key.account).collect(), next))
        };
        self.with.store.read(read).await
    }
}
