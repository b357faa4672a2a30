//! One key struct per table, and the ranges that their leading fields make.

use bytes::{Bytes, BytesMut};
use cluster_types::{
    AccountId, FileId, InvitationId, Month, NodeId, RoomId, Seq, Shard, SignInId, Week,
};
use proto::storage::v1;

use super::codec::{Field, InvalidKey};
use super::{Row, Table};
use crate::RowRange;

/// Longest key of fixed-width fields: prefix and two ids, or prefix and a digest. Longer ones grow.
const KEY_CAPACITY: usize = 2 + 32;

macro_rules! row {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty),* } -> $value:ty) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
        }

        impl Row for $name {
            const TABLE: Table = Table::$name;
            type Value = $value;

            fn encode(&self) -> Bytes {
                let mut key = BytesMut::with_capacity(KEY_CAPACITY);
                key.extend_from_slice(&Self::TABLE.prefix());
                $(self.$field.put(&mut key);)*
                key.freeze()
            }

            fn decode(key: &[u8]) -> Result<Self, InvalidKey> {
                #[allow(unused_mut)]
                let mut rest = key.strip_prefix(&Self::TABLE.prefix()).ok_or(InvalidKey)?;
                let row = Self { $($field: <$kind>::take(&mut rest)?,)* };
                if rest.is_empty() { Ok(row) } else { Err(InvalidKey) }
            }
        }
    };
}

macro_rules! range_of {
    ($name:ident, $field:ident: $kind:ty, $doc:literal) => {
        impl $name {
            #[doc = $doc]
            pub fn of($field: $kind) -> RowRange<Self> {
                let mut prefix = BytesMut::with_capacity(KEY_CAPACITY);
                prefix.extend_from_slice(&Self::TABLE.prefix());
                $field.put(&mut prefix);
                RowRange::of_prefix(prefix.to_vec())
            }
        }
    };
}

row! {
    /// The one row that says what this store is.
    Deployment {} -> v1::Deployment
}

row! {
    /// How far one step of an upgrade has come.
    SchemaUpgrade {
        /// The step, by its name.
        step: String
    } -> v1::SchemaUpgrade
}

row! {
    /// One person.
    Account {
        /// Whose.
        account: AccountId
    } -> v1::Account
}

row! {
    /// Who has a user name, in version 1.
    AccountName {
        /// The user name after folding, at most 256 bytes.
        folded: String
    } -> v1::AccountName
}

row! {
    /// One device that is signed in.
    SignIn {
        /// Whose.
        account: AccountId,
        /// Which.
        sign_in: SignInId
    } -> v1::SignIn
}
range_of!(SignIn, account: AccountId, "All sign-ins of an account.");

row! {
    /// What a token opens.
    Token {
        /// SHA-256 of the token.
        hash: [u8; 32]
    } -> v1::Token
}

row! {
    /// A one-time permission to register.
    Invitation {
        /// Which.
        invitation: InvitationId
    } -> v1::Invitation
}

row! {
    /// What an invitation's secret opens.
    InvitationSecret {
        /// SHA-256 of the secret.
        hash: [u8; 32]
    } -> v1::InvitationSecret
}

row! {
    /// Who has a user name.
    AccountNameHash {
        /// Keyed hash of the user name after folding.
        hash: [u8; 32]
    } -> v1::AccountName
}

row! {
    /// That a sign-in was ended or changed.
    SignInChange {
        /// The how manyth change it was.
        seq: Seq
    } -> v1::SignInChange
}

row! {
    /// What a room is.
    Room {
        /// Which.
        room: RoomId
    } -> v1::Room
}

row! {
    /// The end of a room's log.
    RoomHead {
        /// Whose.
        room: RoomId
    } -> v1::RoomHead
}

row! {
    /// One event of a room's log.
    RoomEvent {
        /// Whose log.
        room: RoomId,
        /// Where in it.
        seq: Seq
    } -> v1::RoomEvent
}
range_of!(RoomEvent, room: RoomId, "The whole log of a room.");

row! {
    /// Somebody's membership of a room.
    RoomMember {
        /// Of which room.
        room: RoomId,
        /// Who.
        account: AccountId
    } -> v1::RoomMember
}
range_of!(RoomMember, room: RoomId, "All members of a room.");

