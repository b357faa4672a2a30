//! Several servers, each a process of its own, on one store: at random moments one or two of them are killed
//! with -9 and started again, or stopped for longer than a lease and let go on, with all that they had under
//! way.
//!
//! At the end every message that was acknowledged is looked for, as with one server that is killed.

use std::time::Duration;

use cluster_types::Rng;
use rookery_client::Tuning;
use tokio::time::sleep;

use super::counted;
use super::load::{Amount, Load};
use crate::cluster::Cluster;
use crate::console::Console;
use crate::report::Report;

/// Messages that each session has under way: the nodes share one machine, so few are enough.
const IN_FLIGHT_EACH: usize = 2;

/// The load runs for at least this long between two troubles, and up to as much more.
const LOAD_MIN: Duration = Duration::from_millis(500);

/// See [`LOAD_MIN`].
const LOAD_SPREAD: Duration = Duration::from_millis(1_500);

/// A server is away for at least this long: longer than a lease, so that others have its rooms when it comes
/// back.
const AWAY_MIN: Duration = Duration::from_millis(1_500);

/// And up to so much more.
const AWAY_SPREAD: Duration = Duration::from_millis(3_000);

/// In one of so many troubles two servers are away.
const BOTH_ONE_IN: u64 = 3;

/// What is done to a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Deed {
    Kill,
    Stop,
}

/// Troubles so many servers `count` times, and says what came of it.
///
/// # Errors
/// If a server does not come back, ends by itself, or refuses what it should take.
pub(super) async fn run(
    count: u32,
    processes: usize,
    seed: u64,
    store: &str,
    console: Console,
) -> anyhow::Result<(Report, String)> {
    let rng = Rng::seeded(seed);
    let mut cluster = Cluster::start(processes, store).await?;
    let amount = Amount {
        sessions_per_room: processes,
        in_flight_each: IN_FLIGHT_EACH,
    };
    let servers = cluster.servers(Tuning::NORMAL)?;
    let administrator = cluster.administrator().clone();
    let mut load = Load::start(&administrator, &servers, amount, console).await?;
    let stage = console.stage("crash: kills and stops", count.into());
    let mut done = Vec::new();
    for _ in 0..count {
        sleep(LOAD_MIN + rng.jitter(LOAD_SPREAD)).await;
        let deeds = deeds(&rng, processes);
        for (node, deed) in &deeds {
            match deed {
                Deed::Kill => cluster.node(*node).kill()?,
                Deed::Stop => cluster.node(*node).stop()?,
            }
        }
        sleep(AWAY_MIN + rng.jitter(AWAY_SPREAD)).await;
        for (node, deed) in &deeds {
            match deed {
                Deed::Kill => cluster.node(*node).launch().await?,
                Deed::Stop => cluster.node(*node).go_on()?,
            }
        }
        load.lives()?;
        cluster.lives()?;
        done.extend(deeds.into_iter().map(|(_, deed)| deed));
        stage.inc(1);
    }
    drop(stage);
    cluster.settle().await?;
    let rested = load.rest().await;
    cluster.lives()?;
    let verdict = load.check(&administrator.client, &rested?).await?;
    let times = |deed| done.iter().filter(|done| **done == deed).count() as u64;
    let (kills, stops) = (times(Deed::Kill), times(Deed::Stop));
    let mut report = load.report(seed, verdict);
    report
        .check("kills", kills)
        .check("stops for longer than a lease", stops)
        .detail("processes", processes);
    let sentence = format!(
        "{} acknowledged messages on {processes} processes, {kills} kills and {stops} stops: {} lost, {} doubled, {} at \
         another place, {} places broken, {} events not heard or out of order",
        counted(verdict.acked),
        counted(verdict.lost),
        counted(verdict.doubled),
        counted(verdict.altered),
        counted(verdict.broken),
        counted(verdict.unheard),
    );
    Ok((report, sentence))
}

/// What is done next, and to whom: to one server, or to two different ones.
fn deeds(rng: &Rng, processes: usize) -> Vec<(usize, Deed)> {
    let deed = || {
        if rng.below(2) == 0 {
            Deed::Kill
        } else {
            Deed::Stop
        }
    };
    let below = |end: usize| usize::try_from(rng.below(end as u64)).unwrap_or(0);
    let first = below(processes);
    let mut deeds = vec![(first, deed())];
    if rng.below(BOTH_ONE_IN) == 0 {
        deeds.push(((first + 1 + below(processes - 1)) % processes, deed()));
    }
    deeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_left_and_nobody_is_troubled_twice_at_a_time() {
        let rng = Rng::seeded(7);
        let all: Vec<_> = (0..200).map(|_| deeds(&rng, 3)).collect();
        for deeds in &all {
            let (first, second) = (deeds[0].0, deeds.get(1).map(|deed| deed.0));
            assert!(first < 3 && second.is_none_or(|second| second < 3 && second != first));
        }
        assert!(all.iter().any(|deeds| deeds.len() == 2));
        assert!(all.iter().flatten().any(|(_, deed)| *deed == Deed::Stop));
    }
}
