//! [`Passphrase`]: a key-encryption key that somebody can remember, through argon2id.
//!
//! Each generation has a salt of its own in the store. A rotation to the same passphrase therefore makes
//! another key, but **copies of old rows still open for whoever knows the passphrase**: only a rotation
//! to another one ([`Passphrase::with_previous`]) makes them useless.
//!
//! Invariant: the passphrase lies in memory that is overwritten, and is never printed.

use std::fmt;
use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use cluster_types::{DeploymentId, Rng};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::keks::Keks;
use super::{OldGenerations, check_context, is_check};
use crate::cipher::Cipher;
use crate::error::OpenError;
use crate::limits::{
    PASSPHRASE_CHARACTERS_MIN, PASSPHRASE_LANES, PASSPHRASE_MEMORY_KIB, PASSPHRASE_MEMORY_KIB_MAX,
    PASSPHRASE_PASSES, PASSPHRASE_PASSES_MAX,
};
use crate::secret::{Generation, KEY_BYTES, KeyBytes};
use crate::store::{Derivation, StoredGeneration};

/// What one derivation costs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PassphraseCost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl PassphraseCost {
    /// What the server uses.
    pub const STANDARD: Self = Self {
        memory_kib: PASSPHRASE_MEMORY_KIB,
        passes: PASSPHRASE_PASSES,
    };

    /// As little as the algorithm allows: for tests, and nothing else.
    pub const LEAST: Self = Self {
        memory_kib: Params::MIN_M_COST,
        passes: Params::MIN_T_COST,
    };
}

/// A passphrase, and the one that it replaces if any.
pub struct Passphrase {
    current: Arc<SecretString>,
    previous: Option<Arc<SecretString>>,
    cost: PassphraseCost,
    keks: Keks,
}

impl Passphrase {
    /// A passphrase, as it was typed: nothing is trimmed.
    pub fn new(passphrase: SecretString, cost: PassphraseCost) -> Self {
        Self {
            current: Arc::new(passphrase),
            previous: None,
            cost,
            keks: Keks::new(),
        }
    }

    /// Opens what `previous` sealed as well; the next rotation leaves nothing under it.
    #[must_use]
    pub fn with_previous(self, previous: SecretString) -> Self {
        Self {
            previous: Some(Arc::new(previous)),
            ..self
        }
    }

    pub(crate) const fn keks(&self) -> &Keks {
        &self.keks
    }

    pub(crate) async fn make(
        &self,
        generation: Generation,
        rng: &Rng,
    ) -> Result<Derivation, OpenError> {
        let characters = self.current.expose_secret().chars().count();
        if characters < PASSPHRASE_CHARACTERS_MIN {
            return Err(OpenError::ShortPassphrase);
        }
        let derivation = Derivation {
            salt: rng.bytes(),
            memory_kib: self.cost.memory_kib,
            passes: self.cost.passes,
            lanes: PASSPHRASE_LANES,
        };
        let key = derived(&self.current, derivation).await?;
        self.keks.insert(generation, &key);
        Ok(derivation)
    }

    pub(crate) async fn adopt(
        &self,
        deployment: DeploymentId,
        stored: &[StoredGeneration],
    ) -> Result<(), OpenError> {
        for stored in stored {
            let context = check_context(deployment, stored.generation);
            // One that an interrupted rotation made here has another salt than the one in the store.
            if !self.keks.opens(stored.generation, &context, &stored.check) {
                let key = self.key_of(deployment, stored).await?;
                self.keks.insert(stored.generation, &key);
            }
        }
        Ok(())
    }

    pub(crate) fn retire(&self, oldest: Generation) -> OldGenerations {
        self.keks.retire(oldest);
        OldGenerations::Dropped
    }

    /// The key of whichever passphrase opens the known value.
    async fn key_of(
        &self,
        deployment: DeploymentId,
        stored: &StoredGeneration,
    ) -> Result<KeyBytes, OpenError> {
        let derivation = stored.derivation.ok_or(OpenError::Derivation)?;
        let context = check_context(deployment, stored.generation);
        for passphrase in std::iter::once(&self.current).chain(&self.previous) {
            let key = derived(passphrase, derivation).await?;
            let check = Cipher::new(&key).open_key(&context, &stored.check);
            if check.is_ok_and(|check| is_check(&check)) {
                return Ok(key);
            }
        }
        Err(OpenError::WrongPassphrase)
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// argon2id, on a thread that may block.
async fn derived(
    passphrase: &Arc<SecretString>,
    derivation: Derivation,
) -> Result<KeyBytes, OpenError> {
    let Derivation {
        salt,
        memory_kib,
        passes,
        lanes,
    } = derivation;
    if memory_kib > PASSPHRASE_MEMORY_KIB_MAX || passes > PASSPHRASE_PASSES_MAX {
        return Err(OpenError::Derivation);
    }
    let params = Params::new(memory_kib, passes, lanes, Some(KEY_BYTES));
    let params = params.map_err(|_| OpenError::Derivation)?;
    let passphrase = Arc::clone(passphrase);
    let work = move || {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.expose_secret().as_bytes(), &salt, &mut key[..])
            .map(|()| KeyBytes::copied(&key))
    };
    let done = tokio::task::spawn_blocking(work).await;
    let key = done.map_err(|_| OpenError::Derivation)?;
    key.map_err(|_| OpenError::Derivation)
}
