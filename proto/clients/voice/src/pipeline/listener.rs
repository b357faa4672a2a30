//! [`Listener`]: all voices of a call on their way to the ear.
//!
//! Invariant: a datagram that is not an authentic new frame of somebody who is known changes a counter and nothing
//! else. There are never more than [`VOICES_MAX`] decoders; who speaks takes the place of who has been silent longest.

use std::collections::BTreeMap;
use std::time::Duration;

use super::head::Head;
use super::mixer::Mixer;
use super::voice::{Statistics, Voice};
use crate::frame::Frame;
use crate::ids::{AccountId, Epoch, Nonce, Slot};
use crate::limits::{DATAGRAM_BYTES_MAX, VOICE_KEPT, VOICES_MAX};
use crate::opus::is_one_frame;
use crate::sframe::{EpochSecret, Header, NotLater, OpenError, Receiver, TooManySpeakers};

/// Opens, orders, decodes and mixes what all others say. Whoever is deafened does not ask it.
#[derive(Debug)]
pub struct Listener {
    receiver: Receiver,
    voices: BTreeMap<Slot, Voice>,
    mixer: Mixer,
    refused: RefusedCounts,
    /// Of voices that gave up their place.
    gone: Statistics,
}

/// Why a datagram was not heard.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// It is no datagram of sound.
    #[error("the datagram is not a frame of sound")]
    Malformed,
    /// Its head names another speaker than its key.
    #[error("the datagram says that somebody else spoke")]
    WrongSlot,
    /// Nobody is known to speak from there.
    #[error("nobody is known at this slot")]
    UnknownSpeaker,
    /// No secret is held for its epoch.
    #[error("the epoch of the frame is not held")]
    UnknownEpoch,
    /// It came before.
    #[error("the frame came before")]
    Replayed,
    /// It was changed on its way, or made by somebody else.
    #[error("the frame is not authentic")]
    Forged,
    /// It is authentic, and not 20 ms of Opus.
    #[error("the frame is not 20 ms of Opus")]
    Undecodable,
    /// More people speak than are decoded.
    #[error("too many people speak")]
    Crowded,
}

/// How many datagrams were not heard, by the reason.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RefusedCounts {
    /// [`Refused::Malformed`].
    pub malformed: u64,
    /// [`Refused::WrongSlot`].
    pub wrong_slot: u64,
    /// [`Refused::UnknownSpeaker`].
    pub unknown_speaker: u64,
    /// [`Refused::UnknownEpoch`].
    pub unknown_epoch: u64,
    /// [`Refused::Replayed`].
    pub replayed: u64,
    /// [`Refused::Forged`].
    pub forged: u64,
    /// [`Refused::Undecodable`].
    pub undecodable: u64,
    /// [`Refused::Crowded`].
    pub crowded: u64,
}

impl Listener {
    /// A listener that opens with `receiver`.
    pub const fn new(receiver: Receiver) -> Self {
        Self {
            receiver,
            voices: BTreeMap::new(),
            mixer: Mixer::new(),
            refused: RefusedCounts {
                malformed: 0,
                wrong_slot: 0,
                unknown_speaker: 0,
                unknown_epoch: 0,
                replayed: 0,
                forged: 0,
                undecodable: 0,
                crowded: 0,
            },
            gone: Statistics {
                received: 0,
                played: 0,
                lost: 0,
                late: 0,
                dropped: 0,
                concealed: 0,
                recovered: 0,
                undecodable: 0,
                jitter: Duration::ZERO,
                delay: Duration::ZERO,
            },
        }
    }

    /// Takes the secret of a later epoch, see [`Receiver::offer`].
    ///
    /// # Errors
    ///
    /// If the epoch is not later than all that are held.
    pub fn offer(&mut self, epoch: Epoch, secret: EpochSecret) -> Result<(), NotLater> {
        self.receiver.offer(epoch, secret)
    }

    /// Forgets the epochs before this one.
    pub fn forget_before(&mut self, epoch: Epoch) {
        self.receiver.forget_before(epoch);
    }

    /// Says who speaks from a place, and by which connection. Another one than before begins with a voice of its own.
    ///
    /// # Errors
    ///
    /// If more places are known than a call has.
    pub fn admit(
        &mut self,
        slot: Slot,
        account: AccountId,
        nonce: Nonce,
    ) -> Result<(), TooManySpeakers> {
        if self.receiver.admit(slot, account, nonce)? {
            self.silence(slot);
        }
        Ok(())
    }

