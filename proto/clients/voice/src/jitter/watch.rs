//! How full a buffer was over the last turns, against how full it should be.
//!
//! Invariant: it is judged by whole windows of turns, and after a change a new one begins, so that no cause has its
//! effect twice.

use crate::limits::{SPARE_FRAMES, WATCHED_TURNS};

/// A window of turns, and what the last one asked for.
#[derive(Debug)]
pub(super) struct Watch {
    turns: u64,
    sum: u64,
    least: u64,
    excess: u64,
    shortage: u64,
}

impl Watch {
    pub(super) const fn new() -> Self {
        Self {
            turns: 0,
            sum: 0,
            least: u64::MAX,
            excess: 0,
            shortage: 0,
        }
    }

    /// Frames to give back.
    pub(super) const fn excess(&self) -> u64 {
        self.excess
    }

    /// Frames to take.
    pub(super) const fn shortage(&self) -> u64 {
        self.shortage
    }

    /// Looks at one turn.
    pub(super) fn look(&mut self, span: u64, target: u64) {
        self.turns += 1;
        self.sum += span;
        self.least = self.least.min(span);
        if self.turns == WATCHED_TURNS {
            let mean = self.sum / self.turns;
            let spare = self.least.saturating_sub(SPARE_FRAMES);
            self.excess = mean.saturating_sub(target).min(spare);
            self.shortage = target.saturating_sub(mean + 1);
            self.begin();
        }
    }

    /// One frame of the excess is gone.
    pub(super) const fn given_back(&mut self) {
        self.excess = self.excess.saturating_sub(1);
        self.begin();
    }

    /// One frame of the shortage is made up for.
    pub(super) const fn taken(&mut self) {
        self.shortage = self.shortage.saturating_sub(1);
        self.begin();
    }

    const fn begin(&mut self) {
        self.turns = 0;
        self.sum = 0;
        self.least = u64::MAX;
    }
}
