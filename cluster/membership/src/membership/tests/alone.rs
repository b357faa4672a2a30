//! A node that has the store to itself.

use std::sync::Arc;

use cluster_store::{Faults, StoreError};
use cluster_types::{NodeId, Shard};
use tokio::time::Instant;

use super::ALL;
use super::cluster::{Cluster, settled};
use crate::limits::LEASE;
use crate::{JoinError, Membership, Place, Tenant};

async fn alone(cluster: &Cluster, node: NodeId) -> Result<Membership, JoinError> {
    Membership::alone(cluster.parts(node).0).await
}

fn here(membership: &Membership) -> usize {
    let here = |shard: &Shard| matches!(membership.place(*shard), Place::Here(_));
    Shard::all().filter(here).count()
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_alone_has_every_shard_at_once_and_for_ever() {
    let cluster = Cluster::new(1);
    let began = Instant::now();
    let membership = alone(&cluster, cluster.id()).await.expect("starts");
    assert_eq!((here(&membership), began.elapsed().as_millis()), (ALL, 0));
    tokio::time::sleep(100 * LEASE).await;
    membership.look().await;
    membership.drain().await;
    assert_eq!(here(&membership), ALL);
    // It was killed, and starts again.
    let again = alone(&cluster, membership.myself().node)
        .await
        .expect("starts");
    assert_eq!((here(&again), began.elapsed()), (ALL, 100 * LEASE));
}

#[tokio::test(start_paused = true)]
async fn without_space_a_node_that_is_alone_starts_and_takes_its_shards_once_there_is_some() {
    let cluster = Cluster::new(4);
    cluster.disk.set_full(true);
    let membership = alone(&cluster, cluster.id()).await.expect("starts");
    let rooms = cluster.rooms();
    membership.serve(Arc::clone(&rooms) as Arc<dyn Tenant>);
    membership.look().await;
    assert_eq!((here(&membership), membership.is_caretaker()), (0, false));
    assert_eq!(rooms.told.lock().gained.len(), 0);
    assert_eq!(membership.kept_out(), Some(StoreError::Full));
    // Another reason takes the place of the first.
    cluster.disk.set_faults(Faults {
        conflict: 1_000_000,
        ..Faults::NONE
    });
    cluster.disk.set_full(false);
    membership.look().await;
    assert_eq!(membership.kept_out(), Some(StoreError::Contended));
    cluster.disk.set_faults(Faults::NONE);
    membership.look().await;
    assert_eq!((here(&membership), membership.is_caretaker()), (ALL, true));
    assert_eq!(membership.kept_out(), None);
    assert_eq!(rooms.told.lock().gained.len(), ALL);
    // Nobody waits for rounds that there will never be.
    membership.look().await;
    membership.leave().await;
    assert_eq!(here(&membership), 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_has_never_found_space_leaves_at_once() {
    let cluster = Cluster::new(5);
    cluster.disk.set_full(true);
    let membership = alone(&cluster, cluster.id()).await.expect("starts");
    let began = Instant::now();
    membership.leave().await;
    assert_eq!(began.elapsed().as_millis(), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_joins_a_node_that_is_alone_until_it_has_left() {
    let cluster = Cluster::new(2);
    let only = alone(&cluster, cluster.id()).await.expect("starts");
    let refused = cluster.join(cluster.id()).await.map(drop);
    let node = only.myself().node;
    assert!(matches!(refused, Err(JoinError::Alone { node: named }) if named == node));
    only.leave().await;
    assert_eq!(here(&only), 0);
    settled(&[cluster.start(cluster.id()).await]).await;
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_alive_is_not_taken_over_and_one_that_is_dead_is() {
    let (cluster, nodes) = Cluster::of(3, 2).await;
    let refused = alone(&cluster, cluster.id()).await.map(drop);
    assert!(
        matches!(refused, Err(JoinError::Cluster { .. })),
        "{refused:?}"
    );
    settled(&nodes).await;
    for node in &nodes {
        node.kill();
    }
    let began = Instant::now();
    let membership = alone(&cluster, cluster.id()).await.expect("starts");
    assert!(began.elapsed() >= LEASE);
    assert_eq!(
        (here(&membership), membership.view().members().len()),
        (ALL, 1)
    );
}
