//! What the protocol promises, over a model of the store.

mod model;

use std::sync::Arc;
use std::time::Duration;

use cluster_types::{BootId, Epoch, Life, NodeId, SHARDS, Shard};

use super::{Algorithm, Move, Reading, Round};
use crate::{Addresses, Member, NodeState, Owner, Timing};
use model::{Model, Turmoil};

const ALL: usize = SHARDS as usize;

/// Longer than anything takes that is not hindered.
const LONG: Duration = Duration::from_secs(20);

const NO_TIME: Duration = Duration::ZERO;

/// Nodes that have what falls to them.
fn settled(seed: u64, nodes: usize) -> Model {
    let mut model = Model::new(seed, nodes, Turmoil::NONE);
    model.run(LONG);
    assert!(is_placed(&model));
    model
}

/// Whether every shard is served where its node's placement wants it.
fn is_placed(model: &Model) -> bool {
    let at_home = |node: &model::Node| {
        let view = node.algorithm.view();
        let misplaced = |shard: &Shard| {
            let owner = view.owner(*shard);
            node.algorithm.falls_to(*shard, owner) != owner.life
        };
        Shard::all().filter(misplaced).count() == 0
    };
    let mut alive = model.nodes.iter().filter(|node| node.alive);
    alive.all(at_home) && model.served() == ALL
}

#[test]
fn under_turmoil_no_shard_is_served_twice_and_in_the_end_each_is_in_its_place() {
    let (mut evicted, mut steps) = ((0, 0), 0);
    for seed in 0..10 {
        let mut model = Model::new(seed, 4, Turmoil::ROUGH);
        model.run(Duration::from_secs(30));
        model.turmoil = Turmoil::NONE;
        for node in 0..4 {
            if !model.nodes[node].alive {
                model.restart(node);
            }
        }
        model.run(LONG);
        assert!(is_placed(&model), "seed {seed}");
        evicted = (evicted.0 + model.evicted.0, evicted.1 + model.evicted.1);
        steps += model.steps;
    }
    let (alive, all) = evicted;
    assert!(alive > 8 && all > alive + 8, "{evicted:?} in {steps} steps");
}

#[test]
fn without_cause_nothing_moves_and_nobody_is_evicted() {
    let mut model = settled(1, 5);
    let mark = model.mark;
    model.run(2 * LONG);
    assert_eq!((model.mark, model.evicted), (mark, (0, 0)));
}

#[test]
fn after_a_death_every_shard_is_served_again_within_two_seconds() {
    let mut slowest = NO_TIME;
    for seed in 0..12 {
        let mut model = settled(seed, 3);
        let orphans = model.shards_of(0);
        assert!(orphans > 200);
        // Somewhere between two heartbeats.
        model.run(Duration::from_millis(seed * 21));
        let (died, marked) = (model.now, model.mark);
        model.kill(0);
        assert!(
            model.run_until(died + LONG, |model| model.served() == ALL),
            "seed {seed}"
        );
        slowest = slowest.max(model.now - died);
        let moved = usize::try_from(model.mark - marked).expect("small");
        assert_eq!(moved, orphans, "no other shard moves");
    }
    assert!(slowest < Duration::from_millis(2_000), "{slowest:?}");
}

#[test]
fn a_stall_of_the_store_evicts_nobody() {
    for seed in 0..6 {
        let mut model = settled(seed, 4);
        let mark = model.mark;
        model.run(Duration::from_millis(seed * 21));
        model.stall(Duration::from_secs(5));
        model.run(Duration::from_secs(3));
        assert_eq!(model.served(), 0, "who cannot renew serves nothing");
        model.run(LONG);
        assert_eq!((model.served(), model.mark), (ALL, mark), "seed {seed}");
        assert_eq!(model.evicted, (0, 0), "seed {seed}");
    }
}

#[test]
fn a_pause_below_the_time_of_serving_goes_unnoticed() {
    let mut model = settled(1, 3);
    let mark = model.mark;
    for node in [0, 1, 2] {
        model.pause(node, Duration::from_millis(600));
        model.run(LONG);
    }
    assert_eq!((model.mark, model.evicted), (mark, (0, 0)));
}

