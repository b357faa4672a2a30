//! The same file once more, while its connection is cut and its server killed.
//!
//! Invariant: troubles come at stated bytes of the way, evenly, and are counted when they have come. What
//! arrived is hashed anew, from the disk.

use std::collections::VecDeque;

use anyhow::{Context as _, ensure};
use rookery_client::{Client, Existing, KnownServers, Outgoing, Progress, Tuning};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::cutter::Cutter;
use super::load::{Load, hash_of};
use crate::console::Stage;
use crate::folder;
use crate::people::Person;
use crate::report::{Goal, Report, Row};
use crate::rookery::{Rookery, server};

/// What happens on each way, in this order.
const TROUBLES: [Trouble; 6] = [
    Trouble::Cut,
    Trouble::Cut,
    Trouble::Kill,
    Trouble::Cut,
    Trouble::Cut,
    Trouble::Cut,
];

/// Troubles that wait to be made: all of one way.
const WAITING_MAX: usize = TROUBLES.len();

/// What happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Trouble {
    /// The connection is cut.
    Cut,
    /// The server is killed with signal 9 and started again.
    Kill,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Came {
    cuts: u64,
    kills: u64,
    differs: bool,
    up_seconds: f64,
    down_seconds: f64,
    /// The most that a process took that was killed.
    pub(super) peak_bytes: u64,
}

impl Came {
    pub(super) fn tell(&self, report: &mut Report) {
        let differ = Row::new(
            "files that arrived altered",
            "",
            f64::from(u8::from(self.differs)),
        );
        report
            .row(differ.must(Goal::Exactly(0.0)))
            .row(Row::new("up, cut and killed", "s", self.up_seconds))
            .row(Row::new("down, cut and killed", "s", self.down_seconds))
            .check("connections cut", self.cuts)
            .check("kills", self.kills);
    }
}

/// Sends the file up by one client and down by the other, with all troubles on each way.
pub(super) async fn run(
    server: &mut Rookery,
    (sender, reader): (&Person, &Person),
    room: &str,
    load: &Load,
    stage: &Stage,
) -> anyhow::Result<Came> {
    let folder = folder::new()?;
    let cutter = Cutter::start(server.address()).await?;
    let known = KnownServers::open(folder.path().join("known_servers"))?;
    let sdk = self::server(cutter.address(), known, Tuning::NORMAL)?;
    let up = sdk.connect().await?.with_token(sender.token.clone())?;
    let down = sdk.connect().await?.with_token(reader.token.clone())?;
    let mut came = Came::default();

    let began = Instant::now();
    let name = load.start(&up, room, "file").await?;
    let mut source = load.open().await?;
    let (mut plan, troubles) = Plan::new(load.size, stage);
    let sent = up.continue_upload(&name, &mut source, |progress| plan.look(progress));
    let sent = came.while_troubled(sent, troubles, server, &cutter).await?;
    sent.context("the file cannot be sent")?;
    came.up_seconds = began.elapsed().as_secs_f64();

    let message = Outgoing::new(room, "").attach(&name);
    let seq = send(&up, &message).await?;
    let began = Instant::now();
    let path = folder.path().join("came");
    let of = load.attached(room, seq, name);
    let (mut plan, troubles) = Plan::new(load.size, stage);
    let saved = down.save(&of, &path, Existing::Keep, |progress| plan.look(progress));
    let saved = came
        .while_troubled(saved, troubles, server, &cutter)
        .await?;
    saved.context("the file cannot be fetched")?;
    came.down_seconds = began.elapsed().as_secs_f64();

    came.differs = hash_of(&path)? != load.sha256;
    let of_each = 2 * TROUBLES.len() as u64;
    ensure!(
        came.cuts + came.kills == of_each,
        "{} cuts and {} kills came about, of {of_each}",
        came.cuts,
        came.kills
    );
    Ok(came)
}

async fn send(client: &Client, message: &Outgoing) -> anyhow::Result<u64> {
    let sent = client.send_message(message).await;
    Ok(sent.context("the message cannot be sent")?.seq)
}

/// When each trouble comes.
struct Plan<'a> {
    left: VecDeque<(u64, Trouble)>,
    due: mpsc::Sender<Trouble>,
    furthest: u64,
    stage: &'a Stage,
}

impl<'a> Plan<'a> {
    fn new(size: u64, stage: &'a Stage) -> (Self, mpsc::Receiver<Trouble>) {
        let (due, troubles) = mpsc::channel(WAITING_MAX);
        let parts = TROUBLES.len() as u64 + 1;
        let left = (1..)
            .zip(TROUBLES)
            .map(|(part, trouble)| (size * part / parts, trouble));
        let plan = Self {
            left: left.collect(),
            due,
            furthest: 0,
            stage,
        };
        (plan, troubles)
    }

    /// Whether it is time for the next one.
    fn look(&mut self, progress: Progress) {
        let further = progress.bytes.saturating_sub(self.furthest);
        self.furthest += further;
        self.stage.inc(further);
        while let Some((_, trouble)) = self.left.pop_front_if(|(at, _)| *at <= self.furthest) {
            // There is room for all of them.
            let _ = self.due.try_send(trouble);
        }
    }
}

impl Came {
    /// Makes trouble while something goes on.
    async fn while_troubled<T>(
        &mut self,
        going_on: impl Future<Output = T>,
        mut troubles: mpsc::Receiver<Trouble>,
        server: &mut Rookery,
        cutter: &Cutter,
    ) -> anyhow::Result<T> {
        let mut going_on = Box::pin(going_on);
        loop {
            let trouble = tokio::select! {
                biased;
                Some(trouble) = troubles.recv() => trouble,
                ended = &mut going_on => return Ok(ended),
            };
            match trouble {
                Trouble::Cut => self.cuts += u64::from(cutter.cut() > 0),
                Trouble::Kill => {
                    self.peak_bytes = self.peak_bytes.max(server.usage()?.peak_bytes);
                    server.restart().await?;
                    self.kills += 1;
                }
            }
        }
    }
}
