//! [`Keyring`]: data keys, from their wrapped rows to the ciphers that seal.
//!
//! Invariants:
//! - **There is never more than one key for one name.** A key is made in a transaction that finds its row
//!   empty and writes it; after an unknown outcome the row is read again, and what lies there counts.
//! - **A key is used once its commit is known**, so nothing is sealed that a crash makes unreadable.
//! - **A key is wrapped under the generation that is the current one at its commit**: that transaction
//!   reads the vault's row, which a rotation changes. So once a rotation has begun, no row is added
//!   under an older generation.
//!
//! Leaves out: what is remembered (`cache`), which rows there are to be wrapped anew (`rotate`) and cleared (`destroy`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cluster_store::{Store, StoreError};
use cluster_types::{DeploymentId, Rng};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::cache::{Cache, Since};
use crate::error::{OpenError, VaultError};
use crate::limits::{GENERATION_TRIES_MAX, UNWRAPS_AT_ONCE_MAX};
use crate::name::{KeyName, PairName};
use crate::pair::Pair;
use crate::sealer::Sealer;
use crate::secret::{Generation, KeyBytes};
use crate::source::{KeySource, key_context};
use crate::store::{self, StoredVault, WrappedKey};

/// Data keys and what is made of them.
#[derive(Debug)]
pub(crate) struct Keyring {
    pub(crate) store: Store,
    pub(crate) deployment: DeploymentId,
    pub(crate) source: KeySource,
    pub(crate) rng: Rng,
    current: AtomicU32,
    cache: Cache,
}

/// What a transaction that makes a key found.
enum Made {
    /// Nothing: the key is in the row now.
    Ours,
    /// The key is there already, or was made by an earlier run of the transaction.
    Found(WrappedKey),
    /// The key was wrapped under a generation that is not the current one any more.
    Outdated,
}

impl Keyring {
    pub(crate) fn new(
        store: Store,
        deployment: DeploymentId,
        source: KeySource,
        rng: Rng,
        current: Generation,
    ) -> Self {
        Self {
            store,
            deployment,
            source,
            rng,
            current: AtomicU32::new(current.0),
            cache: Cache::new(),
        }
    }

    /// The generation that wraps what is new, as far as this process knows.
    pub(crate) fn current(&self) -> Generation {
        Generation(self.current.load(Ordering::Acquire))
    }

    /// The pair of this name; its keys are made if they are not there.
    pub(crate) async fn sealing_pair(&self, name: PairName) -> Result<Pair, VaultError> {
        let since = match self.cache.pair(&name) {
            Ok(pair) => return Ok(pair),
            Err(since) => since,
        };
        let [account, room] = name.keys();
        let found = self.existing(&[account, room]).await?;
        let [account, room] =
            [(account, &found[0]), (room, &found[1])].map(|(name, found)| async move {
                match found {
                    Some(key) => Ok(Arc::clone(key)),
                    None => self.made(name).await,
                }
            });
        let (account, room) = futures::try_join!(account, room)?;
        Ok(self.pair_of(name, &account, &room, since))
    }

    /// The pairs of these names, in their order; `None` where a key is not there any more.
    pub(crate) async fn opening_pairs(
        &self,
        names: &[PairName],
    ) -> Result<Vec<Option<Pair>>, VaultError> {
        let (mut pairs, since) = self.cache.pairs(names);
        let missing = names.iter().zip(&pairs).filter(|(_, pair)| pair.is_none());
        let wanted: Vec<KeyName> = missing.flat_map(|(name, _)| name.keys()).collect();
        if wanted.is_empty() {
            return Ok(pairs);
        }
        let mut found = self.existing(&wanted).await?.into_iter();
        for (name, pair) in names.iter().zip(&mut pairs) {
            if pair.is_some() {
                continue;
            }
            if let (Some(Some(account)), Some(Some(room))) = (found.next(), found.next()) {
                *pair = Some(self.pair_of(*name, &account, &room, since));
            }
        }
        Ok(pairs)
    }

    /// The sealer of a key, which is made if it is not there.
    pub(crate) async fn sealing(&self, name: KeyName) -> Result<Sealer, VaultError> {
        let (mut found, since) = self.cache.sealers(&[name]);
        if let Some(sealer) = found.pop().flatten() {
            return Ok(sealer);
        }
        let key = self.key(name).await?;
        Ok(self.sealer_of(name, &key, since))
    }