#[test]
fn a_slow_clock_stops_its_owner_before_fast_ones_evict_it() {
    for seed in 0..12 {
        let mut model = Model::new(seed, 4, Turmoil::NONE);
        for (node, rate) in model.nodes.iter_mut().zip([900, 1_100, 1_100, 1_100]) {
            node.rate = rate;
        }
        model.run(LONG / 2);
        assert!(is_placed(&model));
        model.run(Duration::from_millis(seed * 21));
        model.pause(0, Duration::from_secs(3));
        model.run(Duration::from_secs(2));
        assert_eq!(
            (model.served(), model.evicted),
            (ALL, (1, 1)),
            "and none is served twice"
        );
    }
}

#[test]
fn who_pauses_longer_than_a_lease_comes_back_as_another_life() {
    let mut model = settled(1, 3);
    let life = model.nodes[0].life;
    model.pause(0, Duration::from_secs(3));
    model.run(LONG);
    assert_ne!(model.nodes[0].life, life);
    assert_eq!(model.nodes[0].life.node, life.node);
    assert_eq!(model.evicted, (1, 1));
    assert!(is_placed(&model));
}

#[test]
fn a_newcomer_takes_its_shards_a_few_at_a_time_and_no_others_move() {
    let mut model = settled(1, 3);
    let before = model.owners.clone();
    model.add();
    let done = |model: &Model| model.shards_of(3) > 0;
    assert!(model.run_until(model.now + LONG, done));
    let at_once = model.timing.moves_at_once;
    assert!(model.shards_of(3) <= at_once, "one batch of one owner");
    assert!(model.served() >= ALL - 3 * at_once, "most rooms go on");
    model.run(LONG);
    assert!(is_placed(&model));
    let newcomer = Some(model.nodes[3].life);
    let moved: Vec<_> = before
        .iter()
        .zip(&model.owners)
        .filter(|(old, new)| old != new)
        .collect();
    assert!(moved.len() > 150, "{}", moved.len());
    for (old, new) in moved {
        assert_eq!((new.life, new.epoch), (newcomer, old.epoch.next()));
    }
}

#[test]
fn a_drained_node_has_given_everything_away_before_it_leaves() {
    let mut model = settled(1, 3);
    let (life, began) = (Some(model.nodes[0].life), model.now);
    model.drain(0);
    let left = model.run_until(began + LONG, |model| !model.nodes[0].alive);
    assert!(left && model.owners.iter().all(|owner| owner.life != life));
    let took = model.now - began;
    assert!(took < Duration::from_secs(2), "it is not paced: {took:?}");
    model.run(LONG);
    assert_eq!((model.served(), model.evicted), (ALL, (0, 0)));
}

#[test]
fn nothing_is_handed_to_a_node_that_is_silent() {
    let mut model = settled(1, 3);
    let silent = model.shards_of(1);
    model.kill(1);
    model.run(Duration::from_millis(900));
    assert_eq!(model.evicted, (0, 0), "it is a member still");
    model.drain(0);
    let began = model.now;
    let left = model.run_until(began + LONG, |model| {
        assert!(model.shards_of(1) <= silent);
        !model.nodes[0].alive
    });
    assert!(left && model.shards_of(2) == ALL);
}

#[test]
fn the_last_node_leaves_without_an_heir() {
    let mut model = settled(1, 1);
    model.drain(0);
    model.run(LONG);
    assert!(!model.nodes[0].alive);
}

#[test]
fn a_pinned_shard_stays_until_its_node_goes() {
    let mut model = settled(1, 3);
    let owned_by = |model: &Model, node: usize| {
        let life = Some(model.nodes[node].life);
        Shard::all().find(|shard| model.owners[shard.index()].life == life)
    };
    let shard = owned_by(&model, 0).expect("has one");
    model.pin(shard, 1);
    model.run(LONG);
    assert_eq!(model.owners[shard.index()].life, Some(model.nodes[1].life));
    let mark = model.mark;
    model.run(LONG);
    assert_eq!(model.mark, mark, "it stays");
    model.kill(1);
    model.run(LONG);
    assert_eq!(model.owners[shard.index()].life, Some(model.nodes[0].life));
    model.restart(1);
    model.run(LONG);
    assert_eq!(
        model.owners[shard.index()].life,
        Some(model.nodes[0].life),
        "another life"
    );
}

