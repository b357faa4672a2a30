//! Kills: a server under load is killed with -9 at a random moment and started again, and every message
//! that it had acknowledged is looked for.

use std::time::Duration;

use cluster_types::Rng;
use rookery_client::Tuning;
use tokio::time::{Instant, sleep};

use super::counted;
use super::ledger::Verdict;
use super::load::{Amount, Load};
use crate::console::Console;
use crate::people;
use crate::report::{Report, Row};
use crate::rookery::Rookery;
use crate::stats::median;

/// Enough for groups to form.
const AMOUNT: Amount = Amount {
    sessions_per_room: 2,
    in_flight_each: 8,
};

/// The load runs for at least this long before a kill: long enough for groups to form.
const LOAD_MIN: Duration = Duration::from_millis(50);

/// A kill comes within so much more, at a random moment.
const LOAD_SPREAD: Duration = Duration::from_millis(450);

/// Kills the server `count` times, and says what came of it.
///
/// # Errors
/// If the server does not come back, or refuses what it should take.
pub(super) async fn run(
    count: u32,
    seed: u64,
    store: Option<&str>,
    console: Console,
) -> anyhow::Result<(Report, String)> {
    let rng = Rng::seeded(seed);
    let mut server = Rookery::start_on(store).await?;
    let sdk = server.server(Tuning::NORMAL)?;
    let administrator = people::administrator(&sdk, server.invitation()).await?;
    let mut load = Load::start(&administrator, &[sdk], AMOUNT, console).await?;
    let stage = console.stage("crash: kills", count.into());
    let (mut verdict, mut away) = (Verdict::default(), Vec::new());
    for _ in 0..count {
        sleep(LOAD_MIN + rng.jitter(LOAD_SPREAD)).await;
        server.kill()?;
        let killed = Instant::now();
        server.launch().await?;
        away.push(killed.elapsed().as_secs_f64() * 1e3);
        load.lives()?;
        let rested = load.rest().await;
        server.lives()?;
        let checked = load.check(&administrator.client, &rested?).await?;
        verdict = verdict.and(checked);
        stage.inc(1);
    }
    drop(stage);
    let mut report = load.report(seed, verdict);
    report
        .row(Row::new(
            "from a kill to the next connection",
            "ms",
            median(&away).unwrap_or(f64::NAN),
        ))
        .check("kills", away.len() as u64);
    let sentence = format!(
        "{} acknowledged messages, looked for {} times after {} kills: {} lost, {} doubled",
        counted(load.acks()),
        counted(verdict.acked),
        away.len(),
        counted(verdict.lost),
        counted(verdict.doubled),
    );
    Ok((report, sentence))
}
