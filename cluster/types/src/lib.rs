//! The nouns that every crate shares: ids, sequence numbers, error codes, and the two things that
//! nobody may take from the environment by themselves, time and chance.
//!
//! Owns: the text and byte forms of ids, the closed list of outcomes that a caller can tell apart
//! ([`ErrorCode`]), [`Clock`] and [`Rng`], and [`PeerAddr`], an address that cannot be printed.
//!
//! Invariant: nothing here does I/O or needs a runtime.
//!
//! Leaves out: the rules of messaging, the layout of rows (`cluster-store`) and gRPC (`cluster-rpc`).

mod calendar;
mod caller;
mod clock;
mod error;
mod id;
mod line;
mod peer;
mod random;
mod shard;

pub use calendar::{Month, Week};
pub use caller::Caller;
pub use clock::{Clock, Day, ManualClock, SystemClock, UnixMillis};
pub use error::{Coded, ErrorCode, FieldViolation};
pub use id::{
    AccountId, BootId, DeploymentId, FileId, InvalidId, InvitationId, LogId, NodeId, RoomId, Seq,
    SignInId,
};
pub use line::{is_one_line, is_visible};
pub use peer::PeerAddr;
pub use random::{Rng, SecretBytes};
pub use shard::{Epoch, InvalidShard, Life, SHARDS, Shard};
