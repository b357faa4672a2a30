//! `google.protobuf.Timestamp` and dates.

use cluster_types::{Day, UnixMillis};
use prost_types::Timestamp;

use crate::InvalidRequest;

/// This moment on the wire.
pub fn timestamp(at: UnixMillis) -> Timestamp {
    Timestamp {
        seconds: i64::try_from(at.0 / 1_000).unwrap_or(i64::MAX),
        nanos: i32::try_from(at.0 % 1_000 * 1_000_000).unwrap_or(0),
    }
}

/// Reads a moment, rounded down to milliseconds.
///
/// # Errors
/// Names `field` if the moment lies before 1970 or is not a valid timestamp.
pub fn unix_millis(timestamp: &Timestamp, field: &str) -> Result<UnixMillis, InvalidRequest> {
    let seconds = u64::try_from(timestamp.seconds).ok();
    let nanos = u64::try_from(timestamp.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000);
    let millis = seconds
        .zip(nanos)
        .and_then(|(s, n)| s.checked_mul(1_000)?.checked_add(n / 1_000_000));
    millis
        .map(UnixMillis)
        .ok_or_else(|| InvalidRequest::field(field, "must be a time since 1970"))
}

/// `YYYY-MM-DD`.
pub fn date(day: Day) -> String {
    let seconds = i64::from(day.0) * 24 * 60 * 60;
    let text = Timestamp { seconds, nanos: 0 }.to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_back() {
        let at = UnixMillis(1_234_567_890_123);
        assert_eq!(unix_millis(&timestamp(at), "time"), Ok(at));
        assert!(
            unix_millis(
                &Timestamp {
                    seconds: -1,
                    nanos: 0
                },
                "time"
            )
            .is_err()
        );
        assert!(
            unix_millis(
                &Timestamp {
                    seconds: 0,
                    nanos: -1
                },
                "time"
            )
            .is_err()
        );
    }

    #[test]
    fn a_day_has_a_date() {
        assert_eq!(date(Day(0)), "1970-01-01");
        assert_eq!(date(UnixMillis(1_709_164_800_000).day()), "2024-02-29");
    }
}
