//! How a vault opens: the first time it makes the key-encryption key, every other time it proves that the
//! right one is there.
//!
//! Invariant: nothing is unwrapped before the known value of every generation in use has opened, so a
//! wrong key is refused by name and never read as garbage.

use cluster_store::{Store, StoreError};
use cluster_types::{DeploymentId, Rng};

use crate::error::{OpenError, VaultError};
use crate::keyring::Keyring;
use crate::lookup::Lookups;
use crate::name::{KeyName, Purpose};
use crate::rotate::Rotation;
use crate::secret::Generation;
use crate::source::KeySource;
use crate::store::{self, StoredVault};
use crate::vault::Vault;

/// What a vault is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where the wrapped keys lie.
    pub store: Store,
    /// Whose they are.
    pub deployment: DeploymentId,
    /// Where the key-encryption key comes from.
    pub source: KeySource,
    /// Makes keys and nonces.
    pub rng: Rng,
}

impl Vault {
    /// Opens the vault of a store; one that has none gets a new one, also when it holds rows already.
    ///
    /// A rotation that was interrupted is not gone on with: see [`Vault::resume`].
    ///
    /// # Errors
    /// If the key is missing, is another one or belongs to another deployment, and if the store fails.
    pub async fn open(parts: Parts) -> Result<Self, OpenError> {
        let Parts {
            store,
            deployment,
            source,
            rng,
        } = parts;
        let stored = match stored_vault(&store).await? {
            Some(stored) => stored,
            None => first(&store, deployment, &source, &rng).await?,
        };
        if stored.source != source.kind() {
            return Err(OpenError::OtherSource {
                sealed_with: stored.source,
                given: source.kind(),
            });
        }
        source.adopt(deployment, &stored.generations).await?;
        let rotation = store
            .read(|tx| async move { store::rotation(&tx).await })
            .await
            .map_err(|error| unusable(&store, error))?;
        let at = match &rotation {
            Some(rotation) => Rotation::Interrupted { to: rotation.to },
            None => Rotation::Idle,
        };
        if rotation.is_none() && stored.oldest() > Generation::FIRST {
            // The end of a rotation may have been cut off between the store and the source. Whoever
            // cannot drop what is useless can work all the same.
            if let Err(error) = source.retire(stored.oldest()).await {
                tracing::warn!(%error, "old generations of the key-encryption key are still there");
            }
        }
        let keyring = Keyring::new(store, deployment, source, rng, stored.current());
        let [fields, lookups] = [Purpose::FIELDS, Purpose::LOOKUPS].map(KeyName::Server);
        let failed = |error| keyring.unusable(error);
        let server = keyring.key(fields).await.map_err(failed)?;
        let server = keyring.sealer(fields, &server);
        let lookups = keyring.key(lookups).await.map_err(failed)?;
        let lookups = Lookups::new(&lookups);
        Ok(Self::new(keyring, lookups, server, at))
    }
}

/// Makes the first generation and the row that says so.
async fn first(
    store: &Store,
    deployment: DeploymentId,
    source: &KeySource,
    rng: &Rng,
) -> Result<StoredVault, OpenError> {
    let keys = store
        .read(|tx| async move { store::key_page(&tx, None, 1).await })
        .await
        .map_err(|error| unusable(store, error))?;
    if !keys.is_empty() {
        return Err(OpenError::VaultMissing {
            location: store.location(),
        });
    }
    let made = source.make(deployment, Generation::FIRST, rng).await?;
    let ours = &StoredVault {
        source: source.kind(),
        generations: vec![made],
    };
    let stored = store.run(|tx, _| async move {
        // Another node may have been first, or an earlier run of this transaction.
        if let Some(found) = store::vault(&tx).await? {
            return Ok::<_, StoreError>(found);
        }
        store::set_vault(&tx, ours)?;
        Ok(ours.clone())
    });
    let stored = stored.await.map_err(|error| unusable(store, error))?;
    tracing::info!(source = ?source.kind(), "the keys of this store were made");
    Ok(stored)
}

async fn stored_vault(store: &Store) -> Result<Option<StoredVault>, OpenError> {
    let read = store.read(|tx| async move { store::vault(&tx).await });
    read.await.map_err(|error| unusable(store, error))
}

fn unusable(store: &Store, error: StoreError) -> OpenError {
    let location = store.location();
    if let StoreError::Corrupt { table } = error {
        OpenError::Damaged { location, table }
    } else {
        let source = VaultError::Store(error);
        OpenError::Unusable { location, source }
    }
}
