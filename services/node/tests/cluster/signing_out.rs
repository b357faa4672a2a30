//! A sign-in that ends on one node ends on all.

use std::time::Duration;

use cluster_types::Caller;
use tokio::time::{Instant, sleep};

use crate::wire::sign_out;
use crate::world::World;

/// By when an ended sign-in opens nothing on a node that cannot be told.
const WITHIN: Duration = Duration::from_secs(1);

impl World {
    /// Who this is, if one of the nodes knows the token.
    async fn caller(&self, place: usize) -> Option<Caller> {
        let accounts = &self.nodes[place].node.accounts;
        accounts.authenticate(&self.token).await.ok()
    }

    /// Has all nodes remember who somebody is.
    async fn remembered(&self) -> Caller {
        let mut caller = None;
        for place in 0..self.nodes.len() {
            caller = self.caller(place).await;
        }
        caller.expect("is signed in")
    }
}

#[tokio::test(start_paused = true)]
async fn who_signs_out_on_one_node_is_signed_out_on_all_when_the_call_returns() {
    let world = World::new(3).await;
    let caller = world.remembered().await;
    let before = Instant::now();
    sign_out(&world.nodes[0].node, caller).await;
    assert!(before.elapsed() < Duration::from_millis(100));
    for place in 0..3 {
        assert_eq!(world.caller(place).await, None, "node {place}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_be_told_finds_out_within_a_second() {
    let world = World::new(2).await;
    let (one, other) = (world.nodes[0].id, world.nodes[1].id);
    world.network.part(one, other);
    let caller = world.remembered().await;
    let before = Instant::now();
    sign_out(&world.nodes[0].node, caller).await;
    assert!(
        before.elapsed() <= WITHIN,
        "whoever signs out waits for it no longer"
    );
    sleep(WITHIN.saturating_sub(before.elapsed())).await;
    assert_eq!(world.caller(1).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_dead_meanwhile_does_not_know_an_ended_sign_in() {
    let mut world = World::new(3).await;
    let caller = world.remembered().await;
    let id = world.nodes[2].id;
    world.kill(2);
    sign_out(&world.nodes[0].node, caller).await;
    world.network.heal(id, world.nodes[0].id);
    world.network.heal(id, world.nodes[1].id);
    world.add(id).await;
    assert_eq!(world.caller(2).await, None);
}