row! {
    /// Somebody's ban from a room.
    RoomBan {
        /// From which room.
        room: RoomId,
        /// Who.
        account: AccountId
    } -> v1::RoomBan
}
range_of!(RoomBan, room: RoomId, "All bans of a room.");

row! {
    /// How far a member has read a room.
    ReadMark {
        /// Which room.
        room: RoomId,
        /// Who.
        account: AccountId
    } -> v1::ReadMark
}
range_of!(ReadMark, room: RoomId, "The read marks of all members of a room.");

row! {
    /// What a client message id was used for.
    ClientMessage {
        /// Who used it.
        account: AccountId,
        /// The id, made by the client.
        client_message_id: [u8; 16]
    } -> v1::ClientMessage
}
range_of!(ClientMessage, account: AccountId, "All client message ids that an account has used.");

row! {
    /// That an account is in a room.
    AccountRoom {
        /// Who.
        account: AccountId,
        /// Where.
        room: RoomId
    } -> v1::AccountRoom
}
range_of!(AccountRoom, account: AccountId, "All rooms of an account.");

row! {
    /// The one direct conversation of two accounts.
    DirectRoom {
        /// The account with the lower id.
        low: AccountId,
        /// The account with the higher id.
        high: AccountId
    } -> v1::DirectRoom
}

row! {
    /// What a link's secret opens.
    RoomLink {
        /// SHA-256 of the secret.
        hash: [u8; 32]
    } -> v1::RoomLink
}

row! {
    /// That the rows of a deleted room are still being cleared.
    RoomDeletion {
        /// Which.
        room: RoomId
    } -> v1::RoomDeletion
}

row! {
    /// The one row that says under what data keys are wrapped.
    Vault {} -> v1::Vault
}

row! {
    /// A data key of the server itself.
    ServerKey {
        /// What it is for: a number that the vault gives.
        purpose: [u8; 1]
    } -> v1::DataKey
}

row! {
    /// The data key of what an account does in a month.
    AccountKey {
        /// Whose.
        account: AccountId,
        /// In which; [`Month::NONE`] for what belongs to none.
        month: Month
    } -> v1::DataKey
}
range_of!(AccountKey, account: AccountId, "All keys of an account.");

row! {
    /// The data key of what is said in a room in a week.
    RoomKey {
        /// Where.
        room: RoomId,
        /// In which; [`Week::NONE`] for what belongs to none.
        week: Week
    } -> v1::DataKey
}
range_of!(RoomKey, room: RoomId, "All keys of a room.");

row! {
    /// The one row of a rotation under way.
    KeyRotation {} -> v1::KeyRotation
}

row! {
    /// That something was erased.
    Erasure {
        /// SHA-256 of what it was: see [`erasures`](crate::erasures).
        digest: [u8; 32]
    } -> v1::Erasure
}

row! {
    /// A file that comes in, or has come in and is in no message yet.
    Upload {
        /// Whose.
        account: AccountId,
        /// Which.
        file: FileId
    } -> v1::Upload
}
range_of!(Upload, account: AccountId, "All uploads of an account.");

row! {
    /// That a file is there, from the start of its upload on.
    File {
        /// Which.
        file: FileId
    } -> v1::File
}

row! {
    /// That the objects of a file are still being removed.
    FileRemoval {
        /// Of which file.
        file: FileId
    } -> v1::FileRemoval
}

row! {
    /// How much of its quota an account has used.
    FileQuota {
        /// Whose.
        account: AccountId
    } -> v1::FileQuota
}

row! {
    /// A node that belongs to the cluster.
    Node {
        /// Which.
        node: NodeId
    } -> v1::Node
}

row! {
    /// Who owns the rooms of a shard.
    ShardOwner {
        /// Which shard.
        shard: Shard
    } -> v1::ShardOwner
}

row! {
    /// The one row that is rewritten with each change of any owner.
    ShardMark {} -> v1::ShardMark
}

row! {
    /// How often a node has said that it lives.
    NodeHeartbeat {
        /// Which node.
        node: NodeId
    } -> v1::NodeHeartbeat
}

impl DirectRoom {
    /// The row of two accounts, whichever comes first.
    pub fn between(one: AccountId, other: AccountId) -> Self {
        Self {
            low: one.min(other),
            high: one.max(other),
        }
    }
}
