//! What is known of one connection, shared by its task and its calls.
//!
//! Invariant: a connection counts as unauthenticated, on the node and for its address, until its first
//! authenticated call, and as one of that call's account after it. Its place among all connections is free when the
//! last of its calls and streams has ended.

mod drive;
mod moving;
mod serve;
mod slots;
mod stalled;
mod streams;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use cluster_types::{AccountId, PeerAddr};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use moving::Moving;
pub(crate) use serve::serve;
pub(crate) use slots::{Full, Slot, Slots, UnauthenticatedSlot};

use crate::counts::{Counted, Counts};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::peers::PeerHash;
use crate::rates::Bucket;

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) peer: PeerAddr,
    pub(crate) peer_hash: PeerHash,
    /// Calls that are worked on, and answers that are not fetched yet.
    handlers: Arc<Semaphore>,
    opened: Instant,
    /// When something was last done that takes an unauthenticated connection further, in milliseconds
    /// since it was opened.
    progress_millis: AtomicU64,
    standing: Mutex<Standing>,
    anonymous_calls: AtomicU32,
    anonymous_calls_max: u32,
    cancelled_calls: Bucket,
    /// Cancelled when the connection is to end; streams may watch it.
    leaving: CancellationToken,
    /// To end at once, without grace.
    cut: AtomicBool,
    /// The call that was received last.
    last_call: Mutex<Received>,
    _slot: Slot,
}

/// What is known of a call by whoever runs its stream.
#[derive(Clone, Debug, Default)]
pub(crate) enum Received {
    /// It ends in bounded time.
    #[default]
    Unary,
    /// It lasts as long as both sides like.
    Stream,
    /// It lasts as long as the client takes what it is sent.
    Taken(Arc<Moving>),
}

/// What a connection counts as, beside one of the node's.
#[derive(Debug)]
enum Standing {
    /// One that has not made an authenticated call.
    Unauthenticated { _slot: UnauthenticatedSlot },
    /// One of the account that made the first.
    OfAccount { _place: Counted<AccountId> },
}

// === impl Connection ===

impl Connection {
    pub(crate) fn new(
        peer: PeerAddr,
        slot: Slot,
        unauthenticated: UnauthenticatedSlot,
        leaving: CancellationToken,
        limits: &Limits,
    ) -> Arc<Self> {
        let handlers = usize::try_from(limits.calls.handlers_per_connection_max);
        Arc::new(Self {
            peer,
            peer_hash: unauthenticated.peer(),
            handlers: Arc::new(Semaphore::new(
                handlers.unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS),
            )),
            opened: Instant::now(),
            progress_millis: AtomicU64::new(0),
            standing: Mutex::new(Standing::Unauthenticated {
                _slot: unauthenticated,
            }),
            anonymous_calls: AtomicU32::new(0),
            anonymous_calls_max: limits.connections.unauthenticated_calls_max,
            cancelled_calls: Bucket::new(limits.connections.cancelled_calls),
            leaving,
            cut: AtomicBool::new(false),
            last_call: Mutex::default(),
            _slot: slot,
        })
    }

    /// A place for a call. A caller waits for one; a stranger is given none beyond the limit, since what
    /// waits takes memory.
    pub(crate) async fn handler(&self) -> Option<OwnedSemaphorePermit> {
        let handlers = Arc::clone(&self.handlers);
        if self.is_authenticated() {
            handlers.acquire_owned().await.ok()
        } else {
            handlers.try_acquire_owned().ok()
        }
    }

    /// Cancelled when the connection is about to be closed.
    pub(crate) fn leaving(&self) -> &CancellationToken {
        &self.leaving
    }

    /// A call of `account` is let through. The first gives back the place among the unauthenticated for
    /// one among the account's `places`; `false` if there is none.
    pub(crate) fn authenticated(&self, account: AccountId, places: &Counts<AccountId>) -> bool {
        let mut standing = self.standing.lock();
        if matches!(*standing, Standing::OfAccount { .. }) {
            return true;
        }
        let place = places.add(account);
        let is_placed = place.is_some();
        if let Some(_place) = place {
            *standing = Standing::OfAccount { _place };
        }
        is_placed
    }

    /// Whether a call with a caller was ever let through.
    pub(crate) fn is_authenticated(&self) -> bool {
        matches!(*self.standing.lock(), Standing::OfAccount { .. })
    }

    /// A call without a caller was let through: the client gets time for its next step.
    pub(crate) fn progressed(&self) {
        let millis = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.progress_millis.store(millis, Ordering::Relaxed);
    }

    /// Counts a call without a caller that is answered. With the last that there may be the connection is
    /// told to go, so that a client whose calls are all allowed has none cut off.
    pub(crate) fn count_allowed(&self) {
        if self.count_anonymous() {
            self.leaving.cancel();
        }
    }

    /// Counts a call that is refused because its caller is not known. Ends the connection, at once, if
    /// there are as many as there may be.
    pub(crate) fn count_refused(&self) {
        if self.count_anonymous() {
            self.cut();
        }
    }

    /// Whether there are as many calls without a caller as there may be.
    fn count_anonymous(&self) -> bool {
        if self.is_authenticated() {
            return false;
        }
        let before = self.anonymous_calls.fetch_add(1, Ordering::Relaxed);
        before.saturating_add(1) >= self.anonymous_calls_max
    }

    /// Counts a call that its client did not wait for. Ends the connection if there are too many.
    pub(crate) fn count_cancelled(&self, metrics: &Metrics) {
        Metrics::count(&metrics.calls_cancelled);
        let too_many = self.cancelled_calls.take(Instant::now()).is_err();
        if too_many && !self.leaving.is_cancelled() {
            Metrics::count(&metrics.connections_cancelling);
            self.cut();
        }
    }

    /// Notes what kind of call was received, for whoever runs it.
    pub(crate) fn received(&self, call: Received) {
        *self.last_call.lock() = call;
    }

    fn last_call(&self) -> Received {
        self.last_call.lock().clone()
    }

    /// Ends the connection without grace.
    fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
        self.leaving.cancel();
    }

    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// The moment by which an unauthenticated connection has to take its next step.
    fn authenticate_by(&self, within: Duration) -> Instant {
        self.opened + Duration::from_millis(self.progress_millis.load(Ordering::Relaxed)) + within
    }
}
