//! What nodes promise each other, on one simulated disk.

mod alone;
mod cluster;

use std::time::Duration;

use cluster_store::Faults;
use cluster_store::schema::Node;
use cluster_types::{Rng, SHARDS, Shard};
use tokio::time::{Instant, sleep};

use crate::limits::{LEASE, RELEASE_WITHIN, SERVE_FOR};
use crate::{FenceError, JoinError, MoveError, NodeState, Place, WithdrawError, fence, store};
use cluster::{Cluster, settled};

const ALL: usize = SHARDS as usize;

#[tokio::test(start_paused = true)]
async fn nodes_that_join_share_all_shards_and_know_who_has_which() {
    let (_cluster, nodes) = Cluster::of(1, 3).await;
    for node in &nodes {
        assert!(node.owned() > ALL / 6);
        let gained = node.rooms.told.lock().gained.len();
        assert!(gained >= node.owned(), "its rooms were told");
    }
    let shard = *nodes[0].here().keys().next().expect("has one");
    let Place::There(owner, _) = nodes[1].membership.place(shard) else {
        panic!("it is on another node");
    };
    assert_eq!(owner.life, nodes[0].membership.myself());
    assert_eq!(owner.version, "1.0");
}

#[tokio::test(start_paused = true)]
async fn after_a_death_every_shard_is_here_again_within_two_seconds() {
    let (_cluster, mut nodes) = Cluster::of(2, 3).await;
    let dead = nodes.remove(0);
    let (orphans, kept) = (dead.here(), nodes[0].here());
    dead.kill();
    let died = Instant::now();
    settled(&nodes).await;
    assert!(
        died.elapsed() < Duration::from_secs(2),
        "{:?}",
        died.elapsed()
    );
    let (one, other) = (nodes[0].here(), nodes[1].here());
    for (shard, epoch) in orphans {
        assert_eq!(
            one.get(&shard).or_else(|| other.get(&shard)),
            Some(&epoch.next())
        );
    }
    assert!(
        kept.iter()
            .all(|(shard, epoch)| one.get(shard) == Some(epoch))
    );
}

