//! Acknowledged durable messages: how many a second, and how long each waits.
//!
//! Sessions keep a number of messages under way and send the next one when one is acknowledged. The
//! baseline is the store's own group commit of the same rows: as many messages under way, each a
//! transaction of its own, and the store writes what has gathered in one sync. That is all the grouping that
//! the store knows, so it is what the goal is about.
//!
//! A room's actor knows more: it puts what waits into one transaction, which spares the store a check and a
//! head for each message. So a second baseline has that too, with nothing before the store. No server
//! can be faster than it; how near we come is a row of its own.
//!
//! What is stored is sealed. A server that seals nothing takes its turn in each round, so what sealing costs is
//! a row as well.
//!
//! Invariant: the files are on a disk, or the run refuses to call anything durable.

use std::time::Duration;

use anyhow::ensure;
use futures::future::try_join_all;
use rookery_client::Tuning;
use tokio::time::Instant;

use super::{BODY_BYTES, Scale, compared, micros_each};
use crate::baseline::store::{Append, BareStore, Order};
use crate::console::Console;
use crate::folder;
use crate::lines::{self, Caller};
use crate::people;
use crate::pipeline::Pipeline;
use crate::report::{Goal, Report};
use crate::rookery::Rookery;
use crate::rounds::interleave;
use crate::stats::{Latencies, number};

/// Rooms that are written to: a room is one writer, so there are enough for both cores.
const ROOMS: usize = 16;

/// Sessions in each room.
const SESSIONS_PER_ROOM: usize = 2;

/// Messages that each session has under way: with all sessions 512, which the store takes in a few
/// groups.
const IN_FLIGHT_EACH: usize = 16;

/// What sealing has to leave of the speed: it may cost a twentieth.
const SEALED_AT_LEAST: f64 = 0.95;

const IN_FLIGHT: usize = ROOMS * SESSIONS_PER_ROOM * IN_FLIGHT_EACH;

/// What one side of a round came to.
#[derive(Debug)]
struct Figures {
    messages: u64,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    micros_each: f64,
}

pub(super) async fn run(scale: Scale, console: Console) -> anyhow::Result<Report> {
    let files = folder::file_system()?;
    ensure!(
        scale.volatile || !folder::is_in_memory(&files),
        "nothing is durable on {files}: put target/ on a disk, or say --in-memory"
    );
    let server = Rookery::start().await?;
    let mut senders = senders_of(&server, console).await?;
    let unsealed = Rookery::start_unsealed().await?;
    let mut open_senders = senders_of(&unsealed, console).await?;
    let mut store = BareStore::start()?;
    // A store of its own: the larger a store, the slower it is.
    let mut batching = BareStore::start()?;
    let order = |together| {
        Order::Append(Append {
            rooms: ROOMS,
            in_flight: IN_FLIGHT,
            together,
            body_bytes: BODY_BYTES,
            millis: scale.millis(),
        })
    };

    let stage = console.stage("append: rounds", 2 * scale.rounds as u64);
    let (mut batched, mut open) = (Vec::new(), Vec::new());
    let rounds = interleave(
        scale.rounds,
        &stage,
        async || send(&server, &mut senders, scale.span).await,
        async || {
            open.push(send(&unsealed, &mut open_senders, scale.span).await?);
            let before = store.usage()?;
            let done = store.order(order(1))?;
            let after = store.usage()?;
            batched.push(batching.order(order(IN_FLIGHT / ROOMS))?.per_second());
            Ok(Figures {
                messages: done.messages,
                per_second: done.per_second(),
                p50_ms: done.p50_ms,
                p99_ms: done.p99_ms,
                micros_each: micros_each(before, after, done.messages),
            })
        },
    )
    .await?;

    Ok(report(&rounds.subject, &rounds.baseline, &batched, &open))
}

