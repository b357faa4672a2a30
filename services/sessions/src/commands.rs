//! What a client can ask for on its stream. The same as by unary calls, and with the same errors.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cluster_rpc::{InvalidRequest, name, time};
use cluster_types::{AccountId, LogId, RoomId, Seq};
use futures::future::join_all;
use proto::v1;
use proto::v1::client_frame::Command as Wire;
use proto::v1::reply::Result as Answer;
use proto::v1::server_item::Item;
use services_rooms::{Action, Command, Direction, ReadError, RoomView, Start, wire};
use tonic::Status;

use crate::actor::Session;
use crate::directory::Sessions;
use crate::items::Frame;
use crate::limits::{CATCH_UP_PAGE, FOLLOWED_ROOMS_MAX, READ_RETRY, WATCHED_ACCOUNTS_MAX};
use crate::outbox::{Behind, Filled};

/// What an actor remembers of its client.
#[derive(Debug, Default)]
pub(crate) struct Control {
    greeted: bool,
}

/// Carries out frames in their order. Messages that follow one another are sent together, so that
/// they share a transaction.
pub(crate) async fn execute(
    sessions: &Sessions,
    session: &Arc<Session>,
    control: &mut Control,
    frames: Vec<v1::ClientFrame>,
) {
    let is_send = |frame: &v1::ClientFrame| matches!(frame.command, Some(Wire::SendMessage(_)));
    for run in frames.chunk_by(|a, b| is_send(a) && is_send(b)) {
        if session.has_ended() {
            return;
        }
        if let Err(status) = may_go_on(control, &run[0]) {
            sessions.hub.fail(session, status);
            return;
        }
        let each = run.iter().map(|frame| async move {
            let answer = one(sessions, session, frame.command.clone()).await;
            reply(session, frame.request_id, answer);
        });
        join_all(each).await;
    }
}

fn may_go_on(control: &mut Control, first: &v1::ClientFrame) -> Result<(), InvalidRequest> {
    let is_hello = matches!(first.command, Some(Wire::Hello(_)));
    match (std::mem::replace(&mut control.greeted, true), is_hello) {
        (false, true) | (true, false) => Ok(()),
        (false, false) => Err(InvalidRequest::field("hello", "must be the first frame")),
        (true, true) => Err(InvalidRequest::field("hello", "has been said already")),
    }
}

fn reply(session: &Session, request_id: u64, answer: Result<Answer, Status>) {
    let result = answer.unwrap_or_else(|status| Answer::Error(command_error(&status)));
    if request_id != 0 {
        session.outbox.push(Item::Reply(v1::Reply {
            request_id,
            result: Some(result),
        }));
    }
}

/// What the trailers of a unary call would have held.
pub(crate) fn command_error(status: &Status) -> v1::CommandError {
    v1::CommandError {
        code: status.code().into(),
        message: status.message().to_owned(),
        status_details: Bytes::copy_from_slice(status.details()).into(),
    }
}