    /// The sealers of these keys, in their order; `None` where a key is not there any more.
    pub(crate) async fn opening(
        &self,
        names: &[KeyName],
    ) -> Result<Vec<Option<Sealer>>, VaultError> {
        let (mut sealers, since) = self.cache.sealers(names);
        let missing = names.iter().zip(&sealers);
        let missing = missing.filter(|(_, sealer)| sealer.is_none());
        let wanted: Vec<KeyName> = missing.map(|(name, _)| *name).collect();
        if wanted.is_empty() {
            return Ok(sealers);
        }
        let mut found = self.existing(&wanted).await?.into_iter();
        for (name, sealer) in names.iter().zip(&mut sealers) {
            if sealer.is_none()
                && let Some(Some(key)) = found.next()
            {
                *sealer = Some(self.sealer_of(*name, &key, since));
            }
        }
        Ok(sealers)
    }

    /// The key of this name, which is made if it is not there.
    pub(crate) async fn key(&self, name: KeyName) -> Result<Arc<KeyBytes>, VaultError> {
        match self.existing(&[name]).await?.pop().flatten() {
            Some(key) => Ok(key),
            None => self.made(name).await,
        }
    }

    /// Forgets what is made of the keys that are gone.
    pub(crate) fn forget(&self, gone: impl Fn(KeyName) -> bool) {
        self.cache.forget(gone);
    }

    /// Takes over what another node, or a rotation here, has changed about the key-encryption key.
    pub(crate) async fn refresh(&self) -> Result<StoredVault, OpenError> {
        let read = self.store.read(|tx| async move { store::vault(&tx).await });
        let stored = read.await.map_err(|error| self.unusable(error.into()))?;
        let location = || self.store.location();
        let stored = stored.ok_or_else(|| OpenError::VaultMissing {
            location: location(),
        })?;
        self.source
            .adopt(self.deployment, &stored.generations)
            .await?;
        self.current.store(stored.current().0, Ordering::Release);
        Ok(stored)
    }

    /// The same data key, wrapped under another generation.
    pub(crate) async fn rewrapped(
        &self,
        name: KeyName,
        row: &WrappedKey,
        to: Generation,
    ) -> Result<WrappedKey, VaultError> {
        let key = self.unwrapped(name, row).await?;
        self.wrapped(name, to, &key).await
    }

    pub(crate) fn unusable(&self, source: VaultError) -> OpenError {
        OpenError::Unusable {
            location: self.store.location(),
            source,
        }
    }

    /// Keys that are there, in the order of their names.
    async fn existing(&self, names: &[KeyName]) -> Result<Vec<Option<Arc<KeyBytes>>>, VaultError> {
        for _ in 1..GENERATION_TRIES_MAX {
            match self.existing_now(names).await {
                Err(VaultError::UnknownGeneration { .. }) => self.catch_up().await?,
                other => return other,
            }
        }
        self.existing_now(names).await
    }

    async fn existing_now(
        &self,
        names: &[KeyName],
    ) -> Result<Vec<Option<Arc<KeyBytes>>>, VaultError> {
        let (mut keys, since) = self.cache.keys(names);
        let missing = names.iter().zip(&keys).filter(|(_, key)| key.is_none());
        let mut missing: Vec<KeyName> = missing.map(|(name, _)| *name).collect();
        if missing.is_empty() {
            return Ok(keys);
        }
        missing.sort_unstable();
        missing.dedup();
        let wanted = &missing;
        let rows = self
            .store
            .read(|tx| async move { store::keys(&tx, wanted).await })
            .await?;
        let found: Vec<_> = missing.into_iter().zip(rows).collect();
        let unwrapped = found.into_iter().map(|(name, row)| async move {
            let Some(row) = row else { return Ok(None) };
            let key = self.unwrapped(name, &row).await?;
            Ok::<_, VaultError>(Some((name, Arc::new(key))))
        });
        let unwrapped: Vec<_> = stream::iter(unwrapped)
            .buffered(UNWRAPS_AT_ONCE_MAX)
            .try_collect()
            .await?;
        let unwrapped: Vec<_> = unwrapped.into_iter().flatten().collect();
        self.cache.keep_keys(&unwrapped, since);
        for (name, key) in names.iter().zip(&mut keys) {
            if key.is_none() {
                let place = unwrapped.binary_search_by_key(name, |(name, _)| *name);
                *key = place.ok().map(|place| Arc::clone(&unwrapped[place].1));
            }
        }
        Ok(keys)
    }