/// One round of a server.
async fn send(server: &Rookery, senders: &mut [Sender], span: Duration) -> anyhow::Result<Figures> {
    let (before, began) = (server.usage()?, Instant::now());
    let end = began + span;
    let all = senders.iter_mut().map(|sender| {
        let goes_on = move |_| Instant::now() < end;
        sender.pipeline.run(&sender.room, IN_FLIGHT_EACH, goes_on)
    });
    let all = try_join_all(all).await?;
    let (elapsed, after) = (began.elapsed(), server.usage()?);
    let mut latencies = Latencies::new();
    all.iter().for_each(|part| latencies.add(part));
    let messages = latencies.count();
    Ok(Figures {
        messages,
        per_second: number(messages) / elapsed.as_secs_f64(),
        p50_ms: latencies.p50_ms(),
        p99_ms: latencies.p99_ms(),
        micros_each: micros_each(before, after, messages),
    })
}

fn report(
    subject: &[Figures],
    baseline: &[Figures],
    batched: &[f64],
    unsealed: &[Figures],
) -> Report {
    let mut report = Report::new("append");
    let mut row = |figure, unit, of: fn(&Figures) -> f64| {
        compared(&mut report, figure, unit, (subject, of), (baseline, of))
    };
    let rows = [
        row("acknowledged durable messages", "1/s", |f| f.per_second).goal(Goal::RatioAtLeast(0.8)),
        row("acknowledgement p50", "ms", |f| f.p50_ms),
        row("acknowledgement p99", "ms", |f| f.p99_ms),
        row("server's processor time per message", "us", |f| {
            f.micros_each
        }),
    ];
    rows.into_iter().for_each(|row| {
        report.row(row);
    });
    let ceiling = compared(
        &mut report,
        "the same, against a room's messages in one transaction",
        "1/s",
        (subject, |f: &Figures| f.per_second),
        (batched, |per_second: &f64| *per_second),
    );
    let mut sealing = |figure, unit, of: fn(&Figures) -> f64| {
        compared(&mut report, figure, unit, (subject, of), (unsealed, of))
    };
    let sealed = [
        sealing(
            "the same, against a server that seals nothing",
            "1/s",
            |f| f.per_second,
        )
        .goal(Goal::RatioAtLeast(SEALED_AT_LEAST)),
        sealing("processor time per message, against that one", "us", |f| {
            f.micros_each
        }),
    ];
    sealed.into_iter().for_each(|row| {
        report.row(row);
    });
    report
        .row(ceiling)
        .check("messages", subject.iter().map(|f| f.messages).sum())
        .detail("rooms", ROOMS)
        .detail("sessions", ROOMS * SESSIONS_PER_ROOM)
        .detail("messages under way", IN_FLIGHT)
        .detail("body bytes", BODY_BYTES);
    report
}

/// One session that writes to one room.
struct Sender {
    pipeline: Pipeline,
    room: String,
}

async fn senders_of(server: &Rookery, console: Console) -> anyhow::Result<Vec<Sender>> {
    let sdk = server.server(Tuning::LIGHT)?;
    let administrator = people::administrator(&sdk, server.invitation()).await?;
    let count = ROOMS * SESSIONS_PER_ROOM;
    let stage = console.stage("append: accounts", count as u64);
    let people = people::people(&sdk, &administrator, &people::numbered(count), &stage).await?;
    let mut senders = Vec::with_capacity(count);
    for (number, members) in people.chunks(SESSIONS_PER_ROOM).enumerate() {
        let members: Vec<_> = members.iter().collect();
        let room =
            people::room(&administrator, &format!("room {number}"), &members, &stage).await?;
        for member in members {
            let caller = Caller {
                token: member.token.clone(),
                follow: Vec::new(),
            };
            let line = lines::open(&sdk, &caller).await?;
            senders.push(Sender {
                pipeline: Pipeline::new(line, BODY_BYTES),
                room: room.clone(),
            });
        }
    }
    Ok(senders)
}
