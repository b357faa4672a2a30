//! Bad input: bytes that are no request, or an impossible one, get INVALID_ARGUMENT and the field at
//! fault, from a server that goes on.

use bytes::Bytes;
use prost::Message;
use proto::v1;

use crate::support::Answer;
use crate::world::{Room, Standing, World, message};

const INVALID_ARGUMENT: i32 = 3;

/// A message in its frame.
fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("small").to_be_bytes();
    [&[0][..], &length, message].concat().into()
}

async fn send(world: &World, bytes: Bytes) -> Answer {
    let member = world.person(Standing::Member).expect("a member");
    world
        .connection
        .call_raw(Some(&member.token), "Messages/SendMessage", bytes)
        .await
}

fn said(room: &Room, change: impl FnOnce(&mut v1::SendMessageRequest)) -> Bytes {
    let mut request = message(&room.name, "hello");
    change(&mut request);
    framed(&request.encode_to_vec())
}

/// A message whose text is not UTF-8.
fn garbled(room: &Room) -> Bytes {
    let mut bytes = message(&room.name, "\u{1}\u{1}\u{1}").encode_to_vec();
    for byte in bytes.iter_mut().filter(|byte| **byte == 1) {
        *byte = 0xff;
    }
    framed(&bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_wrong_is_an_invalid_argument_with_its_field() {
    let world = World::new().await;
    let room = world.room().await;
    let cases = [
        ("no bytes", Bytes::new(), "request"),
        ("half a frame", Bytes::from_static(&[0, 0]), "request"),
        ("half a message", framed(b"abc").slice(..6), "request"),
        (
            "compressed",
            Bytes::from_static(&[1, 0, 0, 0, 0]),
            "request",
        ),
        ("garbage", framed(&[0xff; 64]), "request"),
        ("no frame", Bytes::from_static(b"GET / HTTP/1.1"), "request"),
        (
            "a claim of 4 GiB",
            Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff]),
            "request",
        ),
        ("a number for a text", framed(&[0x08, 1]), "room"),
        ("not UTF-8", garbled(&room), "body"),
        ("no body", said(&room, |m| m.body.clear()), "body"),
        (
            "64 KiB and one byte",
            said(&room, |m| m.body = "b".repeat(65_537)),
            "body",
        ),
        (
            "100 KiB",
            said(&room, |m| m.body = "b".repeat(100 << 10)),
            "body",
        ),
        (
            "10 MiB",
            said(&room, |m| m.body = "b".repeat(10 << 20)),
            "body",
        ),
        (
            "a long name",
            said(&room, |m| m.room = "r".repeat(100 << 10)),
            "room",
        ),
        ("an unknown enum", said(&room, |m| m.format = 99), "format"),
        ("another one", said(&room, |m| m.priority = -1), "priority"),
        (
            "no id",
            said(&room, |m| m.client_message_id = "7".to_owned()),
            "client_message_id",
        ),
    ];
    for (what, bytes, field) in cases {
        let answer = send(&world, bytes).await;
        assert_eq!(answer.code, INVALID_ARGUMENT, "{what}: {answer:?}");
        assert_eq!(answer.reason, "INVALID_REQUEST", "{what}: {answer:?}");
        assert_eq!(answer.fields, [field], "{what}: {answer:?}");
    }
    let well = send(&world, said(&room, |_| {})).await;
    well.ok::<v1::SendMessageResponse>();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_learns_the_same() {
    let world = World::new().await;
    for (bytes, field) in [
        (framed(&[0x08, 1]), "user_name"),
        (framed(&[0x0a, 2, 0xff, 0xff]), "user_name"),
        (framed(&[0x12, 0xff, 0xff, 0x7f]), "password"),
    ] {
        let answer = world
            .connection
            .call_raw(None, "Accounts/SignIn", bytes)
            .await;
        assert_eq!(answer.code, INVALID_ARGUMENT, "{answer:?}");
        assert_eq!(answer.fields, [field], "{answer:?}");
    }
}
