//! A large file, up by one client and down by another: how fast, in how much of the server's memory, and what
//! arrives when the connection is cut and the server killed in between.
//!
//! The baseline is a bare stream of the same messages, with the same client, over the same TLS. Up, it is
//! measured twice: as a server that writes what comes and syncs as often as a `rookery` server does, since
//! that is the part of the work that a promise of durability makes necessary; and as one that drops what
//! comes. Down, the bare server reads the file that it wrote. Neither hashes, seals, nor asks who is there.
//!
//! Invariant: a transfer counts only if the SHA-256 of what arrived is that of the file. Memory is the peak
//! of every process that served, above what the first one took before anybody came.

mod cutter;
mod load;
mod troubles;

use anyhow::Context as _;
use rookery_client::{Attached, Client, Outgoing, Tuning};
use tokio::time::Instant;

use super::sessions::settled;
use super::{Scale, compared, micros_each};
use crate::baseline::bare::files::{DROPPED, WRITTEN};
use crate::baseline::wire::Wire;
use crate::console::{Console, Stage};
use crate::people::{self, Person};
use crate::process::Usage;
use crate::report::{Goal, Report, Row};
use crate::rookery::Rookery;
use crate::rounds::interleave;
use crate::stats::number;
use load::Load;

/// Rounds: with a gigabyte each way, more of them say nothing new.
const ROUNDS_MAX: usize = 3;

/// What the server's memory may grow by.
const GROWTH_MAX: f64 = 32.0;

/// One way of one file.
#[derive(Clone, Copy, Debug)]
struct Way {
    megabytes_per_second: f64,
    micros_per_megabyte: f64,
}

/// Up and down.
#[derive(Debug)]
struct Figures {
    up: Way,
    down: Way,
}

/// As [`Figures`], and up to a server that keeps nothing.
#[derive(Debug)]
struct BareFigures {
    up_dropped: Way,
    both: Figures,
}

pub(super) async fn run(scale: Scale, console: Console) -> anyhow::Result<Report> {
    let size = scale.file_bytes;
    let load = Load::make(size)?;
    let rounds = scale.rounds.min(ROUNDS_MAX);
    let mut server = Rookery::start().await?;
    let (sender, reader, room) = two(&mut server).await?;
    let before = settled(|| server.usage()).await?;
    server.forget_peak()?;
    let bare = Wire::start()?;
    let bare_client = bare.server(Tuning::NORMAL)?.connect().await?;

    let stage = console.stage("attachments: up and down", 2 * rounds as u64);
    let rounds = interleave(
        rounds,
        &stage,
        async || {
            let usage = || server.usage();
            let (up, name) = up(&sender.client, &room, "file", &load, &usage).await?;
            let message = Outgoing::new(&room, "").attach(&name);
            let seq = sender.client.send_message(&message).await?.seq;
            let down = down(&reader.client, &load.attached(&room, seq, name), &usage).await?;
            sender.client.delete_message(&room, seq).await?;
            Ok(Figures { up, down })
        },
        async || {
            let usage = || bare.usage();
            let (up_dropped, _) = up(&bare_client, "", DROPPED, &load, &usage).await?;
            let (up, name) = up(&bare_client, "", WRITTEN, &load, &usage).await?;
            let down = down(&bare_client, &load.attached("", 0, name), &usage).await?;
            let both = Figures { up, down };
            Ok(BareFigures { up_dropped, both })
        },
    )
    .await?;
    drop((stage, bare));

    let stage = console.stage("attachments: cut and killed", 2 * size);
    let troubles = troubles::run(&mut server, (&sender, &reader), &room, &load, &stage).await?;
    drop(stage);
    let peak = troubles.peak_bytes.max(server.usage()?.peak_bytes);
    let mut report = report(&rounds.subject, &rounds.baseline);
    let grown = number(peak.saturating_sub(before)) / number(1 << 20);
    let growth = Row::new("server's memory, peak above rest", "MiB", grown);
    report.row(growth.must(Goal::AtMost(GROWTH_MAX)));
    troubles.tell(&mut report);
    report.check("bytes of the file", size);
    Ok(report)
}

fn report(subject: &[Figures], baseline: &[BareFigures]) -> Report {
    let mut report = Report::new("attachments");
    let mut row = |figure, unit, of: fn(&Figures) -> f64, bare: fn(&BareFigures) -> f64| {
        compared(&mut report, figure, unit, (subject, of), (baseline, bare))
    };
    let rows = [
        row(
            "up, against a stream that writes and syncs",
            "MB/s",
            |f| f.up.megabytes_per_second,
            |f| f.both.up.megabytes_per_second,
        )
        .goal(Goal::RatioAtLeast(0.6)),
        row(
            "up, against a stream that drops what comes",
            "MB/s",
            |f| f.up.megabytes_per_second,
            |f| f.up_dropped.megabytes_per_second,
        ),
        row(
            "down, against a stream that reads a file",
            "MB/s",
            |f| f.down.megabytes_per_second,
            |f| f.both.down.megabytes_per_second,
        )
        .goal(Goal::RatioAtLeast(0.6)),
        row(
            "server's processor time up",
            "us/MB",
            |f| f.up.micros_per_megabyte,
            |f| f.both.up.micros_per_megabyte,
        ),
        row(
            "server's processor time down",
            "us/MB",
            |f| f.down.micros_per_megabyte,
            |f| f.both.down.micros_per_megabyte,
        ),
    ];
    for row in rows {
        report.row(row);
    }
    report
}

/// Two people in a room, on a server that has forgotten what registering them took.
async fn two(server: &mut Rookery) -> anyhow::Result<(Person, Person, String)> {
    let sdk = server.server(Tuning::NORMAL)?;
    let sender = people::administrator(&sdk, server.invitation()).await?;
    let hidden = Stage::hidden();
    let others = people::people(&sdk, &sender, &people::numbered(1), &hidden).await?;
    let reader = others.into_iter().next().context("nobody came")?;
    let room = people::room(&sender, "files", &[&reader], &hidden).await?;
    server.restart().await?;
    Ok((sender, reader, room))
}

/// Sends the file up. Its name there.
async fn up(
    client: &Client,
    room: &str,
    display_name: &str,
    load: &Load,
    usage: &impl Fn() -> anyhow::Result<Usage>,
) -> anyhow::Result<(Way, String)> {
    let name = load.start(client, room, display_name).await?;
    let (began, before) = (Instant::now(), usage()?);
    let mut source = load.open().await?;
    let sent = client.continue_upload(&name, &mut source, |_| {}).await;
    sent.context("the file cannot be sent")?;
    Ok((Way::since(began, before, usage()?, load.size), name))
}

/// Fetches the file, and drops it once it was hashed.
async fn down(
    client: &Client,
    of: &Attached,
    usage: &impl Fn() -> anyhow::Result<Usage>,
) -> anyhow::Result<Way> {
    let (began, before) = (Instant::now(), usage()?);
    let fetched = client.download(of, &mut tokio::io::sink(), |_| {}).await;
    fetched.context("the file cannot be fetched")?;
    Ok(Way::since(began, before, usage()?, of.file.size))
}

impl Way {
    fn since(began: Instant, before: Usage, after: Usage, bytes: u64) -> Self {
        let megabytes = bytes.div_ceil(1_000_000);
        Self {
            megabytes_per_second: number(bytes) / 1e6 / began.elapsed().as_secs_f64(),
            micros_per_megabyte: micros_each(before, after, megabytes),
        }
    }
}
