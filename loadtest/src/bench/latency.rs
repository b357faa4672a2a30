//! From sending to the last of a room's receivers, at half of the load that the room can bear.
//!
//! The baseline is a bare unary echo at half of the load that it can bear: one message there, one back.
//! The message of a room goes to the disk in between and to many clients after. A bare relay to as many
//! clients, at half of what it can bear, shows which part of the difference is the many clients: the room
//! is asked for that load too. Syncs of the disk alone show which part is the disk.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use rookery_client::{Client, Outgoing, Tuning};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::fanout::{bare_crowd, rookery_crowd};
use super::{BODY_BYTES, Scale, Series, compared};
use crate::baseline::wire::Wire;
use crate::console::Console;
use crate::folder;
use crate::report::{Goal, Report, Row};
use crate::rookery::Rookery;
use crate::rounds::interleave;
use crate::stats::{Latencies, number};

/// Sessions that follow the room, and connections that echo.
const RECEIVERS: usize = 100;

/// Messages in the air at a time, as far as the room is asked for all it can: as in `fanout`.
const WINDOW: u32 = 128;

/// How often a paced sender wakes up: the finest that the timer gives.
const TICK: Duration = Duration::from_millis(1);

/// Runs of `Scale::span` that find out what both can bear. The best counts.
const CALIBRATIONS: usize = 2;

/// Syncs of the disk that are timed, after all else.
const SYNCS: u32 = 300;

pub(super) async fn run(scale: Scale, console: Console) -> anyhow::Result<Report> {
    let server = Rookery::start().await?;
    let bare = Wire::start()?;
    let receivers = scale.sessions(RECEIVERS);
    let mut crowd =
        rookery_crowd("latency", &server, receivers, WINDOW, BODY_BYTES, console).await?;
    let mut relay = bare_crowd("latency", &bare, receivers, WINDOW, console).await?;
    let echo = Echo::connect(&bare, receivers).await?;

    let stage = console.stage("latency: how much can they bear", 3 * CALIBRATIONS as u64);
    let (mut most, mut most_echoed, mut most_relayed) = (0.0_f64, 0.0_f64, 0.0_f64);
    for _ in 0..CALIBRATIONS {
        most = most.max(crowd.blast(scale.span).await?.messages_per_second());
        stage.inc(1);
        most_echoed = most_echoed.max(echo.blast(scale.span).await?);
        stage.inc(1);
        most_relayed = most_relayed.max(relay.blast(scale.span).await?.messages_per_second());
        stage.inc(1);
    }
    drop(stage);

    let stage = console.stage("latency: rounds at half load", 2 * scale.rounds as u64);
    let (mut relayed, mut as_relayed) = (Vec::new(), Vec::new());
    let rounds = interleave(
        scale.rounds,
        &stage,
        async || {
            let at_relays_load = crowd.pace(most_relayed / 2.0, scale.span).await?;
            as_relayed.push(at_relays_load.latencies);
            Ok(crowd.pace(most / 2.0, scale.span).await?.latencies)
        },
        async || {
            relayed.push(relay.pace(most_relayed / 2.0, scale.span).await?.latencies);
            echo.pace(most_echoed / 2.0, scale.span).await
        },
    )
    .await?;

    let syncs = tokio::task::spawn_blocking(|| folder::syncs(SYNCS)).await??;
    let mut report = Report::new("latency");
    let (subject, baseline) = (&rounds.subject[..], &rounds.baseline[..]);
    let mut row = |figure, of: fn(&Latencies) -> f64| {
        compared(&mut report, figure, "ms", (subject, of), (baseline, of))
    };
    let p50 = row("last receiver p50", Latencies::p50_ms);
    let p99 = row("last receiver p99", Latencies::p99_ms).goal(Goal::RatioAtMost(3.0));
    let bare_p99 = Series::of(&relayed, Latencies::p99_ms).median();
    let same_load_p99 = Series::of(&as_relayed, Latencies::p99_ms).median();
    report
        .row(p50)
        .row(p99)
        .row(Row::new("load", "messages/s", most / 2.0).against(most_echoed / 2.0))
        .row(Row::new("a sync of the disk, p50", "ms", syncs.p50_ms()))
        .row(Row::new("a sync of the disk, p99", "ms", syncs.p99_ms()))
        .row(Row::new("at half of a bare relay's load p99", "ms", same_load_p99).against(bare_p99))
        .row(Row::new(
            "load of the bare relay",
            "messages/s",
            most_relayed / 2.0,
        ))
        .check("messages", subject.iter().map(Latencies::count).sum())
        .detail("receivers", receivers)
        .detail("body bytes", BODY_BYTES);
    Ok(report)
}

/// Clients of the bare echo, each with a connection.
struct Echo(Vec<Client>);

impl Echo {
    async fn connect(bare: &Wire, count: usize) -> anyhow::Result<Self> {
        let server = bare.server(Tuning::LIGHT)?;
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            clients.push(server.connect().await?);
        }
        Ok(Self(clients))
    }

    /// Echoes a second, with one message of each client under way.
    async fn blast(&self, span: Duration) -> anyhow::Result<f64> {
        let began = Instant::now();
        let end = began + span;
        let mut tasks = JoinSet::new();
        for client in &self.0 {
            let client = client.clone();
            tasks.spawn(async move {
                let mut echoes = 0;
                while Instant::now() < end {
                    client.send_message(&message()).await?;
                    echoes += 1;
                }
                Ok::<_, rookery_client::Error>(echoes)
            });
        }
        let mut echoes = 0;
        for outcome in tasks.join_all().await {
            echoes += outcome.context("a message was not echoed")?;
        }
        Ok(number(echoes) / began.elapsed().as_secs_f64())
    }

    /// `rate` messages a second for `span`, whether or not they come back.
    async fn pace(&self, rate: f64, span: Duration) -> anyhow::Result<Latencies> {
        let latencies = Arc::new(Mutex::new(Latencies::new()));
        let mut tasks = JoinSet::new();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (began, mut sent) = (Instant::now(), 0.0);
        let mut clients = self.0.iter().cycle();
        loop {
            ticks.tick().await;
            let due = Instant::now();
            let elapsed = due - began;
            if elapsed >= span {
                break;
            }
            while sent < rate * elapsed.as_secs_f64() {
                let client = clients.next().context("no clients")?.clone();
                let latencies = Arc::clone(&latencies);
                tasks.spawn(async move {
                    client.send_message(&message()).await?;
                    latencies.lock().record(due.elapsed());
                    Ok::<_, rookery_client::Error>(())
                });
                sent += 1.0;
            }
            while let Some(outcome) = tasks.try_join_next() {
                outcome
                    .context("an echo panicked")?
                    .context("a message was not echoed")?;
            }
        }
        for outcome in tasks.join_all().await {
            outcome.context("a message was not echoed")?;
        }
        let all = latencies.lock().clone();
        Ok(all)
    }
}

fn message() -> Outgoing {
    Outgoing::new("rooms/00000000000000000000000000", "x".repeat(BODY_BYTES))
}
