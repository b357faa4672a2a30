//! Each transaction leaves alone what is not as it was read.

use cluster_store::Simulated;
use cluster_types::{BootId, Epoch};

use super::*;
use crate::Addresses;

const SHARD: usize = 7;

fn life(node: u8, boot: u8) -> Life {
    Life {
        node: NodeId::from_bytes([node; 16]),
        boot: BootId::from_bytes([boot; 16]),
    }
}

fn rng() -> Rng {
    Rng::seeded(1)
}

fn shard() -> Shard {
    Shard::all().nth(SHARD).expect("a shard")
}

/// A store with these members, which serve.
async fn store_of(lives: &[Life]) -> Store {
    let store = Store::new(Simulated::reliable());
    for life in lives {
        let member = Member {
            life: *life,
            addresses: Addresses::default(),
            version: "1.0".into(),
            schema_version: 1,
            state: NodeState::Serving,
            alone: false,
            withdrawn: false,
        };
        let entered = enter(&store, &member, &[]).await;
        assert!(matches!(entered, Ok(Entered::Yes)), "{entered:?}");
    }
    store
}

async fn owner_in(store: &Store) -> Owner {
    let read = |tx: Transaction| async move { owner(&tx, shard()).await };
    store.read(read).await.expect("reads")
}

#[tokio::test(start_paused = true)]
async fn only_a_member_claims_and_only_from_who_is_none() {
    let (one, other, former) = (life(1, 1), life(2, 2), life(1, 9));
    let store = store_of(&[one, other]).await;
    let free = [(shard(), Owner::default())];
    assert_eq!(
        claim(&store, &rng(), former, &free).await,
        Ok(0),
        "an earlier life"
    );
    assert_eq!(claim(&store, &rng(), one, &free).await, Ok(1));
    assert_eq!(
        claim(&store, &rng(), other, &free).await,
        Ok(0),
        "it has changed"
    );
    let owned = [(shard(), owner_in(&store).await)];
    assert_eq!(
        claim(&store, &rng(), other, &owned).await,
        Ok(0),
        "its owner lives"
    );
    leave(&store, one).await.expect("leaves");
    assert_eq!(claim(&store, &rng(), other, &owned).await, Ok(1));
    let owner = owner_in(&store).await;
    assert_eq!((owner.life, owner.epoch), (Some(other), Epoch(2)));
}

#[tokio::test(start_paused = true)]
async fn a_shard_is_handed_to_nobody_who_would_not_serve_it() {
    let (one, other) = (life(1, 1), life(2, 2));
    let store = store_of(&[one, other]).await;
    claim(&store, &rng(), one, &[(shard(), Owner::default())])
        .await
        .expect("claims");
    let found = owner_in(&store).await;
    let to = |to: Life| Move {
        shard: shard(),
        found,
        to,
    };
    for heir in [life(3, 3), life(2, 9)] {
        assert_eq!(
            hand_over(&store, &rng(), one, &[to(heir)]).await,
            Ok(vec![])
        );
    }
    assert_eq!(
        set_state(&store, other, NodeState::Draining).await,
        Ok(true)
    );
    assert_eq!(
        hand_over(&store, &rng(), one, &[to(other)]).await,
        Ok(vec![])
    );
    assert_eq!(set_state(&store, other, NodeState::Serving).await, Ok(true));
    assert_eq!(
        hand_over(&store, &rng(), life(1, 9), &[to(other)]).await,
        Ok(vec![])
    );
    assert_eq!(owner_in(&store).await, found);
    let handed = hand_over(&store, &rng(), one, &[to(other)]).await;
    let owner = owner_in(&store).await;
    assert_eq!((owner.life, owner.epoch), (Some(other), found.epoch.next()));
    assert_eq!(handed, Ok(vec![(shard(), owner)]));
    assert_eq!(
        hand_over(&store, &rng(), one, &[to(other)]).await,
        Ok(vec![]),
        "it has changed"
    );
}

#[tokio::test(start_paused = true)]
async fn who_has_moved_is_not_evicted_and_who_was_evicted_does_not_renew() {
    let (one, other) = (life(1, 1), life(2, 2));
    let store = store_of(&[one, other]).await;
    let beat = |count| Beat {
        boot: other.boot,
        count,
    };
    let renewed = heartbeat(&store, other, None).await.expect("renews");
    assert!(renewed.is_some());
    assert_eq!(evict(&store, one, other.node, beat(1)).await, Ok(false));
    assert_eq!(
        evict(&store, life(1, 9), other.node, beat(2)).await,
        Ok(false)
    );
    assert_eq!(evict(&store, one, other.node, beat(2)).await, Ok(true));
    assert!(
        heartbeat(&store, other, None)
            .await
            .expect("asks")
            .is_none()
    );
    assert_eq!(
        set_state(&store, other, NodeState::Serving).await,
        Ok(false)
    );
}

#[tokio::test(start_paused = true)]
async fn heartbeats_are_in_nobodys_way() {
    let (one, other) = (life(1, 1), life(2, 2));
    let store = store_of(&[one, other]).await;
    claim(&store, &rng(), one, &[(shard(), Owner::default())])
        .await
        .expect("claims");
    let (owner, epoch) = (owner_in(&store).await, Epoch(1));
    let tx = store.begin().await.expect("begins");
    fence(
        &tx,
        Ownership {
            shard: shard(),
            life: one,
            epoch,
        },
    )
    .await
    .expect("owns it");
    assert_eq!(is_member(&tx, one).await, Ok(true));
    let changes = vec![(shard(), owner, other)];
    change_owners(&tx, &rng(), changes).await.expect("writes");
    for life in [one, other] {
        heartbeat(&store, life, None).await.expect("renews");
    }
    tx.commit().await.expect("nothing was in its way");
}

#[tokio::test(start_paused = true)]
async fn owners_are_read_only_after_a_change() {
    let one = life(1, 1);
    let store = store_of(&[one]).await;
    let read = async |known| {
        heartbeat(&store, one, known)
            .await
            .expect("renews")
            .expect("is one")
    };
    let (mark, owners) = read(None).await.owners.expect("all");
    assert!(owners.iter().all(|owner| *owner == Owner::default()));
    assert!(read(Some(mark)).await.owners.is_none());
    claim(&store, &rng(), one, &[(shard(), Owner::default())])
        .await
        .expect("claims");
    let (_, owners) = read(Some(mark)).await.owners.expect("all");
    assert_eq!(owners[SHARD].life, Some(one));
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_does_not_read_is_nobody_elses() {
    let (store, key) = (store_of(&[]).await, ShardOwner { shard: shard() });
    let row = v1::ShardOwner {
        node_id: vec![1; 16].into(),
        ..Default::default()
    };
    let tx = store.begin().await.expect("begins");
    tx.set_row(&key, &row).expect("sets");
    let ownership = Ownership {
        shard: shard(),
        life: life(1, 1),
        epoch: Epoch(0),
    };
    assert!(matches!(
        fence(&tx, ownership).await,
        Err(FenceError::Store(_))
    ));
}
