//! Which numbers of one key have been opened, over the last [`REPLAY_WINDOW`] of them.
//!
//! Invariant: a number is new once. What is older than the window counts as seen.

use crate::limits::REPLAY_WINDOW;

const WORDS: usize = (REPLAY_WINDOW / 64) as usize;

/// The numbers that were opened under one key.
#[derive(Debug)]
pub(super) struct Window {
    /// A ring: the bit of a number is at its remainder.
    seen: [u64; WORDS],
    /// One more than the highest number.
    end: u64,
}

impl Window {
    pub(super) const fn new() -> Self {
        Self {
            seen: [0; WORDS],
            end: 0,
        }
    }

    /// Whether this number has not been opened.
    pub(super) fn is_new(&self, number: u64) -> bool {
        if number >= self.end {
            return true;
        }
        let (word, bit) = place(number);
        self.end - number <= REPLAY_WINDOW && self.seen[word] & bit == 0
    }

    /// Notes that it was opened. Only for what has been authenticated: who forges must not move the window.
    pub(super) fn note(&mut self, number: u64) {
        if number >= self.end {
            let skipped = number - self.end;
            if skipped >= REPLAY_WINDOW {
                self.seen = [0; WORDS];
            } else {
                for passed in self.end..=number {
                    let (word, bit) = place(passed);
                    self.seen[word] &= !bit;
                }
            }
            self.end = number.saturating_add(1);
        }
        let (word, bit) = place(number);
        self.seen[word] |= bit;
    }
}

fn place(number: u64) -> (usize, u64) {
    let index = number % REPLAY_WINDOW;
    let word = (index / 64) as usize;
    (word, 1 << (index % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_end_of_the_window_counts_as_seen() {
        let mut window = Window::new();
        window.note(REPLAY_WINDOW);
        assert!(window.is_new(1), "the oldest within the window");
        assert!(!window.is_new(0), "older than the window");
        assert!(!window.is_new(REPLAY_WINDOW), "itself");
        window.note(u64::MAX - 1);
        assert!(window.is_new(u64::MAX) && !window.is_new(u64::MAX - 1));
        assert!(window.is_new(u64::MAX - 2) && !window.is_new(REPLAY_WINDOW + 1));
    }

    proptest! {
        /// Against a set that remembers everything: whatever is called new was not there, and within the window
        /// nothing that was not there is called seen.
        #[test]
        fn a_number_is_new_once(numbers in prop::collection::vec(0_u64..4_000, 1..300)) {
            let (mut window, mut all) = (Window::new(), BTreeSet::new());
            for number in numbers {
                let highest = all.last().copied().unwrap_or(0);
                let within = number + REPLAY_WINDOW > highest;
                let new = window.is_new(number);
                prop_assert_eq!(new, within && !all.contains(&number));
                if new {
                    window.note(number);
                    all.insert(number);
                }
            }
        }
    }
}
