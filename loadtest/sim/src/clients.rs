//! What the clients of one life of the node share, and how each gets something done: again and again
//! under the same id, until the answer is definite or patience is at an end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cluster_runtime::{TaskKind, Tasks};
use cluster_types::Rng;
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::calls::{Extra, Order, Wire};
use crate::clock::WallClock;
use crate::history::{Answer, Ask, Done, Kind, Via, What};
use crate::limits::{HANG_UP_MAX, REPLY_DEADLINE, RETRY_AFTER_MAX};
use crate::names::{Device, Person};
use crate::plan::{Plan, among, millis, percent};
use crate::reach::Nodes;
use crate::sights;
use crate::stream::Client;
use crate::world::World;

/// The clients of one life. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    pub(crate) world: World,
    pub(crate) nodes: Nodes,
    pub(crate) clock: WallClock,
    pub(crate) plan: Arc<Plan>,
    pub(crate) tasks: Tasks,
    /// Cancelled when nobody begins anything new.
    pub(crate) enough: CancellationToken,
    streams: Arc<Mutex<BTreeMap<Person, Vec<Client>>>>,
}

/// How an order ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It was done.
    Done(Done, Extra),
    /// It was refused by its last attempt.
    Refused,
    /// Patience ended first.
    GivenUp,
}

impl Clients {
    pub(crate) fn new(world: World, nodes: Nodes, clock: WallClock, plan: Arc<Plan>) -> Self {
        Self {
            world,
            nodes,
            clock,
            plan,
            tasks: Tasks::new(),
            enough: CancellationToken::new(),
            streams: Arc::default(),
        }
    }

    // --- Streams ---

    /// The streams of a person that have not ended.
    pub(crate) fn streams_of(&self, person: Person) -> Vec<Client> {
        let mut streams = self.streams.lock();
        let own = streams.entry(person).or_default();
        own.retain(|stream| !stream.has_ended());
        own.clone()
    }

    /// All streams that have not ended.
    pub(crate) fn streams(&self) -> Vec<Client> {
        let people: Vec<_> = self.streams.lock().keys().copied().collect();
        people
            .into_iter()
            .flat_map(|person| self.streams_of(person))
            .collect()
    }

    pub(crate) fn add_stream(&self, stream: Client) {
        self.streams
            .lock()
            .entry(stream.by)
            .or_default()
            .push(stream);
    }

    // --- Orders ---

    /// A new order.
    pub(crate) fn order(&self, by: Person, device: Device, ask: Ask, wire: Wire) -> Order {
        Order {
            op: self.world.lock().next_op(),
            attempts: 0,
            by,
            device,
            ask,
            wire,
        }
    }

    /// Has an order carried out in the background, under a permit of its person's.
    pub(crate) fn spawn(&self, order: Order, rng: &Rng, permit: OwnedSemaphorePermit) {
        let (clients, rng) = (self.clone(), rng.fork());
        self.tasks
            .spawn(TaskKind::Connection, "sim: order", async move {
                let _held = permit;
                clients.carry_out(order, &rng).await;
            });
    }

    /// Tries until there is a definite answer, or as often as the plan says.
    pub(crate) async fn carry_out(&self, mut order: Order, rng: &Rng) -> Ending {
        let patience = u32::try_from(self.plan.attempts).unwrap_or(u32::MAX);
        for _ in 0..patience {
            let (answer, extra) = self.attempt(&mut order, rng).await;
            match answer {
                Answer::Done(done) => return Ending::Done(done, extra),
                Answer::Refused(_) | Answer::Fault(_) => return Ending::Refused,
                Answer::NotNow(_) | Answer::Doubtful(_) => {}
            }
            sleep(rng.jitter(millis(RETRY_AFTER_MAX))).await;
        }
        Ending::GivenUp
    }

    /// One attempt, by whatever way is open.
    pub(crate) async fn attempt(&self, order: &mut Order, rng: &Rng) -> (Answer, Extra) {
        let stream = self.stream_for(order, rng);
        order.attempts += 1;
        {
            // From here on it may happen, whether or not the node lives long enough to say so.
            let mut state = self.world.lock();
            state.unresolved.insert(order.op, order.clone());
            state.note(What::Asked {
                op: order.op,
                attempt: order.attempts,
                by: order.by,
                device: order.device,
                via: stream
                    .as_ref()
                    .map_or(Via::Call, |stream| Via::Stream(stream.no)),
                ask: order.ask.clone(),
            });
        }
        let (answer, extra) = match stream.and_then(|stream| Some((order.command()?, stream))) {
            Some((command, stream)) => {
                let answer = match timeout(REPLY_DEADLINE, stream.ask(command)).await {
                    Ok(Some(answer)) => answer,
                    Ok(None) => sights::no_answer("the stream ended"),
                    Err(_) => sights::no_answer("no reply in time"),
                };
                (answer, Extra::default())
            }
            None => self.call(order, rng).await,
        };
        let mut state = self.world.lock();
        state.note(What::Answered {
            op: order.op,
            attempt: order.attempts,
            answer: answer.clone(),
        });
        drop(state);
        self.learn(order, &answer, &extra);
        (answer, extra)
    }

