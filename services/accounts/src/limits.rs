//! Every bound of this crate, with its reason.

use std::time::Duration;

// --- Passwords -----------------------------------------------------------------------------------

/// Fewest characters of a password: what NIST asks for where a password is the only factor.
pub const PASSWORD_CHARS_MIN: usize = 15;

/// Most characters of a password, after NFC. Longer ones are refused and never cut. Enough for any
/// passphrase; a bound at all, so that nobody can send a megabyte to be normalised and hashed.
pub const PASSWORD_CHARS_MAX: usize = 128;

/// Most bytes of a password before NFC. 128 characters need 512 bytes at most once composed; sent
/// decomposed they may need a few times as many.
pub const PASSWORD_BYTES_MAX: usize = 2_048;

/// Most times that one character may stand in a row under the composed policy.
pub const REPEATS_IN_A_ROW_MAX: usize = 3;

/// One character may be at most this part of a password under the composed policy: a third.
pub const REPEATS_PART_MAX: usize = 3;

/// A user name shorter than this may be contained in a password: one or two letters turn up in any
/// long password by chance, and say nothing about it.
pub const USER_NAME_IN_PASSWORD_CHARS_MIN: usize = 3;

/// Digits and signs around a common password that count as decoration. More of them could carry
/// chance enough of their own.
pub const DECORATION_CHARS_MAX: usize = 10;

/// Shortest part that counts when a password is two common ones strung together.
pub const COMMON_PART_CHARS_MIN: usize = 4;

// --- Names ---------------------------------------------------------------------------------------

/// Most characters of a user name, a display name and a device label: one line in any list.
pub const NAME_CHARS_MAX: usize = 64;

/// Most characters of the note on an invitation: a sentence or two.
pub const NOTE_CHARS_MAX: usize = 200;

/// Most bytes of any of these texts as sent. A character has at most 4 bytes, and composing may take
/// several code points together; anything longer is refused before it is looked at.
pub const TEXT_BYTES_MAX: usize = 2_048;

// --- Hashing -------------------------------------------------------------------------------------

/// Memory of one password hash, in KiB: the least that OWASP asks for with two passes (19 MiB). So
/// memory for hashing is this times the permits of the pool.
pub const HASH_MEMORY_KIB: u32 = 19 * 1_024;

/// Passes over that memory.
pub const HASH_PASSES: u32 = 2;

/// Lanes. One: a hash occupies one core, and the pool decides how many cores there are.
pub const HASH_LANES: u32 = 1;

/// Hashes that may wait for a permit. At some 30 hashes a second and core this is about as much as
/// can be done within [`HASH_WAIT_MAX`] on the smallest machine; more would only wait to be refused.
pub const HASH_QUEUE_MAX: usize = 64;

/// How long a hash waits for a permit. People wait no longer before they try again themselves.
pub const HASH_WAIT_MAX: Duration = Duration::from_secs(2);

/// When to come back after the pool was full: by then the queue of that moment has been worked off.
pub const HASH_RETRY: Duration = Duration::from_secs(2);

// --- Sign-in limiter -----------------------------------------------------------------------------

/// Tries for one user name that are never delayed: a person with several passwords in mind, or ten
/// devices of one person at once.
pub const NAME_FREE_TRIES: u32 = 10;

/// Delay after the first try past the free ones. It doubles with each further one.
pub const NAME_DELAY_FIRST: Duration = Duration::from_secs(1);

/// The longest delay. There is no hard lock, or anybody could lock anybody out; at two tries a minute
/// a password of 15 characters is out of reach.
pub const NAME_DELAY_MAX: Duration = Duration::from_secs(30);

/// A user name without a try for this long starts anew.
pub const NAME_FORGET_AFTER: Duration = Duration::from_secs(15 * 60);

/// User names that the limiter remembers, at about 100 bytes each. Filling it takes as many failed
/// tries within [`NAME_FORGET_AFTER`]; then the ones that were tried the longest ago are forgotten.
pub const NAMES_MAX: usize = 65_536;

/// Tries of one address for one user name that the name's delay does not hold up: a person who
/// mistypes while somebody else polls the name. Few, since every address of an attacker has them too.
pub const OWN_TRIES: u32 = 5;

