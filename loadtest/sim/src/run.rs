//! One run of one seed: the lives of the node one after the other, and what is looked at in the end.
//!
//! Each life has a runtime of its own, with one thread and a clock that moves only when nobody has
//! anything to do. A crash is the end of that runtime: whatever was under way, in the node and in its
//! clients, is dropped where it stands. What is left is the disk, and what the clients remember.
//!
//! Invariant: all chance comes from the seed, so a seed has one history.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cluster_runtime::{TaskKind, Tasks};
use cluster_store::{FaultCounts, Faults, SimulatedDisk};
use cluster_types::Rng;
use object_store::memory::InMemory;
use parking_lot::Mutex;
use services_vault::MemoryKms;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::calls::Order;
use crate::clients::{Clients, Ending};
use crate::clock::WallClock;
use crate::cluster::Cluster;
use crate::history::{Answer, History, World as Happened};
use crate::limits::{CALM_ATTEMPTS_MAX, CALM_RETRY, LAST_ENTRIES, STARTS_MAX};
use crate::names::{Person, count};
use crate::node::{Ground, Node};
use crate::people::Somebody;
use crate::plan::{End, FaultKinds, Life, Plan};
use crate::reach::{Nodes, Reach};
use crate::storm::Storm;
use crate::world::World;

mod beginning;
mod ending;

/// What one run of a seed has brought.
#[derive(Debug)]
pub struct Outcome {
    /// What happened.
    pub history: History,
    /// A digest of the history and of what is on the disk in the end.
    pub digest: String,
    /// Which faults the store has injected.
    pub faults: FaultCounts,
    /// Simulated time.
    pub span: Duration,
}

/// A simulation under way.
pub(crate) struct Run {
    pub(crate) plan: Arc<Plan>,
    pub(crate) rng: Rng,
    pub(crate) world: World,
    /// What a node alone starts on; it has the clock of the clients.
    pub(crate) ground: Ground,
    /// The wall clocks of all machines with nodes.
    pub(crate) clocks: Mutex<Vec<WallClock>>,
    /// The last look, where it is not all that happens.
    pub(crate) looking: Tasks,
}

/// Runs a seed with so many nodes.
///
/// # Errors
/// If the simulation itself cannot go on: a defect of its own, or a node that does not start.
pub fn run(seed: u64, kinds: &FaultKinds, nodes: usize) -> anyhow::Result<Outcome> {
    let run = Arc::new(Run::new(seed, kinds));
    if let Err(error) = all_lives(&run, nodes) {
        let entries = run.world.take_history().entries;
        let last = entries.iter().rev().take(LAST_ENTRIES).rev();
        let last: String = last.map(|entry| format!("\n    {entry}")).collect();
        return Err(error.context(format!("it came to this, and no further:{last}\n ")));
    }
    let span = run.world.elapsed();
    let history = run.world.take_history();
    let mut disk = Vec::new();
    for (key, value) in run.ground.disk.contents() {
        disk.extend_from_slice(&key);
        disk.extend_from_slice(&value);
    }
    Ok(Outcome {
        digest: history.digest(&disk),
        history,
        faults: run.ground.disk.faults_injected(),
        span,
    })
}

fn all_lives(run: &Arc<Run>, nodes: usize) -> anyhow::Result<()> {
    if nodes > 1 {
        run.live(0, Life::FOUNDING)?;
        return Cluster::live(run, nodes);
    }
    run.clocks.lock().push(run.ground.clock.clone());
    let mut lives = run.plan.lives.iter().enumerate();
    lives.try_for_each(|(number, life)| run.live(number, *life))
}

impl Run {
    fn new(seed: u64, kinds: &FaultKinds) -> Self {
        let rng = Rng::seeded(seed);
        let world = World::default();
        let plan = Arc::new(Plan::draw(&rng, kinds.clone()));
        let kms = MemoryKms::new(rng.fork());
        let ground = Ground {
            disk: SimulatedDisk::new(),
            objects: Arc::new(InMemory::new()),
            kms,
            clock: WallClock::new(world.clone()),
            rng: rng.clone(),
            relay_shards: plan.relay_shards,
            among: None,
        };
        Self {
            plan,
            rng,
            world,
            ground,
            clocks: Mutex::default(),
            looking: Tasks::new(),
        }
    }

