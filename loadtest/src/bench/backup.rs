//! What a backup costs those who are served meanwhile, and how fast a store goes out and comes back.
//!
//! Serving: a room at half of what it can bear, alone and while `rookery backup` runs, again and again. The
//! program that compresses and encrypts runs on the same machine, as on that of most operators.
//!
//! Out and in: `rookery backup` and `rookery restore`, in megabytes of rows a second, keys and values as they
//! lie in the store. The baseline is the plainest copy of the same rows: read from the store page by page into a
//! file that is synced, and from that file into an empty store, in transactions of the same size. It verifies,
//! compresses and encrypts nothing.
//!
//! Invariant: every backup that is counted was restored, and has all messages in it.

mod plain;

use std::cell::Cell;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use rookery_client::Tuning;
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::crowd::{Crowd, Plan};
use super::{BODY_BYTES, Scale, compared, history};
use crate::console::{Console, Stage};
use crate::folder;
use crate::lines::{Caller, from_head};
use crate::people::{self, Person};
use crate::report::{Goal, Report, Row};
use crate::rookery::Rookery;
use crate::rounds::{Rounds, interleave};
use crate::stats::number;

/// Messages in each of the rooms that are history: a backup takes a second or more.
const MESSAGES: u64 = 50_000;

/// Sessions that follow the room that is served.
const RECEIVERS: usize = 100;

/// Messages in the air while the room is asked for all it can, as in `latency`.
const WINDOW: u32 = 128;

/// The part of what the room can bear at which it is served.
const LOAD: f64 = 0.5;

/// Rows written together when they come back: as a restore does.
const BATCH_BYTES: usize = 1_000_000;

/// How long a message took, and how many backups there were meanwhile.
#[derive(Debug)]
struct Served {
    p50_ms: f64,
    p99_ms: f64,
    backups: u64,
}

/// One copy out and in.
#[derive(Debug)]
struct Copied {
    out_per_second: f64,
    in_per_second: f64,
}

pub(super) async fn run(scale: Scale, console: Console) -> anyhow::Result<Report> {
    let mut server = Rookery::start().await?;
    let messages = MESSAGES / scale.divisor as u64;
    let mut crowd = gather(&server, messages, scale, console).await?;
    let key = server
        .ask(&["backup", "keygen", "--to", "backup.key"])
        .await?;
    let recipient = text(&key, "recipient")?.to_owned();

    let stage = console.stage("backup: while it serves", 2 * scale.rounds as u64);
    let most = crowd.blast(scale.span).await?.messages_per_second();
    let crowd = tokio::sync::Mutex::new(crowd);
    let serving = interleave(
        scale.rounds,
        &stage,
        async || {
            let mut crowd = crowd.lock().await;
            let is_over = Cell::new(false);
            let pace = async {
                let round = crowd.pace(LOAD * most, scale.span).await;
                is_over.set(true);
                round
            };
            let backups = back_up_until(&server, &recipient, &is_over);
            let (round, backups) = tokio::try_join!(pace, backups)?;
            let (p50_ms, p99_ms) = (round.latencies.p50_ms(), round.latencies.p99_ms());
            Ok(Served {
                p50_ms,
                p99_ms,
                backups,
            })
        },
        async || {
            let round = crowd.lock().await.pace(LOAD * most, scale.span).await?;
            let (p50_ms, p99_ms) = (round.latencies.p50_ms(), round.latencies.p99_ms());
            Ok(Served {
                p50_ms,
                p99_ms,
                backups: 0,
            })
        },
    )
    .await?;
    drop((stage, crowd));

    // What is read here is open here.
    server.kill()?;
    let stage = console.stage("backup: out and in", 2 * scale.rounds as u64);
    let mut size = Size::default();
    let copies = interleave(
        scale.rounds,
        &stage,
        async || there_and_back(&server, &recipient, messages, &mut size).await,
        async || plain::there_and_back(&server.data_dir()).await,
    )
    .await?;

    let mut report = report(&serving, &copies, &size);
    report
        .check("messages in each backup", messages * history::ROOMS)
        .detail("load, messages/s", LOAD * most)
        .detail("sessions", scale.sessions(RECEIVERS))
        .detail("body bytes", BODY_BYTES);
    Ok(report)
}