    /// Makes a key that is not there, or finds that somebody else has.
    async fn made(&self, name: KeyName) -> Result<Arc<KeyBytes>, VaultError> {
        for _ in 0..GENERATION_TRIES_MAX {
            let since = self.cache.since();
            let fresh = KeyBytes::random(&self.rng);
            let ours = self.wrapped(name, self.current(), &fresh).await;
            let ours = match ours {
                Err(VaultError::UnknownGeneration { .. }) => {
                    self.catch_up().await?;
                    continue;
                }
                other => other?,
            };
            let key = match self.get_or_set(name, &ours).await? {
                Made::Ours => fresh,
                Made::Found(row) if row == ours => fresh,
                Made::Found(row) => match self.unwrapped(name, &row).await {
                    Err(VaultError::UnknownGeneration { .. }) => {
                        self.catch_up().await?;
                        continue;
                    }
                    other => other?,
                },
                Made::Outdated => {
                    self.catch_up().await?;
                    continue;
                }
            };
            let key = Arc::new(key);
            self.cache.keep_keys(&[(name, Arc::clone(&key))], since);
            return Ok(key);
        }
        Err(VaultError::Contended)
    }

    /// One transaction: what is in the row, or `ours` from now on.
    async fn get_or_set(&self, name: KeyName, ours: &WrappedKey) -> Result<Made, VaultError> {
        let made = self.store.run(|tx, _| async move {
            if let Some(row) = store::keys(&tx, &[name]).await?.pop().flatten() {
                return Ok::<_, StoreError>(Made::Found(row));
            }
            let vault = store::vault(&tx).await?;
            if vault.is_none_or(|vault| vault.current() != ours.generation) {
                return Ok(Made::Outdated);
            }
            store::set_key(&tx, name, ours)?;
            Ok(Made::Ours)
        });
        Ok(made.await?)
    }

    /// As [`refresh`](Self::refresh), for whoever needs a key and not a vault.
    async fn catch_up(&self) -> Result<(), VaultError> {
        match self.refresh().await {
            Ok(_) => Ok(()),
            Err(OpenError::Unusable { source, .. }) => Err(source),
            Err(error) => {
                let generation = self.current();
                tracing::error!(%error, "the key-encryption key was changed and is not here");
                Err(VaultError::UnknownGeneration { generation })
            }
        }
    }

    async fn wrapped(
        &self,
        name: KeyName,
        generation: Generation,
        key: &KeyBytes,
    ) -> Result<WrappedKey, VaultError> {
        let context = key_context(name, generation);
        let wrapped = self.source.wrap(generation, &context, key, &self.rng);
        Ok(WrappedKey {
            generation,
            wrapped: wrapped.await?,
        })
    }

    async fn unwrapped(&self, name: KeyName, row: &WrappedKey) -> Result<KeyBytes, VaultError> {
        let context = key_context(name, row.generation);
        let key = self.source.unwrap(row.generation, &context, &row.wrapped);
        key.await
    }

    fn pair_of(&self, name: PairName, account: &KeyBytes, room: &KeyBytes, since: Since) -> Pair {
        let pair = if self.source.seals() {
            Pair::new(&name, account, room)
        } else {
            Pair::clear()
        };
        self.cache.keep_pair(name, &pair, since);
        pair
    }

    /// What seals under this key.
    pub(crate) fn sealer(&self, name: KeyName, key: &KeyBytes) -> Sealer {
        let rng = self.rng.clone();
        if self.source.seals() {
            Sealer::new(name, key, rng)
        } else {
            Sealer::clear(rng)
        }
    }

    fn sealer_of(&self, name: KeyName, key: &KeyBytes, since: Since) -> Sealer {
        let sealer = self.sealer(name, key);
        self.cache.keep_sealer(name, &sealer, since);
        sealer
    }
}
