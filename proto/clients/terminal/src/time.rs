//! Times as people read and write them, in their own zone.
//!
//! Invariant: nothing here asks what time it is; whoever needs to know passes it in.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use prost_types::Timestamp;

/// The zone in which times are shown.
#[derive(Clone, Debug)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// The zone of this machine and of the variable `TZ`.
    pub(crate) fn system() -> Self {
        Self(TimeZone::system())
    }

    #[cfg(test)]
    pub(crate) const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    fn civil(&self, at: &Timestamp) -> DateTime {
        let moment = jiff::Timestamp::new(at.seconds, at.nanos).unwrap_or_default();
        self.0.to_datetime(moment)
    }

    /// `14:03`
    pub(crate) fn clock(&self, at: &Timestamp) -> String {
        self.civil(at).strftime("%H:%M").to_string()
    }

    /// `2026-11-23 14:03:09`
    pub(crate) fn full(&self, at: &Timestamp) -> String {
        self.civil(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// `Monday 23 November 2026`
    pub(crate) fn day(&self, at: &Timestamp) -> String {
        self.civil(at).strftime("%A %-d %B %Y").to_string()
    }

    /// Whether both lie in one day.
    pub(crate) fn same_day(&self, a: &Timestamp, b: &Timestamp) -> bool {
        self.civil(a).date() == self.civil(b).date()
    }

    /// Reads `2026-11-23` or `2026-11-23 14:03`.
    pub(crate) fn parse(&self, text: &str) -> Option<Timestamp> {
        let text = text.trim();
        let date: Option<Date> = text.parse().ok();
        let civil = match date.filter(|_| !text.contains([' ', 'T'])) {
            Some(date) => date.at(0, 0, 0, 0),
            None => text.parse().ok()?,
        };
        let moment = self.0.to_timestamp(civil).ok()?;
        Some(Timestamp {
            seconds: moment.as_second(),
            nanos: 0,
        })
    }
}

/// Reads a span such as `90s`, `10m`, `2h` or `7d`, in seconds.
pub(crate) fn parse_span(text: &str) -> Option<i64> {
    let unit = text.chars().next_back()?;
    let seconds: i64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let count: i64 = text[..text.len() - 1].parse().ok()?;
    (count > 0).then(|| count.checked_mul(seconds))?
}

/// What time it is, for whoever has to tell the server a time to come.
pub(crate) fn now() -> Timestamp {
    let now = jiff::Timestamp::now();
    Timestamp {
        seconds: now.as_second(),
        nanos: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp {
        seconds: 1_795_435_200,
        nanos: 0,
    };

    #[test]
    fn times_are_shown_in_the_zone() {
        let zone = Zone::utc();
        assert_eq!(zone.clock(&NOON), "12:00");
        assert_eq!(zone.day(&NOON), "Monday 23 November 2026");
        let east = Zone(TimeZone::fixed(jiff::tz::offset(13)));
        assert_eq!(east.full(&NOON), "2026-11-24 01:00:00");
        assert!(!east.same_day(
            &NOON,
            &Timestamp {
                seconds: NOON.seconds - 3_601,
                nanos: 0
            }
        ));
    }

    #[test]
    fn dates_are_read_as_they_are_written() {
        let zone = Zone::utc();
        assert_eq!(zone.parse("2026-11-23 12:00"), Some(NOON));
        let midnight = zone.parse("2026-11-23").expect("a date");
        assert_eq!(midnight.seconds, NOON.seconds - 12 * 3_600);
        for text in [
            "",
            "yesterday",
            "23.11.2026",
            "2026-13-01",
            "2026-11-23 25:00",
        ] {
            assert_eq!(zone.parse(text), None, "{text}");
        }
    }

    #[test]
    fn spans_have_a_unit() {
        assert_eq!(parse_span("90s"), Some(90));
        assert_eq!(parse_span("10m"), Some(600));
        assert_eq!(parse_span("7d"), Some(604_800));
        for text in [
            "",
            "10",
            "m",
            "-1h",
            "0h",
            "1w",
            "99999999999999999999d",
            "1é",
        ] {
            assert_eq!(parse_span(text), None, "{text}");
        }
    }
}
