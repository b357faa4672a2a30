//! The units that limits are written in: [`Span`] and [`ByteCount`], which people read and write as
//! `30s` and `64KiB`.
//!
//! Invariant: what is printed reads back as the same value.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Names of spans with their milliseconds, longest first.
const SPANS: [(&str, u64); 5] = [
    ("d", 24 * 60 * 60 * 1_000),
    ("h", 60 * 60 * 1_000),
    ("m", 60 * 1_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Names of sizes with their bytes, largest first.
const SIZES: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// A span of time in whole milliseconds: `250ms`, `10s`, `5m`, `24h`, `7d`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    millis: u64,
}

/// A count of bytes: `512B`, `64KiB`, `4MiB`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteCount {
    bytes: u64,
}

/// A text that is no quantity.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is not a number with one of the units {units}, as in `{example}`")]
pub struct InvalidQuantity {
    text: String,
    units: &'static str,
    example: &'static str,
}

// === impl Span ===

impl Span {
    /// So many milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self { millis }
    }

    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self::millis(seconds * 1_000)
    }

    /// So many minutes.
    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes * 60)
    }

    /// So many hours.
    pub const fn hours(hours: u64) -> Self {
        Self::minutes(hours * 60)
    }

    /// As the standard library has it.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.millis)
    }

    /// Whether it is no time at all.
    pub const fn is_zero(self) -> bool {
        self.millis == 0
    }
}

impl FromStr for Span {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let millis = parse(text, &SPANS).ok_or_else(|| InvalidQuantity {
            text: text.to_owned(),
            units: "ms, s, m, h, d",
            example: "10s",
        })?;
        Ok(Self { millis })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.millis, &SPANS)
    }
}

impl TryFrom<String> for Span {
    type Error = InvalidQuantity;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

// === impl ByteCount ===

impl ByteCount {
    /// So many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self { bytes }
    }

    /// So many times 1,024 bytes.
    pub const fn kib(kib: u64) -> Self {
        Self::bytes(kib * 1_024)
    }

    /// As a number.
    pub const fn as_u64(self) -> u64 {
        self.bytes
    }

    /// As a number for lengths; a count that does not fit is as good as no limit.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }

    /// As a number for HTTP/2 settings; a count that does not fit becomes the largest.
    pub fn as_u32(self) -> u32 {
        u32::try_from(self.bytes).unwrap_or(u32::MAX)
    }
}

impl FromStr for ByteCount {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = parse(text, &SIZES).ok_or_else(|| InvalidQuantity {
            text: text.to_owned(),
            units: "B, KiB, MiB, GiB",
            example: "64KiB",
        })?;
        Ok(Self { bytes })
    }
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.bytes, &SIZES)
    }
}

impl TryFrom<String> for ByteCount {
    type Error = InvalidQuantity;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ByteCount> for String {
    fn from(count: ByteCount) -> Self {
        count.to_string()
    }
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// In the largest unit that leaves a whole number.
fn write(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    for (name, factor) in units {
        if value >= *factor && value.is_multiple_of(*factor) {
            return write!(f, "{}{name}", value / factor);
        }
    }
    write!(f, "0{}", units.last().map_or("", |(name, _)| name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_printed_reads_back(value in 0..u64::MAX / 2) {
            prop_assert_eq!(Span::millis(value).to_string().parse(), Ok(Span::millis(value)));
            prop_assert_eq!(ByteCount::bytes(value).to_string().parse(), Ok(ByteCount::bytes(value)));
        }
    }

    #[test]
    fn the_largest_whole_unit_is_printed() {
        assert_eq!(Span::seconds(90).to_string(), "90s");
        assert_eq!(Span::hours(24).to_string(), "1d");
        assert_eq!(Span::millis(0).to_string(), "0ms");
        assert_eq!(ByteCount::kib(64).to_string(), "64KiB");
        assert_eq!(ByteCount::bytes(1_500).to_string(), "1500B");
    }

    #[test]
    fn a_number_without_a_unit_is_refused_with_an_example() {
        let refused = "10".parse::<Span>().expect_err("no unit");
        assert_eq!(
            refused.to_string(),
            "`10` is not a number with one of the units ms, s, m, h, d, as in `10s`"
        );
        for text in ["", "s", "-1s", "1.5s", "64 kb", "99999999999999999999GiB"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
            assert!(text.parse::<ByteCount>().is_err(), "{text}");
        }
    }
}
