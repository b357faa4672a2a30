//! [`Sender`]: what one connection says, sealed frame by frame.
//!
//! Invariant: the counter grows with each frame, also over a change of the epoch, and an epoch that is left does not
//! come back. So no key meets a number twice, as long as a connection has one sender and a nonce of its own.

use super::header::KeyId;
use super::key::Key;
use super::secret::EpochSecret;
use super::{NotLater, Suite};
use crate::ids::{Epoch, Slot, Speaker};
use crate::limits::FRAMES_PER_KEY_MAX;

/// Seals the frames of one connection.
#[derive(Debug)]
pub struct Sender {
    suite: Suite,
    speaker: Speaker,
    epoch: Epoch,
    key: Key,
    /// The number of the next frame.
    next: u64,
    /// Frames that this key may still seal.
    left: u64,
}

/// A frame was not sealed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SealError {
    /// The key has sealed as much as it may. The next epoch brings another one.
    #[error("the key of this epoch is used up")]
    UsedUp,
}

impl Sender {
    /// A sender for a new connection. Its nonce has to be one that no connection had before.
    pub fn new(suite: Suite, speaker: Speaker, epoch: Epoch, secret: &EpochSecret) -> Self {
        Self {
            suite,
            speaker,
            epoch,
            key: key(suite, &speaker, epoch, secret),
            next: 0,
            left: FRAMES_PER_KEY_MAX,
        }
    }

    /// The place that it speaks from.
    pub const fn slot(&self) -> Slot {
        self.speaker.slot
    }

    /// The epoch that it seals in.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Goes on in a later epoch. The key of the present one is overwritten.
    ///
    /// # Errors
    ///
    /// If the epoch is not later than the present one: its numbers may be taken.
    pub fn switch(&mut self, epoch: Epoch, secret: &EpochSecret) -> Result<(), NotLater> {
        if epoch <= self.epoch {
            return Err(NotLater);
        }
        self.key = key(self.suite, &self.speaker, epoch, secret);
        self.epoch = epoch;
        self.left = FRAMES_PER_KEY_MAX;
        Ok(())
    }

    /// Appends the sealed frame to `out`, and gives its number.
    ///
    /// # Errors
    ///
    /// If the key is used up; nothing is appended then.
    pub fn seal(
        &mut self,
        metadata: &[u8],
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<u64, SealError> {
        let counter = self.next;
        let next = counter.checked_add(1).ok_or(SealError::UsedUp)?;
        let left = self.left.checked_sub(1).ok_or(SealError::UsedUp)?;
        // First the number is taken, then it is used: what goes wrong in between costs a number, not a key.
        (self.next, self.left) = (next, left);
        self.key.seal(counter, metadata, plain, out);
        Ok(counter)
    }

    #[cfg(test)]
    pub(super) fn pretend(&mut self, next: u64, left: u64) {
        (self.next, self.left) = (next, left);
    }
}

fn key(suite: Suite, speaker: &Speaker, epoch: Epoch, secret: &EpochSecret) -> Key {
    let base_key = secret.base_key(suite, epoch, speaker);
    Key::derive(suite, KeyId::of(speaker.slot, epoch), &base_key)
}
