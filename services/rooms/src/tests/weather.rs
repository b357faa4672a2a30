//! Bad days, from seeds: unknown commits, conflicts, stalls and full disks, actors that die, and nodes
//! that are killed in the middle. What was acknowledged is there, once, in order, and was told.

use std::collections::BTreeMap;
use std::time::Duration;

use cluster_store::{Faults, SimulatedDisk};
use cluster_types::{AccountId, Rng, RoomId, Seq};
use tokio::task::JoinSet;

use crate::testing::{Heard, OWNER, World, account, body, send};
use crate::{Action, ClientMessageId, Command, CommandError, Role, Rooms, Start};

/// How many rough days.
const ROUGH_DAYS: u64 = 40;

/// How many days on which nodes are killed; each takes as long as ten others.
const DAYS_OF_KILLS: u64 = 10;

const SENDERS: u8 = 4;
const MESSAGES: usize = 25;

/// What a sender was told: which of its messages lies where.
type Acknowledged = Vec<(Seq, String)>;

/// Says one thing after the other, each until it is acknowledged, as a client does.
async fn sender(rooms: Rooms, room: RoomId, account: AccountId, rng: Rng) -> Acknowledged {
    let mut acknowledged = Vec::new();
    for number in 0..MESSAGES {
        let (id, text) = (
            ClientMessageId(rng.bytes()),
            format!("{number} of {account}"),
        );
        loop {
            let action = send(id, &text);
            match rooms.command(room, Command { account, action }).await {
                Ok(outcome) => {
                    acknowledged.push((outcome.seq, text));
                    break;
                }
                Err(
                    CommandError::OutcomeUnknown
                    | CommandError::TimedOut
                    | CommandError::Overloaded
                    | CommandError::Unavailable
                    | CommandError::Store(_),
                ) => tokio::time::sleep(rng.jitter(Duration::from_secs(1))).await,
                Err(error) => panic!("no matter of weather: {error}"),
            }
        }
        tokio::time::sleep(rng.jitter(Duration::from_millis(200))).await;
    }
    acknowledged
}

/// Makes it worse for a while: no space, and actors that panic.
async fn trouble(world: &World, disk: &SimulatedDisk, rng: &Rng) {
    for _ in 0..6 {
        tokio::time::sleep(rng.jitter(Duration::from_secs(5))).await;
        match rng.below(3) {
            0 => world.watch.panic_next(1 + rng.below(3)),
            1 => world.heard.panic_next(),
            _ => {
                disk.set_full(true);
                tokio::time::sleep(rng.jitter(Duration::from_secs(2))).await;
                disk.set_full(false);
            }
        }
    }
    world.watch.panic_next(0);
}

/// Checks the log against what was acknowledged; returns its bodies by their places.
async fn check(
    world: &World,
    room: RoomId,
    acknowledged: &[Acknowledged],
) -> BTreeMap<Seq, String> {
    let log = world.log(room, OWNER).await;
    let dense = (1..=log.len() as u64).map(Seq);
    assert!(log.iter().map(|event| event.seq).eq(dense), "seq is dense");
    let newest = log.last().expect("has events").clone();
    let bodies = log
        .into_iter()
        .filter_map(|event| Some((event.seq, body(event)?)));
    let bodies: BTreeMap<_, _> = bodies.collect();
    assert_eq!(newest.message_count, bodies.len() as u64);
    for of_one in acknowledged {
        assert!(
            of_one.is_sorted_by_key(|(seq, _)| *seq),
            "in the order of one sender"
        );
        for (seq, text) in of_one {
            assert_eq!(
                bodies.get(seq),
                Some(text),
                "what was acknowledged is there"
            );
        }
    }
    let said: usize = acknowledged.iter().map(Vec::len).sum();
    assert_eq!(
        bodies.len(),
        said,
        "nothing is there that nobody said, and nothing twice"
    );
    bodies
}

/// Follows a room as a session does: takes what is told if it is the next, else reads the log.
async fn follow(world: &World, room: RoomId, heard: &Heard) -> BTreeMap<Seq, String> {
    let mut followed = BTreeMap::new();
    let mut cursor = Seq::ZERO;
    let told: Vec<_> = heard.events.lock().clone();
    for event in told.into_iter().filter(|event| event.room == room) {
        if event.seq <= cursor {
            continue;
        }
        let missed = event.seq.0 - cursor.0;
        let (start, forward) = (Start::Seq(cursor.next()), crate::Direction::Forward);
        let limit = usize::try_from(missed).expect("small");
        let page = world.rooms.events(OWNER, room, start, forward, limit).await;
        let events = page.expect("can be read").events;
        assert_eq!(events.last().map(|event| event.seq), Some(event.seq));
        followed.extend(
            events
                .into_iter()
                .filter_map(|event| Some((event.seq, body(event)?))),
        );
        cursor = event.seq;
    }
    followed
}

async fn peopled(world: &World) -> RoomId {
    let room = world.lonely_room().await;
    for account in (10..10 + SENDERS).map(account) {
        let role = Role::Member;
        world.does(room, OWNER, Action::Add { account, role }).await;
    }
    room
}

