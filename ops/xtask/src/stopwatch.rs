//! How long a step took, for people.
//!
//! Invariant: the one place of this program that reads a clock. It runs outside any runtime, so the
//! pausable clock of the services does not exist here.

use std::time::{Duration, Instant};

/// A running stopwatch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch {
    started: Instant,
}

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "no runtime, nothing to pause")]
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// Time since the start.
    pub(crate) fn elapsed(self) -> Duration {
        self.started.elapsed()
    }
}

/// `0.4s`, `59.9s`, `12m 05s`.
pub(crate) fn for_people(duration: Duration) -> String {
    let tenths = (duration.as_millis() + 50) / 100;
    if tenths < 600 {
        return format!("{}.{}s", tenths / 10, tenths % 10);
    }
    let seconds = (tenths + 5) / 10;
    format!("{}m {:02}s", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_people_say_them() {
        let written = |millis| for_people(Duration::from_millis(millis));
        assert_eq!(written(0), "0.0s");
        assert_eq!(written(449), "0.4s");
        assert_eq!(written(59_949), "59.9s");
        assert_eq!(written(59_960), "1m 00s");
        assert_eq!(written(725_000), "12m 05s");
    }
}
