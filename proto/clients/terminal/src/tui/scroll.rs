//! Where one looks in a list of things of different heights.
//!
//! Invariant: the place is held by what stands at the bottom edge, so nothing moves under the reader's
//! eyes when something comes in below. Pure: heights come in as a function.

/// Where one looks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Scroll {
    /// At the newest, whatever comes.
    #[default]
    Bottom,
    /// The entry at the bottom edge, and how many of its last lines lie below it.
    At {
        /// Which entry.
        seq: u64,
        /// Lines of it that lie below the edge.
        below: usize,
    },
}

/// The list, as far as scrolling needs it. Keys grow downward.
pub(crate) trait Stack {
    /// The key above this one; of the last entry for `None`.
    fn above(&self, key: Option<u64>) -> Option<u64>;
    /// The key below this one.
    fn below(&self, key: u64) -> Option<u64>;
    /// Lines of an entry, at least one.
    fn height(&self, key: u64) -> usize;
}

impl Scroll {
    /// Goes up by `lines` in a window of `window` lines; stops when the first entry is at the top.
    pub(crate) fn up(self, lines: usize, window: usize, stack: &impl Stack) -> Self {
        let Some((mut seq, mut below)) = self.edge(stack) else {
            return Self::Bottom;
        };
        below += lines;
        while below >= stack.height(seq) {
            let Some(above) = stack.above(Some(seq)) else {
                below = stack.height(seq) - 1;
                break;
            };
            below -= stack.height(seq);
            seq = above;
        }
        Self::At { seq, below }.filled(window, stack)
    }

    /// Goes down by `lines`.
    pub(crate) fn down(self, lines: usize, stack: &impl Stack) -> Self {
        let Self::At { mut seq, mut below } = self else {
            return self;
        };
        let mut lines = lines;
        while lines > below {
            let Some(next) = stack.below(seq) else {
                return Self::Bottom;
            };
            lines -= below;
            seq = next;
            below = stack.height(seq);
        }
        below -= lines;
        if below == 0 && stack.below(seq).is_none() {
            return Self::Bottom;
        }
        Self::At { seq, below }
    }

    /// Goes as far as it takes to have this entry in the window.
    pub(crate) fn to(self, key: u64, window: usize, stack: &impl Stack) -> Self {
        if self.shows(key, window, stack) {
            return self;
        }
        let Some((edge, _)) = self.edge(stack) else {
            return self;
        };
        if key > edge || (key == edge && matches!(self, Self::At { .. })) {
            let here = Self::At { seq: key, below: 0 };
            return if stack.below(key).is_none() {
                Self::Bottom
            } else {
                here
            };
        }
        // Its first line at the top.
        let below = stack.height(key).saturating_sub(window);
        let mut here = Self::At { seq: key, below };
        let room = window.saturating_sub(stack.height(key));
        if room > 0 {
            here = here.down(room, stack);
        }
        here
    }

    /// Whether an entry is in the window, with all of it or with as much as fits.
    pub(crate) fn shows(self, key: u64, window: usize, stack: &impl Stack) -> bool {
        let Some((edge, below)) = self.edge(stack) else {
            return false;
        };
        let seen = stack.height(edge) - below;
        if key == edge {
            return below == 0 || seen >= window;
        }
        let mut left = window.saturating_sub(seen);
        let mut seq = edge;
        while let Some(above) = stack.above(Some(seq)) {
            let height = stack.height(above);
            if left < height {
                return false;
            }
            if above == key {
                return true;
            }
            left -= height;
            seq = above;
        }
        false
    }

    /// Lines between the top of the window and the first entry, counted up to `enough`.
    pub(crate) fn lines_above(self, window: usize, enough: usize, stack: &impl Stack) -> usize {
        let Some((mut seq, below)) = self.edge(stack) else {
            return 0;
        };
        let mut lines = stack.height(seq).saturating_sub(below);
        while lines < window + enough {
            let Some(above) = stack.above(Some(seq)) else {
                break;
            };
            seq = above;
            lines += stack.height(seq);
        }
        lines.saturating_sub(window)
    }

    /// The entry at the bottom edge.
    pub(crate) fn edge(self, stack: &impl Stack) -> Option<(u64, usize)> {
        match self {
            Self::Bottom => stack.above(None).map(|seq| (seq, 0)),
            Self::At { seq, below } => Some((seq, below)),
        }
    }

    /// Comes down until the window is full, if it is not.
    fn filled(self, window: usize, stack: &impl Stack) -> Self {
        let Some((mut seq, below)) = self.edge(stack) else {
            return self;
        };
        let mut lines = stack.height(seq).saturating_sub(below);
        while lines < window {
            let Some(above) = stack.above(Some(seq)) else {
                return self.down(window - lines, stack);
            };
            seq = above;
            lines += stack.height(seq);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries 1, 2, ... of these heights.
    struct Heights(Vec<usize>);

    impl Stack for Heights {
        fn above(&self, key: Option<u64>) -> Option<u64> {
            match key {
                None => (!self.0.is_empty()).then_some(self.0.len() as u64),
                Some(key) => (key > 1).then(|| key - 1),
            }
        }

        fn below(&self, key: u64) -> Option<u64> {
            (key < self.0.len() as u64).then_some(key + 1)
        }

        fn height(&self, key: u64) -> usize {
            self.0[usize::try_from(key).expect("small") - 1]
        }
    }

    const fn at(seq: u64, below: usize) -> Scroll {
        Scroll::At { seq, below }
    }

    fn five() -> Heights {
        Heights(vec![2, 3, 1, 4, 2])
    }

    #[test]
    fn up_and_down_are_opposites() {
        let stack = five();
        let up = Scroll::Bottom.up(3, 4, &stack);
        assert_eq!(up, at(4, 1));
        assert_eq!(up.up(4, 4, &stack), at(2, 0));
        assert_eq!(at(2, 0).down(4, &stack), at(4, 1));
        assert_eq!(up.down(3, &stack), Scroll::Bottom);
        assert_eq!(Scroll::Bottom.down(9, &stack), Scroll::Bottom);
    }

    #[test]
    fn the_first_entry_stops_at_the_top() {
        let stack = five();
        assert_eq!(Scroll::Bottom.up(100, 4, &stack), at(2, 1));
        assert_eq!(Scroll::Bottom.up(1, 100, &stack), Scroll::Bottom);
        assert_eq!(
            Scroll::Bottom.up(5, 4, &Heights(Vec::new())),
            Scroll::Bottom
        );
    }

    #[test]
    fn the_lines_that_are_left_above_are_counted() {
        let stack = five();
        assert_eq!(Scroll::Bottom.lines_above(4, 100, &stack), 8);
        assert_eq!(at(2, 1).lines_above(4, 100, &stack), 0);
        assert!(Scroll::Bottom.lines_above(4, 2, &stack) >= 2);
    }

    #[test]
    fn an_entry_is_brought_into_the_window() {
        let stack = five();
        assert_eq!(
            Scroll::Bottom.to(4, 6, &stack),
            Scroll::Bottom,
            "it is there"
        );
        let up = Scroll::Bottom.to(2, 4, &stack);
        assert!(up.shows(2, 4, &stack), "{up:?}");
        assert_eq!(up, at(3, 0));
        assert!(up.to(5, 4, &stack) == Scroll::Bottom);
        assert!(up.to(4, 4, &stack).shows(4, 4, &stack));
        let all: Vec<Scroll> = (1..=5).map(|key| up.to(key, 5, &stack)).collect();
        for (key, scroll) in (1..=5).zip(all) {
            assert!(scroll.shows(key, 5, &stack), "{key} {scroll:?}");
        }
    }
}
