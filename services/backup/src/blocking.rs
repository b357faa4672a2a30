//! Work that blocks its thread, on a thread that may be blocked.

use tokio::task::{JoinError, spawn_blocking};

/// Does `work` on another thread, and waits for it.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    ended(spawn_blocking(work)).await
}

/// What work on another thread came to.
pub(crate) async fn ended<T>(work: impl Future<Output = Result<T, JoinError>>) -> T {
    match work.await {
        Ok(value) => value,
        // The thread panicked, and nobody else can know of what.
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
