//! What it costs that the sessions of a room are on several nodes: the servers' processor time for a delivery,
//! against one server with all of them.
//!
//! Both sides have the same sessions, on TLS connections of their own, and the same messages in the air. Events go
//! from the room's node to the others by a network in memory, so what TLS between nodes costs is not in it: once for
//! each event and node, where a delivery is once for each event and session.

use std::time::Duration;

use rookery_client::Tuning;

use super::super::crowd::{Crowd, Plan, Round, micros_per_delivery};
use super::super::{BODY_BYTES, Scale, compared};
use super::{RECEIVERS, WINDOW, rookery_crowd, rookery_plan};
use crate::console::Console;
use crate::dev_cluster::DevCluster;
use crate::lines;
use crate::report::{Goal, Report};
use crate::rookery::Rookery;
use crate::rounds::interleave;

/// Times the processor time of one node.
const COST_GOAL: f64 = 1.2;

pub(in crate::bench) async fn run(
    nodes: u8,
    scale: Scale,
    console: Console,
) -> anyhow::Result<Report> {
    let receivers = scale.sessions(RECEIVERS);
    let server = Rookery::start().await?;
    let mut cluster = DevCluster::start(nodes).await?;
    cluster.settle().await?;
    let bench = "fanout to one node";
    let mut near = rookery_crowd(bench, &server, receivers, WINDOW, BODY_BYTES, console).await?;
    let mut far = spread_crowd(&mut cluster, receivers, console).await?;

    let stage = console.stage("fanout to several nodes: rounds", 2 * scale.rounds as u64);
    let rounds = interleave(
        scale.rounds,
        &stage,
        async || {
            let before = cluster.usage()?.processor;
            let round = far.blast(scale.span).await?;
            let spent = cluster.usage()?.processor.saturating_sub(before);
            Ok((round, spent))
        },
        async || {
            let before = server.usage()?.processor;
            let round = near.blast(scale.span).await?;
            let spent = server.usage()?.processor.saturating_sub(before);
            Ok((round, spent))
        },
    )
    .await?;

    let mut report = Report::new("fanout to several nodes");
    let (subject, baseline) = (&rounds.subject[..], &rounds.baseline[..]);
    let mut row = |figure, unit, of: fn(&(Round, Duration)) -> f64| {
        compared(&mut report, figure, unit, (subject, of), (baseline, of))
    };
    let rows = [
        row(
            "servers' processor time per delivery",
            "us",
            |(round, spent)| micros_per_delivery(*spent, round),
        )
        .goal(Goal::RatioAtMost(COST_GOAL)),
        row("deliveries", "1/s", |(round, _)| {
            round.deliveries_per_second()
        }),
        row("deliveries per gRPC message", "", |(round, _)| {
            round.deliveries_per_frame()
        }),
        row("last receiver p99, full window", "ms", |(round, _)| {
            round.latencies.p99_ms()
        }),
    ];
    rows.into_iter().for_each(|row| {
        report.row(row);
    });
    let deliveries = subject.iter().map(|(round, _)| round.deliveries).sum();
    report
        .check("deliveries to several nodes", deliveries)
        .detail("nodes", nodes)
        .detail("receivers", receivers)
        .detail("messages in the air", WINDOW)
        .detail("body bytes", BODY_BYTES);
    Ok(report)
}

/// A crowd of which every node has a part.
async fn spread_crowd(
    cluster: &mut DevCluster,
    receivers: usize,
    console: Console,
) -> anyhow::Result<Crowd> {
    let bench = "fanout to several nodes";
    let nodes = cluster.nodes().await?;
    let first = cluster.server(&nodes[0], Tuning::LIGHT)?;
    let plan = rookery_plan(bench, &first, cluster.invitation(), receivers, console).await?;
    let stage = console.stage(format!("{bench}: sessions"), receivers as u64);
    let mut open = Vec::with_capacity(receivers);
    let part = plan.receivers.len().div_ceil(nodes.len());
    for (node, callers) in nodes.iter().zip(plan.receivers.chunks(part)) {
        let server = cluster.server(node, Tuning::LIGHT)?;
        open.extend(lines::open_many(&server, callers, &stage).await?);
    }
    let plan = Plan {
        receivers: Vec::new(),
        ..plan
    };
    Crowd::of(&first, plan, open).await
}
