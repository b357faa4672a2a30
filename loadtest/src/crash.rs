//! What was acknowledged is there: after a kill -9 at any moment under load, and after a power cut between
//! any two writes.
//!
//! A killed process leaves its writes to the kernel, so the first test says nothing about syncs; the second
//! takes a disk in memory that forgets what was not synced, and says nothing about the rest of the server.
//! Together they say it. A third kills and stops several servers on one store, where what a stopped one had
//! under way comes after others have taken its rooms.

mod kills;
pub(crate) mod ledger;
mod load;
mod power;
mod processes;

use crate::cli::CrashOptions;
use crate::console::Console;
use crate::report::{Report, shown};

/// Kills where nothing is said about their number.
const KILLS: u32 = 50;

/// Runs what the options ask for, and prints what came of it. Whether everything is as it has to be.
///
/// # Errors
/// If it cannot be run.
pub(crate) async fn run(options: &CrashOptions) -> anyhow::Result<bool> {
    let console = Console::new(options.json);
    let mut parts = Vec::new();
    let unsaid = options.power.is_none().then_some(KILLS);
    if let Some(count) = options.kills.or(unsaid) {
        let store = options.store.as_deref();
        parts.push(match (options.processes, store) {
            (Some(processes), Some(store)) => {
                processes::run(count, processes.into(), options.seed, store, console).await?
            }
            _ => kills::run(count, options.seed, store, console).await?,
        });
    }
    if let Some(images) = options.power {
        parts.push(power::run(images, options.seed, console).await);
    }
    let sentences: Vec<_> = parts.iter().map(|(_, sentence)| sentence.clone()).collect();
    let report = match parts.len() {
        1 => parts.remove(0).0,
        _ => {
            let mut all = Report::new("crash");
            parts.into_iter().for_each(|(part, _)| all.absorb(part));
            all
        }
    };
    console.result(&report, &sentences.join("\n"))?;
    Ok(report.is_met())
}

/// A count as people read it.
fn counted(count: u64) -> String {
    shown(crate::stats::number(count))
}
