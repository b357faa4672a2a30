//! Files that people send: they come in piece by piece, lie sealed in an object store, and go with the last
//! message that carries them.
//!
//! Owns: uploads and how they resume ([`Writer`]), reading ([`Reader`]), copies of what lies there
//! ([`SealedFiles`]), the encryption of what lies in the object store, quotas, the removal of what nobody needs
//! ([`Files::sweep`]), and the Files service ([`Transfers`]).
//!
//! ```text
//! start ──► Upload row ── Writer ── segment, sealed ── object `{file}/{segment}`
//!              │ finish                                     │
//!           descriptor (key, name, hash) ──► whoever sends a message seals it there
//!              │ take, in the transaction of the message    │
//!           File row, uses 1 ── release, with the message ──┴─► FileRemoval row ── sweep
//! ```
//!
//! Invariants:
//! - **Bytes are encrypted before they leave the process**, under a random key of the file alone, and lie
//!   under a random id. Name, type and key lie sealed in the upload's row until a message has them.
//! - **A row says that an object may be there before it is, and until it is not.** An object without a row
//!   is nobody's, and is swept.
//! - **What [`Upload::received`] counts is durable**: the object was synced before the row was.
//! - **A file is taken by one message, in that message's transaction**, and a quota is exact: it changes in
//!   the transactions that change what it counts, and bytes count until they are gone.
//! - **Objects belong to one store**: beside them lies its id, and nothing is put or removed where another one lies,
//!   or none.
//!
//! Leaves out: who may send into a room or read from it, and messages (`services/rooms`, behind [`Carriers`]).
//! Two nodes that are sent one upload at a time are told apart by its row; see [`Writer`] for what is left.

mod cipher;
mod descriptor;
mod error;
mod files;
mod finish;
mod grpc;
mod kind;
mod layout;
pub mod limits;
mod memory;
mod neighbours;
mod objects;
mod place;
mod reader;
mod sealed;
mod store;
mod sweep;
mod taken;
#[cfg(test)]
mod tests;
mod transfers;
mod uploads;
mod wire;
mod writer;

pub use descriptor::{Descriptor, FileName, InvalidFileName};
pub use error::{FinishError, ReadError, StartError, TakeError, WriteError};
pub use files::{Files, NewUpload, Parts, Policy, RequestId, Upload};
pub use neighbours::{Carriers, Pace, Refused, SignIns};
pub use objects::is_object_name;
pub use place::PlaceError;
pub use reader::Reader;
pub use sealed::{SealedFiles, SealedWriter};
pub use sweep::{People, Swept};
pub use transfers::{Dependencies, TransferError, Transfers};
pub use writer::Writer;
