//! How much may be on its way to the cluster.
//!
//! Invariant: what waits for a place is bounded in number and time, and after [`Places::end`] nothing has
//! one or gets one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cluster_store::StoreError;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::limits::{
    COMMIT_BYTES_AT_ONCE_MAX, OPERATIONS_WAITING_MAX, PLACE_WAIT_MAX, REQUESTS_AT_ONCE_MAX,
};

/// The places at the cluster.
pub(super) struct Places {
    requests: Arc<Semaphore>,
    commit_bytes: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A place, given back when it is dropped.
pub(super) struct Place<'a> {
    _requests: SemaphorePermit<'a>,
    _bytes: Option<SemaphorePermit<'a>>,
}

impl Places {
    pub(super) fn new() -> Self {
        let semaphore = |permits: u32| {
            let permits = usize::try_from(permits).expect("a machine for servers has 32 bits");
            Arc::new(Semaphore::new(permits))
        };
        Self {
            requests: semaphore(REQUESTS_AT_ONCE_MAX),
            commit_bytes: semaphore(COMMIT_BYTES_AT_ONCE_MAX),
            waiting: AtomicUsize::new(0),
        }
    }

    /// A place for a read that makes `requests` requests.
    pub(super) async fn read(&self, requests: usize) -> Result<Place<'_>, StoreError> {
        Ok(Place {
            _requests: self
                .take(&self.requests, requests, REQUESTS_AT_ONCE_MAX)
                .await?,
            _bytes: None,
        })
    }

    /// A place for a commit of `bytes` bytes.
    pub(super) async fn commit(&self, bytes: usize) -> Result<Place<'_>, StoreError> {
        let max = COMMIT_BYTES_AT_ONCE_MAX;
        let bytes = self.take(&self.commit_bytes, bytes, max).await?;
        Ok(Place {
            _requests: self.take(&self.requests, 1, REQUESTS_AT_ONCE_MAX).await?,
            _bytes: Some(bytes),
        })
    }

    /// Waits until every place is free, and gives none from then on.
    pub(super) async fn end(&self) {
        let all = self.requests.acquire_many(REQUESTS_AT_ONCE_MAX).await;
        self.requests.close();
        self.commit_bytes.close();
        drop(all);
    }

    async fn take<'a>(
        &'a self,
        places: &'a Semaphore,
        wanted: usize,
        max: u32,
    ) -> Result<SemaphorePermit<'a>, StoreError> {
        let wanted = u32::try_from(wanted).map_or(max, |wanted| wanted.min(max));
        if let Ok(permit) = places.try_acquire_many(wanted) {
            return Ok(permit);
        }
        let _waiting = Waiting::join(&self.waiting)?;
        match timeout(PLACE_WAIT_MAX, places.acquire_many(wanted)).await {
            Ok(permit) => permit.map_err(|_| StoreError::Closed),
            Err(_) => Err(StoreError::Unavailable),
        }
    }
}

/// One of those that wait, also if its caller gives up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn join(count: &'a AtomicUsize) -> Result<Self, StoreError> {
        let waiting = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) >= OPERATIONS_WAITING_MAX {
            return Err(StoreError::Unavailable);
        }
        Ok(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_too_long_for_a_place_hears_so() {
        let places = Places::new();
        let all = usize::try_from(REQUESTS_AT_ONCE_MAX).expect("fits");
        let held = places.read(all).await.expect("all are free");
        assert_eq!(places.read(1).await.err(), Some(StoreError::Unavailable));
        drop(held);
        assert!(places.read(1).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_transaction_of_the_largest_size_has_a_place() {
        let places = Places::new();
        let size = cluster_store::limits::TRANSACTION_BYTES_MAX;
        let _first = places.commit(size).await.expect("a place");
        assert!(places.commit(size).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_waits_for_whoever_has_a_place_and_lets_nobody_in() {
        let places = Places::new();
        let held = places.read(1).await.expect("a place");
        let mut end = Box::pin(places.end());
        assert!(
            (&mut end).now_or_never().is_none(),
            "one is still under way"
        );
        drop(held);
        end.await;
        assert_eq!(places.read(1).await.err(), Some(StoreError::Closed));
        assert_eq!(places.commit(1).await.err(), Some(StoreError::Closed));
        places.end().await;
    }
}
