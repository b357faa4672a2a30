//! [`Moving`]: whether a client takes what it is sent by a stream that it only takes from.
//!
//! Invariant: only the client's waiting counts. While the server has nothing to give, nobody stands still.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

/// The progress of one stream.
#[derive(Debug, Default)]
pub(crate) struct Moving(Mutex<Option<Instant>>);

impl Moving {
    /// There is room for the next piece.
    pub(crate) fn asked(&self) {
        *self.0.lock() = None;
    }

    /// A piece was handed over; there may be no room for another one.
    pub(crate) fn handed(&self) {
        *self.0.lock() = Some(Instant::now());
    }

    /// Done when a piece was not taken within this time.
    pub(super) async fn stands_still(&self, within: Duration) {
        loop {
            let handed = *self.0.lock();
            match handed {
                Some(at) if at.elapsed() >= within => return,
                Some(at) => sleep_until(at + within).await,
                None => sleep(within).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn who_asks_in_time_goes_on_and_who_waits_for_the_server_too() {
        let (moving, began) = (Moving::default(), Instant::now());
        let client = async {
            for _ in 0..5 {
                moving.asked();
                sleep(2 * WITHIN).await;
                moving.handed();
                sleep(WITHIN - Duration::from_secs(1)).await;
            }
            moving.asked();
            sleep(WITHIN / 3).await;
            moving.handed();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = client => {}
            () = moving.stands_still(WITHIN) => {}
        }
        let moved = 5 * (3 * WITHIN - Duration::from_secs(1)) + WITHIN / 3;
        assert_eq!(began.elapsed(), moved + WITHIN);
    }
}
