//! The one thread that writes: takes commits in groups, checks them, writes them, answers them.
//!
//! Invariant: versions are published in order, each once the fate of its group is known (synced, or
//! refused for want of space, which changed nothing) and before the answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use super::engine::Written;
use super::{Core, Registered};
use crate::StoreError;
use crate::backend::{Version, WriteSet};
use crate::conflicts::RecentWrites;
use crate::limits::{
    FULL_RETRY, GROUP_BYTES_MAX, GROUP_COMMITS_MAX, RECENT_KEYS_MAX, RECENT_RANGES_MAX,
};

/// What the thread is asked to do, in the order of asking.
#[derive(Debug)]
pub(super) enum Order {
    Commit(Request),
    /// Let go of the file, and say so.
    Close(oneshot::Sender<()>),
}

/// One transaction's commit.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) registered: Arc<Registered>,
    pub(super) writes: WriteSet,
    pub(super) answer: oneshot::Sender<Result<Version, StoreError>>,
    /// Its bytes in the queue.
    pub(super) _permit: OwnedSemaphorePermit,
}

/// Commits and the groups that they were written in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct GroupCounts {
    /// Groups written, each with one wait for the disk.
    pub groups: u64,
    /// Commits in them.
    pub commits: u64,
    /// Commits refused for a conflict or an old snapshot.
    pub refused: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    groups: AtomicU64,
    commits: AtomicU64,
    refused: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> GroupCounts {
        GroupCounts {
            groups: self.groups.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

/// Starts the thread. It ends with the queue, or with the disk.
pub(super) fn start(
    core: Arc<Core>,
    queue: mpsc::Receiver<Order>,
    free_space_min: u64,
) -> std::io::Result<()> {
    let committer = Committer {
        core: Arc::clone(&core),
        queue,
        free_space_min,
        recent: RecentWrites::new(Version::default(), RECENT_KEYS_MAX, RECENT_RANGES_MAX),
        last: Version::default(),
        full_until: None,
        refuses: false,
    };
    let builder = std::thread::Builder::new().name("store-committer".into());
    builder.spawn(move || {
        // The engine asserts what it believes about its file; when that breaks, nothing may go on.
        if catch_unwind(AssertUnwindSafe(|| committer.run())).is_err() {
            core.fatal("the committer panicked");
        }
    })?;
    Ok(())
}

struct Committer {
    core: Arc<Core>,
    queue: mpsc::Receiver<Order>,
    /// Writes are refused while the file system has fewer bytes free.
    free_space_min: u64,
    recent: RecentWrites,
    /// The newest version given out, also to groups that were refused.
    last: Version,
    /// The file system said that it is full: not before this is it asked again.
    full_until: Option<Instant>,
    /// Writes are being refused for want of space.
    refuses: bool,
}

/// What a turn of the loop ends with.
enum Turn {
    Next,
    End,
}

impl Committer {
    fn run(mut self) {
        let mut closed = None;
        while let Some(order) = self.queue.blocking_recv() {
            let (group, close) = self.gather(order);
            let turn = if group.is_empty() {
                Turn::Next
            } else {
                self.commit(group)
            };
            closed = close;
            if closed.is_some() || matches!(turn, Turn::End) {
                break;
            }
        }
        // From here on commits are refused by the queue, and snapshots by the engine.
        self.queue.close();
        self.core.engine.close();
        if let Some(closed) = closed {
            // Who asked may have gone.
            let _ = closed.send(());
        }
    }

    /// Everything that waits, up to the bounds of a group, in the order of asking.
    fn gather(&mut self, first: Order) -> (Vec<Request>, Option<oneshot::Sender<()>>) {
        let (mut group, mut bytes) = (Vec::new(), 0);
        let mut order = Some(first);
        while let Some(Order::Commit(request)) = order {
            bytes += request.writes.bytes();
            group.push(request);
            if group.len() >= GROUP_COMMITS_MAX || bytes >= GROUP_BYTES_MAX {
                return (group, None);
            }
            order = self.queue.try_recv().ok();
        }
        match order {
            Some(Order::Close(closed)) => (group, Some(closed)),
            Some(Order::Commit(_)) | None => (group, None),
        }
    }

    fn commit(&mut self, group: Vec<Request>) -> Turn {
        let version = Version(self.last.0 + 1);
        self.last = version;
        let mut losers = Vec::new();
        let mut winners = Vec::with_capacity(group.len());
        for request in group {
            let read = request.registered.version;
            match self.recent.check(read, &request.writes.read_conflicts) {
                Ok(()) => {
                    self.recent.record(version, &request.writes.mutations);
                    winners.push(request);
                }
                Err(error) => losers.push((request, error)),
            }
        }
        let (outcome, turn) = self.write(&winners, version);
        match turn {
            // Also after a refusal. The keys of the group are remembered at this version; who begins
            // from now on has missed none of them, and must not be told that they changed.
            Turn::Next => self.publish(version),
            // Before the answers, so that who hears one cannot ask again.
            Turn::End => self.queue.close(),
        }
        let written = if outcome.is_ok() { winners.len() } else { 0 };
        self.count(written, losers.len());
        for winner in winners {
            // Who asked may have gone.
            let _ = winner.answer.send(outcome.clone());
        }
        // Only now, so that a retry sees what it lost to.
        for (loser, error) in losers {
            let _ = loser.answer.send(Err(error));
        }
        turn
    }

    fn write(
        &mut self,
        winners: &[Request],
        version: Version,
    ) -> (Result<Version, StoreError>, Turn) {
        if winners.is_empty() {
            return (Ok(version), Turn::Next);
        }
        if self.is_full() {
            return (Err(StoreError::Full), Turn::Next);
        }
        let mutations = winners.iter().flat_map(|request| &request.writes.mutations);
        match self.core.engine.write(mutations) {
            Written::Synced => (Ok(version), Turn::Next),
            Written::NoSpace => self.no_space(),
            Written::Fatal(error) => self.fatal(&error),
        }
    }

    fn publish(&mut self, version: Version) {
        let mut timeline = self.core.timeline.lock();
        timeline.committed = version;
        let oldest = timeline.readers.oldest(version);
        drop(timeline);
        self.recent.forget_through(oldest);
    }

    /// Whether writes are to be refused; says so in the log when that changes.
    fn is_full(&mut self) -> bool {
        let waits = self.full_until.is_some_and(|until| Instant::now() < until);
        let full = waits || self.core.engine.is_nearly_full(self.free_space_min);
        if full != self.refuses {
            self.refuses = full;
            let path = self.core.path.display();
            if full {
                tracing::error!(%path, "the disk is nearly full: writes are refused, free some space");
            } else {
                tracing::info!(%path, "the disk has space again: writes are taken");
            }
        }
        full
    }

    /// The group is known not to be committed; the file has to be opened afresh to go on.
    fn no_space(&mut self) -> (Result<Version, StoreError>, Turn) {
        self.refuses = true;
        let path = self.core.path.display();
        tracing::error!(%path, "the disk is full: writes are refused, free some space");
        self.full_until = Some(Instant::now() + FULL_RETRY);
        match self.core.engine.reopen() {
            Ok(()) => (Err(StoreError::Full), Turn::Next),
            Err(error) => self.fatal(&error.to_string()),
        }
    }

    fn fatal(&self, error: &str) -> (Result<Version, StoreError>, Turn) {
        self.core.fatal(error);
        (Err(StoreError::CommitUnknown), Turn::End)
    }

    fn count(&self, commits: usize, refused: usize) {
        let counts = &self.core.counts;
        counts
            .groups
            .fetch_add(u64::from(commits > 0), Ordering::Relaxed);
        counts.commits.fetch_add(commits as u64, Ordering::Relaxed);
        counts.refused.fetch_add(refused as u64, Ordering::Relaxed);
    }
}