fn senders(world: &World, room: RoomId, rng: &Rng) -> JoinSet<Acknowledged> {
    let mut at_work = JoinSet::new();
    for account in (10..10 + SENDERS).map(account) {
        at_work.spawn(sender(world.rooms.clone(), room, account, rng.fork()));
    }
    at_work
}

/// Names the seed of a day that goes wrong.
struct Day(u64);

impl Drop for Day {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}", self.0);
        }
    }
}

/// Returns how many commits were unknown, and had happened or had not.
async fn rough_day(seed: u64) -> [u64; 2] {
    let _day = Day(seed);
    let disk = SimulatedDisk::new();
    let world = World::on_disk(&disk, seed).await;
    let room = peopled(&world).await;
    let rng = Rng::seeded(seed);
    disk.set_faults(Faults::ROUGH);
    let at_work = senders(&world, room, &rng);
    let (acknowledged, ()) = tokio::join!(at_work.join_all(), trouble(&world, &disk, &rng));
    disk.set_faults(Faults::NONE);
    let bodies = check(&world, room, &acknowledged).await;
    let newest = world.log(room, OWNER).await.len() as u64;
    world.heard.until_seq(room, Seq(newest)).await;
    assert_eq!(
        follow(&world, room, &world.heard).await,
        bodies,
        "followers have it all"
    );
    let injected = disk.faults_injected();
    [injected.unknown_committed, injected.unknown_lost]
}

/// Nodes are killed and others started, while clients go on as if nothing were.
async fn day_of_kills(seed: u64) {
    let _day = Day(seed);
    let disk = SimulatedDisk::new();
    let mut world = World::on_disk(&disk, seed).await;
    let room = peopled(&world).await;
    let rng = Rng::seeded(seed);
    disk.set_faults(Faults::ROUGH);
    let mut acknowledged: BTreeMap<AccountId, Acknowledged> = BTreeMap::new();
    for life in 1..6 {
        let mut at_work = JoinSet::new();
        for account in (10..10 + SENDERS).map(account) {
            let (rooms, rng) = (world.rooms.clone(), rng.fork());
            let patience = rng.jitter(Duration::from_secs(10));
            at_work.spawn(async move {
                // Cut off in the middle, as the connection of a node that dies.
                let sending = sender_until(rooms, room, account, life, rng, patience);
                (account, sending.await)
            });
        }
        for (account, told) in at_work.join_all().await {
            acknowledged.entry(account).or_default().extend(told);
        }
        // The old node is not stopped: it may still write when the next one does.
        world = World::on_disk(&disk, seed + 1_000 * life).await;
    }
    disk.set_faults(Faults::NONE);
    let log = world.log(room, OWNER).await;
    assert!(
        log.iter()
            .map(|event| event.seq)
            .eq((1..=log.len() as u64).map(Seq))
    );
    let bodies = log
        .into_iter()
        .filter_map(|event| Some((event.seq, body(event)?)));
    let bodies: BTreeMap<_, _> = bodies.collect();
    let mut texts: Vec<_> = bodies.values().collect();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), bodies.len(), "nothing is there twice");
    for of_one in acknowledged.values() {
        assert!(of_one.is_sorted_by_key(|(seq, _)| *seq));
        for (seq, text) in of_one {
            assert_eq!(
                bodies.get(seq),
                Some(text),
                "what was acknowledged is there"
            );
        }
    }
}

/// Says things until its patience ends. Returns what was acknowledged until then.
async fn sender_until(
    rooms: Rooms,
    room: RoomId,
    account: AccountId,
    life: u64,
    rng: Rng,
    patience: Duration,
) -> Acknowledged {
    let end = tokio::time::Instant::now() + patience;
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let (id, text) = (
            ClientMessageId(rng.bytes()),
            format!("{number} of {account} in {life}"),
        );
        loop {
            let action = send(id, &text);
            let asked = rooms.command(room, Command { account, action });
            match tokio::time::timeout_at(end, asked).await {
                Err(_) => return acknowledged,
                Ok(Ok(outcome)) => {
                    acknowledged.push((outcome.seq, text));
                    break;
                }
                Ok(Err(_)) => tokio::time::sleep(rng.jitter(Duration::from_secs(1))).await,
            }
        }
    }
    acknowledged
}

#[tokio::test(start_paused = true)]
async fn no_weather_loses_doubles_or_reorders_a_message() {
    let (mut committed, mut lost) = (0, 0);
    for seed in 0..ROUGH_DAYS {
        let [of_day_committed, of_day_lost] = rough_day(seed).await;
        committed += of_day_committed;
        lost += of_day_lost;
    }
    assert!(
        committed > ROUGH_DAYS && lost > ROUGH_DAYS,
        "{committed} and {lost} on {ROUGH_DAYS} days"
    );
}

#[tokio::test(start_paused = true)]
async fn no_kill_loses_doubles_or_reorders_a_message() {
    for seed in 0..DAYS_OF_KILLS {
        day_of_kills(seed).await;
    }
}
