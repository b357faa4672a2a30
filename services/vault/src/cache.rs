//! [`Cache`]: keys that were used lately, unwrapped, and what is made of them.
//!
//! Invariant: **what was destroyed is not in it**. Each destruction counts up, and what was looked for before
//! one ([`Since`]) is not kept after it. What another node destroyed is in it for [`KEY_AGE_MAX`] at most.

mod recent;

use std::sync::Arc;

use parking_lot::Mutex;

use crate::limits::{KEYS_CACHED_MAX, PAIRS_CACHED_MAX, SEALERS_CACHED_MAX};
use crate::name::{KeyName, PairName};
use crate::pair::Pair;
use crate::sealer::Sealer;
use crate::secret::KeyBytes;
use recent::Aging;

#[derive(Debug)]
pub(crate) struct Cache(Mutex<Cached>);

#[derive(Debug)]
struct Cached {
    /// Counts destructions.
    destroyed: u64,
    keys: Aging<KeyName, Arc<KeyBytes>>,
    pairs: Aging<PairName, Pair>,
    sealers: Aging<KeyName, Sealer>,
}

/// How often something had been destroyed when a look for keys began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Since(u64);

impl Cache {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Cached {
            destroyed: 0,
            keys: Aging::new(KEYS_CACHED_MAX),
            pairs: Aging::new(PAIRS_CACHED_MAX),
            sealers: Aging::new(SEALERS_CACHED_MAX),
        }))
    }

    pub(crate) fn since(&self) -> Since {
        Since(self.0.lock().destroyed)
    }

    /// What is here of these keys, in their order.
    pub(crate) fn keys(&self, names: &[KeyName]) -> (Vec<Option<Arc<KeyBytes>>>, Since) {
        let mut cached = self.0.lock();
        let found = names.iter().map(|name| cached.keys.get(name)).collect();
        (found, Since(cached.destroyed))
    }

    /// What is here of these pairs, in their order.
    pub(crate) fn pairs(&self, names: &[PairName]) -> (Vec<Option<Pair>>, Since) {
        let mut cached = self.0.lock();
        let found = names.iter().map(|name| cached.pairs.get(name)).collect();
        (found, Since(cached.destroyed))
    }

    /// What is here of these sealers, in their order.
    pub(crate) fn sealers(&self, names: &[KeyName]) -> (Vec<Option<Sealer>>, Since) {
        let mut cached = self.0.lock();
        let found = names.iter().map(|name| cached.sealers.get(name)).collect();
        (found, Since(cached.destroyed))
    }

    /// One pair, without a list: what every message asks for.
    pub(crate) fn pair(&self, name: &PairName) -> Result<Pair, Since> {
        let mut cached = self.0.lock();
        cached.pairs.get(name).ok_or(Since(cached.destroyed))
    }

    pub(crate) fn keep_keys(&self, keys: &[(KeyName, Arc<KeyBytes>)], since: Since) {
        self.keep(since, |cached| {
            for (name, key) in keys {
                cached.keys.insert(*name, Arc::clone(key));
            }
        });
    }

    pub(crate) fn keep_pair(&self, name: PairName, pair: &Pair, since: Since) {
        self.keep(since, |cached| cached.pairs.insert(name, pair.clone()));
    }

    pub(crate) fn keep_sealer(&self, name: KeyName, sealer: &Sealer, since: Since) {
        self.keep(since, |cached| cached.sealers.insert(name, sealer.clone()));
    }

    /// Forgets what is made of the keys that are gone.
    pub(crate) fn forget(&self, gone: impl Fn(KeyName) -> bool) {
        let mut cached = self.0.lock();
        cached.destroyed += 1;
        cached.keys.retain(|name| !gone(*name));
        cached.sealers.retain(|name| !gone(*name));
        let kept = |name: &PairName| !name.keys().into_iter().any(&gone);
        cached.pairs.retain(kept);
    }

    /// Nothing is kept that was looked for before something was destroyed.
    fn keep(&self, since: Since, keep: impl FnOnce(&mut Cached)) {
        let mut cached = self.0.lock();
        if Since(cached.destroyed) == since {
            keep(&mut cached);
        }
    }
}
