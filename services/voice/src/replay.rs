//! [`Replay`]: which frames of a connection have been there.
//!
//! A bit for each of the last frames, in a ring of words, as in RFC 6479: the window moves on with the largest count that
//! was seen, a word at a time. Whoever skips counts loses what it skipped and harms nobody else.
//!
//! Invariant: no count is accepted twice; none is refused that is new and less than [`REPLAY_WINDOW`] behind the largest.

use crate::limits::REPLAY_WINDOW;

const WORD_BITS: u64 = 64;

/// One more than the window needs: the one that is being filled.
const WORD_COUNT: usize = 17;

const WORDS: u64 = WORD_COUNT as u64;

const _: () = assert!(REPLAY_WINDOW == (WORDS - 1) * WORD_BITS);

/// The frames of one connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replay {
    largest: u64,
    seen: [u64; WORD_COUNT],
}

impl Default for Replay {
    fn default() -> Self {
        Self::new()
    }
}

impl Replay {
    /// Nothing has been there.
    pub const fn new() -> Self {
        Self {
            largest: 0,
            seen: [0; WORD_COUNT],
        }
    }

    /// Whether this is a new frame, which it is not any more after this.
    pub fn accept(&mut self, count: u64) -> bool {
        if self.largest - count.min(self.largest) >= REPLAY_WINDOW {
            return false;
        }
        self.advance(count);
        let word = &mut self.seen[Self::place(count / WORD_BITS)];
        let bit = 1 << (count % WORD_BITS);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Makes room for a count that is larger than all before.
    fn advance(&mut self, count: u64) {
        let (from, to) = (self.largest / WORD_BITS, count / WORD_BITS);
        for skipped in 1..=to.saturating_sub(from).min(WORDS) {
            self.seen[Self::place(from + skipped)] = 0;
        }
        self.largest = self.largest.max(count);
    }

    /// Where the word with this number is.
    const fn place(word: u64) -> usize {
        (word % WORDS) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_frame_is_accepted_once() {
        let mut replay = Replay::new();
        for count in [0, 1, 5, 3, 64, 2, 1_000] {
            assert!(replay.accept(count), "{count} is new");
            assert!(!replay.accept(count), "{count} is not");
        }
        assert!(!replay.accept(0));
    }

    #[test]
    fn the_window_is_as_long_as_it_says() {
        let mut replay = Replay::new();
        let largest = 1_000_000;
        assert!(replay.accept(largest));
        assert!(replay.accept(largest - REPLAY_WINDOW + 1));
        assert!(!replay.accept(largest - REPLAY_WINDOW));
    }

    #[test]
    fn the_largest_count_of_all_ends_a_connection_and_nothing_else() {
        let mut replay = Replay::new();
        assert!(replay.accept(7));
        assert!(replay.accept(u64::MAX));
        assert!(!replay.accept(u64::MAX));
        assert!(replay.accept(u64::MAX - 1));
        assert!(!replay.accept(8));
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_set_of_all_that_was_there(
            steps in prop::collection::vec((0_u64..3_000, any::<bool>()), 1..400),
        ) {
            let (mut replay, mut seen, mut base) = (Replay::new(), BTreeSet::new(), 0);
            for (step, is_far) in steps {
                let count = base + step;
                base += if is_far { step } else { 0 };
                let largest = seen.last().copied().unwrap_or(0);
                let is_in_time = count + REPLAY_WINDOW > largest;
                let expected = is_in_time && !seen.contains(&count);
                prop_assert_eq!(replay.accept(count), expected, "{} of {}", count, largest);
                seen.insert(count);
            }
        }
    }
}