    async fn call(&self, order: &Order, rng: &Rng) -> (Answer, Extra) {
        let Some(reach) = self.nodes.any(rng) else {
            return (sights::nobody_there(), Extra::default());
        };
        let call = order.call(&reach, &self.world);
        if rng.below(1_000) >= self.plan.hangs_up || self.enough.is_cancelled() {
            return call.await;
        }
        let patience = millis(rng.below(HANG_UP_MAX));
        let hung_up = || (sights::no_answer("hung up"), Extra::default());
        timeout(patience, call).await.unwrap_or_else(|_| hung_up())
    }

    fn stream_for(&self, order: &Order, rng: &Rng) -> Option<Client> {
        order.command()?;
        if !percent(rng, self.plan.on_stream) {
            return None;
        }
        let streams = self.streams_of(order.by);
        let mut up = streams.into_iter().filter(Client::is_up);
        up.find(|stream| stream.device == order.device)
    }

    /// What an answer tells everybody about what to do next. It guides, and decides nothing.
    fn learn(&self, order: &Order, answer: &Answer, extra: &Extra) {
        let mut state = self.world.lock();
        let definite = matches!(answer, Answer::Done(_) | Answer::Refused(_));
        let earlier_doubt = order.attempts > 1;
        if definite && !(earlier_doubt && matches!(answer, Answer::Refused(_))) {
            state.unresolved.remove(&order.op);
        }
        let Answer::Done(done) = answer else { return };
        match done {
            Done::Room(view) => {
                if let Some(room) = state.rooms.get_mut(&view.room) {
                    room.members.insert(order.by);
                    room.head = room.head.max(view.head);
                    room.is_direct |= matches!(order.ask, Ask::OpenDirect { .. });
                }
            }
            Done::Rooms(views) => {
                for view in views {
                    if let Some(room) = state.rooms.get_mut(&view.room) {
                        room.members.insert(order.by);
                    }
                }
            }
            Done::Page { events, .. } => {
                for event in events {
                    if let (Some(room), Kind::Message(_)) =
                        (state.rooms.get_mut(&event.room), &event.kind)
                    {
                        room.remember(event.seq, event.actor);
                    }
                }
            }
            Done::Nothing
            | Done::Said { .. }
            | Done::Changed(_)
            | Done::Marked { .. }
            | Done::Members(_)
            | Done::People(_) => {}
        }
        if let (Ask::SignOut, Some(device)) = (&order.ask, state.device_mut(order.device)) {
            device.is_signed_out = true;
        }
        let room = order.ask.room();
        let Some(room) = room.and_then(|room| state.rooms.get_mut(&room)) else {
            return;
        };
        match (&order.ask, done) {
            (Ask::Send { .. }, Done::Said { seq, .. }) => {
                room.remember(*seq, order.by);
                room.files.insert(*seq, order.wire.files());
            }
            (Ask::Add { whom, .. }, _) => _ = room.members.insert(*whom),
            (Ask::Remove { whom, .. } | Ask::Ban { whom, .. }, _) => {
                room.members.remove(whom);
            }
            (Ask::Leave { .. }, _) => _ = room.members.remove(&order.by),
            (Ask::DeleteRoom { .. }, _) => room.is_gone = true,
            (Ask::MakeLink { .. }, _) => room.link.clone_from(&extra.link),
            _ => {}
        }
    }

    /// Waits until nothing that was begun is under way, for `patience` at most.
    pub(crate) async fn come_to_rest(&self, under_way: impl Fn() -> bool, patience: Duration) {
        let pause = millis(100);
        let mut waited = Duration::ZERO;
        while under_way() && waited < patience {
            sleep(pause).await;
            waited += pause;
        }
    }
}

/// A pause before somebody's next deed.
pub(crate) fn think(plan: &Plan, rng: &Rng) -> Duration {
    let longest = u64::try_from(plan.think_max.as_millis()).unwrap_or(u64::MAX);
    millis(among(rng, 0..=longest))
}
