//! Every bound of the vault, with its reason.

use std::time::Duration;

/// Longest plaintext that is sealed in one piece. Sealed it is longer by
/// [`SEALED_BYTES_MORE`], and must fit a value of the store (100,000) with the rest of its row.
pub const PLAINTEXT_BYTES_MAX: usize = 96 * 1024;

/// What sealing adds: a byte of version, the nonce (12), the tag (16).
pub const SEALED_BYTES_MORE: usize = 1 + 12 + 16;

/// Texts that one key may seal. Nonces are drawn from 96 bits: after 2^32 of them two are equal with a
/// probability of 2^-33, the bound that NIST SP 800-38D sets. The key of a pair seals what one account says
/// in one room in at most a week, so an account would have to say [`MESSAGES_PER_SECOND_FASTEST`] a second.
/// The key of a room's fields has no period, and seals what changes in a room besides its messages.
pub const MESSAGES_PER_KEY_MAX: u64 = 1 << 32;

/// What an account would have to send, every second of a whole week and into one room, before
/// [`MESSAGES_PER_KEY_MAX`] is in sight. No pace that a server grants comes near.
pub const MESSAGES_PER_SECOND_FASTEST: u64 = 7_000;

const _: () = assert!(MESSAGES_PER_SECOND_FASTEST * 7 * 86_400 < MESSAGES_PER_KEY_MAX);

/// Data keys that are kept unwrapped. One costs about 150 bytes; they serve the derivation of pairs
/// whose other half is new, so fewer are needed than pairs.
pub const KEYS_CACHED_MAX: usize = 16_384;

/// Pairs that are kept with their key schedule. One costs about a kilobyte, so this is 32 MiB at worst:
/// every member who spoke lately in a thousand rooms of thirty. One that is missing costs a read of two
/// rows and two unwrappings.
pub const PAIRS_CACHED_MAX: usize = 32_768;

/// Sealers of fields that are kept with their key schedule: as many as people look at profiles of, at a
/// kilobyte each.
pub const SEALERS_CACHED_MAX: usize = 8_192;

/// How long an unwrapped key is used without a look at the store: for so long at most does another node open what
/// was sealed under a key that this one has destroyed. Ten minutes cost a KMS few calls.
pub const KEY_AGE_MAX: Duration = Duration::from_secs(600);

/// How often a data key is looked for again because the key-encryption key was changed meanwhile. Each
/// time a whole rotation must have happened in between.
pub const GENERATION_TRIES_MAX: u32 = 5;

/// Unwrappings that are asked of a KMS at once, for one page of messages: it answers in milliseconds,
/// and limits its callers.
pub const UNWRAPS_AT_ONCE_MAX: usize = 16;

/// Longest wrapped data key: those of KMS carry names and policies, and none known is near this.
pub const WRAPPED_BYTES_MAX: usize = 4_096;

/// Rows that one transaction of a rotation wraps anew: some ten kilobytes, so that the commit is as
/// small as that of a few messages.
pub const ROTATION_BATCH: usize = 64;

/// Pause after each of them. With the batch it allows at most 3,200 rows a second: a million keys take
/// five minutes, and the store is left to those who wait for it.
pub const ROTATION_PAUSE: Duration = Duration::from_millis(20);

/// Rows that are counted before a rotation to know its length. More are not counted: the progress has
/// no total then.
pub const ROTATION_COUNT_MAX: usize = 100_000;

/// Rows that one transaction of a destruction across rooms looks at and clears.
pub const DESTRUCTION_BATCH: usize = 256;

/// Pause after each of them, for the same reason as [`ROTATION_PAUSE`].
pub const DESTRUCTION_PAUSE: Duration = Duration::from_millis(20);

/// Longest key file that is read: some thousand generations. Whatever is longer is another file.
pub const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Memory of the derivation from a passphrase, in KiB. It happens once at a start, so it can cost what
/// nobody would wait for at a sign-in: guessing costs the same each time.
pub const PASSPHRASE_MEMORY_KIB: u32 = 256 * 1024;

/// Passes over that memory: about half a second on one core.
pub const PASSPHRASE_PASSES: u32 = 3;

/// Lanes of the derivation: one, since it runs on one thread.
pub const PASSPHRASE_LANES: u32 = 1;

/// The most memory that a stored derivation may ask for, in KiB: a damaged row must not end the process.
pub const PASSPHRASE_MEMORY_KIB_MAX: u32 = 4 * 1024 * 1024;

/// The most passes that a stored derivation may ask for.
pub const PASSPHRASE_PASSES_MAX: u32 = 64;

/// Shortest passphrase that a new deployment is sealed under. Somebody who has the store can try as fast
/// as his machines allow.
pub const PASSPHRASE_CHARACTERS_MIN: usize = 12;

/// Rows in one read of a walk that changes nothing: a tenth of a megabyte.
pub const ROTATION_WALK: usize = 1_000;