#[test]
fn a_restarted_node_waits_until_its_former_life_is_over() {
    let mut model = settled(1, 3);
    let began = model.now;
    model.kill(0);
    model.restart(0);
    let back = |model: &Model| model.shards_of(0) > 0;
    assert!(model.run_until(began + LONG, back));
    let took = model.now - began;
    let lease = model.timing.lease;
    assert!(took * 11 > lease * 10 && took < 2 * lease, "{took:?}");
    model.run(LONG);
    assert!(is_placed(&model));
}

const fn life(byte: u8) -> Life {
    Life {
        node: NodeId::from_bytes([byte; 16]),
        boot: BootId::from_bytes([byte; 16]),
    }
}

fn round(begun: u64, ended: u64) -> Round {
    Round {
        begun: Duration::from_millis(begun),
        ended: Duration::from_millis(ended),
    }
}

/// Of two members that are serving, the first of which owns what is not said.
fn reading(owners: Option<Arc<[Owner]>>) -> Reading {
    let member = |byte| Member {
        life: life(byte),
        addresses: Addresses::default(),
        version: String::new(),
        schema_version: 1,
        state: NodeState::Serving,
        alone: false,
        withdrawn: false,
    };
    Reading {
        members: vec![(member(1), 1), (member(2), 1)],
        owners: owners.map(|owners| ([1; 16], owners)),
    }
}

fn all_of_the_first() -> Arc<[Owner]> {
    let owner = Owner {
        life: Some(life(1)),
        ..Owner::default()
    };
    vec![owner; ALL].into()
}

#[test]
fn a_round_that_began_before_a_hand_over_ended_does_not_tell_what_came_of_it() {
    let mut algorithm = Algorithm::new(life(1), Timing::default());
    algorithm.observe(round(0, 1), reading(Some(all_of_the_first())));
    let moves = algorithm.plan(round(0, 1)).hand_over.len();
    assert_eq!(moves, Timing::default().moves_at_once);
    algorithm.settle(Duration::from_millis(300));
    algorithm.observe(round(250, 350), reading(None));
    assert_eq!(
        algorithm.view().releasing.len(),
        moves,
        "it may have read before"
    );
    algorithm.observe(round(500, 510), reading(None));
    assert!(algorithm.view().releasing.is_empty());
}

#[test]
fn what_was_told_is_believed_until_a_round_that_began_later_has_read() {
    let shard = Shard::FIRST;
    let told = |life: Life, epoch| {
        let owner = Owner {
            life: Some(life),
            epoch: Epoch(epoch),
            pin: None,
        };
        [(shard, owner)]
    };
    let mut heir = Algorithm::new(life(2), Timing::default());
    heir.observe(round(0, 1), reading(Some(all_of_the_first())));
    let at = Duration::from_millis(100);
    let changes = heir.hear(at, &told(life(2), 1));
    assert_eq!((changes.gained, changes.lost), (vec![shard], vec![]));
    // Rows that were read before, though they come in later; and an earlier owner, told late.
    heir.observe(round(99, 200), reading(Some(all_of_the_first())));
    heir.hear(at, &told(life(1), 0));
    assert_eq!(heir.view().owner(shard).life, Some(life(2)));
    // It was not so.
    let changes = heir.observe(round(100, 300), reading(None));
    assert_eq!((changes.gained, changes.lost), (vec![], vec![shard]));
}

#[test]
fn what_is_handed_over_is_said_once_however_its_owner_finds_out() {
    for is_heard in [true, false] {
        let mut owner = Algorithm::new(life(1), Timing::default());
        let mut owners = all_of_the_first();
        owner.observe(round(0, 1), reading(Some(Arc::clone(&owners))));
        let plan = owner.plan(round(0, 1));
        let Move { shard, found, to } = plan.hand_over[0];
        let handed = Owner {
            life: Some(to),
            epoch: found.epoch.next(),
            pin: None,
        };
        Arc::make_mut(&mut owners)[shard.index()] = handed;
        let at = Duration::from_millis(100);
        let told = if is_heard {
            vec![(shard, handed)]
        } else {
            vec![]
        };
        let changes = owner.hear(at, &told);
        owner.settle(at);
        let read = owner.observe(round(100, 101), reading(Some(owners)));
        let said = [changes.handed, read.handed];
        let when = usize::from(!is_heard);
        assert_eq!(
            said[when],
            [(shard, handed)],
            "at once, or when it was read"
        );
        assert!(said[1 - when].is_empty() && read.lost.is_empty());
    }
}
