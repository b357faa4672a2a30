//! The client's side of the bench: bytes in, bytes out, nothing decoded that need not be.

use bytes::{BufMut, Bytes, BytesMut};
use cluster_rpc::name;
use cluster_types::{Caller, RoomId};
use http_body_util::{BodyExt as _, StreamBody};
use prost::Message as _;
use proto::v1;
use services_sessions::Sessions;
use tonic::body::Body;
use tower::ServiceExt as _;

use crate::Progress;

/// Opens a stream that follows `room` from its newest event on. Its input stays open.
pub(crate) async fn connect(sessions: Sessions, caller: Caller, room: RoomId) -> Body {
    let follow = v1::FollowRoom {
        room: name::of_room(room),
        from_head: true,
        ..Default::default()
    };
    let hello = v1::ClientFrame {
        request_id: 0,
        command: Some(v1::client_frame::Command::Hello(v1::Hello {
            follow_rooms: vec![follow],
        })),
    };
    let bytes = hello.encode_to_vec();
    let mut message = BytesMut::new();
    message.put_u8(0);
    message.put_u32(u32::try_from(bytes.len()).expect("small"));
    message.extend_from_slice(&bytes);
    let first = futures::stream::iter([Ok::<_, tonic::Status>(http_body::Frame::data(
        message.freeze(),
    ))]);
    let input = futures::StreamExt::chain(first, futures::stream::pending());
    let mut request = http::Request::new(Body::new(StreamBody::new(input)));
    *request.uri_mut() = services_sessions::grpc::CONNECT.parse().expect("a path");
    request.extensions_mut().insert(caller);
    sessions
        .oneshot(request)
        .await
        .expect("infallible")
        .into_body()
}

/// Reads up to the Live marker.
pub(crate) async fn until_live(mut body: Body, live: &Progress) -> Body {
    loop {
        let frame = body.frame().await.expect("goes on").expect("no error");
        let data = frame.into_data().expect("no trailers");
        let frame = v1::ServerFrame::decode(&data[5..]).expect("a frame");
        let is_live =
            |item: &v1::ServerItem| matches!(item.item, Some(v1::server_item::Item::Live(_)));
        if frame.items.iter().any(is_live) {
            live.add(1);
            return body;
        }
    }
}

/// Counts events until the stream ends. All have one size, so bytes tell their number.
pub(crate) async fn drain(mut body: Body, progress: &Progress) {
    let size = event_of(crate::EVENT_BYTES).len();
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            progress.add(((data.len() - 5) / size) as u64);
        }
    }
}

/// An encoded frame with an event of about `bytes` bytes.
pub(crate) fn event_of(bytes: usize) -> Bytes {
    let message = v1::Message {
        body: "x".repeat(bytes - 30),
        ..Default::default()
    };
    let event = v1::Event {
        seq: 1,
        kind: Some(v1::event::Kind::Message(message)),
        ..Default::default()
    };
    let item = v1::ServerItem {
        item: Some(v1::server_item::Item::Event(event)),
    };
    v1::ServerFrame { items: vec![item] }.encode_to_vec().into()
}
