//! What nodes ask each other, encoded and read.

use bytes::Bytes;
use cluster_membership::Owner;
use cluster_types::{BootId, Epoch, Life, NodeId, RoomId, Shard};
use prost::Message as _;
use proto::cluster::v1;
use proto::cluster::v1::asked::Asked;
use services_rooms::wire::nodes;
use services_rooms::{Command, CommandError, HotRoom, Outcome};

use crate::Load;
use crate::limits::HOT_ROOMS;

fn asked(asked: Asked) -> Bytes {
    encoded(&v1::Asked { asked: Some(asked) })
}

fn encoded(message: &impl prost::Message) -> Bytes {
    message.encode_to_vec().into()
}

/// Reads what is asked. `None`: it is not understood.
pub(super) fn read(body: Bytes) -> Option<Asked> {
    v1::Asked::decode(body).ok()?.asked
}

pub(super) fn command(room: RoomId, command: &Command) -> Bytes {
    asked(Asked::Command(nodes::command(room, command)))
}

pub(super) fn answer(outcome: &Result<Outcome, CommandError>) -> Bytes {
    encoded(&nodes::answer(outcome))
}

/// Reads what came of a command. What is not understood says nothing about what happened.
pub(super) fn outcome(answer: Bytes) -> Result<Outcome, CommandError> {
    match v1::RoomAnswer::decode(answer) {
        Ok(answer) => nodes::read_answer(answer),
        Err(_) => Err(CommandError::OutcomeUnknown),
    }
}

pub(super) fn subscribe(rooms: v1::Subscribe) -> Bytes {
    asked(Asked::Subscribe(rooms))
}

pub(super) fn answer_subscribed(subscribed: &v1::Subscribed) -> Bytes {
    encoded(subscribed)
}

pub(super) fn subscribed(answer: Bytes) -> Option<v1::Subscribed> {
    v1::Subscribed::decode(answer).ok()
}

pub(super) fn handed(handed: &[(Shard, Owner)]) -> Bytes {
    let owner = |(shard, owner): &(Shard, Owner)| {
        let life = owner.life?;
        Some(v1::handed::Owner {
            shard: shard.number().into(),
            node_id: life.node.as_bytes().to_vec(),
            boot_id: life.boot.as_bytes().to_vec(),
            epoch: owner.epoch.0,
            pinned: owner.pin.is_some(),
        })
    };
    let owners = handed.iter().filter_map(owner).collect();
    asked(Asked::Handed(v1::Handed { owners }))
}

/// Reads what was handed over. What is not understood is left out.
pub(super) fn read_handed(handed: &v1::Handed) -> Vec<(Shard, Owner)> {
    let owner = |owner: &v1::handed::Owner| {
        let shard = Shard::try_from(u16::try_from(owner.shard).ok()?).ok()?;
        let life = Life {
            node: NodeId::try_from(&owner.node_id[..]).ok()?,
            boot: BootId::try_from(&owner.boot_id[..]).ok()?,
        };
        let handed = Owner {
            life: Some(life),
            epoch: Epoch(owner.epoch),
            pin: owner.pinned.then_some(life),
        };
        Some((shard, handed))
    };
    handed.owners.iter().filter_map(owner).collect()
}

pub(super) fn look_at_sign_ins() -> Bytes {
    asked(Asked::LookAtSignIns(v1::LookAtSignIns {}))
}

pub(super) fn look_at_load() -> Bytes {
    asked(Asked::LookAtLoad(v1::LookAtLoad {}))
}

pub(super) fn answer_load(load: &Load) -> Bytes {
    let hot = |hot: &HotRoom| v1::load::HotRoom {
        room_id: hot.room.as_bytes().to_vec(),
        events: hot.events,
    };
    encoded(&v1::Load {
        sessions: load.sessions,
        active_rooms: load.active_rooms,
        hottest_rooms: load.hottest.iter().map(hot).collect(),
    })
}

/// Reads what another node has to do. What is not understood is left out.
pub(super) fn load(answer: Bytes) -> Option<Load> {
    let load = v1::Load::decode(answer).ok()?;
    let hot = |hot: v1::load::HotRoom| {
        let room = RoomId::try_from(&hot.room_id[..]).ok()?;
        let events = hot.events;
        Some(HotRoom { room, events })
    };
    let hottest = load.hottest_rooms.into_iter().take(HOT_ROOMS);
    Some(Load {
        sessions: load.sessions,
        active_rooms: load.active_rooms,
        hottest: hottest.filter_map(hot).collect(),
    })
}

pub(super) fn looked() -> Bytes {
    encoded(&v1::Looked {})
}
