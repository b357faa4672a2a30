//! What people do, and how much they like to.

use cluster_types::Rng;

use super::among;

/// Something that a person does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Deed {
    Send,
    SendBurst,
    SendFlood,
    SendFiles,
    SendAgainOtherwise,
    Edit,
    EditOfAnother,
    Delete,
    MarkRead,
    Typing,
    ReadPage,
    ListReaders,
    CreateRoom,
    OpenDirect,
    ViewRoom,
    ListRooms,
    ListMembers,
    ListBans,
    Rename,
    Archive,
    Unarchive,
    DeleteRoom,
    Add,
    Remove,
    RemoveAndAdd,
    Leave,
    SetRole,
    Mute,
    Unmute,
    Ban,
    Unban,
    MakeLink,
    VoidLink,
    Join,
    Connect,
    ConnectWithoutHello,
    Disconnect,
    HalfClose,
    Pause,
    ReadOn,
    Follow,
    Unfollow,
    WatchPresence,
    SignOut,
    Nap,
}

// === impl Deed ===

impl Deed {
    /// Whether afterwards less can be done than before, until somebody undoes it, if that is possible.
    pub(super) const fn ends_something(self) -> bool {
        matches!(
            self,
            Self::Archive
                | Self::DeleteRoom
                | Self::Remove
                | Self::Leave
                | Self::Mute
                | Self::Ban
                | Self::SignOut
                | Self::Nap
        )
    }
}

/// Each deed with what it weighs where it is done at all.
const WEIGHTS: &[(Deed, u64)] = &[
    (Deed::SendBurst, 20),
    (Deed::SendFlood, 1),
    (Deed::SendFiles, 40),
    (Deed::SendAgainOtherwise, 15),
    (Deed::Edit, 40),
    (Deed::EditOfAnother, 5),
    (Deed::Delete, 20),
    (Deed::MarkRead, 40),
    (Deed::Typing, 20),
    (Deed::ReadPage, 40),
    (Deed::ListReaders, 5),
    (Deed::CreateRoom, 6),
    (Deed::OpenDirect, 8),
    (Deed::ViewRoom, 15),
    (Deed::ListRooms, 10),
    (Deed::ListMembers, 10),
    (Deed::ListBans, 4),
    (Deed::Rename, 8),
    (Deed::Archive, 2),
    (Deed::Unarchive, 6),
    (Deed::DeleteRoom, 1),
    (Deed::Add, 25),
    (Deed::Remove, 18),
    (Deed::RemoveAndAdd, 12),
    (Deed::Leave, 5),
    (Deed::SetRole, 8),
    (Deed::Mute, 5),
    (Deed::Unmute, 8),
    (Deed::Ban, 4),
    (Deed::Unban, 6),
    (Deed::MakeLink, 6),
    (Deed::VoidLink, 2),
    (Deed::Join, 8),
    (Deed::ConnectWithoutHello, 1),
    (Deed::Disconnect, 15),
    (Deed::HalfClose, 5),
    (Deed::Pause, 20),
    (Deed::Follow, 25),
    (Deed::Unfollow, 12),
    (Deed::WatchPresence, 5),
    (Deed::SignOut, 2),
    (Deed::Nap, 1),
];

/// What nobody can do without: the rest would have nothing to work on.
const ALWAYS: [(Deed, u64); 3] = [(Deed::Send, 100), (Deed::Connect, 30), (Deed::ReadOn, 20)];

/// About half of the deeds, each up to four times as often as its weight says or down to a quarter.
pub(super) fn draw(rng: &Rng) -> Vec<(Deed, u64)> {
    let mut deeds = ALWAYS.to_vec();
    for (deed, weight) in WEIGHTS {
        let (liked, factor) = (rng.below(100) < 55, among(rng, 1..=16));
        if liked {
            deeds.push((*deed, (weight * factor).div_ceil(4)));
        }
    }
    // Some seeds are mostly talk.
    deeds[0].1 *= among(rng, 1..=4);
    deeds
}
