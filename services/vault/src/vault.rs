//! [`Vault`]: the handle through which everything is sealed and opened.
//!
//! Invariant: what only opens never makes a key. A key that is not there was destroyed, and a new one in
//! its place would hide that.

use std::fmt;
use std::sync::Arc;

use cluster_types::{AccountId, Month, RoomId, UnixMillis, Week};
use tokio::sync::watch;

use crate::cipher::Nonces;
use crate::error::VaultError;
use crate::keyring::Keyring;
use crate::lookup::Lookups;
use crate::name::{KeyName, PairName};
use crate::pair::Pair;
use crate::rotate::Rotation;
use crate::sealer::Sealer;
use crate::secret::Generation;

/// Seals and opens. A cheap handle; clones share keys and caches.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Inner>,
}

struct Inner {
    keyring: Keyring,
    lookups: Lookups,
    server: Sealer,
    rotation: watch::Sender<Rotation>,
    /// Held by the rotation under way.
    rotating: tokio::sync::Mutex<()>,
}

impl Vault {
    pub(crate) fn new(keyring: Keyring, lookups: Lookups, server: Sealer, at: Rotation) -> Self {
        Self {
            inner: Arc::new(Inner {
                keyring,
                lookups,
                server,
                rotation: watch::Sender::new(at),
                rotating: tokio::sync::Mutex::new(()),
            }),
        }
    }

    /// What seals a message that `author` writes in `room` with the time `time`, which has to be the one
    /// that is stored with the message. Keys that are not there are made, in transactions of their own.
    ///
    /// # Errors
    /// If the store or the KMS fails. No key was used then.
    pub async fn sealing_pair(
        &self,
        author: AccountId,
        room: RoomId,
        time: UnixMillis,
    ) -> Result<Pair, VaultError> {
        let name = PairName::at(author, room, time);
        self.keyring().sealing_pair(name).await
    }

    /// What opens messages of these names, in their order, for a page of a log in one go; `None` where
    /// a key was destroyed. Makes no keys.
    ///
    /// # Errors
    /// If the store or the KMS fails, or a stored key is damaged.
    pub async fn opening_pairs(&self, names: &[PairName]) -> Result<Vec<Option<Pair>>, VaultError> {
        self.keyring().opening_pairs(names).await
    }

    /// What seals fields of an account; its key is made if it is not there.
    ///
    /// # Errors
    /// If the store or the KMS fails. No key was used then.
    pub async fn account_sealer(&self, account: AccountId) -> Result<Sealer, VaultError> {
        self.keyring().sealing(account_key(account)).await
    }

    /// What opens fields of these accounts, in their order; `None` where the key was destroyed. Makes no
    /// keys.
    ///
    /// # Errors
    /// If the store or the KMS fails, or a stored key is damaged.
    pub async fn account_openers(
        &self,
        accounts: &[AccountId],
    ) -> Result<Vec<Option<Sealer>>, VaultError> {
        let names: Vec<_> = accounts.iter().copied().map(account_key).collect();
        self.keyring().opening(&names).await
    }

    /// What seals fields of a room, which belong to no week; its key is made if it is not there.
    ///
    /// # Errors
    /// If the store or the KMS fails. No key was used then.
    pub async fn room_sealer(&self, room: RoomId) -> Result<Sealer, VaultError> {
        self.keyring().sealing(room_key(room)).await
    }

    /// What opens fields of these rooms, in their order; `None` where the key was destroyed. Makes no
    /// keys.
    ///
    /// # Errors
    /// If the store or the KMS fails, or a stored key is damaged.
    pub async fn room_openers(&self, rooms: &[RoomId]) -> Result<Vec<Option<Sealer>>, VaultError> {
        let names: Vec<_> = rooms.iter().copied().map(room_key).collect();
        self.keyring().opening(&names).await
    }

    /// Nonces for about `count` texts that are sealed now, in one draw: a draw costs more than the sealing
    /// of a short text. More than `count` may be taken.
    pub fn nonces(&self, count: usize) -> Nonces {
        self.inner.server.nonces(count)
    }

    /// What seals and opens what belongs to no account and no room.
    pub fn server_sealer(&self) -> &Sealer {
        &self.inner.server
    }

    /// What personal data is found by.
    pub fn lookups(&self) -> &Lookups {
        &self.inner.lookups
    }

    /// The generation that wraps what is new, as far as this process knows.
    pub fn generation(&self) -> Generation {
        self.keyring().current()
    }

    /// How the rotation stands, now and from now on.
    pub fn rotation(&self) -> watch::Receiver<Rotation> {
        self.inner.rotation.subscribe()
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.inner.keyring
    }

    pub(crate) fn rotating(&self) -> &tokio::sync::Mutex<()> {
        &self.inner.rotating
    }

    pub(crate) fn tell(&self, rotation: Rotation) {
        self.inner.rotation.send_replace(rotation);
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("generation", &self.generation())
            .field("rotation", &*self.inner.rotation.borrow())
            .finish_non_exhaustive()
    }
}

const fn account_key(account: AccountId) -> KeyName {
    KeyName::Account(account, Month::NONE)
}

const fn room_key(room: RoomId) -> KeyName {
    KeyName::Room(room, Week::NONE)
}
