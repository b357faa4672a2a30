//! Clients that stop reading while their room runs hot: what they cost the server, what the others
//! notice, and whether they miss anything.
//!
//! Two runs of the same load over the same sessions: in the first everybody reads; in the second some
//! have stopped, and begin again when it is over. They are sent more than all queues on the way to them
//! can hold, so what they get in the end, and without a gap, was read from the log. Memory is read for
//! the first time on a server that was started again after the accounts were made, for password hashes leave
//! room behind in which whole outboxes would find place; and before anybody comes, for so do handshakes.
//! So all sessions and the load itself are counted against the stalled: the figure is an upper bound.
//!
//! What does not depend on speed is judged in a quick run too, which has as many sessions as a full one.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::try_join_all;
use rookery_client::Tuning;
use tokio::time::Instant;

use super::crowd::{Crowd, Plan, Round};
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

/// Bytes of a body: a megabyte is 131 of these.
const BODY_BYTES: usize = 8_000;

/// Messages in the air while the room is asked for all it can: few, for they are large.
const WINDOW: u32 = 64;

/// Messages of one run: more bytes than [`QUEUES_BYTES`].
const MESSAGES: u32 = 300;

/// The part of what the room can bear at which it runs: hot, and not overloaded, or the latency would be
/// that of a queue. A quick run does not look at the latency, and sends as fast as the others read.
const LOAD: f64 = 0.5;

/// What can be on its way to a client that does not read: an outbox of 1 MiB, as much that the connection
/// took out of it as one message, and the client's window of 64 KiB.
const QUEUES_BYTES: usize = 2 * 1024 * 1024 + 64 * 1024;

/// What a session that is not read may cost: an outbox of 1 MiB, and a tenth for the rest.
const BYTES_MAX: f64 = 1.1 * 1024.0 * 1024.0;

pub(super) async fn run(scale: Scale, console: Console) -> anyhow::Result<Report> {
    let mut server = Rookery::start().await?;
    let sessions = SESSIONS.min(crate::files::streams_max());
    let (before, mut crowd, mut some) = gather(&mut server, sessions, console).await?;
    let stage = console.stage("slow: everybody reads", 3);

    let (calm, rate) = while_reading(&mut some, everybody_reads(&mut crowd, scale)).await?;
    catch_up(&mut some, crowd.head()).await?;
    stage.inc(1);

    stage.says("slow: some do not read");
    let hot = messages(&mut crowd, rate).await?;
    let after = settled(|| server.usage()).await?;
    let owed = some.iter().map(|reader| crowd.head() - reader.last).min();
    let owed = owed.context("there is nobody who stopped reading")?;
    stage.inc(1);

    stage.says("slow: all read again");
    let began = Instant::now();
    catch_up(&mut some, crowd.head()).await?;
    let caught_up = began.elapsed();

    let grown = after.checked_sub(before).with_context(|| {
        format!("the server shrank from {before} to {after} bytes while clients did not read")
    })?;
    let grown = number(grown) / length(some.len());
    let missed = some.iter().map(|reader| reader.missed).sum();
    let (hot_p99, calm_p99) = (hot.latencies.p99_ms(), calm.latencies.p99_ms());
    let mut report = Report::new("slow");
    report
        .row(
            Row::new(
                "resident bytes per stalled session, at most",
                "bytes",
                grown,
            )
            .must(Goal::AtMost(BYTES_MAX)),
        )
        .row(
            Row::new(
                "owed to each stalled session, more than queues hold",
                "bytes",
                number(owed) * length(BODY_BYTES),
            )
            .must(Goal::AtLeast(length(QUEUES_BYTES))),
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
            .must(Goal::Exactly(0.0)),
        )
        .row(Row::new(
            "all of them caught up in",
            "s",
            caught_up.as_secs_f64(),
        ))
        .row(Row::new("load", "messages/s", hot.messages_per_second()))
        .check("sessions", sessions as u64)
        .check("stalled", some.len() as u64)
        .check("messages while stalled", hot.messages)
        .detail("body bytes", BODY_BYTES);
    Ok(report)
}

/// The run to compare with, and the rate of the run that is compared: none in a quick one.
async fn everybody_reads(crowd: &mut Crowd, scale: Scale) -> anyhow::Result<(Round, Option<f64>)> {
    let most = crowd.blast(scale.span).await?;
    if !scale.judges_speed {
        return Ok((most, None));
    }
    let rate = Some(LOAD * most.messages_per_second());
    Ok((messages(crowd, rate).await?, rate))
}

/// Sends [`MESSAGES`], so many a second, or as fast as they are read.
async fn messages(crowd: &mut Crowd, rate: Option<f64>) -> anyhow::Result<Round> {
    match rate {
        Some(rate) => {
            let span = Duration::from_secs_f64(f64::from(MESSAGES) / rate);
            crowd.pace(rate, span).await
        }
        None => crowd.volley(MESSAGES).await,
    }
}

/// The server's memory without sessions, and the sessions: those who read all the time, as a crowd, and
/// those who will stop.
async fn gather(
    server: &mut Rookery,
    sessions: usize,
    console: Console,
) -> anyhow::Result<(u64, Crowd, Vec<Reader>)> {
    let sdk = server.server(Tuning::LIGHT)?;
    let sender = people::administrator(&sdk, server.invitation()).await?;
    let accounts = people::accounts_for(sessions);
    let stage = console.stage("slow: accounts", 2 * accounts as u64);
    let members = people::people(&sdk, &sender, &people::numbered(accounts), &stage).await?;
    let everybody: Vec<_> = members.iter().collect();
    let room = people::room(&sender, "slow", &everybody, &stage).await?;
    drop(stage);
    let head = sender.client.room(&room).await?.head_seq;
    server.restart().await?;
    let before = settled(|| server.usage()).await?;
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
    Ok((before, crowd, some.collect()))
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