fn report(
    serving: &Rounds<Served, Served>,
    copies: &Rounds<Copied, Copied>,
    size: &Size,
) -> Report {
    let mut report = Report::new("backup");
    let mut row = |figure, unit, of: fn(&Served) -> f64| {
        let (subject, baseline) = (&serving.subject[..], &serving.baseline[..]);
        compared(&mut report, figure, unit, (subject, of), (baseline, of))
    };
    let p99 = row("last receiver p99 during a backup", "ms", |f| f.p99_ms);
    let p50 = row("last receiver p50 during a backup", "ms", |f| f.p50_ms);
    let mut row = |figure, of: fn(&Copied) -> f64| {
        let (subject, baseline) = (&copies.subject[..], &copies.baseline[..]);
        compared(&mut report, figure, "MB/s", (subject, of), (baseline, of))
    };
    let out = row("rows out, compressed and encrypted", |f| f.out_per_second);
    let back = row("rows in, verified first", |f| f.in_per_second);
    report
        .row(p99.goal(Goal::RatioAtMost(2.0)))
        .row(p50)
        .row(out)
        .row(back)
        .row(Row::new("rows", "MB", number(size.rows_bytes) / 1e6))
        .row(Row::new("backup", "MB", number(size.file_bytes) / 1e6))
        .check(
            "backups begun while serving",
            serving.subject.iter().map(|f| f.backups).sum(),
        );
    report
}

/// How much there is.
#[derive(Debug, Default)]
struct Size {
    rows_bytes: u64,
    file_bytes: u64,
}

/// Rooms of history, and a crowd in another one.
async fn gather(
    server: &Rookery,
    messages: u64,
    scale: Scale,
    console: Console,
) -> anyhow::Result<Crowd> {
    let sdk = server.server(Tuning::LIGHT)?;
    let administrator = people::administrator(&sdk, server.invitation()).await?;
    let stage = console.stage("backup: history", history::ROOMS);
    history::fill(&sdk, &administrator, messages, &stage).await?;
    drop(stage);
    let receivers = scale.sessions(RECEIVERS);
    let accounts = people::accounts_for(receivers);
    let stage = console.stage("backup: accounts", 2 * accounts as u64);
    let members = people::people(&sdk, &administrator, &people::numbered(accounts), &stage).await?;
    let everybody: Vec<_> = members.iter().collect();
    let room = people::room(&administrator, "served", &everybody, &stage).await?;
    let head = administrator.client.room(&room).await?.head_seq;
    let Person { token, .. } = administrator;
    let plan = Plan {
        head,
        sender: Caller {
            token,
            follow: Vec::new(),
        },
        receivers: Caller::many(&members, receivers, &[from_head(&room)]),
        room,
        window: WINDOW,
        body_bytes: BODY_BYTES,
    };
    Crowd::gather(&sdk, plan, &Stage::hidden()).await
}

/// Backs up again and again until it is over, and counts. The last one comes to its end: one that was left
/// alone would hold the server's place for backups.
async fn back_up_until(
    server: &Rookery,
    recipient: &str,
    is_over: &Cell<bool>,
) -> anyhow::Result<u64> {
    let mut backups = 0;
    while !is_over.get() {
        let folder = folder::new()?;
        backups += 1;
        back_up(server, recipient, &folder.path().join("backup")).await?;
    }
    Ok(backups)
}

async fn back_up(server: &Rookery, recipient: &str, to: &Path) -> anyhow::Result<Value> {
    let (to, data) = (path(to)?, server.data_dir());
    let to = [
        "backup",
        "--to",
        to,
        "--recipient",
        recipient,
        "--data-dir",
        path(&data)?,
    ];
    server.ask(&to).await
}

/// Backs up and restores.
async fn there_and_back(
    server: &Rookery,
    recipient: &str,
    messages: u64,
    size: &mut Size,
) -> anyhow::Result<Copied> {
    let folder = folder::new()?;
    let (file, to) = (folder.path().join("backup"), folder.path().join("data"));
    let out = back_up(server, recipient, &file).await?;
    let events = out["counts"]["events"].as_u64().unwrap_or_default();
    let expected = messages * history::ROOMS;
    ensure!(
        events >= expected,
        "{events} events of {expected} are in the backup"
    );
    let back = [
        "restore",
        "--identity",
        "backup.key",
        "--from",
        path(&file)?,
        "--data-dir",
        path(&to)?,
    ];
    let back = server.ask(&back).await?;
    size.rows_bytes = back["bytes"].as_u64().context("no number of bytes")?;
    size.file_bytes = out["bytes"].as_u64().context("no number of bytes")?;
    let per_second = |answer: &Value| {
        let seconds = answer["seconds"].as_f64().context("no time")?;
        anyhow::Ok(number(size.rows_bytes) / 1e6 / seconds)
    };
    Ok(Copied {
        out_per_second: per_second(&out)?,
        in_per_second: per_second(&back)?,
    })
}

impl Rookery {
    /// Runs a command of the program to its end, in the server's folder, and reads the object that it ends with.
    async fn ask(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let mut command = self.command();
        command.args(arguments).arg("--json").stdin(Stdio::null());
        let output = spawn_blocking(move || command.output()).await??;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {said}", arguments.join(" "));
        serde_json::from_slice(&output.stdout).context("the program answers no object")
    }
}

fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a folder whose name is no text")
}

fn text<'a>(answer: &'a Value, field: &str) -> anyhow::Result<&'a str> {
    answer[field]
        .as_str()
        .with_context(|| format!("no {field}"))
}
