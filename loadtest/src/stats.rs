//! Numbers out of many numbers: medians of rounds, and percentiles of latencies.
//!
//! Invariant: pure. A latency is kept to three digits, between a microsecond and an hour; what lies
//! outside counts as the nearest of these.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest latency that is told apart from longer ones.
const LATENCY_MAX: Duration = Duration::from_secs(60 * 60);

/// Digits of a latency that are kept.
const DIGITS: u8 = 3;

/// The middle of the values; of an even number, the mean of the two in the middle. `None` of none.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

/// How far apart the rounds lie: the distance between the extremes, as a part of the median.
pub(crate) fn spread(values: &[f64]) -> Option<f64> {
    let middle = median(values)?;
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (middle != 0.0).then(|| (high - low) / middle)
}

/// A count as a number to calculate with. Exact up to 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a benchmark are far below 2^53"
)]
pub(crate) const fn number(count: u64) -> f64 {
    count as f64
}

/// As [`number`], of a length.
pub(crate) fn length(count: usize) -> f64 {
    number(count as u64)
}

/// Many latencies, in little memory.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet.
    pub(crate) fn new() -> Self {
        let max = u64::try_from(LATENCY_MAX.as_micros()).unwrap_or(u64::MAX);
        let made = Histogram::new_with_bounds(1, max, DIGITS);
        Self(made.expect("1 to 3.6 billion with three digits is a valid range"))
    }

    /// One more.
    pub(crate) fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(micros.max(1));
    }

    /// All of another's too.
    pub(crate) fn add(&mut self, other: &Self) {
        let added = self.0.add(&other.0);
        added.expect("all are made by `new`, with the same bounds");
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// Half of them took no longer, in milliseconds.
    pub(crate) fn p50_ms(&self) -> f64 {
        self.at_ms(0.50)
    }

    /// 99 of 100 took no longer, in milliseconds.
    pub(crate) fn p99_ms(&self) -> f64 {
        self.at_ms(0.99)
    }

    fn at_ms(&self, part: f64) -> f64 {
        if self.0.is_empty() {
            return f64::NAN;
        }
        number(self.0.value_at_quantile(part)) / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_whatever_the_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn one_wild_round_moves_the_spread_and_not_the_median() {
        let rounds = [10.0, 10.0, 10.0, 10.0, 50.0];
        assert_eq!(median(&rounds), Some(10.0));
        assert_eq!(spread(&rounds), Some(4.0));
    }

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut all = Latencies::new();
        for ms in 1..=1_000 {
            all.record(Duration::from_millis(ms));
        }
        assert!((all.p50_ms() - 500.0).abs() < 1.0, "{}", all.p50_ms());
        assert!((all.p99_ms() - 990.0).abs() < 1.0, "{}", all.p99_ms());
        assert_eq!(all.count(), 1_000);
    }

    #[test]
    fn nothing_recorded_is_no_number() {
        assert!(Latencies::new().p99_ms().is_nan());
    }

    #[test]
    fn an_absurd_latency_is_counted_and_does_not_fail() {
        let mut all = Latencies::new();
        all.record(Duration::MAX);
        all.record(Duration::ZERO);
        let mut more = Latencies::new();
        more.record(Duration::from_secs(1));
        all.add(&more);
        assert_eq!(all.count(), 3);
    }
}
