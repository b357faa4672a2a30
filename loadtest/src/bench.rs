//! Benchmarks, each against its baseline in the same run: rounds that alternate, medians of them.
//!
//! | benchmark | question | baseline |
//! |---|---|---|
//! | [`append`] | how many messages a second become durable | the store's own group commit of the same rows |
//! | [`fanout`] | how many deliveries a second one room makes | a bare stream of the same bytes to as many clients |
//! | [`fanout::distance`] | what a delivery costs if sessions are on several nodes | one node with all of them |
//! | [`fanout::sweep`] | what a delivery costs in a room of 100 to 100,000 sessions | the room of 100 |
//! | [`latency`] | how long until the last receiver has a message, at half load | a bare unary echo at half load |
//! | [`sessions`] | how much memory an idle session takes | a bare idle stream |
//! | [`reconnect`] | how many sessions a second come back in a storm | bare TLS and stream |
//! | [`history`] | how many messages a second are read back | the store's range read |
//! | [`slow`] | what clients that stop reading do to the server and to others | the same room without them |
//! | [`attachments`] | how fast a large file goes up and down, in how much memory, and what arrives after cuts and kills | a bare stream of the same file |
//! | [`failover`] | how long a room takes no messages when its node is killed, and when it leaves in order | the promise |
//! | [`backup`] | what a backup costs those who are served, and how fast a store goes out and comes back | the same load alone; a plain copy of the same rows |
//!
//! The client is the same code on both sides, in this process; servers are processes of their own, whose
//! processor time and memory the kernel counts.
//!
//! Invariant: a figure comes with the figure of its baseline out of the same rounds.

mod append;
mod attachments;
mod backup;
mod crowd;
mod failover;
mod fanout;
mod history;
mod latency;
mod reconnect;
mod sessions;
mod slow;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use futures::future::{FutureExt as _, LocalBoxFuture};

use crate::cli::BenchOptions;
use crate::console::Console;
use crate::folder;
use crate::process::Usage;
use crate::report::{Report, Row};
use crate::stats::{median, spread};

/// Bytes of a message's body, where its size is not the subject: two lines of chat.
const BODY_BYTES: usize = 128;

/// Nodes that sessions are spread over where nothing else is asked for.
const NODES: u8 = 3;

/// Which benchmark.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Name {
    /// Acknowledged durable messages a second
    Append,
    /// Deliveries a second from one room to many sessions
    Fanout,
    /// From sending to the last receiver, at half load
    Latency,
    /// Memory of an idle session
    Sessions,
    /// Sessions a second in a storm of reconnects
    Reconnect,
    /// Messages a second read back
    History,
    /// What clients that stop reading do to the others
    Slow,
    /// What a backup costs, and megabytes a second out and in
    Backup,
    /// A large file up and down: megabytes a second, memory, cuts and kills
    Attachments,
    /// How long a room takes no messages when its node is killed, and when it leaves in order
    Failover,
    /// All of them, one after the other
    All,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// Rounds of subject and baseline.
    rounds: usize,
    /// How long one side of a round runs.
    span: Duration,
    /// By how much numbers of sessions are divided.
    divisor: usize,
    /// Whether there are goals about speed.
    judges_speed: bool,
    /// Whether figures of durability may come from a disk in memory.
    volatile: bool,
    /// How large a file is sent.
    file_bytes: u64,
}

impl Scale {
    /// Figures to rely on: every benchmark in well under two minutes.
    const FULL: Self = Self {
        rounds: 5,
        span: Duration::from_secs(3),
        divisor: 1,
        judges_speed: true,
        volatile: false,
        file_bytes: 1 << 30,
    };

    /// Whether it works and keeps its promises, in seconds.
    const QUICK: Self = Self {
        rounds: 1,
        span: Duration::from_millis(500),
        divisor: 10,
        judges_speed: false,
        volatile: true,
        file_bytes: 8 << 20,
    };

    fn sessions(self, full: usize) -> usize {
        (full / self.divisor).max(1)
    }

