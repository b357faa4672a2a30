//! What is said in passing: who writes, who is there, how far others have read.
//!
//! Coalesced: of each kind and subject only the newest waits. Bounded: presence by the accounts that a
//! session watches, the others by number; what comes on top is forgotten, since it is old in a moment.

use std::collections::{BTreeMap, BTreeSet};

use cluster_types::{AccountId, RoomId, Seq};

use crate::limits::HINTS_MAX;
use crate::presence;
use crate::wire::frame::Frame;
use crate::wire::item;

/// Something ephemeral.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hint {
    Typing {
        room: RoomId,
        account: AccountId,
    },
    Read {
        room: RoomId,
        account: AccountId,
        seq: Seq,
    },
    Presence {
        account: AccountId,
        state: presence::State,
    },
}

/// Those that wait for one client.
#[derive(Debug, Default)]
pub(super) struct Hints {
    typing: BTreeSet<(RoomId, AccountId)>,
    read: BTreeMap<(RoomId, AccountId), Seq>,
    presence: BTreeMap<AccountId, presence::State>,
}

impl Hints {
    pub(super) fn add(&mut self, hint: Hint) {
        match hint {
            Hint::Typing { room, account } => {
                if self.typing.len() < HINTS_MAX {
                    self.typing.insert((room, account));
                }
            }
            Hint::Read { room, account, seq } => {
                if self.read.len() < HINTS_MAX || self.read.contains_key(&(room, account)) {
                    let newest = self.read.entry((room, account)).or_default();
                    *newest = seq.max(*newest);
                }
            }
            Hint::Presence { account, state } => _ = self.presence.insert(account, state),
        }
    }

    /// The next item, encoded.
    pub(super) fn take(&mut self) -> Option<Frame> {
        if let Some((room, first)) = self.typing.pop_first() {
            let mut accounts = vec![first];
            while let Some(entry) = self.typing.first().filter(|(of, _)| *of == room) {
                accounts.push(entry.1);
                self.typing.pop_first();
            }
            return Some(item::typing(room, &accounts));
        }
        if let Some(((room, account), seq)) = self.read.pop_first() {
            return Some(item::read_marker(room, account, seq));
        }
        let (account, state) = self.presence.pop_first()?;
        Some(item::presence(account, state))
    }

    /// Forgets what was said about a room.
    pub(super) fn forget_room(&mut self, room: RoomId) {
        self.typing.retain(|(of, _)| *of != room);
        self.read.retain(|(of, _), _| *of != room);
    }

    /// Forgets who is there: others are watched from here on.
    pub(super) fn forget_presence(&mut self) {
        self.presence.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.typing.is_empty() && self.read.is_empty() && self.presence.is_empty()
    }
}
