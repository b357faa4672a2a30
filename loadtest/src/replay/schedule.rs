//! When each line of a day is due, sped up.
//!
//! A line is dated to the minute, so all lines of a minute are one burst: that is how people talk, and
//! what makes real conversations a load.
//!
//! Invariant: lines are due in their order. Pure.

use std::time::Duration;

use loadtest_conversations::Said;

const MINUTES_PER_DAY: u32 = 24 * 60;

/// How long after the day's first line each of them is due, `speed` times faster than it was.
pub(super) fn due(lines: &[Said], speed: f64) -> Vec<Duration> {
    let mut due: Vec<Duration> = Vec::with_capacity(lines.len());
    let (mut first, mut last, mut midnights) = (None, 0, 0);
    for line in lines {
        // A log of a day may begin in the evening before, and end in the morning after.
        if first.is_some() && line.minute + MINUTES_PER_DAY / 2 < last {
            midnights += 1;
        }
        last = line.minute;
        let minute = midnights * MINUTES_PER_DAY + line.minute;
        let since = minute.saturating_sub(*first.get_or_insert(minute));
        let at = Duration::from_secs(60 * u64::from(since)).div_f64(speed);
        // A clock that was set back does not change the order.
        due.push(due.last().copied().unwrap_or_default().max(at));
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(minutes: &[u32]) -> Vec<Said> {
        let said = |minute: &u32| Said {
            minute: *minute,
            nick: 0,
            text: String::new(),
        };
        minutes.iter().map(said).collect()
    }

    fn seconds(minutes: &[u32]) -> Vec<u64> {
        let due = due(&lines(minutes), 60.0);
        due.iter().map(Duration::as_secs).collect()
    }

    #[test]
    fn a_minute_is_a_burst() {
        assert_eq!(seconds(&[10, 10, 10, 12]), [0, 0, 0, 2]);
    }

    #[test]
    fn midnight_is_passed_and_not_the_end_of_time() {
        assert_eq!(seconds(&[1_438, 1_439, 0, 1]), [0, 1, 2, 3]);
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_the_order() {
        assert_eq!(seconds(&[10, 20, 15, 21]), [0, 10, 10, 11]);
    }

    #[test]
    fn a_day_without_lines_has_nothing_due() {
        assert_eq!(seconds(&[]), [0; 0]);
    }
}
