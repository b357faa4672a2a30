//! [`Store`], and how a transaction is tried again until it commits.
//!
//! Three ways to run a body:
//! - [`Store::run`] tries again after every failure that a retry can cure, also after a commit whose
//!   outcome is unknown. The body is told through [`MaybeCommitted`], and must not do its work twice.
//! - [`Store::run_certain`] hands an unknown outcome back at once, for callers that hold state in
//!   memory and rather die and reload than guess.
//! - [`Store::read`] gives a snapshot to read and commits nothing.
//!
//! A body has no side effects but those on its transaction, since it may run more than once.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cluster_types::Rng;
use tokio::time::Instant;

use crate::StoreError;
use crate::backend::Backend;
use crate::error::AsStoreError;
use crate::limits::{BACKOFF_FIRST, BACKOFF_MAX, RUN_ATTEMPTS_MAX, RUN_DEADLINE};
use crate::transaction::{Mode, Transaction};

/// A store: serializable transactions over ordered byte keys. A cheap handle; clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    backend: Arc<dyn Backend>,
    jitter: Rng,
}

/// Whether an earlier run of the same body may have committed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MaybeCommitted {
    /// No earlier run has committed.
    No,
    /// An earlier run may have committed: look for its traces before writing again.
    Yes,
}

impl MaybeCommitted {
    /// Whether it is [`MaybeCommitted::Yes`].
    pub const fn is_yes(self) -> bool {
        matches!(self, Self::Yes)
    }
}

/// What to do with a commit whose outcome is unknown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum OnUnknown {
    Retry,
    Return,
}

impl Store {
    /// A store on `backend`. The pauses between retries are drawn from a fixed seed: they only have
    /// to differ among the tasks of one process, and a simulation runs the same way twice.
    pub fn new(backend: impl Backend) -> Self {
        Self::with_jitter(backend, Rng::seeded(0))
    }

    /// A store on `backend` whose pauses between retries are drawn from `jitter`: for clusters,
    /// where the tasks of many processes must not retry in step.
    pub fn with_jitter(backend: impl Backend, jitter: Rng) -> Self {
        Self {
            backend: Arc::new(backend),
            jitter,
        }
    }

    /// A transaction of one's own: who begins it commits it, or lets it go.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        self.begin_in(Mode::ReadWrite).await
    }

    /// Runs `body` in a transaction and commits it, again and again until that succeeds, fails for
    /// good, or the attempts or the time are used up: then the error is [`StoreError::Contended`],
    /// or [`StoreError::CommitUnknown`] if any attempt may have committed.
    pub async fn run<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: Fn(Transaction, MaybeCommitted) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: From<StoreError> + AsStoreError + Send,
        T: Send,
    {
        self.run_with(Mode::ReadWrite, OnUnknown::Retry, body).await
    }

    /// As [`Store::run`], but a commit whose outcome is unknown is an error at once.
    pub async fn run_certain<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: Fn(Transaction, MaybeCommitted) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: From<StoreError> + AsStoreError + Send,
        T: Send,
    {
        self.run_with(Mode::ReadWrite, OnUnknown::Return, body)
            .await
    }

    /// Runs `body` over a snapshot, in a transaction that refuses writes and commits nothing.
    pub async fn read<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: Fn(Transaction) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: From<StoreError> + AsStoreError + Send,
        T: Send,
    {
        self.run_with(Mode::ReadOnly, OnUnknown::Return, |tx, _| body(tx))
            .await
    }

    /// Where the store is, for messages to operators.
    pub fn location(&self) -> String {
        self.backend.location()
    }

    /// Finishes what was committed and lets go of files. Later calls answer
    /// [`StoreError::Closed`].
    pub async fn close(&self) {
        self.backend.close().await;
    }

    async fn begin_in(&self, mode: Mode) -> Result<Transaction, StoreError> {
        Ok(Transaction::new(self.backend.begin().await?, mode))
    }

    async fn run_with<T, E, F, Fut>(&self, mode: Mode, unknown: OnUnknown, body: F) -> Result<T, E>
    where
        F: Fn(Transaction, MaybeCommitted) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: From<StoreError> + AsStoreError + Send,
        T: Send,
    {
        let mut retries = Retries::new(unknown);
        loop {
            // The attempt owns its transaction, so the snapshot is let go before the pause.
            let error = match self.attempt(mode, retries.maybe_committed, &body).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            match retries.after(error.as_store_error()) {
                Decision::Return => return Err(error),
                Decision::Fail(error) => return Err(error.into()),
                Decision::RetryWithin(span) => tokio::time::sleep(self.jitter.jitter(span)).await,
            }
        }
    }

    async fn attempt<T, E, F, Fut>(
        &self,
        mode: Mode,
        maybe_committed: MaybeCommitted,
        body: &F,
    ) -> Result<T, E>
    where
        F: Fn(Transaction, MaybeCommitted) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: From<StoreError>,
    {
        let tx = self.begin_in(mode).await?;
        let value = body(tx.clone(), maybe_committed).await?;
        if mode == Mode::ReadWrite {
            tx.commit().await?;
        }
        Ok(value)
    }
}

