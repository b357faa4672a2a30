//! What nodes ask each other, encoded and read.

use bytes::Bytes;
use cluster_types::RoomId;
use prost::Message as _;
use proto::cluster::v1;
use proto::cluster::v1::asked::Asked;
use services_rooms::wire::nodes;
use services_rooms::{Command, CommandError, Outcome};

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

pub(super) fn look() -> Bytes {
    asked(Asked::Look(v1::Look {}))
}

pub(super) fn look_at_sign_ins() -> Bytes {
    asked(Asked::LookAtSignIns(v1::LookAtSignIns {}))
}

pub(super) fn looked() -> Bytes {
    encoded(&v1::Looked {})
}
