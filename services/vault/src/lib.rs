//! The vault: keys that seal what is stored, so that a disk or a backup tells nothing, and so that what
//! is to be forgotten can be made unreadable at once.
//!
//! ```text
//! key-encryption key, generation g     a file, a passphrase or a KMS; never in the store
//!   wraps  a key per account and month ─┐
//!          a key per room and week ─────┴─► the key of a message (Pair), by HKDF of both
//!          a key per account ─────────────► its fields (Sealer): profile, e-mail
//!          a key per room ────────────────► its fields: name, topic
//!          two keys of the server ────────► its fields: invitations; look-ups by HMAC (Lookups)
//! ```
//!
//! Invariants:
//! - **What was changed, moved or sealed under another key does not open.** A message is bound to its
//!   room, place, author and schema, a field to its row and name, a wrapped key to its row and generation.
//! - **Destroying one of a message's two keys makes it unreadable**, for this process when the call
//!   returns, for another node of a cluster [`KEY_AGE_MAX`](limits::KEY_AGE_MAX) later. Copies of wrapped keys elsewhere become useless with the next rotation.
//! - **There is never more than one key for one name**, whatever commits are unknown.
//! - **A vault opens with the right key or not at all**: a known value, sealed under each generation in
//!   use, is checked at the start.
//! - **No key is printed, logged or part of an error**, and each is overwritten when it is dropped.
//!
//! What is sealed can be read by whoever has the key-encryption key and the store, so by whoever holds a
//! running server. Sealing stands against thieves of disks and backups.
//!
//! Leaves out: which fields are sealed (accounts, rooms), and when keys are destroyed (retention and erasure).
//!
//! ```
//! use cluster_store::{Simulated, Store};
//! use cluster_types::{AccountId, DeploymentId, RoomId, Rng, Seq, UnixMillis};
//! use services_vault::{KeySource, MessageAad, Parts, Vault};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let rng = Rng::from_os();
//! let vault = Vault::open(Parts {
//!     store: Store::new(Simulated::reliable()),
//!     deployment: DeploymentId::random(&rng),
//!     source: KeySource::file(folder.path().join("rookery.keys")),
//!     rng: rng.clone(),
//! })
//! .await?;
//!
//! let (author, room) = (AccountId::random(&rng), RoomId::random(&rng));
//! let aad = MessageAad { room, seq: Seq(1), author, schema: 1 };
//! let pair = vault.sealing_pair(author, room, UnixMillis(1_800_000_000_000)).await?;
//! let sealed = pair.seal(&mut vault.nonces(1), &aad, b"hello")?;
//! assert_eq!(pair.open(&aad, &sealed)?, b"hello");
//! # Ok(())
//! # }
//! ```

mod cache;
mod cipher;
mod destroy;
mod error;
mod keyring;
pub mod limits;
mod lookup;
mod name;
mod open;
mod pair;
mod rotate;
mod sealer;
mod secret;
mod source;
mod store;
mod vault;

pub use cipher::{Broken, Nonces, TooLong};
pub use error::{OpenError, RotateError, VaultError};
pub use lookup::{LookupDomain, Lookups};
pub use name::PairName;
pub use open::Parts;
pub use pair::{MessageAad, Pair};
pub use rotate::{Rotated, Rotation};
pub use sealer::{FieldAad, Sealer};
pub use secret::{Generation, KEY_BYTES, KeyBytes};
pub use source::{
    KeyFile, KeySource, Kms, KmsError, MemoryKms, OldGenerations, Passphrase, PassphraseCost,
    SourceKind,
};
pub use vault::Vault;
