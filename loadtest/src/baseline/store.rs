//! The bare store as a process: the rows that a server would write and read, with nothing before them.
//!
//! A message is what it is in the server: its event, what its id was used for, and its sender's read
//! mark; and the room's head, once per transaction. Keys and values are those of the schema, with as many
//! bytes.
//!
//! Invariant: a message is counted when the store has acknowledged it.

mod work;

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use cluster_store::{Embedded, EmbeddedOptions};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::Baseline;
use crate::process::Usage;
use work::Work;

/// How this baseline is called on the command line.
pub(crate) const KIND: &str = "store";

/// What the store is to do.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) enum Order {
    /// Append messages for some time.
    Append(Append),
    /// Append this many messages to each room, for [`Order::Read`].
    Fill {
        /// Rooms, numbered from 0.
        rooms: usize,
        /// Messages in each.
        messages: u64,
        /// Bytes of a body.
        body_bytes: usize,
    },
    /// Read rooms from their start to their end, again and again, for some time.
    Read {
        /// Readers, each in the room of its number.
        readers: usize,
        /// Rows of a page. Each page is a transaction of its own, as it is a call of its own.
        page_rows: usize,
        /// How long.
        millis: u64,
        /// Whether rows are decoded, as a service reads them, or left as bytes.
        decoded: bool,
    },
}

/// How to append.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Append {
    /// Rooms, numbered from 0.
    pub(crate) rooms: usize,
    /// Messages that are not acknowledged yet, in all rooms together.
    pub(crate) in_flight: usize,
    /// Messages in one transaction.
    pub(crate) together: usize,
    /// Bytes of a body.
    pub(crate) body_bytes: usize,
    /// How long.
    pub(crate) millis: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Done {
    /// Messages that were acknowledged, or read.
    pub(crate) messages: u64,
    /// In this time.
    pub(crate) seconds: f64,
    /// Half of all acknowledgements took no longer.
    pub(crate) p50_ms: f64,
    /// 99 of 100 acknowledgements took no longer.
    pub(crate) p99_ms: f64,
}

/// A bare store that runs.
#[derive(Debug)]
pub(crate) struct BareStore(Baseline);

impl BareStore {
    /// Starts it.
    ///
    /// # Errors
    /// If there is no room for it.
    pub(crate) fn start() -> anyhow::Result<Self> {
        Baseline::start(KIND).map(Self)
    }

    /// Has the order carried out. Blocks for as long as that takes.
    ///
    /// # Errors
    /// If it cannot be carried out.
    pub(crate) fn order(&mut self, order: Order) -> anyhow::Result<Done> {
        let text = serde_json::to_string(&order).context("an order is plain data")?;
        self.0.say(&text)?;
        let answer = self.0.hear()?;
        serde_json::from_str(&answer).with_context(|| format!("the bare store said `{answer}`"))
    }

    /// What the bare store has used.
    ///
    /// # Errors
    /// If it has ended.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        self.0.usage()
    }
}

impl Done {
    /// Messages a second.
    pub(crate) fn per_second(&self) -> f64 {
        crate::stats::number(self.messages) / self.seconds
    }
}

/// Carries out orders in this process until standard input ends.
///
/// # Errors
/// If the store fails, or an order is none.
pub(crate) async fn run(folder: &Path) -> anyhow::Result<()> {
    let embedded = Embedded::open(folder.join("data"), EmbeddedOptions::default())?;
    let mut work = Work::new(embedded);
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = orders.next_line().await.context("no orders")? {
        let Ok(order) = serde_json::from_str(&line) else {
            bail!("`{line}` is no order");
        };
        let done = work.carry_out(order).await?;
        let answer = serde_json::to_string(&done).context("an answer is plain data")?;
        writeln!(std::io::stdout().lock(), "{answer}").context("standard output is closed")?;
    }
    Ok(())
}
