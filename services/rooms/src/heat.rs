//! [`Heat`]: how much happens in a room, for operators who look where the load is.
//!
//! Events of the last minute, by the usual estimate: those of this span, and of the span before as large a part as has not
//! yet passed out of sight. It takes a few bytes for each room and needs nobody who counts down.
//!
//! Leaves out: what happened, and who did it.

use cluster_types::RoomId;
use tokio::time::Instant;

use crate::Rooms;
use crate::limits::HEAT_SPAN;

/// What happened in a room lately.
#[derive(Debug, Default)]
pub(crate) struct Heat {
    /// When the span began; `None` before the first event.
    since: Option<Instant>,
    events: u32,
    /// Of the span before.
    before: u32,
}

/// A room in which much happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HotRoom {
    /// Which.
    pub room: RoomId,
    /// Events of the last minute; an estimate.
    pub events: u32,
}

impl Heat {
    /// So many events more.
    pub(crate) fn add(&mut self, events: u32, now: Instant) {
        self.turn(now);
        self.events = self.events.saturating_add(events);
    }

    /// Events of the last span.
    pub(crate) fn events(&mut self, now: Instant) -> u32 {
        let left = HEAT_SPAN.saturating_sub(self.turn(now)).as_millis();
        let before = u128::from(self.before) * left / HEAT_SPAN.as_millis();
        // No more than `before` was.
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        self.events.saturating_add(before)
    }

    /// Begins a new span if it is time. How old the one of now is.
    fn turn(&mut self, now: Instant) -> std::time::Duration {
        let since = *self.since.get_or_insert(now);
        let age = now.duration_since(since);
        if age < HEAT_SPAN {
            return age;
        }
        let is_next = age < HEAT_SPAN * 2;
        self.before = if is_next { self.events } else { 0 };
        self.events = 0;
        let begun = if is_next { since + HEAT_SPAN } else { now };
        self.since = Some(begun);
        now.duration_since(begun)
    }
}

impl Rooms {
    /// The rooms of this node in which most has happened within the last minute, the first of them first; at most
    /// `count`, and none in which nothing has.
    pub fn hottest(&self, count: usize) -> Vec<HotRoom> {
        let mut hot = self.heats(Instant::now());
        hot.retain(|hot| hot.events > 0);
        hot.sort_unstable_by_key(|hot| (std::cmp::Reverse(hot.events), hot.room));
        hot.truncate(count);
        hot
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_happened_fades_within_two_spans() {
        let (mut heat, start) = (Heat::default(), Instant::now());
        assert_eq!(heat.events(start), 0);
        heat.add(60, start);
        let at = |part: u32| start + HEAT_SPAN * part / 60;
        assert_eq!(heat.events(at(59)), 60);
        assert_eq!(heat.events(at(60)), 60);
        assert_eq!(heat.events(at(90)), 30);
        heat.add(5, at(90));
        assert_eq!(heat.events(at(90)), 35);
        assert_eq!(heat.events(at(120)), 5, "the first ones are two spans old");
        assert_eq!(heat.events(at(1_000)), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_room_that_goes_on_evenly_has_its_rate() {
        let (mut heat, start) = (Heat::default(), Instant::now());
        for second in 0..600 {
            heat.add(7, start + Duration::from_secs(second));
        }
        let events = heat.events(start + Duration::from_secs(600));
        assert!((413..=427).contains(&events), "{events} of 420");
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_can_be_counted_is_as_much_as_can_be() {
        let (mut heat, now) = (Heat::default(), Instant::now());
        heat.add(u32::MAX, now);
        heat.add(u32::MAX, now);
        assert_eq!(heat.events(now), u32::MAX);
    }
}
