//! How long to wait before trying again, and how often.
//!
//! Invariant: nothing here reads a clock or rolls a dice; chance comes in as a number, so that the
//! bounds can be proved.

use std::time::Duration;

use crate::{Error, limits};

/// Exponential back-off with full jitter: a wait of any length between nothing and a ceiling that
/// doubles with each attempt. A thousand clients that lose one server come back spread out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backoff {
    /// The ceiling of the first wait.
    pub first: Duration,
    /// The ceiling of every wait.
    pub max: Duration,
}

impl Backoff {
    /// The wait before attempt `attempt` (the first retry is 1), out of `chance`, any number.
    pub fn wait(&self, attempt: u32, chance: u64) -> Duration {
        share(self.ceiling(attempt), chance)
    }

    /// As [`Backoff::wait`], on top of what the server asked for. A server is not obeyed for longer than
    /// five minutes.
    ///
    /// The wait on top is spread over at least as long again as was asked: all those whom an overloaded
    /// server asked to come back in a second would do so at once, from their first attempt on.
    pub fn wait_after(&self, asked: Duration, attempt: u32, chance: u64) -> Duration {
        let spread = self.ceiling(attempt).max(asked.min(self.max));
        asked.min(limits::ASKED_WAIT_MAX) + share(spread, chance)
    }

    fn ceiling(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.max)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: limits::BACKOFF_FIRST,
            max: limits::BACKOFF_MAX,
        }
    }
}

/// `ceiling` times `chance`, where the largest chance stands for one.
fn share(ceiling: Duration, chance: u64) -> Duration {
    // 53 bits are what a double holds exactly.
    #[expect(clippy::cast_precision_loss)]
    let part = (chance >> 11) as f64 / (1_u64 << 53) as f64;
    ceiling.mul_f64(part)
}

/// Whether and when a call is made again.
///
/// Only calls that are safe to make twice are: reading, and writing under an id that the server
/// recognises. What a server refuses for good is never tried again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retry {
    /// Attempts in all, the first included.
    pub attempts_max: u32,
    /// Time in all, waiting included.
    pub span_max: Duration,
    /// The waits between them.
    pub backoff: Backoff,
}

impl Retry {
    /// One attempt.
    pub const fn never() -> Self {
        Self {
            attempts_max: 1,
            span_max: limits::RETRIES_SPAN_MAX,
            backoff: Backoff {
                first: limits::BACKOFF_FIRST,
                max: limits::BACKOFF_MAX,
            },
        }
    }

    /// For transfers: minutes, counted since one last got on.
    pub const fn of_transfers() -> Self {
        Self {
            attempts_max: limits::TRANSFER_ATTEMPTS_MAX,
            span_max: limits::TRANSFER_SPAN_MAX,
            ..Self::never()
        }
    }

    /// How long to wait after the failed attempt number `attempt` (the first is 1), `spent` after the
    /// first began; `None` to give up.
    pub fn wait(
        &self,
        attempt: u32,
        spent: Duration,
        error: &Error,
        chance: u64,
    ) -> Option<Duration> {
        if attempt >= self.attempts_max || !error.is_transient() {
            return None;
        }
        let wait = match error.retry_after() {
            Some(asked) => self.backoff.wait_after(asked, attempt, chance),
            None => self.backoff.wait(attempt, chance),
        };
        (spent + wait < self.span_max).then_some(wait)
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts_max: limits::ATTEMPTS_MAX,
            ..Self::never()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_millis(100),
        max: Duration::from_secs(2),
    };

    #[test]
    fn waits_double_up_to_the_ceiling() {
        let longest: Vec<u128> = (1..8)
            .map(|attempt| BACKOFF.wait(attempt, u64::MAX).as_millis())
            .collect();
        assert_eq!(longest, [100, 200, 400, 800, 1_600, 2_000, 2_000]);
        assert_eq!(BACKOFF.wait(u32::MAX, u64::MAX), BACKOFF.max);
    }

    #[test]
    fn jitter_is_full() {
        assert_eq!(BACKOFF.wait(5, 0), Duration::ZERO);
        let middle = BACKOFF.wait(5, u64::MAX / 2).as_millis();
        assert!((790..=800).contains(&middle), "{middle}");
    }

    #[test]
    fn what_the_server_asks_for_is_waited_and_bounded() {
        let second = Duration::from_secs(1);
        assert_eq!(BACKOFF.wait_after(second, 1, 0), second);
        let day = Duration::from_secs(86_400);
        let longest = limits::ASKED_WAIT_MAX + BACKOFF.max;
        assert_eq!(BACKOFF.wait_after(day, 9, u64::MAX), longest);
    }

    #[test]
    fn those_whom_a_server_turns_away_come_back_spread_out_and_ever_later() {
        let asked = Duration::from_millis(300);
        let longest: Vec<u128> = (1..8)
            .map(|attempt| BACKOFF.wait_after(asked, attempt, u64::MAX).as_millis())
            .collect();
        assert_eq!(longest, [600, 600, 700, 1_100, 1_900, 2_300, 2_300]);
        let nothing = BACKOFF.wait_after(Duration::ZERO, 3, u64::MAX);
        assert_eq!(nothing, BACKOFF.wait(3, u64::MAX));
    }

    #[test]
    fn retries_end_by_number_and_by_time() {
        let retry = Retry {
            attempts_max: 3,
            span_max: Duration::from_secs(10),
            backoff: BACKOFF,
        };
        let early = Duration::ZERO;
        let wait = |attempt, spent, error: &Error| retry.wait(attempt, spent, error, 1 << 63);
        assert!(wait(1, early, &Error::Interrupted).is_some());
        assert!(wait(2, early, &Error::TimedOut).is_some());
        assert_eq!(wait(3, early, &Error::Interrupted), None);
        assert_eq!(wait(1, Duration::from_secs(10), &Error::Interrupted), None);
        assert_eq!(wait(1, early, &Error::SignedOut), None);
    }
}
