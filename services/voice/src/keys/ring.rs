//! [`KeyRing`]: the secrets of the epochs that one call knows.
//!
//! It has a place for each mark, taken when the ring is made, so that a new epoch never fails for want of memory.
//!
//! Invariant: it holds secrets of epochs that are known, and of no others.

use std::io;

use cluster_types::{Epoch, Rng};
use zeroize::Zeroize as _;

use super::SecretMemory;
use super::memory::{PIECE_BYTES, Piece};
use crate::epoch::Mark;
use crate::{Epochs, KeyEpoch};

/// Bytes of an epoch's secret.
pub const SECRET_BYTES: usize = 32;

const _: () = assert!(PIECE_BYTES == Mark::COUNT * SECRET_BYTES);

/// The secrets that the home of a call has made.
#[derive(Debug)]
pub struct KeyRing {
    /// Of the home: it has no secrets of others.
    term: Epoch,
    /// Of which epoch there is a secret at each mark.
    held: [Option<KeyEpoch>; Mark::COUNT],
    piece: Piece,
}

impl KeyRing {
    /// An empty one for a call whose home has this term.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new(memory: &SecretMemory, term: Epoch) -> io::Result<Self> {
        Ok(Self {
            term,
            held: [None; Mark::COUNT],
            piece: memory.piece()?,
        })
    }

    /// Overwrites the secrets of epochs that are known no more, and draws those of new ones. To be called with each
    /// new view of the call.
    pub fn follow(&mut self, epochs: &Epochs, rng: &Rng) {
        let Self { term, held, piece } = self;
        piece.with(|bytes| {
            let (places, _) = bytes.as_chunks_mut::<SECRET_BYTES>();
            for (held, place) in held.iter_mut().zip(places.iter_mut()) {
                if held
                    .take_if(|held| epochs.iter().all(|epoch| epoch != *held))
                    .is_some()
                {
                    place.zeroize();
                }
            }
            for epoch in epochs.iter().filter(|epoch| epoch.is_of(*term)) {
                let index = epoch.mark().index();
                if held[index].is_none() {
                    held[index] = Some(epoch);
                    rng.fill(&mut places[index]);
                }
            }
        });
    }

    /// Gives the secret of an epoch to `f`; `None` if the epoch is not known, or was made by an earlier home, which
    /// took its secret with it.
    pub fn with<T>(&self, epoch: KeyEpoch, f: impl FnOnce(&[u8; SECRET_BYTES]) -> T) -> Option<T> {
        let index = epoch.mark().index();
        if self.held[index] != Some(epoch) {
            return None;
        }
        Some(self.piece.with(|bytes| {
            let (places, _) = bytes.as_chunks::<SECRET_BYTES>();
            f(&places[index])
        }))
    }
}
