//! A store in memory with FoundationDB's semantics and everything that can go wrong with it, from a
//! seed.
//!
//! Owns: [`SimulatedDisk`], the data, which outlives the [`Simulated`] stores opened on it as a
//! cluster outlives its clients; and [`Faults`], the odds of what FoundationDB does now and then:
//! commits whose outcome is unknown, both ways; conflicts and lost snapshots for no visible reason;
//! delays and stalls; no space.
//!
//! Clients are told apart by number, so that one alone can be cut off, and a [`Witness`] can say who wrote
//! what.
//!
//! Invariant: the same seed, faults and order of calls give the same answers. No threads, no hash
//! maps, no clock but tokio's, which a test can pause. Clients may run on several runtimes of one thread.
//!
//! Leaves out durability: dropping the disk loses everything. The embedded backend's power-loss
//! images show what a real disk keeps.

mod data;
mod faults;
#[cfg(test)]
mod tests;
mod witness;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cluster_types::Rng;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::StoreError;
use crate::backend::{Backend, Page, RangeQuery, Snapshot, Version, WriteSet};
use crate::conflicts::{Readers, RecentWrites};
use crate::limits::{RECENT_KEYS_MAX, RECENT_RANGES_MAX};
use data::Data;
pub use faults::{FaultCounts, Faults};
pub use witness::{Commit, Witness};

/// What stores in one simulation write to. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
    /// Somebody is cut off no more.
    reached: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    data: Data,
    recent: RecentWrites,
    readers: Readers,
    committed: Version,
    faults: Faults,
    counts: FaultCounts,
    full: bool,
    /// Clients whose calls do not arrive.
    cut_off: BTreeSet<u32>,
    witness: Option<Arc<dyn Witness>>,
}

impl Default for SimulatedDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl SimulatedDisk {
    /// An empty disk on which nothing goes wrong yet.
    pub fn new() -> Self {
        let state = State {
            data: Data::default(),
            recent: RecentWrites::new(Version::default(), RECENT_KEYS_MAX, RECENT_RANGES_MAX),
            readers: Readers::default(),
            committed: Version::default(),
            faults: Faults::NONE,
            counts: FaultCounts::default(),
            full: false,
            cut_off: BTreeSet::new(),
            witness: None,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            reached: Arc::default(),
        }
    }

    /// From here on, what goes wrong goes wrong with these odds.
    pub fn set_faults(&self, faults: Faults) {
        self.state.lock().faults = faults;
    }

    /// From here on, there is no space for writes, or there is again.
    pub fn set_full(&self, full: bool) {
        self.state.lock().full = full;
    }

    /// From here on, what a client asks for waits, each step of it, or it does not any more.
    pub fn set_cut_off(&self, client: u32, cut_off: bool) {
        let mut state = self.state.lock();
        if cut_off {
            state.cut_off.insert(client);
        } else if state.cut_off.remove(&client) {
            drop(state);
            self.reached.notify_waiters();
        }
    }

    /// From here on, `witness` sees each commit.
    pub fn show(&self, witness: Arc<dyn Witness>) {
        self.state.lock().witness = Some(witness);
    }

    /// What went wrong so far, by kind.
    pub fn faults_injected(&self) -> FaultCounts {
        self.state.lock().counts
    }

    /// Every key and value, without faults: for the checks at the end of a simulation.
    pub fn contents(&self) -> Vec<(Bytes, Bytes)> {
        let state = self.state.lock();
        state.data.contents(state.committed)
    }
}

/// One client's connection to a [`SimulatedDisk`]. Dropping it with the tasks that use it is a
/// crash of the process; a new one on the same disk is its restart.
#[derive(Debug)]
pub struct Simulated {
    disk: SimulatedDisk,
    client: u32,
    rng: Rng,
    closed: Arc<AtomicBool>,
}

impl Simulated {
    /// A client of `disk` whose luck is drawn from `rng`; its number is 0.
    pub fn new(disk: SimulatedDisk, rng: Rng) -> Self {
        Self::numbered(disk, 0, rng)
    }

    /// A client of `disk` that is told apart from others by its number.
    pub fn numbered(disk: SimulatedDisk, client: u32, rng: Rng) -> Self {
        Self {
            disk,
            client,
            rng,
            closed: Arc::new(AtomicBool::new(false)),
        }
    }

    /// An empty disk of its own on which nothing goes wrong: a store for unit tests.
    pub fn reliable() -> Self {
        Self::new(SimulatedDisk::new(), Rng::seeded(0))
    }
}