    /// Forgets who spoke from a place: what waits of it is not played.
    pub fn dismiss(&mut self, slot: Slot) {
        self.receiver.dismiss(slot);
        self.silence(slot);
    }

    /// Takes a datagram that came at `now`, and says who spoke.
    ///
    /// # Errors
    ///
    /// If it is not heard; that is counted as well, and nothing to act on.
    pub fn hear(&mut self, now: Duration, datagram: &[u8]) -> Result<Slot, Refused> {
        let heard = self.take(now, datagram);
        if let Err(reason) = heard {
            *self.refused.of(reason) += 1;
        }
        heard
    }

    /// The next 20 ms of all voices. To be asked each 20 ms.
    pub fn mix(&mut self, now: Duration) -> Frame {
        let voices = self.voices.values_mut();
        let frames: Vec<Frame> = voices.filter_map(|voice| voice.turn(now)).collect();
        self.mixer.mix(frames.iter())
    }

    /// What was heard of a speaker, while it has a voice.
    pub fn statistics(&self, slot: Slot) -> Option<Statistics> {
        self.voices.get(&slot).map(Voice::statistics)
    }

    /// All who have a voice, and what was heard of them.
    pub fn speakers(&self) -> impl Iterator<Item = (Slot, Statistics)> {
        let voices = self.voices.iter();
        voices.map(|(slot, voice)| (*slot, voice.statistics()))
    }

    /// What was heard of all together, also of those who are gone.
    pub fn total(&self) -> Statistics {
        let mut total = self.gone;
        for voice in self.voices.values() {
            total.add(&voice.statistics());
        }
        total
    }

    /// What was not heard.
    pub const fn refused(&self) -> RefusedCounts {
        self.refused
    }

    fn take(&mut self, now: Duration, datagram: &[u8]) -> Result<Slot, Refused> {
        if datagram.len() > DATAGRAM_BYTES_MAX {
            return Err(Refused::Malformed);
        }
        let (head, frame) = Head::read(datagram).ok_or(Refused::Malformed)?;
        let (header, _) = Header::read(frame).ok_or(Refused::Malformed)?;
        if header.key.slot() != Some(head.slot) {
            return Err(Refused::WrongSlot);
        }
        let opened = self.receiver.open(&head.encode(), frame)?;
        if !is_one_frame(&opened.plain) {
            return Err(Refused::Undecodable);
        }
        let voice = self.voice(now, head.slot).ok_or(Refused::Crowded)?;
        voice.insert(now, opened.counter, head.level, opened.plain);
        Ok(head.slot)
    }

    /// The voice of a speaker, if there is one or a place for one.
    fn voice(&mut self, now: Duration, slot: Slot) -> Option<&mut Voice> {
        if !self.voices.contains_key(&slot) && self.voices.len() >= VOICES_MAX {
            let silent = self.voices.iter();
            let silent = silent.filter_map(|(slot, voice)| Some((voice.silent_since()?, *slot)));
            let (since, longest) = silent.min()?;
            if now.saturating_sub(since) < VOICE_KEPT {
                return None;
            }
            self.silence(longest);
        }
        Some(self.voices.entry(slot).or_insert_with(|| Voice::new(now)))
    }

    fn silence(&mut self, slot: Slot) {
        if let Some(voice) = self.voices.remove(&slot) {
            let mut last = voice.statistics();
            // These are of the moment, and the moment is over.
            (last.jitter, last.delay) = (Duration::ZERO, Duration::ZERO);
            self.gone.add(&last);
        }
    }
}

impl From<OpenError> for Refused {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Malformed => Self::Malformed,
            OpenError::UnknownSpeaker => Self::UnknownSpeaker,
            OpenError::UnknownEpoch => Self::UnknownEpoch,
            OpenError::Replayed => Self::Replayed,
            OpenError::Forged => Self::Forged,
        }
    }
}

impl RefusedCounts {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.malformed
            + self.wrong_slot
            + self.unknown_speaker
            + self.unknown_epoch
            + self.replayed
            + self.forged
            + self.undecodable
            + self.crowded
    }

    const fn of(&mut self, reason: Refused) -> &mut u64 {
        match reason {
            Refused::Malformed => &mut self.malformed,
            Refused::WrongSlot => &mut self.wrong_slot,
            Refused::UnknownSpeaker => &mut self.unknown_speaker,
            Refused::UnknownEpoch => &mut self.unknown_epoch,
            Refused::Replayed => &mut self.replayed,
            Refused::Forged => &mut self.forged,
            Refused::Undecodable => &mut self.undecodable,
            Refused::Crowded => &mut self.crowded,
        }
    }
}
