//! [`Tries`]: the attempts of one thing that may be done again, and the waits between them.
//!
//! Invariant: attempts end by number and by time, both counted since there was progress.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{Error, Retry, random};

/// How often something was tried, and since when.
#[derive(Debug)]
pub(crate) struct Tries {
    retry: Retry,
    attempt: u32,
    /// The time that counts; `None` until something fails.
    since: Option<Instant>,
}

impl Tries {
    /// Of a call: its time counts from now on.
    pub(crate) fn of_call(retry: Retry) -> Self {
        Self {
            since: Some(Instant::now()),
            ..Self::of_transfer(retry)
        }
    }

    /// Of something that may take hours: only the time without progress counts, from a failure on.
    pub(crate) const fn of_transfer(retry: Retry) -> Self {
        Self {
            retry,
            attempt: 1,
            since: None,
        }
    }

    /// Something came of the last attempt: what fails next is a first failure.
    pub(crate) const fn progressed(&mut self) {
        self.attempt = 1;
        self.since = None;
    }

    /// Waits until the next attempt is due.
    ///
    /// # Errors
    /// What the last attempt failed with, if there is to be no other.
    pub(crate) async fn again(&mut self, error: Error) -> Result<(), Error> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let spent: Duration = since.elapsed();
        let chance = random::number();
        let Some(wait) = self.retry.wait(self.attempt, spent, &error, chance) else {
            return Err(error);
        };
        self.attempt += 1;
        sleep(wait).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    /// How many failures it takes to give up.
    async fn failures(tries: &mut Tries) -> usize {
        let mut count = 1;
        while tries.again(Error::Interrupted).await.is_ok() {
            count += 1;
        }
        count
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_counted_since_there_was_progress() {
        let retry = Retry {
            attempts_max: 3,
            ..Retry::default()
        };
        let mut tries = Tries::of_transfer(retry);
        assert_eq!(failures(&mut tries).await, 3);
        tries.progressed();
        assert_eq!(failures(&mut tries).await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_transfer_may_take_hours_and_a_call_may_not() {
        let (mut transfer, mut call) = (
            Tries::of_transfer(Retry::default()),
            Tries::of_call(Retry::default()),
        );
        sleep(Duration::from_secs(3_600)).await;
        assert!(transfer.again(Error::Interrupted).await.is_ok());
        assert!(call.again(Error::Interrupted).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_transfer_that_does_not_get_on_is_tried_for_minutes_and_not_for_ever() {
        let mut tries = Tries::of_transfer(Retry::of_transfers());
        let began = Instant::now();
        failures(&mut tries).await;
        let most = limits::TRANSFER_SPAN_MAX;
        let tried = began.elapsed();
        assert!(
            (most - limits::BACKOFF_MAX..=most).contains(&tried),
            "{tried:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_for_good_is_not_tried_again() {
        let mut tries = Tries::of_transfer(Retry::default());
        assert!(tries.again(Error::SignedOut).await.is_err());
    }
}
