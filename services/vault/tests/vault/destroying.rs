//! What is destroyed is unreadable when the call returns, and nothing else is.

use std::time::Duration;

use cluster_store::{Faults, schema};
use cluster_types::{UnixMillis, Week};
use futures::future::join;
use services_vault::{FieldAad, Vault};

use crate::harness::{DAY_MS, NOON, Sealed, World, account, assert_opens, opened, room, seal};

async fn assert_gone(vault: &Vault, message: &Sealed) {
    assert_eq!(opened(vault, message).await.expect("reads"), None);
}

#[tokio::test(start_paused = true)]
async fn a_destroyed_account_is_unreadable_at_once_and_others_are_not() {
    let world = World::new(1);
    let vault = world.vault().await;
    let later = UnixMillis(NOON.0 + 60 * DAY_MS);
    let gone = [
        seal(&vault, account(1), room(1), NOON)
            .await
            .expect("seals"),
        seal(&vault, account(1), room(2), later)
            .await
            .expect("seals"),
    ];
    let other = seal(&vault, account(2), room(1), NOON)
        .await
        .expect("seals");
    vault.account_sealer(account(1)).await.expect("seals");
    for message in &gone {
        assert_opens(&vault, message).await;
    }
    vault.destroy_account(account(1)).await.expect("destroys");
    for reader in [&vault, &world.vault().await] {
        for message in &gone {
            assert_gone(reader, message).await;
        }
        let fields = reader.account_openers(&[account(1)]).await.expect("reads");
        assert!(fields[0].is_none());
        assert_opens(reader, &other).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_made_after_a_destruction_opens_nothing_from_before() {
    let world = World::new(1);
    let vault = world.vault().await;
    let before = seal(&vault, account(1), room(1), NOON)
        .await
        .expect("seals");
    vault.destroy_account(account(1)).await.expect("destroys");
    let after = seal(&vault, account(1), room(1), NOON)
        .await
        .expect("seals");
    assert_opens(&vault, &after).await;
    let broken = opened(&vault, &before).await.expect("reads");
    assert_eq!(broken, Some(Err(services_vault::Broken)));
}

#[tokio::test(start_paused = true)]
async fn retention_takes_old_weeks_and_leaves_names_and_new_weeks() {
    let world = World::new(1);
    let vault = world.vault().await;
    let later = UnixMillis(NOON.0 + 7 * DAY_MS);
    let mut old = Vec::new();
    let mut new = Vec::new();
    for place in 1..=3 {
        old.push(
            seal(&vault, account(1), room(place), NOON)
                .await
                .expect("seals"),
        );
        new.push(
            seal(&vault, account(1), room(place), later)
                .await
                .expect("seals"),
        );
        vault.room_sealer(room(place)).await.expect("seals");
    }
    let end = Week::from(later);
    vault
        .destroy_room_week(room(1), Week::from(NOON))
        .await
        .expect("destroys");
    assert_gone(&vault, &old[0]).await;
    assert_opens(&vault, &old[1]).await;
    vault
        .destroy_room_weeks_before(room(2), end)
        .await
        .expect("destroys");
    assert_gone(&vault, &old[1]).await;
    assert_opens(&vault, &old[2]).await;
    assert_eq!(vault.destroy_weeks_before(end).await, Ok(1));
    assert_gone(&vault, &old[2]).await;
    for reader in [&vault, &world.vault().await] {
        for message in &new {
            assert_opens(reader, message).await;
        }
        let rooms: Vec<_> = (1..=3).map(room).collect();
        let names = reader.room_openers(&rooms).await.expect("reads");
        assert!(names.iter().all(Option::is_some));
    }
    vault.destroy_room(room(1)).await.expect("destroys");
    assert_gone(&vault, &new[0]).await;
    let names = vault.room_openers(&[room(1)]).await.expect("reads");
    assert!(names[0].is_none());
}

#[tokio::test(start_paused = true)]
async fn retention_across_many_rooms_goes_in_batches_to_the_end() {
    let world = World::new(1);
    let store = world.store();
    let vault = world.vault().await;
    let tx = store.begin().await.expect("begins");
    for number in 0..600_u32 {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        let room = cluster_types::RoomId::from_bytes(bytes);
        for week in [Week::NONE, Week(10), Week(11)] {
            tx.set_row(&schema::RoomKey { room, week }, &Default::default())
                .expect("sets");
        }
    }
    tx.commit().await.expect("commits");
    assert_eq!(vault.destroy_weeks_before(Week(11)).await, Ok(600));
    assert_eq!(vault.destroy_weeks_before(Week(11)).await, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_read_while_it_is_destroyed_is_not_remembered() {
    let slow = Faults {
        delay: 1_000_000,
        delay_max: Duration::from_millis(20),
        ..Faults::NONE
    };
    for seed in 0..100 {
        let world = World::new(seed);
        let vault = world.vault().await;
        let message = seal(&vault, account(1), room(1), NOON)
            .await
            .expect("seals");
        let fresh = world.vault().await;
        world.disk.set_faults(slow);
        let (read, destroyed) =
            join(opened(&fresh, &message), fresh.destroy_account(account(1))).await;
        read.expect("reads");
        destroyed.expect("destroys");
        assert_gone(&fresh, &message).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_destruction_whose_outcome_is_unknown_leaves_nothing_in_memory() {
    let world = World::new(1);
    let vault = world.vault().await;
    let message = seal(&vault, account(1), room(1), NOON)
        .await
        .expect("seals");
    world.disk.set_faults(Faults {
        unknown_committed: 1_000_000,
        ..Faults::NONE
    });
    vault
        .destroy_account(account(1))
        .await
        .expect_err("never certain");
    world.disk.set_faults(Faults::NONE);
    assert_gone(&vault, &message).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_told_forgets_what_another_destroyed() {
    let world = World::new(1);
    let (one, other) = (world.vault().await, world.vault().await);
    let message = seal(&one, account(1), room(1), NOON).await.expect("seals");
    assert_opens(&other, &message).await;
    one.destroy_account(account(1)).await.expect("destroys");
    other.forget_account(account(1));
    assert_gone(&other, &message).await;
    let place = FieldAad::of(&schema::Room { room: room(1) }, "topic");
    let sealer = other.room_sealer(room(1)).await.expect("seals");
    sealer.seal(&place, b"the rest works on").expect("short");
}
