//! Calls that are made again, because the server said that it had not carried them out.
//!
//! Invariant: a call that may have happened is not made again here. Those that carry an id are retried
//! by the SDK.

use std::time::Duration;

use rookery_client::Error;
use tokio::time::sleep;

use crate::limits::{TRIES_MAX, TRY_AGAIN};

/// Makes a call until the server takes it, or refuses it for good.
///
/// # Errors
/// The refusal; or the last of many.
pub(crate) async fn patiently<T>(
    mut call: impl AsyncFnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    let mut tries = 1;
    loop {
        match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => match wait(&error, tries) {
                Some(wait) => sleep(wait).await,
                None => return Err(error),
            },
        }
        tries += 1;
    }
}

fn wait(error: &Error, tries: u32) -> Option<Duration> {
    let again = error.is_transient() && !error.may_have_happened() && tries < TRIES_MAX;
    again.then(|| error.retry_after().unwrap_or(TRY_AGAIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreachable() -> Error {
        Error::Unreachable {
            server: "localhost:1".to_owned(),
            problem: "nothing listens there".to_owned(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_did_not_happen_is_tried_again() {
        let mut left = 3;
        let answer = patiently(async || {
            left -= 1;
            if left == 0 { Ok(7) } else { Err(unreachable()) }
        });
        assert_eq!(answer.await.expect("the third time"), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_have_happened_is_not() {
        let mut calls = 0;
        let failed = patiently(async || {
            calls += 1;
            Err::<(), _>(Error::TimedOut)
        });
        assert!(matches!(failed.await, Err(Error::TimedOut)));
        assert_eq!(calls, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let mut calls = 0;
        let failed = patiently(async || {
            calls += 1;
            Err::<(), _>(unreachable())
        });
        assert!(failed.await.is_err());
        assert_eq!(calls, TRIES_MAX);
    }
}
