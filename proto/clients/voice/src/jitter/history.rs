//! Whether the last frames came in time: tells one that is late from one that came twice.

use crate::limits::REMEMBERED_TURNS;

/// The last turns, the latest in the lowest bit.
#[derive(Debug)]
pub(super) struct History {
    came: u64,
    /// Turns that are remembered.
    known: u64,
}

/// What is known of a frame whose turn is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Behind {
    /// It was missing. Now it has come.
    Missed,
    /// It has been played, or was dropped.
    Played,
    /// Its turn is too long ago, or before all that was played.
    Forgotten,
}

impl History {
    pub(super) const fn new() -> Self {
        Self { came: 0, known: 0 }
    }

    /// Notes whether the frame came whose turn just ended.
    pub(super) fn push(&mut self, came: bool) {
        self.came = self.came << 1 | u64::from(came);
        self.known = (self.known + 1).min(REMEMBERED_TURNS);
    }

    /// A frame comes, `turns` (1 for the last one) after its own. From now on it has come.
    pub(super) fn came(&mut self, turns: u64) -> Behind {
        if turns == 0 || turns > self.known {
            return Behind::Forgotten;
        }
        let bit = 1 << (turns - 1);
        if self.came & bit != 0 {
            return Behind::Played;
        }
        self.came |= bit;
        Behind::Missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_late_once() {
        let mut history = History::new();
        for came in [true, false, true] {
            history.push(came);
        }
        assert_eq!(history.came(1), Behind::Played);
        assert_eq!(history.came(2), Behind::Missed);
        assert_eq!(history.came(2), Behind::Played, "it came");
        assert_eq!(history.came(4), Behind::Forgotten);
    }

    #[test]
    fn what_is_long_ago_is_forgotten() {
        let mut history = History::new();
        (0..REMEMBERED_TURNS + 5).for_each(|_| history.push(true));
        assert_eq!(history.came(REMEMBERED_TURNS), Behind::Played);
        assert_eq!(history.came(REMEMBERED_TURNS + 1), Behind::Forgotten);
    }
}
