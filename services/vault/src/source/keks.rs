//! [`Keks`]: the key-encryption keys that lie in this process, by generation.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::is_check;
use crate::cipher::Cipher;
use crate::error::VaultError;
use crate::secret::{Generation, KeyBytes};

#[derive(Debug)]
pub(crate) struct Keks(RwLock<BTreeMap<Generation, Arc<Cipher>>>);

impl Keks {
    pub(crate) const fn new() -> Self {
        Self(RwLock::new(BTreeMap::new()))
    }

    pub(crate) fn of(&self, generation: Generation) -> Result<Arc<Cipher>, VaultError> {
        let found = self.0.read().get(&generation).cloned();
        found.ok_or(VaultError::UnknownGeneration { generation })
    }

    /// Whether the key of this generation is here and opens the known value.
    pub(crate) fn opens(&self, generation: Generation, context: &[u8], check: &[u8]) -> bool {
        let kek = self.of(generation).ok();
        let opened = kek.and_then(|kek| kek.open_key(context, check).ok());
        opened.is_some_and(|opened| is_check(&opened))
    }

    pub(crate) fn insert(&self, generation: Generation, key: &KeyBytes) {
        let cipher = Arc::new(Cipher::new(key));
        self.0.write().insert(generation, cipher);
    }

    pub(crate) fn retire(&self, oldest: Generation) {
        self.0.write().retain(|generation, _| *generation >= oldest);
    }
}
