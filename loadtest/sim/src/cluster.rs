//! Several nodes on one disk and one network, under one scheduler: with `--nodes` above 1.
//!
//! One node alone makes all people and rooms, and ends; the rest of the run is the cluster's. Each of its
//! nodes has a runtime of its own, with one thread and a clock that stands still, and so have the clients
//! together. The scheduler goes through all of them in turn, in steps of a few milliseconds of random length,
//! beginning with any. Whatever one says to another (pipes, the disk, calls of clients) waits for the other's
//! turn, which is the network's delay.
//!
//! # Why not one runtime, and why not `turmoil`
//!
//! Pauses longer than a lease and clocks that drift are what breaks clusters, and a runtime of one's own is
//! what lets a node stand still, drift or die by itself, in a few lines and without a word in its code.
//! `turmoil` has a runtime for each host, too, but steps all of them alike (no pause, no drift), and brings
//! its own sockets, where links have [`MemoryNetwork`] with the same faults. The price are some microseconds
//! for each step: a seed, run twice, costs about a second, and 5,000 of them an hour and a quarter of one core.
//!
//! Invariant: nothing runs but the one runtime whose turn it is, and whatever is drawn is drawn from the
//! seed.
//!
//! Leaves out: death between two polls of one moment, which runs of one node have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cluster_membership::Timing;
use cluster_rpc::link::MemoryNetwork;
use cluster_runtime::TaskKind;
use cluster_store::Witness;
use cluster_types::Rng;
use parking_lot::Mutex;

use crate::clients::Clients;
use crate::clock::WallClock;
use crate::history::{OnNode, World as Happened};
use crate::limits::{
    CALM_STEP, DOWN, FASTER, LAST_LOOK_WITHIN, RETURN_WITHIN, STEP, STORM_OF_NODES,
};
use crate::names::{Person, count};
use crate::node::{Among, Ground};
use crate::people::Somebody;
use crate::plan::{among, millis};
use crate::reach::Nodes;
use crate::run::Run;
use crate::storm::Storm;

mod owners;
mod process;
mod trouble;

use owners::Owners;
use process::{News, Process, Stepped};
use trouble::{Repair, Troubles, number};

/// Nodes and their clients.
pub(crate) struct Cluster {
    run: Arc<Run>,
    owners: Arc<Owners>,
    rng: Rng,
    places: Vec<Place>,
    /// What each node starts on.
    grounds: Vec<Ground>,
    nodes: Nodes,
    network: MemoryNetwork,
    troubles: Troubles,
    /// What is to be undone, and when; the second number tells apart what is to be undone at one time.
    repairs: BTreeMap<(Duration, u64), Repair>,
    serial: u64,
    clients: Stepped,
    /// Simulated time before the cluster, and since then.
    before: Duration,
    now: Duration,
}

/// Where a node is, or will be.
enum Place {
    /// Not before then.
    Down(Duration),
    Up(Box<Process>),
}

impl Cluster {
    /// Has `count` nodes live, on what a node alone has left behind.
    ///
    /// # Errors
    /// If the simulation cannot go on, or nodes do not come to rest in fair weather.
    pub(crate) fn live(run: &Arc<Run>, count: usize) -> anyhow::Result<()> {
        let owners = Arc::new(Owners::new(run.world.clone()));
        run.ground
            .disk
            .show(Arc::clone(&owners) as Arc<dyn Witness>);
        let mut cluster = Self::new(run, count, Arc::clone(&owners))?;
        let clients = cluster.begin();
        cluster.rage(&clients)?;
        cluster.rest(&clients)?;
        run.world.note_world(Happened::Owned(owners.writes()));
        Ok(())
    }

    fn new(run: &Arc<Run>, count: usize, owners: Arc<Owners>) -> anyhow::Result<Self> {
        let rng = run.rng.fork();
        let troubles = Troubles::draw(&rng, &run.plan.kinds);
        let faster = u32::try_from(among(&rng, FASTER))?;
        let network = MemoryNetwork::new();
        let ground = |place| Ground {
            clock: WallClock::new(run.world.clone()),
            rng: rng.fork(),
            among: Some(Among {
                number: number(place),
                network: network.clone(),
                timing: Timing::default().faster(faster),
            }),
            ..run.ground.clone()
        };
        let grounds: Vec<_> = (0..count).map(ground).collect();
        run.clocks
            .lock()
            .extend(grounds.iter().map(|ground| ground.clock.clone()));
        Ok(Self {
            run: Arc::clone(run),
            owners,
            places: (0..count).map(|_| Place::Down(Duration::ZERO)).collect(),
            grounds,
            nodes: Nodes::none_of(count),
            network,
            troubles,
            repairs: BTreeMap::new(),
            serial: 0,
            clients: Stepped::new()?,
            before: run.world.elapsed(),
            now: Duration::ZERO,
            rng,
        })
    }

