//! Chance, as an argument.
//!
//! [`Rng`] hands out random bytes: from the operating system in a server, from a seed in a test or a
//! simulation, which then runs the same way twice. ChaCha20 is a cryptographic generator, so both
//! kinds are fit for ids and tokens as far as their seed is secret.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::SysRng;
use rand::{Rng as _, SeedableRng as _, TryRng as _};
use rand_chacha::ChaCha20Rng;

/// 256 bits that are a secret: a token, an invitation, a link.
pub type SecretBytes = [u8; 32];

/// A source of random bytes. Clones share its state.
#[derive(Clone)]
pub struct Rng(Arc<Mutex<ChaCha20Rng>>);

impl Rng {
    /// Seeded once from the operating system.
    ///
    /// # Panics
    /// If the operating system has no randomness to give: nothing can be safe then.
    pub fn from_os() -> Self {
        let mut seed = [0; 32];
        SysRng
            .try_fill_bytes(&mut seed)
            .expect("the operating system gives randomness");
        Self(Arc::new(Mutex::new(ChaCha20Rng::from_seed(seed))))
    }

    /// The same bytes for the same seed. For tests and simulations only.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(ChaCha20Rng::seed_from_u64(seed))))
    }

    /// The next `N` bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.lock().fill_bytes(&mut bytes);
        bytes
    }

    /// A number below `bound`; 0 if `bound` is 0. Off from even by less than `bound` / 2^64.
    pub fn below(&self, bound: u64) -> u64 {
        let wide = u128::from(self.0.lock().next_u64()) * u128::from(bound);
        // The high half of a 64 x 64 bit product is below `bound`.
        (wide >> 64) as u64
    }

    /// True with a probability of `parts` in 1,000,000.
    pub fn one_in_million(&self, parts: u64) -> bool {
        self.below(1_000_000) < parts
    }

    /// A span between zero and `max`: full jitter, so that what failed together does not retry together.
    pub fn jitter(&self, max: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(max.as_micros()).unwrap_or(u64::MAX)))
    }

    /// A generator of its own, seeded from this one.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(ChaCha20Rng::from_seed(self.bytes()))))
    }
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rng")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let (a, b) = (Rng::seeded(1), Rng::seeded(1));
        assert_eq!(a.bytes::<32>(), b.bytes::<32>());
        assert_ne!(a.bytes::<32>(), Rng::seeded(2).bytes::<32>());
    }

    #[test]
    fn below_stays_below_and_reaches_everything() {
        let rng = Rng::seeded(3);
        let mut seen = [false; 5];
        for _ in 0..1_000 {
            seen[usize::try_from(rng.below(5)).expect("small")] = true;
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!(rng.below(0), 0);
    }
}
