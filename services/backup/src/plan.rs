//! What becomes of each table in a backup.

use cluster_store::Table;

use crate::collect::Scope;

/// How a table is backed up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Plan {
    /// Before anything else.
    First,
    /// With the room that its rows are of.
    WithRooms,
    /// Row by row, after all rooms: so that what rooms point to is there.
    AfterRooms,
    /// Not at all.
    Never,
}

/// What is wrapped, after what says under which generation.
pub(crate) const KEYS: [Table; 4] = [
    Table::Vault,
    Table::ServerKey,
    Table::AccountKey,
    Table::RoomKey,
];

impl Plan {
    /// The plan for a table. A new table has to say here what it wants.
    pub(crate) const fn of(table: Table) -> Self {
        match table {
            Table::Deployment => Self::First,
            Table::Room
            | Table::RoomHead
            | Table::RoomEvent
            | Table::RoomMember
            | Table::RoomBan
            | Table::ReadMark
            | Table::AccountRoom
            | Table::DirectRoom
            | Table::RoomLink => Self::WithRooms,
            // Wrapped keys come after what they seal, so none is missing; the key that wraps them is not in
            // the store. Its file says which deployment it is for, so that moves house too.
            Table::Account
            | Table::AccountName
            | Table::AccountNameHash
            | Table::ClientMessage
            | Table::Vault
            | Table::ServerKey
            | Table::AccountKey
            | Table::RoomKey
            | Table::Erasure => Self::AfterRooms,
            // Sign-ins and invitations would come back to life that were revoked or used since. Which files there
            // are follows from the messages that are restored. Nodes and owners are of a cluster that runs. The rest
            // is work under way.
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
            | Table::SchemaUpgrade
            | Table::KeyRotation
            | Table::Node
            | Table::ShardOwner
            | Table::ShardMark
            | Table::NodeHeartbeat => Self::Never,
        }
    }

    /// The tables that are copied after the rooms, in the order of their keys.
    pub(crate) fn after_rooms(scope: Scope) -> impl Iterator<Item = Table> + Clone {
        let tables = Table::ALL.into_iter();
        tables.filter(move |table| match scope {
            Scope::All | Scope::Rows => Self::of(*table) == Self::AfterRooms,
            Scope::Erasures => *table == Table::Erasure,
        })
    }
}