async fn one(
    sessions: &Sessions,
    session: &Arc<Session>,
    command: Option<Wire>,
) -> Result<Answer, Status> {
    let account = session.account;
    let rooms = &sessions.rooms;
    match command {
        Some(Wire::Hello(hello)) => greet(sessions, session, hello).await,
        Some(Wire::FollowRoom(request)) => {
            let room = name::room(&request.room, "follow_room.room")?;
            let view = rooms.view(account, room).await.map_err(unreadable)?;
            follow(sessions, session, &request, &view, "follow_room")?;
            Ok(Answer::Done(v1::Done {}))
        }
        Some(Wire::UnfollowRoom(request)) => {
            let room = name::room(&request.room, "unfollow_room.room")?;
            session.outbox.with(|state| state.unfollow(room));
            Ok(Answer::Done(v1::Done {}))
        }
        Some(Wire::SendMessage(request)) => {
            let (room, action) = wire::send(request)?;
            let outcome = act(sessions, account, room, action).await?;
            let create_time = Some(time::timestamp(outcome.at));
            let seq = outcome.seq.0;
            Ok(Answer::SendMessage(v1::SendMessageResponse {
                seq,
                create_time,
            }))
        }
        Some(Wire::EditMessage(request)) => {
            let (room, action) = wire::edit(request)?;
            let seq = act(sessions, account, room, action).await?.seq.0;
            Ok(Answer::EditMessage(v1::EditMessageResponse { seq }))
        }
        Some(Wire::DeleteMessage(request)) => {
            let (room, action) = wire::delete(&request)?;
            let seq = act(sessions, account, room, action).await?.seq.0;
            Ok(Answer::DeleteMessage(v1::DeleteMessageResponse { seq }))
        }
        Some(Wire::MarkRead(request)) => {
            let room = name::room(&request.room, "mark_read.room")?;
            let seq = wire::seq(request.seq, "mark_read.seq")?;
            let marked = rooms
                .mark_read(account, room, seq)
                .await
                .map_err(unreadable)?;
            let (mark, unread_count) = marked;
            Ok(Answer::MarkRead(v1::MarkReadResponse {
                read_seq: mark.seq.0,
                unread_count,
            }))
        }
        Some(Wire::SetTyping(request)) => {
            let room = name::room(&request.room, "set_typing.room")?;
            rooms.typing(account, room).await.map_err(unreadable)?;
            Ok(Answer::Done(v1::Done {}))
        }
        Some(Wire::SetPresence(request)) => set_presence(sessions, session, request),
        Some(Wire::WatchPresence(request)) => watch_presence(sessions, session, request).await,
        None => Err(InvalidRequest::field("command", "is required").into()),
    }
}

async fn act(
    sessions: &Sessions,
    account: AccountId,
    room: RoomId,
    action: Action,
) -> Result<services_rooms::Outcome, Status> {
    let command = Command { account, action };
    sessions
        .rooms
        .command(room, command)
        .await
        .map_err(|error| cluster_rpc::status(&error))
}

fn unreadable(error: ReadError) -> Status {
    cluster_rpc::status(&error)
}

/// The client has said what it already has.
///
/// Rooms are watched first and read afterwards: whoever is removed in between is not in what is read,
/// and is taken out again.
async fn greet(
    sessions: &Sessions,
    session: &Arc<Session>,
    hello: v1::Hello,
) -> Result<Answer, Status> {
    if hello.follow_rooms.len() > FOLLOWED_ROOMS_MAX {
        return Err(too_many("hello.follow_rooms"));
    }
    let account = session.account;
    let watched = sessions.rooms.room_ids(account).await.map_err(unreadable)?;
    for room in &watched {
        sessions.hub.enter(*room, session);
    }
    let views = sessions
        .rooms
        .memberships(account)
        .await
        .map_err(unreadable)?;
    let views: BTreeMap<_, _> = views.into_iter().map(|view| (view.room, view)).collect();
    for room in watched.iter().filter(|room| !views.contains_key(room)) {
        sessions.hub.leave(*room, session);
    }
    let ready = v1::Ready {
        account: name::of_account(account),
        session_id: format!("{:x}", session.id.0),
    };
    session.outbox.push(Item::Ready(ready));
    for request in &hello.follow_rooms {
        let field = "hello.follow_rooms";
        let room = name::room(&request.room, "hello.follow_rooms.room")?;
        match views.get(&room) {
            Some(view) => follow(sessions, session, request, view, field)?,
            // It is gone since the client was here last.
            None => {
                let lost = v1::RoomLost {
                    room: name::of_room(room),
                };
                session.outbox.push(Item::RoomLost(lost));
            }
        }
    }
    session.outbox.with(|state| {
        for view in views.values() {
            state.counted(
                view.room,
                view.head,
                view.message_count,
                view.mark.message_count,
            );
        }
    });
    sessions
        .hub
        .presence
        .set(session, v1::presence::State::Online);
    Ok(Answer::Done(v1::Done {}))
}