/// What to do after a failed attempt.
#[derive(Debug, Eq, PartialEq)]
enum Decision {
    /// The error stands.
    Return,
    /// This error says more.
    Fail(StoreError),
    /// Try again after a pause of at most this.
    RetryWithin(Duration),
}

/// The attempts of one run. Pure but for the clock that it was started by.
#[derive(Debug)]
struct Retries {
    unknown: OnUnknown,
    maybe_committed: MaybeCommitted,
    attempts: u32,
    deadline: Instant,
}

impl Retries {
    fn new(unknown: OnUnknown) -> Self {
        Self {
            unknown,
            maybe_committed: MaybeCommitted::No,
            attempts: 0,
            deadline: Instant::now() + RUN_DEADLINE,
        }
    }

    /// Decides about an attempt that failed with `error`, or for the body's own reasons if `None`.
    fn after(&mut self, error: Option<&StoreError>) -> Decision {
        let Some(error) = error else {
            return Decision::Return;
        };
        if error.maybe_committed() {
            if self.unknown == OnUnknown::Return {
                return Decision::Return;
            }
            self.maybe_committed = MaybeCommitted::Yes;
        }
        self.attempts += 1;
        let pause_max = backoff(self.attempts);
        let spent =
            self.attempts >= RUN_ATTEMPTS_MAX || Instant::now() + pause_max >= self.deadline;
        match (
            error.is_retryable() && !spent,
            self.maybe_committed,
            error.is_retryable(),
        ) {
            (true, _, _) => Decision::RetryWithin(pause_max),
            // Whatever ended the last attempt, an earlier one may have done the work.
            (false, MaybeCommitted::Yes, _) => Decision::Fail(StoreError::CommitUnknown),
            (false, MaybeCommitted::No, true) => Decision::Fail(StoreError::Contended),
            (false, MaybeCommitted::No, false) => Decision::Return,
        }
    }
}

/// The longest pause before the next attempt, after `attempts` failed ones.
fn backoff(attempts: u32) -> Duration {
    BACKOFF_FIRST
        .saturating_mul(1 << attempts.saturating_sub(1).min(10))
        .min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn conflicts_are_retried_until_the_attempts_are_used_up() {
        let mut retries = Retries::new(OnUnknown::Retry);
        for _ in 1..RUN_ATTEMPTS_MAX {
            let decision = retries.after(Some(&StoreError::Conflict));
            assert!(matches!(decision, Decision::RetryWithin(_)), "{decision:?}");
        }
        let last = retries.after(Some(&StoreError::Conflict));
        assert_eq!(last, Decision::Fail(StoreError::Contended));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_the_retries_too() {
        let mut retries = Retries::new(OnUnknown::Retry);
        tokio::time::advance(RUN_DEADLINE).await;
        let decision = retries.after(Some(&StoreError::TooOld));
        assert_eq!(decision, Decision::Fail(StoreError::Contended));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_commit_is_never_forgotten() {
        let mut retries = Retries::new(OnUnknown::Retry);
        retries.after(Some(&StoreError::CommitUnknown));
        assert_eq!(retries.maybe_committed, MaybeCommitted::Yes);
        let decision = retries.after(Some(&StoreError::Full));
        assert_eq!(decision, Decision::Fail(StoreError::CommitUnknown));
    }

    #[tokio::test(start_paused = true)]
    async fn certain_runs_hand_an_unknown_commit_back() {
        let mut retries = Retries::new(OnUnknown::Return);
        assert!(matches!(
            retries.after(Some(&StoreError::Conflict)),
            Decision::RetryWithin(_)
        ));
        assert_eq!(
            retries.after(Some(&StoreError::CommitUnknown)),
            Decision::Return
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_retry_cannot_cure_is_returned() {
        let mut retries = Retries::new(OnUnknown::Retry);
        assert_eq!(retries.after(Some(&StoreError::Full)), Decision::Return);
        assert_eq!(retries.after(None), Decision::Return);
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        assert_eq!(backoff(1), BACKOFF_FIRST);
        assert_eq!(backoff(2), BACKOFF_FIRST * 2);
        assert_eq!(backoff(RUN_ATTEMPTS_MAX), BACKOFF_MAX);
    }
}
