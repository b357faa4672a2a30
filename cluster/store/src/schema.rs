//! The tables: the only place that knows which bytes mean what.
//!
//! A key is the table's two-byte prefix and then its fields: ids, digests and numbers in fixed width
//! and big-endian, so that the order of bytes is the order of fields. A variable-length field can only
//! be the last. A value is a protobuf message from `rookery/storage/v1`, which keeps unknown fields
//! harmless. One line per table:
//!
//! | table | prefix | key | value | mutability | writer |
//! |---|---|---|---|---|---|
//! | [`Deployment`] | `0001` | none: one row | `Deployment` | schema version grows | server, first start and upgrades |
//! | [`SchemaUpgrade`] | `0002` | name of a step, UTF-8, to the end | `SchemaUpgrade` | updated, cleared at the end | [`Upgrade`](crate::Upgrade) |
//! | [`Account`] | `0101` | account | `Account` | updated | accounts |
//! | [`AccountName`] | `0102` | folded name, UTF-8, to the end | `AccountName` | version 1, cleared by the upgrade | accounts |
//! | [`SignIn`] | `0103` | account, sign-in | `SignIn` | day of expiry grows, cleared | accounts |
//! | [`Token`] | `0104` | SHA-256 of the token | `Token` | day of expiry grows, cleared | accounts |
//! | [`Invitation`] | `0105` | invitation | `Invitation` | written once, cleared | accounts |
//! | [`InvitationSecret`] | `0106` | SHA-256 of the secret | `InvitationSecret` | written once, cleared | accounts |
//! | [`AccountNameHash`] | `0107` | keyed hash of the folded name | `AccountName` | written once | accounts |
//! | [`SignInChange`] | `0108` | seq | `SignInChange` | written once, cleared when old | accounts |
//! | [`Room`] | `0201` | room | `Room` | updated, cleared after a deletion | actor, lobby, clearing |
//! | [`RoomHead`] | `0202` | room | `RoomHead` | updated with every append, cleared by a deletion | actor, lobby, clearing |
//! | [`RoomEvent`] | `0203` | room, seq | `RoomEvent` | appended; edits and deletions change bodies; cleared after a room's deletion | actor, lobby, clearing |
//! | [`RoomMember`] | `0204` | room, account | `RoomMember` | updated, cleared | actor, lobby, clearing |
//! | [`RoomBan`] | `0205` | room, account | `RoomBan` | written once, cleared | actor, clearing |
//! | [`ReadMark`] | `0206` | room, account | `ReadMark` | updated, grows; cleared with the membership | actor, lobby, reader, clearing |
//! | [`ClientMessage`] | `0207` | account, client message id | `ClientMessage` | written once | actor, lobby |
//! | [`AccountRoom`] | `0208` | account, room | `AccountRoom` | written with each change of the membership, cleared with it | actor, lobby, clearing |
//! | [`DirectRoom`] | `0209` | lower account, higher account | `DirectRoom` | written once, cleared by a deletion | lobby; cleared by the actor |
//! | [`RoomLink`] | `020a` | SHA-256 of the link's secret | `RoomLink` | written once, cleared | actor |
//! | [`RoomDeletion`] | `020b` | room | `RoomDeletion` | written once, cleared | actor; cleared by clearing |
//! | [`Vault`] | `0301` | none: one row | `Vault` | written by a rotation | vault |
//! | [`ServerKey`] | `0302` | purpose, one byte | `DataKey` | wrapped anew by a rotation | vault |
//! | [`AccountKey`] | `0303` | account, month | `DataKey` | wrapped anew by a rotation, cleared | vault |
//! | [`RoomKey`] | `0304` | room, week | `DataKey` | wrapped anew by a rotation, cleared | vault |
//! | [`KeyRotation`] | `0305` | none: one row | `KeyRotation` | updated, cleared at the end | vault |
//! | [`Erasure`] | `0401` | SHA-256 of what was erased | `Erasure` | written once | whoever erases, restore |
//! | [`Upload`] | `0501` | account, file | `Upload` | grows, cleared when a message takes the file, or with it | files |
//! | [`File`] | `0502` | file | `File` | uses are counted, cleared with the last | files |
//! | [`FileRemoval`] | `0503` | file | `FileRemoval` | written once, cleared after the objects | files |
//! | [`FileQuota`] | `0504` | account | `FileQuota` | updated | files |
//! | [`Node`] | `0601` | node | `Node` | updated, cleared when the node leaves or is evicted | membership |
//! | [`ShardOwner`] | `0602` | shard, two bytes | `ShardOwner` | updated, its epoch grows | membership |
//! | [`ShardMark`] | `0603` | none: one row | `ShardMark` | rewritten with any owner | membership |
//! | [`NodeHeartbeat`] | `0604` | node | `NodeHeartbeat` | updated, cleared with its `Node` | membership |
//!
//! Writers of rooms' rows are the parts of `services/rooms`: a room's actor, the lobby that makes rooms,
//! the reader that moves read marks, and the clearing that follows a deletion.
//!
//! Retired tables keep their variant of [`Table`], marked deprecated, so that their bytes cannot be
//! used again. Leaves out what rows mean: that is for the services.

mod codec;
mod keys;
mod table;
#[cfg(test)]
mod tests;

pub use codec::InvalidKey;
pub use keys::{
    Account, AccountKey, AccountName, AccountNameHash, AccountRoom, ClientMessage, Deployment,
    DirectRoom, Erasure, File, FileQuota, FileRemoval, Invitation, InvitationSecret, KeyRotation,
    Node, NodeHeartbeat, ReadMark, Room, RoomBan, RoomDeletion, RoomEvent, RoomHead, RoomKey,
    RoomLink, RoomMember, SchemaUpgrade, ServerKey, ShardMark, ShardOwner, SignIn, SignInChange,
    Token, Upload, Vault,
};
pub use table::Table;

use bytes::Bytes;

/// The newest layout of the tables that this program reads and writes. A store with a newer one is
/// refused; one with an older is upgraded while it serves.
///
/// | version | what changed |
/// |---|---|
/// | 1 | the first |
/// | 2 | what is personal is sealed; user names are looked up by a keyed hash |
pub const SCHEMA_VERSION: u32 = 2;

/// The key of one row, and by its type the table and the value.
pub trait Row: Sized + Send + Sync {
    /// The table of the row.
    const TABLE: Table;

    /// What is stored under the key.
    type Value: prost::Message + Default;

    /// The key as stored.
    fn encode(&self) -> Bytes;

    /// Reads a stored key; only exactly what [`Row::encode`] makes.
    fn decode(key: &[u8]) -> Result<Self, InvalidKey>;
}
