//! `cargo xtask balancer`: the real HAProxy in front of three nodes, k6 in front of that, and in mid-run one
//! node is killed and another drained.
//!
//! Invariant: what decides are the thresholds of the script, which count messages. Nothing is told by time:
//! each step waits until HAProxy sees what became of a node, and the load ends when all has been done.

mod haproxy;
mod nodes;

use std::process::{Child, ExitCode, ExitStatus};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use self::haproxy::Haproxy;
use self::nodes::Nodes;
use crate::cli::BalancerOptions;
use crate::console::{Console, Tone};
use crate::k6::{self, Load, Report};
use crate::root::Root;
use crate::stopwatch::{Stopwatch, for_people};
use crate::tools::{self, Tool};

/// The people.
const SCRIPT: &str = "loadtest/k6/cluster/come_back.js";

/// How many of them there are at least: each has a connection.
const CLIENTS_MIN: usize = 12;

/// How long they are left alone before something is done, and after it.
const LOAD_FOR: Duration = Duration::from_secs(2);

/// How long they get to look for all that they have sent, once the load has ended.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

/// How often it is looked whether they have.
const POLL: Duration = Duration::from_millis(50);

/// Runs it all.
///
/// # Errors
///
/// If HAProxy or k6 cannot be had, or one of the programs does not do what it is told.
pub(crate) fn run(
    root: &Root,
    console: &Console,
    options: &BalancerOptions,
) -> anyhow::Result<ExitCode> {
    let tools = [Tool::K6, Tool::Haproxy];
    let installed = tools::ensure(root, console, &tools);
    if let Some(why) = tools.iter().find_map(|tool| installed.missing(*tool)) {
        bail!("{why}");
    }
    let program = k6::program(root, options.smoke)?;
    let mut nodes = Nodes::start(root, &program)?;
    let addresses = nodes.addresses()?;
    let folder = nodes.server().folder().to_owned();
    let mut haproxy = Haproxy::start(root, &folder, addresses)?;
    for node in 1..=nodes::COUNT {
        haproxy.until(node, true)?;
    }
    let script = root.join(SCRIPT);
    let invitation = nodes.server().invitation().to_owned();
    let load = Load {
        script: &script,
        address: haproxy.clients(),
        invitation: &invitation,
        summary: folder.join("summary.json"),
    };
    let mut k6 = load.command(root, options.smoke);
    k6.args(["--env", &format!("ROOKERY_GOES_ON={}", haproxy.goes_on())]);
    let mut k6 = Running(k6.spawn().context("k6 cannot be started")?);
    let ended = trouble(console, &mut nodes, &mut haproxy)
        .and_then(|()| {
            let early = k6.0.try_wait().context("k6 cannot be watched")?;
            ensure!(early.is_none(), "k6 ended before all was done");
            haproxy.end_load()?;
            k6.end()
        })
        .with_context(|| format!("{}\n{}", haproxy.said(), nodes.server().log_end()))?;
    let report = Report {
        rows: load.rows(ended)?,
        scripts: 1,
    };
    let table = report.table(console);
    table.iter().for_each(|line| console.line(line));
    Ok(if report.met() {
        ExitCode::SUCCESS
    } else {
        console.line(&console.paint(Tone::Quiet, &haproxy.said()));
        ExitCode::FAILURE
    })
}

/// What becomes of the nodes while people talk.
fn trouble(console: &Console, nodes: &mut Nodes, haproxy: &mut Haproxy) -> anyhow::Result<()> {
    let watch = Stopwatch::start();
    let tell = |what: &str| {
        let at = console.paint(Tone::Quiet, &for_people(watch.elapsed()));
        console.line(&format!("{at}  {what}"));
    };
    haproxy.until_connected(CLIENTS_MIN)?;
    tell("people talk");
    thread::sleep(LOAD_FOR);
    nodes.have("kill", 1)?;
    tell("node 1 is killed");
    haproxy.until(1, false)?;
    tell("node 1 gets no clients any more");
    thread::sleep(LOAD_FOR);
    nodes.have("restart", 1)?;
    haproxy.until(1, true)?;
    nodes.settle()?;
    tell("node 1 is back, with its rooms");
    nodes.have("drain", 2)?;
    tell("node 2 has left in good order");
    haproxy.until(2, false)?;
    tell("node 2 gets no clients any more");
    thread::sleep(LOAD_FOR);
    Ok(())
}

/// k6, which ends with this.
struct Running(Child);

impl Running {
    /// Waits for its end.
    fn end(&mut self) -> anyhow::Result<ExitStatus> {
        let watch = Stopwatch::start();
        while watch.elapsed() < ENDS_WITHIN {
            if let Some(status) = self.0.try_wait().context("k6 cannot be watched")? {
                return Ok(status);
            }
            thread::sleep(POLL);
        }
        bail!("k6 does not end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
