//! Clients that stop reading while their room runs hot: what they cost the server, what the others
//! notice, and whether they miss anything.
//!
//! Two runs of the same load over the same sessions: in the first everybody reads; in the second some
//! have stopped, and begin again when it is over. Bodies are so large that what waits for a client
//! reaches its bound in bytes and in number.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::try_join_all;
use rookery_client::Tuning;
use tokio::time::Instant;

use super::crowd::{Crowd, Plan};
use super::sessions::settled;
use super::{Scale, within};
use crate::console::Console;
use crate::frames::{Glance, glances};
use crate::limits::SETTLE_WITHIN;
use crate::lines::{self, Caller, Line, from_head};
use crate::people;
use crate::report::{Goal, Report, Row};
use crate::rookery::Rookery;
use crate::stats::{length, number};

/// Sessions that follow the room.
const SESSIONS: usize = 1_000;

/// One in so many stops reading.
const STALLED_ONE_IN: usize = 10;

/// Bytes of a body: 256 of these are a megabyte.
const BODY_BYTES: usize = 4_000;

/// Messages in the air while the room is asked for all it can: few, for they are large.
const WINDOW: u32 = 64;

/// Messages of one run: an outbox in number and twice one in bytes, so that all that can fill up is full.
const MESSAGES: f64 = 600.0;

/// The part of what the room can bear at which it runs: hot, and not overloaded, or the latency would be
/// that of a queue.
const LOAD: f64 = 0.5;

/// What a session that is not read may cost: an outbox of 1 MiB, and a tenth for the rest.
const BYTES_MAX: f64 = 1.1 * 1024.0 * 1024.0;

pub(super) async fn run(scale: Scale, console: Console) -> anyhow::Result<Report> {
    let server = Rookery::start().await?;
    let sessions = scale.sessions(SESSIONS);
    let (mut crowd, mut some) = gather(&server, sessions, console).await?;
    let stage = console.stage("slow: everybody reads", 4);

    let most = while_reading(&mut some, crowd.blast(scale.span)).await?;
    let rate = LOAD * most.messages_per_second();
    let span = Duration::from_secs_f64(MESSAGES / rate);
    stage.inc(1);
    let calm = while_reading(&mut some, crowd.pace(rate, span)).await?;
    catch_up(&mut some, crowd.head()).await?;
    let before = settled(|| server.usage()).await?;
    stage.inc(1);

    stage.says("slow: some do not read");
    let hot = crowd.pace(rate, span).await?;
    let after = settled(|| server.usage()).await?;
    stage.inc(1);

    stage.says("slow: all read again");
    let began = Instant::now();
    catch_up(&mut some, crowd.head()).await?;
    let caught_up = began.elapsed();

    let grown = number(after.saturating_sub(before)) / length(some.len());
    let missed = some.iter().map(|reader| reader.missed).sum();
    let (hot_p99, calm_p99) = (hot.latencies.p99_ms(), calm.latencies.p99_ms());
    let mut report = Report::new("slow");
    report
        .row(
            Row::new("resident bytes per stalled session", "bytes", grown)
                .goal(Goal::AtMost(BYTES_MAX)),
        )
        .row(
            Row::new("the others' last receiver p99", "ms", hot_p99)
                .against(calm_p99)
                .goal(Goal::RatioAtMost(2.0)),
        )
        .row(
            Row::new(
                "events missed or got twice by the stalled",
                "",
                number(missed),
            )
            .goal(Goal::Exactly(0.0)),
        )
        .row(Row::new(
            "all of them caught up in",
            "s",
            caught_up.as_secs_f64(),
        ))
        .row(Row::new("load", "messages/s", rate))
        .check("sessions", sessions as u64)
        .check("stalled", some.len() as u64)
        .check("messages while stalled", hot.messages)
        .detail("body bytes", BODY_BYTES);
    Ok(report)
}

/// The sessions: those who read all the time, as a crowd, and those who will stop.
async fn gather(
    server: &Rookery,
    sessions: usize,
    console: Console,
) -> anyhow::Result<(Crowd, Vec<Reader>)> {
    let sdk = server.server(Tuning::LIGHT)?;
    let sender = people::administrator(&sdk, server.invitation()).await?;
    let accounts = people::accounts_for(sessions);
    let stage = console.stage("slow: accounts", 2 * accounts as u64);
    let members = people::people(&sdk, &sender, &people::numbered(accounts), &stage).await?;
    let everybody: Vec<_> = members.iter().collect();
    let room = people::room(&sender, "slow", &everybody, &stage).await?;
    drop(stage);
    let head = sender.client.room(&room).await?.head_seq;
    let mut receivers = Caller::many(&members, sessions, &[from_head(&room)]);
    let stalled = receivers.split_off(sessions - sessions / STALLED_ONE_IN);
    let stage = console.stage("slow: sessions", sessions as u64);
    let some = lines::open_many(&sdk, &stalled, &stage).await?;
    let plan = Plan {
        head,
        sender: Caller {
            token: sender.token,
            follow: Vec::new(),
        },
        receivers,
        room,
        window: WINDOW,
        body_bytes: BODY_BYTES,
    };
    let crowd = Crowd::gather(&sdk, plan, &stage).await?;
    let some = some.into_iter().map(|line| Reader::new(line, head));
    Ok((crowd, some.collect()))
}

/// A session that reads when it is told to, and notices what it misses.
#[derive(Debug)]
struct Reader {
    line: Line,
    last: u64,
    missed: u64,
}

impl Reader {
    const fn new(line: Line, head: u64) -> Self {
        Self {
            line,
            last: head,
            missed: 0,
        }
    }

    async fn read_frame(&mut self) -> anyhow::Result<()> {
        let frame = self.line.receiver.next_encoded().await?;
        let frame = frame.context("the server closed the stream of a slow client")?;
        for glance in glances(&frame) {
            if let Glance::Event { seq } = glance? {
                self.missed += u64::from(seq != self.last + 1);
                self.last = seq.max(self.last);
            }
        }
        Ok(())
    }

    /// Reads for ever.
    async fn read_on(&mut self) -> anyhow::Result<Infallible> {
        loop {
            self.read_frame().await?;
        }
    }

    async fn read_to(&mut self, seq: u64) -> anyhow::Result<()> {
        while self.last < seq {
            self.read_frame().await?;
        }
        Ok(())
    }
}

/// Does `work` while everybody reads.
async fn while_reading<T>(
    readers: &mut [Reader],
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    tokio::select! {
        done = work => done,
        broken = try_join_all(readers.iter_mut().map(Reader::read_on)) => {
            broken?;
            anyhow::bail!("there is nobody who could stop reading")
        }
    }
}

/// Has everybody read up to `seq`.
async fn catch_up(readers: &mut [Reader], seq: u64) -> anyhow::Result<()> {
    let all = try_join_all(readers.iter_mut().map(|reader| reader.read_to(seq)));
    within("slow clients did not catch up", SETTLE_WITHIN, all).await??;
    Ok(())
}
