//! Sessions while the store has a bad day: commits whose outcome nobody knows, conflicts, lost
//! snapshots, delays, stalls. Everything from a seed.

use std::collections::BTreeMap;

use cluster_store::Faults;
use cluster_types::{Caller, Rng, RoomId};
use proto::v1::event::Kind;
use services_rooms::{Direction, Start};
use tokio::time::{Duration, timeout};

use crate::wire::{Answer, Client, Command, Item};
use crate::world::{World, after, hello, send};

const PEOPLE: usize = 3;
const MESSAGES: u128 = 60;

/// What one person has seen of the room, over all of its streams.
#[derive(Default)]
struct Seen {
    next: u64,
    bodies: BTreeMap<u64, String>,
    acknowledged: BTreeMap<u128, u64>,
}

impl Seen {
    fn take(&mut self, item: Item, ids: &BTreeMap<u64, u128>) {
        match item {
            Item::Event(event) => {
                assert_eq!(event.seq, self.next, "no gap, nothing twice");
                self.next += 1;
                if let Some(Kind::Message(message)) = event.kind {
                    self.bodies.insert(event.seq, message.body);
                }
            }
            Item::Live(live) => assert_eq!(live.seq + 1, self.next),
            Item::Reply(reply) => {
                if let (Some(id), Some(Answer::SendMessage(sent))) =
                    (ids.get(&reply.request_id), reply.result)
                {
                    let before = self.acknowledged.insert(*id, sent.seq);
                    assert!(before.is_none_or(|seq| seq == sent.seq), "one place each");
                }
            }
            _ => {}
        }
    }
}

/// Sends its messages until all are acknowledged, over streams that break now and then, and resumes each
/// time where it was.
async fn live(world: &World, me: Caller, number: u128, room: RoomId, rng: Rng) -> Seen {
    let mut seen = Seen {
        next: 1,
        ..Seen::default()
    };
    let all = MESSAGES * PEOPLE as u128;
    while seen.acknowledged.len() < usize::try_from(MESSAGES).expect("small") {
        let mut client = match world.stream(me).await {
            Ok(client) => client,
            Err(status) => panic!("{status}"),
        };
        let cursor = after(room, seen.next - 1);
        client.send_numbered(0, Command::Hello(hello(vec![cursor])));
        let mut ids = BTreeMap::new();
        let base = number * 1_000;
        let open = (base + 1..=base + MESSAGES).filter(|id| !seen.acknowledged.contains_key(id));
        for id in open.take(10) {
            ids.insert(client.send(send(room, id, &id.to_string())), id);
        }
        let items = rng.below(60) + 1;
        for _ in 0..items {
            match timeout(Duration::from_secs(60), client.next()).await {
                Ok(Some(item)) => seen.take(item, &ids),
                // Nothing more to wait for, or the stream could not be greeted.
                Ok(None) | Err(_) => break,
            }
        }
    }
    read_all(world, me, room, &mut seen, all).await;
    seen
}

async fn read_all(world: &World, me: Caller, room: RoomId, seen: &mut Seen, all: u128) {
    let ids = BTreeMap::new();
    while seen.bodies.len() < usize::try_from(all).expect("small") {
        let mut client: Client = world.stream(me).await.expect("a stream");
        let cursor = after(room, seen.next - 1);
        client.send_numbered(0, Command::Hello(hello(vec![cursor])));
        while seen.bodies.len() < usize::try_from(all).expect("small") {
            match timeout(Duration::from_secs(60), client.next()).await {
                Ok(Some(item)) => seen.take(item, &ids),
                Ok(None) | Err(_) => break,
            }
        }
    }
}

async fn run(seed: u64) -> Vec<String> {
    let world = World::seeded(seed).await;
    let people: Vec<_> = (0..PEOPLE).map(|_| world.person()).collect();
    let room = world.room(&people).await;
    world.disk.set_faults(Faults::ROUGH);
    let lives = people.iter().zip(1..).map(|(me, number)| {
        let rng = world.rng.fork();
        live(&world, *me, number, room, rng)
    });
    let seen = futures::future::join_all(lives).await;
    world.disk.set_faults(Faults::NONE);
    assert!(world.disk.faults_injected().total() > 0);

    let mut log = BTreeMap::new();
    let (mut start, forward) = (Some(cluster_types::Seq(1)), Direction::Forward);
    while let Some(seq) = start {
        let page = world
            .rooms
            .events(people[0].account, room, Start::Seq(seq), forward, 256);
        let page = page.await.expect("a page");
        for event in page.events {
            if let services_rooms::EventKind::Message(message) = event.kind {
                log.insert(event.seq.0, message.body);
            }
        }
        start = page.next;
    }
    for seen in &seen {
        assert_eq!(seen.bodies, log, "everybody has the same room");
        for (id, seq) in &seen.acknowledged {
            assert_eq!(log[seq], id.to_string(), "what was acknowledged is there");
        }
    }
    let count = usize::try_from(MESSAGES).expect("small") * PEOPLE;
    assert_eq!(log.len(), count, "nothing twice");
    log.into_values().collect()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_doubled_or_out_of_order_on_a_bad_day() {
    for seed in 0..12 {
        run(seed).await;
    }
}
