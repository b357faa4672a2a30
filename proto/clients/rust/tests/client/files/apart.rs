//! Files have a connection of their own.

use std::io::Cursor;
use std::time::Duration;

use rookery_client::Outgoing;
use tokio::sync::watch;
use tokio::time::timeout;

use super::{bytes, unseen};
use crate::fake::Fake;

const ROOM: &str = "rooms/a";

/// More than fits into the window of a connection.
const LARGE: usize = 4 << 20;

/// How long a message may take on a slow day. It is less than a transfer that stands still is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn the_first_file_makes_a_second_connection_and_the_client_ends_both() {
    let fake = Fake::start().await;
    fake.state.make_room(ROOM, 0);
    let of = fake.state.files.lock().carry(&bytes(1_000));
    let client = fake.client().await;
    let hello = Outgoing::new(ROOM, "hello");
    client.send_message(&hello).await.expect("said");
    let connections = || fake.state.seen.lock().sources.len();
    assert_eq!(connections(), 1);
    let token = client.token().expect("signed in").clone();
    let other = client.with_token(token).expect("a good token");
    for client in [&client, &other] {
        let mut source = Cursor::new(bytes(1_000));
        let sent = client.upload(ROOM, "a.bin", &mut source, unseen).await;
        sent.expect("sent");
        let mut sink = Vec::new();
        let fetched = client.download(&of, &mut sink, unseen).await;
        fetched.expect("fetched");
    }
    assert_eq!(connections(), 2);
    drop((client, other));
    fake.until_left(2).await;
}

#[tokio::test]
async fn messages_do_not_wait_behind_a_file_that_nobody_reads() {
    let fake = Fake::start().await;
    fake.state.make_room(ROOM, 0);
    fake.state.files.lock().stand_still = 1;
    let client = fake.client().await;
    let (moves, mut moved) = watch::channel(0);
    let mut source = Cursor::new(bytes(LARGE));
    let progress = |progress: rookery_client::Progress| {
        moves.send_replace(progress.bytes);
    };
    let upload = client.upload(ROOM, "a.bin", &mut source, progress);
    let says = async {
        fake.until_calls(1).await;
        // Nothing has moved for a while: what can be on its way is.
        while timeout(Duration::from_millis(200), moved.changed())
            .await
            .is_ok()
        {}
        let hello = Outgoing::new(ROOM, "hello");
        timeout(PATIENCE, client.send_message(&hello)).await
    };
    tokio::select! {
        sent = upload => panic!("it is not read: {sent:?}"),
        said = says => said.expect("at once").expect("said"),
    };
    assert!(*moves.borrow() < LARGE as u64);
}
