//! One run of one seed: the lives of the node one after the other, and what is looked at in the end.
//!
//! Each life has a runtime of its own, with one thread and a clock that moves only when nobody has
//! anything to do. A crash is the end of that runtime: whatever was under way, in the node and in its
//! clients, is dropped where it stands. What is left is the disk, and what the clients remember.
//!
//! Invariant: all chance comes from the seed, so a seed has one history.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cluster_runtime::TaskKind;
use cluster_store::{FaultCounts, SimulatedDisk};
use cluster_types::{Rng, Seq};
use proto::v1;
use proto::v1::accounts_server::Accounts as _;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::calls::{Order, Wire};
use crate::clients::{Clients, Ending};
use crate::clock::WallClock;
use crate::history::{Ask, Cursor, Done, History, What, World as Happened};
use crate::limits::{ALONE, CALM_ATTEMPTS_MAX, CALM_RETRY, CATCH_UP, SETTLE};
use crate::names::{Device, Person, Room, count};
use crate::node::Node;
use crate::people::{Somebody, all_rooms, new_id, page};
use crate::plan::{End, FaultKinds, Life, Plan, among};
use crate::storm::Storm;
use crate::stream::Client;
use crate::world::{KnownPerson, World};

/// A password that the default policy takes.
const PASSWORD: &str = "Tr4vel light, friends";

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
struct Run {
    plan: Arc<Plan>,
    rng: Rng,
    disk: SimulatedDisk,
    world: World,
    clock: WallClock,
}

/// Runs a seed.
///
/// # Errors
/// If the simulation itself cannot go on: a defect of its own, or a node that does not start.
pub fn run(seed: u64, kinds: &FaultKinds) -> anyhow::Result<Outcome> {
    let rng = Rng::seeded(seed);
    let world = World::default();
    let run = Run {
        plan: Arc::new(Plan::draw(&rng, kinds.clone())),
        rng,
        disk: SimulatedDisk::new(),
        clock: WallClock::new(world.clone()),
        world,
    };
    for (number, life) in run.plan.lives.iter().enumerate() {
        run.live(number, *life)?;
    }
    let span = run.world.elapsed();
    let history = run.world.take_history();
    let mut disk = Vec::new();
    for (key, value) in run.disk.contents() {
        disk.extend_from_slice(&key);
        disk.extend_from_slice(&value);
    }
    Ok(Outcome {
        digest: history.digest(&disk),
        history,
        faults: run.disk.faults_injected(),
        span,
    })
}

