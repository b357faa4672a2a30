//! Reading what clients send: every mistake is found, and named by field.

use cluster_rpc::name;
use cluster_types::{Coded as _, LogId, RoomId};
use proto::v1::{FollowRoom, SendMessageRequest};

use super::*;

const ROOM: RoomId = RoomId::from_bytes([1; 16]);

fn read(command: Wire) -> Asked {
    let frame = v1::ClientFrame {
        request_id: 7,
        command: Some(command),
    };
    client_frame(frame.encode_to_vec().into()).expect("a frame")
}

/// The field that a command is refused for.
fn refused(command: Wire) -> String {
    let refused = read(command).command.expect_err("refused");
    refused.violations().remove(0).field
}

fn follow_room(room: &str) -> FollowRoom {
    FollowRoom {
        room: room.to_owned(),
        ..FollowRoom::default()
    }
}

#[test]
fn a_frame_keeps_its_number_and_weight() {
    let frame = v1::ClientFrame {
        request_id: 7,
        command: None,
    };
    let asked = client_frame(frame.encode_to_vec().into()).expect("a frame");
    assert_eq!((asked.request_id, asked.bytes), (7, frame.encoded_len()));
    let refused = asked.command.expect_err("nothing is asked");
    assert_eq!(refused.violations()[0].field, "command");
}

#[test]
fn what_is_not_a_frame_is_refused_as_a_whole() {
    for garbage in [&b"\xff\xff\xff"[..], b"\x2a\x02\x12\x10"] {
        let refused = client_frame(Bytes::copy_from_slice(garbage)).expect_err("garbage");
        assert_eq!(refused.violations()[0].field, "client_frame");
    }
}

#[test]
fn text_that_is_not_utf_8_is_refused() {
    let request = SendMessageRequest {
        body: "body".to_owned(),
        ..SendMessageRequest::default()
    };
    let mut bytes = v1::ClientFrame {
        request_id: 1,
        command: Some(Wire::SendMessage(request)),
    }
    .encode_to_vec();
    let last = bytes.last_mut().expect("not empty");
    *last = 0xff;
    let refused = client_frame(bytes.into()).expect_err("not UTF-8");
    let description = &refused.violations()[0].description;
    assert!(description.contains("body"), "{description}");
}

#[test]
fn a_follow_says_where_to_begin() {
    let log_id = LogId::from_bytes([2; 16]);
    let request = FollowRoom {
        after_seq: 5,
        log_id: log_id.to_string(),
        ..follow_room(&name::of_room(ROOM))
    };
    let expected = Follow {
        room: ROOM,
        from: From::After(Seq(5)),
        log_id: Some(log_id),
        place: Place::FollowRoom,
    };
    match read(Wire::FollowRoom(request.clone())).command {
        Ok(Command::Follow(follow)) => assert_eq!(follow, expected),
        other => panic!("{other:?}"),
    }
    let from_head = FollowRoom {
        from_head: true,
        ..request
    };
    match read(Wire::FollowRoom(from_head)).command {
        Ok(Command::Follow(follow)) => assert_eq!(follow.from, From::Head),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_field_of_a_command_is_checked() {
    let room = name::of_room(ROOM);
    let bad_log = FollowRoom {
        log_id: "x".to_owned(),
        ..follow_room(&room)
    };
    let second_is_bad = v1::Hello {
        follow_rooms: vec![follow_room(&room), follow_room("rooms/x")],
    };
    let too_many = v1::Hello {
        follow_rooms: vec![follow_room(&room); FOLLOWED_ROOMS_MAX + 1],
    };
    let nobody = v1::WatchPresence {
        accounts: vec![room.clone()],
    };
    let everybody = v1::WatchPresence {
        accounts: vec![room.clone(); WATCHED_ACCOUNTS_MAX + 1],
    };
    let mark = |room: &str, seq| v1::MarkReadRequest {
        room: room.to_owned(),
        seq,
    };
    let typing = v1::SetTypingRequest::default();
    let unfollow = v1::UnfollowRoom::default();
    let presence = |state| Wire::SetPresence(v1::SetPresence { state });
    let cases = [
        (Wire::FollowRoom(bad_log), "follow_room.log_id"),
        (Wire::FollowRoom(follow_room("x")), "follow_room.room"),
        (Wire::UnfollowRoom(unfollow), "unfollow_room.room"),
        (Wire::Hello(second_is_bad), "hello.follow_rooms[1].room"),
        (Wire::Hello(too_many), "hello.follow_rooms"),
        (Wire::MarkRead(mark("x", 1)), "room"),
        (Wire::MarkRead(mark(&room, 0)), "seq"),
        (Wire::SetTyping(typing), "room"),
        (presence(0), "set_presence.state"),
        (presence(77), "set_presence.state"),
        (Wire::WatchPresence(nobody), "watch_presence.accounts"),
        (Wire::WatchPresence(everybody), "watch_presence.accounts"),
        (Wire::SendMessage(SendMessageRequest::default()), "room"),
        (Wire::EditMessage(v1::EditMessageRequest::default()), "room"),
        (
            Wire::DeleteMessage(v1::DeleteMessageRequest::default()),
            "room",
        ),
    ];
    for (command, field) in cases {
        let text = format!("{command:?}");
        assert_eq!(refused(command), field, "{text}");
    }
}

#[test]
fn every_presence_can_be_shown() {
    for (state, expected) in [
        (v1::presence::State::Online, presence::State::Online),
        (v1::presence::State::Away, presence::State::Away),
        (v1::presence::State::Offline, presence::State::Offline),
    ] {
        let state = state.into();
        match read(Wire::SetPresence(v1::SetPresence { state })).command {
            Ok(Command::SetPresence(read)) => assert_eq!(read, expected),
            other => panic!("{other:?}"),
        }
    }
}
