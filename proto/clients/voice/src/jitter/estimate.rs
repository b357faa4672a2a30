//! How unevenly frames arrive: the interarrival jitter of RFC 3550, 6.4.1.
//!
//! Invariant: a frame that arrives as long after another as it was said after it leaves no jitter, whatever lies between.

use std::time::Duration;

use crate::frame::FRAME_TIME;

/// The part of a new difference that enters the estimate: the RFC's, "a good noise reduction ratio".
const GAIN: u32 = 16;

const FRAME_MILLIS: u64 = FRAME_TIME.subsec_millis() as u64;

/// The estimate, and the frame that the next one is compared with.
#[derive(Debug)]
pub(super) struct Estimate {
    jitter: Duration,
    last: Option<(Duration, u64)>,
}

impl Estimate {
    pub(super) const fn new() -> Self {
        Self {
            jitter: Duration::ZERO,
            last: None,
        }
    }

    pub(super) const fn jitter(&self) -> Duration {
        self.jitter
    }

    /// Compares what follows with this frame, and not this frame with what came before.
    pub(super) const fn begin(&mut self, now: Duration, number: u64) {
        self.last = Some((now, number));
    }

    pub(super) fn add(&mut self, now: Duration, number: u64) {
        if let Some((then, former)) = self.last {
            let said_later = spoken(number).saturating_sub(spoken(former));
            let said_earlier = spoken(former).saturating_sub(spoken(number));
            let difference = (now + said_earlier).abs_diff(then + said_later);
            if difference >= self.jitter {
                self.jitter += (difference - self.jitter) / GAIN;
            } else {
                self.jitter -= (self.jitter - difference) / GAIN;
            }
        }
        self.last = Some((now, number));
    }
}

/// When a frame was said, by its number. Only differences count, and those are small.
const fn spoken(number: u64) -> Duration {
    Duration::from_millis(number.saturating_mul(FRAME_MILLIS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn even_arrivals_have_no_jitter_whatever_is_lost_or_overtaken() {
        let mut estimate = Estimate::new();
        for number in [5, 6, 9, 8, 20] {
            estimate.add(ms(1_000 + 20 * number), number);
        }
        assert_eq!(estimate.jitter(), Duration::ZERO);
    }

    #[test]
    fn a_sixteenth_of_each_difference_counts() {
        let mut estimate = Estimate::new();
        estimate.add(ms(0), 0);
        estimate.add(ms(36), 1);
        assert_eq!(estimate.jitter(), ms(1));
        estimate.add(ms(40), 2);
        assert_eq!(estimate.jitter(), ms(1) + ms(15) / 16);
    }

    #[test]
    fn a_pause_that_was_not_on_the_way_is_none() {
        let mut estimate = Estimate::new();
        estimate.add(ms(0), 0);
        estimate.begin(ms(60_000), 1);
        estimate.add(ms(60_020), 2);
        assert_eq!(estimate.jitter(), Duration::ZERO);
    }
}
