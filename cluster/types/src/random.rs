//! Chance, as an argument.
//!
//! [`Rng`] hands out random bytes: from the operating system in a server, from a seed in a test or a
//! simulation, which then runs the same way twice.
//!
//! Invariant: the server's generator has no state in this process. Nothing that reads its memory or
//! restores it from an image knows the tokens to come.
//!
//! A draw of 16 bytes is a system call, of about 500 ns; from a seed it takes 13 ns. What draws is what
//! costs a commit, a hash or a handshake all the same: ids of rooms and accounts, tokens, salts and nonces (those
//! of all messages in a commit at once), the jitter of a connection. Reading and delivering messages draws
//! nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::SysRng;
use rand::{Rng as _, SeedableRng as _, TryRng as _};
use rand_chacha::ChaCha20Rng;

/// 256 bits that are a secret: a token, an invitation, a link.
pub type SecretBytes = [u8; 32];

/// A source of random bytes. Clones are the same source.
#[derive(Clone)]
pub struct Rng(Source);

#[derive(Clone)]
enum Source {
    /// Each draw asks the operating system.
    Os,
    /// Clones share the state.
    Seeded(Arc<Mutex<ChaCha20Rng>>),
}

impl Rng {
    /// The operating system's generator, asked anew for each draw.
    ///
    /// # Panics
    /// If the operating system has no randomness to give: nothing can be safe then.
    pub fn from_os() -> Self {
        let rng = Self(Source::Os);
        // Waits until the system has gathered enough of it, if it has just been started.
        let [_] = rng.bytes();
        rng
    }

    /// The same bytes for the same seed. For tests and simulations only.
    pub fn seeded(seed: u64) -> Self {
        Self::of(ChaCha20Rng::seed_from_u64(seed))
    }

    /// The next `N` bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// Fills `bytes`, all of them in one draw.
    pub fn fill(&self, bytes: &mut [u8]) {
        match &self.0 {
            Source::Os => SysRng
                .try_fill_bytes(bytes)
                .expect("a system that has given randomness once goes on to"),
            Source::Seeded(rng) => rng.lock().fill_bytes(bytes),
        }
    }

    /// A number below `bound`; 0 if `bound` is 0. Off from even by less than `bound` / 2^64.
    pub fn below(&self, bound: u64) -> u64 {
        let drawn = match &self.0 {
            Source::Os => u64::from_le_bytes(self.bytes()),
            Source::Seeded(rng) => rng.lock().next_u64(),
        };
        let wide = u128::from(drawn) * u128::from(bound);
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

    /// A generator whose draws do not move those of this one: seeded from it, or the operating
    /// system's again.
    #[must_use]
    pub fn fork(&self) -> Self {
        match &self.0 {
            Source::Os => self.clone(),
            Source::Seeded(_) => Self::of(ChaCha20Rng::from_seed(self.bytes())),
        }
    }

    fn of(generator: ChaCha20Rng) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(generator))))
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
    fn the_operating_system_is_asked_each_time() {
        let rng = Rng::from_os();
        let copies = [rng.clone(), rng.fork()];
        for copy in &copies {
            assert!(matches!(copy.0, Source::Os), "no state of its own");
        }
        assert_ne!(rng.bytes::<32>(), rng.bytes::<32>());
        assert_ne!(copies[0].bytes::<32>(), copies[1].bytes::<32>());
    }

    #[test]
    fn a_fork_has_a_sequence_of_its_own() {
        let (a, b) = (Rng::seeded(1), Rng::seeded(1));
        let (of_a, of_b) = (a.fork(), b.fork());
        a.bytes::<32>();
        assert_eq!(of_a.bytes::<32>(), of_b.bytes::<32>());
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
