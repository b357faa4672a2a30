//! The periods that keys are made for: [`Month`] of an account, [`Week`] of a room. In UTC, from days,
//! so that every node and every later reader finds the same one for the same moment.
//!
//! Invariant: both grow with time, none is 0, and a day lies in exactly one of each.
//!
//! Leaves out: calendars of people. Nothing here is shown to anybody.

use crate::{Day, UnixMillis};

const DAYS_PER_WEEK: u32 = 7;

/// Days in 400 years of the Gregorian calendar, after which it repeats.
const DAYS_PER_ERA: u64 = 146_097;

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_FROM_MARCH_0: u64 = 719_468;

/// A month of the civil calendar, as year * 12 + month, January being 0.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Month(pub u32);

/// Seven days, counted from 1970-01-01, whose week is 1.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Week(pub u32);

impl Month {
    /// Before every month: for what has none.
    pub const NONE: Self = Self(0);
}

impl Week {
    /// Before every week: for what has none.
    pub const NONE: Self = Self(0);

    /// The first week that there is.
    pub const FIRST: Self = Self(1);
}

impl From<Day> for Month {
    fn from(day: Day) -> Self {
        // Counted from a first of March, the day that may be missing is the last of its year, and the
        // months before it have the lengths of a regular sequence: 153 days in five.
        let days = u64::from(day.0) + EPOCH_FROM_MARCH_0;
        let (era, of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
        let years = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * years + years / 4 - years / 100);
        let from_march = (5 * of_year + 2) / 153;
        // March is the third month, so the count begins with two.
        let months = (era * 400 + years) * 12 + from_march + 2;
        Self(u32::try_from(months).expect("2^32 days are fewer than 2^28 months"))
    }
}

impl From<Day> for Week {
    fn from(day: Day) -> Self {
        Self(day.0 / DAYS_PER_WEEK + 1)
    }
}

impl From<UnixMillis> for Month {
    fn from(moment: UnixMillis) -> Self {
        moment.day().into()
    }
}

impl From<UnixMillis> for Week {
    fn from(moment: UnixMillis) -> Self {
        moment.day().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn is_leap(year: u32) -> bool {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    }

    fn days_of(year: u32, month: u32) -> u32 {
        match month {
            1 if is_leap(year) => 29,
            1 => 28,
            3 | 5 | 8 | 10 => 30,
            _ => 31,
        }
    }

    #[test]
    fn six_centuries_of_days_lie_in_the_months_that_a_calendar_says() {
        let mut day = 0;
        for year in 1970..2570 {
            for month in 0..12 {
                for _ in 0..days_of(year, month) {
                    assert_eq!(Month::from(Day(day)), Month(year * 12 + month), "{day}");
                    day += 1;
                }
            }
        }
    }

    #[test]
    fn a_month_ends_at_midnight_utc() {
        // 2024-03-01T00:00:00Z, after a leap day.
        let march = UnixMillis(1_709_251_200_000);
        assert_eq!(Month::from(march), Month(2024 * 12 + 2));
        assert_eq!(Month::from(UnixMillis(march.0 - 1)), Month(2024 * 12 + 1));
    }

    #[test]
    fn weeks_are_seven_days_and_begin_with_one() {
        assert_eq!(Week::from(Day(0)), Week::FIRST);
        assert_eq!(Week::from(Day(6)), Week(1));
        assert_eq!(Week::from(Day(7)), Week(2));
        assert_eq!(Week::from(UnixMillis(7 * 86_400_000 - 1)), Week(1));
    }

    #[test]
    fn the_end_of_time_has_a_month_and_a_week() {
        assert!(Month::from(Day(u32::MAX)) > Month::from(Day(u32::MAX - 31)));
        assert!(Week::from(Day(u32::MAX)) > Week::from(Day(u32::MAX - 7)));
    }
}
