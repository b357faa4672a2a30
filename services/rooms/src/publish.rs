//! [`Publisher`]: where a room's events go once they are durable.
//!
//! Calls come from the room's actor, one after the other in the order of `seq`, and must not wait: a
//! publisher that has too much to do forgets events, and its readers find the gap by `seq` and read
//! the log.
//!
//! An event may come twice, and older ones than it may not have come at all: after an actor has died
//! its successor tells the newest event, since nobody knows what was told. A reader ignores what it
//! has.

use std::fmt;

use bytes::Bytes;
use cluster_types::{AccountId, RoomId, Seq};

use crate::{Priority, ReadMark};

/// A change of somebody's standing, for those who deliver.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// From this event on, the account is a member.
    Gained(AccountId),
    /// This event is the last that the account may see; it does not get this one either.
    Lost(AccountId),
}

/// One durable event, encoded once for everybody.
#[derive(Clone, Debug)]
pub struct Published {
    /// Which room.
    pub room: RoomId,
    /// Its place in the log.
    pub seq: Seq,
    /// Messages up to here.
    pub message_count: u64,
    /// Who caused it.
    pub actor: AccountId,
    /// Of a message: how loud it is. `None`: not a message, and nobody has to read it.
    pub priority: Option<Priority>,
    /// Who came or went by it. If the event comes a second time: who may have.
    pub standing: Option<Standing>,
    /// An encoded `ServerFrame` that holds the event.
    pub frame: Bytes,
}

/// Delivers events to whoever is connected.
pub trait Publisher: fmt::Debug + Send + Sync + 'static {
    /// An event has become durable.
    fn event(&self, published: Published);

    /// An account is a member of a room from its start on.
    fn gained(&self, room: RoomId, account: AccountId);

    /// A room is no more.
    fn deleted(&self, room: RoomId);

    /// A member has read up to a mark.
    fn read(&self, room: RoomId, account: AccountId, mark: ReadMark);

    /// A member writes.
    fn typing(&self, room: RoomId, account: AccountId);
}

/// A publisher without readers, for tests and tools.
#[derive(Clone, Copy, Debug, Default)]
pub struct NobodyListens;

impl Publisher for NobodyListens {
    fn event(&self, _: Published) {}
    fn gained(&self, _: RoomId, _: AccountId) {}
    fn deleted(&self, _: RoomId) {}
    fn read(&self, _: RoomId, _: AccountId, _: ReadMark) {}
    fn typing(&self, _: RoomId, _: AccountId) {}
}