fn follow(
    sessions: &Sessions,
    session: &Arc<Session>,
    request: &v1::FollowRoom,
    view: &RoomView,
    field: &str,
) -> Result<(), Status> {
    let log_id: Option<LogId> = match request.log_id.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| {
            InvalidRequest::field(
                format!("{field}.log_id"),
                "must be a log_id as the server gave it",
            )
        })?),
    };
    let rebuilt = log_id.is_some_and(|log_id| log_id != view.log_id);
    let after = match (request.from_head, rebuilt) {
        (true, _) => view.head,
        (false, true) => Seq::ZERO,
        (false, false) => Seq(request.after_seq),
    };
    if after > view.head {
        let text = format!("must not be after the newest event, {}", view.head);
        return Err(InvalidRequest::field(format!("{field}.after_seq"), text).into());
    }
    sessions.hub.enter(view.room, session);
    let follow = |state: &mut crate::outbox::State| {
        let fits = state.follow(view.room, after.next(), view.log_id, rebuilt);
        (fits, state.want())
    };
    let (fits, want) = session.outbox.with(follow);
    session.answer(want);
    if fits { Ok(()) } else { Err(too_many(field)) }
}

fn too_many(field: &str) -> Status {
    let text = format!("{FOLLOWED_ROOMS_MAX} rooms can be followed at a time: unfollow one first");
    InvalidRequest::field(field, text).into()
}

fn set_presence(
    sessions: &Sessions,
    session: &Arc<Session>,
    request: v1::SetPresence,
) -> Result<Answer, Status> {
    use v1::presence::State;
    match State::try_from(request.state) {
        Ok(state @ (State::Online | State::Away)) => {
            sessions.hub.presence.set(session, state);
            Ok(Answer::Done(v1::Done {}))
        }
        Ok(State::Unspecified | State::Offline) | Err(_) => {
            let text = "must be STATE_ONLINE or STATE_AWAY";
            Err(InvalidRequest::field("set_presence.state", text).into())
        }
    }
}

async fn watch_presence(
    sessions: &Sessions,
    session: &Arc<Session>,
    request: v1::WatchPresence,
) -> Result<Answer, Status> {
    const FIELD: &str = "watch_presence.accounts";
    if request.accounts.len() > WATCHED_ACCOUNTS_MAX {
        let text = format!("must name at most {WATCHED_ACCOUNTS_MAX}");
        return Err(InvalidRequest::field(FIELD, text).into());
    }
    let accounts = request
        .accounts
        .iter()
        .map(|text| name::account(text, FIELD));
    let accounts = accounts.collect::<Result<Vec<_>, _>>()?;
    // Strangers are left out without a word: whether they exist is nobody's business.
    let known = sessions.rooms.neighbours(session.account, &accounts).await;
    sessions
        .hub
        .presence
        .watch(session, known.map_err(unreadable)?);
    Ok(Answer::Done(v1::Done {}))
}

/// Reads on from the log, room by room, until the outbox is full or nothing is behind.
pub(crate) async fn read_on(sessions: &Sessions, session: &Arc<Session>) {
    let mut last = None;
    while let Some(behind) = session.outbox.with(|state| state.behind(last)) {
        if session.has_ended() || !read_some(sessions, session, behind).await {
            break;
        }
        last = Some(behind.room);
    }
    let want = session.outbox.with(crate::outbox::State::read_done);
    session.answer(want);
}

/// Reads one page. `false`: not now.
async fn read_some(sessions: &Sessions, session: &Arc<Session>, behind: Behind) -> bool {
    let (room, start) = (behind.room, Start::Seq(behind.next));
    let read = sessions
        .rooms
        .events(
            session.account,
            room,
            start,
            Direction::Forward,
            CATCH_UP_PAGE,
        )
        .await;
    match read {
        Ok(page) => {
            let encode = |event: services_rooms::Event| {
                let seq = event.seq;
                (seq, Frame::of(Item::Event(wire::event(room, event))))
            };
            let events: Vec<_> = page.events.into_iter().map(encode).collect();
            let filled = session
                .outbox
                .with(|state| state.fill(behind, events, page.head));
            filled == Filled::More || filled == Filled::Done
        }
        Err(ReadError::NoSuchRoom) => {
            sessions.hub.leave(room, session);
            true
        }
        // The log is another one than the cursor's: start over.
        Err(ReadError::FutureSeq { .. } | ReadError::NoSuchEvent) => {
            session.outbox.with(|state| state.unfollow(room));
            true
        }
        Err(ReadError::Store(error)) => {
            tracing::debug!(%error, "reading on waits for the store");
            tokio::time::sleep(READ_RETRY).await;
            true
        }
    }
}