    /// Everybody, on the clients' runtime.
    fn begin(&self) -> Clients {
        let Run {
            world,
            plan,
            ground,
            ..
        } = &*self.run;
        let nodes = self.nodes.clone();
        let clients = Clients::new(world.clone(), nodes, ground.clock.clone(), Arc::clone(plan));
        let _inside = self.clients.runtime().enter();
        for me in people(&clients) {
            let somebody = Somebody::new(clients.clone(), me, self.rng.fork());
            drop(
                clients
                    .tasks
                    .spawn(TaskKind::Connection, "sim: person", somebody.live()),
            );
        }
        let storm = Storm {
            disk: ground.disk.clone(),
            clocks: self.run.clocks.lock().clone(),
            world: world.clone(),
            rng: self.rng.fork(),
        };
        let (plan, enough) = (Arc::clone(plan), clients.enough.clone());
        let raging = async move { storm.rage(&plan, &enough).await };
        drop(
            clients
                .tasks
                .spawn(TaskKind::Housekeeping, "sim: storm", raging),
        );
        clients
    }

    /// Lets things go wrong until it is enough, and then nothing any more.
    fn rage(&mut self, clients: &Clients) -> anyhow::Result<()> {
        let end = millis(among(&self.rng, STORM_OF_NODES));
        let mut next = self.troubles.quiet(&self.rng);
        let longest = among(&self.rng, STEP);
        while self.now < end {
            if self.now >= next {
                self.make_trouble();
                next = self.now + self.troubles.quiet(&self.rng);
            }
            self.repair();
            self.step(longest)?;
        }
        clients.enough.cancel();
        self.calm_down();
        Ok(())
    }

    /// Lets everything come to rest, and everybody look at it.
    fn rest(&mut self, clients: &Clients) -> anyhow::Result<()> {
        let until = self.now + RETURN_WITHIN;
        while self.nodes.count() < self.places.len() {
            anyhow::ensure!(
                self.now < until,
                "a node does not come back in fair weather"
            );
            self.step(CALM_STEP)?;
        }
        let looked = Arc::new(Mutex::new(None));
        let look = {
            let (run, clients, looked) =
                (Arc::clone(&self.run), clients.clone(), Arc::clone(&looked));
            async move {
                let outcome = Box::pin(run.last_look(&clients, &people(&clients))).await;
                *looked.lock() = Some(outcome);
            }
        };
        {
            let _inside = self.clients.runtime().enter();
            drop(
                self.run
                    .looking
                    .spawn(TaskKind::Housekeeping, "sim: last look", look),
            );
        }
        let until = self.now + LAST_LOOK_WITHIN;
        loop {
            if let Some(outcome) = looked.lock().take() {
                return outcome;
            }
            anyhow::ensure!(
                self.now < until,
                "not everything comes to rest in fair weather"
            );
            self.step(CALM_STEP)?;
        }
    }

    /// Everybody's turn.
    fn step(&mut self, longest: u64) -> anyhow::Result<()> {
        let span = millis(among(&self.rng, 1..=longest));
        self.now += span;
        self.run.world.pass_to(self.before + self.now);
        let count = self.places.len();
        let first = usize::try_from(self.rng.below(count as u64))?;
        for place in (0..count).map(|nth| (first + nth) % count) {
            self.step_node(place, span)?;
        }
        self.clients.step(span);
        Ok(())
    }

    fn step_node(&mut self, place: usize, span: Duration) -> anyhow::Result<()> {
        match &mut self.places[place] {
            Place::Down(until) if *until > self.now => {}
            Place::Down(_) => {
                let pace = self.troubles.pace(&self.rng);
                self.owners.starts(number(place));
                let process = Process::start(self.grounds[place].clone(), pace)?;
                self.places[place] = Place::Up(Box::new(process));
                self.note(place, OnNode::Starts(pace));
            }
            Place::Up(process) => {
                process.step(span);
                match process.news() {
                    None => {}
                    Some(News::Serves(reach)) => {
                        self.nodes.set(place, Some(*reach));
                        self.note(place, OnNode::Serves);
                    }
                    Some(News::Failed(why)) => {
                        self.note(place, OnNode::Fails(why));
                        self.take_down(place, millis(*DOWN.start()));
                    }
                    Some(News::Ended) => {
                        self.note(place, OnNode::Ends);
                        self.take_down(place, millis(*DOWN.start()));
                    }
                }
            }
        }
        Ok(())
    }

    /// Drops a node where it stands. It starts again after a while.
    fn take_down(&mut self, place: usize, down: Duration) {
        self.nodes.set(place, None);
        let down = Place::Down(self.now + down);
        if let Place::Up(process) = std::mem::replace(&mut self.places[place], down) {
            process.die();
        }
    }
}

fn people(clients: &Clients) -> Vec<Person> {
    let all = 0..count(clients.world.lock().people.len());
    all.map(Person).collect()
}
