//! The command line: many seeds, or one of them looked at closely.

use std::io::{self, IsTerminal as _, Write as _};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use crate::campaign::{Campaign, Seed, Totals, one_seed, regressions};
use crate::limits::NODES_MAX;
use crate::plan::{FaultKind, FaultKinds};
use crate::report;

/// Simulates one node or several, seed after seed, each twice: the promises have to hold and the two runs
/// have to agree.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "sim", version)]
pub struct Options {
    /// How many seeds, besides those that ever failed, which run first
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub seeds: u64,
    /// The first of them
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub start: u64,
    /// This seed alone
    #[arg(long, value_name = "X", conflicts_with_all = ["seeds", "start"])]
    pub seed: Option<u64>,
    /// Nodes; those seeds run first that ever failed with so many
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=NODES_MAX))]
    pub nodes: u8,
    /// Print all that happened in it
    #[arg(long, requires = "seed")]
    pub trace: bool,
    /// What may go wrong; those that ever failed get everything (may be repeated or separated by commas)
    #[arg(
        long,
        value_name = "KIND",
        value_enum,
        value_delimiter = ',',
        default_value = "all"
    )]
    pub faults: Vec<FaultKind>,
    /// End with one line of JSON
    #[arg(long)]
    pub json: bool,
    /// Seeds at a time; each takes a core
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
}

/// How a bar looks.
const TEMPLATE: &str =
    "{spinner} {msg} {wide_bar:.cyan/blue} {pos:>6}/{len} {elapsed:>4} (eta {eta})";

/// How often a bar moves by itself.
const TICK: Duration = Duration::from_millis(120);

/// Where there is no bar, a line after each part of the whole of this size.
const LINES: u64 = 10;

/// Does what was asked for. The exit code says whether everything held.
///
/// # Errors
/// If the simulation cannot run, or nobody reads its output.
pub fn main(options: &Options) -> anyhow::Result<ExitCode> {
    crate::panics::listen();
    let kinds = FaultKinds::of(&options.faults);
    let nodes = usize::from(options.nodes);
    let seed = |number| Seed::new(number, nodes);
    if let Some(number) = options.seed.filter(|_| options.trace) {
        trace(&seed(number), &kinds)?;
    }
    let (regressions, seeds) = match options.seed {
        Some(number) => (Vec::new(), vec![seed(number)]),
        None => {
            let seeds = options.start..options.start.saturating_add(options.seeds);
            (regressions(nodes)?, seeds.map(seed).collect())
        }
    };
    let jobs = options
        .jobs
        .or_else(|| available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN);
    let campaign = Campaign {
        regressions,
        seeds,
        kinds,
        jobs,
    };
    let bar = bar(options.json, campaign.all());
    let began = Instant::now();
    let totals = campaign.run(|done, all, totals| step(&bar, options.json, (done, all), totals));
    bar.finish_and_clear();
    let took = began.elapsed();
    let judged = report::Judged {
        kinds: campaign.kinds,
        nodes,
    };
    print(&report::failures(&totals, &options.faults))?;
    if options.json {
        print(&report::object(&totals, &judged, took).to_string())?;
    } else {
        print(&report::table(&totals, &judged, took))?;
    }
    Ok(if report::is_met(&totals, &judged) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// One line on standard error.
pub fn say(line: &str) {
    // If nobody reads, nobody wants to know.
    let _nobody_reads = writeln!(io::stderr().lock(), "{line}");
}

fn trace(seed: &Seed, kinds: &FaultKinds) -> anyhow::Result<()> {
    let outcome = one_seed(seed, kinds)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    for (at, entry) in outcome.history.entries.iter().enumerate() {
        writeln!(out, "{at:>6} {entry}").context("standard output is closed")?;
    }
    out.flush().context("standard output is closed")
}

fn print(text: &str) -> anyhow::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    writeln!(io::stdout().lock(), "{}", text.trim_end()).context("standard output is closed")
}

fn bar(json: bool, seeds: u64) -> ProgressBar {
    if json || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(seeds).with_message("seeds");
    // Only a template with a mistake is refused, and this one is constant.
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}

fn step(bar: &ProgressBar, json: bool, (done, all): (u64, u64), totals: &Totals) {
    bar.set_position(done);
    if totals.failed.is_empty() {
        bar.set_message("seeds");
    } else {
        bar.set_message(format!("seeds, {} failed", totals.failed.len()));
    }
    let part = (all / LINES).max(1);
    if bar.is_hidden() && !json && done.is_multiple_of(part) {
        let (appends, failed) = (totals.checked.appends, totals.failed.len());
        say(&format!(
            "sim: {done} of {all} seeds, {appends} appends checked, {failed} failed"
        ));
    }
}
