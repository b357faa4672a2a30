//! Messages a second read back, page by page, by readers side by side.
//!
//! The baseline is the store's range read of the same rows in pages of the same size, decoded as a
//! service reads them. It is further away than other baselines: it has no wire, and no client that
//! decodes what it gets.

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use rookery_client::v1::ListEventsRequest;
use rookery_client::v1::list_events_request::{Direction, Start};
use rookery_client::{Client, Server, Tuning};
use tokio::time::Instant;

use super::{BODY_BYTES, Scale, compared, micros_each};
use crate::baseline::store::{BareStore, Done, Order};
use crate::console::{Console, Stage};
use crate::lines::{self, Caller};
use crate::people::{self, Person};
use crate::pipeline::Pipeline;
use crate::report::{Goal, Report, Row};
use crate::rookery::Rookery;
use crate::rounds::interleave;
use crate::stats::{median, number};

/// Readers, each with a connection and a room.
const READERS: usize = 4;

/// Messages in each room: 20 pages.
const MESSAGES: u64 = 20_000;

/// Messages of a page: the most that a server gives.
const PAGE: i32 = 1_000;

/// Messages under way while rooms are filled: half of what the server takes from one stream.
const FILL_UNDER_WAY: usize = 128;

/// One side of a round.
#[derive(Debug)]
struct Figures {
    messages: u64,
    per_second: f64,
    micros_each: f64,
}

pub(super) async fn run(scale: Scale, console: Console) -> anyhow::Result<Report> {
    let messages = MESSAGES / scale.divisor as u64;
    let server = Rookery::start().await?;
    let sdk = server.server(Tuning::NORMAL)?;
    let administrator = people::administrator(&sdk, server.invitation()).await?;
    let stage = console.stage("history: messages to read", READERS as u64);
    let rooms = fill(&sdk, &administrator, messages, &stage).await?;
    drop(stage);
    let mut store = BareStore::start()?;
    store.order(Order::Fill {
        rooms: READERS,
        messages,
        body_bytes: BODY_BYTES,
    })?;
    let mut readers = Vec::with_capacity(READERS);
    for room in rooms {
        let client = sdk
            .connect()
            .await?
            .with_token(administrator.token.clone())?;
        readers.push((client, room));
    }
    let order = |decoded| Order::Read {
        readers: READERS,
        page_rows: usize::try_from(PAGE).unwrap_or(1),
        millis: scale.millis(),
        decoded,
    };

    let stage = console.stage("history: rounds", 2 * scale.rounds as u64);
    let mut raw = Vec::new();
    let rounds = interleave(
        scale.rounds,
        &stage,
        async || {
            let (before, began) = (server.usage()?, Instant::now());
            let end = began + scale.span;
            let all = readers.iter().map(|(client, room)| read(client, room, end));
            let messages = try_join_all(all).await?.iter().sum();
            let seconds = began.elapsed().as_secs_f64();
            Ok(Figures {
                messages,
                per_second: number(messages) / seconds,
                micros_each: micros_each(before, server.usage()?, messages),
            })
        },
        async || {
            let before = store.usage()?;
            let done = store.order(order(true))?;
            let after = store.usage()?;
            raw.push(store.order(order(false))?.per_second());
            Ok(Figures {
                messages: done.messages,
                per_second: Done::per_second(&done),
                micros_each: micros_each(before, after, done.messages),
            })
        },
    )
    .await?;

    Ok(report(&rounds.subject, &rounds.baseline, &raw, messages))
}

fn report(subject: &[Figures], baseline: &[Figures], raw: &[f64], messages: u64) -> Report {
    let mut report = Report::new("history");
    let mut row = |figure, unit, of: fn(&Figures) -> f64| {
        compared(&mut report, figure, unit, (subject, of), (baseline, of))
    };
    let rows = [
        row("messages read back", "1/s", |f| f.per_second).goal(Goal::RatioAtLeast(0.5)),
        row("server's processor time per message", "us", |f| {
            f.micros_each
        }),
    ];
    rows.into_iter().for_each(|row| {
        report.row(row);
    });
    let raw = median(raw).unwrap_or(f64::NAN);
    report
        .row(Row::new("store alone, rows not decoded", "1/s", raw))
        .check("messages", subject.iter().map(|f| f.messages).sum())
        .detail("readers", READERS)
        .detail("messages of a room", messages)
        .detail("messages of a page", PAGE)
        .detail("body bytes", BODY_BYTES);
    report
}

/// [`READERS`], which is how many rooms [`fill`] makes.
pub(super) const ROOMS: u64 = READERS as u64;

/// Rooms of the administrator's with so many messages in each.
pub(super) async fn fill(
    sdk: &Server,
    administrator: &Person,
    messages: u64,
    stage: &Stage,
) -> anyhow::Result<Vec<String>> {
    let caller = Caller {
        token: administrator.token.clone(),
        follow: Vec::new(),
    };
    let mut pipeline = Pipeline::new(lines::open(sdk, &caller).await?, BODY_BYTES);
    let mut rooms = Vec::with_capacity(READERS);
    for number in 0..READERS {
        let room = people::room(administrator, &format!("room {number}"), &[], stage).await?;
        let goes_on = |sent| sent < messages;
        pipeline.run(&room, FILL_UNDER_WAY, goes_on).await?;
        stage.inc(1);
        rooms.push(room);
    }
    Ok(rooms)
}

/// Reads a room from its start to its end, again and again until `end`. Returns how many messages came.
async fn read(client: &Client, room: &str, end: Instant) -> anyhow::Result<u64> {
    let (mut read, mut token) = (0, String::new());
    while Instant::now() < end {
        let page = client
            .list_events(ListEventsRequest {
                parent: room.to_owned(),
                page_size: PAGE,
                page_token: token,
                direction: Direction::Forward.into(),
                start: Some(Start::FromSeq(1)),
            })
            .await
            .context("a page cannot be read")?;
        ensure!(!page.events.is_empty(), "a page is empty");
        read += page.events.len() as u64;
        token = page.next_page_token;
    }
    Ok(read)
}
