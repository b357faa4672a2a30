//! [`Kms`]: what an operator's key management service has to be able to do, and [`MemoryKms`], one in
//! memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cluster_types::Rng;
use parking_lot::Mutex;

use super::OldGenerations;
use crate::cipher::Cipher;
use crate::limits::WRAPPED_BYTES_MAX;
use crate::secret::{Generation, KeyBytes};

/// Why a KMS did not do what it was asked to. What the service says goes into the log, so it must not
/// repeat a key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KmsError {
    /// It has no such generation.
    #[error("it has no key of generation {generation}")]
    UnknownGeneration {
        /// Which.
        generation: Generation,
    },
    /// What was to be unwrapped was wrapped under another key or context, or was changed.
    #[error("it refuses to unwrap a key")]
    Refused,
    /// It cannot be reached, or is too busy. A retry may help.
    #[error("it cannot be reached: {0}")]
    Unavailable(String),
    /// What it made of a data key is too long to be stored.
    #[error("it made {bytes} bytes of a key, {WRAPPED_BYTES_MAX} are allowed")]
    TooLong {
        /// The bytes.
        bytes: usize,
    },
}

/// A key management service: wraps data keys under a key that it does not hand out.
///
/// `context` goes with each wrapping and has to be authenticated with it (AWS calls it encryption
/// context, Google additional authenticated data): with another context, or another generation, nothing
/// may unwrap. Calls may be repeated and may come from several nodes.
#[async_trait]
pub trait Kms: fmt::Debug + Send + Sync + 'static {
    /// How messages to operators name it: an address or a key's path, and no credential.
    fn name(&self) -> String;

    /// Makes the key of a generation; does nothing if it is there.
    async fn make(&self, generation: Generation) -> Result<(), KmsError>;

    /// Wraps a data key.
    async fn wrap(
        &self,
        generation: Generation,
        context: &[u8],
        key: &KeyBytes,
    ) -> Result<Bytes, KmsError>;

    /// Unwraps what [`wrap`](Kms::wrap) made.
    async fn unwrap(
        &self,
        generation: Generation,
        context: &[u8],
        wrapped: &[u8],
    ) -> Result<KeyBytes, KmsError>;

    /// Destroys the keys of all generations before `oldest`, or says that it keeps them.
    async fn retire(&self, oldest: Generation) -> Result<OldGenerations, KmsError>;
}

/// A KMS in memory, which forgets everything with its last clone: for tests.
#[derive(Clone, Debug)]
pub struct MemoryKms {
    keys: Arc<Mutex<BTreeMap<Generation, Cipher>>>,
    rng: Rng,
}

impl MemoryKms {
    /// One without keys.
    pub fn new(rng: Rng) -> Self {
        let keys = Arc::default();
        Self { keys, rng }
    }

    /// The generations that it has.
    pub fn generations(&self) -> Vec<Generation> {
        self.keys.lock().keys().copied().collect()
    }
}

#[async_trait]
impl Kms for MemoryKms {
    fn name(&self) -> String {
        "in memory".into()
    }

    async fn make(&self, generation: Generation) -> Result<(), KmsError> {
        let fresh = || Cipher::new(&KeyBytes::random(&self.rng));
        self.keys.lock().entry(generation).or_insert_with(fresh);
        Ok(())
    }

    async fn wrap(
        &self,
        generation: Generation,
        context: &[u8],
        key: &KeyBytes,
    ) -> Result<Bytes, KmsError> {
        let keys = self.keys.lock();
        let kek = keys.get(&generation);
        let kek = kek.ok_or(KmsError::UnknownGeneration { generation })?;
        Ok(kek.seal_key(&self.rng, context, key))
    }

    async fn unwrap(
        &self,
        generation: Generation,
        context: &[u8],
        wrapped: &[u8],
    ) -> Result<KeyBytes, KmsError> {
        let keys = self.keys.lock();
        let kek = keys.get(&generation);
        let kek = kek.ok_or(KmsError::UnknownGeneration { generation })?;
        kek.open_key(context, wrapped)
            .map_err(|_| KmsError::Refused)
    }

    async fn retire(&self, oldest: Generation) -> Result<OldGenerations, KmsError> {
        self.keys
            .lock()
            .retain(|generation, _| *generation >= oldest);
        Ok(OldGenerations::Dropped)
    }
}
