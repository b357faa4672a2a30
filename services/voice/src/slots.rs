//! Slots: the numbers by which datagrams say who speaks; and which of them are free.
//!
//! A slot is a participant's for as long as it has a place in the call. Then it **rests** until frames under every epoch
//! that its owner has known are refused everywhere. So no frame of a former owner is ever taken for one of the
//! next, and no key of the one is tried for the other.
//!
//! Invariant: the lowest free slot is given first, so that tables by slot are as long as the call is large.
//!
//! Leaves out: whose a slot is.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;

use crate::KeyEpoch;
use crate::limits::SLOTS;

const WORDS: usize = (SLOTS as usize).div_ceil(64);

/// A place in a call, below [`SLOTS`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Slot(u16);

/// A number that is no slot's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a slot: 0 to {} are", SLOTS - 1)]
pub struct InvalidSlot;

/// A set of slots.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SlotSet([u64; WORDS]);

/// Which slots of a call are free.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Slots {
    /// Those that somebody has, and those that rest.
    used: SlotSet,
    /// Those that rest, and the newest epoch that their owners knew. In the order of those.
    resting: VecDeque<(KeyEpoch, Slot)>,
}

impl Slot {
    /// Its number.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Its place in a list by slots.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Where it is in a set: which word, which bit.
    fn bit(self) -> (usize, u64) {
        (self.index() / 64, 1 << (self.index() % 64))
    }
}

impl TryFrom<u16> for Slot {
    type Error = InvalidSlot;

    fn try_from(number: u16) -> Result<Self, InvalidSlot> {
        (number < SLOTS).then_some(Self(number)).ok_or(InvalidSlot)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl SlotSet {
    /// No slot.
    pub const EMPTY: Self = Self([0; WORDS]);

    /// The slots whose bits are set, 64 to a word.
    pub fn of_words(words: impl IntoIterator<Item = u64>) -> Self {
        let mut set = Self::EMPTY;
        for (word, bits) in set.0.iter_mut().zip(words) {
            *word = bits;
        }
        set
    }

    /// Whether a slot is in it.
    pub fn contains(&self, slot: Slot) -> bool {
        let (word, bit) = slot.bit();
        self.0[word] & bit != 0
    }

    /// Adds a slot.
    pub fn insert(&mut self, slot: Slot) {
        let (word, bit) = slot.bit();
        self.0[word] |= bit;
    }

    /// Takes a slot out.
    pub fn remove(&mut self, slot: Slot) {
        let (word, bit) = slot.bit();
        self.0[word] &= !bit;
    }

    /// Those that are in either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self::of_words(self.0.iter().zip(other.0).map(|(one, other)| one | other))
    }

    /// Those that are not in the other.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self::of_words(self.0.iter().zip(other.0).map(|(one, other)| one & !other))
    }

    /// All slots in it, in order.
    pub fn iter(&self) -> impl Iterator<Item = Slot> {
        (0..SLOTS).map(Slot).filter(|slot| self.contains(*slot))
    }

    /// The first slot that is not in it.
    fn first_missing(&self) -> Option<Slot> {
        let word = self.0.iter().position(|word| *word != u64::MAX)?;
        let number = word * 64 + self.0[word].trailing_ones() as usize;
        Slot::try_from(u16::try_from(number).ok()?).ok()
    }
}

impl Default for Slots {
    fn default() -> Self {
        Self::new()
    }
}

impl Slots {
    /// All of them are free.
    pub const fn new() -> Self {
        Self {
            used: SlotSet::EMPTY,
            resting: VecDeque::new(),
        }
    }

    /// The slot that the next one gets.
    pub fn free(&self) -> Option<Slot> {
        self.used.first_missing()
    }

    /// Whether nobody has it, and it does not rest.
    pub fn is_free(&self, slot: Slot) -> bool {
        !self.used.contains(slot)
    }

    /// Gives a slot to somebody.
    pub fn take(&mut self, slot: Slot) {
        debug_assert!(self.is_free(slot), "slot {slot} has an owner or rests");
        self.used.insert(slot);
    }

    /// Its owner has left, who knew the secrets of epochs up to `known`.
    pub fn rest(&mut self, slot: Slot, known: KeyEpoch) {
        debug_assert!(!self.is_free(slot), "slot {slot} has no owner");
        let last = self.resting.back();
        debug_assert!(last.is_none_or(|(epoch, _)| *epoch <= known));
        self.resting.push_back((known, slot));
    }

    /// Frames under epochs before `oldest` are refused now.
    pub fn wake(&mut self, oldest: KeyEpoch) {
        while let Some((known, slot)) = self.resting.front().copied()
            && known < oldest
        {
            self.used.remove(slot);
            self.resting.pop_front();
        }
    }
}
