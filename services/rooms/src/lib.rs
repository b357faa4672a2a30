//! Rooms: ordered, durable logs that people share, and who may read and write them.
//!
//! Owns: what happens in a room. Each room is an actor with three parts: `state` decides without I/O,
//! `store` knows the rows, `actor` drives them in the order prepare, durable write, commit, reply,
//! publish. [`Rooms`] is the handle: it finds or starts the actor of a room and reads the log.
//!
//! What is personal in a row is sealed with keys of a [`Vault`](services_vault::Vault), by `store`.
//!
//! Invariants: `seq` is dense from 1; an append is acknowledged after it is durable and happens once
//! per (account, client message id); the memory of an actor never disagrees with the store, because an
//! actor that cannot be sure dies and is rebuilt from it.
//!
//! Leaves out: who is signed in (`services-accounts`), who is connected and how events reach them
//! (`services-sessions`, behind [`Publisher`]), the bytes of files (`services-files`, behind [`Attachments`]).

mod actor;
mod attachments;
mod clearing;
mod command;
mod directory;
mod error;
pub mod grpc;
mod heat;
pub mod limits;
mod lobby;
mod model;
mod neighbours;
mod nodes;
mod publish;
mod reader;
mod state;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod upgrade;
pub mod wire;

pub use attachments::{AttachError, Attachment, Attachments, NoFiles, Unattachable, WhyNot};
pub use command::{Action, Command, Draft, Outcome};
pub use directory::{Dependencies, People, Rooms};
pub use error::{CommandError, FutureSeq, ReadError};
pub use heat::HotRoom;
pub use lobby::NewRoom;
pub use model::{
    ClientMessageId, Event, EventKind, Format, Kind, LinkHash, Member, MembershipChange,
    MembershipKind, Message, Mute, Priority, ReadMark, Role, RoomChange, RoomStanding, RoomView,
    ServerRoomView,
};
pub use nodes::{NoOtherNodes, OtherNodes};
pub use publish::{NobodyListens, Published, Publisher, Standing};
pub use reader::{Direction, EventPage, Start};
