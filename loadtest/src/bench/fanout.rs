//! Deliveries a second from one room to many sessions, each on a TLS connection of its own.
//!
//! A full window of messages is in the air all the time, no more than an outbox holds; the next message
//! leaves when the last receiver has the oldest one. The baseline relays the same bytes from one stream
//! to as many.
//!
//! [`distance`] spreads the sessions over several nodes, [`sweep`] makes them more and more.

pub(super) mod distance;
pub(super) mod sweep;

use std::time::Duration;

use rookery_client::{Server, Tuning};

use super::crowd::{Crowd, Plan, Round, micros_per_delivery};
use super::{BODY_BYTES, Scale, compared};
use crate::baseline::wire::Wire;
use crate::console::Console;
use crate::lines::{Caller, from_head};
use crate::people;
use crate::report::{Goal, Report};
use crate::rookery::Rookery;
use crate::rounds::interleave;

/// Sessions that follow the room.
const RECEIVERS: usize = 500;

/// Messages in the air: half of what an outbox holds, so that nobody falls behind.
const WINDOW: u32 = 128;

/// One side of a round.
#[derive(Debug)]
struct Figures {
    round: Round,
    spent: Duration,
}

pub(super) async fn run(scale: Scale, console: Console) -> anyhow::Result<Report> {
    let server = Rookery::start().await?;
    let bare = Wire::start()?;
    let receivers = scale.sessions(RECEIVERS);
    let mut crowd =
        rookery_crowd("fanout", &server, receivers, WINDOW, BODY_BYTES, console).await?;
    let mut bare_crowd = bare_crowd("fanout", &bare, receivers, WINDOW, console).await?;

    let stage = console.stage("fanout: rounds", 2 * scale.rounds as u64);
    let rounds = interleave(
        scale.rounds,
        &stage,
        async || {
            let before = server.usage()?.processor;
            let round = crowd.blast(scale.span).await?;
            let spent = server.usage()?.processor.saturating_sub(before);
            Ok(Figures { round, spent })
        },
        async || {
            let before = bare.usage()?.processor;
            let round = bare_crowd.blast(scale.span).await?;
            let spent = bare.usage()?.processor.saturating_sub(before);
            Ok(Figures { round, spent })
        },
    )
    .await?;

    let mut report = Report::new("fanout");
    let (subject, baseline) = (&rounds.subject[..], &rounds.baseline[..]);
    let mut row = |figure, unit, of: fn(&Figures) -> f64| {
        compared(&mut report, figure, unit, (subject, of), (baseline, of))
    };
    let rows = [
        row("deliveries", "1/s", |f| f.round.deliveries_per_second()).goal(Goal::RatioAtLeast(1.0)),
        row("server's processor time per delivery", "us", |f| {
            micros_per_delivery(f.spent, &f.round)
        }),
        row("deliveries per gRPC message", "", |f| {
            f.round.deliveries_per_frame()
        }),
        row("last receiver p99, full window", "ms", |f| {
            f.round.latencies.p99_ms()
        }),
    ];
    rows.into_iter().for_each(|row| {
        report.row(row);
    });
    report
        .check(
            "deliveries",
            subject.iter().map(|f| f.round.deliveries).sum(),
        )
        .detail("receivers", receivers)
        .detail("messages in the air", WINDOW)
        .detail("body bytes", BODY_BYTES);
    Ok(report)
}

/// A crowd in a new room of a `rookery` server that nobody has signed in to.
pub(super) async fn rookery_crowd(
    bench: &str,
    server: &Rookery,
    receivers: usize,
    window: u32,
    body_bytes: usize,
    console: Console,
) -> anyhow::Result<Crowd> {
    let sdk = server.server(Tuning::LIGHT)?;
    let plan = Plan {
        window,
        body_bytes,
        ..rookery_plan(bench, &sdk, server.invitation(), receivers, console).await?
    };
    let stage = console.stage(format!("{bench}: sessions"), receivers as u64);
    Crowd::gather(&sdk, plan, &stage).await
}

/// The accounts of a crowd, in a new room of a server that nobody has signed in to.
async fn rookery_plan(
    bench: &str,
    sdk: &Server,
    invitation: &str,
    receivers: usize,
    console: Console,
) -> anyhow::Result<Plan> {
    let sender = people::administrator(sdk, invitation).await?;
    let accounts = people::accounts_for(receivers);
    let stage = console.stage(format!("{bench}: accounts"), 2 * accounts as u64);
    let members = people::people(sdk, &sender, &people::numbered(accounts), &stage).await?;
    let everybody: Vec<_> = members.iter().collect();
    let room = people::room(&sender, bench, &everybody, &stage).await?;
    Ok(Plan {
        head: sender.client.room(&room).await?.head_seq,
        sender: Caller {
            token: sender.token,
            follow: Vec::new(),
        },
        receivers: Caller::many(&members, receivers, &[from_head(&room)]),
        room,
        window: WINDOW,
        body_bytes: BODY_BYTES,
    })
}

/// A crowd before the bare server.
pub(super) async fn bare_crowd(
    bench: &str,
    bare: &Wire,
    receivers: usize,
    window: u32,
    console: Console,
) -> anyhow::Result<Crowd> {
    let room = "rooms/00000000000000000000000000".to_owned();
    let plan = Plan {
        head: 0,
        sender: Caller::nobody(1, &[]).remove(0),
        receivers: Caller::nobody(receivers, &[from_head(&room)]),
        room,
        window,
        body_bytes: BODY_BYTES,
    };
    let stage = console.stage(format!("{bench}: bare streams"), receivers as u64);
    Crowd::gather(&bare.server(Tuning::LIGHT)?, plan, &stage).await
}
