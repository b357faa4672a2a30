//! Lines: bare streams, opened many at a time, on connections of their own or shared.
//!
//! The same code opens streams to a `rookery` server and to the bare one, so that what the client costs
//! is the same on both sides of a comparison.

use anyhow::{Context as _, bail};
use futures::future::TryFutureExt as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use rookery_client::v1::{FollowRoom, Hello};
use rookery_client::{Client, FrameReceiver, FrameSender, Server, Token};
use tokio::time::timeout;

use crate::console::Stage;
use crate::frames::{Glance, glances};
use crate::limits::{OPEN_WITHIN, OPENING_AT_ONCE, OPENING_AT_ONCE_PER_CONNECTION};
use crate::people::Person;

/// An open stream. Its connection ends with it, if no other is on it.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) sender: FrameSender,
    pub(crate) receiver: FrameReceiver,
}

/// Whom a stream is opened for, and what it asks to follow.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) token: Token,
    pub(crate) follow: Vec<FollowRoom>,
}

impl Caller {
    /// The sessions of these people, one after the other until there are `count`.
    pub(crate) fn many(people: &[Person], count: usize, follow: &[FollowRoom]) -> Vec<Self> {
        let tokens = people.iter().map(|person| &person.token).cycle();
        tokens
            .take(count)
            .map(|token| Self {
                token: token.clone(),
                follow: follow.to_vec(),
            })
            .collect()
    }

    /// Callers for a server that asks nobody who they are.
    pub(crate) fn nobody(count: usize, follow: &[FollowRoom]) -> Vec<Self> {
        let caller = Self {
            // As long as a real one, so that a request has as many bytes.
            token: Token::new(format!("rk_s_{}", "0".repeat(43))),
            follow: follow.to_vec(),
        };
        vec![caller; count]
    }
}

/// Follows a room from where it stands.
pub(crate) fn from_head(room: &str) -> FollowRoom {
    FollowRoom {
        room: room.to_owned(),
        from_head: true,
        ..FollowRoom::default()
    }
}

/// Opens a line on a new connection, and waits until every room that it follows is live.
///
/// # Errors
/// If it takes too long or is refused.
pub(crate) async fn open(server: &Server, caller: &Caller) -> anyhow::Result<Line> {
    in_time(async { open_on(&server.connect().await?, caller).await }).await
}

/// Opens a line for each caller, in their order.
///
/// # Errors
/// The first of any of them.
pub(crate) async fn open_many(
    server: &Server,
    callers: &[Caller],
    stage: &Stage,
) -> anyhow::Result<Vec<Line>> {
    let open = async |caller: &Caller| {
        let line = open(server, caller).await?;
        stage.inc(1);
        anyhow::Ok(line)
    };
    stream::iter(callers)
        .map(open)
        .buffered(OPENING_AT_ONCE)
        .try_collect()
        .await
}

/// Opens a line for each caller, so many of them on a connection. It ends with the last of its lines.
///
/// # Errors
/// The first of any of them.
pub(crate) async fn open_sharing(
    server: &Server,
    callers: &[Caller],
    lines_per_connection: usize,
    stage: &Stage,
) -> anyhow::Result<Vec<Line>> {
    let open = async |callers: &[Caller]| {
        let client = in_time(async { Ok(server.connect().await?) }).await?;
        let lines = stream::iter(callers).map(|caller| {
            let opened = in_time(open_on(&client, caller));
            opened.inspect_ok(|_| stage.inc(1))
        });
        let lines = lines.buffered(OPENING_AT_ONCE_PER_CONNECTION);
        lines.try_collect::<Vec<_>>().await
    };
    let connections_at_once = OPENING_AT_ONCE / OPENING_AT_ONCE_PER_CONNECTION;
    stream::iter(callers.chunks(lines_per_connection))
        .map(open)
        .buffered(connections_at_once)
        .try_concat()
        .await
}

async fn in_time<T>(opening: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    timeout(OPEN_WITHIN, Box::pin(opening))
        .await
        .context("a stream is not live in time")?
}

async fn open_on(client: &Client, caller: &Caller) -> anyhow::Result<Line> {
    let client = client.clone().with_token(caller.token.clone())?;
    let hello = Hello {
        follow_rooms: caller.follow.clone(),
    };
    let (sender, mut receiver) = client.open_stream(hello).await?;
    let (mut ready, mut live) = (false, 0);
    while !ready || live < caller.follow.len() {
        let frame = receiver.next_encoded().await?;
        let frame = frame.context("the server closed a stream that was not live yet")?;
        for glance in glances(&frame) {
            match glance? {
                Glance::Ready => ready = true,
                Glance::Live => live += 1,
                Glance::Farewell => bail!("the server ended a stream that was not live yet"),
                Glance::Event { .. } | Glance::Reply { .. } | Glance::Other(_) => {}
            }
        }
    }
    Ok(Line { sender, receiver })
}
