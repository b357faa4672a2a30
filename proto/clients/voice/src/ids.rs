//! Who speaks, where, and under which epoch: what keys are derived from, each as a type of its own.
//!
//! Left out: how these numbers come to a client. Its connection says them.

/// A place in a call, given by whoever runs the call. Two people never have the same one in the same epoch.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Slot(pub u16);

/// Which secret of a call: each one that follows is larger by one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Epoch(pub u64);

/// The room that the call is in.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RoomId(pub [u8; 16]);

/// Whose voice it is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AccountId(pub [u8; 16]);

/// Random bytes of one connection. They are not secret. Whoever connects anew has others, so that counting may
/// begin at nought again and no key is used twice for one number.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Nonce(pub [u8; 16]);

/// One connection of one participant: all that its keys depend on besides the epoch.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Speaker {
    /// The room that the call is in.
    pub room: RoomId,
    /// Its place in the call.
    pub slot: Slot,
    /// Whose it is.
    pub account: AccountId,
    /// What tells it from the connections that this account had before.
    pub nonce: Nonce,
}
