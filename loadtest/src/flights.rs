//! Messages in the air: sent, and not yet arrived everywhere.
//!
//! The closed loop of the fan-out benchmarks: whoever sends takes a place, and gets it back when the
//! last receiver has the message. So at most a known number is under way, and no receiver falls behind
//! by more.
//!
//! Invariant: a message has landed when it has arrived as often as there are receivers. What arrives
//! that is not in the air is counted as stray, and never lands anything.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::stats::Latencies;

/// The messages of one room on their way to its receivers.
#[derive(Debug)]
pub(crate) struct Flights {
    receivers: u32,
    window: u32,
    slots: Vec<Slot>,
    places: Semaphore,
    epoch: Instant,
    landed: AtomicU64,
    stray: AtomicU64,
    latencies: Mutex<Latencies>,
}

/// One message. Receivers get messages in order, so what is in the air is a run of numbers no longer
/// than the window, and two numbers that share a slot are never in the air together.
#[derive(Debug, Default)]
struct Slot {
    /// Which message; 0 before the first.
    seq: AtomicU64,
    /// When it was due, in nanoseconds since the epoch.
    due: AtomicU64,
    /// Receivers that do not have it.
    missing: AtomicU32,
}

impl Flights {
    /// Nothing in the air. At most `window` messages will be, to as many `receivers` each.
    pub(crate) fn new(receivers: u32, window: u32) -> Self {
        let slots = usize::try_from(window.next_power_of_two()).unwrap_or(usize::MAX);
        Self {
            receivers,
            window,
            slots: (0..slots).map(|_| Slot::default()).collect(),
            places: Semaphore::new(usize::try_from(window).unwrap_or(usize::MAX)),
            epoch: Instant::now(),
            landed: AtomicU64::new(0),
            stray: AtomicU64::new(0),
            latencies: Mutex::new(Latencies::new()),
        }
    }

    /// Waits for a place in the air.
    pub(crate) async fn place(&self) {
        let place = self.places.acquire().await;
        place.expect("the places are never closed").forget();
    }

    /// Message `seq` takes off in the place just taken. Its latency counts from `due`.
    pub(crate) fn launch(&self, seq: u64, due: Instant) {
        let slot = self.slot(seq);
        let due = due.duration_since(self.epoch).as_nanos();
        slot.due
            .store(u64::try_from(due).unwrap_or(u64::MAX), Ordering::Relaxed);
        slot.missing.store(self.receivers, Ordering::Relaxed);
        slot.seq.store(seq, Ordering::Release);
    }

    /// One receiver has message `seq`, as of `now`.
    pub(crate) fn arrived(&self, seq: u64, now: Instant) {
        let slot = self.slot(seq);
        if slot.seq.load(Ordering::Acquire) != seq {
            self.stray.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let missing = slot
            .missing
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |missing| {
                missing.checked_sub(1)
            });
        match missing {
            Ok(1) => self.land(slot, now),
            Ok(_) => {}
            Err(_) => {
                self.stray.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn land(&self, slot: &Slot, now: Instant) {
        let due = Duration::from_nanos(slot.due.load(Ordering::Relaxed));
        let since_epoch = now.duration_since(self.epoch);
        self.latencies
            .lock()
            .record(since_epoch.saturating_sub(due));
        self.landed.fetch_add(1, Ordering::Relaxed);
        self.places.add_permits(1);
    }

    /// Waits until nothing is in the air.
    pub(crate) async fn all_landed(&self) {
        let all = self.places.acquire_many(self.window).await;
        drop(all.expect("the places are never closed"));
    }

    /// Messages that have arrived everywhere.
    pub(crate) fn landed(&self) -> u64 {
        self.landed.load(Ordering::Relaxed)
    }

    /// Arrivals of what was not in the air: something came twice.
    pub(crate) fn stray(&self) -> u64 {
        self.stray.load(Ordering::Relaxed)
    }

    /// The latencies since they were last taken, each from due to the last arrival.
    pub(crate) fn take_latencies(&self) -> Latencies {
        std::mem::replace(&mut *self.latencies.lock(), Latencies::new())
    }

    fn slot(&self, seq: u64) -> &Slot {
        // The remainder is below the number of slots.
        #[expect(clippy::cast_possible_truncation)]
        let index = (seq % self.slots.len() as u64) as usize;
        &self.slots[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_message_lands_with_its_last_receiver() {
        let flights = Flights::new(3, 1);
        let due = Instant::now();
        flights.place().await;
        flights.launch(7, due);
        for ms in [1, 2] {
            flights.arrived(7, due + Duration::from_millis(ms));
        }
        assert_eq!(flights.landed(), 0);
        assert_eq!(flights.places.available_permits(), 0, "still in the air");
        flights.arrived(7, due + Duration::from_millis(9));
        assert_eq!(flights.landed(), 1);
        flights.all_landed().await;
        let latencies = flights.take_latencies();
        assert_eq!(latencies.count(), 1);
        assert!((latencies.p50_ms() - 9.0).abs() < 0.1);
        assert_eq!(flights.take_latencies().count(), 0);
    }

    #[tokio::test]
    async fn what_comes_twice_is_stray_and_lands_nothing() {
        let flights = Flights::new(1, 2);
        flights.place().await;
        flights.launch(1, Instant::now());
        flights.arrived(1, Instant::now());
        flights.arrived(1, Instant::now());
        flights.arrived(2, Instant::now());
        assert_eq!((flights.landed(), flights.stray()), (1, 2));
        assert_eq!(flights.places.available_permits(), 2);
    }

    #[tokio::test]
    async fn slots_are_used_again_and_never_by_two_messages_in_the_air() {
        let flights = Flights::new(1, 3);
        for seq in 1..100 {
            flights.place().await;
            flights.launch(seq, Instant::now());
            if seq >= 3 {
                flights.arrived(seq - 2, Instant::now());
            }
        }
        assert_eq!((flights.landed(), flights.stray()), (97, 0));
    }
}
