//! Sessions a second that come back in a storm: connect, TLS, stream, Hello with a cursor, until `Live`.
//!
//! As after a restart of a server, nobody can resume a TLS session, and everybody knows how far they
//! had come. The baseline opens as many bare streams, which say Live at once.

use anyhow::ensure;
use rookery_client::v1::FollowRoom;
use rookery_client::{Server, Tuning};
use tokio::time::{Instant, sleep};

use super::{Scale, compared};
use crate::baseline::wire::Wire;
use crate::console::{Console, Stage};
use crate::limits::{SETTLE_WITHIN, TRY_AGAIN};
use crate::lines::{self, Caller};
use crate::people::{self, Person};
use crate::report::{Goal, Report};
use crate::rookery::Rookery;
use crate::rounds::interleave;
use crate::stats::length;

/// Sessions in a storm.
const SESSIONS: usize = 2_000;

/// One side of a round.
#[derive(Debug)]
struct Figures {
    per_second: f64,
    micros_each: f64,
}

pub(super) async fn run(scale: Scale, console: Console) -> anyhow::Result<Report> {
    let server = Rookery::start().await?;
    let bare = Wire::start()?;
    let count = scale.sessions(SESSIONS.min(crate::files::streams_max()));
    let sdk = server.server(Tuning::LIGHT)?;
    let bare_sdk = bare.server(Tuning::LIGHT)?;
    let administrator = people::administrator(&sdk, server.invitation()).await?;
    let callers = callers(&sdk, &administrator, count, console).await?;
    let nobody = Caller::nobody(count, &callers[0].follow);

    let stage = console.stage("reconnect: rounds", 2 * scale.rounds as u64);
    let rounds = interleave(
        scale.rounds,
        &stage,
        async || {
            let figures = storm(&sdk, &callers, || Ok(server.usage()?.processor)).await?;
            all_gone(&administrator).await?;
            Ok(figures)
        },
        async || storm(&bare_sdk, &nobody, || Ok(bare.usage()?.processor)).await,
    )
    .await?;

    let mut report = Report::new("reconnect");
    let (subject, baseline) = (&rounds.subject[..], &rounds.baseline[..]);
    let mut row = |figure, unit, of: fn(&Figures) -> f64| {
        compared(&mut report, figure, unit, (subject, of), (baseline, of))
    };
    let rows = [
        row("sessions to Live", "1/s", |f| f.per_second).goal(Goal::RatioAtLeast(0.5)),
        row("server's processor time per session", "us", |f| {
            f.micros_each
        }),
    ];
    rows.into_iter().for_each(|row| {
        report.row(row);
    });
    report
        .check("sessions", (count * subject.len()) as u64)
        .detail("at a time", crate::limits::OPENING_AT_ONCE);
    Ok(report)
}

/// Sessions that know how far they had come in a room.
async fn callers(
    sdk: &Server,
    administrator: &Person,
    count: usize,
    console: Console,
) -> anyhow::Result<Vec<Caller>> {
    let accounts = people::accounts_for(count);
    let stage = console.stage("reconnect: accounts", 2 * accounts as u64);
    let people = people::people(sdk, administrator, &people::numbered(accounts), &stage).await?;
    let everybody: Vec<_> = people.iter().collect();
    let name = people::room(administrator, "storm", &everybody, &stage).await?;
    let room = administrator.client.room(&name).await?;
    let follow = FollowRoom {
        room: name,
        after_seq: room.head_seq,
        log_id: room.log_id,
        from_head: false,
    };
    Ok(Caller::many(&people, count, &[follow]))
}

async fn storm(
    server: &Server,
    callers: &[Caller],
    processor: impl Fn() -> anyhow::Result<std::time::Duration>,
) -> anyhow::Result<Figures> {
    let (before, began) = (processor()?, Instant::now());
    let lines = lines::open_many(server, callers, &Stage::hidden()).await?;
    let (elapsed, after) = (began.elapsed(), processor()?);
    let count = length(lines.len());
    Ok(Figures {
        per_second: count / elapsed.as_secs_f64(),
        micros_each: after.saturating_sub(before).as_secs_f64() * 1e6 / count,
    })
}

/// Waits until the server has noticed that everybody is gone: an account has a bounded number of
/// sessions.
async fn all_gone(administrator: &Person) -> anyhow::Result<()> {
    let began = Instant::now();
    while administrator.client.server_status().await?.sessions > 0 {
        ensure!(
            began.elapsed() < SETTLE_WITHIN,
            "the server does not notice that its clients have gone"
        );
        sleep(TRY_AGAIN).await;
    }
    Ok(())
}