    fn millis(self) -> u64 {
        u64::try_from(self.span.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Runs one benchmark, or all.
///
/// # Errors
/// If one cannot be run; of all, a benchmark that cannot be run is a missed row.
pub(crate) async fn run(options: &BenchOptions, console: Console) -> anyhow::Result<Report> {
    let (name, quick) = (options.name, options.quick);
    let mut scale = if quick { Scale::QUICK } else { Scale::FULL };
    scale.volatile |= options.in_memory;
    scale.file_bytes = options.size.unwrap_or(scale.file_bytes);
    ensure!(
        name == Name::Fanout || (options.nodes.is_none() && !options.sweep),
        "--nodes and --sweep are about fanout alone"
    );
    let machine = machine()?;
    let mut report = match (options.nodes, one(name, scale, console)) {
        (Some(nodes), _) => fanout::distance::run(nodes, scale, console).await?,
        (None, _) if options.sweep => fanout::sweep::run(scale, console).await?,
        (None, Some(bench)) => bench.await?,
        (None, None) => all(scale, console).await,
    };
    report.detail("machine", machine);
    Ok(if quick {
        report.only_promises()
    } else {
        report
    })
}

async fn all(scale: Scale, console: Console) -> Report {
    let mut report = Report::new("bench");
    let named = Name::value_variants().iter().filter_map(|name| {
        let bench = one(*name, scale, console)?;
        Some((title(*name), bench))
    });
    let distance = fanout::distance::run(NODES, scale, console).boxed_local();
    let sweep = fanout::sweep::run(scale, console).boxed_local();
    let varied = [
        ("fanout to several nodes".to_owned(), distance),
        ("fanout sweep".to_owned(), sweep),
    ];
    for (title, bench) in named.chain(varied) {
        let part = bench.await.unwrap_or_else(|error| {
            console.line(&format!("{title}: {error:#}"));
            let mut part = Report::new(title);
            part.row(Row::new("could not be measured", "", f64::NAN))
                .detail("error", format!("{error:#}"));
            part
        });
        report.absorb(part);
    }
    report
}

/// The benchmark of this name; `None` for all of them.
fn one(
    name: Name,
    scale: Scale,
    console: Console,
) -> Option<LocalBoxFuture<'static, anyhow::Result<Report>>> {
    Some(match name {
        Name::Append => append::run(scale, console).boxed_local(),
        Name::Fanout => fanout::run(scale, console).boxed_local(),
        Name::Latency => latency::run(scale, console).boxed_local(),
        Name::Sessions => sessions::run(scale, console).boxed_local(),
        Name::Reconnect => reconnect::run(scale, console).boxed_local(),
        Name::History => history::run(scale, console).boxed_local(),
        Name::Slow => slow::run(scale, console).boxed_local(),
        Name::Backup => backup::run(scale, console).boxed_local(),
        Name::Attachments => attachments::run(scale, console).boxed_local(),
        Name::Failover => failover::run(scale, console).boxed_local(),
        Name::All => return None,
    })
}

/// What else a figure depends on: how many cores there are, how busy they were before we came, and what
/// the files are on.
fn machine() -> anyhow::Result<serde_json::Value> {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_ascii_whitespace().next().map(str::to_owned);
    let files = folder::file_system()?;
    Ok(serde_json::json!({ "cores": cores, "load before": load, "file system": files }))
}

fn title(name: Name) -> String {
    let value = name.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// One figure over all rounds.
#[derive(Clone, Debug, Default)]
struct Series(Vec<f64>);

impl Series {
    fn of<T>(rounds: &[T], figure: impl Fn(&T) -> f64) -> Self {
        Self(rounds.iter().map(figure).collect())
    }

    /// Not a number without a round.
    fn median(&self) -> f64 {
        median(&self.0).unwrap_or(f64::NAN)
    }

    /// The rounds as they were, and how far they lie apart.
    fn detail(&self) -> serde_json::Value {
        serde_json::json!({ "rounds": self.0, "spread": spread(&self.0) })
    }
}

/// A figure of both sides, with the rounds among the details.
fn compared<S, B>(
    report: &mut Report,
    figure: &str,
    unit: &'static str,
    subject: (&[S], impl Fn(&S) -> f64),
    baseline: (&[B], impl Fn(&B) -> f64),
) -> Row {
    let subject = Series::of(subject.0, subject.1);
    let baseline = Series::of(baseline.0, baseline.1);
    report.detail(
        figure,
        serde_json::json!({ "measured": subject.detail(), "baseline": baseline.detail() }),
    );
    Row::new(figure, unit, subject.median()).against(baseline.median())
}

/// Processor time between two readings, in microseconds per piece of work.
fn micros_each(before: Usage, after: Usage, pieces: u64) -> f64 {
    let spent = after.processor.saturating_sub(before.processor);
    spent.as_secs_f64() * 1e6 / crate::stats::number(pieces)
}

/// A future that must not take for ever.
async fn within<T>(
    what: &'static str,
    span: Duration,
    work: impl Future<Output = T>,
) -> anyhow::Result<T> {
    tokio::time::timeout(span, work)
        .await
        .with_context(|| format!("{what} within {} s", span.as_secs()))
}
