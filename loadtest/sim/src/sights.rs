//! From the wire to the history: what a client makes of what it is sent.
//!
//! Invariant: what cannot be read (a name of nobody, a number of no value, a field that must be there and
//! is not) is an error with words, and ends up in the history as something broken.

use cluster_rpc::{name, time};
use cluster_types::Seq;
use proto::v1;
use proto::v1::event::Kind as Wire;
use proto::v1::server_item::Item as WireItem;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::history::{
    Answer, Body, Done, Event, Files, Item, Kind, MemberView, Message, MessageId, RoomView, Said,
    Why,
};
use crate::names::{Person, Room};
use crate::world::State;

/// Something that cannot be read.
pub(crate) type Unreadable = String;

type Read<T> = Result<T, Unreadable>;

/// The server could not find out whether something happened.
const UNKNOWN: &str = "OUTCOME_UNKNOWN";

// --- Answers ---

/// What a failed call tells its client.
pub(crate) fn answer(status: &tonic::Status) -> Answer {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone());
    let why = Why {
        code: status.code(),
        reason: reason.unwrap_or_else(|| format!("no reason: {}", status.message())),
    };
    match status.code() {
        Code::InvalidArgument
        | Code::NotFound
        | Code::PermissionDenied
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::Unauthenticated => Answer::Refused(why),
        Code::Unavailable if why.reason == UNKNOWN => Answer::Doubtful(why),
        Code::Unavailable | Code::Aborted | Code::ResourceExhausted => Answer::NotNow(why),
        Code::DeadlineExceeded => Answer::Doubtful(why),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => Answer::Fault(why),
    }
}

/// What a failed command of a stream tells its client: what the trailers of a call would have held.
pub(crate) fn status_of(error: v1::CommandError) -> tonic::Status {
    let details = error.status_details.into();
    tonic::Status::with_details(Code::from(error.code), error.message, details)
}

/// There was no answer, for reasons of the client's own.
pub(crate) fn no_answer(words: &str) -> Answer {
    Answer::Doubtful(Why {
        code: Code::Cancelled,
        reason: words.to_owned(),
    })
}

/// The answer to what was never sent, since no node could be reached.
pub(crate) fn nobody_there() -> Answer {
    Answer::NotNow(Why {
        code: Code::Unavailable,
        reason: "no node".to_owned(),
    })
}

/// Where and when a message was said.
pub(crate) fn said(said: &v1::SendMessageResponse) -> Read<Done> {
    let at = said
        .create_time
        .as_ref()
        .ok_or("a message without a time")?;
    let at = time::unix_millis(at, "create_time").map_err(|error| error.to_string())?;
    let seq = Seq(said.seq);
    Ok(Done::Said { seq, at })
}

// --- Names ---

pub(crate) fn person(state: &State, text: &str) -> Read<Person> {
    let account = name::account(text, "account").map_err(|error| error.to_string())?;
    let person = state.names.person(account);
    person.ok_or_else(|| format!("{text} is nobody"))
}

pub(crate) fn room(state: &mut State, text: &str) -> Read<Room> {
    let room = name::room(text, "room").map_err(|error| error.to_string())?;
    Ok(state.room(room))
}

// --- Events ---

pub(crate) fn event(state: &mut State, event: v1::Event) -> Read<Event> {
    let at = event.create_time.ok_or("an event without a time")?;
    Ok(Event {
        room: room(state, &event.room)?,
        seq: Seq(event.seq),
        actor: person(state, &event.actor)?,
        at: time::unix_millis(&at, "create_time").map_err(|error| error.to_string())?,
        messages: event.message_count,
        kind: kind(state, event.kind.ok_or("an event of no kind")?)?,
    })
}

pub(crate) fn events(state: &mut State, page: Vec<v1::Event>) -> Read<Vec<Event>> {
    page.into_iter().map(|one| event(state, one)).collect()
}

