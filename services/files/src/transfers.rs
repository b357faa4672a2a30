//! [`Transfers`]: files on their way between clients and this node. It is what the Files service is served by.
//!
//! Invariant: a transfer counts from before its first byte until its call is gone, whatever ends that; and it is
//! known by the sign-in that it lives by, so that it goes no further once that has ended.
//!
//! Leaves out: what is transferred (`grpc`), and clients that do not take what they asked for: HTTP/2 holds those
//! up, and the gateway ends them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cluster_membership::Membership;
use cluster_runtime::{TaskKind, Tasks};
use cluster_types::{AccountId, Caller, SignInId};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::Files;
use crate::limits::{PIECE_BYTES_MAX, PIECE_COUNTS_MIN, PIECE_WITHIN, TURN_BYTES, WORK_WITHIN};
use crate::neighbours::{Carriers, Pace, SignIns};

mod error;
mod known;

pub use error::TransferError;
use known::{Known, Place};

/// What transfers need of others.
#[derive(Debug)]
pub struct Dependencies {
    /// What is transferred.
    pub files: Files,
    /// Know who may.
    pub carriers: Arc<dyn Carriers>,
    /// Knows which sign-ins stand.
    pub sign_ins: Arc<dyn SignIns>,
    /// Knows how fast each account goes.
    pub pace: Arc<dyn Pace>,
}

/// All transfers of this node. Clones are the same handle.
#[derive(Clone, Debug)]
pub struct Transfers {
    pub(crate) with: Arc<Dependencies>,
    known: Arc<Known>,
}

/// One transfer, as long as it lives.
pub(crate) struct Transfer {
    with: Arc<Dependencies>,
    caller: Caller,
    place: Place,
    /// Cancelled when its connection has to go.
    leaving: CancellationToken,
    /// Bytes that went through it and were not counted as calls yet.
    uncounted: usize,
    /// Bytes that the client has sent of the next step, and how long it was waited for since the last one.
    step: (usize, Duration),
}

impl Transfers {
    /// No transfers yet.
    pub fn new(with: Dependencies) -> Self {
        Self {
            with: Arc::new(with),
            known: Arc::default(),
        }
    }

    /// Has files swept from now on, whenever it is this node's turn.
    pub fn sweep(&self, membership: &Membership, tasks: &Tasks) {
        let (files, stopping) = (self.with.files.clone(), tasks.stopping().clone());
        let membership = membership.clone();
        tasks.spawn(TaskKind::Housekeeping, "files: sweep", async move {
            stopping
                .run_until_cancelled(files.keep_swept(&membership))
                .await;
        });
    }

    /// Ends the transfers of a sign-in: not a byte more is taken or given once this has returned.
    pub fn sign_in_ended(&self, account: AccountId, sign_in: SignInId) {
        self.known.end(account, sign_in);
    }

    /// Ends all transfers at once: which sign-ins have ended is not known. Clients come back.
    pub fn any_sign_in_may_have_ended(&self) {
        self.known.end_all();
    }

    /// Takes no more transfers, and ends those that there are.
    pub fn drain(&self) {
        self.known.drain();
    }

    /// Transfers that are under way now.
    pub fn count(&self) -> u64 {
        self.known.count()
    }

    /// Counts a transfer of `caller`, on a connection that goes when `leaving` is cancelled.
    pub(crate) async fn begin(
        &self,
        caller: Caller,
        leaving: CancellationToken,
    ) -> Result<Transfer, TransferError> {
        let place = Known::place(&self.known, caller.account, caller.sign_in)?;
        if !self.with.sign_ins.is_current(&caller).await? {
            return Err(TransferError::SignedOut);
        }
        Ok(Transfer {
            with: Arc::clone(&self.with),
            caller,
            place,
            leaving,
            uncounted: 0,
            step: (0, Duration::ZERO),
        })
    }
}

impl Transfer {
    pub(crate) const fn caller(&self) -> Caller {
        self.caller
    }

    pub(crate) fn with(&self) -> &Dependencies {
        &self.with
    }

    /// Whether it may go on.
    pub(crate) fn check(&self) -> Result<(), TransferError> {
        self.place.check()?;
        if self.leaving.is_cancelled() {
            return Err(TransferError::Leaving);
        }
        Ok(())
    }

    /// What the client sends next, unless the transfer ends before, or the client is slower than
    /// [`PIECE_WITHIN`] allows. Only its own time counts.
    pub(crate) async fn of_client<T>(
        &mut self,
        next: impl Future<Output = T>,
    ) -> Result<T, TransferError> {
        let left = PIECE_WITHIN.saturating_sub(self.step.1);
        let began = Instant::now();
        let next = self.until_ended(timeout(left, next)).await?;
        self.step.1 += began.elapsed();
        next.map_err(|_| TransferError::Still)
    }

    /// What this node does comes to, unless the transfer ends before, or it takes longer than [`WORK_WITHIN`].
    pub(crate) async fn of_node<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, TransferError> {
        let done = self.until_ended(timeout(WORK_WITHIN, work)).await?;
        done.map_err(|_| TransferError::Stuck)
    }

    async fn until_ended<T>(&self, work: impl Future<Output = T>) -> Result<T, TransferError> {
        tokio::select! {
            biased;
            // First, so that a client that never pauses cannot put its end off.
            () = self.place.ended() => {}
            () = self.leaving.cancelled() => {}
            done = work => return Ok(done),
        }
        Err(self.check().err().unwrap_or(TransferError::Leaving))
    }

    /// A piece of so many bytes came: as [`count`](Self::count).
    pub(crate) async fn came(&mut self, bytes: usize) -> Result<bool, TransferError> {
        self.step.0 += bytes;
        if self.step.0 >= PIECE_BYTES_MAX {
            self.step = (0, Duration::ZERO);
        }
        self.count(bytes.max(PIECE_COUNTS_MIN)).await
    }

    /// So many bytes go through: waits while the account is too fast. Whether another turn has begun.
    pub(crate) async fn count(&mut self, bytes: usize) -> Result<bool, TransferError> {
        self.uncounted += bytes;
        if self.uncounted < TURN_BYTES {
            return Ok(false);
        }
        self.uncounted -= TURN_BYTES;
        while let Err(retry_after) = self.with.pace.take(&self.caller) {
            self.until_ended(sleep(retry_after)).await?;
        }
        Ok(true)
    }
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer")
            .field("account", &self.caller.account)
            .finish_non_exhaustive()
    }
}
