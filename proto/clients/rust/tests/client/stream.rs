//! The bare stream, as a load generator uses it.

use prost::Message as _;
use proto::v1::client_frame::Command;
use proto::v1::server_item::Item;
use proto::v1::{ClientFrame, FollowRoom, Hello, ServerFrame};
use rookery_client::{Client, Code, FrameReceiver, Outgoing, Token, Tuning};

use crate::fake::{Fake, TOKEN, body, is_refused};

const ROOM: &str = "rooms/a";

fn hello() -> Hello {
    let room = FollowRoom {
        room: ROOM.to_owned(),
        ..FollowRoom::default()
    };
    Hello {
        follow_rooms: vec![room],
    }
}

/// Reads frames until so many messages came.
async fn messages(receiver: &mut FrameReceiver, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    while bodies.len() < count {
        let frame = receiver.next().await.expect("no error").expect("no end");
        for item in frame.items {
            if let Some(Item::Event(event)) = item.item {
                bodies.push(body(&event));
            }
        }
    }
    bodies
}

#[tokio::test]
async fn many_streams_share_one_connection() {
    let fake = Fake::start().await;
    fake.state.make_room(ROOM, 3);
    let client = fake.client().await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(client.open_stream(hello()).await.expect("a stream"));
    }
    for (_, receiver) in &mut streams {
        assert_eq!(messages(receiver, 3).await, ["1", "2", "3"]);
    }
    assert_eq!(fake.state.seen.lock().sources.len(), 1);
}

#[tokio::test]
async fn light_streams_have_connections_and_addresses_of_their_own() {
    let fake = Fake::start().await;
    fake.state.make_room(ROOM, 0);
    let server = fake
        .builder()
        .tuning(Tuning::LIGHT)
        .build()
        .expect("an address");
    let mut streams: Vec<(Client, _)> = Vec::new();
    for last in 1..=20 {
        let local = Some(format!("127.1.1.{last}").parse().expect("an address"));
        let client = server.connect_from(local).await.expect("it listens");
        let client = client.with_token(Token::new(TOKEN)).expect("a good token");
        let stream = client.open_stream(hello()).await.expect("a stream");
        streams.push((client, stream));
    }
    fake.state.say(ROOM, "to all");
    for (_, (_, receiver)) in &mut streams {
        assert_eq!(messages(receiver, 1).await, ["to all"]);
    }
    let mut sources = fake.state.seen.lock().sources.clone();
    sources.sort();
    sources.dedup_by_key(|source| source.ip());
    assert_eq!(sources.len(), 20);
}

#[tokio::test]
async fn frames_go_both_ways_without_being_decoded() {
    let fake = Fake::start().await;
    fake.state.make_room(ROOM, 0);
    let client = fake.client().await;
    let (sender, mut receiver) = client.open_stream(hello()).await.expect("a stream");
    let frame = ClientFrame {
        request_id: 7,
        command: Some(Command::SendMessage(
            Outgoing::new(ROOM, "hello").request().clone(),
        )),
    };
    let encoded = frame.encode_to_vec();
    sender.send_encoded(encoded.into()).await.expect("open");
    let mut replied = false;
    while !replied {
        let bytes = receiver.next_encoded().await.expect("no error");
        let frame = ServerFrame::decode(bytes.expect("no end")).expect("a frame");
        let reply = |item: &Item| matches!(item, Item::Reply(reply) if reply.request_id == 7);
        replied = frame
            .items
            .iter()
            .filter_map(|i| i.item.as_ref())
            .any(reply);
    }
    assert_eq!(fake.state.bodies(ROOM), ["hello"]);
}

#[tokio::test]
async fn a_dropped_stream_ends_at_the_server() {
    let fake = Fake::start().await;
    fake.state.make_room(ROOM, 0);
    let client = fake.client().await;
    let stream = client.open_stream(hello()).await.expect("a stream");
    fake.until_streams(1).await;
    drop(stream);
    fake.until_streams(0).await;
}

#[tokio::test]
async fn a_stream_without_a_token_is_refused() {
    let fake = Fake::start().await;
    let client = fake.builder().connect().await.expect("it listens");
    let refused = client.open_stream(hello()).await.expect_err("no token");
    assert!(is_refused(&refused, Code::Unauthenticated));
}
