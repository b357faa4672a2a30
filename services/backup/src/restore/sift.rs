//! [`Sift`]: what becomes of each record of an archive.
//!
//! A row is restored if what it hangs on is: the account that it is of, and the room. So nothing is left over
//! of what was erased, of rooms that were deleted while they were copied, or of what was made after the part
//! of the backup that it belongs to.
//!
//! What is changed:
//! - **Each room's log gets a new id**, since it ends earlier than clients may have read.
//! - What an erased account said, where it is not sealed, becomes what a deleted message is.
//! - A member whose account is not restored is taken out and out of the count. If none is left, the room is on
//!   the list of deletions, and the server clears it when it starts. If no owner of a group is left, the member
//!   who ranks highest becomes one.
//!
//! Rows of a room but for its log come together, before its end, and are held until then.

use cluster_store::erasures::Erased;
use cluster_store::schema::{
    Account, AccountKey, AccountRoom, ClientMessage, ReadMark, Room, RoomBan, RoomDeletion,
    RoomEvent, RoomHead, RoomKey, RoomMember, ServerKey,
};
use cluster_store::{StoreError, Table};
use cluster_types::{AccountId, LogId, Rng, RoomId};
use proto::storage::v1::room_event::Kind;
use proto::storage::v1::{self, RoomKind, RoomRole};

use super::survey::Survey;
use crate::RawRow;
use crate::collect::Record;
use crate::wire;

/// Sifts the records of one archive.
#[derive(Debug)]
pub(crate) struct Sift {
    survey: Survey,
    rng: Rng,
    held: Vec<RawRow>,
}

impl Sift {
    /// Begins. `survey` is of the same archive, without what is erased; `rng` draws the ids of logs.
    pub(crate) const fn new(survey: Survey, rng: Rng) -> Self {
        Self {
            survey,
            rng,
            held: Vec::new(),
        }
    }

    /// What it knows of the archive.
    pub(crate) fn into_survey(self) -> Survey {
        self.survey
    }

    /// The rows to write for a record.
    pub(crate) fn take(&mut self, record: Record) -> Result<Vec<RawRow>, StoreError> {
        match record {
            Record::Row(row) => Ok(self.row(row)?.into_iter().collect()),
            Record::RoomEnd(room, _) => {
                let rows = std::mem::take(&mut self.held);
                if self.survey.rooms.contains_key(&room) {
                    self.settled(room, rows)
                } else {
                    Ok(Vec::new())
                }
            }
            Record::RoomGone(_) => {
                self.held.clear();
                Ok(Vec::new())
            }
        }
    }

    fn row(&mut self, row: RawRow) -> Result<Option<RawRow>, StoreError> {
        let Some(table) = Table::of_key(&row.key) else {
            return Ok(None);
        };
        let is_restored = match table {
            Table::RoomEvent => return self.event(row),
            Table::Room
            | Table::RoomHead
            | Table::RoomMember
            | Table::RoomBan
            | Table::ReadMark
            | Table::AccountRoom
            | Table::DirectRoom
            | Table::RoomLink => {
                self.held.push(row);
                return Ok(None);
            }
            Table::Account => self.has(wire::key::<Account>(&row.key)?.account),
            Table::AccountName | Table::AccountNameHash => self.has(wire::name_owner(&row.value)?),
            Table::ServerKey => self.opens(&row)?,
            Table::AccountKey => {
                self.has(wire::key::<AccountKey>(&row.key)?.account) && self.opens(&row)?
            }
            Table::RoomKey => {
                let room = wire::key::<RoomKey>(&row.key)?.room;
                self.survey.rooms.contains_key(&room) && self.opens(&row)?
            }
            Table::ClientMessage => {
                let account = wire::key::<ClientMessage>(&row.key)?.account;
                self.has(account) && self.is_used(&row)?
            }
            Table::Vault => true,
            // These two are written at the end, and the rest is not in a backup.
            Table::Deployment
            | Table::Erasure
            | Table::SignIn
            | Table::Token
            | Table::Invitation
            | Table::InvitationSecret
            | Table::RoomDeletion
            | Table::Upload
            | Table::File
            | Table::FileRemoval
            | Table::FileQuota
            | Table::KeyRotation
            | Table::SchemaUpgrade => false,
        };
        Ok(is_restored.then_some(row))
    }

    /// An event, without what somebody said in it who is not restored. A message that is sealed has lost the
    /// account's keys with the account; one of an earlier release has its words in the row. The account may be missing
    /// from the archive itself, if it was erased while that was made: accounts come after the logs.
    fn event(&self, row: RawRow) -> Result<Option<RawRow>, StoreError> {
        let key = wire::key::<RoomEvent>(&row.key)?;
        if !self.survey.rooms.contains_key(&key.room) {
            return Ok(None);
        }
        let mut event = wire::decoded::<RoomEvent>(&row.value)?;
        let actor = AccountId::try_from(&event.actor_id[..]);
        let Some(Kind::Message(message)) = &mut event.kind else {
            return Ok(Some(row));
        };
        let is_erased = actor.is_ok_and(|actor| !self.has(actor));
        if !is_erased || !event.sealed.is_empty() {
            return Ok(Some(row));
        }
        *message = v1::Message {
            deleted: true,
            ..Default::default()
        };
        Ok(Some(wire::row(&key, &event)))
    }

