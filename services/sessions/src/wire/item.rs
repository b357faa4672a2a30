//! What a client is sent, encoded. Nothing is checked on the way out.

use std::time::Duration;

use cluster_rpc::{name, time};
use cluster_types::{AccountId, LogId, RoomId, Seq};
use proto::v1;
use proto::v1::reply::Result as Sent;
use proto::v1::server_item::Item;
use services_rooms::{Event, Priority, wire};

use super::frame::Frame;
use crate::command::{Act, Answer, Answered};
use crate::presence;
use crate::session::SessionId;

/// Why the server ends a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reason {
    Draining,
    SignedOut,
    /// The connection has to go; the node stays.
    Aged,
    Fault,
}

/// What a client is told of a room that it does not follow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Counter {
    pub(crate) room: RoomId,
    pub(crate) head: Seq,
    pub(crate) messages: u64,
    pub(crate) unread: u64,
    /// The loudest message since the last counter.
    pub(crate) priority: Option<Priority>,
}

pub(crate) fn ready(account: AccountId, session: SessionId) -> Frame {
    Frame::of(Item::Ready(v1::Ready {
        account: name::of_account(account),
        session_id: format!("{:x}", session.0),
    }))
}

pub(crate) fn event(room: RoomId, event: Event) -> Frame {
    Frame::of(Item::Event(wire::event(room, event)))
}

pub(crate) fn live(room: RoomId, seq: Seq, log_id: LogId, rebuilt: bool) -> Frame {
    Frame::of(Item::Live(v1::Live {
        room: name::of_room(room),
        seq: seq.0,
        log_id: log_id.to_string(),
        rebuilt,
    }))
}

pub(crate) fn counter(counter: Counter) -> Frame {
    let priority = counter.priority.map(wire::wire_priority);
    Frame::of(Item::RoomCounter(v1::RoomCounter {
        room: name::of_room(counter.room),
        head_seq: counter.head.0,
        message_count: counter.messages,
        unread_count: counter.unread,
        highest_priority: priority.unwrap_or_default().into(),
    }))
}

pub(crate) fn gained(room: RoomId) -> Frame {
    Frame::of(Item::RoomGained(v1::RoomGained {
        room: name::of_room(room),
    }))
}

pub(crate) fn lost(room: RoomId) -> Frame {
    Frame::of(Item::RoomLost(v1::RoomLost {
        room: name::of_room(room),
    }))
}

pub(crate) fn typing(room: RoomId, accounts: &[AccountId]) -> Frame {
    Frame::of(Item::Typing(v1::Typing {
        room: name::of_room(room),
        accounts: accounts
            .iter()
            .map(|account| name::of_account(*account))
            .collect(),
    }))
}

pub(crate) fn read_marker(room: RoomId, account: AccountId, seq: Seq) -> Frame {
    Frame::of(Item::ReadMarker(v1::ReadMarker {
        room: name::of_room(room),
        account: name::of_account(account),
        seq: seq.0,
    }))
}

pub(crate) fn presence(account: AccountId, state: presence::State) -> Frame {
    let state = match state {
        presence::State::Offline => v1::presence::State::Offline,
        presence::State::Away => v1::presence::State::Away,
        presence::State::Online => v1::presence::State::Online,
    };
    Frame::of(Item::Presence(v1::Presence {
        account: name::of_account(account),
        state: state.into(),
    }))
}

pub(crate) fn farewell(reason: Reason, retry_after: Duration) -> Frame {
    let reason = match reason {
        Reason::Draining => v1::farewell::Reason::Draining,
        Reason::SignedOut => v1::farewell::Reason::SignedOut,
        Reason::Aged => v1::farewell::Reason::Aged,
        Reason::Fault => v1::farewell::Reason::Fault,
    };
    Frame::of(Item::Farewell(v1::Farewell {
        reason: reason.into(),
        retry_after_ms: u32::try_from(retry_after.as_millis()).unwrap_or(u32::MAX),
    }))
}

pub(crate) fn reply(request_id: u64, answered: &Answered) -> Frame {
    let result = match answered {
        Ok(Answer::Done) => Sent::Done(v1::Done {}),
        Ok(Answer::Acted(Act::Send, outcome)) => Sent::SendMessage(v1::SendMessageResponse {
            seq: outcome.seq.0,
            create_time: Some(time::timestamp(outcome.at)),
        }),
        Ok(Answer::Acted(Act::Edit, outcome)) => {
            let seq = outcome.seq.0;
            Sent::EditMessage(v1::EditMessageResponse { seq })
        }
        Ok(Answer::Acted(Act::Delete, outcome)) => {
            let seq = outcome.seq.0;
            Sent::DeleteMessage(v1::DeleteMessageResponse { seq })
        }
        Ok(Answer::Marked { read, unread }) => Sent::MarkRead(v1::MarkReadResponse {
            read_seq: read.0,
            unread_count: *unread,
        }),
        Err(refusal) => {
            // What the trailers of a unary call would have held.
            let status = cluster_rpc::status(refusal);
            Sent::Error(v1::CommandError {
                code: status.code().into(),
                message: status.message().to_owned(),
                status_details: status.details().to_vec(),
            })
        }
    };
    Frame::of(Item::Reply(v1::Reply {
        request_id,
        result: Some(result),
    }))
}
