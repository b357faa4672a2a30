//! How long the server has for events that were missing and were asked for.
//!
//! Invariant: the time counts only while the program reads. Nothing is read from the stream while the
//! program is slow, so what is not there then may lie unread. Pure: time comes in as an argument.

use tokio::time::Instant;

use crate::limits;

/// The deadline of what was asked for last.
#[derive(Debug, Default)]
pub(super) struct Heal {
    by: Option<Instant>,
    /// Whether the program is slow.
    slow: bool,
}

impl Heal {
    /// Something was asked for.
    pub(super) fn asked(&mut self, now: Instant) {
        self.by = Some(now + limits::HEAL_DEADLINE);
    }

    /// Whether the program is slow now. When it is not any more, the server has all of the time again.
    pub(super) fn pace(&mut self, slow: bool, now: Instant) {
        if self.slow && !slow && self.by.is_some() {
            self.asked(now);
        }
        self.slow = slow;
    }

    /// When to see whether it has come; not while the program is slow.
    pub(super) fn due(&self) -> Option<Instant> {
        self.by.filter(|_| !self.slow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_missing_while_the_program_does_not_read() {
        let start = Instant::now();
        let mut heal = Heal::default();
        heal.pace(true, start);
        assert_eq!(heal.due(), None);
        heal.asked(start);
        assert_eq!(heal.due(), None, "it is slow");
        let later = start + limits::HEAL_DEADLINE * 3;
        heal.pace(false, later);
        assert_eq!(heal.due(), Some(later + limits::HEAL_DEADLINE));
    }

    #[test]
    fn a_program_that_reads_waits_no_longer_than_the_deadline() {
        let start = Instant::now();
        let mut heal = Heal::default();
        heal.asked(start);
        for part in 1..5 {
            heal.pace(false, start + limits::HEAL_DEADLINE * part / 5);
        }
        assert_eq!(heal.due(), Some(start + limits::HEAL_DEADLINE));
    }
}
