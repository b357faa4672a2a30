//! The wall clock of the simulated machine: it goes with simulated time, and jumps when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cluster_types::{Clock, ManualClock, UnixMillis};

use crate::world::World;

/// When simulations begin: in the middle of a day, so that a jump of a few hours stays in it and a jump
/// of more does not.
const BEGINNING: UnixMillis = UnixMillis(1_800_014_400_000);

/// A wall clock that nobody should trust. Clones are the same clock.
#[derive(Clone, Debug)]
pub(crate) struct WallClock {
    world: World,
    shown: ManualClock,
    jumped: Arc<AtomicI64>,
}

impl WallClock {
    pub(crate) fn new(world: World) -> Self {
        Self {
            world,
            shown: ManualClock::at(BEGINNING),
            jumped: Arc::new(AtomicI64::new(0)),
        }
    }

    /// Shows another time from here on: the right one, plus `millis`.
    pub(crate) fn jump_to(&self, millis: i64) {
        self.jumped.store(millis, Ordering::SeqCst);
    }
}

impl Clock for WallClock {
    fn now(&self) -> UnixMillis {
        let since = u64::try_from(self.world.elapsed().as_millis()).unwrap_or(u64::MAX);
        let right = BEGINNING.0.saturating_add(since);
        let jumped = self.jumped.load(Ordering::SeqCst);
        self.shown
            .set(UnixMillis(right.saturating_add_signed(jumped)));
        self.shown.now()
    }
}
