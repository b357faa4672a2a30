//! [`HashPool`]: how many hashes run at once, how many may wait, and for how long.
//!
//! Invariant: memory for hashing is permits times the cost of one, whatever callers do: the permit
//! travels into the work, so a caller who leaves frees nothing before the hash has ended.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{HashError, PasswordHasher, Salt};
use crate::limits::{HASH_QUEUE_MAX, HASH_RETRY, HASH_WAIT_MAX};
use crate::password::Password;

/// Why there is no hash.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum PoolError {
    /// Too many wait, or this one has waited too long. Nothing was computed.
    #[error("too many people are signing in")]
    Busy { retry_after: Duration },
    /// It was tried and failed.
    #[error("hashing failed")]
    Hash(#[from] HashError),
}

/// Runs hashes beside the runtime's threads.
#[derive(Clone)]
pub(crate) struct HashPool {
    hasher: Arc<dyn PasswordHasher>,
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl HashPool {
    pub(crate) fn new(hasher: Arc<dyn PasswordHasher>, permits: NonZeroUsize) -> Self {
        Self {
            hasher,
            running: Arc::new(Semaphore::new(permits.get())),
            admitted: Arc::new(Semaphore::new(permits.get() + HASH_QUEUE_MAX)),
        }
    }

    /// Hashes a new password.
    pub(crate) async fn hash(&self, password: Password, salt: Salt) -> Result<String, PoolError> {
        self.run(move |hasher| hasher.hash(&password, salt)).await
    }

    /// Checks a password against a stored hash.
    pub(crate) async fn verify(
        &self,
        password: Password,
        stored: String,
    ) -> Result<bool, PoolError> {
        self.run(move |hasher| hasher.verify(&password, &stored))
            .await
    }

    /// Whether a stored hash should be made anew. Cheap.
    pub(crate) fn is_outdated(&self, stored: &str) -> bool {
        self.hasher.is_outdated(stored)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn PasswordHasher) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, PoolError> {
        if self.hasher.is_instant() {
            return Ok(work(self.hasher.as_ref())?);
        }
        let busy = || PoolError::Busy {
            retry_after: HASH_RETRY,
        };
        let place = Arc::clone(&self.admitted)
            .try_acquire_owned()
            .map_err(|_| busy())?;
        let permit = Arc::clone(&self.running).acquire_owned();
        let permit = tokio::time::timeout(HASH_WAIT_MAX, permit)
            .await
            .map_err(|_| busy())?;
        let hasher = Arc::clone(&self.hasher);
        let done = tokio::task::spawn_blocking(move || {
            let _held = (place, permit);
            work(hasher.as_ref())
        });
        let done = done
            .await
            .map_err(|gone| HashError::Failed(gone.to_string()))?;
        Ok(done?)
    }
}

impl fmt::Debug for HashPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashPool")
            .field("hasher", &self.hasher)
            .field("free", &self.running.available_permits())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use parking_lot::Mutex;

    use super::*;

    /// Hashes when it is told to.
    #[derive(Debug)]
    struct Gated(Mutex<mpsc::Receiver<()>>);

    impl PasswordHasher for Gated {
        fn hash(&self, _: &Password, _: Salt) -> Result<String, HashError> {
            let gate = self.0.lock();
            gate.recv()
                .map_err(|_| HashError::Failed("the gate is gone".into()))?;
            Ok("hash".into())
        }

        fn verify(&self, _: &Password, _: &str) -> Result<bool, HashError> {
            panic!("a defect in a hasher")
        }

        fn is_outdated(&self, _: &str) -> bool {
            false
        }
    }

    fn pool() -> (HashPool, mpsc::Sender<()>) {
        let (open, gate) = mpsc::channel();
        (
            HashPool::new(Arc::new(Gated(Mutex::new(gate))), NonZeroUsize::MIN),
            open,
        )
    }

    fn password() -> Password {
        Password::parse("x".into()).expect("a password")
    }

    async fn hash(pool: HashPool) -> Result<String, PoolError> {
        pool.hash(password(), Salt::default()).await
    }

    #[tokio::test]
    async fn past_the_queue_everybody_is_refused_at_once() {
        let (pool, open) = pool();
        let mut tries = tokio::task::JoinSet::new();
        for _ in 0..HASH_QUEUE_MAX + 2 {
            tries.spawn(hash(pool.clone()));
        }
        // One runs, 64 wait; the one too many is the first to hear.
        let first = tries.join_next().await.expect("a try").expect("no panic");
        assert_eq!(
            first,
            Err(PoolError::Busy {
                retry_after: HASH_RETRY
            })
        );
        for _ in 0..=HASH_QUEUE_MAX {
            open.send(()).expect("the pool is there");
        }
        let rest = tries.join_all().await;
        assert_eq!(rest, vec![Ok("hash".to_owned()); HASH_QUEUE_MAX + 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_the_bound() {
        let (pool, open) = pool();
        let mut tries = tokio::task::JoinSet::new();
        tries.spawn(hash(pool.clone()));
        tries.spawn(hash(pool.clone()));
        // A blocking task is running, so time stands still until it is moved.
        tokio::task::yield_now().await;
        tokio::time::advance(HASH_WAIT_MAX).await;
        let refused = tries.join_next().await.expect("a try").expect("no panic");
        assert_eq!(
            refused,
            Err(PoolError::Busy {
                retry_after: HASH_RETRY
            })
        );
        open.send(()).expect("the pool is there");
        assert_eq!(tries.join_all().await, [Ok("hash".to_owned())]);
    }

    #[tokio::test]
    async fn a_panic_in_a_hash_is_an_error_and_frees_its_place() {
        let (pool, open) = pool();
        let failed = pool.verify(password(), String::new()).await;
        assert!(
            matches!(failed, Err(PoolError::Hash(HashError::Failed(_)))),
            "{failed:?}"
        );
        open.send(()).expect("the pool is there");
        assert_eq!(hash(pool).await, Ok("hash".to_owned()));
    }
}