#[tokio::test(start_paused = true)]
async fn a_drained_node_gives_everything_away_with_short_pauses_and_leaves() {
    let (cluster, mut nodes) = Cluster::of(3, 3).await;
    cluster.disk.set_faults(Faults {
        delay: 1_000_000,
        delay_max: Duration::from_millis(4),
        ..Faults::NONE
    });
    let leaving = nodes.remove(0);
    let before = leaving.here();
    leaving.membership.drain().await;
    assert_eq!(leaving.owned(), 0);
    leaving.membership.leave().await;
    nodes[0].until(|view| view.members().len() == 2).await;
    settled(&nodes).await;
    let told = leaving.rooms.told.lock();
    assert_eq!(told.handed, before.len());
    assert_eq!(told.lost, []);
    for shard in before.into_keys() {
        let took = |node: &cluster::Node| node.rooms.told.lock().gained.get(&shard).copied();
        let released = told.released[&shard];
        let gained = nodes.iter().filter_map(took).find(|at| *at >= released);
        let pause = gained.expect("has a new owner") - released;
        // One transaction, and no round of anybody.
        assert!(pause < Duration::from_millis(30), "{pause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_node_has_nothing_until_it_takes_part_again() {
    let (_cluster, nodes) = Cluster::of(17, 3).await;
    let asked = &nodes[1].membership;
    asked.withdraw(nodes[0].id(), true).await.expect("notes it");
    nodes[0]
        .until(|view| view.shards_of(view.me()).next().is_none())
        .await;
    settled(&nodes[1..]).await;
    assert!(nodes[0].membership.gives_away());
    assert!(!nodes[1].membership.gives_away());
    asked
        .withdraw(nodes[0].id(), false)
        .await
        .expect("notes it");
    settled(&nodes).await;
    assert!(nodes[0].owned() > ALL / 6 && !nodes[0].membership.gives_away());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_from_the_others_gives_them_what_they_cannot_reach() {
    let (_cluster, nodes) = Cluster::of(18, 3).await;
    nodes[0].membership.set_cut_off(true);
    nodes[0]
        .until(|view| view.shards_of(view.me()).next().is_none())
        .await;
    settled(&nodes[1..]).await;
    nodes[0].membership.set_cut_off(false);
    settled(&nodes).await;
    assert!(nodes[0].owned() > ALL / 6);
}

#[tokio::test(start_paused = true)]
async fn if_all_nodes_are_withdrawn_each_keeps_what_it_has() {
    let (_cluster, nodes) = Cluster::of(19, 2).await;
    for node in &nodes {
        node.membership.set_cut_off(true);
    }
    for node in &nodes {
        node.until(|view| {
            view.members()
                .all(|member| member.state == NodeState::Draining)
        })
        .await;
    }
    sleep(LEASE).await;
    assert_eq!(nodes[0].here().len() + nodes[1].here().len(), ALL);
    assert!(!nodes[0].membership.gives_away(), "nobody would take it");
    nodes[1].kill();
    nodes[0]
        .until(|view| view.shards_of(view.me()).count() == ALL)
        .await;
    assert_eq!(nodes[0].here().len(), ALL);
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_node_that_is_evicted_stays_withdrawn() {
    let (_cluster, nodes) = Cluster::of(21, 3).await;
    let (node, life) = (&nodes[0], nodes[0].membership.myself());
    let asked = nodes[1].membership.withdraw(node.id(), true);
    asked.await.expect("notes it");
    settled(&nodes[1..]).await;
    node.cut_off(true);
    nodes[1].until(|view| view.members().len() == 2).await;
    node.cut_off(false);
    node.until(|view| view.me() != life && view.living(view.me()).is_some())
        .await;
    sleep(LEASE).await;
    assert_eq!(node.owned(), 0);
    assert!(node.membership.gives_away());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_withdrawn_who_is_not_there_or_is_alone() {
    let cluster = Cluster::new(20);
    let parts = cluster.parts(cluster.id()).0;
    let only = crate::Membership::alone(parts).await.expect("starts");
    let (me, stranger) = (only.myself().node, cluster.id());
    assert_eq!(only.withdraw(me, true).await, Err(WithdrawError::Alone));
    let unknown = WithdrawError::NoMember { node: stranger };
    assert_eq!(only.withdraw(stranger, true).await, Err(unknown));
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_of_which_nobody_knows_whether_it_happened_is_told_once_it_was_read() {
    let (cluster, nodes) = Cluster::of(16, 2).await;
    let shard = *nodes[0].here().keys().next().expect("has one");
    let to = nodes[1].id();
    store::pin(&nodes[0].store, &Rng::seeded(1), shard, to)
        .await
        .expect("pins");
    // The heir's next round is far off.
    nodes[1].membership.look().await;
    cluster.disk.set_faults(Faults {
        unknown_committed: 1_000_000,
        ..Faults::NONE
    });
    nodes[0].until(|view| !view.releasing.is_empty()).await;
    sleep(Duration::from_millis(1)).await;
    cluster.disk.set_faults(Faults::NONE);
    nodes[0]
        .until(|view| view.owner(shard).life != Some(view.me()))
        .await;
    assert!(nodes[1].here().contains_key(&shard), "it was told");
}

#[tokio::test(start_paused = true)]
async fn rooms_that_do_not_finish_hold_a_drain_up_for_a_while_only() {
    struct Stuck;
    #[async_trait::async_trait]
    impl crate::Tenant for Stuck {
        async fn release(&self, _: &[Shard]) {
            std::future::pending().await
        }
        fn handed(&self, _: &[(Shard, crate::Owner)]) {}
        fn lost(&self, _: &[Shard]) {}
        fn gained(&self, _: &[Shard]) {}
    }
    let cluster = Cluster::new(4);
    let stuck = cluster.join(cluster.id()).await.expect("joins");
    stuck.membership.serve(std::sync::Arc::new(Stuck));
    stuck
        .until(|view| view.shards_of(view.me()).count() == ALL)
        .await;
    let heir = cluster.start(cluster.id()).await;
    let began = Instant::now();
    stuck.membership.drain().await;
    let batches = u32::try_from(ALL).expect("small") / 32;
    assert!(began.elapsed() > RELEASE_WITHIN && began.elapsed() < batches * RELEASE_WITHIN);
    settled(&[heir]).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_id_in_use_is_refused_until_its_life_is_over() {
    let (cluster, nodes) = Cluster::of(5, 2).await;
    let node = nodes[0].id();
    let refused = cluster.join(node).await.map(drop);
    assert!(matches!(refused, Err(JoinError::InUse { node: named }) if named == node));
    assert_eq!(
        nodes[0].membership.myself().node,
        node,
        "it does not notice"
    );
    nodes[0].kill();
    let began = Instant::now();
    let next = cluster.start(node).await;
    assert!(began.elapsed() >= LEASE && began.elapsed() < 2 * LEASE);
    let nodes = [next, nodes.into_iter().nth(1).expect("two nodes")];
    settled(&nodes).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stalls_evicts_nobody() {
    let (cluster, nodes) = Cluster::of(6, 3).await;
    let before: Vec<_> = nodes.iter().map(cluster::Node::here).collect();
    cluster.disk.set_faults(Faults {
        stall: 1_000_000,
        stall_span: Duration::from_secs(5),
        ..Faults::NONE
    });
    sleep(SERVE_FOR).await;
    assert!(
        nodes.iter().all(|node| node.here().is_empty()),
        "nobody serves"
    );
    sleep(Duration::from_secs(5)).await;
    cluster.disk.set_faults(Faults::NONE);
    settled(&nodes).await;
    sleep(2 * LEASE).await;
    let after: Vec<_> = nodes.iter().map(cluster::Node::here).collect();
    assert_eq!(after, before, "under the same epochs");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_stops_before_others_take_its_shards() {
    let (_cluster, nodes) = Cluster::of(7, 3).await;
    let (cut, others) = nodes.split_first().expect("three nodes");
    let (life, shards) = (cut.membership.myself(), cut.here());
    cut.cut_off(true);
    others[0].until(|view| view.living(life).is_none()).await;
    assert!(cut.here().is_empty() && !cut.membership.is_serving());
    settled(others).await;
    assert_eq!(cut.membership.myself(), life, "it does not know yet");
    cut.cut_off(false);
    cut.until(|view| view.me() != life).await;
    let mut lost = cut.rooms.told.lock().lost.clone();
    lost.sort_unstable();
    assert!(lost.into_iter().eq(shards.into_keys()));
    settled(&nodes).await;
}

#[tokio::test(start_paused = true)]
async fn unknown_outcomes_and_conflicts_delay_and_break_nothing() {
    for seed in 0..5 {
        let cluster = Cluster::new(seed);
        cluster.disk.set_faults(Faults {
            stall: 0,
            unknown_committed: 150_000,
            unknown_lost: 150_000,
            ..Faults::ROUGH
        });
        let mut nodes = Vec::new();
        for _ in 0..3 {
            nodes.push(cluster.start(cluster.id()).await);
        }
        settled(&nodes).await;
        let leaving = nodes.remove(0);
        leaving.membership.drain().await;
        assert_eq!(leaving.owned(), 0);
        leaving.membership.leave().await;
        settled(&nodes).await;
        // What fell to a newcomer has moved by then.
        sleep(4 * LEASE).await;
        settled(&nodes).await;
        let before: Vec<_> = nodes.iter().map(cluster::Node::here).collect();
        cluster.disk.set_faults(Faults::NONE);
        sleep(4 * LEASE).await;
        settled(&nodes).await;
        let after: Vec<_> = nodes.iter().map(cluster::Node::here).collect();
        assert_eq!(after, before, "seed {seed}: what is settled stays");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_moved_stays_where_it_was_put() {
    let (cluster, mut nodes) = Cluster::of(8, 3).await;
    let (shard, epoch) = nodes[0].here().pop_first().expect("has one");
    let to = nodes[1].id();
    // Whichever node is asked.
    nodes[2]
        .membership
        .move_shard(shard, to)
        .await
        .expect("moves");
    nodes[1].membership.look().await;
    assert_eq!(nodes[1].here().get(&shard), Some(&epoch.next()));
    sleep(4 * LEASE).await;
    assert!(nodes[1].here().contains_key(&shard));
    let nobody = nodes[2].membership.move_shard(shard, cluster.id()).await;
    assert!(matches!(nobody, Err(MoveError::NotServing { .. })));
    nodes.remove(1).kill();
    settled(&nodes).await;
    assert!(nodes[0].here().contains_key(&shard), "to where it falls");
}

#[tokio::test(start_paused = true)]
async fn the_fence_refuses_a_former_owner_and_what_it_has_under_way() {
    let (_cluster, nodes) = Cluster::of(9, 2).await;
    let shard = *nodes[0].here().keys().next().expect("has one");
    let Place::Here(former) = nodes[0].membership.place(shard) else {
        panic!("it is here");
    };
    let tx = nodes[0].store.begin().await.expect("begins");
    fence(&tx, former).await.expect("is the owner");
    tx.set(b"room", b"1").expect("sets");
    nodes[0]
        .membership
        .move_shard(shard, nodes[1].id())
        .await
        .expect("moves");
    assert!(tx.commit().await.is_err(), "it has been overtaken");
    let tx = nodes[0].store.begin().await.expect("begins");
    let (owner, epoch) = (Some(nodes[1].id()), former.epoch.next());
    let fenced = FenceError::Fenced { owner, epoch };
    assert_eq!(fence(&tx, former).await, Err(fenced));
    nodes[1].membership.look().await;
    let Place::Here(owner) = nodes[1].membership.place(shard) else {
        panic!("it is here");
    };
    assert_eq!(fence(&tx, owner).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_release_too_far_away_is_refused() {
    let cluster = Cluster::new(10);
    let other = cluster.join(cluster.id()).await.expect("joins");
    let key = Node { node: other.id() };
    let tx = other.store.begin().await.expect("begins");
    let mut row = tx.row(&key).await.expect("reads").expect("is a member");
    row.schema_version += 2;
    tx.set_row(&key, &row).expect("sets");
    tx.commit().await.expect("commits");
    let error = cluster
        .join(cluster.id())
        .await
        .map(drop)
        .expect_err("refused");
    let text = error.to_string();
    assert!(
        text.contains(&other.id().to_string()) && text.contains("1.0"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_costs_no_lease() {
    let (cluster, nodes) = Cluster::of(11, 3).await;
    let before: Vec<_> = nodes.iter().map(cluster::Node::here).collect();
    cluster.disk.set_faults(Faults {
        stall: 2_000,
        stall_span: Duration::from_secs(10),
        ..Faults::NONE
    });
    sleep(Duration::from_secs(60)).await;
    assert!(cluster.disk.faults_injected().stall > 3);
    cluster.disk.set_faults(Faults::NONE);
    sleep(SERVE_FOR).await;
    let after: Vec<_> = nodes.iter().map(cluster::Node::here).collect();
    assert_eq!(after, before, "nobody was evicted");
}

#[tokio::test(start_paused = true)]
async fn a_namesake_that_came_meanwhile_keeps_its_place() {
    let (cluster, mut nodes) = Cluster::of(12, 2).await;
    let former = nodes.remove(0);
    former.cut_off(true);
    nodes.push(cluster.start(former.id()).await);
    former.cut_off(false);
    settled(&nodes).await;
    sleep(10 * LEASE).await;
    settled(&nodes).await;
    assert!(former.here().is_empty(), "there is no room for two");
    nodes.pop().expect("the namesake").kill();
    nodes.push(former);
    settled(&nodes).await;
}

#[tokio::test(start_paused = true)]
async fn who_leaves_without_a_drain_is_not_waited_for() {
    let (_cluster, mut nodes) = Cluster::of(13, 3).await;
    let left = nodes.remove(0);
    let began = Instant::now();
    left.membership.leave().await;
    assert!(left.here().is_empty());
    settled(&nodes).await;
    assert!(began.elapsed() < LEASE / 2, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_node_is_the_caretaker_and_another_when_it_dies() {
    let (_cluster, mut nodes) = Cluster::of(15, 3).await;
    let caretakers = |nodes: &[cluster::Node]| -> Vec<usize> {
        let is = |place: &usize| nodes[*place].membership.is_caretaker();
        (0..nodes.len()).filter(is).collect()
    };
    let [first] = caretakers(&nodes)[..] else {
        panic!("not one");
    };
    let dead = nodes.remove(first);
    dead.kill();
    let other = async {
        tokio::select! {
            () = nodes[0].membership.until_caretaker() => 0,
            () = nodes[1].membership.until_caretaker() => 1,
        }
    };
    let other = other.await;
    settled(&nodes).await;
    assert_eq!(caretakers(&nodes), [other]);
    nodes[other].membership.drain().await;
    nodes[other].membership.until_no_caretaker().await;
    settled(&nodes[1 - other..=1 - other]).await;
    assert!(nodes[1 - other].membership.is_caretaker());
}

#[tokio::test(start_paused = true)]
async fn a_node_takes_nothing_before_it_serves() {
    let (cluster, nodes) = Cluster::of(14, 1).await;
    let joined = cluster.join(cluster.id()).await.expect("joins");
    joined.until(|view| view.members().len() == 2).await;
    nodes[0].kill();
    sleep(4 * LEASE).await;
    assert_eq!(joined.owned(), 0);
    joined.membership.serve(joined.rooms.clone());
    settled(&[joined]).await;
}
