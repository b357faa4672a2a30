//! Secrets of epochs, in memory alone; and the keys that follow from them.
//!
//! Invariant: a secret is in one place of this process ([`SecretMemory`]), which is no part of a core dump, is kept out of the
//! swap file where the system allows it, and is overwritten once its epoch is refused ([`KeyRing::follow`]).
//!
//! Leaves out: copies that are made to be sent. Whoever makes one overwrites it.

mod derive;
mod memory;
mod ring;
#[cfg(test)]
mod tests;

pub use derive::{BaseKey, Suite, base_key};
pub use memory::SecretMemory;
pub use ring::{KeyRing, SECRET_BYTES};
