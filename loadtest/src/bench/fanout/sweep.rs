//! Whether a delivery costs the same however many sessions a room has: the server's processor time for one, from a
//! hundred sessions to a hundred thousand.
//!
//! Sessions share connections, so that a hundred thousand fit on one machine, and equally many do at each size.
//! Messages come in volleys, the next when everybody has the last one: then each receiver gets as many events at a
//! time, whatever the size. The smallest room runs between the rounds of each other one.

use std::time::Duration;

use rookery_client::Tuning;

use super::super::crowd::{Crowd, Plan, Round};
use super::super::{BODY_BYTES, Scale, compared};
use super::rookery_plan;
use crate::console::Console;
use crate::lines;
use crate::report::{Goal, Report, Row};
use crate::rookery::Rookery;
use crate::rounds::interleave;
use crate::stats::number;

/// Sessions of the room that all others are held against.
const FEW: usize = 100;

/// Sessions of the others.
const MANY: [usize; 3] = [1_000, 10_000, 100_000];

/// Of these, so many if it is to be quick.
const MANY_IF_QUICK: usize = 2;

/// Streams on a connection: a server allows 64.
const STREAMS_PER_CONNECTION: usize = 50;

/// Messages of a volley.
const VOLLEY: u32 = 16;

/// Deliveries of one side of a round, at least: some seconds.
const DELIVERIES: usize = 2_000_000;

/// Rounds at each size.
const ROUNDS: usize = 3;

/// Times the processor time in the smallest room.
const COST_GOAL: f64 = 1.1;

/// A server with its crowd.
struct Site {
    server: Rookery,
    crowd: Crowd,
    sessions: usize,
}

/// What one round came to.
struct Figures {
    deliveries: u64,
    frames: u64,
    spent: Duration,
    last_receiver_ms: f64,
}

pub(in crate::bench) async fn run(scale: Scale, console: Console) -> anyhow::Result<Report> {
    let sizes = if scale.judges_speed {
        &MANY[..]
    } else {
        &MANY[..MANY_IF_QUICK]
    };
    let rounds = ROUNDS.min(scale.rounds);
    let mut few = Site::open(scale.sessions(FEW), console).await?;
    let mut report = Report::new("fanout sweep");
    for size in sizes {
        let sessions = scale.sessions(*size);
        let mut many = Site::open(sessions, console).await?;
        let label = format!("fanout sweep: {sessions} sessions");
        let stage = console.stage(label, 2 * rounds as u64);
        let deliveries = DELIVERIES / (scale.divisor * scale.divisor);
        let measured = interleave(
            rounds,
            &stage,
            async || many.round(deliveries).await,
            async || few.round(deliveries).await,
        )
        .await?;
        drop(stage);
        let (subject, baseline) = (&measured.subject[..], &measured.baseline[..]);
        rows(&mut report, sessions, subject, baseline)
            .into_iter()
            .for_each(|row| {
                report.row(row);
            });
        let deliveries = subject.iter().map(|f| f.deliveries).sum();
        report
            .check(&format!("deliveries to {sessions} sessions"), deliveries)
            .detail(
                &format!("{sessions} sessions: resident bytes of the server"),
                many.server.usage()?.resident_bytes,
            );
    }
    report
        .detail("sessions of the baseline", few.sessions)
        .detail("streams on a connection", STREAMS_PER_CONNECTION)
        .detail("messages of a volley", VOLLEY)
        .detail("body bytes", BODY_BYTES);
    Ok(report)
}

fn rows(
    report: &mut Report,
    sessions: usize,
    subject: &[Figures],
    baseline: &[Figures],
) -> [Row; 3] {
    let mut row = |figure: &str, unit, of: fn(&Figures) -> f64| {
        let figure = format!("{sessions} sessions: {figure}");
        compared(report, &figure, unit, (subject, of), (baseline, of))
    };
    [
        row("processor time per delivery", "us", |f| {
            f.spent.as_secs_f64() * 1e6 / number(f.deliveries)
        })
        .goal(Goal::RatioAtMost(COST_GOAL)),
        row("deliveries per gRPC message", "", |f| {
            number(f.deliveries) / number(f.frames)
        }),
        row("last receiver p99, a volley at once", "ms", |f| {
            f.last_receiver_ms
        }),
    ]
}

impl Site {
    async fn open(sessions: usize, console: Console) -> anyhow::Result<Self> {
        let server = Rookery::start().await?;
        let bench = format!("fanout sweep: {sessions} sessions");
        let sdk = server.server(Tuning::LIGHT)?;
        let plan = Plan {
            window: VOLLEY,
            ..rookery_plan(&bench, &sdk, server.invitation(), sessions, console).await?
        };
        let stage = console.stage(format!("{bench} open"), sessions as u64);
        let shared = STREAMS_PER_CONNECTION;
        let open = lines::open_sharing(&sdk, &plan.receivers, shared, &stage).await?;
        let crowd = Crowd::of(&sdk, plan, open).await?;
        Ok(Self {
            server,
            crowd,
            sessions,
        })
    }

    /// Volleys, until there are so many deliveries.
    async fn round(&mut self, deliveries_min: usize) -> anyhow::Result<Figures> {
        let before = self.server.usage()?.processor;
        let mut volleys = Vec::new();
        let mut deliveries = 0;
        while deliveries < deliveries_min as u64 {
            let volley = self.crowd.volley(VOLLEY).await?;
            deliveries += volley.deliveries;
            volleys.push(volley);
        }
        let spent = self.server.usage()?.processor.saturating_sub(before);
        Ok(Figures::of(&volleys, spent))
    }
}

impl Figures {
    fn of(volleys: &[Round], spent: Duration) -> Self {
        let p99 = volleys.iter().map(|volley| volley.latencies.p99_ms());
        Self {
            deliveries: volleys.iter().map(|volley| volley.deliveries).sum(),
            frames: volleys.iter().map(|volley| volley.frames).sum(),
            spent,
            last_receiver_ms: p99.fold(0.0, f64::max),
        }
    }
}