/// One more of an address's own tries comes back after each span of this: all of them within
/// [`NAME_FORGET_AFTER`].
pub const OWN_REFILL: Duration = Duration::from_secs(3 * 60);

/// Pairs of name and address that the limiter remembers, at about 50 bytes each; beyond, the ones that
/// have recovered most are forgotten. What an attacker with so many addresses gains by that is bounded
/// by [`BESIDE_BURST`].
pub const OWN_TRIES_MAX: usize = 65_536;

/// Tries for one user name that all addresses together have beside its delay: sixty addresses that use
/// up all of their own. Bounds what a swarm can guess; with as many addresses it could also keep the
/// hashing of a small machine busy, so nothing is lost by making the person wait as well.
pub const BESIDE_BURST: u32 = 60 * OWN_TRIES;

/// One more of these comes back after each span of this: what sixty addresses get back.
pub const BESIDE_REFILL: Duration = Duration::from_secs(3);

/// Failed tries from one address before it has to slow down: an office behind one address on a
/// Monday. Successful sign-ins do not count.
pub const PEER_BURST: u32 = 60;

/// One more try is allowed per address after each span of this.
pub const PEER_REFILL: Duration = Duration::from_secs(1);

/// Addresses that the limiter remembers, at about 50 bytes each; beyond, the ones that have recovered
/// most are forgotten.
pub const PEERS_MAX: usize = 65_536;

/// A full map forgets this part of its entries at once, so that the work is shared by many inserts.
pub const FORGET_PART: usize = 8;

// --- Sign-ins and tokens -------------------------------------------------------------------------

/// Whole days for which a token is good.
pub const TOKEN_DAYS: u32 = 1;

/// Whole days for which a token is good when the person wants to stay signed in.
pub const TOKEN_DAYS_KEPT: u32 = 90;

/// Sign-ins of one account. One more ends the one that would expire first, so that whoever has the
/// password cannot fill the store.
pub const SIGN_INS_MAX: usize = 100;

/// Callers remembered by their tokens, at about 150 bytes each. A further one costs a read.
pub const CALLERS_MAX: usize = 100_000;

/// How long a caller is remembered without a look at the store. Ending a sign-in clears it at once
/// on this node; this is the bound for whatever is not told to this node.
pub const CALLER_AGE_MAX: Duration = Duration::from_secs(60);

// --- Other nodes ---------------------------------------------------------------------------------

/// How often a node reads what others did to sign-ins. A read of an empty range, four times a second.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long one such look may take. A read that was lost costs the next look, and not the trust.
pub const LOOK_WITHIN: Duration = Duration::from_millis(300);

/// How long after the beginning of a look what is remembered counts. Less than the second that is promised;
/// enough for one look that fails.
pub const TRUSTED_FOR: Duration = Duration::from_millis(900);

/// Changes of sign-ins that are kept for other nodes, at some 80 bytes each. Who has missed more ends all its
/// streams, and a node that reads four times a second misses more only after it was cut off for long.
pub const CHANGES_KEPT: u64 = 4_096;

// --- Invitations ---------------------------------------------------------------------------------

/// Days for which an invitation is good unless said otherwise.
pub const INVITATION_DAYS: u32 = 7;

/// Most days for which an invitation can be good.
pub const INVITATION_DAYS_MAX: u32 = 90;

// --- Pages and scans -----------------------------------------------------------------------------

/// Sign-ins in a page unless said otherwise.
pub const SIGN_INS_PAGE: usize = 50;

/// Most sign-ins in a page: all that an account can have.
pub const SIGN_INS_PAGE_MAX: usize = SIGN_INS_MAX;

/// Accounts or invitations in a page unless said otherwise.
pub const LIST_PAGE: usize = 100;

/// Most accounts or invitations in a page: some 300 kB on the wire.
pub const LIST_PAGE_MAX: usize = 1_000;

/// Rows read at once when a whole table is walked. One transaction of the walk stays far below the
/// limits of the store.
pub const WALK_ROWS: usize = 1_000;

/// Profiles that can be asked for at once.
pub const PROFILES_MAX: usize = 1_000;