    fn has(&self, account: AccountId) -> bool {
        self.survey.accounts.contains(&account)
    }

    /// Whether the vault has what a key is wrapped under. If not, the key was destroyed while the backup was made.
    fn opens(&self, row: &RawRow) -> Result<bool, StoreError> {
        // Keys of all kinds are stored alike.
        let generation = wire::decoded::<ServerKey>(&row.value)?.generation;
        let vault = self.survey.generations.as_ref();
        Ok(vault.is_none_or(|generations| generations.contains(&generation)))
    }

    /// Whether a client message id was used for an event that is restored, or for one of a room that is
    /// erased: a retry finds neither made a second time.
    fn is_used(&self, row: &RawRow) -> Result<bool, StoreError> {
        let (room, seq) = wire::used_for(&row.value)?;
        Ok(match self.survey.rooms.get(&room) {
            Some(head) => seq <= *head,
            None => self.survey.ledger.names(Erased::Room(room)),
        })
    }

    /// The rows of a room but for its log, as they are to be.
    fn settled(&self, room: RoomId, rows: Vec<RawRow>) -> Result<Vec<RawRow>, StoreError> {
        let members = self.members(&rows)?;
        let is_deserted = members.gone > 0 && members.left == 0;
        let mut settled = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(table) = Table::of_key(&row.key) else {
                continue;
            };
            let of = self.account_of(table, &row)?;
            if of.is_some_and(|account| !self.has(account)) {
                continue;
            }
            if table == Table::Room {
                let mut about = wire::decoded::<Room>(&row.value)?;
                about.log_id = LogId::random(&self.rng).as_bytes().to_vec().into();
                about.deleted |= is_deserted;
                settled.push(wire::row(&Room { room }, &about));
            } else if is_deserted {
                // The row of the room says what it takes for the rest to be cleared.
            } else if table == Table::RoomHead && members.gone > 0 {
                let mut head = wire::decoded::<RoomHead>(&row.value)?;
                head.member_count = head.member_count.saturating_sub(members.gone);
                settled.push(wire::row(&RoomHead { room }, &head));
            } else {
                settled.push(row);
            }
        }
        if is_deserted {
            let deletion = v1::RoomDeletion {};
            settled.push(wire::row(&RoomDeletion { room }, &deletion));
        } else if let Some(account) = members.heir {
            let owner = v1::RoomMember {
                role: RoomRole::Owner.into(),
                ..Default::default()
            };
            settled.push(wire::row(&RoomMember { room, account }, &owner));
        }
        Ok(settled)
    }

    fn members(&self, rows: &[RawRow]) -> Result<Members, StoreError> {
        let (mut members, mut is_group) = (Members::default(), false);
        let (mut had_owner, mut has_owner, mut best) = (false, false, None);
        for row in rows {
            let table = Table::of_key(&row.key);
            if table == Some(Table::Room) {
                is_group = wire::decoded::<Room>(&row.value)?.kind() == RoomKind::Group;
            }
            if table != Some(Table::RoomMember) {
                continue;
            }
            let account = wire::key::<RoomMember>(&row.key)?.account;
            let role = wire::decoded::<RoomMember>(&row.value)?.role();
            let is_owner = role == RoomRole::Owner;
            had_owner |= is_owner;
            if self.has(account) {
                members.left += 1;
                has_owner |= is_owner;
                // Of those who rank the same, the first one.
                let rank = (role as i32, std::cmp::Reverse(account));
                best = best.max(Some(rank));
            } else {
                members.gone += 1;
            }
        }
        if is_group && had_owner && !has_owner {
            members.heir = best.map(|(_, account)| account.0);
        }
        Ok(members)
    }

    /// Whose a row of a room is.
    fn account_of(&self, table: Table, row: &RawRow) -> Result<Option<AccountId>, StoreError> {
        let key = &row.key;
        Ok(if table == Table::RoomMember {
            Some(wire::key::<RoomMember>(key)?.account)
        } else if table == Table::RoomBan {
            Some(wire::key::<RoomBan>(key)?.account)
        } else if table == Table::ReadMark {
            Some(wire::key::<ReadMark>(key)?.account)
        } else if table == Table::AccountRoom {
            Some(wire::key::<AccountRoom>(key)?.account)
        } else {
            None
        })
    }
}

/// Who is in a room.
#[derive(Debug, Default)]
struct Members {
    left: u64,
    gone: u64,
    /// Who becomes the owner, if somebody has to.
    heir: Option<AccountId>,
}
