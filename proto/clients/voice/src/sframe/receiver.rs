//! [`Receiver`]: what all others in a call say, opened frame by frame.
//!
//! Invariant: a frame is opened once, and only under the key of the place, the connection and the epoch that it
//! names. A key is derived when the first frame asks for it, once for each sender and epoch, and goes when its epoch or
//! its sender does.
//!
//! Leaves out what may be played: who is muted is dropped before it comes here.

use std::collections::BTreeMap;

use super::header::{Header, KeyId};
use super::key::Key;
use super::replay::Window;
use super::secret::EpochSecret;
use super::{NotLater, Suite, TAG_BYTES};
use crate::ids::{AccountId, Epoch, Nonce, RoomId, Slot, Speaker};
use crate::limits::{EPOCHS_HELD_MAX, SPEAKERS_KNOWN_MAX};

/// Opens the frames of all others in one call.
#[derive(Debug)]
pub struct Receiver {
    suite: Suite,
    room: RoomId,
    /// Oldest first, all within [`EPOCHS_HELD_MAX`] of the newest: so no two have the same last bits.
    epochs: Vec<Held>,
    /// The newest that was ever held: one that is forgotten stays so, with what was opened in it.
    latest: Option<Epoch>,
    speakers: BTreeMap<Slot, Known>,
}

/// A frame that was opened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Opened {
    /// Who said it.
    pub slot: Slot,
    /// In which epoch.
    pub epoch: Epoch,
    /// Its number among the frames of this connection.
    pub counter: u64,
    /// What was sealed.
    pub plain: Vec<u8>,
}

/// A frame was not opened. None of these says that the server or the sender did wrong: on a network anything comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OpenError {
    /// It has no header, or no room for a tag.
    #[error("the frame is not an SFrame ciphertext")]
    Malformed,
    /// Nobody is known to speak from there. Right after somebody came, word of it may be on its way.
    #[error("nobody is known at this slot")]
    UnknownSpeaker,
    /// No secret is held for its epoch.
    #[error("the epoch of the frame is not held")]
    UnknownEpoch,
    /// It was opened before, or is too old to tell.
    #[error("the frame came before")]
    Replayed,
    /// It is not what its sender sealed.
    #[error("the frame is not authentic")]
    Forged,
}

/// More places are in use than a call has.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("more speakers than a call has places")]
pub struct TooManySpeakers;

#[derive(Debug)]
struct Held {
    epoch: Epoch,
    secret: EpochSecret,
}

#[derive(Debug)]
struct Known {
    account: AccountId,
    nonce: Nonce,
    keys: Vec<Opening>,
}

/// A key of one sender, and what was opened with it.
#[derive(Debug)]
struct Opening {
    epoch: Epoch,
    key: Key,
    window: Window,
}

impl Receiver {
    /// A receiver that knows nobody and no secret yet.
    pub const fn new(suite: Suite, room: RoomId) -> Self {
        Self {
            suite,
            room,
            epochs: Vec::new(),
            latest: None,
            speakers: BTreeMap::new(),
        }
    }

    /// Takes the secret of a later epoch, and opens what is sealed in it from now on. The oldest epoch goes if there
    /// are too many.
    ///
    /// # Errors
    ///
    /// If the epoch is not later than all that were held. Nothing changes then.
    pub fn offer(&mut self, epoch: Epoch, secret: EpochSecret) -> Result<(), NotLater> {
        if self.latest.is_some_and(|latest| epoch <= latest) {
            return Err(NotLater);
        }
        self.latest = Some(epoch);
        self.epochs.push(Held { epoch, secret });
        let span = EPOCHS_HELD_MAX as u64 - 1;
        self.forget_before(Epoch(epoch.0.saturating_sub(span)));
        Ok(())
    }

    /// Forgets the epochs before this one: their secrets and keys are overwritten.
    pub fn forget_before(&mut self, epoch: Epoch) {
        self.epochs.retain(|held| held.epoch >= epoch);
        for known in self.speakers.values_mut() {
            known.keys.retain(|opening| opening.epoch >= epoch);
        }
    }

    /// The newest epoch that it was given.
    pub const fn latest(&self) -> Option<Epoch> {
        self.latest
    }

    /// Says who speaks from a place, and by which connection. The same again changes nothing; another one takes the
    /// place of the former with keys of its own.
    ///
    /// Gives whether it is another one.
    ///
    /// # Errors
    ///
    /// If more places are known than a call has.
    pub fn admit(
        &mut self,
        slot: Slot,
        account: AccountId,
        nonce: Nonce,
    ) -> Result<bool, TooManySpeakers> {
        let known = self.speakers.get(&slot);
        if known.is_some_and(|known| known.account == account && known.nonce == nonce) {
            return Ok(false);
        }
        if known.is_none() && self.speakers.len() >= SPEAKERS_KNOWN_MAX {
            return Err(TooManySpeakers);
        }
        let known = Known {
            account,
            nonce,
            keys: Vec::new(),
        };
        self.speakers.insert(slot, known);
        Ok(true)
    }

    /// Forgets who spoke from a place, and the keys. Who comes back does so by another connection, with another nonce.
    pub fn dismiss(&mut self, slot: Slot) {
        self.speakers.remove(&slot);
    }

    /// The places of all who are known.
    pub fn known(&self) -> impl Iterator<Item = Slot> {
        self.speakers.keys().copied()
    }

    /// Opens a frame.
    ///
    /// # Errors
    ///
    /// If it is not a frame of somebody who is known, in an epoch that is held, or came before. It has no
    /// effect then.
    pub fn open(&mut self, metadata: &[u8], frame: &[u8]) -> Result<Opened, OpenError> {
        let (header, header_len) = Header::read(frame).ok_or(OpenError::Malformed)?;
        let (header_bytes, sealed) = frame.split_at(header_len);
        if sealed.len() < TAG_BYTES {
            return Err(OpenError::Malformed);
        }
        let slot = header.key.slot().ok_or(OpenError::UnknownSpeaker)?;
        let (suite, room) = (self.suite, self.room);
        let known = self.speakers.get_mut(&slot);
        let known = known.ok_or(OpenError::UnknownSpeaker)?;
        let held = self.epochs.iter().find(|held| header.key.fits(held.epoch));
        let held = held.ok_or(OpenError::UnknownEpoch)?;
        let speaker = Speaker {
            room,
            slot,
            account: known.account,
            nonce: known.nonce,
        };
        let opening = known.opening(suite, &speaker, held);
        if !opening.window.is_new(header.counter) {
            return Err(OpenError::Replayed);
        }
        let plain = opening
            .key
            .open(header.counter, header_bytes, metadata, sealed)
            .map_err(|_| OpenError::Forged)?;
        opening.window.note(header.counter);
        Ok(Opened {
            slot,
            epoch: held.epoch,
            counter: header.counter,
            plain,
        })
    }
}

impl Known {
    /// The key of an epoch, derived if this is the first frame in it.
    fn opening(&mut self, suite: Suite, speaker: &Speaker, held: &Held) -> &mut Opening {
        let at = self.keys.iter().position(|key| key.epoch == held.epoch);
        let at = at.unwrap_or_else(|| {
            let base_key = held.secret.base_key(suite, held.epoch, speaker);
            let id = KeyId::of(speaker.slot, held.epoch);
            self.keys.push(Opening {
                epoch: held.epoch,
                key: Key::derive(suite, id, &base_key),
                window: Window::new(),
            });
            self.keys.len() - 1
        });
        &mut self.keys[at]
    }
}
