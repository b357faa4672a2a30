//! [`Table`]: the first two bytes of every key.

/// A table, by the two bytes that all its keys begin with. The numbers are stored: they never change
/// and are never used again. The high byte is the writer's area: 0 server, 1 accounts, 2 rooms, 3 vault,
/// 4 what has to outlive the rows that it is about, 5 files, 6 the cluster.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u16)]
pub enum Table {
    /// What this store is.
    Deployment = 0x0001,
    /// How far the steps of an upgrade have come.
    SchemaUpgrade = 0x0002,
    /// People.
    Account = 0x0101,
    /// Index: folded user name to account. Version 1; an upgrade moves its rows to `AccountNameHash`.
    AccountName = 0x0102,
    /// Sign-ins of an account.
    SignIn = 0x0103,
    /// Index: token digest to sign-in.
    Token = 0x0104,
    /// Invitations to register.
    Invitation = 0x0105,
    /// Index: digest of an invitation's secret to the invitation.
    InvitationSecret = 0x0106,
    /// Index: keyed hash of a folded user name to account.
    AccountNameHash = 0x0107,
    /// What nodes have done to sign-ins, in the order of the commits.
    SignInChange = 0x0108,
    /// What a room is.
    Room = 0x0201,
    /// The end of a room's log.
    RoomHead = 0x0202,
    /// The logs.
    RoomEvent = 0x0203,
    /// Members of a room.
    RoomMember = 0x0204,
    /// Who is banned from a room.
    RoomBan = 0x0205,
    /// How far members have read.
    ReadMark = 0x0206,
    /// What client message ids were used for.
    ClientMessage = 0x0207,
    /// Index: account to its rooms.
    AccountRoom = 0x0208,
    /// Index: two accounts to their direct conversation.
    DirectRoom = 0x0209,
    /// Index: digest of a link's secret to the room.
    RoomLink = 0x020a,
    /// Deleted rooms whose rows are still being cleared.
    RoomDeletion = 0x020b,
    /// Under what data keys are wrapped.
    Vault = 0x0301,
    /// Data keys of the server itself.
    ServerKey = 0x0302,
    /// Data keys of accounts.
    AccountKey = 0x0303,
    /// Data keys of rooms.
    RoomKey = 0x0304,
    /// How far a rotation has come.
    KeyRotation = 0x0305,
    /// What was erased, and must not come back with a backup.
    Erasure = 0x0401,
    /// Files that come in, or are in no message yet.
    Upload = 0x0501,
    /// All files that are there.
    File = 0x0502,
    /// Files whose objects are still being removed.
    FileRemoval = 0x0503,
    /// What accounts have used of their quota.
    FileQuota = 0x0504,
    /// The nodes of the cluster.
    Node = 0x0601,
    /// Who owns which shard.
    ShardOwner = 0x0602,
    /// What changes with any owner.
    ShardMark = 0x0603,
    /// How often nodes have said that they live.
    NodeHeartbeat = 0x0604,
}

impl Table {
    /// Every table, retired ones too.
    pub const ALL: [Self; 35] = [
        Self::Deployment,
        Self::SchemaUpgrade,
        Self::Account,
        Self::AccountName,
        Self::SignIn,
        Self::Token,
        Self::Invitation,
        Self::InvitationSecret,
        Self::AccountNameHash,
        Self::SignInChange,
        Self::Room,
        Self::RoomHead,
        Self::RoomEvent,
        Self::RoomMember,
        Self::RoomBan,
        Self::ReadMark,
        Self::ClientMessage,
        Self::AccountRoom,
        Self::DirectRoom,
        Self::RoomLink,
        Self::RoomDeletion,
        Self::Vault,
        Self::ServerKey,
        Self::AccountKey,
        Self::RoomKey,
        Self::KeyRotation,
        Self::Erasure,
        Self::Upload,
        Self::File,
        Self::FileRemoval,
        Self::FileQuota,
        Self::Node,
        Self::ShardOwner,
        Self::ShardMark,
        Self::NodeHeartbeat,
    ];

    /// The two bytes that all keys of the table begin with.
    pub const fn prefix(self) -> [u8; 2] {
        (self as u16).to_be_bytes()
    }

    /// The table of a key.
    pub fn of_key(key: &[u8]) -> Option<Self> {
        let prefix = key.get(..2)?;
        Self::ALL.into_iter().find(|table| table.prefix() == prefix)
    }
}
