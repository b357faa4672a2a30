//! The matrix, cell by cell, on a real server; and that it has a row for everything there is.

use std::collections::BTreeSet;

use prost::Message;
use prost_types::FileDescriptorSet;
use proto::v1;
use proto::v1::client_frame::Command;

use crate::matrix::{code, rows};
use crate::payloads::{edit, payload};
use crate::support::Answer;
use crate::world::{Room, Standing, World, message, sign_in};

/// Everything that can be called, by the descriptors of the API.
fn callable() -> BTreeSet<String> {
    let files = FileDescriptorSet::decode(v1::FILE_DESCRIPTOR_SET)
        .expect("descriptors")
        .file;
    let mut found = BTreeSet::new();
    for file in &files {
        for service in &file.service {
            let methods = service.method.iter();
            found.extend(methods.map(|method| format!("{}/{}", service.name(), method.name())));
        }
        let frames = file
            .message_type
            .iter()
            .filter(|message| message.name() == "ClientFrame");
        let fields = frames
            .flat_map(|frame| &frame.field)
            .filter(|field| field.oneof_index.is_some());
        // The greeting is the call itself.
        let commands = fields
            .map(prost_types::FieldDescriptorProto::name)
            .filter(|n| *n != "hello");
        found.extend(commands.map(|name| format!("Sessions/Connect#{name}")));
    }
    found
}

#[test]
fn every_call_and_every_command_has_one_row() {
    let rows = rows();
    let named: BTreeSet<String> = rows.iter().map(|(call, _)| (*call).to_owned()).collect();
    assert_eq!(named.len(), rows.len(), "a row stands twice");
    assert_eq!(named, callable());
    for (call, words) in &rows {
        assert_eq!(words.len(), Standing::ALL.len(), "{call}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_can_do_more_or_less_than_the_matrix_says() {
    let world = World::new().await;
    let mut wrong = Vec::new();
    let mut cells = 0;
    let mut room = world.room().await;
    for (call, words) in rows() {
        for (standing, word) in Standing::ALL.into_iter().zip(words) {
            let answer = cell(&world, &room, call, standing).await;
            cells += 1;
            if answer.code == 0 && !only_reads(call) {
                room = world.room().await;
            }
            if answer.code != code(word) {
                let Answer { code, message, .. } = answer;
                wrong.push(format!(
                    "{call} by {standing:?}: {code} ({message}), expected {word}"
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {cells} cells are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(cells, rows().len() * Standing::ALL.len());
}

/// Whether a call leaves the room as it was, whoever makes it. A refused call does in any case.
fn only_reads(call: &str) -> bool {
    let touches_rooms = [
        "Rooms/",
        "Messages/",
        "Administration/DeleteServerRoom",
        "Sessions/Connect#",
    ];
    let reads = [
        "/Get",
        "/List",
        "/MarkRead",
        "/SetTyping",
        "#mark_read",
        "#set_",
        "follow_room",
    ];
    !touches_rooms.iter().any(|prefix| call.starts_with(prefix))
        || reads.iter().any(|part| call.contains(part))
        || call == "Sessions/Connect#watch_presence"
}

/// Calls `call` about `room`, by somebody of this standing.
async fn cell(world: &World, room: &Room, call: &str, standing: Standing) -> Answer {
    let mut caller = world.person(standing).cloned();
    if let ("Accounts/SignOut", Some(person)) = (call, &caller) {
        caller = Some(sign_in(&world.connection, &person.user_name).await);
    }
    let token = caller.as_ref().map(|person| person.token.as_str());
    match call.split_once('#') {
        Some((_, command)) => stream(world, token, &command_of(world, room, command)).await,
        None if call == "Sessions/Connect" => {
            stream(
                world,
                token,
                &Command::UnfollowRoom(v1::UnfollowRoom {
                    room: room.name.clone(),
                }),
            )
            .await
        }
        None => {
            let payload = payload(world, room, call, caller.as_ref()).await;
            world.connection.call_with(token, call, &[payload]).await
        }
    }
}

/// Greets, gives one command, and answers what its reply says.
async fn stream(world: &World, token: Option<&str>, command: &Command) -> Answer {
    let frame = |request_id, command| {
        v1::ClientFrame {
            request_id,
            command: Some(command),
        }
        .encode_to_vec()
    };
    let frames = [
        frame(0, Command::Hello(v1::Hello::default())),
        frame(7, command.clone()),
    ];
    let mut answer = world
        .connection
        .call_with(token, "Sessions/Connect", &frames)
        .await;
    let decoded = answer
        .messages
        .iter()
        .map(|bytes| v1::ServerFrame::decode(bytes.clone()));
    let items = decoded
        .flat_map(|frame| frame.expect("a frame").items)
        .filter_map(|i| i.item);
    let mut replies = Vec::new();
    for item in items {
        if let v1::server_item::Item::Reply(reply) = item
            && reply.request_id == 7
        {
            replies.extend(reply.result);
        }
    }
    match replies.as_slice() {
        // The call itself was refused.
        [] if answer.code != 0 => {}
        [v1::reply::Result::Error(error)] => {
            answer.code = error.code;
            answer.message.clone_from(&error.message);
        }
        [_] => {}
        other => {
            answer.code = -1;
            answer.message = format!("one reply is due, and not {other:?}");
        }
    }
    answer
}

fn command_of(world: &World, room: &Room, command: &str) -> Command {
    let name = room.name.clone();
    match command {
        "follow_room" => Command::FollowRoom(v1::FollowRoom {
            room: name,
            ..v1::FollowRoom::default()
        }),
        "unfollow_room" => Command::UnfollowRoom(v1::UnfollowRoom { room: name }),
        "send_message" => Command::SendMessage(message(&name, "hello")),
        "edit_message" => Command::EditMessage(edit(room)),
        "delete_message" => Command::DeleteMessage(v1::DeleteMessageRequest {
            room: name,
            seq: room.said,
        }),
        "mark_read" => Command::MarkRead(v1::MarkReadRequest {
            room: name,
            seq: room.said,
        }),
        "set_typing" => Command::SetTyping(v1::SetTypingRequest { room: name }),
        "set_presence" => Command::SetPresence(v1::SetPresence {
            state: v1::presence::State::Away.into(),
        }),
        "watch_presence" => {
            let accounts = vec![world.target.account.clone()];
            Command::WatchPresence(v1::WatchPresence { accounts })
        }
        other => panic!("no command {other}"),
    }
}