impl Run {
    fn live(&self, number: usize, life: Life) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .context("no runtime")?;
        let bell = Arc::new(Notify::new());
        let lived = runtime.block_on(async {
            let dies_after = match life.end {
                End::CrashAfter(entries) => Some(entries),
                End::Crash | End::Drain | End::Last => None,
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

    async fn one_life(&self, number: usize, life: Life, bell: &Notify) -> anyhow::Result<()> {
        self.world.note_world(Happened::Started {
            life: count(number + 1),
        });
        let shards = self.plan.relay_shards;
        let node = Node::start(&self.disk, &self.clock, &self.rng, shards).await?;
        let (world, clock) = (self.world.clone(), self.clock.clone());
        let clients = Clients::new(world, node, clock, Arc::clone(&self.plan));
        self.disk.set_faults(self.plan.weather.calm());
        if number == 0 {
            self.found(&clients).await?;
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
            disk: self.disk.clone(),
            clock: self.clock.clone(),
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
            End::Crash | End::CrashAfter(_) => self.world.note_world(Happened::Crashed),
            End::Drain => {
                clients.enough.cancel();
                raging.await?;
                self.drain(&clients).await;
            }
            End::Last => {
                clients.enough.cancel();
                raging.await?;
                self.last_look(&clients, &people).await?;
            }
        }
        Ok(())
    }

    // --- The beginning ---

    /// Makes everybody and everything that there is before anything goes wrong.
    async fn found(&self, clients: &Clients) -> anyhow::Result<()> {
        for number in 0..self.plan.people {
            self.enrol(clients, number).await?;
        }
        let people = u32::try_from(self.plan.people)?;
        for _ in 0..self.plan.rooms {
            let owner = Person(u32::try_from(self.rng.below(self.plan.people))?);
            let device = clients.world.lock().devices_of(owner)[0];
            let display_name = format!("room {:08x}", self.rng.below(1 << 32));
            let wire = Wire::Create(v1::CreateRoomRequest {
                display_name: display_name.clone(),
                topic: String::new(),
                request_id: new_id(&self.rng).1,
            });
            let order = clients.order(owner, device, Ask::CreateRoom { display_name }, wire);
            let Ending::Done(Done::Room(view), _) = self.resolve(clients, order).await else {
                anyhow::bail!("no room in fair weather");
            };
            for whom in (0..people).map(Person) {
                if whom != owner && self.rng.below(5) > 0 {
                    self.add(clients, owner, device, view.room, whom).await?;
                }
            }
        }
        Ok(())
    }

    /// Hashes passwords, on a thread. Nobody else has anything to do then, so it does not matter when
    /// that is done.
    async fn enrol(&self, clients: &Clients, number: u64) -> anyhow::Result<()> {
        let accounts = &clients.node.accounts;
        let user_name = format!("person{number}");
        let register = v1::RegisterAccountRequest {
            user_name: user_name.clone(),
            password: PASSWORD.to_owned(),
            keep_signed_in: true,
            ..Default::default()
        };
        sleep(ALONE).await;
        let first = accounts
            .register_account(tonic::Request::new(register))
            .await?
            .into_inner();
        let name = first.account.context("no account")?.name;
        let account = cluster_rpc::name::account(&name, "account")?;
        let person = {
            let mut state = self.world.lock();
            state.people.push(KnownPerson { account });
            let person = state.names.enrol(account);
            state.add_device(person, first.token);
            person
        };
        for _ in 1..self.plan.devices {
            let request = v1::SignInRequest {
                user_name: user_name.clone(),
                password: PASSWORD.to_owned(),
                keep_signed_in: true,
                ..Default::default()
            };
            sleep(ALONE).await;
            let another =
                v1::accounts_server::Accounts::sign_in(accounts, tonic::Request::new(request));
            let token = another.await?.into_inner().token;
            self.world.lock().add_device(person, token);
        }
        Ok(())
    }

    async fn add(
        &self,
        clients: &Clients,
        owner: Person,
        device: Device,
        room: Room,
        whom: Person,
    ) -> anyhow::Result<()> {
        let role = match self.rng.below(3) {
            0 => v1::member::Role::Moderator,
            _ => v1::member::Role::Member,
        };
        let (parent, account) = {
            let state = self.world.lock();
            let account = state.account(whom).context("nobody")?;
            (
                state.rooms[&room].name.clone(),
                cluster_rpc::name::of_account(account),
            )
        };
        let wire = Wire::Add(v1::AddMemberRequest {
            parent,
            account,
            role: role.into(),
        });
        let order = clients.order(owner, device, Ask::Add { room, whom, role }, wire);
        match self.resolve(clients, order).await {
            Ending::Done(..) => Ok(()),
            Ending::Refused | Ending::GivenUp => anyhow::bail!("not added in fair weather"),
        }
    }

    // --- The end ---

    /// Takes the node down in order, with its streams first.
    async fn drain(&self, clients: &Clients) {
        clients.node.hub.drain();
        let under_way = || clients.tasks.count() > 0;
        clients
            .come_to_rest(under_way, Duration::from_secs(30))
            .await;
        clients.node.stop().await;
        self.world.note_world(Happened::Drained);
    }

    /// Lets everything come to rest, and looks at it from all sides.
    async fn last_look(&self, clients: &Clients, people: &[Person]) -> anyhow::Result<()> {
        // What is under way ends by itself; streams stay.
        let streams = || clients.streams().len();
        let under_way = || clients.tasks.count() > streams();
        clients
            .come_to_rest(under_way, Duration::from_secs(60))
            .await;
        let unresolved = std::mem::take(&mut clients.world.lock().unresolved);
        for order in unresolved
            .into_values()
            .filter(|order| order.wire.is_repeatable())
        {
            if !self.is_signed_out(order.device) {
                self.resolve(clients, order).await;
            }
        }
        for stream in clients.streams() {
            stream.pause(false);
        }
        sleep(SETTLE).await;
        self.world.note_world(Happened::Settled);
        for person in people {
            self.read_everything(clients, *person).await?;
        }
        self.connect_everybody(clients, people).await;
        self.world.note_world(Happened::Settled);
        Ok(())
    }

    /// Everything that a person can read, from both ends, in pages of all sizes.
    async fn read_everything(&self, clients: &Clients, by: Person) -> anyhow::Result<()> {
        let Some(device) = self.world.lock().devices_of(by).first().copied() else {
            return Ok(());
        };
        let rooms: Vec<_> = self.world.lock().rooms.keys().copied().collect();
        for room in rooms {
            let name = self.world.lock().rooms[&room].name.clone();
            let view = Wire::View(v1::GetRoomRequest { name: name.clone() });
            let order = clients.order(by, device, Ask::ViewRoom { room }, view);
            let Ending::Done(..) = self.resolve(clients, order).await else {
                continue;
            };
            for forward in [true, false] {
                self.walk(clients, by, device, room, forward).await?;
            }
            let members = Wire::Members(v1::ListMembersRequest {
                parent: name.clone(),
                page_size: 1_000,
                page_token: String::new(),
            });
            let order = clients.order(by, device, Ask::Members { room }, members);
            self.resolve(clients, order).await;
            let bans = Wire::Bans(v1::ListBansRequest {
                parent: name,
                page_size: 1_000,
                page_token: String::new(),
            });
            let order = clients.order(by, device, Ask::Bans { room }, bans);
            self.resolve(clients, order).await;
        }
        let order = clients.order(by, device, Ask::ListRooms, Wire::List(all_rooms()));
        self.resolve(clients, order).await;
        Ok(())
    }

    async fn walk(
        &self,
        clients: &Clients,
        by: Person,
        device: Device,
        room: Room,
        forward: bool,
    ) -> anyhow::Result<()> {
        let name = self.world.lock().rooms[&room].name.clone();
        let size = u32::try_from(among(&self.rng, 5..=256))?;
        let mut request = page(name, forward, None, size);
        let (mut from, mut all) = (None, Vec::new());
        loop {
            let ask = Ask::Page {
                room,
                forward,
                from,
                size,
            };
            let order = clients.order(by, device, ask, Wire::Page(request.clone()));
            let Ending::Done(Done::Page { events, .. }, extra) = self.resolve(clients, order).await
            else {
                anyhow::bail!("{by} cannot read {room} in fair weather");
            };
            let last = events.last().map_or(Seq::ZERO, |event| event.seq);
            all.extend(events);
            if extra.page_token.is_empty() {
                break;
            }
            from = Some(if forward {
                last.next()
            } else {
                last.previous()
            });
            request.page_token = extra.page_token;
        }
        self.world.note(What::Walk {
            room,
            by,
            forward,
            events: all,
        });
        Ok(())
    }

    /// New streams for all, which follow everything from wherever their devices stand.
    async fn connect_everybody(&self, clients: &Clients, people: &[Person]) {
        for stream in clients.streams() {
            stream.leave();
        }
        for by in people {
            let (rooms, device) = {
                let state = self.world.lock();
                let Some(device) = state.devices_of(*by).first().copied() else {
                    continue;
                };
                let own: BTreeSet<_> = state
                    .rooms
                    .iter()
                    .filter(|(_, room)| room.members.contains(by))
                    .map(|(room, _)| *room)
                    .collect();
                (own, device)
            };
            let cursor = |room| {
                let state = self.world.lock();
                let has = state
                    .device(device)
                    .and_then(|d| d.cursors.get(&room).copied());
                let after = if self.rng.below(2) == 0 {
                    Seq::ZERO
                } else {
                    has.unwrap_or_default()
                };
                Cursor {
                    room,
                    after: Some(after),
                }
            };
            let cursors: Vec<_> = rooms.into_iter().map(cursor).collect();
            let (node, world, tasks) = (&clients.node, &clients.world, &clients.tasks);
            let opened = Client::open(node, world, tasks, *by, device, Some(cursors)).await;
            if let Some(stream) = opened {
                clients.add_stream(stream);
            }
        }
        sleep(CATCH_UP).await;
    }

    fn is_signed_out(&self, device: Device) -> bool {
        self.world
            .lock()
            .device(device)
            .is_none_or(|device| device.is_signed_out)
    }

    /// Tries until there is a definite answer. Only for fair weather.
    async fn resolve(&self, clients: &Clients, mut order: Order) -> Ending {
        for _ in 0..CALM_ATTEMPTS_MAX {
            let (answer, extra) = clients.attempt(&mut order, &self.rng).await;
            match answer {
                crate::history::Answer::Done(done) => return Ending::Done(done, extra),
                crate::history::Answer::Refused(_) | crate::history::Answer::Fault(_) => {
                    return Ending::Refused;
                }
                crate::history::Answer::NotNow(_) | crate::history::Answer::Doubtful(_) => {
                    sleep(CALM_RETRY).await;
                }
            }
        }
        Ending::GivenUp
    }
}
