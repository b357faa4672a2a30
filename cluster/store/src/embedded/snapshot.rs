//! One transaction's view of the file, and its way to the committer.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::committer::{Order, Request};
use super::engine::Rows;
use super::{Core, Registered, Shared};
use crate::StoreError;
use crate::backend::{Page, RangeQuery, Snapshot, Version, WriteSet};

/// A snapshot that is fixed by its first read.
#[derive(Debug)]
pub(super) struct View {
    shared: Arc<Shared>,
    opened: Arc<Mutex<Option<Arc<Opened>>>>,
}

/// A snapshot that has been fixed. Noted in the timeline first, so that nothing it has not seen is
/// forgotten; what it has seen beyond that can only cause a needless conflict.
#[derive(Debug)]
struct Opened {
    rows: Rows,
    registered: Arc<Registered>,
}

impl View {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            opened: Arc::default(),
        }
    }

    /// Runs `read` on a blocking thread, with the snapshot.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Rows) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.shared.read_permit().await?;
        let (core, opened) = (Arc::clone(&self.shared.core), Arc::clone(&self.opened));
        let work = move || {
            // Moved in, so that the place is taken until the disk has answered, whoever gave up.
            let _permit = permit;
            let outcome = fixed(&core, &opened).and_then(|snapshot| {
                read(&snapshot.rows).map_err(|error| core.engine.read_failed(&error))
            });
            if outcome.is_err() && core.engine.failed_for_good() {
                core.fatal("a read failed");
            }
            outcome
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(outcome) => outcome,
            // A panic in the engine: the row could not be read, and nobody knows why.
            Err(error) if error.is_panic() => Err(StoreError::Damaged),
            // The runtime goes down, and nothing was read.
            Err(_cancelled) => Err(StoreError::Closed),
        }
    }

    fn registered(&self) -> Option<Arc<Registered>> {
        self.opened
            .lock()
            .as_ref()
            .map(|opened| Arc::clone(&opened.registered))
    }
}

/// The snapshot of a view, fixed now if it was not before.
fn fixed(core: &Arc<Core>, opened: &Mutex<Option<Arc<Opened>>>) -> Result<Arc<Opened>, StoreError> {
    let mut opened = opened.lock();
    if let Some(snapshot) = &*opened {
        return Ok(Arc::clone(snapshot));
    }
    let registered = Arc::new(Registered::enter(core));
    let rows = core.engine.snapshot()?;
    Ok(Arc::clone(
        opened.insert(Arc::new(Opened { rows, registered })),
    ))
}

#[async_trait]
impl Snapshot for View {
    async fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let keys = keys.to_vec();
        self.read(move |rows| rows.get_many(&keys)).await
    }

    async fn get_range(&self, query: &RangeQuery) -> Result<Page, StoreError> {
        let query = query.clone();
        self.read(move |rows| rows.page(&query)).await
    }

    async fn commit(&self, writes: WriteSet) -> Result<Version, StoreError> {
        let registered = self.registered();
        if writes.mutations.is_empty() {
            let newest = || self.shared.core.timeline.lock().committed;
            return Ok(registered.map_or_else(newest, |registered| registered.version));
        }
        // A transaction that read nothing has nothing to be checked against but what comes next.
        let registered =
            registered.unwrap_or_else(|| Arc::new(Registered::enter(&self.shared.core)));
        let bytes = u32::try_from(writes.bytes()).map_err(|_| StoreError::Unavailable)?;
        let queue_bytes = Arc::clone(&self.shared.queue_bytes);
        let permit = queue_bytes.acquire_many_owned(bytes).await;
        let permit = permit.map_err(|_| StoreError::Closed)?;
        let (answer, outcome) = oneshot::channel();
        let request = Request {
            registered,
            writes,
            answer,
            _permit: permit,
        };
        let sent = self.shared.orders.send(Order::Commit(request)).await;
        sent.map_err(|_| StoreError::Closed)?;
        // The committer died with the commit in its hands.
        outcome.await.unwrap_or(Err(StoreError::CommitUnknown))
    }
}