fn kind(state: &mut State, kind: Wire) -> Read<Kind> {
    Ok(match kind {
        Wire::Message(text) => Kind::Message(message(state, &text)?),
        Wire::MessageEdit(edit) => Kind::Edit {
            target: Seq(edit.target_seq),
            message: {
                let text = edit.message.as_ref();
                text.map(|text| message(state, text)).transpose()?
            },
        },
        Wire::MessageDeletion(deletion) => Kind::Deletion {
            target: Seq(deletion.target_seq),
        },
        Wire::MembershipChange(change) => Kind::Membership {
            whom: person(state, &change.account)?,
            change: change.kind(),
            role: change.role(),
        },
        Wire::RoomChange(change) => Kind::Room {
            display_name: change.display_name,
            archived: change.archived,
        },
    })
}

fn message(state: &mut State, message: &v1::Message) -> Read<Message> {
    let id = match message.client_message_id.as_str() {
        "" => None,
        text => Some(message_id(text)?),
    };
    let files = message.attachments.iter();
    let files = files.map(|attachment| name::file(&attachment.file, "file"));
    let files: Result<Vec<_>, _> = files.collect();
    let files = files.map_err(|error| error.to_string())?.into_iter();
    Ok(Message {
        said: Said {
            body: Body::of(&message.body),
            format: message.format,
            priority: message.priority,
            reply_to: Seq(message.reply_to_seq),
            files: Files::of(files.map(|file| state.names.file(file))),
        },
        id,
        edited: Seq(message.edited_seq),
        deleted: message.deleted,
    })
}

fn message_id(text: &str) -> Read<MessageId> {
    let uuid = uuid::Uuid::try_parse(text).map_err(|error| error.to_string())?;
    Ok(MessageId(uuid.into_bytes()))
}

// --- Rooms ---

pub(crate) fn room_view(state: &mut State, view: v1::Room) -> Read<RoomView> {
    let role = view.role();
    Ok(RoomView {
        room: room(state, &view.name)?,
        display_name: view.display_name,
        archived: view.archived,
        log_id: view.log_id,
        head: Seq(view.head_seq),
        messages: view.message_count,
        read: Seq(view.read_seq),
        unread: view.unread_count,
        members: view.member_count,
        role,
    })
}

pub(crate) fn member(state: &State, member: &v1::Member) -> Read<MemberView> {
    Ok(MemberView {
        who: person(state, &member.account)?,
        role: member.role(),
        muted: member.muted,
    })
}

// --- Streams ---

/// An item; `None` for the answer to a command, which is not for the history by itself.
pub(crate) fn item(state: &mut State, item: WireItem) -> Read<Option<Item>> {
    Ok(Some(match item {
        WireItem::Reply(_) => return Ok(None),
        WireItem::Ready(_) => Item::Ready,
        WireItem::Event(one) => Item::Event(event(state, one)?),
        WireItem::Live(live) => Item::Live {
            room: room(state, &live.room)?,
            seq: Seq(live.seq),
            log_id: live.log_id,
            rebuilt: live.rebuilt,
        },
        WireItem::RoomCounter(counter) => Item::Counter {
            room: room(state, &counter.room)?,
            head: Seq(counter.head_seq),
            messages: counter.message_count,
            unread: counter.unread_count,
        },
        WireItem::RoomGained(gained) => Item::Gained(room(state, &gained.room)?),
        WireItem::RoomLost(lost) => Item::Lost(room(state, &lost.room)?),
        WireItem::Typing(typing) => Item::Typing {
            room: room(state, &typing.room)?,
            who: people(state, &typing.accounts)?,
        },
        WireItem::Presence(presence) => Item::Presence {
            who: person(state, &presence.account)?,
            state: presence.state,
        },
        WireItem::ReadMarker(marker) => Item::Marker {
            room: room(state, &marker.room)?,
            who: person(state, &marker.account)?,
            seq: Seq(marker.seq),
        },
        WireItem::Farewell(farewell) => Item::Farewell {
            reason: farewell.reason,
        },
    }))
}

pub(crate) fn people(state: &State, accounts: &[String]) -> Read<Vec<Person>> {
    accounts.iter().map(|text| person(state, text)).collect()
}
