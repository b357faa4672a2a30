//! The edge to the wire: a client's frames become commands that cannot be invalid, and what a client
//! is sent becomes encoded frames.
//!
//! Everything that can be wrong with a frame by itself is found here, and named by field: as the unary
//! call names it where there is one, by its path in the frame where there is none.

use bytes::Bytes;
use cluster_rpc::{InvalidRequest, name, required};
use cluster_types::Seq;
use prost::Message as _;
use proto::v1;
use proto::v1::client_frame::Command as Wire;
use services_rooms::wire;

use crate::command::{Act, Asked, Command, Follow, From, Place};
use crate::limits::{FOLLOWED_ROOMS_MAX, WATCHED_ACCOUNTS_MAX};
use crate::presence;

pub(crate) mod frame;
pub(crate) mod item;
#[cfg(test)]
pub(crate) mod read_back;
#[cfg(test)]
mod tests;

type Read<T> = Result<T, InvalidRequest>;

/// Reads one frame of a client.
///
/// # Errors
/// If it is not a `ClientFrame` at all, so that nobody can be answered. What is wrong with a command is
/// in [`Asked::command`].
pub(crate) fn client_frame(payload: Bytes) -> Read<Asked> {
    let bytes = payload.len();
    let frame = v1::ClientFrame::decode(payload)
        .map_err(|error| InvalidRequest::field("client_frame", error.to_string()))?;
    Ok(Asked {
        request_id: frame.request_id,
        bytes,
        command: required(frame.command, "command").and_then(command),
    })
}

fn command(command: Wire) -> Read<Command> {
    Ok(match command {
        Wire::Hello(hello) => Command::Hello(follows(hello)?),
        Wire::FollowRoom(request) => Command::Follow(follow(&request, Place::FollowRoom)?),
        Wire::UnfollowRoom(request) => {
            Command::Unfollow(name::room(&request.room, "unfollow_room.room")?)
        }
        Wire::SendMessage(request) => {
            let (room, action) = wire::send(request)?;
            Command::Act(Act::Send, room, Box::new(action))
        }
        Wire::EditMessage(request) => {
            let (room, action) = wire::edit(request)?;
            Command::Act(Act::Edit, room, Box::new(action))
        }
        Wire::DeleteMessage(request) => {
            let (room, action) = wire::delete(&request)?;
            Command::Act(Act::Delete, room, Box::new(action))
        }
        Wire::MarkRead(request) => Command::MarkRead(
            name::room(&request.room, "room")?,
            wire::seq(request.seq, "seq")?,
        ),
        Wire::SetTyping(request) => Command::Type(name::room(&request.room, "room")?),
        Wire::SetPresence(request) => Command::SetPresence(presence_state(request.state)?),
        Wire::WatchPresence(request) => watch(&request)?,
    })
}

fn follows(hello: v1::Hello) -> Read<Vec<Follow>> {
    if hello.follow_rooms.len() > FOLLOWED_ROOMS_MAX {
        let text = format!("must name at most {FOLLOWED_ROOMS_MAX}");
        return Err(InvalidRequest::field("hello.follow_rooms", text));
    }
    let requests = hello.follow_rooms.iter().enumerate();
    requests
        .map(|(index, request)| follow(request, Place::Hello(index)))
        .collect()
}

fn follow(request: &v1::FollowRoom, place: Place) -> Read<Follow> {
    let log_id = match request.log_id.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| {
            let text = "must be a log_id as the server gave it";
            InvalidRequest::field(format!("{place}.log_id"), text)
        })?),
    };
    Ok(Follow {
        room: name::room(&request.room, &format!("{place}.room"))?,
        from: if request.from_head {
            From::Head
        } else {
            From::After(Seq(request.after_seq))
        },
        log_id,
        place,
    })
}

fn presence_state(value: i32) -> Read<presence::State> {
    match v1::presence::State::try_from(value) {
        Ok(v1::presence::State::Online) => Ok(presence::State::Online),
        Ok(v1::presence::State::Away) => Ok(presence::State::Away),
        Ok(v1::presence::State::Offline) => Ok(presence::State::Offline),
        Ok(v1::presence::State::Unspecified) => {
            Err(InvalidRequest::field("set_presence.state", "is required"))
        }
        Err(_) => Err(wire::unknown("set_presence.state", value)),
    }
}

fn watch(request: &v1::WatchPresence) -> Read<Command> {
    const FIELD: &str = "watch_presence.accounts";
    if request.accounts.len() > WATCHED_ACCOUNTS_MAX {
        let text = format!("must name at most {WATCHED_ACCOUNTS_MAX}");
        return Err(InvalidRequest::field(FIELD, text));
    }
    let accounts = request.accounts.iter();
    let accounts = accounts.map(|text| name::account(text, FIELD));
    Ok(Command::WatchPresence(accounts.collect::<Read<_>>()?))
}