#[async_trait]
impl Backend for Simulated {
    async fn begin(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        let mut snapshot = View {
            disk: self.disk.clone(),
            client: self.client,
            rng: self.rng.fork(),
            closed: Arc::clone(&self.closed),
            read: None,
        };
        snapshot.pass_time().await;
        snapshot.check_open()?;
        let mut state = self.disk.state.lock();
        if self.rng.one_in_million(state.faults.unavailable) {
            state.counts.unavailable += 1;
            return Err(StoreError::Unavailable);
        }
        let version = state.committed;
        state.readers.enter(version);
        drop(state);
        snapshot.read = Some(version);
        Ok(Box::new(snapshot))
    }

    fn location(&self) -> String {
        "in memory".into()
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }
}

/// A snapshot: the disk as of one version.
#[derive(Debug)]
struct View {
    disk: SimulatedDisk,
    client: u32,
    rng: Rng,
    closed: Arc<AtomicBool>,
    /// The version read; `None` only until `begin` has chosen it.
    read: Option<Version>,
}

impl View {
    fn version(&self) -> Version {
        self.read.unwrap_or_default()
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::SeqCst) {
            Err(StoreError::Closed)
        } else {
            Ok(())
        }
    }

    /// The network and the disk take their time; now and then a lot of it.
    async fn pass_time(&self) {
        loop {
            // From here on, for a change right after the look counts.
            let reached = self.disk.reached.notified();
            if !self.disk.state.lock().cut_off.contains(&self.client) {
                break;
            }
            reached.await;
        }
        let span = self.disk.state.lock().draw_pause(&self.rng);
        if let Some(span) = span {
            tokio::time::sleep(span).await;
        }
    }

    fn draw_too_old(&self) -> Result<(), StoreError> {
        let mut state = self.disk.state.lock();
        if self.rng.one_in_million(state.faults.too_old) {
            state.counts.too_old += 1;
            return Err(StoreError::TooOld);
        }
        Ok(())
    }

    /// Checks and applies. Called with the verdict of chance about what the client will hear.
    fn decide(&self, writes: &WriteSet) -> Result<Version, StoreError> {
        let mut state = self.disk.state.lock();
        if state.full {
            state.counts.full += 1;
            return Err(StoreError::Full);
        }
        if !writes.read_conflicts.is_empty() && self.rng.one_in_million(state.faults.conflict) {
            state.counts.conflict += 1;
            return Err(StoreError::Conflict);
        }
        state.recent.check(self.version(), &writes.read_conflicts)?;
        if self.rng.one_in_million(state.faults.unknown_lost) {
            state.counts.unknown_lost += 1;
            return Err(StoreError::CommitUnknown);
        }
        let version = state.apply(self.client, writes);
        if self.rng.one_in_million(state.faults.unknown_committed) {
            state.counts.unknown_committed += 1;
            return Err(StoreError::CommitUnknown);
        }
        Ok(version)
    }
}

#[async_trait]
impl Snapshot for View {
    async fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.pass_time().await;
        self.check_open()?;
        self.draw_too_old()?;
        let state = self.disk.state.lock();
        Ok(keys
            .iter()
            .map(|key| state.data.get(key, self.version()))
            .collect())
    }

    async fn get_range(&self, query: &RangeQuery) -> Result<Page, StoreError> {
        self.pass_time().await;
        self.check_open()?;
        self.draw_too_old()?;
        Ok(self.disk.state.lock().data.page(query, self.version()))
    }

    async fn commit(&self, writes: WriteSet) -> Result<Version, StoreError> {
        if writes.mutations.is_empty() {
            return Ok(self.version());
        }
        // A client that dies during the first pause has not committed, during the second it has:
        // it learns neither.
        self.pass_time().await;
        self.check_open()?;
        let outcome = self.decide(&writes);
        self.pass_time().await;
        outcome
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let Some(version) = self.read else { return };
        let mut state = self.disk.state.lock();
        state.readers.leave(version);
        state.forget();
    }
}

impl State {
    fn apply(&mut self, client: u32, writes: &WriteSet) -> Version {
        if let Some(witness) = &self.witness {
            witness.committed(&Commit {
                client,
                writes: &writes.mutations,
                reads: &writes.read_conflicts,
                before: &self.data,
                version: self.committed,
            });
        }
        self.committed = Version(self.committed.0 + 1);
        self.data.apply(self.committed, &writes.mutations);
        self.recent.record(self.committed, &writes.mutations);
        self.forget();
        self.committed
    }

    /// Lets go of what no snapshot can see any more.
    fn forget(&mut self) {
        let oldest = self.readers.oldest(self.committed);
        self.recent.forget_through(oldest);
        self.data.forget_before(oldest);
    }
}