    /// One life. A node that does not reach its store ends, and is started again as a new process, the last
    /// time in fair weather.
    fn live(&self, number: usize, life: Life) -> anyhow::Result<()> {
        for _ in 1..STARTS_MAX {
            if self.start(number, life)?.is_none() {
                return Ok(());
            }
        }
        self.ground.disk.set_faults(Faults::NONE);
        self.start(number, life)?.map_or(Ok(()), Err)
    }

    /// Starts a node and has it live. Returns why it did not start, if so.
    fn start(&self, number: usize, life: Life) -> anyhow::Result<Option<anyhow::Error>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .context("no runtime")?;
        let bell = Arc::new(Notify::new());
        let lived = runtime.block_on(async {
            let dies_after = match life.end {
                End::CrashAfter(entries) => Some(entries),
                End::Crash | End::Drain | End::Founded | End::Last => None,
            };
            self.world.begin(dies_after, &bell);
            let lived = Box::pin(self.one_life(number, life, &bell)).await;
            self.world.end();
            lived
        });
        // Here the node dies, with all that is under way.
        drop(runtime);
        lived
    }

    async fn one_life(
        &self,
        number: usize,
        life: Life,
        bell: &Notify,
    ) -> anyhow::Result<Option<anyhow::Error>> {
        self.world.note_world(Happened::Started {
            life: count(number + 1),
        });
        let node = Node::start(&self.ground).await;
        let node = match node {
            Ok(node) => node,
            Err(error) => {
                self.world.note_world(Happened::Crashed);
                return Ok(Some(error));
            }
        };
        let (world, clock) = (self.world.clone(), self.ground.clock.clone());
        let nodes = Nodes::only(Reach::here(node.clone()));
        let clients = Clients::new(world, nodes, clock, Arc::clone(&self.plan));
        self.ground.disk.set_faults(self.plan.weather.calm());
        if number == 0 {
            self.found(&clients, &node).await?;
        }
        if life.end == End::Founded {
            node.stop().await;
            return Ok(None);
        }
        let people: Vec<_> = (0..count(clients.world.lock().people.len()))
            .map(Person)
            .collect();
        for me in &people {
            let somebody = Somebody::new(clients.clone(), *me, self.rng.fork());
            clients
                .tasks
                .spawn(TaskKind::Connection, "sim: person", somebody.live());
        }
        let storm = Storm {
            disk: self.ground.disk.clone(),
            clocks: vec![self.ground.clock.clone()],
            world: self.world.clone(),
            rng: self.rng.fork(),
        };
        let raging = {
            let (plan, enough) = (Arc::clone(&self.plan), clients.enough.clone());
            async move { storm.rage(&plan, &enough).await }
        };
        let raging = clients
            .tasks
            .spawn(TaskKind::Housekeeping, "sim: storm", raging);
        // Death by number may come before death by time.
        let _died_early = timeout(life.span, bell.notified()).await;
        match life.end {
            End::Crash | End::CrashAfter(_) | End::Founded => {
                self.world.note_world(Happened::Crashed)
            }
            End::Drain => {
                clients.enough.cancel();
                raging.await?;
                self.drain(&clients, &node).await;
            }
            End::Last => {
                clients.enough.cancel();
                raging.await?;
                self.last_look(&clients, &people).await?;
            }
        }
        Ok(None)
    }

    /// Tries until there is a definite answer. Only for fair weather.
    async fn resolve(&self, clients: &Clients, mut order: Order) -> Ending {
        for _ in 0..CALM_ATTEMPTS_MAX {
            let (answer, extra) = clients.attempt(&mut order, &self.rng).await;
            match answer {
                Answer::Done(done) => return Ending::Done(done, extra),
                Answer::Refused(_) | Answer::Fault(_) => {
                    return Ending::Refused;
                }
                Answer::NotNow(_) | Answer::Doubtful(_) => {
                    sleep(CALM_RETRY).await;
                }
            }
        }
        Ending::GivenUp
    }
}
