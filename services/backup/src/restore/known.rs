//! [`Known`]: a row, as far as a restore has to understand it.
//!
//! **Invariant: what verifies an archive and what writes it read a row in this one way**, so a row that does not read
//! is found before anything is written.

use bytes::Bytes;
use cluster_store::schema::{
    Account, AccountKey, AccountName, AccountNameHash, AccountRoom, ClientMessage, Deployment,
    DirectRoom, Erasure, ReadMark, Room, RoomBan, RoomEvent, RoomHead, RoomKey, RoomLink,
    RoomMember, ServerKey, Vault,
};
use cluster_store::{Row, StoreError, Table};
use cluster_types::{AccountId, FileId, RoomId, Seq};
use proto::storage::v1::room_event::Kind;
use proto::storage::v1::{self, RoomRole};

use crate::RawRow;
use crate::wire;

/// What a row says.
pub(super) enum Known {
    /// What the store is.
    Deployment(v1::Deployment),
    /// What was erased.
    Erasure(Erasure, v1::Erasure),
    /// The generations that wrap keys.
    Vault(Vec<u32>),
    /// Somebody.
    Account(AccountId),
    /// By what somebody is found.
    AccountIndex(AccountId),
    /// A key, under this generation.
    ServerKey(u32),
    AccountKey(AccountId, u32),
    RoomKey(RoomId, u32),
    /// What a client message id of somebody was used for.
    Used(AccountId, (RoomId, Seq)),
    Event(Box<Event>),
    /// Of a room, but for its log.
    OfRoom(OfRoom),
    /// Of a table that is in no backup, or that nobody knows.
    Foreign,
}

/// An event of a room.
pub(super) struct Event {
    pub(super) key: RoomEvent,
    pub(super) row: v1::RoomEvent,
    /// Who did it, if that can be told.
    pub(super) actor: Option<AccountId>,
    /// The files that come with it.
    pub(super) files: Vec<FileId>,
}

/// A row of a room.
pub(super) enum OfRoom {
    /// What it is.
    Room(v1::Room),
    Head(v1::RoomHead),
    Member(AccountId, RoomRole),
    /// It is gone with this account.
    Account(AccountId),
    /// By what it is found.
    Index,
}

impl Known {
    /// Reads a row.
    ///
    /// # Errors
    /// If it is none of its table.
    pub(super) fn read(RawRow { key, value }: &RawRow) -> Result<Self, StoreError> {
        let Some(table) = Table::of_key(key) else {
            return Ok(Self::Foreign);
        };
        Ok(match table {
            Table::Deployment => {
                let Deployment {} = wire::key(key)?;
                Self::Deployment(wire::decoded::<Deployment>(value)?)
            }
            Table::Erasure => Self::Erasure(wire::key(key)?, wire::decoded::<Erasure>(value)?),
            Table::Vault => {
                let Vault {} = wire::key(key)?;
                let generations = wire::decoded::<Vault>(value)?.generations;
                Self::Vault(generations.into_iter().map(|one| one.number).collect())
            }
            Table::Account => {
                wire::decoded::<Account>(value)?;
                Self::Account(wire::key::<Account>(key)?.account)
            }
            Table::AccountName => {
                wire::key::<AccountName>(key)?;
                Self::AccountIndex(wire::name_owner(value)?)
            }
            Table::AccountNameHash => {
                wire::key::<AccountNameHash>(key)?;
                Self::AccountIndex(wire::name_owner(value)?)
            }
            Table::ServerKey => {
                wire::key::<ServerKey>(key)?;
                Self::ServerKey(generation(value)?)
            }
            Table::AccountKey => {
                let AccountKey { account, .. } = wire::key(key)?;
                Self::AccountKey(account, generation(value)?)
            }
            Table::RoomKey => {
                let RoomKey { room, .. } = wire::key(key)?;
                Self::RoomKey(room, generation(value)?)
            }
            Table::ClientMessage => {
                let ClientMessage { account, .. } = wire::key(key)?;
                Self::Used(account, wire::used_for(value)?)
            }
            Table::RoomEvent => Self::Event(Box::new(event(key, value)?)),
            Table::Room
            | Table::RoomHead
            | Table::RoomMember
            | Table::RoomBan
            | Table::ReadMark
            | Table::AccountRoom
            | Table::DirectRoom
            | Table::RoomLink => Self::OfRoom(of_room(table, key, value)?),
            Table::SignIn
            | Table::Token
            | Table::SignInChange
            | Table::Invitation
            | Table::InvitationSecret
            | Table::RoomDeletion
            | Table::Upload
            | Table::File
            | Table::FileRemoval
            | Table::FileQuota
            | Table::KeyRotation
            | Table::SchemaUpgrade
            | Table::Node
            | Table::ShardOwner
            | Table::ShardMark
            | Table::NodeHeartbeat => Self::Foreign,
        })
    }
}

/// Keys of all kinds are stored alike.
fn generation(value: &Bytes) -> Result<u32, StoreError> {
    Ok(wire::decoded::<ServerKey>(value)?.generation)
}

fn event(key: &Bytes, value: &Bytes) -> Result<Event, StoreError> {
    let (key, row) = (wire::key(key)?, wire::decoded::<RoomEvent>(value)?);
    let corrupt = || StoreError::Corrupt {
        table: Table::RoomEvent,
    };
    let ids = match &row.kind {
        Some(Kind::Message(message)) => &message.file_ids[..],
        Some(Kind::Edit(_) | Kind::Deletion(_) | Kind::Membership(_) | Kind::Room(_)) | None => &[],
    };
    let files = ids.iter().map(|id| FileId::try_from(&id[..]));
    let files = files.collect::<Result<_, _>>().map_err(|_| corrupt())?;
    let actor = AccountId::try_from(&row.actor_id[..]).ok();
    Ok(Event {
        key,
        row,
        actor,
        files,
    })
}

fn of_room(table: Table, key: &Bytes, value: &Bytes) -> Result<OfRoom, StoreError> {
    Ok(if table == Table::Room {
        wire::key::<Room>(key)?;
        OfRoom::Room(wire::decoded::<Room>(value)?)
    } else if table == Table::RoomHead {
        wire::key::<RoomHead>(key)?;
        OfRoom::Head(wire::decoded::<RoomHead>(value)?)
    } else if table == Table::RoomMember {
        let RoomMember { account, .. } = wire::key(key)?;
        OfRoom::Member(account, wire::decoded::<RoomMember>(value)?.role())
    } else if table == Table::RoomBan {
        OfRoom::Account(sound::<RoomBan>(key, value)?.account)
    } else if table == Table::ReadMark {
        OfRoom::Account(sound::<ReadMark>(key, value)?.account)
    } else if table == Table::AccountRoom {
        OfRoom::Account(sound::<AccountRoom>(key, value)?.account)
    } else if table == Table::DirectRoom {
        sound::<DirectRoom>(key, value)?;
        OfRoom::Index
    } else {
        sound::<RoomLink>(key, value)?;
        OfRoom::Index
    })
}

/// The key of a row whose value reads.
fn sound<K: Row>(key: &Bytes, value: &Bytes) -> Result<K, StoreError> {
    wire::decoded::<K>(value)?;
    wire::key(key)
}
