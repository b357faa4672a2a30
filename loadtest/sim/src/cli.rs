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
use crate::plan::{FaultKind, FaultKinds};
use crate::report;

/// Simulates one node, seed after seed, each twice: the promises have to hold and the two runs have to
/// agree.
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
    if let Some(seed) = options.seed.filter(|_| options.trace) {
        trace(seed, &kinds)?;
    }
    let (regressions, seeds) = match options.seed {
        Some(seed) => (Vec::new(), vec![Seed::new(seed)]),
        None => {
            let seeds = options.start..options.start.saturating_add(options.seeds);
            (regressions()?, seeds.map(Seed::new).collect())
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
    print(&report::failures(&totals, &options.faults))?;
    if options.json {
        print(&report::object(&totals, &campaign.kinds, took).to_string())?;
    } else {
        print(&report::table(&totals, &campaign.kinds, took))?;
    }
    Ok(if report::is_met(&totals, &campaign.kinds) {
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

fn trace(seed: u64, kinds: &FaultKinds) -> anyhow::Result<()> {
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
