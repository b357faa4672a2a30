//! Resident bytes of the server per idle session: a TLS connection, a stream, an actor, one room followed.
//!
//! What the server takes for its first sessions (arenas, tables, threads' buffers) is left out: memory is
//! read at a part of the sessions and at all of them, and only the difference counts. The kernel's share
//! of a socket is not the server's memory, and is not in the figure.

use std::time::Duration;

use anyhow::Context as _;
use rookery_client::{Server, Tuning};
use tokio::time::{Instant, sleep};

use super::{Scale, compared};
use crate::baseline::wire::Wire;
use crate::console::{Console, Stage};
use crate::lines::{self, Caller, from_head};
use crate::people;
use crate::process::Usage;
use crate::report::{Goal, Report};
use crate::rookery::Rookery;
use crate::rounds::interleave;
use crate::stats::{length, number};

/// Sessions, where the system allows as many files to be open.
const SESSIONS: usize = 5_000;

/// The part of the sessions at which memory is read for the first time.
const WARM_PART: usize = 5;

/// Rounds, each with servers of its own, because a server's memory does not shrink.
const ROUNDS_MAX: usize = 3;

/// The goal of the first release, per session.
const BYTES_MAX: f64 = 24_000.0;

/// Memory has settled when it has not moved by more than this part for [`QUIET`].
const MOVED_PART: f64 = 0.002;

/// See [`MOVED_PART`].
const QUIET: Duration = Duration::from_secs(1);

/// Memory that still moves after this long is read as it is.
const QUIET_WITHIN: Duration = Duration::from_secs(15);

pub(super) async fn run(scale: Scale, console: Console) -> anyhow::Result<Report> {
    let sessions = scale.sessions(SESSIONS.min(crate::files::streams_max()));
    let rounds = scale.rounds.min(ROUNDS_MAX);
    let stage = console.stage("sessions: idle streams", 2 * (rounds * sessions) as u64);
    let rounds = interleave(
        rounds,
        &Stage::hidden(),
        async || of_rookery(sessions, &stage).await,
        async || of_bare(sessions, &stage).await,
    )
    .await?;

    let mut report = Report::new("sessions");
    let (subject, baseline) = (&rounds.subject[..], &rounds.baseline[..]);
    let row = compared(
        &mut report,
        "resident bytes per idle session",
        "bytes",
        (subject, |bytes: &f64| *bytes),
        (baseline, |bytes: &f64| *bytes),
    );
    report
        .row(row.goal(Goal::AtMost(BYTES_MAX)))
        .check("sessions", (sessions * subject.len()) as u64);
    Ok(report)
}

async fn of_rookery(sessions: usize, stage: &Stage) -> anyhow::Result<f64> {
    let mut server = Rookery::start().await?;
    let sdk = server.server(Tuning::LIGHT)?;
    let administrator = people::administrator(&sdk, server.invitation()).await?;
    let names = people::numbered(people::accounts_for(sessions));
    stage.says("sessions: accounts");
    let hidden = Stage::hidden();
    let people = people::people(&sdk, &administrator, &names, &hidden).await?;
    let everybody: Vec<_> = people.iter().collect();
    let room = people::room(&administrator, "idle", &everybody, &hidden).await?;
    // Registering leaves behind the memory of password hashes, in which sessions would find room.
    server.restart().await?;
    stage.says("sessions: idle sessions");
    let callers = Caller::many(&people, sessions, &[from_head(&room)]);
    bytes_each(&sdk, &callers, stage, || server.usage()).await
}

async fn of_bare(sessions: usize, stage: &Stage) -> anyhow::Result<f64> {
    let bare = Wire::start()?;
    let sdk = bare.server(Tuning::LIGHT)?;
    stage.says("sessions: bare idle streams");
    let callers = Caller::nobody(sessions, &[from_head("rooms/00000000000000000000000000")]);
    bytes_each(&sdk, &callers, stage, || bare.usage()).await
}

/// What each of the later sessions adds to the server's memory.
async fn bytes_each(
    server: &Server,
    callers: &[Caller],
    stage: &Stage,
    usage: impl Fn() -> anyhow::Result<Usage>,
) -> anyhow::Result<f64> {
    let (warm, rest) = callers.split_at(callers.len() / WARM_PART);
    let first = lines::open_many(server, warm, stage).await?;
    let before = settled(&usage).await?;
    let others = lines::open_many(server, rest, stage).await?;
    let after = settled(&usage).await?;
    drop((first, others));
    let grown = after
        .checked_sub(before)
        .context("the server shrank while sessions came")?;
    Ok(number(grown) / length(rest.len()))
}

/// Resident bytes, once they have come to rest.
pub(super) async fn settled(usage: impl Fn() -> anyhow::Result<Usage>) -> anyhow::Result<u64> {
    let began = Instant::now();
    let mut last = usage()?.resident_bytes;
    loop {
        sleep(QUIET).await;
        let now = usage()?.resident_bytes;
        if number(now.abs_diff(last)) <= number(last) * MOVED_PART || began.elapsed() > QUIET_WITHIN
        {
            return Ok(now);
        }
        last = now;
    }
}
